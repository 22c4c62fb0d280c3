"""What is known of the numbers of the seeds + a claim's kind and region -> number with interval, verdict and reason."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.design.claims import COUNTED, PROMISED, Claim
from research.judging.samples import Sample
from research.judging.stats import (
    Array,
    Interval,
    cautious_mean_interval,
    chance_of_hits,
    hits_that_decide,
    largest_unseen_share,
    median_interval,
)

Verdict = Literal["supported", "refuted", "inconclusive", "withheld", "not judged", "not applicable"]
VERDICTS: tuple[Verdict, ...] = ("supported", "refuted", "inconclusive", "withheld", "not judged")  # on claims
NEVER_BY_CHANCE = 1e-15  # what is rarer is not told apart


class Outcome(NamedTuple):
    """What the seeds say of a claim.

    `interval` is the number with its interval: of an identity the largest error, of a mean the mean, of all others the
    median. `inside` and `outside` count the seeds whose number surely lies in the region, and surely not.
    """

    interval: Interval
    verdict: Verdict
    reason: str
    inside: int
    outside: int


def outcome(claim: Claim, found: Sample, error: float) -> Outcome:
    """The number, the verdict and its reason, where a false verdict of either kind may come at most at this rate.

    A verdict is the same wherever the numbers lie that are not known; else it is inconclusive.
    """
    inside, outside = counts(claim, found)
    if claim.kind == "identity":
        interval, verdict, reason = _identity(claim, found)
    elif claim.kind == "mean":
        interval, verdict, reason = _mean(claim, found, error)
    else:
        interval = median_interval(found.low, found.high, error)
        verdict, reason = _counted(claim, found, inside, outside, error)
    return Outcome(interval, verdict, reason, inside, outside)


def counts(claim: Claim, found: Sample) -> tuple[int, int]:
    """How many seeds surely lie in the open region, and how many surely do not."""
    inside, outside = lies(claim, found)
    return int(inside.sum()), int(outside.sum())


def lies(claim: Claim, found: Sample) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each seed surely lies in the open region, and whether it surely does not. Where the region has no edge it
    goes on: what is known to lie somewhere above a number is inside."""
    above = (claim.above < found.low) | math.isinf(claim.above)
    below = (found.high < claim.below) | math.isinf(claim.below)
    inside = above & below
    return inside, ((found.high <= claim.above) | (claim.below <= found.low)) & ~inside


def unknown_words(found: Sample) -> str:
    """How many seeds have no number, and why: `2 of 20 seeds never arrived`."""
    how = [text for count, text in ((found.num_diverged, "diverged"), (found.num_late, "never arrived")) if count]
    return f"{found.num_open} of {len(found.low)} seeds {' or '.join(how) or 'lie beyond what was measured'}"


def _counted(claim: Claim, found: Sample, inside: int, outside: int, error: float) -> tuple[Verdict, str]:
    """ "most" and "share": the exact binomial test; "existence" and "always": by a witness, by a counter-example."""
    n = len(found.low)
    if claim.kind == "existence":
        if inside:
            return "supported", f"seed {found.seed_at(int(lies(claim, found)[0].argmax()))} shows it"
        return "inconclusive", "no seed shows it, but another might"
    if claim.kind == "always":
        if outside:
            return "refuted", f"seed {found.seed_at(int(lies(claim, found)[1].argmax()))} is a counter-example"
        if inside < n:
            return "inconclusive", f"no seed is seen to be a counter-example, but {unknown_words(found)}"
        return "supported", (
            f"no counter-example in {n} seeds; at most {100 * largest_unseen_share(n):.0f} % of all seeds can be one"
        )
    fewest, most = hits_that_decide(n, claim.more_than, error)
    ends: list[Verdict] = [
        "supported" if hits >= fewest else "refuted" if hits <= most else "inconclusive"
        for hits in (inside, n - outside)
    ]
    half = "half" if claim.more_than == 0.5 else f"{100 * claim.more_than:g} %"
    seen = f"{inside} of {n} seeds lie inside the region"
    if ends[0] != ends[1]:
        return "inconclusive", f"{seen}, and {unknown_words(found)}: the verdict depends on them"
    if ends[0] == "inconclusive":
        return "inconclusive", f"{seen}, neither clearly more than {half} nor clearly not: {fewest} would be needed"
    if ends[0] == "supported":
        return "supported", f"{seen}, clearly more than {half}"
    return "refuted", f"{seen}, clearly not more than {half}"


def _identity(claim: Claim, found: Sample) -> tuple[Interval, Verdict, str]:
    """The largest size of any error; its n are the cases that each seed has, where it has several."""
    nearest = np.where((found.low <= 0) & (found.high >= 0), 0.0, np.minimum(np.abs(found.low), np.abs(found.high)))
    farthest = np.maximum(np.abs(found.low), np.abs(found.high))
    least, most = (float(sizes.max()) if len(sizes) else math.nan for sizes in (nearest, farthest))
    worst = Interval(most, math.nan, math.nan, found.num_cases or len(found.low))
    inside, perhaps = (claim.above < size < claim.below for size in (most, least))
    if inside != perhaps:
        return worst, "inconclusive", f"{unknown_words(found)}: the largest error is not known"
    reason = f"the largest error of {worst.n:,} cases lies {'inside' if inside else 'outside'} the region"
    return worst, "supported" if inside else "refuted", reason


def _mean(claim: Claim, found: Sample, error: float) -> tuple[Interval, Verdict, str]:
    """Judged twice, at either end of what is not known: the verdict must be the same."""
    (first, verdict, reason), (last, other, _) = (
        mean_verdict(claim, values, error) for values in (found.low, found.high)
    )
    interval = first
    if found.num_open:
        mean = first.mean if first.mean == last.mean else math.nan
        interval = Interval(mean, min(first.low, last.low), max(first.high, last.high), first.n)
    if verdict != other or (found.num_open and verdict == "inconclusive"):
        return interval, "inconclusive", f"{unknown_words(found)}: the mean is not known"
    return interval, verdict, reason


def mean_verdict(claim: Claim, values: Array, error: float) -> tuple[Interval, Verdict, str]:
    """The mean of n known numbers, with the interval that misses it to either side at most at this rate.

    Supported: the interval lies in the open region. At one edge that is a one-sided test; at two, the two one-sided
    tests of equivalence (Schuirmann 1987), both of which a mean outside must pass falsely, so each has the whole
    allowance. Refuted, where the region has one edge: the interval lies outside, again a one-sided test. Where it has
    two, a mean inside may be refuted falsely on either side, and if the region is narrow beside the scatter the two
    errors add up; so each side has half of the allowance there: the interval that must lie outside is wider.
    """
    interval = cautious_mean_interval(values, 1 - 2 * error, claim.number.resolution)
    if claim.above < interval.low and interval.high < claim.below:
        return interval, "supported", "the whole interval lies inside the region"
    wide = interval
    if math.isfinite(claim.above) and math.isfinite(claim.below):
        wide = cautious_mean_interval(values, 1 - error, claim.number.resolution)
    if wide.high <= claim.above or claim.below <= wide.low:
        return interval, "refuted", "the whole interval lies outside the region"
    if interval.high <= claim.above or claim.below <= interval.low:
        return interval, "inconclusive", "the interval lies outside the region, but so near that it may be by chance"
    return interval, "inconclusive", "the interval reaches across the region's edge"


def chance(claim: Claim, found: Sample, error: float) -> float:
    """The least error at which the verdict is what it is at this one: exact for counts, to a hundredth for a mean.

    NaN where none is promised for the kind of the claim, or the verdict is open.
    """
    _, verdict, _, inside, outside = outcome(claim, found, error)
    if claim.kind not in PROMISED or verdict == "inconclusive":
        return math.nan
    n = len(found.low)
    if claim.kind in COUNTED:
        more, fewer = chance_of_hits([inside, n - outside], n, claim.more_than)
        return float(more[0] if verdict == "supported" else fewer[1])
    least, most = math.log(NEVER_BY_CHANCE), math.log(error)
    while most - least > 0.01:
        middle = (least + most) / 2
        same = outcome(claim, found, math.exp(middle)).verdict == verdict
        least, most = (least, middle) if same else (middle, most)
    return math.exp(most)
