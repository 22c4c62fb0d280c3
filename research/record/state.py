"""The runs of the record, and how far a plan is by them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from research.design.errors import UserError
from research.design.identity import identity_difference
from research.design.plan import Cell, Plan, Stack
from research.record.any_store import ANOTHER, AnyStore

MADE_ANEW = f"replace the results with --redo, or {ANOTHER}"


class Tags(dict[str, str]):
    """The tags of a run that was read. The MLflow UI lets a user remove them: who needs one is told that it is lost."""

    def __init__(self, place: str = "the store") -> None:
        self.place = place

    def __missing__(self, name: str) -> str:
        raise UserError(f"{self.place}: a run has lost its tag {name!r}; {MADE_ANEW}")


@dataclass(frozen=True)
class Run:
    """An active MLflow run as the record has it; times in milliseconds since 1970, `ended` 0 while it runs."""

    id: str
    name: str
    status: str
    started: int
    ended: int
    tags: dict[str, str]


@dataclass(frozen=True)
class State:
    """How far a plan is: by stack key the runs of each finished stack in the order of its seeds, or why it failed.

    A stack of a tuned cell has failed too when a trial of its search has.
    `trials` are the runs of the finished trials of searches, by the trial's key.
    """

    done: dict[str, tuple[Run, ...]]
    failed: dict[str, str]
    trials: dict[str, Run] = field(default_factory=dict)

    def missing(self, plan: Plan) -> list[Stack]:
        """The stacks that are still to be trained."""
        return [stack for stack in plan.stacks if stack.key not in self.done]


def read_runs(store: AnyStore, *experiments: str) -> list[Run]:
    """The active runs of some experiments, oldest first."""
    store.fetch_runs(experiments)
    names = ",".join("?" * len(experiments))
    where = f"JOIN experiments e USING (experiment_id) WHERE e.name IN ({names}) AND r.lifecycle_stage = 'active'"
    tags: dict[str, Tags] = {}
    for run_id, key, value in store.query(
        f"SELECT run_uuid, t.key, t.value FROM tags t JOIN runs r USING (run_uuid) {where}", experiments
    ):
        tags.setdefault(run_id, Tags(f"store {store}"))[key] = value
    rows = store.query(f"SELECT run_uuid, r.name, status, start_time, end_time FROM runs r {where}", experiments)
    rows.sort(key=lambda row: (row[3] or 0, row[1] or ""))  # here, for each database has an order of letters of its own
    return [
        Run(run_id, name, status, started, ended or 0, tags.get(run_id, Tags()))
        for run_id, name, status, started, ended in rows
    ]


def read_state(plan: Plan, runs: list[Run]) -> State:
    """Which stacks of a plan the runs hold. A stack is done when all its seeds are FINISHED under its fingerprint.

    Raises UserError when a result stands under the key of a cell but was made by another configuration.
    """
    cells = {cell.key: cell for cell in plan.cells}
    finished: dict[tuple[str, int], Run] = {}
    reasons: dict[str, str] = {}
    lost: dict[str, str] = {}  # by cell, for want of a trial
    trials = finished_trials(runs)
    for run in runs:
        key = run.tags.get("key", "")
        if "/trial=" in key and run.tags["kind"] == "failure" and key not in trials:
            lost.setdefault(cell_key(run), f"trial {key.rpartition('=')[2]} of its search failed: {run.tags['reason']}")
        cell = cells.get(key)
        if cell is None:
            continue
        if run.tags["kind"] == "failure":
            reasons[run.tags["stack"]] = run.tags["reason"]
        if run.tags["kind"] == "replicate" and run.status == "FINISHED":
            check_fingerprint(cell, run)
            finished[cell.key, number_of(run, "seed")] = run
    done = {
        stack.key: tuple(finished[stack.cell.key, seed] for seed in stack.seeds)
        for stack in plan.stacks
        if all((stack.cell.key, seed) in finished for seed in stack.seeds)
    }
    failed = {key: reason for key, reason in reasons.items() if key not in done}
    for stack in plan.stacks:
        if stack.key not in done and stack.cell.key in lost:
            failed[stack.key] = lost[stack.cell.key]
    return State(done, failed, trials)


def state_of(store: AnyStore, plan: Plan) -> State:
    """How far the record of a plan is."""
    return read_state(plan, read_runs(store, *plan.experiments))


def number_of(run: Run, tag: str) -> int:
    """A tag as a whole number. Raises UserError where it was changed by hand to what is none."""
    if not run.tags[tag].isdecimal():
        raise UserError(f"{run.name}: the store has it with {tag} {run.tags[tag]!r}, which is no number; {MADE_ANEW}")
    return int(run.tags[tag])


def check_fingerprint(cell: Cell, run: Run | None) -> None:
    """Raise UserError when a run stands under the key of a cell but was made by another configuration."""
    if run and run.tags["fingerprint"] != cell.fingerprint:
        difference = identity_difference(run.tags["identity"], cell.identity, cell.task)
        harmless = ", declare it harmless with same_as" if difference.startswith("code: ") else ""
        raise UserError(
            f"{cell.key}: the store holds results of another configuration ({difference}); "
            f"undo the change{harmless}, choose another store with --store, or replace the results with --redo"
        )


def check_device(experiment: str, recorded: Collection[str], device: str) -> None:
    """Raise UserError when results of an experiment were recorded on another class of device than this one."""
    if others := set(recorded) - {device}:
        raise UserError(
            f"{experiment}: recorded on {others.pop()}, this machine trains on {device}; "
            f"one study in one store holds one device class: {ANOTHER}"
        )


def recorded_devices(runs: Iterable[Run], without: Collection[str] = ()) -> set[str]:
    """The classes of device that finished runs come from, but for those of the cells with these keys."""
    return {
        run.tags["device"]
        for run in runs
        if run.status == "FINISHED" and {"device", "fingerprint"} <= run.tags.keys() and cell_key(run) not in without
    }


def cell_key(run: Run) -> str:
    """The key of the cell that a run is of, or that it is a trial for."""
    return run.tags.get("key", "").partition("/trial=")[0]


def finished_trials(runs: Iterable[Run]) -> dict[str, Run]:
    """The runs of finished trials of searches, by the key of the trial."""
    return {run.tags["key"]: run for run in runs if run.tags.get("kind") == "trial" and run.status == "FINISHED"}
