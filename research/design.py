"""Studies as frozen values: configurations, factors, tiers, controls and claims, checked when they are built."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

DOCUMENTS = {
    "A": "Multilayer Perceptron / Feedforward Neural Network (lecture notes)",
    "B": "ML Foundations (6/9), Neural Networks: From Perceptron to MLP",
}
Level = str | int | float
Levels = Mapping[str, Level]

CHOICES: dict[str, tuple[str, ...]] = {
    "dataset": ("mnist", "digits"),
    "activation": ("identity", "sigmoid", "tanh", "relu", "gelu"),
    "init": ("default", "xavier", "he", "normal", "zero"),
    "loss": ("cross_entropy",),
    "optimizer": ("sgd", "adam", "adamw"),
}
SMALLEST = {  # and the type: an int stands for a whole number
    "depth": 0,
    "width": 1,
    "init_std": 0.0,
    "lr": 0.0,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "batch_size": 1,
    "epochs": 1,
}


class UserError(Exception):
    """What a user can get wrong, in one line that says what, where and what to do. Commands exit with status 2."""


@dataclass(frozen=True)
class TrainConfig:
    """All that decides the numbers of a replicate, but for its seed.

    depth counts hidden layers (0 is softmax regression), width their units. init is a name of `models.initial_layer`;
    init_std is used by "normal" alone. One epoch is one pass over the training split in batches of batch_size. After
    the probe_epochs (0: before any training) `probes.LayerProbe` looks inside; those beyond epochs are ignored, so that
    a tier can shorten the training. A field left at its default is not part of the fingerprint, so new fields can be
    added.

    Raises UserError for a name that does not exist or a number out of range.
    """

    dataset: str = "mnist"
    depth: int = 1
    width: int = 128
    activation: str = "relu"
    init: str = "default"
    init_std: float = 1.0
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 128
    epochs: int = 5
    probe_epochs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(f"{name}={getattr(self, name)!r} is not one of {', '.join(choices)}")
        for name, smallest in SMALLEST.items():
            value = getattr(self, name)
            whole = isinstance(smallest, int)
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise UserError(f"{name}={value!r} must be {'a whole number' if whole else 'a number'}")
            if not smallest <= value < float("inf"):
                raise UserError(f"{name}={value!r} must be finite and at least {smallest}")
        if self.momentum and self.optimizer != "sgd":
            raise UserError(f"momentum={self.momentum} goes with optimizer='sgd', not {self.optimizer!r}")
        probed = self.probe_epochs
        if not isinstance(probed, tuple) or any(type(epoch) is not int for epoch in probed):
            raise UserError(f"probe_epochs={probed!r} must be a tuple of whole numbers, such as (0, 1, 5)")
        if any(late <= early for early, late in itertools.pairwise((-1, *probed))):
            raise UserError(f"probe_epochs={probed!r} must ascend from 0 or later, each epoch once")


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

    `across_arms` joins the arms within a seed and a block ("only" the one arm, "spread" largest minus smallest,
    "difference" first minus second), then `across_blocks` the blocks. A replicate that diverged, or has no such
    metric, counts as `diverged`; where that is NaN the metric is one from before training, and what was measured stays.
    `resolution` is the smallest step of the metric: no interval of a mean is narrower than that to either side.
    """

    metric: str
    arms: tuple[Level, ...]
    blocks: Mapping[str, tuple[Level, ...]]
    across_arms: Literal["only", "spread", "difference", "max", "min"]
    across_blocks: Literal["only", "difference", "max", "min", "mean"]
    diverged: float
    resolution: float = 1e-6

    def __post_init__(self) -> None:
        joins = ("only", "spread", "difference", "max", "min", "mean")
        for how in (self.across_arms, self.across_blocks):
            if how not in joins:
                raise UserError(f"number {self.metric!r}: {how!r} is not one of {', '.join(joins)}")
        num_blocks = math.prod(len(levels) for levels in self.blocks.values())
        for across, how, count in (
            ("arms", self.across_arms, len(self.arms)),
            ("blocks", self.across_blocks, num_blocks),
        ):
            needed = {"only": 1, "difference": 2}.get(how, count)
            if count != needed or not count:
                raise UserError(
                    f"number {self.metric!r}: across_{across}={how!r} needs {needed or 1} of them, has {count}"
                )


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
        if not self.above < self.below:
            raise UserError(f"claim {self.name!r}: nothing lies above {self.above} and below {self.below}")


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


@dataclass(frozen=True)
class Study:
    """One question with its design. `configure` is a pure function from levels, given by name, to a TrainConfig.

    `passage` names places in DOCUMENTS, `says` is what they say, paraphrased. `headline` names the metrics that are
    shown first; a change in the meaning of the same configuration needs a higher `revision`.

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
    says: str = ""
    universes: tuple[Factor, ...] = ()
    controls: tuple[Control, ...] = ()
    claims: tuple[Claim, ...] = ()
    revision: int = 1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UserError(f"study name {self.name!r} must be lower-case letters, digits and _")
        names = [factor.name for factor in self.factors]
        if len(set(names)) < len(names) or {"cell", "seed", "epoch", "layer"} & set(names):
            raise UserError(
                f"{self.name}: factors need names of their own, not cell, seed, epoch, layer: {', '.join(names)}"
            )
        findings = [judged.name for judged in self.judged]
        if len(set(findings)) < len(findings):
            raise UserError(f"{self.name}: two claims or controls have the same name: {', '.join(findings)}")
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
