"""MainEffect + the runs of crossed universes -> finding: what share of the differences is due to the arms alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from research.design.digests import main_effect_digest
from research.design.levels import level_word
from research.design.study import Claim, Level, Levels, MainEffect, Metric, Number, Study, crossed
from research.design.wording import factor_word
from research.judging.findings import Finding, family_error, finding_of
from research.judging.samples import Sample, sample
from research.judging.stats import Array, interaction_shares, main_effect_share

if TYPE_CHECKING:
    import pandas as pd


def judge_main_effect(
    study: Study,
    claim: MainEffect,
    universes: Sequence[tuple[Levels, pd.DataFrame]],
    failed: Sequence[Levels],
    num_declared: int,
    complete: bool,
) -> Finding:
    """The finding, judged as a claim of its kind is, with the part of the allowance that each of the study's has.

    Universes in which a control that guards it is refuted, `failed`, have their part in the number. Where one of the
    crossed ones is among them the verdict is withheld, as the study's own is where a control fails.
    """
    found, interactions = attributed(study, claim, universes, num_declared)
    number = Number("main_effect_share", ("all",), {}, "only", "only")
    judged = Claim(claim.name, claim.text, claim.passage, claim.kind, number, claim.above, claim.below)
    finding = finding_of(judged, Metric(unit="%"), found, family_error(study), num_declared, complete)
    lines = [interaction_words(study, claim, interactions)] if finding.n and len(interactions) else []
    lines += [finding.caveat] if finding.caveat else []
    finding = replace(finding, caveat="\n".join(lines), digest=main_effect_digest(study, claim))
    used = [study.universe(levels) for levels in crossed(**claim.choices)]
    num_failed = sum(levels in failed for levels in used)
    if not num_failed or finding.verdict == "not judged":
        return finding
    reason = f"in {num_failed} of the {len(used)} universes that are crossed a control is refuted"
    return replace(finding, verdict="withheld", reason=reason)


def attributed(
    study: Study, claim: MainEffect, universes: Sequence[tuple[Levels, pd.DataFrame]], num_declared: int
) -> tuple[Sample, Array]:
    """The share of each seed that has every cell of every crossed universe; a problem where a cell has no replicate.

    Beside it the mean share of the arms alone and of their interaction with each choice, where they are known. A seed
    without differences in which the arms take part has no share; one of which a replicate diverged may have any.
    """
    none = np.empty(0)
    frames = []
    for levels in crossed(**claim.choices):
        named = ", ".join(f"{name}={level}" for name, level in levels.items())
        runs = [frame for found, frame in universes if dict(found) == study.universe(levels)]
        if not runs:
            return Sample(none, none, problem=f"the universe {named} was not run"), none
        frames.append((named, runs[0][runs[0]["seed"] < runs[0]["seed"].min() + num_declared]))
    metric = study.metric(claim.metric)
    wanted = {study.arms.name: study.arms.levels, **claim.blocks}
    seeds = set.intersection(*(whole_seeds(frame, wanted) for _, frame in frames))
    ends: list[tuple[Array, Array]] = []
    num_diverged, num_late = 0, 0
    for arm, (named, frame) in itertools.product(study.arms.levels, frames):
        number = Number(claim.metric, (arm,), claim.blocks, "only", "mean")
        found = sample(number, study.arms.name, frame[frame["seed"].isin(seeds)] if seeds else frame, metric)
        if found.problem:
            return Sample(none, none, problem=f"{found.problem}, in the universe {named}"), none
        ends.append((found.low, found.high))
        num_diverged += found.num_diverged
        num_late += found.num_late
    if not seeds:
        return Sample(none, none), none
    shape = (len(study.arms.levels), *map(len, claim.choices.values()), len(seeds))
    low, high = np.moveaxis(np.array(ends), 1, 0)
    known = (low == high).all(0)
    values = np.moveaxis(np.where(known, low, 0.0).reshape(shape), -1, 0)
    shares = main_effect_share(values)
    has_share = ~(known & np.isnan(shares))
    least, most = np.where(known, shares, 0.0)[has_share], np.where(known, shares, 1.0)[has_share]
    told = known & has_share
    parts = np.column_stack([shares, interaction_shares(values)])[told].mean(0) if told.any() else none
    return Sample(least, most, num_diverged, num_late), parts


def interaction_words(study: Study, claim: MainEffect, parts: Array) -> str:
    """What the arms' interaction with each choice has in the same variance, in a sentence; `parts` has theirs first."""
    main, *interactions = parts.tolist()
    names = [factor_word(study.factor(name)) for name in claim.choices]
    each = [f"{name} {100 * share:.0f} %" for name, share in zip(names, interactions, strict=True)]
    several = max(0.0, 1 - main - sum(interactions))
    return f"Interaction with one choice alone: {', '.join(each)}; with several at once {100 * several:.0f} %."


def whole_seeds(runs: pd.DataFrame, wanted: Mapping[str, tuple[Level, ...]]) -> set[int]:
    """The seeds that have a replicate in every combination of these levels."""
    inside = np.ones(len(runs), dtype=bool)
    for name, levels in wanted.items():
        inside &= runs[name].map(level_word).isin([level_word(level) for level in levels]).to_numpy()
    counts = runs["seed"][inside].value_counts()
    return set(counts.index[counts >= math.prod(map(len, wanted.values()))])
