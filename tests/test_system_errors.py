"""What is told of what the system and SQLite refuse, and what is left as it is: mistakes in the code."""

import contextlib
import errno
import os
import re
import shutil
import sqlite3

import pytest
import sqlalchemy

from research.design.errors import UserError
from research.record.system_errors import PATIENCE, as_user_error, read


@pytest.fixture
def database(tmp_path):
    """A database with one row."""
    path = tmp_path / "some.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE things (name TEXT)")
        connection.execute("INSERT INTO things VALUES ('one')")
    return path


def rows(path):
    return read(path, "SELECT name FROM things")


def refusal(kind, raising):
    """What `told` makes of what a function raises."""
    with pytest.raises(UserError) as caught, as_user_error("some.db cannot be written", "do this", kind):
        raising()
    assert isinstance(caught.value.__cause__, kind)
    return str(caught.value)


def test_what_the_system_refuses_is_told_with_its_reason_and_the_way_out(tmp_path):
    line = refusal(OSError, (tmp_path / "none" / "file").read_bytes)
    assert line == "some.db cannot be written (No such file or directory); do this"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_where_there_is_no_room_the_way_out_is_to_make_some():
    def write():
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"1")

    room = "free some space and run the same command again"
    assert refusal(OSError, write) == f"some.db cannot be written ({os.strerror(errno.ENOSPC)}); {room}"


def test_where_a_database_is_held_the_way_out_is_to_end_what_holds_it(database):
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with contextlib.closing(sqlite3.connect(database, timeout=0)) as connection:
            line = refusal(sqlite3.Error, lambda: connection.execute("SELECT * FROM things"))
    way_out = f"it was waited for {PATIENCE} s: end what holds it and run the same command again"
    assert line == f"some.db cannot be written (database is locked); {way_out}"


@pytest.mark.parametrize("content", [b"\xa5" * 9999, b""], ids=["no database", "empty"])
def test_a_file_that_is_not_the_database_is_told_through_a_library_too(database, content):
    database.write_bytes(content)
    engine = sqlalchemy.create_engine(f"sqlite:///{database}")
    with contextlib.closing(engine.connect()) as connection:
        read = sqlalchemy.text("SELECT * FROM things")
        line = refusal(sqlalchemy.exc.SQLAlchemyError, lambda: connection.execute(read))
    engine.dispose()
    reason = "no such table: things" if not content else "file is not a database"
    assert line == f"some.db cannot be written ({reason}); do this"


def test_the_table_of_another_program_is_told(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        line = refusal(sqlite3.Error, lambda: connection.execute("SELECT size FROM things"))
    assert line == "some.db cannot be written (no such column: size); do this"


def test_text_that_is_no_text_is_told(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE things SET name = CAST(x'ff' AS TEXT)")
        line = refusal(sqlite3.Error, lambda: connection.execute("SELECT name FROM things").fetchall())
    assert re.fullmatch(r"some.db cannot be written \(Could not decode to UTF-8 .*\); do this", line)


MISTAKES = {
    "a typing error": lambda connection: connection.execute("SELEC * FROM things"),
    "another function": lambda connection: connection.execute("SELECT size(name) FROM things"),
    "a wrong number of values": lambda connection: connection.execute("SELECT ?", ()),
    "no SQL at all": lambda connection: connection.execute(1),
    "a name that is not there": lambda connection: connection.execut(),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_code_passes_as_it_is(database, mistake):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        with pytest.raises(Exception) as plain:  # noqa: PT011
            mistake(connection)
        same = pytest.raises(type(plain.value), match=re.escape(str(plain.value)))
        with same, as_user_error("some.db cannot be written", "do this", sqlite3.Error, OSError):
            mistake(connection)


def test_a_database_in_wal_mode_is_read_where_nothing_can_be_written_and_never_without_its_log(database, mounted):
    source, name = database.parent / "source", database.name
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("INSERT INTO things VALUES ('two')")
        connection.commit()
        shutil.copytree(database.parent, source)  # as a killed process leaves it
    read_only = mounted(database.parent / "read only", "-o", "bind,ro", source)
    assert rows(read_only / name) == [("one",), ("two",)]
    (source / f"{name}-shm").unlink()
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        rows(read_only / name)
    shutil.copy(database, source)  # as a process leaves it that has ended
    (source / f"{name}-wal").unlink()
    assert rows(read_only / name) == [("one",), ("two",)]
    assert sorted(path.name for path in read_only.iterdir()) == [name]
