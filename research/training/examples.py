"""What the replicates of a stack are trained and tested on: each seed's split, its pixels, the kind of its targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from research.design.streams import stream
from research.training.config import TrainConfig
from research.training.cost import NUM_BINS
from research.training.data_set import DataSet, parts

Array = np.ndarray


@dataclass(frozen=True)
class Examples:
    """The examples of R replicates, looked up by index: inputs [N, D], targets [N], and the same of the test part.

    Each replicate has its train [R, n], validation [R, v] and test [R, t] indices. Where each seed has an order of the
    pixels, `orders` [R, D] are these, to be taken by who looks them up. Where it has one for each image, the replicates
    have copies of their own, one after the other, and their indices point there. Where each has labels of its own,
    targets are [R, N]. Targets are classes in int64 or numbers; `values`, [t] or [R, t], is what the test targets of a
    regression are, also where it is learnt by classes, whose numbers are `centres`; `validation_values`, [v] or [R, v],
    those of its validation part.
    """

    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    train: Array
    validation: Array
    test: Array
    scale: float
    orders: Tensor | None = None
    values: Tensor | None = None
    centres: Tensor | None = None
    validation_values: Tensor | None = None


def make_examples(config: TrainConfig, seeds: Sequence[int], data: DataSet) -> Examples:
    """The examples of a configuration's seeds. Pixels that are scrambled need a copy of the images for each seed."""
    info = data.info
    dealt = [parts(info, data.targets.numpy(), seed) for seed in seeds]
    train = np.stack([_first(config.num_train, part, seed) for (part, *_), seed in zip(dealt, seeds, strict=True)])
    validation, test = np.stack([part for _, part, _ in dealt]), np.stack([part for *_, part in dealt])
    inputs, targets, test_inputs, test_targets = data.inputs, data.targets, data.test_inputs, data.test_targets
    if info.draws_test:
        test_inputs, test_targets = inputs, targets
    orders = values = validation_values = centres = None
    if config.pixels == "sorted":
        inputs, test_inputs = (torch.from_numpy(np.sort(images.numpy(), axis=1)) for images in (inputs, test_inputs))
    elif config.pixels == "permuted":
        orders = torch.from_numpy(np.stack([pixel_order(seed, info.num_features) for seed in seeds]))
    elif config.pixels == "scrambled":
        copies = np.arange(len(seeds))[:, None]
        inputs, test_inputs = (
            torch.from_numpy(scrambled(images.numpy(), seeds, part)).flatten(0, 1)
            for images, part in ((inputs, "pool"), (test_inputs, "test"))
        )
        targets, test_targets = targets.repeat(len(seeds)), test_targets.repeat(len(seeds))
        train, validation = train + copies * info.num_pool, validation + copies * info.num_pool
        test = test + copies * info.num_test
    if config.labels == "shuffled":
        targets = shuffled_labels(targets, train, seeds)
    if config.standardize:
        scales = [Standard(inputs[own], targets[own], config.is_regression) for own in train]
        (inputs, targets), (test_inputs, test_targets) = (
            (torch.cat([scale.inputs(x) for scale in scales]), torch.cat([scale.targets(y) for scale in scales]))
            for x, y in ((inputs, targets), (test_inputs, test_targets))
        )
        copies = np.arange(len(seeds))[:, None]
        train, validation = train + copies * info.num_pool, validation + copies * info.num_pool
        test = test + copies * (info.num_pool if info.draws_test else info.num_test)
    if config.is_regression and data.validation_inputs is None:
        values, validation_values = test_targets[test], targets[validation]
    elif config.is_regression:
        assert data.validation_inputs is not None
        assert data.validation_targets is not None
        between = np.arange(len(inputs), len(inputs) + len(data.validation_inputs))
        validation = np.broadcast_to(between, (len(seeds), len(between)))
        values, validation_values = test_targets, data.validation_targets
        inputs = torch.cat([inputs, data.validation_inputs])
        targets = torch.cat([targets, data.validation_targets])
        if config.loss == "cross_entropy":
            edges = torch.linspace(-1, 1, NUM_BINS + 1, dtype=targets.dtype)
            centres = (edges[1:] + edges[:-1]) / 2
            targets, test_targets = (torch.bucketize(numbers, edges[1:-1]) for numbers in (targets, test_targets))
    scale = config.input_scale / (1 if config.standardize else info.max_value)
    return Examples(
        inputs, targets, test_inputs, test_targets, train, validation, test, scale, orders, values, centres,
        validation_values,
    )  # fmt: skip


class Standard:
    """The mean and standard deviation of a training part's inputs [n, D] and, of a regression, of its targets [n].

    What does not vary is left at its mean.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, is_regression: bool) -> None:
        self.mean, self.spread = _mean_and_spread(inputs.double())
        self.target_mean, self.target_spread = torch.zeros(1), torch.ones(1)
        self.is_regression = is_regression
        if is_regression:
            self.target_mean, self.target_spread = _mean_and_spread(targets)

    def inputs(self, inputs: Tensor) -> Tensor:
        """Inputs [N, D] less the mean, by the standard deviation."""
        return (inputs.double() - self.mean) / self.spread

    def targets(self, targets: Tensor) -> Tensor:
        """Targets [N] of a regression likewise; classes as they are."""
        return (targets - self.target_mean) / self.target_spread if self.is_regression else targets


def _mean_and_spread(values: Tensor) -> tuple[Tensor, Tensor]:
    spread, mean = torch.std_mean(values, 0, correction=0)
    return mean, spread.where(spread > 0, torch.ones_like(spread))


def _first(count: int, train: Array, seed: int) -> Array:
    """The first examples of a training part in an order of the seed's own; all of them for 0."""
    return np.sort(stream(seed, "subset").permutation(train)[:count]) if count else train


def shuffled_labels(targets: Tensor, train: Array, seeds: Sequence[int]) -> Tensor:
    """The targets [R, N] of replicates: those of each training part [R, n] dealt out anew among its examples."""
    found = targets.repeat(len(seeds), 1)
    for labels, seed, own in zip(found, seeds, train, strict=True):
        labels[own] = targets[stream(seed, "labels").permutation(own)]
    return found


def moved_pixels(images: Array, pixels: str, seed: int, part: str) -> Array:
    """Images [N, D] with their pixels in one order for all ("permuted"), or another for each image ("scrambled")."""
    if pixels == "permuted":
        return images[:, pixel_order(seed, images.shape[1])]
    (found,) = scrambled(images, (seed,), part)
    return np.asarray(found)


def scrambled(images: Array, seeds: Sequence[int], part: str) -> Array:
    """A copy of images [N, D] for each seed, [R, N, D], each image with its pixels in an order of its own."""
    found = np.repeat(images[None], len(seeds), axis=0)
    for seed, copy in zip(seeds, found, strict=True):
        stream(seed, f"pixels of each image, {part}").permuted(copy, axis=1, out=copy)
    return found


def pixel_order(seed: int, num_pixels: int) -> Array:
    """The one order of the pixels that a seed has."""
    return stream(seed, "pixels").permutation(num_pixels)
