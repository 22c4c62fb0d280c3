"""How a seed's number is made from the runs, and where it lies when a replicate diverged or never arrived."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_findings import make_runs, number, spoiled

from research.design.study import Number
from research.design.task import Metric
from research.judging.samples import sample

WIDTHS = (8, 32, 128)


def width_runs(score, as_text=False):
    """Three seeds of the widths 8, 32 and 128, in disorder; the score is a function of width and seed."""
    return pd.DataFrame(
        [
            {"cell": f"width={width}", "width": str(width) if as_text else width, "case": "sine", "seed": seed,
             "diverged_step": math.nan, "score": score(width, seed)}
            for seed, width in itertools.product((2, 0, 1), (32, 128, 8))
        ]
    )  # fmt: skip


def of_widths(across, missing=(0.0, math.inf), widths=WIDTHS, **rest):
    return Number("score", widths, {"case": ("sine",)}, across, "only", missing, **rest)


def known(measured, arms, runs):
    """The numbers of seeds of which all are known."""
    found = sample(measured, arms, runs)
    assert found.low.tolist() == found.high.tolist()
    return found.low


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (number(), 0.8),
        (number(("tanh", "relu"), across_arms="spread"), 0.2),
        (number(("tanh", "relu"), across_arms="difference"), -0.2),
        (number(("relu", "tanh"), across_arms="difference"), 0.2),
        (number(("tanh", "relu"), across_arms="max"), 0.8),
        (number(("tanh", "relu"), across_arms="min"), 0.6),
        (number(depths=(1, 2), across_depths="max"), 0.8),
        (number(depths=(1, 2), across_depths="min"), 0.7),
        (number(depths=(1, 2), across_depths="mean"), 0.75),
        (number(depths=(2, 1), across_depths="difference"), -0.1),
        (number(("tanh", "relu"), (2, 1), "max", "difference"), -0.1),
    ],
)
def test_a_seeds_number_joins_its_arms_and_then_its_blocks(measured, expected):
    assert known(measured, "activation", make_runs(4, scatter=0.0)) == pytest.approx([expected] * 4)


@pytest.mark.parametrize("as_text", [False, True])
def test_arms_that_are_numbers_are_joined_by_their_size(as_text):
    runs = width_runs(lambda width, seed: (seed + 1) * width ** -(0.5 + seed), as_text)
    assert known(of_widths("log_slope"), "width", runs) == pytest.approx([-0.5, -1.5, -2.5])
    falling = width_runs(lambda width, seed: 1 / width if seed else 0.02, as_text)
    assert known(of_widths("first_below", threshold=0.05), "width", falling).tolist() == [8, 32, 32]
    never = sample(of_widths("first_below", threshold=0.02), "width", falling)
    assert never.low.tolist() == [pytest.approx(128), 128, 128]
    assert never.high.tolist() == [math.inf, 128, 128]
    assert never.num_open == 1
    ratio = of_widths("ratio", widths=(32, 8))
    assert known(ratio, "width", runs) == pytest.approx([4**-0.5, 4**-1.5, 4**-2.5])


def test_levels_are_found_in_a_table_that_holds_numbers_as_text():
    runs = make_runs()
    assert (known(number(), "activation", runs.astype({"depth": str})) == known(number(), "activation", runs)).all()


@pytest.mark.parametrize(
    "changes", [{"diverged_step": 7.0, "score": math.nan}, {"diverged_step": 7.0}, {"score": math.nan}]
)
def test_a_replicate_that_diverged_lies_inside_the_interval_that_was_declared(changes):
    found = sample(number(missing=(0.0, 1.0)), "activation", spoiled(make_runs(), 2, **changes))
    assert 0 < found.low[2] < 1e-300
    assert 1 > found.high[2] > 1 - 1e-15
    assert (found.num_diverged, found.num_late, found.num_open) == (1, 0, 1)
    anything = sample(number(), "activation", spoiled(make_runs(), 2, **changes))
    assert (anything.low[2], anything.high[2]) == (-math.inf, math.inf)


def test_it_goes_through_every_join_to_the_widest_that_is_possible():
    runs = width_runs(lambda width, seed: 1 / width)
    lost = (runs["width"] == 32) & (runs["seed"] == 1)
    runs.loc[lost, ["diverged_step", "score"]] = [7, math.nan]
    first = sample(of_widths("first_below", threshold=0.05), "width", runs)
    assert (first.low.tolist(), first.high.tolist()) == ([32, 32, 32], [32, 128, 32])
    ratio = sample(of_widths("ratio", widths=(8, 32)), "width", runs)
    assert ratio.low.tolist() == [4.0, pytest.approx(0), 4.0]
    assert ratio.high[1] > 1e300
    slope = sample(of_widths("log_slope", (1 / 64, 1 / 16), widths=(32, 128)), "width", runs)
    assert slope.low[1] == pytest.approx(-1.5)
    assert slope.high[1] == pytest.approx(-0.5)


def test_a_number_from_before_training_stays_when_its_replicate_diverges_later():
    runs = make_runs().rename(columns={"score": "backward_factor"})
    before = replace(number(), metric="backward_factor")
    found = sample(before, "activation", spoiled(runs, 2, diverged_step=7.0), Metric(is_trained=False))
    assert found.low.tolist() == known(before, "activation", runs).tolist()
    assert (found.num_diverged, found.num_open) == (0, 0)
    without = sample(
        before, "activation", spoiled(runs, 2, diverged_step=7.0, backward_factor=math.nan), Metric(is_trained=False)
    )
    assert (without.num_diverged, without.num_open) == (1, 1)


def arriving(steps, reached):
    """Runs of ReLU at depth 1 that took so many steps to the target, or never arrived."""
    runs = make_runs(len(steps))
    runs = runs[(runs["activation"] == "relu") & (runs["depth"] == 1)]
    return runs.assign(steps_to_target=steps, reached_target=reached, diverged_step=math.nan)


ARRIVING = Metric(arrived="reached_target")
STEPS = replace(number(missing=(0.0, math.inf)), metric="steps_to_target")


def test_what_never_arrived_lies_beyond_where_counting_ended_and_not_at_it():
    found = sample(STEPS, "activation", arriving([100.0, 250.0, 300.0], [1, 1, 0]), ARRIVING)
    assert found.low.tolist() == [100, 250, np.nextafter(300, 301)]
    assert found.high.tolist() == [100, 250, math.inf]
    assert (found.num_diverged, found.num_late) == (0, 1)


def test_what_had_arrived_before_it_diverged_has_arrived():
    runs = arriving([100.0, 300.0], [1, 0]).assign(diverged_step=120.0)
    found = sample(STEPS, "activation", runs, ARRIVING)
    assert found.low.tolist() == [100, np.nextafter(300, 301)]
    assert (found.num_diverged, found.num_late) == (0, 1)


def test_without_a_word_on_whether_it_arrived_it_is_not_taken_to_have():
    found = sample(STEPS, "activation", arriving([100.0, 300.0], [1, 1]).drop(columns="reached_target"), ARRIVING)
    assert found.num_late == 2


def test_what_was_not_measured_is_named():
    runs = make_runs()
    unmeasured = spoiled(runs.assign(score=math.nan), 2, diverged_step=7.0)  # one diverged, the others have no score
    for less in (runs[runs["depth"] == 2], runs.drop(columns="score"), unmeasured):
        found = sample(number(), "activation", less)
        assert (len(found.low), found.problem) == (0, "score was not measured at activation=relu, depth=1")
    every = sample(number(missing=(0.0, 1.0)), "activation", runs.assign(score=math.nan, diverged_step=3.0))
    assert (every.num_open, every.problem) == (5, "")
