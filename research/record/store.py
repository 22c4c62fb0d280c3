"""The record in a folder, and reading it back: MLflow's SQLite tables are read directly, without its slow import."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.design.errors import UserError
from research.record.any_store import ANOTHER, MADE_AGAIN, VERSION, AnyStore
from research.record.shared_files import make_folder, share
from research.record.system_errors import LOCKABLE, PATIENCE, as_user_error, read


@dataclass(frozen=True)
class Store(AnyStore):
    """A folder with the MLflow and Optuna databases of any number of studies."""

    folder: Path

    def __post_init__(self) -> None:
        if {"?", "%"} & set(str(self.folder)):  # they mean something else in the address of a database
            raise UserError(f"store {self}: its path must be without ? and %; {ANOTHER}")

    def __str__(self) -> str:
        return str(self.folder)

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
        return f"sqlite:///{self.projection}?timeout={PATIENCE}"

    @property
    def artifacts(self) -> str:
        return (self.folder / "artifacts").as_uri()

    def part(self, projection: bool = False) -> str:
        return self._path(projection).name

    def _path(self, projection: bool) -> Path:
        return self.projection if projection else self.database

    @contextlib.contextmanager
    def lock(self, name: str, holder: str, patient: bool = False) -> Iterator[None]:
        path = self.folder / f".{name}.lock"
        with as_user_error(f"store {self}: cannot be written", ANOTHER, OSError):
            make_folder(self.folder)
            handle = path.open("a+b", buffering=0)
            share(path)
        with handle:
            with as_user_error(f"store {self}: {path.name} cannot be locked", LOCKABLE, OSError):
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
            with as_user_error(f"store {self}: cannot be written", ANOTHER, OSError):
                handle.truncate(0)
                handle.write(str(os.getpid()).encode())
            yield

    def is_there(self, projection: bool = False) -> bool:
        """Whether there is a database. Raises UserError for what is none: SQLite would wait at a pipe for ever."""
        path, way_out = self._path(projection), MADE_AGAIN if projection else ANOTHER
        with as_user_error(f"store {self}: {path.name} cannot be read", way_out, OSError):
            if not path.is_file() and os.path.lexists(path):
                raise UserError(f"store {self}: {path.name} is no file; {way_out}")
            return path.is_file()

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with as_user_error(f"store {self}: {self.database.name} cannot be read", ANOTHER, OSError, sqlite3.Error):
            if not self.is_there():
                return []
            self.check_version(read(self.database, VERSION))
            return read(self.database, sql, parameters)

    def check(self) -> None:
        """Raise UserError when a database of the store is damaged: what is written into one may be lost."""
        ways_out = {self.database: f"{ANOTHER}, or bring it back from a copy", self.projection: MADE_AGAIN}
        for path, way_out in ways_out.items():
            with as_user_error(f"store {self}: {path.name} cannot be read", way_out, OSError, sqlite3.Error):
                if not self.is_there(path == self.projection):
                    continue
                ((found,),) = read(path, "PRAGMA quick_check(1)", logged=path == self.database)
            if found != "ok":
                raise UserError(f"store {self}: {path.name} is damaged ({found.splitlines()[-1]}); {way_out}")

    def check_writable(self) -> None:
        if not (os.access(self.database, os.W_OK) and os.access(self.folder, os.W_OK)):
            raise UserError(
                f"store {self}: cannot be written by you, as MLflow's UI must; name a copy of it with --store"
            )

    def mark(self) -> tuple[int, int]:
        there = self.database.stat()
        return there.st_dev, there.st_ino

    def check_there(self, mark: Hashable) -> None:
        """SQLite goes on writing into a file that was removed."""
        with contextlib.suppress(FileNotFoundError):
            if self.mark() == mark:
                return
        raise UserError(
            f"store {self}: {self.database.name} was removed or replaced while the study ran; "
            "bring it back and run the same command again, which starts anew without it"
        )

    def create(self, make: Callable[[str], object], projection: bool = False) -> None:
        path = self._path(projection)
        if not self.is_there(projection):
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            make(f"sqlite:///{fresh}")
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            fresh.replace(path)
        share(path)  # SQLite gives the files beside it the same mode
        if not projection:
            with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")  # kept in the file; commits take half the time
