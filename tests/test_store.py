"""Reading the record back, on databases that MLflow itself made."""

import contextlib
import json
import math
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from test_design import NUMBER, TOY

from research.config import UserError
from research.design import Claim, TrainConfig
from research.plan import Plan, make_plan
from research.store import SCHEMA, Frames, Store, read_frames, read_metrics, read_runs, read_state
from research.tracking import Recorder
from research.train import Replicate, StackResult
from research.verdict import claim_digest

PLAN = make_plan(TOY, num_seeds=3)


def made_up_result(seeds: tuple[int, ...], value: float = 0.5) -> StackResult:
    """Recognisable numbers: metric = value + seed, curve = epoch + seed / 10, profile = place - seed."""
    replicates = tuple(
        Replicate(
            seed,
            {"test_accuracy": value + seed, "test_loss": float("nan") if seed == 1 else 1.0},
            {
                "train_loss": tuple((epoch, epoch + seed / 10) for epoch in (1, 2)),
                **{f"backward_norm/layer_{layer}": ((0, layer / 2), (2, seed / 2)) for layer in (1, 2)},
            },
            {"fit": tuple((place, place - seed) for place in range(3))},
            f"{seed:064x}",
        )
        for seed in seeds
    )
    return StackResult(replicates, "cpu", 1000.0, 1002.5)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the first two stacks of the plan recorded."""
    store = Store(tmp_path_factory.mktemp("store"))
    recorder = Recorder(store, PLAN)
    for stack in PLAN.stacks[:2]:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    recorder.write_failure(PLAN.stacks[2], "RuntimeError: out of luck")
    return store


@pytest.fixture
def copied(recorded: Store, tmp_path: Path) -> Iterator[Store]:
    """A copy of the recorded store that may be harmed."""
    with sqlite3.connect(recorded.database) as source, sqlite3.connect(tmp_path / "mlflow.db") as target:
        source.backup(target)
    target.close()
    source.close()
    return Store(tmp_path)


def state_of(store: Store, plan: Plan = PLAN):
    return read_state(plan, read_runs(store, "toy"))


def test_a_store_that_does_not_exist_is_an_empty_record(tmp_path):
    store = Store(tmp_path / "none")
    assert state_of(store).missing(PLAN) == list(PLAN.stacks)
    assert not store.folder.exists()


def test_the_schema_is_that_of_the_pinned_mlflow(recorded):
    connection = sqlite3.connect(recorded.database)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (SCHEMA,)
    connection.close()


def test_a_recorded_stack_is_done_and_a_failed_one_is_missing_with_its_reason(recorded):
    state = state_of(recorded)
    assert set(state.done) == {stack.key for stack in PLAN.stacks[:2]}
    assert state.failed == {PLAN.stacks[2].key: "RuntimeError: out of luck"}
    assert state.missing(PLAN) == list(PLAN.stacks[2:])


def test_frames_hold_every_reported_seed_and_what_was_recorded(recorded):
    runs, curves, layers, profiles = read_frames(recorded, PLAN, state_of(recorded))
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


def test_more_seeds_of_whole_stacks_are_there_when_they_are_asked_for(recorded):
    size = PLAN.stacks[0].cell.stack_size
    plan = make_plan(TOY, num_seeds=size)
    runs, *_ = read_frames(recorded, plan, state_of(recorded, plan))
    assert list(runs["seed"]) == [*range(size)] * 2


def test_frames_of_nothing_have_their_columns(tmp_path):
    runs, curves, layers, profiles = read_frames(Store(tmp_path), PLAN, state_of(Store(tmp_path)))
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
    return store, read_frames(store, plan, read_state(plan, read_runs(store, plan.experiment)))


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


def test_a_record_that_has_no_tag_for_profiles_is_read_as_before_there_were_any(copied):
    connection = sqlite3.connect(copied.database)
    connection.execute("DELETE FROM tags WHERE key = 'profiles'")
    connection.execute("DELETE FROM metrics WHERE key = 'fit'")
    connection.commit()
    connection.close()
    frames = read_frames(copied, PLAN, state_of(copied))
    assert len(frames.runs) == 6
    assert len(frames.profiles) == 0
    assert list(frames.profiles.columns) == ["cell", "activation", "depth", "seed", "place"]


def test_metrics_are_read_exactly(recorded):
    state = state_of(recorded)
    run = state.done[PLAN.stacks[0].key][2]
    assert read_metrics(recorded, [run.id])[run.id]["train_loss"] == {1: 1.2, 2: 2.2}


def test_results_of_another_configuration_under_the_same_key_are_refused_by_field(recorded):
    changed = make_plan(replace(TOY, configure=lambda **levels: replace(TOY.configure(**levels), lr=0.2)), num_seeds=3)
    with pytest.raises(
        UserError, match=r"toy/full/activation=tanh/depth=1: .*\(lr: recorded with 0.1, now 0.2\); undo"
    ):
        state_of(recorded, changed)


def test_a_deleted_run_is_no_longer_part_of_the_record(copied):
    run = state_of(copied).done[PLAN.stacks[0].key][0]
    connection = sqlite3.connect(copied.database)
    connection.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", (run.id,))
    connection.commit()
    connection.close()
    assert PLAN.stacks[0].key not in state_of(copied).done


def test_a_store_of_another_version_is_refused(copied):
    connection = sqlite3.connect(copied.database)
    connection.execute("UPDATE alembic_version SET version_num = 'abc'")
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match=rf"another MLflow version \(schema abc, this one needs {SCHEMA}\)"):
        state_of(copied)


@contextlib.contextmanager
def only_readable(*files: Path) -> Iterator[Store]:
    """A store of copies of these files, in a folder that this process cannot write while the block runs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # not under pytest's own, which is for one user alone
        for file in files:
            shutil.copy(file, folder)
        os.chmod(folder, 0o555)
        is_root = os.getuid() == 0
        if is_root:  # who may write everywhere
            os.setresuid(65534, 65534, 0)
        try:
            with pytest.raises(PermissionError):
                Path(folder, "file").touch()
            yield Store(Path(folder))
        finally:
            if is_root:
                os.setresuid(0, 0, 0)
            os.chmod(folder, 0o755)


def test_a_store_that_cannot_be_written_can_be_read(copied):
    with contextlib.closing(sqlite3.connect(copied.database)) as connection:
        assert connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    with only_readable(copied.database) as store:
        assert len(state_of(store).done) == 2
        assert [path.name for path in store.folder.iterdir()] == ["mlflow.db"]


def test_a_log_that_cannot_be_taken_in_is_not_read_past(copied):
    with contextlib.closing(sqlite3.connect(copied.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
        connection.commit()
        log = copied.database.with_name("mlflow.db-wal")
        assert log.stat().st_size
        with only_readable(copied.database, log) as store, pytest.raises(UserError, match=r"mlflow\.db cannot be read"):
            state_of(store)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(UserError, match=r"mlflow\.db cannot be read"):
        state_of(Store(tmp_path))


def test_a_lock_is_held_by_one_and_names_its_holder(tmp_path):
    store = Store(tmp_path)
    held = pytest.raises(UserError, match=rf"study toy is in use .*process {os.getpid()}\)")
    with store.lock("toy", "study toy"), held, store.lock("toy", "study toy"):
        pass
    with store.lock("toy", "study toy"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), Store(tmp_path / "file" / "store").lock("a", "a"):
        pass


def test_redo_removes_the_results_of_its_cells_and_no_others(copied):
    first = PLAN.cells[0]
    part = make_plan(TOY, num_seeds=3, only={name: (str(level),) for name, level in first.levels.items()})
    Recorder(copied, part, redo=True)
    assert set(state_of(copied).done) == {PLAN.stacks[1].key}
    assert not [run for run in read_runs(copied, "toy") if run.tags["key"] == first.key]


def test_redo_is_the_way_out_of_a_changed_configuration(copied):
    changed = make_plan(replace(TOY, configure=lambda **levels: replace(TOY.configure(**levels), lr=0.2)), num_seeds=3)
    with pytest.raises(UserError, match="--redo"):
        Recorder(copied, changed)
    recorder = Recorder(copied, changed, redo=True)
    recorder.write_stack(changed.stacks[0], made_up_result(changed.stacks[0].seeds))
    assert set(state_of(copied, changed).done) == {changed.stacks[0].key}


def test_the_claims_that_stood_when_a_run_was_made_are_on_it(tmp_path):
    study = replace(TOY, claims=(Claim("c", "text", "A", "mean", NUMBER, above=0.5),))
    plan = make_plan(study, num_seeds=3)
    Recorder(Store(tmp_path), plan).write_stack(plan.stacks[0], made_up_result(plan.stacks[0].seeds))
    (run, *_) = state_of(Store(tmp_path), plan).done[plan.stacks[0].key]
    assert json.loads(run.tags["claims"]) == {"c": claim_digest(study.claims[0])}
