"""The written-out passes against autograd."""

import itertools

import pytest
import torch

from research.design.errors import UserError
from research.training.activations import ACTIVATIONS
from research.training.config import TrainConfig
from research.training.losses import example_losses, loss_calls
from research.training.models import StackedMLP
from research.training.optimizers import flattened
from research.training.passes import Batch, Scratch

SEEDS = (0, 1, 5)


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def configurations():
    """Every activation at two depths, then every loss that goes with an output, of classes and of numbers."""
    plain = (name for name, activation in ACTIVATIONS.items() if activation.gradient is not None)
    for activation, depth in itertools.product(plain, (0, 3)):
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
    return losses, torch.autograd.grad(
        losses.sum(), list(model.parameters()), allow_unused=True, materialize_grads=True
    )


def passed(config, model, inputs, targets, slice_size=12):
    """The losses of a batch, whose gradients are where those of the parameters lie."""
    flattened(list(model.parameters()))
    return Batch(config, model, inputs, targets, slice_size, Scratch(inputs)).run()


@pytest.mark.parametrize(
    "config", list(configurations()), ids=lambda c: f"{c.dataset}-{c.activation}-{c.depth}-{c.loss}-{c.output}"
)
@pytest.mark.parametrize("slice_size", [12, 5], ids=["whole", "slices"])
def test_losses_and_gradients_are_those_of_autograd(config, slice_size):
    model = StackedMLP(config, SEEDS, torch.float64)
    inputs, targets = batch(config)
    expected, gradients = by_autograd(config, model, inputs, targets, 12)
    losses = passed(config, model, inputs, targets, slice_size)
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=1e-14)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-11, atol=1e-14)


def test_a_pass_leaves_nothing_behind_for_the_next():
    """What is run again, and batches of other sizes that share its memory, give what they give alone."""
    config = TrainConfig(dataset="digits", depth=3, width=5)
    model, scratch = StackedMLP(config, SEEDS, torch.float64), Scratch(numbers(0))
    flat = flattened(list(model.parameters()))
    batches = [Batch(config, model, *batch(config, size), 5, scratch) for size in (12, 7)]
    alone = []
    for each, size in zip(batches, (12, 7), strict=True):
        fresh = Batch(config, model, *batch(config, size), 5, Scratch(numbers(0)))
        alone.append((fresh.run(), flat.grad.clone()))
        assert torch.equal(each.run(), alone[-1][0])
    for number in (0, 1, 1, 0):
        losses, gradients = alone[number]
        assert torch.equal(batches[number].run(), losses)
        assert torch.equal(flat.grad, gradients)


@pytest.mark.parametrize(
    "config", list(configurations()), ids=lambda c: f"{c.dataset}-{c.loss}-{c.output}-{c.activation}"
)
def test_the_gradient_at_the_outputs_is_that_of_autograd(config):
    _, targets = batch(config)
    width = 1 if config.is_regression and config.loss != "cross_entropy" else 10
    outputs = numbers(len(SEEDS), 12, width, seed=2).requires_grad_()
    expected = example_losses(config, outputs, targets).sum(1) / 7
    (by_autograd,) = torch.autograd.grad(expected.sum(), outputs)
    losses, gradient = torch.empty(len(SEEDS), dtype=torch.float64), torch.empty_like(outputs)
    with torch.no_grad():
        for call in loss_calls(config, outputs.detach(), targets, 7, losses, gradient.detach()):
            call()
    torch.testing.assert_close(losses, expected.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradient.detach(), by_autograd, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("sick", [torch.inf, torch.nan])
def test_a_replicate_that_is_lost_takes_no_other_with_it(sick):
    config = TrainConfig(dataset="digits", depth=2, width=5)
    healthy, lost = (StackedMLP(config, SEEDS, torch.float64) for _ in range(2))
    with torch.no_grad():
        lost.weights[0][1, 3, 2] = sick
    for model in (healthy, lost):
        losses = passed(config, model, *batch(config))
    assert losses.isfinite().tolist() == [True, False, True]
    for one, other in zip(healthy.parameters(), lost.parameters(), strict=True):
        assert torch.equal(one.grad[[0, 2]], other.grad[[0, 2]])
