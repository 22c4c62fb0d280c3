"""What is claimed, and the number that it is about: frozen values, checked when they are built."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from research.design.errors import UserError
from research.design.levels import Level, Levels
from research.design.type_checks import check_types

Kind = Literal["most", "share", "mean", "identity", "existence", "always"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COUNTED: tuple[Kind, ...] = ("most", "share")  # judged by how many seeds lie in the region
PROMISED: tuple[Kind, ...] = (*COUNTED, "mean")  # of which few may go wrong; the others speak of the seeds seen
FIRST = ("first_below", "first_above")  # joins that look for a threshold
ANYTHING = (-math.inf, math.inf)
# What says where a metric is read: nothing (of a run), a time, a layer at a time, a place.
PLACES: tuple[set[str], ...] = (set(), {"epoch"}, {"step"}, {"layer", "epoch"}, {"layer", "step"}, {"place"})


@dataclass(frozen=True)
class Number:
    """How one number per seed is made from the cells: a metric, read in every arm of `arms` and level of `blocks`.

    `across_arms` joins the arms within a seed and a block, then `across_blocks` the blocks: "only" the one there is,
    "spread" largest minus smallest, "difference" first minus second, "ratio" first over second, "max", "min" or "mean".
    Of arms that are numbers, "log_slope" is the slope of the metric's logarithm over the arm's, and "first_below" and
    "first_above" the smallest arm whose metric is below or above `threshold`, somewhere above the largest if none is.

    A replicate that diverged, never arrived or has no such metric has no number that could be filled in: all that is
    known is that it lies in the open interval `missing`, and, of one that never arrived, above where counting ended.
    What the joins make of that is an interval too. `resolution` is the smallest step of the number: no interval of a
    mean is narrower than that to either side.

    `at` says where a metric is read that has several values: at an epoch or step of its curve, in a layer at such a
    time, at a place of a profile. With `over` it is divided by what the study's prediction of this name gives at the
    cell's levels.
    """

    metric: str
    arms: tuple[Level, ...]
    blocks: Mapping[str, tuple[Level, ...]]
    across_arms: Literal[
        "only", "spread", "difference", "ratio", "max", "min", "mean", "log_slope", "first_below", "first_above"
    ]
    across_blocks: Literal["only", "spread", "difference", "ratio", "max", "min", "mean"]
    missing: tuple[float, float] = ANYTHING
    resolution: float = 1e-6
    threshold: float | None = None
    at: Mapping[str, int] = field(default_factory=dict)
    over: str = ""

    def __post_init__(self) -> None:
        where = f"number {self.metric!r}"
        check_types(where, self)
        if set(self.at) not in PLACES or any(value < 0 for value in self.at.values()):
            told = "epoch or step, layer and epoch or step, or place, each a whole number from 0"
            raise UserError(f"{where}: at={dict(self.at)} must name {told}")
        if not self.missing[0] < self.missing[1]:
            raise UserError(f"{where}: missing={self.missing} must be an interval, its lower end first")
        if not 0 <= self.resolution < math.inf:
            raise UserError(f"{where}: resolution={self.resolution} must be finite and at least 0")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise UserError(f"{where}: threshold={self.threshold} must be finite")
        joins = ("only", "spread", "difference", "ratio", "max", "min", "mean")
        for across, more in (("arms", ("log_slope", *FIRST)), ("blocks", ())):
            if (how := getattr(self, f"across_{across}")) not in (*joins, *more):
                raise UserError(f"{where}: across_{across}={how!r} is not one of {', '.join((*joins, *more))}")
        if self.across_arms in ("log_slope", *FIRST) and any(isinstance(arm, str) for arm in self.arms):
            raise UserError(f"{where}: {self.across_arms!r} needs arms that are numbers, not {self.arms}")
        if self.across_arms == "log_slope" and any(float(arm) <= 0 for arm in self.arms):
            raise UserError(f"{where}: 'log_slope' needs arms above 0, not {self.arms}")
        if (self.across_arms in FIRST) != (self.threshold is not None):
            raise UserError(f"{where}: a threshold goes with across_arms={' or '.join(map(repr, FIRST))}, and no other")
        num_blocks = math.prod(len(levels) for levels in self.blocks.values())
        for across, how, count in (
            ("arms", self.across_arms, len(self.arms)),
            ("blocks", self.across_blocks, num_blocks),
        ):
            needed = {"only": 1, "difference": 2, "ratio": 2, "log_slope": max(2, count)}.get(how, count)
            if count != needed or not count:
                raise UserError(f"{where}: across_{across}={how!r} needs {needed or 1} of them, has {count}")

    @property
    def column(self) -> str:
        """The column of the table of runs that it is read from."""
        at = "".join(f"_at_{name}_{value}" for name, value in self.at.items())
        return self.metric + at + (f"_over_{self.over}" if self.over else "")


@dataclass(frozen=True)
class Claim:
    """A sentence of a document made testable before the first full run: a number and the open interval it must be in.

    kind says what is judged. "most": that more than half of all seeds lie in the interval; "share": that more than
    `share` of them do; "mean": that their mean does. Of these few verdicts are false (`findings.judge`). The others
    speak of the seeds seen: "identity", the largest error over random cases is in the interval; "existence", one seed
    is; "always", every seed is.

    `by_hand` says where a margin, the interval's edge or the number's threshold, comes from that somebody chose: a
    figure then shows what others would have given.
    """

    name: str
    text: str
    passage: str
    kind: Kind
    number: Number
    above: float = float("-inf")
    below: float = float("inf")
    share: float = 0.5
    by_hand: str = ""

    def __post_init__(self) -> None:
        check_judged(f"claim {self.name!r}", self)
        if self.by_hand:
            check_line(f"claim {self.name!r}", "by_hand", self.by_hand)

    @property
    def more_than(self) -> float:
        """The share of all seeds beyond which a claim that is judged by counting them holds."""
        return self.share if self.kind == "share" else 0.5


@dataclass(frozen=True)
class Control:
    """Something that comes out in a known way if the apparatus works. It is judged as a claim of its kind is.

    Where it is refuted the verdicts on the claims that it `guards` are withheld; all of the study's, where it names
    none. `cells` are trained for it beside the arms and blocks; its number may name their levels.
    """

    name: str
    text: str
    number: Number
    above: float = float("-inf")
    below: float = float("inf")
    cells: tuple[Levels, ...] = ()
    kind: Kind = "mean"
    share: float = 0.5
    guards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_judged(f"control {self.name!r}", self)


@dataclass(frozen=True)
class MainEffect:
    """A claim that differences are due to the arms alone, judged across universes: a share and where it must lie.

    `metric` is averaged over the levels of `blocks` in each arm of each universe that crosses the levels of `choices`.
    Of the variance of these means in which the arms take part, the number of a seed is the share of the arms' main
    effect; the rest are their interactions with the choices. Where a replicate diverged, its seed's may be any share.
    `kind` says whether the mean over seeds is judged or most of them.
    """

    name: str
    text: str
    passage: str
    metric: str
    blocks: Mapping[str, tuple[Level, ...]]
    choices: Mapping[str, tuple[Level, ...]]
    above: float = float("-inf")
    below: float = float("inf")
    kind: Literal["most", "mean"] = "mean"

    def __post_init__(self) -> None:
        check_judged(f"claim {self.name!r}", self)


def check_judged(place: str, judged: Claim | Control | MainEffect) -> None:
    """Raise UserError for fields of other kinds, a name or text that is not one line, or a region without numbers."""
    kinds = KINDS if not isinstance(judged, MainEffect) else ("most", "mean")
    if judged.kind not in kinds:
        raise UserError(f"{place}: kind {judged.kind!r} is not one of {', '.join(kinds)}")
    check_types(place, judged)
    check_name(place.partition(" ")[0], judged.name)
    check_line(place, "text", judged.text)
    check_region(place, judged.above, judged.below)
    if isinstance(judged, MainEffect):
        return
    if not 0 <= judged.share < 1:
        raise UserError(f"{place}: share={judged.share} must be from 0 to below 1")


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
