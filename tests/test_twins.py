"""Twins come to the same, and a fault in data, training or evaluation is seen in those that it concerns."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import research.training.losses
import research.training.module
import research.training.passes
from research.design.streams import stream
from research.training import data
from research.training.activations import ACTIVATIONS
from research.training.config import TrainConfig
from research.training.losses import example_losses
from research.training.module import StackModule
from research.training.train import TAKEN, train_stack

SEEDS = (4, 0, 7)
TWINS = ("alone", "repeated", "round_trip")
DIGITS = TrainConfig("digits", 2, 16, batch_size=64, epochs=2, measures=TWINS)  # 21 steps an epoch, the last short
MSE = replace(DIGITS, loss="mse", measures=("alone", "scaled_twin"))
SINE = TrainConfig("sine", 1, 8, output="raw", loss="mse", batch_size=300, epochs=3, measures=("repeated",))
EXACT = ("repeat_difference", "round_trip_difference")


@pytest.fixture(autouse=True)
def _repeatable(monkeypatch):
    """CUDA's products repeat their bits only if told to before the first."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def measured(config):
    """The metrics of the twins, by name: a number for each seed."""
    found = [replicate.metrics for replicate in train_stack(config, SEEDS).replicates]
    return {name: [each[name] for each in found] for name in found[0] if name.endswith("_difference")}


@pytest.mark.parametrize(
    "config",
    [
        DIGITS,
        replace(DIGITS, optimizer="adam", lr=0.01, activation="gelu", schedule="cosine", epochs=4),
        replace(DIGITS, num_train=200, momentum=0.9, weight_decay=0.01, activation="tanh"),
        replace(DIGITS, labels="shuffled", output_bias=3.0, steps=40, evaluate_every=20, measures=TWINS[:2]),
        replace(DIGITS, output="sigmoid", activation="sigmoid", input_scale=0.5),
        replace(DIGITS, loss="mse_mean", output="raw", optimizer="adamw", weight_decay=0.1, lr=0.01),
        replace(DIGITS, network="cnn", num_train=200, epochs=1, measures=("repeated", "round_trip")),
        replace(DIGITS, pixels="scrambled", measures=("repeated",)),
        SINE,
        MSE,
        replace(MSE, output="sigmoid", momentum=0.9),
        replace(MSE, loss="mse_mean", output="raw", activation="tanh", network="cnn", measures=("scaled_twin",)),
    ],
)
def test_twins_come_to_the_same(config):
    found = measured(config)
    assert len(found) == len(config.measures)
    for name, values in found.items():
        assert max(values) == 0 if name in EXACT else 0 < max(values) < 1e-10, name


def test_a_replicate_that_is_lost_has_no_difference():
    found = measured(replace(DIGITS, activation="identity", lr=1e30))
    assert all(np.isnan(values).all() for values in found.values())


def test_taking_the_twins_leaves_the_trained_networks_alone():
    module = StackModule(MSE, SEEDS, data.load("digits"))
    before = [parameter.clone() for parameter in module.parameters()]
    for name in ("alone", "repeated", "round_trip", "scaled_twin"):
        module.curves["train_loss"] = [torch.zeros(3)] * (name == "repeated")
        TAKEN[name](module, data.load("digits"))
    assert all(torch.equal(*pair) for pair in zip(before, module.parameters(), strict=True))


def test_a_wrong_gradient_is_seen(monkeypatch):
    right = ACTIVATIONS["relu"].gradient
    wrong = replace(ACTIVATIONS["relu"], gradient=lambda g, y: [*right(g, y), partial(g.mul_, 1 + 1e-6)])
    monkeypatch.setitem(ACTIVATIONS, "relu", wrong)
    assert min(measured(DIGITS)["alone_difference"]) > 1e-9


def test_a_wrong_gradient_of_a_loss_is_seen(monkeypatch):
    right = research.training.passes.loss_calls
    monkeypatch.setattr(research.training.passes, "loss_calls", lambda *a: [*right(*a), partial(a[-1].mul_, 1 + 1e-6)])
    assert min(measured(DIGITS)["alone_difference"]) > 1e-9


@pytest.mark.parametrize("fault", ["one epoch on", "swapped seeds", "rows as seeds"])
def test_another_order_of_the_examples_is_seen(fault, monkeypatch):
    def wrong(seed, purpose, *indices):
        if purpose == "order":
            indices = (indices[0] + (fault == "one epoch on"),)
            seed = {"swapped seeds": {4: 0, 0: 4}, "rows as seeds": {4: 0, 0: 1, 7: 2}}.get(fault, {}).get(seed, seed)
        return stream(seed, purpose, *indices)

    monkeypatch.setattr(research.training.module, "stream", wrong)
    found = measured(DIGITS)["alone_difference"]
    assert min(found[:2]) > 1e-3
    assert (found[2] < 1e-10) == (fault == "swapped seeds")


def test_a_batch_that_begins_one_example_late_is_seen(monkeypatch):
    right = StackModule.lookup

    def late(self, indices, test=False, into=None):
        inputs, targets = right(self, indices, test, into)
        inputs.copy_(inputs.roll(1, 1))
        return inputs, targets

    monkeypatch.setattr(StackModule, "lookup", late)
    assert min(measured(DIGITS)["alone_difference"]) > 1e-3


def test_an_order_that_is_not_the_seeds_is_seen(monkeypatch):
    monkeypatch.setattr(research.training.module, "stream", lambda *_: np.random.default_rng())
    found = measured(DIGITS)
    assert min(found["repeat_difference"]) > 0
    assert min(found["round_trip_difference"]) > 0


def test_an_evaluation_that_changes_what_it_looks_at_is_seen(monkeypatch):
    right = StackModule.evaluate

    def clumsy(self, indices, test=False):
        with torch.no_grad():
            self.model.biases[0] += 1e-6
        return right(self, indices, test)

    monkeypatch.setattr(StackModule, "evaluate", clumsy)
    assert min(measured(DIGITS)["repeat_difference"]) > 0


def test_a_mean_over_the_wrong_number_of_classes_is_seen(monkeypatch):
    def over_nine(config, outputs, targets):
        return example_losses(config, outputs, targets) * (10 / 9 if config.loss == "mse_mean" else 1)

    monkeypatch.setattr(research.training.losses, "example_losses", over_nine)
    found = measured(MSE)
    assert min(found["scaled_twin_difference"]) > 1e-3
    assert max(found["alone_difference"]) < 1e-10  # which is not about means


@pytest.mark.parametrize("part", ["pool", "test"])
def test_pixels_that_one_part_has_in_another_order_are_seen(part, monkeypatch):
    right = StackModule.lookup

    def wrong(self, indices, test=False, into=None):
        orders = self.orders
        if orders is not None and test == (part == "test"):
            self.orders = orders.roll(1, 1)
        found = right(self, indices, test, into)
        self.orders = orders
        return found

    monkeypatch.setattr(StackModule, "lookup", wrong)
    assert min(measured(DIGITS)["round_trip_difference"]) > 1e-3
