"""Data sets as tensors, and the splits drawn from them.

The digits come with scikit-learn, MNIST from `mnist.arrays`, and the curves of a regression are computed. Heavy
packages are imported where they are used, so that importing this module costs little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from research.design.errors import UserError
from research.design.streams import stream
from research.training import mnist

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set unloaded. digest is a SHA-256 that names its content; inputs are 0..max_value.

    The training and the validation part are drawn from the pool; the test part is fixed. The curves of a regression
    have no classes, are trained on the whole pool and validated between its points; their inputs stay as they are.
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
class DataSet:
    """A data set in memory, pool and test part: inputs [N, D], targets [N].

    Inputs of images are uint8, 0..info.max_value, and their targets classes in int64; both are float64 of a regression.
    That has a validation part beside the pool: the points half way between two of it. It is for tuning alone.
    """

    info: DataInfo
    inputs: torch.Tensor
    targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor
    validation_inputs: torch.Tensor | None = None
    validation_targets: torch.Tensor | None = None


def _curve(name: str, formula: str) -> DataInfo:
    source = f"y = {formula} at 1,024 evenly spaced points of [-2 pi, 2 pi], ends included; tested at 4,096"
    return DataInfo(
        name=name,
        digest=hashlib.sha256(source.encode()).hexdigest(),
        num_features=1,
        num_classes=0,
        max_value=1,
        num_pool=1024,
        num_validation=0,
        num_test=4096,
        source=source,
    )


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
    "sine": _curve("sine", "sin x"),
    "line": _curve("line", "x / (2 pi)"),
}
CURVES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"sine": np.sin, "line": lambda x: x / (2 * np.pi)}


def split(labels: np.ndarray, num_validation: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted int64 indices of the training and the validation part of a pool with labels [N], drawn from the seed.

    The validation part has exactly num_validation members, and of each class its share of the pool to within one
    (largest remainder). Raises ValueError if num_validation is not in 0..N.
    """
    if not 0 <= num_validation <= len(labels):
        raise ValueError(f"num_validation={num_validation} is not in 0..{len(labels)}")
    if not num_validation:
        return np.arange(len(labels)), np.empty(0, np.int64)
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


def load(name: str) -> DataSet:
    """A data set as tensors, fetched if need be; the bytes that become tensors are those whose sums were checked.

    Raises UserError for an unknown name, a damaged file, files that cannot be had, or a folder that cannot be written.
    """
    info = known(name)

    import torch

    if name in CURVES:
        pool, test = (np.linspace(-2 * np.pi, 2 * np.pi, count) for count in (info.num_pool, info.num_test))
        parts = [
            (torch.from_numpy(x[:, None]), torch.from_numpy(CURVES[name](x)))
            for x in (pool, test, (pool[1:] + pool[:-1]) / 2)
        ]
        return DataSet(info, *parts[0], *parts[1], *parts[2])
    arrays = mnist.arrays() if name == "mnist" else digits_arrays()
    images, labels, test_images, test_labels = (torch.from_numpy(array) for array in arrays)
    return DataSet(info, images.flatten(1), labels.long(), test_images.flatten(1), test_labels.long())


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
