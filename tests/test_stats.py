"""Joined numbers by hand; intervals against a second implementation and against known truth."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from research.data import stream
from research.stats import (
    attribution_share,
    cautious_mean_interval,
    interaction_shares,
    joined,
    largest_unseen_share,
    mean_interval,
    seed_check,
    share_between,
    share_beyond_chance,
    share_interval,
    two_group_interval,
    two_groups,
    variance_shares,
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


def test_what_is_infinite_or_nothing_is_joined_without_a_warning():
    assert joined("ratio", [[1, 0], [-1, 0], [0, 0]]).tolist() == pytest.approx(
        [math.inf, -math.inf, math.nan], nan_ok=True
    )
    for how in ("difference", "spread", "mean"):
        assert math.isnan(joined(how, [[math.inf, math.inf if how != "mean" else -math.inf]])[0])
    assert joined("log_slope", [[0.0, 1.0]], [1, 2]).tolist() == [math.inf]
    assert math.isnan(joined("log_slope", [[-1.0, 1.0]], [1, 2])[0])
    assert cautious_mean_interval([math.inf, -math.inf, 1.0])[1:] == (-math.inf, math.inf, 3)
    assert cautious_mean_interval([1e300, -1e300, 1e300])[1:3] == (-math.inf, math.inf)


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


def crossed_levels(*sizes):
    return np.array(list(itertools.product(*map(range, sizes))))


def test_in_a_crossed_design_shares_are_those_of_the_analysis_of_variance():
    y = stream(4, "test").normal(size=(3, 2, 4))
    total = ((y - y.mean()) ** 2).sum()
    row, column, layer = (y.mean(axes) - y.mean() for axes in ((1, 2), (0, 2), (0, 1)))
    main = np.array([8 * (row**2).sum(), 12 * (column**2).sum(), 6 * (layer**2).sum()]) / total
    first_two = y.mean(2) - y.mean() - row[:, None] - column
    found = variance_shares(y.ravel(), crossed_levels(3, 2, 4))
    assert found.alone == pytest.approx(main)
    assert found.together[0, 1] - main[0] - main[1] == pytest.approx(4 * (first_two**2).sum() / total)
    assert found.together == pytest.approx(found.together.T)
    assert found.shapley.sum() == pytest.approx(1)


def test_an_interaction_is_shared_evenly_by_those_who_take_part():
    levels = crossed_levels(2, 2, 2)
    found = variance_shares(levels[:, 0] ^ levels[:, 1], levels)
    assert found.shapley == pytest.approx([0.5, 0.5, 0])
    assert found.alone == pytest.approx([0, 0, 0])
    assert found.together[0] == pytest.approx([0, 1, 0])


def test_shares_sum_to_one_in_a_fraction_of_a_design_too():
    levels = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 2, 0], [0, 0, 1], [1, 1, 0]]
    found = variance_shares([1.0, 5.0, 1.5, 0.0, 2.0, 9.0], levels)
    assert found.shapley.sum() == pytest.approx(1)
    assert (found.shapley >= 0).all()
    assert found.shapley[0] == found.shapley.max()


def test_of_what_does_not_vary_nobody_has_a_share():
    found = variance_shares([0.1, 0.1, 0.1, 0.1], crossed_levels(2, 2))
    assert (found.shapley.tolist(), found.alone.tolist()) == ([0, 0], [0, 0])
    assert share_between([0.1, 0.1, 0.1], [0, 1, 2]) == 0


def test_many_groups_have_a_share_by_chance_which_is_taken_off():
    rng, groups = stream(5, "test"), np.arange(17) % 6
    raw = [share_between(rng.normal(size=17), groups) for _ in range(2000)]
    assert np.mean(raw) == pytest.approx(5 / 16, abs=0.01)
    assert np.mean([share_beyond_chance(share, 6, 17) for share in raw]) == pytest.approx(0, abs=0.015)
    assert share_beyond_chance(1.0, 3, 17) == 1.0
    assert math.isnan(share_beyond_chance(1.0, 17, 17))


def test_the_check_against_seeds_is_the_one_way_analysis_of_variance():
    values = stream(6, "test").normal(size=(4, 7)) + np.array([[0], [0.5], [1], [0]])
    found = seed_check(values.mean(1), values.var(1, ddof=1) / 7, [7] * 4)
    assert found.f == pytest.approx(stats.f_oneway(*values).statistic)
    assert found.bound == pytest.approx(stats.f.ppf(0.95, 3, 24))


@pytest.mark.parametrize(("shared", "least", "most"), [(0, 0.04, 0.06), (1, 0.0, 0.01)])
def test_the_check_finds_a_difference_where_there_is_none_in_five_percent_or_less(shared, least, most):
    rng = stream(7, "test", shared)
    samples = rng.normal(size=(4000, 17, 5)) + shared * rng.normal(size=(4000, 1, 5))
    points, errors = samples.mean(2), samples.var(2, ddof=1) / 5
    checks = [seed_check(point, error, [5] * 17) for point, error in zip(points, errors, strict=True)]
    assert least <= np.mean([check.f > check.bound for check in checks]) <= most


def test_the_check_says_when_it_cannot_say():
    assert math.isnan(seed_check([1.0], [0.1], [5]).f)
    assert math.isnan(seed_check([1.0, 2.0], [math.nan, math.nan], [1, 1]).bound)
    assert math.isnan(seed_check([1.0, 1.0], [0.0, 0.0], [5, 5]).f)
    assert seed_check([1.0, 2.0], [0.0, 0.0], [5, 5]).f == math.inf


def test_what_is_due_to_one_factor_alone_is_its_main_effect_over_all_that_it_takes_part_in():
    y = stream(8, "test").normal(size=(3, 4))
    main = y.mean(1) - y.mean()
    both = y - y.mean(1)[:, None] - y.mean(0) + y.mean()
    expected = 4 * (main**2).sum() / (4 * (main**2).sum() + (both**2).sum())
    assert attribution_share([y, 10 * y]) == pytest.approx([expected] * 2)


def test_it_counts_interactions_of_three_too():
    y = stream(9, "test").normal(size=(3, 2, 4))
    a, b, c = (y.mean(axes) - y.mean() for axes in ((1, 2), (0, 2), (0, 1)))
    ab = y.mean(2) - y.mean() - a[:, None] - b
    ac = y.mean(1) - y.mean() - a[:, None] - c
    bc = y.mean(0) - y.mean() - b[:, None] - c
    abc = y - y.mean() - a[:, None, None] - b[:, None] - c - ab[:, :, None] - ac[:, None] - bc
    main, rest = 8 * (a**2).sum(), 4 * (ab**2).sum() + 2 * (ac**2).sum() + (abc**2).sum()
    assert attribution_share(y[None]) == pytest.approx([main / (main + rest)])
    total = main + rest
    assert interaction_shares(y[None])[0] == pytest.approx([4 * (ab**2).sum() / total, 2 * (ac**2).sum() / total])
    assert np.isnan(interaction_shares(np.ones((1, 3, 2, 4)))).all()


def test_nothing_is_due_to_what_makes_no_difference_and_a_pure_effect_is_due_to_one_alone():
    same = np.broadcast_to(np.array([0.1, 0.7, 0.2]), (2, 3))
    pure = np.array([[1.0], [3.0]]) + np.array([0.1, 0.7, 0.2])
    share = attribution_share([same, pure, np.where(pure > 3.5, math.inf, pure)])
    assert math.isnan(share[0])
    assert share[1] == pytest.approx(1)
    assert math.isnan(share[2])
