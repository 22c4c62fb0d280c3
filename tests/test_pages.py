"""The page of a study says what was asked, found and not found, in words."""

from dataclasses import replace

import pandas as pd
import pytest
from test_design import NUMBER, TOY

from research.data import stream
from research.design import Claim, Control, Study
from research.pages import number_words, study_page
from research.verdict import Judgement, judge

STUDY = replace(
    TOY,
    question="Is a toy a toy?",
    claims=(
        Claim("good", "ReLU is good", "A 'Toys'", "mean", NUMBER, above=0.5),
        Claim("bad", "ReLU is bad", "B 1", "mean", NUMBER, below=0.5),
    ),
    controls=(Control("sane", "ReLU is better than nothing", NUMBER, above=0.0),),
)


def judged(study: Study) -> Judgement:
    values = 0.9 + 0.01 * stream(0, "test").standard_normal(3)
    rows = [
        {"activation": arm, "depth": depth, "seed": seed, "test_accuracy": values[seed], "diverged_step": None}
        for arm in ("tanh", "relu")
        for depth in (1, 2)
        for seed in range(3)
    ]
    return judge(study, pd.DataFrame(rows), 3, complete=True)


@pytest.fixture
def page() -> str:
    return study_page(STUDY, judged(STUDY), {"curve": "A curve."}, "A note.", [])


def test_it_begins_with_the_question_and_counts_the_verdicts(page):
    assert page.startswith("# Is a toy a toy?\n")
    assert "**Of 2 claims: 1 supported, 1 refuted**." in page


def test_every_claim_stands_with_its_passage_region_number_n_and_verdict(page):
    (line,) = [line for line in page.splitlines() if line.startswith("| ReLU is good")]
    assert "A 'Toys'" in line
    assert "above 0.5" in line
    assert "| 3 |" in line
    assert "supported" in line


def test_design_controls_figures_notes_and_the_way_to_run_it_again_are_there(page):
    for text in ("activation: tanh, relu", "depth: 1, 2", "ReLU is better than nothing", "![A curve.](curve.svg)",
                 "A note.", "python -m research.study toy", "not of other test sets"):  # fmt: skip
        assert text in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "test accuracy of relu, at depth 1"),
        ({"blocks": {"depth": (1, 2)}, "across_blocks": "max"}, "test accuracy of relu, the largest over depth 1, 2"),
        (
            {"arms": ("relu", "tanh"), "across_arms": "difference", "metric": "train_progress"},
            "train progress of relu minus tanh, at depth 1",
        ),
        (
            {"arms": ("relu", "tanh"), "across_arms": "spread"},
            "test accuracy of relu, tanh, largest minus smallest of them, at depth 1",
        ),
    ],
)
def test_what_is_measured_is_said_in_words(changes, words):
    assert number_words(replace(NUMBER, **changes)) == words


def test_the_documents_are_named_with_what_they_say():
    study = replace(STUDY, passage="B 6.3", says="They say so.")
    page = study_page(study, judged(study), {}, "", [])
    assert "From B 6.3 (B: *ML Foundations (6/9)" in page
    assert "They say so." in page


def test_a_control_that_does_not_come_out_withholds_verdicts_in_plain_sight():
    study = replace(STUDY, controls=(Control("sane", "ReLU is perfect", NUMBER, above=0.99),))
    page = study_page(study, judged(study), {}, "", [])
    assert "**Of 2 claims: 2 withheld**, because control sane did not come out. Without it: 1 supported" in page
    assert "would be supported" in page


def test_a_claim_that_was_changed_after_runs_were_made_is_named():
    assert "**Changed after runs were made**: bad." in study_page(STUDY, judged(STUDY), {}, "", ["bad"])
