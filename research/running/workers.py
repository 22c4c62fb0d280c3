"""What is missing -> worker processes -> the record. One coordinator hands out stacks; workers die with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from queue import Empty, SimpleQueue

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.plan import Stack, in_one_pass
from research.design.study_files import load_study
from research.design.task import StackResult, Task, check_result, study_files
from research.record.state import check_device
from research.record.system_errors import refused
from research.running.limits import MORE_MEMORY, check_memory, memory_kills

TRIES = 3  # how often a stack may take its worker down before it counts as failed
POLL_SECONDS = 0.25
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}

NEEDED = "they need /dev/shm, a TMPDIR with a short path and some open files each (ulimit -n)"

Job = tuple[Stack, ...]  # what trains in one pass, the longest horizon first

_pipe: Connection | None = None  # a worker's line to its coordinator


def _start_worker(pipe: Connection, files: Collection[str]) -> None:
    """Make this process a worker: deaf to signals to stop (the coordinator decides), gone with it.

    The study `files` define tasks of their own; what is sent to it is found there.
    """
    global _pipe
    _pipe = pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # at which Lightning, ignored or not, ends a training

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            pipe.recv()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    for file in files:
        load_study(file)


def _work(job: Job, devices: Collection[str], code: object) -> list[StackResult]:
    task, seeds = job[0].cell.task, job[0].seeds
    if code != task.identity(NUMERICS).get("code"):
        raise UserError(f"{job[0].cell.study}: its file was changed while it ran; run the same command again")
    assert _pipe is not None
    if devices:
        check_device(job[0].cell.experiment, devices, task.device())
    began, say = time.monotonic(), _pipe.send
    say((0.0, 0.0))  # whatever it last said of another job
    tasks = [stack.cell.task for stack in job]
    results = task.run_together(tasks, seeds, lambda share: say((share, time.monotonic() - began)))
    for each, result in zip(tasks, results, strict=True):
        check_result(each, seeds, result)
    return results


class Slot:
    """One worker: a pool of a single process, so that a death tells which job it was and disturbs no other.

    `job` is the one in work, None when idle, the last of `num_jobs`; `share` how much of it is done, which took
    `seconds`; `future` its results to come; `unwritten` how many stacks are trained and not recorded yet. Where
    `devices` are named, it must be on one of these classes.
    """

    future: Future[list[StackResult]]

    def __init__(self, context: ForkServerContext, devices: Collection[str] = (), files: Collection[str] = ()) -> None:
        self.context, self.devices, self.files = context, devices, files
        self.job: Job | None = None
        self.share = self.seconds = 0.0
        self.num_jobs = self.unwritten = 0
        self._open()

    def _open(self) -> None:
        self.pipe, theirs = self.context.Pipe()
        self.pool = ProcessPoolExecutor(1, self.context, _start_worker, (theirs, self.files))

    @property
    def is_free(self) -> bool:
        """Whether it shall get a job: once its last is recorded, and the second at once.

        The first comes back while the record is still being opened.
        """
        return self.job is None and (self.num_jobs < 2 or not self.unwritten)

    def start(self, job: Job) -> None:
        """Hand the worker a job."""
        self.job, self.share, self.seconds = job, 0.0, 0.0
        self.num_jobs += 1
        work = job, self.devices, job[0].cell.task.identity(NUMERICS).get("code")
        try:
            self.future = self.pool.submit(_work, *work)
        except BrokenProcessPool:  # the worker died while it was idle
            self.close()
            self._open()
            self.future = self.pool.submit(_work, *work)
        # Our end for writing: while it is open, the other half of a result is waited for though its worker is dead.
        self.pool._result_queue._writer.close()  # type: ignore[attr-defined]

    def listen(self) -> bool:
        """Whether the job has come to an end. Until then, bring `share` and `seconds` up to date."""
        with contextlib.suppress(EOFError, OSError):
            while self.pipe.poll():
                self.share, self.seconds = self.pipe.recv()
        return self.future.done()

    def take(self) -> tuple[Job, list[StackResult] | BaseException]:
        """The finished job with its results or what it raised. The slot is idle then, with a new worker if it died."""
        job, error = self.job, self.future.exception()
        assert job is not None
        self.job = None
        if isinstance(error, BrokenProcessPool):
            self.close()
            self._open()
        return job, error or self.future.result()

    def close(self) -> None:
        """End the worker, whatever it is doing."""
        self.pipe.close()
        self.pool.shutdown(wait=True, cancel_futures=True)


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


def warm_up(imports: Iterable[str] = ()) -> ForkServerContext:
    """Start the server that workers are forked from: its `imports` go on while the caller does other things."""
    os.environ.update(ONE_THREAD, CUBLAS_WORKSPACE_CONFIG=":4096:8")  # before any process imports torch
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["research.running.fork_server_guard", *imports])
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server inherits it: Ctrl-C is the coordinator's affair
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, ours)
    return context


@dataclass(frozen=True)
class Failure:
    """Why a stack could not be trained."""

    reason: str
    traceback: str = ""


Outcome = tuple[Stack, "StackResult | Failure"]  # what became of a stack


class Workers:
    """Worker processes that train stacks from the moment this is made; they end with the `with` block.

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
        number: int,
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
        self.slots: list[Slot] = []
        self.kills = memory_kills()
        if not open_end:
            self.no_more()
        if stacks or open_end:
            number = number if open_end else min(number, len(stacks))
            check_memory(number)
            with self._starting():
                context = warm_up(dict.fromkeys(name for task in tasks for name in task.imports))
                self.slots = [Slot(context, devices, study_files(tasks)) for _ in range(number)]
        self.thread = ThreadPoolExecutor(1)
        self.all_told = self.thread.submit(self._keep_busy)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.shutdown()
        for slot in self.slots:
            slot.close()

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
        with self._starting():
            self.all_told.result()  # raises what has gone wrong in the thread

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Raise UserError where the system lets no worker start."""
        try:
            yield
        except (EOFError, OSError) as error:  # the fork server ended, or is not to be had
            if reason := self._short_of_memory():
                raise UserError(f"no worker process can be started ({reason}); {MORE_MEMORY}") from error
            reason, _ = refused(error) or ("the process that starts them ended", "")
            raise UserError(f"no worker process can be started ({reason}); {NEEDED}") from error

    def _short_of_memory(self) -> str:
        """That the system killed for want of memory, if it did since this was made."""
        return "killed by the system for want of memory" if memory_kills() > self.kills else ""

    def _keep_busy(self) -> None:
        """Hand out stacks and take what became of them until there are no more."""
        try:
            while not self.ending.is_set():
                self.news.clear()
                complete = self.all_added.is_set()  # asked before what was added is taken
                self._take_added()
                for slot in self.slots:
                    self._tell(slot)
                    alone = any(one.job is not None and one.job[0].cell.task.runs_alone for one in self.slots)
                    if self.waiting and slot.is_free and not alone:
                        self._start(slot, self.waiting.pop(-1 if slot.num_jobs else 0))
                if not self.waiting and all(slot.job is None for slot in self.slots):
                    if self.alone and not any(slot.unwritten for slot in self.slots):
                        self._start(self.slots[0], self.alone.pop(0))
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
        if isinstance(outcome, UserError):
            raise outcome
        results: Sequence[StackResult | Failure]
        if not isinstance(outcome, BaseException):
            results = outcome
        elif not isinstance(outcome, BrokenProcessPool):
            results = [Failure(f"{type(outcome).__name__}: {outcome}", str(outcome.__cause__ or ""))] * len(job)
        elif self.deaths[job[0].key] < TRIES - 1:
            self.deaths[job[0].key] += 1
            (self.alone if job[0].cell.task.runs_alone else self.waiting).append(job)
            return
        else:
            why = self._short_of_memory() or "perhaps for want of memory"
            results = [Failure(f"its worker process died {TRIES} times, {why}")] * len(job)
        slot.unwritten += len(job)
        for told in zip(job, results, strict=True):
            self.told.put((slot, told))
