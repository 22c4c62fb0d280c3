"""What is run for the seeds of a cell, and what it gives: the values that all of the harness knows of any task."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from importlib.util import find_spec
from time import monotonic, time
from typing import ClassVar, Literal, NamedTuple, Self

from research.design.code import code_digest
from research.design.errors import UserError
from research.design.places import how_to_install

MOST_TOGETHER = 10  # seeds: more would save little, and be lost together when a run is stopped
Points = Mapping[str, tuple[tuple[int, float], ...]]
Report = Callable[[float], None]


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before anything is run.

    Some of it is for people: `label` is how they are told its name, `meaning` what it means beyond that, in half a
    sentence. `unit` is what it is measured in: axes say it; "%" is that of a share, which is written as a percentage.
    One that `says_where` it is measured is told without arm and block.

    `arrived` names the metric that is 1 where a replicate arrived at what is counted here, and 0 where it never did:
    then the number is where counting ended. `cases` names the metric that says over how many cases this one is the
    largest. One that is not `is_trained` stays what it was where a training diverges. `promised` says that no seed
    lacks it. Raise `version` when it is measured in another way: results of before are stale then, and of a metric that
    is new at a version above 0, those without it. What has a value for each layer or place says so with `by`.
    """

    label: str = ""
    meaning: str = ""
    unit: str = ""
    says_where: bool = False
    arrived: str = ""
    cases: str = ""
    is_trained: bool = True
    promised: bool = False
    version: int = 0
    by: Literal["", "layer", "place"] = ""


@dataclass(frozen=True)
class Replicate:
    """What one seed came to: metrics by name; curves as (time, value) and profiles as (place, value) pairs.

    The time is an epoch or a step, as the task's `clock` says; a curve of a layer is called `name/layer_1`. The SHA-256
    is that of the final weights, where there are any.
    """

    seed: int
    metrics: Mapping[str, float]
    curves: Points = field(default_factory=dict)
    profiles: Points = field(default_factory=dict)
    weights_sha256: str = ""


@dataclass(frozen=True)
class StackResult:
    """The replicates of a stack, with where and when (seconds since 1970) they were run.

    `cpu` is the class of the processor, empty where it is the coordinator's.
    """

    replicates: tuple[Replicate, ...]
    device: str
    started: float
    ended: float
    cpu: str = ""


class Source(NamedTuple):
    """Data that a task uses: its name, the SHA-256 of its content and where it comes from, in words."""

    name: str
    digest: str
    text: str


@dataclass(frozen=True)
class Task(ABC):
    """What is run for the seeds of a cell: a frozen dataclass whose fields say all that decides its numbers.

    A study file may define its own: `gives` names the metrics, `run` computes them. All else has a default. The fields
    are plain values; one that is left at its default is not part of the fingerprint, so that fields can be added. Of a
    task that a study file defines the fingerprint holds a digest of its code too (`code.code_digest`).

    `imports` names what is slow to import: workers are forked from a process that has it, and what is not installed is
    said before any work, with the `extra` of this project that brings it along. `paired` says what the same
    seed means in every cell, `words` how people are told its fields and their values, where their names would not do,
    `phrases` how a choice is said that sets a field (`Factor.phrase`).
    """

    imports: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    paired: ClassVar[str] = "the same random draws in every cell that draws the same"
    words: ClassVar[Mapping[str, str]] = {}
    phrases: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def gives(self) -> Mapping[str, Metric]:
        """The names of its metrics, curves and profiles, with what is known of them."""

    @classmethod
    def explained(cls) -> Sequence[str]:
        """The metrics that people are told of first, in order; all others follow as they are given."""
        return ()

    @abstractmethod
    def run(self, seeds: Sequence[int], report: Report) -> Iterable[Replicate]:
        """The replicates of these seeds; `report` takes the share that is done, now and then."""

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that hold its code; those of study files are loaded by workers."""
        return (type(self).__module__,)

    @property
    def clock(self) -> str:
        """What its curves are over: "epoch" or "step"."""
        return "step"

    @property
    def runs_alone(self) -> bool:
        """Whether nothing may run beside it: it measures time."""
        return False

    @property
    def tolerance(self) -> float:
        """How far its numbers may differ when it is run again, relatively; 0 where they are the same to the bit."""
        return 0.0

    @property
    def validated(self) -> Collection[str]:
        """The metrics that a tuning may go by: they see nothing that a result is measured on."""
        return ()

    @property
    def unused(self) -> Collection[str]:
        """Fields that have no effect, by the others."""
        return ()

    @property
    def shown(self) -> Sequence[str]:
        """The fields by which people are told what it is, in order: those that are not at their default."""
        return list(self.changed())

    @property
    def summary(self) -> str:
        """What it is beyond its fields, in a sentence or none."""
        return ""

    @property
    def source(self) -> Source | None:
        """The data that it uses."""
        return None

    def changed(self) -> dict[str, object]:
        """The fields that are not at their default, and those that have none; a float as such, where 1 is 1.0."""
        values = {f.name: (getattr(self, f.name), f) for f in fields(self)}
        kinds = field_types(type(self))
        return {
            name: float(value) + 0.0 if kinds[name] == "float" else value  # -0.0 is 0.0
            for name, (value, f) in values.items()
            if f.default is MISSING or value != f.default
        }

    def identity(self, numerics: int) -> dict[str, object]:
        """What decides its numbers beside its fields, as plain data. `numerics` is that of the harness's own tasks."""
        return {"task": type(self).__name__, "code": code_digest(type(self))}

    def depends_on(self, metric: str) -> Hashable:
        """What of the task a metric can depend on: equal where two tasks must give the same number."""
        return self

    def seeds_together(self, seeds: int) -> int:
        """How many of a cell's seeds run together."""
        return min(seeds, MOST_TOGETHER)

    def seconds(self, num_seeds: int) -> float:
        """About how long so many seeds take together on one core; a plan scales it by what the record shows."""
        return float(num_seeds)

    def prepare(self) -> None:
        """Fetch what it needs, before workers start. Raises UserError where that cannot be had."""
        return None

    def in_one_pass(self) -> Hashable:
        """What it has in common with tasks that can run in one pass with it: itself, where it runs alone."""
        return self

    @property
    def length(self) -> float:
        """Which of the tasks of one pass is the longest."""
        return 0.0

    @classmethod
    def device(cls) -> str:
        """The class of device that it runs on: cpu, cuda or mps."""
        return "cpu"

    @classmethod
    def run_together(cls, tasks: Sequence[Self], seeds: Sequence[int], report: Report) -> list[StackResult]:
        """The results of tasks of one pass, in their order."""
        results = []
        for task in tasks:
            started, began = time(), monotonic()
            found = tuple(task.run(seeds, report))
            results.append(StackResult(found, cls.device(), started, started + monotonic() - began))
        return results


def field_types(task: type[Task]) -> dict[str, str]:
    """The fields of a class of tasks with the names of their types, however they are annotated."""
    return {f.name: f.type if isinstance(f.type, str) else getattr(f.type, "__name__", "") for f in fields(task)}


def study_files(tasks: Iterable[Task]) -> tuple[str, ...]:
    """The study files that hold code of tasks."""
    modules = dict.fromkeys(module for task in tasks for module in task.modules)
    return tuple(str(sys.modules[name].__file__) for name in modules if not name.startswith("research."))


def prepare_all(tasks: Iterable[Task]) -> None:
    """Fetch what tasks need, what several need once. Raises UserError where a package that they import is missing."""
    needed = {(type(task), task.source or task): task for task in tasks}.values()
    for kind in dict.fromkeys(map(type, needed)):
        check_installed(kind)
    for task in needed:
        task.prepare()


def check_installed(kind: type[Task]) -> None:
    """Raise UserError for a package that tasks of a kind import and that is not installed, with how to get it."""
    for name in dict.fromkeys(each.partition(".")[0] for each in kind.imports):
        if find_spec(name) is None:
            how = how_to_install(kind.extra) if kind.extra else f"pip install {name}"
            raise UserError(f"{kind.__name__} needs {name}: {how}")


def check_result(task: Task, seeds: Sequence[int], result: StackResult) -> None:
    """Raise UserError where a task gives results for other seeds, or other metrics than it names, or what is no number.

    A number of a replicate that diverged (it says at which step) may be missing.
    """
    name, gives = type(task).__name__, task.gives()
    of_runs = {metric for metric, known in gives.items() if not known.by}
    given = [getattr(replicate, "seed", replicate) for replicate in result.replicates]
    if given != list(seeds):
        raise UserError(f"{name}: run() gives results for the seeds {given}, was asked for {list(seeds)}")
    for replicate in result.replicates:
        where = f"{name}: seed {replicate.seed}"
        there = {*replicate.metrics, *(curve for curve in replicate.curves if "/" not in curve)} - {"diverged_step"}
        for by, found in (
            ("", there ^ of_runs),
            ("layer", {curve.partition("/")[0] for curve in replicate.curves if "/" in curve}),
            ("place", set(replicate.profiles)),
        ):
            if other := sorted(metric for metric in found if metric not in gives or gives[metric].by != by or not by):
                told = "run() does not give the metric" if not by and other[0] not in there else "run() gives a metric"
                of = f" by {by}" if by else ""
                raise UserError(f"{where}: {told}{of} {other[0]!r}, gives() names {', '.join(sorted(gives))}")
        for metric, value in replicate.metrics.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise UserError(f"{where}: {metric} is {value!r}, which is no number")
            if not math.isfinite(value) and metric in gives and gives[metric].promised:
                raise UserError(f"{where}: {metric} is {value}, though it is promised that no seed lacks it")
        for curve, points in (*replicate.curves.items(), *replicate.profiles.items()):
            if any(not isinstance(value, (int, float)) for _, value in points):
                raise UserError(f"{where}: {curve} has a value that is no number")
