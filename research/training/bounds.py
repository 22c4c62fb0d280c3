"""Exact controls that mathematics gives: what a network computes in another way, or cannot be better than."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor

from research.training.config import TrainConfig
from research.training.data import CURVES, DATA
from research.training.data_set import DataSet
from research.training.mean_field import start_variances
from research.training.measures import Measured
from research.training.models import StackedMLP, initial_layer, network
from research.training.module import StackModule
from research.training.piecewise import best_linear_pieces
from research.training.plain import plain_labels, plain_train
from research.training.probes import backward_metrics, layer_measures

SEARCH_ITERATIONS = 40  # of L-BFGS for the reference point: the bound is sound at any, and close at a good one
CHUNK = 5000  # examples at once


def linear_product(module: StackModule, data: DataSet) -> Measured:
    """What a network without activations computes, once more as the one linear function that it is.

    The product of its trained weights, with the biases carried along, is applied to the test images as they were
    loaded, in float64. `product_difference`: the largest difference of these logits from the network's own on the same
    inputs in float64, relative to the largest logit; rounding, far below 1e-10. `product_disagreement`: the share of
    test images of which `test_accuracy` would be another by these logits and labels; 0, but for ties in float32.
    """
    weights, constants = affine_product(module)
    model = in_float64(module)
    inputs = data.test_inputs.double() * (module.config.input_scale / data.info.max_value)
    logits = inputs @ weights + constants
    with torch.no_grad():
        found = model(inputs.expand(len(module.seeds), -1, -1))
    difference = (logits - found).abs().amax((1, 2)) / logits.abs().amax((1, 2))
    accuracy = (logits.argmax(2) == data.test_targets).double().mean(1)
    recorded = module.evaluate(module.test_indices, test=True)[1]
    return Measured({"product_difference": difference, "product_disagreement": (accuracy - recorded).abs()})


def affine_product(module: StackModule) -> tuple[Tensor, Tensor]:
    """The linear function [R, D, C] and constant [R, 1, C] that layers without activations come to, in float64."""
    assert isinstance(module.model, StackedMLP)
    pairs = zip(module.model.weights, module.model.biases, strict=True)
    (product, constant), *others = [
        (weight.detach().cpu().double(), bias.detach().cpu().double()) for weight, bias in pairs
    ]
    for weight, bias in others:
        product, constant = product @ weight, constant @ weight + bias
    return product, constant


def in_float64(module: StackModule) -> torch.nn.Module:
    """The trained networks with their weights in float64, on the CPU."""
    model = network(module.config, module.seeds, torch.float64)
    with torch.no_grad():
        for ours, theirs in zip(model.parameters(), module.model.parameters(), strict=True):
            ours.copy_(theirs)
    return model


def convex_bound(module: StackModule, data: DataSet) -> Measured:
    """`above_convex_bound`: the training loss, over the whole training part, minus a bound that it cannot pass.

    A network without activations is a softmax regression, whose loss f is convex. So its loss at its own weights, W, is
    at least f(V) + <grad f(V), W - V>, whatever weights V are: a certified bound. V comes from forty iterations of
    L-BFGS on the same examples, as they were loaded, and W is the product of the trained layers. Near the optimum the
    gradient vanishes, and the bound is the loss of the best softmax regression that there is. `convex_optimum` is f(V),
    of which the bound was at most 0.006 short on MNIST. Both in nats; all but the search in float64.
    """
    weights, constants = affine_product(module)
    losses = module.evaluate(torch.from_numpy(module.train_indices))[0]
    found = []
    for seed, loss, own in zip(module.seeds, losses, torch.cat([weights, constants], 1), strict=True):
        if not own.isfinite().all():
            found.append((math.nan, math.nan))
            continue
        inputs, labels = examples_with_ones(module.config, seed, data)
        reference = softmax_regression(inputs, labels, own)
        value, gradient = regression_loss(inputs, labels, reference)
        found.append((float(loss) - value - float((gradient * (own - reference)).sum()), value))
    above, optimum = torch.tensor(found, dtype=torch.float64).T
    return Measured({"above_convex_bound": above, "convex_optimum": optimum})


def examples_with_ones(config: TrainConfig, seed: int, data: DataSet) -> tuple[Tensor, Tensor]:
    """A seed's training inputs in float32 with a last column of ones, [n, D + 1], and its labels [n]."""
    train = plain_train(config, seed, data)
    images = data.inputs[train].float() * (config.input_scale / data.info.max_value)
    return torch.cat([images, torch.ones(len(train), 1)], 1), plain_labels(config, seed, data, train)[train]


def softmax_regression(inputs: Tensor, labels: Tensor, start: Tensor) -> Tensor:
    """The weights [D, C], in float64, that some iterations of L-BFGS come to from a start, on inputs [N, D]."""
    from scipy.optimize import minimize

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = regression_loss(inputs, labels, torch.from_numpy(flat).view(start.shape).float())
        return value, gradient.flatten().double().numpy()

    found = minimize(loss, start.flatten().numpy(), jac=True, method="L-BFGS-B", options={"maxiter": SEARCH_ITERATIONS})
    return torch.from_numpy(found.x).view(start.shape)


def regression_loss(inputs: Tensor, labels: Tensor, weights: Tensor) -> tuple[float, Tensor]:
    """The mean cross-entropy in nats of a softmax regression with weights [D, C], and its gradient, as exact as these.

    Inputs [N, D] are taken in chunks, in the weights' precision.
    """
    total, gradient = 0.0, torch.zeros_like(weights)
    for some, own in zip(torch.split(inputs, CHUNK), torch.split(labels, CHUNK), strict=True):
        examples = some.to(weights.dtype)
        log_p = (examples @ weights).log_softmax(1)
        total -= float(log_p.gather(1, own[:, None]).double().sum())
        p = log_p.exp_()
        p[torch.arange(len(own)), own] -= 1
        gradient += (p.T @ examples).T
    return total / len(inputs), gradient / len(inputs)


def capacity_bound(module: StackModule, _: DataSet) -> Measured:
    """`above_capacity_bound`: the least test error of the whole training minus that of the best piecewise-linear curve.

    A ReLU network with one hidden layer of w units on one input is linear between w kinks at most, one of identity is
    linear. No such function has a smaller root mean square on the test points than `piecewise.best_linear_pieces`, up
    to the rounding of outputs in float32.
    """
    config = module.config
    bound = least_rmse(config.dataset, config.width if config.activation == "relu" and config.depth else 0)
    errors = torch.stack(module.curves["test_rmse"])
    least = errors.where(errors.isfinite(), torch.inf).amin(0)
    return Measured({"above_capacity_bound": least - bound})


@cache
def least_rmse(dataset: str, num_kinks: int) -> float:
    """The least root mean square error that a function with so many kinks can have on the test points of a curve."""
    points = np.linspace(-2 * np.pi, 2 * np.pi, DATA[dataset].num_test)
    pieces = best_linear_pieces(points, CURVES[dataset](points), min(num_kinks + 1, len(points) // 2))
    return math.sqrt(float(pieces.mse[-1]))


def mean_field(module: StackModule, data: DataSet) -> Measured:
    """`backward_factor_score`: how many standard deviations the factor at the start is from what theory gives.

    The factor is `probes.backward_metrics`'s of untrained networks of the same seeds, made anew; what is expected and
    how it scatters says `expected_backward`. A standard normal number, or one that scatters less.
    """
    fresh = StackModule(module.config, module.seeds, data)
    curves = layer_measures(fresh)
    hidden = [curves[f"backward_norm/layer_{layer}"] for layer in range(1, module.config.depth + 1)]
    factor = backward_metrics(torch.stack(hidden))["backward_factor"]
    mean, deviation = expected_backward(module.config)
    return Measured({"backward_factor_score": (factor.log() - mean) / deviation})


def expected_backward(config: TrainConfig) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of `backward_factor` over the starts of a ReLU network.

    With g_k the gradient by unit k's pre-activation, that of unit j a layer below is relu'(z_j) sum_k w_jk g_k. Over
    the weights, each independent with mean 0 and variance v, the sum has variance v |g|^2, and z_j is positive half of
    the time. So over H units the squared norm is H v / 2 times that above (He and others 2015, eq. 14; Poole and others
    2016 and Schoenholz and others 2017 for other activations): a factor of sqrt(H v / 2), that is 1 from He's start,
    0.707 from Xavier's and 0.408 from torch's.

    At a finite width it scatters. Where all examples take the same way, a layer multiplies the squared norm by the mean
    of H products 2 b_j n_j^2 of a coin and a squared standard normal number: their mean is 1 and their variance 5, so
    its logarithm has the mean -5 / 2H and the variance 5 / H, to leading order (Hanin and Nica 2018). Examples that
    differ average some of that away. `backward_factor` is the geometric mean over depth - 1 pairs of layers.
    """
    variance, _ = start_variances(config, config.width, config.width)
    scatter = 5 / config.width
    mean = 0.5 * math.log(config.width * variance / 2) - scatter / 4
    return mean, 0.5 * math.sqrt(scatter / (config.depth - 1))


def library_start(module: StackModule, _: DataSet) -> Measured:
    """What torch draws for a start, of 256 inputs and 256 or 1,024 outputs, beside what `models.initial_layer` does.

    `library_variance`: a weight's variance times its inputs, of as many outputs as inputs; `library_wide_over_square`:
    that with 1,024 outputs over that; `library_difference`: the larger relative difference of this project's. Of 65,536
    weights a variance is known to 0.6 % by one standard deviation.
    """
    found = []
    for seed in module.seeds:
        square, wide = (start_squares(module.config, seed, outputs) for outputs in (256, 1024))
        apart = max(abs(ours / theirs - 1) for theirs, ours in (square, wide))
        found.append((256 * square[0], wide[0] / square[0], apart))
    names = ("library_variance", "library_wide_over_square", "library_difference")
    return Measured(dict(zip(names, torch.tensor(found, dtype=torch.float64).T, strict=True)))


def start_squares(config: TrainConfig, seed: int, outputs: int) -> tuple[float, float]:
    """The mean squares of weights of 256 inputs as torch draws them and as this project does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weight = torch.nn.Linear(256, outputs).weight.detach()
        if config.init == "he":
            torch.nn.init.kaiming_normal_(weight, nonlinearity="relu")
        elif config.init == "xavier":
            torch.nn.init.xavier_uniform_(weight)
    ours, _ = initial_layer(config, 256, outputs, seed, layer=1)
    return float(weight.double().square().mean()), float((ours**2).mean())


BOUNDS: Mapping[str, Callable[[StackModule, DataSet], Measured]] = {
    "capacity_bound": capacity_bound,
    "convex_bound": convex_bound,
    "library_start": library_start,
    "linear_product": linear_product,
    "mean_field": mean_field,
}
