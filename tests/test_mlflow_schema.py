"""The tables of an empty record are those that MLflow makes itself. Run as a program this writes them anew."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

from research.record.any_store import SCHEMA
from research.record.mlflow_database import TABLES, import_mlflow, open_client
from research.record.store import Store

HEAD = "-- What an empty database of MLflow holds, as its own migrations make it. See tests/test_mlflow_schema.py."


def dumped(database: Path) -> str:
    """A database as SQL, without the experiment that every store has, since it names a place and a time."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        lines = [line for line in connection.iterdump() if not line.startswith('INSERT INTO "experiments"')]
    return "\n".join([HEAD, *lines, ""])


def by_mlflow(folder: Path) -> str:
    """What MLflow makes where there is nothing."""
    import_mlflow()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder)).engine.dispose()
    return dumped(folder / "mlflow.db")


def parts(sql: str) -> list[str]:
    """The columns and constraints of tables and the rows, in the order of the alphabet: in MLflow's it is by chance."""
    return sorted(line.strip().rstrip(",") for line in sql.splitlines())


def test_the_tables_are_those_that_mlflow_makes(tmp_path):
    assert parts(TABLES.read_text(encoding="utf-8")) == parts(by_mlflow(tmp_path)), (
        "run python tests/test_mlflow_schema.py"
    )
    assert SCHEMA in TABLES.read_text(encoding="utf-8")


def test_a_new_store_has_them_and_the_first_experiment(tmp_path):
    client = open_client(Store(tmp_path))
    assert dumped(tmp_path / "mlflow.db") == TABLES.read_text(encoding="utf-8")
    assert [each.name for each in client.search_experiments()] == ["Default"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        TABLES.write_text(by_mlflow(Path(made)), encoding="utf-8")
