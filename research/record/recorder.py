"""Writing the record: stacks, cells and failures as MLflow runs. The coordinator is its only writer."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from research.design.digests import claim_digests
from research.design.errors import UserError
from research.design.plan import TUNING, Cell, Plan, Stack
from research.design.universes import universe_name
from research.judging.stats import mean_interval
from research.record.any_store import AnyStore
from research.record.environment import environment
from research.record.frames import read_metrics
from research.record.mlflow_database import (
    NewRun,
    Number,
    begin_run,
    close_client,
    finish_run,
    open_client,
    write_runs,
)
from research.record.recorded_stacks import replicate_numbers, task_tags, trial_numbers
from research.record.search_trials import as_won
from research.record.state import Run, State, cell_key, check_device, number_of, read_runs, read_state
from research.record.ui_notes import cell_note, experiment_note, failure_note
from research.record.views import COLOUR, cell_colour, saved_views

if TYPE_CHECKING:
    from research.design.task import Replicate, StackResult
    from research.record.mlflow_database import Experiment

PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
SUMMED_UP = ("replicates", NOTE)  # tags of a cell's parent run that it gets with its end
WRITTEN = "written"  # the tag of an experiment with a digest of each tag that was written last


class Recorder:
    """Writes what the stacks of a plan came to.

    Opening it makes the store and the experiment where needed and mends what a crash left: runs that never ended, and
    results of stacks that are not whole, are closed as KILLED; each cell's parent run is made to fit its replicates.
    Runs that a user made, and what a user changed of the experiment, stay as they are.

    With `redo` the runs of the plan's cells are deleted first (MLflow keeps deleted runs until `mlflow gc`).

    Raises UserError when the store cannot be written (within `writing`), the experiment was deleted, or results of
    another configuration stand under the plan's keys.
    """

    def __init__(self, store: AnyStore, plan: Plan, redo: bool = False) -> None:
        self.store, self.plan = store, plan
        runs = read_runs(store, *plan.experiments)
        state = State({}, {}) if redo else read_state(plan, runs)
        self.trials = state.trials
        self.missing: dict[str, set[str]] = {cell.key: set() for cell in plan.cells}
        for stack in state.missing(plan):
            self.missing[stack.cell.key].add(stack.key)
        self.environment = environment()
        self.claims = json.dumps(claim_digests(plan.study))
        self.client = open_client(store)
        self.opened = store.mark()
        self.experiments = {name: self._experiment(name) for name in plan.experiments}
        self.devices: set[str] = set()
        self.as_trained = {cell.key: as_won(cell, self.trials) for cell in plan.cells if cell.tuning}
        self.replicates: dict[str, dict[int, Run]] = {}
        self.parents: dict[str, list[str]] = {}
        self.parent_tags: dict[str, dict[str, str]] = {}  # as they were read: a user may have added some
        self.open: dict[str, str] = {}  # by cell, its parent run that is still RUNNING
        self.grown: set[str] = set()  # cells whose parent run does not sum up all of their replicates yet
        kept = []
        for run in runs:
            if redo and cell_key(run) in self.missing:
                self.client.delete_run(run.id)
            else:
                kept.append(run)
        self._mend(kept)

    def write_stack(self, stack: Stack, result: StackResult) -> None:
        """Record the replicates of a stack. It is done once the last is FINISHED.

        The first stack of a cell opens the cell's parent run; the last one that is missing sums it up.
        """
        self._check_device(stack.cell, result)
        if stack.cell.tuning:
            self.as_trained[stack.cell.key] = stack.cell
        opened = [] if stack.cell.key in self.parents else [self._parent(stack.cell, _times(result)[0])]
        new = {replicate.seed: self._replicate(stack, replicate, result) for replicate in result.replicates}
        self._write(*opened, *new.values())
        self.replicates.setdefault(stack.cell.key, {}).update((seed, _as_read(run)) for seed, run in new.items())
        self.grown.add(stack.cell.key)
        self._close_if_last(stack)

    def _check_device(self, cell: Cell, result: StackResult) -> None:
        check_device(cell.experiment, self.devices, result.device)
        self.devices.add(result.device)

    def _made_with(self, result: StackResult) -> dict[str, str]:
        """What a stack was made with, as tags: of a cluster each may have another class of CPU."""
        cpu = {"cpu": result.cpu} if result.cpu else {}
        return {"device": result.device, **self.environment, **cpu}

    def _replicate(self, stack: Stack, replicate: Replicate, result: StackResult) -> NewRun:
        tags = {
            "seed": str(replicate.seed),
            "stack": stack.key,
            "curves": ",".join(replicate.curves),
            "profiles": ",".join(replicate.profiles),
            "weights_sha256": replicate.weights_sha256,
            PARENT: self.parents[stack.cell.key][-1],
            **self._made_with(result),
        }
        name, more = f"{stack.cell.name} seed={replicate.seed}", {"seed": replicate.seed}
        return self._run(stack.cell, "replicate", name, *_times(result), tags, more, list(replicate_numbers(replicate)))

    def write_trial(
        self, stack: Stack, result: StackResult, wanted: str, value: float, scatter: float = math.nan
    ) -> None:
        """Record a trial of a search as one run: the `objective`, its value, and how its seeds scatter about it."""
        self._check_device(stack.cell, result)
        tags = {"stack": stack.key, "value": repr(value), **self._made_with(result)}
        tags |= {"objective": wanted, "scatter": repr(scatter)}
        seeds, numbers = {"seeds": f"{stack.seeds[0]}-{stack.seeds[-1]}"}, list(trial_numbers(result, value))
        self._write(self._run(stack.cell, "trial", stack.cell.name, *_times(result), tags, seeds, numbers))

    def write_failure(self, stack: Stack, reason: str, traceback: str = "") -> None:
        """Record that a stack could not be trained, and why. The next run of the study tries it again."""
        tags = {"stack": stack.key, "reason": reason, NOTE: failure_note(reason, traceback), **self.environment}
        name, now = f"{stack.cell.name} seeds={stack.seeds[0]}-{stack.seeds[-1]} (failed)", round(1000 * time.time())
        self._write(self._run(stack.cell, "failure", name, now, now, tags, status="FAILED"))
        self._close_if_last(stack)

    def stop(self) -> None:
        """Sum up the cells that are not all there, because no more stacks will come."""
        for cell in self.plan.cells:
            if cell.key in self.grown:
                self._summarise(cell)

    def close(self) -> None:
        """End the connections to the store."""
        close_client(self.client)

    def _run(
        self,
        cell: Cell,
        kind: str,
        name: str,
        started: int,
        ended: int | None,
        tags: dict[str, str],
        more: dict[str, Any] | None = None,
        numbers: Sequence[Number] = (),
        status: str = "FINISHED",
        kept: Mapping[str, str] = MappingProxyType({}),
    ) -> NewRun:
        """A run of a cell to be written, with what all runs of the study carry; `kept` are tags of one before it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        always = {
            "kind": kind,
            "key": cell.key,
            "fingerprint": cell.fingerprint,
            "identity": cell.identity,
            **task_tags(cell.task),
            "universe": universe_name(cell.universe),
            "claims": self.claims,
            "mlflow.source.name": f"python -m research.study {self.plan.study.name}",
            "mlflow.source.type": "LOCAL",
        }
        params = {**self.plan.study.universe(cell.universe), **cell.levels, **asdict(cell.task), **(more or {})}
        used = None
        if source := cell.task.source:
            profile = f'{{"sha256": "{source.digest}"}}'
            data = Dataset(source.name, source.digest[:12], "local", source.text, profile=profile)
            used = DatasetInput(data, [InputTag("mlflow.data.context", "training")])
        experiment = self.experiments[cell.experiment]
        run = NewRun(experiment, name, status, started, ended, {**kept, **always, **tags}, params, numbers, used)
        self.store.check_there(self.opened)  # a tracking server begins it now
        return begin_run(self.client, run)

    def _write(self, *new: NewRun) -> None:
        self.store.check_there(self.opened)
        write_runs(self.client, new)

    def _parent(self, cell: Cell, started: int) -> NewRun:
        """A parent run of a cell to be written, still RUNNING, beside those that it has."""
        colour = {COLOUR: cell_colour(self.plan.study, cell.levels)}
        kept = {name: tag for name, tag in self.parent_tags.get(cell.key, {}).items() if name not in SUMMED_UP}
        run = self._run(cell, "cell", cell.name, started, None, colour, status="RUNNING", kept=kept)
        self.open[cell.key] = run.id
        self.parents.setdefault(cell.key, []).append(run.id)
        return run

    def _close_if_last(self, stack: Stack) -> None:
        """Sum up the cell of a stack if no other of its stacks is to come."""
        missing = self.missing.get(stack.cell.key, set())
        missing.discard(stack.key)
        if not missing and stack.cell.key in self.grown:
            self._summarise(stack.cell)

    def _summarise(self, planned: Cell) -> None:
        """Finish the parent run of a cell: the mean curves and metrics of its reported seeds.

        A run cannot be rewritten, so where the one there is was finished before, a new one takes the replicates over
        and the old one is deleted.
        """
        cell = self.as_trained.get(planned.key, planned)
        runs, reported = list(self.replicates[cell.key].values()), self._reported(cell)
        ended = max(run.ended for run in runs)
        found = read_metrics(self.store, [run.id for run in reported]).values()
        self.store.check_there(self.opened)  # else there was nothing to be read
        metrics: list[Number] = []
        for name in sorted({name for values in found for name in values} - {"diverged_step"}):
            for step in sorted({step for values in found for step in values.get(name, {})}):
                points = [points[step] for values in found if step in (points := values.get(name, {}))]
                if name in self.plan.study.headline:
                    mean, low, high, _ = mean_interval(points)
                    metrics += [(name, step, mean), (f"{name}_low", step, low), (f"{name}_high", step, high)]
                else:  # a tenth of the time
                    finite = [point for point in points if math.isfinite(point)]
                    metrics.append((name, step, sum(finite) / len(finite) if finite else math.nan))
        if diverged := sum("diverged_step" in values for values in found):
            metrics.append(("num_diverged", 0, diverged))
        tags = {"replicates": _digest(reported), NOTE: cell_note(self.plan, cell, len(reported))}
        if cell.key not in self.open:
            self._write(self._parent(cell, min(run.started for run in runs)))
        parent = self.open.pop(cell.key)
        finish_run(self.client, parent, ended, tags, {"seeds": len(reported)}, metrics)
        for run in runs:
            if run.tags.get(PARENT) != parent:
                self.client.set_tag(run.id, PARENT, parent)
                run.tags[PARENT] = parent
        for old in set(self.parents[cell.key]) - {parent}:
            self.client.delete_run(old)
        self.parents[cell.key] = [parent]
        self.grown.discard(cell.key)

    def _reported(self, cell: Cell) -> list[Run]:
        """The recorded replicates of a cell that its parent run sums up, in the order of their seeds."""
        replicates, seeds = self.replicates.get(cell.key, {}), self.plan.reported(cell)
        return [run for seed, run in sorted(replicates.items()) if seed in seeds]

    def _mend(self, runs: list[Run]) -> None:
        """Close what a crash left open, take up what is whole, make parent runs that do not fit again."""
        broken = _parts_of_broken_stacks(runs)
        fits: dict[str, str] = {}
        for run in runs:
            if "fingerprint" not in run.tags:
                continue  # a user made it
            kind, key = run.tags.get("kind"), run.tags.get("key", "")
            if run.status == "RUNNING" or run.id in broken:
                self.client.update_run(run.id, "KILLED", f"{run.name} (killed)")
            elif kind == "trial" and run.status == "FINISHED":
                self.devices.add(run.tags["device"])
            elif kind == "replicate" and run.status == "FINISHED":
                self.replicates.setdefault(key, {})[number_of(run, "seed")] = run
                self.devices.add(run.tags["device"])
            elif kind == "cell" and run.status == "FINISHED":
                fits[run.id] = run.tags["replicates"]
            if kind == "cell":
                self.parents.setdefault(key, []).append(run.id)
                self.parent_tags.setdefault(key, {}).update(run.tags)
        for cell in self.plan.cells:
            reported, parents = self._reported(cell), self.parents.get(cell.key, [])
            nested = {run.tags.get(PARENT) for run in self.replicates.get(cell.key, {}).values()}
            fitting = len(parents) == 1 and nested == {parents[0]} and fits.get(parents[0]) == _digest(reported)
            if reported and not fitting:
                self._summarise(cell)
            elif not reported:
                for parent in self.parents.pop(cell.key, []):
                    self.client.delete_run(parent)

    def _experiment(self, name: str) -> Experiment:
        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise UserError(f"experiment {name!r} was deleted in the MLflow UI; restore it or choose another --store")
        if found is None:
            experiment_id = self.client.create_experiment(name, self.store.artifacts_of(name))
        else:
            experiment_id = found.experiment_id
        # The kind lets the UI open on the runs; without it MLflow shows its pages for language models.
        others = name != self.plan.experiment
        wanted = {NOTE: experiment_note(self.plan, name), "mlflow.experimentKind": "custom_model_development"}
        if not name.endswith(TUNING):  # there is no cell among trials
            wanted |= saved_views(self.plan.study, self.plan.tier, others)
        there: dict[str, str] = found.tags if found else {}
        written = dict(word.rpartition("=")[::2] for word in there.get(WRITTEN, "").split())
        for tag, value in wanted.items():
            if there.get(tag) != value:
                if _written_digest(there.get(tag, "")) != written.get(tag, _written_digest("")):
                    continue  # a user changed or removed it
                self.client.set_experiment_tag(experiment_id, tag, value)
            written[tag] = _written_digest(value)
        if (words := " ".join(map("=".join, written.items()))) != there.get(WRITTEN, ""):
            self.client.set_experiment_tag(experiment_id, WRITTEN, words)
        return found or self.client.get_experiment(experiment_id)


def _parts_of_broken_stacks(runs: list[Run]) -> set[str]:
    """The finished replicates whose stack is not whole."""
    stacks: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.tags.get("kind") == "replicate" and run.status == "FINISHED":
            stacks.setdefault((run.tags["stack"], run.tags["fingerprint"]), []).append(run)
    broken: set[str] = set()
    for (stack, _), members in stacks.items():
        first, last = map(int, stack.rpartition("=")[2].split("-"))
        if len(members) < last - first + 1:
            broken.update(run.id for run in members)
    return broken


def _times(result: StackResult) -> tuple[int, int]:
    """From when to when a stack trained, in milliseconds since 1970."""
    return round(1000 * result.started), round(1000 * result.ended)


def _as_read(run: NewRun) -> Run:
    """A run that was written, as it will be read."""
    return Run(run.id, run.name, run.status, run.started, run.ended or 0, dict(run.tags))


def _digest(runs: list[Run]) -> str:
    return hashlib.sha256(",".join(run.id for run in runs).encode()).hexdigest()


def _written_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
