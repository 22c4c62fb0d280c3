"""A claim and what is known of its seeds -> at which margin the verdict would be another, and how many have it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from research.design.claims import Claim
from research.judging.samples import Sample
from research.judging.stats import Array
from research.judging.verdict import Verdict, counts, outcome

WHAT = {"above": "lower edge", "below": "upper edge", "within": "margin to either side", "threshold": "threshold"}


@dataclass(frozen=True)
class Margin:
    """A margin of a claim: the edge "above" or "below" which its number must be, "within" what of zero on both sides,
    or the "threshold" that its number is made with.

    As `chosen` it gives the verdict, and so does every other from `low` to `high` (where it may change, or just
    beyond); then comes `under`, or `over`. `steps` are margins with how many seeds then surely lie inside.
    """

    what: str
    chosen: float
    low: float
    high: float
    under: Verdict
    over: Verdict
    steps: tuple[tuple[float, int], ...] = ()


def margins(
    claim: Claim, found: Sample, error: float, resampled: Callable[[float], Sample], places: Array
) -> tuple[Margin, ...]:
    """The margins of a claim, each moved while the others stay; none without seeds.

    `resampled` gives the seeds at another threshold of the number, which matters at the `places` alone. The steps are
    kept where a margin was chosen by hand.
    """
    if not len(found.low):
        return ()
    kept = (lambda one: one) if claim.by_hand else (lambda one: replace(one, steps=()))
    return tuple(map(kept, _margins(claim, found, error, resampled, places)))


def _margins(
    claim: Claim, found: Sample, error: float, resampled: Callable[[float], Sample], places: Array
) -> Iterator[Margin]:
    if claim.number.threshold is not None:
        yield margin("threshold", claim.number.threshold, places, lambda at: (claim, resampled(at)), error)
        return
    seeds = ends = np.concatenate([found.low, found.high])
    if claim.kind == "mean":
        ends = np.array([end for e in (error, error / 2) for end in outcome(claim, found, e).interval[1:3]])
    symmetric = claim.above == -claim.below and math.isfinite(claim.below)
    if symmetric or claim.kind == "identity":
        ends, seeds = np.abs(ends), np.abs(seeds)
    if symmetric:
        within = (0.0, math.inf)
        yield margin(
            "within", claim.below, ends, lambda at: (replace(claim, above=-at, below=at), found), error, within, seeds
        )
        return
    if math.isfinite(claim.above):
        up_to = (-math.inf, claim.below)
        yield margin("above", claim.above, ends, lambda at: (replace(claim, above=at), found), error, up_to, seeds)
    if math.isfinite(claim.below):
        down_to = (claim.above, math.inf)
        yield margin("below", claim.below, ends, lambda at: (replace(claim, below=at), found), error, down_to, seeds)


def margin(
    what: str,
    chosen: float,
    places: Array,
    moved: Callable[[float], tuple[Claim, Sample]],
    error: float,
    among: tuple[float, float] = (-math.inf, math.inf),
    seeds: Array | None = None,
) -> Margin:
    """How far a margin can be moved from where it was chosen; between two of the places no verdict changes.

    How many seeds lie inside is counted at the numbers of the `seeds` too, which for a mean are no such places.
    """
    lowest, highest = among

    def between(numbers: Array) -> Array:
        return np.unique(numbers[np.isfinite(numbers) & (numbers > lowest) & (numbers < highest)])

    at = between(places)
    steps = [chosen]
    if len(at):
        far = max(float(np.ptp(at)), abs(float(at[-1])), abs(float(at[0])), abs(chosen), 1e-300)
        first = at[0] - far if math.isinf(lowest) else (at[0] + lowest) / 2
        last = at[-1] + far if math.isinf(highest) else (at[-1] + highest) / 2
        steps = sorted({chosen, float(first), *at.tolist(), *((at[1:] + at[:-1]) / 2).tolist(), float(last)})
        steps = sorted({*steps, *between(places if seeds is None else seeds).tolist()})
        steps = [step for step in steps if lowest < step < highest]  # half of nearly nothing is rounded to the end
    cases = [moved(step) for step in steps]
    verdicts = [outcome(claim, found, error).verdict for claim, found in cases]
    inside = [counts(claim, found)[0] for claim, found in cases]
    here = steps.index(chosen)
    low, under = _change(steps[here::-1], verdicts[here::-1], at, -math.inf)
    high, over = _change(steps[here:], verdicts[here:], at, math.inf)
    return Margin(what, chosen, low, high, under, over, tuple(zip(steps, inside, strict=True)))


def _change(steps: list[float], verdicts: list[Verdict], places: Array, end: float) -> tuple[float, Verdict]:
    """Where the verdict first changes along the steps, and to what; the end, where it never does."""
    for (step, verdict), (other, changed) in pairwise(zip(steps, verdicts, strict=True)):
        if changed != verdict:
            return (step if step in places else other), changed
    return end, verdicts[0]
