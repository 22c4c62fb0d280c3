"""A claim's numbers in universes -> what each choice has in their variance, and which choice or pair decides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.design import Claim, Factor, Levels
from research.stats import VarianceShares, group_codes, seed_check, share_beyond_chance, variance_shares
from research.verdict import Finding

DECIDES = 0.5  # the share of variance, beyond chance, from which on a choice or a pair is said to decide
SEEDS = "universes differ by no more than seeds do"


@dataclass(frozen=True)
class Point:
    """A universe, as a level of each choice, and what its runs say of the claim."""

    levels: Levels
    finding: Finding


@dataclass(frozen=True)
class ChoiceShare:
    """What a choice has in the variance of a claim's number over universes: by Shapley, and by itself."""

    choice: str
    shapley: float
    alone: float


@dataclass(frozen=True)
class PairShare:
    """What two choices have in it together beyond what each has alone; of confounded ones it can be negative."""

    first: str
    second: str
    interaction: float


class Decomposition(NamedTuple):
    """What the choices have in the variance of a claim's numbers, and which decide; fields as of AcrossFinding."""

    choices: tuple[ChoiceShare, ...] = ()
    pairs: tuple[PairShare, ...] = ()
    deciding: tuple[str, ...] = ()
    deciding_share: float = math.nan
    reason: str = ""


def decomposed(claim: Claim, points: Sequence[Point], choices: Sequence[Factor], logarithmic: bool) -> Decomposition:
    """The decomposition of the numbers of all universes that have enough seeds and a finite number."""
    judged = [point for point in points if point.finding.verdict != "not judged"]
    scatter = {id(point): seed_scatter(claim, point.finding, logarithmic) for point in judged}
    used = [point for point in judged if math.isfinite(scatter[id(point)][0])]
    varying = [choice for choice in choices if len({point.levels[choice.name] for point in used}) > 1]
    if not varying:
        return Decomposition(reason="fewer than two universes have a number")
    y, errors, sizes = np.array([scatter[id(point)] for point in used]).T
    codes = np.array([[choice.levels.index(point.levels[choice.name]) for choice in varying] for point in used])
    found = variance_shares(y, codes)
    names, alone = [choice.name for choice in varying], found.alone
    shares = [ChoiceShare(*row) for row in zip(names, found.shapley.tolist(), alone.tolist(), strict=True)]
    pairs = [
        PairShare(names[a], names[b], float(found.together[a, b] - alone[a] - alone[b]))
        for a, b in itertools.combinations(range(len(names)), 2)
    ]
    chosen, share, reason = deciding(codes, found)
    verdicts = {point.finding.would_be for point in used}
    known = np.isfinite(errors)
    check = seed_check(y[known], errors[known], sizes[known])
    if np.ptp(y) == 0:
        chosen, reason = (), "the number is the same in all universes"
    elif check.f <= check.bound and not verdicts >= {"supported", "refuted"}:  # each of which is certain enough
        chosen, reason = (), SEEDS
    return Decomposition(
        tuple(sorted(shares, key=lambda found: -found.shapley)),
        tuple(sorted(pairs, key=lambda found: -found.interaction)),
        tuple(names[place] for place in chosen),
        share if chosen else math.nan,
        reason,
    )


def seed_scatter(claim: Claim, finding: Finding, logarithmic: bool) -> tuple[float, float, int]:
    """The number that is decomposed, its squared standard error and how many seeds it is of.

    The error is at least half the number's resolution, as the half width of an interval is the whole. That of a share
    counts two seeds more of either kind, so that it is not 0 where all seeds agree (Agresti & Coull 1998). Of an
    identity the number is the logarithm of the largest error, and the error that of the seeds' logarithms.
    """
    values = np.array(finding.values)
    number, n = finding.number, len(values)
    if claim.kind in ("share", "existence", "never"):
        near = (number * n + 2) / (n + 4)
        return number, near * (1 - near) / (n + 4), n
    if logarithmic:
        values = np.log10(np.abs(values), out=np.full(n, math.nan), where=values != 0)
        number = math.log10(number)
    if n < 2 or not math.isfinite(number):
        return number, math.nan, n
    least = 0.0 if logarithmic else claim.number.resolution / 2
    return number, max(float(values.var(ddof=1) / n), least**2), n


def deciding(codes: NDArray[np.intp], found: VarianceShares) -> tuple[tuple[int, ...], float, str]:
    """The choice, else the pair of them, between whose groups most of the variance lies, with its share; or why none.

    Half of it must lie there beyond what as many groups would have by chance; all choices together need no such proof.
    """
    n, num_choices = codes.shape
    for size in (1, 2):
        best: tuple[float, tuple[int, ...]] = (DECIDES, ())
        for chosen in itertools.combinations(range(num_choices), size):
            share = float(found.together[chosen[0], chosen[-1]])
            num_groups = int(group_codes(codes[:, chosen]).max()) + 1
            beyond = share if size == num_choices else share_beyond_chance(share, num_groups, n)
            if beyond >= best[0]:
                best = beyond, chosen
        if best[1]:
            return best[1], float(found.together[best[1][0], best[1][-1]]), ""
    return (), math.nan, "no choice stands out"
