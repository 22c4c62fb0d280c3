"""Runs of the command that benchmarks/faults.py kills: begun, halted, killed in every way, and what is left of them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks import fault_points as at
from benchmarks.fault_study import Place

ROOT = Path(__file__).resolve().parents[1]
COORDINATOR, WORKER, ALL = "SIGKILL of the coordinator", "SIGKILL of a worker", "SIGKILL of all"
TERM, CTRL_C = "SIGTERM", "Ctrl-C"
Ways = dict[str, Callable[[], object]]  # in which a run can be struck now: what does it, by kind


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


class Machine:
    """Where a storm is: worker processes of this machine, and stores in folders.

    `statuses` are the kinds of what it does, with those that a run may end with after each. `robbing` are the kinds
    that end no run but take a worker away from it, `most_robbed` times at most. `timed` is the share of the kills that
    are at a random time, not at a point, `unpassed` the points that nothing comes to here, `text` the study's file.
    """

    statuses: Mapping[str, tuple[int, ...]] = {
        COORDINATOR: (-9,), WORKER: (0,), ALL: (-9,), TERM: (143, -15), CTRL_C: (130, -2)
    }  # fmt: skip
    robbing: Sequence[str] = (WORKER,)
    most_robbed = 1
    timed = 0.25
    unpassed: Sequence[str] = ()

    def __init__(self, workers: int, text: str = Place.text) -> None:
        self.num_workers, self.text = workers, text

    def new_place(self, folder: Path) -> Place:
        """A new place in a folder."""
        return Place(folder, ("--workers", str(self.num_workers)), self.text)

    def ways(self, start: Start, process: int, robbed: bool, rng: random.Random) -> Ways:
        """In which ways a run can be struck now, one of whose processes is at a point; it may be robbed before."""
        coordinator, workers = start.process.pid, workers_of(start.process.pid)
        found: Ways = {COORDINATOR: partial(os.kill, coordinator, signal.SIGKILL)}
        if workers and not robbed:
            found[WORKER] = partial(os.kill, process if process in workers else rng.choice(workers), signal.SIGKILL)
        return found | {
            ALL: partial(os.killpg, coordinator, signal.SIGKILL),
            TERM: partial(os.kill, coordinator, signal.SIGTERM),
            CTRL_C: partial(os.killpg, coordinator, signal.SIGINT),  # a terminal's reaches every process of the command
        }

    def mend(self) -> None:
        """Have all that a run needs again."""

    def close(self) -> list[str]:
        """End it; what was left of it, in words."""
        return []
