"""A Dask cluster of processes of this machine and a PostgreSQL server, all of which a storm kills and cuts off."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import fault_points as at
from benchmarks import fault_walk
from benchmarks.dask_lab import SCHEDULER, Lab
from benchmarks.fault_runs import COORDINATOR, CTRL_C, ROOT, TERM, WORKER, Start, Ways, processes
from benchmarks.fault_study import Place, SharedPlace
from benchmarks.postgres_server import Server
from research.running.cluster_worker import IDLE_SECONDS

LOST, TRAINER = "SIGKILL of a worker's machine", "SIGKILL of a worker's process"
NO_SCHEDULER = "SIGKILL of the scheduler"
NO_DATABASE, NEW_DATABASE = "stop of the database until the run has ended", "stop and start of the database"
CUT_WORKER, CUT_SCHEDULER, CUT_DATABASE = "cut of a worker", "cut from the scheduler", "cut from the database"
CHUNK = 65536
START_SECONDS = 30  # in which a worker finds the scheduler, or ends: Dask's own would wait for ever


class Wire:
    """A port of this machine that leads to another one, until it is cut."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ends = set[socket.socket]()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                self.ends |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(CHUNK):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        self.ends.discard(one)
        one.close()

    def cut(self) -> None:
        """End all connections; new ones can be made."""
        for end in list(self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections, for good."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


class Cluster:
    """Where a storm is: so many workers of a Dask cluster, and a record in PostgreSQL; see `fault_runs.Machine`.

    Coordinator and workers reach the scheduler, and the coordinator the database, by wires. `grace` is for how many
    seconds processes may outlive what they were for.
    """

    statuses: Mapping[str, tuple[int, ...]] = {
        COORDINATOR: (-9,), TERM: (143, -15), CTRL_C: (130, -2), WORKER: (0,), LOST: (0,), TRAINER: (0,),
        CUT_WORKER: (0,), NO_SCHEDULER: (2,), CUT_SCHEDULER: (2,), NO_DATABASE: (2,), NEW_DATABASE: (2,),
        CUT_DATABASE: (2,),
    }  # fmt: skip
    robbing: Sequence[str] = (WORKER, LOST, TRAINER, CUT_WORKER)
    most_robbed = 2  # a stack that takes three workers down has failed
    timed = 0.5
    text = Path(fault_walk.__file__).read_text()
    unpassed: Sequence[str] = (at.GOT_JOB, at.TRAINING, at.RESULT)

    def __init__(self, folder: Path, workers: int, grace: float = 5.0) -> None:
        self.num_workers, self.grace = workers, grace
        folder.mkdir(parents=True)
        self.numbers, self.stores = count(1), count(1)
        self.database = Server()
        os.environ["PGPASSFILE"] = str(self.database.passwords)
        self.to_database = Wire(self.database.port)
        self.lab = Lab(folder)
        self.port = int(self.lab.address.rpartition(":")[2])
        self.to_scheduler = Wire(self.port)
        self.wires: dict[str, Wire] = {}  # from each worker to the scheduler
        self.gone: dict[str, int] = {}  # the sessions of workers that were given up
        self.is_up = True
        self.mend()

    def new_place(self, folder: Path) -> Place:
        """A new place in a folder, with a new database."""
        direct = self.database.new(f"storm{next(self.stores)}")
        wired = direct.replace(f":{self.database.port}/", f":{self.to_database.port}/")
        trainers = ("--cluster", f"tcp://127.0.0.1:{self.to_scheduler.port}")
        return SharedPlace(folder, trainers, self.text, wired, direct)

    def ways(self, start: Start, _: int, robbed: bool, rng: random.Random) -> Ways:
        """In which ways a run can be struck now; it loses the scheduler or workers only where it has use for them."""
        coordinator = start.process.pid
        found: Ways = {
            COORDINATOR: partial(os.kill, coordinator, signal.SIGKILL),
            TERM: partial(os.kill, coordinator, signal.SIGTERM),
            CTRL_C: partial(os.killpg, coordinator, signal.SIGINT),
            NO_DATABASE: self._stop_database,
            NEW_DATABASE: self._restart_database,
            CUT_DATABASE: self.to_database.cut,
        }
        begun = {key for _, key in start.log("begun")}
        if begun:
            found |= {NO_SCHEDULER: partial(self.lab.kill, SCHEDULER), CUT_SCHEDULER: self.to_scheduler.cut}
        if begun - {key for _, key in start.log("trained")} and not robbed:
            name = rng.choice(list(self.wires))
            found |= {LOST: partial(self._replace, name, True), CUT_WORKER: partial(self._replace, name, False)}
            if (worker := self._worker(name)) is not None:
                found[WORKER] = partial(os.kill, worker, signal.SIGKILL)  # its nanny starts it again
                if trainers := _children(worker):
                    found[TRAINER] = partial(os.kill, rng.choice(trainers), signal.SIGKILL)
        return found

    def mend(self) -> None:
        """Have the database, the scheduler and all workers again."""
        if not self.is_up:
            self.database.start()
            self.is_up = True
        if SCHEDULER not in self.lab.processes:
            for name in list(self.wires):
                self._give_up(name)
            self.lab.start_scheduler(self.port)
            self.lab.wait_for(SCHEDULER, "Scheduler at:")
        for name in [name for name in self.wires if self.lab.processes[name].poll() is not None]:
            self._give_up(name)
        while len(self.wires) < self.num_workers:
            self._add()
        for name in self.wires:
            self.lab.wait_for(name, "Registered to")

    def close(self) -> list[str]:
        """End it; what was left of processes, in words, once they have had their time."""
        self.mend()
        end = time.monotonic() + max(IDLE_SECONDS, START_SECONDS) + self.grace
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.1)
        self.lab.close()
        for wire in (*self.wires.values(), self.to_scheduler, self.to_database):
            wire.close()
        self.database.close()
        return left

    def _left(self) -> list[str]:
        """What trains though nobody asked for it, and what is left of workers that were given up, in words."""
        sessions = {int(fields[3]) for fields in processes().values()}
        lost = [f"processes of {name}" for name, session in self.gone.items() if session in sessions]
        workers = {name: self._worker(name) for name in self.wires}
        busy = [name for name, worker in workers.items() if worker is not None and _children(worker)]
        return [*lost, *(f"a process of {name}, which has nothing to do" for name in busy)]

    def _stop_database(self) -> None:
        self.database.stop()
        self.is_up = False

    def _restart_database(self) -> None:
        self.database.stop()
        self.database.start()

    def _add(self) -> None:
        """Start a worker with a wire of its own, which ends itself if it is cut before it is known to the scheduler."""
        name = f"worker-{next(self.numbers)}"
        self.wires[name] = Wire(self.port)
        address = f"tcp://127.0.0.1:{self.wires[name].port}"
        self.lab.start_worker(name, "--death-timeout", str(START_SECONDS), address=address, PYTHONPATH=str(ROOT))

    def _replace(self, name: str, killed: bool) -> None:
        """Take a worker away, with all of its processes or by a cut, after which it ends itself; start another."""
        if killed:
            os.killpg(self.lab.processes[name].pid, signal.SIGKILL)
        self._give_up(name)
        self._add()

    def _give_up(self, name: str) -> None:
        """Cut a worker off for good; what then becomes of its processes is for itself to see to."""
        self.wires.pop(name).close()
        self.gone[name] = self.lab.processes[name].pid

    def _worker(self, name: str) -> int | None:
        """The process of a worker: the child of its nanny that is no tracker of resources."""
        found = _children(self.lab.processes[name].pid)
        return found[0] if found else None


def _children(parent: int) -> list[int]:
    """The children of a process that do the work, so all but multiprocessing's tracker of resources."""
    found = []
    for number, fields in processes().items():
        with contextlib.suppress(OSError):
            if int(fields[1]) == parent and b"resource_tracker" not in Path(f"/proc/{number}/cmdline").read_bytes():
                found.append(number)
    return found
