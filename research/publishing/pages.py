"""What is written for people, in Markdown: the page of a study, and the words that other pages share with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from research.design.claims import ANYTHING, PROMISED
from research.design.description import design_lines
from research.design.identity import NUMERICS
from research.design.plan import Plan
from research.design.study import DOCUMENTS, Claim, Control, Number, Study
from research.design.wording import digits, edge, escaped, number_words, quantity
from research.judging.margins import WHAT
from research.judging.stats import share_interval
from research.judging.verdict import VERDICTS

if TYPE_CHECKING:
    import pandas as pd

    from research.judging.findings import Finding, Judgement
    from research.judging.margins import Margin
    from research.judging.universe_findings import AcrossFinding

SIGNS = {"supported": "✔", "refuted": "✘", "inconclusive": "?", "withheld": "\N{EN DASH}", "not judged": "○"}
IN_SEEDS = ("most", "share", "existence", "always")  # kinds that say what seeds do, each by itself


def study_page(
    plan: Plan,
    judgement: Judgement,
    runs: pd.DataFrame,
    captions: Mapping[str, str],
    notes: str = "",
    changed: Sequence[str] = (),
    universes: str = "",
    amendments: str = "",
    tuned: str = "",
) -> str:
    """The whole page. `captions` are those of the figures that were drawn; `changed` names the claims that were not yet
    so when the runs were made; `universes` is the section about other universes, where these were run, `amendments`
    that about what was declared otherwise before, `tuned` that about what was tuned."""
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
        margin_lines(judgement.claims),
        "Controls, which come out in a known way if the apparatus works; one that is refuted withholds the verdicts on "
        "the claims that it guards:"
        if study.controls
        else "",
        findings_lines(study, judgement.controls, study.controls),
        universes,
        notes.strip(),
        *(f"![{caption.split('. ')[0]}]({name}.svg)\n\n*{caption}*" for name, caption in captions.items()),
        "## Design",
        design_lines(plan),
        tuned,
        "## What the findings do not say",
        caveats(study, judgement, runs, changed),
        amendments,
        "## Run it again",
        f"```\npython -m research.study {study.name}\n```",
        numerics_line(plan),
        "Tables: [runs.csv](runs.csv), a row a trained network; [curves.csv](curves.csv), a row an evaluation; "
        "[layers.csv](layers.csv), a row a layer; [profiles.csv](profiles.csv), a row a place; "
        + ("[tuning.csv](tuning.csv), a row a trial; " if tuned else "")
        + "[findings.csv](findings.csv). What they were made with: [provenance.json](provenance.json). "
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
    counts = verdict_counts([finding.verdict for finding in claims])
    parts = [f"**{'One claim' if len(claims) == 1 else f'{len(claims)} claims'}: {counts}.**"]
    withheld = [finding for finding in claims if finding.verdict == "withheld"]
    if withheld:
        failed = [f"“{control.text}”" for control in judgement.controls if control.verdict == "refuted"]
        which = "a control is" if len(failed) == 1 else f"{len(failed)} controls are"
        parts.append(
            f"Verdicts are withheld because {which} refuted: {', '.join(failed)}. Without that "
            f"{'it' if len(withheld) == 1 else 'they'} would be {verdict_counts([f.would_be for f in withheld])}."
        )
    lists = []
    leads = (("supported", "Holds"), ("refuted", "Does not hold"), ("inconclusive", "Open"))
    for verdict, lead in leads:
        if texts := [f"“{finding.text}”" for finding in claims if finding.verdict == verdict]:
            lists.append(f"- *{lead}:* {'; '.join(texts)}.")
    for verdict, _ in leads:
        if texts := [f"“{finding.text}”" for finding in withheld if finding.would_be == verdict]:
            lists.append(f"- *Would be {verdict}:* {'; '.join(texts)}.")
    if unjudged := {finding.reason for finding in claims if finding.verdict == "not judged"}:
        parts.append(f"Not judged: {'; '.join(sorted(unjudged))}.")
    return "\n".join([escaped(" ".join(parts)), *([""] if lists else []), *map(escaped, lists)])


def verdict_counts(verdicts: Sequence[str]) -> str:
    """How many there are of each verdict: `3 supported, 1 refuted`."""
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in SIGNS if verdict in verdicts)


def said(study: Study) -> str:
    """What the documents say, and where."""
    letters = [letter for letter in DOCUMENTS if re.search(rf"\b{letter}[ \d,]", study.passage)]
    named = "; ".join(f"{letter}: *{DOCUMENTS[letter]}*" for letter in letters)
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


def margin_lines(claims: Sequence[Finding]) -> str:
    """At which margins the verdicts on claims would be others, as a list; nothing where none is known."""
    lines = [
        f"- “{escaped(f.text)}”: {'; '.join(margin_words(m, f.unit) for m in f.margins)}." for f in claims if f.margins
    ]
    return "\n".join(["At which margin each verdict would be another:", "", *lines]) if lines else ""


def margin_words(margin: Margin, unit: str) -> str:
    """How far a margin can be moved: `lower edge 80 % (inconclusive from 12.1 % down)`."""
    shown = "" if margin.what == "threshold" else unit
    low, high = (quantity(end, shown) for end in (margin.low, margin.high))
    text = f"{WHAT[margin.what]} {edge(margin.chosen, shown)} {shown}".rstrip()
    ends = [f"{margin.under} from {low} down"] if margin.low > -math.inf else []
    ends += [f"{margin.over} from {high} up"] if margin.high < math.inf else []
    return f"{text} ({', '.join(ends) or 'any other gives the same'})"


def verdict_words(finding: Finding) -> str:
    """The verdict with its sign, and what it would be where it is withheld."""
    text = f"{SIGNS.get(finding.verdict, SIGNS['not judged'])} {finding.verdict}"
    if finding.verdict == "withheld":
        text += f" (would be {SIGNS[finding.would_be]} {finding.would_be})"
    return text


def counts_words(finding: AcrossFinding, signs: bool = True) -> str:
    """In how many universes a claim got which verdict: `✔ 3 · ✘ 12 · ? 1 of 16`."""
    found = [(verdict, finding.counts[verdict]) for verdict in VERDICTS if finding.counts[verdict]]
    if signs:
        return f"{' · '.join(f'{SIGNS[verdict]} {count}' for verdict, count in found)} of {len(finding.distinct)}"
    return f"{', '.join(f'{count} {verdict}' for verdict, count in found)} of {len(finding.distinct)}"


def number_text(finding: Finding) -> str:
    """The number with its unit, and before it how many seeds lie in the region, where that is judged."""
    if not finding.n:
        return "-"
    number, _, _ = _number_and_interval(finding)
    known = "not known" if finding.number != finding.number else f"{number} {finding.unit}".strip()
    return f"{seeds_text(finding)}, median {known}" if finding.kind in IN_SEEDS else known


def seeds_text(finding: Finding) -> str:
    """How many seeds lie in the region: `19 of 20 seeds`, or `from 17 to 19 of 20` where that is not known."""
    most = finding.n - finding.outside
    inside = f"{finding.inside}" if most == finding.inside else f"from {finding.inside} to {most}"
    return f"{inside} of {finding.n} seeds"


def interval_text(finding: Finding) -> str:
    """The interval of the mean or the median, without its unit; nothing where there is none."""
    _, low, high = _number_and_interval(finding)
    return f"{low} to {high}" if finding.low == finding.low else ""


def _number_and_interval(finding: Finding) -> tuple[str, str, str]:
    number, low, high = digits((finding.number, finding.low, finding.high), finding.unit)
    return number, low, high


def measured(finding: Finding) -> str:
    """A number with its interval, `82.6 points [77.3 to 87.8]`; where seeds are counted, the share that fails too."""
    interval = interval_text(finding)
    text = number_text(finding) + (f" [{interval}]" if interval else "")
    if finding.kind in IN_SEEDS and finding.n and finding.inside + finding.outside == finding.n:
        fails = share_interval(finding.outside, finding.n)
        share, low, high = (f"{100 * value:.0f}" for value in fails[:3])
        text += f"; {share} % fail [{low} to {high}]"
    return text


def promise(judgement: Judgement) -> list[str]:
    """What is promised of the verdicts of a study, and of which it is not, in sentences."""
    promised = [finding for finding in judgement.claims if finding.kind in PROMISED]
    others = [finding for finding in judgement.claims if finding.kind not in PROMISED]
    lines = []
    for level in {finding.level for finding in promised}:
        lines.append(
            "At most 5 % of studies call any of their false claims supported, and at most 5 % any of their true ones "
            f"refuted: each claim has {100 * (1 - level) / 2:.3g} % of either. Intervals miss by as much to either "
            "side. Controls stand at 5 % each."
        )
    if others:
        named = ", ".join(f"“{finding.text}” ({finding.kind})" for finding in others)
        lines.append(f"Outside that promise, since they speak of the cases and seeds that were seen: {named}.")
    return lines


def caveats(study: Study, judgement: Judgement, runs: pd.DataFrame, changed: Sequence[str]) -> str:
    """What a reader must not conclude, as a list."""
    claims = judgement.claims
    lines = [
        "Intervals speak of other seeds, not of other test sets, data, widths, rates or horizons.",
        *map(escaped, promise(judgement)),
        *dict.fromkeys(line for f in claims for line in f.caveat.splitlines()),
        *(
            f"*{escaped(finding.text)}*: replicates that diverged, or in which this could not be measured: "
            f"{finding.num_diverged}. {known_words(declared.number)}"
            for finding, declared in zip((*judgement.controls, *claims), study.judged, strict=True)
            if finding.num_diverged
        ),
        *never_arrived(study, runs),
    ]
    if changed:
        lines.append(f"**Changed after runs were made**: {', '.join(changed)}. These claims were not yet so before.")
    return "\n".join(f"- {line}" for line in lines)


def known_words(number: Number) -> str:
    """What is known of a replicate that has no number."""
    low, high = (edge(end) for end in number.missing)
    if number.missing == ANYTHING:
        return "They can be anything."
    return f"They can be anything {f'from {low} to {high}' if math.isfinite(number.missing[1]) else f'above {low}'}."


def never_arrived(study: Study, runs: pd.DataFrame) -> list[str]:
    """How many seeds of each cell had not arrived at a target at the horizon, where a number counts the steps to it."""
    columns = {study.metric(judged.number.metric).arrived for judged in study.judged} & {*runs}
    if not columns:
        return []
    texts = []
    for name in runs["cell"].unique():
        reached = runs[[*columns]][runs["cell"] == name].min(axis=1)
        if late := int((reached == 0).sum()):
            texts.append(f"{late} of {len(reached)} in {name}")
    found = ", ".join(texts) or "none"
    return [f"Seeds that had not arrived at the target when training ended, of which no more is known: {found}."]
