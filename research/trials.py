"""What the trials of a search say: which is best, whether it lies at an edge, and whether it stands out at all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from research.design import Tuning
from research.plan import Cell
from research.tiers import WIDENED

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
    """The tuned fields whose setting lies at the "low" or "high" end of its range, of the cell's ranges or of these."""
    assert cell.tuning is not None
    found = {}
    for name, (low, high) in (cell.tuning.ranges if ranges is None else ranges).items():
        multiple = settings[name] / getattr(cell.config, name)
        place = math.log(multiple / low) / math.log(high / low)
        if not EDGE <= place <= 1 - EDGE:
            found[name] = "low" if place < EDGE else "high"
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
        chosen = {name: setting / getattr(cell.config, name) for name, setting in winner.items()}
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
