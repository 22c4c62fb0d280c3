"""Writing the record: stacks, cells and failures as MLflow runs. The coordinator is its only writer."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from research.data import DATA
from research.design import UserError
from research.environment import environment
from research.plan import Cell, Plan, Stack, layer_sizes, num_parameters
from research.stats import mean_interval
from research.store import Run, Store, experiment_name, read_metrics, read_runs, read_state

if TYPE_CHECKING:
    from research.train import StackResult

PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"


class Recorder:
    """Writes what the stacks of a plan came to.

    Opening it makes the store and the experiment where needed and mends what a crash left: runs that never ended, and
    results of stacks that are not whole, are closed as KILLED; each cell's parent run is made to fit its replicates.

    Raises UserError when the store cannot be written, the experiment was deleted, or results of another configuration
    stand under the plan's keys.
    """

    def __init__(self, store: Store, plan: Plan) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # only works before the import
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.store, self.plan = store, plan
        self.experiment = experiment_name(plan.study.name, plan.tier)
        read_state(plan, read_runs(store, self.experiment))
        self.environment = environment()
        _create_database(store)
        self.client = MlflowClient(tracking_uri=store.mlflow_uri)
        self.experiment_id = self._experiment_id()
        self.devices: set[str] = set()
        self.replicates: dict[str, dict[int, str]] = {}
        self.parents: dict[str, list[str]] = {}
        self._mend(read_runs(store, self.experiment))

    def write_stack(self, stack: Stack, result: StackResult) -> None:
        """Record the replicates of a stack, then its cell's parent run. The stack is done once the last is FINISHED."""
        if self.devices - {result.device}:
            raise UserError(
                f"{self.experiment}: recorded on {self.devices.pop()}, this machine trains on {result.device}; "
                "one study in one store holds one device class: choose another with --store"
            )
        ended = round(1000 * result.ended)
        runs = {r.seed: self._write_replicate(stack, r, result) for r in result.replicates}
        for run in runs.values():
            self.client.set_terminated(run, "FINISHED", ended)
        self.devices.add(result.device)
        self.replicates.setdefault(stack.cell.key, {}).update(runs)
        self._summarise(stack.cell, ended)

    def _write_replicate(self, stack: Stack, replicate: Any, result: StackResult) -> str:
        from mlflow.entities import Metric

        cell, ended = stack.cell, round(1000 * result.ended)
        tags = {
            "seed": str(replicate.seed),
            "stack": stack.key,
            "curves": ",".join(replicate.curves),
            "device": result.device,
            "weights_sha256": replicate.weights_sha256,
            **self.environment,
        }
        if parents := self.parents.get(cell.key):
            tags[PARENT] = parents[-1]
        metrics = [Metric(name, value, ended, cell.config.epochs) for name, value in replicate.metrics.items()]
        for name, curve in replicate.curves.items():
            metrics += [Metric(name, value, ended, epoch) for epoch, value in curve]
        name = f"{cell.name} seed={replicate.seed}"
        return self._write(cell, "replicate", name, result.started, tags, metrics, {"seed": replicate.seed})

    def write_failure(self, stack: Stack, reason: str) -> None:
        """Record that a stack could not be trained, and why. The next run of the study tries it again."""
        tags = {"stack": stack.key, "reason": reason, **self.environment}
        name = f"{stack.cell.name} seeds={stack.seeds[0]}-{stack.seeds[-1]} (failed)"
        run = self._write(stack.cell, "failure", name, time.time(), tags, [], {})
        self.client.set_terminated(run, "FAILED")

    def _write(
        self,
        cell: Cell,
        kind: str,
        name: str,
        started: float,
        tags: dict[str, str],
        metrics: list[Any],
        more: dict[str, Any],
    ) -> str:
        """A new run of a cell, still RUNNING, with all that it carries."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        info = DATA[cell.config.dataset]
        always = {
            "kind": kind,
            "key": cell.key,
            "fingerprint": cell.fingerprint,
            "identity": cell.identity,
            "mlflow.source.name": f"python -m research.study {self.plan.study.name}",
            "mlflow.source.type": "LOCAL",
        }
        run = self.client.create_run(self.experiment_id, round(1000 * started), {**always, **tags}, name)
        run_id: str = run.info.run_id
        params = {**cell.levels, **asdict(cell.config), **more}
        self.client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in params.items()])
        data = Dataset(info.name, info.digest[:36], "local", info.source, profile=f'{{"sha256": "{info.digest}"}}')
        self.client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
        return run_id

    def _summarise(self, cell: Cell, ended: int) -> None:
        """Make the parent run of a cell again: the mean curves and metrics of its reported seeds.

        A run cannot be rewritten, so a new one takes the replicates over and the old one is deleted.
        """
        from mlflow.entities import Metric

        replicates = self.replicates[cell.key]
        reported = [replicates[seed] for seed in sorted(replicates) if seed < self.plan.num_seeds]
        found = read_metrics(self.store, reported)
        metrics = []
        for name in sorted({name for run in reported for name in found[run]} - {"diverged_step"}):
            for step in sorted({step for run in reported for step in found[run].get(name, {})}):
                interval = mean_interval([found[run].get(name, {}).get(step, float("nan")) for run in reported])
                metrics.append(Metric(name, interval.mean, ended, step))
                if name in self.plan.study.headline:
                    metrics.append(Metric(f"{name}_low", interval.low, ended, step))
                    metrics.append(Metric(f"{name}_high", interval.high, ended, step))
        tags = {"replicates": _digest(reported), NOTE: cell_note(self.plan, cell, len(reported))}
        parent = self._write(cell, "cell", cell.name, ended / 1000, tags, metrics, {"seeds": len(reported)})
        self.client.set_terminated(parent, "FINISHED", ended)
        for run in replicates.values():
            self.client.set_tag(run, PARENT, parent)
        for old in self.parents.get(cell.key, []):
            self.client.delete_run(old)
        self.parents[cell.key] = [parent]

    def _mend(self, runs: list[Run]) -> None:
        """Close what a crash left open, take up what is whole, make parent runs that do not fit again."""
        whole = {run.id for run in runs if run.status == "FINISHED"} - _parts_of_broken_stacks(runs)
        for run in runs:
            if run.status == "RUNNING" or (
                run.tags.get("kind") == "replicate" and run.status == "FINISHED" and run.id not in whole
            ):
                self.client.update_run(run.id, "KILLED", f"{run.name} (killed)")
        parent_of: dict[str, set[str]] = {}
        for run in runs:
            if run.tags.get("kind") == "replicate" and run.id in whole:
                self.replicates.setdefault(run.tags["key"], {})[int(run.tags["seed"])] = run.id
                self.devices.add(run.tags["device"])
                parent_of.setdefault(run.tags["key"], set()).add(run.tags.get(PARENT, ""))
            if run.tags.get("kind") == "cell":
                self.parents.setdefault(run.tags["key"], []).append(run.id)
        fits = {run.id: run.tags["replicates"] for run in runs if run.tags.get("kind") == "cell" and run.id in whole}
        for cell in self.plan.cells:
            replicates = self.replicates.get(cell.key, {})
            reported = [replicates[seed] for seed in sorted(replicates) if seed < self.plan.num_seeds]
            parents = self.parents.get(cell.key, [])
            fitting = (
                len(parents) == 1
                and parent_of.get(cell.key) == {parents[0]}
                and fits.get(parents[0]) == _digest(reported)
            )
            if reported and not fitting:
                self._summarise(cell, max(run.ended for run in runs if run.id in reported))

    def _experiment_id(self) -> str:
        found = self.client.get_experiment_by_name(self.experiment)
        if found is not None and found.lifecycle_stage == "deleted":
            raise UserError(
                f"experiment {self.experiment!r} was deleted in the MLflow UI; restore it or choose another --store"
            )
        if found is None:
            place = (self.store.folder / "artifacts" / self.experiment).as_uri()
            experiment_id = self.client.create_experiment(self.experiment, place)
        else:
            experiment_id = found.experiment_id
        note = experiment_note(self.plan)
        if found is None or found.tags.get(NOTE) != note:
            self.client.set_experiment_tag(experiment_id, NOTE, note)
        return str(experiment_id)


def _create_database(store: Store) -> None:
    """Make MLflow's database where there is none, under its own name only once it is whole."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with store.lock("creation", f"store {store.folder}: its creation"):
        if not store.database.exists():
            fresh = store.database.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            SqlAlchemyStore(  # type: ignore[no-untyped-call]
                f"sqlite:///{fresh}", (store.folder / "artifacts").as_uri()
            )
            fresh.replace(store.database)
        with contextlib.closing(sqlite3.connect(store.database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # kept in the file; commits take half the time


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


def _digest(run_ids: list[str]) -> str:
    return hashlib.sha256(",".join(run_ids).encode()).hexdigest()


def experiment_note(plan: Plan) -> str:
    """The experiment's description in the MLflow UI."""
    study = plan.study
    claims = "\n".join(f"- {claim.text} ({claim.passage})" for claim in study.claims)
    return (
        f"**{study.question}**\n\nFrom {study.passage}. Each row is a cell: one level of "
        f"{', '.join(factor.name for factor in (study.arms, *study.blocks))}; open it (+) for its seeds. "
        f"Tier `{plan.tier}`. Metrics of a cell are means over its seeds; "
        "`_low` and `_high` bound Student's 95 % interval.\n\n"
        f"Claims under test:\n{claims}\n"
    )


def cell_note(plan: Plan, cell: Cell, num_seeds: int) -> str:
    """What a cell is, in Markdown, for the parent run's page in the MLflow UI."""
    config = cell.config
    levels = "\n".join(f"| {name} | **{level}** |" for name, level in cell.levels.items())
    fixed = {name: value for name, value in asdict(config).items() if name not in cell.levels}
    return (
        f"{plan.study.question}\n\n| factor | level |\n|---|---|\n{levels}\n\n"
        f"Network {'-'.join(map(str, layer_sizes(config)))}, {num_parameters(config):,} parameters. "
        f"Mean of {num_seeds} seeds, trained {cell.stack_size} at a time; "
        "each seed has its own split, order and start.\n\n"
        f"Fixed: {', '.join(f'{name} {value}' for name, value in fixed.items())}.\n\n"
        f"Key `{cell.key}`, fingerprint `{cell.fingerprint}`.\n"
    )
