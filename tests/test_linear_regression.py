"""What linear_regression computes by formula, against other ways. Its faults are in test_controls."""

import numpy as np
import pytest

from research.design.study_files import load_study
from studies.linear_regression import SWAPPED, distinct, predicted_floor


def test_theory_says_what_the_variance_of_the_weights_is_in_the_long_run():
    rate, noise, batch, size = 0.03, 0.1, 100, 11
    covariance = np.eye(size)
    for _ in range(2000):  # E[(1 - rA) S (1 - rA)] of A, the mean of normal outer products, by its moments
        second = (covariance * (batch + 1) + np.trace(covariance) * np.eye(size)) / batch
        covariance = covariance - 2 * rate * covariance + rate**2 * second + rate**2 * noise**2 / batch * np.eye(size)
    assert np.trace(covariance) / 2 == pytest.approx(predicted_floor("customary", noise), rel=1e-6)


def test_units_that_change_places_are_another_order_of_the_same_weights():
    assert sorted(SWAPPED) == list(range(37))
    assert (np.arange(37) != SWAPPED).sum() > 30


def test_points_that_are_nearer_than_asked_for_are_counted_once():
    assert distinct(np.array([[0.0, 0], [0, 0.5], [3, 0], [3, 0.2]]), 1.0) == 2


def test_what_rounding_makes_of_nothing_is_not_less_than_nothing():
    study = load_study("linear_regression")
    task = study.task({"learner": "sgd-noiseless", "features": "collinear"})
    for found in task.run(range(200, 208), lambda share: None):
        assert 0 <= found.metrics["distance_left"] < 1e-3
