"""Stacks as they were recorded: what was run, read back from the record alone, and what they came to."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from research.design.errors import UserError
from research.design.identity import NUMERICS, identity, identity_difference
from research.design.plan import Cell, Stack
from research.design.study import Level
from research.design.study_files import load_study, study_names
from research.design.task import Replicate, StackResult, Task, field_types, study_files
from research.design.trials import value_of
from research.record.any_store import AnyStore
from research.record.frames import read_metrics
from research.record.state import Run

TRAINING = "research.training.config:TrainConfig"  # the task of records from before there were others
SEEDS, TRIAL = "/seeds=", "/trial="  # in the key of a stack, and of a trial


@dataclass(frozen=True)
class Recorded:
    """A stack as the record has it, with its runs: one for each seed, or the one of a trial.

    The run that was asked for comes first. `objective` says of a trial what its `value` is, as `tuning.objective`.
    """

    stack: Stack
    runs: tuple[Run, ...]
    objective: str = ""
    value: float = math.nan


def replicate_numbers(replicate: Replicate) -> Iterator[tuple[str, int, float]]:
    """All numbers of a replicate as the record holds them: name, time or place, value.

    A metric without a curve stands at 0, where the MLflow UI draws it as a bar.
    """
    yield from ((name, 0, value) for name, value in replicate.metrics.items())
    for name, points in (*replicate.curves.items(), *replicate.profiles.items()):
        yield from ((name, place, value) for place, value in points)


def trial_numbers(result: StackResult, value: float) -> Iterator[tuple[str, int, float]]:
    """All numbers of a trial as the record holds them: its value, and the mean curves of its tuning seeds.

    Nothing of the test part (`test_...`) is among them, since nothing of it may be used. Where seeds end at different
    times a curve goes as far as all of them do.
    """
    if math.isfinite(value):
        yield "value", 0, value
    for name in sorted(result.replicates[0].curves):
        if "/" in name or name.startswith("test_"):  # of a layer
            continue
        curves = [dict(replicate.curves.get(name, ())) for replicate in result.replicates]
        for time in curves[0]:
            if all(time in curve for curve in curves):
                yield name, time, sum(curve[time] for curve in curves) / len(curves)


@dataclass(frozen=True)
class Comparison:
    """A run beside what came out now: how much there is to compare, and in words what differs, values and weights.

    `names` are those of its metrics, curves and profiles. A trial has no weights.
    """

    names: frozenset[str]
    num_values: int
    has_weights: bool
    values: tuple[str, ...]
    weights: tuple[str, ...]

    @property
    def differences(self) -> tuple[str, ...]:
        """All that differs, the first of it first."""
        return self.values + self.weights


def comparisons(store: AnyStore, recorded: Recorded, result: StackResult) -> list[Comparison]:
    """What each run of a stack holds beside what came out now, in the order of its runs."""
    clock, tolerance = recorded.stack.cell.task.clock, recorded.stack.cell.task.tolerance
    found = read_metrics(store, [run.id for run in recorded.runs])
    if recorded.objective:
        (run,) = recorded.runs
        value = value_of(recorded.objective, result)
        now = [*trial_numbers(result, value), ("tag value", 0, value)]
        curves = {name for name, *_ in now} - {"value", "tag value"}
        told = found[run.id] | {"tag value": {0: recorded.value}}
        return [compared("", told, now, dict.fromkeys(curves, clock), tolerance=tolerance)]
    replicates = {replicate.seed: replicate for replicate in result.replicates}
    made = []
    for run in recorded.runs:
        replicate = replicates[int(run.tags["seed"])]
        units = dict.fromkeys((*run.tags.get("curves", "").split(","), *replicate.curves), clock)
        units |= dict.fromkeys((*run.tags.get("profiles", "").split(","), *replicate.profiles), "place")
        weights = run.tags.get("weights_sha256", "nothing"), replicate.weights_sha256
        where = f"seed {replicate.seed}, "
        made.append(compared(where, found[run.id], replicate_numbers(replicate), units, weights, tolerance))
    return made


def compared(
    where: str,
    recorded: Mapping[str, Mapping[int, float]],
    numbers: Iterable[tuple[str, int, float]],
    units: Mapping[str, str],
    weights: tuple[str, str] | None = None,
    tolerance: float = 0.0,
) -> Comparison:
    """The recorded numbers of a run beside those of now, and the digests of its weights.

    `units` says of names with several values what they are at, `tolerance` how far a number may differ, relatively.
    Curves come first, by time: they say when trainings parted.
    """
    then = {(name, place): value for name, points in recorded.items() for place, value in points.items()}
    now = {(name, place): value for name, place, value in numbers}

    def order(at: tuple[str, int]) -> tuple[bool, bool, int, str]:
        name, place = at
        return name not in units, units.get(name) == "place", place, name

    every = sorted({**then, **now}, key=order)
    values = [
        f"{where}{name}{f' at {units[name]} {place}' if name in units else ''}: "
        f"recorded {then.get((name, place), 'nothing')!s}, now {now.get((name, place), 'nothing')!s}"
        for name, place in every
        if not _same(then.get((name, place)), now.get((name, place)), tolerance)
    ]
    text = f"{where}SHA-256 of the weights: recorded {weights[0]}, now {weights[1]}" if weights else ""
    differ = (text,) if weights and weights[0] != weights[1] else ()
    return Comparison(frozenset(name for name, _ in every), len(every), bool(weights), tuple(values), differ)


def _same(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=tolerance) or (math.isnan(one) and math.isnan(other))


def seeds_of(stack_key: str) -> tuple[int, ...]:
    """The seeds that the key of a stack names. Raises UserError for what is none: a tag can be changed by hand."""
    found = re.fullmatch(rf"[^/]+/[^/]+/.+{SEEDS}(\d+)-(\d+)", stack_key)
    if found is None:
        raise UserError(f"{stack_key}: is no key of a stack; the record was changed by hand")
    return tuple(range(int(found[1]), int(found[2]) + 1))


def read_back(store: AnyStore, runs: tuple[Run, ...]) -> Recorded:
    """A stack from its runs alone: no study is asked.

    Raises UserError where it cannot be run as it was: by other numerics or code, on other data, or with fields that
    this source does not have; and where what is recorded contradicts itself.
    """
    run, key = runs[0], runs[0].tags["stack"]
    marks = ",".join("?" * len(runs))
    params: dict[str, dict[str, str]] = {each.id: {} for each in runs}
    sql = f"SELECT run_uuid, key, value FROM params WHERE run_uuid IN ({marks})"
    for run_id, name, value in store.query(sql, tuple(params)):
        params[run_id][name] = value
    tasks = {checked_task(each, params[each.id]) for each in runs}
    if len(tasks) > 1 or len({each.tags["fingerprint"] for each in runs}) > 1:
        raise UserError(f"{key}: its seeds were recorded with different settings")
    study, variant, *placed = key.partition(SEEDS)[0].split("/")
    levels = {name: _level(level) for name, _, level in (part.partition("=") for part in placed)}
    seeds, task = seeds_of(key), tasks.pop()
    stack = Stack(Cell(study, variant, levels, task, run.tags["identity"], len(seeds)), seeds)
    if run.tags["kind"] != "trial":
        return Recorded(stack, runs)
    try:
        return Recorded(stack, runs, _objective(store, run), float(run.tags["value"]))
    except ValueError as error:
        raise UserError(
            f"{key}: its value {run.tags['value']!r} is no number; the record was changed by hand"
        ) from error


def checked_task(run: Run, params: Mapping[str, str]) -> Task:
    """What was run: its params, held to its identity, and this to its fingerprint.

    Of a tuned cell the identity has what the search began with, and the params what it found. Raises UserError as
    `read_back` does.
    """
    where, text = f"run {run.id} ({run.name})", run.tags["identity"]
    commit = run.tags.get("mlflow.source.git.commit")
    source = f"check out commit {commit}" if commit else "its commit was not recorded"
    if run.tags.get("uncommitted", "none") != "none":
        source += ", with the changes that were not committed then"
    if hashlib.sha256(text.encode()).hexdigest() != run.tags["fingerprint"]:
        raise UserError(f"{where}: its fingerprint is not that of its identity; what is recorded was changed")
    content = json.loads(text)
    if content.get("numerics", NUMERICS) != NUMERICS:
        raise UserError(
            f"{where}: recorded under NUMERICS {content['numerics']}, and this source, which has {NUMERICS}, computes "
            f"otherwise; {source}"
        )
    kind = task_class(where, run.tags)
    if unknown := sorted(set(content["config"]) - {f.name for f in fields(kind)}):
        raise UserError(f"{where}: recorded with the field {unknown[0]!r}, which this source does not have; {source}")
    try:
        task = task_of(kind, params)
    except UserError as error:
        raise UserError(f"{where}: its params are no {kind.__name__} of this source: {error}; {source}") from error
    same_as = {}
    if "code" in content:  # what may stand in its place is said by the study file
        now = str(task.identity(NUMERICS)["code"])
        same_as = dict(sys.modules[kind.__module__].STUDY.same_as) if now != content["code"] else {}
    tuned = content.pop("tuning", {}).get("ranges", {})
    begun = {name: content["config"][name] if name in content["config"] else getattr(kind, name) for name in tuned}
    recorded = json.dumps(content, sort_keys=True)
    found = identity(replace(task, **begun), content["stack_size"], content["revision"], same_as=same_as)
    if found != recorded:
        difference = identity_difference(recorded, found, task)
        raise UserError(f"{where}: what would be run now is not what was recorded ({difference}); {source}")
    return task


def task_tags(task: Task) -> dict[str, str]:
    """The tags that say which kind of task was run, and where the study file is that holds code of it."""
    kind, files = type(task), study_files([task])
    return {"task": f"{kind.__module__}:{kind.__qualname__}"} | ({"study_file": files[-1]} if files else {})


def task_class(where: str, tags: Mapping[str, str]) -> type[Task]:
    """The class of a task that was run, by the tags of its run; TrainConfig where they are from before there were more.

    A store may come from others: no code runs but the harness's, that of studies/, and that of a file which the user
    has named. Raises UserError where the study file is needed, or does not define the task any more.
    """
    module, _, name = tags.get("task", TRAINING).partition(":")
    study = tags["key"].partition("/")[0]
    if module == TRAINING.partition(":")[0]:
        importlib.import_module(TRAINING.partition(":")[0])
    file, own = tags.get("study_file", ""), f"studies.{study}"
    if file and own not in sys.modules and study in study_names():
        load_study(study)
    found = getattr(sys.modules.get(module), name, None) if module in (own, "research.training.config") else None
    is_task = isinstance(found, type) and issubclass(found, Task)
    if not is_task or (file and own not in sys.modules):
        raise UserError(
            f"{where}: its task {name} needs what {file or 'its study file'} defines; name that file, where it is now "
            f"and as it was then: python -m research.reproduce path/to/{study}.py"
        )
    return cast("type[Task]", found)


def task_of(kind: type[Task], params: Mapping[str, str]) -> Task:
    """The task that params were written of with `str`, to the bit. Fields that they lack are at the default.

    Raises UserError for what is no such task.
    """
    values: dict[str, Any] = {}
    for name, written in field_types(kind).items():
        if name in params:
            text = params[name]
            try:
                values[name] = text if written == "str" else ast.literal_eval(text)
            except (ValueError, SyntaxError) as error:
                raise UserError(f"{name}={text} cannot be read") from error
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(str(error)) from error


def _level(text: str) -> Level:
    """A level as it was before it stood in a key."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if str(kind(text)) == text:
                return kind(text)
    return text


def _objective(store: AnyStore, trial: Run) -> str:
    """What a trial's value is; records from before this was written with it have it with the cell that was tuned."""
    if "objective" in trial.tags and trial.tags["objective"].count(" ") == 1:
        return trial.tags["objective"]
    sql = (
        "SELECT i.value FROM tags k JOIN tags i USING (run_uuid) "
        "WHERE k.key = 'key' AND k.value = ? AND i.key = 'identity' LIMIT 1"
    )
    for (text,) in store.query(sql, (trial.tags["key"].partition(TRIAL)[0],)):
        tuning = json.loads(text)["tuning"]
        return f"{tuning['direction']} {tuning['metric']}"
    raise UserError(f"run {trial.id} ({trial.name}): its objective was not recorded, nor was its cell")
