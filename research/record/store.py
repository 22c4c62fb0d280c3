"""Where the record lies, and reading it back: MLflow's SQLite tables are read directly, without its slow import."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.design.errors import UserError
from research.record.shared_files import make_folder, share
from research.record.system_errors import LOCKABLE, as_user_error, read

SCHEMA = "dc11669786a5"  # the schema of the MLflow release that pyproject.toml pins, as it names it itself
ANOTHER = "choose another with --store"
MADE_AGAIN = "delete it: it is made again from the record"


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
        with as_user_error(f"store {self.folder}: cannot be written", ANOTHER, OSError):
            make_folder(self.folder)
            handle = path.open("a+b", buffering=0)
            share(path)
        with handle:
            with as_user_error(f"store {self.folder}: {path.name} cannot be locked", LOCKABLE, OSError):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
                except BlockingIOError as error:
                    for _ in range(20):  # the holder writes its number just after it has the lock
                        handle.seek(0)
                        if number := handle.read().decode():
                            break
                        time.sleep(0.05)
                    raise UserError(
                        f"{holder} is in use by another run (process {number or '?'}); wait for it to end"
                    ) from error
            with as_user_error(f"store {self.folder}: cannot be written", ANOTHER, OSError):
                handle.truncate(0)
                handle.write(str(os.getpid()).encode())
            yield

    def is_there(self, projection: bool = False) -> bool:
        """Whether there is a database. Raises UserError for what is none: SQLite would wait at a pipe for ever."""
        path, way_out = (self.projection, MADE_AGAIN) if projection else (self.database, ANOTHER)
        with as_user_error(f"store {self.folder}: {path.name} cannot be read", way_out, OSError):
            if not path.is_file() and os.path.lexists(path):
                raise UserError(f"store {self.folder}: {path.name} is no file; {way_out}")
            return path.is_file()

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a read-only query; none when there is no database yet.

        Raises UserError when the database is not one of the pinned MLflow or cannot be read.
        """
        with as_user_error(
            f"store {self.folder}: {self.database.name} cannot be read", ANOTHER, OSError, sqlite3.Error
        ):
            if not self.is_there():
                return []
            version = next(iter(read(self.database, "SELECT version_num FROM alembic_version")), (None,))[0]
            if version != SCHEMA:
                raise UserError(
                    f"store {self.folder}: written by another MLflow version (schema {version}, "
                    f"this one needs {SCHEMA}); {ANOTHER}"
                )
            return read(self.database, sql, parameters)

    def check(self) -> None:
        """Raise UserError when a database of the store is damaged: what is written into one may be lost."""
        ways_out = {self.database: f"{ANOTHER}, or bring it back from a copy", self.projection: MADE_AGAIN}
        for path, way_out in ways_out.items():
            with as_user_error(f"store {self.folder}: {path.name} cannot be read", way_out, OSError, sqlite3.Error):
                if not self.is_there(path == self.projection):
                    continue
                ((found,),) = read(path, "PRAGMA quick_check(1)", logged=path == self.database)
            if found != "ok":
                raise UserError(f"store {self.folder}: {path.name} is damaged ({found.splitlines()[-1]}); {way_out}")
