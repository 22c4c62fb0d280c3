"""What a place of the record gives: a folder with SQLite's files, a PostgreSQL database, or a tracking server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from research.design.errors import UserError

SCHEMA = "dc11669786a5"  # the schema of the MLflow release that pyproject.toml pins, as it names it itself
VERSION = "SELECT version_num FROM alembic_version"
ANOTHER = "choose another with --store"
MADE_AGAIN = "delete it: it is made again from the record"


class AnyStore(ABC):
    """MLflow's tables and Optuna's, those of any number of studies, with locks that one process holds at a time.

    As text it is what its user calls it. Whatever cannot be had of it raises UserError.
    """

    folder: Path  # of this machine, for tables and figures that are not published

    @property
    @abstractmethod
    def mlflow_uri(self) -> str:
        """The address by which SQLAlchemy finds MLflow's tables."""

    @property
    @abstractmethod
    def optuna_uri(self) -> str:
        """The address by which SQLAlchemy finds Optuna's tables."""

    @property
    @abstractmethod
    def artifacts(self) -> str:
        """The address below which MLflow would put files of runs; the harness has none."""

    def artifacts_of(self, experiment: str) -> str:
        """The address below which MLflow would put those of an experiment."""
        return f"{self.artifacts.rstrip('/')}/{quote(experiment)}"

    @abstractmethod
    def part(self, projection: bool = False) -> str:
        """What lines call the place of MLflow's tables, or of Optuna's."""

    @abstractmethod
    def lock(self, name: str, holder: str, patient: bool = False) -> AbstractContextManager[None]:
        """Hold the store's lock of this name while the block runs; it is free however the process ends.

        Raises UserError when another process holds it and we are not patient, or when it cannot be had at all.
        """

    @abstractmethod
    def is_there(self, projection: bool = False) -> bool:
        """Whether there are tables of MLflow, or of Optuna."""

    # What `query` needs at hand, for a store that cannot be asked where it lies.
    def fetch_experiments(self) -> None:  # noqa: B027 - the others have all of it
        """Have at hand the experiments that have runs, with one or two of these."""

    def fetch_runs(self, experiments: Sequence[str]) -> None:  # noqa: B027
        """Have at hand, as they are now, the active runs of some experiments."""

    def fetch_numbers(self, run_ids: Iterable[str]) -> None:  # noqa: B027
        """Have at hand all numbers of some runs."""

    @abstractmethod
    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a read-only query of MLflow's tables, each parameter a `?`; none when there are none yet.

        Raises UserError when they are not of the pinned MLflow or cannot be read.
        """

    def check_version(self, rows: list[tuple[Any, ...]]) -> None:
        """Raise UserError unless the rows of VERSION are those of the pinned MLflow."""
        version = next(iter(rows), (None,))[0]
        if version != SCHEMA:
            raise UserError(
                f"store {self}: written by another MLflow version (schema {version}, "
                f"this one needs {SCHEMA}); {ANOTHER}"
            )

    @abstractmethod
    def check(self) -> None:
        """Raise UserError where what is written would be lost, or could not be written at all."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise UserError where its user may only read, before MLflow's UI tries to write."""

    @abstractmethod
    def mark(self) -> Hashable:
        """What tells these tables of MLflow from others that take their place."""

    @abstractmethod
    def check_there(self, mark: Hashable) -> None:
        """Raise UserError unless MLflow's tables are those of the mark, and all locks are still held."""

    @abstractmethod
    def create(self, make: Callable[[str], object], projection: bool = False) -> None:
        """Let `make` fill a new place, whose address it is given, where there are no tables: whole or not at all."""
