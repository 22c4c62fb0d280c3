"""A claim's numbers in universes -> what each choice has in their variance: a description, without a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.design.study import Factor, Levels
from research.judging.findings import Finding
from research.judging.stats import shapley_shares


@dataclass(frozen=True)
class Point:
    """A universe, as a level of each choice, and what its runs say of the claim.

    `same_as` is the place of another universe that differs in nothing which the claim's metric can depend on: the
    two count as one.
    """

    levels: Levels
    finding: Finding
    same_as: int | None = None


@dataclass(frozen=True)
class ChoiceShare:
    """What a choice has in the variance of a claim's number over universes, by Shapley."""

    choice: str
    shapley: float


def choice_shares(points: Sequence[Point], choices: Sequence[Factor], logarithmic: bool) -> tuple[ChoiceShare, ...]:
    """The shares, the largest first, of all universes that have enough seeds and a finite number; none of fewer than
    two. `logarithmic`: of the logarithms of the numbers."""
    judged = [point for point in points if point.finding.verdict != "not judged"]
    used = [point for point in judged if math.isfinite(point.finding.number)]
    varying = [choice for choice in choices if len({point.levels[choice.name] for point in used}) > 1]
    if not varying:
        return ()
    numbers = np.array([point.finding.number for point in used])
    codes = np.array([[choice.levels.index(point.levels[choice.name]) for choice in varying] for point in used])
    shares = shapley_shares(np.log10(numbers) if logarithmic else numbers, codes)
    found = (ChoiceShare(choice.name, share) for choice, share in zip(varying, shares.tolist(), strict=True))
    return tuple(sorted(found, key=lambda share: -share.shapley))
