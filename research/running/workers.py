"""What is missing -> workers -> the record: who gets which stack, wherever it is trained."""

from __future__ import annotations

import contextlib
import signal
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from research.design.plan import Stack, in_one_pass
from research.design.task import StackResult, Task

TRIES = 3  # how often a stack may take its worker down before it counts as failed
POLL_SECONDS = 0.25

Job = tuple[Stack, ...]  # what trains in one pass, the longest horizon first


class WorkerLost(Exception):
    """A worker is gone with its job, which another one can do as well."""


@dataclass(frozen=True)
class Failure:
    """Why a stack could not be trained."""

    reason: str
    traceback: str = ""


Outcome = tuple[Stack, StackResult | Failure]  # what became of a stack


class Slot(ABC):
    """What does one job at a time, wherever that is.

    `job` is the one in work, None when idle, the last of `num_jobs`; `share` how much of it is done, which took
    `seconds`; `future` is done when it has come to an end; `unwritten` how many stacks are trained and not recorded
    yet.
    """

    future: Future[Any]

    def __init__(self) -> None:
        self.job: Job | None = None
        self.share = self.seconds = 0.0
        self.num_jobs = self.unwritten = 0

    @property
    def is_free(self) -> bool:
        """Whether it shall get a job: once its last is recorded, and the second at once.

        The first comes back while the record is still being opened.
        """
        return self.job is None and (self.num_jobs < 2 or not self.unwritten)

    def start(self, job: Job) -> None:
        """Begin with a job."""
        self.job, self.share, self.seconds = job, 0.0, 0.0
        self.num_jobs += 1
        self.future = self._submit(job)

    def take(self) -> tuple[Job, list[StackResult] | Failure | WorkerLost]:
        """The job that has come to an end, and what it came to; the slot is idle then.

        Raises what is no fault of the job's alone: a UserError, since the others would come to the same.
        """
        job = self.job
        assert job is not None
        self.job = None
        return job, self._outcome(job)

    @abstractmethod
    def listen(self) -> bool:
        """Whether the job has come to an end. Until then, bring `share` and `seconds` up to date."""

    @abstractmethod
    def _submit(self, job: Job) -> Future[Any]:
        """Hand the job to the worker."""

    @abstractmethod
    def _outcome(self, job: Job) -> list[StackResult] | Failure | WorkerLost:
        """What has become of the job."""


class Executor(ABC):
    """Where stacks are trained: processes of this machine, or a cluster. `number` is how many jobs it does at a time.

    It is prepared before the store is touched, and closed once.
    """

    number: int

    @abstractmethod
    def prepare(self, tasks: Collection[Task]) -> None:
        """Make sure that these tasks can be run, with their data. Raises UserError where they cannot."""

    @abstractmethod
    def open(self, tasks: Collection[Task], devices: Collection[str], most: int | None) -> None:
        """Be ready for jobs of these tasks, at most so many, on one of these classes of device if any are named."""

    @abstractmethod
    def slots(self) -> list[Slot]:
        """Its slots as they are now. One that is lost is among them until what became of its job is taken.

        Raises UserError where no job can be done any more.
        """

    @abstractmethod
    def close(self) -> None:
        """End its work, whatever it is doing."""


class Stopped(KeyboardInterrupt):
    """The user asked to stop (Ctrl-C or SIGTERM). Nothing was left half-written."""

    def __init__(self, signal_number: int) -> None:
        self.status = 128 + signal_number


def stop_at_once(number: int, _: object = None) -> None:
    """Raise Stopped, as a handler of SIGINT and SIGTERM. Further ones have nothing more to say: they are ignored."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], None]]:
    """While the block runs, SIGINT and SIGTERM take effect only where the given function is called, and at its end."""
    received: list[int] = []
    previous = {n: signal.signal(n, lambda n, _: received.append(n)) for n in (signal.SIGINT, signal.SIGTERM)}

    def check() -> None:
        if received:
            stop_at_once(received[0])

    try:
        yield check
        check()
    finally:
        if not received:
            for number, handler in previous.items():
                signal.signal(number, handler)


class Workers:
    """Hands stacks to the slots of an executor from the moment this is made; it is closed with the `with` block.

    Each begins with one of the shortest, as an early sign of life; then the longest come first. Stacks that differ only
    in their horizon train in one pass. A thread hands them out, to a worker the next once the caller has taken up what
    the last came to: no worker waits for another, and a kill costs each no more than one pass, and the short first one
    where it comes before that is recorded. With `open_end` it waits for more (`add`) until `no_more` is said.
    Nothing is trained where the class of device is not among `devices`, if there are any. What must run alone comes
    last, one after the other. `tasks` are all that may come, where that is more than the stacks have.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        executor: Executor,
        open_end: bool = False,
        devices: Collection[str] = (),
        tasks: Collection[Task] = (),
    ) -> None:
        tasks = tasks or [stack.cell.task for stack in stacks]
        self.waiting: list[Job] = []
        self.alone: list[Job] = []
        self.added: SimpleQueue[Sequence[Stack]] = SimpleQueue()
        self.added.put(stacks)
        self.all_added = threading.Event()
        self.deaths: Counter[str] = Counter()
        self.told: SimpleQueue[tuple[Slot, Outcome] | None] = SimpleQueue()  # None is the last
        self.news = threading.Event()  # a job has ended or was recorded, others were added
        self.ending = threading.Event()
        self.executor = executor
        self.slots: list[Slot] = []
        if not open_end:
            self.no_more()
        if stacks or open_end:
            executor.open(tasks, devices, None if open_end else len(stacks))
            self.slots = executor.slots()
        self.thread = ThreadPoolExecutor(1)
        self.all_told = self.thread.submit(self._keep_busy)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.shutdown()
        self.executor.close()

    @property
    def number(self) -> int:
        """How many stacks are trained at a time."""
        return self.executor.number

    def add(self, stacks: Sequence[Stack]) -> None:
        """Let these be trained too."""
        self.added.put(stacks)
        self.news.set()

    def no_more(self) -> None:
        """Say that none will be added."""
        self.all_added.set()
        self.news.set()

    def outcomes(
        self,
        progress: Callable[[dict[str, tuple[float, float]]], None] = lambda _: None,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[Outcome]:
        """What became of each stack, which is taken for recorded when the next is asked for.

        What one stack raises, or a worker that dies with it, does not stop the others.

        `progress` is called now and then with the share that is done of each stack in work, and the seconds that it
        took, by its key; `check` between outcomes: it raises Stopped when the user has asked to stop. What is finished
        is told all the same.

        Raises what goes wrong in handing out, and the UserError of a worker: there is no use in trying the others.
        """
        while True:
            with contextlib.suppress(Empty):
                told = self.told.get(timeout=POLL_SECONDS)
                if told is None:
                    break
                slot, outcome = told
                yield outcome
                slot.unwritten -= 1
                self.news.set()
            progress({job[0].key: (slot.share, slot.seconds) for slot in self.slots if (job := slot.job)})
            try:
                check()
            except Stopped:
                self.ending.set()
                yield from (outcome for _, outcome in iter(self.told.get, None))
                raise
        check()  # a signal may have reached the workers too
        self.all_told.result()  # raises what has gone wrong in the thread

    def _keep_busy(self) -> None:
        """Hand out stacks and take what became of them until there are no more."""
        try:
            while not self.ending.is_set():
                self.news.clear()
                complete = self.all_added.is_set()  # asked before what was added is taken
                self._take_added()
                self.slots = self.executor.slots()
                for slot in self.slots:
                    self._tell(slot)
                    alone = any(one.job is not None and one.job[0].cell.task.runs_alone for one in self.slots)
                    if self.waiting and slot.is_free and not alone:
                        self._start(slot, self.waiting.pop(-1 if slot.num_jobs else 0))
                if not self.waiting and all(slot.job is None for slot in self.slots):
                    free = [slot for slot in self.slots if slot.is_free and not slot.unwritten]
                    if self.alone and free and len(free) == len(self.slots):
                        self._start(free[0], self.alone.pop(0))
                    elif complete and not self.alone:
                        break
                self.news.wait(POLL_SECONDS)
        finally:
            self.told.put(None)

    def _start(self, slot: Slot, job: Job) -> None:
        slot.start(job)
        slot.future.add_done_callback(lambda _: self.news.set())

    def _take_added(self) -> None:
        """Put what was added where it is waited for: the longest last, of equal ones the first of the plan."""
        with contextlib.suppress(Empty):
            while True:
                every = in_one_pass(self.added.get_nowait())
                jobs = [job for job in every if not job[0].cell.task.runs_alone]
                self.alone += [job for job in every if job[0].cell.task.runs_alone]
                self.waiting = sorted([*reversed(jobs), *self.waiting], key=lambda job: job[0].nominal_seconds)

    def _tell(self, slot: Slot) -> None:
        """Tell what became of a slot's job, if it has come to an end. One that took its worker down is tried again."""
        if slot.job is None or not slot.listen():
            return
        job, outcome = slot.take()
        if isinstance(outcome, WorkerLost):
            self.deaths[job[0].key] += 1
            if self.deaths[job[0].key] < TRIES:
                (self.alone if job[0].cell.task.runs_alone else self.waiting).append(job)
                return
            outcome = Failure(f"its worker process died {TRIES} times, {outcome or 'perhaps for want of memory'}")
        results: Sequence[StackResult | Failure] = [outcome] * len(job) if isinstance(outcome, Failure) else outcome
        slot.unwritten += len(job)
        for told in zip(job, results, strict=True):
            self.told.put((slot, told))
