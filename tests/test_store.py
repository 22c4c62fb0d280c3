"""The database and the locks of a store, on databases that MLflow itself made."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up import PLAN

from research.design.errors import UserError
from research.record.any_store import SCHEMA
from research.record.state import state_of
from research.record.store import Store


@contextlib.contextmanager
def only_readable(*files: Path) -> Iterator[Store]:
    """A store of copies of these files, in a folder that this process cannot write while the block runs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # not under pytest's own, which is for one user alone
        for file in files:
            shutil.copy(file, folder)
        os.chmod(folder, 0o555)
        is_root = os.getuid() == 0
        if is_root:  # who may write everywhere
            os.setresuid(65534, 65534, 0)
        try:
            with pytest.raises(PermissionError):
                Path(folder, "file").touch()
            yield Store(Path(folder))
        finally:
            if is_root:
                os.setresuid(0, 0, 0)
            os.chmod(folder, 0o755)


def test_the_schema_is_that_of_the_pinned_mlflow(record):
    connection = sqlite3.connect(record.database)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (SCHEMA,)
    connection.close()


def test_a_store_of_another_version_is_refused(copied_record):
    connection = sqlite3.connect(copied_record.database)
    connection.execute("UPDATE alembic_version SET version_num = 'abc'")
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match=rf"another MLflow version \(schema abc, this one needs {SCHEMA}\)"):
        state_of(copied_record, PLAN)


def test_a_store_that_cannot_be_written_can_be_read(copied_record):
    with contextlib.closing(sqlite3.connect(copied_record.database)) as connection:
        assert connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    with only_readable(copied_record.database) as store:
        assert len(state_of(store, PLAN).done) == 2
        assert [path.name for path in store.folder.iterdir()] == ["mlflow.db"]


def test_a_log_that_cannot_be_taken_in_is_not_read_past(copied_record):
    with contextlib.closing(sqlite3.connect(copied_record.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
        connection.commit()
        log = copied_record.database.with_name("mlflow.db-wal")
        assert log.stat().st_size
        with (
            only_readable(copied_record.database, log) as store,
            pytest.raises(UserError, match=r"mlflow\.db cannot be read"),
        ):
            state_of(store, PLAN)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to be looked at as one" * 20)
    with pytest.raises(UserError, match=r"mlflow\.db cannot be read"):
        state_of(Store(tmp_path), PLAN)


def test_a_lock_is_held_by_one_and_names_its_holder(tmp_path):
    store = Store(tmp_path)
    held = pytest.raises(UserError, match=rf"study toy is in use .*process {os.getpid()}\)")
    with store.lock("toy", "study toy"), held, store.lock("toy", "study toy"):
        pass
    with store.lock("toy", "study toy"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), Store(tmp_path / "file" / "store").lock("a", "a"):
        pass
