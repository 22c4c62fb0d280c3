"""MLflow's database: made whole or not at all, and written so that a kill harms nothing."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import sqlite3
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from research.design.errors import UserError
from research.record.any_store import ANOTHER, AnyStore
from research.record.server_store import ServerStore
from research.record.system_errors import as_user_error
from research.record.tracking_server import TrackingServer

if TYPE_CHECKING:
    from mlflow import MlflowClient, entities
    from mlflow.entities import DatasetInput
    from sqlalchemy import Connection, CursorResult

    from research.record import tracking_server

    Experiment = entities.Experiment | tracking_server.Experiment
    Client = MlflowClient | TrackingServer  # what is asked of either has one name in both

SQLITE = "sqlite:///"
TABLES = Path(__file__).with_name("mlflow_tables.sql")  # which MLflow's migrations take a second or two to make
Rows = list[dict[str, Any]]  # of a table, by column
Number = tuple[str, int, float]  # of a metric: its name, step and value


@dataclass(frozen=True)
class NewRun:
    """A run to be written, with all that it carries, its id too.

    Times are in milliseconds since 1970; a run that has not ended has no end, and metrics are of the time when it has.
    """

    experiment: Experiment
    name: str
    status: str
    started: int
    ended: int | None
    tags: Mapping[str, str]
    params: Mapping[str, object]
    metrics: Sequence[Number]
    data: DatasetInput | None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


def import_mlflow() -> None:
    """Import MLflow, which takes two seconds, with its telemetry off."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # only works before the import
    importlib.import_module("mlflow")  # first: see `optuna_studies.import_optuna`
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")


@contextlib.contextmanager
def writing(store: AnyStore) -> Iterator[None]:
    """Raise UserError where the record cannot be written while the block runs: a full disk, a lock, a damaged file."""
    import_mlflow()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    what = f"store {store}: {store.part()} cannot be written"
    with as_user_error(what, ANOTHER, MlflowException, SQLAlchemyError, sqlite3.Error):
        yield


def open_client(store: AnyStore) -> Client:
    """A client that writes into a store, whose folder and database are made where there are none.

    Raises UserError where they cannot be made, and what `writing` turns into one.
    """
    import_mlflow()
    if isinstance(store, ServerStore):
        return store.server
    from mlflow import MlflowClient
    from sqlalchemy import Engine, event

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("mlflow.store.db.utils", "psycopg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # prints what it raises
    event.listen(Engine, "connect", _sync_seldom)
    _create(store)
    return MlflowClient(tracking_uri=store.mlflow_uri)


def close_client(client: Client) -> None:
    """End a client's connections: SQLite then has all that was written in the database's own file, none beside it."""
    if isinstance(client, TrackingServer):
        client.close()
        return
    client._tracking_client.store.engine.dispose()


def _create(store: AnyStore) -> None:
    """Make MLflow's database where there is none, under its own name only once it is whole."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def make(uri: str) -> None:
        if uri.startswith(SQLITE):
            with contextlib.closing(sqlite3.connect(uri.removeprefix(SQLITE))) as connection:
                connection.executescript(f"PRAGMA synchronous=OFF;\n{TABLES.read_text(encoding='utf-8')}")
        SqlAlchemyStore(uri, store.artifacts).engine.dispose()  # type: ignore[no-untyped-call]

    beside = as_user_error(f"store {store}: cannot be written", ANOTHER, OSError)
    with store.lock("creation", f"store {store}", patient=True), beside:
        store.create(make)


def _sync_seldom(connection: object, _: object) -> None:
    """Do not wait for the disk at each commit to SQLite: a power cut may take the last stacks, no more.

    A database in the making (a thousand commits) is synced once, before it gets its name.
    """
    if not isinstance(connection, sqlite3.Connection):
        return
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    if level := {"mlflow.db": "NORMAL", "mlflow.new": "OFF"}.get(os.path.basename(path)):
        connection.execute(f"PRAGMA synchronous={level}")


def begin_run(client: Client, run: NewRun) -> NewRun:
    """A run with the id under which it will be written: on a tracking server it is begun now, for the id is its own."""
    if not isinstance(client, TrackingServer):
        return run
    tags = [{"key": name, "value": _without_nul(value)} for name, value in run.tags.items()]
    return replace(run, id=client.create_run(run.experiment.experiment_id, run.name, run.started, tags))


def write_runs(client: Client, runs: Sequence[NewRun]) -> None:
    """Write runs, all or none of them.

    The rows are those that MLflow's client would write in four calls a run, each of several transactions. A test holds
    them to be the same. A tracking server is told of one run after the other, and that they have ended only once it
    has all of them: what is lost on the way is a stack that is not whole, which the next start closes as KILLED.
    """
    if isinstance(client, TrackingServer):
        for run in runs:
            carried = _carried(run.id, {}, run.params, run.metrics, run.ended or run.started)
            client.log(run.id, carried, [_told(run.data)] if run.data else [])
        for run in runs:
            if run.ended is not None:
                client.update_run(run.id, run.status, run.name, run.ended)
        return
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

    rows: dict[str, Rows] = {"runs": []}
    for run in runs:
        rows["runs"].append(
            {
                "run_uuid": run.id,
                "name": run.name,
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": "unknown",
                "status": run.status,
                "start_time": run.started,
                "end_time": run.ended,
                "source_version": "",
                "lifecycle_stage": "active",
                "artifact_uri": f"{run.experiment.artifact_location}/{run.id}/artifacts",
                "experiment_id": int(run.experiment.experiment_id),
            }
        )
        tags = {**run.tags, MLFLOW_RUN_NAME: run.name}
        for table, more in _carried(run.id, tags, run.params, run.metrics, run.ended or run.started).items():
            rows.setdefault(table, []).extend(more)
    with transaction(client) as connection:
        for run in runs:
            for table, more in _used(connection, run).items():
                rows.setdefault(table, []).extend(more)
        insert(connection, rows)


def finish_run(
    client: Client,
    run_id: str,
    ended: int,
    tags: Mapping[str, str],
    params: Mapping[str, object],
    metrics: Sequence[Number],
) -> None:
    """Let a run that is RUNNING end, as FINISHED, with what else it shall carry: all at once."""
    rows = _carried(run_id, tags, params, metrics, ended)
    if isinstance(client, TrackingServer):
        client.log(run_id, rows)
        client.update_run(run_id, "FINISHED", ended=ended)
        return
    with transaction(client) as connection:
        execute(connection, "UPDATE runs SET status = 'FINISHED', end_time = ? WHERE run_uuid = ?", (ended, run_id))
        insert(connection, rows)


@contextlib.contextmanager
def transaction(client: Client) -> Iterator[Connection]:
    """A connection to MLflow's tables: what is written while the block runs is written at its end, or not at all."""
    from mlflow.exceptions import MlflowException

    assert not isinstance(client, TrackingServer)  # whose tables nobody else reaches
    try:
        with client._tracking_client.store.ManagedSessionMaker(read_only=False) as session:
            yield session.connection()
    except MlflowException as error:  # in which MLflow wraps what ends a session
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise


def insert(connection: Connection, rows: Mapping[str, Rows]) -> None:
    """Insert rows into their tables, in this order."""
    for table, some in rows.items():
        if some:
            _insert_rows(connection, table, some)


def _insert_rows(connection: Connection, table: str, rows: Rows) -> None:
    """Insert rows into a table, without SQLAlchemy's models, which take as long again as SQLite itself."""
    sql = f"INSERT INTO {table} ({','.join(rows[0])}) VALUES ({','.join('?' * len(rows[0]))})"
    execute(connection, sql, [tuple(row.values()) for row in rows])


def execute(connection: Connection, sql: str, values: tuple[Any, ...] | list[tuple[Any, ...]]) -> CursorResult[Any]:
    """Execute SQL whose parameters are written `?`, whatever the driver has for them, once or for each of a list."""
    marked = sql if connection.dialect.paramstyle == "qmark" else sql.replace("?", "%s")
    return connection.exec_driver_sql(marked, values)


def _carried(
    run_id: str, tags: Mapping[str, str], params: Mapping[str, object], metrics: Sequence[Number], at: int
) -> dict[str, Rows]:
    """The rows of what a run carries, of a metric also its latest value.

    They are checked and cut to size as MLflow does it; tags are of any length, as with a new run.
    """
    from mlflow.entities import Metric, Param
    from mlflow.utils.validation import _validate_batch_log_data

    _, some_params, _ = _validate_batch_log_data(  # type: ignore[no-untyped-call]
        [Metric(name, 0.0, at, 0) for name in {name for name, *_ in metrics}],
        [Param(name, str(value)) for name, value in params.items()],
        [],
    )
    numbers = list(dict.fromkeys((name, step, *_as_stored(float(value))) for name, step, value in metrics))
    latest = {name: (step, value, is_nan) for name, step, value, is_nan in sorted(numbers)}

    def row(name: str, step: int, value: float, is_nan: bool) -> dict[str, Any]:
        return {"run_uuid": run_id, "key": name, "value": value, "timestamp": at, "step": step, "is_nan": is_nan}

    return {
        "tags": [{"run_uuid": run_id, "key": name, "value": _without_nul(value)} for name, value in tags.items()],
        "params": [{"run_uuid": run_id, "key": param.key, "value": param.value} for param in some_params],
        "metrics": [row(*number) for number in numbers],
        "latest_metrics": [row(name, *last) for name, last in latest.items()],
    }


def _without_nul(text: str) -> str:
    """A text as PostgreSQL can store it: the message of an exception may hold a NUL."""
    return text.replace("\0", "\\0")


def _as_stored(value: float) -> tuple[float, bool]:
    """A metric's value and whether it is NaN, for which SQL has no number; nor has it any for what is infinite.

    There is one zero, as in SQLite's tables.
    """
    if math.isnan(value):
        return 0.0, True
    return max(-sys.float_info.max, min(value, sys.float_info.max)) + 0.0, False


def _told(used: DatasetInput) -> dict[str, Any]:
    """The data that a run was trained on, as a tracking server is told of them."""
    data = used.dataset
    parts: dict[str, str | None] = {
        "name": data.name,
        "digest": data.digest,
        "source_type": data.source_type,
        "source": data.source,
    }
    parts |= {"schema": data.schema, "profile": data.profile}
    tags = [{"key": tag.key, "value": tag.value} for tag in used.tags]
    return {"tags": tags, "dataset": {name: value for name, value in parts.items() if value is not None}}


def _used(connection: Connection, run: NewRun) -> dict[str, Rows]:
    """The rows that say on which data a run was trained. A data set is written once in an experiment."""
    if run.data is None:
        return {}
    data, experiment = run.data.dataset, int(run.experiment.experiment_id)
    sql = "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?"
    known = execute(connection, sql, (experiment, data.name, data.digest)).scalar()
    number, dataset = uuid.uuid4().hex, known or uuid.uuid4().hex
    if known is None:
        row = {"dataset_uuid": dataset, "experiment_id": experiment, "name": data.name, "digest": data.digest,
               "dataset_source_type": data.source_type, "dataset_source": data.source,
               "dataset_schema": data.schema, "dataset_profile": data.profile}  # fmt: skip
        insert(connection, {"datasets": [row]})
    return {
        "inputs": [{"input_uuid": number, "source_type": "DATASET", "source_id": dataset,
                    "destination_type": "RUN", "destination_id": run.id}],
        "input_tags": [{"input_uuid": number, "name": tag.key, "value": tag.value} for tag in run.data.tags],
    }  # fmt: skip
