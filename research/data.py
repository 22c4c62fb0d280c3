"""Data sets as tensors, the random streams, and the splits drawn from them.

The digits come with scikit-learn, and MNIST from `research.mnist`. Heavy packages are imported where they are used, so
that importing this module costs little.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from research import mnist
from research.design import UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set unloaded. digest is a SHA-256 that names its content; inputs are 0..max_value.

    The training and the validation part are drawn from the pool; the test part is fixed.
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


@dataclass(frozen=True)
class ImageData:
    """A data set in memory: images uint8 [N, D] with values 0..info.max_value, labels int64 [N]; pool and test."""

    info: DataInfo
    images: torch.Tensor
    labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor


DATA: Mapping[str, DataInfo] = {
    "mnist": DataInfo(
        name="mnist",
        digest=hashlib.sha256("".join(file.sha256 for file in mnist.RAW_FILES).encode()).hexdigest(),
        num_features=784,
        num_classes=10,
        max_value=255,
        num_pool=60000,
        num_validation=5000,
        num_test=10000,
        source="MNIST handwritten digits, 28x28 (LeCun, Bottou, Bengio and Haffner, 1998), the four raw IDX files",
    ),
    "digits": DataInfo(
        name="digits",
        digest="87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",
        num_features=64,
        num_classes=10,
        max_value=16,
        num_pool=1500,
        num_validation=200,
        num_test=297,
        source="optical handwritten digits, 8x8 (Alpaydin and Kaynak, 1998), as bundled with scikit-learn",
    ),
}


def stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A random generator of its own for each seed, purpose and indices, the same on every machine and in every process.

    Raises TypeError for a seed that is no whole number (None too: nothing here is unseeded), ValueError below zero.
    """
    words = np.frombuffer(hashlib.sha256(purpose.encode()).digest(), dtype="<u4").tolist()
    sequence = np.random.SeedSequence(operator.index(seed), spawn_key=(*words, *indices))
    return np.random.Generator(np.random.PCG64(sequence))


def split(labels: np.ndarray, num_validation: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted int64 indices of the training and the validation part of a pool with labels [N], drawn from the seed.

    The validation part has exactly num_validation members, and of each class its share of the pool to within one
    (largest remainder). Raises ValueError if num_validation is not in 0..N.
    """
    if not 0 <= num_validation <= len(labels):
        raise ValueError(f"num_validation={num_validation} is not in 0..{len(labels)}")
    classes, counts = np.unique(labels, return_counts=True)
    quotas, remainders = np.divmod(counts * num_validation, max(len(labels), 1))
    largest = np.argsort(-remainders, kind="stable")
    quotas[largest[: num_validation - quotas.sum()]] += 1
    rng = stream(seed, "split")
    in_validation = np.zeros(len(labels), dtype=bool)
    for label, quota in zip(classes, quotas, strict=True):
        in_validation[rng.permutation(np.flatnonzero(labels == label))[:quota]] = True
    return np.flatnonzero(~in_validation), np.flatnonzero(in_validation)


def fetch(name: str) -> None:
    """Make sure that a data set's files are in the data folder and intact, downloading what is missing.

    The coordinator calls it before workers start, so that one process downloads. Raises UserError as `load` does.
    """
    if known(name).name == "mnist":
        mnist.contents()


def load(name: str) -> ImageData:
    """A data set as tensors, fetched if need be; the bytes that become tensors are those whose sums were checked.

    Raises UserError for an unknown name, a damaged file, files that cannot be had, or a folder that cannot be written.
    """
    info = known(name)
    arrays = mnist.arrays() if name == "mnist" else digits_arrays()

    import torch

    images, labels, test_images, test_labels = (torch.from_numpy(array) for array in arrays)
    return ImageData(info, images.flatten(1), labels.long(), test_images.flatten(1), test_labels.long())


def known(name: str) -> DataInfo:
    """The data set of this name, or a UserError that lists the names."""
    if name not in DATA:
        raise UserError(f"unknown data set {name!r}: choose one of {', '.join(DATA)}")
    return DATA[name]


def digits_arrays() -> list[np.ndarray]:
    """uint8 images [1500, 64] and labels [1500] of the pool, then those of the test part [297].

    The test part is the last 297 rows. The rows lie writer after writer (59 % have their nearest image of the same
    class within 150 rows, 17 % would by chance), so this tests on writers most of whom the pool does not have: one
    nearest neighbour scores 94.6 % there, but 98.8 % on a random part.
    """
    from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

    digits = load_digits()
    images, labels = digits.data.astype(np.uint8), digits.target.astype(np.uint8)
    info = DATA["digits"]
    digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    if digest != info.digest:
        raise UserError(
            f"digits: scikit-learn's bundled copy has SHA-256 {digest}, not {info.digest}; "
            "reinstall scikit-learn in the version that the project pins"
        )
    pool, test = slice(info.num_pool), slice(info.num_pool, None)
    return [images[pool], labels[pool], images[test], labels[test]]
