"""What the trials of a search say: edges by hand, wider ranges, and noise that is not taken for a winner."""

import math
from dataclasses import replace

import numpy as np
import pytest
from test_design import CHOOSY, TUNING

from research.design.plan import make_plan
from research.design.trials import at_edge, best_trial, further_multiples, num_trials, searched_ranges, stands_out

CELL = make_plan(CHOOSY, scope=("rate=tuned",), num_seeds=3).cells[0]
TWO_SEEDS = replace(TUNING, budget=9, seeds=2)


def cell_with(**changes):
    """The first tuned cell, tuned in another way."""
    return replace(CELL, tuning=replace(TUNING, **changes))


def test_a_winner_in_the_outer_tenths_of_a_range_lies_at_its_edge():
    both = cell_with(ranges={"lr": (0.01, 100.0), "momentum": (1.0, 2.0)})
    both = replace(both, task=replace(CELL.task, lr=1.0, momentum=0.25))
    middle = {"momentum": 0.25 * 2**0.5}
    assert at_edge(both, {"lr": 1.0, **middle}) == {}
    assert at_edge(both, {"lr": 10**-1.61, **middle}) == {"lr": "low"}
    assert at_edge(both, {"lr": 10**-1.59, **middle}) == {}
    assert at_edge(both, {"lr": 10**1.59, **middle}) == {}
    assert at_edge(both, {"lr": 10**1.61, **middle}) == {"lr": "high"}
    assert at_edge(both, {"lr": 0.01, "momentum": 0.5}) == {"lr": "low", "momentum": "high"}
    assert at_edge(both, {"lr": 100.0, "momentum": 0.25}) == {"lr": "high", "momentum": "low"}


def test_only_the_end_at_which_the_best_of_the_budget_lies_is_moved_and_only_once():
    cell = cell_with(ranges={"lr": (0.1, 10.0)}, budget=3, widen=True)  # of 0.1
    settings = {0: {"lr": 0.1}, 1: {"lr": 0.9}, 2: {"lr": 0.012}}
    assert searched_ranges(cell, settings, {0: 2.0, 1: 1.0}) == {"lr": (0.1, 10.0)}  # it is not over
    assert searched_ranges(cell, settings, {0: 1.0, 1: 2.0, 2: 3.0}) == {"lr": (0.1, 10.0)}
    high = searched_ranges(cell, settings, {0: 2.0, 1: 1.0, 2: 3.0})
    assert high == {"lr": (0.1, 100.0)}
    assert at_edge(cell, {"lr": 0.9}) == {"lr": "high"}
    assert at_edge(cell, {"lr": 0.9}, high) == {}
    assert at_edge(cell, {"lr": 9.0}, high) == {"lr": "high"}
    more = {**settings, 3: {"lr": 2.1}, 4: {"lr": 4.6}, 5: {"lr": 10.0}}
    assert searched_ranges(cell, more, {0: 2.0, 1: 1.0, 2: 3.0, 3: 0.5, 4: 0.4, 5: 0.3}) == high
    assert searched_ranges(cell, settings, {0: 2.0, 1: 3.0, 2: 1.0})["lr"] == pytest.approx((0.01, 10.0))
    values = {0: 2.0, 1: 1.0, 2: 3.0}
    assert num_trials(cell, settings, values) == 6
    assert [each["lr"] for each in further_multiples(cell, settings, values)] == pytest.approx(
        [21.54, 46.42, 100], rel=1e-3
    )
    fixed = cell_with(budget=3)
    assert num_trials(fixed, settings, values) == 3
    assert further_multiples(fixed, settings, values) == []


def test_the_best_trial_is_the_first_of_equal_ones():
    assert best_trial(TUNING, {2: 1.0, 0: 3.0, 1: 1.0}) == 1
    assert best_trial(replace(TUNING, direction="maximize"), {0: 1.0, 1: 3.0, 2: 3.0}) == 1


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_winner_stands_out_by_four_standard_errors_of_a_trial_from_the_median(direction):
    tuning, sign = replace(TWO_SEEDS, direction=direction), 1 if direction == "minimize" else -1
    scatters = [0.1 * 2**0.5] * 9  # a standard error of 0.1
    for best, expected in ((0.59, True), (0.61, False)):
        values = [sign * value for value in (best, 0.95, 0.98, 1.0, 1.0, 1.1, 2.0, 3.0, math.inf)]
        assert stands_out(tuning, values, scatters) is expected
        wild = [*scatters[:6], 5.0, 9.0, math.nan]  # of trials that are worse than the plateau
        assert stands_out(tuning, values, wild) is expected


def test_where_all_come_to_the_same_or_nothing_scatters_is_known_nothing_stands_out():
    assert not stands_out(TWO_SEEDS, [8600.0] * 9, [0.0] * 9)
    assert stands_out(TWO_SEEDS, [8500.0] + [8600.0] * 8, [0.0] * 9)
    assert not stands_out(TWO_SEEDS, [0.1] + [1.0] * 8, [math.nan] * 9)
    assert not stands_out(TWO_SEEDS, [math.inf] * 9, [math.nan] * 9)
    assert stands_out(TWO_SEEDS, [1.0, 1.1] + [math.inf] * 7, [0.1, 0.1] + [math.nan] * 7)


def test_a_search_among_settings_that_make_no_difference_seldom_has_a_winner():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2000, 9, 2))
    found = [stands_out(TWO_SEEDS, each.mean(1).tolist(), each.std(1, ddof=1).tolist()) for each in noise]
    assert 0.02 < np.mean(found) < 0.055


def test_a_whole_number_of_one_lies_at_no_edge_since_there_is_no_lower():
    cell = replace(CELL, tuning=replace(TUNING, ranges={"width": (0.01, 4.0)}))
    assert at_edge(cell, {"width": 1}) == {}
    assert at_edge(cell, {"width": 2}) == {"width": "low"}
    assert at_edge(cell, {"width": 4 * cell.task.width}) == {"width": "high"}
