"""What holds for the tasks of snapshot_updates."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from research.design.study_files import load_study
from research.design.task import StackResult, check_result
from studies.snapshot_updates import ORDERS, FirstStep, ordered_step


def test_a_gradient_that_is_too_large_for_a_float_is_not_known_and_stops_nothing():
    task = FirstStep(depth=24, lr=1000.0)
    (found,) = task.run([0], lambda share: None)
    assert math.isnan(found.metrics["interference"])
    check_result(task, [0], StackResult((found,), "cpu", 0.0, 1.0))
    (claim,) = (claim for claim in load_study("snapshot_updates").claims if claim.name == "as-you-go-differs")
    low, high = claim.number.missing
    assert low > claim.above
    assert high == math.inf


def by_numpy(weights, biases, inputs, targets, rate, order):
    """A step of gradient descent on the mean cross-entropy of a ReLU network, told once more and otherwise."""
    hidden, before = [inputs], [weight.copy() for weight in weights]
    for weight, bias in zip(weights, biases, strict=True):
        hidden.append(np.maximum(hidden[-1] @ weight + bias, 0))
    sums = hidden[-2] @ weights[-1] + biases[-1]
    chances = np.exp(sums - sums.max(1, keepdims=True))
    signal = (chances / chances.sum(1, keepdims=True) - np.eye(sums.shape[1])[targets]) / len(inputs)
    for layer in reversed(range(len(weights))):
        weights[layer] -= rate * hidden[layer].T @ signal
        biases[layer] -= rate * signal.sum(0)
        passing = weights[layer] if order == "as-you-go" else before[layer]
        signal = signal @ passing.T * (hidden[layer] > 0)


@pytest.mark.parametrize("order", ORDERS)
def test_a_step_in_either_order_is_that_of_a_second_implementation(order):
    rng = np.random.default_rng(0)
    sizes = (20, 16, 16, 10)
    weights = [rng.standard_normal(shape) / 4 for shape in pairwise(sizes)]
    biases = [rng.standard_normal(size) for size in sizes[1:]]
    ours = [
        tuple(torch.from_numpy(own[None].copy()) for own in (w, b[None])) for w, b in zip(weights, biases, strict=True)
    ]
    for _ in range(5):
        inputs, targets = rng.standard_normal((32, 20)), rng.integers(0, 10, 32)
        by_numpy(weights, biases, inputs, targets, 0.5, order)
        ordered_step(ours, torch.from_numpy(inputs[None]), torch.from_numpy(targets[None]), 0.5, order, "relu")
    for (weight, bias), theirs, constants in zip(ours, weights, biases, strict=True):
        assert np.abs(weight[0].numpy() - theirs).max() < 1e-13
        assert np.abs(bias[0, 0].numpy() - constants).max() < 1e-13
