"""What the verdicts of a study, and of all studies, promise together: how often they may go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from research.design import Study
from research.tables import Published
from research.verdict import FAMILY_ERROR, Finding, Judgement, family_level, judge


class Promise(NamedTuple):
    """The verdicts that a study gives, and which of them would not stand with the error of the whole project."""

    study: Study
    given: tuple[Finding, ...]
    lost: tuple[Finding, ...]


def judged_among(published: Published, num_claims: int) -> Judgement:
    """A study's findings where its allowance for error is shared by so many claims (Bonferroni)."""
    plan = published.plan
    return judge(plan.study, published.tables.runs, plan.num_seeds, plan.declared, family_level(num_claims))


def promised(study: Study, judgement: Judgement, shared: Judgement) -> Promise:
    """What a study promises by its judgement, and by that in which it shares its allowance with all other claims."""
    given = [finding for finding in judgement.claims if finding.verdict in ("supported", "refuted")]
    strict = {finding.name: finding.would_be for finding in shared.claims}
    return Promise(study, tuple(given), tuple(found for found in given if strict[found.name] != found.verdict))


def promise_lines(promises: Sequence[Promise], num_claims: int) -> list[str]:
    """What the claims promise together, in sentences: for one study, for all, and with one allowance for all."""
    given, lost = (sum(len(found) for found in every) for every in zip(*(p[1:] for p in promises), strict=True))
    error, number = f"{100 * FAMILY_ERROR:.0f} %", len(promises)
    lines = [
        f"Within each study: in at most {error} of such studies is any false claim called supported, and in at most "
        f"{error} any true one refuted, over all its claims together. Universes, and what decides in them, stand "
        "outside of this: they describe."
    ]
    if number > 1:
        lines += [
            f"Over all {number} studies these errors add up: to at most {100 * FAMILY_ERROR * number:.0f} % for each "
            f"of the two. If all {num_claims} claims shared the {error}, {given - lost} of the {given} verdicts that "
            f"are given would stand{'' if lost else ': all of them'}."
        ]
    if lost and number > 1:
        named = [f"“{finding.text}” ({promise.study.name})" for promise in promises for finding in promise.lost]
        lines.append(f"Inconclusive would then be: {'; '.join(named)}.")
    return lines


def promise_rows(promises: Sequence[Promise]) -> list[tuple[str, int, int, int]]:
    """A row a study: its name, its claims, the verdicts that are given, those that would stand with one allowance."""
    return [(p.study.name, len(p.study.claims), len(p.given), len(p.given) - len(p.lost)) for p in promises]
