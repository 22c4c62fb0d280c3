"""The tables of universes are exported and read back like all others, and what they say follows from them."""

import json
from dataclasses import replace

import pytest
from made_up import sign, write_universes
from test_design import NUMBER, TOY

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.plan import make_plan
from research.design.study import Claim, Factor, MainEffect, Tier, Tuning, crossed
from research.publishing import universe_page
from research.publishing.results import read_universes, runs_of
from research.publishing.tables import PROVENANCE, UNIVERSE_TABLES
from research.training.config import TrainConfig


def configure(activation: str, depth: int, init: str, rate: str) -> TrainConfig:
    return TrainConfig("digits", activation=activation, depth=depth, init=init, lr=0.01 if rate == "tenth" else 0.1)


CROSSED = {"init": ("default", "he"), "rate": ("customary", "tenth")}
STUDY = replace(
    TOY,
    configure=configure,
    choices=(Factor("init", ("default", "he")), Factor("rate", ("customary", "tenth", "tuned"))),
    universes=(*crossed(**CROSSED), {"rate": "tuned"}),
    universe_reasons="Start and rate are crossed | since <both> matter.",
    tuning=Tuning({"lr": (0.03, 30.0)}, "validation_loss", "minimize", budget=4, at_once=2, seeds=2),
    tiers={"full": Tier(seeds=10, universe_seeds=6)},
    claims=(Claim("good", "ReLU is good", "B 1", "mean", NUMBER, above=0.5),),
    main_effects=(
        MainEffect("alone", "It is ReLU alone", "B 2", "test_accuracy", {"depth": (1, 2)}, CROSSED, above=0.8),
    ),
)


def by_init(row, rng):
    """An accuracy that the start decides: ReLU is good from He's alone."""
    good = row["activation"] == "relu" and row["init"] == "he"
    return (0.9 if good else 0.2) + 0.001 * rng.standard_normal()


@pytest.fixture
def folder(tmp_path):
    return write_universes(STUDY, tmp_path / "toy", test_accuracy=by_init)


def test_the_start_that_decides_is_found_and_named(folder):
    universes = read_universes(STUDY, folder)
    (claim,) = universes.across.claims
    assert [point.finding.verdict for point in claim.points] == [
        "refuted", "refuted", "supported", "supported", "refuted"
    ]  # fmt: skip
    assert claim.shares[0].choice == "init"
    assert claim.sentence == "Holds under He initialisation; fails under default initialisation."
    (main_effect,) = universes.across.main_effects
    assert main_effect.verdict == "refuted"  # half of it is the interaction with the start
    assert abs(main_effect.number - 0.5) < 0.01
    assert main_effect.caveat.startswith(
        "Interaction with one choice alone: initialisation 50 %, rate 0 %; with several at once 0 %."
    )


def test_each_universe_is_judged_by_the_cells_that_stand_in_it(folder):
    universes = read_universes(STUDY, folder)
    for universe in universes.plan.universes:
        runs = runs_of(universe, universes.runs)
        assert len(runs) == 4 * 6
        for name, level in universe.levels.items():
            assert set(runs[name]) == {level}


def test_cells_that_ignore_a_choice_count_in_every_universe(tmp_path):
    def shared(**levels):
        return configure(**{**levels, "init": "default"} if levels["activation"] == "tanh" else levels)

    study = replace(STUDY, configure=shared, universes=({"init": "he"},), main_effects=())
    universes = read_universes(study, write_universes(study, tmp_path / "toy"))
    reference, he = universes.plan.universes
    assert len(universes.runs) == (4 + 2) * 6
    assert len(runs_of(he, universes.runs)) == len(runs_of(reference, universes.runs)) == 4 * 6


def test_without_universes_there_is_nothing_to_read(tmp_path):
    assert read_universes(STUDY, tmp_path) is None


@pytest.mark.parametrize("table", UNIVERSE_TABLES)
def test_a_table_that_was_changed_by_hand_is_refused(folder, table):
    path = folder / "universes" / table
    path.write_text(path.read_text().replace("0.1", "0.2", 1))
    with pytest.raises(UserError, match="is not what was exported"):
        read_universes(STUDY, folder)


def test_tables_of_the_reference_alone_are_not_those_of_universes(folder):
    path = folder / "universes" / PROVENANCE
    plan = make_plan(STUDY)
    made_with = json.loads(path.read_text()) | {
        "universes": ["reference"],
        "seeds": 10,
        "fingerprints": {cell.key: cell.fingerprint for cell in plan.cells},
    }
    path.write_text(json.dumps(made_with))
    sign(folder / "universes", UNIVERSE_TABLES)
    with pytest.raises(UserError, match="the reference universe alone"):
        read_universes(STUDY, folder)


def test_universes_of_an_earlier_numerics_are_read_as_such_and_their_page_says_so(tmp_path):
    plan = make_plan(STUDY, scope=("all",), numerics=NUMERICS - 1)
    universes = read_universes(STUDY, write_universes(STUDY, tmp_path / "toy", plan, test_accuracy=by_init))
    assert universes.plan == plan
    assert f"numerics {NUMERICS - 1}. This code has {NUMERICS}" in universe_page.caveats(universes)


def test_of_universes_without_the_reference_nothing_is_said(tmp_path):
    plan = make_plan(STUDY, scope=("init=he",))
    assert read_universes(STUDY, write_universes(STUDY, tmp_path / "toy", plan, test_accuracy=by_init)) is None


def test_of_a_part_of_the_cells_the_universes_hold_that_part(tmp_path):
    plan = make_plan(STUDY, scope=("all",), only={"depth": ("1",)})
    universes = read_universes(STUDY, write_universes(STUDY, tmp_path / "toy", plan, test_accuracy=by_init))
    assert universes.plan.universes == plan.universes
    assert {cell.levels["depth"] for universe in universes.plan.universes for cell in universe.cells} == {1}
    assert {point.finding.verdict for point in universes.across.claims[0].points} == {"not judged"}


def with_data(activation: str, depth: int, init: str, rate: str, data: str) -> TrainConfig:
    return replace(configure(activation, depth, init, rate), dataset=data)


MORE = replace(  # what became of the study after its universes were published
    STUDY,
    configure=with_data,
    choices=(*STUDY.choices, Factor("data", ("digits", "mnist-1d"))),
    universes=(*STUDY.universes, {"data": "mnist-1d"}, {"data": "mnist-1d", "init": "he"}),
)


def test_universes_that_were_declared_later_are_named_as_not_run_and_the_others_hold(folder):
    before, after = read_universes(STUDY, folder), read_universes(MORE, folder)
    assert [universe.levels["data"] for universe in after.plan.universes] == ["digits"] * 5
    assert after.plan.declared
    assert "data" in after.runs
    assert "data" in after.trials.table
    for then, now in zip(before.across.claims, after.across.claims, strict=True):
        assert [point.finding for point in then.points] == [point.finding for point in now.points]
        assert then.sentence == now.sentence
    assert before.across.main_effects == after.across.main_effects
    said = "Declared since, and not run yet: data MNIST-1D; initialisation He, data MNIST-1D."
    assert said in universe_page.intro(after.plan)
    assert "not run yet" not in universe_page.intro(before.plan)
    assert "5 universes were compared" in universe_page.intro(after.plan)


def test_a_claim_about_universes_of_which_some_were_declared_later_is_not_told_by_the_others(folder):
    effect = replace(STUDY.main_effects[0], choices={"data": ("digits", "mnist-1d"), "init": ("default", "he")})
    with pytest.raises(UserError, match=r"made with another configuration of toy/full/.*data=mnist-1d; run the study"):
        read_universes(replace(MORE, main_effects=(effect,)), folder)


def test_a_universe_that_the_study_no_longer_compares_makes_the_tables_stale(folder):
    with pytest.raises(UserError, match="made with another configuration"):
        read_universes(replace(STUDY, universes=STUDY.universes[:-1]), folder)


def test_a_claim_about_all_universes_that_was_moved_after_the_runs_is_noticed(folder):
    assert read_universes(STUDY, folder).changed == ()
    moved = replace(STUDY, main_effects=(replace(STUDY.main_effects[0], above=0.3),))
    assert read_universes(moved, folder).changed == ("alone",)
