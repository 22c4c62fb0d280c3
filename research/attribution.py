"""Attribution + the runs of crossed universes -> finding: what share of the differences is due to the arms alone."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from research.design import Attribution, Claim, Level, Levels, Number, Study, crossed
from research.levels import level_word
from research.stats import Array, attribution_share, interaction_shares
from research.verdict import Finding, Sample, finding_of, judged_digests, sample
from research.words import choice_word

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95


def judge_attribution(
    study: Study,
    claim: Attribution,
    universes: Sequence[tuple[Levels, pd.DataFrame]],
    failed: Sequence[Levels],
    num_declared: int,
    complete: bool,
) -> Finding:
    """The finding: its mean over seeds is judged at 95 %, as that of any claim.

    Universes whose control did not come out, `failed`, have their part in the number. Where one of the crossed ones
    is among them the verdict is withheld, as the study's own is where a control fails.
    """
    found, interactions = attributed(study, claim, universes, num_declared)
    number = Number("attributed_share", ("all",), {}, "only", "only", claim.diverged)
    judged = Claim(claim.name, claim.text, claim.passage, "mean", number, claim.above, claim.below)
    finding = finding_of(judged, found, LEVEL, num_declared, complete)
    lines = [interaction_words(claim, interactions, finding.number)] if finding.n and len(interactions) else []
    lines += [finding.caveat] if finding.caveat else []
    finding = replace(finding, caveat="\n".join(lines), digest=attribution_digest(study, claim))
    used = [study.universe(levels) for levels in crossed(**claim.choices)]
    num_failed = sum(levels in failed for levels in used)
    if not num_failed or finding.verdict == "not judged":
        return finding
    reason = f"in {num_failed} of the {len(used)} universes that are crossed a control did not come out"
    return replace(finding, verdict="withheld", reason=reason)


def attributed(
    study: Study, claim: Attribution, universes: Sequence[tuple[Levels, pd.DataFrame]], num_declared: int
) -> tuple[Sample, Array]:
    """The share of each seed that has every cell of every crossed universe; a problem where a cell has no replicate.

    Beside it the mean share of the arms' interaction with each choice. A seed without differences in which the arms
    take part has no share.
    """
    none = np.empty(0)
    frames = []
    for levels in crossed(**claim.choices):
        named = ", ".join(f"{name}={level}" for name, level in levels.items())
        runs = [frame for found, frame in universes if dict(found) == study.universe(levels)]
        if not runs:
            return Sample(none, problem=f"the universe {named} was not run"), none
        frames.append((named, runs[0][runs[0]["seed"] < runs[0]["seed"].min() + num_declared]))
    wanted = {study.arms.name: study.arms.levels, **claim.blocks}
    seeds = set.intersection(*(whole_seeds(frame, wanted) for _, frame in frames))
    means, num_diverged = [], 0
    for arm, (named, frame) in itertools.product(study.arms.levels, frames):
        number = Number(claim.metric, (arm,), claim.blocks, "only", "mean", claim.diverged)
        found = sample(number, study.arms.name, frame[frame["seed"].isin(seeds)] if seeds else frame)
        problem = "" if len(found.values) >= len(seeds) else f"{claim.metric} has no number in some seeds"
        if problem := found.problem or problem:
            return Sample(none, problem=f"{problem}, in the universe {named}"), none
        means.append(found.values)
        num_diverged += found.num_diverged
    if not seeds:
        return Sample(none), none
    shape = (len(study.arms.levels), *map(len, claim.choices.values()), len(seeds))
    values = np.moveaxis(np.array(means).reshape(shape), -1, 0)
    shares = attribution_share(values)
    has_share = ~np.isnan(shares)
    interactions = interaction_shares(values)[has_share].mean(0) if has_share.any() else none
    return Sample(shares[has_share], num_diverged), interactions


def interaction_words(claim: Attribution, interactions: Array, main: float) -> str:
    """What the arms' interaction with each choice has in the same variance, in a sentence."""
    each = [f"{choice_word(name)} {100 * share:.0f} %" for name, share in zip(claim.choices, interactions, strict=True)]
    several = max(0.0, 1 - main - float(interactions.sum()))
    return f"Interaction with one choice alone: {', '.join(each)}; with several at once {100 * several:.0f} %."


def whole_seeds(runs: pd.DataFrame, wanted: Mapping[str, tuple[Level, ...]]) -> set[int]:
    """The seeds that have a replicate in every combination of these levels."""
    inside = np.ones(len(runs), dtype=bool)
    for name, levels in wanted.items():
        inside &= runs[name].map(level_word).isin([level_word(level) for level in levels]).to_numpy()
    counts = runs["seed"][inside].value_counts()
    return set(counts.index[counts >= math.prod(map(len, wanted.values()))])


def attribution_digest(study: Study, claim: Attribution) -> str:
    """SHA-256 of a claim's text and all that decides its verdict, the same in every process."""
    content = {f.name: getattr(claim, f.name) for f in fields(claim) if f.name not in ("name", "passage")}
    content |= {"blocks": dict(claim.blocks), "choices": dict(claim.choices), "arms": study.arms.levels}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def claim_digests(study: Study) -> dict[str, str]:
    """The digests of all that is judged of a study, by name: controls, claims, attributions."""
    return judged_digests(study) | {claim.name: attribution_digest(study, claim) for claim in study.attributions}
