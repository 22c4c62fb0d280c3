"""What the system, SQLite or PostgreSQL refuses, told to the user in one line: what, why, and the way out."""

from __future__ import annotations

import contextlib
import errno
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from research.design.errors import UserError

PATIENCE = 20  # seconds that a database is waited for which another program holds: MLflow's own sessions wait as long
NO_ROOM = "free some space and run the same command again"
HELD = f"it was waited for {PATIENCE} s: end what holds it and run the same command again"
LOCKABLE = "choose another with --store, on a file system that can lock files"
UNLOCKABLE = (
    sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK, sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK, sqlite3.SQLITE_PROTOCOL,
)  # fmt: skip
SQLITE = {  # what SQLite says of a file or its place, with the way out where that is always the same
    sqlite3.SQLITE_FULL: NO_ROOM,
    sqlite3.SQLITE_BUSY: HELD,
    sqlite3.SQLITE_LOCKED: HELD,
    sqlite3.SQLITE_PERM: "",
    sqlite3.SQLITE_READONLY: "",
    sqlite3.SQLITE_IOERR: "",
    sqlite3.SQLITE_CORRUPT: "",
    sqlite3.SQLITE_CANTOPEN: "",
    sqlite3.SQLITE_NOTADB: "",
}
LOST = ("no such table", "no such column", "cannot join", "Could not decode")  # of another program's file, or damaged
REACHED = "see that it runs and can be reached, and run the same command again"
NO_PASSWORD = "write it into ~/.pgpass, or into the file that PGPASSFILE names"
ENCRYPTED = "say with ?sslmode= in the address how the connection is to be encrypted"
POSTGRESQL = {  # how the SQLSTATE of what a PostgreSQL server says begins, with the way out where it is always the same
    "08": REACHED,
    "25006": "",  # only reading is allowed
    "28": "",
    "3D000": "",
    "3F000": "",
    "42501": "",  # not permitted
    "42703": "",  # no such column
    "42P01": "",  # no such table
    "53100": NO_ROOM,
    "53": REACHED,
    "55P03": HELD,
    "57014": "",  # it took longer than the server allows
    "57P": REACHED,
    "58": "",
    "XX001": "",
    "XX002": "",
}
UNREACHED = {"password": NO_PASSWORD, "no encryption": ENCRYPTED, "SSL": ENCRYPTED, "certificate": ENCRYPTED}


@contextlib.contextmanager
def as_user_error(what: str, way_out: str, *kinds: type[Exception]) -> Iterator[None]:
    """Raise UserError where an exception of these kinds says that a file, a disk or a database cannot be used.

    Its line is `what`, the reason and the way out, which is another one where room is lacking or another program holds
    a database. The kinds may be those in which a library wraps the exceptions of sqlite3. Whatever else they say is a
    mistake in the code, and passes as it is.
    """
    try:
        yield
    except kinds as error:
        refusal = refused(error)
        if refusal is None:
            raise
        reason, always = refusal
        raise UserError(f"{what} ({reason}); {always or way_out}") from error


def refused(error: BaseException | None) -> tuple[str, str] | None:
    """Why something refused what ended in an exception, and the way out where it is always the same."""
    while error is not None and not isinstance(error, (OSError, sqlite3.Error)) and not _is_of_psycopg(error):
        error = error.__cause__
    if error is None:
        return None
    if _is_of_psycopg(error):
        return _refused_by_postgresql(error, getattr(error, "sqlstate", None))
    if isinstance(error, OSError):
        return error.strerror or str(error), NO_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # "disk I/O error", for want of room
        return "database or disk is full", NO_ROOM
    if code in UNLOCKABLE:  # "disk I/O error"
        return "the file cannot be locked", LOCKABLE
    if str(error).startswith(LOST):
        return str(error), ""
    return (str(error), SQLITE[code & 0xFF]) if code is not None and code & 0xFF in SQLITE else None


def _is_of_psycopg(error: BaseException) -> bool:
    """Whether psycopg raised it, which is not imported where nobody needs it."""
    return type(error).__module__.partition(".")[0] == "psycopg"


def _refused_by_postgresql(error: BaseException, state: str | None) -> tuple[str, str] | None:
    """A connection that cannot be had has no state; what psycopg says of its parts is told by its first line."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    reason = re.sub(r"^(connection failed: )?(connection (to server )?.* failed: )?([A-Z]+: +)?", "", first)
    if state is None:
        if type(error).__name__ not in ("OperationalError", "ConnectionTimeout"):
            return None
        return reason, next((way for word, way in UNREACHED.items() if word in reason), REACHED)
    return next(((reason, way) for begins, way in POSTGRESQL.items() if state.startswith(begins)), None)


def read(database: Path, sql: str, parameters: Sequence[Any] = (), logged: bool = True) -> list[tuple[Any, ...]]:
    """The rows of a query of a database, which is in WAL mode where it is `logged`; nothing is left beside it.

    SQLite reads a database in WAL mode with files that it makes and leaves. Those who write may be others, who could
    not use them; and on a full disk, or one that is read-only, there are none. While there is nothing in the -wal file
    it is read without; what is written meanwhile is read again.
    """

    def rows(how: str = "") -> list[tuple[Any, ...]]:
        address = f"{database.as_uri()}?mode=ro{how}"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def sizes() -> list[tuple[int, int]]:
        found = [(0, 0)] * 3
        for place, kind in enumerate(("-wal", "-journal", "")):
            with contextlib.suppress(FileNotFoundError):
                there = Path(f"{database}{kind}").stat()
                found[place] = there.st_size, there.st_mtime_ns
        return found

    before = sizes()
    if logged and not (before[0][0] or before[1][0]):
        refusal: sqlite3.Error | None = None
        try:
            found = rows("&immutable=1")
        except sqlite3.Error as error:
            refusal = error
        if sizes() == before:
            if refusal:
                raise refusal
            return found
    return rows()
