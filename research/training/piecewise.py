"""The least error of a piecewise-linear function with few kinks: arrays in, numbers out.

A ReLU network with biases and one hidden layer of width n on one input is a continuous piecewise-linear function with
at most n kinks, so no training brings its error below that of the best such function. Conversely n units make every
function of n - 1 kinks (one unit whose kink lies outside serves as the slope), so the least error of a width lies
between the limits of n and of n - 1 kinks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# On m equidistant points the squared error of the best line on a parabola is (1 - 1/m^2)(1 - 4/m^2) of what it is on
# the whole piece: 3 % too small at twelve, 8 % at eight, nothing is left at two.
POINTS_PER_PIECE = 12


class LinearPieces(NamedTuple):
    """Best fits of 1, 2, ..., P lines: mean squared errors [P] and, for each fit, where its lines but the first start
    (indices of points, in order).
    """

    mse: Array
    starts: tuple[NDArray[np.intp], ...]


class CapacityLimit(NamedTuple):
    """A continuous least-squares fit of `num_kinks` kinks: its errors on the points, and its knots with the two ends.

    No function with as many kinks, wherever they lie, has a root mean squared error below `rmse_bound`, up to rounding;
    that of the best one is from `rmse_bound` to `rmse`. `sup` is the largest error of this same fit, which is not the
    fit whose largest error is least. It counts the knots too, with the data interpolated: the error is largest there.
    """

    num_kinks: int
    rmse: float
    rmse_bound: float
    sup: float
    knots: Array


class AsymptoticLimit(NamedTuple):
    """Leading terms for many pieces. `rmse` and `sup` are of one fit, that of least squares; `least_sup` is the largest
    error of another, for which it is least.
    """

    rmse: float
    sup: float
    least_sup: float


def capacity_limit(x: ArrayLike, y: ArrayLike, num_kinks: Sequence[int]) -> list[CapacityLimit]:
    """For each number of kinks a continuous fit as good as could be found, and a bound on the best one.

    Knots start where neighbours of the best independent lines meet, in the gap between them. At a best break the
    squared residuals of both sides agree, so where the data curves the same way on both sides the lines do meet; on
    sine over two periods all do from four kinks on, and the fit is a best one since it reaches the bound. If it does
    not reach it, its knots are moved while that helps. x [N] must increase. Raises ValueError where the points are too
    few to resolve the pieces: take more points (time and memory grow as N^2), or `asymptotic_limit`.
    """
    x, y = _points(x, y)
    most = len(x) // POINTS_PER_PIECE - 1
    if beyond := [kinks for kinks in num_kinks if not 0 <= kinks <= most]:
        raise ValueError(f"{len(x)} points resolve 0 to {most} kinks ({POINTS_PER_PIECE} points a piece), not {beyond}")
    pieces = best_linear_pieces(x, y, max(num_kinks, default=0) + 1)
    limits = []
    for kinks in num_kinks:
        bound = float(pieces.mse[kinks])
        knots = _moved_knots(x, y, _meeting_knots(x, y, pieces.starts[kinks]), bound)
        values = continuous_fit(x, y, knots)
        residuals = y - np.interp(x, knots, values)
        rmse = math.sqrt(float(np.mean(residuals**2)))
        sup = max(float(np.abs(residuals).max()), float(np.abs(np.interp(knots, x, y) - values).max()))
        limits.append(CapacityLimit(kinks, rmse, math.sqrt(bound), sup, knots))
    return limits


def asymptotic_limit(num_pieces: int) -> AsymptoticLimit:
    """The limits of sin x on [-2 pi, 2 pi] to leading order in the number of pieces (kinks + 1).

    On a piece of length h the best line misses a parabola by |f''| h^2 / 16 at most, the line of least squares by
    |f''| h^2 / 12 at the ends and with f''^2 h^5 / 720 of squared error in all. Pieces with equal shares of
    int |f''|^(1/2) make the first the same everywhere, those with equal shares of int |f''|^(2/5) the last; at their
    ends such lines meet. Source: de Boor, A Practical Guide to Splines, chapters III and XII; Burchard & Hale 1975.

    With 32 to 257 pieces the least mean squared error was found to be smaller than this by a share of 5/n to 6/n (17 %
    at 33 pieces, 5 % at 129). It is meant for the many pieces that points cannot resolve; at 513 that leaves 1 %.
    """
    if num_pieces < 1:
        raise ValueError(f"a function has at least one piece, not {num_pieces}")
    l2 = _sine_power_integral(2 / 5)
    mse = l2**5 / 720 / (4 * math.pi) / num_pieces**4
    return AsymptoticLimit(
        rmse=math.sqrt(mse),
        sup=l2**2 / 12 / num_pieces**2,  # at the crests, where |f''| = 1
        least_sup=_sine_power_integral(1 / 2) ** 2 / 16 / num_pieces**2,
    )


def continuous_fit(x: ArrayLike, y: ArrayLike, knots: ArrayLike) -> Array:
    """Values [K] at the knots [K] of the continuous function, linear between them, that has the least squares.

    `np.interp(x, knots, values)` evaluates it. Knots must increase and reach from the first point to the last. Raises
    LinAlgError where the points do not determine a value, such as without any between a knot's two neighbours.
    """
    from scipy.linalg import solveh_banded

    x, y = _points(x, y)
    knots = np.asarray(knots, dtype=float)
    if knots.ndim != 1 or len(knots) < 2 or not (np.diff(knots) > 0).all():
        raise ValueError("knots must be two or more increasing numbers")
    if knots[0] > x[0] or knots[-1] < x[-1]:
        raise ValueError(f"knots reach from {knots[0]} to {knots[-1]}, points from {x[0]} to {x[-1]}")
    last = len(knots) - 2
    piece = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, last)
    right = (x - knots[piece]) / np.diff(knots)[piece]  # the hat function of the knot to the right of each point
    left = 1 - right

    def summed(terms: Array) -> Array:
        return np.bincount(piece, terms, minlength=last + 1).astype(float)

    band = np.zeros((2, len(knots)))
    band[0, 1:] = summed(left * right)
    band[1, :-1] = summed(left**2)
    band[1, 1:] += summed(right**2)
    moments = np.zeros(len(knots))
    moments[:-1] = summed(left * y)
    moments[1:] += summed(right * y)
    return np.asarray(solveh_banded(band, moments), dtype=float)


def best_linear_pieces(x: ArrayLike, y: ArrayLike, max_pieces: int) -> LinearPieces:
    """The least squares of up to `max_pieces` lines, each on its own run of points; they need not meet.

    Exact: a line may end after any point. A continuous function with k kinks, wherever they lie, is a line on each of
    at most k + 1 runs, so `mse[k]` bounds its mean squared error on these points from below. x [N] must increase.
    Of equal fits it takes, from the right, the one whose line starts last. Memory is 4 N^2 bytes.

    Source: the recursion over pieces is Bellman & Roth 1969. A layer considers only lines whose error alone is at most
    the error of one piece less, which leaves out nothing that could be part of a best fit.
    """
    x, y = _points(x, y)
    n = len(x)
    if not 1 <= max_pieces <= n:
        raise ValueError(f"{n} points can be split into 1 to {n} pieces, not {max_pieces}")
    costs = _line_costs(x, y)
    least_cost = np.array([cost.min() for cost in costs])  # of any line on 1, 2, ... points: it never falls
    best = np.full(n + 1, np.inf)  # [j]: the error of the pieces so far on the first j points
    best[1:] = [cost[0] for cost in costs]
    totals, lengths = [best[n]], []  # lengths[p][j]: points of the last of p + 2 lines on the first j
    for _ in range(1, max_pieces):
        longest = int(np.searchsorted(least_cost, best[n], side="right"))
        total, length = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=np.int32)
        for points in range(1, longest + 1):
            candidate = best[: n + 1 - points] + costs[points - 1]
            better = candidate < total[points:]
            np.copyto(total[points:], candidate, where=better)
            np.copyto(length[points:], points, where=better)
        best = total
        totals.append(best[n])
        lengths.append(length)
    return LinearPieces(np.array(totals) / n, tuple(_starts(lengths[:pieces], n) for pieces in range(max_pieces)))


def _line_costs(x: Array, y: Array) -> list[Array]:
    """The squared error of the best line on m = 1, 2, ..., N points from each start, [N - m + 1] each.

    Point by point, all terms positive, so that nothing cancels: a new point adds its squared recursive residual.
    Source: Brown, Durbin & Evans 1975.
    """
    mean_x, mean_y = x.copy(), y.copy()
    sxx, sxy, cost = np.zeros((3, len(x)))
    costs = [cost]
    for points in range(1, len(x)):
        sxx, sxy, cost, mean_x, mean_y = (array[:-1] for array in (sxx, sxy, cost, mean_x, mean_y))
        dx, dy = x[points:] - mean_x, y[points:] - mean_y
        if points > 1:
            leverage = (points + 1) / points + dx**2 / sxx
            cost = cost + (dy - sxy / sxx * dx) ** 2 / leverage
        costs.append(cost)
        share = points / (points + 1)
        sxx, sxy = sxx + share * dx**2, sxy + share * dx * dy
        mean_x, mean_y = mean_x + dx / (points + 1), mean_y + dy / (points + 1)
    return costs


def _starts(lengths: Sequence[NDArray[np.int32]], n: int) -> NDArray[np.intp]:
    """Where the lines but the first start, in order, from the lengths of the last lines."""
    starts = [n]
    for length in reversed(lengths):
        starts.append(starts[-1] - int(length[starts[-1]]))
    return np.array(starts[:0:-1], dtype=np.intp)


def _meeting_knots(x: Array, y: Array, starts: NDArray[np.intp]) -> Array:
    """Both ends and, in the gap before each start, the place nearest to where the lines of both sides meet."""
    lines = []
    for first, end in pairwise([0, *starts, len(x)]):
        dx = x[first:end] - x[first:end].mean()
        slope = dx @ y[first:end] / (dx @ dx) if end - first > 1 else math.nan
        lines.append((slope, y[first:end].mean() - slope * x[first:end].mean()))
    slopes, intercepts = np.array(lines).T
    before, after = x[starts - 1], x[starts]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # lines that do not meet, single points
        meet = -np.diff(intercepts) / np.diff(slopes)
    inner = np.where(np.isfinite(meet), np.clip(meet, before, after), (before + after) / 2)
    return np.concatenate((x[:1], inner, x[-1:]))


def _moved_knots(x: Array, y: Array, knots: Array, bound: float) -> Array:
    """The knots after moving one at a time while the squared error of the exact fit falls, or till it is the bound.

    A knot tries up to eight steps to either side, also past others, but not pieces shorter than two gaps of x. Steps
    are halved from half the range to a quarter of the widest gap. What it stops at is a local minimum, and a poor one
    where the data jumps between neighbouring points.
    """

    def mse(knots: Array) -> float:
        return float(np.mean((y - np.interp(x, knots, continuous_fit(x, y, knots))) ** 2))

    def allowed(knots: Array) -> bool:  # two points in every piece determine all values
        return bool(knots[0] == x[0] and knots[-1] == x[-1] and np.diff(knots).min() >= 2 * gap)

    gap = float(np.diff(x).max())
    step, least = float(x[-1] - x[0]) / 2, mse(knots)
    while step > gap / 4 and least > bound * (1 + 1e-9):
        moved = False
        for index in range(1, len(knots) - 1):
            trials = [np.sort(knots + np.eye(len(knots))[index] * step * steps) for steps in range(-8, 9)]
            errors = [mse(trial) if allowed(trial) else math.inf for trial in trials]
            best = int(np.argmin(errors))
            if errors[best] < least * (1 - 1e-9):
                knots, least, moved = trials[best], errors[best], True
        if not moved:
            step /= 2
    return knots


def _sine_power_integral(power: float) -> float:
    """The integral of |sin x|^power over [-2 pi, 2 pi]: four half-waves, a beta function each."""
    return 4 * math.sqrt(math.pi) * math.gamma((power + 1) / 2) / math.gamma(power / 2 + 1)


def _points(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Both as floats [N]; ValueError unless there are as many of both, two or more, finite, and x increases."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"x and y must be two or more numbers each, as many of both, not {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (np.diff(x) > 0).all()):
        raise ValueError("x and y must be finite and x must increase")
    return x, y
