"""What holds of any numbers: their intervals and how they are joined, and how they are written for people.

The same examples are drawn in every run; with HYPOTHESIS_PROFILE=thorough in the environment twenty times as many.
"""

import math
import re
import sys
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from strategies import examples, levels_of, numbers_in

from research.design.levels import Factor
from research.design.wording import choice_level, digits, edge, listed, of_level, quantity, under
from research.judging.joins import joined
from research.judging.stats import (
    cautious_mean_interval,
    largest_unseen_share,
    mean_interval,
    share_interval,
    two_groups,
)

LEVELS = st.floats(0.5, 0.9999)
small = st.integers(-1000, 1000).map(lambda value: value / 8)  # sums of these are exact
samples = st.lists(small, min_size=2, max_size=12)
measured = (
    st.floats(-1e300, 1e300) | st.floats(-2, 2) | st.sampled_from((0.0, -0.0, 5e-324, -5e-324, 0.9995, 1e7, 1e-4))
)
units = st.sampled_from(("", "%", "points"))


@pytest.mark.parametrize("interval", [mean_interval, cautious_mean_interval])
@examples(100)
@given(samples, st.randoms(use_true_random=False), st.integers(-8, 8), small)
def test_an_interval_holds_its_point_whatever_the_order_and_moves_with_its_numbers(interval, values, rng, power, by):
    found = interval(values)
    assert found.low <= found.mean <= found.high
    assert found.n == len(values)
    other = list(values)
    rng.shuffle(other)
    size = max(map(abs, (*found[:3], by)))
    assert interval(other)[:3] == pytest.approx(found[:3], rel=1e-12, abs=1e-12 * size)
    moved = interval([value + by for value in values])
    assert moved[:3] == pytest.approx([end + by for end in found[:3]], rel=1e-12, abs=1e-12 * size)
    assert interval([2.0**power * value for value in values])[:3] == tuple(2.0**power * end for end in found[:3])


@pytest.mark.parametrize("interval", [mean_interval, cautious_mean_interval])
@examples(100)
@given(samples, LEVELS, LEVELS)
def test_a_higher_level_never_makes_an_interval_narrower(interval, values, level, higher):
    narrow, wide = (interval(values, at) for at in sorted((level, higher)))
    assert wide.mean == narrow.mean
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@examples(100)
@given(samples, LEVELS, st.floats(0, 10))
def test_a_cautious_interval_holds_students_and_the_resolution(values, level, resolution):
    cautious, student = cautious_mean_interval(values, level, resolution), mean_interval(values, level)
    assert cautious.low <= min(student.low, cautious.mean - resolution)
    assert cautious.high >= max(student.high, cautious.mean + resolution)


@examples(50)
@given(st.floats(-1e6, 1e6), st.integers(3, 12), LEVELS, st.floats(0, 10))
def test_the_interval_of_equal_values_is_the_resolution(value, n, level, resolution):
    found = cautious_mean_interval([value] * n, level, resolution)
    assert found[:3] == pytest.approx((value, value - resolution, value + resolution), rel=1e-12)


@examples(100)
@given(st.lists(st.floats(-1e9, 1e9) | small, max_size=12), st.randoms(use_true_random=False))
def test_two_groups_are_the_same_in_any_order_and_in_the_mirror(values, rng):
    found = two_groups(values)
    other = list(values)
    rng.shuffle(other)
    again, mirrored = two_groups(other), two_groups([-value for value in values])
    assert (again is None) == (mirrored is None) == (found is None)
    if found:
        assert [group.tolist() for group in again] == [group.tolist() for group in found]
        assert [(-group[::-1]).tolist() for group in mirrored[::-1]] == [group.tolist() for group in found]
        assert sorted(values) == [*found[0], *found[1]]


@examples(200)
@given(st.integers(1, 300), st.data(), LEVELS, LEVELS)
def test_the_interval_of_a_share_is_scipys_exact_one_and_grows_with_hits_and_level(n, data, level, higher):
    hits = data.draw(st.integers(0, n))
    level, higher = sorted((level, higher))
    found, wide = share_interval(hits, n, level), share_interval(hits, n, higher)
    expected = stats.binomtest(hits, n).proportion_ci(level, "exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= wide.low <= found.low <= hits / n <= found.high <= wide.high <= 1
    if hits < n:
        more = share_interval(hits + 1, n, level)
        assert (found.low < more.low, found.high <= more.high) == (True, True)
    mirrored = share_interval(n - hits, n, level)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((found.low, found.high), abs=1e-12)
    bound = stats.binomtest(0, n, alternative="less").proportion_ci(level, "exact").high
    assert largest_unseen_share(n, level) == pytest.approx(bound, abs=1e-12)


def joined_known(how, values, *rest):
    """What numbers come to that are known, which is known too."""
    low, high = joined(how, values, values, *rest)
    assert low.tolist() == high.tolist()
    return low


@examples(100)
@given(st.lists(st.floats(0.001, 1000), min_size=2, max_size=6), st.data(), st.integers(-20, 20))
def test_numbers_are_joined_alike_in_any_order_and_unit(values, data, power):
    order = data.draw(st.permutations(range(len(values))))
    levels = data.draw(st.lists(st.integers(1, 4096), min_size=len(values), max_size=len(values), unique=True))
    mixed, mixed_levels = [values[place] for place in order], [levels[place] for place in order]
    scaled = [2.0**power * value for value in values]
    for how in ("max", "min", "mean", "spread"):
        assert joined_known(how, [mixed]) == pytest.approx(joined_known(how, [values]))
        assert joined_known(how, [scaled]) == 2.0**power * joined_known(how, [values])
    slope = joined_known("log_slope", [values], levels)
    assert joined_known("log_slope", [mixed], mixed_levels) == pytest.approx(slope, abs=1e-9)
    assert joined_known("log_slope", [scaled], levels) == pytest.approx(slope, abs=1e-9)
    for threshold in (*values, 0.0, 2000.0):
        low, high = joined("first_below", [values], [values], levels, threshold)
        assert joined("first_below", [mixed], [mixed], mixed_levels, threshold) == (low, high)
        below = [level for level, value in zip(levels, values, strict=True) if value < threshold]
        assert (low, high) == ((min(below),) * 2 if below else (np.nextafter(max(levels), math.inf), math.inf))


ends = st.lists(st.floats(allow_nan=False), min_size=2, max_size=2).map(sorted)


@examples(200)
@given(ends, ends)
def test_a_difference_and_a_ratio_turn_round_with_their_parts_whatever_these_are(first, second):
    low, high = (np.array([[one, other]]) for one, other in zip(first, second, strict=True))
    least, most = joined("difference", low, high)
    turned = joined("difference", low[:, ::-1], high[:, ::-1])
    assert (least.tolist(), most.tolist()) == ((-turned[1]).tolist(), (-turned[0]).tolist())
    least, most = joined("ratio", low, high)
    assert least <= most
    mirrored = joined("ratio", np.stack([-high[:, 0], low[:, 1]], 1), np.stack([-low[:, 0], high[:, 1]], 1))
    assert (least.tolist(), most.tolist()) == ((-mirrored[1]).tolist(), (-mirrored[0]).tolist())
    if second[0] <= 0 <= second[1]:
        assert (least[0], most[0]) == (-math.inf, math.inf)


def last_place(text: str) -> float:
    """What one more in the last digit of a written number is worth."""
    number, _, power = text.partition(" \N{MULTIPLICATION SIGN} ")
    if not power and re.search("[⁰¹²³⁴⁵⁶⁷⁸⁹]", text):
        number, power = "1", text
    places = len(number.partition(".")[2])
    return 10.0**-places * abs(numbers_in(power)[0] if power else 1)


@examples(300)
@given(st.lists(measured, min_size=1, max_size=4), units)
def test_a_written_number_is_what_was_measured_to_the_digits_that_it_shows(values, unit):
    written = digits(values, unit)
    for value, text in zip(values, written, strict=True):
        (read,) = numbers_in(text)
        shown = 100 * value if unit else value
        assert abs(read - shown) <= 0.5000001 * last_place(text) + 1e-9 * abs(shown)
        assert text.startswith("-") <= (shown < 0)
        assert read != 0 or not text.startswith("-")
    if len(values) == 1:
        assert quantity(values[0], unit) == f"{written[0]} {unit}".strip()
        shown = 100 * values[0] if unit else values[0]
        assert abs(numbers_in(written[0])[0] - shown) <= 0.00501 * abs(shown) + sys.float_info.min


@examples(200)
@given(st.lists(measured | st.sampled_from((math.nan, math.inf, -math.inf, 1.7e308, -1.7e308)), min_size=1), units)
def test_whatever_is_measured_something_is_written_and_never_minus_nothing(values, unit):
    for text in digits(values, unit):
        assert text.strip() == text != ""
        assert "nan" not in text
        assert not re.fullmatch(r"-[0.,]+", text)


@examples(200)
@given(st.floats(-1e300, 1e300) | st.integers(-(10**9), 10**9).map(lambda value: value / 1000) | st.just(-0.0), units)
def test_a_declared_number_is_written_with_all_its_digits_and_a_computed_one_with_four(value, unit):
    text = edge(value, unit)
    (read,) = numbers_in(text)
    computed = len(Decimal(repr(float(value))).normalize().as_tuple().digits) > 12
    assert (read / 100 if unit else read) == pytest.approx(value, rel=5e-4 if computed else 1e-15, abs=0)
    assert unit or computed or read == value
    assert not re.fullmatch(r"-[0.,]+", text)


@examples(100)
@given(levels_of(1, 9), st.sampled_from(("width", "some_thing", "init")))
def test_any_levels_can_be_said(levels, name):
    factor = Factor(name, levels)
    for text in (listed(factor, levels), under(factor, levels), under(factor, levels, every=True)):
        assert text.strip()
        assert len(text.splitlines()) == 1
    for level in levels:
        assert of_level(factor, level).split()[-1] != ("of" if isinstance(level, str) else "at")
        assert choice_level(factor, level).strip()
