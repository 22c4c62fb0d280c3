"""Losses of single examples against torch.nn, and the best constant output against a search for it."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from research.design.streams import stream
from research.training.config import TrainConfig
from research.training.cost import num_outputs
from research.training.losses import OUTPUTS, constant_loss, cross_entropies, example_losses

CLASSES = {
    "cross_entropy-softmax": TrainConfig("digits"),
    "cross_entropy-sigmoid": TrainConfig("digits", output="sigmoid"),
    **{
        f"{loss}-{output}": TrainConfig("digits", loss=loss, output=output)
        for loss in ("mse", "mse_mean")
        for output in OUTPUTS
    },
}
NUMBERS = {loss: TrainConfig("sine", loss=loss, output="raw") for loss in ("mse", "mse_mean")}
ACTIVATED = {"softmax": nn.Softmax(-1), "sigmoid": nn.Sigmoid(), "raw": nn.Identity()}


def of_torch(config, outputs, labels):
    """The loss of one example by torch.nn's own modules: outputs [C], a label."""
    truth = torch.eye(10, dtype=outputs.dtype)[labels]
    if config.loss == "cross_entropy" and config.output == "softmax":
        return nn.CrossEntropyLoss()(outputs[None], labels[None])
    if config.loss == "cross_entropy":
        return nn.BCELoss(reduction="sum")(torch.sigmoid(outputs), truth)
    if config.loss == "mse":
        return 0.5 * nn.MSELoss(reduction="sum")(ACTIVATED[config.output](outputs), truth)
    return nn.MSELoss()(ACTIVATED[config.output](outputs), truth)


@pytest.mark.parametrize("config", CLASSES.values(), ids=CLASSES)
def test_each_example_has_the_loss_and_the_gradient_of_torch_nn(config):
    rng = stream(0, "test")
    labels = torch.from_numpy(rng.integers(0, 10, (3, 8)))
    ours = torch.from_numpy(rng.normal(size=(3, 8, 10))).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    losses = example_losses(config, ours, labels)
    expected = torch.stack(
        [torch.stack([of_torch(config, theirs[r, b], labels[r, b]) for b in range(8)]) for r in range(3)]
    )
    assert losses.shape == (3, 8)
    torch.testing.assert_close(losses, expected, rtol=1e-13, atol=0)
    losses.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(("loss", "factor"), [("mse", 0.5), ("mse_mean", 1.0)])
def test_a_regression_has_the_squared_difference_of_its_only_output(loss, factor):
    outputs = torch.tensor([[[1.0], [-2.0]], [[0.5], [0.0]]], dtype=torch.float64)
    targets = torch.tensor([[0.0, 1.0], [0.25, -3.0]], dtype=torch.float64)
    found = example_losses(NUMBERS[loss], outputs, targets)
    assert found.tolist() == [[factor * 1.0, factor * 9.0], [factor * 0.0625, factor * 9.0]]


def test_one_loss_is_that_of_all_examples_alone_however_many_there_are():
    config = CLASSES["cross_entropy-sigmoid"]
    rng = stream(1, "test")
    outputs, labels = torch.from_numpy(rng.normal(size=(2, 5, 10))), torch.from_numpy(rng.integers(0, 10, (2, 5)))
    whole = example_losses(config, outputs, labels)
    assert torch.equal(whole[:, 2:4], example_losses(config, outputs[:, 2:4], labels[:, 2:4]))


@pytest.mark.parametrize("config", CLASSES.values(), ids=CLASSES)
def test_outputs_of_a_thousand_give_finite_losses_and_gradients_in_single_precision(config):
    outputs = torch.zeros(1, 2, 10)
    outputs[0, :, 3], outputs[0, 0, 4] = 1000.0, -1000.0
    outputs.requires_grad_()
    losses = example_losses(config, outputs, torch.tensor([[4, 3]]))
    losses.sum().backward()
    assert losses.isfinite().all()
    assert outputs.grad.isfinite().all()


def test_cross_entropy_is_that_of_torch_nn_for_each_example():
    rng = stream(0, "test")
    logits, labels = torch.from_numpy(rng.normal(size=(3, 8, 10))), torch.from_numpy(rng.integers(0, 10, (3, 8)))
    ours = cross_entropies(logits, labels)
    theirs = [[nn.CrossEntropyLoss()(logits[r, b][None], labels[r, b][None]) for b in range(8)] for r in range(3)]
    torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64), rtol=1e-14, atol=0)


def searched(config, targets):
    """The least mean loss of any constant output, by a quasi-Newton search with autograd's gradient."""
    targets = torch.from_numpy(targets)[None]

    def value(outputs):
        outputs = torch.from_numpy(outputs).requires_grad_()
        loss = example_losses(config, outputs.expand(1, targets.shape[1], -1), targets).mean()
        return loss.item(), torch.autograd.grad(loss, outputs)[0].numpy()

    start = np.zeros(num_outputs(config))
    return minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000}).fun


@pytest.mark.parametrize("config", CLASSES.values(), ids=CLASSES)
def test_no_constant_output_costs_less_than_the_best(config):
    labels = stream(2, "test").choice(10, 300, p=np.arange(1, 11) / 55)
    assert constant_loss(config, labels) == pytest.approx(searched(config, labels), rel=1e-7)


@pytest.mark.parametrize("config", CLASSES.values(), ids=CLASSES)
def test_classes_that_are_missing_cost_nothing(config):
    """Behind a softmax or a sigmoid the best is a limit, which no finite output reaches."""
    labels = np.array([0, 0, 4, 4, 4])
    assert constant_loss(config, labels) == pytest.approx(searched(config, labels), rel=1e-3, abs=1e-5)
    assert constant_loss(config, np.array([7, 7])) == pytest.approx(0, abs=1e-15)


def test_the_best_constant_of_classes_by_hand():
    labels = np.array([0, 0, 0, 1])  # shares of 3/4 and 1/4
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    variance = 2 * 0.75 * 0.25
    expected = {"cross_entropy-softmax": entropy, "cross_entropy-sigmoid": 2 * entropy}
    expected |= {f"mse-{output}": variance / 2 for output in OUTPUTS}
    expected |= {f"mse_mean-{output}": variance / 10 for output in OUTPUTS}
    assert {name: constant_loss(config, labels) for name, config in CLASSES.items()} == pytest.approx(expected)


@pytest.mark.parametrize(("loss", "factor"), [("mse", 0.5), ("mse_mean", 1.0)])
def test_the_best_constant_of_numbers_is_their_mean(loss, factor):
    numbers = stream(3, "test").normal(2, 3, 50)
    assert constant_loss(NUMBERS[loss], numbers) == pytest.approx(factor * numbers.var(), rel=1e-12)
    assert constant_loss(NUMBERS[loss], numbers) == pytest.approx(searched(NUMBERS[loss], numbers), rel=1e-7)


def test_numbers_that_are_learnt_by_intervals_cost_the_entropy_of_the_intervals():
    config = TrainConfig("sine", output="softmax")
    assert constant_loss(config, np.array([0, 9, 9, 0])) == pytest.approx(np.log(2))
