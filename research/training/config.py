"""A replicate's configuration: all that decides its numbers, checked when it is built."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from research.design.errors import UserError
from research.design.task import Metric, Replicate, Report, Source, StackResult, Task
from research.training.choices import CHOICES, LARGEST, SMALLEST, contradictions
from research.training.data import known
from research.training.data_set import DataInfo
from research.training.display_words import PHRASES, WORDS

CORE = ("dataset", "depth", "width", "activation", "init", "loss", "optimizer", "lr", "batch_size", "epochs", "steps")


@dataclass(frozen=True)
class TrainConfig(Task):
    """Training stacked networks: all that decides the numbers of a replicate, but for its seed.

    What is learnt: `dataset`, a name of `data.DATA` or what `data_functions.by_function` makes of a study file's own.
    Of its training part the first num_train examples of a seed's own order are used (0: all); `pixels` as they are, in
    one random order for each seed ("permuted"), in another order for each image ("scrambled") or by value ("sorted").
    With `standardize` the inputs, and the targets of a regression, are taken less the mean and by the standard
    deviation of each seed's training part, and so are errors. Inputs are multiplied by input_scale. "shuffled" labels
    are dealt out anew among the training examples of each seed; those of the validation and test part stay true.

    The network: depth counts its hidden layers (0 is softmax regression), width their units. "cnn" puts two
    convolutions before them (`models.StackedCNN`), whose maps are flattened ("dense" head) or averaged ("pooled").
    Behind the affine map of a hidden layer come, where they are asked for: a normalisation of the "layer" or "batch",
    the activation, dropout at this rate, and a skip that adds the layer's inputs "before" or "after" the activation to
    branch_scale times what has become of them (`layer_pieces.Pieces`).
    init is a name of `models.initial_layer`; init_std is used by "normal" alone. output_bias is added to the initial
    bias of the first output: at 10 the network starts out sure of the first class.

    The loss: "cross_entropy" is that of a softmax, or summed over the classes of a sigmoid each; "mse" is half the
    squared error, summed over what `output` makes of the last layer; "mse_mean" its mean over the outputs without the
    half, as in torch.nn.MSELoss. On a regression data set "mse" needs the raw output, and "cross_entropy" learns in
    which of ten equal intervals the target lies.

    The training: `epochs` passes over the training part in batches of batch_size, evaluated after each; or, where
    `steps` is not 0, so many steps, evaluated every evaluate_every; with neither the untrained
    networks are measured. With target_accuracy the first evaluation that reaches it is noted. The rate is lr all
    through, or falls to zero along half a cosine over the horizon's steps. With "shifts" for augmentation each image is
    moved at each step by up to `augmentation.FARTHEST` pixels, drawn anew. With early_stopping the training goes on,
    but test and training accuracy and loss are those of the evaluation at which the validation loss was least.
    "lbfgs" takes the whole training part at once; its steps are evaluations of the loss, lr the first length that a
    line search tries (`lbfgs.CountedLBFGS`).

    What is looked at: after the probe_epochs, or probe_steps where steps are counted (0: before any training),
    `probes.LayerProbe` looks inside; those beyond the horizon are ignored, so that a tier can shorten the training. It
    looks for more where `probes` name it. `measures` names what is taken of the trained networks.

    A field left at its default is not part of the fingerprint, so new fields can be added.

    Raises UserError for a name that does not exist, a number out of range, or fields that do not go together.
    """

    imports: ClassVar[tuple[str, ...]] = ("research.training.train",)
    paired: ClassVar[str] = (
        "the same split, the same order of examples and, where shapes agree, the same initial draws in every cell"
    )
    words: ClassVar[Mapping[str, str]] = WORDS
    phrases: ClassVar[Mapping[str, str]] = PHRASES

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
    standardize: bool = False
    normalization: str = "none"
    dropout: float = 0.0
    skip: str = "none"
    branch_scale: float = 1.0
    probe_steps: tuple[int, ...] = ()
    probes: tuple[str, ...] = ()
    augmentation: str = "none"
    early_stopping: bool = False

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
        if not isinstance(self.dataset, str):
            raise UserError(f"dataset={self.dataset!r} must be a name, or by_function(...) of a function")
        for name in ("standardize", "early_stopping"):
            if type(value := getattr(self, name)) is not bool:
                raise UserError(f"{name}={value!r} must be True or False")
        for wrong, message in contradictions(self):
            if wrong:
                raise UserError(message)

    @property
    def info(self) -> DataInfo:
        """What is known of the data set."""
        return known(self.dataset)

    @property
    def is_regression(self) -> bool:
        """Whether the targets are numbers, not classes."""
        return not self.info.num_classes

    @property
    def is_plain(self) -> bool:
        """Whether a hidden layer is an affine map and an activation without a parameter, and nothing else."""
        pieces = (self.normalization, self.skip, self.dropout)
        return pieces == ("none", "none", 0) and self.activation != "prelu"

    @property
    def looks(self) -> tuple[int, ...]:
        """When the probe looks, as the clock counts."""
        return self.probe_steps if self.steps else self.probe_epochs

    @property
    def modules(self) -> tuple[str, ...]:
        module, is_function, _ = self.dataset.partition(":")
        return (*super().modules, *([module] if is_function else []))

    def gives(self) -> Mapping[str, Metric]:
        from research.training.metrics import PROFILES, layers_of, metric_of, metrics_of

        found = {name: metric_of(name) for name in metrics_of(self)}
        found |= layers_of(self)
        return found | {
            name: replace(metric_of(name), by="place") for one in self.measures for name in PROFILES.get(one, ())
        }

    @classmethod
    def explained(cls) -> Sequence[str]:
        from research.training.metrics import METRICS

        return list(METRICS)

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
        return Source(self.info.name, self.info.digest, self.info.source)

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


def without_horizon(config: TrainConfig) -> TrainConfig:
    """The configuration at the shortest horizon it can have: the same for all that differ in nothing else.

    At a constant rate what is trained for less is the first part of what is trained for longer. One that counts steps
    and one that counts epochs never come to the same. Where the rate falls over the horizon, a configuration is the
    same as itself alone.
    """
    if config.schedule != "constant":
        return config
    return replace(config, steps=config.evaluate_every) if config.steps else replace(config, epochs=1)
