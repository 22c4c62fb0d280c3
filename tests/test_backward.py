"""The written-out gradients against autograd."""

import itertools

import pytest
import torch

from research.backward import accumulate_gradients, affine, product
from research.config import TrainConfig, UserError
from research.losses import example_losses, losses_and_gradient
from research.models import ACTIVATIONS, StackedMLP

SEEDS = (0, 1, 5)


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def configurations():
    """Every activation at two depths, then every loss that goes with an output, of classes and of numbers."""
    for activation, depth in itertools.product(ACTIVATIONS, (0, 3)):
        yield TrainConfig(dataset="digits", depth=depth, width=5, activation=activation)
        yield TrainConfig(dataset="sine", depth=depth, width=5, activation=activation, loss="mse", output="raw")
    for dataset, loss, output in itertools.product(
        ("digits", "sine"), ("cross_entropy", "mse", "mse_mean"), ("softmax", "sigmoid", "raw")
    ):
        try:
            yield TrainConfig(dataset=dataset, depth=1, width=40, loss=loss, output=output)
        except UserError:
            continue


def batch(config, size=12):
    inputs = numbers(len(SEEDS), size, {"digits": 64, "sine": 1}[config.dataset])
    if config.is_regression and config.loss != "cross_entropy":
        return inputs, numbers(len(SEEDS), size, seed=1)
    return inputs, torch.arange(len(SEEDS) * size).view(len(SEEDS), size) % 10


def by_autograd(config, model, inputs, targets, count):
    losses = example_losses(config, model(inputs), targets).sum(1) / count
    return losses, torch.autograd.grad(losses.sum(), list(model.parameters()))


@pytest.mark.parametrize(
    "config", list(configurations()), ids=lambda c: f"{c.dataset}-{c.activation}-{c.depth}-{c.loss}-{c.output}"
)
@pytest.mark.parametrize("slices", [(12,), (5, 5, 2)], ids=["whole", "slices"])
def test_losses_and_gradients_are_those_of_autograd(config, slices):
    model = StackedMLP(config, SEEDS, torch.float64)
    inputs, targets = batch(config)
    expected, gradients = by_autograd(config, model, inputs, targets, 12)
    parts = zip(inputs.split(slices, 1), targets.split(slices, 1), strict=True)
    losses = sum(accumulate_gradients(config, model, *part, 12) for part in parts)
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=1e-14)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad.shape == gradient.shape
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    "config", list(configurations()), ids=lambda c: f"{c.dataset}-{c.loss}-{c.output}-{c.activation}"
)
def test_the_gradient_at_the_outputs_is_that_of_autograd(config):
    _, targets = batch(config)
    width = 1 if config.is_regression and config.loss != "cross_entropy" else 10
    outputs = numbers(len(SEEDS), 12, width, seed=2).requires_grad_()
    expected = example_losses(config, outputs, targets).sum(1) / 7
    (by_autograd,) = torch.autograd.grad(expected.sum(), outputs)
    with torch.no_grad():
        losses, gradient = losses_and_gradient(config, outputs, targets, 7)
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradient, by_autograd, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", list(itertools.product((1, 3), (1, 12), (1, 4, 33, 64), (1, 40))))
def test_products_are_products_whatever_their_shape(shape):
    num_replicates, rows, inner, columns = shape
    left, right = numbers(num_replicates, rows, inner), numbers(num_replicates, inner, columns, seed=1)
    bias = numbers(num_replicates, 1, columns, seed=2)
    torch.testing.assert_close(product(left, right), left @ right, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(affine(left, right, bias), left @ right + bias, rtol=1e-12, atol=1e-13)
    turned = numbers(num_replicates, inner, rows).mT
    torch.testing.assert_close(product(turned, right), turned @ right, rtol=1e-12, atol=1e-13)


def test_a_replicate_that_is_lost_takes_no_other_with_it():
    config = TrainConfig(dataset="digits", depth=2, width=5)
    healthy, sick = (StackedMLP(config, SEEDS, torch.float64) for _ in range(2))
    with torch.no_grad():
        sick.weights[0][1, 3, 2] = torch.inf
    for model in (healthy, sick):
        losses = accumulate_gradients(config, model, *batch(config), 12)
    assert losses.isfinite().tolist() == [True, False, True]
    for one, other in zip(healthy.parameters(), sick.parameters(), strict=True):
        assert torch.equal(one.grad[[0, 2]], other.grad[[0, 2]])
