"""Claims + the runs of universes -> findings across universes: where each claim holds, and which choice decides."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from research.attribution import LEVEL, judge_attribution
from research.config import UserError
from research.deciding import across_sentence
from research.design import Claim, Factor, Levels, Study
from research.stats import VarianceShares, group_codes, seed_check, share_beyond_chance, variance_shares
from research.verdict import Finding, Verdict, judge
from research.words import digits

if TYPE_CHECKING:
    import pandas as pd

DECIDES = 0.5  # the share of variance, beyond chance, from which on a choice or a pair is said to decide
Universe = tuple[Levels, "pd.DataFrame"]
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


@dataclass(frozen=True)
class AcrossFinding:
    """A claim in every universe, the reference first.

    `choices` (largest share first) and `pairs` split the variance of the numbers; of an identity, whose numbers are all
    above zero, that of their logarithms (`logarithmic`). `deciding` names the choice or the pair that at least half of
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
    logarithmic = claim.kind == "identity" and all(min(point.finding.values, default=1.0) > 0 for point in points)
    parts = decomposed(claim, points, study.choices, logarithmic)
    sentence = across_sentence(
        [point.levels for point in points],
        [point.finding.verdict for point in points],
        study.choices,
        {share.choice: share.shapley for share in parts.choices},
        "the universes differ by no more than seeds do" if parts.reason == SEEDS else "",
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
    check = seed_check(y, errors, sizes)
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
    n = len(values)
    if claim.kind in ("share", "existence", "never"):
        near = (finding.number * n + 2) / (n + 4)
        return finding.number, near * (1 - near) / (n + 4), n
    if n < 2 or not np.isfinite(values).all():
        return math.nan, math.nan, n
    if logarithmic:
        return math.log10(finding.number), float(np.log10(values).var(ddof=1) / n), n
    return finding.number, max(float(values.var(ddof=1) / n), (claim.number.resolution / 2) ** 2), n


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
        rows.append(
            {"claim": claim.name, "text": claim.text, "kind": claim.kind, "region": claim.region}
            | {"universes": len(claim.points)}
            | counts
            | {f"{name}_share": count / len(claim.points) for name, count in counts.items()}
            | {"deciding": " and ".join(claim.deciding), "deciding_share": claim.deciding_share}
            | {"reason": claim.reason, "reference": claim.reference.verdict, "sentence": claim.sentence}
        )
    for finding in across.attributions:
        fields = ("text", "region", "number", "low", "high", "n", "num_diverged", "verdict", "reason")
        rows.append(
            {"claim": finding.name, "kind": "attribution"}
            | {name: getattr(finding, name) for name in fields}
            | {"sentence": attribution_sentence(finding)}
        )
    counted = [verdict.replace(" ", "_") for verdict in get_args(Verdict)]
    whole = ["universes", *counted, "n", "num_diverged"]
    columns = ["claim", "text", "kind", "region", "universes", *counted, *(f"{name}_share" for name in counted)]
    columns += ["deciding", "deciding_share", "reference", "number", "low", "high", "n", "num_diverged"]
    frame = pd.DataFrame(rows, columns=[*columns, "verdict", "reason", "sentence"])
    return frame.astype(dict.fromkeys(whole, "Int64"))


def attribution_sentence(finding: Finding) -> str:
    """What share of the differences is due to the arms alone."""
    if not finding.n:
        return "Not judged."
    number, low, high = digits((finding.number, finding.low, finding.high), finding.unit)
    return f"{number} % of the differences between arms [{low} to {high}] do not depend on the other choices."
