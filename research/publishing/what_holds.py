"""All findings -> the page "what holds": the claims that matter most, by how they came out, and a figure of all."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from research.design.places import STUDIES
from research.design.wording import escaped
from research.judging.findings import Finding
from research.judging.universe_findings import AcrossFinding
from research.publishing.index import Entry, claim_rows, tally
from research.publishing.pages import IN_SEEDS, SIGNS, counts_words, number_text, seeds_text, verdict_words
from research.publishing.universe_figures import SHOWN

CHOSEN = STUDIES / "what_holds.csv"  # the claims that the page tells, in the words of their studies or in others
RESULTS_BEGIN, RESULTS_END = "<!-- results: made by python -m research.report -->", "<!-- end of results -->"
HOW_TO_READ = (
    "A square is a claim, a row a study. Blue is supported, red refuted, grey open; pale is withheld. The bar below a "
    "square says in which share of the universes the claim came out how; without a bar they were not run."
)
PARTS = {
    "holds": ("Holds", "Supported, and refuted under none of the other choices that were tried."),
    "depends": ("Holds under conditions", "Supported under some choices and refuted under others; what decides is said "
                "beside."),
    "fails": ("Does not hold", "Refuted, and supported under none of the other choices that were tried."),
    "open": ("Open", "The seeds disagree, or a control that guards the claim is refuted."),
}  # fmt: skip


class Told(NamedTuple):
    """A claim that the page tells: its sentence, what was found, and what was found in other universes."""

    study: str
    sentence: str
    finding: Finding
    across: AcrossFinding | None
    is_first: bool = False  # whether the project's README tells it too

    @property
    def part(self) -> str:
        """Where it stands on the page: by its verdict, and by those in other universes."""
        across = self.across
        verdicts = {self.finding.verdict, *(point.finding.verdict for point in (across.distinct if across else ()))}
        if {"supported", "refuted"} <= verdicts:
            return "depends"
        return {"supported": "holds", "refuted": "fails"}.get(self.finding.verdict, "open")

    @property
    def measured(self) -> str:
        """Its number; first that it is withheld where it is."""
        text = number(self.finding)
        return f"{verdict_words(self.finding)}, {text}" if self.finding.verdict == "withheld" else text

    @property
    def elsewhere(self) -> str:
        """In how many universes it came out how; empty where none but the reference was run."""
        return counts_words(self.across) if self.across and len(self.across.distinct) > 1 else ""

    @property
    def decides(self) -> str:
        """What decides where it holds, where it does not hold everywhere."""
        return self.across.sentence if self.across and self.part == "depends" else ""


def what_holds(entries: Sequence[Entry], figure: str) -> str:
    """The page, in Markdown, of those of the chosen claims whose studies are published; `figure` is that of all."""
    told = chosen(entries)
    findings = [finding for entry in entries for finding in entry.judgement.claims]
    lines = [
        "# What holds about multilayer perceptrons?",
        "",
        f"Two documents explain multilayer perceptrons. Their sentences were made {len(findings)} claims, in "
        f"{len(entries)} studies, and put to the test. Here are the {len(told)} that a student will ask about first; "
        "[all of them](README.md) are one table. A sentence about networks is judged by how many of the seeds do what "
        "it says, under the settings that its study names. *Universes* are other starts, optimisers, rates or data; "
        "where none are named, other choices were not tried.",
        "",
        f"![How all claims came out, study by study]({figure})",
        "",
        f"*{HOW_TO_READ}*",
        "",
    ]
    for part, (head, lead) in PARTS.items():
        inside = [each for each in told if each.part == part]
        if inside:
            head_of_table = ("| claim | found | universes |", "|---|---|---|")
            lines += [f"## {head}", "", lead, "", *head_of_table, *map(line, inside), ""]
    return "\n".join(lines)


def with_results(readme: str, entries: Sequence[Entry]) -> str:
    """The project's README with what came out between its two marks, made again: counts, and the first claims."""
    lines = [tally(claim_rows(entries)), ""]
    for told in chosen(entries):
        if told.is_first:
            parts = [told.measured, f"universes: {told.elsewhere}"] if told.elsewhere else [told.measured]
            link = f"[{told.study}](reports/{told.study}/README.md)"
            lines.append(
                f"- {SIGNS[told.finding.verdict]} {escaped(told.sentence)} *{escaped('; '.join(parts))}; {link}.*"
            )
    before, _, rest = readme.partition(f"{RESULTS_BEGIN}\n")
    _, _, after = rest.partition(f"{RESULTS_END}\n")
    return "\n".join([f"{before}{RESULTS_BEGIN}", *lines, f"{RESULTS_END}\n"]) + after


def chosen(entries: Sequence[Entry]) -> list[Told]:
    """The chosen claims whose studies are published, in the order of their file."""
    if not CHOSEN.is_file():  # as where the studies are a user's own
        return []
    by_study = {entry.study.name: found_by_name(entry) for entry in entries}
    with CHOSEN.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, strict=True) if row["claim"] in by_study.get(row["study"], {})]
    told = []
    for row in rows:
        finding, across = by_study[row["study"]][row["claim"]]
        told.append(
            Told(row["study"], row["sentence"] or f"{finding.text.rstrip('.')}.", finding, across, bool(row["first"]))
        )
    return told


def found_by_name(entry: Entry) -> Mapping[str, tuple[Finding, AcrossFinding | None]]:
    """What was found of each claim of a study, and across universes."""
    claims = entry.judgement.claims
    across = entry.across.claims if entry.across else [None] * len(claims)
    return {finding.name: (finding, found) for finding, found in zip(claims, across, strict=True)}


def line(told: Told) -> str:
    """A row of a table: a claim, its number, which leads to its study; what universes say, and what decides there."""
    found = f"[{escaped(told.measured)}]({told.study}/README.md)"
    elsewhere = ". ".join(part for part in (escaped(told.elsewhere), escaped(told.decides)) if part)
    return f"| {escaped(told.sentence)} | {found} | {elsewhere} |"


def number(finding: Finding) -> str:
    """In how many seeds it is so, with the median where it has a unit; the average; or the worst of all cases."""
    if finding.kind in IN_SEEDS:
        return number_text(finding) if finding.unit and finding.number == finding.number else seeds_text(finding)
    return f"{'on average' if finding.kind == 'mean' else 'at worst'} {number_text(finding)}"


def claims_map(entries: Sequence[Entry]) -> Figure:
    """A square for each claim in its verdict's colour, a row a study; below it the verdicts of its universes."""
    longest = max(len(entry.judgement.claims) for entry in entries)
    figure, ax = plt.subplots(figsize=(2.2 + 0.21 * longest, 0.6 + 0.27 * len(entries)))
    for row, entry in enumerate(entries):
        for column, (finding, across) in enumerate(found_by_name(entry).values()):
            pale = finding.verdict in ("withheld", "not judged")
            ax.add_patch(Rectangle((column, row), 0.9, 0.58, color=SHOWN[finding.verdict], linewidth=0))
            ax.text(column + 0.45, row + 0.29, SIGNS[finding.verdict], ha="center", va="center_baseline", fontsize=6.5,
                    color="0.2" if pale else "white")  # fmt: skip
            left, counts = float(column), across.counts if across else {}
            for verdict, count in counts.items():
                size = 0.9 * count / sum(counts.values())
                ax.add_patch(Rectangle((left, row + 0.63), size, 0.16, color=SHOWN[verdict], linewidth=0))
                left += size
    ax.set(xlim=(-0.2, longest), ylim=(len(entries), -0.1), xticks=[])
    ax.set_yticks(
        [row + 0.35 for row in range(len(entries))], [entry.study.name.replace("_", " ") for entry in entries]
    )
    ax.tick_params(axis="y", length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    verdicts = {finding.verdict for entry in entries for finding in entry.judgement.claims}
    handles = [
        Rectangle((0, 0), 1, 1, color=SHOWN[each], label=f"{SIGNS[each]} {each}") for each in SIGNS if each in verdicts
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, handlelength=1)
    return figure
