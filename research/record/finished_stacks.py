"""Finished stacks of the record, found by run id, by key or by chance."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from research.design.errors import UserError
from research.design.streams import stream
from research.design.study_files import study_names
from research.record.any_store import AnyStore
from research.record.recorded_stacks import SEEDS, TRIAL, seeds_of
from research.record.state import Run, number_of, read_runs

RUN_ID = "[0-9a-f]{6,32}"  # or how one begins


def whole_stacks(runs: Iterable[Run]) -> dict[str, tuple[Run, ...]]:
    """By the key of each finished stack its runs in the order of the seeds; a trial has one for all of them."""
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        if run.tags.get("kind") in ("replicate", "trial") and run.status == "FINISHED":
            found.setdefault(run.tags["stack"], {})[number_of(run, "seed") if "seed" in run.tags else 0] = run
    return {
        key: tuple(run for _, run in sorted(members.items()))
        for key, members in found.items()
        if TRIAL in key or set(members) == set(seeds_of(key))
    }


def sampled(store: AnyStore, name: str, number: int, seed: int) -> tuple[list[tuple[Run, ...]], int]:
    """The runs of so many stacks of an experiment, drawn with the seed, and how many there are to draw from.

    Raises UserError for an experiment without finished stacks, and where fewer than one is to be drawn.
    """
    if number < 1:
        raise UserError(f"--sample {number}: at least one stack is needed")
    if seed < 0:
        raise UserError(f"--seed {seed}: must not be negative")
    wanted = name.rpartition("/")[2].removesuffix(".py") if name.endswith(".py") else name
    stacks = whole_stacks(read_runs(store, wanted))
    if not stacks:
        known = experiments(store)
        if "/" in wanted or (re.fullmatch(RUN_ID, wanted) and wanted not in known):
            raise UserError(f"--sample: goes with a study, not with {name}")
        others = f"there are runs of {', '.join(known)}" if known else "there are no runs at all"
        raise UserError(f"{wanted}: no finished stack of it is in store {store}; {_like(wanted, known) or others}")
    keys = sorted(stacks)
    chosen = stream(seed, "sample of stacks").permutation(len(keys))[:number]
    return [stacks[keys[place]] for place in chosen], len(keys)


def asked_for(store: AnyStore, text: str) -> list[tuple[Run, ...]]:
    """The runs of each stack that is meant by a run id, the beginning of one, or the key of a cell, stack or trial.

    The run of a replicate comes first in its stack. Raises UserError for what is not there, or not finished.
    """
    known = experiments(store)
    runs = read_runs(store, *known)
    if "/" in text:
        return _by_key(store, runs, text)
    if text in {*known, *study_names()}:
        raise UserError(f"{text}: is a study; with --sample N some of its stacks are trained again")
    if not re.fullmatch(RUN_ID, text.lower()):
        raise UserError(
            f"{text}: must be a run id (6 of its digits at least), a key such as "
            "activation_depth/full/activation=relu/depth=4, or a study with --sample N"
        )
    run = _by_id(store, runs, text.lower())
    where, kind = f"run {run.id} ({run.name})", run.tags.get("kind")
    if kind is None:
        raise UserError(f"{where}: was not made by a study")
    if run.status != "FINISHED":
        reasons = {"RUNNING": "has not ended", "FAILED": f"failed when it was made: {run.tags.get('reason')}"}
        reason = reasons.get(run.status, "was killed before its stack was whole")
        raise UserError(f"{where}: {reason}; there is nothing to compare with")
    if kind == "cell":
        return _by_key(store, runs, run.tags["key"])
    (members,) = _by_key(store, runs, run.tags["stack"])
    return [(run, *(member for member in members if member.id != run.id))]


def experiments(store: AnyStore) -> list[str]:
    """The experiments that have runs. Raises UserError where there is no record."""
    if not store.is_there():
        raise UserError(
            f"store {store}: there is no record; choose another with --store, or make one with research.study"
        )
    store.fetch_experiments()
    sql = (
        "SELECT DISTINCT e.name FROM experiments e JOIN runs r USING (experiment_id) WHERE r.lifecycle_stage = 'active'"
    )
    return sorted(name for (name,) in store.query(sql))


def _by_key(store: AnyStore, runs: Sequence[Run], text: str) -> list[tuple[Run, ...]]:
    cell, seeds, _ = text.partition(SEEDS)
    same = [run for run in runs if run.tags.get("key") == cell and (not seeds or run.tags.get("stack") == text)]
    if stacks := list(whole_stacks(same).values()):
        return stacks
    if same:
        reasons = [f": {run.tags['reason']}" for run in same if "reason" in run.tags]
        raise UserError(f"{text}: no stack of it is finished in store {store}{(reasons or [''])[-1]}")
    tag = "stack" if seeds else "key"
    keys = {run.tags[tag] for run in runs if tag in run.tags}
    hint = _like(text, keys) or "a run has its key as a tag (python -m research.ui shows it)"
    raise UserError(f"{text}: no such key in store {store}; {hint}")


def _by_id(store: AnyStore, runs: Sequence[Run], text: str) -> Run:
    found = [run for run in runs if run.id.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(run.id for run in found[:3]) + (", ..." if len(found) > 3 else "")
        raise UserError(f"{text}: {len(found)} runs begin with it ({ids}); give more digits")
    sql = "SELECT run_uuid, t.value FROM runs JOIN tags t USING (run_uuid) WHERE run_uuid LIKE ? AND t.key = 'key'"
    for deleted, key in store.query(sql, (f"{text}%",)):
        again = any(run.tags.get("key") == key for run in runs)
        raise UserError(f"run {deleted}: was deleted" + (f"; there are other runs of {key}" if again else ""))
    hint = _like(text, {run.id[: len(text)] for run in runs}) or "python -m research.ui shows those that there are"
    raise UserError(f"{text}: no such run in store {store}; {hint}")


def _like(text: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, known, 1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else ""
