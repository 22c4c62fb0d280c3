"""Each activation against torch.nn: its value, its gradient, its range, and how it is written in place."""

import pytest
import torch
from torch import nn

from research.training.activations import ACTIVATIONS
from research.training.choices import CHOICES

MODULES = {
    "identity": nn.Identity(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "relu": nn.ReLU(), "gelu": nn.GELU(),
    "leaky_relu": nn.LeakyReLU(), "elu": nn.ELU(), "silu": nn.SiLU(), "relu6": nn.ReLU6(), "hardswish": nn.Hardswish(),
}  # fmt: skip


def test_every_choice_has_what_it_names_and_nothing_else():
    assert tuple(ACTIVATIONS) == CHOICES["activation"]
    assert {*ACTIVATIONS} == {*MODULES, "step", "prelu"}


@pytest.mark.parametrize("name", MODULES)
def test_an_activation_and_its_slope_are_those_of_torch_nn(name):
    ours = torch.linspace(-6, 6, 1001, dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    ours_out, theirs_out = ACTIVATIONS[name].function(ours), MODULES[name](theirs)
    ours_out.sum().backward()
    theirs_out.sum().backward()
    assert torch.equal(ours_out, theirs_out)
    assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("name", [name for name, each in ACTIVATIONS.items() if each.gradient is not None])
def test_calls_written_out_give_what_autograd_gives(name):
    activation = ACTIVATIONS[name]
    leaf = torch.linspace(-7, 7, 1000, dtype=torch.float64).view(2, 5, 100).requires_grad_()
    expected, signal = activation.function(leaf), torch.linspace(1, 2, 1000, dtype=torch.float64).view(2, 5, 100)
    (slope,) = torch.autograd.grad(expected, leaf, signal, materialize_grads=True)
    kept = leaf.detach().clone()
    output = kept if activation.in_place is not None else torch.full_like(kept, torch.nan)
    for call in activation.calls(kept, output):
        call()
    torch.testing.assert_close(output, expected.detach(), rtol=0, atol=1e-15)
    assert torch.equal(kept, output if activation.in_place is not None else leaf)
    gradient = signal.clone()
    for call in activation.gradient(gradient, kept):
        call()
    torch.testing.assert_close(gradient, slope, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_bounds_are_those_of_the_range(name):
    activation = ACTIVATIONS[name]
    slope = () if activation.slope is None else (torch.tensor(activation.slope),)
    values = activation.function(torch.linspace(-50, 50, 100_001, dtype=torch.float64), *slope)
    low, high = activation.bounds
    assert low <= float(values.min()) < low + 0.01 or (low == -torch.inf and float(values.min()) < -0.4)
    assert high - 0.01 < float(values.max()) <= high or (high == torch.inf and float(values.max()) >= 49.9)


def test_a_slope_is_learnt_where_it_is_negative_and_starts_at_a_quarter():
    z = torch.linspace(-3, 3, 101, dtype=torch.float64)
    slope = torch.full((), ACTIVATIONS["prelu"].slope, dtype=torch.float64, requires_grad=True)
    ours = ACTIVATIONS["prelu"].function(z, slope)
    theirs = nn.PReLU(dtype=torch.float64)
    assert theirs.weight.item() == ACTIVATIONS["prelu"].slope
    torch.testing.assert_close(ours, theirs(z), rtol=0, atol=1e-15)
    ours.sum().backward()
    theirs(z).sum().backward()
    torch.testing.assert_close(slope.grad, theirs.weight.grad[0])


def test_the_gradient_of_prelu_at_zero_is_that_of_torch_nn():
    ours, theirs = (torch.zeros(1, requires_grad=True) for _ in range(2))
    ACTIVATIONS["prelu"].function(ours, torch.tensor(0.25)).sum().backward()
    nn.PReLU()(theirs).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


def test_a_step_has_no_gradient_to_follow():
    z = torch.tensor([-1.0, 0.0, 1e-30, 2.0], requires_grad=True)
    found = ACTIVATIONS["step"].function(z)
    assert found.tolist() == [0, 0, 1, 1]
    assert torch.autograd.grad(found.sum(), z)[0].tolist() == [0.0] * 4
