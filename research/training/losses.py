"""Losses of single examples, in the variants that a configuration can name, and what the best constant output costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from research.training.config import TrainConfig
from research.training.cost import num_outputs
from research.training.products import Call

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


def loss_calls(
    config: TrainConfig, outputs: Tensor, targets: Tensor, count: int, losses: Tensor, gradient: Tensor
) -> list[Call]:
    """What writes the sums of `example_losses` over the examples into `losses` [R], and their gradients by the outputs
    [R, B, C] into `gradient`, both divided by `count`.

    The two losses of most studies are written out: cross-entropy behind a softmax has the gradient p - y, squared error
    the difference of output and target. The others are left to autograd.
    """
    if (config.loss, config.output) == ("cross_entropy", "softmax"):
        log_p = torch.empty_like(outputs.mT, memory_format=torch.contiguous_format)
        places, chosen = targets[:, None], torch.empty_like(log_p[:, :1])
        minus_one = log_p.new_full((1, 1, 1), -1.0).expand_as(chosen)
        return [
            partial(torch.log_softmax, outputs.mT, 1, out=log_p),
            partial(torch.gather, log_p, 1, places, out=chosen),
            partial(torch.sum, chosen, (1, 2), out=losses),
            partial(losses.mul_, -1 / count),
            log_p.exp_,
            partial(log_p.scatter_add_, 1, places, minus_one),
            partial(torch.mul, log_p.mT, 1 / count, out=gradient),
        ]
    if config.is_regression and config.loss != "cross_entropy":
        squares, half = torch.empty_like(gradient), 0.5 if config.loss == "mse" else 1.0
        return [
            partial(torch.sub, outputs, targets[..., None], out=gradient),
            partial(torch.mul, gradient, gradient, out=squares),
            partial(torch.sum, squares, (1, 2), out=losses),
            partial(losses.mul_, half / count),
            partial(gradient.mul_, 2 * half / count),
        ]

    def by_autograd() -> None:
        with torch.enable_grad():
            leaf = outputs.detach().requires_grad_()
            values = example_losses(config, leaf, targets).sum(1) / count
            (found,) = torch.autograd.grad(values.sum(), leaf)
        losses.copy_(values.detach())
        gradient.copy_(found)

    return [by_autograd]


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
