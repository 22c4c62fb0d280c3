"""Jobs -> worker processes of this machine -> their results. They die with the process that has started them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.study_files import load_study
from research.design.task import StackResult, Task, check_result, prepare_all, study_files
from research.record.state import check_device
from research.record.system_errors import refused
from research.running.limits import MORE_MEMORY, check_memory, memory_kills
from research.running.workers import Executor, Failure, Job, Slot, WorkerLost

NEEDED = "they need /dev/shm, a TMPDIR with a short path and some open files each (ulimit -n)"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}

_pipe: Connection | None = None  # a worker's line to the process that has started it


def _start_worker(pipe: Connection, files: Collection[str]) -> None:
    """Make this process a worker: deaf to signals to stop (the coordinator decides), gone with who started it.

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


def code_of(job: Job) -> object:
    """The digest of the code of a job's tasks, where a study file defines them."""
    return job[0].cell.task.identity(NUMERICS).get("code")


def work(job: Job, devices: Collection[str], code: object) -> list[StackResult]:
    """What a job comes to, in a worker. It must be of this code, and on one of the devices if any are named."""
    task, seeds = job[0].cell.task, job[0].seeds
    if code != code_of(job):
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


class Worker:
    """One worker process: a pool of a single one, so that a death tells which job it was and disturbs no other."""

    def __init__(self, context: ForkServerContext | SpawnContext, files: Collection[str] = ()) -> None:
        self.pipe, theirs = context.Pipe()
        self.pool = ProcessPoolExecutor(1, context, _start_worker, (theirs, files))

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Have it call a function. Raises BrokenProcessPool if it died while it was idle."""
        future = self.pool.submit(function, *arguments)
        # Our end for writing: while it is open, the other half of a result is waited for though its worker is dead.
        self.pool._result_queue._writer.close()  # type: ignore[attr-defined]
        return future

    def said(self) -> tuple[float, float] | None:
        """The share that is done of its job and the seconds that it took, if it has said so since it was last asked."""
        last = None
        with contextlib.suppress(EOFError, OSError):
            while self.pipe.poll():
                last = self.pipe.recv()
        return last

    def close(self) -> None:
        """End it, whatever it is doing."""
        self.pipe.close()
        self.pool.shutdown(wait=True, cancel_futures=True)


class ProcessSlot(Slot):
    """A worker process, and a new one when it has died."""

    def __init__(self, processes: Processes, context: ForkServerContext, files: Collection[str] = ()) -> None:
        super().__init__()
        self.processes, self.context, self.files = processes, context, files
        self.worker = Worker(context, files)

    def _submit(self, job: Job) -> Future[Any]:
        with self.processes.starting():
            try:
                return self.worker.submit(work, job, self.processes.devices, code_of(job))
            except BrokenProcessPool:  # it died while it was idle
                self._renew()
                return self.worker.submit(work, job, self.processes.devices, code_of(job))

    def listen(self) -> bool:
        self.share, self.seconds = self.worker.said() or (self.share, self.seconds)
        return self.future.done()

    def _outcome(self, job: Job) -> list[StackResult] | Failure | WorkerLost:
        error = self.future.exception()
        if isinstance(error, BrokenProcessPool):
            with self.processes.starting():
                self._renew()
            return WorkerLost(self.processes.short_of_memory())
        if isinstance(error, UserError):
            raise error
        if error is not None:
            return Failure(f"{type(error).__name__}: {error}", str(error.__cause__ or ""))
        found: list[StackResult] = self.future.result()
        return found

    def _renew(self) -> None:
        self.worker.close()
        self.worker = Worker(self.context, self.files)


class Processes(Executor):
    """Worker processes of this machine, so many at most."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.devices: Collection[str] = ()
        self.opened: list[ProcessSlot] = []
        self.kills = memory_kills()

    def prepare(self, tasks: Collection[Task]) -> None:
        prepare_all(tasks)

    def open(self, tasks: Collection[Task], devices: Collection[str], most: int | None) -> None:
        number = self.number if most is None else min(self.number, most)
        check_memory(number)
        self.devices = devices
        with self.starting():
            context = warm_up(dict.fromkeys(name for task in tasks for name in task.imports))
            self.opened = [ProcessSlot(self, context, study_files(tasks)) for _ in range(number)]

    def slots(self) -> list[Slot]:
        return list(self.opened)

    def close(self) -> None:
        for slot in self.opened:
            slot.worker.close()
        self.opened = []

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Raise UserError where the system lets no worker start."""
        try:
            yield
        except (EOFError, OSError) as error:  # the fork server ended, or is not to be had
            if reason := self.short_of_memory():
                raise UserError(f"no worker process can be started ({reason}); {MORE_MEMORY}") from error
            reason, _ = refused(error) or ("the process that starts them ended", "")
            raise UserError(f"no worker process can be started ({reason}); {NEEDED}") from error

    def short_of_memory(self) -> str:
        """That the system killed for want of memory, if it did since this was made."""
        return "killed by the system for want of memory" if memory_kills() > self.kills else ""


def one_thread_each() -> None:
    """Have the processes that are started from now on compute with one thread, whose results repeat on a GPU too."""
    os.environ.update(ONE_THREAD, CUBLAS_WORKSPACE_CONFIG=":4096:8")  # before any process imports torch


def spawning() -> SpawnContext:
    """How processes are started by a worker of a cluster, from any thread of it."""
    one_thread_each()
    multiprocessing.current_process().daemon = False  # as its nanny has started it, it could have none
    return multiprocessing.get_context("spawn")


def warm_up(imports: Iterable[str] = ()) -> ForkServerContext:
    """Start the server that workers are forked from: its `imports` go on while the caller does other things."""
    one_thread_each()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["research.running.fork_server_guard", *imports])
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server inherits it: Ctrl-C is the coordinator's affair
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, ours)
    return context
