"""Claim + runs frame -> finding: a number for each seed, its interval, and what that says of the claim's region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from research.design.digests import judged_digests
from research.design.study import FAMILY_ERROR, Claim, Control, Metric, Study
from research.design.wording import quantity, region_text, unit_of
from research.judging.margins import Margin, margins
from research.judging.samples import Sample, rows_of, sample
from research.judging.stats import Array, largest_unseen_share, two_groups
from research.judging.verdict import Verdict, chance, outcome

if TYPE_CHECKING:
    import pandas as pd

FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Finding:
    """What the runs say of a claim or a control.

    `number` is, with its interval low..high at `level`, the mean over n seeds or their median; for an identity the
    largest error of n cases, which has no interval. It is NaN where it rests on what is not known. `inside` and
    `outside` count the seeds whose number surely lies in the region, and surely not. `unit` is the one in which people
    are shown these (`wording.quantity`); here they are as measured.

    `values` are the numbers of the seeds used, in order, and NaN where one is not known; of their replicates
    `num_diverged` diverged (or lack the metric) and `num_late` never arrived.

    `chance` is the least error that must be allowed for the verdict (`verdict.chance`), `margins` say where it would
    be another. `would_be` is the verdict before it was withheld; `caveat` what the interval cannot promise, a sentence
    a line.
    """

    name: str
    text: str
    passage: str
    kind: str
    number: float
    low: float
    high: float
    level: float
    n: int
    declared_n: int
    verdict: Verdict
    reason: str
    region: str
    unit: str
    above: float
    below: float
    values: tuple[float, ...]
    inside: int
    outside: int
    num_diverged: int
    num_late: int
    chance: float
    margins: tuple[Margin, ...]
    digest: str
    would_be: Verdict
    caveat: str


@dataclass(frozen=True)
class Judgement:
    """The findings of a study, in the order in which it declares its controls and claims."""

    controls: tuple[Finding, ...]
    claims: tuple[Finding, ...]


def judge(
    study: Study,
    runs: pd.DataFrame,
    num_declared: int,
    complete: bool,
    error: float | None = None,
    reference: bool = True,
    so_far: bool = False,
) -> Judgement:
    """The findings of all controls and claims from one row a replicate: factors, seed, diverged_step, metrics.

    At most 5 % of studies call any false claim supported, and at most 5 % any true one refuted: the claims of the kinds
    that this is promised for share either allowance (`family_error`); or each has an `error` of its own, where one is
    given. A control stands at 5 % by itself. Where it is refuted the verdicts on the claims that it guards are
    withheld; where it is open they say so. A control whose cells diverged is refuted, but in another universe than the
    reference it is not applicable then, or where it has no cells.

    Of the seeds the first num_declared are used; fewer than declared, fewer than three, or runs that are not complete
    give no verdict. But `so_far` a verdict is what it would be if the study had no more seeds than each control and
    claim has all its cells of.
    """
    used = runs[runs["seed"] < runs["seed"].min() + num_declared]
    each = family_error(study) if error is None else error
    needed = FEWEST_SEEDS if so_far else num_declared
    controls = tuple(judged_control(study, control, used, needed, complete, reference) for control in study.controls)
    digests = judged_digests(study)
    controls = tuple(replace(control, digest=digests[control.name]) for control in controls)
    claims = []
    for claim in study.claims:
        found = sample_of(study, claim, used)
        finding = finding_of(claim, study.metric(claim.number.metric), found, each, needed, complete)
        if error is None and not so_far:
            finding = replace(finding, margins=margins_of(study, claim, found, used, each))
        claims.append(guarded(replace(finding, digest=digests[claim.name]), study.controls, controls))
    return Judgement(controls, tuple(claims))


def sample_of(study: Study, judged: Claim | Control, runs: pd.DataFrame) -> Sample:
    """What is known of the number of each seed."""
    return sample(judged.number, study.arms.name, runs, study.metric(judged.number.metric))


def family_error(study: Study) -> float:
    """What of either allowance each claim has, so that all together have it (Bonferroni)."""
    return FAMILY_ERROR / max(study.num_promised, 1)


def judged_control(
    study: Study, control: Control, runs: pd.DataFrame, num_declared: int, complete: bool, reference: bool
) -> Finding:
    """The finding on a control."""
    claim = Claim(
        control.name, control.text, "", control.kind, control.number, control.above, control.below, control.share
    )
    found = sample_of(study, control, runs)
    metric = study.metric(claim.number.metric)
    finding = finding_of(claim, metric, found, FAMILY_ERROR, num_declared, complete)
    if not complete or (reference and finding.verdict == "not judged"):
        return finding
    verdict: Verdict = finding.verdict
    if found.problem and not reference:
        verdict, reason = "not applicable", found.problem
    elif found.num_diverged:
        verdict, reason = (
            "refuted" if reference else "not applicable",
            f"{found.num_diverged} of its replicates diverged",
        )
    else:
        return finding
    return replace(finding, verdict=verdict, would_be=verdict, reason=reason)


def guards(control: Control, name: str) -> bool:
    """Whether a control guards the claim of this name."""
    return not control.guards or name in control.guards


def guarded(finding: Finding, declared: Sequence[Control], controls: Sequence[Finding]) -> Finding:
    """The finding, withheld where a control that guards it is refuted; where one is open it says so."""
    if finding.verdict == "not judged":
        return finding
    own = [found for control, found in zip(declared, controls, strict=True) if guards(control, finding.name)]
    if refuted := [found.name for found in own if found.verdict == "refuted"]:
        return replace(finding, verdict="withheld", reason=f"control {', '.join(refuted)} is refuted")
    beside = [f"; control {f.name} is {f.verdict}" for f in own if f.verdict in ("inconclusive", "not judged")]
    return replace(finding, reason=finding.reason + "".join(beside))


def finding_of(claim: Claim, metric: Metric, found: Sample, error: float, num_declared: int, complete: bool) -> Finding:
    """The finding from what is known of the seeds; no verdict where they are too few or something is missing."""
    num_seeds, unit = len(found.low), unit_of(claim.number, metric)
    interval, verdict, reason, inside, outside = outcome(claim, found, error)
    problems = (
        "" if complete else "the runs are not the whole study as declared",
        found.problem,
        f"needs at least {FEWEST_SEEDS} seeds, has {num_seeds}" if interval.n < FEWEST_SEEDS else "",
        f"needs the {num_declared} seeds that were declared, has {num_seeds}" if num_seeds < num_declared else "",
    )
    if problem := next(filter(None, problems), ""):
        verdict, reason = "not judged", problem
    return Finding(
        **{name: getattr(claim, name) for name in ("name", "passage", "kind")},
        text=claim.text.rstrip("."),  # it stands within sentences, and before a colon
        number=interval.mean,
        low=interval.low,
        high=interval.high,
        level=1 - 2 * error,
        n=interval.n,
        declared_n=num_declared,
        verdict=verdict,
        reason=reason,
        region=region_text(claim, unit),
        unit=unit,
        above=claim.above,
        below=claim.below,
        values=tuple(np.where(found.low == found.high, found.low, math.nan).tolist()),
        inside=inside,
        outside=outside,
        num_diverged=found.num_diverged,
        num_late=found.num_late,
        chance=math.nan if verdict == "not judged" else chance(claim, found, error),
        margins=(),
        digest="",
        would_be=verdict,
        caveat=mean_caveat(claim.text, found, unit) if claim.kind == "mean" and num_seeds else "",
    )


def margins_of(study: Study, claim: Claim, found: Sample, runs: pd.DataFrame, error: float) -> tuple[Margin, ...]:
    """At which margins the verdict on a claim would be another."""
    own = rows_of(claim.number, study.arms.name, runs)

    def resampled(threshold: float) -> Sample:
        return sample_of(study, replace(claim, number=replace(claim.number, threshold=threshold)), own)

    measured = own.get(claim.number.column)
    places = np.array([] if measured is None else measured, dtype=float)
    return margins(claim, found, error, resampled, places)


def mean_caveat(text: str, found: Sample, unit: str = "") -> str:
    """What the interval of a claim's mean cannot promise, a sentence a line; measured in benchmarks/calibration.md."""
    lines = []
    values: Array = found.low[found.low == found.high]
    if groups := two_groups(values):
        near = [quantity(group.mean(), unit) for group in groups]
        if near[0] != near[1]:  # else they are alike for all that a reader can see
            low, high = (f"{len(group)} near {at}" for group, at in zip(groups, near, strict=True))
            lines.append(f"The seeds of “{text}” fall into two groups, {low} and {high}: their mean describes neither.")
    n = len(values)
    lines.append(
        f"The interval of a mean speaks of seeds like the {n} seen: up to {100 * largest_unseen_share(n):.0f} % of all "
        "seeds may do what none of these did (95 % bound); and where numbers are strongly skewed, it errs more often."
    )
    return "\n".join(lines)
