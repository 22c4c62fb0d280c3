"""What is written for people about a study's universes, in Markdown: a section of its page, and a page of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from research.design.plan import Plan, Universe
from research.design.universes import departing
from research.design.wording import choice_level, escaped, factor_word
from research.judging.universe_findings import Across
from research.judging.verdict import VERDICTS
from research.publishing.pages import SIGNS, counts_words, measured, numerics_line, verdict_words
from research.publishing.results import PublishedUniverses
from research.publishing.tuning_section import tuning_section

if TYPE_CHECKING:
    from research.judging.findings import Finding, Judgement

PAGE = "universes.md"


def universes_section(universes: PublishedUniverses, judgement: Judgement, caption: str) -> str:
    """The part of a study's page that puts the verdict in the reference universe and those in all side by side.

    `caption` is that of the figure of all claims.
    """
    across, plan = universes.across, universes.plan
    lines = [
        "## Across universes",
        intro(plan),
        comparison(across, {finding.name: finding for finding in judgement.claims}),
        main_effects(across),
        *(["![In how many universes each claim holds](universes.svg)", f"*{caption}*"] if across.claims else []),
        f"How each claim fares in each universe, what was tuned, and what was left out: [all universes]({PAGE}).",
    ]
    return "\n\n".join(line for line in lines if line)


def intro(plan: Plan) -> str:
    """What the universes are, how many, and how they are judged."""
    names = [choice.name for choice in plan.study.choices if len({u.levels[choice.name] for u in plan.universes}) > 1]
    named = ", ".join(
        f"{factor_word(choice)} ({', '.join(choice_level(choice, level) for level in choice.levels)})"
        for choice in map(plan.study.factor, names)
    )
    return escaped(
        f"The documents leave open {named}. A universe is one combination of these; the first of each is the "
        f"reference, which the verdicts of the study are about. {len(plan.universes)} universes were compared, with "
        f"{plan.num_seeds} seeds ({plan.seeds[0]} to {plan.seeds[-1]}) in each. Each is judged by itself, with 5 % for "
        "either error and without a correction for their number: the counts describe these universes and are no test. "
        "Those that differ in nothing which a claim's number can depend on count as one. The reference is one of them, "
        "so there it may come out otherwise than in its own column, which has the study's own number of seeds and the "
        f"allowance of all claims together.{not_run(plan)}"
    )


def not_run(plan: Plan) -> str:
    """Which universes were declared after these tables were made, as a sentence; nothing where none were."""
    there = [universe.levels for universe in plan.universes]
    later = [departing(plan.study, one) for one in plan.study.designed if one not in there] if plan.declared else []
    factors = {choice.name: plan.study.factor(choice.name) for choice in plan.study.choices}
    told = (
        ", ".join(f"{factor_word(factors[name])} {choice_level(factors[name], level)}" for name, level in one.items())
        for one in later
    )
    return f" Declared since, and not run yet: {'; '.join(told)}." if later else ""


def comparison(across: Across, reference: Mapping[str, Finding]) -> str:
    """A table of the claims: reference and universe verdicts side by side; nothing without claims."""
    if not across.claims:
        return ""
    signs = ", ".join(f"{SIGNS[verdict]} {verdict}" for verdict in VERDICTS[:4])
    lines = ["| claim | reference | universes | what decides |", "|---|---|---|---|"]
    for finding in across.claims:
        cells = (
            finding.text,
            f"**{verdict_words(reference[finding.name])}**",
            f"**{counts_words(finding)}**",
            finding.sentence,
        )
        lines.append(f"| {' | '.join(map(escaped, cells))} |")
    return "\n".join([*lines, "", f"{signs}."])


def main_effects(across: Across) -> str:
    """The claims about all universes together, with their numbers and verdicts."""
    lines = []
    for finding in across.main_effects:
        lines.append(
            f"**{escaped(finding.text)}** ({escaped(finding.passage)}): **{verdict_words(finding)}**. Of the variance "
            f"in which the arms take part, {escaped(measured(finding))} is theirs alone; the rest is their "
            f"interaction with the choices. It holds if that is {escaped(finding.region)} (n = {finding.n})."
            + (f" It is withheld because {finding.reason}." if finding.verdict == "withheld" else "")
            + "".join(f" {escaped(line)}" for line in finding.caveat.splitlines())
        )
    return "\n\n".join(lines)


def universes_page(universes: PublishedUniverses, judgement: Judgement | None, captions: Mapping[str, str]) -> str:
    """The whole page of a study's universes. `captions` are those of the figures, by their names."""
    plan, across = universes.plan, universes.across
    study = plan.study
    reference = {f.name: f for f in judgement.claims} if judgement else {f.name: f.reference for f in across.claims}
    parts = [
        f"# Across universes: {escaped(study.question)}",
        f"Study [`{study.name}`](README.md). {intro(plan)}",
        comparison(across, reference),
        main_effects(across),
        *(["## Each claim in each universe"] if across.claims else []),
        *(
            f"![{escaped(caption.split('. ')[0])}]({name}.svg)\n\n*{escaped(caption)}*"
            for name, caption in captions.items()
        ),
        "## The universes",
        designed(plan),
        escaped(study.universe_reasons),
        tuning_section(plan, universes.trials),
        "## What the findings do not say",
        caveats(universes),
        "## Run it again",
        f"```\npython -m research.study {study.name} --universes all\n```",
        "Tables: [runs.csv](universes/runs.csv), a row a trained network; [tuning.csv](universes/tuning.csv), a row a "
        "trial; [findings.csv](universes/findings.csv), a row a claim and universe; "
        "[summary.csv](universes/summary.csv), a row a claim. What they were made with: "
        "[provenance.json](universes/provenance.json).",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def designed(plan: Plan) -> str:
    """The universes as a table: in what each differs from the reference, and how many of its cells are its own."""
    choices = [plan.study.factor(choice.name) for choice in plan.study.choices]
    heads = ["universe", *(escaped(factor_word(choice)) for choice in choices), "networks of its own"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    taken: set[str] = set()
    for number, universe in enumerate(plan.universes):
        own = {cell.key for cell in universe.cells} - taken
        taken |= own
        cells = [
            str(number) if number else "reference",
            *levels_words(plan, universe),
            f"{len(own) * plan.num_seeds:,}",
        ]
        lines.append(f"| {' | '.join(map(escaped, cells))} |")
    return "\n".join([*lines, "", "A dash is the reference's level. What universes share was trained once."])


def levels_words(plan: Plan, universe: Universe) -> list[str]:
    """The level of each choice; a dash where another universe than the reference has its level."""
    study, is_reference = plan.study, universe.levels == plan.study.reference
    return [
        choice_level(study.factor(name), level) if is_reference or level != study.reference[name] else "\N{EN DASH}"
        for name, level in universe.levels.items()
    ]


def caveats(universes: PublishedUniverses) -> str:
    """What a reader must not conclude, as a list."""
    across, plan = universes.across, universes.plan
    lines = [
        "The universes are a selection, not a sample: shares of them are no probabilities. Where choices are not "
        "crossed in full their effects are confounded, and the shares of variance describe these universes alone.",
        f"Each interval is that of {plan.num_seeds} seeds by itself and misses to either side in 5 %: of the many "
        "given here some miss.",
    ]
    withheld = {
        tuple(point.levels.items()): point.finding.reason
        for claim in across.claims
        for point in claim.points
        if point.finding.verdict == "withheld"
    }
    if withheld:
        lines.append(
            f"In {len(withheld)} of {len(plan.universes)} universes a control is refuted that guards a claim, so no "
            "verdict is given there; the numbers count for the shares of variance."
        )
    for finding in across.claims:
        if len(finding.distinct) < len(finding.points):
            lines.append(
                f"“{escaped(finding.text)}” is about a number that {len(finding.points)} universes make in "
                f"{len(finding.distinct)} ways: no other choice can touch it."
            )
    if line := numerics_line(plan):
        lines.append(line)
    if universes.changed:
        lines.append(f"**Changed after runs were made**: {', '.join(universes.changed)}.")
    return "\n".join(f"- {line}" for line in lines)
