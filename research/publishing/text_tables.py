"""Tables of text for the end of a run: the cells, the findings, the claims across universes."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

from research.design.plan import Plan
from research.design.wording import label
from research.publishing.pages import counts_words, interval_text, number_text, promise, verdict_words

if TYPE_CHECKING:
    import pandas as pd

    from research.judging.findings import Judgement
    from research.judging.universe_findings import Across


def cell_table(plan: Plan, frame: pd.DataFrame) -> str:
    """The cells with the mean, 95 % interval over seeds and n of each headline metric, as aligned text."""
    from research.judging.stats import mean_interval

    width = max(len(cell.name) for cell in plan.cells)
    head = f"{'cell':{width}}" + "".join(f"  {label(name, plan.study):>27}" for name in plan.study.headline) + "   n"
    lines = ["", head, "-" * len(head)]
    names = plan.study.headline
    by_cell = dict(iter(frame.groupby("cell")))
    for cell in plan.cells:
        rows = by_cell.get(cell.name, frame[:0])
        line = f"{cell.name:{width}}"
        intervals = [mean_interval(rows.get(name, [])) for name in names]
        for mean, low, high, n in intervals:
            bounds = f" [{low:.4f}, {high:.4f}]" if n > 1 else ""
            line += f"  {f'{mean:.4f}{bounds}' if n else '-':>27}"
        diverged = int(rows["diverged_step"].notna().sum()) if len(rows) else 0
        given = cell.task.gives()
        n = next((found.n for name, found in zip(names, intervals, strict=True) if name in given), len(rows))
        lines.append(f"{line}  {n:2d}" + (f"  {diverged} diverged" if diverged else ""))
    lines.append("Mean over seeds with Student's 95 % interval: it speaks of other seeds, not of other test sets.")
    return "\n".join(lines)


def findings_table(judgement: Judgement) -> str:
    """The findings as text for the end of a run, controls first, at most 118 characters wide."""
    lines: list[str] = []
    for title, findings in (("control", judgement.controls), ("claim", judgement.claims)):
        if findings:
            lines += _row(title, "number", "interval", "region", "n", "verdict")
            lines.append("-" * 118)
        for finding in findings:
            why = f"{verdict_words(finding)}: {finding.reason}"
            if finding.num_diverged:
                why += f"; replicates that diverged or lack it: {finding.num_diverged}"
            if finding.num_late:
                why += f"; that never arrived: {finding.num_late}"
            ends = interval_text(finding) or "-"
            lines += [*_row(finding.text, number_text(finding), ends, finding.region, str(finding.n), why), ""]
    notes = []
    notes += promise(judgement)
    notes += [line for part in (judgement.claims, judgement.controls) for f in part for line in f.caveat.splitlines()]
    for note in dict.fromkeys(notes):
        lines += textwrap.wrap(note, 118)
    return "\n".join(lines)


def universes_table(across: Across) -> str:
    """The claims across universes as text for the end of a run: their verdicts counted, and in a sentence."""
    lines: list[str] = []
    for finding in across.claims:
        lines += [f"{finding.text}: {counts_words(finding, signs=False)}", *textwrap.wrap(finding.sentence, 112), ""]
    for main_effect in across.main_effects:
        lines += [f"{main_effect.text}: {verdict_words(main_effect)}, {number_text(main_effect)}", ""]
    return "\n".join(lines)


def _row(*cells: str) -> list[str]:
    widths = (33, 10, 18, 14, 6, 27)
    wrapped = (
        textwrap.wrap(cell, width, break_on_hyphens=False, break_long_words=False)
        for cell, width in zip(cells, widths, strict=True)
    )
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in itertools.zip_longest(*wrapped, fillvalue="")]
