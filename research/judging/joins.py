"""Numbers of which it is known between which ends they lie, joined to one of which that is known too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from research.judging.stats import Array, quietly


@quietly
def joined(
    how: str, low: ArrayLike, high: ArrayLike, levels: ArrayLike = (), threshold: float = float("nan")
) -> tuple[Array, Array]:
    """Numbers joined over K, each known to lie from low to high [N, K, ...]: the ends between which the whole can lie.

    "max", "min", "mean", "spread" (largest minus smallest), "difference" and "ratio" (first and second of two), "only"
    (the one there is); and by K levels "log_slope" (least squares, of the numbers' logarithms over the levels'),
    "first_below" and "first_above" (the smallest level whose number is below or above the threshold, above the largest
    if none is). What has no value, such as a ratio to zero or the logarithm of a negative number, can be anything: from
    -inf to inf. Raises ValueError for another number of them.
    """
    least, most = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    match how:
        case "only":
            ends = least.squeeze(1), most.squeeze(1)
        case "difference":
            (low_1, low_2), (high_1, high_2) = np.moveaxis(least, 1, 0), np.moveaxis(most, 1, 0)
            ends = low_1 - high_2, high_1 - low_2
        case "ratio":
            ends = _ratio(*np.moveaxis(least, 1, 0), *np.moveaxis(most, 1, 0))
        case "spread":
            between = most[:, :, None] - least[:, None]
            same = np.arange(least.shape[1])
            between[:, same, same] = 0.0  # a number does not differ from itself, wherever it lies
            ends = np.maximum(least.max(1) - most.min(1), 0.0), between.max((1, 2))
        case "log_slope":
            ends = _log_slope(least, most, np.asarray(levels, dtype=float))
        case "first_below":
            at = np.asarray(levels, dtype=float)
            perhaps, surely = (np.moveaxis(end, 1, -1) < threshold for end in (least, most))
            beyond = np.nextafter(at.max(), np.inf)
            ends = np.where(perhaps, at, beyond).min(-1), np.where(surely, at, np.inf).min(-1)
        case "first_above":
            ends = joined("first_below", -most, -least, levels, -threshold)
        case _:
            functions: dict[str, Callable[..., Array]] = {"max": np.max, "min": np.min, "mean": np.mean}
            ends = functions[how](least, axis=1), functions[how](most, axis=1)
    return np.where(np.isnan(ends[0]), -np.inf, ends[0]), np.where(np.isnan(ends[1]), np.inf, ends[1])


def _ratio(low_1: Array, low_2: Array, high_1: Array, high_2: Array) -> tuple[Array, Array]:
    """The ends of a ratio; anything where what is divided by may be zero."""
    negative, zero = high_2 < 0, (low_2 <= 0) & (high_2 >= 0)
    first, second = np.where(negative, -high_1, low_1), np.where(negative, -low_1, high_1)
    least, most = np.where(negative, -high_2, low_2), np.where(negative, -low_2, high_2)
    low = np.where(first >= 0, first / most, first / least)
    high = np.where(second >= 0, second / least, second / most)
    return np.where(zero, -np.inf, low), np.where(zero, np.inf, high)


def _log_slope(low: Array, high: Array, levels: Array) -> tuple[Array, Array]:
    """The ends of the slope: numbers at levels above the middle are low, those below it high, and the other way."""
    centred = np.log(levels) - np.log(levels).mean()
    least, most = (np.log(np.moveaxis(end, 1, -1)) for end in (low, high))
    least = np.where(np.moveaxis((low < 0) & (high > 0), 1, -1), -np.inf, least)  # what is measured is not negative
    size = (centred**2).sum()
    return tuple(
        np.where(centred == 0, 0.0, np.where(centred > 0, up, down) * centred).sum(-1) / size
        for up, down in ((least, most), (most, least))
    )
