"""Joined numbers by hand; intervals against a second implementation and against known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from research.data import stream
from research.stats import (
    cautious_mean_interval,
    joined,
    largest_unseen_share,
    mean_interval,
    share_interval,
    two_group_interval,
    two_groups,
)


def test_the_interval_is_students():
    values = stream(0, "test").normal(3, 2, 7)
    expected = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    found = mean_interval(values, 0.9)
    assert found.n == 7
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.mean == pytest.approx(values.mean())


def test_it_covers_the_truth_as_often_as_it_says():
    samples = stream(1, "test").normal(0, 1, (4000, 5))
    covered = np.mean([low <= 0 <= high for _, low, high, _ in map(mean_interval, samples)])
    assert covered == pytest.approx(0.95, abs=0.011)  # three standard errors of 4,000 draws


def test_values_that_are_not_finite_are_left_out_of_mean_and_n():
    assert mean_interval([1.0, math.nan, 3.0]).n == 2
    assert mean_interval([1.0, math.nan, 3.0]).mean == 2.0


def test_one_value_has_no_interval_and_none_has_no_mean():
    one, none = mean_interval([2.0]), mean_interval([])
    assert (one.mean, one.n) == (2.0, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert none.n == 0
    assert math.isnan(none.mean)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("max", [3, 6]), ("min", [1, 4]), ("mean", [2, 5]), ("spread", [2, 2])],
)
def test_numbers_are_joined_over_their_second_axis(how, expected):
    assert joined(how, [[3, 1, 2], [4, 6, 5]]).tolist() == expected


def test_a_difference_is_first_minus_second_and_the_only_one_is_itself():
    assert joined("difference", [[3, 1], [4, 6]]).tolist() == [2, -2]
    assert joined("difference", [[[3, 1], [2, 5]]]).tolist() == [[1, -4]]
    assert joined("only", [[3], [4]]).tolist() == [3, 4]


@pytest.mark.parametrize(("how", "values"), [("difference", [[1, 2, 3]]), ("difference", [[1]]), ("only", [[1, 2]])])
def test_another_number_of_parts_than_was_declared_is_an_error(how, values):
    with pytest.raises(ValueError, match=r"unpack|squeeze|select"):
        joined(how, values)


def test_a_ratio_is_first_over_second():
    assert joined("ratio", [[3, 2], [4, 8]]).tolist() == [1.5, 0.5]
    assert joined("ratio", [[[3, 1], [2, 5]]]).tolist() == [[1.5, 0.2]]
    assert joined("ratio", [[math.nan, 2], [2, math.nan]]).tolist() == pytest.approx([math.nan] * 2, nan_ok=True)
    with pytest.raises(ValueError, match="unpack"):
        joined("ratio", [[1, 2, 3]])


def test_a_log_slope_is_the_exponent_of_a_power_law_and_else_that_of_least_squares():
    levels = np.array([8, 32, 128, 512, 2048])
    powers = np.array([[3 * level**-1.5 for level in levels], [0.1 * level**0.25 for level in levels]])
    assert joined("log_slope", powers, levels) == pytest.approx([-1.5, 0.25], rel=1e-12)
    values = stream(4, "test").uniform(0.1, 10, (20, 5))
    expected = [stats.linregress(np.log(levels), np.log(row)).slope for row in values]
    assert joined("log_slope", values, levels) == pytest.approx(expected, rel=1e-10)
    by_block = np.stack([values, 2 * values**2], axis=-1)
    slopes = joined("log_slope", by_block, levels)
    assert slopes.shape == (20, 2)
    assert slopes[:, 1] == pytest.approx(2 * slopes[:, 0])
    order = [3, 0, 4, 1, 2]
    assert joined("log_slope", values[:, order], levels[order]) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.9, 0.4, 0.1, 0.05], 32),
        ([0.1, 0.9, 0.9, 0.9], 8),
        ([0.9, 0.9, 0.9, 0.4], 128),
        ([0.9, 0.4, 0.9, 0.9], 32),
        ([0.9, 0.9, 0.9, 0.9], 256),
        ([0.5, 0.5, 0.5, 0.5], 256),  # not below
        ([1.0, math.inf, 0.4, 0.1], 64),
        ([1.0, math.nan, 0.4, 0.1], math.nan),
    ],
)
def test_first_below_is_the_smallest_level_under_the_threshold_or_twice_the_largest(values, expected):
    levels = [8, 32, 64, 128]
    assert joined("first_below", [values], levels, 0.5).tolist() == pytest.approx([expected], nan_ok=True)
    back = joined("first_below", [values[::-1]], levels[::-1], 0.5)
    assert back.tolist() == pytest.approx([expected], nan_ok=True)
    blocks = np.array([values, [0.0] * 4]).T[None]
    assert joined("first_below", blocks, levels, 0.5).tolist() == [pytest.approx([expected, 8], nan_ok=True)]


def test_what_is_not_known_of_one_level_is_not_known_of_the_slope():
    assert np.isnan(joined("log_slope", [[1.0, math.nan, 2.0]], [1, 2, 4])).all()


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99375])
def test_the_interval_of_a_share_is_clopper_and_pearsons(level):
    for n in (1, 3, 10, 57):
        for hits in range(n + 1):
            expected = stats.binomtest(hits, n).proportion_ci(level, "exact")
            found = share_interval(hits, n, level)
            assert (found.mean, found.n) == (hits / n, n)
            assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_interval_of_a_share_covers_every_truth_at_least_as_often_as_it_says():
    for n in (3, 10):
        ends = [share_interval(hits, n)[1:3] for hits in range(n + 1)]
        for truth in np.linspace(0, 1, 101):
            inside = [low <= truth <= high for low, high in ends]
            assert stats.binom.pmf(range(n + 1), n, truth) @ inside >= 0.95


def test_a_share_of_nothing_is_not_a_number():
    assert math.isnan(share_interval(0, 0).mean)


def test_what_none_of_n_showed_would_have_stayed_unseen_in_five_percent():
    assert largest_unseen_share(10) == pytest.approx(0.2589, abs=1e-4)
    assert (1 - largest_unseen_share(10)) ** 10 == pytest.approx(0.05)
    assert largest_unseen_share(3, 0.99) == pytest.approx(1 - 0.01 ** (1 / 3))
    assert largest_unseen_share(0) == 1.0


def test_two_groups_are_apart_by_more_than_three_times_the_wider_ones_range():
    lower, upper = two_groups([0.95, 0.0, 0.96, 0.1, 0.94])
    assert (lower.tolist(), upper.tolist()) == ([0.0, 0.1], [0.94, 0.95, 0.96])
    assert two_groups([0.0, 0.1, 0.1, 0.41, 0.41]) is not None
    assert two_groups([0.0, 0.1, 0.1, 0.39, 0.39]) is None
    assert two_groups([1.0, 1.0, 1.0, 1.0, 1.0]) is None
    assert two_groups([0.0, 0.0, 0.0, 1.0]) is None  # too few to tell
    assert two_groups([0.0, 0.0, 0.0, 1.0, math.inf]) is None


def test_normal_numbers_seldom_look_like_two_groups():
    for n, most in ((5, 0.08), (6, 0.03), (10, 0.001)):
        samples = stream(2, "test", n).normal(size=(4000, n))
        assert np.mean([two_groups(values) is not None for values in samples]) < most


def test_the_two_group_interval_carries_the_interval_of_the_share_over_to_the_mean():
    share = share_interval(8, 10, 0.9)
    found = two_group_interval([0.0, 0.0], [2.0] * 8, 0.9)
    assert tuple(found) == pytest.approx((1.6, 2 * share.low, 2 * share.high, 10))
    wider = two_group_interval([-0.1, 0.0], [2.0] * 7 + [2.1], 0.9)
    assert wider.low == pytest.approx(2 * share.low - 0.1 * (1 - share.low))
    assert wider.high == pytest.approx(2.1 * share.high)


def test_the_cautious_interval_is_students_where_nothing_speaks_against_it():
    values = stream(3, "test").normal(0, 1, 10)
    assert cautious_mean_interval(values, 0.99) == mean_interval(values, 0.99)


def test_the_cautious_interval_reaches_to_students_and_to_the_two_groups():
    values = [0.0] * 2 + [1.0] * 8
    student, groups = mean_interval(values), two_group_interval(values[:2], values[2:])
    assert groups.low < student.low < groups.high < student.high
    assert cautious_mean_interval(values) == (0.8, groups.low, student.high, 10)


def test_no_cautious_interval_is_narrower_than_the_resolution_to_either_side():
    assert tuple(cautious_mean_interval([0.5] * 5, resolution=0.01)) == pytest.approx((0.5, 0.49, 0.51, 5))
    assert tuple(cautious_mean_interval([0.5] * 5)) == (0.5, 0.5, 0.5, 5)


def test_an_infinite_value_leaves_the_cautious_interval_open():
    assert tuple(cautious_mean_interval([1.0, math.inf, 2.0])) == (math.inf, -math.inf, math.inf, 3)
