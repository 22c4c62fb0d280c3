"""What verdicts promise together, in one study and in all."""

from dataclasses import replace

import pytest
from made_up import write_tables
from test_design import NUMBER, TOY

from research.design.study import Claim
from research.publishing.drawing import entry
from research.publishing.front import front_html
from research.publishing.index import index_markdown
from research.publishing.promise import promise_lines, promise_rows, promises_of
from research.publishing.results import read_published

WIDE = {0: 0.70, 1: 0.80, 2: 0.90}  # of three seeds the mean is 0.8, above 0.3 with an error of 0.7 %


def published(folder, name, *edges, kind="mean"):
    """A study that claims for each edge that accuracy lies above it, from numbers that are made up."""
    claims = tuple(Claim(f"c{place}", f"Above {at} %", "B 1", kind, NUMBER, above=at) for place, at in enumerate(edges))
    study = replace(TOY, name=name, claims=claims)
    return read_published(study, write_tables(study, folder / name, test_accuracy=lambda row, rng: WIDE[row["seed"]]))


def promises(*studies):
    return promises_of([(found.study, found.judgement.claims) for found in studies])


def test_a_verdict_that_needs_its_studys_own_allowance_falls_where_all_share_one(tmp_path):
    found = published(tmp_path, "one", 0.3)
    assert [finding.verdict for finding in found.judgement.claims] == ["supported"]
    assert [promise.lost for promise in promises(found)] == [()]
    one, two = promises(found, published(tmp_path, "two", *[0.79] * 39))
    assert [finding.name for finding in one.lost] == ["c0"]
    assert (two.given, two.lost) == ((), ())


def test_a_verdict_that_is_not_given_promises_nothing(tmp_path):
    assert promise_rows(promises(published(tmp_path, "one", 0.79))) == [("one", 1, 0, 0)]


def test_what_is_always_so_takes_no_part_in_it(tmp_path):
    found = published(tmp_path, "one", 0.3, kind="always")
    assert [finding.verdict for finding in found.judgement.claims] == ["supported"]
    assert promise_rows(promises(found)) == [("one", 0, 0, 0)]
    lines = promise_lines(promises(found, published(tmp_path, "two", 0.3)))
    assert len(lines) == 1  # there is but one study of which anything is promised
    assert "Outside of this stand identities, existences and what is always so" in lines[0]


def test_of_one_study_the_promise_is_its_own_and_of_several_the_errors_add_up(tmp_path):
    one, two = published(tmp_path, "one", 0.3), published(tmp_path, "two", 0.0, 0.3)
    assert len(promise_lines(promises(one))) == 1
    lines = promise_lines(promises(one, two, published(tmp_path, "three", *[0.79] * 37)))
    assert "Over 3 studies these errors add up: to at most 15 % for each of the two." in lines[1]
    assert "If all 40 claims shared the 5 %, 0 of the 3 verdicts" in lines[1]
    assert "“Above 0.3 %” (one)" in lines[2]
    lines = promise_lines(promises(one, two))
    assert lines[1].endswith(
        "If all 3 claims shared the 5 %, 3 of the 3 verdicts that are given would stand: all of them."
    )


@pytest.mark.parametrize("write", [index_markdown, front_html])
def test_the_index_says_what_the_studies_promise(tmp_path, write):
    text = write([entry(published(tmp_path, name, 0.3)) for name in ("one", "two")])
    assert text.count("promise together") == 1
    assert "Over 2 studies these errors add up" in text.replace("&nbsp;", " ")
