"""Data sets that functions give, those of a study file above all: called, checked, and known by their arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from research.design.errors import UserError
from research.training.data_set import DataInfo

NAMED: dict[str, Callable[[], Arrays]] = {}  # what by_function was asked for in this process


@dataclass(frozen=True)
class Arrays:
    """What a function of a study file gives: inputs [N, D] and targets [N], whole numbers 0..C-1 for C classes, others
    for a regression.

    Validation and test part are drawn from them for each seed, as these shares, unless a test part is given.
    """

    inputs: np.ndarray
    targets: np.ndarray
    test_inputs: np.ndarray | None = None
    test_targets: np.ndarray | None = None
    validation: float = 0.2
    test: float = 0.2
    source: str = ""


def by_function(function: Callable[[], Arrays]) -> str:
    """The name under which a TrainConfig has the data set that a function at the top of a study file gives.

    The function takes nothing and gives the same Arrays whenever it is called. Fingerprints hold a digest of these.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    NAMED[name] = function
    return name


def function_of(name: str) -> Callable[[], Arrays]:
    """The function that a name stands for, which a study file that is loaded has named: a record makes no code run."""
    if name not in NAMED:
        raise UserError(f"data set {name!r}: no study file that is loaded has such a function")
    return NAMED[name]


@cache
def made(function: Callable[[], Arrays]) -> tuple[DataInfo, tuple[np.ndarray, ...]]:
    """What a function of a study file gives: info, and pool and test part as four arrays.

    Raises UserError for what is no data set, and where it gives another one the second time.
    """
    where = f"data set {function.__qualname__}"
    first, second = (_checked(where, function) for _ in range(2))
    digest, again = map(digest_of, (first[1], second[1]))
    if digest != again:
        raise UserError(f"{where}: gives other arrays the second time; draw from a generator with a fixed seed")
    given, arrays = first
    inputs, targets, test_inputs, _ = arrays
    is_regression = np.issubdtype(targets.dtype, np.floating)
    rows, draws_test = len(inputs), given.test_inputs is None
    info = DataInfo(
        name=function.__qualname__,
        digest=digest,
        num_features=inputs.shape[1],
        num_classes=0 if is_regression else int(targets.max()) + 1,
        max_value=1,
        num_pool=rows,
        num_validation=round(given.validation * rows),
        num_test=round(given.test * rows) if draws_test else len(test_inputs),
        source=given.source or f"made by {function.__qualname__}() of the study file",
        draws_test=draws_test,
    )
    if not info.num_test or info.num_train < 1 or not info.num_validation:
        parts = f"{info.num_train} for training, {info.num_validation} for validation, {info.num_test} for tests"
        raise UserError(f"{where}: of {rows} examples there are {parts}: each part needs some")
    return info, arrays


def _checked(where: str, function: Callable[[], Arrays]) -> tuple[Arrays, tuple[np.ndarray, ...]]:
    """What a function gives, and the same as inputs in float64 and targets in int64 or float64."""
    try:
        given = function()
    except (Exception, SystemExit) as error:  # it is code that a user wrote
        raise UserError(f"{where}: raises {type(error).__name__}: {error}") from error
    if not isinstance(given, Arrays):
        raise UserError(f"{where}: gives {type(given).__name__}, not Arrays(inputs, targets)")
    if (given.test_inputs is None) != (given.test_targets is None):
        raise UserError(f"{where}: test_inputs and test_targets go together: both or neither")
    is_regression = np.issubdtype(np.asarray(given.targets).dtype, np.floating)
    pool = (given.inputs, given.targets)
    arrays = pool if given.test_inputs is None else (*pool, given.test_inputs, given.test_targets)
    try:
        found = [np.ascontiguousarray(array, np.float64) for array in arrays]
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: its arrays are no numbers: {error}") from error
    for inputs, targets in zip(found[::2], found[1::2], strict=True):
        if inputs.ndim != 2 or targets.shape != inputs.shape[:1] or not inputs.size:
            raise UserError(f"{where}: needs inputs [N, D] and targets [N], has {inputs.shape} and {targets.shape}")
        if inputs.shape[1] != found[0].shape[1]:
            raise UserError(f"{where}: its test part has {inputs.shape[1]} features, the pool {found[0].shape[1]}")
        if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
            raise UserError(f"{where}: has values that are not finite")
        classes = np.unique(targets)
        if not is_regression and (classes[0] < 0 or not np.isin(classes, found[1]).all()):
            raise UserError(f"{where}: classes are whole numbers from 0 that the pool has all, not {classes[:3]} ...")
    if not is_regression:
        found[1::2] = [targets.astype(np.int64) for targets in found[1::2]]
    return given, tuple(found if len(found) == 4 else with_empty_test(*found))


def with_empty_test(inputs: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """Pool and test part, where this is drawn from the pool."""
    return [inputs, targets, inputs[:0], targets[:0]]


def digest_of(arrays: Sequence[np.ndarray]) -> str:
    """SHA-256 over arrays: their kinds, shapes and bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
