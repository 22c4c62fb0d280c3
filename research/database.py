"""MLflow's database: made whole or not at all, and written so that a kill harms nothing."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING

from research.faults import PATIENCE, told
from research.store import ANOTHER, Store

if TYPE_CHECKING:
    from mlflow import MlflowClient


@contextlib.contextmanager
def writing(store: Store) -> Iterator[None]:
    """Raise UserError where the record cannot be written while the block runs: a full disk, a lock, a damaged file."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # only works before the import
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    what = f"store {store.folder}: {store.database.name} cannot be written"
    with told(what, ANOTHER, MlflowException, SQLAlchemyError, sqlite3.Error):
        yield


def open_client(store: Store) -> MlflowClient:
    """A client that writes into a store, whose folder and database are made where there are none.

    Raises UserError where they cannot be made, and what `writing` turns into one.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # only works before the import
    from mlflow import MlflowClient
    from sqlalchemy import Engine, event

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # prints what it raises
    event.listen(Engine, "connect", _sync_seldom)
    _create(store)
    return MlflowClient(tracking_uri=store.mlflow_uri)


def _create(store: Store) -> None:
    """Make MLflow's database where there is none, under its own name only once it is whole."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    beside = told(f"store {store.folder}: cannot be written", ANOTHER, OSError)
    with store.lock("creation", f"store {store.folder}", patient=True), beside:
        if not store.database.exists():
            fresh = store.database.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            SqlAlchemyStore(  # type: ignore[no-untyped-call]
                f"sqlite:///{fresh}", (store.folder / "artifacts").as_uri()
            )
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            fresh.replace(store.database)
        with contextlib.closing(sqlite3.connect(store.database, timeout=PATIENCE)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # kept in the file; commits take half the time


def _sync_seldom(connection: sqlite3.Connection, _: object) -> None:
    """Do not wait for the disk at each commit: a power cut may take the last stacks, but leaves the record whole.

    A database in the making (a thousand commits) is synced once, before it gets its name.
    """
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    if level := {"mlflow.db": "NORMAL", "mlflow.new": "OFF"}.get(os.path.basename(path)):
        connection.execute(f"PRAGMA synchronous={level}")
