"""Names and numbers as people read them."""

import math
from dataclasses import replace

import pytest
from test_design import NUMBER, TOY

from research.design.study import Claim, Factor, Number
from research.design.study_files import load_study, study_names
from research.design.wording import (
    choice_level,
    counted,
    digits,
    duration,
    edge,
    escaped,
    factor_word,
    label,
    level_label,
    number_words,
    quantity,
    region_text,
    under,
    unit_of,
    word,
)

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


def test_the_open_end_of_an_interval_at_nothing_is_nothing():
    """What lies below 0 ends at the number next to it, which nobody would read."""
    assert quantity(math.nextafter(0, -1)) == "0"
    assert quantity(math.nextafter(0, 1), "%") == "0 %"


def test_numbers_that_belong_together_have_the_same_places():
    assert digits((0.0662, -0.0851, 0.242), "%") == ["6.6", "-8.5", "24.2"]
    assert digits((-1e-9, 0.5, 0.25)) == ["0.000", "0.500", "0.250"]


def test_numbers_that_lie_close_get_places_until_they_differ():
    assert digits((0.99921, 0.99905, 0.99948)) == ["0.9992", "0.9990", "0.9995"]
    assert digits((0.9355, 0.934, 0.937), "%") == ["93.5", "93.4", "93.7"]
    assert digits((2.0, 2.0, 2.0)) == ["2.00"] * 3


def test_numbers_as_far_apart_as_can_be_are_written_too():
    assert digits((-1.7e308, 1.7e308)) == [f"{sign}1.7 \N{MULTIPLICATION SIGN} 10³⁰⁸" for sign in ("-", "")]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.02, "%", "2"),
        (63.99, "", "63.99"),
        (1e-12, "", "10⁻¹²"),
        (-2.708, "", "-2.708"),
        (-0.0, "", "0"),
        (0.07, "%", "7"),
        (0.12345678, "", "0.12345678"),
        (0.12345678, "%", "12.345678"),
        (1234567.25, "", "1,234,567.25"),
        (2 - 1e-10, "", "1.9999999999"),
        (0.21 * 0.99 + 1 / 3, "%", "54.12"),
        (2.0**-23, "", "1.192 \N{MULTIPLICATION SIGN} 10⁻⁷"),
        (1.5e-7, "", "1.5 \N{MULTIPLICATION SIGN} 10⁻⁷"),
        (math.inf, "", "∞"),
        (-math.inf, "%", "-∞"),
    ],
)
def test_a_declared_number_keeps_its_digits_unless_it_was_computed(value, unit, text):
    assert edge(value, unit) == text


@pytest.mark.parametrize(
    ("changes", "unit"),
    [
        ({}, "%"),
        ({"arms": ("relu", "tanh"), "across_arms": "difference"}, "points"),
        ({"arms": ("relu", "tanh"), "across_arms": "spread"}, "points"),
        ({"arms": ("relu", "tanh"), "across_arms": "ratio"}, ""),
        ({"metric": "test_loss"}, ""),
    ],
)
def test_accuracies_are_percentages_and_their_differences_points(changes, unit):
    claim = Claim("c", "text", "A", "mean", replace(NUMBER, **changes), above=0.5)
    assert unit_of(claim.number, TOY.metric(claim.number.metric)) == unit
    assert region_text(claim, unit) == f"above {'50' if unit else '0.5'} {unit}".strip() + " on average"


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
        (
            {"arms": ("relu", "tanh"), "across_arms": "mean", "blocks": {"depth": (1, 2)}, "across_blocks": "spread"},
            "test accuracy, the mean of ReLU, tanh, largest minus smallest over depth 1, 2",
        ),
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
            "smallest width whose test accuracy is below 0.0083 (of 7 levels of width from 8 to 512; "
            "beyond them if none)",
        ),
    ],
)
def test_arms_that_are_numbers_are_named_and_a_block_of_one_level_is_not(changes, words):
    study = load_study("width_sine")
    assert number_words(replace(NUMBER, blocks={"case": ("sine",)}, **changes), study) == words


def test_a_difference_of_blocks_says_at_which_levels_the_others_are():
    study = replace(TOY, blocks=(*TOY.blocks, Factor("width", (8, 32))), configure=lambda activation, depth, width: (
        replace(TOY.configure(activation, depth), width=width)
    ))  # fmt: skip
    number = replace(NUMBER, blocks={"depth": (1, 2), "width": (32,)}, across_blocks="difference")
    assert number_words(number, study) == "test accuracy of ReLU, at width 32 and at depth 1 minus the same at depth 2"


def test_a_block_level_without_a_name_of_its_own_is_named_with_its_factor():
    study = load_study("width_sine")
    number = Number("test_r_squared", (8,), {"case": ("straight-target",)}, "only", "only")
    assert number_words(number, study) == "R² at width 8, with case straight-target"


@pytest.mark.parametrize("name", study_names())
def test_every_metric_that_a_study_judges_is_explained(name):
    study = load_study(name)
    assert all(study.metric(judged.number.metric).label for judged in study.judged)
    for judged in study.judged:
        assert "_" not in number_words(judged.number, study)


def test_what_has_no_word_of_its_own_loses_its_underscores():
    assert (word("relu", {"relu": "ReLU"}), word("some_thing"), word(4)) == ("ReLU", "some thing", "4")


def test_a_column_is_called_by_its_label_and_unit_on_an_axis():
    names = ("train_loss", "test_accuracy", "depth", "no_such")
    assert [label(name, TOY) for name in names] == ["training loss (nats)", "test accuracy", "depth", "no such"]


def test_a_metric_that_says_where_it_is_measured_is_told_without_arm_and_block():
    study = load_study("pixel_shuffle")
    number = Number("twin_difference", ("permuted",), {"network": ("mlp",)}, "only", "only")
    assert number_words(number, study) == "largest difference between the two trainings"


def test_words_of_a_study_stand_before_those_of_its_tasks():
    arms = Factor("activation", ("tanh", "relu"), "kink", words={"relu": "ramp"}, in_text={"tanh": "the tangent"})
    study = replace(TOY, arms=arms)
    assert number_words(NUMBER, study) == "test accuracy of ramp, at depth 1"
    assert number_words(replace(NUMBER, arms=("tanh",)), study) == "test accuracy of the tangent, at depth 1"
    factor = study.factor("activation")
    assert (factor_word(factor), level_label(factor, "tanh"), factor.phrase) == ("kink", "tanh", "")
    assert TOY.factor("activation").phrase == "with {}"


def test_a_level_that_is_a_number_may_have_a_word():
    depth = Factor("depth", (1, 2), words={1: "shallow"})
    number = replace(NUMBER, blocks={"depth": (1,)})
    assert number_words(number, replace(TOY, blocks=(depth,))) == "test accuracy of ReLU, with shallow"
    assert (choice_level(depth, 1), under(depth, (1, 2))) == ("shallow", "with depth shallow or 2")


def test_foreign_text_cannot_end_a_cell_or_begin_html():
    assert escaped("a | b\n<script>&") == "a \\| b &lt;script>&amp;"


CORE = ("activation_depth", "loss_convergence", "pixel_shuffle", "width_sine")
CHOICES = {name: study for study in map(load_study, CORE) for name in study.reference}


@pytest.mark.parametrize(
    ("choice", "levels", "text"),
    [
        ("init", ("default", "xavier", "he"), "under default, Xavier or He initialisation"),
        ("optimizer", ("sgd",), "with SGD"),
        ("rate", ("customary", "tuned"), "at the customary or a tuned rate"),
        ("horizon", (5, 20000), "at a horizon of 5 or 20,000"),
        ("squares", ("half-sum", "mean"), "with half the sum or the mean of squares"),
        ("head", ("dense",), "with a dense head"),
        ("training_size", ("small",), "with few training examples"),
        ("width", (128, 512), "at width 128 or 512"),
    ],
)
def test_levels_of_a_choice_are_said_in_running_text(choice, levels, text):
    assert under(CHOICES[choice].factor(choice), levels) == text


def test_a_choice_without_words_is_said_with_its_name():
    some = Factor("some_thing", ("a", "b"))
    assert (factor_word(some), under(some, ("a", "b"))) == ("some thing", "with some thing a or b")
    assert under(some, ("a", "b"), every=True) == "with either some thing"
    assert under(replace(some, phrase="{} of things"), ("a", "b"), every=True) == "with either some thing"


def test_where_all_levels_of_a_choice_are_meant_none_is_named():
    study = load_study("activation_depth")
    every = {name: under(study.factor(name), study.factor(name).levels, every=True) for name in study.reference}
    assert every == {
        "init": "under every initialisation",
        "optimizer": "with either optimiser",
        "rate": "at every rate",
        "horizon": "at either horizon",
        "width": "at either width",
        "data": "on either data set",
    }


def test_in_a_row_of_a_figure_a_level_is_called_by_a_word():
    rows = (("init", "he"), ("rate", "tuned"), ("horizon", 20000), ("head", "dense"), ("training_size", "small"))
    assert [choice_level(CHOICES[name].factor(name), level) for name, level in rows] == [
        "He", "tuned", "20,000", "dense", "few"
    ]  # fmt: skip


@pytest.mark.parametrize("name", study_names())
def test_every_choice_of_a_study_can_be_said(name):
    study = load_study(name)
    for choice in (study.factor(choice.name) for choice in study.choices):
        assert "_" not in factor_word(choice) + under(choice, choice.levels)
        assert len({choice_level(choice, level) for level in choice.levels}) == len(choice.levels)


def test_a_line_in_a_name_is_a_blank_between_words_alone():
    assert [word(name) for name in ("no_such_word", "a_", "a__b")] == ["no such word", "a_", "a__b"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (600, "10 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_a_duration_is_written_in_the_unit_that_fits(seconds, text):
    assert duration(seconds) == text


def test_one_thing_is_not_in_the_plural():
    assert (counted(1, "stack"), counted(2, "stack")) == ("1 stack", "2 stacks")
