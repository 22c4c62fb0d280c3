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


def losses_and_gradient(config: TrainConfig, outputs: Tensor, targets: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The sums of `example_losses` over the examples [R], and their gradients by the outputs [R, B, C], over `count`.

    The two losses of most studies are written out: cross-entropy behind a softmax has the gradient p - y, squared error
    the difference of output and target. The others are left to autograd.
    """
    if (config.loss, config.output) == ("cross_entropy", "softmax"):
        log_p = outputs.mT.log_softmax(1)
        places = targets[:, None]
        losses = -log_p.gather(1, places).sum((1, 2))
        difference = log_p.exp_().scatter_add_(1, places, log_p.new_full((1, 1, 1), -1.0).expand_as(places))
        gradient = difference.mT.contiguous()
    elif config.is_regression and config.loss != "cross_entropy":
        gradient = outputs - targets[..., None]
        losses = gradient.square().sum((1, 2))
        if config.loss == "mse":
            losses *= 0.5
        else:
            gradient *= 2
    else:
        with torch.enable_grad():
            outputs = outputs.detach().requires_grad_()
            losses = example_losses(config, outputs, targets).sum(1)
            (gradient,) = torch.autograd.grad(losses.sum(), outputs)
            losses = losses.detach()
    return losses.div_(count), gradient.div_(count)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy in nats of each example [R, B], from logits [R, B, C] and labels [R, B].

    Classes stand before examples here, which takes torch a fourth of the time.
    """
    return F.cross_entropy(logits.mT, labels, reduction="none")


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
