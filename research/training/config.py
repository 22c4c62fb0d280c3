"""A replicate's configuration: all that decides its numbers, checked when it is built."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from research.design.errors import UserError
from research.design.task import Metric, Replicate, Report, Source, StackResult, Task

CHOICES: dict[str, tuple[str, ...]] = {
    "dataset": ("mnist", "digits", "sine", "line"),
    "network": ("mlp", "cnn"),
    "head": ("dense", "pooled"),
    "pixels": ("original", "permuted", "scrambled", "sorted"),
    "labels": ("true", "shuffled"),
    "activation": ("identity", "sigmoid", "tanh", "relu", "gelu"),
    "init": ("default", "xavier", "he", "normal", "zero"),
    "output": ("softmax", "sigmoid", "raw"),
    "loss": ("cross_entropy", "mse", "mse_mean"),
    "optimizer": ("sgd", "adam", "adamw", "lbfgs"),
    "schedule": ("constant", "cosine"),
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
    "epochs": 1,
    "steps": 0,
    "evaluate_every": 0,
    "target_accuracy": 0.0,
}
LARGEST = 10**14  # of a whole number: beyond what any machine could do, and below where floats end
REGRESSION = ("sine", "line")
CORE = ("dataset", "depth", "width", "activation", "init", "loss", "optimizer", "lr", "batch_size", "epochs", "steps")


@dataclass(frozen=True)
class TrainConfig(Task):
    """Training stacked networks: all that decides the numbers of a replicate, but for its seed.

    What is learnt: `dataset`, of whose training part the first num_train examples of a seed's own order are used (0:
    all); `pixels` as they are, in one random order for each seed ("permuted"), in another order for each image
    ("scrambled") or by value ("sorted"); inputs are multiplied by input_scale. "shuffled" labels are dealt out anew
    among the training examples of each seed; those of the validation and test part stay true.

    The network: depth counts its hidden layers (0 is softmax regression), width their units. "cnn" puts two
    convolutions before them (`models.Convolutions`), whose maps are flattened ("dense" head) or averaged ("pooled").
    init is a name of `models.initial_layer`; init_std is used by "normal" alone. output_bias is added to the initial
    bias of the first output: at 10 the network starts out sure of the first class.

    The loss: "cross_entropy" is that of a softmax, or summed over the classes of a sigmoid each; "mse" is half the
    squared error, summed over what `output` makes of the last layer; "mse_mean" its mean over the outputs without the
    half, as in torch.nn.MSELoss. On a regression data set "mse" needs the raw output, and "cross_entropy" learns in
    which of ten equal intervals the target lies.

    The training: `epochs` passes over the training part in batches of batch_size, evaluated after each; or, where
    `steps` is not 0, so many steps, evaluated every evaluate_every. With target_accuracy the first evaluation that
    reaches it is noted. The rate is lr all through, or falls to zero along half a cosine over the horizon's steps.
    "lbfgs" takes the whole training part at once; its steps are evaluations of the loss, lr the first length that a
    line search tries (`lbfgs.CountedLBFGS`).

    What is looked at: after the probe_epochs (0: before any training) `probes.LayerProbe` looks inside; those beyond
    epochs are ignored, so that a tier can shorten the training. `measures` names what is taken of the trained networks.

    A field left at its default is not part of the fingerprint, so new fields can be added.

    Raises UserError for a name that does not exist, a number out of range, or fields that do not go together.
    """

    imports: ClassVar[tuple[str, ...]] = ("research.training.train",)
    paired: ClassVar[str] = (
        "the same split, the same order of examples and, where shapes agree, the same initial draws in every cell"
    )

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
    network: str = "mlp"
    head: str = "dense"
    output: str = "softmax"
    output_bias: float = 0.0
    pixels: str = "original"
    input_scale: float = 1.0
    num_train: int = 0
    steps: int = 0
    evaluate_every: int = 0
    target_accuracy: float = 0.0
    measures: tuple[str, ...] = ()
    labels: str = "true"
    schedule: str = "constant"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UserError(f"{name}={getattr(self, name)!r} is not one of {', '.join(choices)}")
        for name, smallest in SMALLEST.items():
            value = getattr(self, name)
            whole = isinstance(smallest, int)
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise UserError(f"{name}={value!r} must be {'a whole number' if whole else 'a number'}")
            if not smallest <= value <= sys.float_info.max:
                raise UserError(f"{name}={value!r} must be finite and at least {smallest}")
            if whole and value > LARGEST:
                raise UserError(f"{name}={value!r} must be at most {LARGEST}")
        for wrong, message in self._contradictions():
            if wrong:
                raise UserError(message)

    @property
    def is_regression(self) -> bool:
        """Whether the targets are numbers, not classes."""
        return self.dataset in REGRESSION

    def gives(self) -> Mapping[str, Metric]:
        from research.training.metrics import LAYERS, PROFILES, metric_of, metrics_of

        found = {name: metric_of(name) for name in metrics_of(self)}
        found |= dict.fromkeys(LAYERS if self.probe_epochs else (), Metric(by="layer"))
        return found | {name: Metric(by="place") for one in self.measures for name in PROFILES.get(one, ())}

    def run(self, seeds: Sequence[int], report: Report) -> Iterable[Replicate]:
        (result,) = self.run_together([self], seeds, report)
        return result.replicates

    @property
    def clock(self) -> str:
        return "step" if self.steps else "epoch"

    @property
    def validated(self) -> tuple[str, ...]:
        if self.is_regression:
            return ("validation_rmse",)
        return ("validation_loss", "validation_accuracy", *(["steps_to_target"] if self.target_accuracy else []))

    @property
    def unused(self) -> tuple[str, ...]:
        return ("epochs",) if self.steps else ("steps", "evaluate_every")

    @property
    def shown(self) -> list[str]:
        """The core fields and what is not at its default; what is measured is said by the metrics."""
        changed, left_out = self.changed(), {*self.unused, "measures"}
        return [f.name for f in fields(self) if f.name in (*CORE, *changed) and f.name not in left_out]

    @property
    def summary(self) -> str:
        from research.training.cost import layer_sizes, num_parameters

        return f"Network {'-'.join(map(str, layer_sizes(self)))}, {num_parameters(self):,} parameters."

    @property
    def source(self) -> Source:
        from research.training.data import DATA

        info = DATA[self.dataset]
        return Source(info.name, info.digest, info.source)

    def identity(self, numerics: int) -> dict[str, object]:
        return {"data": self.source.digest, "numerics": numerics}

    def depends_on(self, metric: str) -> Hashable:
        from research.training.metrics import seen_in

        return seen_in(self, metric)

    def seeds_together(self, seeds: int) -> int:
        from research.training.cost import stack_size

        return stack_size(self, seeds)

    def seconds(self, num_seeds: int) -> float:
        from research.training.cost import nominal_seconds

        return nominal_seconds(self, num_seeds)

    def prepare(self) -> None:
        from research.training.data import fetch

        fetch(self.dataset)

    def in_one_pass(self) -> TrainConfig:
        return without_horizon(self)

    @property
    def length(self) -> int:
        from research.training.cost import num_steps

        return num_steps(self)

    @classmethod
    def device(cls) -> str:
        from research.training.train import device_class

        return device_class()

    @classmethod
    def run_together(cls, tasks: Sequence[TrainConfig], seeds: Sequence[int], report: Report) -> list[StackResult]:
        from research.training.train import train_horizons

        return train_horizons(tasks, seeds, report)

    def _contradictions(self) -> tuple[tuple[bool, str], ...]:
        probed, measures = self.probe_epochs, self.measures
        tuples = isinstance(probed, tuple) and all(type(epoch) is int for epoch in probed)
        named = isinstance(measures, tuple) and all(
            isinstance(measure, str) and measure in MEASURES for measure in measures
        )
        output = "raw" if self.is_regression and self.loss != "cross_entropy" else self.output
        return (
            (
                bool(self.momentum) and self.optimizer != "sgd",
                f"momentum={self.momentum} goes with optimizer='sgd', not {self.optimizer!r}",
            ),
            (
                self.optimizer == "lbfgs" and not self.steps,
                "optimizer='lbfgs' counts evaluations of the loss: give steps and evaluate_every, not epochs",
            ),
            (
                self.optimizer == "lbfgs" and (bool(self.weight_decay) or self.schedule != "constant"),
                "optimizer='lbfgs' has line searches of its own: weight_decay must be 0 and schedule 'constant'",
            ),
            (not tuples, f"probe_epochs={probed!r} must be a tuple of whole numbers, such as (0, 1, 5)"),
            (
                tuples and any(late <= early for early, late in itertools.pairwise((-1, *probed))),
                f"probe_epochs={probed!r} must ascend from 0 or later, each epoch once",
            ),
            (
                not named,
                f"measures={measures!r} must be a tuple of {', '.join(MEASURES)}",
            ),
            *(
                (not MEASURES[measure][1](self), f"measures: {measure!r} goes with {MEASURES[measure][0]}")
                for measure in (measures if named else ())
            ),
            (
                self.output != output,
                f"output={self.output!r}: dataset={self.dataset!r} with loss={self.loss!r} needs output='raw'",
            ),
            (
                self.loss == "cross_entropy" and self.output == "raw",
                "output='raw' goes with loss='mse', not 'cross_entropy': that needs probabilities",
            ),
            (
                self.is_regression and (self.network, self.pixels) != ("mlp", "original"),
                f"dataset={self.dataset!r} has no pixels: network must be 'mlp' and pixels 'original'",
            ),
            (
                self.is_regression and self.labels != "true",
                f"labels={self.labels!r}: dataset={self.dataset!r} has no labels",
            ),
            (
                self.labels != "true" and self.pixels == "scrambled",
                f"labels={self.labels!r} goes with images that all seeds share, not with pixels={self.pixels!r}",
            ),
            (
                self.network == "mlp" and self.head != "dense",
                f"head={self.head!r} goes with network='cnn', not 'mlp'",
            ),
            (
                bool(probed) and (self.is_regression or self.network != "mlp" or bool(self.steps)),
                "probe_epochs go with an MLP that is trained for epochs to tell classes",
            ),
            (
                bool(self.steps) != bool(self.evaluate_every),
                f"steps={self.steps} and evaluate_every={self.evaluate_every} go together: both or neither",
            ),
            (
                bool(self.steps) and bool(self.evaluate_every) and self.steps % self.evaluate_every != 0,
                f"steps={self.steps} must be a multiple of evaluate_every={self.evaluate_every}",
            ),
            (not self.input_scale, "input_scale=0 leaves nothing of the inputs"),
            (self.target_accuracy > 1, f"target_accuracy={self.target_accuracy} must be at most 1"),
            (
                bool(self.target_accuracy) and self.is_regression,
                f"target_accuracy={self.target_accuracy}: dataset={self.dataset!r} has no accuracy to reach",
            ),
        )


def _is_linear(config: TrainConfig) -> bool:
    """Whether the network is an MLP that is a linear function of images as they are."""
    linear = config.activation == "identity" or not config.depth
    return not config.is_regression and config.network == "mlp" and linear and config.pixels == "original"


# What each measure goes with: in words, and as a test of the configuration.
MEASURES: dict[str, tuple[str, Callable[[TrainConfig], bool]]] = {
    "curve_fit": ("a regression", lambda config: config.is_regression),
    "logit_gradients": ("classes", lambda config: not config.is_regression),
    "permuted_twin": ("network='mlp' and classes", lambda c: not c.is_regression and c.network == "mlp"),
    "repeated": ("any configuration", lambda _: True),
    "alone": (
        "network='mlp', pixels='original', classes and any optimizer but 'lbfgs'",
        lambda c: not c.is_regression and (c.network, c.pixels) == ("mlp", "original") and c.optimizer != "lbfgs",
    ),
    "round_trip": ("classes and labels='true'", lambda c: not c.is_regression and c.labels == "true"),
    "scaled_twin": (
        "loss='mse' or 'mse_mean' of classes, optimizer='sgd' and weight_decay=0",
        lambda c: not c.is_regression and c.loss != "cross_entropy" and c.optimizer == "sgd" and not c.weight_decay,
    ),
    "linear_product": ("an MLP of identity, classes and pixels='original'", _is_linear),
    "convex_bound": (
        "an MLP of identity, cross-entropy of a softmax and pixels='original'",
        lambda c: _is_linear(c) and (c.loss, c.output) == ("cross_entropy", "softmax"),
    ),
    "capacity_bound": (
        "a regression by an MLP of identity, or by one hidden layer of ReLU, with a raw output",
        lambda c: (
            c.is_regression
            and c.output == "raw"
            and (c.activation == "identity" or not c.depth or (c.activation, c.depth) == ("relu", 1))
        ),
    ),
    "mean_field": (
        "network='mlp', activation='relu', depth of 2 or more, a start that is not 'zero', and classes",
        lambda c: (
            not c.is_regression and (c.network, c.activation) == ("mlp", "relu") and c.depth >= 2 and c.init != "zero"
        ),
    ),
}


def without_horizon(config: TrainConfig) -> TrainConfig:
    """The configuration at the shortest horizon it can have: the same for all that differ in nothing else.

    At a constant rate what is trained for less is the first part of what is trained for longer. One that counts steps
    and one that counts epochs never come to the same. Where the rate falls over the horizon, a configuration is the
    same as itself alone.
    """
    if config.schedule != "constant":
        return config
    return replace(config, steps=config.evaluate_every) if config.steps else replace(config, epochs=1)
