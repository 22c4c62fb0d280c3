"""A PostgreSQL server of the tests' own, from Debian's package, started as a user without rights."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg

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
        self.bin = programs()
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
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(self.bin / program), *map(str, arguments)]
        with (self.folder / "printed").open("a") as printed:  # a pipe would stay open as long as the server runs
            done = subprocess.run(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, timeout=100, **user
            )
        assert done.returncode == 0, (self.folder / "printed").read_text()

    def start(self) -> None:
        settings = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self.run("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", settings, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        self.run("pg_ctl", "-D", self.folder / "data", "-m", how, "-w", "stop")

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def execute(self, *statements: str, name: str = "postgres") -> list[tuple]:
        """Run statements as the server's owner; the rows of the last one."""
        told = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD, "dbname": name}
        with psycopg.connect(autocommit=True, **told) as connection:
            for statement in statements:
                found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def address(self, name: str, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{name}"

    def new(self, name: str) -> str:
        """The address of a new database."""
        self.execute(f"CREATE DATABASE {name}")
        return self.address(name)
