"""What hypothesis draws for the tests of properties: configurations, studies, claims and what was measured.

A property gets `examples(number)`, the same in every run; with HYPOTHESIS_PROFILE=thorough twenty times as many.
"""

import itertools
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from research.design.claims import KINDS, Claim, Control, MainEffect, Number
from research.design.errors import UserError
from research.design.levels import Level, Levels, level_word
from research.design.study import TUNED, Factor, Study, Tier, Tuning, crossed
from research.design.wording import TIMES
from research.training.choices import CHOICES, LARGEST, PROBES, SMALLEST
from research.training.config import TrainConfig
from research.training.data import DATA

SCALE = {"ci": 1, "thorough": 20}[os.environ.get("HYPOTHESIS_PROFILE", "ci")]
# Words that a table or Python may take for something else, and some that differ in little.
AWKWARD = (
    "01", "1.0", "1e3", "1E3", "+1", "-1", "1_0", ".5", "0", "0x1", "-a", "a_", "nan", "NaN", "inf", "-inf", "NA",
    "None", "null", "n-a", "true", "True", "false", "FALSE", "reference", "all", "seed", "he", "He", "x",
)  # fmt: skip
ALIKE = (0, -0.0, "-0", "0", 1, 1.0, True, "1", "01", "1.0", "+1", 1000, 1e3, "1e3", "nan", "NaN", 2**53, 2**53 + 1)
NAMES = ("alpha", "b", "Gamma", "d_1", "E", "rate", "init", "width", "loss", "x", "y_", "number_of", "cells")
FIELDS: dict[str, Callable[[int], Any]] = {  # what a factor may set, and to what at its first, second ... level
    "depth": lambda place: place + 1,
    "width": lambda place: 8 * (place + 1),
    "lr": lambda place: 0.1 / 2**place,
    "momentum": lambda place: place / 8,
    "weight_decay": lambda place: place / 8,
    "batch_size": lambda place: 2 ** (place + 3),
    "init_std": lambda place: 1 + place / 4,
    "input_scale": lambda place: 1 + place / 4,
    "output_bias": lambda place: place / 2,
    "epochs": lambda place: place + 1,
}
BASES = (
    TrainConfig(),
    TrainConfig("digits", optimizer="adam"),
    TrainConfig(network="cnn"),
    TrainConfig(network="cnn", head="pooled"),
    TrainConfig(loss="mse", output="raw"),
    TrainConfig("digits", steps=100, evaluate_every=50),
    TrainConfig("sine", loss="mse", output="raw", measures=("curve_fit",)),
    TrainConfig("line", target_accuracy=0.0),
)
finite = st.floats(allow_nan=False, allow_infinity=False)


def examples(number: int) -> settings:
    """So many examples of a property, or twenty times as many in the thorough profile."""
    return settings(max_examples=number * SCALE)


def words() -> SearchStrategy[str]:
    """Levels that are words, awkward ones among them."""
    return st.sampled_from(AWKWARD) | st.from_regex("[ab01_.+-]{0,2}[abAB01][01_.+-]?", fullmatch=True)


def any_levels(most: int = 4) -> SearchStrategy[tuple[Level, ...]]:
    """Levels of one factor, whether it can have them or not."""
    numbers = st.integers(-3, 20) | st.integers() | finite | st.sampled_from((0.1, 1.0, 1e-05, 1 / 3, 1e16, -0.0))
    odd = st.booleans() | st.sampled_from(("", ".", "_", "a b", "a/b", "a=b", "a,b", "é", math.nan, -math.inf))
    kinds = (words(), numbers, words() | numbers, words() | numbers | odd, st.sampled_from(ALIKE))
    return st.sampled_from(kinds).flatmap(lambda kind: st.lists(kind, min_size=1, max_size=most)).map(tuple)


def levels_of(least: int = 1, most: int = 4) -> SearchStrategy[tuple[Level, ...]]:
    """Levels that a factor can have: all words, all numbers, or both, never two that a table would take for one."""
    numbers = st.integers(-3, 20) | st.integers(-(2**40), 2**40) | finite
    kinds = (words(), numbers, st.integers(1, 99), words() | numbers)
    return (
        st.sampled_from(kinds)
        .flatmap(lambda kind: st.lists(kind, min_size=least, max_size=most, unique_by=level_word))
        .map(tuple)
    )


@dataclass(frozen=True)
class Configured:
    """A `configure` that sets a field of its own for each factor, to a value for each of its levels.

    `deaf` holds arms, a choice and a level that is to them as its reference.
    """

    dataset: str
    field: Mapping[str, str]
    levels: Mapping[str, tuple[Level, ...]]
    arms: str
    deaf: frozenset[tuple[str, str, str]] = frozenset()

    def __call__(self, **levels: Level) -> TrainConfig:
        usual: dict[str, Any] = {"loss": "mse", "output": "raw"} if self.dataset == "sine" else {}
        places = {name: [*map(str, self.levels[name])].index(str(level)) for name, level in levels.items()}
        for name, level in levels.items():
            if level == TUNED or (str(levels[self.arms]), name, str(level)) in self.deaf:
                places[name] = 0
        return TrainConfig(
            self.dataset, **usual, **{self.field[name]: FIELDS[self.field[name]](at) for name, at in places.items()}
        )


FIRST_SEEDS = st.sampled_from((0, 100))


@st.composite
def studies(draw: DrawFn, with_choices: bool = True, judged: bool = False, most_cells: int = 12) -> Study:
    """Any study that can be declared, small enough to be planned in no time; `judged` with claims."""
    num_blocks = draw(st.integers(0, 2))
    num_choices = draw(st.integers(0, 2)) if with_choices else 0
    names = draw(st.lists(st.sampled_from(NAMES), min_size=6, max_size=6, unique=True))
    levels = [draw(levels_of(1, 5)), *(draw(levels_of(1, 2)) for _ in range(num_blocks))]
    while math.prod(map(len, levels)) > most_cells:
        most = max(range(len(levels)), key=lambda place: len(levels[place]))
        levels[most] = levels[most][:-1]
    arms, *blocks = (Factor(name, some) for name, some in zip(names, levels, strict=False))
    choices = [Factor(name, draw(levels_of(2, 3))) for name in names[len(levels) : len(levels) + num_choices]]
    tuned = draw(st.integers(0, len(choices)))
    if tuned:  # at any place but the first
        choice = choices[tuned - 1]
        at = draw(st.integers(1, len(choice.levels)))
        choices[tuned - 1] = replace(choice, levels=(*choice.levels[:at], TUNED, *choice.levels[at:]))
    controls = draw(all_controls(arms, blocks))
    deaf = [(str(arm), c.name, str(level)) for arm in arms.levels[1:] for c in choices for level in c.levels[1:]]
    configure = Configured(
        draw(st.sampled_from(("digits", "mnist") if tuned else ("digits", "mnist", "sine"))),
        dict(zip(names, draw(st.permutations(list(FIELDS))), strict=False)),
        known_levels((arms, *blocks, *choices), controls),
        arms.name,
        draw(st.frozensets(st.sampled_from(deaf))) if deaf else frozenset(),
    )
    universes = draw(st.lists(universes_of(choices), max_size=4)) if choices else []
    main_effects = draw(st.lists(main_effects_of(blocks, choices), max_size=1)) if choices and judged else []
    universes += [dict(one) for claim in main_effects for one in crossed(**claim.choices)]
    some = st.lists(claims(arms, blocks), max_size=4, unique_by=lambda claim: claim.name)
    claimed = tuple(draw(some)) if judged else ()
    if judged:  # of any kind, and guarding what they like
        names = [claim.name for claim in (*claimed, *main_effects)]
        guarded = st.sets(st.sampled_from(names)).map(tuple) if names else st.just(())
        controls = tuple(
            replace(control, kind=draw(st.sampled_from(KINDS)), guards=draw(guarded)) for control in controls
        )
    return Study(
        name=draw(st.sampled_from(("toy", "a", "z_9"))),
        question="?",
        passage="nowhere",
        configure=configure,
        arms=arms,
        blocks=tuple(blocks),
        tiers=draw(tiers(arms, blocks, choices, 7 if judged else 1)),
        headline=("test_accuracy",),
        choices=tuple(choices),
        universes=tuple(universes),
        tuning=draw(tunings()) if tuned else None,
        controls=controls,
        claims=claimed,
        main_effects=tuple(main_effects),
        revision=draw(st.integers(1, 3)),
    )


def known_levels(factors: Sequence[Factor], controls: Sequence[Control]) -> dict[str, tuple[Level, ...]]:
    """By factor its levels, and behind them those of the controls' cells."""
    cells = [cell for control in controls for cell in control.cells]
    return {
        f.name: tuple({str(level): level for level in (*f.levels, *(c[f.name] for c in cells if f.name in c))}.values())
        for f in factors
    }


@st.composite
def all_controls(draw: DrawFn, arms: Factor, blocks: Sequence[Factor]) -> tuple[Control, ...]:
    """Up to two controls: of the grid, or of cells of their own, some of whose levels are new."""
    found = []
    new = {f.name: (*f.levels, f"new-{f.name}") for f in (arms, *blocks)}
    for name in draw(st.sampled_from(((), ("sane",), ("sane", "known")))):
        cells = draw(st.lists(st.fixed_dictionaries({f: st.sampled_from(at) for f, at in new.items()}), max_size=2))
        number = draw(numbers(arms, blocks))
        if cells and draw(st.booleans()):
            only = {block.name: (cells[0][block.name],) for block in blocks}
            number = Number("test_accuracy", (cells[0][arms.name],), only, "only", "only")
        found.append(Control(name, "text", number, **draw(regions()), cells=tuple(cells)))
    return tuple(found)


@st.composite
def tiers(
    draw: DrawFn, arms: Factor, blocks: Sequence[Factor], choices: Sequence[Factor], fewest: int
) -> dict[str, Tier]:
    """The full tier and up to two that replace fields and keep some levels, in any order; of choices the reference."""
    universe_seeds = draw(st.just(0) | st.integers(fewest, 12))
    found = {"full": Tier(draw(st.integers(fewest, 25)), universe_seeds=universe_seeds, first_seed=draw(FIRST_SEEDS))}
    overrides = {"epochs": st.integers(1, 3), "lr": st.sampled_from((0.1, 0.5)), "width": st.just(8)}
    for name in draw(st.sampled_from(((), ("smoke",), ("smoke", "quick")))):
        levels: dict[str, tuple[Level, ...]] = {}
        for factor in (arms, *blocks, *choices):
            if draw(st.booleans()):
                some = draw(st.permutations(factor.levels))[: draw(st.integers(1, len(factor.levels)))]
                must = factor.levels[:1] if factor in choices else ()
                levels[factor.name] = tuple(dict.fromkeys((*must, *some)))
        changed = draw(st.fixed_dictionaries({}, optional=overrides))
        found[name] = Tier(draw(st.integers(1, 12)), changed, levels, draw(st.integers(0, 3)))
    return found


def universes_of(choices: Sequence[Factor]) -> SearchStrategy[dict[str, Level]]:
    """A level of each of the choices, in any order; that of one may be the reference, or left out."""
    every = st.tuples(*(st.tuples(st.just(choice.name), st.sampled_from(choice.levels)) for choice in choices))
    return every.flatmap(st.permutations).map(dict) | every.map(lambda levels: dict(levels[1:]))


def tunings() -> SearchStrategy[Tuning]:
    """Ways to tune a learning rate."""
    ranges = st.fixed_dictionaries({"lr": st.tuples(st.floats(0.01, 0.5), st.floats(1, 30))})
    return st.builds(
        Tuning,
        ranges,
        st.just("validation_loss"),
        st.just("minimize"),
        st.integers(4, 6),
        st.integers(1, 5),
        st.integers(1, 12),
    )


def regions() -> SearchStrategy[dict[str, float]]:
    """Bounds of a region, one or both of them, or none."""
    bounds = st.floats(-1e12, 1e12) | st.sampled_from((0.0, -0.0, 0.5, 0.1, 1e-9))
    both = st.lists(bounds, min_size=2, max_size=2, unique=True).map(sorted)
    return st.one_of(
        bounds.map(lambda bound: {"above": bound}),
        bounds.map(lambda bound: {"below": bound}),
        both.map(lambda ends: {"above": ends[0], "below": ends[1]}),
        st.just({}),
    )


@st.composite
def numbers(draw: DrawFn, arms: Factor, blocks: Sequence[Factor], metric: str = "test_accuracy") -> Number:
    """Any number that can be made of these arms and blocks."""
    some = st.lists(st.sampled_from(arms.levels), min_size=1, unique_by=str).map(tuple)
    of_arms = draw(some)
    of_blocks = {
        block.name: tuple(draw(st.lists(st.sampled_from(block.levels), min_size=1, unique_by=str))) for block in blocks
    }
    num_blocks = math.prod(map(len, of_blocks.values()))
    by_count = {1: ["only"], 2: ["difference", "ratio"]}
    joins_of_arms = ["max", "min", "mean", "spread", *by_count.get(len(of_arms), [])]
    if not any(isinstance(arm, str) for arm in of_arms):
        joins_of_arms += ["first_below", "first_above"]
        if len(of_arms) > 1 and all(arm > 0 for arm in of_arms):
            joins_of_arms += ["log_slope"]
    joins_of_blocks = ["max", "min", "mean", "spread", *by_count.get(num_blocks, [])]
    across_arms = draw(st.sampled_from(joins_of_arms))
    threshold = draw(st.floats(-2, 2)) if across_arms.startswith("first_") else None
    across_blocks = draw(st.sampled_from(joins_of_blocks))
    missing = draw(st.sampled_from(((-math.inf, math.inf), (0.0, 1.0), (-math.inf, 0.0), (0.5, math.inf))))
    resolution = draw(st.sampled_from((1e-6, 0.0, 0.25)))
    return Number(metric, of_arms, of_blocks, across_arms, across_blocks, missing, resolution, threshold)


@st.composite
def claims(draw: DrawFn, arms: Factor, blocks: Sequence[Factor]) -> Claim:
    """A claim of any kind."""
    name = draw(st.sampled_from(("c", "other-claim", "third")))
    kind = draw(st.sampled_from(KINDS))
    share = draw(st.floats(0, 1, exclude_max=True))
    return Claim(name, f"What {name} says", "A", kind, draw(numbers(arms, blocks)), **draw(regions()), share=share)


@st.composite
def main_effects_of(draw: DrawFn, blocks: Sequence[Factor], choices: Sequence[Factor]) -> MainEffect:
    """A claim about the arms alone, across some of the choices."""
    of_choices = {choice.name: choice.levels for choice in choices if draw(st.booleans())}
    of_blocks = {block.name: block.levels for block in blocks}
    return MainEffect("alone", "text", "A", "test_accuracy", of_blocks, of_choices, **draw(regions()))


@st.composite
def configs(draw: DrawFn) -> TrainConfig:
    """Any configuration: fields by themselves at any value that they may have, as far as the others let them."""
    config = draw(st.sampled_from(BASES))
    for name in draw(st.lists(st.sampled_from([f.name for f in fields(TrainConfig)]), max_size=8)):
        config = changed(config, name, draw(field_values(name)))
    return config


def changed(config: TrainConfig, name: str, value: Any) -> TrainConfig:
    """The configuration with another value of a field, where that goes with the others; else as it is."""
    try:
        return replace(config, **{name: value})
    except UserError:
        return config


def field_values(name: str) -> SearchStrategy[Any]:
    """Values that a field may have, were it alone."""
    if name in CHOICES:
        return st.sampled_from(CHOICES[name])
    if name == "dataset":
        return st.sampled_from(tuple(DATA))
    if name in ("early_stopping", "standardize"):
        return st.booleans()
    if name == "probes":
        return st.sets(st.sampled_from(PROBES)).map(lambda found: tuple(sorted(found)))
    if name in ("probe_epochs", "probe_steps"):
        return st.sets(st.integers(0, 9), max_size=3).map(lambda found: tuple(sorted(found)))
    if name == "measures":
        return st.sampled_from(((), ("logit_gradients",), ("permuted_twin",), ("logit_gradients", "permuted_twin")))
    smallest = SMALLEST[name]
    if isinstance(smallest, int):
        return st.integers(smallest, 10**4) | st.integers(smallest, LARGEST)
    whole = st.integers(0, LARGEST)
    return st.floats(smallest, allow_infinity=False) | st.floats(smallest, 1) | whole | st.just(-0.0)


@st.composite
def frames(draw: DrawFn, study: Study, num_seeds: int, values: SearchStrategy[float]) -> pd.DataFrame:
    """A row a replicate of the study's grid and its controls' cells, with a metric that may be missing or diverged."""
    factors = (study.arms, *study.blocks)
    points: list[Levels] = [
        dict(zip((f.name for f in factors), point, strict=True))
        for point in itertools.product(*(f.levels for f in factors))
    ]
    points += [{f.name: cell[f.name] for f in factors} for control in study.controls for cell in control.cells]
    points = list({tuple(map(str, point.values())): point for point in points}.values())
    size = len(points) * num_seeds
    metric = draw(st.lists(values, min_size=size, max_size=size))
    step = draw(st.lists(st.sampled_from((math.nan,) * 9 + (7.0,)), min_size=size, max_size=size))
    rows = [{**point, "seed": seed} for point in points for seed in range(num_seeds)]
    return pd.DataFrame(rows).assign(diverged_step=np.array(step), test_accuracy=np.array(metric))


def numbers_in(text: str) -> list[float]:
    """The numbers that people read in a text: `-1,234.5`, `1.5 x 10⁻⁷`, `10⁷`, `∞`."""
    found = []
    for number in re.finditer(rf"(-?)(∞|\d[\d,]*(?:\.\d+)?)( {TIMES} 10)?([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]*)", text):
        sign, digits, times, power = number.groups()
        digits = "inf" if digits == "∞" else digits.replace(",", "") if times or not power else "1"
        exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        found.append(float(sign + digits + (f"e{exponent}" if power else "")))
    return found
