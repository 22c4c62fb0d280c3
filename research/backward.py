"""Losses and gradients of the stacked MLP, written out: autograd's, with less traffic between CPU and memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from research.config import TrainConfig
from research.losses import losses_and_gradient
from research.models import StackedMLP

aten = torch.ops.aten
# From the gradient by a layer's output, in whose place it is written, and the output (of gelu: the pre-activation) to
# the gradient by its pre-activation.
BACKWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda g, _: g,
    "sigmoid": lambda g, y: aten.sigmoid_backward.grad_input(g, y, grad_input=g),
    "tanh": lambda g, y: aten.tanh_backward.grad_input(g, y, grad_input=g),
    "relu": lambda g, y: aten.threshold_backward.grad_input(g, y, 0, grad_input=g),
    "gelu": lambda g, z: aten.gelu_backward.grad_input(g, z, grad_input=g),
}


def accumulate_gradients(config: TrainConfig, model: StackedMLP, inputs: Tensor, targets: Tensor, count: int) -> Tensor:
    """Each replicate's sum of losses over a slice of its batch, divided by `count`, [R]; its gradients are added up.

    Inputs [R, B, D], targets [R, B]. The gradients go to the parameters' `grad`, as after `backward()`.
    """
    with torch.no_grad():
        layers = list(zip(model.weights, model.biases, strict=True))
        entering, kept = [inputs], []
        for weight, bias in layers[:-1]:
            pre_activation = affine(entering[-1], weight, bias)
            entering.append(model.in_place(pre_activation))
            kept.append(pre_activation)  # which the output has taken the place of, where it needs no more
        losses, gradient = losses_and_gradient(config, affine(entering[-1], *layers[-1]), targets, count)
        for number in range(len(layers) - 1, -1, -1):
            weight, bias = layers[number]
            add_to(weight, product(entering[number].mT, gradient))
            add_to(bias, gradient.sum(1, keepdim=True))
            if number:
                gradient = BACKWARD[config.activation](product(gradient, weight.mT), kept[number - 1])
    return losses


def add_to(parameter: Tensor, gradient: Tensor) -> None:
    """Add to a parameter's gradient."""
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad += gradient


def affine(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """inputs @ weight + bias: [R, B, D] by [R, D, H] and [R, 1, H]."""
    if inputs.shape[2] == 1:
        return torch.addcmul(bias, inputs, weight)
    if weight.shape[2] == 1:
        return product(inputs, weight).add_(bias)
    return torch.baddbmm(bias, inputs, weight)


def product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right, [R, N, K] by [R, K, M], by the routine that is fast for its shape.

    BLAS is slow at many small products with a vector, or of two.
    """
    if left.shape[2] == 1:
        return left * right
    if right.shape[2] == 1:
        if left.shape[2] >= 32 and left.is_contiguous():
            sums: Tensor = torch.linalg.vecdot(left, right.mT)
            return sums[..., None]
        return torch.bmm(right.mT, left.mT).mT
    return torch.bmm(left, right)
