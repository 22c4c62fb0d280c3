"""What holds of the plan of any study that can be declared: its keys, names, stacks and fingerprints.

The same examples are drawn in every run; with HYPOTHESIS_PROFILE=thorough in the environment twenty times as many.
"""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import fields, replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import any_levels, changed, configs, examples, field_values, studies

from research.design.errors import UserError
from research.design.identity import identity, identity_difference
from research.design.levels import Level, level_word
from research.design.plan import Plan, _field_value, make_plan, own_seeds
from research.design.study import TUNED, Control, Factor, Number, Study, Tier, Tuning
from research.design.universes import ALL, REFERENCE
from research.training.config import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
FIELDS = [f.name for f in fields(TrainConfig)]
DIGITS = Study(
    "digits", "?", "B 1", lambda width: TrainConfig("digits", width=width), Factor("width", (4, 8)), (),
    {"full": Tier(seeds=1)}, ("test_accuracy",),
)  # fmt: skip


def scopes(study: Study) -> list[tuple[str, ...]]:
    """Ways to ask for universes: the reference, all, and all levels of one choice."""
    by_hand = [(f"{choice.name}={','.join(map(str, choice.levels))}",) for choice in study.choices]
    return [(REFERENCE,), *([(ALL,)] if study.universes else []), *by_hand]


def plan_of(study: Study, data: st.DataObject) -> Plan:
    """A plan of the study, at any tier, of any universes, with any number of seeds."""
    tier, scope = data.draw(st.sampled_from(sorted(study.tiers))), data.draw(st.sampled_from(scopes(study)))
    return make_plan(study, tier, data.draw(st.none() | st.integers(1, 40)), scope=scope)


def fingerprints(plan: Plan) -> dict[str, str]:
    return {cell.key: cell.fingerprint for cell in plan.cells}


@examples(100)
@given(studies(), st.data())
def test_every_cell_and_stack_has_a_key_of_its_own_and_every_cell_a_name(study, data):
    plan = plan_of(study, data)
    assert len({cell.key for cell in plan.cells}) == len(plan.cells)
    assert len({cell.name for cell in plan.cells}) == len(plan.cells)  # a table has no other name for a cell
    assert len({stack.key for stack in plan.stacks}) == len(plan.stacks)
    assert not [cell.key for cell in plan.cells if len(cell.key.split()) > 1]
    assert len({cell.fingerprint for cell in plan.cells}) == len({cell.identity for cell in plan.cells})


@examples(50)
@given(studies(), st.data())
def test_each_universe_has_every_cell_of_the_tier_once_and_those_of_the_controls(study, data):
    plan = plan_of(study, data)
    kept = [(f.name, study.tiers[plan.tier].levels.get(f.name, f.levels)) for f in (study.arms, *study.blocks)]
    points = [dict(zip((name for name, _ in kept), at, strict=True)) for at in product(*(at for _, at in kept))]
    points += [dict(cell) for control in study.controls for cell in control.cells]
    for universe in plan.universes:
        assert all(points.count(dict(cell.levels)) for cell in universe.cells)
        assert len(universe.cells) == len({tuple(sorted(point.items())) for point in points})
    assert list(plan.cells) == list({cell.key: cell for universe in plan.universes for cell in universe.cells}.values())


@examples(100)
@given(studies(), st.data())
def test_a_cell_departs_from_the_reference_in_what_makes_a_difference_to_it(study, data):
    plan = plan_of(study, data)
    pairs = [(universe.levels, cell) for universe in plan.universes for cell in universe.cells]
    for at, cell in pairs:
        usual = study.task(cell.levels, plan.tier)
        for choice in study.choices:
            reference, level = choice.levels[0], at[choice.name]
            others = [o for o in choice.levels if o not in (reference, TUNED)] if level == TUNED else [level]
            configs = [study.task({**cell.levels, choice.name: other}, plan.tier) for other in others]
            differs = level != reference and (not others or any(config != usual for config in configs))
            assert cell.universe.get(choice.name, reference) == (level if differs else reference)
        assert cell.task == study.task({**cell.universe, **cell.levels}, plan.tier)
        assert cell.tuning == (study.tuning if TUNED in cell.universe.values() else None)


@examples(100)
@given(studies(), st.data())
def test_stacks_part_the_seeds_of_each_cell_from_the_tiers_first_on_and_the_declared_ones_evenly(study, data):
    plan = plan_of(study, data)
    for cell in plan.cells:
        stacks = [stack for stack in plan.stacks if stack.cell is cell]
        assert all(cell.stack_size <= 2 * len(stack.seeds) <= 2 * cell.stack_size for stack in stacks)
        seeds = [seed for stack in stacks for seed in stack.seeds]
        assert seeds == list(range(plan.seeds.start, plan.seeds.start + len(seeds)))
        assert plan.num_seeds <= len(seeds) < plan.num_seeds + cell.stack_size
        if plan.num_seeds == own_seeds(study, plan.tier, bool(cell.universe)):
            assert len(seeds) == plan.num_seeds


@examples(50)
@given(studies(), st.data(), st.integers(1, 30))
def test_a_plan_is_a_pure_function_and_more_seeds_only_add_stacks(study, data, more):
    plan = plan_of(study, data)
    assert make_plan(study, plan.tier, plan.num_seeds, scope=plan.scope) == plan
    longer = make_plan(study, plan.tier, plan.num_seeds + more, scope=plan.scope)
    assert longer.cells == plan.cells
    assert [stack for stack in longer.stacks if stack in plan.stacks] == list(plan.stacks)


@examples(50)
@given(studies(), st.data())
def test_the_cells_at_some_levels_only_are_some_of_the_same_cells(study, data):
    plan = plan_of(study, data)
    factor = data.draw(st.sampled_from((study.arms, *study.blocks)))
    there = sorted({str(cell.levels[factor.name]) for cell in plan.cells})
    some = tuple(data.draw(st.lists(st.sampled_from(there), min_size=1, unique=True)))
    part = make_plan(study, plan.tier, plan.num_seeds, {factor.name: some}, scope=plan.scope)
    assert list(part.cells) == [cell for cell in plan.cells if str(cell.levels[factor.name]) in some]
    assert list(part.stacks) == [stack for stack in plan.stacks if stack.cell in part.cells]
    assert part.whole == (part.cells == plan.cells)


@examples(50)
@given(studies(), st.data())
def test_a_cell_is_the_same_in_whichever_universes_it_is_asked_for(study, data):
    plan = plan_of(study, data)
    every = {cell.key: cell for cell in plan.cells}
    for universe in plan.universes:
        scope = tuple(f"{name}={level}" for name, level in universe.levels.items()) or (REFERENCE,)
        alone = make_plan(study, plan.tier, plan.num_seeds, scope=scope)
        assert alone.cells == universe.cells
        assert all(every[cell.key] == cell for cell in alone.cells)
    reference = make_plan(study, plan.tier).cells
    assert all(cell in reference for cell in plan.cells if not cell.universe)


def before(study: Study, factor: Factor, level: Level) -> Study:
    """A study as it was when nobody had thought of a level of a factor yet."""

    def less(one: Factor) -> Factor:
        return replace(one, levels=without(one.name, one.levels))

    def without(name: str, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        return tuple(other for other in levels if (name, other) != (factor.name, level))

    kept = {
        name: replace(tier, levels={at: without(at, levels) for at, levels in tier.levels.items()})
        for name, tier in study.tiers.items()
    }
    return replace(
        study,
        arms=less(study.arms),
        blocks=tuple(map(less, study.blocks)),
        choices=tuple(map(less, study.choices)),
        universes=tuple(universe for universe in study.universes if universe.get(factor.name) != level),
        tiers={name: tier for name, tier in kept.items() if all(tier.levels.values())},
    )


@examples(100)
@given(studies(), st.data())
def test_a_level_or_a_universe_that_is_added_changes_no_key_and_no_fingerprint(study, data):
    # Whether a cell is tuned depends on the other levels of the choice, so those are not added to.
    longer = [(f, f.levels[1:]) for f in study.factors if len(f.levels) > 1 and TUNED not in f.levels]
    assume(longer)
    study = replace(study, controls=())
    factor, levels = data.draw(st.sampled_from(longer))
    old = before(study, factor, data.draw(st.sampled_from(levels)))
    old = replace(old, universes=old.universes[: data.draw(st.integers(0, len(old.universes)))])
    tier = data.draw(st.sampled_from(sorted(old.tiers)))
    for scope in scopes(old):
        less, more = (fingerprints(make_plan(each, tier, 3, scope=scope)) for each in (old, study))
        assert less.items() <= more.items()


@examples(50)
@given(studies(), st.data())
def test_the_order_of_levels_and_universes_changes_no_key_and_no_fingerprint(study, data):
    def mixed(factor: Factor, fixed: int = 0) -> Factor:
        rest = data.draw(st.permutations(factor.levels[fixed:]))
        return replace(factor, levels=(*factor.levels[:fixed], *rest))

    another = replace(
        study,
        arms=mixed(study.arms),
        blocks=tuple(map(mixed, study.blocks)),
        choices=tuple(mixed(choice, 1) for choice in study.choices),
        universes=tuple(
            dict(data.draw(st.permutations(list(one.items())))) for one in data.draw(st.permutations(study.universes))
        ),
    )
    for scope in scopes(study):
        assert fingerprints(make_plan(another, scope=scope)) == fingerprints(make_plan(study, scope=scope))


@examples(300)
@given(any_levels(), any_levels())
def test_whatever_levels_a_study_is_given_they_are_refused_or_keep_their_cells_apart(levels, more):
    places = {str(level): place for place, level in enumerate((*levels, *more), 1)}
    number = Number("m", levels[:1], {}, "only", "only")
    control = Control("c", "text", number, cells=tuple({"f": level} for level in more))
    try:
        study = Study(
            name="toy",
            question="?",
            passage="nowhere",
            configure=lambda f: TrainConfig("digits", width=places[str(f)]),
            arms=Factor("f", levels),
            blocks=(),
            tiers={"full": Tier(seeds=1)},
            headline=("test_accuracy",),
            controls=(control,),
        )
    except UserError as error:
        refused = str(error)
        assert refused.startswith(("factor 'f'", "toy: control 'c'"))
        assert len(refused.splitlines()) == 1
        return
    asked = [level for level in (*levels, *more)]
    cells = make_plan(study).cells
    assert {cell.key for cell in cells} == {f"toy/full/f={level}" for level in asked}
    assert len({level_word(level) for level in asked}) == len(cells)
    assert [cell.task.width for cell in cells] == [places[str(cell.levels["f"])] for cell in cells]
    assert len({cell.name for cell in cells}) == len(cells) == len({str(level) for level in asked})


@examples(300)
@given(configs(), configs(), st.sampled_from((1, 2, 10)), st.sampled_from((1, 2)))
def test_two_identities_are_the_same_if_and_only_if_what_decides_them_is(one, other, size, revision):
    assert (identity(one, size, revision) == identity(other, 1, 1)) == ((one, size, revision) == (other, 1, 1))


@pytest.mark.parametrize("name", FIELDS)
@examples(20)
@given(configs(), st.data())
def test_a_field_that_changes_changes_the_identity_and_is_named(name, config, data):
    another = changed(config, name, data.draw(field_values(name)))
    old, new = identity(config, 5, 1), identity(another, 5, 1)
    assert (old != new) == (getattr(another, name) != getattr(config, name))
    if old != new:
        assert identity_difference(old, new).startswith("data: " if name == "dataset" else f"{name}: recorded with ")
    assert len({old, identity(config, 6, 1), identity(config, 5, 2)}) == 3


@examples(200)
@given(configs())
def test_the_identity_holds_what_differs_from_the_defaults_and_gives_it_back(config):
    held = json.loads(identity(config, 5, 1))["config"]
    assert set(held) == {name for name in FIELDS if getattr(config, name) != getattr(TrainConfig(), name)}
    assert TrainConfig(**{name: tuple(v) if isinstance(v, list) else v for name, v in held.items()}) == config


@examples(100)
@given(configs(), st.floats(0.01, 1), st.integers(2, 30), st.integers(1, 9))
def test_tunings_that_are_equal_have_the_same_identity_and_others_another(config, low, high, budget):
    one, same, other = (
        Tuning({"lr": (low, end), "momentum": (1, end)}, "validation_loss", "minimize", trials, at_once=1, seeds=1)
        for end, trials in ((high, budget), (float(high), budget), (high, budget + 1))
    )
    assert identity(config, 1, 1, one) == identity(config, 1, 1, same)
    assert len({identity(config, 1, 1, tuning) for tuning in (one, other, None)}) == 3


@examples(200)
@given(st.data())
def test_the_value_of_a_field_is_read_back_from_what_is_printed_of_it(data):
    name = data.draw(st.sampled_from([f.name for f in fields(TrainConfig) if f.type in ("str", "int", "float")]))
    value = data.draw(field_values(name))
    found = _field_value(DIGITS, name, str(value))
    assert found == value
    assert str(found) == str(float(value) if isinstance(found, float) else value)


def test_keys_and_fingerprints_are_the_same_in_a_process_with_other_hashes():
    asked = []

    @examples(50)
    @given(studies(), st.data())
    def ask(study, data):
        asked.append((study, data.draw(st.sampled_from(scopes(study)))))

    ask()
    code = (
        "import json, pickle, sys; from research.design.plan import make_plan; asked = pickle.load(sys.stdin.buffer);"
        "plans = [make_plan(study, scope=scope) for study, scope in asked];"
        "print(json.dumps([[[c.key, c.fingerprint] for c in plan.cells] for plan in plans]))"
    )
    environment = {"PYTHONHASHSEED": "1234", "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    there = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(asked), env=os.environ | environment, cwd=ROOT,
        stdout=subprocess.PIPE, check=True,
    ).stdout  # fmt: skip
    plans = [make_plan(study, scope=scope) for study, scope in asked]
    assert json.loads(there) == [[[cell.key, cell.fingerprint] for cell in plan.cells] for plan in plans]
    assert len({cell.fingerprint for plan in plans for cell in plan.cells}) > 50
