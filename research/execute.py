"""What is missing -> worker processes -> the record. One coordinator hands out stacks; workers die with it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from research.plan import Stack

if TYPE_CHECKING:
    from research.train import StackResult

TRIES = 3  # how often a stack may take its worker down before it counts as failed
POLL_SECONDS = 0.25
PILE = 10  # outcomes for each worker that may wait to be written: where writing takes longer than training
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}

_pipe: Connection | None = None  # a worker's line to its coordinator


def _start_worker(pipe: Connection) -> None:
    """Make this process a worker: one thread, deaf to Ctrl-C (the coordinator decides), gone with its coordinator."""
    global _pipe
    _pipe = pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            pipe.recv()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _work(stack: Stack) -> StackResult:
    from research.train import train_stack

    assert _pipe is not None
    _pipe.send(0.0)  # whatever it last said of another stack
    return train_stack(stack.cell.config, stack.seeds, _pipe.send)


class Slot:
    """One worker: a pool of a single process, so that a death tells which stack it was and disturbs no other.

    `stack` is the one in work, None when idle; `share` how much of it is done; `future` its result to come.
    """

    future: Future[StackResult]

    def __init__(self, context: ForkServerContext) -> None:
        self.context = context
        self.stack: Stack | None = None
        self.share = 0.0
        self._open()

    def _open(self) -> None:
        self.pipe, theirs = self.context.Pipe()
        self.pool = ProcessPoolExecutor(1, self.context, _start_worker, (theirs,))

    def start(self, stack: Stack) -> None:
        """Hand the worker a stack."""
        self.stack, self.share = stack, 0.0
        try:
            self.future = self.pool.submit(_work, stack)
        except BrokenProcessPool:  # the worker died while it was idle
            self.close()
            self._open()
            self.future = self.pool.submit(_work, stack)

    def listen(self) -> bool:
        """Whether the stack has come to an end. Until then, bring `share` up to date."""
        with contextlib.suppress(EOFError, OSError):
            while self.pipe.poll():
                self.share = self.pipe.recv()
        return self.future.done()

    def take(self) -> tuple[Stack, StackResult | BaseException]:
        """The finished stack with its result or what it raised. The slot is idle then, with a new worker if it died."""
        stack, error = self.stack, self.future.exception()
        assert stack is not None
        self.stack = None
        if isinstance(error, BrokenProcessPool):
            self.close()
            self._open()
        return stack, error or self.future.result()

    def close(self) -> None:
        """End the worker, whatever it is doing."""
        self.pipe.close()
        self.pool.shutdown(wait=True, cancel_futures=True)


class Stopped(Exception):
    """The user asked to stop (Ctrl-C or SIGTERM). Nothing was left half-written."""

    def __init__(self, signal_number: int) -> None:
        self.status = 128 + signal_number


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], None]]:
    """While the block runs, SIGINT and SIGTERM only take effect where the given function is called: between writes."""
    received: list[int] = []
    previous = {n: signal.signal(n, lambda n, _: received.append(n)) for n in (signal.SIGINT, signal.SIGTERM)}

    def check() -> None:
        if received:
            raise Stopped(received[0])

    try:
        yield check
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def warm_up() -> ForkServerContext:
    """Start the server that workers are forked from: its heavy imports go on while the caller does other things."""
    os.environ.update(ONE_THREAD, CUBLAS_WORKSPACE_CONFIG=":4096:8")  # before any process imports torch
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["research.train"])
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


class Workers:
    """Worker processes that train stacks, longest first, from the moment this is made; they end with the `with` block.

    A thread hands the stacks out, so that no worker waits while the caller writes down what others have finished.
    """

    def __init__(self, stacks: list[Stack], number: int) -> None:
        # The longest last, where pop() takes it; of equal ones the first of the plan.
        self.waiting = sorted(reversed(stacks), key=lambda stack: stack.nominal_seconds)
        self.deaths: Counter[str] = Counter()
        self.told: SimpleQueue[tuple[Stack, StackResult | Failure] | None] = SimpleQueue()  # None is the last
        self.ending = threading.Event()
        self.slots: list[Slot] = []
        if stacks:
            context = warm_up()
            self.slots = [Slot(context) for _ in range(min(number, len(stacks)))]
        self.thread = ThreadPoolExecutor(1)
        self.all_told = self.thread.submit(self._keep_busy)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.thread.shutdown()
        for slot in self.slots:
            slot.close()

    def outcomes(
        self,
        progress: Callable[[dict[str, float]], None] = lambda _: None,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Stack, StackResult | Failure]]:
        """What became of each stack. What one stack raises, or a worker that dies with it, does not stop the others.

        `progress` is called now and then with the share that is done of each stack in work, by its key; `check` between
        outcomes: it raises Stopped when the user has asked to stop. What is finished is told all the same.
        """
        while True:
            with contextlib.suppress(Empty):
                outcome = self.told.get(timeout=POLL_SECONDS)
                if outcome is None:
                    break
                yield outcome
            progress({stack.key: slot.share for slot in self.slots if (stack := slot.stack)})
            try:
                check()
            except Stopped:
                self.ending.set()
                yield from iter(self.told.get, None)
                raise
        self.all_told.result()  # raises what has gone wrong in the thread

    def _keep_busy(self) -> None:
        """Hand out stacks and take what became of them until there are no more."""
        try:
            while not self.ending.is_set():
                for slot in self.slots:
                    if outcome := self._outcome(slot):
                        self.told.put(outcome)
                    if self.waiting and slot.stack is None and self.told.qsize() < PILE * len(self.slots):
                        slot.start(self.waiting.pop())
                at_work = [slot.future for slot in self.slots if slot.stack]
                if at_work:
                    wait(at_work, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                elif self.waiting:
                    self.ending.wait(POLL_SECONDS)
                else:
                    break
        finally:
            self.told.put(None)

    def _outcome(self, slot: Slot) -> tuple[Stack, StackResult | Failure] | None:
        """What became of a slot's stack, if it has come to an end. One that took its worker down is tried again."""
        if slot.stack is None or not slot.listen():
            return None
        stack, outcome = slot.take()
        if not isinstance(outcome, BaseException):
            return stack, outcome
        if not isinstance(outcome, BrokenProcessPool):
            return stack, Failure(f"{type(outcome).__name__}: {outcome}", str(outcome.__cause__ or ""))
        if self.deaths[stack.key] < TRIES - 1:
            self.deaths[stack.key] += 1
            self.waiting.append(stack)
            return None
        return stack, Failure(f"its worker process died {TRIES} times, perhaps for want of memory")
