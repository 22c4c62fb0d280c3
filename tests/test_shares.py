"""What each choice has in a claim's numbers, and when a choice or a pair is said to decide."""

import itertools
import math

import numpy as np
import pytest

from research.data import stream
from research.design import Claim, Factor, Number
from research.shares import SEEDS, Point, decomposed, seed_scatter
from research.stats import mean_interval
from research.verdict import Sample, finding_of

CHOICES = (Factor("a", (1, 2, 3)), Factor("b", ("x", "y")), Factor("c", ("u", "v")))
UNIVERSES = [
    dict(zip("abc", levels, strict=True)) for levels in itertools.product(*(choice.levels for choice in CHOICES))
]


def claim(kind="mean", resolution=1e-6):
    return Claim("c", "text", "A", kind, Number("m", ("x",), {}, "only", "only", 0.0, resolution), above=0.5)


def finding(values, judged=None):
    return finding_of(judged or claim(), Sample(np.asarray(values, dtype=float)), 0.95, len(values), True)


def points(number, scatter=0.01, universes=UNIVERSES):
    """A point for each universe, of five seeds around what a function says of its levels."""
    noise = stream(3, "shares tests").normal(0, scatter, (len(universes), 5))
    return [
        Point(levels, finding(number(**levels) + row)) for levels, row in zip(universes, noise, strict=True)
    ]  # fmt: skip


def test_shares_come_in_order_of_their_size_and_sum_to_one():
    found = decomposed(claim(), points(lambda a, b, c: 0.1 * a + (b == "y")), CHOICES, False)
    assert [share.choice for share in found.choices] == ["b", "a", "c"]
    assert sum(share.shapley for share in found.choices) == pytest.approx(1)
    assert (found.deciding, found.reason) == (("b",), "")
    assert found.pairs[-1].interaction == pytest.approx(0, abs=0.01)


def test_two_choices_that_add_up_decide_together():
    found = decomposed(claim(), points(lambda a, b, c: float(b == "y") + float(c == "v") * 1.05), CHOICES, False)
    assert found.deciding == ("b", "c")
    either = decomposed(claim(), points(lambda a, b, c: float((b == "y") != (c == "v"))), CHOICES, False)
    assert either.deciding == ("b", "c")
    assert either.deciding_share > 0.99


def test_three_equal_parts_have_no_choice_that_stands_out():
    def parity(a, b, c):
        return float((a % 2 + (b == "y") + (c == "v")) % 2)

    found = decomposed(claim(), points(parity), CHOICES, False)
    assert (found.deciding, found.reason) == ((), "no choice stands out")


def test_a_choice_that_is_the_only_one_decides_if_anything_does():
    three = [{"a": level} for level in (1, 2, 3)]
    found = decomposed(claim(), points(lambda a: 0.1 * a, universes=three), CHOICES[:1], False)
    assert (found.deciding, found.deciding_share) == (("a",), 1.0)
    same = decomposed(claim(), points(lambda a: 0.1, scatter=0.1, universes=three), CHOICES[:1], False)
    assert (same.deciding, same.reason) == ((), SEEDS)


def test_a_wild_universe_does_not_hide_that_others_differ_for_certain():
    wild = points(lambda a, b, c: float(b == "y"))
    wild[0] = Point(wild[0].levels, finding([0.0, 1.0, 9000.0, 1.0, 0.0]))
    assert decomposed(claim(), wild, CHOICES, False).reason != SEEDS


def test_noise_is_seldom_taken_for_a_choice_that_decides():
    rng, named = stream(4, "shares tests"), 0
    for _ in range(200):
        found = [Point(levels, finding(rng.normal(size=5))) for levels in UNIVERSES]
        named += bool(decomposed(claim(), found, CHOICES, False).deciding)
    assert named <= 10


def test_the_error_of_a_mean_is_that_of_its_seeds_and_at_least_half_the_resolution():
    values = stream(5, "shares tests").normal(size=6)
    number, error, n = seed_scatter(claim(), finding(values), False)
    assert (number, n) == (pytest.approx(values.mean()), 6)
    assert mean_interval(values).high - number == pytest.approx(2.5706 * math.sqrt(error), rel=1e-4)
    coarse = claim(resolution=0.1)
    assert seed_scatter(coarse, finding([0.5] * 5, coarse), False)[1] == pytest.approx(0.05**2)


def test_a_share_of_all_seeds_has_an_error_too():
    share = claim("share")
    assert seed_scatter(share, finding([1.0] * 5, share), False) == (1.0, pytest.approx(7 / 9 * 2 / 9 / 9), 5)


def test_of_an_identity_it_is_the_scatter_of_the_logarithms():
    identity = claim("identity")
    found = finding([-1e-3, 1e-5, 1e-4], identity)
    number, error, _ = seed_scatter(identity, found, True)
    assert (number, error) == (pytest.approx(-3), pytest.approx(1 / 3))
    assert math.isnan(seed_scatter(identity, finding([1e-3], identity), True)[1])
