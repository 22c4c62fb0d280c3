"""Studies as frozen values: factors, tiers, controls and claims, checked when they are built."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from research.config import TrainConfig, UserError

__all__ = ["Claim", "Control", "Factor", "Number", "Study", "Tier", "TrainConfig"]

DOCUMENTS = {
    "A": "Multilayer Perceptron / Feedforward Neural Network (lecture notes)",
    "B": "ML Foundations (6/9), Neural Networks: From Perceptron to MLP",
}
RESERVED = {"cell", "seed", "epoch", "step", "layer", "place"}  # columns that the tables have beside the factors
Level = str | int | float
Levels = Mapping[str, Level]


@dataclass(frozen=True)
class Factor:
    """Something set on purpose, and the values it is set to. For a universe factor the first level is the reference."""

    name: str
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) < len(self.levels):
            raise UserError(f"factor {self.name!r}: levels must be one or more, each once, not {self.levels}")
        for word in (self.name, *self.levels):
            if not re.fullmatch(r"[A-Za-z0-9_.+-]+", str(word)):
                raise UserError(f"factor {self.name!r}: {word!r} must be made of letters, digits and _ . + -")


@dataclass(frozen=True)
class Tier:
    """One size of a study: how many seeds, which fields are replaced, which levels of which factors are kept."""

    seeds: int
    overrides: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Number:
    """How one number per seed is made from the cells: a metric, read in every arm of `arms` and level of `blocks`.

    `across_arms` joins the arms within a seed and a block, then `across_blocks` the blocks: "only" the one there is,
    "spread" largest minus smallest, "difference" first minus second, "ratio" first over second. Of arms that are
    numbers, "log_slope" is the slope of the metric's logarithm over the arm's, and "first_below" the smallest arm whose
    metric is below `threshold`, twice the largest if none is.

    A replicate that diverged, or has no such metric, counts as `diverged`; where that is NaN the metric is one from
    before training, and what was measured stays. `resolution` is the smallest step of the number: no interval of a mean
    is narrower than that to either side.
    """

    metric: str
    arms: tuple[Level, ...]
    blocks: Mapping[str, tuple[Level, ...]]
    across_arms: Literal["only", "spread", "difference", "ratio", "max", "min", "log_slope", "first_below"]
    across_blocks: Literal["only", "difference", "ratio", "max", "min", "mean"]
    diverged: float
    resolution: float = 1e-6
    threshold: float | None = None

    def __post_init__(self) -> None:
        where = f"number {self.metric!r}"
        joins = ("only", "spread", "difference", "ratio", "max", "min", "mean")
        for how, more in ((self.across_arms, ("log_slope", "first_below")), (self.across_blocks, ())):
            if how not in (*joins, *more):
                raise UserError(f"{where}: {how!r} is not one of {', '.join((*joins, *more))}")
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
        check_region(f"claim {self.name!r}", self.above, self.below)
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
        check_region(f"control {self.name!r}", self.above, self.below)


def check_region(place: str, above: float, below: float) -> None:
    """Raise UserError for a region in which no number lies."""
    if not above < below:
        raise UserError(f"{place}: nothing lies above {above} and below {below}")


@dataclass(frozen=True)
class Study:
    """One question with its design. `configure` is a pure function from levels, given by name, to a TrainConfig.

    `passage` names places in DOCUMENTS, `says` is what they say, paraphrased. `headline` names the metrics that are
    shown first, `direction` which way the first is better; a change in the meaning of the same configuration needs a
    higher `revision`.

    Raises UserError, naming both sides, for a wrong name, a level that a claim, control or tier does not find among the
    factors, or a factor that `configure` ignores.
    """

    name: str
    question: str
    passage: str
    configure: Callable[..., TrainConfig]
    arms: Factor
    blocks: tuple[Factor, ...]
    tiers: Mapping[str, Tier]
    headline: tuple[str, ...]
    direction: Literal["maximize", "minimize"] = "maximize"
    says: str = ""
    universes: tuple[Factor, ...] = ()
    controls: tuple[Control, ...] = ()
    claims: tuple[Claim, ...] = ()
    revision: int = 1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UserError(f"study name {self.name!r} must be lower-case letters, digits and _")
        names = [factor.name for factor in self.factors]
        if len(set(names)) < len(names) or RESERVED & set(names):
            raise UserError(
                f"{self.name}: factors need names of their own, not {', '.join(sorted(RESERVED))}: {', '.join(names)}"
            )
        findings = [judged.name for judged in self.judged]
        if len(set(findings)) < len(findings):
            raise UserError(f"{self.name}: two claims or controls have the same name: {', '.join(findings)}")
        if self.direction not in ("maximize", "minimize"):
            raise UserError(f"{self.name}: direction={self.direction!r} is not one of maximize, minimize")
        if not self.headline:
            raise UserError(f"{self.name}: headline must name at least one metric")
        if "full" not in self.tiers:
            raise UserError(f"{self.name}: needs a tier 'full', has {', '.join(self.tiers)}")
        for place, levels in self._named_levels():
            self._check_levels(place, levels)
        self._check_configure()

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Arms, block factors and universe factors, in the order of the key."""
        return (self.arms, *self.blocks, *self.universes)

    @property
    def judged(self) -> tuple[Control | Claim, ...]:
        """All that gets a finding: controls, then claims."""
        return (*self.controls, *self.claims)

    def config(self, levels: Levels, tier: str = "full") -> TrainConfig:
        """A cell's configuration: `configure` at its levels, universes at their reference, the tier's overrides."""
        reference = {factor.name: factor.levels[0] for factor in self.universes}
        config = self.configure(**{**reference, **levels})
        unknown = set(self.tiers[tier].overrides) - {f.name for f in fields(TrainConfig)}
        if unknown:
            raise UserError(
                f"{self.name}: tier {tier!r} overrides {', '.join(sorted(unknown))}, no field of TrainConfig"
            )
        return replace(config, **self.tiers[tier].overrides)

    def _named_levels(self) -> Iterator[tuple[str, Mapping[str, tuple[Level, ...]]]]:
        for name, tier in self.tiers.items():
            if tier.seeds < 1:
                raise UserError(f"{self.name}: tier {name!r} needs at least one seed, has {tier.seeds}")
            yield f"tier {name!r}", tier.levels
        for claim in self.claims:
            yield f"claim {claim.name!r}", {self.arms.name: claim.number.arms, **claim.number.blocks}
        for control in self.controls:
            yield f"control {control.name!r}", {self.arms.name: control.number.arms, **control.number.blocks}

    def _check_levels(self, place: str, named: Mapping[str, tuple[Level, ...]]) -> None:
        known = {factor.name: factor.levels for factor in self.factors}
        if place.startswith("control"):
            cells = [cell for control in self.controls for cell in control.cells]
            known = {name: (*levels, *(cell[name] for cell in cells if name in cell)) for name, levels in known.items()}
        if not place.startswith("tier") and (left := {f.name for f in (self.arms, *self.blocks)} - set(named)):
            raise UserError(f"{self.name}: {place} leaves {', '.join(sorted(left))} open")
        for name, levels in named.items():
            if name not in known:
                raise UserError(f"{self.name}: {place} names factor {name!r}, the study has {', '.join(known)}")
            for level in levels:
                if level not in known[name]:
                    raise UserError(f"{self.name}: {place} names {name} {level!r}, the study has {known[name]}")

    def _check_configure(self) -> None:
        for tier, control in itertools.product(self.tiers, self.controls):
            for cell in control.cells:
                if missing := {f.name for f in (self.arms, *self.blocks)} - set(cell):
                    raise UserError(f"{self.name}: control {control.name!r} leaves {', '.join(missing)} open")
                self.config(cell, tier)
        names = [factor.name for factor in self.factors]
        grid = [dict(zip(names, point, strict=True)) for point in itertools.product(*(f.levels for f in self.factors))]
        for tier in self.tiers:
            self.config(grid[0], tier)
        configs = [(levels, self.config(levels)) for levels in grid]
        for factor in self.factors:
            others: dict[Any, set[TrainConfig]] = {}
            for levels, config in configs:
                rest = tuple(value for name, value in levels.items() if name != factor.name)
                others.setdefault(rest, set()).add(config)
            if len(factor.levels) > 1 and all(len(found) == 1 for found in others.values()):
                raise UserError(f"{self.name}: configure() ignores factor {factor.name!r} with levels {factor.levels}")
