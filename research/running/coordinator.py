"""One coordinator: what is missing is trained by workers and recorded as it comes in, with live progress."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

from research.design.plan import Plan, Stack
from research.design.task import Task
from research.design.trials import objective, trial_scatter, trial_value
from research.design.wording import metric_label
from research.record.any_store import AnyStore
from research.record.environment import environment
from research.record.search_trials import trials_to_come
from research.record.state import Run
from research.running.progress import Progress
from research.running.searches import Searches
from research.running.workers import Executor, Failure, Stopped, Workers, stop_signals

BREATH = 5.0  # seconds from one telling to the next, at the least
MOST_TELLING = 0.02  # of the time: meanwhile nothing is recorded, and workers may wait

if TYPE_CHECKING:
    from research.design.task import StackResult
    from research.record.recorder import Recorder


def train(
    store: AnyStore,
    plan: Plan,
    missing: list[Stack],
    executor: Executor,
    redo: bool,
    devices: Collection[str] = (),
    meanwhile: Callable[[], object] = lambda: None,
    tell: Callable[[], list[str]] = list,
) -> dict[str, str]:
    """Train and record the missing stacks with live progress; the reasons of those that failed, by key.

    The record is opened while the first stacks train, and checked for whatever might keep it from taking them. The
    stacks of a tuned cell are trained once its search has found the winner. `devices` are the classes of device that
    the record is from. `meanwhile` is called beside it, while stacks train; `tell` now and then, when some are
    recorded: it gives lines to print.
    """
    environment()  # of the code as it is imported
    tuned = [stack for stack in missing if stack.cell.tuning]
    others = [stack for stack in missing if not stack.cell.tuning]
    with (
        stop_signals() as check,
        Workers(others, executor, bool(tuned), devices, [cell.task for cell in plan.cells]) as at_work,
    ):
        from research.record.mlflow_database import import_mlflow, writing

        import_mlflow()
        from research.record.recorder import Recorder

        with writing(store), ThreadPoolExecutor(1) as beside:
            recorder = Recorder(store, plan, redo)
            try:
                check()
                coordinator = Coordinator(recorder, at_work, missing, tell)
                if missing:
                    beside.submit(meanwhile)  # what it raises is raised again where its work is needed
                return coordinator.record(check)
            except Stopped:
                recorder.stop()
                raise
            finally:
                recorder.close()


class Seldom:
    """Asks for news where enough time has passed since it last did, so that asking takes little of the whole time."""

    def __init__(self, ask: Callable[[], list[str]]) -> None:
        self.ask, self.next = ask, monotonic() + BREATH

    def __call__(self) -> list[str]:
        """The news; none where it is too early to ask."""
        if (began := monotonic()) < self.next:
            return []
        news = self.ask()
        ended = monotonic()
        self.next = ended + max(BREATH, (ended - began) / MOST_TELLING)
        return news


class Coordinator:
    """Records what becomes of the missing stacks of a plan; those of tuned cells follow their searches."""

    def __init__(
        self, recorder: Recorder, at_work: Workers, missing: list[Stack], tell: Callable[[], list[str]] = list
    ) -> None:
        self.recorder, self.at_work, self.tell = recorder, at_work, Seldom(tell)
        self.searches = Searches([stack for stack in missing if stack.cell.tuning], recorder.trials)
        self.progress = Progress([*missing, *trials_missing(missing, recorder.trials)], at_work.number)
        self.failures: dict[str, str] = {}

    def record(self, check: Callable[[], None]) -> dict[str, str]:
        """Record all outcomes; the reasons of those that failed, by key. `check` raises Stopped when asked to stop."""
        with self.progress:
            self._train_next(self.searches.first())
            for stack, outcome in self.at_work.outcomes(self.progress.show, check):
                self.progress.workers = self.at_work.number  # of a cluster it changes
                if isinstance(outcome, Failure):
                    self._failed(stack, outcome)
                elif stack.cell.trial is not None:
                    self._tried(stack, outcome)
                else:
                    self.recorder.write_stack(stack, outcome)
                    self.progress.line(
                        stack,
                        result_words(self.recorder.plan, stack.cell.task, outcome),
                        outcome.ended - outcome.started,
                    )
                    if not self.progress.is_over:
                        self.progress.say(self.tell())
        return self.failures

    def _failed(self, stack: Stack, failure: Failure) -> None:
        self.recorder.write_failure(stack, failure.reason, failure.traceback)
        self.failures[stack.key] = failure.reason
        self.progress.line(stack, f"failed: {failure.reason}")
        if stack.cell.trial is not None:
            reason = f"trial {stack.cell.trial} of its search failed"
            self.failures |= {waiting.key: reason for waiting in self.searches.give_up(stack)}
            self._train_next([])

    def _tried(self, stack: Stack, result: StackResult) -> None:
        tuning = self.searches.tuning_of(stack)
        value = trial_value(tuning, result)
        self.recorder.write_trial(stack, result, objective(tuning), value, trial_scatter(tuning, result))
        (metric,) = tuning.metrics
        name = metric_label(metric, stack.cell.task.gives()[metric])
        self.progress.line(stack, f"{name} {value:.4f}", result.ended - result.started)
        self._train_next(self.searches.told(stack, value))

    def _train_next(self, stacks: list[Stack]) -> None:
        self.progress.expect(stacks)
        self.at_work.add(stacks)
        if self.searches.are_over:
            self.at_work.no_more()


def trials_missing(stacks: Iterable[Stack], recorded: Mapping[str, Run]) -> list[Stack]:
    """Stand-ins for the trials that must be trained before the tuned ones of some stacks."""
    cells = {stack.cell.key: stack.cell for stack in stacks if stack.cell.tuning}
    return [trial for cell in cells.values() for trial in trials_to_come(cell, recorded)]


def result_words(plan: Plan, task: Task, result: StackResult) -> str:
    """What the seeds that are asked for came to in a line: means of the headline metrics, else of its first two."""
    values = [replicate.metrics for replicate in result.replicates if replicate.seed in plan.seeds]
    first = sorted(set(values[0]) - {"diverged_step"})[:2]
    names = [name for name in plan.study.headline if name in values[0]] or first
    known = task.gives()
    means = [f"{metric_label(name, known[name])} {sum(v[name] for v in values) / len(values):.4f}" for name in names]
    diverged = sum("diverged_step" in v for v in values)
    return ", ".join(means) + (f", {diverged} diverged" if diverged else "")
