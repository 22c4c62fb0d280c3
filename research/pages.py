"""What is written for people, in Markdown: a study's page, and the notes of its runs in the MLflow UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from research.cost import layer_sizes, num_parameters
from research.design import DOCUMENTS, Claim, Control, Factor, Number, Study
from research.plan import Cell, Plan, make_plan

if TYPE_CHECKING:
    from research.verdict import Finding, Judgement

JOINS = {
    "max": "the largest",
    "min": "the smallest",
    "mean": "the mean",
    "spread": "largest minus smallest",
    "difference": "first minus second",
}
METRICS = {
    "train_progress": "1 - mean training loss of the last epoch / entropy of the label frequencies: 0 is no better "
    "than the best constant prediction, 1 is perfect",
    "test_accuracy": "share of the test set that is classified right after training",
    "backward_factor": "geometric mean over the hidden layers, before training, of what share of the loss's gradient "
    "at a layer's pre-activations arrives at the layer before",
    "backward_log10_across_4": "the logarithm to base 10 of what four layers pass back, before training",
}
MARKS = {"supported": "✔ supported", "refuted": "✘ refuted", "inconclusive": "? inconclusive"}


def study_page(
    study: Study, judgement: Judgement, captions: Mapping[str, str], notes: str, changed: Sequence[str]
) -> str:
    """The whole page. `changed` names the claims that were not yet so when the runs were made."""
    parts = [
        f"# {study.question}",
        f"Study `{study.name}`. {said(study)}",
        summary(judgement),
        "![Every finding with its interval and its region](findings.svg)",
        "*Grey is where the claim holds. Dots are seeds, above them the number with its interval. Scales differ.*",
        "## Findings",
        findings_lines(judgement.claims, study.claims),
        "Controls, which must come out in a known way before any verdict is given:" if study.controls else "",
        findings_lines(judgement.controls, study.controls),
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


def said(study: Study) -> str:
    """What the documents say, and where."""
    named = "; ".join(f"{letter}: *{title}*" for letter, title in DOCUMENTS.items() if f"{letter} " in study.passage)
    return " ".join(
        part for part in (f"From {study.passage} ({named})." if named else f"From {study.passage}.", study.says) if part
    )


def findings_lines(findings: Sequence[Finding], judged: Sequence[Claim | Control]) -> str:
    """The findings as a Markdown table, with what is measured and where it must lie."""
    if not judged:
        return ""
    what = "control" if isinstance(judged[0], Control) else "claim"
    lines = [f"| {what} | holds if | measured | n | verdict |", "|---|---|---|---|---|"]
    for finding, declared in zip(findings, judged, strict=True):
        verdict = MARKS.get(finding.verdict, finding.verdict)
        more = f" (would be {finding.would_be})" if finding.verdict == "withheld" else f": {finding.reason}"
        passage = f" ({finding.passage})" if finding.passage else ""
        lines.append(
            f"| {finding.text}{passage} | {number_words(declared.number)} is {finding.region} | {measured(finding)} | "
            f"{finding.n} | **{verdict}**{more} |"
        )
    return "\n".join(lines)


def number_words(number: Number) -> str:
    """What is measured, such as `train progress of sigmoid, largest over depth 4, 6, 8`."""
    arms = [str(arm) for arm in number.arms]
    blocks = [f"{name} {', '.join(map(str, levels))}" for name, levels in number.blocks.items()]
    first = {"difference": f"{arms[0]} minus {arms[-1]}", "only": arms[0]}.get(
        number.across_arms, f"{', '.join(arms)}, {JOINS.get(number.across_arms)} of them"
    )
    then = "at" if number.across_blocks == "only" else f"{JOINS[number.across_blocks]} over"
    return f"{number.metric.replace('_', ' ')} of {first}, {then} {' and '.join(blocks)}"


def measured(finding: Finding) -> str:
    """A number with its interval, to three digits."""
    if finding.low != finding.low:
        return f"{finding.number:.3g}"
    return f"{finding.number:.3g} [{finding.low:.3g}, {finding.high:.3g}]"


def design_lines(study: Study) -> str:
    """Arms, blocks, seeds and constants of the full tier as a list."""

    def levels(factor: Factor) -> str:
        return f"{factor.name}: {', '.join(map(str, factor.levels))}"

    used = {judged.number.metric for judged in study.judged}
    plan = make_plan(study)
    configs = [asdict(cell.config) for cell in plan.cells]
    fixed = {name: value for name, value in configs[0].items() if len({str(config[name]) for config in configs}) == 1}
    return "\n".join([
        f"- What is compared: {levels(study.arms)}.",
        *(f"- Crossed with {levels(block)}." for block in study.blocks),
        f"- {plan.num_seeds} seeds of each of {len(plan.cells)} cells. Seed *s* means the same split, the same order "
        "of examples and, where shapes agree, the same initial draws in every cell, so differences are paired.",
        f"- The same everywhere: {', '.join(f'{name} {value}' for name, value in fixed.items())}.",
        *(f"- {name.replace('_', ' ').capitalize()}: {METRICS[name]}." for name in METRICS if name in used),
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


def experiment_note(plan: Plan) -> str:
    """The experiment's description in the MLflow UI."""
    study = plan.study
    claims = "\n".join(f"- {claim.text} ({claim.passage})" for claim in study.claims)
    return (
        f"**{study.question}**\n\nFrom {study.passage}. Each row is a cell: one level of "
        f"{', '.join(factor.name for factor in (study.arms, *study.blocks))}. The menu of views (top right) shows all "
        "cells, those of one level, or cells with their seeds (+); the chart button draws them side by side. "
        f"Tier `{plan.variant}`. Metrics of a cell are means over its seeds; "
        "`_low` and `_high` bound Student's 95 % interval.\n\n" + (f"Claims under test:\n{claims}\n" if claims else "")
    )


def cell_note(plan: Plan, cell: Cell, num_seeds: int) -> str:
    """What a cell is, in Markdown, for the parent run's page in the MLflow UI."""
    config = cell.config
    levels = "\n".join(f"| {name} | **{level}** |" for name, level in cell.levels.items())
    fixed = {name: value for name, value in asdict(config).items() if name not in cell.levels}
    return (
        f"{plan.study.question}\n\n| factor | level |\n|---|---|\n{levels}\n\n"
        f"Network {'-'.join(map(str, layer_sizes(config)))}, {num_parameters(config):,} parameters. "
        f"Mean of {num_seeds} seeds, trained {cell.stack_size} at a time; "
        "each seed has its own split, order and start.\n\n"
        f"Fixed: {', '.join(f'{name} {value}' for name, value in fixed.items())}.\n\n"
        f"Key `{cell.key}`, fingerprint `{cell.fingerprint}`.\n"
    )
