"""What the trials of a search say: which is best, whether it lies at an edge, and whether it stands out at all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from research.design.identity import identity
from research.design.plan import Cell, Stack
from research.design.task import StackResult
from research.design.tiers import TUNING_SEED, WIDENED, Tuning
from research.design.tuned_cells import is_whole, multiplied

EDGE = 0.1  # of a range on its logarithmic scale: a winner nearer to its end lies at the edge
MORE_TRIALS = 3  # beyond the edge, once
STANDS_OUT = 4.0  # standard errors of a trial; of nine trials on two seeds that differ by noise alone 4 % reach it

Ranges = Mapping[str, tuple[float, float]]
Settings = Mapping[int, Mapping[str, float]]  # of each trial by its number: the tuned fields


def best_trial(tuning: Tuning, values: Mapping[int, float]) -> int:
    """The number of the best of the values of trials, of equal ones the first."""
    best = min if tuning.direction == "minimize" else max
    return best(sorted(values), key=lambda number: values[number])


def at_edge(cell: Cell, settings: Mapping[str, float], ranges: Ranges | None = None) -> dict[str, str]:
    """The tuned fields whose setting lies at the "low" or "high" end of its range, of the cell's ranges or of these.

    A whole number of 1 lies at none: there is no lower one.
    """
    assert cell.tuning is not None
    found = {}
    for name, (low, high) in (cell.tuning.ranges if ranges is None else ranges).items():
        multiple = settings[name] / getattr(cell.task, name)
        place = math.log(multiple / low) / math.log(high / low)
        if place > 1 - EDGE:
            found[name] = "high"
        elif place < EDGE and not (is_whole(cell.task, name) and settings[name] <= 1):
            found[name] = "low"
    return found


def searched_ranges(cell: Cell, settings: Settings, values: Mapping[int, float]) -> Ranges:
    """The ranges of a cell's search, as multiples, given its trials' settings and values by their numbers.

    Once its budget is spent, those with the ends widened tenfold at which the best of these trials lies, if it widens.
    """
    tuning = cell.tuning
    assert tuning is not None
    if not tuning.widen or any(number not in values for number in range(tuning.budget)):
        return tuning.ranges
    winner = best_trial(tuning, {number: values[number] for number in range(tuning.budget)})
    ends, ranges = at_edge(cell, settings[winner]), dict(tuning.ranges)
    for name, end in ends.items():
        low, high = ranges[name]
        ranges[name] = (low / WIDENED, high) if end == "low" else (low, high * WIDENED)
    return ranges


def further_multiples(cell: Cell, settings: Settings, values: Mapping[int, float]) -> list[dict[str, float]]:
    """What the three trials beyond an edge multiply each tuned field with, once the budget is spent; none without one.

    They lie evenly, on a logarithmic scale, between the end that is widened and where it is then; what is not widened
    stays as the best trial has it.
    """
    tuning = cell.tuning
    assert tuning is not None
    ranges = searched_ranges(cell, settings, values)
    winner = settings[best_trial(tuning, values)]
    found: list[dict[str, float]] = []
    for number in range(1, MORE_TRIALS + 1) if ranges != tuning.ranges else ():
        chosen = {name: setting / getattr(cell.task, name) for name, setting in winner.items()}
        for name, (low, high) in ranges.items():
            before = tuning.ranges[name]
            if low != before[0]:
                chosen[name] = before[0] * (low / before[0]) ** (number / MORE_TRIALS)
            elif high != before[1]:
                chosen[name] = before[1] * (high / before[1]) ** (number / MORE_TRIALS)
        found.append(chosen)
    return found


def num_trials(cell: Cell, settings: Settings, values: Mapping[int, float]) -> int:
    """How many trials a cell's search has, as far as is known: its budget, and those beyond an edge."""
    assert cell.tuning is not None
    is_wider = searched_ranges(cell, settings, values) != cell.tuning.ranges
    return cell.tuning.budget + (MORE_TRIALS if is_wider else 0)


def stands_out(tuning: Tuning, values: Sequence[float], scatters: Sequence[float]) -> bool:
    """Whether the best of a search's trials differs from the plateau, given their values and the scatter of each.

    The plateau is the median trial: what most of what was tried comes to, at whatever setting. The best one stands out
    if it is better by more than four standard errors of a trial. That of a trial is sqrt(v / seeds), with v the mean
    over the better half of the trials, down to the median, of the variance of their seeds: what is worse may scatter in
    another way. A trial that has come to nothing is the worst. Nothing stands out where none says how seeds scatter.
    """
    sign = 1.0 if tuning.direction == "minimize" else -1.0
    losses = [sign * value for value in values]
    plateau = statistics.median(losses)
    better = [
        scatter**2 for loss, scatter in zip(losses, scatters, strict=True) if loss <= plateau and math.isfinite(scatter)
    ]
    if not better or math.isinf(min(losses)):
        return False
    return plateau - min(losses) > STANDS_OUT * math.sqrt(statistics.fmean(better) / tuning.seeds)


def tuned(cell: Cell, multiples: Mapping[str, float]) -> Cell:
    """A cell with its tuned fields multiplied: the same cell, whose configuration is now known."""
    return replace(cell, task=multiplied(cell.task, multiples))


def trial_stack(cell: Cell, number: int, multiples: Mapping[str, float]) -> Stack:
    """What is trained for a trial: the tuning seeds, with the fields multiplied."""
    assert cell.tuning is not None
    seeds = tuple(range(TUNING_SEED, TUNING_SEED + cell.tuning.seeds))
    task = tuned(cell, multiples).task
    what = identity(task, len(seeds), cell.revision, same_as=cell.same_as)
    return Stack(replace(cell, task=task, identity=what, stack_size=len(seeds), tuning=None, trial=number), seeds)


def trial_value(tuning: Tuning, result: StackResult) -> float:
    """What a trial came to: the mean over its seeds; the worst there is where one has come to nothing."""
    return value_of(objective(tuning), result)


def value_of(wanted: str, result: StackResult) -> float:
    """The same for a search whose `objective` is in these words."""
    direction, _ = wanted.split(" ")
    values = seed_values(wanted, result)
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else math.inf if direction == "minimize" else -math.inf


def seed_values(wanted: str, result: StackResult) -> list[float]:
    """What each seed of a trial came to, of a search whose `objective` is in these words."""
    _, metric = wanted.split(" ")
    return [
        replicate.curves[metric][-1][1] if replicate.curves.get(metric) else replicate.metrics.get(metric, math.nan)
        for replicate in result.replicates
    ]


def trial_scatter(tuning: Tuning, result: StackResult) -> float:
    """The standard deviation of a trial's seeds; NaN of a single one, and where one has come to nothing."""
    values = seed_values(objective(tuning), result)
    return statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else math.nan


def objective(tuning: Tuning) -> str:
    """What a trial's value is, in words: `minimize validation_loss`."""
    (metric,) = tuning.metrics  # of a cell it is one
    return f"{tuning.direction} {metric}"
