"""Numbers and claims are checked when they are built."""

from dataclasses import replace

import pytest

from research.claims import Attribution, Number, check_region
from research.config import UserError

NUMBER = Number("test_accuracy", ("relu",), {"depth": (1,)}, "only", "only", 0.0)


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
            "a threshold goes with across_arms='first_below', and only with it",
        ),
        ({"threshold": 0.5}, "a threshold goes with across_arms='first_below', and only with it"),
        ({"threshold": 0.0}, "a threshold goes with across_arms='first_below', and only with it"),
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
        Attribution("alone", "text", "A", "test_accuracy", {}, {}, 0.0, above=0.5, below=0.1)
