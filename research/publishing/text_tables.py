"""What a run prints: what is asked, which verdicts it would have so far, and at its end what came out.

Text is as wide as the terminal, and has no colours: signs say the same everywhere.
"""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

from research.design.plan import Plan
from research.design.wording import counted, label
from research.publishing.pages import (
    IN_SEEDS,
    counts_words,
    interval_text,
    number_text,
    promise,
    verdict_counts,
    verdict_words,
)

if TYPE_CHECKING:
    import pandas as pd

    from research.judging.findings import Finding, Judgement
    from research.judging.universe_findings import Across

WIDEST, NARROWEST = 118, 40  # characters: a line that is longer is hard to read, one that is shorter too


def text_width() -> int:
    """The characters of a line of text: those of the terminal, where there is one."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDEST, 0)).columns))


def filled(text: str, indent: int = 0) -> list[str]:
    """The lines of a text, indented by so many characters from its second on."""
    return textwrap.wrap(
        text, text_width(), subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )


def asked(plan: Plan) -> str:
    """What a run is to find out: the study's question, and its claims, where this plan can judge them."""
    study = plan.study
    lines = filled(f"{study.name}: {study.question}", 2)
    claims = counted(len(study.claims), "claim")
    if study.claims and not plan.declared:
        lines += filled(f"{claims}, which only the whole study can judge: this is {plan.variant}.")
    elif study.claims:
        controls = f", and {counted(len(study.controls), 'control')} of the apparatus" if study.controls else ""
        lines += filled(f"{claims} to judge on {plan.num_seeds} seeds each{controls}:")
        for claim in study.claims:
            lines += filled(f"  - {claim.text}", 4)
    return "\n".join(lines)


class SoFar:
    """The verdicts that claims would have by what is recorded so far, each told once, and again where it changes."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def lines(self, judgement: Judgement, num_seeds: int) -> list[str]:
        """What is new in a judgement, of so many seeds in the end."""
        found = []
        for finding in judgement.claims:
            verdict = verdict_words(finding)
            if finding.verdict != "not judged" and self.told.get(finding.name) != verdict:
                self.told[finding.name] = verdict
                seeds = f"{len(finding.values)} of {num_seeds} seeds in"
                found += filled(f"    would be {verdict}, {seeds}: {finding.text}", 6)
        return found


def cell_table(plan: Plan, frame: pd.DataFrame) -> str:
    """The cells with the mean, 95 % interval over seeds and n of each headline metric, as aligned text.

    Where the terminal is too narrow each metric has a line of its own.
    """
    from research.judging.stats import mean_interval

    width = max(len(cell.name) for cell in plan.cells)
    names = plan.study.headline
    labels = [label(name, plan.study) for name in names]
    head = f"{'cell':{width}}" + "".join(f"  {text:>27}" for text in labels) + "   n"
    is_wide = len(head) <= shutil.get_terminal_size((len(head), 0)).columns
    lines = ["", head, "-" * len(head)] if is_wide else [""]
    by_cell = dict(iter(frame.groupby("cell")))
    for cell in plan.cells:
        rows = by_cell.get(cell.name, frame[:0])
        intervals = [mean_interval(rows.get(name, [])) for name in names]
        shown = [
            (f"{mean:.4f}" + (f" [{low:.4f}, {high:.4f}]" if n > 1 else "")) if n else "-"
            for mean, low, high, n in intervals
        ]
        diverged = int(rows["diverged_step"].notna().sum()) if len(rows) else 0
        given = cell.task.gives()
        n = next((found.n for name, found in zip(names, intervals, strict=True) if name in given), len(rows))
        more = f"  {diverged} diverged" if diverged else ""
        if is_wide:
            lines.append(f"{cell.name:{width}}" + "".join(f"  {text:>27}" for text in shown) + f"  {n:2d}{more}")
        else:
            lines += [f"{cell.name}  n={n}{more}", *map("  {}: {}".format, labels, shown)]
    lines += filled("Mean over seeds with Student's 95 % interval: it speaks of other seeds, not of other test sets.")
    return "\n".join(lines)


def findings_text(judgement: Judgement) -> str:
    """What came out in words, for the end of a run: the claims, then the controls, then what verdicts promise."""
    lines: list[str] = []
    for title, findings in (("claim", judgement.claims), ("control", judgement.controls)):
        if findings:
            verdicts = verdict_counts([finding.verdict for finding in findings])
            lines += [f"{counted(len(findings), title)}: {verdicts}", ""]
        for finding in findings:
            lines += [*_told(finding), ""]
    notes = promise(judgement)
    notes += [line for part in (judgement.claims, judgement.controls) for f in part for line in f.caveat.splitlines()]
    for note in dict.fromkeys(notes):
        lines += filled(note)
    return "\n".join(lines)


def _told(finding: Finding) -> list[str]:
    """A finding as lines: the verdict and the sentence, then the number and its region, then why."""
    interval = interval_text(finding)
    measured = number_text(finding) + (f" [{interval}]" if interval else "")
    measured += "" if finding.kind in IN_SEEDS else f", n = {finding.n}"
    why = finding.reason
    if finding.num_diverged:
        why += f"; replicates that diverged or lack it: {finding.num_diverged}"
    if finding.num_late:
        why += f"; that never arrived: {finding.num_late}"
    return [
        *filled(f"{verdict_words(finding)}: {finding.text}", 4),
        *filled(f"    {measured}; holds if {finding.region}", 4),
        *filled(f"    {why}", 4),
    ]


def universes_table(across: Across) -> str:
    """The claims across universes as text for the end of a run: their verdicts counted, and in a sentence."""
    lines: list[str] = []
    for finding in across.claims:
        lines += [*filled(f"{finding.text}: {counts_words(finding, signs=False)}"), *filled(finding.sentence), ""]
    for main_effect in across.main_effects:
        lines += [*filled(f"{main_effect.text}: {verdict_words(main_effect)}, {number_text(main_effect)}"), ""]
    return "\n".join(lines)
