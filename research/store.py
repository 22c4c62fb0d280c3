"""Where the record lies, and reading it back: MLflow's SQLite tables are read directly, without its slow import."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from research.config import UserError
from research.faults import opened, told
from research.identity import identity_difference
from research.plan import Cell, Plan, Stack

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "dc11669786a5"  # the schema of the MLflow release that pyproject.toml pins, as it names it itself
ANOTHER = "choose another with --store"
MADE_AGAIN = "delete it: it is made again from the record"
MADE_ANEW = f"replace the results with --redo, or {ANOTHER}"


@dataclass(frozen=True)
class Store:
    """A folder with the MLflow and Optuna databases of any number of studies."""

    folder: Path

    def __post_init__(self) -> None:
        if {"?", "%"} & set(str(self.folder)):  # they mean something else in the address of a database
            raise UserError(f"store {self.folder}: its path must be without ? and %; {ANOTHER}")

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.database}"

    @property
    def projection(self) -> Path:
        return self.folder / "optuna.db"

    @property
    def optuna_uri(self) -> str:
        return f"sqlite:///{self.projection}"

    @contextlib.contextmanager
    def lock(self, name: str, holder: str, patient: bool = False) -> Iterator[None]:
        """Hold the store's lock of this name while the block runs; the system frees it however the process ends.

        Raises UserError when another process holds it and we are not patient, or when the folder cannot be written.
        """
        path = self.folder / f".{name}.lock"
        with told(f"store {self.folder}: cannot be written", ANOTHER, OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = path.open("a+b", buffering=0)
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
            except OSError as error:
                for _ in range(20):  # the holder writes its number just after it has the lock
                    handle.seek(0)
                    if number := handle.read().decode():
                        break
                    time.sleep(0.05)
                raise UserError(
                    f"{holder} is in use by another run (process {number or '?'}); wait for it to end"
                ) from error
            with told(f"store {self.folder}: cannot be written", ANOTHER, OSError):
                handle.truncate(0)
                handle.write(str(os.getpid()).encode())
            yield

    def is_there(self, projection: bool = False) -> bool:
        """Whether there is a database. Raises UserError for what is none: SQLite would wait at a pipe for ever."""
        path, way_out = (self.projection, MADE_AGAIN) if projection else (self.database, ANOTHER)
        with told(f"store {self.folder}: {path.name} cannot be read", way_out, OSError):
            if not path.is_file() and os.path.lexists(path):
                raise UserError(f"store {self.folder}: {path.name} is no file; {way_out}")
            return path.is_file()

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a read-only query; none when there is no database yet.

        Raises UserError when the database is not one of the pinned MLflow or cannot be read.
        """
        with told(f"store {self.folder}: {self.database.name} cannot be read", ANOTHER, OSError, sqlite3.Error):
            if not self.is_there():
                return []
            with contextlib.closing(opened(self.database)) as connection:
                version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                if version != (SCHEMA,):
                    raise UserError(
                        f"store {self.folder}: written by another MLflow version (schema {version and version[0]}, "
                        f"this one needs {SCHEMA}); {ANOTHER}"
                    )
                return connection.execute(sql, parameters).fetchall()

    def check(self) -> None:
        """Raise UserError when a database of the store is damaged: what is written into one may be lost."""
        ways_out = {self.database: f"{ANOTHER}, or bring it back from a copy", self.projection: MADE_AGAIN}
        for path, way_out in ways_out.items():
            with told(f"store {self.folder}: {path.name} cannot be read", way_out, OSError, sqlite3.Error):
                if not self.is_there(path == self.projection):
                    continue
                with contextlib.closing(opened(path)) as connection:
                    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise UserError(f"store {self.folder}: {path.name} is damaged ({found.splitlines()[-1]}); {way_out}")


class Tags(dict[str, str]):
    """The tags of a run that was read. The MLflow UI lets a user remove them: who needs one is told that it is lost."""

    def __init__(self, place: str = "the store") -> None:
        self.place = place

    def __missing__(self, name: str) -> str:
        raise UserError(f"{self.place}: a run has lost its tag {name!r}; {MADE_ANEW}")


@dataclass(frozen=True)
class Run:
    """An active MLflow run as the record has it; times in milliseconds since 1970, `ended` 0 while it runs."""

    id: str
    name: str
    status: str
    started: int
    ended: int
    tags: dict[str, str]


@dataclass(frozen=True)
class State:
    """How far a plan is: by stack key the runs of each finished stack in the order of its seeds, or why it failed.

    A stack of a tuned cell has failed too when a trial of its search has.
    `trials` are the runs of the finished trials of searches, by the trial's key.
    """

    done: dict[str, tuple[Run, ...]]
    failed: dict[str, str]
    trials: dict[str, Run] = field(default_factory=dict)

    def missing(self, plan: Plan) -> list[Stack]:
        """The stacks that are still to be trained."""
        return [stack for stack in plan.stacks if stack.key not in self.done]


def read_runs(store: Store, *experiments: str) -> list[Run]:
    """The active runs of some experiments, oldest first."""
    names = ",".join("?" * len(experiments))
    where = f"JOIN experiments e USING (experiment_id) WHERE e.name IN ({names}) AND r.lifecycle_stage = 'active'"
    tags: dict[str, Tags] = {}
    for run_id, key, value in store.query(
        f"SELECT run_uuid, t.key, t.value FROM tags t JOIN runs r USING (run_uuid) {where}", experiments
    ):
        tags.setdefault(run_id, Tags(f"store {store.folder}"))[key] = value
    rows = store.query(
        f"SELECT run_uuid, r.name, status, start_time, end_time FROM runs r {where} ORDER BY start_time, r.name",
        experiments,
    )
    return [
        Run(run_id, name, status, started, ended or 0, tags.get(run_id, Tags()))
        for run_id, name, status, started, ended in rows
    ]


def read_state(plan: Plan, runs: list[Run]) -> State:
    """Which stacks of a plan the runs hold. A stack is done when all its seeds are FINISHED under its fingerprint.

    Raises UserError when a result stands under the key of a cell but was made by another configuration.
    """
    cells = {cell.key: cell for cell in plan.cells}
    finished: dict[tuple[str, int], Run] = {}
    reasons: dict[str, str] = {}
    lost: dict[str, str] = {}  # by cell, for want of a trial
    trials = finished_trials(runs)
    for run in runs:
        key = run.tags.get("key", "")
        if "/trial=" in key and run.tags["kind"] == "failure" and key not in trials:
            lost.setdefault(cell_key(run), f"trial {key.rpartition('=')[2]} of its search failed: {run.tags['reason']}")
        cell = cells.get(key)
        if cell is None:
            continue
        if run.tags["kind"] == "failure":
            reasons[run.tags["stack"]] = run.tags["reason"]
        if run.tags["kind"] == "replicate" and run.status == "FINISHED":
            check_fingerprint(cell, run)
            finished[cell.key, number_of(run, "seed")] = run
    done = {
        stack.key: tuple(finished[stack.cell.key, seed] for seed in stack.seeds)
        for stack in plan.stacks
        if all((stack.cell.key, seed) in finished for seed in stack.seeds)
    }
    failed = {key: reason for key, reason in reasons.items() if key not in done}
    for stack in plan.stacks:
        if stack.key not in done and stack.cell.key in lost:
            failed[stack.key] = lost[stack.cell.key]
    return State(done, failed, trials)


def number_of(run: Run, tag: str) -> int:
    """A tag as a whole number. Raises UserError where it was changed by hand to what is none."""
    if not run.tags[tag].isdecimal():
        raise UserError(f"{run.name}: the store has it with {tag} {run.tags[tag]!r}, which is no number; {MADE_ANEW}")
    return int(run.tags[tag])


def check_fingerprint(cell: Cell, run: Run | None) -> None:
    """Raise UserError when a run stands under the key of a cell but was made by another configuration."""
    if run and run.tags["fingerprint"] != cell.fingerprint:
        difference = identity_difference(run.tags["identity"], cell.identity)
        raise UserError(
            f"{cell.key}: the store holds results of another configuration ({difference}); "
            "undo the change, choose another store with --store, or replace the results with --redo"
        )


def check_device(experiment: str, recorded: Collection[str], device: str) -> None:
    """Raise UserError when results of an experiment were recorded on another class of device than this one."""
    if others := set(recorded) - {device}:
        raise UserError(
            f"{experiment}: recorded on {others.pop()}, this machine trains on {device}; "
            f"one study in one store holds one device class: {ANOTHER}"
        )


def recorded_devices(runs: Iterable[Run], without: Collection[str] = ()) -> set[str]:
    """The classes of device that finished runs come from, but for those of the cells with these keys."""
    return {
        run.tags["device"]
        for run in runs
        if run.status == "FINISHED" and "device" in run.tags and cell_key(run) not in without
    }


def cell_key(run: Run) -> str:
    """The key of the cell that a run is of, or that it is a trial for."""
    return run.tags.get("key", "").partition("/trial=")[0]


def finished_trials(runs: Iterable[Run]) -> dict[str, Run]:
    """The runs of finished trials of searches, by the key of the trial."""
    return {run.tags["key"]: run for run in runs if run.tags.get("kind") == "trial" and run.status == "FINISHED"}


class Frames(NamedTuple):
    """The results of a plan as tidy frames.

    `runs` has a row for each replicate, `curves` for each evaluation, `layers` for each layer that was probed and when,
    `profiles` for each place of what is measured over places. All begin with the columns cell, the factors and seed;
    rows are in the order of the plan, metrics in alphabetical order. A metric with a curve is its last value in `runs`.
    The time is in the column epoch, or step where the cell counts steps.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    layers: pd.DataFrame
    profiles: pd.DataFrame


def read_frames(store: Store, plan: Plan, state: State) -> Frames:
    """The results of seeds 0..num_seeds-1 of what is done of a plan."""
    import pandas as pd

    heads: dict[str, dict[str, Any]] = {}
    clocks: dict[str, str] = {}
    names: dict[str, tuple[set[str], set[str]]] = {}
    for stack in plan.stacks:
        for seed, run in zip(stack.seeds, state.done.get(stack.key, ()), strict=False):
            if seed < plan.num_seeds:
                heads[run.id] = {"cell": stack.cell.name, **plan.placed(stack.cell), "seed": seed}
                clocks[run.id] = "step" if stack.cell.config.steps else "epoch"
                curves, profiles = (set(run.tags.get(tag, "").split(",")) for tag in ("curves", "profiles"))
                names[run.id] = curves, profiles
    rows: list[dict[str, Any]] = []
    points: dict[tuple[str, int], dict[str, Any]] = {}
    layers: dict[tuple[str, int, int], dict[str, Any]] = {}
    places: dict[tuple[str, int], dict[str, Any]] = {}
    for run_id, metrics in read_metrics(store, list(heads)).items():
        head, clock, (curves, profiles) = heads[run_id], clocks[run_id], names[run_id]
        row: dict[str, Any] = {**head, "diverged_step": None}
        for name, values in metrics.items():
            quantity, is_probe, layer = name.partition("/layer_")
            if is_probe:
                for time, value in values.items():
                    at = {**head, clock: time, "layer": int(layer)}
                    layers.setdefault((run_id, time, int(layer)), at)[quantity] = value
                continue
            if name in profiles:
                for place, value in values.items():
                    places.setdefault((run_id, place), {**head, "place": place})[name] = value
                continue
            row[name] = values[max(values)]
            if name in curves:
                for time, value in values.items():
                    points.setdefault((run_id, time), {**head, clock: time})[name] = value
        rows.append(row)
    order = {run_id: place for place, run_id in enumerate(heads)}
    first = ["cell", *(factor.name for factor in plan.columns), "seed"]
    times = list(dict.fromkeys(clocks.values())) or ["epoch"]

    def frame(found: dict[Any, dict[str, Any]], *more: str) -> pd.DataFrame:
        rows = [found[at] for at in sorted(found, key=lambda at: (order[at[0]], *at[1:]))]
        return _ordered(pd.DataFrame(rows), [*first, *more])

    return Frames(
        _ordered(pd.DataFrame(rows), first),
        frame(points, *times),
        frame(layers, *times, "layer"),
        frame(places, "place"),
    )


def _ordered(frame: pd.DataFrame, first: list[str]) -> pd.DataFrame:
    return frame.reindex(columns=[*first, *sorted(set(map(str, frame)) - set(first))])


def read_metrics(store: Store, run_ids: list[str]) -> dict[str, dict[str, dict[int, float]]]:
    """All metrics of the runs: by run, by name, the value at each step."""
    found: dict[str, dict[str, dict[int, float]]] = {run_id: {} for run_id in run_ids}
    for first in range(0, len(run_ids), 500):
        some = tuple(run_ids[first : first + 500])
        sql = f"SELECT run_uuid, key, step, value, is_nan FROM metrics WHERE run_uuid IN ({','.join('?' * len(some))})"
        for run_id, name, step, value, is_nan in store.query(sql, some):
            found[run_id].setdefault(name, {})[step] = float("nan") if is_nan else value
    return found
