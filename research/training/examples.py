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
from research.training.data import DataSet, split

Array = np.ndarray


@dataclass(frozen=True)
class Examples:
    """The examples of R replicates, looked up by index: inputs [N, D], targets [N], and the same of the test part.

    Each replicate has its train [R, n], validation [R, v] and test [R, t] indices. Where each seed has an order of the
    pixels, `orders` [R, D] are these, to be taken by who looks them up. Where it has one for each image, the replicates
    have copies of their own, one after the other, and their indices point there. Where each has labels of its own,
    targets are [R, N]. Targets are classes in int64 or numbers; `values` [t] is what the test targets of a regression
    are, also where it is learnt by classes, whose numbers are `centres`; `validation_values` [v] those of its
    validation part.
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
    parts = [split(data.targets.numpy(), info.num_validation, seed) for seed in seeds]
    train = np.stack([_first(config.num_train, part, seed) for (part, _), seed in zip(parts, seeds, strict=True)])
    validation = np.stack([part for _, part in parts])
    test = np.broadcast_to(np.arange(info.num_test), (len(seeds), info.num_test))
    inputs, targets, test_inputs, test_targets = data.inputs, data.targets, data.test_inputs, data.test_targets
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
    if config.is_regression:
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
    scale = config.input_scale / info.max_value
    return Examples(
        inputs, targets, test_inputs, test_targets, train, validation, test, scale, orders, values, centres,
        validation_values,
    )  # fmt: skip


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
