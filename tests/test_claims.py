"""Numbers and claims are checked when they are built."""

import math
from dataclasses import replace

import pytest

from research.design.claims import Claim, Control, MainEffect, Number, check_region
from research.design.errors import UserError

NUMBER = Number("test_accuracy", ("relu",), {"depth": (1,)}, "only", "only")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ("tanh", "relu")}, "across_arms='only' needs 1 of them, has 2"),
        ({"blocks": {"depth": (1, 2)}}, "across_blocks='only' needs 1 of them, has 2"),
        ({"across_arms": "difference"}, "across_arms='difference' needs 2 of them, has 1"),
        ({"across_arms": "maximum"}, "'maximum' is not one of only, spread"),
        ({"arms": (), "across_arms": "max"}, "across_arms='max' needs 1 of them, has 0"),
        ({"across_arms": "ratio"}, "across_arms='ratio' needs 2 of them, has 1"),
        ({"across_arms": "ratio", "arms": ("a", "b", "c")}, "across_arms='ratio' needs 2 of them, has 3"),
        ({"across_blocks": "ratio"}, "across_blocks='ratio' needs 2 of them, has 1"),
        ({"across_blocks": "log_slope"}, "'log_slope' is not one of only, spread, difference, ratio, max, min, mean$"),
        ({"across_blocks": "first_below"}, "'first_below' is not one of only, spread, .*, mean$"),
        ({"across_arms": "log_slope", "arms": (8,)}, "across_arms='log_slope' needs 2 of them, has 1"),
        ({"across_arms": "log_slope", "arms": (8, "9")}, r"'log_slope' needs arms that are numbers, not \(8, '9'\)"),
        ({"across_arms": "log_slope", "arms": (0, 1, 2)}, r"'log_slope' needs arms above 0, not \(0, 1, 2\)"),
        (
            {"across_arms": "first_below", "threshold": 0.5},
            r"'first_below' needs arms that are numbers, not \('relu',\)",
        ),
        (
            {"across_arms": "first_below", "arms": (8, 16)},
            "a threshold goes with across_arms='first_below' or 'first_above', and no other",
        ),
        ({"threshold": 0.5}, "a threshold goes with across_arms='first_below' or 'first_above', and no other"),
        ({"threshold": 0.0}, "a threshold goes with across_arms='first_below' or 'first_above', and no other"),
    ],
)
def test_a_number_that_joins_too_many_or_too_few_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        replace(NUMBER, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"across_arms": "ratio", "arms": ("a", "b")},
        {"across_arms": "log_slope", "arms": (8, 16, 0.5)},
        {"across_arms": "first_below", "arms": (8,), "threshold": 0.0},
        {"across_arms": "first_above", "arms": (8, 16), "threshold": 0.0},
        {"across_arms": "first_below", "arms": (8, 16, 32), "threshold": 0.5},
        {"across_blocks": "ratio", "blocks": {"depth": (1, 2)}},
    ],
)
def test_a_number_that_joins_as_many_as_it_needs_is_accepted(changes):
    replace(NUMBER, **changes)


def test_a_region_in_which_nothing_lies_is_refused():
    check_region("claim 'c'", 0.0, 1.0)
    with pytest.raises(UserError, match=r"claim .c.: nothing lies above 1\.0 and below 1\.0"):
        check_region("claim 'c'", 1.0, 1.0)
    with pytest.raises(UserError, match=r"claim .alone.: nothing lies above 0\.5 and below 0\.1"):
        MainEffect("alone", "text", "A", "test_accuracy", {}, {}, above=0.5, below=0.1)


@pytest.mark.parametrize("missing", [(1.0, 1.0), (1.0, 0.0), (math.nan, 1.0)])
def test_where_a_missing_number_lies_is_an_interval(missing):
    with pytest.raises(UserError, match=r"missing=\(.*\) must be an interval, its lower end first"):
        replace(NUMBER, missing=missing)


def test_a_control_and_a_main_effect_have_kinds():
    with pytest.raises(UserError, match=r"control 'c': kind 'never' is not one of most, share, mean, identity"):
        Control("c", "text", NUMBER, kind="never")
    with pytest.raises(UserError, match="control 'c': share=1 must be from 0 to below 1"):
        Control("c", "text", NUMBER, kind="share", share=1)
    with pytest.raises(UserError, match="claim 'alone': kind 'always' is not one of most, mean"):
        MainEffect("alone", "text", "A", "test_accuracy", {}, {}, above=0.5, kind="always")


def test_most_is_more_than_half_whatever_the_share_says():
    assert Claim("c", "text", "A", "most", NUMBER, above=0.0, share=0.9).more_than == 0.5
    assert Claim("c", "text", "A", "share", NUMBER, above=0.0, share=0.9).more_than == 0.9
