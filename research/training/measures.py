"""What a configuration's `measures` take of trained networks: numbers, profiles, and identities that are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from research.design.streams import stream
from research.training.activations import SLOPE
from research.training.data_set import DataSet
from research.training.examples import pixel_order
from research.training.layer_pieces import Pieces
from research.training.models import StackedMLP
from research.training.module import StackModule

CONFIDENTLY_WRONG = 0.01  # the true class is given less
NUM_CASES = 10_000
PROBABILITY_EDGES = np.concatenate(([0.0], np.logspace(-6, 0, 13)))  # half decades; what lies below is one bin
FIT_EVERY = 16  # of 4,096 test points: 256 that draw the curve
EXTREMA = np.array([-1.5, -0.5, 0.5, 1.5]) * np.pi  # of sin on [-2 pi, 2 pi]: maximum, minimum, maximum, minimum
EXTREMUM_WITHIN, HEIGHT_WITHIN = 0.6, 0.3  # radians; of a height of 1
TWIN_STEPS = 100


@dataclass(frozen=True)
class Measured:
    """Metrics by name, [R] each, and profiles, [R, K] each: a value at each of K places, numbered from 0."""

    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    profiles: Mapping[str, Tensor] = field(default_factory=dict)


def curve_fit(module: StackModule, _: DataSet) -> Measured:
    """`fit`: the predictions at every 16th test point; `test_r_squared`: the share of the variance there explained.

    `extrema_right`, of sin alone: how many of its four extrema the fit has too. That is, within 0.6 of the place, its
    largest value (smallest, for a minimum) lies inside this window, not at its ends, and within 30 % of the height.
    """
    return Measured(fit_numbers(module), {"fit": module.predictions()[:, ::FIT_EVERY]})


def fit_numbers(module: StackModule) -> dict[str, Tensor]:
    """The metrics [R] of `curve_fit`."""
    errors, predictions = module.errors(), module.predictions()
    truth = module.examples.values
    assert truth is not None
    metrics = {"test_r_squared": 1 - errors.square().sum(1) / (truth - truth.mean()).square().sum()}
    if module.config.dataset == "sine":
        points = module.examples.test_inputs[:, 0].numpy()
        found = torch.tensor([extrema_right(points, fit.numpy()) for fit in predictions]).double()
        metrics["extrema_right"] = found.where(predictions.isfinite().all(1), torch.nan)
    return metrics


def extrema_right(points: np.ndarray, fit: np.ndarray) -> int:
    """How many extrema of sin a fit [N] at points [N] has, as `curve_fit` says."""
    found = 0
    for place, sign in zip(EXTREMA, (1, -1, 1, -1), strict=True):
        window = sign * fit[np.abs(points - place) <= EXTREMUM_WITHIN]
        top = int(window.argmax())
        found += bool(0 < top < len(window) - 1 and abs(window[top] - 1) <= HEIGHT_WITHIN)
    return found


def logit_gradients(module: StackModule, _: DataSet) -> Measured:
    """How large the gradients of cross-entropy and of half the squared error behind a softmax are at the same logits.

    Of the validation examples: `confidently_wrong_share` (p(true) < 0.01) and, of these, `gradient_ratio`: the mean
    norm of cross-entropy's gradient over that of the squared error's, NaN where there are none. The profiles
    `cross_entropy_gradient` and `mse_gradient` are the mean norms where p(true) lies in a bin of PROBABILITY_EDGES.

    Of `num_cases` random logits, in float64: `cross_entropy_formula_error` and `mse_formula_error`, the largest
    difference between autograd and the formulas of `softmax_gradients`.
    """
    logits = module.outputs(module.validation_indices).cpu().double()
    labels = module.lookup(module.validation_indices)[1].cpu()
    true = logits.softmax(-1).gather(-1, labels[..., None])[..., 0]
    gradients = softmax_gradients(logits, labels)
    by_loss = {name: gradient.norm(dim=-1) for name, gradient in gradients.items()}
    wrong = true < CONFIDENTLY_WRONG
    metrics = {
        "confidently_wrong_share": wrong.double().mean(1).where(true.isfinite().all(1), torch.nan),
        "gradient_ratio": masked_mean(by_loss["cross_entropy"], wrong) / masked_mean(by_loss["mse"], wrong),
        **formula_errors(module.seeds),
        "num_cases": torch.full((len(module.seeds),), float(NUM_CASES), dtype=torch.float64),
    }
    bins = torch.bucketize(true, torch.from_numpy(PROBABILITY_EDGES[1:-1]))
    profiles = {
        f"{name}_gradient": torch.stack([masked_mean(norms, bins == k) for k in range(len(PROBABILITY_EDGES) - 1)], 1)
        for name, norms in by_loss.items()
    }
    return Measured(metrics, profiles)


def softmax_gradients(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The gradients [..., C] of both losses by the logits [..., C] with labels [...], from their formulas.

    Cross-entropy: p - y. Half the squared error of p: the softmax's Jacobian diag(p) - p p' times p - y.
    """
    p = logits.softmax(-1)
    difference = p - F.one_hot(labels, logits.shape[-1])
    return {"cross_entropy": difference, "mse": p * (difference - (p * difference).sum(-1, keepdim=True))}


def formula_errors(seeds: tuple[int, ...]) -> dict[str, Tensor]:
    """The largest difference [R] between `softmax_gradients` and autograd over random logits from a tenth to thirty."""
    errors: dict[str, list[float]] = {"cross_entropy": [], "mse": []}
    for seed in seeds:
        rng = stream(seed, "random logits")
        scales = 10 ** rng.uniform(-1, 1.5, (NUM_CASES, 1))
        logits = torch.from_numpy(scales * rng.standard_normal((NUM_CASES, 10))).requires_grad_()
        labels = torch.from_numpy(rng.integers(0, 10, NUM_CASES))
        losses = {
            "cross_entropy": F.cross_entropy(logits, labels, reduction="sum"),
            "mse": 0.5 * (logits.softmax(-1) - F.one_hot(labels, 10)).square().sum(),
        }
        with torch.enable_grad():
            found = {name: torch.autograd.grad(loss, logits)[0] for name, loss in losses.items()}
        for name, formula in softmax_gradients(logits.detach(), labels).items():
            errors[name].append(float((found[name] - formula).abs().max()))
    return {f"{name}_formula_error": torch.tensor(values, dtype=torch.float64) for name, values in errors.items()}


def masked_mean(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean [R] of the chosen of values [R, N]; NaN where none is."""
    return (values * chosen).sum(1) / chosen.sum(1)


def generalisation(_: StackModule, __: DataSet) -> Measured:
    """`train_accuracy`, over the whole training part, and `generalisation_gap`, how far test accuracy lies below it.

    They are taken wherever the test part is evaluated (`evaluations.final_numbers`), so that they have steady numbers.
    """
    return Measured()


def generalisation_numbers(module: StackModule, test_accuracy: Tensor) -> dict[str, Tensor]:
    """The metrics [R] of `generalisation`."""
    accuracy = module.evaluate(torch.from_numpy(module.train_indices))[1]
    return {"train_accuracy": accuracy, "generalisation_gap": accuracy - test_accuracy}


def sparsity(_: StackModule, __: DataSet) -> Measured:
    """`zero_share`: the share of hidden activations that are exactly 0, over the units and the validation examples;
    `mostly_zero_share`: the share of validation examples for which more than half of all hidden units are.

    They are taken where the test part is evaluated, as those of `generalisation`.
    """
    return Measured()


def sparsity_numbers(module: StackModule) -> dict[str, Tensor]:
    """The metrics [R] of `sparsity`."""
    shares = []  # of the hidden units that are zero, [R, B]
    with torch.no_grad():
        for chunk in torch.split(module.validation_indices, module.evaluation_slice, dim=1):
            *hidden, _ = (outputs for _, outputs in module.model.layers(module.lookup(chunk)[0]))
            shares.append(torch.cat([(outputs == 0).double() for outputs in hidden], 2).mean(2))
            is_lost = ~hidden[-1].isfinite().all(2)
            shares[-1] = shares[-1].where(~is_lost, torch.nan)
    of_examples = torch.cat(shares, 1).cpu()
    mostly = (of_examples > 0.5).double().mean(1)
    return {
        "zero_share": of_examples.mean(1),
        "mostly_zero_share": mostly.where(of_examples.isfinite().all(1), torch.nan),
    }


def loss_rises(module: StackModule, _: DataSet) -> Measured:
    """`loss_rises`: the sum of all rises of the training loss from one interval to the next, in the loss's own unit."""
    losses = torch.stack([torch.as_tensor(loss).double() for loss in module.curves["train_loss"]])
    return Measured({"loss_rises": losses.diff(dim=0).clamp(min=0).sum(0)})


def validation_rise(module: StackModule, _: DataSet) -> Measured:
    """`validation_rise`: by how much the validation loss is above its least at the end, in nats.

    At the end is the median over the evaluations of the last tenth of the training.
    """
    losses = torch.stack(module.curves["validation_loss"])
    end = losses[-(-9 * (len(losses) - 1) // 10) :].median(0).values
    return Measured({"validation_rise": end - losses.nan_to_num(torch.inf).amin(0)})


def learnt_slope(module: StackModule, _: DataSet) -> Measured:
    """`slope_change`: the mean over the hidden layers of the distance of a PReLU's slope from its start."""
    assert isinstance(module.model, StackedMLP)
    learnt = [piece.slope for piece in module.model.pieces if isinstance(piece, Pieces) and piece.slope is not None]
    slopes = torch.stack([slope.detach().flatten() for slope in learnt]).cpu().double()
    return Measured({"slope_change": (slopes - SLOPE).abs().mean(0)})


def permuted_twin(module: StackModule, data: DataSet) -> Measured:
    """`twin_difference`: how far training on permuted pixels parts from its twin on the original ones, in float64.

    The twin starts with the first layer's weights permuted alike. After 100 steps, the largest difference of any
    parameter, once the twin's first layer is permuted back.
    """
    config = replace(module.config, measures=())
    permuted, twin = (
        StackModule(replace(config, pixels=pixels), module.seeds, data, torch.float64)
        for pixels in ("permuted", "original")
    )
    assert isinstance(permuted.model, StackedMLP)
    assert isinstance(twin.model, StackedMLP)
    orders = [pixel_order(seed, data.info.num_features) for seed in module.seeds]
    with torch.no_grad():
        for row, order in enumerate(orders):
            twin.model.weights[0][row, order] = permuted.model.weights[0][row]
    for each in (permuted, twin):
        train_for(each, TWIN_STEPS)
    with torch.no_grad():
        for row, order in enumerate(orders):
            twin.model.weights[0][row] = twin.model.weights[0][row, order]
        pairs = zip(permuted.model.parameters(), twin.model.parameters(), strict=True)
        differences = torch.stack([(one - other).abs().flatten(1).amax(1) for one, other in pairs])
    return Measured({"twin_difference": differences.amax(0)})


def train_for(module: StackModule, num_steps: int) -> None:
    """The first steps of a module's training, without a Trainer."""
    optimizer = module.configure_optimizers()
    module.on_train_epoch_start()
    with torch.enable_grad():
        for step in range(num_steps):
            module.take_step(step, optimizer)
            module.after_step(step + 1)


MEASURES: Mapping[str, Callable[[StackModule, DataSet], Measured]] = {
    "curve_fit": curve_fit,
    "logit_gradients": logit_gradients,
    "generalisation": generalisation,
    "sparsity": sparsity,
    "loss_rises": loss_rises,
    "validation_rise": validation_rise,
    "learnt_slope": learnt_slope,
    "permuted_twin": permuted_twin,
}
