"""What holds where a study runs on disks that are full or read-only, and when its store is taken away."""

import contextlib
import os
import shutil
import sqlite3
import subprocess

import pytest
from conftest import COMMAND, ROOT, command, error_line, processes_of, wait_until

from research.design.errors import UserError
from research.record.store import Store
from research.study import present

AGAIN = "free some space and run the same command again"


def fill(folder):
    """Take what room is left on the file system of a folder; the file that does."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    return ballast


def ended(toy, process):
    """The message of a started command that ends with one. None of its processes is left."""
    process.wait(timeout=120)
    wait_until(lambda: not processes_of(process.pid), seconds=10)
    return error_line(process.returncode, toy.printed("stderr"))


def test_a_study_whose_store_is_on_a_full_disk_goes_on_once_there_is_room(fresh, finished, mounted):
    ballast = fill(mounted(fresh.store, "-t", "tmpfs", "-o", "size=8m", "tmpfs"))
    done = fresh.run("--workers", "1")
    assert error_line(done.returncode, done.stderr) == (
        f"store {fresh.store}: cannot be written (No space left on device); {AGAIN}"
    )
    ballast.write_bytes(b"x" * (7 << 20))  # the database cannot be made in what is left
    with fresh.start("--workers", "1") as process:
        assert ended(fresh, process) == (
            f"store {fresh.store}: mlflow.db cannot be written (database or disk is full); {AGAIN}"
        )
    ballast.unlink()
    with fresh.start("--workers", "2") as process:
        wait_until(lambda: "[1/4]" in fresh.printed(), process=process)
        fill(fresh.store)
        assert ended(fresh, process) == (
            f"store {fresh.store}: mlflow.db cannot be written (database or disk is full); {AGAIN}"
        )
    kept = fresh.finished_ids()
    assert 1 <= len(kept) < 4
    assert f"4 stacks, {len(kept)} done, 0 failed, {4 - len(kept)} to run" in fresh.run("--plan").stdout
    ballast.unlink()
    done = fresh.run("--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{4 - len(kept)} of 4 stacks to train" in done.stdout
    assert kept.items() <= fresh.finished_ids().items()
    assert fresh.tables() == finished.tables()


# There is no room for the first table, or for all tables but not for the figures.
@pytest.mark.parametrize("room", [0, 30 * 1024])
def test_tables_and_figures_that_find_no_room_leave_what_was_there(copied, finished, mounted, room):
    image, reports = copied.folder / "image", copied.folder / "reports"
    image.write_bytes(b"\0" * (4 << 20))
    if not (shutil.which("mkfs.ext4") and subprocess.run(["mkfs.ext4", "-q", "-m", "0", image]).returncode == 0):
        pytest.skip("there is no mkfs.ext4")
    before = {path.name: path.read_bytes() for path in (reports / "toy").iterdir()}
    shutil.move(reports / "toy", copied.folder / "kept")
    shutil.copytree(copied.folder / "kept", mounted(reports, "-o", "loop", image) / "toy")
    ballast = fill(reports)
    os.truncate(ballast, ballast.stat().st_size - room)
    done = copied.run()
    line = error_line(done.returncode, done.stderr)
    assert line.startswith(f"{reports}/toy/")
    assert line.endswith(f": cannot be written (No space left on device); {AGAIN}")
    assert {path.name: path.read_bytes() for path in (reports / "toy").iterdir()} == before
    ballast.unlink()
    done = copied.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert copied.tables() == finished.tables()


def left_open(toy):
    """What a killed run leaves behind: a log that is not part of the database yet, here with one tag of a stack."""
    with contextlib.closing(sqlite3.connect(toy.store / "mlflow.db")) as connection:
        with connection:
            connection.execute("UPDATE tags SET value = 'KILLED' WHERE key = 'reason'")
            connection.execute("UPDATE runs SET status = 'KILLED' WHERE name LIKE 'relu depth=2 seed=%'")
        shutil.copytree(toy.store, toy.folder / "open", dirs_exist_ok=True)
    shutil.rmtree(toy.store)
    (toy.folder / "open").rename(toy.store)
    assert (toy.store / "mlflow.db-wal").stat().st_size


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "killed"])
def test_a_store_that_is_read_only_can_be_looked_at_and_is_not_written(copied, finished, mounted, is_open):
    if is_open:
        left_open(copied)
    planned, listed = copied.run("--plan").stdout, command("--store", copied.store).stdout
    assert f"4 stacks, {3 if is_open else 4} done" in planned
    if not is_open:
        for left in copied.store.glob("mlflow.db-*"):  # by those who read
            left.unlink()
    mounted(copied.store, "-o", "bind,ro", copied.store)
    before = copied.digest()
    for done, expected in ((copied.run("--plan"), planned), (command("--store", copied.store), listed)):
        assert (done.returncode, done.stderr, done.stdout) == (0, "", expected)
    done = copied.run()
    assert error_line(done.returncode, done.stderr) == (
        f"store {copied.store}: cannot be written (Read-only file system); choose another with --store"
    )
    assert (copied.digest(), copied.tables()) == (before, finished.tables())


def as_owner(*arguments):
    """The command as a user without root's right to ignore permissions."""
    ordinary = [] if os.getuid() else ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    try:
        done = subprocess.run([*ordinary, *COMMAND, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("root ignores permissions, and there is no setpriv")
    if done.stderr.startswith("setpriv"):
        pytest.skip(f"root ignores permissions: {done.stderr.strip()}")
    return done


def test_a_store_is_refused_where_the_user_has_no_permission_and_looked_at_where_that_is_allowed(copied, finished):
    planned, before = finished.run("--plan").stdout, copied.digest()
    files = [path for path in copied.store.iterdir() if path.is_file()]
    for path in files:
        path.chmod(0o444)
    try:
        copied.store.chmod(0o555)
        done = as_owner(copied.file, "--plan", *copied.places)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", planned)
        done = as_owner(copied.file, *copied.places)
        assert error_line(done.returncode, done.stderr) == (
            f"store {copied.store}: cannot be written (Permission denied); choose another with --store"
        )
        copied.store.chmod(0)
        done = as_owner(copied.file, "--plan", *copied.places)
        assert error_line(done.returncode, done.stderr) == (
            f"argument --store: {copied.store} may not be looked into; see --help"
        )
    finally:
        copied.store.chmod(0o755)
    for path in files:
        path.chmod(0o644)
    assert copied.digest() == before


REMOVED = (
    "mlflow.db was removed or replaced while the study ran; "
    "bring it back and run the same command again, which starts anew without it"
)


def test_a_study_whose_store_is_moved_away_ends_and_goes_on_when_it_is_back(fresh, finished):
    with fresh.start("--workers", "2") as process:
        wait_until(lambda: "[1/4]" in fresh.printed(), process=process)
        fresh.store.rename(fresh.folder / "elsewhere")
        assert ended(fresh, process) == f"store {fresh.store}: {REMOVED}"
    assert sorted(path.name for path in fresh.folder.iterdir()) == ["elsewhere", "stderr", "stdout", "toy.py"]
    (fresh.folder / "elsewhere").rename(fresh.store)
    kept = fresh.finished_ids()
    assert 1 <= len(kept) < 4
    done = fresh.run("--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert kept.items() <= fresh.finished_ids().items()
    assert fresh.tables() == finished.tables()


def test_a_study_whose_store_is_deleted_ends_and_leaves_the_tables_that_there_are(copied, finished):
    with copied.start("--seeds", "25", "--workers", "2") as process:
        wait_until(lambda: "[1/8]" in copied.printed(), process=process)
        shutil.rmtree(copied.store)
        assert ended(copied, process) == f"store {copied.store}: {REMOVED}"
    assert not copied.store.exists()
    assert copied.tables() == finished.tables()


def test_no_tables_are_made_of_a_record_that_has_lost_what_was_trained(copied, finished):
    (copied.store / "mlflow.db").unlink()
    with pytest.raises(UserError, match=f"store {copied.store}: no longer holds all that was recorded; bring it back"):
        present(Store(copied.store), copied.plan(), copied.folder / "reports" / "toy", {})
    assert copied.tables() == finished.tables()


NO_FLOCK = """
#include <errno.h>
int flock(int file, int how) { errno = ENOSYS; return -1; }
"""
NO_RECORD_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#define REFUSE(name) int name(int file, int what, ...) { \\
    va_list more; va_start(more, what); void *with = va_arg(more, void *); va_end(more); \\
    if (what == F_SETLK || what == F_SETLKW || what == F_GETLK) { errno = ENOSYS; return -1; } \\
    return ((int (*)(int, int, void *)) dlsym(RTLD_NEXT, #name))(file, what, with); }
REFUSE(fcntl)
REFUSE(fcntl64)
"""


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (NO_FLOCK, ".toy.lock cannot be locked (Function not implemented)"),
        (NO_RECORD_LOCKS, "optuna.db cannot be read (the file cannot be locked)"),
    ],
    ids=["flock", "fcntl"],
)
def test_a_store_on_a_file_system_without_locks_is_looked_at_and_not_written(copied, finished, shim, code, what):
    without = shim(code)
    assert command(copied.file, "--plan", *copied.places, **without).stdout == finished.run("--plan").stdout
    done = command(copied.file, *copied.places, **without)
    way_out = "choose another with --store, on a file system that can lock files"
    assert error_line(done.returncode, done.stderr) == f"store {copied.store}: {what}; {way_out}"
    assert copied.tables() == finished.tables()
