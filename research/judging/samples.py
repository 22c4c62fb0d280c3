"""Number + runs frame -> what is known of the number of each seed: where it lies."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from research.design.claims import Number
from research.design.errors import UserError
from research.design.levels import Level, level_word
from research.design.task import Metric
from research.judging.joins import joined
from research.judging.stats import Array

if TYPE_CHECKING:
    import pandas as pd


TRAINED = Metric()


class Sample(NamedTuple):
    """Where the number of each seed lies that has all its cells, in seed order: from low to high, which are equal where
    it was measured; how many of its replicates diverged (or lack the metric) or never arrived; over how many cases it
    is the largest; what was missing; and which seeds they are, if not the first."""

    low: Array
    high: Array
    num_diverged: int = 0
    num_late: int = 0
    num_cases: int = 0
    problem: str = ""
    seeds: tuple[int, ...] = ()

    def seed_at(self, place: int) -> int:
        """The seed of the number at a place."""
        return self.seeds[place] if self.seeds else place

    @property
    def num_open(self) -> int:
        """How many seeds have an interval in place of a number."""
        return int((self.low < self.high).sum())


def sample(number: Number, arms: str, runs: pd.DataFrame, metric: Metric = TRAINED) -> Sample:
    """The number of each seed: its arms are joined within each block, then its blocks. `arms` is the arms' factor,
    `metric` what is known of the metric.

    Raises UserError where the number leaves a factor open, so that a seed has several replicates in one cell.
    """
    runs = rows_of(number, arms, runs)
    replicates: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    factors = (runs[name] for name in (arms, *number.blocks))
    for row, (seed, *place) in enumerate(zip(runs["seed"], *factors, strict=True)):
        replicates.setdefault(tuple(map(level_word, place)), []).append((seed, row))
    columns = [number.column, "diverged_step", metric.cases]
    values, step, cases = runs.reindex(columns=columns).to_numpy(float).T
    cells: list[dict[int, int]] = []
    for levels in itertools.product(number.arms, *number.blocks.values()):
        cell = ", ".join(f"{name}={level}" for name, level in zip((arms, *number.blocks), levels, strict=True))
        found = replicates.get(tuple(map(level_word, levels)), [])
        rows = dict(found)
        if len(rows) < len(found):
            raise UserError(f"the number {number.metric} at {cell} is not one cell; name a level of every block factor")
        measured, stopped = np.isfinite((values, step))[:, list(rows.values())]
        if not rows or not (measured.any() or stopped.all()):
            return Sample(np.empty(0), np.empty(0), problem=f"{number.metric} was not measured at {cell}")
        cells.append(rows)
    seeds = sorted(set.intersection(*map(set, cells)))
    shape = (len(seeds), len(number.arms), len(cells) // len(number.arms))
    used = np.array([[rows[seed] for rows in cells] for seed in seeds], dtype=int).reshape(shape)
    low, high, lost, late = known(number, runs, metric)
    threshold = math.nan if number.threshold is None else number.threshold
    ends = joined(number.across_arms, low[used], high[used], numeric(number.arms), threshold)
    ends = joined(number.across_blocks, *ends)
    return Sample(*ends, int(lost[used].sum()), int(late[used].sum()), int(np.nansum(cases[used])), "", tuple(seeds))


def rows_of(number: Number, arms: str, runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of the cells that a number is about."""
    for name, levels in {arms: number.arms, **number.blocks}.items():
        runs = runs[runs[name].map(level_word).isin([level_word(level) for level in levels])]
    return runs


def known(number: Number, runs: pd.DataFrame, metric: Metric) -> tuple[Array, Array, Array, Array]:
    """Of each row where its metric lies, from low to high, and whether it diverged (or lacks the metric) or is late.

    What never arrived lies above where counting ended. What had arrived stays when its training diverges later, and so
    does what is no number of the trained network.
    """
    values, step = runs.reindex(columns=[number.column, "diverged_step"]).to_numpy(float).T
    late = np.zeros(len(runs), dtype=bool)
    if metric.arrived:
        late = np.isfinite(values) & ~(runs.reindex(columns=[metric.arrived]).to_numpy(float)[:, 0] > 0)
    lost = ~np.isfinite(values)
    if metric.is_trained and not metric.arrived:
        lost |= np.isfinite(step)
    above, below = np.broadcast_to(np.array(number.missing), (len(runs), 2)).T
    above = np.where(late, np.fmax(values, above), above)
    low = np.where(lost | late, beside(above, math.inf), values)
    high = np.where(lost | late, beside(below, -math.inf), values)
    return low, np.maximum(low, high), lost, late


def beside(ends: Array, towards: float) -> Array:
    """The numbers next to these: the outermost of an open interval. Infinity stays."""
    return np.where(np.isinf(ends), ends, np.nextafter(ends, towards))


def numeric(levels: tuple[Level, ...]) -> Array:
    """The levels as numbers, none where one is a word."""
    words = any(isinstance(level, str) for level in levels)
    return np.array([] if words else levels, dtype=float)
