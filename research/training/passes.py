"""Training steps of a plain stacked MLP, written out: the losses and gradients of autograd, as calls prepared once.

A step of small networks is made of some thirty calls of a microsecond, and takes three times as long where each call's
operands are made, shaped and looked up anew. So all that a batch of one size passes through is laid out once, and a
step is these calls, one after the other.
"""  # fmt: skip

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from research.training.config import TrainConfig
from research.training.losses import loss_calls
from research.training.models import StackedMLP
from research.training.products import Call, product_calls


class Scratch:
    """Memory for what a pass needs and leaves behind, by name, shared by all passes that fit into it."""

    def __init__(self, like: Tensor) -> None:
        self.like, self.memory = like, dict[str, Tensor]()

    def take(self, name: str, *shape: int) -> Tensor:
        """A tensor of this shape, which holds anything."""
        size = math.prod(shape)
        if name not in self.memory or len(self.memory[name]) < size:
            self.memory[name] = self.like.new_empty(size)
        return self.memory[name][:size].view(shape)


class Batch:
    """The examples of a step, [R, B, D] and [R, B], and their way forwards and backwards through the networks.

    `inputs` and `targets` are filled before each `run`. A batch whose activations would leave the cache goes through in
    slices, whose gradients add up.
    """

    def __init__(
        self, config: TrainConfig, model: StackedMLP, inputs: Tensor, targets: Tensor, slice_size: int, scratch: Scratch
    ) -> None:
        self.inputs, self.targets = inputs, targets
        self.losses = inputs.new_empty(len(inputs))
        self.calls: list[Call] = []
        with torch.no_grad():
            for first in range(0, inputs.shape[1], slice_size):
                part = slice(first, first + slice_size)
                examples = inputs[:, part], targets[:, part]
                self.calls += slice_calls(config, model, *examples, inputs.shape[1], self.losses, scratch, first == 0)

    @torch.no_grad()
    def run(self) -> Tensor:
        """The mean losses [R]. Their gradients are in the parameters' `grad` then, which must be there."""
        for call in self.calls:
            call()
        return self.losses.clone()


def slice_calls(
    config: TrainConfig,
    model: StackedMLP,
    inputs: Tensor,
    targets: Tensor,
    count: int,
    losses: Tensor,
    scratch: Scratch,
    is_first: bool,
) -> Iterator[Call]:
    """A slice of a batch of `count` examples, whose losses and gradients take the place of others or are added."""
    layers, activation = list(zip(model.weights, model.biases, strict=True)), model.activation
    assert activation.gradient is not None

    def units(name: str, layer: int) -> Tensor:
        """What a layer gives for the slice, [R, B, H]; in memory [R, H, B] behind a single input."""
        num_replicates, fan_in, width = layers[layer][0].shape
        if fan_in == 1:
            return scratch.take(name, num_replicates, width, inputs.shape[1]).mT
        return scratch.take(name, num_replicates, inputs.shape[1], width)

    entering, kept, last = [inputs], [], len(layers) - 1
    for number, (weight, bias) in enumerate(layers[:-1]):
        output = pre_activation = units(f"pre-activation {number}", number)
        yield from product_calls(entering[-1], weight, pre_activation)
        yield partial(pre_activation.add_, bias)
        if activation.in_place is None:
            output = units(f"output {number}", number)
        yield from activation.calls(pre_activation, output)
        entering.append(output)
        kept.append(pre_activation)  # which the output has taken the place of, where it needs no more
    outputs, gradient = units("outputs", last), units(f"gradient {last % 2}", last)
    yield from product_calls(entering[-1], layers[-1][0], outputs)
    yield partial(outputs.add_, layers[-1][1])
    own = losses if is_first else torch.empty_like(losses)
    yield from loss_calls(config, outputs, targets, count, own, gradient)
    if not is_first:
        yield partial(losses.add_, own)
    for number in range(last, -1, -1):
        weight, bias = layers[number]
        assert weight.grad is not None
        assert bias.grad is not None
        own = weight.grad if is_first else scratch.take("weight", *weight.shape)
        yield from product_calls(entering[number].mT, gradient, own)
        own_bias = bias.grad if is_first else scratch.take("bias", *bias.shape)
        yield partial(torch.sum, gradient, 1, keepdim=True, out=own_bias)
        if not is_first:
            yield partial(weight.grad.add_, own)
            yield partial(bias.grad.add_, own_bias)
        if number:
            below = units(f"gradient {(number - 1) % 2}", number - 1)
            yield from product_calls(gradient, weight.mT, below)
            yield from activation.gradient(below, kept[number - 1])
            gradient = below
