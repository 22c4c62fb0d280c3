"""Optimisers of a stack: all its parameters in one buffer, updated by one call of torch's fused kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from research.training.config import TrainConfig

ALIGNMENT = 16  # float32 numbers in a vector of 64 bytes, at whose bounds each parameter begins


class FlatOptimizer(torch.optim.Optimizer):
    """SGD, Adam or AdamW over parameters that it moves into one buffer, and whose gradients into another.

    A parameter is then a view of the buffer, and its `grad` of the other, so what writes there is seen by the update.
    Updates are element by element: each replicate has its own. They are those of torch.optim with fused=True, whose
    step costs ten times as much as the kernel that it calls where networks are small.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], config: TrainConfig) -> None:
        self.flat = flattened(list(parameters))
        super().__init__([self.flat], {"lr": config.lr})
        assert self.flat.grad is not None
        self.gradient = self.flat.grad
        self._kernel = KERNELS[config.optimizer](self.flat.detach(), self.gradient, config)

    @torch.no_grad()
    def update(self, lr: float) -> None:
        """Take a step at this rate, without what torch puts around `step`."""
        self._kernel(lr)

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step at the rate of the configuration."""
        self.update(self.defaults["lr"])


def flattened(parameters: list[nn.Parameter]) -> nn.Parameter:
    """One parameter of which these become parts, as their gradients do of its own; what lies between them is zero."""
    places, length = [], 0
    for parameter in parameters:
        places.append(slice(length, length + parameter.numel()))
        length = -(-places[-1].stop // ALIGNMENT) * ALIGNMENT
    flat = nn.Parameter(parameters[0].new_zeros(length))
    flat.grad = torch.zeros_like(flat)
    with torch.no_grad():
        for parameter, place in zip(parameters, places, strict=True):
            flat[place] = parameter.flatten()
            parameter.data = flat.data[place].view_as(parameter)
            parameter.grad = flat.grad[place].view_as(parameter)
    return flat


def sgd(flat: Tensor, gradient: Tensor, config: TrainConfig) -> Callable[[float], None]:
    """Stochastic gradient descent, with momentum where there is one, as torch.optim.SGD has it."""
    velocity = [torch.zeros_like(flat)] if config.momentum else []
    is_first = True

    def update(lr: float) -> None:
        nonlocal is_first
        torch._fused_sgd_(
            [flat],
            [gradient],
            velocity,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=is_first,
        )
        is_first = False

    return update


def adam(flat: Tensor, gradient: Tensor, config: TrainConfig) -> Callable[[float], None]:
    """Adam (Kingma and Ba 2015) or, of that name, AdamW (Loshchilov and Hutter 2019), with torch.optim's defaults."""
    kernel = {"adam": torch._fused_adam_, "adamw": torch._fused_adamw_}[config.optimizer]
    mean, square = torch.zeros_like(flat), torch.zeros_like(flat)
    step = torch.zeros((), device=flat.device)

    def update(lr: float) -> None:
        step.add_(1)
        kernel(
            [flat],
            [gradient],
            [mean],
            [square],
            [],
            [step],
            lr=lr,
            beta1=0.9,
            beta2=0.999,
            weight_decay=config.weight_decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    return update


KERNELS = {"sgd": sgd, "adam": adam, "adamw": adam}
