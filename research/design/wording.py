"""How things are called and numbers are written for people: in tables, figures, pages and at the end of a run."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal

from research.design.claims import FIRST
from research.design.study import Claim, Factor, Level, Metric, Number, Study

JOINS = {"spread": "largest minus smallest", "max": "the largest", "min": "the smallest", "mean": "the mean"}
NO_WORDS: Mapping[str, str] = {}
TIMES = "\N{MULTIPLICATION SIGN}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def word(name: object, words: Mapping[str, str] = NO_WORDS) -> str:
    """How a name is called: by the word for it, or else as it is."""
    return words.get(str(name)) or re.sub("(?<=[^_])_(?=[^_])", " ", str(name))  # `a_` stays apart from `a`


def metric_word(name: str, metric: Metric) -> str:
    """How a metric is called in running text."""
    return metric.label or word(name)


def metric_label(name: str, metric: Metric) -> str:
    """How a metric is called on an axis and in the head of a table: with its unit, but for shares."""
    return metric_word(name, metric) + (f" ({metric.unit})" if metric.unit not in ("", "%") else "")


def label(name: str, study: Study) -> str:
    """How a column of the tables is called on an axis: a metric, a factor or another."""
    if (metric := study.metrics.get(name)) is not None:
        return metric_label(name, metric)
    return factor_word(study.factor(name)) if name in [factor.name for factor in study.factors] else word(name)


def factor_word(factor: Factor) -> str:
    """How a factor is called."""
    return factor.label or word(factor.name)


def level_label(factor: Factor, level: Level) -> str:
    """How a level is called in tables and legends."""
    return factor.words.get(level) or word(level)


def level_in_text(factor: Factor, level: Level) -> str:
    """How a level is called in running text."""
    return factor.in_text.get(level) or level_label(factor, level)


def escaped(text: str) -> str:
    """Text that others wrote, for Markdown: no HTML, no link or image, no end of a table's cell, one line."""
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("](", "]\\(")):
        text = text.replace(sign, safe)
    return " ".join(text.split())


def unit_of(number: Number, metric: Metric) -> str:
    """What a number is shown in: "%", "points" (a difference of percentages), or as it is: ""."""
    joins = {number.across_arms, number.across_blocks}
    if metric.unit != "%" or number.over or joins & {"ratio", "log_slope", *FIRST}:
        return ""
    return "points" if joins & {"difference", "spread"} else "%"


def quantity(value: float, unit: str = "") -> str:
    """A number for people, to three digits: `93.5 %`, `-1.2 points`, `8,600`, `1.11 x 10⁻¹⁶`."""
    return f"{digits([value], unit)[0]} {unit}".strip()


def digits(values: Sequence[float], unit: str = "", precision: int = 3) -> list[str]:
    """Numbers that belong together, without their unit: as many places as the largest needs, or to tell them apart."""
    shown = [100 * value if unit else value for value in values]
    shown = [0.0 if abs(value) < sys.float_info.min else value for value in shown]  # the open end of an interval at 0
    finite = [value for value in shown if math.isfinite(value)] or [0.0]
    largest, spread = max(map(abs, finite)), max(finite) - min(finite)
    places = max(0, precision - 1 - math.floor(math.log10(largest))) if largest else 0
    if 0 < spread < math.inf:
        places = max(places, min(6, -math.floor(math.log10(spread))))  # six digits are all that tables hold
    usual = 1e-4 <= largest < 1e7 or not largest
    return [_digits(value, places if usual else None, precision) for value in shown]


def _digits(value: float, places: int | None, precision: int) -> str:
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "-∞"}.get(value, "-")
    if places is not None:
        return f"{value:,.{places}f}" if float(f"{value:.{places}f}") else f"{0:.{places}f}"  # never -0.0
    if not value:
        return "0"
    return _power(f"{value:.{precision - 1}e}")


def _power(scientific: str) -> str:
    """`1.110e-16` as `1.11 x 10⁻¹⁶`."""
    mantissa, exponent = scientific.split("e")
    power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return {"1": power, "-1": f"-{power}"}.get(mantissa, f"{mantissa} {TIMES} {power}")


def edge(value: float, unit: str = "") -> str:
    """A declared number with its digits: `2`, `0.0083`, `10⁻⁹`; of one with more than twelve, a computed one, four."""
    if not math.isfinite(value):
        return _digits(value, None, 1)
    shown = Decimal(repr(float(value))).scaleb(2 if unit else 0).normalize()
    if len(shown.as_tuple().digits) > 12:
        shown = Context(4).plus(shown)
    if not shown or Decimal("1e-4") <= abs(shown) < Decimal("1e7"):
        return f"{shown if shown else abs(shown):,f}"  # never -0
    return _power(f"{shown:e}")


def region_text(claim: Claim, unit: str) -> str:
    """The region in words: `below 10 %`, `between -0.01 and 0.01`, `above 0 in more than half of all seeds`."""
    above, below = edge(claim.above, unit), edge(claim.below, unit)
    region = f"between {above} and {below}"
    if math.isinf(claim.above) or math.isinf(claim.below):
        region = f"below {below}" if math.isinf(claim.above) else f"above {above}"
    ends = {
        "most": " in more than half of all seeds",
        "share": f" in more than {edge(claim.share, '%')} % of all seeds",
        "mean": " on average",
        "existence": " in at least one seed",
        "always": " in every seed",
    }
    return f"{region} {unit}".strip() + ends.get(claim.kind, "")


def number_words(number: Number, study: Study) -> str:
    """What is measured, such as `training progress of sigmoid, the largest over depth 4, 6, 8`.

    A factor is not named where the study has only one level of it.
    """
    known, arms = study.metric(number.metric), study.factor(study.arms.name)
    metric, factor = metric_word(number.metric, known) + place_words(number), factor_word(arms)
    if known.says_where and number.across_arms == "only":
        return metric
    one = [of_level(arms, arm) for arm in number.arms]
    match number.across_arms:
        case "only":
            text = f"{metric} {one[0]}"
        case "difference":
            text = f"{metric} {one[0]} minus that {one[1]}"
        case "ratio":
            text = f"{metric} {one[0]}, divided by that {one[1]}"
        case "log_slope":
            text = f"slope of log {metric} over log {factor}, over {listed(arms, number.arms)}"
        case "first_below" | "first_above" as join:
            side = join.removeprefix("first_")
            lowest = f"smallest {factor} whose {metric} is {side} {edge(number.threshold or 0.0)}"
            text = f"{lowest} (of {listed(arms, number.arms)}; beyond them if none)"
        case join:
            of = "of" if is_named(arms, number.arms[0]) else "over"
            text = f"{metric}, {JOINS[join]} {of} {listed(arms, number.arms)}"
    declared = {block.name: block.levels for block in study.blocks}
    blocks = [
        (study.factor(name), levels)
        for name, levels in number.blocks.items()
        if levels != declared[name] or len(levels) > 1
    ]
    if not blocks:
        return text
    if number.across_blocks in ("difference", "ratio"):
        ((block, (first, second)),) = [(block, levels) for block, levels in blocks if len(levels) > 1]
        fixed = [of_level(other, levels[0], "with") for other, levels in blocks if len(levels) == 1]
        how = "minus the same" if number.across_blocks == "difference" else "divided by the same"
        text = ", ".join([text, " and ".join([*fixed, of_level(block, first, "with")])])
        return f"{text} {how} {of_level(block, second, 'with')}"
    if number.across_blocks == "only":
        return f"{text}, {' and '.join(of_level(block, levels[0], 'with') for block, levels in blocks)}"
    return f"{text}, {JOINS[number.across_blocks]} over {' and '.join(listed(*block) for block in blocks)}"


def place_words(number: Number) -> str:
    """Where a number is read and what it is divided by: ` in layer 2 at epoch 5, over the prediction decay`."""
    order = ("layer", "epoch", "step", "place")
    parts = [f" {'in' if name == 'layer' else 'at'} {name} {number.at[name]}" for name in order if name in number.at]
    over = f", over the prediction {word(number.over)}" if number.over else ""
    return "".join(parts) + over


def is_named(factor: Factor, level: Level) -> bool:
    """Whether a level is told by a word, not by its factor and a number."""
    return isinstance(level, str) or level in {*factor.words, *factor.in_text}


def of_level(factor: Factor, level: Level, preposition: str = "of") -> str:
    """A level in running text: `of ReLU`, `with case wrong-start`, `at width 8` or by the factor's phrase."""
    if is_named(factor, level):
        known = preposition == "of" or level in {*factor.words, *factor.in_text}
        return f"{preposition} {'' if known else f'{factor_word(factor)} '}{level_in_text(factor, level)}"
    return (factor.phrase or f"at {factor_word(factor)} {{}}").replace("{}", str(level))


def listed(factor: Factor, levels: Sequence[Level]) -> str:
    """Levels in running text: `sigmoid, tanh, ReLU`, `depth 4, 6, 8`, `11 levels of width from 8 to 2048`."""
    if is_named(factor, levels[0]):
        return ", ".join(level_in_text(factor, level) for level in levels)
    if len(levels) > 6:
        return f"{len(levels)} levels of {factor_word(factor)} from {levels[0]} to {levels[-1]}"
    return f"{factor_word(factor)} {', '.join(map(str, levels))}"


def choice_level(choice: Factor, level: Level) -> str:
    """A level of a choice by itself, as in the row of a figure: `He`, `tenth`, `20,000`."""
    return f"{level:,}" if not is_named(choice, level) else level_label(choice, level)


def under(choice: Factor, levels: Sequence[Level], every: bool = False) -> str:
    """Levels of a choice in running text: `under default or He initialisation`, `with either optimiser`, `at width 8`.

    `every` says that these are all that there are.
    """
    noun = factor_word(choice)
    phrase = choice.phrase or f"{'with' if is_named(choice, levels[0]) else 'at'} {noun} {{}}"
    if every:
        first = phrase.partition("{}")[0].split() or ["with"]
        return f"{first[0]} {'either' if len(levels) == 2 else 'every'} {noun}"
    *others, last = (choice.in_text.get(level) or choice_level(choice, level) for level in levels)
    return phrase.replace("{}", f"{', '.join(others)} or {last}" if others else last)


def duration(seconds: float) -> str:
    """A time in words: seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def counted(number: int, thing: str) -> str:
    """A number with its thing, in the plural where it is one."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
