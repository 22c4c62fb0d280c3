"""The bounds of universal_approximation, against what is known, and its controls, refuted where something is broken."""

import numpy as np
import pytest
from broken_studies import controls_of

from research.design.streams import stream
from research.design.study_files import load_study
from research.training.piecewise import best_linear_pieces
from studies.universal_approximation import Target, kink_bound, least_error, monomials, narrow, places, ridge

NO_ERRORS = ("worst = abs(fits - true).max(0)", "worst = 0 * abs(fits - true).max(0)")
FAULTS = {
    "polynomial-at-any-width": ("lambda z: z**3", "lambda z: np.abs(z) ** 3"),
    "never-below-possible": NO_ERRORS,
    "never-below-kinks": NO_ERRORS,
    "few-units-miss": NO_ERRORS,
    "one-unit-is-monotone": ("width: int = 1", "width: int = 2"),
    "as-one-layer": ("+ bias - column.sum()", "+ bias"),
}
RNG = np.random.default_rng(0)


def test_every_control_of_the_study_is_seen_to_fail():
    assert set(FAULTS) == {control.name for control in load_study("universal_approximation").controls}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    found = controls_of("universal_approximation", tmp_path, ("math.pi", "math.pi"), FAULTS, range(3))
    assert found == dict.fromkeys(FAULTS, "supported")


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    found = controls_of("universal_approximation", tmp_path, FAULTS[control], [control], range(3))
    assert found == {control: "refuted"}


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_least_error_for_the_next_power_is_that_of_chebyshev(degree):
    x = np.linspace(-1, 1, 2001)[:, None]
    assert least_error(monomials(x, degree), x[:, 0] ** (degree + 1)) == pytest.approx(0.5**degree, rel=1e-4)


def test_there_are_as_many_monomials_as_a_polynomial_has_coefficients():
    assert [monomials(RNG.standard_normal((5, inputs)), 3).shape for inputs in (1, 2)] == [(5, 4), (5, 10)]


@pytest.mark.parametrize("kinks", [3, 15, 63])
def test_no_line_with_so_many_kinks_is_below_the_bound_of_curvature(kinks):
    x = places(1)[::16]
    for seed in range(5):
        function, bend = Target("smooth", 1, stream(seed, "test")).made()
        best = best_linear_pieces(x[:, 0], function(x), kinks + 1)
        assert 0 < kink_bound(bend, kinks) < np.sqrt(best.mse[-1])


def test_the_second_derivative_is_that_of_differences():
    for kind in ("smooth", "rough"):
        function, bend = Target(kind, 1, stream(0, "test")).made()
        x, step = RNG.uniform(-1, 1, (50, 1)), 1e-5
        differences = (function(x + step) - 2 * function(x) + function(x - step)) / step**2
        np.testing.assert_allclose(bend(x), differences, rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("inputs", [1, 2])
def test_targets_are_continuous_and_of_the_seed(inputs):
    for kind in ("smooth", "kinked", "rough"):
        function, again = (Target(kind, inputs, stream(1, "test")).made()[0] for _ in range(2))
        x = RNG.uniform(-1, 1, (200, inputs))
        assert (function(x) == again(x)).all()
        assert np.abs(function(x + 1e-9) - function(x)).max() < 1e-4


def test_a_penalty_of_next_to_nothing_gives_the_least_squares():
    features, values = RNG.standard_normal((50, 4)), RNG.standard_normal((50, 2))
    np.testing.assert_allclose(ridge(features, values, (1e-13,))[0], np.linalg.lstsq(features, values)[0])


@pytest.mark.parametrize("inputs", [1, 2])
def test_narrow_layers_compute_what_one_layer_does(inputs):
    x, weights = RNG.uniform(-1, 1, (100, inputs)), RNG.standard_normal((inputs, 7))
    biases, output = RNG.standard_normal(7), RNG.standard_normal((8, 3))
    wide = np.maximum(x @ weights + biases, 0) @ output[1:] + output[0]
    np.testing.assert_allclose(narrow(x, weights, biases, output), wide, atol=1e-12)
