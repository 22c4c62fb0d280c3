"""How things are called and numbers are written for people: in tables, figures, pages and at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from research.design.study import Claim, Level, Number, Study

WORDS = {
    "train_loss": "training loss (nats)",
    "validation_loss": "validation loss (nats)",
    "train_progress": "progress in training loss",
    "depth": "hidden layers",
    "relu": "ReLU",
    "gelu": "GELU",
    "mlp": "MLP",
    "cnn": "CNN",
    "cross_entropy": "cross-entropy",
    "mse": "squared error",
    "test_r_squared": "R²",
    "test_rmse": "root mean squared error",
    "test_sup_error": "largest error",
    "validation_rmse": "validation error (root mean square)",
    "extrema_right": "number of peaks and troughs that are about right",
    "steps_to_target": "steps to the target accuracy",
    "gradient_ratio": "ratio of the two gradients, in networks",
    "cross_entropy_formula_error": "error of cross-entropy's formula",
    "mse_formula_error": "error of squared error's formula",
    "twin_difference": "largest difference between the two trainings",
    "repeat_difference": "difference between the training and the same once more",
    "alone_difference": "difference from plain PyTorch, one network alone",
    "round_trip_difference": "difference after permuting the pixels there and back",
    "scaled_twin_difference": "difference between the mean and the half-sum of squares",
    "product_difference": "difference of the logits from those of the product of the weights",
    "product_disagreement": "difference of the accuracy from that of the product of the weights",
    "above_convex_bound": "training loss above what softmax regression cannot pass (nats)",
    "convex_optimum": "training loss of the best softmax regression found (nats)",
    "above_capacity_bound": "least error above that of the best piecewise-linear curve",
    "backward_factor_score": "standard deviations from the factor that theory gives",
    "untrained_test_accuracy": "test accuracy before training",
    "backward_factor": "share of the signal passed back by a layer",
    "backward_log10_across_4": "logarithm (base 10) of what is passed back by four layers",
    "mse_mean": "mean squared error",
    "mnist": "MNIST",
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "lbfgs": "L-BFGS",
    "dataset": "data set",
    "lr": "learning rate",
    "init_std": "standard deviation of the initial weights",
    "num_train": "training examples",
    "evaluate_every": "steps between evaluations",
    "probe_epochs": "looked into after epochs",
}
SENTENCE = {  # where an axis or a table says it otherwise
    "depth": "depth",
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "train_progress": "training progress",
    "mlp": "the MLP",
    "cnn": "the CNN",
    "original": "the original pixels",
    "permuted": "permuted pixels",
    "scrambled": "scrambled pixels",
}
ALONE = ("cross_entropy_formula_error", "mse_formula_error", "twin_difference")  # no matter in which arm or block
METRICS = {
    "train_progress": "how far the mean training loss of the last epoch is from that of the best constant prediction "
    "towards none: 0 % is no better than a constant, 100 % is perfect",
    "test_accuracy": "share of the test set that is classified right after training",
    "test_loss": "mean loss over the test set after training",
    "backward_factor": "geometric mean over the hidden layers, before training, of what share of the loss's gradient "
    "at a layer's pre-activations arrives at the layer before",
    "backward_log10_across_4": "before training; -1 is a tenth, -2 a hundredth",
    "test_r_squared": "share of the variance of the test points' targets that the fit explains: 1 is perfect, 0 is no "
    "better than their mean",
    "test_rmse": "root of the mean squared error at the test points",
    "test_sup_error": "the largest distance between fit and target at any test point",
    "search_failed": "whether a line search found no lower loss: training ends there",
    "function_evaluations": "evaluations of the loss and its gradient until a search failed, else the horizon",
    "extrema_right": "how many of the four extrema of sin x the fit has too: within 0.6 of the place, and within 30 % "
    "of the height",
    "steps_to_target": "training steps until the validation accuracy was first seen to be at the target; of who never "
    "arrives it is only known that they are more than were trained",
    "gradient_ratio": "at the validation examples whose true class is given less than 1 %, the mean norm of "
    "cross-entropy's gradient at the logits over that of squared error's",
    "cross_entropy_formula_error": "the largest difference between the formula and automatic differentiation, in "
    "float64, at random logits",
    "mse_formula_error": "the same of squared error behind a softmax",
    "twin_difference": "training on permuted pixels and on the original ones side by side, in float64, the first "
    "layer's initial weights permuted alike: the largest difference of any weight after 100 steps",
    "untrained_test_accuracy": "share of the test set that is classified right before training",
    "repeat_difference": "the largest difference of any weight between the trained network and the same training once "
    "more, with nobody looking",
    "alone_difference": "each seed trained alone in plain PyTorch, in float64: the largest difference of any weight "
    "after 100 steps",
    "round_trip_difference": "training on images that are permuted and permuted back, and on the original ones: the "
    "largest difference of any weight, or output on the test set, after 100 steps",
    "scaled_twin_difference": "training on the mean of the squares, and on half their sum at the rate that makes up "
    "for it, in float64: the largest difference of any weight after 100 steps",
    "product_difference": "of a network without activations, in float64 on the test set: the largest difference "
    "between its logits and those of the product of its weights, over the largest logit",
    "product_disagreement": "of a network without activations: the difference between the test accuracy and that of "
    "the product of its weights, in float64, on the images as they were loaded",
    "above_convex_bound": "of a network without activations: its loss over the whole training part, minus a bound "
    "that no softmax regression with its weights can pass, by convexity",
    "above_capacity_bound": "the least root mean squared error at the test points of any evaluation, minus that of the "
    "best function that is linear between as many kinks as the network can have",
    "backward_factor_score": "how far the share passed back by a layer, before training, is from what mean-field "
    "theory gives, in standard deviations at this width",
}
AT_THE_END = ("test_accuracy", "test_loss", "test_rmse", "test_sup_error", "test_r_squared", "extrema_right")
FIVE = "the median of five evaluations, at 92, 94, 96, 98 and 100 % of the training"
WORDS |= {f"steady_{name}": f"steady {WORDS.get(name, name.replace('_', ' '))}" for name in AT_THE_END}
METRICS |= {f"steady_{name}": f"{METRICS[name]}: {FIVE}" for name in AT_THE_END}
CHOICES = {  # how a choice between universes is called, and its levels in a sentence
    "init": ("initialisation", "under {} initialisation"),
    "optimizer": ("optimiser", "with {}"),
    "rate": ("rate", "at {} rate"),
    "horizon": ("horizon", "at a horizon of {}"),
    "squares": ("form of squared error", "with {} of squares"),
    "output": ("kind of output", "with {} outputs"),
    "inputs": ("scale of inputs", "with {} inputs"),
    "training_size": ("training set", "with {} training examples"),
    "head": ("head", "with {} head"),
    "activation": ("activation", "with {}"),
}
CHOICE_LEVELS = {  # what stands in such a sentence for a level that has no such name elsewhere
    ("init", "xavier"): "Xavier",
    ("init", "he"): "He",
    ("rate", "customary"): "the customary",
    ("rate", "tenth"): "a tenfold lower",
    ("rate", "tuned"): "a tuned",
    ("squares", "half-sum"): "half the sum",
    ("squares", "mean"): "the mean",
    ("inputs", "unit"): "scaled",
    ("training_size", "small"): "few",
    ("head", "dense"): "a dense",
    ("head", "pooled"): "a pooled",
}
JOINS = {"spread": "largest minus smallest", "max": "the largest", "min": "the smallest", "mean": "the mean"}
PERCENT = {
    "test_accuracy",
    "steady_test_accuracy",
    "untrained_test_accuracy",
    "validation_accuracy",
    "train_progress",
    "backward_factor",
    "main_effect_share",
}
TIMES = "\N{MULTIPLICATION SIGN}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def word(name: object) -> str:
    """How a column, field or level is called in a figure or table."""
    return WORDS.get(str(name), re.sub("(?<=[^_])_(?=[^_])", " ", str(name)))  # `a_` stays apart from `a`


def in_sentence(name: object) -> str:
    """How it is called in running text."""
    return SENTENCE.get(str(name), word(name))


def escaped(text: str) -> str:
    """Text that others wrote, for Markdown: no HTML, no link or image, no end of a table's cell, one line."""
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("](", "]\\(")):
        text = text.replace(sign, safe)
    return " ".join(text.split())


def unit_of(claim: Claim) -> str:
    """What a claim's number is shown in: "%", "points" (a difference of percentages), or as it is: ""."""
    number = claim.number
    joins = {number.across_arms, number.across_blocks}
    if number.metric not in PERCENT or number.over or joins & {"ratio", "log_slope", "first_below"}:
        return ""
    return "points" if joins & {"difference", "spread"} else "%"


def quantity(value: float, unit: str = "") -> str:
    """A number for people, to three digits: `93.5 %`, `-1.2 points`, `8,600`, `1.11 x 10⁻¹⁶`."""
    return f"{digits([value], unit)[0]} {unit}".strip()


def digits(values: Sequence[float], unit: str = "", precision: int = 3) -> list[str]:
    """Numbers that belong together, without their unit: as many places as the largest needs, or to tell them apart."""
    shown = [100 * value if unit else value for value in values]
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
    """A declared number, with all its digits and no more: `2`, `0.0083`, `10⁻⁹`, `63.99`."""
    if not math.isfinite(value):
        return _digits(value, None, 1)
    shown = Decimal(repr(float(value))).scaleb(2 if unit else 0).normalize()
    if not shown or Decimal("1e-4") <= abs(shown) < Decimal("1e7"):
        return f"{shown if shown else abs(shown):,f}"  # never -0
    return _power(f"{shown:e}")


def region_text(claim: Claim) -> str:
    """The region in words: `below 10 %`, `between -0.01 and 0.01`, `above 0 in more than half of all seeds`."""
    unit = unit_of(claim)
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
    label = study.metric(number.metric).label or in_sentence(number.metric)
    metric, factor = label + place_words(number), study.arms.name
    if number.metric in ALONE and number.across_arms == "only":
        return metric
    one = [of_level(factor, arm) for arm in number.arms]
    match number.across_arms:
        case "only":
            text = f"{metric} {one[0]}"
        case "difference":
            text = f"{metric} {one[0]} minus that {one[1]}"
        case "ratio":
            text = f"{metric} {one[0]}, divided by that {one[1]}"
        case "log_slope":
            text = f"slope of log {metric} over log {factor}, over {listed(factor, number.arms)}"
        case "first_below":
            lowest = f"smallest {factor} whose {metric} is below {edge(number.threshold or 0.0)}"
            text = f"{lowest} (of {listed(factor, number.arms)}; beyond them if none)"
        case join:
            of = "of" if isinstance(number.arms[0], str) else "over"
            text = f"{metric}, {JOINS[join]} {of} {listed(factor, number.arms)}"
    declared = {block.name: block.levels for block in study.blocks}
    blocks = {name: levels for name, levels in number.blocks.items() if levels != declared[name] or len(levels) > 1}
    if not blocks:
        return text
    if number.across_blocks in ("difference", "ratio"):
        ((name, (first, second)),) = [(name, levels) for name, levels in blocks.items() if len(levels) > 1]
        fixed = [of_level(name, levels[0], "with") for name, levels in blocks.items() if len(levels) == 1]
        how = "minus the same" if number.across_blocks == "difference" else "divided by the same"
        text = ", ".join([text, " and ".join([*fixed, of_level(name, first, "with")])])
        return f"{text} {how} {of_level(name, second, 'with')}"
    if number.across_blocks == "only":
        return f"{text}, {' and '.join(of_level(name, levels[0], 'with') for name, levels in blocks.items())}"
    return f"{text}, {JOINS[number.across_blocks]} over {' and '.join(listed(*block) for block in blocks.items())}"


def place_words(number: Number) -> str:
    """Where a number is read and what it is divided by: ` in layer 2 at epoch 5, over the prediction decay`."""
    order = ("layer", "epoch", "step", "place")
    parts = [f" {'in' if name == 'layer' else 'at'} {name} {number.at[name]}" for name in order if name in number.at]
    over = f", over the prediction {in_sentence(number.over)}" if number.over else ""
    return "".join(parts) + over


def of_level(factor: str, level: Level, preposition: str = "of") -> str:
    """A level in running text: `of ReLU`, `at width 8`, `with case wrong-start`."""
    if isinstance(level, str):
        known = preposition == "of" or level in WORDS or level in SENTENCE
        return f"{preposition} {'' if known else f'{factor} '}{in_sentence(level)}"
    return f"at {factor.replace('_', ' ')} {level}"


def listed(factor: str, levels: Sequence[Level]) -> str:
    """Levels in running text: `sigmoid, tanh, ReLU`, `depth 4, 6, 8`, `11 levels of width from 8 to 2048`."""
    name = factor.replace("_", " ")
    if isinstance(levels[0], str):
        return ", ".join(map(in_sentence, levels))
    if len(levels) > 6:
        return f"{len(levels)} levels of {name} from {levels[0]} to {levels[-1]}"
    return f"{name} {', '.join(map(str, levels))}"


def choice_word(choice: str) -> str:
    """How a choice between universes is called."""
    return CHOICES[choice][0] if choice in CHOICES else in_sentence(choice)


def choice_level(choice: str, level: Level) -> str:
    """A level of a choice by itself, as in the row of a figure: `He`, `tenth`, `20,000`."""
    named = CHOICE_LEVELS.get((choice, str(level)), "")
    return named if named and " " not in named else _level_text(level)


def under(choice: str, levels: Sequence[Level], every: bool = False) -> str:
    """Levels of a choice in running text: `under default or He initialisation`, `with either optimiser`, `at width 8`.

    `every` says that these are all that there are.
    """
    noun = choice_word(choice)
    usual = f"with {noun} {{}}" if isinstance(levels[0], str) else f"at {noun} {{}}"
    template = CHOICES[choice][1] if choice in CHOICES else usual
    if every:
        return f"{template.split()[0]} {'either' if len(levels) == 2 else 'every'} {noun}"
    *others, last = (CHOICE_LEVELS.get((choice, str(level)), _level_text(level)) for level in levels)
    return template.format(f"{', '.join(others)} or {last}" if others else last)


def _level_text(level: Level) -> str:
    return in_sentence(level) if isinstance(level, str) else f"{level:,}"


def duration(seconds: float) -> str:
    """A time in words: seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def counted(number: int, thing: str) -> str:
    """A number with its thing, in the plural where it is one."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
