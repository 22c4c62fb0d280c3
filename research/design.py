"""Studies as frozen values: factors, tiers, controls and claims, checked when they are built."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from research.config import TrainConfig, UserError

__all__ = [
    "Attribution",
    "Claim",
    "Control",
    "Factor",
    "Number",
    "Study",
    "Tier",
    "TrainConfig",
    "Tuning",
    "crossed",
]

DOCUMENTS = {
    "A": "Multilayer Perceptron / Feedforward Neural Network (lecture notes)",
    "B": "ML Foundations (6/9), Neural Networks: From Perceptron to MLP",
}
TUNED = "tuned"  # the level of a choice under which the study's Tuning takes place
RESERVED = {"cell", "seed", "epoch", "step", "layer", "place"}  # columns that the tables have beside the factors
Level = str | int | float
Levels = Mapping[str, Level]


@dataclass(frozen=True)
class Factor:
    """Something set on purpose, and the values it is set to. Of a choice the first level is the reference."""

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
    """One size of a study: how many seeds, which fields are replaced, which levels of which factors are kept.

    Of choices too: universes with other levels are left out.

    `universe_seeds` is how many there are where several universes are compared; 0 stands for `seeds`.
    """

    seeds: int
    overrides: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    universe_seeds: int = 0


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
        check_region(f"claim {self.name!r}", self.above, self.below)


@dataclass(frozen=True)
class Tuning:
    """How nuisance settings are tuned for each cell of a universe with a choice at the level "tuned".

    `ranges` gives fields of TrainConfig with the lowest and highest multiple of what `configure` sets them to, searched
    on a logarithmic scale. Each cell has `budget` trials, asked for `at_once` at a time, the first of them at what
    `configure` sets and half way to either end; a trial is the mean of `metric`, which must come from the validation
    split, over `seeds` seeds that are used for nothing else.
    """

    ranges: Mapping[str, tuple[float, float]]
    metric: str
    direction: Literal["maximize", "minimize"]
    budget: int
    at_once: int
    seeds: int

    def __post_init__(self) -> None:
        numbers = {f.name for f in fields(TrainConfig) if f.type == "float"}
        if not self.ranges:
            raise UserError("tuning: ranges must name at least one field")
        for name, (low, high) in self.ranges.items():
            if name not in numbers:
                raise UserError(f"tuning: {name!r} is no number of TrainConfig; there are {', '.join(sorted(numbers))}")
            if not 0 < low < high < math.inf:
                raise UserError(f"tuning: the range of {name} is empty or reversed: from {low} to {high}")
            if not low <= 1 <= high:
                raise UserError(f"tuning: the range of {name}, {low} to {high}, must hold 1: what configure() sets")
        for name in ("budget", "at_once", "seeds"):
            if getattr(self, name) < 1:
                raise UserError(f"tuning: {name}={getattr(self, name)} must be at least 1")
        if self.metric not in ("validation_loss", "validation_accuracy", "steps_to_target"):
            raise UserError(f"tuning: metric {self.metric!r} does not come from the validation split")
        if self.direction not in ("maximize", "minimize"):
            raise UserError(f"tuning: direction={self.direction!r} is not one of maximize, minimize")


def crossed(**levels: tuple[Level, ...]) -> tuple[Levels, ...]:
    """Every combination of the named choices' levels."""
    return tuple(dict(zip(levels, point, strict=True)) for point in itertools.product(*levels.values()))


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

    `choices` are what the documents leave open; `universes` the combinations of them that are compared, each as the
    levels in which it differs from the reference, and `universe_reasons` why these and what was left out.
    `attributions` are claims about all of them together.

    Raises UserError, naming both sides, for a wrong name, a level that a claim, control, tier or universe does not find
    among the factors, or a factor that `configure` ignores.
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
    choices: tuple[Factor, ...] = ()
    universes: tuple[Levels, ...] = ()
    universe_reasons: str = ""
    tuning: Tuning | None = None
    controls: tuple[Control, ...] = ()
    claims: tuple[Claim, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    revision: int = 1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UserError(f"study name {self.name!r} must be lower-case letters, digits and _")
        names = [factor.name for factor in self.factors]
        if len(set(names)) < len(names) or RESERVED & set(names):
            raise UserError(
                f"{self.name}: factors need names of their own, not {', '.join(sorted(RESERVED))}: {', '.join(names)}"
            )
        findings = [judged.name for judged in (*self.judged, *self.attributions)]
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
        self._check_universes()
        self._check_configure()

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Arms, block factors and choices, in the order of the key."""
        return (self.arms, *self.blocks, *self.choices)

    @property
    def reference(self) -> Levels:
        """The first level of each choice."""
        return {choice.name: choice.levels[0] for choice in self.choices}

    def universe(self, levels: Levels) -> Levels:
        """A universe as a level of every choice, of those in which it differs from the reference."""
        return {**self.reference, **levels}

    @property
    def designed(self) -> tuple[Levels, ...]:
        """The reference and the universes that are compared with it, each once, as a level of every choice."""
        every = (self.reference, *map(self.universe, self.universes))
        return tuple({tuple(levels.items()): levels for levels in every}.values())

    @property
    def judged(self) -> tuple[Control | Claim, ...]:
        """All that gets a finding: controls, then claims."""
        return (*self.controls, *self.claims)

    def config(self, levels: Levels, tier: str = "full") -> TrainConfig:
        """A cell's configuration: `configure` at its levels, other choices at the reference, the tier's overrides."""
        config = self.configure(**{**self.reference, **levels})
        unknown = set(self.tiers[tier].overrides) - {f.name for f in fields(TrainConfig)}
        if unknown:
            raise UserError(
                f"{self.name}: tier {tier!r} overrides {', '.join(sorted(unknown))}, no field of TrainConfig"
            )
        return replace(config, **self.tiers[tier].overrides)

    def _named_levels(self) -> Iterator[tuple[str, Mapping[str, tuple[Level, ...]]]]:
        for name, tier in self.tiers.items():
            if tier.seeds < 1 or tier.universe_seeds < 0:
                few = min(tier.seeds, tier.universe_seeds)
                raise UserError(f"{self.name}: tier {name!r} needs at least one seed, has {few}")
            lost = {choice: level not in tier.levels.get(choice, (level,)) for choice, level in self.reference.items()}
            if dropped := [choice for choice, is_lost in lost.items() if is_lost]:
                raise UserError(f"{self.name}: tier {name!r} must keep the reference level of {dropped[0]}")
            yield f"tier {name!r}", tier.levels
        for claim in self.claims:
            yield f"claim {claim.name!r}", {self.arms.name: claim.number.arms, **claim.number.blocks}
        for control in self.controls:
            yield f"control {control.name!r}", {self.arms.name: control.number.arms, **control.number.blocks}
        for attribution in self.attributions:
            yield f"claim {attribution.name!r}", {self.arms.name: self.arms.levels, **attribution.blocks}

    def _check_universes(self) -> None:
        known = {choice.name: choice.levels for choice in self.choices}
        named: list[tuple[str, Mapping[str, tuple[Level, ...]]]] = [
            *((f"universe {dict(one)}", {name: (level,) for name, level in one.items()}) for one in self.universes),
            *((f"claim {claim.name!r}", claim.choices) for claim in self.attributions),
        ]
        for place, by_choice in named:
            for name, levels in by_choice.items():
                if name not in known:
                    raise UserError(f"{self.name}: {place} names choice {name!r}, the study has {', '.join(known)}")
                if unknown := [level for level in levels if level not in known[name]]:
                    raise UserError(f"{self.name}: {place} names {name} {unknown[0]!r}, the study has {known[name]}")
        for claim in self.attributions:
            if missing := [levels for levels in crossed(**claim.choices) if self.universe(levels) not in self.designed]:
                raise UserError(f"{self.name}: claim {claim.name!r} needs the universe {missing[0]}")
        tuned = [choice.name for choice in self.choices if TUNED in choice.levels]
        if bool(tuned) != (self.tuning is not None):
            raise UserError(f"{self.name}: a tuning goes with a choice that has the level {TUNED!r}, and only with it")
        if tuned and TUNED in self.reference.values():
            raise UserError(f"{self.name}: the reference level of {tuned[0]} cannot be {TUNED!r}")

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
        if self.tuning is not None:
            if any(config.is_regression for _, config in configs):
                raise UserError(f"{self.name}: cannot be tuned: {configs[0][1].dataset!r} has no validation split")
            if self.tuning.metric == "steps_to_target" and not all(config.target_accuracy for _, config in configs):
                raise UserError(f"{self.name}: tuned by steps_to_target, but configure() sets no target_accuracy")
        for factor in self.factors:
            others: dict[Any, set[TrainConfig]] = {}
            for levels, config in configs:
                rest = tuple(value for name, value in levels.items() if name != factor.name)
                others.setdefault(rest, set()).add(config)
            untuned = [level for level in factor.levels if level != TUNED]
            if len(untuned) > 1 and all(len(found) == 1 for found in others.values()):
                raise UserError(f"{self.name}: configure() ignores factor {factor.name!r} with levels {factor.levels}")
