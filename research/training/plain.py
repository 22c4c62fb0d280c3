"""One MLP trained alone in plain PyTorch, step after step: what a replicate of a stack must come to.

It shares with the stacked training the streams of random numbers and the draws of the start, and nothing else: layers
are those of torch.nn, gradients autograd's, losses torch's, the updates torch.optim's, batches are cut here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from research.design.streams import stream
from research.training.config import TrainConfig
from research.training.cost import layer_sizes, num_steps
from research.training.data_set import DataSet, parts
from research.training.models import initial_layer

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
}


def plain_parameters(config: TrainConfig, seed: int, data: DataSet, first: int) -> list[Tensor]:
    """The weights [fan_in, fan_out] of all layers, then their biases [fan_out], after the first steps, in float64.

    Of an MLP that tells classes by original pixels.
    """
    network = plain_network(config, seed)
    optimizer = plain_optimizer(config, network)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps(config))
    train = plain_train(config, seed, data)
    scale = config.input_scale / data.info.max_value
    labels = plain_labels(config, seed, data, train)
    for batch in itertools.islice(plain_batches(config, seed, train), first):
        optimizer.zero_grad()
        with torch.enable_grad():
            plain_loss(config, network(data.inputs[batch].double() * scale), labels[batch]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if config.schedule == "cosine":
            falling.step()
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    return [*(layer.weight.detach().T for layer in layers), *(layer.bias.detach() for layer in layers)]


def plain_network(config: TrainConfig, seed: int) -> nn.Sequential:
    """The untrained network of a seed: linear layers with the hidden activation between them, in float64."""
    layers: list[nn.Module] = []
    sizes = list(itertools.pairwise(layer_sizes(config)))
    for number, (fan_in, fan_out) in enumerate(sizes, start=1):
        weight, bias = initial_layer(config, fan_in, fan_out, seed, number)
        if number == len(sizes):
            bias[0] += config.output_bias
        linear = nn.Linear(fan_in, fan_out, dtype=torch.float64)
        linear.load_state_dict({"weight": torch.from_numpy(weight.T), "bias": torch.from_numpy(bias)})
        layers += [linear, ACTIVATIONS[config.activation]()]
    return nn.Sequential(*layers[:-1])


def plain_train(config: TrainConfig, seed: int, data: DataSet) -> np.ndarray:
    """The indices of a seed's training part."""
    train, *_ = parts(data.info, data.targets.numpy(), seed)
    return np.sort(stream(seed, "subset").permutation(train)[: config.num_train]) if config.num_train else train


def plain_labels(config: TrainConfig, seed: int, data: DataSet, train: np.ndarray) -> Tensor:
    """The labels of the pool as a seed has them."""
    labels = data.targets.clone()
    if config.labels == "shuffled":
        labels[train] = data.targets[stream(seed, "labels").permutation(train)]
    return labels


def plain_batches(config: TrainConfig, seed: int, train: np.ndarray) -> Iterator[np.ndarray]:
    """The indices of one batch after the other, for ever: each epoch in an order of its own."""
    for epoch in itertools.count():
        order = stream(seed, "order", epoch).permutation(train)
        for number in range(math.ceil(len(order) / config.batch_size)):
            yield order[number * config.batch_size : (number + 1) * config.batch_size]


def plain_loss(config: TrainConfig, outputs: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of a batch, by torch's own losses."""
    if config.loss == "cross_entropy" and config.output == "softmax":
        return nn.functional.cross_entropy(outputs, labels)
    truth = torch.eye(outputs.shape[1], dtype=outputs.dtype)[labels]
    if config.loss == "cross_entropy":
        summed = nn.functional.binary_cross_entropy_with_logits(outputs, truth, reduction="sum")
        return summed / len(outputs)
    predictions = {"softmax": nn.Softmax(1), "sigmoid": nn.Sigmoid(), "raw": nn.Identity()}[config.output](outputs)
    if config.loss == "mse":
        return nn.functional.mse_loss(predictions, truth, reduction="sum") / 2 / len(outputs)
    return nn.functional.mse_loss(predictions, truth)


def plain_optimizer(config: TrainConfig, network: nn.Module) -> torch.optim.Optimizer:
    """torch's own optimiser, one parameter after the other."""
    lr, decay = config.lr, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(), lr, momentum=config.momentum, weight_decay=decay, foreach=False, fused=False
        )
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(network.parameters(), lr, weight_decay=decay, foreach=False, fused=False)
