"""Claim + runs frame -> finding: a number for each seed, its interval, and what that says of the claim's region."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from research.config import UserError
from research.design import Claim, Control, Level, Number, Study
from research.levels import level_word
from research.stats import (
    Array,
    Interval,
    cautious_mean_interval,
    joined,
    largest_unseen_share,
    share_interval,
    two_groups,
)
from research.words import quantity, region_text, unit_of

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["supported", "refuted", "inconclusive", "withheld", "not judged"]
FAMILY_ERROR = 0.05  # how often a study's claims together may go wrong, and each control
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Finding:
    """What the runs say of a claim or a control.

    `number` is, with its interval low..high at `level`, the mean over n seeds; for a share, an existence or a never the
    share of seeds that are inside, are witnesses, are counter-examples; for an identity the largest error of n cases,
    which has no interval. `unit` is the one in which people are shown these (`words.quantity`); here they are as
    measured. `values` are the numbers of the seeds used, in order; `num_diverged` of their replicates counted by the
    declared rule. `would_be` is the verdict before it was withheld; `caveat` what the interval cannot promise, a
    sentence a line.
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
    num_diverged: int
    digest: str
    would_be: Verdict
    caveat: str


@dataclass(frozen=True)
class Judgement:
    """The findings of a study, in the order in which it declares its controls and claims."""

    controls: tuple[Finding, ...]
    claims: tuple[Finding, ...]


def judge(study: Study, runs: pd.DataFrame, num_declared: int, complete: bool, level: float | None = None) -> Judgement:
    """The findings of all controls and claims from one row a replicate: factors, seed, diverged_step, metrics.

    The claims' intervals share an error of 5 % (Bonferroni), over all that the study declares, or stand at `level` each
    where one is given. A control stands at 95 % by itself: all must come out, so more of them make it harder to pass,
    not easier. One that does not withholds the claims' verdicts. Of the seeds the first num_declared are used; fewer
    than declared, fewer than three, or runs that are not complete give no verdict.
    """
    used = runs[runs["seed"] < runs["seed"].min() + num_declared]

    def findings(claims: Iterable[Claim], at: float) -> tuple[Finding, ...]:
        samples = [(claim, sample(claim.number, study.arms.name, used)) for claim in claims]
        return tuple(finding_of(claim, found, at, num_declared, complete) for claim, found in samples)

    controls = findings(
        (Claim(c.name, c.text, "", "mean", c.number, c.above, c.below) for c in study.controls), 1 - FAMILY_ERROR
    )
    claims = findings(study.claims, family_level(len(study.claims)) if level is None else level)
    if failed := [control.name for control in controls if control.verdict != "supported"]:
        reason = f"control {', '.join(failed)} did not come out"
        claims = tuple(
            claim if claim.verdict == "not judged" else replace(claim, verdict="withheld", reason=reason)
            for claim in claims
        )
    return Judgement(controls, claims)


def family_level(num_claims: int) -> float:
    """The level at which the intervals of all claims together miss in at most 5 % of studies (Bonferroni)."""
    return 1 - FAMILY_ERROR / max(num_claims, 1)


class Sample(NamedTuple):
    """The number of each seed that has all its cells, in seed order, what went into it, and what was missing."""

    values: Array
    num_diverged: int = 0
    num_cases: int = 0
    problem: str = ""


def sample(number: Number, arms: str, runs: pd.DataFrame) -> Sample:
    """The number of each seed: its arms are joined within each block, then its blocks. `arms` is the arms' factor.

    A replicate that diverged, or lacks the metric that others have, counts as `number.diverged`. Raises UserError where
    the number leaves a factor open, so that a seed has several replicates in one cell.
    """
    replicates: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    factors = (runs[name] for name in (arms, *number.blocks))
    for row, (seed, *place) in enumerate(zip(runs["seed"], *factors, strict=True)):
        replicates.setdefault(tuple(map(level_word, place)), []).append((seed, row))
    metric, step, cases = runs.reindex(columns=[number.metric, "diverged_step", "num_cases"]).to_numpy(float).T
    counts = ~np.isfinite(metric) | (np.isfinite(step) & (not math.isnan(number.diverged)))
    cells: list[dict[int, int]] = []
    for levels in itertools.product(number.arms, *number.blocks.values()):
        cell = ", ".join(f"{name}={level}" for name, level in zip((arms, *number.blocks), levels, strict=True))
        found = replicates.get(tuple(map(level_word, levels)), [])
        rows = dict(found)
        if len(rows) < len(found):
            raise UserError(f"the number {number.metric} at {cell} is not one cell; name a level of every block factor")
        measured, stopped = np.isfinite((metric, step))[:, list(rows.values())]
        if not rows or not (measured.any() or stopped.all()):
            return Sample(np.empty(0), problem=f"{number.metric} was not measured at {cell}")
        cells.append(rows)
    seeds = sorted(set.intersection(*map(set, cells)))
    shape = (len(seeds), len(number.arms), len(cells) // len(number.arms))
    used = np.array([[rows[seed] for rows in cells] for seed in seeds], dtype=int).reshape(shape)
    values = np.where(counts, number.diverged, metric)[used]
    threshold = math.nan if number.threshold is None else number.threshold
    across_arms = joined(number.across_arms, values, numeric(number.arms), threshold)
    numbers = joined(number.across_blocks, across_arms)
    return Sample(numbers[~np.isnan(numbers)], int(counts[used].sum()), int(np.nansum(cases[used])))


def numeric(levels: tuple[Level, ...]) -> Array:
    """The levels as numbers, none where one is a word."""
    words = any(isinstance(level, str) for level in levels)
    return np.array([] if words else levels, dtype=float)


def finding_of(claim: Claim, found: Sample, level: float, num_declared: int, complete: bool) -> Finding:
    """The finding from the numbers of the seeds; no verdict where they are too few or something is missing."""
    num_seeds = len(found.values)
    interval, verdict, reason = outcome(claim, found.values, level, found.num_cases)
    problems = (
        "" if complete else "the runs are not the whole study as declared",
        found.problem,
        f"needs at least {FEWEST_SEEDS} seeds, has {num_seeds}" if interval.n < FEWEST_SEEDS else "",
        f"needs the {num_declared} seeds that were declared, has {num_seeds}" if num_seeds < num_declared else "",
    )
    if problem := next(filter(None, problems), ""):
        verdict, reason = "not judged", problem
    return Finding(
        **{name: getattr(claim, name) for name in ("name", "text", "passage", "kind")},
        number=interval.mean,
        low=interval.low,
        high=interval.high,
        level=level,
        n=interval.n,
        declared_n=num_declared,
        verdict=verdict,
        reason=reason,
        region=region_text(claim),
        unit=unit_of(claim),
        above=claim.above,
        below=claim.below,
        values=tuple(found.values.tolist()),
        num_diverged=found.num_diverged,
        digest=claim_digest(claim),
        would_be=verdict,
        caveat=mean_caveat(claim.text, found.values, unit_of(claim)) if claim.kind == "mean" and num_seeds else "",
    )


def outcome(claim: Claim, values: Array, level: float, num_cases: int = 0) -> tuple[Interval, Verdict, str]:
    """The number with its interval, the verdict and its reason, from the numbers of the seeds 0, 1, ...

    Supported: the interval lies in the open region; refuted: it lies wholly outside. One witness supports an existence
    and one counter-example refutes a never; without any, the first is inconclusive, the second supported. The n of an
    identity is `num_cases`, where its seeds have several cases each.
    """
    hits = (claim.above < values) & (values < claim.below)
    n, num_hits = len(values), int(hits.sum())
    match claim.kind:
        case "mean":
            interval = cautious_mean_interval(values, level, claim.number.resolution)
            return interval, *_by_region(interval, claim.above, claim.below)
        case "share":
            interval = share_interval(num_hits, n, level)
            return interval, *_by_region(interval, claim.share, math.inf)
        case "identity":
            worst = Interval(float(np.abs(values).max()) if n else math.nan, math.nan, math.nan, num_cases or n)
            inside = claim.above < worst.mean < claim.below
            reason = f"the largest error of {worst.n:,} cases lies {'inside' if inside else 'outside'} the region"
            return worst, "supported" if inside else "refuted", reason
        case "existence":
            reason = f"seed {hits.argmax()} shows it" if num_hits else "no seed shows it, but another might"
            return share_interval(num_hits, n, level), "supported" if num_hits else "inconclusive", reason
        case "never" if num_hits < n:
            return share_interval(n - num_hits, n, level), "refuted", f"seed {hits.argmin()} is a counter-example"
        case "never":
            bound = largest_unseen_share(n, level)
            reason = f"none of {n} seeds is a counter-example, so at most {100 * bound:.0f} % of all seeds are"
            return Interval(0.0, 0.0, bound, n), "supported", reason


def _by_region(interval: Interval, above: float, below: float) -> tuple[Verdict, str]:
    if above < interval.low and interval.high < below:
        return "supported", "the whole interval lies inside the region"
    if interval.high <= above or below <= interval.low:
        return "refuted", "the whole interval lies outside the region"
    return "inconclusive", "the interval reaches across the region's edge"


def mean_caveat(text: str, values: Array, unit: str = "") -> str:
    """What the interval of a claim's mean cannot promise, a sentence a line; measured in benchmarks/calibration.md."""
    lines = []
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


def claim_digest(claim: Claim | Control) -> str:
    """SHA-256 of a claim's text and all that decides its verdict; fields at their default are left out.

    It is the same in every process, and stays so when a field with a default is added.
    """

    def decisive(value: Claim | Control | Number) -> dict[str, Any]:
        changed = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != f.default}
        return {name: part for name, part in changed.items() if name not in ("name", "passage", "cells")}

    number = decisive(claim.number) | {"blocks": dict(claim.number.blocks)}
    content = {"kind": "mean"} | decisive(claim) | {"number": number}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def judged_digests(study: Study) -> dict[str, str]:
    """The digests of the controls and claims that are judged in the reference universe."""
    return {judged.name: claim_digest(judged) for judged in study.judged}
