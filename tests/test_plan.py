"""Cells, stacks, keys and fingerprints."""

import subprocess
import sys
from dataclasses import replace

import pytest
from test_design import CHOOSY, NUMBER, TOY, with_choices

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study import Control, Factor, Tier
from research.design.study_files import load_study, study_names
from research.design.tiers import LAST_FIRST_SEED, MOST_SEEDS, TUNING_SEED
from research.training.config import TrainConfig

GOLDEN = {
    "activation_depth/full/activation=relu/depth=4": "c0f4fbc5ce4d32b4",
    "activation_depth/full/activation=sigmoid/depth=8": "92e813d654370e1f",
    "activation_depth/smoke/activation=gelu/depth=1": "48fa1ac4938a3e40",
    "width_sine/full/width=8/case=sine": "fc665b1ee68e0ca8",
    "width_sine/full/width=8/case=straight-units": "35e288c94ee1d083",
    "loss_convergence/full/loss=cross_entropy/case=mnist": "61b5d336a82b33c5",
    "loss_convergence/full/loss=mse/case=shuffled-labels": "9fac37e082888c28",
    "pixel_shuffle/full/pixels=original/network=mlp": "217dba8e05b306ec",
    "pixel_shuffle/smoke/pixels=sorted/network=mlp": "cb1501fd7cbb0dca",
}


def wide(activation: str, depth: int) -> TrainConfig:
    """A configuration of which three of five seeds fit into a stack at one hidden layer."""
    return TrainConfig("mnist", depth=depth, width=700, activation=activation)


def test_fingerprints_are_those_of_the_committed_results():
    """A change here means that committed results no longer belong to this code: raise a revision."""
    made = [(name, tier) for name in study_names() for tier in ("full", "smoke")]
    plans = [make_plan(load_study(name), tier, numerics=3) for name, tier in made]
    found = {cell.key: cell.fingerprint for plan in plans for cell in plan.cells}
    assert {key: found[key][:16] for key in GOLDEN} == GOLDEN


def test_a_fingerprint_is_the_same_in_another_process():
    code = (
        "from research.design.study_files import load_study\n"
        "from research.design.plan import make_plan\n"
        "print(make_plan(load_study('activation_depth')).cells[0].fingerprint)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == make_plan(load_study("activation_depth")).cells[0].fingerprint


def test_every_combination_of_levels_is_a_cell_once_with_a_readable_key():
    plan = make_plan(TOY)
    assert [cell.key for cell in plan.cells] == [
        "toy/full/activation=tanh/depth=1",
        "toy/full/activation=tanh/depth=2",
        "toy/full/activation=relu/depth=1",
        "toy/full/activation=relu/depth=2",
    ]
    assert plan.cells[0].name == "tanh depth=1"


def test_an_arm_that_is_a_number_says_what_it_is_a_number_of():
    plan = make_plan(load_study("width_sine"))
    assert plan.cells[0].name == "width=8 case=sine"
    assert make_plan(load_study("loss_convergence")).cells[0].name == "cross_entropy case=mnist"
    for name in study_names():
        names = [cell.name for cell in make_plan(load_study(name)).cells]
        assert len(set(names)) == len(names)


def test_the_cells_of_a_control_are_planned_beside_the_grid_and_only_once():
    extra = ({"activation": "identity", "depth": 2}, {"activation": "relu", "depth": 1})
    plan = make_plan(replace(TOY, controls=(Control("c", "text", NUMBER, cells=extra),)))
    assert [cell.name for cell in plan.cells[4:]] == ["identity depth=2"]


def test_a_tier_keeps_its_levels_and_replaces_its_fields():
    plan = make_plan(TOY, "smoke")
    assert [cell.name for cell in plan.cells] == ["tanh depth=1", "relu depth=1"]
    assert {cell.task.epochs for cell in plan.cells} == {1}
    assert plan.num_seeds == 2


def test_seed_s_is_always_in_the_same_stack():
    few, many = make_plan(TOY, num_seeds=2), make_plan(TOY, num_seeds=25)
    assert {stack.key for stack in few.stacks} <= {stack.key for stack in many.stacks}


def stacks_of_one_cell(plan):
    return [stack.seeds for stack in plan.stacks if stack.cell == plan.cells[0]]


def test_a_tier_trains_the_seeds_that_it_reports_and_no_others():
    five = replace(TOY, tiers={"full": Tier(seeds=5)}, configure=wide)
    assert stacks_of_one_cell(make_plan(TOY)) == [(0, 1, 2)]
    assert stacks_of_one_cell(make_plan(five)) == [(0, 1, 2), (3, 4)]
    assert stacks_of_one_cell(make_plan(five, num_seeds=6)) == [(0, 1, 2), (3, 4), (5, 6, 7)]


def test_the_seeds_of_a_tier_begin_where_it_says():
    study = replace(CHOOSY, tiers={"full": Tier(seeds=20, universe_seeds=8, first_seed=100), "smoke": Tier(seeds=2)})
    plan = make_plan(study)
    assert (plan.seeds, plan.declared) == (range(100, 120), True)
    assert stacks_of_one_cell(plan) == [tuple(range(100, 110)), tuple(range(110, 120))]
    assert plan.stacks[0].key.endswith("/seeds=100-109")
    assert make_plan(study, num_seeds=25).seeds == range(100, 125)
    assert make_plan(study, "smoke").seeds == range(2)
    universes = make_plan(study, scope=("all",))
    assert universes.seeds == range(100, 108)
    for stack in universes.stacks:
        assert stack.seeds == tuple(range(100, 108 if stack.cell.universe else 110))
    shared = next(cell for cell in universes.cells if not cell.universe)
    assert universes.reported(shared) == range(100, 120)


def test_no_seed_of_a_tier_is_one_of_a_search():
    most = Tier(seeds=MOST_SEEDS, first_seed=LAST_FIRST_SEED)
    last = make_plan(replace(TOY, tiers={"full": most})).stacks[-1].seeds[-1]
    assert last < TUNING_SEED
    with pytest.raises(UserError, match="tier 'full': first_seed=900001 must be from 0 to 900000; searches have the"):
        replace(TOY, tiers={"full": replace(most, first_seed=LAST_FIRST_SEED + 1)})
    with pytest.raises(UserError, match="tier 'full': first_seed=-1 must be from 0 to 900000"):
        replace(TOY, tiers={"full": replace(most, first_seed=-1)})


def test_adding_a_level_or_a_universe_leaves_keys_and_fingerprints_as_they_were():
    before = {cell.key: cell.fingerprint for cell in make_plan(TOY).cells}
    more = replace(TOY, arms=Factor("activation", ("gelu", "tanh", "relu")))
    after = {cell.key: cell.fingerprint for cell in make_plan(more).cells}
    assert before.items() <= after.items()
    assert len(after) == 6


def test_only_the_declared_full_tier_counts_as_the_study():
    assert make_plan(TOY).declared
    assert not make_plan(TOY, num_seeds=4).declared
    assert not make_plan(TOY, "smoke").declared


def test_only_keeps_the_cells_with_the_levels_and_their_keys():
    plan = make_plan(TOY, only={"activation": ("relu",), "depth": ("2",)})
    assert [cell.key for cell in plan.cells] == ["toy/full/activation=relu/depth=2"]
    assert not plan.declared
    assert plan.report_name == "toy-part"
    assert make_plan(TOY, only={"activation": ("relu", "tanh")}).declared


def test_set_gives_every_cell_the_value_under_a_key_of_its_own():
    plan = make_plan(TOY, settings={"lr": "0.01", "epochs": "2"})
    assert plan.cells[0].key == "toy/full+epochs=2+lr=0.01/activation=tanh/depth=1"
    assert {(cell.task.lr, cell.task.epochs) for cell in plan.cells} == {(0.01, 2)}
    assert plan.experiment == "toy-full+epochs=2+lr=0.01"
    assert not plan.declared


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": {"activation": ("rleu",)}}, "no level 'rleu'; did you mean 'relu'\\?"),
        ({"only": {"width": ("8",)}}, "no factor 'width'; there are activation, depth"),
        ({"tier": "smoke", "only": {"depth": ("2",)}}, "tier 'smoke' has no cell with depth=2"),
        ({"settings": {"rate": "1"}}, "--set rate=1: no such field; there are dataset, depth"),
        ({"settings": {"lr": "fast"}}, "--set lr=fast: not a number"),
        ({"settings": {"epochs": "1.5"}}, "--set epochs=1.5: not a whole number"),
        ({"settings": {"depth": "3"}}, "--set depth: is a factor of toy; choose its levels with --only"),
        ({"settings": {"lr": "-1"}}, "lr=-1.0 must be finite and at least 0"),
    ],
)
def test_a_level_or_field_that_does_not_exist_is_refused_with_what_does(arguments, message):
    with pytest.raises(UserError, match=message):
        make_plan(TOY, **arguments)


def test_epochs_cannot_be_set_where_a_study_counts_steps():
    with pytest.raises(UserError, match="--set epochs=2: has no effect on width_sine, by what else is set"):
        make_plan(load_study("width_sine"), settings={"epochs": "2"})


@pytest.mark.parametrize(
    ("changes", "ranges", "metric", "message"),
    [
        (
            {"dataset": "sine", "loss": "mse", "output": "raw", "target_accuracy": 0.0},
            {"lr": (0.1, 10.0)},
            "validation_loss",
            "by validation_loss: its validated metrics are validation_rmse",
        ),
        ({"target_accuracy": 0.0}, {"lr": (0.1, 10.0)}, "steps_to_target", "by steps_to_target: its validated metrics"),
        ({"momentum": 0.0}, {"momentum": (0.1, 1.0)}, "validation_loss", "momentum is 0, which no multiple changes"),
        ({"target_accuracy": 0.6}, {"target_accuracy": (0.5, 2.0)}, "validation_loss",
         "to 2 times its target_.* at most"),
    ],
)  # fmt: skip
def test_a_controls_cell_that_cannot_be_tuned_is_refused_before_anything_is_trained(changes, ranges, metric, message):
    def with_control(activation, depth, rate, init):
        usual = replace(with_choices(activation, depth, rate, init), target_accuracy=0.5, momentum=0.9)
        return replace(usual, **changes) if depth == 0 else usual

    number = replace(NUMBER, blocks={"depth": (0,)})
    control = Control("sane", "text", number, above=0.5, cells=({"activation": number.arms[0], "depth": 0},))
    tuning = replace(CHOOSY.tuning, ranges=ranges, metric=metric)
    study = replace(CHOOSY, configure=with_control, controls=(control,), tuning=tuning)
    make_plan(study, scope=("rate=tenth",))
    with pytest.raises(UserError, match=rf"toy: the cell activation=\w+, depth=\d cannot be tuned.*{message}"):
        make_plan(study, scope=("rate=tuned",))
