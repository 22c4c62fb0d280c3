"""What verdicts promise together, in one study and in all."""

from dataclasses import replace

import pytest
from made_up import write_tables
from test_design import NUMBER, TOY

from research.design import Claim
from research.index import index_html, index_markdown
from research.promise import judged_among, promise_lines, promise_rows, promised
from research.report import entry
from research.tables import read_published

WIDE = {0: 0.70, 1: 0.80, 2: 0.90}  # of three seeds the mean is 0.8, at 95 % from 0.55 on, at 99 % from 0.23 on


def published(folder, name, *edges):
    """A study that claims for each edge that accuracy lies above it, from numbers that are made up."""
    claims = tuple(
        Claim(f"c{place}", f"Above {at} %", "B 1", "mean", NUMBER, above=at) for place, at in enumerate(edges)
    )
    study = replace(TOY, name=name, claims=claims)
    return read_published(study, write_tables(study, folder / name, test_accuracy=lambda row, rng: WIDE[row["seed"]]))


def promise_of(found, num_claims):
    return promised(found.study, found.judgement, judged_among(found, num_claims))


def test_a_verdict_that_needs_its_studys_own_allowance_falls_where_all_share_one(tmp_path):
    found = published(tmp_path, "one", 0.3)
    assert [finding.verdict for finding in found.judgement.claims] == ["supported"]
    assert promise_of(found, 1).lost == ()
    (lost,) = promise_of(found, 40).lost
    assert lost.name == "c0"


def test_a_verdict_that_is_not_given_promises_nothing(tmp_path):
    found = published(tmp_path, "one", 0.79)
    assert promise_of(found, 1).given == ()
    assert promise_rows([promise_of(found, 1)]) == [("one", 1, 0, 0)]


def test_of_one_study_the_promise_is_its_own_and_of_several_the_errors_add_up(tmp_path):
    one, two = published(tmp_path, "one", 0.3), published(tmp_path, "two", 0.0, 0.3)
    assert len(promise_lines([promise_of(one, 1)], 1)) == 1
    lines = promise_lines([promise_of(one, 40), promise_of(two, 40)], 40)
    assert "Over all 2 studies these errors add up: to at most 10 % for each of the two." in lines[1]
    assert "If all 40 claims shared the 5 %, 0 of the 3 verdicts" in lines[1]
    assert "“Above 0.3 %” (one)" in lines[2]
    lines = promise_lines([promise_of(one, 1), promise_of(two, 2)], 1)
    assert lines[1].endswith("would stand: all of them.")


@pytest.mark.parametrize("write", [index_markdown, index_html])
def test_the_index_says_what_the_studies_promise(tmp_path, write):
    text = write([entry(published(tmp_path, name, 0.3), {}) for name in ("one", "two")])
    assert "promise together" in text
    assert "Over all 2 studies these errors add up" in text
