"""Which values the fields of a configuration can have, and which of them do not go together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from research.training.config import TrainConfig

CHOICES: dict[str, tuple[str, ...]] = {
    "network": ("mlp", "cnn"),
    "head": ("dense", "pooled"),
    "pixels": ("original", "permuted", "scrambled", "sorted"),
    "labels": ("true", "shuffled"),
    "activation": (
        "identity",
        "sigmoid",
        "tanh",
        "relu",
        "gelu",
        "leaky_relu",
        "prelu",
        "elu",
        "silu",
        "relu6",
        "hardswish",
        "step",
    ),
    "normalization": ("none", "layer", "batch"),
    "skip": ("none", "before", "after"),
    "init": ("default", "xavier", "he", "normal", "zero"),
    "output": ("softmax", "sigmoid", "raw"),
    "loss": ("cross_entropy", "mse", "mse_mean"),
    "optimizer": ("sgd", "adam", "adamw", "lbfgs"),
    "schedule": ("constant", "cosine"),
    "augmentation": ("none", "shifts"),
}
SMALLEST = {  # and the type: an int stands for a whole number
    "depth": 0,
    "width": 1,
    "init_std": 0.0,
    "output_bias": 0.0,
    "input_scale": 0.0,
    "lr": 0.0,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "num_train": 0,
    "batch_size": 1,
    "epochs": 0,
    "steps": 0,
    "evaluate_every": 0,
    "target_accuracy": 0.0,
    "dropout": 0.0,
    "branch_scale": 0.0,
}
LARGEST = 10**14  # of a whole number: beyond what any machine could do, and below where floats end
CURVES = ("sine", "line")
PROBES = ("weight_change", "unit_deaths", "signals", "symmetry", "drift")
OF_EVALUATIONS = ("generalisation", "sparsity")  # measures that are taken where the test part is evaluated
OF_TRAININGS = ("repeated", "alone", "validation_rise")  # and those that do not look at the last weights


def contradictions(config: TrainConfig) -> tuple[tuple[bool, str], ...]:
    """What can be wrong with fields that are well by themselves, and what is said then."""
    measures, probes, info = config.measures, config.probes, config.info
    is_regression, pixels = not info.num_classes, info.num_features
    are_probes = isinstance(probes, tuple) and all(isinstance(one, str) and one in PROBES for one in probes)
    named = isinstance(measures, tuple) and all(
        isinstance(measure, str) and measure in MEASURES for measure in measures
    )
    output = "raw" if is_regression and config.loss != "cross_entropy" else config.output
    return (
        (
            bool(config.momentum) and config.optimizer != "sgd",
            f"momentum={config.momentum} goes with optimizer='sgd', not {config.optimizer!r}",
        ),
        (
            config.optimizer == "lbfgs" and not config.steps,
            "optimizer='lbfgs' counts evaluations of the loss: give steps and evaluate_every, not epochs",
        ),
        (
            config.optimizer == "lbfgs" and (bool(config.weight_decay) or config.schedule != "constant"),
            "optimizer='lbfgs' has line searches of its own: weight_decay must be 0 and schedule 'constant'",
        ),
        *_wrong_times("probe_epochs", config.probe_epochs),
        *_wrong_times("probe_steps", config.probe_steps),
        (
            bool(config.probe_epochs if config.steps else config.probe_steps),
            "probe_epochs go with a training that counts epochs, probe_steps with one that counts steps",
        ),
        (not are_probes, f"probes={probes!r} must be a tuple of {', '.join(PROBES)}"),
        (
            bool(probes) and not config.looks,
            f"probes={probes!r} go with the times at which to look: probe_epochs or probe_steps",
        ),
        (
            are_probes and "unit_deaths" in probes and (config.network != "mlp" or not config.depth),
            "probes: 'unit_deaths' goes with network='mlp' of one hidden layer or more",
        ),
        (config.dropout >= 1, f"dropout={config.dropout} must be below 1: it is the share of units that is left out"),
        (not config.branch_scale, "branch_scale=0 leaves nothing of the layer"),
        (
            config.branch_scale != 1 and config.skip == "none",
            f"branch_scale={config.branch_scale} goes with a skip: 'before' or 'after'",
        ),
        (
            not config.is_plain and config.network != "mlp",
            "normalization, dropout, skip and activation='prelu' go with network='mlp'",
        ),
        (
            config.optimizer == "lbfgs" and (bool(config.dropout) or config.normalization == "batch"),
            "optimizer='lbfgs' needs a loss that weights alone decide: no dropout, no normalization='batch'",
        ),
        (
            config.standardize and (config.dataset in CURVES or config.pixels != "original"),
            "standardize goes with pixels='original', and not with a curve",
        ),
        (
            config.pixels != "original" and info.draws_test,
            f"pixels={config.pixels!r} goes with a test part that all seeds share, not with dataset={config.dataset!r}",
        ),
        (
            not named,
            f"measures={measures!r} must be a tuple of {', '.join(MEASURES)}",
        ),
        *(
            (not MEASURES[measure][1](config), f"measures: {measure!r} goes with {MEASURES[measure][0]}")
            for measure in (measures if named else ())
        ),
        (
            config.output != output,
            f"output={config.output!r}: dataset={config.dataset!r} with loss={config.loss!r} needs output='raw'",
        ),
        (
            is_regression and config.loss == "cross_entropy" and config.dataset not in CURVES,
            f"loss='cross_entropy': dataset={config.dataset!r} has numbers for targets, not classes",
        ),
        (
            config.loss == "cross_entropy" and config.output == "raw",
            "output='raw' goes with loss='mse', not 'cross_entropy': that needs probabilities",
        ),
        (
            is_regression and (config.network, config.pixels) != ("mlp", "original"),
            f"dataset={config.dataset!r} has no pixels: network must be 'mlp' and pixels 'original'",
        ),
        (
            config.network == "cnn" and (math.prod(info.sides) != pixels or info.sides[0] % 4 != 0),
            "network='cnn' goes with square images, or signals, whose side is a multiple of 4, not "
            f"dataset={config.dataset!r}",
        ),
        (
            is_regression and config.labels != "true",
            f"labels={config.labels!r}: dataset={config.dataset!r} has no labels",
        ),
        (
            config.labels != "true" and config.pixels == "scrambled",
            f"labels={config.labels!r} goes with images that all seeds share, not with pixels={config.pixels!r}",
        ),
        (
            config.network == "mlp" and config.head != "dense",
            f"head={config.head!r} goes with network='cnn', not 'mlp'",
        ),
        (
            bool(config.steps) != bool(config.evaluate_every),
            f"steps={config.steps} and evaluate_every={config.evaluate_every} go together: both or neither",
        ),
        (
            bool(config.steps) and bool(config.evaluate_every) and config.steps % config.evaluate_every != 0,
            f"steps={config.steps} must be a multiple of evaluate_every={config.evaluate_every}",
        ),
        (
            config.augmentation != "none" and (not _as_loaded(config) or pixels != math.isqrt(pixels) ** 2),
            f"augmentation={config.augmentation!r} goes with network='mlp' and classes of square images as loaded",
        ),
        (
            config.augmentation != "none" and config.optimizer == "lbfgs",
            f"augmentation={config.augmentation!r}: optimizer='lbfgs' needs the same images at each evaluation",
        ),
        (
            config.early_stopping and (is_regression or not (config.steps or config.epochs)),
            "early_stopping goes with classes and a training: epochs or steps above 0",
        ),
        (
            config.early_stopping and named and not {*measures} <= {*OF_EVALUATIONS, *OF_TRAININGS},
            f"early_stopping goes with the measures {', '.join((*OF_EVALUATIONS, *OF_TRAININGS))}: "
            "others look at the last weights",
        ),
        (not config.input_scale, "input_scale=0 leaves nothing of the inputs"),
        (config.target_accuracy > 1, f"target_accuracy={config.target_accuracy} must be at most 1"),
        (
            bool(config.target_accuracy) and is_regression,
            f"target_accuracy={config.target_accuracy}: dataset={config.dataset!r} has no accuracy to reach",
        ),
    )


def _wrong_times(name: str, times: object) -> tuple[tuple[bool, str], ...]:
    """What can be wrong with the times at which a probe looks, and what is said then."""
    whole = isinstance(times, tuple) and all(type(time) is int for time in times)
    ascends = isinstance(times, tuple) and whole and all(a < b for a, b in itertools.pairwise((-1, *times)))
    return (
        (not whole, f"{name}={times!r} must be a tuple of whole numbers, such as (0, 1, 5)"),
        (whole and not ascends, f"{name}={times!r} must ascend from 0 or later, each time once"),
    )


def _has_images(config: TrainConfig) -> bool:
    """Whether classes are told by inputs in the scale that they were loaded in, with a test part that all share."""
    return not (config.is_regression or config.standardize or config.info.draws_test)


def _as_loaded(config: TrainConfig) -> bool:
    """Whether an MLP tells classes by inputs just as they were loaded, with a test part that all seeds share."""
    return _has_images(config) and config.network == "mlp" and config.pixels == "original"


def _has_layers(config: TrainConfig) -> bool:
    """Whether an MLP with hidden layers tells classes, by inputs and labels as they are."""
    is_mlp = config.network == "mlp" and config.depth > 0 and not config.is_regression
    return is_mlp and config.pixels == "original" and config.labels == "true"


def _is_linear(config: TrainConfig) -> bool:
    """Whether the network is an MLP that is a linear function of images as they are."""
    is_linear = config.activation == "identity" or not config.depth
    return _as_loaded(config) and is_linear and config.is_plain


# What each measure goes with: in words, and as a test of the configuration.
MEASURES: dict[str, tuple[str, Callable[[TrainConfig], bool]]] = {
    "curve_fit": ("dataset='sine' or 'line'", lambda config: config.dataset in CURVES),
    "logit_gradients": ("classes", lambda config: not config.is_regression),
    "permuted_twin": (
        "network='mlp', classes, a test part that all seeds share and standardize=False",
        lambda c: _has_images(c) and c.network == "mlp",
    ),
    "generalisation": ("classes", lambda config: not config.is_regression),
    "sparsity": ("classes and a hidden layer", lambda c: not c.is_regression and (c.depth > 0 or c.network == "cnn")),
    "loss_rises": ("a training: epochs or steps above 0", lambda c: bool(c.steps or c.epochs)),
    "validation_rise": (
        "classes and a training: epochs or steps above 0",
        lambda c: bool(c.steps or c.epochs) and not c.is_regression,
    ),
    "learnt_slope": ("activation='prelu' and depth of 1 or more", lambda c: c.activation == "prelu" and c.depth >= 1),
    "repeated": ("any configuration", lambda _: True),
    "alone": (
        "network='mlp' without dropout or steps, pixels='original', classes and any optimizer but 'lbfgs'",
        lambda c: _as_loaded(c) and c.optimizer != "lbfgs" and not c.dropout and c.activation != "step",
    ),
    "round_trip": (
        "classes, labels='true', a test part that all seeds share and standardize=False",
        lambda c: _has_images(c) and c.labels == "true",
    ),
    "scaled_twin": (
        "loss='mse' or 'mse_mean' of classes, optimizer='sgd' and weight_decay=0",
        lambda c: not c.is_regression and c.loss != "cross_entropy" and c.optimizer == "sgd" and not c.weight_decay,
    ),
    "library_start": (
        "a start that torch has too: init='default', 'xavier' or 'he'",
        lambda config: config.init in ("default", "xavier", "he"),
    ),
    "linear_product": ("an MLP of identity, classes and pixels='original'", _is_linear),
    "convex_bound": (
        "an MLP of identity, cross-entropy of a softmax and pixels='original'",
        lambda c: _is_linear(c) and (c.loss, c.output) == ("cross_entropy", "softmax"),
    ),
    "capacity_bound": (
        "a regression by an MLP of identity, or by one hidden layer of ReLU, with a raw output",
        lambda c: (
            c.dataset in CURVES
            and c.output == "raw"
            and c.is_plain
            and (c.activation == "identity" or not c.depth or (c.activation, c.depth) == ("relu", 1))
        ),
    ),
    "intrinsic_dimension": ("pixels='original'", lambda config: config.pixels == "original"),
    "linear_probes": ("network='mlp' with hidden layers, classes, labels='true' and pixels='original'", _has_layers),
    "receptive_fields": (
        "network='mlp' with hidden layers, square images of classes, labels='true' and pixels='original'",
        lambda c: _has_layers(c) and math.isqrt(c.info.num_features) ** 2 == c.info.num_features,
    ),
    "mean_field": (
        "a plain network='mlp', activation='relu', depth of 2 or more, a start that is not 'zero', and classes",
        lambda c: (
            not c.is_regression
            and (c.network, c.activation) == ("mlp", "relu")
            and c.depth >= 2
            and c.init != "zero"
            and c.is_plain
        ),
    ),
}
