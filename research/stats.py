"""Numbers joined, and intervals: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Set on simulated seeds (benchmarks/calibration.md). Of normal samples the rule finds two groups in 6 % at five values,
# 2 % at six, none at ten; fewer than five nearly always look like two groups, and Student's interval is wide there.
GROUPS_FROM = 5
GAP_TO_GROUP = 3


class Interval(NamedTuple):
    """A point with its interval and the number of values that it rests on."""

    mean: float
    low: float
    high: float
    n: int


def joined(how: str, values: ArrayLike, levels: ArrayLike = (), threshold: float = float("nan")) -> Array:
    """Numbers [N, K, ...] joined over K: "max", "min", "mean", "spread" (largest minus smallest), "difference" and
    "ratio" (first and second of two), "only" (the one there is); and by K levels "log_slope" (least squares, of
    the numbers' logarithms over the levels') and "first_below" (the smallest level whose number is below the threshold,
    twice the largest if none is). One that is NaN makes the whole NaN. Raises ValueError for another number of them.
    """
    array = np.asarray(values, dtype=float)
    if how in ("difference", "ratio"):
        first, second = np.moveaxis(array, 1, 0)
        return np.asarray(first - second if how == "difference" else first / second)
    if how in ("log_slope", "first_below"):
        by_level, at = np.moveaxis(array, 1, -1), np.asarray(levels, dtype=float)
        if how == "first_below":
            first = np.where(by_level < threshold, at, 2 * at.max()).min(-1)
            return np.where(np.isnan(by_level).any(-1), np.nan, first)
        centred = np.log(at) - np.log(at).mean()
        return np.asarray((np.log(by_level) * centred).sum(-1) / (centred**2).sum())
    if how == "only":
        return array.squeeze(1)
    functions: dict[str, Callable[..., Array]] = {"max": np.max, "min": np.min, "mean": np.mean, "spread": np.ptp}
    return functions[how](array, axis=1)


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of the finite values with Student's interval; the bounds are NaN for fewer than two values.

    Source: Student 1908. It speaks of the population that the values (seeds) are drawn from, and is exact where that
    is normal.
    """
    from scipy.special import stdtrit  # a tenth of the import time of scipy.stats

    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array)]
    n = len(array)
    mean = float(array.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n)
    half = float(stdtrit(n - 1, (1 + level) / 2) * array.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def cautious_mean_interval(values: ArrayLike, level: float = 0.95, resolution: float = 0.0) -> Interval:
    """Student's interval of the mean, widened where the values themselves show that it is too narrow.

    It reaches to the two-group interval where the values fall into two groups, and at least `resolution`, the smallest
    step of what was measured, to either side. Where a value is infinite it says nothing: -inf to inf.
    """
    array = np.asarray(values, dtype=float)
    if np.isinf(array).any():
        return Interval(float(array.sum()), float("-inf"), float("inf"), len(array))
    mean, low, high, n = mean_interval(array, level)
    if groups := two_groups(array):
        _, group_low, group_high, _ = two_group_interval(*groups, level)
        low, high = min(low, group_low), max(high, group_high)
    return Interval(mean, min(low, mean - resolution), max(high, mean + resolution), n)


def two_groups(values: ArrayLike) -> tuple[Array, Array] | None:
    """The values below and above their largest gap, in order, if it is over three times the wider group's range.

    None if it is not, for fewer than five values, or where one is not finite.
    """
    array = np.sort(np.asarray(values, dtype=float))
    if len(array) < GROUPS_FROM or not np.isfinite(array).all():
        return None
    gaps = np.diff(array)
    split = int(gaps.argmax()) + 1
    lower, upper = array[:split], array[split:]
    if gaps[split - 1] <= GAP_TO_GROUP * max(lower[-1] - lower[0], upper[-1] - upper[0]):
        return None
    return lower, upper


def two_group_interval(lower: ArrayLike, upper: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of two groups far apart, with the exact interval of the upper group's share carried over to it.

    Each end takes the group's values on that side, so what is left of the scatter within the groups is counted too.
    """
    below, above = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    _, least, most, n = share_interval(len(above), len(below) + len(above), level)
    low = least * above.min() + (1 - least) * below.min()
    high = most * above.max() + (1 - most) * below.max()
    return Interval(float(np.concatenate((below, above)).mean()), float(low), float(high), n)


def share_interval(hits: int, n: int, level: float = 0.95) -> Interval:
    """A share of `hits` out of n with the exact binomial interval, which holds at least at the level. NaN for n = 0.

    Source: Clopper & Pearson 1934, in the form with quantiles of the beta distribution.
    """
    from scipy.special import betaincinv

    if not n:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    tail = (1 - level) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return Interval(hits / n, low, high, n)


def largest_unseen_share(n: int, level: float = 0.95) -> float:
    """The one-sided exact bound on the share of something that none of n values showed: 1 - (1 - level)^(1/n).

    It is the upper end of Clopper & Pearson's (1934) interval at no hits, with the whole error on one side.
    """
    return float(1 - (1 - level) ** (1 / n)) if n else 1.0
