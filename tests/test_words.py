"""Names and numbers as people read them."""

import math
from dataclasses import replace

import pytest
from test_design import NUMBER, TOY

from research.design import Claim
from research.plan import load_study, study_names
from research.words import METRICS, digits, edge, escaped, number_words, quantity, region_text, unit_of, word

WIDTHS = (8, 16, 32, 64, 128, 256, 512)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9345, "%", "93.5 %"),
        (-0.012, "points", "-1.20 points"),
        (8600, "", "8,600"),
        (1.11022e-16, "", "1.11 \N{MULTIPLICATION SIGN} 10⁻¹⁶"),
        (1e-9, "", "10⁻⁹"),
        (0.0, "", "0"),
        (math.nan, "%", "- %"),
        (math.inf, "", "∞"),
    ],
)
def test_a_number_is_written_to_three_digits_with_its_unit(value, unit, text):
    assert quantity(value, unit) == text


def test_numbers_that_belong_together_have_the_same_places():
    assert digits((0.0662, -0.0851, 0.242), "%") == ["6.6", "-8.5", "24.2"]
    assert digits((-1e-9, 0.5, 0.25)) == ["0.000", "0.500", "0.250"]


def test_numbers_that_lie_close_get_places_until_they_differ():
    assert digits((0.99921, 0.99905, 0.99948)) == ["0.9992", "0.9990", "0.9995"]
    assert digits((0.9355, 0.934, 0.937), "%") == ["93.5", "93.4", "93.7"]
    assert digits((2.0, 2.0, 2.0)) == ["2.00"] * 3


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(0.02, "%", "2"), (63.99, "", "63.99"), (1e-12, "", "10⁻¹²"), (-2.708, "", "-2.708")]
)
def test_a_declared_number_keeps_its_digits(value, unit, text):
    assert edge(value, unit) == text


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({}, "%"),
        ({"arms": ("relu", "tanh"), "across_arms": "difference"}, "points"),
        ({"arms": ("relu", "tanh"), "across_arms": "spread"}, "points"),
        ({"arms": ("relu", "tanh"), "across_arms": "ratio"}, ""),
        ({"metric": "test_rmse"}, ""),
    ],
)
def test_accuracies_are_percentages_and_their_differences_points(changes, unit):
    claim = Claim("c", "text", "A", "mean", replace(NUMBER, **changes), above=0.5)
    assert unit_of(claim) == unit
    assert region_text(claim) == f"above {'50' if unit else '0.5'} {unit}".strip()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "test accuracy of ReLU, at depth 1"),
        ({"blocks": {"depth": (1, 2)}, "across_blocks": "max"}, "test accuracy of ReLU, the largest over depth 1, 2"),
        (
            {"arms": ("relu", "tanh"), "across_arms": "difference", "metric": "train_progress"},
            "training progress of ReLU minus that of tanh, at depth 1",
        ),
        (
            {"arms": ("relu", "tanh"), "across_arms": "spread"},
            "test accuracy, largest minus smallest of ReLU, tanh, at depth 1",
        ),
        (
            {"arms": ("relu", "tanh"), "across_arms": "ratio"},
            "test accuracy of ReLU, divided by that of tanh, at depth 1",
        ),
        (
            {"blocks": {"depth": (2, 1)}, "across_blocks": "difference"},
            "test accuracy of ReLU, at depth 2 minus the same at depth 1",
        ),
        ({"metric": "twin_difference"}, "largest difference between the two trainings"),
    ],
)
def test_what_is_measured_is_said_in_words(changes, words):
    assert number_words(replace(NUMBER, **changes), TOY) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": (8,)}, "test accuracy at width 8"),
        (
            {"arms": (8, 16), "across_arms": "log_slope"},
            "slope of log test accuracy over log width, over width 8, 16",
        ),
        (
            {"arms": WIDTHS, "across_arms": "first_below", "threshold": 0.0083},
            "smallest width whose test accuracy is below 0.0083 (of 7 levels of width from 8 to 512; 1,024 if none)",
        ),
    ],
)
def test_arms_that_are_numbers_are_named_and_a_block_of_one_level_is_not(changes, words):
    study = load_study("width_sine")
    assert number_words(replace(NUMBER, blocks={"case": ("sine",)}, **changes), study) == words


def test_a_block_level_without_a_name_of_its_own_is_named_with_its_factor():
    study = load_study("width_sine")
    assert number_words(study.controls[0].number, study) == "R² at width 8, with case straight-target"


@pytest.mark.parametrize("name", study_names())
def test_every_metric_that_a_study_judges_is_explained(name):
    study = load_study(name)
    assert {judged.number.metric for judged in study.judged} <= set(METRICS)
    for judged in study.judged:
        assert "_" not in number_words(judged.number, study)


def test_what_has_no_name_of_its_own_loses_its_underscores():
    assert (word("relu"), word("some_thing"), word(4)) == ("ReLU", "some thing", "4")


def test_foreign_text_cannot_end_a_cell_or_begin_html():
    assert escaped("a | b\n<script>&") == "a \\| b &lt;script>&amp;"
