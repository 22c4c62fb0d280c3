"""Activations, initialisers and the stacked MLP as plain modules: R replicates of one network in one set of tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from research.cost import layer_sizes
from research.data import stream
from research.design import TrainConfig

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": F.gelu,
}


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

    `weights[l]` is [R, fan_in, fan_out], `biases[l]` [R, 1, fan_out]; the last layer gives the logits. What a later
    study adds to a hidden layer (normalisation, dropout, a skip) belongs into the loop of `layers`.
    """

    def __init__(self, config: TrainConfig, seeds: Sequence[int], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(layer_sizes(config)), start=1):
            starts = [initial_layer(config, fan_in, fan_out, seed, layer) for seed in seeds]
            self.weights.append(torch.tensor(np.stack([weight for weight, _ in starts]), dtype=dtype))
            self.biases.append(torch.tensor(np.stack([bias[None] for _, bias in starts]), dtype=dtype))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [R, B, C] of inputs [R, B, D]."""
        for _, output in self.layers(inputs):
            logits = output
        return logits

    def layers(self, inputs: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Pre-activation and output [R, B, H] of one layer after the other; those of the last are both the logits."""
        *hidden, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            pre_activation = torch.baddbmm(bias, inputs, weight)
            inputs = self.activation(pre_activation)
            yield pre_activation, inputs
        weight, bias = last
        logits = torch.baddbmm(bias, inputs, weight)
        yield logits, logits


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in nats of each example [R, B], from logits [R, B, C] and labels [R, B]."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropies}
