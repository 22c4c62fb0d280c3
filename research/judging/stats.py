"""Intervals and exact tests: arrays in, numbers out."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Set on simulated seeds (benchmarks/calibration.md). Of normal samples the rule finds two groups in 6 % at five values,
# 2 % at six, none at ten; fewer than five nearly always look like two groups, and Student's interval is wide there.
GROUPS_FROM = 5
GAP_TO_GROUP = 3


# What is infinite, too large or not a number makes results that say so; there is nothing to warn of.
quietly = np.errstate(divide="ignore", invalid="ignore", over="ignore")


class Interval(NamedTuple):
    """A point with its interval and the number of values that it rests on."""

    mean: float
    low: float
    high: float
    n: int


@quietly
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


@quietly
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


def hits_that_decide(n: int, share: float, error: float) -> tuple[int, int]:
    """How many of n seeds are the fewest that show that more than a share of all do so, and the most that show that no
    more do: each by chance at most so often, were exactly that share of all so. None can: n + 1 and -1.

    Source: the exact binomial test (Clopper & Pearson 1934).
    """
    up, down = chance_of_hits(np.arange(n + 2), n, share)
    return int((up <= error).argmax()), int((down <= error).sum()) - 1


def chance_of_hits(hits: ArrayLike, n: int, share: float) -> tuple[Array, Array]:
    """How often chance gives so many hits or more, and so many or fewer, where a share of all are."""
    from scipy.special import bdtr, bdtrc

    counts = np.asarray(hits, dtype=float)
    if not n:
        return np.where(counts > 0, 0.0, 1.0), np.ones_like(counts)
    more = np.where(counts > n, 0.0, np.where(counts < 1, 1.0, bdtrc(np.clip(counts - 1, 0, n), n, share)))
    return more, np.where(counts >= n, 1.0, bdtr(np.minimum(counts, n), n, share))


def median_interval(low: ArrayLike, high: ArrayLike, error: float) -> Interval:
    """The median of numbers that lie from low to high [n], with its exact interval: each end misses it in at most this
    share of studies.

    It is NaN where it is not known. Source: Thompson 1936 (order statistics and the binomial distribution).
    """
    least, most = np.sort(np.asarray(low, dtype=float)), np.sort(np.asarray(high, dtype=float))
    n = len(least)
    if not n:
        return Interval(math.nan, math.nan, math.nan, 0)
    fewest, _ = hits_that_decide(n, 0.5, error)
    ends = (float(least[n - fewest]), float(most[fewest - 1])) if fewest <= n else (-math.inf, math.inf)
    with np.errstate(invalid="ignore"):
        middle, other = float(np.median(least)), float(np.median(most))
    return Interval(middle if middle == other else math.nan, *ends, n)


def largest_unseen_share(n: int, level: float = 0.95) -> float:
    """The one-sided exact bound on the share of something that none of n values showed: 1 - (1 - level)^(1/n).

    It is the upper end of Clopper & Pearson's (1934) interval at no hits, with the whole error on one side.
    """
    return float(1 - (1 - level) ** (1 / n)) if n else 1.0


def group_codes(levels: ArrayLike) -> NDArray[np.intp]:
    """The group [N] of each row of levels [N, F], numbered from 0; rows of the same levels are one group."""
    array = np.asarray(levels)
    if not array.shape[1]:
        return np.zeros(len(array), dtype=np.intp)
    return np.unique(array, axis=0, return_inverse=True)[1].reshape(-1)


def share_between(y: ArrayLike, groups: ArrayLike) -> float:
    """The share of the variance of y [N] that lies between the means of its groups [N]; 0 for a constant y."""
    array, codes = np.asarray(y, dtype=float), np.asarray(groups)
    if np.ptp(array) == 0:
        return 0.0
    means = np.bincount(codes, array) / np.maximum(np.bincount(codes), 1)
    return float(np.clip(((means[codes] - array.mean()) ** 2).sum() / ((array - array.mean()) ** 2).sum(), 0, 1))


def shapley_shares(y: ArrayLike, levels: ArrayLike) -> Array:
    """What each factor [F], whose levels [N, F] are whole numbers, has in the variance of the finite y [N].

    The value of a set of factors is the share of the variance between the groups that they make. A factor's Shapley
    share is what it adds to that, averaged over all orders in which the factors can come; these shares sum to 1 where
    no two rows have the same levels. In a balanced crossed design all are those of the analysis of variance. In another
    one the effects of factors are confounded: the shares describe these rows and estimate nothing. All are 0 for a
    constant y. Source: Shapley 1953; for shares of a variance Owen 2014.
    """
    array = np.asarray(levels)
    num_factors = array.shape[1]
    subsets = [s for size in range(num_factors + 1) for s in itertools.combinations(range(num_factors), size)]
    value = {subset: share_between(y, group_codes(array[:, subset])) for subset in subsets}
    shapley = np.zeros(num_factors)
    for subset in subsets:
        weight = 1 / (num_factors * math.comb(num_factors - 1, len(subset))) if len(subset) < num_factors else 0.0
        for factor in set(range(num_factors)) - set(subset):
            shapley[factor] += weight * (value[tuple(sorted((*subset, factor)))] - value[subset])
    return shapley


def main_effect_share(values: ArrayLike) -> Array:
    """Of the variance of values [N, A, ...] in which A takes part, the share [N] of its main effect, for each of N.

    The rest are its interactions with the other axes, which are crossed with it in full. NaN where nothing varies over
    A. Source: the two-way and higher analysis of variance, Fisher 1925: what is left of the sum of squares after the
    mean over A is taken off is A's and that of all its interactions.
    """
    array = np.asarray(values, dtype=float)
    array = array.reshape(*array.shape[:2], -1)
    with np.errstate(invalid="ignore"):  # infinities, whose share is not a number
        effects = array - array.mean(1, keepdims=True)
        taking_part = (effects**2).sum((1, 2))
        main = array.shape[2] * (effects.mean(2) ** 2).sum(1)
        varies = np.ptp(array, axis=1).any(1)
    share: Array = np.full(len(array), math.nan)
    np.divide(main, taking_part, out=share, where=varies)
    return share


def interaction_shares(values: ArrayLike) -> Array:
    """Of the same variance of values [N, A, C1, C2, ...], the share [N, K] of A's interaction with each one choice.

    What these and `main_effect_share` leave of 1 is the interactions of A with several choices at once. NaN as there.
    """
    array = np.asarray(values, dtype=float)
    choices = tuple(range(2, array.ndim))
    with np.errstate(invalid="ignore", divide="ignore"):
        effects = array - array.mean(1, keepdims=True)
        taking_part = (effects**2).sum((1, *choices))
        main = effects.mean(choices, keepdims=True)
        parts = [effects.mean(tuple(set(choices) - {axis}), keepdims=True) - main for axis in choices]
        sums = [(part**2).sum((1, *choices)) * array[0, 0].size / part[0, 0].size for part in parts]
        shares = np.array(sums).T / taking_part[:, None]
    return np.where(np.isnan(main_effect_share(array))[:, None], math.nan, shares)
