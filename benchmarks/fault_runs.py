"""Runs of the command that benchmarks/faults.py kills: begun, halted, killed in every way, and what is left of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import fault_points as at

ROOT = Path(__file__).resolve().parents[1]
COORDINATOR, WORKER, ALL = "SIGKILL of the coordinator", "SIGKILL of a worker", "SIGKILL of all"
TERM, CTRL_C = "SIGTERM", "Ctrl-C"
STATUSES = {COORDINATOR: (-9,), ALL: (-9,), TERM: (143, -15), CTRL_C: (130, -2)}  # that a run may end with; by kind
KINDS = (COORDINATOR, WORKER, ALL, TERM, CTRL_C)


class Start:
    """A run of the command in a session of its own, that halts where points are armed; `folder` is what it talks by.

    With None for the points it is the plain command, which says nothing.
    """

    def __init__(
        self, words: Sequence[str], armed: Mapping[str, int] | None, folder: Path, from_nothing: bool = True
    ) -> None:
        folder.mkdir(parents=True)
        (folder / "armed.json").write_text(json.dumps(armed))
        module = "research.study" if armed is None else "benchmarks.fault_points"
        self.folder, self.from_nothing, self.began = folder, from_nothing, time.time()
        with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                cwd=ROOT,
                env=os.environ | {at.FOLDER: str(folder)},
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.seen: set[str] = set()

    def reached(self) -> Iterator[tuple[str, int]]:
        """The armed points that a process has newly come to, with its number."""
        for path in self.folder.glob("*.reached"):
            if path.name not in self.seen:
                self.seen.add(path.name)
                said = json.loads(path.read_text())
                yield said["point"], said["process"]

    def go_on(self, point: str) -> None:
        """Let the process that has come to a point go on, if it still can."""
        (self.folder / f"{point.replace(' ', '_')}.go").touch()

    def log(self, what: str) -> list[tuple[float, str]]:
        """When and of what there are lines in the log."""
        lines = (self.folder / "log").read_text().splitlines() if (self.folder / "log").exists() else []
        found = [line for line in map(json.loads, lines) if line["what"] == what]
        return [(line["at"], of) for line in found for of in ([line["of"]] if what == "passed" else line["of"])]

    def kill(self) -> None:
        """End all of its processes."""
        for process in alive(self.folder, self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()


def processes() -> dict[int, list[str]]:
    """The living processes, with the fields of /proc/NUMBER/stat from the third: state, parent, group, session."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if (fields := path.read_text().rpartition(") ")[2].split())[0] not in "ZX":
                found[int(path.parent.name)] = fields
    return found


def alive(folder: Path, session: int) -> list[int]:
    """The living processes of a start: of its session, or with its folder in their environment."""
    mark, found = f"{at.FOLDER}={folder}".encode(), []
    for number, (_, _, _, its_session, *_) in processes().items():
        with contextlib.suppress(OSError):
            environment = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
            if int(its_session) == session or mark in environment:
                found.append(number)
    return found


def workers_of(coordinator: int) -> list[int]:
    """The worker processes of a coordinator: the children of its children, which are fork servers."""
    parents = {number: int(fields[1]) for number, fields in processes().items()}
    return [number for number, parent in parents.items() if parents.get(parent) == coordinator]


def send(kind: str, coordinator: int, worker: int | None) -> None:
    """Do it."""
    with contextlib.suppress(ProcessLookupError):
        if kind == ALL:
            os.killpg(coordinator, signal.SIGKILL)
        elif kind == CTRL_C:  # a terminal's reaches every process of the command
            os.killpg(coordinator, signal.SIGINT)
        elif kind == WORKER:
            assert worker is not None
            os.kill(worker, signal.SIGKILL)
        else:
            os.kill(coordinator, signal.SIGTERM if kind == TERM else signal.SIGKILL)
