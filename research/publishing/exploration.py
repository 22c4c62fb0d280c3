"""What a study declared and found before it was amended, kept as it was: files that nothing judges or draws again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from research.design.errors import UserError
from research.design.study import Study
from research.design.wording import escaped, number_words
from research.judging.findings import Judgement
from research.judging.universe_findings import Across
from research.publishing.pages import SIGNS, counts_words, measured
from research.publishing.publication import FINDINGS
from research.publishing.results import read_published, universe_files
from research.publishing.tables import (
    PROVENANCE,
    SUMS,
    UNIVERSES,
    content_of,
    csv,
    findings_frame,
    sums,
    tables_of,
)

FOLDER = "exploration"  # in that of the study
CODE = "code.json"  # by which numerics and revision of the study the results were made


@dataclass(frozen=True)
class Exploration:
    """What was frozen: a row a finding, as it was shown; what the tables were made with; the numerics of the code."""

    findings: pd.DataFrame
    made_with: tuple[dict[str, Any], ...]
    numerics: int


def freeze(study: Study, folder: Path) -> dict[Path, bytes]:
    """The files of the exploration: what is published of a study now, with what was declared and shown in words.

    Raises UserError where something is frozen already, and where what is published is not what the study as it is
    declared now, judged by the code as it is now, says of its tables: it is to be frozen before either is changed.
    """
    target = folder / FOLDER
    if target.exists():
        raise UserError(f"{target}: is frozen already, and nothing writes it again")
    published = read_published(study, folder)
    if published.judgement is None:
        raise UserError(f"{folder}: {study.name} claims nothing, so there is nothing to freeze")
    universes = published.universes
    now = {FINDINGS: csv(findings_frame(published.judgement))}
    kept = [*tables_of(published.plan), PROVENANCE]
    if universes:
        now |= universe_files(universes)
        kept += [f"{UNIVERSES}/{name}" for name in (*tables_of(universes.plan), PROVENANCE)]
    for name, content in now.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            raise UserError(f"{folder / name}: is not what its tables say; python -m research.report draws it again")
    files = {name: content_of(folder / name) for name in kept} | now
    files[FINDINGS] = csv(shown_frame(study, published.judgement, universes.across if universes else None))
    files[CODE] = (json.dumps({"numerics": published.plan.numerics, "revision": study.revision}) + "\n").encode()
    return {target / name: content for name, content in (files | {SUMS: sums(files)}).items()}


def shown_frame(study: Study, judgement: Judgement, across: Across | None) -> pd.DataFrame:
    """The findings with what readers were shown of them: sentence, passage, condition, number, counts of universes."""
    frame = findings_frame(judgement)
    findings = (*judgement.controls, *judgement.claims)
    frame["text"] = [finding.text for finding in findings]
    frame["passage"] = [finding.passage for finding in findings]
    judged = zip(study.judged, findings, strict=True)
    frame["condition"] = [f"{number_words(one.number, study)} is {finding.region}" for one, finding in judged]
    frame["measured"] = [measured(finding) for finding in findings]
    counts = {finding.name: counts_words(finding) for finding in across.claims} if across else {}
    frame["universes"] = [counts.get(finding.name) for finding in findings]
    return frame


def read_exploration(folder: Path) -> Exploration | None:
    """What is frozen in the folder of a study; None where nothing is. Raises UserError where it was changed."""
    place = folder / FOLDER
    if not place.is_dir():
        return None
    if wrong := list(changes(folder)):
        raise UserError(wrong[0])
    findings = pd.read_csv(place / FINDINGS, keep_default_na=False, na_values=[""])
    every = (place / PROVENANCE, place / UNIVERSES / PROVENANCE)
    made_with = tuple(json.loads(path.read_bytes()) for path in every if path.is_file())
    return Exploration(findings, made_with, json.loads((place / CODE).read_bytes())["numerics"])


def changes(folder: Path) -> Iterator[str]:
    """In what the exploration of a study differs from what was frozen, a line each: by sums alone, it is not judged."""
    place = folder / FOLDER
    if not place.exists():
        return
    try:
        lines = content_of(place / SUMS).decode().splitlines()
        frozen = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        found = [path for path in sorted(place.rglob("*")) if path.is_file()]
        digests = {path: hashlib.sha256(content_of(path)).hexdigest() for path in found}
    except (OSError, ValueError) as error:
        yield f"{place}: cannot be read ({error}); bring it back from git"
        return
    for name in frozen:
        if place / name not in digests:
            yield f"{place / name}: was frozen and is not there; bring it back from git"
    for path, digest in digests.items():
        name = str(path.relative_to(place))
        if name != SUMS and name not in frozen:
            yield f"{path}: is none of the frozen files; remove it"
        elif name != SUMS and frozen[name] != digest:
            yield f"{path}: is not what was frozen; bring it back from git"


def amendments_section(study: Study, exploration: Exploration | None) -> str:
    """The part of a study's page about its amendments: what was changed and why, and what had come out before."""
    parts = ["## Amendments"] if study.amendments or exploration else []
    parts += [
        f"**{amendment.date}.** {escaped(amendment.what)} *Why:* {escaped(amendment.why)} *Seen by then:* "
        f"{escaped(amendment.seen).rstrip('.')}."
        for amendment in study.amendments
    ]
    if exploration:
        parts += ["### What was declared first, and what came out", made_words(exploration), first_lines(exploration)]
    return "\n\n".join(parts)


def made_words(exploration: Exploration) -> str:
    """By what code the frozen results were made, of which seeds, and that they stay as they are."""
    reference, *universes = exploration.made_with
    first, number = reference.get("first_seed", 0), reference["seeds"]
    text = f"Judged on seeds {first} to {first + number - 1}"
    if universes:
        text += f", in universes on {universes[0]['seeds']} of them"
    environments = {
        (one.get("commit", "not known"), one.get("uncommitted", "none"))
        for made in exploration.made_with
        for one in made.get("environments", ())
    }
    made = " and ".join(
        f"commit `{commit[:12]}`" + ("" if changed == "none" else f" with uncommitted changes (`{changed}`)")
        for commit, changed in sorted(environments)
    )
    return (
        f"{text}, by code of {made or 'no known commit'} (numerics {exploration.numerics}). All of it stays as it "
        f"was, and nothing judges or draws it again: [findings]({FOLDER}/{FINDINGS}), [tables]({FOLDER}/runs.csv), "
        f"[what they were made with]({FOLDER}/{PROVENANCE})."
    )


def first_lines(exploration: Exploration) -> str:
    """The frozen findings as a Markdown table, controls last."""
    shown = exploration.findings.astype(object).fillna("")
    rows = shown.sort_values("role", key=lambda roles: roles == "control", kind="stable").to_dict("records")
    lines = ["| what was declared | held if | measured | n | verdict | universes |", "|---|---|---|---|---|---|"]
    for row in rows:
        role = "control: " if row["role"] == "control" else ""
        passage = f" ({row['passage']})" if row["passage"] else ""
        verdict = f"{SIGNS[row['verdict']]} {row['verdict']}"
        if row["verdict"] == "withheld":
            verdict += f" (would be {row['would_be']})"
        cells = (f"{role}{row['text']}{passage}", row["condition"], row["measured"], f"{row['n']:,}", verdict,
                 row["universes"])  # fmt: skip
        lines.append(f"| {' | '.join(escaped(str(cell)) for cell in cells)} |")
    return "\n".join(lines)
