"""The page of a study says what was asked, found and not found, in words."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from test_design import NUMBER, TOY

from research.design.plan import make_plan
from research.design.streams import stream
from research.design.study import Claim, Control, Study
from research.judging.findings import judge
from research.publishing.pages import measured, study_page

STUDY = replace(
    TOY,
    question="Is a toy a toy?",
    claims=(
        Claim("good", "ReLU is good", "A 'Toys'", "mean", NUMBER, above=0.5),
        Claim("bad", "ReLU is bad", "B 1", "mean", NUMBER, below=0.5),
    ),
    controls=(Control("sane", "ReLU is better than nothing", NUMBER, above=0.0),),
)


def made_up_runs() -> pd.DataFrame:
    values = 0.9 + 0.01 * stream(0, "test").standard_normal(3)
    rows = [
        {
            "cell": f"{arm} depth={depth}",
            "activation": arm,
            "depth": depth,
            "seed": seed,
            "test_accuracy": values[seed],
            "diverged_step": None,
        }
        for arm in ("tanh", "relu")
        for depth in (1, 2)
        for seed in range(3)
    ]
    return pd.DataFrame(rows)


def page_of(study: Study, **more) -> str:
    runs = more.pop("runs", made_up_runs())
    return study_page(make_plan(study), judge(study, runs, 3, complete=True), runs, **{"captions": {}, **more})


@pytest.fixture
def page() -> str:
    return page_of(STUDY, captions={"curve": "A curve. It bends."}, notes="A note.")


def test_it_begins_with_the_question_and_counts_the_verdicts(page):
    assert page.startswith("# Is a toy a toy?\n")
    assert (
        "**2 claims: 1 supported, 1 refuted.**\n\n- *Holds:* “ReLU is good”.\n- *Does not hold:* “ReLU is bad”." in page
    )


def test_every_claim_stands_with_its_passage_region_number_n_and_verdict(page):
    (line,) = [line for line in page.splitlines() if line.startswith("| ReLU is good")]
    assert "A 'Toys'" in line
    assert "test accuracy of ReLU, at depth 1 is above 50 % on average" in line
    assert "| 3 |" in line
    assert "supported" in line


def test_design_controls_figures_notes_and_the_way_to_run_it_again_are_there(page):
    for text in ("activation: tanh, ReLU", "depth: 1, 2", "ReLU is better than nothing",
                 "![A curve](curve.svg)\n\n*A curve. It bends.*",
                 "A note.", "python -m research.study toy", "not of other test sets"):  # fmt: skip
        assert text in page


def test_the_documents_are_named_with_what_they_say():
    study = replace(STUDY, passage="B 6.3", says="They say so.")
    page = page_of(study)
    assert "From B 6.3 (B: *ML Foundations (6/9)" in page
    assert "They say so." in page


def test_a_control_that_is_refuted_withholds_verdicts_in_plain_sight():
    page = page_of(replace(STUDY, controls=(Control("sane", "ReLU is perfect", NUMBER, above=0.99),)))
    assert (
        "**2 claims: 2 withheld.** Verdicts are withheld because a control is refuted: “ReLU is perfect”. Without that "
        "they would be 1 supported, 1 refuted.\n\n- *Would be supported:* “ReLU is good”." in page
    )
    assert "withheld (would be ✔ supported)" in page


def test_what_a_control_does_not_guard_is_not_withheld():
    page = page_of(replace(STUDY, controls=(Control("sane", "ReLU is perfect", NUMBER, above=0.99, guards=("bad",)),)))
    assert "**2 claims: 1 supported, 1 withheld.** Verdicts are withheld because a control is refuted" in page
    assert "- *Holds:* “ReLU is good”.\n- *Would be refuted:* “ReLU is bad”." in page


def test_the_page_says_at_which_margin_a_verdict_would_be_another(page):
    (line,) = [line for line in page.splitlines() if line.startswith("- “ReLU is good”:")]
    assert line.startswith("- “ReLU is good”: lower edge 50 % (inconclusive from ")
    assert line.endswith(" % up).")


def test_what_is_promised_of_the_verdicts_is_said_and_of_which_it_is_not():
    page = page_of(replace(STUDY, claims=(*STUDY.claims, replace(STUDY.claims[0], name="c", kind="always"))))
    assert "each claim has 2.5 % of either" in page
    assert (
        "Outside that promise, since they speak of the cases and seeds that were seen: “ReLU is good” (always)." in page
    )


def test_a_claim_that_was_changed_after_runs_were_made_is_named():
    assert "**Changed after runs were made**: bad." in page_of(STUDY, changed=["bad"])


def test_runs_that_are_not_the_study_as_declared_are_not_judged_and_the_page_says_so():
    plan = make_plan(STUDY, "smoke")
    judgement = judge(STUDY, made_up_runs(), 2, complete=False)
    page = study_page(plan, judgement, made_up_runs(), {})
    assert "These runs are not the study as declared, but `toy-smoke`." in page
    assert "Not judged: the runs are not the whole study as declared." in page
    assert page.count("○ not judged**: the runs are not the whole study as declared |") == 3


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "90.4 % [90.0 to 90.7]"),
        ({"number": 1e-16, "low": math.nan, "high": math.nan, "unit": ""}, "10⁻¹⁶"),
        ({"kind": "most"}, "3 of 3 seeds, median 90.4 % [90.0 to 90.7]; 0 % fail [0 to 71]"),
        ({"kind": "most", "inside": 1}, "from 1 to 3 of 3 seeds, median 90.4 % [90.0 to 90.7]"),
        ({"number": math.nan, "low": -math.inf, "high": 2.0}, "not known [-∞ to 200]"),
        ({"n": 0, "number": math.nan, "low": math.nan}, "-"),
    ],
)
def test_what_was_measured_is_written_with_its_interval(changes, text):
    (finding, _) = judge(STUDY, made_up_runs(), 3, complete=True).claims
    assert measured(replace(finding, **{"number": 0.904, "low": 0.9, "high": 0.907, **changes})) == text


def test_replicates_that_diverged_and_those_that_never_arrive_are_told_apart():
    runs = made_up_runs().assign(cell="some cell", steps_to_target=100.0, reached_target=1.0)
    runs.loc[runs["seed"] == 0, ["steps_to_target", "reached_target"]] = [8600.0, 0.0]
    runs.loc[(runs["seed"] == 1) & (runs["activation"] == "relu"), "diverged_step"] = 7.0
    runs.loc[(runs["seed"] == 1) & (runs["activation"] == "relu"), "steps_to_target"] = math.nan
    number = replace(NUMBER, metric="steps_to_target", missing=(0.0, math.inf))
    study = replace(
        STUDY,
        configure=lambda **levels: replace(TOY.configure(**levels), target_accuracy=0.9),
        controls=(),
        claims=(Claim("slow", "ReLU is slow", "B 1", "mean", number, above=50.0),),
    )
    page = page_of(study, runs=runs)
    assert "diverged, or in which this could not be measured: 1. They can be anything above 0." in page
    assert "when training ended, of which no more is known: 4 of 12 in some cell." in page


def test_foreign_text_stands_as_text():
    claim = Claim("x", "a | <script>alert(1)</script>", "B 1", "mean", NUMBER, above=0.5)
    page = page_of(replace(STUDY, claims=(claim,)))
    assert "a \\| &lt;script>alert(1)&lt;/script>" in page
    assert "<script" not in page
