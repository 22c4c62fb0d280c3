"""All studies together: what is shown of each, a row for each claim, and the table of all as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from research.design.study import DOCUMENTS, Study
from research.design.wording import escaped, number_words
from research.judging.findings import Finding, Judgement
from research.judging.universe_findings import Across, AcrossFinding
from research.judging.verdict import VERDICTS
from research.publishing.pages import SIGNS, counts_words, interval_text, number_text, verdict_words
from research.publishing.promise import Promise, promise_lines, promise_rows, promises_of


@dataclass(frozen=True)
class Entry:
    """What is shown of a study beside all others: its findings, those across universes where these were run, its size.

    `explored` is what the explorer shows of it (`explorer.explored`).
    """

    study: Study
    judgement: Judgement
    num_networks: int
    across: Across | None = None
    explored: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A claim in the table of all claims, with what the columns of numbers are sorted by."""

    study: Study
    finding: Finding
    condition: str
    verdict: str
    number: str
    interval: str
    sort_keys: tuple[float | str, ...]
    across: AcrossFinding | None = None

    @property
    def universes(self) -> str:
        """In how many universes it got which verdict; nothing where none were run."""
        return counts_words(self.across) if self.across else ""


def claim_rows(entries: Sequence[Entry]) -> list[Row]:
    """A row for each claim of each study, in the order in which they are declared."""
    rows = []
    for entry in entries:
        across = entry.across.claims if entry.across else [None] * len(entry.study.claims)
        for finding, claim, found in zip(entry.judgement.claims, entry.study.claims, across, strict=True):
            condition = f"{number_words(claim.number, entry.study)} is {finding.region}"
            scale = 100 if finding.unit else 1
            keys = [scale * value if math.isfinite(value) else "" for value in (finding.number, finding.low)]
            rows.append(
                Row(entry.study, finding, condition, verdict_words(finding), number_text(finding),
                    interval_text(finding), (*keys, finding.n, found.share_supported if found else ""), found)
            )  # fmt: skip
    return rows


def index_markdown(entries: Sequence[Entry]) -> str:
    """The short index: how many claims came out how, and the table of all of them with links to the studies' pages."""
    rows = claim_rows(entries)
    lines = [
        "# What holds: all claims of all studies",
        "",
        f"{tally(rows)} The same with figures, filters and explanations, to be opened in a browser: "
        "[index.html](index.html). The claims that matter most: [what holds](what-holds.md).",
        "",
        *study_lines(entries),
        "",
        "| claim | from | verdict | universes | number | interval | n | study |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        finding, name = row.finding, row.study.name
        cells = (finding.text, finding.passage, f"**{row.verdict}**", row.universes, row.number, row.interval,
                 f"{finding.n:,}")  # fmt: skip
        lines.append(f"| {' | '.join(map(escaped, cells))} | [{name}]({name}/README.md) |")
    lines += [
        "",
        "*Withheld*: a control that guards the claim is refuted, so no verdict is given; what it would be is said "
        "beside. *Universes*: in how many of the combinations of what the documents leave open a claim is "
        f"{', '.join(f'{SIGNS[verdict]} {verdict}' for verdict in VERDICTS[:4])}, each judged by itself; those that "
        "differ in nothing its number can depend on count as one. The interval is that of the median or the mean. The "
        "page of a study says what each number is and where it must lie.",
        "",
        *promise_markdown(promises(entries)),
        *(f"{letter}: *{title}*." for letter, title in DOCUMENTS.items()),
    ]
    return "\n".join(lines) + "\n"


PROMISE_HEADS = ("study", "claims", "verdicts given", "would stand with 5 % for all studies together")


def promises(entries: Sequence[Entry]) -> list[Promise]:
    """What the verdicts of each study promise: those on its claims, and on those about all universes together."""
    return promises_of(
        [
            (entry.study, (*entry.judgement.claims, *(entry.across.main_effects if entry.across else ())))
            for entry in entries
        ]
    )


def promise_markdown(promises: Sequence[Promise]) -> list[str]:
    """What the claims together promise, as Markdown."""
    lines = ["## What they promise together", ""]
    for line in promise_lines(promises):
        lines += [escaped(line), ""]
    lines += [f"| {' | '.join(PROMISE_HEADS)} |", "|---" * len(PROMISE_HEADS) + "|"]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in promise_rows(promises)), ""]


def study_lines(entries: Sequence[Entry]) -> list[str]:
    """A table with a row for each study: its question, how many claims came out how, how many universes were run."""
    given = {row.finding.verdict for row in claim_rows(entries)}
    verdicts = [verdict for verdict in SIGNS if verdict in given]
    head = ("question", *(f"{SIGNS[verdict]} {verdict}" for verdict in verdicts), "universes")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for entry in entries:
        found = [finding.verdict for finding in entry.judgement.claims]
        cells = [f"[{escaped(entry.study.question)}]({entry.study.name}/README.md)"]
        cells += [str(found.count(verdict) or "") for verdict in verdicts]
        cells.append(str(len(entry.across.claims[0].points)) if entry.across and entry.across.claims else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def tally(rows: Sequence[Row]) -> str:
    """How many claims came out how, in a sentence."""
    verdicts = [row.finding.verdict for row in rows]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in SIGNS if verdict in verdicts)
    return f"{len(rows)} claim{'' if len(rows) == 1 else 's'}: {counts}."
