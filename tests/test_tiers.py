"""How nuisance settings are tuned is checked when it is declared."""

from dataclasses import replace

import pytest
from test_design import TUNING

from research.design.errors import UserError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ranges": {}}, "tuning: ranges must name at least one field"),
        ({"ranges": {"lr": (10.0, 0.1)}}, r"tuning: the range of lr is empty or reversed: from 10.0 to 0.1"),
        ({"ranges": {"lr": (1.0, 1.0)}}, r"tuning: the range of lr is empty or reversed: from 1.0 to 1.0"),
        ({"ranges": {"lr": (0.0, 10.0)}}, r"tuning: the range of lr is empty or reversed: from 0.0 to 10.0"),
        ({"ranges": {"lr": (0.1, float("inf"))}}, r"tuning: the range of lr is empty or reversed: from 0.1 to inf"),
        ({"ranges": {"lr": (float("nan"), 10.0)}}, r"tuning: the range of lr is empty or reversed: from nan to 10.0"),
        ({"ranges": {"lr": (0.1, 10.0), "momentum": (2.0, 3.0)}}, r"range of momentum, 2.0 to 3.0, must hold 1: what"),
        ({"ranges": {"lr": (0.1, 0.9)}}, r"tuning: the range of lr, 0.1 to 0.9, must hold 1: what configure\(\) sets"),
        ({"budget": 0}, "tuning: budget=0 must be at least 1"),
        ({"at_once": 0}, "tuning: at_once=0 must be at least 1"),
        ({"seeds": 0}, "tuning: seeds=0 must be at least 1"),
        ({"seeds": -1}, "tuning: seeds=-1 must be at least 1"),
        ({"direction": "down"}, "tuning: direction='down' is not one of maximize, minimize"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused_when_it_is_built(changes, message):
    with pytest.raises(UserError, match=message):
        replace(TUNING, **changes)


@pytest.mark.parametrize("name", ["validation_loss", "validation_accuracy", "validation_rmse", "steps_to_target"])
def test_what_comes_from_the_validation_split_may_be_tuned_by_to_the_very_ends_of_a_range(name):
    assert replace(TUNING, metric=name, ranges={"lr": (1.0, 2.0), "momentum": (0.5, 1.0)}, budget=1).metric == name
