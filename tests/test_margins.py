"""At which margin a verdict would be another: found exactly, whatever the claim."""

import math
from dataclasses import replace

import numpy as np
import pytest
from test_findings import claim, number
from test_samples import of_widths, width_runs

from research.design.streams import stream
from research.judging.margins import margins
from research.judging.samples import Sample, sample
from research.judging.verdict import outcome

INF = math.inf
VALUES = stream(5, "margins").normal(size=20)


def known(values):
    return Sample(np.asarray(values, dtype=float), np.asarray(values, dtype=float))


def found(judged, seeds, error=0.05, places=(), resampled=None):
    return margins(judged, seeds, error, resampled or (lambda _: seeds), np.array(places))


def test_the_edge_of_a_count_can_go_up_to_an_order_statistic():
    (edge,) = found(claim(kind="most", above=-9.0), known(range(20)))
    assert (edge.what, edge.chosen, edge.low, edge.high) == ("above", -9.0, -INF, 5.0)
    assert (edge.under, edge.over) == ("supported", "inconclusive")
    (edge,) = found(claim(kind="most", above=9.5), known(range(20)))
    assert (edge.low, edge.under, edge.high, edge.over) == (5.0, "supported", 14.0, "refuted")


@pytest.mark.parametrize("kind", ["most", "share", "mean", "identity", "existence", "always"])
@pytest.mark.parametrize(
    "region", [{"above": 0.1}, {"below": 0.4}, {"above": -0.3, "below": 0.9}, {"above": -0.2, "below": 0.2}]
)
def test_up_to_the_change_the_verdict_is_the_same_and_beyond_it_is_the_one_that_is_named(kind, region):
    judged = claim(kind=kind, measured=number(resolution=0.0), **region)
    seeds = known(VALUES)
    here = outcome(judged, seeds, 0.05).verdict
    edges = found(judged, seeds)
    assert [edge.what for edge in edges] == (["within"] if len(region) == 2 and region["above"] == -0.2 else [*region])
    for edge in edges:
        for end, changed, out in ((edge.low, edge.under, -1), (edge.high, edge.over, 1)):
            inner, beyond = (end - out * 1e-9, end + out * 1e-9) if math.isfinite(end) else (out * 1e9, out * 1e9)
            for at, expected in ((inner, here), (beyond, changed)):
                moved = {"above": -at, "below": at} if edge.what == "within" else {edge.what: at}
                if not {**region, **moved}.get("above", -INF) < {**region, **moved}.get("below", INF):
                    continue
                assert outcome(replace(judged, **moved), seeds, 0.05).verdict == expected


def test_a_margin_that_no_other_would_change_says_so():
    (edge,) = found(claim(kind="existence", below=0.5), known([9.0, 9.0, 9.0]))
    assert (edge.low, edge.high) == (-INF, 9.0)
    (edge,) = found(claim(kind="most", above=0.5), Sample(np.full(8, -INF), np.full(8, INF)))
    assert (edge.low, edge.high, edge.under, edge.over) == (-INF, INF, "inconclusive", "inconclusive")


def test_a_number_next_to_the_other_edge_leaves_no_margin_between_them():
    next_to = math.nextafter(1.0, 0.0)
    above, below = found(claim(kind="most", above=0.0, below=1.0), known([next_to] * 8))
    assert (above.low, above.high) == (-INF, next_to)
    assert (below.low, below.high) == (next_to, INF)


def test_of_a_mean_the_seeds_inside_are_counted_at_every_seed():
    (edge,) = found(claim(kind="mean", above=0.5, by_hand="a half"), known(VALUES + 3))
    steps = dict(edge.steps)
    assert {value: int((value < VALUES + 3).sum()) for value in VALUES + 3}.items() <= steps.items()
    assert outcome(claim(kind="mean", above=edge.high + 1e-9), known(VALUES + 3), 0.05).verdict == edge.over


def test_a_threshold_is_moved_through_all_that_was_measured():
    runs = width_runs(lambda width, seed: (1 + seed / 10) / width)
    measured = of_widths("first_below", threshold=0.05)
    judged = claim(kind="always", measured=measured, above=8.0, below=128.0)
    seeds = sample(measured, "width", runs)
    (edge,) = found(
        judged, seeds, 0.05, runs["score"], lambda at: sample(replace(measured, threshold=at), "width", runs)
    )
    assert (edge.what, edge.chosen) == ("threshold", 0.05)
    assert edge.low == pytest.approx(1.2 / 32)  # the last seed's first width is 128 below that
    assert edge.high == pytest.approx(1 / 8)
    assert (edge.under, edge.over) == ("refuted", "refuted")


def test_where_a_margin_was_chosen_by_hand_each_other_has_its_number_of_seeds():
    judged = claim(kind="most", above=0.0)
    assert found(judged, known(VALUES))[0].steps == ()
    (edge,) = found(replace(judged, by_hand="half the width of the line"), known(VALUES))
    assert all(count == (at < VALUES).sum() for at, count in edge.steps)
    assert {0.0, *VALUES.tolist()} <= {at for at, _ in edge.steps}


def test_without_seeds_there_is_no_margin():
    assert found(claim(above=0.0), known([])) == ()
