"""Which universes are asked for, in which a cell stands, and what that does to keys, names, stacks and fingerprints."""

import itertools
import json
from dataclasses import replace

import pytest

from research.design.errors import UserError
from research.design.identity import identity_difference
from research.design.plan import make_plan
from research.design.study import TUNED, Control, Factor, Number, Study, Tier, Tuning
from research.design.study_files import load_study, study_names
from research.design.universes import asked_for, departing, departures, nearest, universe_name
from research.training.config import TrainConfig
from research.training.cost import stack_size


def configure(
    activation: str, depth: int, init: str, optimizer: str, momentum: float, rate: str, width: int
) -> TrainConfig:
    """Momentum is SGD's alone, GELU has a rate of its own, and without a hidden layer there is no width."""
    return TrainConfig(
        "digits",
        depth=depth,
        width=width if depth else 32,
        activation=activation,
        init=init,
        optimizer=optimizer,
        momentum=momentum if optimizer == "sgd" else 0.0,
        lr=0.05 if activation == "gelu" else 0.01 if rate == "tenth" else 0.1,
    )


STUDY = Study(
    name="toy",
    question="?",
    passage="none",
    configure=configure,
    arms=Factor("activation", ("relu", "gelu")),
    blocks=(Factor("depth", (1, 2)),),
    headline=("test_accuracy",),
    tiers={
        "full": Tier(seeds=10, universe_seeds=6),
        "same": Tier(seeds=4),
        "small": Tier(seeds=2, overrides={"width": 8}, levels={"depth": (1,)}),
    },
    choices=(
        Factor("init", ("default", "he", "xavier")),
        Factor("optimizer", ("sgd", "adam")),
        Factor("momentum", (0.0, 0.9)),
        Factor("rate", ("customary", "tenth", "tuned")),
        Factor("width", (32, 64)),
    ),
    universes=(
        {"init": "he"},
        {"optimizer": "adam"},
        {"optimizer": "adam", "momentum": 0.9},
        {"rate": "tenth"},
        {"rate": "tuned"},
        {"width": 64},
    ),
    tuning=Tuning({"lr": (0.1, 10.0)}, "validation_loss", "minimize", budget=3, at_once=2, seeds=2),
    controls=(
        Control(
            "linear",
            "text",
            Number("test_accuracy", ("identity",), {"depth": (0,)}, "only", "only"),
            above=0.5,
            cells=({"activation": "identity", "depth": 0},),
        ),
    ),
)
BARE = replace(  # the same study before anybody thought of universes
    STUDY,
    configure=lambda activation, depth: configure(activation, depth, **STUDY.reference),
    choices=(),
    universes=(),
    tuning=None,
)
CELLS = [*itertools.product(("relu", "gelu"), (1, 2)), ("identity", 0)]


def fingerprints(study, **options):
    return {cell.key: cell.fingerprint for cell in make_plan(study, **options).cells}


def at(study, activation, depth, **universe):
    """In what the cell of these levels differs from the reference in a universe."""
    levels = {"activation": activation, "depth": depth}
    return departures(study, study.universe(universe), lambda choices: study.task({**choices, **levels}))


def test_the_reference_is_one_universe_and_all_are_those_that_the_study_compares():
    assert asked_for(STUDY, ("reference",)) == (STUDY.reference,)
    assert asked_for(BARE, ("reference",)) == ({},)
    every = asked_for(STUDY, ("all",))
    assert every == STUDY.designed
    assert every[0] == STUDY.reference
    assert len(every) == 7


def test_levels_of_a_choice_are_taken_as_written_and_the_reference_comes_first():
    assert asked_for(STUDY, ("init=xavier",)) == ({**STUDY.reference, "init": "xavier"},)
    assert asked_for(STUDY, ("width=64,32",)) == (STUDY.reference, {**STUDY.reference, "width": 64})
    assert asked_for(STUDY, ("momentum=0.9",)) == ({**STUDY.reference, "momentum": 0.9},)
    assert asked_for(STUDY, ("init=he,he",)) == ({**STUDY.reference, "init": "he"},)


def test_several_choices_are_crossed_whether_or_not_the_study_compares_what_comes_of_it():
    found = asked_for(STUDY, ("optimizer=sgd,adam", "init=he,xavier"))
    assert [(universe["optimizer"], universe["init"]) for universe in found] == [
        ("sgd", "he"), ("sgd", "xavier"), ("adam", "he"), ("adam", "xavier"),
    ]  # fmt: skip
    assert all(list(universe) == list(STUDY.reference) for universe in found)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("int=he",), "--universes int=he: no choice 'int'; did you mean 'init'?"),
        (("blue=he",), "--universes blue=he: no choice 'blue'; there are init, optimizer, momentum, rate, width"),
        (("depth=1",), "--universes depth=1: no choice 'depth'; did you mean 'width'?"),
        (("init=hee",), "--universes init=hee: no level 'hee'; did you mean 'he'?"),
        (("init=he,lecun",), "--universes init=he,lecun: no level 'lecun'; there are default, he, xavier"),
        (("momentum=0.90",), "--universes momentum=0.90: no level '0.90'; did you mean '0.9'?"),
        (("init=he,",), "--universes init=he,: no level ''; there are default, he, xavier"),
        (("init=he", "init=xavier"), "--universes init=xavier: init is given twice"),
        (("all", "init=he"), "--universes all: cannot go with another --universes"),
        (("init=he", "reference"), "--universes reference: cannot go with another --universes"),
        (("all", "all"), "--universes all: cannot go with another --universes"),
        (("al",), "--universes al: must be reference, all or written CHOICE=LEVEL[,LEVEL]"),
        (("init",), "--universes init: must be reference, all or written CHOICE=LEVEL[,LEVEL]"),
        (("init=",), "--universes init=: must be reference, all or written CHOICE=LEVEL[,LEVEL]"),
        (("=he",), "--universes =he: must be reference, all or written CHOICE=LEVEL[,LEVEL]"),
        (("",), "--universes : must be reference, all or written CHOICE=LEVEL[,LEVEL]"),
    ],
)
def test_what_is_no_universe_is_refused_in_one_line_with_the_nearest_that_is(texts, message):
    with pytest.raises(UserError) as raised:
        make_plan(STUDY, scope=texts)
    assert str(raised.value) == message


def test_a_study_without_universes_has_none_to_ask_for():
    with pytest.raises(UserError, match=r"\A--universes all: toy compares no universes\Z"):
        asked_for(BARE, ("all",))
    with pytest.raises(UserError, match=r"\A--universes init=he: no choice 'init'; there are none\Z"):
        asked_for(BARE, ("init=he",))
    choices = replace(STUDY, universes=())
    assert asked_for(choices, ("init=he",)) == ({**STUDY.reference, "init": "he"},)
    with pytest.raises(UserError, match=r"\A--universes all: toy compares no universes\Z"):
        asked_for(choices, ("all",))


def test_a_hint_names_the_nearest_word_else_all_of_them():
    assert nearest("rleu", ["tanh", "relu"]) == "did you mean 'relu'?"
    assert nearest("x", ["tanh", "relu"]) == "there are tanh, relu"
    assert nearest("x", []) == ""


def test_a_cell_departs_from_the_reference_only_in_choices_that_change_its_configuration():
    assert at(STUDY, "relu", 1) == {}
    assert at(STUDY, "relu", 1, init="he", width=64) == {"init": "he", "width": 64}
    assert at(STUDY, "relu", 1, momentum=0.9) == {"momentum": 0.9}
    assert at(STUDY, "relu", 1, momentum=0.9, optimizer="adam") == {"optimizer": "adam"}
    assert at(STUDY, "relu", 1, rate="tenth") == {"rate": "tenth"}
    assert at(STUDY, "gelu", 1, rate="tenth", init="he") == {"init": "he"}
    assert at(STUDY, "identity", 0, width=64) == {}
    assert list(at(STUDY, "relu", 1, rate="tenth", init="he")) == ["init", "rate"]  # in the order of the choices


def test_being_tuned_makes_a_difference_where_another_level_of_the_choice_does():
    assert at(STUDY, "relu", 1, rate="tuned") == {"rate": "tuned"}
    assert at(STUDY, "gelu", 1, rate="tuned") == {}
    choices = (*STUDY.choices[:3], Factor("rate", ("customary", "tuned")), STUDY.choices[4])
    only_tuned = replace(STUDY, choices=choices, universes=({"rate": "tuned"},))
    assert at(only_tuned, "gelu", 1, rate="tuned") == {"rate": "tuned"}  # nothing says that it does not


def test_a_tier_leaves_out_universes_with_levels_that_it_does_not_keep():
    size = replace(STUDY.tiers["small"], levels={"depth": (1,), "init": ("default",), "rate": ("customary", "tenth")})
    study = replace(STUDY, tiers={**STUDY.tiers, "small": size})
    names = [universe_name(departing(study, universe)) for universe in asked_for(study, ("all",), "small")]
    assert names == [
        "reference", "optimizer=adam", "optimizer=adam momentum=0.9", "rate=tenth", "width=64"
    ]  # fmt: skip
    assert len(asked_for(study, ("all",))) == 7
    assert asked_for(study, ("init=he",), "small") == ({**study.reference, "init": "he"},)  # who asks gets it
    with pytest.raises(UserError, match="tier 'small' must keep the reference level of init"):
        replace(study, tiers={**study.tiers, "small": replace(size, levels={"init": ("he",)})})


def test_what_a_tier_or_a_user_overrides_makes_no_difference_either():
    of_tier = make_plan(STUDY, "small", scope=("width=64",))
    assert {(cell.universe == {}, cell.task.width) for cell in of_tier.cells} == {(True, 8)}
    by_hand = make_plan(STUDY, scope=("rate=tenth",), settings={"lr": "0.5"})
    assert {(cell.universe == {}, cell.task.lr) for cell in by_hand.cells} == {(True, 0.5)}


def test_a_universe_is_called_by_the_levels_in_which_it_differs():
    assert universe_name({}) == "reference"
    assert universe_name({"init": "he"}) == "init=he"
    assert universe_name({"init": "he", "optimizer": "adam"}) == "init=he optimizer=adam"


def test_a_cells_key_name_and_experiment_say_where_it_stands():
    (cell,) = make_plan(
        STUDY, scope=("optimizer=adam", "init=he"), only={"activation": ("relu",), "depth": ("2",)}
    ).cells
    assert cell.key == "toy/full/activation=relu/depth=2/init=he/optimizer=adam"
    assert cell.name == "relu depth=2 init=he optimizer=adam"
    assert cell.experiment == "toy-universes"
    assert (cell.task.init, cell.task.optimizer) == ("he", "adam")
    small = make_plan(STUDY, "small", scope=("init=he",))
    assert {cell.experiment for cell in small.cells if cell.universe} == {"toy-small-universes"}
    assert (cell.tuning, cell.trial) == (None, None)


def test_universes_share_the_cells_in_which_they_do_not_differ():
    plan = make_plan(STUDY, scope=("all",))
    assert len(plan.cells) == len({cell.key for cell in plan.cells}) == len({cell.name for cell in plan.cells})
    reference, he, adam, with_momentum, tenth, tuned, wide = plan.universes
    assert all(len(universe.cells) == 5 for universe in plan.universes)
    assert adam.cells == with_momentum.cells
    gelus = [cell for cell in reference.cells if cell.levels["activation"] != "relu"]
    assert [cell for cell in tenth.cells if not cell.universe][:2] == gelus[:2]
    assert [cell.name for cell in tuned.cells if cell.tuning] == [
        "relu depth=1 rate=tuned", "relu depth=2 rate=tuned", "identity depth=0 rate=tuned",
    ]  # fmt: skip
    assert [cell.universe for cell in wide.cells][-1] == {}
    assert [cell.name for cell in he.cells if not cell.universe] == []
    assert len(plan.cells) == len({cell.key for universe in plan.universes for cell in universe.cells})


def test_a_shared_cell_is_the_same_whichever_universes_are_asked_for():
    every = {cell.key: cell for cell in make_plan(STUDY, scope=("all",)).cells}
    for universe in STUDY.designed:
        scope = tuple(f"{name}={level}" for name, level in universe.items())
        found = make_plan(STUDY, scope=scope).cells
        assert len(found) == 5
        assert all(every[cell.key] == cell for cell in found)
    own = {cell.key: cell for cell in make_plan(STUDY).cells}
    assert own == {key: cell for key, cell in every.items() if not cell.universe}


def test_choices_universes_and_levels_that_are_added_change_no_fingerprint():
    assert fingerprints(STUDY) == fingerprints(BARE)
    before = fingerprints(STUDY, scope=("all",))
    more = replace(STUDY, universes=(*STUDY.universes, {"init": "xavier", "rate": "tenth"}))
    added = fingerprints(more, scope=("all",))
    assert before.items() < added.items()
    assert {key for key in added if key not in before} == {
        *(f"toy/full/activation=relu/depth={depth}/init=xavier/rate=tenth" for depth in (1, 2)),
        *(f"toy/full/activation=gelu/depth={depth}/init=xavier" for depth in (1, 2)),
        "toy/full/activation=identity/depth=0/init=xavier/rate=tenth",
    }
    choices = [replace(choice, levels=(*choice.levels, 96)) if choice.name == "width" else choice
               for choice in STUDY.choices]  # fmt: skip
    assert fingerprints(replace(STUDY, choices=tuple(choices)), scope=("all",)) == before

    def with_batches(batch: int, **levels) -> TrainConfig:
        return replace(configure(**levels), batch_size=batch)

    another = replace(STUDY, configure=with_batches, choices=(Factor("batch", (128, 32)), *STUDY.choices))
    assert fingerprints(another, scope=("all",)) == before
    assert fingerprints(replace(STUDY, universes=STUDY.universes[::-1]), scope=("all",)) == before


def test_how_a_cell_is_tuned_is_in_its_fingerprint_and_in_that_of_no_other():
    before = fingerprints(STUDY, scope=("all",))
    another = replace(STUDY, tuning=replace(STUDY.tuning, budget=4))
    after = fingerprints(another, scope=("all",))
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {key for key in before if "rate=tuned" in key}
    assert changed
    (old, new) = (make_plan(study, scope=("rate=tuned",)).cells[0].identity for study in (STUDY, another))
    assert json.loads(old)["tuning"]["ranges"] == {"lr": [0.1, 10.0]}
    assert identity_difference(old, new).startswith("tuning: recorded with {")


def test_the_fingerprints_of_the_studies_do_not_depend_on_their_universes():
    for name in study_names():
        study = load_study(name)
        alone = replace(
            study,
            configure=lambda study=study, **levels: study.configure(**study.reference, **levels),
            choices=(),
            universes=(),
            tuning=study.tuning if TUNED in study.reference.values() else None,
            main_effects=(),
            tiers={tier: replace(size, levels={}) for tier, size in study.tiers.items()},
        )
        assert fingerprints(study) == fingerprints(alone)
        if study.universes:
            every = make_plan(study, scope=("all",)).cells
            assert fingerprints(study).items() == {(c.key, c.fingerprint) for c in every if not c.universe}


def test_universes_have_their_own_number_of_seeds_in_equal_stacks_that_train_none_for_nothing():
    plan = make_plan(STUDY, scope=("all",))
    assert plan.num_seeds == 6
    for stack in plan.stacks:
        assert stack.cell.stack_size == (6 if stack.cell.universe else STUDY.tiers["full"].seeds)
        assert len(stack.seeds) == stack.cell.stack_size
    assert make_plan(STUDY, "same", scope=("all",)).num_seeds == 4
    assert {cell.stack_size for cell in make_plan(STUDY, "same", scope=("all",)).cells} == {4}
    assert make_plan(STUDY, num_seeds=8, scope=("all",)).num_seeds == 8
    sizes = [cell.stack_size for cell in make_plan(STUDY, num_seeds=8, scope=("init=he",)).cells]
    assert sizes == [6] * 5  # the size is of the design, never of what a user asks for


@pytest.mark.parametrize(
    ("seeds", "width", "size"),
    [(5, 128, 5), (5, 700, 3), (6, 700, 3), (5, 2000, 1), (8, 700, 4), (10, 700, 4), (10, 16, 10), (20, 16, 10)],
)
def test_a_stack_is_the_largest_of_equal_parts_that_fits_the_cache(seeds, width, size):
    assert stack_size(TrainConfig("mnist", width=width), seeds) == size


def test_only_all_universes_of_the_whole_full_tier_are_declared():
    every = make_plan(STUDY, scope=("all",))
    assert (every.of_universes, every.complete, every.declared) == (True, True, True)
    some = make_plan(STUDY, scope=("init=he",))
    assert (some.of_universes, some.complete, some.declared) == (True, True, False)
    assert not make_plan(STUDY, scope=("all",), num_seeds=10).declared
    assert not make_plan(STUDY, "same", scope=("all",)).declared
    assert not make_plan(STUDY, scope=("all",), only={"depth": ("1",)}).declared
    reference = make_plan(STUDY)
    assert (reference.of_universes, reference.complete, reference.declared) == (False, True, True)


def test_a_plan_of_universes_has_a_folder_experiments_and_columns_of_its_own():
    every, some, reference = (make_plan(STUDY, scope=scope) for scope in (("all",), ("init=he",), ("reference",)))
    assert (every.report_name, some.report_name) == ("toy-universes-all", "toy-universes-init=he")
    assert make_plan(STUDY, scope=("all",), num_seeds=2).report_name == "toy-universes-all-2-seeds"
    assert every.experiments == ("toy", "toy-universes", "toy-tuning")
    assert some.experiments == ("toy-universes",)
    assert reference.experiments == ("toy",)
    assert {plan.experiment for plan in (every, some, reference)} == {"toy"}
    names = ["activation", "depth", "init", "optimizer", "momentum", "rate", "width"]
    assert [factor.name for factor in every.columns] == names
    assert [factor.name for factor in reference.columns] == names[:2]
    cell = next(cell for cell in every.cells if cell.name == "gelu depth=2 optimizer=adam")
    assert every.placed(cell) == {
        "activation": "gelu", "depth": 2, "init": "default", "optimizer": "adam", "momentum": 0.0,
        "rate": "customary", "width": 32,
    }  # fmt: skip
    assert reference.placed(reference.cells[0]) == {"activation": "relu", "depth": 1}


def test_a_choice_is_no_factor_of_only_and_may_be_set_by_hand():
    with pytest.raises(UserError, match=r"--only init=he: no factor 'init'; choose it with --universes"):
        make_plan(STUDY, only={"init": ("he",)})
    assert {cell.task.width for cell in make_plan(STUDY, settings={"width": "8"}).cells} == {8}
