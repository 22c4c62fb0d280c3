"""A study's page in Markdown: question, design, findings, figures, caveats, how to run it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from research.design import Factor, Study
from research.plan import make_plan

if TYPE_CHECKING:
    from research.verdict import Finding, Judgement

MARKS = {"supported": "✔ supported", "refuted": "✘ refuted", "inconclusive": "? inconclusive"}


def study_page(
    study: Study, judgement: Judgement, captions: Mapping[str, str], notes: str, changed: Sequence[str]
) -> str:
    """The whole page. `changed` names the claims that were not yet so when the runs were made."""
    parts = [
        f"# {study.question}",
        f"Study `{study.name}`. From {study.passage}.",
        summary(judgement),
        "![Every finding with its interval and its region](findings.svg)",
        "*Grey is where the claim holds. Dots are seeds, above them the number with its interval. Scales differ.*",
        "## Findings",
        findings_lines(judgement.claims, "claim"),
        "Controls, which must come out in a known way before any verdict is given:",
        findings_lines(judgement.controls, "control"),
        notes.strip(),
        *(f"![{caption}]({name}.svg)\n\n*{caption}*" for name, caption in captions.items()),
        "## Design",
        design_lines(study),
        "## What the findings do not say",
        caveats(judgement, changed),
        "## Run it again",
        f"```\npython -m research.study {study.name}\n```",
        "Tables: [runs.csv](runs.csv), a row a trained network; [curves.csv](curves.csv), a row an epoch; "
        "[layers.csv](layers.csv), a row a layer; [findings.csv](findings.csv). What they were made with: "
        "[provenance.json](provenance.json). `python -m research.report` draws this page from them, without training.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(judgement: Judgement) -> str:
    """How many claims came out how, in a sentence; if verdicts are withheld, why, and what they would be."""
    claims = judgement.claims
    withheld = {finding.reason for finding in claims if finding.verdict == "withheld"}
    text = f"**Of {len(claims)} claims: {_counts([finding.verdict for finding in claims])}**"
    if withheld:
        text += f", because {'; '.join(sorted(withheld))}. Without it: {_counts([f.would_be for f in claims])}"
    return text + "."


def _counts(verdicts: Sequence[str]) -> str:
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))


def findings_lines(findings: Sequence[Finding], what: str) -> str:
    """The findings as a Markdown table."""
    lines = [f"| {what} | holds if | measured | n | verdict |", "|---|---|---|---|---|"]
    for finding in findings:
        verdict = MARKS.get(finding.verdict, finding.verdict)
        more = f" (would be {finding.would_be})" if finding.verdict == "withheld" else f": {finding.reason}"
        passage = f" ({finding.passage})" if finding.passage else ""
        lines.append(
            f"| {finding.text}{passage} | {finding.region} | {measured(finding)} | {finding.n} | **{verdict}**{more} |"
        )
    return "\n".join(lines)


def measured(finding: Finding) -> str:
    """A number with its interval, to three digits."""
    if finding.low != finding.low:
        return f"{finding.number:.3g}"
    return f"{finding.number:.3g} [{finding.low:.3g}, {finding.high:.3g}]"


def design_lines(study: Study) -> str:
    """Arms, blocks, seeds and constants of the full tier as a list."""

    def levels(factor: Factor) -> str:
        return f"{factor.name}: {', '.join(map(str, factor.levels))}"

    plan = make_plan(study)
    configs = [asdict(cell.config) for cell in plan.cells]
    fixed = {name: value for name, value in configs[0].items() if len({str(config[name]) for config in configs}) == 1}
    return "\n".join([
        f"- What is compared: {levels(study.arms)}.",
        *(f"- Crossed with {levels(block)}." for block in study.blocks),
        f"- {plan.num_seeds} seeds of each of {len(plan.cells)} cells. Seed *s* means the same split, the same order "
        "of examples and, where shapes agree, the same initial draws in every cell, so differences are paired.",
        f"- The same everywhere: {', '.join(f'{name} {value}' for name, value in fixed.items())}.",
        *(f"- Control: {control.text}." for control in study.controls),
    ])  # fmt: skip


def caveats(judgement: Judgement, changed: Sequence[str]) -> str:
    """What a reader must not conclude, as a list."""
    claims = judgement.claims
    levels = {finding.level for finding in claims}
    lines = [
        "- Intervals speak of other seeds, not of other test sets, data, widths, rates or horizons.",
        *(
            f"- The {len(claims)} claims are judged together: each interval is at {100 * level:.2f} %, so that all "
            "hold at once in 95 % of studies. Controls stand at 95 % each."
            for level in levels
        ),
        *(f"- {line}" for line in dict.fromkeys(line for f in claims for line in f.caveat.splitlines())),
        *(
            f"- *{finding.text}*: {finding.num_diverged} diverged replicates are counted as the claim declares."
            for finding in claims
            if finding.num_diverged
        ),
    ]
    if changed:
        lines.append(f"- **Changed after runs were made**: {', '.join(changed)}. These claims were not yet so before.")
    return "\n".join(lines)
