"""MLflow's database as it is made and opened, with MLflow's own engine."""

from pathlib import Path

import pytest

from research.config import UserError
from research.database import open_client, writing
from research.store import SCHEMA, Store


def pragmas(client):
    """How the connections that MLflow makes treat the disk."""
    with client._tracking_client.store.engine.connect() as connection:
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]


def test_a_commit_to_the_record_does_not_wait_for_the_disk_but_leaves_it_whole(record):
    assert pragmas(open_client(record)) == ["wal", 1]


def test_a_new_database_is_one_of_the_pinned_mlflow_and_nothing_is_left_beside_it(tmp_path):
    store = Store(tmp_path / "store")
    assert pragmas(open_client(store)) == ["wal", 1]
    assert store.query("SELECT version_num FROM alembic_version") == [(SCHEMA,)]
    names = {path.name for path in store.folder.iterdir()}
    assert {name for name in names if not name.endswith(("-wal", "-shm"))} == {"mlflow.db", ".creation.lock"}


def test_what_a_killed_run_left_of_a_database_in_the_making_is_made_anew(tmp_path):
    (tmp_path / "mlflow.new").write_text("half of a database")
    open_client(Store(tmp_path))
    assert not (tmp_path / "mlflow.new").exists()
    assert Store(tmp_path).query("SELECT version_num FROM alembic_version") == [(SCHEMA,)]


def test_a_database_that_is_there_is_kept(copied_record):
    before = copied_record.query("SELECT run_uuid FROM runs ORDER BY 1")
    open_client(copied_record)
    assert copied_record.query("SELECT run_uuid FROM runs ORDER BY 1") == before != []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"store .*file/store: cannot be written"):
        open_client(Store(tmp_path / "file" / "store"))


def test_a_record_that_cannot_be_written_is_said_in_a_line(copied_record):
    client = open_client(copied_record)
    copied_record.database.write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"mlflow\.db cannot be written .*choose another"), writing(copied_record):
        client.create_experiment("another", Path("/").as_uri())
