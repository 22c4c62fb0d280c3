"""The numbers of the record, read from databases that MLflow itself made."""

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up import PLAN, made_up_result
from test_design import TOY

from research.design.plan import Plan, make_plan
from research.record.frames import Frames, read_frames, read_metrics
from research.record.recorder import Recorder
from research.record.state import read_runs, state_of
from research.record.store import Store
from research.training.config import TrainConfig


def test_frames_hold_every_reported_seed_and_what_was_recorded(record):
    runs, curves, layers, profiles = read_frames(record, PLAN, state_of(record, PLAN))
    assert list(runs.columns) == [
        "cell", "activation", "depth", "seed", "diverged_step", "test_accuracy", "test_loss", "train_loss",
    ]  # fmt: skip
    assert list(runs["seed"]) == [0, 1, 2] * 2
    assert list(runs["test_accuracy"]) == [0.5, 1.5, 2.5] * 2
    assert list(runs["test_loss"].isna()) == [False, True, False] * 2
    assert list(runs["train_loss"]) == [2.0, 2.1, 2.2] * 2
    assert list(curves.columns) == ["cell", "activation", "depth", "seed", "epoch", "train_loss"]
    assert list(curves["train_loss"][:4]) == [1.0, 2.0, 1.1, 2.1]
    assert list(layers.columns) == ["cell", "activation", "depth", "seed", "epoch", "layer", "backward_norm"]
    assert layers[["seed", "epoch", "layer", "backward_norm"]].to_numpy()[4:8].tolist() == [
        [1, 0, 1, 0.5], [1, 0, 2, 1.0], [1, 2, 1, 0.5], [1, 2, 2, 0.5],
    ]  # fmt: skip
    assert list(profiles.columns) == ["cell", "activation", "depth", "seed", "place", "fit"]
    assert profiles[["seed", "place", "fit"]].to_numpy()[3:6].tolist() == [[1, 0, -1.0], [1, 1, 0.0], [1, 2, 1.0]]
    assert len(profiles) == 2 * 3 * 3


def test_more_seeds_of_whole_stacks_are_there_when_they_are_asked_for(record):
    size = PLAN.stacks[0].cell.stack_size
    plan = make_plan(TOY, num_seeds=size)
    runs, *_ = read_frames(record, plan, state_of(record, plan))
    assert list(runs["seed"]) == [*range(size)] * 2


def test_frames_of_nothing_have_their_columns(tmp_path):
    runs, curves, layers, profiles = read_frames(Store(tmp_path), PLAN, state_of(Store(tmp_path), PLAN))
    assert isinstance(runs, pd.DataFrame)
    assert list(runs.columns) == ["cell", "activation", "depth", "seed"]
    assert list(curves.columns) == ["cell", "activation", "depth", "seed", "epoch"]
    assert list(layers.columns) == ["cell", "activation", "depth", "seed", "epoch", "layer"]
    assert list(profiles.columns) == ["cell", "activation", "depth", "seed", "place"]


def in_steps(**levels) -> TrainConfig:
    """The toy's configuration, trained for 100 steps with tanh and by epochs else."""
    counted = {"steps": 100, "evaluate_every": 50} if levels["activation"] == "tanh" else {}
    return replace(TOY.configure(**levels), **counted)


def recorded_in(folder: Path, plan: Plan, **parts) -> tuple[Store, Frames]:
    """A store with every stack of a plan, its replicates changed in these parts, and what is read back of it."""
    store = Store(folder)
    recorder = Recorder(store, plan)
    for stack in plan.stacks:
        result = made_up_result(stack.seeds)
        recorder.write_stack(stack, replace(result, replicates=[replace(r, **parts) for r in result.replicates]))
    return store, read_frames(store, plan, state_of(store, plan))


def test_curves_are_timed_in_steps_where_the_cell_counts_them_and_in_epochs_elsewhere(tmp_path):
    plan = make_plan(replace(TOY, configure=in_steps), num_seeds=2, only={"depth": ("1",)})
    curve = {"train_loss": ((50, 0.5), (100, 0.25)), "validation_loss": ((0, 2.0), (50, 1.0), (100, 0.125))}
    _, (runs, curves, _, _) = recorded_in(tmp_path, plan, curves=curve)
    assert list(runs["train_loss"]) == [0.25] * 4
    assert list(runs["validation_loss"]) == [0.125] * 4
    assert list(curves.columns)[4:] == ["step", "epoch", "train_loss", "validation_loss"]
    of_tanh, of_relu = (curves[curves["activation"] == name] for name in ("tanh", "relu"))
    assert (list(of_tanh["step"]), list(of_relu["epoch"])) == ([0, 50, 100] * 2,) * 2
    assert of_tanh["epoch"].isna().all()
    assert of_relu["step"].isna().all()
    assert list(of_tanh["train_loss"].fillna(-1)) == [-1, 0.5, 0.25] * 2

    only = make_plan(plan.study, num_seeds=2, only={"depth": ("1",), "activation": ("tanh",)})
    alone = read_frames(Store(tmp_path), only, state_of(Store(tmp_path), only)).curves
    assert list(alone.columns)[4:] == ["step", "train_loss", "validation_loss"]


def test_thousands_of_numbers_of_one_run_come_back_exactly_with_what_is_missing(tmp_path):
    plan = make_plan(TOY, num_seeds=2, only={"activation": ("tanh",), "depth": ("1",)})
    fit = tuple((place, math.sin(place) / 3) for place in range(2500))
    gradient = tuple((place, math.nan if place % 2 else place / 7) for place in range(13))
    curve = tuple((50 * place, math.cos(place)) for place in range(1001))
    store, (runs, curves, _, profiles) = recorded_in(
        tmp_path, plan, curves={"train_loss": curve}, profiles={"fit": fit, "gradient": gradient}
    )
    assert list(runs.columns)[5:] == ["test_accuracy", "test_loss", "train_loss"]  # a profile has no last value
    assert curves[["seed", "epoch", "train_loss"]].to_numpy()[1001:].tolist() == [[1, *point] for point in curve]
    assert list(profiles.columns)[4:] == ["place", "fit", "gradient"]
    for seed in (0, 1):
        of_seed = profiles[profiles["seed"] == seed]
        assert list(zip(of_seed["place"], of_seed["fit"], strict=True)) == list(fit)
        assert list(of_seed["gradient"][:13].isna()) == [place % 2 == 1 for place in range(13)]
        assert list(of_seed["gradient"][:13:2]) == [place / 7 for place in range(0, 13, 2)]
        assert of_seed["gradient"][13:].isna().all()
    (parent,) = (run.id for run in read_runs(store, "toy") if run.tags["kind"] == "cell")
    assert read_metrics(store, [parent])[parent]["fit"] == pytest.approx(dict(fit), rel=1e-15)


def test_a_record_that_has_no_tag_for_profiles_is_read_as_before_there_were_any(copied_record):
    connection = sqlite3.connect(copied_record.database)
    connection.execute("DELETE FROM tags WHERE key = 'profiles'")
    connection.execute("DELETE FROM metrics WHERE key = 'fit'")
    connection.commit()
    connection.close()
    frames = read_frames(copied_record, PLAN, state_of(copied_record, PLAN))
    assert len(frames.runs) == 6
    assert len(frames.profiles) == 0
    assert list(frames.profiles.columns) == ["cell", "activation", "depth", "seed", "place"]


def test_metrics_are_read_exactly(record):
    state = state_of(record, PLAN)
    run = state.done[PLAN.stacks[0].key][2]
    assert read_metrics(record, [run.id])[run.id]["train_loss"] == {1: 1.2, 2: 2.2}
