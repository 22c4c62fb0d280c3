"""Piecewise-linear fits against all possible ones, explicit hat functions and theory."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest

from research.design.streams import stream
from research.training.piecewise import asymptotic_limit, best_linear_pieces, capacity_limit, continuous_fit

PERIODS = np.linspace(-2 * math.pi, 2 * math.pi, 2048)
KINKS = (0, 1, 2, 3, 4, 8, 16, 31, 32, 63, 64, 96, 127)


@pytest.fixture(scope="module")
def sine():
    return {limit.num_kinks: limit for limit in capacity_limit(PERIODS, np.sin(PERIODS), KINKS)}


def squared_error_of_lines(x, y, starts):
    """A second implementation: np.polyfit on each run."""
    error = 0.0
    for first, end in pairwise([0, *starts, len(x)]):
        if end - first > 2:
            line = np.polyfit(x[first:end] - x[first], y[first:end], 1)
            error += float(np.sum((np.polyval(line, x[first:end] - x[first]) - y[first:end]) ** 2))
    return error


def hats(x, knots):
    return np.array([np.interp(x, knots, row) for row in np.eye(len(knots))]).T


@pytest.mark.parametrize("seed", range(3))
def test_the_best_lines_are_the_best_of_all(seed):
    rng = stream(seed, "test")
    x, y = np.sort(rng.uniform(-1, 1, 11)), rng.normal(size=11)
    found = best_linear_pieces(x, y, 11)
    for pieces in range(1, 12):
        splits = combinations(range(1, 11), pieces - 1)
        errors = {split: squared_error_of_lines(x, y, split) / 11 for split in splits}
        assert found.mse[pieces - 1] == pytest.approx(min(errors.values()), abs=1e-12)
        assert errors[tuple(found.starts[pieces - 1])] == pytest.approx(min(errors.values()), abs=1e-12)


def test_the_best_lines_have_the_error_that_they_are_said_to_have():
    x = np.linspace(-2 * math.pi, 2 * math.pi, 1024)
    found = best_linear_pieces(x, np.sin(x), 65)
    for pieces in range(1, 66):
        assert len(found.starts[pieces - 1]) == pieces - 1
        error = squared_error_of_lines(x, np.sin(x), found.starts[pieces - 1]) / 1024
        assert found.mse[pieces - 1] == pytest.approx(error, rel=1e-9)


def test_a_large_offset_and_slope_of_the_data_cancel_nothing():
    x = np.linspace(-2 * math.pi, 2 * math.pi, 512)
    plain = best_linear_pieces(x, np.sin(x), 33)
    shifted = best_linear_pieces(x + 2**10, np.sin(x) + 2**10 + 2**5 * x, 33)
    np.testing.assert_allclose(shifted.mse, plain.mse, rtol=1e-6)


def test_the_same_points_give_the_same_bits_and_equal_fits_the_one_whose_last_line_starts_last():
    noise = stream(4, "test").normal(size=200)
    first, second = (best_linear_pieces(np.arange(200), noise, 20) for _ in range(2))
    assert first.mse.tobytes() == second.mse.tobytes()
    assert all(a.tolist() == b.tolist() for a, b in zip(first.starts, second.starts, strict=True))
    ties = best_linear_pieces(np.arange(6), np.zeros(6), 3)
    assert [starts.tolist() for starts in ties.starts] == [[], [5], [4, 5]]


def test_the_continuous_fit_is_that_of_lstsq_on_hat_functions():
    rng = stream(5, "test")
    x, y = np.sort(rng.uniform(-1, 1, 80)), rng.normal(size=80)
    for inner in (0, 1, 4, 9):
        knots = np.concatenate(([-1], np.linspace(-0.9, 0.8, inner), [1]))
        expected = np.linalg.lstsq(hats(x, knots), y)[0]
        np.testing.assert_allclose(continuous_fit(x, y, knots), expected, rtol=1e-9, atol=1e-12)


def test_a_function_with_k_kinks_is_fitted_by_k_kinks_and_not_by_fewer():
    x = np.linspace(0, 1, 400)
    y = np.interp(x, [0, 0.2, 0.35, 0.6, 0.61, 1], [0, 1, -1, 2, 1, 1.5])
    limits = capacity_limit(x, y, range(7))
    assert all(limit.rmse < 1e-12 for limit in limits[4:])
    assert all(limit.rmse_bound < 1e-12 for limit in limits[4:])
    assert all(limit.rmse_bound > 1e-3 for limit in limits[:4])
    np.testing.assert_allclose(limits[4].knots, [0, 0.2, 0.35, 0.6, 0.61, 1], atol=1e-9)


def test_no_continuous_fit_is_below_the_bound_wherever_its_knots_lie():
    rng = stream(6, "test")
    x = np.linspace(-2 * math.pi, 2 * math.pi, 300)
    for y in (np.sin(x), np.sin(x) + rng.normal(0, 0.3, 300), rng.normal(size=300)):
        bounds = best_linear_pieces(x, y, 13).mse
        for _ in range(100):
            kinks = int(rng.integers(0, 13))
            knots = np.concatenate((x[:1], np.sort(rng.uniform(x[1], x[-2], kinks)), x[-1:]))
            residuals = y - hats(x, knots) @ np.linalg.lstsq(hats(x, knots), y)[0]
            assert np.mean(residuals**2) >= bounds[kinks]
        for limit in capacity_limit(x, y, (0, 3, 12)):
            assert limit.rmse >= limit.rmse_bound * (1 - 1e-12)


def test_the_limits_are_errors_of_the_fit_at_the_knots(sine):
    for kinks, limit in sine.items():
        assert (len(limit.knots), limit.num_kinks) == (kinks + 2, kinks)
        values = continuous_fit(PERIODS, np.sin(PERIODS), limit.knots)
        dense = np.linspace(-2 * math.pi, 2 * math.pi, 100_001)
        error = np.sin(dense) - np.interp(dense, limit.knots, values)
        assert limit.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.02)
        assert limit.sup == pytest.approx(np.abs(error).max(), rel=0.02)


def test_the_limits_fall_with_the_number_of_kinks(sine):
    for quantity in ("rmse", "rmse_bound"):
        assert (np.diff([getattr(sine[kinks], quantity) for kinks in KINKS]) < 0).all()


def test_on_sine_the_best_fit_with_four_kinks_or_more_is_found(sine):
    for kinks in KINKS[KINKS.index(4) :]:
        assert sine[kinks].rmse == pytest.approx(sine[kinks].rmse_bound, rel=1e-9)


def test_with_fewer_kinks_the_knots_are_moved_to_where_a_search_of_all_finds_none_better(sine):
    x = PERIODS[::8]
    places = np.linspace(-2 * math.pi, 2 * math.pi, 50)[1:-1]
    for kinks in (1, 2):
        trials = [np.concatenate((x[:1], inner, x[-1:])) for inner in combinations(places, kinks)]
        least = min(np.mean((np.sin(x) - np.interp(x, k, continuous_fit(x, np.sin(x), k))) ** 2) for k in trials)
        assert capacity_limit(x, np.sin(x), [kinks])[0].rmse <= math.sqrt(least)


def test_the_best_straight_line_explains_fifteen_percent_of_sine(sine):
    # Slope int x sin x / int x^2 = -4 pi / (16 pi^3 / 3) explains 3 / pi of int sin^2 x = 2 pi.
    explained = 1 - sine[0].rmse ** 2 / np.var(np.sin(PERIODS))
    assert 12 / (8 * math.pi**2) == pytest.approx(0.15198, abs=1e-5)
    assert explained == pytest.approx(12 / (8 * math.pi**2), rel=0.005)


def test_the_integrals_of_theory_are_those_of_the_trapezoidal_rule():
    x = np.linspace(-2 * math.pi, 2 * math.pi, 400_001)
    halves, fifths = (np.trapezoid(np.abs(np.sin(x)) ** power, x) for power in (1 / 2, 2 / 5))
    limit = asymptotic_limit(10)
    assert limit.least_sup == pytest.approx(halves**2 / 16 / 100, rel=1e-4)
    assert limit.sup == pytest.approx(fifths**2 / 12 / 100, rel=1e-4)
    assert limit.rmse**2 == pytest.approx(fifths**5 / 720 / (4 * math.pi) / 10_000, rel=1e-4)
    assert 100 * limit.least_sup == pytest.approx(5.742, abs=0.001)
    assert 10_000 * limit.rmse**2 == pytest.approx(11.18, abs=0.01)


def test_from_32_pieces_on_the_limit_nears_theory_by_a_share_of_five_or_six_over_their_number(sine):
    for pieces in (32, 33, 64, 65, 97, 128):
        points = 2048 / pieces
        seen = (1 - 1 / points**2) * (1 - 4 / points**2)  # of the error, on so many points of a piece
        found, theory = sine[pieces - 1], asymptotic_limit(pieces)
        assert 4.8 < pieces * (1 - found.rmse**2 / theory.rmse**2 / seen) < 6.2
        assert found.sup == pytest.approx(theory.sup, rel=0.09)
        assert found.sup > theory.least_sup


def test_more_kinks_than_the_points_resolve_are_refused():
    x = np.linspace(0, 1, 120)
    assert len(capacity_limit(x, x**2, [9])) == 1
    with pytest.raises(ValueError, match=r"120 points resolve 0 to 9 kinks \(12 points a piece\), not \[10, -1\]"):
        capacity_limit(x, x**2, [3, 10, -1])
    with pytest.raises(ValueError, match="can be split into 1 to 120 pieces, not 121"):
        best_linear_pieces(x, x**2, 121)
    with pytest.raises(ValueError, match="at least one piece"):
        asymptotic_limit(0)


@pytest.mark.parametrize(
    ("x", "y"), [([0, 1, 1], [0, 0, 0]), ([0, 1, 2], [0, 1]), ([0], [0]), ([0, 1, math.nan], [0, 1, 2])]
)
def test_points_out_of_order_missing_or_not_finite_are_refused(x, y):
    with pytest.raises(ValueError, match="x and y must be"):
        best_linear_pieces(x, y, 1)


def test_knots_that_do_not_reach_over_the_points_or_that_none_determines_are_refused():
    with pytest.raises(ValueError, match=r"knots reach from 0\.0 to 1\.5, points from 0\.0 to 2\.0"):
        continuous_fit([0, 1, 2], [0, 1, 2], [0, 1.5])
    with pytest.raises(ValueError, match="increasing"):
        continuous_fit([0, 1, 2], [0, 1, 2], [0, 2, 1])
    with pytest.raises(np.linalg.LinAlgError):
        continuous_fit([0, 1, 2], [0, 1, 2], [0, 0.3, 0.6, 0.9, 2])
