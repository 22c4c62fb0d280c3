"""What holds of any numbers and levels on their way through the record and the tables: they come back.

The same examples are drawn in every run; with HYPOTHESIS_PROFILE=thorough in the environment twenty times as many.
"""

import math
import sqlite3
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import write_tables, write_universes
from strategies import examples, field_values, finite, studies

from research.design.levels import level_word
from research.design.plan import Plan, Stack, make_plan
from research.design.task import Replicate, StackResult
from research.judging.universe_findings import judge_across
from research.publishing.results import read_published, read_universes, runs_of
from research.publishing.tables import export
from research.record.frames import Frames, read_frames
from research.record.recorder import Recorder
from research.record.state import state_of
from research.record.store import Store

# Infinity is none of them: train._finite makes it NaN, since MLflow holds the largest float in its place.
recordable = finite | st.sampled_from((math.nan, -0.0, 5e-324, -2.5e-310, 1.7976931348623157e308, 2.0**60, 1 / 3))


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store that MLflow has made, with nothing of the studies below."""
    store = Store(tmp_path_factory.mktemp("empty"))
    from made_up import PLAN

    Recorder(store, PLAN)
    return store


def copy_of(store: Store, folder: str) -> Store:
    copied = Store(Path(folder))
    with sqlite3.connect(store.database) as source, sqlite3.connect(copied.database) as target:
        source.backup(target)
    source.close()
    target.close()
    return copied


def results_of(stack: Stack, draw) -> StackResult:
    """Any numbers of every seed; where a seed lacks one it is missing, so each has a metric at least."""
    some = draw(st.lists(recordable, min_size=7, max_size=7))
    replicates = []
    for seed in stack.seeds:
        numbers = [some[(place + seed) % 7] for place in range(7)]
        metrics = {"test_accuracy": numbers[0], **({"diverged_step": 7.0} if seed % 2 else {"test_loss": numbers[1]})}
        curves = {
            "train_loss": ((1, numbers[2]), (2, numbers[3])),
            "backward_norm/layer_1": ((0, numbers[4]),),
            "dead/layer_2": ((0, numbers[5]), (2, numbers[0])),
        }
        replicates.append(Replicate(seed, metrics, curves, {"fit": tuple(enumerate(numbers))}, f"{seed:064x}"))
    return StackResult(tuple(replicates), "cpu", 1000.0, 1002.5)


def bits(value: float) -> bytes:
    """A number to the bit, but that SQLite has one zero and NaN is NaN."""
    return struct.pack("d", value + 0.0) if not math.isnan(value) else b"missing"


def six_digits(value: float) -> bytes:
    return bits(value if abs(value) < 1e15 and value.is_integer() else float(f"{value:.6g}"))


def held(frame: pd.DataFrame, keys: list[str], metrics: list[str], number) -> dict[tuple[object, ...], list[bytes]]:
    """The metrics of each row, by what tells it from others."""
    return {
        tuple(map(str, key)): [number(value) for value in values]
        for key, values in zip(frame[keys].to_numpy().tolist(), frame[metrics].to_numpy(float).tolist(), strict=True)
    }


def expected(plan: Plan, results: dict[str, StackResult], number) -> tuple[dict, dict, dict, dict]:
    """What the four frames must hold of the seeds that are reported."""
    runs, curves, layers, profiles = {}, {}, {}, {}
    for stack in plan.stacks:
        for replicate in results[stack.key].replicates:
            if replicate.seed not in plan.seeds:
                continue
            at, found, lines = (stack.cell.name, str(replicate.seed)), replicate.metrics, replicate.curves
            metrics = ("diverged_step", "test_accuracy", "test_loss")
            last = lines["train_loss"][-1][1]
            runs[at] = [number(value) for value in (*(found.get(name, math.nan) for name in metrics), last)]
            curves |= {(*at, str(time)): [number(value)] for time, value in lines["train_loss"]}
            (first,), second = lines["backward_norm/layer_1"], lines["dead/layer_2"]
            layers[*at, "0", "1"] = [number(first[1]), number(math.nan)]
            layers |= {(*at, str(time), "2"): [number(math.nan), number(value)] for time, value in second}
            profiles |= {(*at, str(place)): [number(value)] for place, value in replicate.profiles["fit"]}
    return runs, curves, layers, profiles


def all_held(frames: Frames, number) -> tuple[dict, dict, dict, dict]:
    at = ["cell", "seed"]
    return (
        held(frames.runs, at, ["diverged_step", "test_accuracy", "test_loss", "train_loss"], number),
        held(frames.curves, [*at, "epoch"], ["train_loss"], number),
        held(frames.layers, [*at, "epoch", "layer"], ["backward_norm", "dead"], number),
        held(frames.profiles, [*at, "place"], ["fit"], number),
    )


@examples(5)
@given(studies(with_choices=False, most_cells=2), st.integers(1, 4), st.data())
def test_what_is_recorded_comes_back_to_the_bit_and_what_is_exported_to_six_digits(empty, study, num_seeds, data):
    plan = make_plan(study, num_seeds=num_seeds)
    results = {stack.key: results_of(stack, data.draw) for stack in plan.stacks}
    first = data.draw(st.permutations(plan.stacks))[: data.draw(st.integers(0, len(plan.stacks)))]
    with TemporaryDirectory() as folder:
        store = copy_of(empty, folder)
        recorder = Recorder(store, plan)
        for stack in first:
            recorder.write_stack(stack, results[stack.key])
        assert set(state_of(store, plan).done) == {stack.key for stack in first}
        for stack in plan.stacks:
            if stack not in first:
                recorder.write_stack(stack, results[stack.key])
        state = state_of(store, plan)
        assert list(state.done) == [stack.key for stack in plan.stacks]
        assert not state.failed
        assert all_held(read_frames(store, plan, state), bits) == expected(plan, results, bits)
        export(store, plan, state, Path(folder) / "out")
        published = read_published(study, Path(folder) / "out")
        assert all_held(published.tables, bits) == expected(plan, results, six_digits)
        assert published.plan == plan


def check_levels(frame: pd.DataFrame, plan: Plan) -> None:
    cells = {cell.name: cell for cell in plan.cells}
    assert set(frame["cell"]) == set(cells)
    for factor in plan.columns:
        there = [plan.placed(cells[name])[factor.name] for name in frame["cell"]]
        assert [level_word(level) for level in frame[factor.name]] == [level_word(level) for level in there]
        if not any(isinstance(level, str) for level in there):
            assert frame[factor.name].tolist() == there
        if len({type(level) for level in there}) == 1:
            assert str(frame[factor.name].iloc[0]) == str(there[0]) or level_word(there[0]) != str(there[0])


@examples(40)
@given(studies(judged=True), st.data())
def test_the_levels_of_any_study_come_back_from_its_tables(study, data):
    tier = data.draw(st.sampled_from(sorted(study.tiers)))
    factors = {factor.name for factor in study.factors}
    free = [name for name in ("weight_decay", "batch_size", "init", "lr") if name not in factors]
    settings = {name: str(data.draw(field_values(name))) for name in data.draw(st.sets(st.sampled_from(free)))}
    plan = make_plan(study, tier, data.draw(st.sampled_from((None, 1, 3))), settings=settings)
    with TemporaryDirectory() as folder:
        published = read_published(study, write_tables(study, Path(folder), plan))
        assert published.plan == plan
        for frame in (published.tables.runs, published.tables.curves):
            check_levels(frame, plan)


@examples(30)
@given(studies(judged=True).filter(lambda study: study.universes), st.data(), st.randoms(use_true_random=False))
def test_the_levels_of_any_universes_come_back_from_their_tables_in_any_order(study, data, rng):
    plan = make_plan(study, num_seeds=data.draw(st.sampled_from((None, 1, 3))), scope=("all",))
    with TemporaryDirectory() as folder:
        published = read_universes(study, write_universes(study, Path(folder) / "toy", plan))
    assert published.plan == plan
    frames = [(one.levels, runs_of(one, published.runs)) for one in plan.universes]
    judged = judge_across(study, frames, plan.num_seeds, complete=True)
    check_levels(published.runs, plan)
    rows = list(range(len(published.runs)))
    rng.shuffle(rows)
    shuffled = [(one.levels, runs_of(one, published.runs.iloc[rows])) for one in plan.universes]
    assert repr(judge_across(study, shuffled, plan.num_seeds, complete=True)) == repr(judged)
