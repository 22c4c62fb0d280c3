"""A study is checked when it is built, and what is wrong is named with both sides."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from research.design.errors import UserError
from research.design.study import (
    Claim,
    Control,
    Factor,
    MainEffect,
    Metric,
    Number,
    Replicate,
    Study,
    Task,
    Tier,
    Tuning,
    crossed,
)
from research.design.task import Report
from research.judging.universe_findings import Across, across_frame
from research.training.config import TrainConfig


def configure(activation: str, depth: int) -> TrainConfig:
    return TrainConfig(dataset="digits", activation=activation, depth=depth)


@dataclass(frozen=True)
class Walk(Task):
    """A task of another kind."""

    steps: int
    steps_back: int = 0

    def gives(self) -> dict[str, Metric]:
        return {"test_accuracy": Metric()}

    def run(self, seeds: Sequence[int], report: Report) -> list[Replicate]:
        return []


TOY = Study(
    name="toy",
    question="?",
    passage="none",
    configure=configure,
    arms=Factor("activation", ("tanh", "relu")),
    blocks=(Factor("depth", (1, 2)),),
    headline=("test_accuracy",),
    tiers={"full": Tier(seeds=3), "smoke": Tier(seeds=2, overrides={"epochs": 1}, levels={"depth": (1,)})},
)


NUMBER = Number("test_accuracy", ("relu",), {"depth": (1,)}, "only", "only")


def claim(arms: tuple[str, ...], depths: tuple[int, ...]) -> Claim:
    return Claim("c", "text", "A", "mean", Number("test_accuracy", arms, {"depth": depths}, "only", "max"), below=1)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("activation", "rleu", "activation='rleu' is not one of identity, sigmoid, tanh, relu, gelu"),
        ("depth", -1, "depth=-1 must be finite and at least 0"),
        ("depth", 1.5, "depth=1.5 must be a whole number"),
        ("epochs", True, "epochs=True must be a whole number"),
        ("lr", float("nan"), "lr=nan must be finite"),
        ("lr", "0.1", "lr='0.1' must be a number"),
        ("batch_size", 0, "batch_size=0 must be finite and at least 1"),
    ],
)
def test_a_wrong_field_of_a_configuration_is_named_with_what_it_may_be(field, value, message):
    with pytest.raises(UserError, match=message):
        TrainConfig(**{field: value})


def test_momentum_belongs_to_sgd():
    with pytest.raises(UserError, match=r"momentum=0\.9 goes with optimizer='sgd', not 'adam'"):
        TrainConfig(optimizer="adam", momentum=0.9)


def test_a_claim_that_names_a_level_which_the_study_lacks_is_refused():
    message = "toy: claim 'c' names depth 5, the study has \\(1, 2\\)"
    with pytest.raises(UserError, match=message):
        replace(TOY, claims=(claim(("relu",), (5,)),))
    with pytest.raises(UserError, match="names activation 'gelu', the study has \\('tanh', 'relu'\\)"):
        replace(TOY, claims=(claim(("gelu",), (1,)),))


def test_a_tier_that_names_a_factor_which_the_study_lacks_is_refused():
    tiers = {"full": Tier(seeds=1), "quick": Tier(seeds=1, levels={"width": (8,)})}
    with pytest.raises(UserError, match="tier 'quick' names factor 'width', the study has activation, depth"):
        replace(TOY, tiers=tiers)


def test_a_tier_that_overrides_no_field_is_refused():
    with pytest.raises(UserError, match="tier 'smoke' overrides epoch, no field of TrainConfig"):
        replace(TOY, tiers={**TOY.tiers, "smoke": Tier(seeds=1, overrides={"epoch": 1})}).task(
            {"activation": "relu", "depth": 1}, "smoke"
        )


def test_each_task_takes_what_it_has_of_what_a_tier_overrides():
    def two_kinds(activation, depth):
        return configure(activation, depth) if depth == 2 else Walk(depth)

    smoke = Tier(seeds=1, overrides={"epochs": 1, "steps_back": 3})
    study = replace(TOY, configure=two_kinds, claims=(), controls=(), tiers={**TOY.tiers, "smoke": smoke})
    network, walk = (study.task({"activation": "relu", "depth": depth}, "smoke") for depth in (2, 1))
    assert network == replace(configure("relu", 2), epochs=1)
    assert walk == Walk(1, 3)


def test_a_factor_that_configure_ignores_is_refused():
    with pytest.raises(UserError, match=r"toy: configure\(\) ignores factor 'depth' with levels \(1, 2\)"):
        replace(TOY, configure=lambda activation, depth: TrainConfig(activation=activation))


def test_a_control_must_set_every_factor():
    with pytest.raises(UserError, match="control 'linear' leaves depth open"):
        replace(TOY, controls=(Control("linear", "text", NUMBER, cells=({"activation": "identity"},)),))


def test_a_study_is_a_value_that_can_be_changed_and_shrunk():
    small = replace(TOY, blocks=(Factor("depth", (1,)),))
    assert small.task({"activation": "relu", "depth": 1}) == TOY.task({"activation": "relu", "depth": 1})
    assert TOY.task({"activation": "relu", "depth": 1}, "smoke").epochs == 1


def test_universe_factors_stand_at_their_reference_unless_they_are_set():
    def with_rate(activation: str, depth: int, lr: float) -> TrainConfig:
        return replace(configure(activation, depth), lr=lr)

    study = replace(TOY, configure=with_rate, choices=(Factor("lr", (0.1, 0.01)),))
    assert study.task({"activation": "relu", "depth": 1}).lr == 0.1
    assert study.task({"activation": "relu", "depth": 1, "lr": 0.01}).lr == 0.01


def test_a_control_may_name_levels_of_its_own_cells_and_no_others():
    number = replace(NUMBER, arms=("identity",))
    cells = ({"activation": "identity", "depth": 1},)
    replace(TOY, controls=(Control("linear", "text", number, cells=cells),))
    with pytest.raises(UserError, match="control 'linear' names activation 'identity'"):
        replace(TOY, controls=(Control("linear", "text", number),))


def test_mistakes_in_claims_show_before_any_training():
    good = claim(("relu",), (1,))
    with pytest.raises(UserError, match="claim 'c': kind 'meen' is not one of most, share, mean"):
        replace(good, kind="meen")
    with pytest.raises(UserError, match="claim 'c': nothing lies above 1 and below 1"):
        replace(good, above=1)
    with pytest.raises(UserError, match="two claims or controls have the same name: c, c"):
        replace(TOY, claims=(good, good))
    with pytest.raises(UserError, match="claim 'c' leaves depth open"):
        replace(TOY, claims=(replace(good, number=replace(NUMBER, blocks={})),))


@pytest.mark.parametrize(
    "name", ["cell", "diverged_step", "epoch", "layer", "place", "seed", "seeds", "step", "test_accuracy", "trial"]
)
def test_a_factor_may_not_take_the_name_of_a_column(name):
    with pytest.raises(UserError, match=f"toy: factors need names of their own: '{name}' is that of a column of the t"):
        replace(TOY, blocks=(Factor(name, (1, 2)),))


def test_a_control_guards_what_the_study_claims():
    claims = (claim(("relu",), (1,)),)
    replace(TOY, claims=claims, controls=(Control("d", "text", NUMBER, guards=("c",)),))
    with pytest.raises(UserError, match=r"toy: control 'd' guards claim 'x', the study has c$"):
        replace(TOY, claims=claims, controls=(Control("d", "text", NUMBER, guards=("c", "x")),))
    with pytest.raises(UserError, match=r"toy: control 'd' guards claim 'c', the study has none$"):
        replace(TOY, controls=(Control("d", "text", NUMBER, guards=("c",)),))


def test_seeds_that_could_not_decide_are_refused_at_once():
    most = replace(claim(("relu",), (1,)), kind="most")
    with pytest.raises(UserError, match="toy: claim 'c' needs at least 5 seeds to be decided, has 3"):
        replace(TOY, claims=(most,))
    full = {"full": Tier(seeds=8)}
    ten = tuple(replace(most, name=f"c{number}") for number in range(10))
    replace(TOY, claims=ten, tiers=full)
    with pytest.raises(UserError, match="toy: claim 'c0' needs at least 8 seeds to be decided, has 7"):
        replace(TOY, claims=ten, tiers={"full": Tier(seeds=7)})
    with pytest.raises(UserError, match="toy: control 'd' needs at least 5 seeds to be decided, has 4"):
        replace(TOY, controls=(Control("d", "text", NUMBER, kind="most"),), tiers={"full": Tier(seeds=4)})
    few = {"full": Tier(seeds=8, universe_seeds=4)}
    with pytest.raises(UserError, match="toy: claim 'c' needs at least 5 seeds to be decided, has 4"):
        replace(CHOOSY, claims=(most,), tiers=few)
    replace(CHOOSY, universes=(), claims=(most,), tiers=few)
    replace(TOY, claims=(claim(("relu",), (1,)),))  # a mean may be decided by three


def test_a_choice_may_not_take_the_name_of_a_column_of_findings():
    findings = across_frame(Across((), (), ()))
    for name in {*findings, "universe"}:
        with pytest.raises(UserError, match=f"toy: factors need names of their own: '{name}' is that of a column"):
            replace(CHOOSY, choices=(*CHOOSY.choices, Factor(name, (1, 2))))


def test_a_factor_may_not_take_the_name_of_a_metric_that_is_judged():
    good = claim(("relu",), (1,))
    judged = replace(good, number=replace(good.number, metric="case", blocks={"depth": (1,), "case": (1,)}))
    with pytest.raises(UserError, match="toy: factors need names of their own: 'case' is that of a column"):
        replace(TOY, blocks=(*TOY.blocks, Factor("case", (1, 2))), claims=(judged,))


@pytest.mark.parametrize("name", ["", "a+lr=1", "a/b", "a b", "A", "part", "tuning", "universes"])
def test_a_tier_may_not_take_a_name_that_other_results_have(name):
    with pytest.raises(
        UserError, match=r"toy: tier '.*' must be lower-case letters, digits and _, not part, tuning, u"
    ):
        replace(TOY, tiers={**TOY.tiers, name: Tier(seeds=1)})


def test_the_full_tier_keeps_every_level_and_others_keep_at_least_one():
    with pytest.raises(UserError, match="toy: tier 'full' keeps every level; leave depth out of it"):
        replace(TOY, tiers={"full": Tier(seeds=3, levels={"depth": (1,)})})
    with pytest.raises(UserError, match="toy: tier 'smoke' keeps no level of depth"):
        replace(TOY, tiers={**TOY.tiers, "smoke": Tier(seeds=3, levels={"depth": ()})})


def test_what_a_tier_overrides_must_go_with_every_cell_that_it_keeps():
    adam = replace(TOY, configure=lambda activation, depth: replace(
        configure(activation, depth), optimizer="adam" if depth == 2 else "sgd"
    ))  # fmt: skip
    replace(adam, tiers={**TOY.tiers, "smoke": Tier(1, {"momentum": 0.9}, {"depth": (1,)})})
    with pytest.raises(UserError, match="goes with optimizer='sgd', not 'adam'"):
        replace(adam, tiers={**TOY.tiers, "smoke": Tier(1, {"momentum": 0.9})})


@pytest.mark.parametrize("level", [1.0, True, "1"])
def test_a_level_is_named_as_it_was_declared_wherever_it_is_named(level):
    with pytest.raises(UserError, match=r"toy: claim 'c' names depth .*, the study has \(1, 2\)"):
        replace(TOY, claims=(claim(("relu",), (level,)),))
    with pytest.raises(UserError, match=r"toy: tier 'smoke' names depth .*, the study has \(1, 2\)"):
        replace(TOY, tiers={**TOY.tiers, "smoke": Tier(seeds=1, levels={"depth": (level,)})})
    with pytest.raises(UserError, match=r"toy: control 'd': depth: "):
        replace(TOY, controls=(Control("d", "text", NUMBER, cells=({"activation": "identity", "depth": level},)),))
    choices = (*CHOOSY.choices, Factor("lr", (0, 1)))
    with pytest.raises(UserError, match=r"toy: universe .* names lr .*, the study has \(0, 1\)"):
        replace(CHOOSY, choices=choices, universes=({"lr": level},))


def test_a_controls_cell_has_levels_of_arms_and_blocks_alone():
    cell = {"activation": "identity", "depth": 1, "rate": "tenth"}
    with pytest.raises(UserError, match="toy: control 'd' sets rate; a cell has activation, depth"):
        replace(CHOOSY, controls=(Control("d", "text", NUMBER, cells=(cell,)),))
    with pytest.raises(UserError, match="toy: control 'd': activation: 'a/b' must be made of letters"):
        replace(TOY, controls=(Control("d", "text", NUMBER, cells=({"activation": "a/b", "depth": 1},)),))


def test_a_control_needs_the_cells_that_its_number_is_made_of():
    number = replace(NUMBER, arms=("identity",), blocks={"depth": (0,)})
    cells = ({"activation": "identity", "depth": 1}, {"activation": "relu", "depth": 0})
    with pytest.raises(UserError, match="control 'd' needs the cell activation=identity, depth=0, in no grid and no"):
        replace(TOY, controls=(Control("d", "text", number, cells=cells),))


def test_a_share_a_control_and_a_direction_that_cannot_be_are_refused():
    claim = Claim("c", "text", "B", "share", NUMBER, above=0.5)
    with pytest.raises(UserError, match=r"claim 'c': share=1.5 must be from 0 to below 1"):
        replace(claim, share=1.5)
    with pytest.raises(UserError, match=r"control 'd': nothing lies above 0.9 and below 0.1"):
        Control("d", "text", NUMBER, above=0.9, below=0.1)
    with pytest.raises(UserError, match="toy: direction='up' is not one of maximize, minimize"):
        replace(TOY, direction="up")


def with_choices(activation: str, depth: int, rate: str, init: str) -> TrainConfig:
    return replace(configure(activation, depth), lr=0.01 if rate == "tenth" else 0.1, init=init)


TUNING = Tuning({"lr": (0.1, 10.0)}, "validation_loss", "minimize", budget=5, at_once=2, seeds=2)
CHOOSY = replace(
    TOY,
    configure=with_choices,
    choices=(Factor("rate", ("customary", "tenth", "tuned")), Factor("init", ("default", "he"))),
    universes=({"rate": "tenth"}, {"init": "he"}, {"rate": "tuned"}, {"rate": "tenth", "init": "he"}),
    tuning=TUNING,
)
ALONE = MainEffect(
    "alone", "text", "A", "test_accuracy", {"depth": (1,)},
    {"rate": ("customary", "tenth"), "init": ("default", "he")}, above=0.5,
)  # fmt: skip


def test_the_designed_universes_are_the_reference_and_each_declared_one_once_at_a_level_of_every_choice():
    assert CHOOSY.reference == {"rate": "customary", "init": "default"}
    assert TOY.reference == {}
    assert TOY.designed == ({},)
    study = replace(CHOOSY, universes=(*CHOOSY.universes, {"rate": "customary"}, {"init": "he", "rate": "tenth"}))
    assert study.designed == CHOOSY.designed == (
        {"rate": "customary", "init": "default"},
        {"rate": "tenth", "init": "default"},
        {"rate": "customary", "init": "he"},
        {"rate": "tuned", "init": "default"},
        {"rate": "tenth", "init": "he"},
    )  # fmt: skip


def test_crossed_gives_every_combination_of_levels_the_last_choice_changing_fastest():
    assert crossed(rate=("a", "b"), width=(1, 2)) == (
        {"rate": "a", "width": 1}, {"rate": "a", "width": 2}, {"rate": "b", "width": 1}, {"rate": "b", "width": 2},
    )  # fmt: skip
    assert crossed() == ({},)


def of_sine(activation: str, depth: int, rate: str, init: str) -> TrainConfig:
    return replace(with_choices(activation, depth, rate, init), dataset="sine", loss="mse", output="raw")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tuning": None}, "toy: choice 'rate' has the level 'tuned', which needs a tuning"),
        ({"configure": of_sine}, "cannot be tuned by validation_loss: its validated metrics are validation_rmse"),
        *(
            ({"tuning": replace(TUNING, metric=name)}, f"cannot be tuned by {name}: its validated metrics are valid")
            for name in ("test_accuracy", "train_loss")
        ),
        *(
            (
                {"tuning": replace(TUNING, ranges={name: (0.5, 2.0)})},
                f"toy: .* cannot be tuned: '{name}' is no number of TrainConfig; there are batch_size, .*lr,",
            )
            for name in ("rate_of_learning", "optimizer")
        ),
        (
            {"tuning": replace(TUNING, metric="validation_rmse")},
            "toy: what .* cannot be tuned by validation_rmse: its validated metrics are validation_loss, ",
        ),
        (
            {"tuning": replace(TUNING, metric="steps_to_target")},
            "cannot be tuned by steps_to_target: its validated metrics are validation_loss, validation_accuracy",
        ),
        (
            {"tuning": replace(TUNING, ranges={"momentum": (0.1, 10.0)})},
            "toy: .* cannot be tuned: its momentum is 0, which no multiple",
        ),
        (
            {
                "configure": lambda activation, depth, lr, init: replace(
                    with_choices(activation, depth, "customary", init), lr=0.1 if lr == "tuned" else lr
                ),
                "choices": (Factor("lr", (0.1, 0.01, "tuned")), CHOOSY.choices[1]),
                "universes": ({"lr": "tuned"},),
            },
            "toy: factor 'lr' needs another name: the table of trials has a column lr",
        ),
        (
            {"universes": ({"width": 8},)},
            r"toy: universe \{'width': 8\} names choice 'width', the study has rate, init",
        ),
        (
            {"universes": ({"depth": 1},)},
            r"toy: universe \{'depth': 1\} names choice 'depth', the study has rate, init",
        ),
        (
            {"universes": ({"rate": "tenth", "init": "xavier"},)},
            r"universe .* names init 'xavier', the study has \('default', 'he'\)",
        ),
        (
            {"main_effects": (replace(ALONE, choices={"width": (8,)}),)},
            "toy: claim 'alone' names choice 'width', the study has rate, init",
        ),
        (
            {"main_effects": (replace(ALONE, choices={"rate": ("customary", "fast")}),)},
            r"toy: claim 'alone' names rate 'fast', the study has \('customary', 'tenth', 'tuned'\)",
        ),
        (
            {"main_effects": (replace(ALONE, choices={"rate": ("customary", "tuned"), "init": ("default", "he")}),)},
            r"toy: claim 'alone' needs the universe \{'rate': 'tuned', 'init': 'he'\}",
        ),
        ({"main_effects": (replace(ALONE, blocks={}),)}, "toy: claim 'alone' leaves depth open"),
        (
            {"main_effects": (replace(ALONE, blocks={"depth": (3,)}),)},
            r"toy: claim 'alone' names depth 3, the study has \(1, 2\)",
        ),
        ({"main_effects": (ALONE, ALONE)}, "toy: two claims or controls have the same name: alone, alone"),
        ({"choices": (*CHOOSY.choices, Factor("depth", (1, 2)))}, "factors need names of their own.*depth"),
        ({"choices": (*CHOOSY.choices, Factor("seed", (1, 2)))}, "factors need names of their own.*seed"),
        (
            {"configure": lambda activation, depth, rate, init: configure(activation, depth)},
            "toy: configure\\(\\) ignores factor 'rate'",
        ),
        ({"tiers": {"full": Tier(seeds=3, universe_seeds=-1)}}, "toy: tier 'full' needs at least one seed, has -1"),
    ],
)
def test_universes_and_main_effects_that_cannot_be_are_refused_when_the_study_is_built(changes, message):
    with pytest.raises(UserError, match=message):
        replace(CHOOSY, **changes)


def test_a_main_effect_whose_universes_are_all_designed_is_accepted():
    assert replace(CHOOSY, main_effects=(ALONE,)).main_effects == (ALONE,)
    with pytest.raises(UserError, match=r"claim 'alone': nothing lies above 0.5 and below 0.5"):
        replace(ALONE, below=0.5)


def test_the_level_tuned_counts_as_no_level_that_configure_could_ignore():
    alone = replace(CHOOSY, choices=(Factor("rate", ("customary", "tuned")), CHOOSY.choices[1]), universes=())
    assert alone.task({"activation": "relu", "depth": 1, "rate": "tuned"}).lr == 0.1


def test_a_claim_or_control_on_what_may_never_arrive_says_where_it_lies_then():
    def arriving(activation: str, depth: int) -> TrainConfig:
        return replace(TOY.configure(activation, depth), target_accuracy=0.5)

    steps = replace(NUMBER, metric="steps_to_target")
    message = "toy: 'c': steps_to_target may never arrive; its number must say in which interval it lies then"
    with pytest.raises(UserError, match=message):
        replace(TOY, configure=arriving, claims=(Claim("c", "text", "A", "mean", steps, above=0.0),))
    with pytest.raises(UserError, match=message):
        replace(TOY, configure=arriving, controls=(Control("c", "text", steps, above=0.0),))
    known = replace(steps, missing=(0.0, math.inf))
    replace(TOY, configure=arriving, controls=(Control("c", "text", known, above=0.0),))
