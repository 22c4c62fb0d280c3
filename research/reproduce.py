"""Recorded stacks trained again from the record alone, and compared: `python -m research.reproduce WHAT [options]`."""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing

from research import surroundings
from research.console import Parser, add_executor, add_store, chosen_executor, refuse
from research.design.errors import UserError
from research.design.study_files import load_study
from research.design.wording import counted
from research.record.any_store import AnyStore
from research.record.environment import environment, listed
from research.record.finished_stacks import asked_for, sampled
from research.record.recorded_stacks import Comparison, Recorded, comparisons, read_back
from research.record.state import Run
from research.running.progress import Progress
from research.running.workers import Executor, Failure, Stopped, Workers, stop_signals

SOURCE = ("commit", "uncommitted changes")  # may change without changing a result: that is what NUMERICS is for


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = Parser(
        "python -m research.reproduce",
        description="Train what is recorded again, from the record alone, and compare every number of every seed and "
        "the digest of its final weights. The record is only read.",
    )
    made.add_argument(
        "what",
        metavar="WHAT",
        help="the id of a run (or how it begins), the key of a cell or stack, or with --sample a study or an "
        "experiment; the path of a study's file may stand for its name, such as path/to/toy.py-tuning",
    )
    made.add_argument("--sample", type=int, metavar="N", help="N stacks of the study WHAT, drawn at random")
    made.add_argument("--seed", type=int, metavar="S", help="draw the sample that was drawn with this seed")
    add_executor(made)
    add_store(made)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status: 0 all is identical, 1 something differs, 2 wrong input, 130 or 143 stopped."""
    try:
        options = parser().parse_args(arguments)
        chosen_executor(options)  # what is wrong with it is said before anything is read
        store: AnyStore = options.store
        file = re.match(r".+?\.py(?=[-/].|$)", options.what)
        what = load_study(file[0]).name + options.what[file.end() :] if file else options.what
        found = chosen(store, what, options.sample, options.seed)
        stacks = [read_back(store, runs) for runs in found]
        with closing(chosen_executor(options, len(stacks))) as executor:
            executor.prepare([recorded.stack.cell.task for recorded in stacks])
            return reproduce(store, stacks, executor)
    except UserError as error:
        return refuse(error)
    except (Stopped, KeyboardInterrupt) as stop:
        print("\nstopped; the record was only read", file=sys.stderr)
        return stop.status if isinstance(stop, Stopped) else 130


def chosen(store: AnyStore, what: str, sample: int | None, seed: int | None) -> list[tuple[Run, ...]]:
    """The runs of the stacks that are asked for; a sample says how it was drawn. Raises UserError for wrong input."""
    if sample is None:
        if seed is not None:
            raise UserError(f"--seed {seed}: goes with --sample")
        return asked_for(store, what)
    seed = secrets.randbelow(10**6) if seed is None else seed
    found, number = sampled(store, what, sample, seed)
    print(f"{len(found)} of {counted(number, 'stack')} of {what}, drawn with --seed {seed}", flush=True)
    return found


def reproduce(store: AnyStore, stacks: Sequence[Recorded], executor: Executor) -> int:
    """Train stacks again, each alone, and print how they compare. The status is 1 if anything differs or fails."""
    by_key = {recorded.stack.key: recorded for recorded in stacks}
    compared: dict[str, list[Comparison]] = {}
    places: dict[str, dict[str, str]] = {}  # of each stack now: its device, and its CPU where that may be another
    failed: dict[str, str] = {}
    print(f"{counted(len(stacks), 'stack')} to train again, {counted(executor.number, 'worker')}", flush=True)
    here = environment()
    with (
        Workers([], executor, open_end=True, tasks=[recorded.stack.cell.task for recorded in stacks]) as at_work,
        stop_signals() as check,
    ):
        for recorded in stacks:
            at_work.add([recorded.stack])  # one at a time: what is added together may train in one pass
        at_work.no_more()
        with Progress([recorded.stack for recorded in stacks], executor.number, alone=True) as progress:
            for stack, outcome in at_work.outcomes(progress.show, check):
                if isinstance(outcome, Failure):
                    failed[stack.key] = outcome.reason
                    progress.line(stack, f"failed: {outcome.reason}")
                else:
                    places[stack.key] = {"device": outcome.device} | ({"cpu": outcome.cpu} if outcome.cpu else {})
                    compared[stack.key] = comparisons(store, by_key[stack.key], outcome)
                    different = [f"different: {one.differences[0]}" for one in differing(compared[stack.key])]
                    same = [same_word([by_key[stack.key]])]
                    progress.line(stack, (different or same)[0], outcome.ended - outcome.started)
    if compared:
        made = [(by_key[key].runs[0].tags, here | place) for key, place in places.items()]
        lines = result_lines({key: (by_key[key], compared[key]) for key in by_key if key in compared})
        print("\n".join([*lines, *environment_lines(made, any(map(differing, compared.values())))]))
    for key, reason in failed.items():
        print(f"failed: {key}: {reason}", file=sys.stderr)
    return 1 if failed or any(map(differing, compared.values())) else 0


def differing(compared: Iterable[Comparison]) -> list[Comparison]:
    """Those that differ in anything."""
    return [one for one in compared if one.differences]


def same_word(stacks: Iterable[Recorded]) -> str:
    """How what does not differ is called: identical, or the same within what its tasks allow."""
    tolerance = max(recorded.stack.cell.task.tolerance for recorded in stacks)
    return f"the same within {100 * tolerance:g} %" if tolerance else "identical"


def result_lines(compared: Mapping[str, tuple[Recorded, Sequence[Comparison]]]) -> list[str]:
    """What came out of all stacks, by key, in words: how much is the same, or what differs first, and how much."""
    every = [one for _, found in compared.values() for one in found]
    networks = [one for one in every if one.has_weights]
    names = frozenset[str]().union(*(one.names for one in every))
    values = counted(sum(one.num_values for one in every), "value")
    different = [(key, one) for key, (_, found) in compared.items() for one in differing(found)]
    if not different:
        weights = f" and the SHA-256 of the weights of {counted(len(networks), 'network')}" if networks else ""
        same = same_word([recorded for recorded, _ in compared.values()])
        return [f"{same}: {_whose(compared)}: {counted(len(names), 'metric')}, {values}{weights}"]
    in_all = [f"{sum(len(one.values) for _, one in different)} of {values}"]
    if networks:
        changed = sum(len(one.weights) for _, one in different)
        in_all.append(f"the weights of {changed} of {counted(len(networks), 'network')}")
    where = f"{len({key for key, _ in different})} of {counted(len(compared), 'stack')}"
    key, first = different[0]
    return [
        f"different: {key}: {first.differences[0]}",
        f"in all {' and '.join(in_all)}, in {where}",
    ]


def _whose(compared: Mapping[str, tuple[Recorded, Sequence[Comparison]]]) -> str:
    """Whose results were compared: of one stack its seeds, that of the run that was asked for first."""
    if len(compared) > 1:
        seeds = sum(len(found) for _, found in compared.values())
        return f"{len(compared)} stacks, {seeds} runs"
    ((key, (recorded, found)),) = compared.items()
    if recorded.objective:
        return key
    others = f" and {counted(len(found) - 1, 'other')}" if len(found) > 1 else ""
    return f"{recorded.stack.cell.key}, seed {recorded.runs[0].tags['seed']}{others}"


def environment_lines(made: Sequence[tuple[Mapping[str, str], Mapping[str, str]]], different: bool) -> list[str]:
    """What differs between the tags of each stack and those of now, and what to make of it where results differ."""
    found: Counter[tuple[str, str, str]] = Counter()
    for then, now in ((listed(tags), listed(here)) for tags, here in made):
        for name in {**now, **then}:
            if then.get(name) != now.get(name):
                found[name, then.get(name, "not known"), now.get(name, "not known")] += 1
    lines = [
        f"{name}: recorded {then}, now {now}" + (f" ({counted(number, 'stack')})" if len(made) > 1 else "")
        for (name, then, now), number in found.items()
    ]
    if different and any(name not in SOURCE for name, *_ in found):
        lines.append("bits are promised for the same versions, CPU class and device only")
    elif different:
        lines.append("versions, CPU class and device are those of the record: the bits should be the same")
    return lines or ["made as it was recorded: versions, CPU class, device and commit are the same"]


if __name__ == "__main__":
    sys.exit(surroundings.run(main))
