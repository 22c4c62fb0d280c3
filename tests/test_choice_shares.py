"""What each choice has in a claim's numbers: a description of the universes."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from test_findings import claim
from test_verdict import seeds

from research.design.streams import stream
from research.design.study import Factor, Metric
from research.judging.choice_shares import Point, choice_shares
from research.judging.findings import finding_of

CHOICES = (Factor("a", (1, 2, 3)), Factor("b", ("x", "y")), Factor("c", ("u", "v")))
UNIVERSES = [
    dict(zip("abc", levels, strict=True)) for levels in itertools.product(*(choice.levels for choice in CHOICES))
]


def points(number, scatter=0.01, kind="mean"):
    """A point for each universe, of five seeds around what a function says of its levels."""
    noise = stream(3, "shares tests").normal(0, scatter, (len(UNIVERSES), 5))
    return [
        Point(levels, finding_of(claim(kind=kind, above=0.5), Metric(), seeds(*number(**levels) + row), 0.05, 5, True))
        for levels, row in zip(UNIVERSES, noise, strict=True)
    ]


@pytest.mark.parametrize("kind", ["mean", "most", "existence"])
def test_shares_come_in_order_of_their_size_and_sum_to_one(kind):
    found = choice_shares(points(lambda a, b, c: 0.1 * a + (b == "y"), kind=kind), CHOICES, False)
    assert [share.choice for share in found] == ["b", "a", "c"]
    assert sum(share.shapley for share in found) == pytest.approx(1)


def test_what_two_choices_do_together_is_shared_evenly():
    either = choice_shares(points(lambda a, b, c: float((b == "y") != (c == "v"))), CHOICES, False)
    assert {share.choice for share in either[:2]} == {"b", "c"}
    assert [share.shapley for share in either] == pytest.approx([0.5, 0.5, 0], abs=0.02)


def test_errors_can_be_compared_by_their_logarithms():
    found = choice_shares(points(lambda a, b, c: 10.0**-a, scatter=0.0), CHOICES, True)
    assert found[0].choice == "a"
    assert found[0].shapley == pytest.approx(1)


def test_a_universe_without_a_number_has_no_part_and_one_alone_no_shares():
    some = points(lambda a, b, c: float(a))
    unknown = [replace(point, finding=replace(point.finding, number=math.nan)) for point in some[4:]]
    found = choice_shares([*some[:4], *unknown], CHOICES, False)
    assert {share.choice for share in found} == {"b", "c"}  # the numbers of one level of a are left
    assert choice_shares(some[:1], CHOICES, False) == ()
    unjudged = [replace(point, finding=replace(point.finding, verdict="not judged")) for point in some]
    assert choice_shares(unjudged, CHOICES, False) == ()


def test_a_constant_is_nobodys():
    found = choice_shares(points(lambda a, b, c: np.float64(1.0), scatter=0.0), CHOICES, False)
    assert [share.shapley for share in found] == [0, 0, 0]
