"""Intervals against a second implementation and against known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from research.data import stream
from research.stats import mean_interval


def test_the_interval_is_students():
    values = stream(0, "test").normal(3, 2, 7)
    expected = stats.t.interval(0.9, 6, values.mean(), stats.sem(values))
    found = mean_interval(values, 0.9)
    assert found.n == 7
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.mean == pytest.approx(values.mean())


def test_it_covers_the_truth_as_often_as_it_says():
    samples = stream(1, "test").normal(0, 1, (4000, 5))
    covered = np.mean([low <= 0 <= high for _, low, high, _ in map(mean_interval, samples)])
    assert covered == pytest.approx(0.95, abs=0.011)  # three standard errors of 4,000 draws


def test_values_that_are_not_finite_are_left_out_of_mean_and_n():
    assert mean_interval([1.0, math.nan, 3.0]).n == 2
    assert mean_interval([1.0, math.nan, 3.0]).mean == 2.0


def test_one_value_has_no_interval_and_none_has_no_mean():
    one, none = mean_interval([2.0]), mean_interval([])
    assert (one.mean, one.n) == (2.0, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert none.n == 0
    assert math.isnan(none.mean)
