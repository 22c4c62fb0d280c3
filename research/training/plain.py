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
from research.training.augmentation import FARTHEST, shifts
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
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
}
NORMALIZATIONS: dict[str, type[nn.Module]] = {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d}


class PlainLayer(nn.Module):
    """A hidden layer as one writes it with torch.nn: linear, normalisation, activation, and a skip around them."""

    def __init__(self, config: TrainConfig, linear: nn.Linear) -> None:
        super().__init__()
        self.linear, self.activation = linear, ACTIVATIONS[config.activation]()
        has_norm = config.normalization != "none"
        self.norm = NORMALIZATIONS[config.normalization](linear.out_features) if has_norm else nn.Identity()
        self.skip = config.skip if linear.in_features == linear.out_features else "none"
        self.scale = config.branch_scale
        self.double()

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [B, H] of inputs [B, D]."""
        branch = self.norm(self.linear(inputs))
        if self.skip == "before":
            found: Tensor = self.activation(inputs + self.scale * branch)
            return found
        outputs: Tensor = self.activation(branch)
        return inputs + self.scale * outputs if self.skip == "after" else outputs

    def others(self) -> list[Tensor]:
        """The learnt numbers beside weight and bias: the slope of a PReLU, then gain and shift."""
        return [*self.activation.parameters(), *self.norm.parameters()]


def plain_parameters(config: TrainConfig, seed: int, data: DataSet, first: int) -> list[Tensor]:
    """The weights [fan_in, fan_out] of all layers, then their biases [fan_out], then what else is learnt, layer by
    layer, after the first steps, in float64.

    Of an MLP that tells classes by original pixels.
    """
    network = plain_network(config, seed)
    optimizer = plain_optimizer(config, network)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps(config))
    train = plain_train(config, seed, data)
    scale = config.input_scale / data.info.max_value
    labels = plain_labels(config, seed, data, train)
    for step, batch in enumerate(itertools.islice(plain_batches(config, seed, train), first)):
        optimizer.zero_grad()
        inputs = data.inputs[batch].double() * scale
        if config.augmentation == "shifts":
            inputs = torch.stack(
                [moved(image, *by) for image, by in zip(inputs, shifts(seed, step, len(batch)), strict=True)]
            )
        with torch.enable_grad():
            plain_loss(config, network(inputs), labels[batch]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if config.schedule == "cosine":
            falling.step()
    hidden = [layer for layer in network if isinstance(layer, PlainLayer)]
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    weights, biases = [layer.weight.T for layer in linear], [layer.bias for layer in linear]
    others = [parameter for layer in hidden for parameter in layer.others()]
    return [parameter.detach() for parameter in (*weights, *biases, *others)]


def moved(image: Tensor, down: int, right: int) -> Tensor:
    """A square image [D] moved by so many pixels, by a frame of zeros that is wider on one side and cut off alike."""
    side, far = math.isqrt(len(image)), FARTHEST
    framed = nn.functional.pad(image.view(side, side), (far + right, far - right, far + down, far - down))
    return framed[far : far + side, far : far + side].flatten()


def plain_network(config: TrainConfig, seed: int) -> nn.Sequential:
    """The untrained network of a seed in float64: hidden layers, then a linear one."""
    layers: list[nn.Module] = []
    sizes = list(itertools.pairwise(layer_sizes(config)))
    for number, (fan_in, fan_out) in enumerate(sizes, start=1):
        weight, bias = initial_layer(config, fan_in, fan_out, seed, number)
        if number == len(sizes):
            bias[0] += config.output_bias
        linear = nn.Linear(fan_in, fan_out, dtype=torch.float64)
        linear.load_state_dict({"weight": torch.from_numpy(weight.T), "bias": torch.from_numpy(bias)})
        layers.append(PlainLayer(config, linear) if number < len(sizes) else linear)
    return nn.Sequential(*layers)


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
