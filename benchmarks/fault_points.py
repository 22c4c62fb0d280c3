"""The command of studies, halted at named points of a stack's life, so that benchmarks/faults.py can kill it there.

    RESEARCH_FAULTS=FOLDER python -m benchmarks.fault_points [what `python -m research.study` takes]

Nothing in research/ knows of it. The calls of libraries that write are wrapped from outside, in the coordinator and in
its workers, before anybody makes them: MLflow's client, Optuna's storage, the commits of SQLAlchemy, the files of
pathlib, the pipe that a worker sends its results through. A process that comes to a point that is armed, for the time
that is asked for, says so in FOLDER and waits there until it is killed or told to go on. FOLDER/log has a line for each
point that was passed, each job that was handed out or came back trained, and each stack that was recorded.
"""  # fmt: skip

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.util
import json
import os
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while it imports; see research/__init__.py

FOLDER = "RESEARCH_FAULTS"  # the variable with the folder of a start; all of its processes inherit it
CLIENT = ("create_experiment", "set_experiment_tag", "update_run", "set_tag", "delete_run")
WRITES = {
    "write_runs": "the writing of a stack",
    "finish_run": "the end of a cell",
}  # of research.record.mlflow_database
ROWS = "rows of the record"  # those of one table
STORAGE = ("create_new_study", "delete_study", "_create_new_trial")
NEW, RECORD, OPTUNA = "a commit of the new database", "a commit of the record", "a commit of Optuna's database"
DATABASES = {  # by file, or by schema of PostgreSQL
    "mlflow.new": NEW, "mlflow.db": RECORD, "optuna.db": OPTUNA, "mlflow_new": NEW, "mlflow": RECORD, "optuna": OPTUNA
}  # fmt: skip
RENAMED = "the renaming of the new database"
TABLE, DRAWING = "a table", "a figure or page"
GOT_JOB, TRAINING, RESULT = "after a worker got a job", "amid a training", "amid the sending of a result"
POLL_SECONDS = 0.002
LENGTH_BYTES = 4


class Points:
    """Counts how often this process has passed each point, and halts it where one is armed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.armed: dict[str, int] = json.loads((folder / "armed.json").read_text())
        self.passed: Counter[str] = Counter()

    def note(self, what: str, of: object) -> None:
        """Add a line to the log; whole, as the system writes it at once."""
        line = json.dumps({"what": what, "of": of, "at": time.time()}) + "\n"
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(log, line.encode())
        finally:
            os.close(log)

    def passing(self, point: str) -> None:
        """Say that this process is at a point. It halts there if the point is armed for this time."""
        self.passed[point] += 1
        self.note("passed", point)
        if self.armed.get(point) == self.passed[point]:
            self.halt(point)

    def halt(self, point: str) -> None:
        """Wait at a point to be killed or told to go on, unless another process has been there before."""
        name = point.replace(" ", "_")
        said = self.folder / f"{name}-{os.getpid()}"
        said.write_text(json.dumps({"point": point, "process": os.getpid()}))
        with contextlib.suppress(FileExistsError):
            os.link(said, self.folder / f"{name}.reached")  # whole, and only once
            while not (self.folder / f"{name}.go").exists():
                time.sleep(POLL_SECONDS)

    def watch(self, owner: Any, name: str, words: str | Callable[..., str]) -> None:
        """Make points of before and after each call of a function; `words` names it, perhaps by its arguments."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            called = words if isinstance(words, str) else words(*arguments)
            if not called:
                return original(*arguments, **named)
            self.passing(f"before {called}")
            result = original(*arguments, **named)
            self.passing(f"after {called}")
            return result

        setattr(owner, name, wrapper)


class AfterImport(importlib.abc.MetaPathFinder):
    """Calls a function with a module once it has been imported, by the module's name; at once where it has been."""

    def __init__(self, then: dict[str, Callable[[ModuleType], None]]) -> None:
        self.then = then
        for name in then.keys() & sys.modules.keys():
            then.pop(name)(sys.modules[name])

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The module's own spec, whose loader calls the function too."""
        if (then := self.then.pop(name, None)) is None or (spec := importlib.util.find_spec(name)) is None:
            return None
        load = spec.loader.exec_module  # type: ignore[union-attr]

        def load_and_then(module: ModuleType) -> None:
            load(module)
            then(module)

        spec.loader.exec_module = load_and_then  # type: ignore[union-attr, method-assign]
        return spec


def database(_: object, connection: Any) -> str:
    """What committing on a connection is called, by the file of the database, or its schema."""
    raw = getattr(connection, "dbapi_connection", connection)
    if not isinstance(raw, sqlite3.Connection):
        (schema,) = re.findall(r"search_path=(\w+)", raw.info.get_parameters()["options"])
        return DATABASES.get(schema, "")
    (_, _, path) = raw.execute("PRAGMA database_list").fetchone()
    return DATABASES.get(os.path.basename(path), "")


def kind_of(path: Path) -> str:
    """Whether a file, which may be under way to its name, is an exported table, something drawn, or neither."""
    name = path.name.removeprefix(".").removesuffix(".new")
    if name.endswith(".csv") or name in ("provenance.json", "SHA256SUMS"):
        return TABLE
    return DRAWING if name.endswith((".png", ".svg", ".md")) else ""


def renaming(path: Path, target: Path) -> str:
    """What the renaming of a file is called."""
    kind = kind_of(Path(target))
    return RENAMED if Path(target).name == "mlflow.db" else kind and f"the renaming of {kind}"


def schema_renaming(_: object, sql: object, *__: object) -> str:
    """What a statement of psycopg's is called: RENAMED where it gives the schema of the new database its name."""
    return RENAMED if isinstance(sql, bytes) and sql.endswith(b" RENAME TO mlflow") else ""


def watch_files(points: Points) -> None:
    """Make points of the writing of tables and figures, half way too, and of their renaming and the database's."""
    write_bytes = Path.write_bytes

    def half_then_whole(path: Path, data: bytes) -> int:
        if kind := kind_of(path):
            write_bytes(path, data[: len(data) // 2])
            points.passing(f"amid the writing of {kind}")
        return write_bytes(path, data)

    Path.write_bytes = half_then_whole  # type: ignore[method-assign, assignment]
    points.watch(Path, "replace", renaming)


def watch_coordinator(points: Points) -> None:
    """Make points of a coordinator's writes, and log what becomes of its stacks."""
    from research.running.workers import Slot

    def client(module: ModuleType) -> None:
        for name in CLIENT:
            points.watch(module.MlflowClient, name, name)

    def connections(module: ModuleType) -> None:
        points.watch(module.Connection, "execute", schema_renaming)

    def writes(module: ModuleType) -> None:
        for name, words in WRITES.items():
            points.watch(module, name, words)
        points.watch(module, "_insert_rows", ROWS)

    def commits(module: ModuleType) -> None:
        points.watch(module.DefaultDialect, "do_commit", database)

    def storage(module: ModuleType) -> None:
        for name in STORAGE:
            points.watch(module.RDBStorage, name, f"Optuna's {name.strip('_')}")

    def recorder(module: ModuleType) -> None:
        for name in ("write_stack", "write_trial"):
            log_return(points, module.Recorder, name, "recorded", lambda _, stack, *__: [stack.key])

    def trained(job_and_outcome: Any) -> list[str]:
        job, outcome = job_and_outcome
        return [stack.key for stack in job] if isinstance(outcome, list) else []

    watch_files(points)
    log_return(points, Slot, "start", "begun", lambda _, job: [stack.key for stack in job])
    log_return(points, Slot, "take", "trained", trained)
    then: dict[str, Callable[[ModuleType], None]] = {
        "mlflow.tracking.client": client,
        "psycopg": connections,
        "sqlalchemy.engine.default": commits,
        "optuna.storages._rdb.storage": storage,
        "research.record.mlflow_database": writes,
        "research.record.recorder": recorder,
    }
    sys.meta_path.insert(0, AfterImport(then))


def log_return(points: Points, owner: Any, name: str, what: str, of: Callable[..., list[str]]) -> None:
    """Add a line to the log whenever a method returns, of its result and arguments."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(self: Any, *arguments: Any) -> Any:
        result = original(self, *arguments)
        points.note(what, of(result, *arguments))
        return result

    setattr(owner, name, wrapper)


def watch_worker(points: Points) -> None:
    """Make points of a worker's life: it has got a job, is amid the training, has sent half of its result."""
    from concurrent.futures import process
    from multiprocessing.connection import Connection

    from research.training import train

    train_horizons, send_back, send = train.train_horizons, process._sendback_result, Connection._send  # type: ignore[attr-defined]

    def halted(configs: Any, seeds: Any, report: Callable[[float], None]) -> Any:
        is_past = False

        def reported(share: float) -> None:
            nonlocal is_past
            report(share)
            if share >= 0.5 and not is_past:
                is_past = True
                points.passing(TRAINING)

        points.passing(GOT_JOB)
        return train_horizons(configs, seeds, reported)

    def half_then_rest(self: Connection, buffer: Any, *more: Any) -> Any:
        if len(buffer) <= LENGTH_BYTES:  # what says how long the rest is
            return send(self, buffer, *more)
        Connection._send = send  # type: ignore[attr-defined]
        send(self, buffer[: len(buffer) // 2], *more)
        points.passing(RESULT)
        return send(self, buffer[len(buffer) // 2 :], *more)

    def sent_back(*arguments: Any, **named: Any) -> None:
        Connection._send = half_then_rest  # type: ignore[attr-defined]
        send_back(*arguments, **named)

    train.train_horizons = halted  # type: ignore[assignment]
    process._sendback_result = sent_back


if __name__ == "__mp_main__":  # workers import the main module of their coordinator under this name
    watch_worker(Points(Path(os.environ[FOLDER])))
if __name__ == "__main__":
    watch_coordinator(Points(Path(os.environ[FOLDER])))
    from research.study import main

    sys.exit(main())
