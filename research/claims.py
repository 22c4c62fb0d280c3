"""What is claimed, and the number that it is about: frozen values, checked when they are built."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from research.config import UserError
from research.kinds import check_kinds
from research.levels import Level, Levels


@dataclass(frozen=True)
class Number:
    """How one number per seed is made from the cells: a metric, read in every arm of `arms` and level of `blocks`.

    `across_arms` joins the arms within a seed and a block, then `across_blocks` the blocks: "only" the one there is,
    "spread" largest minus smallest, "difference" first minus second, "ratio" first over second, "max", "min" or "mean".
    Of arms that are numbers, "log_slope" is the slope of the metric's logarithm over the arm's, and "first_below" the
    smallest arm whose metric is below `threshold`, twice the largest if none is.

    A replicate that diverged, or has no such metric, counts as `diverged`; where that is NaN the metric is one from
    before training, and what was measured stays. `resolution` is the smallest step of the number: no interval of a mean
    is narrower than that to either side.
    """

    metric: str
    arms: tuple[Level, ...]
    blocks: Mapping[str, tuple[Level, ...]]
    across_arms: Literal["only", "spread", "difference", "ratio", "max", "min", "mean", "log_slope", "first_below"]
    across_blocks: Literal["only", "spread", "difference", "ratio", "max", "min", "mean"]
    diverged: float
    resolution: float = 1e-6
    threshold: float | None = None

    def __post_init__(self) -> None:
        where = f"number {self.metric!r}"
        check_kinds(where, self)
        if not 0 <= self.resolution < math.inf:
            raise UserError(f"{where}: resolution={self.resolution} must be finite and at least 0")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise UserError(f"{where}: threshold={self.threshold} must be finite")
        joins = ("only", "spread", "difference", "ratio", "max", "min", "mean")
        for across, more in (("arms", ("log_slope", "first_below")), ("blocks", ())):
            if (how := getattr(self, f"across_{across}")) not in (*joins, *more):
                raise UserError(f"{where}: across_{across}={how!r} is not one of {', '.join((*joins, *more))}")
        if self.across_arms in ("log_slope", "first_below") and any(isinstance(arm, str) for arm in self.arms):
            raise UserError(f"{where}: {self.across_arms!r} needs arms that are numbers, not {self.arms}")
        if self.across_arms == "log_slope" and any(float(arm) <= 0 for arm in self.arms):
            raise UserError(f"{where}: 'log_slope' needs arms above 0, not {self.arms}")
        if (self.across_arms == "first_below") != (self.threshold is not None):
            raise UserError(f"{where}: a threshold goes with across_arms='first_below', and only with it")
        num_blocks = math.prod(len(levels) for levels in self.blocks.values())
        for across, how, count in (
            ("arms", self.across_arms, len(self.arms)),
            ("blocks", self.across_blocks, num_blocks),
        ):
            needed = {"only": 1, "difference": 2, "ratio": 2, "log_slope": max(2, count)}.get(how, count)
            if count != needed or not count:
                raise UserError(f"{where}: across_{across}={how!r} needs {needed or 1} of them, has {count}")


@dataclass(frozen=True)
class Claim:
    """A sentence of a document made testable before the first full run: a number and the open interval it must be in.

    kind says what is judged: the "mean" over seeds; the "share" of seeds whose number is in the interval, which must be
    above `share`; an "identity", whose largest error over random cases must be in the interval; the "existence" of one
    seed in the interval; or that a number is "never" outside.
    """

    name: str
    text: str
    passage: str
    kind: Literal["mean", "share", "identity", "existence", "never"]
    number: Number
    above: float = float("-inf")
    below: float = float("inf")
    share: float = 0.5

    def __post_init__(self) -> None:
        kinds = ("mean", "share", "identity", "existence", "never")
        if self.kind not in kinds:
            raise UserError(f"claim {self.name!r}: kind {self.kind!r} is not one of {', '.join(kinds)}")
        check_judged(f"claim {self.name!r}", self)
        if not 0 <= self.share < 1:
            raise UserError(f"claim {self.name!r}: share={self.share} must be from 0 to below 1")


@dataclass(frozen=True)
class Control:
    """Something whose mean over seeds must lie in a known interval, else the study's verdicts are withheld.

    `cells` are trained for it beside the arms and blocks; its number may name their levels.
    """

    name: str
    text: str
    number: Number
    above: float = float("-inf")
    below: float = float("inf")
    cells: tuple[Levels, ...] = ()

    def __post_init__(self) -> None:
        check_judged(f"control {self.name!r}", self)


@dataclass(frozen=True)
class Attribution:
    """A claim that differences are due to the arms alone, judged across universes: a share and where it must lie.

    `metric` is averaged over the levels of `blocks` in each arm of each universe that crosses the levels of `choices`.
    Of the variance of these means in which the arms take part, the number is the share of the arms' main effect; the
    rest are their interactions with the choices. A replicate that diverged counts as `diverged`.
    """

    name: str
    text: str
    passage: str
    metric: str
    blocks: Mapping[str, tuple[Level, ...]]
    choices: Mapping[str, tuple[Level, ...]]
    diverged: float
    above: float = float("-inf")
    below: float = float("inf")

    def __post_init__(self) -> None:
        check_judged(f"claim {self.name!r}", self)


def check_judged(place: str, judged: Claim | Control | Attribution) -> None:
    """Raise UserError for fields of other kinds, a name or text that is not one line, a region without numbers."""
    check_kinds(place, judged)
    check_name(place.partition(" ")[0], judged.name)
    check_line(place, "text", judged.text)
    check_region(place, judged.above, judged.below)


def check_line(place: str, name: str, text: str) -> None:
    """Raise UserError for text that is not shown in one line: it stands in tables."""
    if not text.strip() or not text.isprintable():
        raise UserError(f"{place}: {name}={text!r} must be one line of text")


def check_name(kind: str, name: str) -> None:
    """Raise UserError for a name that cannot be a part of a file's name, of a key or of a sentence as it is."""
    if not re.fullmatch(r"[A-Za-z0-9_.+-]+", name):
        raise UserError(f"{kind} {name!r}: its name must be made of letters, digits and _ . + -")


def check_region(place: str, above: float, below: float) -> None:
    """Raise UserError for a region in which no number lies."""
    if not above < below:
        raise UserError(f"{place}: nothing lies above {above} and below {below}")
