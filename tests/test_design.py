"""A study is checked when it is built, and what is wrong is named with both sides."""

from dataclasses import replace

import pytest

from research.config import UserError
from research.design import Claim, Control, Factor, Number, Study, Tier, TrainConfig


def configure(activation: str, depth: int) -> TrainConfig:
    return TrainConfig(dataset="digits", activation=activation, depth=depth)


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


NUMBER = Number("test_accuracy", ("relu",), {"depth": (1,)}, "only", "only", 0.0)


def claim(arms: tuple[str, ...], depths: tuple[int, ...]) -> Claim:
    return Claim(
        "c", "text", "A", "mean", Number("test_accuracy", arms, {"depth": depths}, "only", "max", 0.0), below=1
    )


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
        replace(TOY, tiers={**TOY.tiers, "smoke": Tier(seeds=1, overrides={"epoch": 1})}).config(
            {"activation": "relu", "depth": 1}, "smoke"
        )


def test_a_factor_that_configure_ignores_is_refused():
    with pytest.raises(UserError, match=r"toy: configure\(\) ignores factor 'depth' with levels \(1, 2\)"):
        replace(TOY, configure=lambda activation, depth: TrainConfig(activation=activation))


def test_a_control_must_set_every_factor():
    with pytest.raises(UserError, match="control 'linear' leaves depth open"):
        replace(TOY, controls=(Control("linear", "text", NUMBER, cells=({"activation": "identity"},)),))


@pytest.mark.parametrize("levels", [(), (1, 1), ("a/b",), ("a=b",), ("a b",)])
def test_levels_are_one_or_more_different_words(levels):
    with pytest.raises(UserError):
        Factor("f", levels)


def test_a_study_is_a_value_that_can_be_changed_and_shrunk():
    small = replace(TOY, blocks=(Factor("depth", (1,)),))
    assert small.config({"activation": "relu", "depth": 1}) == TOY.config({"activation": "relu", "depth": 1})
    assert TOY.config({"activation": "relu", "depth": 1}, "smoke").epochs == 1


def test_universe_factors_stand_at_their_reference_unless_they_are_set():
    def with_rate(activation: str, depth: int, lr: float) -> TrainConfig:
        return replace(configure(activation, depth), lr=lr)

    study = replace(TOY, configure=with_rate, choices=(Factor("lr", (0.1, 0.01)),))
    assert study.config({"activation": "relu", "depth": 1}).lr == 0.1
    assert study.config({"activation": "relu", "depth": 1, "lr": 0.01}).lr == 0.01


def test_a_control_may_name_levels_of_its_own_cells_and_no_others():
    number = replace(NUMBER, arms=("identity",))
    cells = ({"activation": "identity", "depth": 1},)
    replace(TOY, controls=(Control("linear", "text", number, cells=cells),))
    with pytest.raises(UserError, match="control 'linear' names activation 'identity'"):
        replace(TOY, controls=(Control("linear", "text", number),))


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


def test_mistakes_in_claims_show_before_any_training():
    good = claim(("relu",), (1,))
    with pytest.raises(UserError, match="claim 'c': kind 'meen' is not one of mean, share"):
        replace(good, kind="meen")
    with pytest.raises(UserError, match="claim 'c': nothing lies above 1 and below 1"):
        replace(good, above=1)
    with pytest.raises(UserError, match="two claims or controls have the same name: c, c"):
        replace(TOY, claims=(good, good))
    with pytest.raises(UserError, match="claim 'c' leaves depth open"):
        replace(TOY, claims=(replace(good, number=replace(NUMBER, blocks={})),))


@pytest.mark.parametrize("name", ["cell", "epoch", "layer", "place", "seed", "step"])
def test_a_factor_may_not_take_the_name_of_a_column(name):
    with pytest.raises(UserError, match=f"not cell, epoch, layer, place, seed, step: activation, {name}"):
        replace(TOY, blocks=(Factor(name, (1, 2)),))


def test_a_share_a_control_and_a_direction_that_cannot_be_are_refused():
    claim = Claim("c", "text", "B", "share", NUMBER, above=0.5)
    with pytest.raises(UserError, match=r"claim 'c': share=1.5 must be from 0 to below 1"):
        replace(claim, share=1.5)
    with pytest.raises(UserError, match=r"control 'd': nothing lies above 0.9 and below 0.1"):
        Control("d", "text", NUMBER, above=0.9, below=0.1)
    with pytest.raises(UserError, match="toy: direction='up' is not one of maximize, minimize"):
        replace(TOY, direction="up")
