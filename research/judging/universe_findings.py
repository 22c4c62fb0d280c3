"""Claims + the runs of universes -> findings across universes: where each claim holds, and which choices decide."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from research.design.errors import UserError
from research.design.study import FAMILY_ERROR, Claim, Factor, Levels, MainEffect, Study
from research.design.task import Task
from research.design.tuned_cells import multiplied, tuning_of
from research.design.universes import departures
from research.design.wording import digits
from research.judging.choice_shares import ChoiceShare, Point, choice_shares
from research.judging.explanation import across_sentence
from research.judging.findings import Finding, Judgement, guards, judge
from research.judging.main_effect import judge_main_effect
from research.judging.verdict import VERDICTS, Verdict

if TYPE_CHECKING:
    import pandas as pd

Universe = tuple[Levels, "pd.DataFrame"]


@dataclass(frozen=True)
class AcrossFinding:
    """A claim in every universe, the reference first.

    `shares` (largest first) split the variance of the numbers among the choices; of an identity, where none is zero,
    that of their logarithms (`logarithmic`). They describe the size of the number; what decides about the verdict is
    in the `sentence`. Universes in which a control is refuted are withheld and count for the numbers.
    """

    name: str
    text: str
    passage: str
    kind: str
    unit: str
    region: str
    above: float
    below: float
    points: tuple[Point, ...]
    shares: tuple[ChoiceShare, ...]
    logarithmic: bool
    sentence: str

    @property
    def distinct(self) -> tuple[Point, ...]:
        """The universes that differ in what the claim's metric can depend on, the first of each kind."""
        return tuple(point for point in self.points if point.same_as is None)

    @property
    def counts(self) -> dict[Verdict, int]:
        """In how many distinct universes each verdict was given."""
        found = Counter(point.finding.verdict for point in self.distinct)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def share_supported(self) -> float:
        """In what share of the distinct universes the claim is supported."""
        return self.counts["supported"] / len(self.distinct)

    @property
    def reference(self) -> Finding:
        """The finding in the reference universe, at the level of all others."""
        return self.points[0].finding


@dataclass(frozen=True)
class Across:
    """What the universes of a study say: of each claim, and of each claim about all of them together.

    The choices have the words of the study's tasks (`Study.factor`).
    """

    choices: tuple[Factor, ...]
    claims: tuple[AcrossFinding, ...]
    main_effects: tuple[Finding, ...]


def judge_across(study: Study, universes: Sequence[Universe], num_declared: int, complete: bool) -> Across:
    """The study's claims in each universe, and its main effects, from a frame of runs for each universe.

    A universe gives a level of every choice; the first is the reference. Each is judged by itself (`findings.judge`),
    with 5 % for either error. Raises UserError where a universe leaves a choice open or comes twice, or the reference
    is not the first.
    """
    check_universes(study, [levels for levels, _ in universes])
    judgements = [
        judge(study, runs, num_declared, complete, FAMILY_ERROR, reference=place == 0)
        for place, (_, runs) in enumerate(universes)
    ]
    claims = []
    for claim, findings in zip(study.claims, zip(*(j.claims for j in judgements), strict=True), strict=True):
        same = same_universes(study, claim, [levels for levels, _ in universes])
        rows = zip(universes, findings, represented(same, findings), strict=True)
        claims.append(across_finding(study, claim, [Point(levels, found, at) for (levels, _), found, at in rows]))
    main_effects = tuple(
        judge_main_effect(study, claim, universes, failing(study, claim, universes, judgements), num_declared, complete)
        for claim in study.main_effects
    )
    return Across(tuple(study.factor(choice.name) for choice in study.choices), tuple(claims), main_effects)


def failing(
    study: Study, claim: MainEffect, universes: Sequence[Universe], judgements: Sequence[Judgement]
) -> list[Levels]:
    """The universes in which a control that guards the claim is refuted."""
    return [
        dict(levels)
        for (levels, _), judgement in zip(universes, judgements, strict=True)
        if any(
            found.verdict == "refuted" and guards(control, claim.name)
            for control, found in zip(study.controls, judgement.controls, strict=True)
        )
    ]


def same_universes(study: Study, claim: Claim, universes: Sequence[Levels]) -> list[int | None]:
    """For each universe the place of the first that differs in nothing which the claim's metric can depend on, in any
    cell that the claim reads; none for these firsts. That two numbers are equal says nothing."""
    first: dict[Hashable, int] = {}
    same = []
    for place, levels in enumerate(universes):
        at = first.setdefault(tuple(seen_by(study, claim, levels)), place)
        same.append(None if at == place else at)
    return same


def represented(same: Sequence[int | None], findings: Sequence[Finding]) -> list[int | None]:
    """The same, with each group of universes standing for the first of it whose verdict is not withheld.

    They have one number, so a control that is refuted in one of them says nothing of the others.
    """
    found = list(same)
    for first in {at for at in same if at is not None}:
        members = [place for place, at in enumerate(same) if first in (place, at)]
        stands = next((place for place in members if findings[place].verdict != "withheld"), first)
        for place in members:
            found[place] = None if place == stands else stands
    return found


def seen_by(study: Study, claim: Claim, universe: Levels) -> Iterator[Hashable]:
    """What the claim's metric can depend on in each cell that the claim reads: values of fields, and tuned settings."""
    metric, names = claim.number.metric, (study.arms.name, *claim.number.blocks)
    for point in itertools.product(claim.number.arms, *claim.number.blocks.values()):
        cell = dict(zip(names, point, strict=True))
        task, of_cell = configured(study, cell, universe), partial(configured, study, cell)
        placed = study.universe(departures(study, universe, of_cell))
        tuning = tuning_of(study.tuning, study.choices, placed, of_cell)
        seen = task.depends_on(metric)
        ranges = tuning.ranges.items() if tuning else ()
        ends = {name: [multiplied(task, {name: end}).depends_on(metric) for end in at] for name, at in ranges}
        yield seen, tuple(name for name, found in ends.items() if any(other != seen for other in found))


def check_universes(study: Study, universes: Sequence[Levels]) -> None:
    """Raise UserError unless each is a level of every choice, each comes once and the reference is the first."""
    if not universes or dict(universes[0]) != study.reference:
        raise UserError(f"{study.name}: the first universe must be the reference, {study.reference}")
    for place, levels in enumerate(universes):
        if set(levels) != set(study.reference):
            raise UserError(f"{study.name}: universe {dict(levels)} is not a level of each of {list(study.reference)}")
        if unknown := [choice.name for choice in study.choices if levels[choice.name] not in choice.levels]:
            raise UserError(f"{study.name}: universe {dict(levels)} has an unknown level of {unknown[0]}")
        if levels in universes[:place]:
            raise UserError(f"{study.name}: universe {dict(levels)} comes twice")


def configured(study: Study, cell: Levels, universe: Levels) -> Task:
    """The task of a cell in a universe."""
    return study.task({**universe, **cell})


def across_finding(study: Study, claim: Claim, points: Sequence[Point]) -> AcrossFinding:
    """The finding across universes of a claim that was judged in each."""
    finding = points[0].finding
    distinct = [point for point in points if point.same_as is None]
    choices = [study.factor(choice.name) for choice in study.choices]
    logarithmic = claim.kind == "identity" and all(point.finding.number != 0 for point in points)
    shares = choice_shares(distinct, choices, logarithmic)
    sentence = across_sentence(
        [point.levels for point in distinct],
        [point.finding.verdict for point in distinct],
        choices,
        {share.choice: share.shapley for share in shares},
    )
    if len(distinct) == 1 < len(points):
        sentence = sentence.replace("in the only universe", f"in all {len(points)} universes, of which none can differ")
    return AcrossFinding(
        **{name: getattr(finding, name) for name in ("name", "text", "passage", "kind", "unit", "region")},
        above=claim.above,
        below=claim.below,
        points=tuple(points),
        shares=shares,
        logarithmic=logarithmic,
        sentence=sentence,
    )


def across_frame(across: Across) -> pd.DataFrame:
    """A row for each claim in each universe: its levels, its number with interval and n, its verdict and the reason.

    `same_as` is the number of the universe (from 0, the reference) with which it counts as one.
    """
    import pandas as pd

    names = ("number", "low", "high", "n", "inside", "outside", "num_diverged", "num_late", "verdict", "would_be",
             "reason")  # fmt: skip
    columns = ["claim", *(choice.name for choice in across.choices), "same_as", *names]
    rows = [
        {"claim": claim.name, **point.levels, "same_as": point.same_as}
        | {name: getattr(point.finding, name) for name in names}
        for claim in across.claims
        for point in claim.points
    ]
    return pd.DataFrame(rows, columns=columns).astype({"same_as": "Int64"})


def summary_frame(across: Across) -> pd.DataFrame:
    """A row for each claim: in how many distinct universes and what share of them which verdict, and a sentence.

    A claim about all universes together has a number, its interval and one verdict instead.
    """
    import pandas as pd

    rows: list[dict[str, object]] = []
    for claim in across.claims:
        counts = {verdict.replace(" ", "_"): count for verdict, count in claim.counts.items()}
        about: dict[str, object] = {name: getattr(claim, name) for name in ("text", "kind", "region", "sentence")}
        rows.append(
            {**about, **counts, "claim": claim.name, "universes": len(claim.distinct)}
            | {f"{name}_share": count / len(claim.distinct) for name, count in counts.items()}
            | {"reference": claim.reference.verdict}
        )
    shown = ("text", "region", "number", "low", "high", "n", "num_diverged", "verdict", "would_be", "reason")
    for finding in across.main_effects:
        row: dict[str, object] = {name: getattr(finding, name) for name in shown}
        rows.append(row | {"claim": finding.name, "kind": "main_effect", "sentence": main_effect_sentence(finding)})
    counted = [verdict.replace(" ", "_") for verdict in VERDICTS]
    whole = ["universes", *counted, "n", "num_diverged"]
    columns = ["claim", "text", "kind", "region", "universes", *counted, *(f"{name}_share" for name in counted)]
    columns += ["reference", "number", "low", "high", "n", "num_diverged"]
    frame = pd.DataFrame(rows, columns=[*columns, "verdict", "would_be", "reason", "sentence"])
    return frame.astype(dict.fromkeys(whole, "Int64"))


def main_effect_sentence(finding: Finding) -> str:
    """What share of the differences is due to the arms alone."""
    if finding.verdict == "not judged":
        return f"Not judged: {finding.reason}."
    if finding.number != finding.number:
        return "How much of the differences between arms does not depend on the other choices is not known."
    number, low, high = digits((finding.number, finding.low, finding.high), finding.unit)
    return f"{number} % of the differences between arms [{low} to {high}] do not depend on the other choices."
