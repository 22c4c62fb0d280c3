"""What holds for numbers that are read in a layer, at a time or place, or over a prediction."""

import math
from dataclasses import replace

import pandas as pd
import pytest
from test_findings import claim, make_runs, number, study

from research.design.digests import judged_digests
from research.design.errors import UserError
from research.design.task import Metric
from research.design.wording import number_words, unit_of
from research.judging.columns import with_columns
from research.judging.findings import judge

RUNS = make_runs(6)
HEAD = RUNS[["cell", "activation", "depth", "seed"]]
TABLES = {
    "curves": pd.concat(HEAD.assign(epoch=epoch, loss=RUNS["score"] + epoch) for epoch in (0, 5)),
    "layers": pd.concat(
        HEAD.assign(epoch=epoch, layer=layer, norm=RUNS["score"] + 10 * layer + epoch)
        for epoch in (0, 5)
        for layer in (1, 2)
    ),
    "profiles": pd.concat(HEAD.assign(place=place, fit=RUNS["score"] * place) for place in (0, 3)),
}
CASES = {
    "loss": ({"epoch": 5}, lambda score: score + 5),
    "norm": ({"layer": 2, "epoch": 5}, lambda score: score + 25),
    "fit": ({"place": 3}, lambda score: 3 * score),
}


def judged(metric="score", at=(), over="", predictions=None, **more):
    measured = replace(number(), metric=metric, at=dict(at), over=over)
    return replace(study(), predictions=predictions or {}, claims=(claim(measured=measured, **more),))


@pytest.mark.parametrize("metric", CASES)
def test_a_number_is_read_where_it_is_said_and_joined_as_any_other(metric):
    at, expected = CASES[metric]
    asked = judged(metric, at)
    runs = with_columns(asked, RUNS, **TABLES)
    column = asked.claims[0].number.column
    assert runs[column].tolist() == pytest.approx(expected(RUNS["score"]).tolist())
    finding = judge(asked, runs, 6, complete=True).claims[0]
    (plain,) = judge(judged(), RUNS.assign(score=expected(RUNS["score"])), 6, complete=True).claims
    assert (finding.number, finding.low, finding.verdict) == (plain.number, plain.low, plain.verdict)


def test_a_number_over_a_prediction_is_divided_by_what_it_gives_at_the_cells_levels():
    asked = judged(over="theory", predictions={"theory": lambda activation, depth: 2.0 * depth})
    runs = with_columns(asked, RUNS, **TABLES)
    assert runs["score_over_theory"].tolist() == pytest.approx((RUNS["score"] / RUNS["depth"] / 2).tolist())


def test_metrics_stay_in_order_and_what_is_there_is_not_made_again():
    asked = judged("loss", {"epoch": 5})
    runs = with_columns(asked, RUNS.assign(zeta=1.0), **TABLES)
    metrics = [name for name in runs if name not in ("cell", "activation", "depth", "seed")]
    assert metrics == sorted(metrics)
    marked = runs.assign(loss_at_epoch_5=7.0)
    assert with_columns(asked, marked, **TABLES).equals(marked)
    assert with_columns(judged(), RUNS, **TABLES) is RUNS


def test_a_replicate_without_such_a_row_has_no_number():
    curves = TABLES["curves"][TABLES["curves"]["seed"] != 3]
    runs = with_columns(judged("loss", {"epoch": 5}), RUNS, curves, TABLES["layers"], TABLES["profiles"])
    assert runs["loss_at_epoch_5"].isna().tolist() == (runs["seed"] == 3).tolist()


@pytest.mark.parametrize(
    ("metric", "at"), [("loss", {"epoch": 7}), ("norm", {"layer": 9, "epoch": 5}), ("gone", {"place": 0})]
)
def test_a_place_that_no_run_has_is_named(metric, at):
    with pytest.raises(UserError, match=f"no run has {metric} at {next(iter(at))} {next(iter(at.values()))}"):
        with_columns(judged(metric, at), RUNS, **TABLES)


@pytest.mark.parametrize("at", [{"layer": 1}, {"time": 1}, {"place": 1, "epoch": 1}, {"epoch": -1}])
def test_a_place_that_cannot_be_is_refused(at):
    with pytest.raises(UserError, match="must name epoch or step, layer and epoch or step, or place"):
        judged("loss", at)


def test_a_prediction_that_is_not_there_or_gives_nothing_to_divide_by_is_named():
    with pytest.raises(UserError, match="'c' is over the prediction 'theory', the study has none"):
        judged(over="theory")
    for value in (0.0, math.nan, "high", None):
        asked = judged(over="theory", predictions={"theory": lambda activation, depth, value=value: value})
        with pytest.raises(UserError, match=r"prediction 'theory' at .* which nothing can be divided by"):
            with_columns(asked, RUNS, **TABLES)
    asked = judged(over="theory", predictions={"theory": lambda activation, depth: 1 / 0})
    with pytest.raises(UserError, match=r"prediction 'theory' at .* raises ZeroDivisionError"):
        with_columns(asked, RUNS, **TABLES)


def test_where_it_is_read_and_what_it_is_divided_by_are_part_of_the_claims_digest():
    def digest(**more):
        return judged_digests(judged(**more))["c"]

    def theory(factor):
        return {"theory": lambda activation, depth: factor * depth}

    plain = digest()
    assert len({plain, digest(at={"epoch": 1}), digest(at={"epoch": 2})}) == 3
    by_two, by_three = (digest(over="theory", predictions=theory(factor)) for factor in (2, 3))
    assert len({plain, by_two, by_three}) == 3
    assert digest(predictions=theory(2)) == plain


def test_it_is_said_where_it_is_read_and_a_share_over_a_prediction_is_no_percentage():
    asked = judged("norm", {"layer": 2, "epoch": 5}, "theory", {"theory": lambda activation, depth: 1.0})
    text = number_words(asked.claims[0].number, asked)
    assert text.startswith("norm in layer 2 at epoch 5, over the prediction theory")
    assert unit_of(replace(number(), over="theory"), Metric(unit="%")) == ""
    assert unit_of(number(), Metric(unit="%")) == "%"
