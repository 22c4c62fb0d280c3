"""Initialisers, the stacked MLP and the small CNN as plain modules: R replicates in one set of tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from research.design.streams import stream
from research.training.activations import ACTIVATIONS
from research.training.config import TrainConfig
from research.training.cost import KERNEL, kernel_sizes, layer_sizes
from research.training.layer_pieces import Pieces
from research.training.products import affine


def initial_layer(
    config: TrainConfig, fan_in: int, fan_out: int, seed: int, layer: int
) -> tuple[np.ndarray, np.ndarray]:
    """The initial weight [fan_in, fan_out] and bias [fan_out] of one layer of one replicate, in float64.

    The draws, before they are scaled, depend on seed and layer alone, so cells with equal shapes start from the same
    ones. Sources: "default" is that of torch.nn.Linear (uniform within 1/sqrt(fan_in), bias too); "xavier" Glorot and
    Bengio 2010, eq. 16 (uniform); "he" He and others 2015, eq. 10 (normal); "normal" has standard deviation
    config.init_std; "zero" is all zeros. But for "default" the bias starts at zero.
    """
    weights, biases = stream(seed, "weights", layer), stream(seed, "biases", layer)
    shape = (fan_in, fan_out)
    if config.init == "default":
        bound = 1 / math.sqrt(fan_in)
        return bound * weights.uniform(-1, 1, shape), bound * biases.uniform(-1, 1, fan_out)
    if config.init == "xavier":
        weight = math.sqrt(6 / (fan_in + fan_out)) * weights.uniform(-1, 1, shape)
    elif config.init == "he":
        weight = math.sqrt(2 / fan_in) * weights.standard_normal(shape)
    elif config.init == "normal":
        weight = config.init_std * weights.standard_normal(shape)
    else:
        weight = np.zeros(shape)
    return weight, np.zeros(fan_out)


class StackedMLP(nn.Module):
    """R multilayer perceptrons of one shape, one per seed, that share nothing but the calls that compute them.

    `weights[l]` is [R, fan_in, fan_out], `biases[l]` [R, 1, fan_out]; the last layer gives the outputs: the logits of a
    classification. Where a hidden layer has more than its affine map and an activation, `pieces[l]` has it, and
    `is_plain` is false. Layers before these are `num_before`.
    """

    def __init__(
        self, config: TrainConfig, seeds: Sequence[int], dtype: torch.dtype = torch.float32, num_before: int = 0
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.in_place = self.activation.in_place or self.activation.function
        sizes = list(itertools.pairwise(layer_sizes(config)))
        self.weights, self.biases = stacked_layers(config, sizes, seeds, dtype, num_before)
        with torch.no_grad():
            self.biases[-1][..., 0] += config.output_bias
        self.is_plain = config.is_plain
        self.pieces = nn.ModuleList()
        if not self.is_plain:
            hidden = enumerate(sizes[:-1], start=num_before + 1)
            self.pieces.extend(Pieces(config, seeds, layer, *size, dtype) for layer, size in hidden)

    def forward(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Outputs [R, B, C] of inputs [R, B, D]; of the whole batch where it is `training`."""
        if not self.is_plain:
            *_, (_, outputs) = self.layers(inputs, training)
            return outputs
        *hidden, (last_weight, last_bias) = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            inputs = self.in_place(affine(inputs, weight, bias))
        return affine(inputs, last_weight, last_bias)

    def layers(self, inputs: Tensor, training: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
        """Pre-activation and output [R, B, H] of one layer after the other; those of the last are both the outputs.

        The same as `forward`, which keeps no pre-activations of plain layers. A pre-activation is what enters the
        activation, behind a normalisation.
        """
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for number, (weight, bias) in enumerate(hidden):
            pre_activation = affine(inputs, weight, bias)
            if self.is_plain:
                inputs = self.activation.function(pre_activation)
            else:
                pre_activation, inputs = self.pieces[number](inputs, pre_activation, training)
            yield pre_activation, inputs
        weight, bias = last
        outputs = affine(inputs, weight, bias)
        yield outputs, outputs

    @property
    def layer_weights(self) -> list[Tensor]:
        """The weights of all layers in order."""
        return list(self.weights)


def stacked_layers(
    config: TrainConfig, sizes: Sequence[tuple[int, int]], seeds: Sequence[int], dtype: torch.dtype, num_before: int
) -> tuple[nn.ParameterList, nn.ParameterList]:
    """The initial weights [R, fan_in, fan_out] and biases [R, 1, fan_out] of layers, counted on from num_before."""
    weights, biases = nn.ParameterList(), nn.ParameterList()
    for layer, (fan_in, fan_out) in enumerate(sizes, start=num_before + 1):
        starts = [initial_layer(config, fan_in, fan_out, seed, layer) for seed in seeds]
        weights.append(torch.tensor(np.stack([weight for weight, _ in starts]), dtype=dtype))
        biases.append(torch.tensor(np.stack([bias[None] for _, bias in starts]), dtype=dtype))
    return weights, biases


class StackedCNN(nn.Module):
    """R small convolutional networks: convolutions 3x3 with activation and pooling 2x2 each, then the stacked MLP.

    Along the one axis of a signal they are of 3, pooled by 2. A dense head takes the maps as they are, a pooled one
    their means. The convolutions go replicate by replicate: on the CPU one call for all (groups) takes a third longer.
    """

    def __init__(self, config: TrainConfig, seeds: Sequence[int], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation].function
        self.pooled = config.head == "pooled"
        self.sides = config.info.sides
        self.convolve, self.pool = {1: (F.conv1d, F.max_pool1d), 2: (F.conv2d, F.max_pool2d)}[len(self.sides)]
        sizes = kernel_sizes(config)
        self.kernels, self.kernel_biases = stacked_layers(config, sizes, seeds, dtype, num_before=0)
        self.dense = StackedMLP(config, seeds, dtype, num_before=len(sizes))

    def forward(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Outputs [R, B, C] of square images, or signals, [R, B, D]."""
        maps = torch.stack([self.maps(images, row) for row, images in enumerate(inputs)])
        outputs: Tensor = self.dense(maps, training)
        return outputs

    def layers(self, inputs: Tensor, training: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
        """As those of an MLP; the units [R, B, H] of a convolution are its maps before they are pooled."""
        maps = [self.one_map(images) for images in inputs]
        for layer in range(len(self.kernels)):
            found = [self.convolution(own, layer, row) for row, own in enumerate(maps)]
            outputs = [self.activation(own) for own in found]
            yield torch.stack([own.flatten(1) for own in found]), torch.stack([own.flatten(1) for own in outputs])
            maps = [self.pool(own, 2) for own in outputs]
        yield from self.dense.layers(torch.stack([self.features(own) for own in maps]), training)

    def maps(self, images: Tensor, row: int) -> Tensor:
        """What the convolutions of one replicate make of its images [B, D], flat or averaged: [B, F]."""
        maps = self.one_map(images)
        for layer in range(len(self.kernels)):
            maps = self.pool(self.activation(self.convolution(maps, layer, row)), 2)
        return self.features(maps)

    def convolution(self, maps: Tensor, layer: int, row: int) -> Tensor:
        """The maps that a convolution of one replicate makes of maps, before the activation."""
        kernels = self.kernels[layer]
        kernel = kernels[row].T.reshape(kernels.shape[2], -1, *[KERNEL] * len(self.sides))
        return self.convolve(maps, kernel, self.kernel_biases[layer][row, 0], padding=KERNEL // 2)

    def one_map(self, inputs: Tensor) -> Tensor:
        """Flat inputs [B, D] as one map each, [B, 1, S, S] or, of signals, [B, 1, S]."""
        return inputs.view(-1, 1, *self.sides)

    def features(self, maps: Tensor) -> Tensor:
        """The last maps, flat or averaged: [B, F]."""
        return maps.mean(tuple(range(2, maps.dim()))) if self.pooled else maps.flatten(1)

    @property
    def layer_weights(self) -> list[Tensor]:
        """The weights of all layers in order, kernels first."""
        return [*self.kernels, *self.dense.weights]


def network(config: TrainConfig, seeds: Sequence[int], dtype: torch.dtype = torch.float32) -> StackedMLP | StackedCNN:
    """The untrained networks of a configuration's seeds."""
    return StackedCNN(config, seeds, dtype) if config.network == "cnn" else StackedMLP(config, seeds, dtype)
