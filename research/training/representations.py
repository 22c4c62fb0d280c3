"""What the hidden layers make of the inputs: linear probes, the pixels that a unit sees, the dimension of the data."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from research.design.streams import stream
from research.training.bounds import regression_loss
from research.training.data_set import DataSet
from research.training.measures import Measured
from research.training.module import StackModule

ITERATIONS = 100  # of L-BFGS for a probe, as in scikit-learn's logistic regression
RANK = 1e-11  # directions of less than this share of the largest are none: they are rounding of float64
FIELD_EXAMPLES = 200  # a pass backward for each unit
NEIGHBOURS = 20  # the most that Levina and Bickel average over
CHUNK = 1000  # rows of a matrix of distances at once


def linear_probes(module: StackModule, _: DataSet) -> Measured:
    """How well a linear classifier tells the classes by the outputs of each layer (Alain and Bengio 2016).

    Probes are fitted to the validation part, which no network was trained on, and tested on the test part. Profiles, by
    place from 0 (the inputs) to the last hidden layer: `probe_accuracy` of a `softmax_probe`, and `unexplained`, the
    share of the variance of the one-hot labels that no affine function of the layer explains, on the validation part.

    What is explained is taken of outputs in float64: rounding to float32 lets a layer explain a little by itself.

    Of these `probe_gain`, from the inputs to the last layer, `last_probe_accuracy`, and by how much a layer lowers the
    unexplained share: `least_explained`, `largest_explained`. An affine layer never does. Of the last layer,
    `shuffled_probe_accuracy` where the labels of the validation part were dealt out anew; `probe_above_head`, the loss
    of the probe on the validation part minus that of the network, whose last layer is a linear classifier too; and
    `head_train_accuracy`, that of the network on its training part.
    """
    fit, test = module.validation_indices, module.test_indices
    labels, test_labels = module.lookup(fit)[1].cpu(), module.lookup(test, test=True)[1].cpu()
    rows = range(len(module.seeds))
    accuracy, left = (torch.full((len(rows), module.config.depth + 1), torch.nan).double() for _ in range(2))
    shuffled, losses = (torch.full((len(rows),), torch.nan).double() for _ in range(2))
    for layer in range(module.config.depth + 1):
        pairs = zip(layer_outputs(module, layer, fit), layer_outputs(module, layer, test, test=True), strict=True)
        for row, (inputs, test_inputs) in zip(rows, pairs, strict=True):
            if not (inputs.isfinite().all() and test_inputs.isfinite().all()):
                continue
            seen = (test_inputs, test_labels[row])
            accuracy[row, layer], losses[row] = softmax_probe(inputs, labels[row], *seen)
            if layer == module.config.depth:
                order = stream(module.seeds[row], "labels of a probe").permutation(len(inputs))
                shuffled[row], _loss = softmax_probe(inputs, labels[row][torch.from_numpy(order)], *seen)
        for row, inputs in zip(rows, layer_outputs(module, layer, fit, dtype=torch.float64), strict=True):
            if inputs.isfinite().all():
                left[row, layer] = unexplained(inputs, labels[row])
    head_loss, _accuracy = module.evaluate(fit)
    metrics = {
        "probe_gain": accuracy[:, -1] - accuracy[:, 0],
        "last_probe_accuracy": accuracy[:, -1],
        "least_explained": -left.diff(dim=1).amax(1),
        "largest_explained": -left.diff(dim=1).amin(1),
        "shuffled_probe_accuracy": shuffled,
        "probe_above_head": losses - head_loss,
        "head_train_accuracy": module.evaluate(torch.from_numpy(module.train_indices))[1],
    }
    return Measured(metrics, {"probe_accuracy": accuracy, "unexplained": left})


@torch.no_grad()
def layer_outputs(
    module: StackModule, layer: int, indices: Tensor, test: bool = False, dtype: torch.dtype = torch.float32
) -> Iterator[Tensor]:
    """The outputs [N, H] of a layer, one replicate after the other, of its examples, indices [R, N]; 0: the inputs."""
    if not layer:
        for row in range(len(indices)):
            yield module.lookup(indices[row : row + 1], test)[0][0].cpu().to(dtype)
        return
    model = module.model if dtype == torch.float32 else copy.deepcopy(module.model).to(dtype)
    chunks = []
    for chunk in torch.split(indices, module.evaluation_slice, dim=1):
        outputs = [output for _, output in model.layers(module.lookup(chunk, test)[0].to(dtype))]
        chunks.append(outputs[layer - 1].cpu())
    yield from torch.cat(chunks, 1)


def softmax_probe(inputs: Tensor, labels: Tensor, test_inputs: Tensor, test_labels: Tensor) -> tuple[float, float]:
    """The test accuracy of a softmax regression of labels [N] on inputs [N, D], and its mean loss on these, in nats.

    Inputs are taken less their means and over the root of their mean variance, with half the squared norm of the
    weights over N as a penalty: scikit-learn's own, but for a scale that all inputs share.
    """
    from scipy.optimize import minimize

    mean, spread = inputs.mean(0), max(float(inputs.var(0, correction=0).mean()) ** 0.5, 1e-30)
    fit, test = (torch.cat([(each - mean) / spread, each.new_ones(len(each), 1)], 1) for each in (inputs, test_inputs))
    shape, penalty = (fit.shape[1], int(labels.max()) + 1), torch.full((fit.shape[1], 1), 1 / len(fit))
    penalty[-1] = 0  # that of the biases

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.from_numpy(flat).view(shape).float()
        value, gradient = regression_loss(fit, labels, weights)
        total = value + float((penalty * weights.square()).sum()) / 2
        return total, (gradient + penalty * weights).flatten().double().numpy()

    found = minimize(loss, np.zeros(math.prod(shape)), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    weights = torch.from_numpy(found.x).view(shape).float()
    accuracy = float(((test @ weights).argmax(1) == test_labels).double().mean())
    return accuracy, regression_loss(fit, labels, weights)[0]


def unexplained(inputs: Tensor, labels: Tensor) -> float:
    """The share of the variance of one-hot labels [N] that no affine function of inputs [N, D] explains, in float64."""
    from scipy.linalg import qr

    centred = (inputs.double() - inputs.double().mean(0)).numpy()
    targets = torch.nn.functional.one_hot(labels).double().numpy()
    targets -= targets.mean(0)
    basis, triangle, _ = qr(centred, mode="economic", pivoting=True, check_finite=False)
    size = np.abs(np.diag(triangle))
    explained = basis[:, size > RANK * max(size[0], 1e-300)].T @ targets
    return float(1 - (explained**2).sum() / (targets**2).sum())


def receptive_fields(module: StackModule, _: DataSet) -> Measured:
    """How far apart the pixels lie that a unit depends on, layer by layer; 1 where it depends on all pixels alike.

    A unit depends on a pixel by the mean size of its derivative by it, over 200 validation examples, times the standard
    deviation of the pixel there. The spread of that is the root mean square distance from its centre of mass, in pixels
    of square images, over the spread of the standard deviations alone. The profile `field_spread` is the median over
    units, by place from 1, the first hidden layer; `field_growth` is that of the last over that of the first.
    """
    inputs = module.lookup(module.validation_indices[:, :FIELD_EXAMPLES])[0].requires_grad_()
    deviation = inputs.detach().std(1, correction=0).double().cpu()  # [R, D]
    whole, spreads = spread_of(deviation), []
    with torch.enable_grad():
        outputs = [output for _, output in module.model.layers(inputs)][:-1]
        for output in outputs:
            units = []
            for unit in range(output.shape[2]):
                (gradient,) = torch.autograd.grad(output[..., unit].sum(), inputs, retain_graph=True)
                units.append(spread_of(gradient.abs().mean(1).double().cpu() * deviation))
            spreads.append(torch.stack(units).nanmedian(0).values / whole)
    found = torch.stack(spreads, 1)
    start = torch.full_like(whole, torch.nan)[:, None]  # the inputs are no layer of units
    return Measured({"field_growth": found[:, -1] / found[:, 0]}, {"field_spread": torch.cat([start, found], 1)})


def spread_of(weights: Tensor) -> Tensor:
    """The root mean square distance [R] of the pixels of square images from their centre, by weights [R, D] of them.

    NaN where all weights are 0, or one is not finite.
    """
    side = math.isqrt(weights.shape[1])
    places = torch.cartesian_prod(*[torch.arange(side).double()] * 2)
    shares = weights / weights.sum(1, keepdim=True)
    centres = shares @ places
    return ((shares @ places.square()).sum(1) - centres.square().sum(1)).clamp(min=0).sqrt()


def intrinsic_dimension(module: StackModule, _: DataSet) -> Measured:
    """`intrinsic_dimension`: of how many dimensions the manifold is near which the training inputs lie.

    Levina and Bickel's (2004) maximum likelihood from the distances T_1 to T_20 of the nearest others: at a point the
    inverse of the mean of log(T_20 / T_j), corrected as they do by one (18 for 19), with inverses averaged over all
    points (MacKay and Ghahramani 2005). It falls short where there are many dimensions and few points.
    """
    found = []
    for row in range(len(module.seeds)):
        indices = torch.from_numpy(module.train_indices[row : row + 1])
        inputs = module.lookup(indices)[0][0].cpu().double()
        found.append(dimension_of(inputs))
    return Measured({"intrinsic_dimension": torch.tensor(found, dtype=torch.float64)})


def dimension_of(inputs: Tensor) -> float:
    """The estimate for points [N, D], none of them twice."""
    inverses = []
    for some in torch.split(inputs, CHUNK):
        squares = some.square().sum(1)[:, None] + inputs.square().sum(1) - 2 * some @ inputs.T
        nearest = squares.clamp(min=1e-24).topk(NEIGHBOURS + 1, largest=False).values[:, 1:]  # the first is itself
        inverses.append((nearest[:, -1:] / nearest[:, :-1]).log().sum(1) / 2 / (NEIGHBOURS - 2))
    return 1 / float(torch.cat(inverses).mean())


REPRESENTATIONS: Mapping[str, Callable[[StackModule, DataSet], Measured]] = {
    "intrinsic_dimension": intrinsic_dimension,
    "linear_probes": linear_probes,
    "receptive_fields": receptive_fields,
}
