"""A data set, described and in memory, and the parts that a seed draws from its examples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from research.design.streams import stream

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set unloaded. digest is a SHA-256 of its content; inputs are divided by max_value.

    The training and the validation part are drawn from the pool for each seed; the test part is fixed, or drawn from
    the pool too (`draws_test`). Where there are no classes it is a regression. The two curves are trained on the whole
    pool and validated between its points. `axes` says along how many axes inputs have neighbours: two in an image.
    """

    name: str
    digest: str
    num_features: int
    num_classes: int
    max_value: int
    num_pool: int
    num_validation: int
    num_test: int
    source: str
    draws_test: bool = False
    axes: int = 2

    @property
    def num_train(self) -> int:
        """The members of the training part, where all are used."""
        return self.num_pool - self.num_validation - (self.num_test if self.draws_test else 0)

    @property
    def sides(self) -> tuple[int, ...]:
        """The inputs along each axis, as whole numbers; their product is `num_features` only where these fit."""
        return (self.num_features,) if self.axes == 1 else (math.isqrt(self.num_features),) * 2


@dataclass(frozen=True)
class DataSet:
    """A data set in memory, pool and test part: inputs [N, D], targets [N].

    Inputs of images are uint8, 0..info.max_value, all others float64; targets are classes in int64 or, of a regression,
    float64. A curve has a validation part beside the pool: the points half way between two of it, for tuning alone.
    A test part that is drawn from the pool is empty here.
    """

    info: DataInfo
    inputs: torch.Tensor
    targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor
    validation_inputs: torch.Tensor | None = None
    validation_targets: torch.Tensor | None = None


def split(
    targets: np.ndarray, count: int, seed: int, members: np.ndarray | None = None, purpose: str = "split"
) -> tuple[np.ndarray, np.ndarray]:
    """Sorted int64 indices of two parts of a pool with targets [N], the second of exactly `count`, drawn from the seed.

    Of classes the second part has of each its share of the pool to within one (largest remainder). Only `members` of
    the pool are dealt out, where these are given. Raises ValueError if count is not in 0..N.
    """
    members = np.arange(len(targets)) if members is None else members
    if not 0 <= count <= len(members):
        raise ValueError(f"count={count} is not in 0..{len(members)}")
    if not count:
        return members, np.empty(0, np.int64)
    chosen, rng = np.zeros(len(targets), dtype=bool), stream(seed, purpose)
    own = targets[members]
    if np.issubdtype(targets.dtype, np.floating):
        own = np.zeros(len(members), np.int64)  # all of one kind
    classes, counts = np.unique(own, return_counts=True)
    quotas, remainders = np.divmod(counts * count, len(members))
    largest = np.argsort(-remainders, kind="stable")
    quotas[largest[: count - quotas.sum()]] += 1
    for label, quota in zip(classes, quotas, strict=True):
        chosen[rng.permutation(members[own == label])[:quota]] = True
    return members[~chosen[members]], members[chosen[members]]


def parts(info: DataInfo, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A seed's training, validation and test indices: those of the test part into the pool where it is drawn there."""
    members, test = None, np.arange(info.num_test)
    if info.draws_test:
        members, test = split(targets, info.num_test, seed, purpose="test part")
    return (*split(targets, info.num_validation, seed, members), test)
