"""A PostgreSQL server for tests and storms, from Debian's package, started as a user without rights."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NOBODY = 65534
USER, PASSWORD = "researcher", "s3cret-of-the-tests"


def programs() -> Path | None:
    """The folder with PostgreSQL's programs: Debian keeps them out of the search path."""
    if found := shutil.which("pg_ctl"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None)


class Server:
    """A server on a free port of this machine and on a socket in its folder; everybody needs a password."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None, "there is no PostgreSQL"
        self.bin = found
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # the path of a socket must be short
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (self.folder / "password").write_text(PASSWORD)
        self.passwords = self.folder / "pgpass"
        self.passwords.touch(0o600)
        self.passwords.write_text(f"*:*:*:{USER}:{PASSWORD}\n*:*:*:reader:{PASSWORD}\n")
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "password"):
                os.chown(path, NOBODY, NOBODY)
        self.run("initdb", "-D", self.folder / "data", "-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync",
                 f"--pwfile={self.folder / 'password'}")  # fmt: skip
        self.start()

    def run(self, program: str, *arguments: object) -> None:
        """Run a program of PostgreSQL, which refuses to be root's."""
        user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(self.bin / program), *map(str, arguments)]
        with (self.folder / "printed").open("a") as printed:  # a pipe would stay open as long as the server runs
            done = subprocess.run(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, timeout=100, **user
            )
        assert done.returncode == 0, (self.folder / "printed").read_text()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", settings, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: at once, as a power cut would, unless otherwise told."""
        self.run("pg_ctl", "-D", self.folder / "data", "-m", how, "-w", "stop")

    def close(self) -> None:
        """Stop it and remove all that it had."""
        self.stop()
        shutil.rmtree(self.folder)

    def execute(self, *statements: str, name: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the server's owner; the rows of the last one."""
        import psycopg

        told = {"host": "127.0.0.1", "port": str(self.port), "user": USER, "password": PASSWORD, "dbname": name}
        with psycopg.connect(autocommit=True, **told) as connection:  # type: ignore[arg-type]
            for statement in statements:
                found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def address(self, name: str, user: str = USER) -> str:
        """The address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def new(self, name: str) -> str:
        """The address of a new database."""
        self.execute(f"CREATE DATABASE {name}")
        return self.address(name)
