"""Whole studies copied from one store into another: what is there stays as it is, what is copied is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from research.design.errors import UserError
from research.record.any_store import AnyStore
from research.record.finished_stacks import whole_stacks
from research.record.mlflow_database import Rows, close_client, execute, insert, open_client, transaction, writing
from research.record.recorder import PARENT
from research.record.state import Run, finished_trials, number_of, read_runs, recorded_devices

if TYPE_CHECKING:
    from research.record.mlflow_database import Client, Experiment

Read = Callable[[str, tuple[Any, ...]], list[tuple[Any, ...]]]
OF_RUN = (
    "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time", "end_time",
    "source_version", "lifecycle_stage",
)  # fmt: skip
NUMBERS = ("key", "value", "timestamp", "step", "is_nan")
CARRIED = {"tags": ("key", "value"), "params": ("key", "value"), "metrics": NUMBERS, "latest_metrics": NUMBERS}
OF_DATA = ("dataset_uuid", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema",
           "dataset_profile")  # fmt: skip
AT_ONCE = 500  # runs in one query


@dataclass
class Content:
    """All that a run has: its own row, those of what it carries by table, and on which data it was trained."""

    row: tuple[Any, ...]
    carried: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {table: [] for table in CARRIED})
    inputs: list[tuple[Any, ...]] = field(default_factory=list)  # the input's number, then OF_DATA
    input_tags: list[tuple[Any, ...]] = field(default_factory=list)

    def digest(self, results_alone: bool = False) -> str:
        """A SHA-256 of it, the same in every store; of `results_alone` without what users and MLflow's UI change."""
        tags = [tag for tag in self.carried["tags"] if not (results_alone and tag[0].startswith("mlflow."))]
        parts = [
            [self.row],
            *(sorted(rows, key=repr) for rows in ({**self.carried, "tags": tags}).values()),
            sorted((data[2:] for data in self.inputs), key=repr),
            sorted((tag[1:] for tag in self.input_tags), key=repr),
        ]
        return hashlib.sha256(repr(parts).encode()).hexdigest()


class Copied(NamedTuple):
    """What became of a study: stacks and trials that were copied, those that were there, runs and numbers checked."""

    stacks: int
    there: int
    runs: int
    numbers: int


@dataclass(frozen=True)
class Choice:
    """Which runs of an experiment are to be copied, how many stacks and trials they are and how many are there.

    `parents` gives for cells that both stores have the parent run that replicates get.
    """

    runs: list[Run]
    stacks: int
    there: int
    parents: dict[str, str]


def studies_in(store: AnyStore) -> list[str]:
    """The studies that have runs in a store. Raises UserError where there is no record."""
    if not store.is_there():
        raise UserError(f"store {store}: there is no record")
    return sorted({name.partition("-")[0] for name in _experiments(store)})


def _experiments(store: AnyStore) -> list[str]:
    store.fetch_experiments()
    sql = (
        "SELECT DISTINCT e.name FROM experiments e JOIN runs r USING (experiment_id) "
        "WHERE e.lifecycle_stage = 'active' AND r.lifecycle_stage = 'active'"
    )
    return sorted(name for (name,) in store.query(sql))


def copy_study(source: AnyStore, target: AnyStore, study: str) -> Copied:
    """Copy the experiments of a study: finished stacks and trials, cells, failures, and what users added.

    A stack that the target has stays as it is there; half of one is not copied. Everything is written at once, and
    read back and compared before it counts. The next run of the study sums up the cells of which each store had a part.

    Raises UserError, and copies nothing, where the two stores contradict each other: results of different
    configurations, devices or searches under one key, or a run that was changed.
    """
    names = [name for name in _experiments(source) if name.partition("-")[0] == study]
    with target.lock(study, f"study {study} in {target}"), writing(target):
        known = {number for (number,) in target.query("SELECT run_uuid FROM runs")}
        choices = {name: choose(name, read_runs(source, name), read_runs(target, name), known) for name in names}
        for name in names:
            _check_same(source, target, [run.id for run in read_runs(source, name) if run.id in known])
        ids = [run.id for choice in choices.values() for run in choice.runs]
        source.fetch_numbers(ids)
        contents = read_contents(source.query, ids)
        client = open_client(target)
        try:
            experiments = {name: _experiment(client, source, target, name) for name in names}
            _write(client, experiments, choices, contents)
        finally:
            close_client(client)
    numbers = sum(len(content.carried["metrics"]) for content in contents.values())
    return Copied(
        sum(choice.stacks for choice in choices.values()),
        sum(choice.there for choice in choices.values()),
        len(contents),
        numbers,
    )


def choose(experiment: str, here: Sequence[Run], there: Sequence[Run], known: Iterable[str]) -> Choice:
    """What of the source's runs is to be copied to the target's. `known` are the ids of all runs of the target."""
    known = set(known)
    _check_devices(experiment, here, there)
    seeds: dict[tuple[str, int], Run] = {}
    prints: dict[str, str] = {}
    parents: dict[str, str] = {}
    for run in there:
        kind, key = run.tags.get("kind"), run.tags.get("key", "")
        if kind == "replicate" and run.status == "FINISHED":
            seeds[key, number_of(run, "seed")] = run
        if kind in ("replicate", "trial") and run.status == "FINISHED":
            prints[key] = run.tags["fingerprint"]
        if kind == "cell":
            parents[key] = run.id
    trials = finished_trials(there)
    chosen: list[Run] = []
    stacks = num_there = 0
    for members in whole_stacks(here).values():
        first = members[0]
        key = first.tags["key"]
        if prints.get(key, first.tags["fingerprint"]) != first.tags["fingerprint"]:
            raise UserError(
                f"{key}: the two stores hold results of different configurations under it; copy into a store of its own"
            )
        if key in trials and trials[key].tags["value"] != first.tags["value"]:
            raise UserError(
                f"{key}: came to another value in the other store, so that their searches do not go together; copy "
                "into a store of its own"
            )
        if key in trials or any(
            run.id in known or (first.tags["kind"] == "replicate" and (key, number_of(run, "seed")) in seeds)
            for run in members
        ):
            num_there += 1
        else:
            stacks += 1
            chosen += members
    for run in here:
        kind, key = run.tags.get("kind"), run.tags.get("key", "")
        if run.id in known or run.status == "RUNNING" or kind in ("replicate", "trial"):
            continue
        if kind != "cell" or key not in parents:
            chosen.append(run)
    return Choice(chosen, stacks, num_there, parents)


def _check_devices(experiment: str, here: Sequence[Run], there: Sequence[Run]) -> None:
    ours, theirs = recorded_devices(here), recorded_devices(there)
    if ours and theirs and ours != theirs:
        raise UserError(
            f"{experiment}: recorded on {', '.join(sorted(ours))} in one store and on {', '.join(sorted(theirs))} in "
            "the other; one study in one store holds one device class: copy into a store of its own"
        )


def _check_same(source: AnyStore, target: AnyStore, ids: Sequence[str]) -> None:
    """Raise UserError where a result that both stores have is not the same in both."""
    source.fetch_numbers(ids)
    ours, theirs = read_contents(source.query, ids), read_contents(target.query, ids)
    for number in ids:
        kinds = {value for key, value in ours[number].carried["tags"] if key == "kind"}
        deleted = theirs[number].row[OF_RUN.index("lifecycle_stage")] != "active"
        if kinds & {"replicate", "trial"} and not deleted and ours[number].digest(True) != theirs[number].digest(True):
            raise UserError(
                f"run {number}: is in both stores, with other contents; one of them was changed by hand or is damaged"
            )


def read_contents(read: Read, ids: Sequence[str]) -> dict[str, Content]:
    """All that runs have, by their ids."""
    found: dict[str, Content] = {}
    for first in range(0, len(ids), AT_ONCE):
        some = tuple(ids[first : first + AT_ONCE])
        among = f"IN ({','.join('?' * len(some))})"
        for number, *row in read(f"SELECT run_uuid, {','.join(OF_RUN)} FROM runs WHERE run_uuid {among}", some):
            found[number] = Content(tuple(row))
        for table, columns in CARRIED.items():
            for number, *row in read(f"SELECT run_uuid, {','.join(columns)} FROM {table} WHERE run_uuid {among}", some):
                if columns is NUMBERS:
                    row = [row[0], float(row[1]), *row[2:4], bool(row[4])]
                found[number].carried[table].append(tuple(row))
        where = f"i.destination_type = 'RUN' AND i.source_type = 'DATASET' AND i.destination_id {among}"
        data = ",".join(f"d.{name}" for name in OF_DATA)
        used = "FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id"
        for number, *row in read(f"SELECT i.destination_id, i.input_uuid, {data} {used} WHERE {where}", some):
            found[number].inputs.append(tuple(row))
        labels = "FROM inputs i JOIN input_tags t ON t.input_uuid = i.input_uuid"
        label = "i.destination_id, t.input_uuid, t.name, t.value"
        for number, *row in read(f"SELECT {label} {labels} WHERE {where}", some):
            found[number].input_tags.append(tuple(row))
    return found


def _experiment(client: Client, source: AnyStore, target: AnyStore, name: str) -> Experiment:
    """The target's experiment of a name; where there is none it gets the source's description and views."""
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        raise UserError(f"experiment {name!r} was deleted in store {target}; restore it in the MLflow UI")
    if found is None:
        made = client.create_experiment(name, target.artifacts_of(name))
        sql = "SELECT t.key, t.value FROM experiment_tags t JOIN experiments e USING (experiment_id) WHERE e.name = ?"
        for key, value in source.query(sql, (name,)):
            client.set_experiment_tag(made, key, value)
        found = client.get_experiment(made)
    return found


def _write(
    client: Client,
    experiments: Mapping[str, Experiment],
    choices: Mapping[str, Choice],
    contents: Mapping[str, Content],
) -> None:
    """Write the chosen runs with their contents, read them back and compare: all of them or none."""
    rows: dict[str, Rows] = {"runs": []}
    for name, choice in choices.items():
        at = experiments[name]
        for run in choice.runs:
            content = contents[run.id]
            if (parent := choice.parents.get(run.tags.get("key", ""))) and run.tags.get("kind") == "replicate":
                tags = [(key, parent if key == PARENT else value) for key, value in content.carried["tags"]]
                content.carried["tags"] = tags
            place = {"artifact_uri": f"{at.artifact_location}/{run.id}/artifacts"}
            own = dict(zip(OF_RUN, content.row, strict=True))
            rows["runs"].append({"run_uuid": run.id, **own, **place, "experiment_id": int(at.experiment_id)})
            for table, columns in CARRIED.items():
                rows.setdefault(table, []).extend(
                    {"run_uuid": run.id, **dict(zip(columns, row, strict=True))} for row in content.carried[table]
                )
    with transaction(client) as connection:

        def read(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in execute(connection, sql, values).fetchall()]

        insert(connection, rows)
        for name, choice in choices.items():
            insert(connection, _data(read, int(experiments[name].experiment_id), choice.runs, contents))
        written = read_contents(read, list(contents))
        if {number: content.digest() for number, content in written.items()} != {
            number: content.digest() for number, content in contents.items()
        }:
            raise UserError("what was written is not what was read: nothing was copied")


def _data(read: Read, experiment: int, runs: Iterable[Run], contents: Mapping[str, Content]) -> dict[str, Rows]:
    """The rows of the data that runs were trained on; each data set stands once in an experiment."""
    there = read("SELECT name, digest, dataset_uuid FROM datasets WHERE experiment_id = ?", (experiment,))
    known = {(name, digest): number for name, digest, number in there}
    rows: dict[str, Rows] = {"datasets": [], "inputs": [], "input_tags": []}
    for run in runs:
        for number, *data in contents[run.id].inputs:
            told = dict(zip(OF_DATA, data, strict=True))
            place = told["name"], told["digest"]
            if place not in known:
                known[place] = told["dataset_uuid"]
                rows["datasets"].append({**told, "experiment_id": experiment})
            rows["inputs"].append(
                {"input_uuid": number, "source_type": "DATASET", "source_id": known[place],
                 "destination_type": "RUN", "destination_id": run.id}
            )  # fmt: skip
        rows["input_tags"] += [
            dict(zip(("input_uuid", "name", "value"), tag, strict=True)) for tag in contents[run.id].input_tags
        ]
    return rows
