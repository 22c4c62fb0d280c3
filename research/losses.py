"""Losses of single examples, in the variants that a configuration can name, and what the best constant output costs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from research.config import TrainConfig
from research.cost import num_outputs

OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda outputs: outputs.softmax(-1),
    "sigmoid": torch.sigmoid,
    "raw": lambda outputs: outputs,
}


def example_losses(config: TrainConfig, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each example [R, B], from the last layer's outputs [R, B, C] and targets [R, B].

    Targets are classes (int64) or, of a regression, numbers. Cross-entropy is in nats.
    """
    if config.loss == "cross_entropy":
        return cross_entropies(outputs, targets) if config.output == "softmax" else binary_entropies(outputs, targets)
    predictions = OUTPUTS[config.output](outputs)
    if config.is_regression:
        squares = (predictions - targets[..., None]).square()
    else:
        squares = (predictions - one_hot(targets, predictions)).square()
    return 0.5 * squares.sum(-1) if config.loss == "mse" else squares.mean(-1)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in nats of each example [R, B], from logits [R, B, C] and labels [R, B]."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)


def binary_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy in nats of each example [R, B], summed over the classes as questions of their own."""
    return F.binary_cross_entropy_with_logits(logits, one_hot(labels, logits), reduction="none").sum(-1)


def one_hot(labels: Tensor, like: Tensor) -> Tensor:
    """Labels [...] as vectors [..., C] of the shape and kind of `like`."""
    return torch.zeros_like(like).scatter_(-1, labels[..., None], 1.0)


def constant_loss(config: TrainConfig, targets: np.ndarray) -> float:
    """The mean loss of the best constant prediction of targets [N]: classes, or numbers of a regression.

    For cross-entropy it is the entropy in nats of the class frequencies; for squared errors a variance.
    """
    if config.is_regression and config.loss != "cross_entropy":
        return float(targets.var()) * (0.5 if config.loss == "mse" else 1.0)
    shares = np.bincount(targets) / len(targets)
    if config.loss == "cross_entropy":
        others = 1 - shares if config.output == "sigmoid" else np.zeros(0)
        shares = np.concatenate((shares, others))
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())
    variance = float((shares * (1 - shares)).sum())
    return 0.5 * variance if config.loss == "mse" else variance / num_outputs(config)
