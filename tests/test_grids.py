"""A study of several grids has their cells and no others, and its claims are about these."""

from dataclasses import replace

import pytest
from made_up import write_tables
from test_design import NUMBER, TOY, configure

from research.design.description import design_lines
from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study import Claim, Factor, Number, Tier
from research.publishing.results import read_published

DEEP = {"activation": ("relu",), "depth": (4, 8)}
LOW = Claim("low", "It is low.", "A", "mean", NUMBER, below=1)
HIGH = Claim(
    "high", "It is high.", "A", "mean", Number("test_accuracy", ("relu",), {"depth": (4, 8)}, "only", "min"), above=2
)
STUDY = replace(TOY, blocks=(Factor("depth", (1, 2, 4, 8)),), grids=({"depth": (1, 2)}, DEEP), claims=(LOW, HIGH))


def test_the_cells_are_those_of_the_grids_in_the_order_of_the_crossing():
    found = [(cell.levels["activation"], cell.levels["depth"]) for cell in make_plan(STUDY).cells]
    assert found == [("tanh", 1), ("tanh", 2), ("relu", 1), ("relu", 2), ("relu", 4), ("relu", 8)]
    twice = replace(STUDY, grids=(*STUDY.grids, DEEP))
    assert [cell.key for cell in make_plan(twice).cells] == [cell.key for cell in make_plan(STUDY).cells]


def test_a_tier_keeps_of_each_grid_what_it_names():
    assert [cell.levels["activation"] for cell in make_plan(STUDY, "smoke").cells] == ["tanh", "relu"]
    with pytest.raises(UserError, match="toy: tier 'few' keeps no cell of the grids"):
        replace(STUDY, tiers={**TOY.tiers, "few": Tier(2, levels={"activation": ("tanh",), "depth": (8,)})})


def test_each_grid_is_described():
    text = design_lines(make_plan(STUDY))
    assert "- What is compared: activation: tanh, ReLU.\n- Crossed with depth: 1, 2.\n" in text
    assert "- Also compared: activation: ReLU.\n- Crossed with depth: 4, 8.\n" in text
    assert "of each of 6 cells." in text


def test_claims_are_judged_on_the_cells_of_a_grid(tmp_path):
    folder = write_tables(STUDY, tmp_path / "toy", test_accuracy=lambda row, _: row["depth"] / 2)
    published = read_published(STUDY, folder)
    assert published.judgement is not None
    low, high = published.judgement.claims
    assert (low.verdict, high.verdict) == ("supported", "inconclusive")
    assert set(low.values) == {0.5}
    assert set(high.values) == {2.0}


def test_a_claim_about_a_cell_that_is_in_no_grid_is_refused():
    number = replace(NUMBER, arms=("tanh",), blocks={"depth": (8,)})
    with pytest.raises(UserError, match="claim 'c' needs the cell activation=tanh, depth=8, in no grid"):
        replace(STUDY, claims=(Claim("c", "It is so.", "A", "mean", number, below=1),))


def test_a_factor_that_varies_in_no_grid_by_itself_is_not_taken_for_one_that_is_ignored():
    grids = ({"activation": ("tanh",), "depth": (1,)}, {"activation": ("relu",), "depth": (2,)})
    assert len(make_plan(replace(TOY, grids=grids)).cells) == 2
    with pytest.raises(UserError, match="ignores factor 'depth'"):
        replace(TOY, configure=lambda activation, depth: configure(activation, 1))
