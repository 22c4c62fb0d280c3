"""Intervals and exact tests against a second implementation and against known truth."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from research.design.streams import stream
from research.judging.stats import (
    cautious_mean_interval,
    chance_of_hits,
    hits_that_decide,
    interaction_shares,
    largest_unseen_share,
    main_effect_share,
    mean_interval,
    median_interval,
    shapley_shares,
    share_between,
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


def test_what_is_infinite_leaves_the_interval_of_a_mean_open_without_a_warning():
    assert cautious_mean_interval([math.inf, -math.inf, 1.0])[1:] == (-math.inf, math.inf, 3)
    assert cautious_mean_interval([1e300, -1e300, 1e300])[1:3] == (-math.inf, math.inf)


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
    assert shapley_shares(y.ravel(), crossed_levels(3, 2, 4)).sum() == pytest.approx(1)
    additive = np.broadcast_to(row[:, None, None] + column[:, None] + layer, y.shape)
    of_what_adds_up = shapley_shares(additive.ravel(), crossed_levels(3, 2, 4))
    assert of_what_adds_up == pytest.approx(main / main.sum())


def test_an_interaction_is_shared_evenly_by_those_who_take_part():
    levels = crossed_levels(2, 2, 2)
    assert shapley_shares(levels[:, 0] ^ levels[:, 1], levels) == pytest.approx([0.5, 0.5, 0])


def test_shares_sum_to_one_in_a_fraction_of_a_design_too():
    levels = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 2, 0], [0, 0, 1], [1, 1, 0]]
    found = shapley_shares([1.0, 5.0, 1.5, 0.0, 2.0, 9.0], levels)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert found[0] == found.max()


def test_of_what_does_not_vary_nobody_has_a_share():
    assert shapley_shares([0.1, 0.1, 0.1, 0.1], crossed_levels(2, 2)).tolist() == [0, 0]
    assert share_between([0.1, 0.1, 0.1], [0, 1, 2]) == 0


def test_what_is_due_to_one_factor_alone_is_its_main_effect_over_all_that_it_takes_part_in():
    y = stream(8, "test").normal(size=(3, 4))
    main = y.mean(1) - y.mean()
    both = y - y.mean(1)[:, None] - y.mean(0) + y.mean()
    expected = 4 * (main**2).sum() / (4 * (main**2).sum() + (both**2).sum())
    assert main_effect_share([y, 10 * y]) == pytest.approx([expected] * 2)


def test_it_counts_interactions_of_three_too():
    y = stream(9, "test").normal(size=(3, 2, 4))
    a, b, c = (y.mean(axes) - y.mean() for axes in ((1, 2), (0, 2), (0, 1)))
    ab = y.mean(2) - y.mean() - a[:, None] - b
    ac = y.mean(1) - y.mean() - a[:, None] - c
    bc = y.mean(0) - y.mean() - b[:, None] - c
    abc = y - y.mean() - a[:, None, None] - b[:, None] - c - ab[:, :, None] - ac[:, None] - bc
    main, rest = 8 * (a**2).sum(), 4 * (ab**2).sum() + 2 * (ac**2).sum() + (abc**2).sum()
    assert main_effect_share(y[None]) == pytest.approx([main / (main + rest)])
    total = main + rest
    assert interaction_shares(y[None])[0] == pytest.approx([4 * (ab**2).sum() / total, 2 * (ac**2).sum() / total])
    assert np.isnan(interaction_shares(np.ones((1, 3, 2, 4)))).all()


def test_nothing_is_due_to_what_makes_no_difference_and_a_pure_effect_is_due_to_one_alone():
    same = np.broadcast_to(np.array([0.1, 0.7, 0.2]), (2, 3))
    pure = np.array([[1.0], [3.0]]) + np.array([0.1, 0.7, 0.2])
    share = main_effect_share([same, pure, np.where(pure > 3.5, math.inf, pure)])
    assert math.isnan(share[0])
    assert share[1] == pytest.approx(1)
    assert math.isnan(share[2])


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("n", [0, 1, 5, 8, 20])
def test_the_chance_of_hits_is_the_binomial_one(n, share):
    hits = np.arange(n + 2)
    more, fewer = chance_of_hits(hits, n, share)
    assert more == pytest.approx(stats.binom.sf(hits - 1, n, share))
    assert fewer == pytest.approx(stats.binom.cdf(hits, n, share))


@pytest.mark.parametrize(
    ("n", "error", "decide"),
    [(8, 0.05, (7, 1)), (5, 0.05, (5, 0)), (4, 0.05, (5, -1)), (20, 0.05, (15, 5)), (20, 0.05 / 10, (17, 3))],
)
def test_so_many_hits_show_that_more_than_half_or_no_more_do(n, error, decide):
    assert hits_that_decide(n, 0.5, error) == decide


@pytest.mark.parametrize("n", [3, 5, 8, 20])
@pytest.mark.parametrize("error", [0.05, 0.005])
def test_the_interval_of_the_median_says_of_every_edge_what_the_exact_test_says(n, error):
    values = stream(8, "test", n).normal(size=n)
    middle, low, high, counted = median_interval(values, values, error)
    assert (middle, counted) == (pytest.approx(np.median(values)), n)
    fewest, most = hits_that_decide(n, 0.5, error)
    for edge in np.concatenate([values, values + 1e-9, values - 1e-9, [-9.0, 9.0]]):
        assert ((values > edge).sum() >= fewest) == (edge < low)
        assert ((values > edge).sum() <= most) == (edge >= high)


def test_the_interval_of_the_median_covers_it_as_often_as_it_says_whatever_the_numbers_are():
    rng = stream(9, "test")
    for draw in (rng.normal, rng.standard_cauchy, rng.exponential):
        samples = draw(size=(4000, 10))
        truth = math.log(2) if draw == rng.exponential else 0.0
        ends = np.array([median_interval(values, values, 0.05)[1:3] for values in samples])
        assert (ends[:, 0] > truth).mean() <= 0.011 + 3 * math.sqrt(0.011 / 4000)  # exactly 11 of 1,024
        assert (ends[:, 1] < truth).mean() <= 0.011 + 3 * math.sqrt(0.011 / 4000)


def test_a_median_that_may_be_beyond_what_was_measured_is_not_known():
    few = median_interval([1, 2, 3, 4, 5, 6, 7, 9], [1, 2, 3, 4, 5, 6, math.inf, math.inf], 0.05)
    assert few == (4.5, 2.0, math.inf, 8)
    assert median_interval([1, 2, 3, 4, 5, 9, 9, 9], [1, 2, 3, 4, 5, math.inf, math.inf, math.inf], 0.05)[:2] == (
        4.5,
        2,
    )
    half = median_interval([1, 2, 9, 9], [1, 2, math.inf, math.inf], 0.4)
    assert math.isnan(half.mean)
    assert math.isnan(median_interval([], [], 0.05).mean)
