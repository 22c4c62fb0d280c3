"""What holds where another process holds a store's databases, writes beside us, or has damaged them."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from subprocess import PIPE

import pytest
from conftest import COMMAND, ROOT, error_line, processes_of, wait_until

from research.record.system_errors import PATIENCE

WAITED = f"it was waited for {PATIENCE} s: end what holds it and run the same command again"
ANOTHER = "choose another with --store, or bring it back from a copy"
MADE_AGAIN = "delete it: it is made again from the record"


@contextlib.contextmanager
def held(database):
    """While the block runs, nobody else can write a database; one that is not in WAL mode they cannot read either."""
    with contextlib.closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_a_database_that_another_process_keeps_is_waited_for_and_named(fresh, copied, finished):
    with held(copied.store / "optuna.db"), copied.start() as other, fresh.start("--workers", "1") as process:
        wait_until(lambda: (fresh.store / "mlflow.db").exists(), process=process)
        with held(fresh.store / "mlflow.db"):
            for ends in (other, process):
                ends.wait(timeout=120)
                wait_until(lambda ends=ends: not processes_of(ends.pid), seconds=10)
    line = error_line(other.returncode, copied.printed("stderr"))
    assert line == f"store {copied.store}: optuna.db cannot be read (database is locked); {WAITED}"
    line = error_line(process.returncode, fresh.printed("stderr"))
    assert line == f"store {fresh.store}: mlflow.db cannot be written (database is locked); {WAITED}"
    for toy in (copied, fresh):
        done = toy.run("--workers", "2")
        assert (done.returncode, done.stderr) == (0, "")
        assert toy.tables() == finished.tables()


def test_a_database_that_another_process_holds_for_a_moment_costs_that_moment_alone(copied):
    with copied.start("--seeds", "12", "--workers", "2") as process:
        wait_until(lambda: "to train" in copied.printed(), process=process)
        with held(copied.store / "mlflow.db"):
            time.sleep(PATIENCE / 2)
        wait_until(lambda: "[3/4]" in copied.printed(), process=process)
        with held(copied.store / "optuna.db"):
            wait_until(lambda: "[4/4]" in copied.printed(), process=process)
            time.sleep(PATIENCE / 2)
        assert process.wait(timeout=120) == 0
    assert copied.printed("stderr") == ""
    assert len(copied.finished_ids(num_seeds=12)) == 8


def test_studies_that_start_at_once_on_a_store_that_is_not_there_yet_share_it(fresh, finished):
    other = fresh.folder / "other.py"
    other.write_text(fresh.file.read_text().replace('"toy"', '"other"'))
    begun = [
        subprocess.Popen(
            [*COMMAND, file, *fresh.places, "--workers", "1"], cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True
        )
        for file in (fresh.file, other, fresh.file)
    ]
    first, beside, second = ((*process.communicate(timeout=300), process.returncode) for process in begun)
    (_, refusal, status), (_, nothing, done) = sorted((first, second), key=lambda end: -end[2])
    assert error_line(status, refusal).startswith(f"study toy in {fresh.store} is in use by another run (process ")
    assert (done, nothing, beside[1:]) == (0, "", ("", 0))
    assert fresh.tables() == finished.tables()
    for name in ("runs.csv", "curves.csv"):
        assert (fresh.folder / "reports" / "other" / name).read_bytes() == finished.tables()[name]
    with contextlib.closing(sqlite3.connect(fresh.store / "optuna.db")) as connection:
        assert sorted(connection.execute("SELECT study_name FROM studies")) == [("other",), ("toy",)]


def overwritten(database):
    """Pages in the middle of a database replaced by something else; its header is as it was."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 4096 // 2 * 4096)
        file.write(b"\xa5" * 4096 * 8)


def truncated(database):
    os.truncate(database, database.stat().st_size // 4096 // 2 * 4096)


def cut_short(database):
    os.truncate(database, 1000)


DAMAGES = (overwritten, truncated, cut_short)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_record_is_named_and_what_was_exported_stays(copied, finished, damage):
    damage(copied.store / "mlflow.db")
    before = copied.digest()
    done = copied.run("--seeds", "12")
    line = error_line(done.returncode, done.stderr)
    assert line.startswith(f"store {copied.store}: mlflow.db ")
    assert line.endswith(f"); {ANOTHER}")
    assert done.stdout == ""
    assert (copied.digest(), copied.tables()) == (before, finished.tables())


def test_a_record_that_is_brought_back_from_a_copy_is_gone_on_with(copied, finished):
    overwritten(copied.store / "mlflow.db")
    assert copied.run().returncode == 2
    shutil.copy(finished.store / "mlflow.db", copied.store)
    done = copied.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "to train" not in done.stdout
    assert copied.tables() == finished.tables()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_projection_is_named_before_any_training_and_made_again_once_it_is_deleted(copied, finished, damage):
    database = copied.store / "optuna.db"
    damage(database)
    done = copied.run("--seeds", "12")
    line = error_line(done.returncode, done.stderr)
    assert line.startswith(f"store {copied.store}: optuna.db ")
    assert line.endswith(f"); {MADE_AGAIN}")
    assert done.stdout == ""
    if damage is truncated:
        database.unlink()
        done = copied.run()
        assert (done.returncode, done.stderr) == (0, "")
        assert copied.tables() == finished.tables()
        with contextlib.closing(sqlite3.connect(database)) as connection:
            assert connection.execute("SELECT count(*) FROM trials").fetchone() == (4,)
