"""Every testable sentence of the two documents has its claim: studies/sentences.csv, held against the studies."""

import csv
import re
from collections import Counter
from itertools import groupby

import pytest

from research.design.places import STUDIES
from research.design.study_files import load_study, study_names

NUM_STUDIES = 27  # what both documents say, grouped; a study that is none of these is counted here too
SECTIONS = {
    "A": (
        "Multilayer Perceptron / Feedforward Neural Network", "To-do", "Single-Layer Neural Networks",
        "Linear Regression Model", "Linear Neuron", "Single-Layer Perceptron", "Softmax Regression",
        "Cross-Entropy Loss Function", "Multi-Layer Neural Networks", "Universal Approximation Theorem",
        "Feature Hierarchy", "Vanishing Gradient Problem", "ReLU Activation Function",
        "Multi-Layer Fully Connected Neural Network", "The Learning Process of Neural Networks", "Initialization",
        "Forward Propagation", "Loss Computation", "Backpropagation", "Parameter Update",
    ),
    "B": (
        "Introduction", "0", "1", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "4.1", "4.2", "4.3", "4.4", "5", "6", "6.1",
        "6.2", "6.3", "6.4", "7", "7.1", "7.2", "7.3", "7.4", "7.5", "8", "8.1", "8.2", "8.3", "8.4", "8.5", "8.6",
        "What the Limits Sketch", "Q1", "Q2", "Q3", "Q4", "Q5", "10",
    ),
}  # fmt: skip

Row = dict[str, str]

with (STUDIES / "sentences.csv").open(newline="", encoding="utf-8") as file:
    ROWS: list[Row] = list(csv.DictReader(file, strict=True))


def named(rows: list[Row], study: str) -> set[str]:
    """The claims that rows name of a study."""
    return {row["claim"] for row in rows if row["study"] == study}


def claims(study: str) -> set[str]:
    """What a study claims, main effects too."""
    declared = load_study(study)
    return {claim.name for claim in (*declared.claims, *declared.main_effects)}


def controls(study: str) -> set[str]:
    return {control.name for control in load_study(study).controls}


def unknown(rows: list[Row], study: str) -> set[str]:
    """The claims that rows name of a study that has no such claim or control."""
    return named(rows, study) - claims(study) - controls(study)


def left_out(rows: list[Row], study: str) -> set[str]:
    """The claims of a study that no row names."""
    return claims(study) - named(rows, study)


def sentence(row: Row) -> tuple[str, str, str]:
    return row["document"], row["section"], row["sentence"]


def test_every_row_has_a_document_a_section_and_a_sentence():
    assert {tuple(row) for row in ROWS} == {("document", "section", "sentence", "study", "claim", "reason")}
    assert [row for row in ROWS if not all(sentence(row))] == []
    assert [row for row in ROWS if any(value is None or value != value.strip() for value in row.values())] == []


@pytest.mark.parametrize("document", SECTIONS)
def test_every_section_of_a_document_has_rows_in_its_order(document):
    sections = (row["section"] for row in ROWS if row["document"] == document)
    assert tuple(section for section, _ in groupby(sections)) == SECTIONS[document]


def test_what_is_in_no_document_is_the_projects_own_and_about_one_of_the_studies():
    own = [row for row in ROWS if row["document"] not in SECTIONS]
    assert {row["document"] for row in own} == {"project"}
    assert {row["section"] for row in own} <= {row["study"] for row in ROWS}


def test_every_row_has_either_study_and_claim_or_a_reason():
    filled = {tuple(bool(row[column]) for column in ("study", "claim", "reason")) for row in ROWS}
    assert filled == {(True, True, False), (False, False, True)}


def test_no_sentence_has_both_a_claim_and_a_reason():
    assert {sentence(row) for row in ROWS if row["claim"]} & {sentence(row) for row in ROWS if row["reason"]} == set()


def test_no_row_is_there_twice():
    times = Counter((*sentence(row), row["study"], row["claim"]) for row in ROWS)
    assert [row for row, count in times.items() if count > 1] == []


def test_claims_are_named_as_studies_name_them():
    assert [row for row in ROWS if row["study"] and not re.fullmatch(r"[a-z]+(_[a-z]+)*", row["study"])] == []
    assert [row for row in ROWS if row["claim"] and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row["claim"])] == []


def test_all_studies_are_there_those_too_that_are_not_written_yet():
    planned = {row["study"] for row in ROWS} - {""}
    assert set(study_names()) <= planned
    assert len(planned) == NUM_STUDIES


@pytest.mark.parametrize("study", study_names())
def test_every_claim_that_is_named_of_a_written_study_is_one_of_its_claims_or_controls(study):
    assert unknown(ROWS, study) == set()


@pytest.mark.parametrize("study", study_names())
def test_every_claim_of_a_written_study_comes_from_a_sentence(study):
    assert left_out(ROWS, study) == set()


def test_a_claim_that_a_study_lacks_and_one_that_no_row_names_are_found():
    rows = [{"study": "width_sine", "claim": name} for name in ("8-miss", "best-line", "16-miss")]
    assert unknown(rows, "width_sine") == {"16-miss"}
    assert left_out(rows, "width_sine") == {
        "32-in-place", "32-rough", "128-same", "512-same", "still-shrinking", "about-100",
    }  # fmt: skip
    assert left_out([], "activation_depth") >= {"activation-alone"}
