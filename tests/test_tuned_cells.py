"""Which cells are tuned: those at the level "tuned" of a choice that matters to them, or all of a study without one."""

from dataclasses import replace

import pytest
from test_design import CHOOSY, with_choices

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study import Factor

INIT = CHOOSY.choices[1]
EVERYWHERE = replace(
    CHOOSY,
    configure=lambda activation, depth, init: with_choices(activation, depth, "customary", init),
    choices=(INIT,),
    universes=({"init": "he"},),
)
REFERENCE = replace(
    CHOOSY,
    choices=(Factor("rate", ("tuned", "customary", "tenth")), INIT),
    universes=({"rate": "customary"}, {"rate": "tenth"}, {"init": "he"}),
)


def tuned(study, *scope):
    """The cells of a plan by name, and whether each is tuned."""
    return {cell.name: cell.tuning is not None for cell in make_plan(study, scope=scope or ("reference",)).cells}


def test_where_no_choice_has_the_level_every_cell_of_every_universe_is_tuned():
    assert tuned(EVERYWHERE) == dict.fromkeys(["tanh depth=1", "tanh depth=2", "relu depth=1", "relu depth=2"], True)
    assert tuned(EVERYWHERE, "all") == tuned(EVERYWHERE) | {f"{name} init=he": True for name in tuned(EVERYWHERE)}
    assert tuned(replace(EVERYWHERE, tuning=None), "all") == dict.fromkeys(tuned(EVERYWHERE, "all"), False)


def test_where_the_reference_level_is_tuned_other_levels_are_not():
    found = tuned(REFERENCE, "all")
    assert {name for name, is_tuned in found.items() if is_tuned} == {*tuned(EVERYWHERE, "all")}
    assert len(found) == 4 * 4
    assert not any(is_tuned for name, is_tuned in found.items() if "rate=" in name)


def test_where_there_are_two_levels_being_tuned_makes_a_difference():
    study = replace(REFERENCE, choices=(Factor("rate", ("tuned", "customary")), INIT), universes=({"init": "he"},))
    assert all(tuned(study).values())
    assert not any(tuned(study, "rate=customary").values())


def test_a_cell_to_which_the_choice_makes_no_difference_is_not_tuned_and_stands_in_the_reference():
    def configure(activation, depth, rate, init):
        return with_choices(activation, depth, "customary" if activation == "tanh" else rate, init)

    study = replace(REFERENCE, configure=configure)
    found = tuned(study, "all")
    assert {name: is_tuned for name, is_tuned in found.items() if name.startswith("tanh")} == {
        f"tanh depth={depth}{init}": False for depth in (1, 2) for init in ("", " init=he")
    }
    assert found["relu depth=1"]
    assert not found["relu depth=1 rate=tenth"]


def test_a_tuned_reference_has_the_experiment_of_trials_and_another_fingerprint():
    plan, before = make_plan(EVERYWHERE), make_plan(replace(EVERYWHERE, tuning=None))
    assert (plan.experiments, before.experiments) == (("toy", "toy-tuning"), ("toy",))
    assert [cell.key for cell in plan.cells] == [cell.key for cell in before.cells]
    assert not {cell.fingerprint for cell in plan.cells} & {cell.fingerprint for cell in before.cells}
    first = make_plan(REFERENCE)
    assert [cell.fingerprint for cell in first.cells] == [cell.fingerprint for cell in plan.cells]


def test_a_cell_that_cannot_be_tuned_is_refused_where_every_cell_is():
    with pytest.raises(UserError, match=r"toy: what configure\(\) gives cannot be tuned by test_loss"):
        replace(EVERYWHERE, tuning=replace(EVERYWHERE.tuning, metric="test_loss"))
