"""The record in a PostgreSQL database that several machines can reach: two schemas, locked by the database itself."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from research.design.errors import UserError
from research.design.places import how_to_install, made_in
from research.record.any_store import ANOTHER, VERSION, AnyStore
from research.record.system_errors import NO_PASSWORD, PATIENCE, REACHED, as_user_error

if TYPE_CHECKING:
    from psycopg import Connection

SCHEME = "postgresql"
MLFLOW, OPTUNA = "mlflow", "optuna"  # the schemas: both programs call a table alembic_version
NEW = "_new"  # ends the name of a schema in the making
WRITTEN = f"{SCHEME}://USER@HOST/NAME"
OPTIONS = ("host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey")  # that an address may have after its ?
# A machine that lost its power or its network holds no lock for longer than this.
ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
UNBOUNDED = (("runs", "name"), ("tags", "value"))  # of any length in SQLite, which does not look at a column's
OTHERS = (
    "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n "
    "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)' "
    "AND n.nspname <> ALL (%s) ORDER BY 1 LIMIT 1"
)
HOLDER = (
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND (l.classid::bigint << 32) | l.objid::bigint = %s"
)


def parameters(address: str) -> dict[str, str]:
    """What libpq is to be told of a database at an address. Raises UserError for what is no address of one."""
    try:
        parts = urlsplit(address)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        port = str(parts.port or "")
    except ValueError as error:
        raise UserError(f"--store: no address of a database ({error}); it is written {WRITTEN}") from error
    if parts.password is not None or {"password", "sslpassword", "passfile"} & options.keys():
        raise UserError(f"--store: a password has no place in the address, where others can read it; {NO_PASSWORD}")
    if unknown := set(options) - set(OPTIONS):
        known = ", ".join(OPTIONS)
        raise UserError(f"--store {address}: {', '.join(sorted(unknown))} after its ? is none of {known}")
    told = {
        "dbname": unquote(parts.path.removeprefix("/")),
        "user": unquote(parts.username or ""),
        "host": unquote(parts.hostname or ""),
        "port": port,
        **options,
    }
    if not re.fullmatch(r"[^/\0]+", told["dbname"]) or parts.fragment:
        raise UserError(f"--store {address}: does not name a database; it is written {WRITTEN}")
    return {name: value for name, value in told.items() if value}


@dataclass(frozen=True)
class PostgresStore(AnyStore):
    """A PostgreSQL database at postgresql://USER@HOST/NAME, with a schema for MLflow's tables and one for Optuna's."""

    address: str
    folder: Path = field(init=False, repr=False, compare=False)
    told: dict[str, str] = field(init=False, repr=False, compare=False)
    held: dict[str, Connection] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        told = parameters(self.address)
        place = "-".join(told[name] for name in ("host", "port", "dbname") if name in told)
        object.__setattr__(self, "told", told)
        object.__setattr__(self, "folder", made_in() / "mlruns" / re.sub(r"[^\w.-]+", "-", place).strip("-"))

    def __str__(self) -> str:
        return self.address

    @property
    def mlflow_uri(self) -> str:
        return self._uri(MLFLOW)

    @property
    def optuna_uri(self) -> str:
        return self._uri(OPTUNA)

    @property
    def artifacts(self) -> str:
        return "mlflow-artifacts:/"  # a folder of one machine would say nothing to the others

    def part(self, projection: bool = False) -> str:
        return f"schema {OPTUNA if projection else MLFLOW}"

    def _parameters(self, schema: str, **settings: str) -> dict[str, str]:
        settings = {"search_path": schema, **ALIVE, **settings}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return {**self.told, "options": options, "connect_timeout": str(PATIENCE), "client_encoding": "utf8"}

    def _uri(self, schema: str) -> str:
        told = self._parameters(schema)
        return f"{SCHEME}+psycopg:///{quote(told.pop('dbname'), safe='')}?{urlencode(told, quote_via=quote)}"

    @contextlib.contextmanager
    def _connection(self, cannot: str, **settings: str) -> Iterator[Connection]:
        """A connection that commits each statement; what is refused is told as what then `cannot` be done."""
        try:
            import psycopg
        except ImportError as error:
            raise UserError(f"store {self}: PostgreSQL needs psycopg: {how_to_install('postgresql')}") from error
        with (
            as_user_error(f"store {self}: {cannot}", ANOTHER, psycopg.Error),
            psycopg.connect(autocommit=True, **self._parameters(MLFLOW, **settings)) as connection,  # type: ignore[arg-type]
        ):
            yield connection

    @contextlib.contextmanager
    def lock(self, name: str, holder: str, patient: bool = False) -> Iterator[None]:
        here = f" on {socket.gethostname()}"
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        with self._connection("cannot be locked") as connection:
            connection.execute("SELECT set_config('application_name', %s, false)", (f"process {os.getpid()}{here}",))
            # A session that waits for hours is no idle one: where the server ends those, it shall not end this.
            connection.execute(
                "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN "
                "('idle_session_timeout', 'lock_timeout', 'statement_timeout')"
            )
            if patient:
                connection.execute("SELECT pg_advisory_lock(%s)", (key,))
            elif connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchall() != [(True,)]:
                ((whose,),) = connection.execute(HOLDER, (key,)).fetchall() or [("process ?",)]
                raise UserError(f"{holder} is in use by another run ({whose.removesuffix(here)}); wait for it to end")
            self.held[name] = connection
            try:
                yield
            finally:
                del self.held[name]

    def is_there(self, projection: bool = False) -> bool:
        with self._connection(f"{self.part(projection)} cannot be read") as connection:
            return _oid(connection, OPTUNA if projection else MLFLOW) is not None

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        cannot = f"{self.part()} cannot be read"
        with self._connection(cannot, default_transaction_read_only="on") as connection:
            if _oid(connection, MLFLOW) is None:
                return []
            self.check_version(connection.execute(VERSION.encode()).fetchall())
            return connection.execute(sql.replace("?", "%s").encode(), parameters).fetchall()

    def check(self) -> None:
        with self._connection("cannot be used") as connection:
            if _oid(connection, MLFLOW) is not None:
                self.check_version(connection.execute(VERSION.encode()).fetchall())
            elif others := connection.execute(OTHERS, ([MLFLOW, OPTUNA, MLFLOW + NEW, OPTUNA + NEW],)).fetchall():
                raise UserError(
                    f"store {self}: holds tables of another program ({others[0][0]}); make a database of its own"
                )
            if reason := _not_writable(connection):
                raise UserError(f"store {self}: cannot be written ({reason}); {ANOTHER}")

    def check_writable(self) -> None:
        with self._connection("cannot be used") as connection:
            if reason := _not_writable(connection):
                raise UserError(f"store {self}: cannot be written by you, as MLflow's UI must ({reason})")

    def mark(self) -> Hashable:
        with self._connection(f"{self.part()} cannot be read") as connection:
            return _oid(connection, MLFLOW)

    def check_there(self, mark: Hashable) -> None:
        """A connection that was lost took its lock along, whoever else has it since: MLflow would connect again."""
        import psycopg

        with as_user_error(f"store {self}: was lost while the study ran", REACHED, psycopg.Error):
            found: set[Hashable] = {_oid(connection, MLFLOW) for connection in self.held.values()} or {self.mark()}
        if found != {mark}:
            raise UserError(
                f"store {self}: {self.part()} was removed or replaced while the study ran; "
                "bring it back and run the same command again, which starts anew without it"
            )

    def create(self, make: Callable[[str], object], projection: bool = False) -> None:
        schema = OPTUNA if projection else MLFLOW
        fresh = f"{schema}{NEW}"
        with self._connection(f"{self.part(projection)} cannot be made") as connection:
            if _oid(connection, schema) is not None:
                return
            connection.execute(f"DROP SCHEMA IF EXISTS {fresh} CASCADE".encode())
            connection.execute(f"CREATE SCHEMA {fresh}".encode())
            make(self._uri(fresh))
            for table, column in UNBOUNDED:
                connection.execute(f"ALTER TABLE IF EXISTS {fresh}.{table} ALTER {column} TYPE text".encode())
            connection.execute(f"ALTER SCHEMA {fresh} RENAME TO {schema}".encode())


def _oid(connection: Connection, schema: str) -> int | None:
    """The number of a schema; None where there is none."""
    found = connection.execute("SELECT oid FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
    return found[0] if found else None


def _not_writable(connection: Connection) -> str:
    """Why runs could not be written; empty where they can."""
    role, read_only, may_create = next(
        connection.execute(
            "SELECT current_user, current_setting('transaction_read_only') = 'on', "
            "has_database_privilege(current_database(), 'CREATE')"
        )
    )
    if read_only:
        return "the server or its role allows reading alone"
    schemas = [schema for schema in (MLFLOW, OPTUNA) if _oid(connection, schema) is not None]
    if len(schemas) < 2 and not may_create:
        return f"role {role} may not make schemas in it"
    denied = (
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY (%s) AND "
        "c.relkind = 'r' AND c.relname <> 'alembic_version' AND NOT (has_table_privilege(c.oid, 'SELECT') AND "
        "has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AND "
        "has_table_privilege(c.oid, 'DELETE')) ORDER BY 1 LIMIT 1"
    )
    if found := connection.execute(denied, (schemas,)).fetchone():
        return f"role {role} may not write table {found[0]}"
    return ""
