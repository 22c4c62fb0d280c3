"""The activations, each told once: its function, its gradient as calls that write in place, and its range.

Their names stand in `choices.CHOICES` too, which a configuration is checked by without importing torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from research.training.products import Call

aten = torch.ops.aten
INFINITE = (-math.inf, math.inf)
LEAK = 0.01  # slope below zero, as torch.nn.LeakyReLU has it
SLOPE = 0.25  # that a PReLU starts with (He and others 2015)


@dataclass(frozen=True)
class Activation:
    """What a hidden unit makes of its pre-activation.

    `function` gives a new tensor. Where the gradient needs no more than the output, `in_place` writes this in the place
    of the pre-activation; else `out` writes it elsewhere. `gradient` gives the calls that turn the gradient by the
    output into that by the pre-activation, in its place, from the output (where there is an `in_place`) or the
    pre-activation. `slope` is the start of a parameter that each layer has, the second argument of `function`; such an
    activation is left to autograd. `bounds` are those of its range.
    """

    function: Callable[..., Tensor]
    in_place: Callable[[Tensor], Tensor] | None = None
    out: Callable[..., object] | None = None
    gradient: Callable[[Tensor, Tensor], list[Call]] | None = None
    bounds: tuple[float, float] = INFINITE
    slope: float | None = None

    def calls(self, pre_activation: Tensor, output: Tensor) -> list[Call]:
        """What writes the output of a pre-activation; they are one and the same where it is written in place."""
        if self.out is not None:
            return [partial(self.out, pre_activation, out=output)]
        assert self.in_place is not None
        return [partial(self.in_place, pre_activation)]


def step(z: Tensor) -> Tensor:
    """1 above zero, else 0. Its gradient is 0 everywhere: there is none to follow."""
    return torch.sign(z).relu_()


ACTIVATIONS: Mapping[str, Activation] = {
    "identity": Activation(lambda z: z, lambda z: z, gradient=lambda g, _: []),
    "sigmoid": Activation(
        torch.sigmoid,
        torch.sigmoid_,
        gradient=lambda g, y: [partial(aten.sigmoid_backward.grad_input, g, y, grad_input=g)],
        bounds=(0.0, 1.0),
    ),
    "tanh": Activation(
        torch.tanh,
        torch.tanh_,
        gradient=lambda g, y: [partial(aten.tanh_backward.grad_input, g, y, grad_input=g)],
        bounds=(-1.0, 1.0),
    ),
    "relu": Activation(
        torch.relu,
        torch.relu_,
        gradient=lambda g, y: [partial(aten.threshold_backward.grad_input, g, y, 0, grad_input=g)],
        bounds=(0.0, math.inf),
    ),
    "gelu": Activation(
        F.gelu,
        out=aten.gelu.out,
        gradient=lambda g, z: [partial(aten.gelu_backward.grad_input, g, z, grad_input=g)],
        bounds=(-0.17, math.inf),
    ),
    "leaky_relu": Activation(
        partial(F.leaky_relu, negative_slope=LEAK),
        lambda z: F.leaky_relu_(z, LEAK),
        gradient=lambda g, y: [partial(aten.leaky_relu_backward.grad_input, g, y, LEAK, True, grad_input=g)],
    ),
    "prelu": Activation(lambda z, slope: torch.where(z > 0, z, slope * z), slope=SLOPE),
    "elu": Activation(
        F.elu,
        aten.elu_,
        gradient=lambda g, y: [partial(aten.elu_backward.grad_input, g, 1.0, 1.0, 1.0, True, y, grad_input=g)],
        bounds=(-1.0, math.inf),
    ),
    "silu": Activation(
        F.silu,
        out=aten.silu.out,
        gradient=lambda g, z: [partial(aten.silu_backward.grad_input, g, z, grad_input=g)],
        bounds=(-0.28, math.inf),
    ),
    "relu6": Activation(
        F.relu6,
        lambda z: aten.hardtanh_(z, 0.0, 6.0),
        gradient=lambda g, y: [partial(aten.hardtanh_backward.grad_input, g, y, 0.0, 6.0, grad_input=g)],
        bounds=(0.0, 6.0),
    ),
    "hardswish": Activation(
        F.hardswish,
        out=aten.hardswish.out,
        gradient=lambda g, z: [partial(aten.hardswish_backward.out, g, z, out=g)],
        bounds=(-0.375, math.inf),
    ),
    "step": Activation(step, lambda z: z.sign_().relu_(), gradient=lambda g, _: [g.zero_], bounds=(0.0, 1.0)),
}
