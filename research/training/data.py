"""Data sets by their names, as tensors.

MNIST comes from `mnist.arrays`, some tables with scikit-learn, MNIST-1D and the curves of a regression are computed,
and a study file may bring a function of its own (`data_functions.by_function`). Heavy packages are imported where they
are used, so that importing this module costs little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from research.design.errors import UserError
from research.training import mnist, mnist_1d
from research.training.data_functions import digest_of, function_of, made, with_empty_test
from research.training.data_set import DataInfo, DataSet


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


def _table(name: str, digest: str, num_features: int, num_classes: int, rows: int, text: str) -> DataInfo:
    """A table that scikit-learn brings along: a fifth is the validation part of a seed, a fifth its test part."""
    fifth = round(0.2 * rows)
    source = f"{text}, as bundled with scikit-learn"
    return DataInfo(name, digest, num_features, num_classes, 1, rows, fifth, fifth, source, draws_test=True)


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
    "mnist-1d": DataInfo(
        name="mnist-1d",
        digest="fa191148f5b54d848e279d8035186a0e40dca7f1c25c673729c167f2d4d1d988",
        num_features=40,
        num_classes=10,
        max_value=1,
        num_pool=4000,
        num_validation=500,
        num_test=1000,
        source="MNIST-1D, signals of 40 points (Greydanus, 2020), made with the generator's own seed",
        axes=1,
    ),
    "sine": _curve("sine", "sin x"),
    "line": _curve("line", "x / (2 pi)"),
    "breast_cancer": _table(
        "breast_cancer",
        "b874872b81dfcb2824541b484db11724b7ad8e4be4bcf516b5e6d16624253fe8",
        30,
        2,
        569,
        "breast tumours by their cells, Wisconsin (Wolberg, Street and Mangasarian, 1995)",
    ),
    "wine": _table(
        "wine",
        "c5869d35c0506e066d550660b1e4363158758d7789c860a723d6f2e2e4b20300",
        13,
        3,
        178,
        "wines by their chemistry (Aeberhard and Forina, 1992)",
    ),
    "diabetes": _table(
        "diabetes",
        "038f71a4a90b77bd911ec60ecb3619cf150123b740fc6689c1356dc72b6deb29",
        10,
        0,
        442,
        "diabetes progression after a year (Efron and others, 2004)",
    ),
}
CURVES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"sine": np.sin, "line": lambda x: x / (2 * np.pi)}


def fetch(name: str) -> None:
    """Make sure that a data set's files are in the data folder and intact, downloading what is missing.

    The coordinator calls it before workers start, so that one process downloads. Raises UserError as `load` does.
    """
    if known(name).name == "mnist":
        mnist.contents()


def load(name: str) -> DataSet:
    """A data set as tensors, fetched if need be; the bytes that become tensors are those whose sums were checked.

    Raises UserError for an unknown name, a damaged file, files that cannot be had, a folder that cannot be written, or
    a function that gives no data set.
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
    if ":" in name:
        arrays = list(made(function_of(name))[1])
    elif info.draws_test:
        arrays = with_empty_test(*bundled(info))
    elif name == "mnist-1d":
        arrays = mnist_1d.arrays()
        _check_digest(info, digest_of(arrays), "what NumPy makes", "NumPy")
    else:
        arrays = mnist.arrays() if name == "mnist" else digits_arrays()
    inputs, targets, test_inputs, test_targets = (torch.from_numpy(array) for array in arrays)
    if info.num_classes:
        targets, test_targets = targets.long(), test_targets.long()
    return DataSet(info, inputs.flatten(1), targets, test_inputs.flatten(1), test_targets)


def known(name: str) -> DataInfo:
    """What is known of the data set of this name; a UserError that lists the names, or says what a function gave."""
    if name in DATA:
        return DATA[name]
    if isinstance(name, str) and ":" in name:
        return made(function_of(name))[0]
    raise UserError(f"dataset={name!r} is not one of {', '.join(DATA)}, nor by_function(...) of a function")


def bundled(info: DataInfo) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of a table that scikit-learn brings along, in float64, or int64 for classes."""
    from sklearn import datasets  # type: ignore[import-untyped, unused-ignore]

    table = getattr(datasets, f"load_{info.name}")()
    found = (np.ascontiguousarray(table.data, np.float64), table.target.astype(np.int64 if info.num_classes else float))
    _check_digest(info, digest_of(found))
    return found


def _check_digest(
    info: DataInfo, digest: str, what: str = "scikit-learn's bundled copy", library: str = "scikit-learn"
) -> None:
    if digest != info.digest:
        raise UserError(
            f"{info.name}: {what} has SHA-256 {digest}, not {info.digest}; "
            f"reinstall {library} in the version that the project pins"
        )


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
    _check_digest(info, hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest())
    pool, test = slice(info.num_pool), slice(info.num_pool, None)
    return [images[pool], labels[pool], images[test], labels[test]]
