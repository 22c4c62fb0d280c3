"""What is written for people, in Markdown: a study's page, and the notes of its runs in the MLflow UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from research.cost import layer_sizes, num_parameters
from research.design import DOCUMENTS, Claim, Control, Study
from research.identity import NUMERICS
from research.plan import TUNING, Cell, Plan
from research.protocol import design_lines, field_words, shown_fields
from research.words import digits, edge, escaped, number_words

if TYPE_CHECKING:
    import pandas as pd

    from research.across import AcrossFinding
    from research.verdict import Finding, Judgement, Verdict

SIGNS = {"supported": "✔", "refuted": "✘", "inconclusive": "?", "withheld": "\N{EN DASH}", "not judged": "○"}
COUNTED: tuple[Verdict, ...] = ("supported", "refuted", "inconclusive", "withheld", "not judged")
SHARES = ("share", "existence", "never")  # kinds whose number is a share of the seeds


def study_page(
    plan: Plan,
    judgement: Judgement,
    runs: pd.DataFrame,
    captions: Mapping[str, str],
    notes: str = "",
    changed: Sequence[str] = (),
    universes: str = "",
    amendments: str = "",
) -> str:
    """The whole page. `captions` are those of the figures that were drawn; `changed` names the claims that were not yet
    so when the runs were made; `universes` is the section about other universes, where these were run, `amendments`
    that about what was declared otherwise before."""
    study = plan.study
    variant = "" if plan.declared else f" These runs are not the study as declared, but `{plan.report_name}`."
    parts = [
        f"# {escaped(study.question)}",
        f"Study `{study.name}`, one of [all studies](../README.md).{variant} {said(study)}",
        summary(judgement),
        "![Every finding with its interval and its region](findings.svg)",
        "*Every finding. Grey is where the claim holds. Dots are seeds, above them the number with its interval. Each "
        "row has a scale of its own.*",
        "## Findings",
        findings_lines(study, judgement.claims, study.claims),
        "Controls, which must come out in a known way before any verdict is given:" if study.controls else "",
        findings_lines(study, judgement.controls, study.controls),
        universes,
        notes.strip(),
        *(f"![{caption.split('. ')[0]}]({name}.svg)\n\n*{caption}*" for name, caption in captions.items()),
        "## Design",
        design_lines(plan),
        "## What the findings do not say",
        caveats(study, judgement, runs, changed),
        amendments,
        "## Run it again",
        f"```\npython -m research.study {study.name}\n```",
        numerics_line(plan),
        "Tables: [runs.csv](runs.csv), a row a trained network; [curves.csv](curves.csv), a row an evaluation; "
        "[layers.csv](layers.csv), a row a layer; [profiles.csv](profiles.csv), a row a place; "
        "[findings.csv](findings.csv). What they were made with: [provenance.json](provenance.json). "
        "`python -m research.report` draws this page from them, without training.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def numerics_line(plan: Plan, now: int = NUMERICS) -> str:
    """That a run would give other last digits now, where results were made by an earlier source."""
    if plan.numerics == now:
        return ""
    return (
        f"These tables were made with numerics {plan.numerics}. This code has {now}: a run now gives other last digits."
    )


def summary(judgement: Judgement) -> str:
    """Which claims hold and which do not, as a list; if verdicts are withheld, why, and what they would be."""
    claims = judgement.claims
    if not claims:
        return "**This study makes no claims.**"
    controls = [control for control in judgement.controls if control.verdict != "supported"]
    failed = [f"“{control.text}” is {control.verdict}" for control in controls]
    counts = _counts([finding.verdict for finding in claims])
    parts = [f"**{'One claim' if len(claims) == 1 else f'{len(claims)} claims'}: {counts}.**"]
    if withheld := [finding for finding in claims if finding.verdict == "withheld"]:
        which = "a control" if len(failed) == 1 else f"{len(failed)} controls"
        parts.append(
            f"No verdict is given because of {which} that did not come out: {', '.join(failed)}. Without that it would "
            f"be {_counts([finding.would_be for finding in withheld])}."
        )
    lists = []
    for verdict, lead in (("supported", "Holds"), ("refuted", "Does not hold"), ("inconclusive", "Open")):
        texts = [f"“{finding.text}”" for finding in claims if finding.would_be == verdict]
        if texts:
            lists.append(f"- *{f'Would be {verdict}' if withheld else lead}:* {'; '.join(texts)}.")
    if unjudged := {finding.reason for finding in claims if finding.verdict == "not judged"}:
        parts.append(f"Not judged: {'; '.join(sorted(unjudged))}.")
    return "\n".join([escaped(" ".join(parts)), *([""] if lists else []), *map(escaped, lists)])


def _counts(verdicts: Sequence[str]) -> str:
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in SIGNS if verdict in verdicts)


def said(study: Study) -> str:
    """What the documents say, and where."""
    named = "; ".join(f"{letter}: *{title}*" for letter, title in DOCUMENTS.items() if f"{letter} " in study.passage)
    where = f"From {study.passage} ({named})." if named else f"From {study.passage}."
    return escaped(f"{where} {study.says}".strip())


def findings_lines(study: Study, findings: Sequence[Finding], judged: Sequence[Claim | Control]) -> str:
    """The findings as a Markdown table, with what is measured and where it must lie."""
    if not judged:
        return ""
    what = "control" if isinstance(judged[0], Control) else "claim"
    lines = [f"| {what} | holds if | measured | n | verdict |", "|---|---|---|---|---|"]
    for finding, declared in zip(findings, judged, strict=True):
        passage = f" ({finding.passage})" if finding.passage else ""
        cells = (
            finding.text + passage,
            f"{number_words(declared.number, study)} is {finding.region}",
            measured(finding),
            f"{finding.n:,}",
        )
        why = "" if finding.verdict == "withheld" else f": {finding.reason}"
        lines.append(f"| {' | '.join(map(escaped, cells))} | **{verdict_words(finding)}**{escaped(why)} |")
    return "\n".join(lines)


def verdict_words(finding: Finding) -> str:
    """The verdict with its sign, and what it would be where it is withheld."""
    text = f"{SIGNS[finding.verdict]} {finding.verdict}"
    if finding.verdict == "withheld":
        text += f" (would be {SIGNS[finding.would_be]} {finding.would_be})"
    return text


def counts_words(finding: AcrossFinding, signs: bool = True) -> str:
    """In how many universes a claim got which verdict: `✔ 3 · ✘ 12 · ? 1 of 16`."""
    found = [(verdict, finding.counts[verdict]) for verdict in COUNTED if finding.counts[verdict]]
    if signs:
        return f"{' · '.join(f'{SIGNS[verdict]} {count}' for verdict, count in found)} of {len(finding.points)}"
    return f"{', '.join(f'{count} {verdict}' for verdict, count in found)} of {len(finding.points)}"


def number_text(finding: Finding) -> str:
    """The number with its unit, or with what it is a share of."""
    unit, (number, _, _) = _number_and_interval(finding)
    return f"{number} {unit}{' of seeds' if finding.kind in SHARES else ''}".strip() if finding.n else "-"


def interval_text(finding: Finding) -> str:
    """The interval, without its unit; nothing where there is none."""
    _, (_, low, high) = _number_and_interval(finding)
    return f"{low} to {high}" if finding.low == finding.low else ""


def _number_and_interval(finding: Finding) -> tuple[str, tuple[str, str, str]]:
    unit = "%" if finding.kind in SHARES else finding.unit
    number, low, high = digits((finding.number, finding.low, finding.high), unit)
    return unit, (number, low, high)


def measured(finding: Finding) -> str:
    """A number with its interval: `82.6 percentage points [77.3 to 87.8]`."""
    interval = interval_text(finding)
    return number_text(finding) + (f" [{interval}]" if interval else "")


def caveats(study: Study, judgement: Judgement, runs: pd.DataFrame, changed: Sequence[str]) -> str:
    """What a reader must not conclude, as a list."""
    claims = judgement.claims
    lines = [
        "Intervals speak of other seeds, not of other test sets, data, widths, rates or horizons.",
        *(
            f"The {len(claims)} claims are judged together: each interval is at {100 * level:.2f} %, so that all hold "
            "at once in 95 % of studies. Controls stand at 95 % each."
            for level in {finding.level for finding in claims}
        ),
        *dict.fromkeys(line for f in claims for line in f.caveat.splitlines()),
        *(
            f"*{escaped(finding.text)}*: replicates that diverged, or in which this could not be measured: "
            f"{finding.num_diverged}. They count as {edge(declared.number.diverged)}."
            for finding, declared in zip((*judgement.controls, *claims), study.judged, strict=True)
            if finding.num_diverged
        ),
        *never_arrived(study, runs),
    ]
    if changed:
        lines.append(f"**Changed after runs were made**: {', '.join(changed)}. These claims were not yet so before.")
    return "\n".join(f"- {line}" for line in lines)


def never_arrived(study: Study, runs: pd.DataFrame) -> list[str]:
    """How many seeds of each cell had not arrived at a target at the horizon, where a number counts the steps to it."""
    if "reached_target" not in runs or all(judged.number.metric != "steps_to_target" for judged in study.judged):
        return []
    texts = []
    for name in runs["cell"].unique():
        reached = runs["reached_target"][runs["cell"] == name]
        if late := int((reached == 0).sum()):
            texts.append(f"{late} of {len(reached)} in {name}")
    found = ", ".join(texts) or "none"
    return [f"Seeds that had not arrived at the target when training ended, and so count as the horizon: {found}."]


def experiment_note(plan: Plan, experiment: str) -> str:
    """The description in the MLflow UI of an experiment of a plan."""
    study = plan.study
    head = f"**{escaped(study.question)}**\n\n"
    if experiment == plan.experiment + TUNING:
        return (
            f"{head}Trials of the searches for nuisance settings. None of them is a result: they train seeds of their "
            "own and are measured on the validation split alone."
        )
    others = experiment != plan.experiment
    where = f" in a universe other than that of the experiment `{plan.experiment}`" if others else ""
    claims = "\n".join(f"- {escaped(claim.text)} ({escaped(claim.passage)})" for claim in study.claims)
    factors = ", ".join(factor.name for factor in (study.arms, *study.blocks))
    return (
        f"{head}From {escaped(study.passage)}. Each row is a cell: one level of {factors}{where}. The menu of "
        "views (top right) shows all cells, those of one level, or cells with their seeds (+); the chart button draws "
        f"them side by side. Tier `{plan.variant}`. Metrics of a cell are means over its seeds; "
        "`_low` and `_high` bound Student's 95 % interval.\n\n" + (f"Claims under test:\n{claims}\n" if claims else "")
    )


def cell_note(plan: Plan, cell: Cell, num_seeds: int) -> str:
    """What a cell is, in Markdown, for the parent run's page in the MLflow UI."""
    config = cell.config
    levels = "\n".join(f"| {name} | **{level}** |" for name, level in {**cell.levels, **cell.universe}.items())
    fixed = [name for name in shown_fields([config]) if name not in cell.levels]
    return (
        f"{escaped(plan.study.question)}\n\n| factor | level |\n|---|---|\n{levels}\n\n"
        f"Network {'-'.join(map(str, layer_sizes(config)))}, {num_parameters(config):,} parameters. "
        f"Mean of {num_seeds} seeds, trained {cell.stack_size} at a time; "
        "each seed has its own split, order and start.\n\n"
        f"Fixed: {field_words(config, fixed)}.\n\n"
        f"Key `{cell.key}`, fingerprint `{cell.fingerprint}`.\n"
    )


def failure_note(reason: str, traceback: str) -> str:
    """Why a stack could not be trained, in Markdown, for its run's page in the MLflow UI."""
    return f"{escaped(reason)}\n\n```\n{traceback.replace('```', '…')}\n```"
