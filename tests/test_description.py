"""A design in words says all that matters of the configurations, and no more."""

from dataclasses import replace

import pytest
from test_design import TOY

from research.design.description import cell_words, design_lines, field_words, shown_fields, varying_words
from research.design.plan import make_plan
from research.design.study import Control, Number
from research.design.study_files import load_study, study_names
from research.training.config import TrainConfig


def test_arms_blocks_seeds_and_what_is_the_same_are_listed():
    text = design_lines(make_plan(TOY))
    assert "- What is compared: activation: tanh, ReLU." in text
    assert "- Crossed with depth: 1, 2." in text
    assert "- 3 seeds (0 to 2) of each of 4 cells." in text
    assert (
        "data set digits, width 128, initialisation default, loss cross-entropy, optimiser SGD, learning rate 0.1"
        in text
    )


def test_a_smaller_tier_is_described_as_it_was_run():
    text = design_lines(make_plan(TOY, "smoke"))
    assert "- 2 seeds (0 to 1) of each of 2 cells." in text
    assert "- Crossed with depth: 1." in text


def test_fields_at_their_default_are_left_out_and_so_is_the_horizon_that_does_not_count():
    names = shown_fields([TrainConfig(dataset="digits")])
    assert "epochs" in names
    assert not {"steps", "momentum", "head", "measures"} & set(names)
    names = shown_fields([TrainConfig(steps=100, evaluate_every=50, momentum=0.9)])
    assert {"steps", "evaluate_every", "momentum"} <= set(names)
    assert "epochs" not in names


def test_values_are_written_as_words():
    config = TrainConfig(optimizer="adam", probe_epochs=(0, 1))
    assert field_words(config, ["optimizer", "probe_epochs"]) == "optimiser Adam, looked into after epochs 0, 1"


def test_a_field_that_a_factor_decides_is_said_by_its_levels():
    study = load_study("pixel_shuffle")
    cells = make_plan(study).cells[:4]
    assert varying_words("width", study, cells) == "Width: 128 for the MLP, 147 for the CNN."


def test_a_cell_for_a_control_says_in_what_it_differs():
    cells = ({"activation": "identity", "depth": 1},)
    number = Number("test_accuracy", ("identity",), {"depth": (1,)}, "only", "only")
    study = replace(TOY, controls=(Control("c", "text", number, above=0.0, cells=cells),))
    assert "- For a control, identity depth=1." in design_lines(make_plan(study))
    one, other = make_plan(TOY).cells[0], make_plan(load_study("width_sine")).cells[0]
    assert "steps 5000" in cell_words(other, one)
    assert "epochs" not in cell_words(other, one)


@pytest.mark.parametrize("name", study_names())
def test_no_study_leaves_a_field_in_code(name):
    text = design_lines(make_plan(load_study(name)))
    assert "measures" not in text
    assert "probe_epochs" not in text
    assert "differs from cell to cell" not in text
