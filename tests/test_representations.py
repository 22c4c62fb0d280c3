"""Linear probes, receptive fields and dimensions, against what is known and what other code gives."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from research.training.config import TrainConfig
from research.training.data import load
from research.training.module import StackModule
from research.training.representations import (
    dimension_of,
    linear_probes,
    receptive_fields,
    softmax_probe,
    spread_of,
    unexplained,
)

DIGITS = TrainConfig(dataset="digits", depth=3, width=16, init="he")
RNG = np.random.default_rng(0)


def module(config: TrainConfig = DIGITS, seeds: tuple[int, ...] = (0, 1)) -> StackModule:
    return StackModule(config, seeds, load(config.dataset))


def test_a_probe_is_the_logistic_regression_of_scikit_learn():
    data = load("digits")
    inputs, test = data.inputs.float(), data.test_inputs.float()
    accuracy, loss = softmax_probe(inputs, data.targets, test, data.test_targets)
    scale = inputs.var(0, correction=0).mean().sqrt()
    fitted = LogisticRegression(max_iter=1000).fit(((inputs - inputs.mean(0)) / scale).numpy(), data.targets.numpy())
    theirs = fitted.predict_proba(((inputs - inputs.mean(0)) / scale).numpy())
    assert accuracy == pytest.approx(fitted.score((test - inputs.mean(0)) / scale, data.test_targets), abs=0.01)
    assert loss == pytest.approx(-np.log(theirs[range(len(theirs)), data.targets]).mean(), rel=0.02)


def test_what_is_unexplained_is_what_least_squares_leave():
    inputs, labels = torch.from_numpy(RNG.standard_normal((300, 5))), torch.from_numpy(RNG.integers(0, 3, 300))
    ones, targets = torch.cat([inputs, torch.ones(300, 1)], 1), torch.eye(3).double()[labels]
    left = targets - ones @ torch.linalg.lstsq(ones, targets).solution
    share = left.square().sum() / (targets - targets.mean(0)).square().sum()
    assert unexplained(inputs, labels) == pytest.approx(float(share), abs=1e-12)


def test_no_affine_map_explains_more_and_one_that_can_be_undone_explains_the_same():
    inputs, labels = torch.from_numpy(RNG.standard_normal((300, 5))), torch.from_numpy(RNG.integers(0, 3, 300))
    before = unexplained(inputs, labels)
    assert unexplained(inputs @ torch.from_numpy(RNG.standard_normal((5, 5))) + 3, labels) == pytest.approx(before)
    assert unexplained(inputs @ torch.from_numpy(RNG.standard_normal((5, 9))), labels) == pytest.approx(before)
    assert unexplained(inputs @ torch.from_numpy(RNG.standard_normal((5, 3))), labels) > before
    assert unexplained(torch.cat([inputs, labels[:, None] == torch.arange(3)], 1), labels) < 1e-12


def test_probes_go_from_the_inputs_to_the_last_hidden_layer():
    own = module()
    found = linear_probes(own, load("digits"))
    assert found.profiles["probe_accuracy"].shape == (2, 4)
    for row in range(2):
        inputs, labels = own.lookup(own.validation_indices)
        assert float(found.profiles["unexplained"][row, 0]) == unexplained(inputs[row], labels[row])
        outputs = [output.detach() for _, output in copy.deepcopy(own.model).double().layers(inputs.double())]
        assert float(found.profiles["unexplained"][row, 3]) == unexplained(outputs[2][row], labels[row])
    accuracy = found.profiles["probe_accuracy"]
    assert torch.equal(found.metrics["probe_gain"], accuracy[:, 3] - accuracy[:, 0])
    assert torch.equal(found.metrics["least_explained"], -found.profiles["unexplained"].diff(dim=1).amax(1))


def test_layers_without_activation_explain_nothing_more_whatever_float32_rounds():
    own = module(replace(DIGITS, activation="identity", width=64))
    with torch.no_grad():  # units of ever smaller size, of whose sums rounding to float32 is ever more
        own.model.weights[1].mul_(torch.logspace(0, -6, 64))
    assert float(linear_probes(own, load("digits")).metrics["largest_explained"].max()) < 1e-9


def test_a_network_that_diverged_has_no_probes_and_the_others_have():
    own = module()
    with torch.no_grad():
        own.model.weights[1][0] = torch.inf
    found = linear_probes(own, load("digits"))
    assert found.metrics["probe_gain"].isnan().tolist() == [True, False]


@pytest.mark.parametrize("side", [2, 8, 28])
def test_the_spread_of_equal_weights_is_that_of_a_square_and_of_one_pixel_none(side):
    weights = torch.ones(2, side**2).double()
    weights[1, :-1] = 0
    assert spread_of(weights)[0] == pytest.approx(((side**2 - 1) / 6) ** 0.5)
    assert spread_of(weights)[1] == pytest.approx(0, abs=1e-6)


def test_units_that_see_four_pixels_have_a_narrow_field_and_those_behind_them_a_wider_one():
    own = module(replace(DIGITS, depth=2, width=16), (0,))
    with torch.no_grad():
        own.model.weights[0].zero_()
        for unit in range(16):
            row, column = 2 * (unit // 4), 2 * (unit % 4)
            own.model.weights[0][0, [8 * r + c for r in (row, row + 1) for c in (column, column + 1)], unit] = 1.0
        own.model.weights[1].fill_(1.0)
    found = receptive_fields(own, load("digits"))
    first, second = found.profiles["field_spread"][0, 1:].tolist()
    assert first < 0.25
    assert second == pytest.approx(1, abs=0.05)
    assert float(found.metrics["field_growth"]) == pytest.approx(second / first)


@pytest.mark.parametrize("dimension", [2, 5, 10])
def test_the_dimension_of_normal_numbers_is_found_in_a_space_of_many(dimension):
    points = torch.from_numpy(RNG.standard_normal((3000, dimension)) @ RNG.standard_normal((dimension, 50)))
    assert dimension_of(points) == pytest.approx(dimension, rel=0.15)
    assert dimension_of(3 * points + 1) == pytest.approx(dimension_of(points))
