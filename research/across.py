"""Claims + the runs of universes -> findings across universes: where each claim holds, and which choice decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from research.attribution import LEVEL, judge_attribution
from research.config import UserError
from research.deciding import across_sentence
from research.design import Claim, Factor, Levels, Study
from research.shares import SEEDS, ChoiceShare, PairShare, Point, decomposed
from research.verdict import Finding, Verdict, judge
from research.words import digits

if TYPE_CHECKING:
    import pandas as pd

Universe = tuple[Levels, "pd.DataFrame"]


@dataclass(frozen=True)
class AcrossFinding:
    """A claim in every universe, the reference first.

    `choices` (largest share first) and `pairs` split the variance of the numbers; of an identity, where none is
    zero, that of their logarithms (`logarithmic`). `deciding` names the choice or the pair that at least half of
    it, beyond chance, lies between, with that share; it is empty for a `reason`. It is about the size of the number,
    the `sentence` about the verdicts. Universes whose control did not come out are withheld and count for the numbers.
    `edge` is the share of seeds beyond which a claim about a share holds.
    """

    name: str
    text: str
    passage: str
    kind: str
    unit: str
    region: str
    above: float
    below: float
    edge: float
    points: tuple[Point, ...]
    choices: tuple[ChoiceShare, ...]
    pairs: tuple[PairShare, ...]
    logarithmic: bool
    deciding: tuple[str, ...]
    deciding_share: float
    reason: str
    sentence: str

    @property
    def counts(self) -> dict[Verdict, int]:
        """In how many universes each verdict was given."""
        found = Counter(point.finding.verdict for point in self.points)
        return {verdict: found[verdict] for verdict in get_args(Verdict)}

    @property
    def shares(self) -> dict[Verdict, float]:
        """In what share of the universes each verdict was given."""
        return {verdict: count / len(self.points) for verdict, count in self.counts.items()}

    @property
    def reference(self) -> Finding:
        """The finding in the reference universe, at the level of all others."""
        return self.points[0].finding


@dataclass(frozen=True)
class Across:
    """What the universes of a study say: of each claim, and of each claim about all of them together."""

    choices: tuple[Factor, ...]
    claims: tuple[AcrossFinding, ...]
    attributions: tuple[Finding, ...]


def judge_across(study: Study, universes: Sequence[Universe], num_declared: int, complete: bool) -> Across:
    """The study's claims in each universe, and its attributions, from a frame of runs for each universe.

    A universe gives a level of every choice; the first is the reference. Each is judged by itself (`verdict.judge`), at
    95 %. Raises UserError where a universe leaves a choice open or comes twice, or the reference is not the first.
    """
    check_universes(study, [levels for levels, _ in universes])
    judgements = [judge(study, runs, num_declared, complete, LEVEL) for _, runs in universes]
    claims = tuple(
        across_finding(study, claim, [Point(levels, found) for (levels, _), found in zip(universes, row, strict=True)])
        for claim, row in zip(study.claims, zip(*(j.claims for j in judgements), strict=True), strict=True)
    )
    failed = [
        dict(levels)
        for (levels, _), judgement in zip(universes, judgements, strict=True)
        if any(control.verdict != "supported" for control in judgement.controls)
    ]
    attributions = tuple(
        judge_attribution(study, claim, universes, failed, num_declared, complete) for claim in study.attributions
    )
    return Across(study.choices, claims, attributions)


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


def across_finding(study: Study, claim: Claim, points: Sequence[Point]) -> AcrossFinding:
    """The finding across universes of a claim that was judged in each."""
    finding = points[0].finding
    logarithmic = claim.kind == "identity" and all(point.finding.number != 0 for point in points)
    parts = decomposed(claim, points, study.choices, logarithmic)
    sentence = across_sentence(
        [point.levels for point in points],
        [point.finding.verdict for point in points],
        study.choices,
        {share.choice: share.shapley for share in parts.choices},
        "they differ by no more than seeds do" if parts.reason == SEEDS else "",
    )
    return AcrossFinding(
        **{name: getattr(finding, name) for name in ("name", "text", "passage", "kind", "unit", "region")},
        above=claim.above,
        below=claim.below,
        edge=claim.share if claim.kind == "share" else 0.0,
        points=tuple(points),
        logarithmic=logarithmic,
        sentence=sentence,
        **parts._asdict(),
    )


def across_frame(across: Across) -> pd.DataFrame:
    """A row for each claim in each universe: its levels, its number with interval and n, its verdict and the reason."""
    import pandas as pd

    names = ("number", "low", "high", "n", "num_diverged", "verdict", "would_be", "reason")
    columns = ["claim", *(choice.name for choice in across.choices), *names]
    rows = [
        {"claim": claim.name, **point.levels, **{name: getattr(point.finding, name) for name in names}}
        for claim in across.claims
        for point in claim.points
    ]
    return pd.DataFrame(rows, columns=columns)


def summary_frame(across: Across) -> pd.DataFrame:
    """A row for each claim: in how many universes and what share of them which verdict, what decides, in a sentence.

    A claim about all universes together has a number, its interval and one verdict instead.
    """
    import pandas as pd

    rows: list[dict[str, object]] = []
    for claim in across.claims:
        counts = {verdict.replace(" ", "_"): count for verdict, count in claim.counts.items()}
        about: dict[str, object] = {name: getattr(claim, name) for name in ("text", "kind", "region", "sentence")}
        rows.append(
            {**about, **counts, "claim": claim.name, "universes": len(claim.points)}
            | {f"{name}_share": count / len(claim.points) for name, count in counts.items()}
            | {"deciding": " and ".join(claim.deciding), "deciding_share": claim.deciding_share}
            | {"reason": claim.reason, "reference": claim.reference.verdict}
        )
    shown = ("text", "region", "number", "low", "high", "n", "num_diverged", "verdict", "would_be", "reason")
    for finding in across.attributions:
        row: dict[str, object] = {name: getattr(finding, name) for name in shown}
        rows.append(row | {"claim": finding.name, "kind": "attribution", "sentence": attribution_sentence(finding)})
    counted = [verdict.replace(" ", "_") for verdict in get_args(Verdict)]
    whole = ["universes", *counted, "n", "num_diverged"]
    columns = ["claim", "text", "kind", "region", "universes", *counted, *(f"{name}_share" for name in counted)]
    columns += ["deciding", "deciding_share", "reference", "number", "low", "high", "n", "num_diverged"]
    frame = pd.DataFrame(rows, columns=[*columns, "verdict", "would_be", "reason", "sentence"])
    return frame.astype(dict.fromkeys(whole, "Int64"))


def attribution_sentence(finding: Finding) -> str:
    """What share of the differences is due to the arms alone."""
    if finding.verdict == "not judged":
        return f"Not judged: {finding.reason}."
    number, low, high = digits((finding.number, finding.low, finding.high), finding.unit)
    return f"{number} % of the differences between arms [{low} to {high}] do not depend on the other choices."
