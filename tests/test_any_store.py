"""What every kind of store gives, asked of each."""

import pytest
from made_up import PLAN
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from research.design.errors import UserError
from research.record.any_store import SCHEMA, VERSION
from research.record.mlflow_database import open_client
from research.record.postgres_store import PostgresStore
from research.record.state import state_of
from research.record.store import Store


@pytest.fixture(params=["a folder", "PostgreSQL"])
def empty(request, tmp_path):
    """A store of each kind before anything is written."""
    if request.param == "PostgreSQL":
        yield PostgresStore(request.getfixturevalue("database")())
    else:
        yield Store(tmp_path / "store")
    for address, engine in SqlAlchemyStore._engine_map.items():
        if address.startswith("postgresql"):
            engine.dispose()


def test_a_new_store_is_empty_then_of_the_pinned_mlflow_and_has_its_user_s_name(empty):
    assert str(empty) in (getattr(empty, "address", ""), str(empty.folder))
    empty.check()
    assert (empty.is_there(), empty.query("SELECT 1 FROM runs"), state_of(empty, PLAN).done) == (False, [], {})
    open_client(empty)
    assert empty.is_there()
    assert not empty.is_there(projection=True)
    assert empty.query(VERSION) == [(SCHEMA,)]
    empty.check()
    empty.check_writable()


def test_only_the_pinned_schema_is_taken(empty):
    empty.check_version([(SCHEMA,)])
    for rows in ([("abc",)], []):
        with pytest.raises(UserError, match=f"^store {empty}: written by another MLflow version .schema"):
            empty.check_version(rows)


def test_a_query_cannot_write(empty):
    open_client(empty)
    with pytest.raises(UserError, match=r"cannot be read .*read.?only"):
        empty.query("DELETE FROM experiments")
    assert empty.query("SELECT name FROM experiments") == [("Default",)]


def test_files_of_an_experiment_would_lie_below_those_of_the_store(empty):
    assert empty.artifacts_of("a b").startswith(empty.artifacts)
    assert empty.artifacts_of("a b").endswith("/a%20b")
