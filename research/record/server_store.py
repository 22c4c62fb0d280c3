"""The record on an MLflow tracking server: read into tables in memory, and locked by a tag that is renewed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from research.design.errors import UserError
from research.design.places import made_in
from research.record.any_store import AnyStore
from research.record.store import Store
from research.record.tracking_server import Json, TrackingServer, checked_address, number, whole_tags

TOKENS = set[str]()  # of the claims that this process has
COORDINATORS = "coordinators"  # the experiment whose tags say who records which study
NOTE = (
    "Each tag here names a study that is being recorded, and the process that does it. "
    "`research.study` keeps them; a tag that is not renewed for three minutes counts for nothing."
)
BEAT, STALE = (
    30.0,
    180.0,
)  # seconds between two renewals of a tag, and until one that was not renewed counts for nothing
SETTLE = 1.5  # seconds in which whoever claims a study at the same time would be seen
TABLES = """
CREATE TABLE experiments (experiment_id PRIMARY KEY, name, lifecycle_stage);
CREATE TABLE experiment_tags (experiment_id, key, value);
CREATE TABLE runs (run_uuid PRIMARY KEY, name, source_type, source_name, entry_point_name, user_id, status, start_time,
                   end_time, source_version, lifecycle_stage, experiment_id);
CREATE TABLE tags (run_uuid, key, value, PRIMARY KEY (run_uuid, key)) WITHOUT ROWID;
CREATE TABLE params (run_uuid, key, value, PRIMARY KEY (run_uuid, key)) WITHOUT ROWID;
CREATE TABLE metrics (run_uuid, key, value, timestamp, step, is_nan);
CREATE INDEX of_run ON metrics (run_uuid);
CREATE TABLE latest_metrics (run_uuid, key, value, timestamp, step, is_nan, PRIMARY KEY (run_uuid, key)) WITHOUT ROWID;
CREATE TABLE datasets (dataset_uuid PRIMARY KEY, experiment_id, name, digest, dataset_source_type, dataset_source,
                       dataset_schema, dataset_profile);
CREATE TABLE inputs (input_uuid PRIMARY KEY, source_type, source_id, destination_type, destination_id);
CREATE TABLE input_tags (input_uuid, name, value);
"""
OF_RUN = ("tags", "params", "latest_metrics")  # what a run has that it is told with


def _tables() -> sqlite3.Connection:
    """The tables of MLflow that are read, empty, in memory."""
    made = sqlite3.connect(":memory:", check_same_thread=False)
    made.executescript(TABLES)
    return made


@dataclass(frozen=True)
class Claim:
    """That this process records a study: a tag with a text of its own, which is renewed as long as the study runs."""

    tag: str
    experiment_id: str
    token: str
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class ServerStore(AnyStore):
    """What an MLflow tracking server at http://HOST:PORT holds.

    SQL is asked of tables in memory, into which is fetched what is asked for. Optuna's tables and their lock are files
    of this machine, since a server has none.
    """

    address: str
    folder: Path = field(init=False, repr=False, compare=False)
    server: TrackingServer = field(init=False, repr=False, compare=False)
    tables: sqlite3.Connection = field(default_factory=_tables, init=False, repr=False, compare=False)
    whole: set[str] = field(default_factory=set, init=False, repr=False, compare=False)  # runs with all their numbers
    held: dict[str, Claim] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        address = checked_address(self.address)
        place = re.sub(r"[^\w.-]+", "-", urlsplit(address).netloc + urlsplit(address).path).strip("-")
        object.__setattr__(self, "address", address)
        object.__setattr__(self, "folder", made_in() / "mlruns" / place)
        object.__setattr__(self, "server", TrackingServer(address))

    def __str__(self) -> str:
        return self.address

    @property
    def here(self) -> Store:
        """The folder of this machine with Optuna's tables."""
        return Store(self.folder)

    @property
    def mlflow_uri(self) -> str:
        return self.address

    @property
    def optuna_uri(self) -> str:
        return self.here.optuna_uri

    @property
    def artifacts(self) -> str:
        return ""  # the server says where they lie

    def artifacts_of(self, experiment: str) -> str:
        return ""

    def part(self, projection: bool = False) -> str:
        return str(self.here.projection) if projection else "the server"

    def is_there(self, projection: bool = False) -> bool:
        if projection:
            return self.here.is_there(projection)
        self.server.check()
        return True

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self.tables.execute(sql, parameters).fetchall()

    def fetch_experiments(self) -> None:
        self.server.check()
        for found in list(self.server.experiments()):
            for only in ("tags.kind = 'cell'", ""):
                if runs := list(self.server.runs(found.experiment_id, only, most=1)):
                    self._keep(found.experiment_id, found.name, found.tags, runs)
                    break

    def fetch_runs(self, experiments: Sequence[str]) -> None:
        self.server.check()
        for name in experiments:
            found = self.server.get_experiment_by_name(name)
            if found is None:
                for (gone,) in self.query("SELECT experiment_id FROM experiments WHERE name = ?", (name,)):
                    self._forget(gone)
                continue
            self._keep(found.experiment_id, name, found.tags, list(self.server.runs(found.experiment_id)))

    def fetch_numbers(self, run_ids: Iterable[str]) -> None:
        wanted = [run_id for run_id in run_ids if run_id not in self.whole]
        known = {run_id for (run_id,) in self.query("SELECT run_uuid FROM runs")}
        for told in [self.server.run(run_id) for run_id in wanted if run_id not in known]:
            self._keep_run(told)
        curves = {
            name
            for (names,) in self.query("SELECT DISTINCT value FROM tags WHERE key IN ('curves', 'profiles')")
            for name in names.split(",")
        }
        several: dict[str, list[str]] = {}
        rows: list[tuple[Any, ...]] = []
        for run_id in wanted:
            for name, *row in self.query(
                "SELECT key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_uuid = ?", (run_id,)
            ):
                if name in curves or row[2]:
                    several.setdefault(name, []).append(run_id)
                else:  # one value
                    rows.append((run_id, name, *row))
        for name, ids in several.items():
            for point in self.server.histories(name, ids):
                value, is_nan = number(point["value"])
                at = int(point["timestamp"]), int(point.get("step", 0))
                rows.append((point["run_id"], name, value, *at, is_nan))
        with self.tables:
            self.tables.executemany("DELETE FROM metrics WHERE run_uuid = ?", [(run_id,) for run_id in wanted])
            self.tables.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
        running = {run_id for (run_id,) in self.query("SELECT run_uuid FROM runs WHERE status = 'RUNNING'")}
        self.whole.update(set(wanted) - running)

    def check(self) -> None:
        self.server.check()
        self.here.check()

    def check_writable(self) -> None:
        self.server.check()

    @contextlib.contextmanager
    def lock(self, name: str, holder: str, patient: bool = False) -> Iterator[None]:
        if patient:  # of the file with Optuna's tables
            with self.here.lock(name, holder, patient):
                yield
            return
        claim = self._claimed(name, holder)
        renewing = threading.Thread(target=_renew, args=(self.address, claim), daemon=True)
        renewing.start()
        self.held[name] = claim
        TOKENS.add(claim.token)
        try:
            yield
        finally:
            del self.held[name]
            TOKENS.discard(claim.token)  # whether or not the server can be told
            claim.ended.set()
            renewing.join(1)
            with contextlib.suppress(UserError):  # else it counts for nothing in a while
                if _holder(self.server, claim.tag).get("token") == claim.token:
                    self.server.delete_experiment_tag(claim.experiment_id, claim.tag)

    def _claimed(self, name: str, holder: str) -> Claim:
        """The claim of a study. Raises UserError when another run, which is not known to have ended, has it."""
        self.server.check()
        there = self.server.get_experiment_by_name(COORDINATORS)
        experiment_id = there.experiment_id if there else self.server.create_experiment(COORDINATORS)
        if there is None:
            self.server.set_experiment_tag(experiment_id, "mlflow.note.content", NOTE)
        claim = Claim(name, experiment_id, secrets.token_hex(8))
        found = _holder(self.server, name)
        if found and not _is_over(found, self.server.clock):
            raise _in_use(holder, found)
        _beat(self.server, claim)
        time.sleep(SETTLE)
        found = _holder(self.server, name)
        if found.get("token") != claim.token:  # who came last has it
            raise _in_use(holder, found)
        return claim

    def mark(self) -> Hashable:
        return self.address

    def check_there(self, mark: Hashable) -> None:
        """Whoever takes a study over does so after minutes in which nothing was heard of its coordinator."""
        for claim in self.held.values():
            if _holder(self.server, claim.tag).get("token") != claim.token:
                raise UserError(
                    f"store {self}: another run took the study {claim.tag} over, or the server's record was replaced; "
                    "see that no other runs and run the same command again"
                )

    def create(self, make: Callable[[str], object], projection: bool = False) -> None:
        self.here.create(make, projection)

    def _forget(self, experiment_id: str) -> None:
        """Take an experiment and what its runs were told with out of the tables."""
        with self.tables:
            for table in (*OF_RUN, "runs"):
                ids = "SELECT run_uuid FROM runs WHERE experiment_id = ?"
                self.tables.execute(f"DELETE FROM {table} WHERE run_uuid IN ({ids})", (experiment_id,))
            for table in ("experiments", "experiment_tags", "datasets"):
                self.tables.execute(f"DELETE FROM {table} WHERE experiment_id = ?", (experiment_id,))

    def _keep(self, experiment_id: str, name: str, tags: dict[str, str], runs: Iterable[Json]) -> None:
        """Have an experiment in the tables with these runs, and no others."""
        self._forget(experiment_id)
        with self.tables:
            self.tables.execute("INSERT INTO experiments VALUES (?, ?, 'active')", (experiment_id, name))
            rows = [(experiment_id, key, value) for key, value in tags.items()]
            self.tables.executemany("INSERT INTO experiment_tags VALUES (?, ?, ?)", rows)
            for told in runs:
                self._keep_run(told)

    def _keep_run(self, told: Json) -> None:
        """Have a run in the tables, with its latest numbers."""
        info, data = told["info"], told.get("data", {})
        run_id, experiment_id = info["run_id"], info["experiment_id"]
        row = (
            run_id, info.get("run_name", ""), "UNKNOWN", "", "", info.get("user_id", ""), info["status"],
            info["start_time"], info.get("end_time"), "", info["lifecycle_stage"], experiment_id,
        )  # fmt: skip
        insert = self.tables.executemany
        self.tables.execute(f"INSERT OR REPLACE INTO runs VALUES ({','.join('?' * len(row))})", row)
        params = {each["key"]: each.get("value", "") for each in data.get("params", ())}
        for table, carried in (("tags", whole_tags(data.get("tags", ()))), ("params", params)):
            rows = [(run_id, key, value) for key, value in carried.items()]
            insert(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)
        latest = []
        for each in data.get("metrics", ()):
            value, is_nan = number(each["value"])
            latest.append((run_id, each["key"], value, int(each["timestamp"]), int(each.get("step", 0)), is_nan))
        insert("INSERT OR REPLACE INTO latest_metrics VALUES (?, ?, ?, ?, ?, ?)", latest)
        for used in told.get("inputs", {}).get("dataset_inputs", ()):
            self._keep_data(run_id, experiment_id, used)

    def _keep_data(self, run_id: str, experiment_id: str, used: Json) -> None:
        """Have in the tables on which data a run was trained, under numbers that are made of what they say."""
        parts = [used["dataset"].get(name) for name in ("name", "digest", "source_type", "source", "schema", "profile")]
        dataset, place = _number(experiment_id, *parts[:2]), _number(run_id, *parts[:2])
        self.tables.execute(
            "INSERT OR REPLACE INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (dataset, experiment_id, *parts)
        )
        self.tables.execute(
            "INSERT OR REPLACE INTO inputs VALUES (?, 'DATASET', ?, 'RUN', ?)", (place, dataset, run_id)
        )
        self.tables.execute("DELETE FROM input_tags WHERE input_uuid = ?", (place,))
        rows = [(place, tag["key"], tag.get("value", "")) for tag in used.get("tags", ())]
        self.tables.executemany("INSERT INTO input_tags VALUES (?, ?, ?)", rows)


def _number(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _holder(server: TrackingServer, tag: str) -> Json:
    """Who records a study, by its tag; nothing where nobody does, or the tag was changed to what says nothing."""
    found = server.get_experiment_by_name(COORDINATORS)
    with contextlib.suppress(ValueError):
        told = json.loads(found.tags.get(tag, "{}") if found else "{}")
        return told if isinstance(told, dict) else {}
    return {}


def _is_over(found: Json, now: float) -> bool:
    """Whether a coordinator has ended: it was of this machine and lives no more, or was not heard of for minutes."""
    beat = found.get("beat")
    if not isinstance(beat, int | float) or now - beat > STALE:
        return True
    process = found.get("process")
    if found.get("machine") != machine() or (process == os.getpid() and found.get("token") in TOKENS):
        return False
    return process == os.getpid() or not (isinstance(process, int) and process > 0 and _lives(process))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _in_use(holder: str, found: Json) -> UserError:
    where = "" if found.get("machine") == machine() else f" on {found.get('host', '?')}"
    return UserError(
        f"{holder} is in use by another run (process {found.get('process', '?')}{where}); wait for it to end"
    )


def _beat(server: TrackingServer, claim: Claim) -> None:
    """Say that a claim is still ours, at the server's own time: clocks of machines differ."""
    told = {"process": os.getpid(), "host": socket.gethostname(), "machine": machine(), "token": claim.token}
    server.set_experiment_tag(claim.experiment_id, claim.tag, json.dumps({**told, "beat": server.clock}))


def _renew(address: str, claim: Claim) -> None:
    """Renew a claim until it ends or is another's. A server that is away for a moment is asked again."""
    server = TrackingServer(address)
    while not claim.ended.wait(BEAT):
        with contextlib.suppress(UserError):
            if _holder(server, claim.tag).get("token") != claim.token:
                return
            _beat(server, claim)
    server.close()


def machine() -> str:
    """What tells this machine, and its space of process numbers, from others: containers may share a name."""
    try:
        parts = Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")
    except OSError:  # on macOS
        parts = f"{uuid.getnode():x}", ""
    return _number(socket.gethostname(), *parts)
