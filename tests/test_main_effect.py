"""What share of the differences between arms is due to the arms alone, seed by seed."""

import math
from dataclasses import replace

import numpy as np
import pytest
from test_universe_findings import (
    DUE,
    INITS,
    alike,
    by_init,
    by_two,
    control,
    diverged,
    judged,
    low_tanh_with_adam,
    without,
)


def main_effect(score, **rest):
    (found,) = judged(score, main_effects=(rest.pop("claim", DUE),), **rest).main_effects
    return found


def mostly_the_arm(arm, depth, init, optimizer, rate, horizon):
    return (0.6 if arm == "relu" else 0.0) + INITS.index(init) * (0.2 + (0.1 if arm == "relu" else 0.0))


def test_what_is_due_to_the_arms_is_judged_by_its_share():
    found = main_effect(mostly_the_arm, scatter=0.0)
    gaps = np.array([0.6, 0.7, 0.8])
    expected = gaps.mean() ** 2 / (gaps**2).mean()
    assert found.number == pytest.approx(expected)
    assert (found.verdict, found.n, found.level, found.kind) == ("supported", 5, 1 - 2 * 0.05 / 2, "mean")
    assert (found.region, found.unit) == ("above 90 % on average", "%")
    assert main_effect(mostly_the_arm, claim=replace(DUE, above=0.995), scatter=0.0).verdict == "refuted"


def test_it_is_refuted_where_what_the_arms_do_depends_on_the_universe():
    found = main_effect(lambda arm, depth, init, **_: 0.8 if (arm == "relu") == (init == "he") else 0.2)
    assert found.number < 0.2
    assert found.verdict == "refuted"


def test_universes_outside_the_crossed_ones_have_no_part_in_it():
    def late(arm, depth, init, optimizer, rate, horizon):
        return 5.0 if (rate, arm) == ("tenth", "tanh") or horizon == 20 else 0.9 * (arm == "relu")

    assert main_effect(late).number > 0.99


def test_where_a_replicate_diverged_any_share_may_be_due_to_the_arms():
    change = diverged(lambda levels: levels["init"] == "he" and levels["rate"] == "customary")
    found = main_effect(mostly_the_arm, change=change)
    assert found.num_diverged == 2 * 2 * 5  # two universes, two depths, five seeds
    assert (found.verdict, found.reason) == ("inconclusive", "5 of 5 seeds diverged: the mean is not known")
    assert (found.low, found.high) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    assert math.isnan(found.number)
    assert "Interaction" not in found.caveat


def test_it_can_be_a_claim_about_most_seeds():
    found = main_effect(mostly_the_arm, claim=replace(DUE, kind="most"), num_declared=8, num_seeds=8, scatter=0.0)
    assert (found.verdict, found.inside, found.n) == ("supported", 8, 8)


def test_where_the_control_of_a_crossed_universe_fails_it_is_withheld_with_its_number():
    plain = main_effect(low_tanh_with_adam)
    held = main_effect(low_tanh_with_adam, controls=(control(),))
    assert (held.verdict, held.would_be) == ("withheld", plain.verdict)
    assert held.reason == "in 3 of the 6 universes that are crossed a control is refuted"
    assert (held.number, held.low, held.high) == (plain.number, plain.low, plain.high)
    assert main_effect(mostly_the_arm, controls=(control(above=-1.0),)).verdict == "supported"


def test_without_all_cells_and_seeds_it_is_not_judged():
    assert main_effect(by_init, complete=False).verdict == "not judged"
    few = main_effect(mostly_the_arm, change=without(2, seed=3))
    assert (few.n, few.reason) == (4, "needs the 5 seeds that were declared, has 4")
    assert few.number == pytest.approx(main_effect(mostly_the_arm).number, abs=0.01)
    cell = main_effect(by_init, change=without(2, depth=2))
    assert cell.reason.startswith("score was not measured at activation=tanh, depth=2, in the universe init=")
    gone = main_effect(by_init, change=lambda universes: [u for u in universes if u[0]["init"] != "he"])
    assert gone.reason == "the universe init=he, optimizer=sgd was not run"
    same = main_effect(alike, scatter=0.0)
    assert (same.n, same.verdict) == (0, "not judged")


def test_its_digest_changes_with_what_decides_it():
    changes = ({"above": 0.8}, {"metric": "other"}, {"kind": "most"}, {"choices": {"init": INITS}})
    found = [main_effect(by_init, claim=replace(DUE, **change)).digest for change in ({}, *changes)]
    assert len(set(found)) == len(found)
    assert main_effect(by_two, claim=replace(DUE, name="other")).digest == found[0]
