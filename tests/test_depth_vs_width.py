"""The sizes and the sawtooth of depth_vs_width, against what is known of them. Its faults are in test_controls."""

import numpy as np
import pytest

from research.design.streams import stream
from research.design.study_files import load_study
from research.training.config import TrainConfig
from research.training.cost import num_parameters
from research.training.piecewise import best_linear_pieces
from studies.depth_vs_width import RIGHT, TEETH, Nested, pieces_of, sawtooth

STUDY = load_study("depth_vs_width")


@pytest.mark.parametrize("universe", STUDY.designed, ids=str)
def test_both_shapes_have_nearly_as_many_parameters_as_they_are_said_to_have(universe):
    for cell in STUDY.cells():
        task = STUDY.task({**cell, **universe})
        if isinstance(task, TrainConfig):
            assert num_parameters(task) == pytest.approx(cell["parameters"], rel=0.12)
            assert task.width >= 64 or task.is_regression


@pytest.mark.parametrize("layers", [1, 2, 4, 8])
def test_pieces_that_are_counted_are_those_between_the_kinks(layers):
    peaks = stream(3, "peaks of tents").uniform(0.3, 0.7, layers)
    kinks = np.empty(0)
    for peak in peaks[::-1]:  # what the layers after this one bend at, seen through it, and its own peak
        kinks = np.concatenate([peak * kinks, 1 - (1 - peak) * kinks, [peak]])
    found = Nested(layers).replicate(3).metrics
    assert found["pieces"] == len(np.unique(kinks)) + 1 == 2**layers == pieces_of(6 * layers + 1)
    assert found["pieces_ratio"] == 2**layers / (2 * layers + 1)
    assert Nested(layers, "identity").replicate(3).metrics["pieces"] == 1


def test_the_sawtooth_is_a_line_of_as_many_pieces_as_it_is_said_to_have():
    arrays = sawtooth()
    assert arrays.test_inputs is not None
    x, y = arrays.test_inputs[:, 0], arrays.test_targets
    np.testing.assert_allclose(np.interp(x, np.linspace(-1, 1, TEETH + 1), [0.0, 1.0] * (TEETH // 2) + [0.0]), y)
    assert y.std() / 10 == pytest.approx(RIGHT, rel=0.01)


def test_no_line_of_fewer_pieces_than_teeth_comes_nearer_than_half():
    x = np.linspace(-1, 1, 257)
    y = np.interp(x, np.linspace(-1, 1, TEETH + 1), [0.0, 1.0] * (TEETH // 2) + [0.0])
    best = best_linear_pieces(x, y, TEETH)
    assert np.sqrt(best.mse[TEETH - 1]) < 1e-6
    assert np.sqrt(best.mse[TEETH - 3]) > 0.1
