"""What theory says of a network at its start, against formulas and against networks that are drawn by hand."""

import math

import numpy as np
import pytest

from research.training.config import TrainConfig
from research.training.data import load
from research.training.mean_field import expected_signals, start_variances
from research.training.models import initial_layer
from studies import vanishing_gradient

FUNCTIONS = {
    "identity": (lambda z: z, np.ones_like),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
}


@pytest.mark.parametrize(("init", "gain"), [("default", 1 / 3), ("xavier", 1.0), ("he", 2.0)])
def test_a_wide_layer_of_relu_multiplies_both_squares_by_half_its_gain(init, gain):
    signals = expected_signals(TrainConfig(depth=8, width=100_000, init=init), 0.5)
    assert signals.backward_factor == pytest.approx(math.sqrt(gain / 2), rel=1e-4)
    if init != "default":  # whose biases add to it
        assert signals.forward_factor == pytest.approx(math.sqrt(gain / 2), rel=1e-4)


def test_the_second_moment_of_a_layer_follows_from_that_of_the_one_before():
    config = TrainConfig(depth=3, width=10**9, activation="tanh")
    z = np.random.default_rng(0).standard_normal(4_000_000)
    q = 1 / (3 * 784) + 0.2 / 3
    for found in expected_signals(config, 0.2).forward:
        square = (np.tanh(np.sqrt(q) * z) ** 2).mean()
        assert found == pytest.approx(math.log(square) / 2, abs=1e-3)
        q = square / 3


@pytest.mark.parametrize("init", ["default", "xavier", "he", "normal", "zero"])
def test_variances_are_those_of_what_is_drawn(init):
    config = TrainConfig(init=init, init_std=0.3)
    weight, bias = initial_layer(config, 300, 700, seed=0, layer=1)
    expected = start_variances(config, 300, 700)
    assert (weight**2).mean() == pytest.approx(expected[0], rel=0.01)
    assert (bias**2).mean() == pytest.approx(expected[1], rel=0.1)


@pytest.mark.parametrize("init", ["xavier", "he"])
@pytest.mark.parametrize("activation", FUNCTIONS)
def test_networks_drawn_by_hand_have_the_signals_of_theory_at_their_width(activation, init):
    """Of 2,000 networks, of one example and with signals of nine dimensions, as ten classes have."""
    function, slope = FUNCTIONS[activation]
    rng, width, depth, starts = np.random.default_rng(1), 32, 6, 2000
    config = TrainConfig(depth=depth, width=width, activation=activation, init=init)
    scale = math.sqrt(start_variances(config, width, width)[0])
    inputs = np.full((starts, 784), math.sqrt(0.3))
    first = math.sqrt(start_variances(config, 784, width)[0])
    zs = [first * np.sqrt((inputs**2).sum(1))[:, None] * rng.standard_normal((starts, width))]
    weights = scale * rng.standard_normal((depth - 1, starts, width, width))
    for weight in weights:
        zs.append(np.einsum("si,sij->sj", function(zs[-1]), weight))
    forward = [np.log((function(z) ** 2).mean(1)).mean() / 2 for z in zs]
    signal = rng.standard_normal((starts, 9, width)) * slope(zs[-1])[:, None]
    norms = [np.log((signal**2).sum((1, 2))) / 2]
    for weight, z in zip(weights[::-1], zs[-2::-1], strict=True):
        signal = np.einsum("scj,sij->sci", signal, weight) * slope(z)[:, None]
        norms.append(np.log((signal**2).sum((1, 2))) / 2)
    backward = (norms[-1] - norms[0]).mean() / (depth - 1)
    expected = expected_signals(config, 0.3)
    np.testing.assert_allclose(forward, expected.forward, atol=0.02)
    assert backward == pytest.approx(math.log(expected.backward_factor), abs=0.01)


def test_the_studies_take_the_second_moment_of_mnist():
    square = (load("mnist").inputs.double() / 255) ** 2
    assert float(square.mean()) == pytest.approx(vanishing_gradient.INPUT_SQUARE, rel=0.003)
