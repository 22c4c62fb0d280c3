"""What a worker of a Dask cluster does: it has a process of its own for each job, and ends it when nobody wants it.

So a study computes there as on one machine, on one thread each, and can be ended amid a training.
"""

from __future__ import annotations

import pickle
import tempfile
import threading
import traceback
from collections.abc import Collection, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache
from pathlib import Path

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.study_files import load_study
from research.design.task import StackResult, Task, prepare_all
from research.record.environment import computing, cpu_class
from research.running.processes import Worker, spawning, work
from research.running.workers import POLL_SECONDS, Failure, Job, WorkerLost

CPU = "CPU class"
IDLE_SECONDS = 10  # after which a process that nothing is asked of ends


class Child(Worker):
    """A process of a worker of the cluster, with a folder for the study's files; once idle it ends after a while."""

    idle: dict[str, list[Child]] = {}  # noqa: RUF012 - by study, of all that this worker has
    lock = threading.Lock()

    def __init__(self, place: str) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=place)
        super().__init__(spawning())

    @classmethod
    def taken(cls, topic: str, place: str) -> Child:
        """One that is idle, or a new one."""
        with cls.lock:
            if idle := cls.idle.get(topic):
                idle[-1].timer.cancel()
                return idle.pop()
        return cls(place)

    def rest(self, topic: str) -> None:
        """Be idle."""
        self.timer = threading.Timer(IDLE_SECONDS, self.retire, (topic,))
        self.timer.daemon = True
        with self.lock:
            self.idle.setdefault(topic, []).append(self)
        self.timer.start()

    def retire(self, topic: str) -> None:
        """End, if nothing was asked meanwhile."""
        with self.lock:
            if self not in self.idle.get(topic, []):
                return
            self.idle[topic].remove(self)
        self.close()

    def close(self) -> None:
        super().close()
        self.folder.cleanup()


def perform(topic: str, name: str, demands: bytes, call: bytes) -> bytes:
    """A task of Dask's: have a process make the call, tell how far it is, and end it where nobody wants the result."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    child = Child.taken(topic, worker.local_directory)
    news = threading.Event()
    try:
        future = child.submit(attend, child.folder.name, demands, call)
        future.add_done_callback(lambda _: news.set())
        while not news.wait(POLL_SECONDS):
            if said := child.said():
                worker.log_event(topic, (name, *said))
            task = worker.state.tasks.get(key)
            if worker.status.name not in ("running", "paused") or task is None or task.state != "executing":
                child.close()
                return b""
        answer: bytes = future.result()
    except BrokenProcessPool:
        child.close()
        return pickle.dumps(WorkerLost("its process died"))
    child.rest(topic)
    return answer


def attend(folder: str, demands: bytes, call: bytes) -> bytes:
    """In a process of a worker: what a call comes to, pickled, or what it raised in words."""
    outcome: object
    try:
        make_fit(folder, demands)
        function, arguments = pickle.loads(call)
        outcome = function(*arguments)
    except UserError as error:
        outcome = error
    except Exception as error:  # noqa: BLE001 - whatever a task raises
        outcome = Failure(f"{type(error).__name__}: {error}", traceback.format_exc())
    return pickle.dumps(outcome)


@cache
def make_fit(folder: str, demands: bytes) -> None:
    """Load the study's files. Raises UserError where this process would not compute the coordinator's numbers."""
    needed, files, studies = pickle.loads(demands)
    here = computing() | {CPU: cpu_class()}
    for name, wanted in needed.items():
        if here.get(name) != wanted:
            hint = "; --any-cpu admits it" if name == CPU else ""
            raise UserError(f"its {name} is {here.get(name)}, the coordinator's {wanted}{hint}")
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    for name in studies:
        load_study(str(Path(folder, name)))


def made_ready(tasks: Collection[tuple[Task, Mapping[str, object]]]) -> frozenset[str]:
    """Fetch the data of tasks; the classes of device on which they would run here.

    Raises UserError where the data, or the code, are not those of the coordinator's tasks.
    """
    prepare_all(task for task, _ in tasks)
    for task, identity in tasks:
        if task.identity(NUMERICS) != identity:
            raise UserError(f"its code or data of {type(task).__name__} are not the coordinator's")
    return frozenset(task.device() for task, _ in tasks)


def worked(job: Job, devices: Collection[str], code: object) -> list[StackResult]:
    """What a job comes to, with the class of CPU that it was done on."""
    return [replace(result, cpu=cpu_class()) for result in work(job, devices, code)]
