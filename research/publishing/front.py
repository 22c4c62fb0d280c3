"""All findings -> the front of the report, for a browser: what was found, and where the rest of it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from research.design.study import DOCUMENTS
from research.judging.verdict import VERDICTS
from research.publishing.html_pages import html_page, rendered, unbroken
from research.publishing.index import PROMISE_HEADS, Entry, Row, claim_rows, promises
from research.publishing.pages import SIGNS, counts_words, summary
from research.publishing.promise import promise_lines, promise_rows
from research.publishing.what_holds import PARTS, chosen


def front_html(entries: Sequence[Entry]) -> str:
    """The page: a mark for each claim, the chosen claims, study by study, the table of all claims, how to read it."""
    rows, told = claim_rows(entries), chosen(entries)
    verdicts = [row.finding.verdict for row in rows]
    names = [entry.study.name for entry in entries]
    parts = [(head, lead, [each for each in told if each.part == part]) for part, (head, lead) in PARTS.items()]
    return unbroken(
        html_page(
            "front.html",
            "front.js",
            rows=rows,
            marks=[(name, [mark(row) for row in rows if row.study.name == name]) for name in names],
            parts=[(head, lead, inside) for head, lead, inside in parts if inside],
            studies=[
                {"name": entry.study.name, "question": entry.study.question,
                 "summary": rendered(summary(entry.judgement))}
                for entry in entries
            ],
            documents=DOCUMENTS,
            counts={verdict: verdicts.count(verdict) for verdict in SIGNS if verdict in verdicts},
            promises=promise_lines(promises(entries)),
            promise_heads=PROMISE_HEADS,
            promise_rows=promise_rows(promises(entries)),
            num_networks=sum(entry.num_networks for entry in entries),
            num_universes=sum(
                len(entry.across.claims[0].points) for entry in entries if entry.across and entry.across.claims
            ),
        )
    )  # fmt: skip


def mark(row: Row) -> dict[str, Any]:
    """A claim as a mark: its verdict, what is said of it, and the shares of its universes by verdict, as (verdict,
    left end, width) in percent."""
    text, bars, left = f"{row.verdict}: {row.finding.text.rstrip('.')}.", [], 0.0
    if row.across:
        text += f" Universes: {counts_words(row.across, signs=False)}."
        for verdict in VERDICTS:
            width = 100 * row.across.counts[verdict] / len(row.across.distinct)
            bars += [(verdict, f"{left:.3g}", f"{width:.3g}")] if width else []
            left += width
    return {"claim": row.finding.name, "verdict": row.finding.verdict, "text": text, "bars": bars}
