"""What fingerprints are taken of."""

import json
from dataclasses import replace

from test_design import TUNING

from research.design.identity import NUMERICS, identity, identity_difference
from research.training.config import TrainConfig
from research.training.data import DATA


def test_only_fields_that_differ_from_their_default_are_in_the_identity():
    found = json.loads(identity(TrainConfig(lr=1, depth=3), size=5, revision=2))
    assert found == {
        "config": {"depth": 3, "lr": 1.0},
        "data": DATA["mnist"].digest,
        "numerics": NUMERICS,
        "revision": 2,
        "stack_size": 5,
    }


def test_a_whole_rate_and_the_same_rate_as_a_float_are_one_identity():
    assert identity(TrainConfig(lr=1), 1, 1) == identity(TrainConfig(lr=1.0), 1, 1)


def test_other_data_make_another_identity(monkeypatch):
    digits, mnist = (identity(TrainConfig(dataset), 1, 1) for dataset in ("digits", "mnist"))
    monkeypatch.setitem(DATA, "digits", replace(DATA["digits"], digest="another"))
    assert identity(TrainConfig("digits"), 1, 1) != digits
    assert identity(TrainConfig("mnist"), 1, 1) == mnist


def test_minus_nothing_is_nothing():
    assert identity(TrainConfig(lr=-0.0), 1, 1) == identity(TrainConfig(lr=0.0), 1, 1)
    assert identity(TrainConfig(momentum=-0.0), 1, 1) == identity(TrainConfig(), 1, 1)


def test_a_range_of_whole_numbers_and_the_same_of_floats_are_one_identity():
    whole, real = (replace(TUNING, ranges={"lr": ends}) for ends in ((0.1, 10), (0.1, 10.0)))
    assert identity(TrainConfig(), 1, 1, whole) == identity(TrainConfig(), 1, 1, real)


def test_results_that_were_made_before_have_the_numerics_of_then():
    before, now = (identity(TrainConfig(), 1, 1, numerics=number) for number in (NUMERICS - 1, NUMERICS))
    assert now == identity(TrainConfig(), 1, 1)
    assert identity_difference(before, now) == f"numerics: recorded with {NUMERICS - 1}, now {NUMERICS}"


def test_the_difference_of_two_identities_names_field_and_both_values():
    old, new = identity(TrainConfig(), 5, 1), identity(TrainConfig(lr=0.2), 5, 1)
    assert identity_difference(old, new, TrainConfig()) == "lr: recorded with 0.1, now 0.2"
    assert identity_difference(identity(TrainConfig(), 5, 1), identity(TrainConfig(), 5, 2)).startswith("revision:")
