"""Tier and Tuning, how much of a study is run and how its nuisance settings are tuned: checked when they are built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from research.design.errors import UserError
from research.design.levels import Level
from research.design.type_checks import check_types

MOST_SEEDS = 10_000  # a plan holds every stack of them
LAST_FIRST_SEED = 900_000  # where a tier's seeds may begin at the latest
TUNING_SEED = 1_000_000  # seeds from here on are for searches alone: no tier's reach up to them
TUNED = "tuned"  # the level of a choice under which the study's Tuning takes place


WIDENED = 10.0  # how many times further an end of a range lies once it is widened


@dataclass(frozen=True)
class Tier:
    """One size of a study: how many seeds, which fields are replaced, which levels of which factors are kept.

    Of choices too: universes with other levels are left out. The full tier is the study as declared: it has them all.
    A search has at most so many `trials`; 0 stands for the budget of the tuning.

    `universe_seeds` is how many there are where several universes are compared; 0 stands for `seeds`. Both count from
    `first_seed`, so that what is judged can be seeds that nobody had seen when the claims were written.
    """

    seeds: int
    overrides: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    universe_seeds: int = 0
    first_seed: int = 0
    trials: int = 0

    def __post_init__(self) -> None:
        check_types("tier", self)
        if self.trials < 0:
            raise UserError(f"tier: trials={self.trials} must be at least 0")


@dataclass(frozen=True)
class Tuning:
    """How nuisance settings are tuned for each cell of a universe with a choice at the level "tuned", be it the first.

    Where no choice of the study has that level, every cell is tuned, those of the reference universe too.

    `ranges` gives fields of tasks with the lowest and highest multiple of what `configure` sets them to, searched on a
    logarithmic scale. A cell is tuned over those that its task has, one at least; whole numbers are rounded, to 1 at
    the lowest. Each cell has `budget` trials, however many fields it is tuned over, asked for `at_once` at a time, the
    first of them at what `configure` sets and half way to either end; a trial is the mean of `metric`, which must see
    nothing that results are measured on (`Task.validated`), over `seeds` seeds that are used for nothing else. Of
    several metrics a cell goes by the first that its task has, so that one study can tell classes and numbers. With
    `widen` the ends at which the winner lies are moved tenfold, once, and three more trials made beyond them.
    """

    ranges: Mapping[str, tuple[float, float]]
    metric: str | tuple[str, ...]
    direction: Literal["maximize", "minimize"]
    budget: int
    at_once: int
    seeds: int
    widen: bool = False

    def __post_init__(self) -> None:
        check_types("tuning", self)
        if not self.ranges:
            raise UserError("tuning: ranges must name at least one field")
        if not self.metrics:
            raise UserError("tuning: metric must name at least one metric")
        for name, (low, high) in self.ranges.items():
            if not 0 < low < high < math.inf:
                raise UserError(f"tuning: the range of {name} is empty or reversed: from {low} to {high}")
            if not low <= 1 <= high:
                raise UserError(f"tuning: the range of {name}, {low} to {high}, must hold 1: what configure() sets")
        for name in ("budget", "at_once", "seeds"):
            if getattr(self, name) < 1:
                raise UserError(f"tuning: {name}={getattr(self, name)} must be at least 1")
            if getattr(self, name) > MOST_SEEDS:
                raise UserError(f"tuning: {name}={getattr(self, name)} must be at most {MOST_SEEDS}")
        if self.direction not in ("maximize", "minimize"):
            raise UserError(f"tuning: direction={self.direction!r} is not one of maximize, minimize")

    @property
    def metrics(self) -> tuple[str, ...]:
        """What a trial can be judged by, the first that a task has."""
        return (self.metric,) if isinstance(self.metric, str) else tuple(self.metric)
