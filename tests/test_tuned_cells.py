"""Which cells are tuned: those at the level "tuned" of a choice that matters to them, or all of a study without one."""

import json
from dataclasses import replace

import pytest
from test_design import CHOOSY, with_choices

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study import Factor, Tier, Tuning
from research.design.trials import objective
from research.design.tuned_cells import check_tuned, multiplied, tuning_of
from research.training.config import TrainConfig

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


def test_whole_numbers_are_multiplied_to_whole_ones_and_never_below_one():
    task = make_plan(EVERYWHERE).cells[0].task
    assert task.width == 128
    assert multiplied(task, {"width": 0.1}).width == 13
    assert multiplied(task, {"width": 1.234}) == replace(task, width=158)
    assert multiplied(task, {"width": 0.001, "lr": 1.23456789}) == replace(task, width=1, lr=0.1235)
    assert type(multiplied(task, {"width": 1.0}).width) is int


def test_the_identity_of_a_tuned_cell_has_the_ranges_that_its_task_has():
    tuning = replace(CHOOSY.tuning, ranges={"lr": (0.1, 10.0), "width": (0.5, 2.0)})
    (cell, *_) = make_plan(replace(EVERYWHERE, tuning=tuning)).cells
    assert cell.tuning == tuning
    assert json.loads(cell.identity)["tuning"]["ranges"] == {"lr": [0.1, 10.0], "width": [0.5, 2.0]}
    assert make_plan(EVERYWHERE).cells[0].tuning == CHOOSY.tuning


def test_a_cell_goes_by_the_first_of_several_metrics_that_its_task_has():
    both = Tuning({"lr": (0.1, 10.0)}, ("validation_rmse", "validation_loss"), "minimize", 4, 2, 2)
    classes = TrainConfig(dataset="wine")
    numbers = TrainConfig(dataset="diabetes", output="raw", loss="mse")
    for task, metric in ((classes, "validation_loss"), (numbers, "validation_rmse")):
        found = tuning_of(both, (), {}, lambda _, task=task: task)
        assert found == replace(both, metric=metric)
        assert objective(found) == f"minimize {metric}"
        check_tuned("here", task, found)
    lacking = replace(both, metric=("validation_rmse", "steps_to_target"))
    with pytest.raises(UserError, match="here cannot be tuned by validation_rmse or steps_to_target: its validated"):
        check_tuned("here", classes, tuning_of(lacking, (), {}, lambda _: classes))
    with pytest.raises(UserError, match="tuning: metric must name at least one metric"):
        replace(both, metric=())


def test_a_smaller_tier_can_have_fewer_trials():
    study = replace(EVERYWHERE, tiers={**EVERYWHERE.tiers, "smoke": Tier(seeds=2, trials=2)})
    budgets = {tier: {cell.tuning.budget for cell in make_plan(study, tier).cells} for tier in ("full", "smoke")}
    assert budgets == {"full": {study.tuning.budget}, "smoke": {2}}
    assert study.tuning.budget > 2
    with pytest.raises(UserError, match="tier 'full' has the budget of the tuning; leave trials=2 out of it"):
        replace(study, tiers={"full": replace(study.tiers["full"], trials=2)})
    with pytest.raises(UserError, match="tier: trials=-1 must be at least 0"):
        Tier(seeds=2, trials=-1)
