"""What mean-field theory says of an MLP at its start: how large activations are, and what each layer passes back."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from research.training.config import TrainConfig

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray
STEP = 1e-2  # relative, of second differences
POINTS = (np.arange(8000) - 3999.5) / 500  # of a standard normal number: symmetric, none on the kink at 0
WEIGHTS = np.exp(-(POINTS**2) / 2) / np.exp(-(POINTS**2) / 2).sum()


class Signals(NamedTuple):
    """Means over starts. `forward` [L]: of the logarithm of the root mean square of each hidden layer's activations.

    `backward` [L - 1]: of the logarithm of the norm of the backward signal at hidden layer l over that at l + 1.
    """

    forward: Array
    backward: Array

    @property
    def forward_factor(self) -> float:
        """By how much a layer multiplies its activations: the geometric mean over the hidden layers."""
        return math.exp((self.forward[-1] - self.forward[0]) / (len(self.forward) - 1))

    @property
    def backward_factor(self) -> float:
        """The same of the backward signal, as `probes.backward_metrics` measures it."""
        return math.exp(self.backward.mean())


@cache
def expected_signals(config: TrainConfig, input_square: float) -> Signals:
    """What to expect of an untrained plain MLP of two hidden layers or more whose inputs have this mean square.

    Over the weights a pre-activation of layer l is Gaussian with variance q, given the layer before. With H units and
    weights and biases of variances v and b, that of the next layer is b + H v E phi(z)^2, and the squared norm of the
    signal is multiplied by H v E phi'(z)^2 on its way from l + 1 to l (Poole and others 2016; Schoenholz and others
    2017, where weights on the way back are taken as independent of those on the way there).

    At a finite width both are means of H terms. Their scatter lowers the mean of a logarithm by half the relative
    variance. On the way back that is (3 E phi'^4 / (E phi'^2)^2 - 1) / H for one signal (5 / H of ReLU, Hanin and Nica
    2018), and ((1 + 2/r) E phi'^4 / (E phi'^2)^2 - 1) / H for r of one length and at right angles: prediction less
    target of a softmax has one dimension less than there are classes. On the way there it also moves q of all later
    layers, which is followed by its mean and variance. All is to first order in 1 / H, and for examples with the same
    pre-activations: those that differ average some more of the scatter away.
    """
    from research.training.activations import ACTIVATIONS  # studies are planned without torch

    function = ACTIVATIONS[config.activation].function
    weight, bias = start_variances(config, config.info.num_features, config.width)
    q = bias + config.info.num_features * weight * input_square
    weight, bias = start_variances(config, config.width, config.width)
    gain, shift, variance = config.width * weight, 0.0, 0.0  # of q: mean and variance of what the width adds
    spread = 1 + 2 / max(config.info.num_classes - 1, 1)
    forward, backward = [], []
    for _ in range(config.depth):
        square, slope = (_moments(function, q, order) for order in (0, 1))
        h2, h2_slope, h2_bend = _expansion(lambda at: _moments(function, at, 0)[0], q)
        _, log_h2, log_h2_bend = _expansion(lambda at: math.log(_moments(function, at, 0)[0]), q)
        log_s2, log_s2_slope, log_s2_bend = _expansion(lambda at: math.log(_moments(function, at, 1)[0]), q)
        of_square = (square[1] / square[0] ** 2 - 1) / config.width
        of_slope = (spread * slope[1] / slope[0] ** 2 - 1) / config.width
        forward.append((math.log(h2) + log_h2 * shift + log_h2_bend * variance / 2 - of_square / 2) / 2)
        moved = log_s2_slope * shift + log_s2_bend * variance / 2
        backward.append((math.log(gain) + log_s2 + moved - of_slope / 2) / 2)
        q = bias + gain * h2
        shift = gain * (h2_slope * shift + h2_bend * variance / 2)
        variance = gain**2 * (h2_slope**2 * variance + h2**2 * of_square)
    return Signals(np.array(forward), np.array(backward[:-1]))


def start_variances(config: TrainConfig, fan_in: int, fan_out: int) -> tuple[float, float]:
    """The variances of a weight and of a bias of such a layer that `models.initial_layer` draws."""
    return {
        "default": (1 / (3 * fan_in), 1 / (3 * fan_in)),
        "xavier": (2 / (fan_in + fan_out), 0.0),
        "he": (2 / fan_in, 0.0),
        "normal": (config.init_std**2, 0.0),
        "zero": (0.0, 0.0),
    }[config.init]


@cache
def _moments(function: Callable[..., Tensor], variance: float, order: int) -> tuple[float, float]:
    """The mean square and mean fourth power of a function (order 0) or its slope (1) of a Gaussian number."""
    import torch

    z = torch.from_numpy(math.sqrt(variance) * POINTS).requires_grad_()
    values = function(z)
    if order:
        (values,) = torch.autograd.grad(values.sum(), z)
    squares = values.detach().numpy() ** 2
    return float(WEIGHTS @ squares), float(WEIGHTS @ squares**2)


def _expansion(function: Callable[[float], float], at: float) -> tuple[float, float, float]:
    """The value, slope and second derivative of a smooth function of a positive number."""
    low, middle, high = (function(at * (1 + step)) for step in (-STEP, 0.0, STEP))
    return middle, (high - low) / (2 * STEP * at), (high - 2 * middle + low) / (STEP * at) ** 2
