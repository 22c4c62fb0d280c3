"""Joined numbers by hand; where they are known to lie in intervals, against many numbers drawn from these."""

import math

import numpy as np
import pytest
from scipy import stats

from research.design.streams import stream
from research.judging.joins import joined

EVERYTHING = (-math.inf, math.inf)


def known(how, values, *rest):
    """The joined numbers of which all are known: both ends are the same."""
    low, high = joined(how, values, values, *rest)
    assert low.tolist() == high.tolist()
    return low


@pytest.mark.parametrize(
    ("how", "expected"),
    [("max", [3, 6]), ("min", [1, 4]), ("mean", [2, 5]), ("spread", [2, 2])],
)
def test_numbers_are_joined_over_their_second_axis(how, expected):
    assert known(how, [[3, 1, 2], [4, 6, 5]]).tolist() == expected


def test_a_difference_is_first_minus_second_and_the_only_one_is_itself():
    assert known("difference", [[3, 1], [4, 6]]).tolist() == [2, -2]
    assert known("difference", [[[3, 1], [2, 5]]]).tolist() == [[1, -4]]
    assert known("only", [[3], [4]]).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("how", "values"), [("difference", [[1, 2, 3]]), ("difference", [[1]]), ("only", [[1, 2]]), ("ratio", [[1, 2, 3]])]
)
def test_another_number_of_parts_than_was_declared_is_an_error(how, values):
    with pytest.raises((ValueError, TypeError), match=r"unpack|squeeze|select|positional"):
        joined(how, values, values)


def test_a_ratio_is_first_over_second_and_of_a_zero_anything():
    assert known("ratio", [[3, 2], [4, 8], [-3, 2], [3, -2]]).tolist() == [1.5, 0.5, -1.5, -1.5]
    assert known("ratio", [[[3, 1], [2, 5]]]).tolist() == [[1.5, 0.2]]
    low, high = joined("ratio", [[1, 0], [0, 0], [1, -1]], [[1, 0], [0, 0], [1, 1]])
    assert (low.tolist(), high.tolist()) == ([-math.inf] * 3, [math.inf] * 3)


def test_a_log_slope_is_the_exponent_of_a_power_law_and_else_that_of_least_squares():
    levels = np.array([8, 32, 128, 512, 2048])
    powers = np.array([[3 * level**-1.5 for level in levels], [0.1 * level**0.25 for level in levels]])
    assert known("log_slope", powers, levels) == pytest.approx([-1.5, 0.25], rel=1e-12)
    values = stream(4, "test").uniform(0.1, 10, (20, 5))
    expected = [stats.linregress(np.log(levels), np.log(row)).slope for row in values]
    assert known("log_slope", values, levels) == pytest.approx(expected, rel=1e-10)
    by_block = np.stack([values, 2 * values**2], axis=-1)
    slopes = known("log_slope", by_block, levels)
    assert slopes.shape == (20, 2)
    assert slopes[:, 1] == pytest.approx(2 * slopes[:, 0])
    order = [3, 0, 4, 1, 2]
    assert known("log_slope", values[:, order], levels[order]) == pytest.approx(expected, rel=1e-10)
    assert [end.tolist() for end in joined("log_slope", [[-1.0, 1.0]], [[-1.0, 1.0]], [1, 2])] == [
        [-math.inf],
        [math.inf],
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.9, 0.4, 0.1, 0.05], 32),
        ([0.1, 0.9, 0.9, 0.9], 8),
        ([0.9, 0.9, 0.9, 0.4], 128),
        ([0.9, 0.4, 0.9, 0.9], 32),
        ([1.0, math.inf, 0.4, 0.1], 64),
    ],
)
def test_first_below_is_the_smallest_level_under_the_threshold(values, expected):
    levels = [8, 32, 64, 128]
    assert known("first_below", [values], levels, 0.5).tolist() == [expected]
    assert known("first_below", [values[::-1]], levels[::-1], 0.5).tolist() == [expected]
    blocks = np.array([values, [0.0] * 4]).T[None]
    assert known("first_below", blocks, levels, 0.5).tolist() == [[expected, 8]]


def test_first_above_is_the_smallest_level_over_the_threshold():
    levels = [8, 32, 64, 128]
    assert known("first_above", [[0.9, 0.99, 0.1, 0.999]], levels, 0.95).tolist() == [32]
    low, high = joined("first_above", [[0.0, 0.0, 0.99, 0.1]], [[0.1, 1.0, 0.99, 0.1]], levels, 0.95)
    assert (low[0], high[0]) == (32, 64)
    low, high = joined("first_above", [[0.1, 0.95]], [[0.1, 0.95]], [8, 32], 0.95)
    assert 32 < low[0] < 32.001
    assert high[0] == math.inf


@pytest.mark.parametrize("values", [[0.9, 0.9, 0.9], [0.5, 0.5, 0.5]])
def test_where_none_is_below_the_first_lies_somewhere_above_the_largest(values):
    low, high = joined("first_below", [values], [values], [8, 32, 128], 0.5)
    assert 128 < low[0] < 128.001
    assert high[0] == math.inf


def test_a_number_that_never_arrived_is_beyond_the_horizon_and_not_at_it():
    beyond = np.nextafter(100.0, math.inf)
    low, high = joined("difference", [[beyond, 100.0]], [[math.inf, 100.0]])
    assert 0 < low[0] < high[0] == math.inf
    low, high = joined("ratio", [[beyond, 20.0], [20.0, beyond]], [[math.inf, 20.0], [20.0, math.inf]])
    assert low.tolist() == [pytest.approx(5), 0.0]
    assert high.tolist() == [math.inf, pytest.approx(0.2)]
    both = joined("ratio", [[beyond, beyond]], [[math.inf, math.inf]])
    assert [end.tolist() for end in both] == [[0.0], [math.inf]]


@pytest.mark.parametrize(
    "how", ["max", "min", "mean", "spread", "difference", "ratio", "log_slope", "first_below", "first_above"]
)
@pytest.mark.parametrize("positive", [True, False])
def test_the_ends_are_as_near_as_they_can_be_and_no_nearer(how, positive):
    rng = stream(11, f"joins {how}", positive)
    size = 2 if how in ("difference", "ratio") else 3
    low = rng.uniform(0.1 if positive or how == "log_slope" else -2, 1, (30, size))
    high = low + np.where(rng.random((30, size)) < 0.4, 0.0, rng.uniform(0, 1, (30, size)))
    rest = ([8, 32, 128][:size], 0.7) if how in ("log_slope", "first_below", "first_above") else ()
    least, most = joined(how, low, high, *rest)
    corners = low + rng.integers(0, 2, (2000, 30, size)) * (high - low)
    together = np.clip(rng.uniform(-2, 2, (2000, 30, 1)), low, high)  # as near to each other as they can be
    drawn = np.array([joined(how, one, one, *rest) for one in (*corners, *together)])
    assert (drawn[:, 0] >= least - 1e-12).all()
    assert (drawn[:, 1] <= most + 1e-12).all()
    finite = np.isfinite(least) & np.isfinite(most)
    assert drawn[:, 0].min(0)[finite] == pytest.approx(least[finite], abs=0.01)
    assert drawn[:, 1].max(0)[finite] == pytest.approx(most[finite])


def test_the_spread_of_one_number_is_nothing_wherever_it_lies():
    low, high = joined("spread", [[0.0]], [[5.0]])
    assert (low.tolist(), high.tolist()) == ([0.0], [0.0])


def test_of_anything_the_join_is_anything():
    for how in ("max", "min", "mean", "difference", "ratio"):
        low, high = joined(how, [EVERYTHING[:1] * 2], [EVERYTHING[1:] * 2])
        assert (low[0], high[0]) == EVERYTHING
    low, high = joined("log_slope", [[-math.inf, 1.0]], [[math.inf, 1.0]], [1, 2])
    assert (low[0], high[0]) == EVERYTHING
