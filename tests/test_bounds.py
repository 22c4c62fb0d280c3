"""Bounds hold, by independent means, and a fault in networks, data or evaluation breaks those that it concerns."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import research.training.models
import research.training.module
from research.training import bounds, data, data_set
from research.training.activations import ACTIVATIONS, Activation
from research.training.bounds import expected_backward, least_rmse, regression_loss, softmax_regression
from research.training.config import TrainConfig
from research.training.module import StackModule
from research.training.piecewise import best_linear_pieces
from research.training.train import train_stack

SEEDS = (4, 0, 7)
LINEAR = TrainConfig("digits", 2, 16, "identity", batch_size=64, epochs=3, measures=("linear_product", "convex_bound"))
RELU = TrainConfig("digits", 4, 64, batch_size=64, epochs=1, measures=("mean_field",))
SINE = TrainConfig(
    "sine", 1, 2, output="raw", loss="mse", optimizer="adam", lr=0.05, batch_size=1024, steps=300, evaluate_every=50,
    measures=("capacity_bound",),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _repeatable(monkeypatch):
    """CUDA's products repeat their bits only if told to before the first."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def measured(config, name, seeds=SEEDS):
    return np.array([replicate.metrics[name] for replicate in train_stack(config, seeds).replicates])


@pytest.mark.parametrize(
    "options", [{}, {"depth": 0}, {"depth": 0, "activation": "relu"}, {"init": "he", "depth": 4, "lr": 0.01}]
)
def test_a_linear_network_is_the_product_of_its_layers(options):
    config = replace(LINEAR, **options)
    assert (measured(config, "product_difference") < 1e-10).all()
    assert (measured(config, "product_disagreement") == 0).all()


def test_an_activation_that_bends_a_little_is_seen_in_the_product(monkeypatch):
    bent = Activation(lambda z: z + 1e-6 * z * z, lambda z: z.add_(1e-6 * z * z), gradient=lambda g, _: [])
    monkeypatch.setitem(ACTIVATIONS, "identity", bent)
    assert (measured(LINEAR, "product_difference") > 1e-9).all()


def test_a_bias_that_is_left_out_is_seen_in_the_product(monkeypatch):
    def forward(self, inputs, training=False):
        for weight, bias in zip(self.weights, (*self.biases[:-1], torch.zeros(1)), strict=True):
            inputs = inputs @ weight + bias
        return inputs

    monkeypatch.setattr(research.training.models.StackedMLP, "forward", forward)
    assert (measured(LINEAR, "product_difference") > 1e-3).all()


@pytest.mark.parametrize("fault", ["other pixels", "labels one on"])
def test_a_test_part_that_is_looked_up_wrongly_is_seen_in_the_accuracy(fault, monkeypatch):
    right = StackModule.lookup

    def lookup(self, indices, test=False, into=None):
        inputs, targets = right(self, indices, test, into)
        if not test:
            return inputs, targets
        return (inputs.flip(2), targets) if fault == "other pixels" else (inputs, targets.roll(1, 1))

    monkeypatch.setattr(StackModule, "lookup", lookup)
    assert (measured(LINEAR, "product_disagreement") > 0.1).all()


@pytest.mark.parametrize("options", [{}, {"epochs": 40}, {"num_train": 300}, {"labels": "shuffled"}])
def test_the_loss_of_a_linear_network_is_above_the_bound(options):
    assert (measured(replace(LINEAR, **options), "above_convex_bound") > -1e-6).all()


def test_the_optimum_is_that_of_another_program():
    digits = data.load("digits")
    train = data_set.split(digits.targets.numpy(), 200, 0)[0]
    # a seed whose pixels stay as they are and few enough classes, so that there is an optimum to find
    inputs = (digits.inputs[train].float() / 16)[:, 18:22]
    labels = digits.targets[train]
    theirs = LogisticRegression(C=np.inf, max_iter=2000, tol=1e-8).fit(inputs.numpy().astype(float), labels.numpy())
    log_p = theirs.predict_log_proba(inputs.numpy().astype(float))
    least = -log_p[np.arange(len(labels)), labels].mean()
    ones = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    start = torch.zeros(5, 10, dtype=torch.float64)
    found = softmax_regression(ones, labels, start)
    value, gradient = regression_loss(ones, labels, found)
    assert least <= value < least + 0.02
    assert value + float((gradient * (start - found)).sum()) < math.log(10)
    best = torch.from_numpy(np.vstack([theirs.coef_.T, theirs.intercept_]))
    bound = value + float((gradient * (best - found)).sum())
    assert least - 0.05 < bound <= regression_loss(ones, labels, best)[0] + 1e-12


def test_the_gradient_of_the_regression_is_autograds():
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.rand(50, 6, generator=generator), torch.arange(50) % 4
    weights = torch.rand(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(inputs.double() @ weights, labels)
    loss.backward()
    value, gradient = regression_loss(inputs, labels, weights.detach())
    assert value == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(gradient, weights.grad)


def test_labels_that_leak_into_the_inputs_push_the_loss_below_the_bound(monkeypatch):
    right = StackModule.lookup

    def leaking(self, indices, test=False, into=None):
        inputs, targets = right(self, indices, test, into)
        inputs[..., 0] = (targets == 0).to(inputs.dtype)  # a corner that is always empty
        return inputs, targets

    monkeypatch.setattr(StackModule, "lookup", leaking)
    found = measured(replace(LINEAR, labels="shuffled", epochs=20), "above_convex_bound")
    assert (found < -0.05).all()


def test_a_loss_over_too_many_examples_lies_below_the_bound(monkeypatch):
    right = StackModule.evaluate
    monkeypatch.setattr(StackModule, "evaluate", lambda self, *a, **b: tuple(one * 0.5 for one in right(self, *a, **b)))
    assert (measured(replace(LINEAR, labels="shuffled"), "above_convex_bound") < -0.01).all()


@pytest.mark.parametrize("options", [{}, {"activation": "identity", "depth": 3}, {"width": 4}, {"dataset": "line"}])
def test_no_curve_is_better_than_the_best_of_its_pieces(options):
    assert (measured(replace(SINE, **options), "above_capacity_bound") > -1e-6).all()


def test_the_least_error_of_a_line_is_that_of_least_squares():
    points = np.linspace(-2 * np.pi, 2 * np.pi, 4096)
    residuals = np.sin(points) - np.polyval(np.polyfit(points, np.sin(points), 1), points)
    assert least_rmse("sine", 0) == pytest.approx(float(np.sqrt((residuals**2).mean())), rel=1e-9)
    assert least_rmse("sine", 0) > least_rmse("sine", 2) > least_rmse("sine", 8) > 0
    assert least_rmse("sine", 4) ** 2 == pytest.approx(best_linear_pieces(points, np.sin(points), 5).mse[4])


@pytest.mark.parametrize(
    ("fault", "replacement"),
    [
        ("errors", lambda self, test=True, right=StackModule.errors: right(self, test)[:, :200]),  # of some points
        ("errors", lambda self, test=True, right=StackModule.errors: right(self, test) * 0.5),
        ("layer_sizes", lambda config: [1, 32, 1]),
    ],
)
def test_an_error_that_is_too_good_lies_below_the_bound(fault, replacement, monkeypatch):
    monkeypatch.setattr(StackModule if fault == "errors" else research.training.models, fault, replacement)
    assert measured(replace(SINE, steps=2000, evaluate_every=100), "above_capacity_bound").min() < -0.01


def test_a_diverged_replicate_is_judged_by_what_it_was_before():
    found = measured(replace(SINE, optimizer="sgd", lr=1e30), "above_capacity_bound")
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("init", "factor"), [("default", math.sqrt(1 / 6)), ("xavier", math.sqrt(1 / 2)), ("he", 1)])
def test_the_expected_factor_is_that_of_the_theory(init, factor):
    mean, deviation = expected_backward(replace(RELU, init=init, width=10**6))
    assert math.exp(mean) == pytest.approx(factor, rel=1e-5)
    assert deviation == pytest.approx(0.5 * math.sqrt(5e-6 / 3))
    assert expected_backward(replace(RELU, init="normal", init_std=0.1, width=200))[0] == pytest.approx(-5 / 800)


def test_the_scatter_that_is_expected_is_that_of_one_way_through_the_network():
    """Products of coins and normal numbers, drawn here: the logarithm of what a layer passes back on one example."""
    rng = np.random.default_rng(0)
    signs, normal = rng.integers(0, 2, (20000, 64)), rng.standard_normal((20000, 64))
    logs = 0.5 * np.log((2 * signs * normal**2).mean(1))
    mean, deviation = expected_backward(replace(RELU, depth=2, init="he"))
    assert logs.mean() == pytest.approx(mean, abs=0.006)
    assert logs.std() == pytest.approx(deviation, rel=0.1)


@pytest.mark.parametrize("init", ["default", "xavier", "he"])
@pytest.mark.parametrize("depth", [2, 6])
def test_relus_factor_at_the_start_is_what_theory_gives(init, depth):
    found = measured(replace(RELU, init=init, depth=depth), "backward_factor_score", range(10))
    assert np.abs(found).max() < 3


def test_a_start_of_another_scale_is_seen(monkeypatch):
    right = research.training.models.initial_layer

    def wide(config, fan_in, fan_out, seed, layer):
        weight, bias = right(config, fan_in, fan_out, seed, layer)
        return weight * 1.3, bias

    monkeypatch.setattr(research.training.models, "initial_layer", wide)
    assert (np.abs(measured(RELU, "backward_factor_score")) > 3).all()


def test_an_activation_that_lets_the_negative_pass_is_seen(monkeypatch):
    leaky = replace(ACTIVATIONS["relu"], function=lambda z: torch.nn.functional.leaky_relu(z, 0.5))
    monkeypatch.setitem(ACTIVATIONS, "relu", leaky)
    assert (np.abs(measured(RELU, "backward_factor_score")) > 1).all()


def test_taking_them_leaves_the_trained_networks_alone():
    module = StackModule(LINEAR, SEEDS, data.load("digits"))
    before = [parameter.clone() for parameter in module.parameters()]
    for name in ("linear_product", "convex_bound"):
        bounds.BOUNDS[name](module, data.load("digits"))
    assert all(torch.equal(*pair) for pair in zip(before, module.parameters(), strict=True))


@pytest.mark.parametrize(("init", "variance", "wide"), [("default", 1 / 3, 1), ("xavier", 1, 0.4), ("he", 2, 1)])
def test_starts_are_drawn_with_the_variance_that_torch_has(init, variance, wide):
    config = TrainConfig(dataset="digits", width=4, epochs=0, init=init, measures=("library_start",))
    for replicate in train_stack(config, (0, 1)).replicates:
        assert replicate.metrics["library_variance"] == pytest.approx(variance, rel=0.03)
        assert replicate.metrics["library_wide_over_square"] == pytest.approx(wide, rel=0.03)
        assert replicate.metrics["library_difference"] < 0.03
