"""A folder of a group: several users take turns at its store, and who only looks leaves nothing behind."""

import os
import sqlite3
import stat
import subprocess
import sys

import pytest
from conftest import COMMAND, Toy

from research.record.shared_files import make_folder, share
from research.record.system_errors import read


@pytest.fixture
def team(public):
    """A toy study in a folder of the group 20000."""
    os.chown(public, 0, 20000)
    public.chmod(0o2775)
    return Toy(public).write()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_users_of_a_group_take_turns_at_a_study(as_user, team):
    study = [*COMMAND, team.file, "--tier", "small", *team.places]
    first = as_user(12345, *study, "--only", "activation=tanh")
    assert first.returncode == 0, first.stderr
    before = {path.name for path in team.store.iterdir()}
    planned = as_user(12346, *study, "--plan")
    assert "2 stacks, 1 done, 0 failed, 1 to run" in planned.stdout, planned.stderr
    assert {path.name for path in team.store.iterdir()} == before
    assert {path.stat().st_uid for path in team.store.iterdir()} == {12345}
    second = as_user(12346, *study)
    assert (second.returncode, "1 of 2 stacks to train" in second.stdout) == (0, True), second.stderr
    (team.store / "mlflow.db").chmod(0o644)  # as SQLite made it before modes followed the folder's
    assert as_user(12346, *study, "--plan").returncode == 0
    third = as_user(12345, *study, "--redo", "--only", "activation=relu")
    assert third.returncode == 0, third.stderr
    assert mode(team.store / "mlflow.db") == mode(team.store / "optuna.db") == 0o664


def test_modes_follow_the_folder_of_a_group_and_no_other(tmp_path):
    before = os.umask(0o022)
    try:
        for wanted, folder_mode, file_mode in ((0o755, 0o755, 0o644), (0o700, 0o755, 0o644), (0o770, 0o775, 0o664)):
            place = tmp_path / oct(wanted)
            place.mkdir()
            place.chmod(wanted)
            make_folder(place / "a" / "b")
            (place / "a" / "file").touch()
            share(place / "a" / "file")
            found = [mode(place / name) for name in ("a", "a/b", "a/file")]
            assert found == [folder_mode, folder_mode, file_mode]
    finally:
        os.umask(before)


def test_what_others_write_and_close_while_it_is_read_is_read_whole(tmp_path):
    database = tmp_path / "some.db"
    code = (
        "import contextlib, sqlite3, sys, time\n"
        "end = time.monotonic() + 3\n"
        "number = 0\n"
        "while time.monotonic() < end:\n"
        "    print('there', flush=True) if number == 1 else None\n"
        "    number += 1\n"
        "    with contextlib.closing(sqlite3.connect(sys.argv[1])) as connection, connection:\n"
        "        connection.execute('PRAGMA journal_mode=WAL')\n"
        "        connection.execute('CREATE TABLE IF NOT EXISTS things (number INTEGER, filling BLOB)')\n"
        "        if number == 1:\n"
        "            connection.executemany('INSERT INTO things VALUES (0, ?)', [(b'x' * 3000,)] * 99)\n"
        "        connection.execute('UPDATE things SET number = ?', (number,))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, database], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "there\n"
        seen = []
        while writer.poll() is None:
            seen += read(database, "SELECT min(number), max(number), count(*) FROM things")
    assert writer.returncode == 0
    assert all(low == high and number == 99 for low, high, number in seen)
    assert [low for low, *_ in seen] == sorted(low for low, *_ in seen)
    assert len({low for low, *_ in seen}) > 3
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
