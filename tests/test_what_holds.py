"""The page "what holds": it tells claims of every study, each where its verdicts say."""

import csv
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from made_up import write_tables, write_universes

from research.design.study_files import load_study, study_names
from research.judging.findings import Finding
from research.publishing.pages import SIGNS
from research.publishing.results import read_published
from research.publishing.what_holds import CHOSEN, PARTS, Told, chosen, found_by_name
from research.report import main

with CHOSEN.open(newline="", encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> dict[str, Any]:
    """Two studies with made-up numbers, one of them in universes too; the page of both, its sections by their heads."""
    reports = tmp_path_factory.mktemp("reports")
    loss = load_study("loss_convergence")
    write_universes(loss, write_tables(loss, reports / "loss_convergence"))
    write_tables(load_study("pixel_shuffle"), reports / "pixel_shuffle")
    assert main(["--reports", str(reports)]) == 0
    _, *sections = (reports / "what-holds.md").read_text().split("\n## ")
    found = {name: read_published(load_study(name), reports / name) for name in ("loss_convergence", "pixel_shuffle")}
    return {"sections": dict(section.split("\n", 1) for section in sections), "found": found, "reports": reports}


@pytest.mark.parametrize("name", study_names())
def test_claims_of_every_study_are_told(name):
    told = [row["claim"] for row in ROWS if row["study"] == name]
    assert told
    assert len(told) == len(set(told))
    assert set(told) <= {claim.name for claim in load_study(name).claims}


def test_each_line_stands_where_its_verdicts_say_with_what_was_found(published):
    lines = {head: section.split("\n") for head, section in published["sections"].items()}
    assert set(lines) <= {head for head, _ in PARTS.values()}
    for name, found in published["found"].items():
        across = SimpleNamespace(claims=found.universes.across.claims) if found.universes else None
        by_name = found_by_name(SimpleNamespace(judgement=found.judgement, across=across))
        rows = [row for row in ROWS if row["study"] == name]
        assert rows
        for row in rows:
            finding, elsewhere = by_name[row["claim"]]
            head, _ = PARTS[Told(name, "", finding, elsewhere).part]
            (line,) = [line for line in lines[head] if line.startswith(f"| {row['sentence'] or finding.text}")]
            assert f"({name}/README.md)" in line
            assert line.endswith("|  |") == (elsewhere is None)
            if finding.kind == "most":
                assert re.search(rf"\b{finding.inside}\b.* of {finding.n} seeds", line)


def test_the_figure_has_a_square_for_every_claim(published):
    marks = (published["reports"] / "what-holds.svg").read_text()
    findings = [pd.read_csv(published["reports"] / name / "findings.csv") for name in published["found"]]
    claims = sum((table["role"] == "claim").sum() for table in findings)
    assert sum(marks.count(f"<!-- {sign} -->") for sign in SIGNS.values()) == claims


@pytest.mark.parametrize(
    ("here", "elsewhere", "part"),
    [
        ("supported", (), "holds"), ("supported", ("supported", "inconclusive"), "holds"),
        ("supported", ("refuted",), "depends"), ("refuted", ("supported",), "depends"), ("refuted", (), "fails"),
        ("refuted", ("refuted", "withheld"), "fails"), ("inconclusive", ("supported", "refuted"), "depends"),
        ("inconclusive", ("supported",), "open"), ("withheld", (), "open"),
    ],
)  # fmt: skip
def test_a_claim_depends_where_one_universe_supports_and_another_refutes_it(here, elsewhere, part, published):
    finding = published["found"]["loss_convergence"].judgement.claims[0]

    def judged(verdict: str) -> Finding:
        return replace(finding, verdict=verdict)

    points = [SimpleNamespace(finding=judged(verdict)) for verdict in elsewhere]
    across = SimpleNamespace(distinct=points, sentence="It decides.") if points else None
    told = Told("loss_convergence", "", judged(here), across)
    assert (told.part, told.decides) == (part, "It decides." if part == "depends" else "")


def test_of_no_published_study_nothing_is_told():
    assert chosen([]) == []
