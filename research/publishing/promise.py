"""What the verdicts of all studies promise together: how often they may go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from research.design.claims import PROMISED
from research.design.study import FAMILY_ERROR, Study
from research.judging.findings import Finding


class Promise(NamedTuple):
    """The verdicts of a study of which few are false, and which of them would not stand if all studies shared one
    allowance for error."""

    study: Study
    given: tuple[Finding, ...]
    lost: tuple[Finding, ...]


def promises_of(studies: Sequence[tuple[Study, Iterable[Finding]]]) -> list[Promise]:
    """What each study promises by the findings on its claims and main effects.

    A verdict would stand with one allowance where the least error that must be allowed for it (`Finding.chance`) is no
    more than its share of that (Bonferroni).
    """
    shared = FAMILY_ERROR / max(sum(study.num_promised for study, _ in studies), 1)
    promises = []
    for study, findings in studies:
        given = [found for found in findings if found.kind in PROMISED and found.verdict in ("supported", "refuted")]
        promises.append(Promise(study, tuple(given), tuple(found for found in given if not found.chance <= shared)))
    return promises


def promise_lines(promises: Sequence[Promise]) -> list[str]:
    """What the claims promise together, in sentences: for one study, for all, and with one allowance for all."""
    given, lost = (sum(map(len, found)) for found in ([p.given for p in promises], [p.lost for p in promises]))
    number = sum(promise.study.num_promised > 0 for promise in promises)
    claims = sum(promise.study.num_promised for promise in promises)
    error = f"{100 * FAMILY_ERROR:.0f} %"
    lines = [
        f"Within each study: in at most {error} of such studies is any false claim called supported, and in at most "
        f"{error} any true one refuted, over all its claims together. Outside of this stand identities, existences and "
        "what is always so, which speak of the cases and seeds that were seen, and universes, which describe."
    ]
    if number > 1:
        lines += [
            f"Over {number} studies these errors add up: to at most {100 * min(1.0, FAMILY_ERROR * number):.0f} % for "
            f"each of the two. If all {claims} claims shared the {error}, {given - lost} of the {given} verdicts that "
            f"are given would stand{'' if lost else ': all of them'}."
        ]
    if lost and number > 1:
        named = [f"“{finding.text}” ({promise.study.name})" for promise in promises for finding in promise.lost]
        lines.append(f"Inconclusive would then be: {'; '.join(named)}.")
    return lines


def promise_rows(promises: Sequence[Promise]) -> list[tuple[str, int, int, int]]:
    """A row a study: its name, the claims that share its allowance, the verdicts that are given on them, and those that
    would stand with one allowance."""
    return [(p.study.name, p.study.num_promised, len(p.given), len(p.given) - len(p.lost)) for p in promises]
