"""Exact controls that train a twin: two trainings that must come to the same, to the bit or to rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from research.training.cost import num_outputs
from research.training.data_set import DataSet
from research.training.examples import pixel_order
from research.training.measures import TWIN_STEPS, Measured, train_for
from research.training.module import StackModule
from research.training.plain import plain_parameters


def repeated(module: StackModule, data: DataSet) -> Measured:
    """`repeat_difference`: how far the same training, from the start and with nobody looking, ends from this one.

    The largest difference of any parameter. It is exactly 0, unless something beside configuration and seed decides: an
    evaluation that changes what it looks at, a generator that is not the seed's. It costs the training once more.
    """
    again = StackModule(replace(module.config, measures=()), module.seeds, data).to(module.device)
    train_for(again, module.intervals_done * module.num_steps)
    return Measured({"repeat_difference": differences(module, again)})


def alone(module: StackModule, data: DataSet) -> Measured:
    """`alone_difference`: how far a replicate's training parts from that of its seed in plain PyTorch, in float64.

    The other is `plain.plain_parameters`: one network of torch.nn with torch's own gradients and optimiser, that looks
    its examples up in the data as they were loaded. After 100 steps, the largest difference of any parameter.
    """
    config = replace(module.config, measures=())
    stack = StackModule(config, module.seeds, data, torch.float64)
    train_for(stack, TWIN_STEPS)
    found = []
    for row, seed in enumerate(module.seeds):
        ours = [parameter[row].detach().flatten() for parameter in stack.model.parameters()]
        theirs = [parameter.flatten() for parameter in plain_parameters(config, seed, data, TWIN_STEPS)]
        found.append(max(float((one - other).abs().max()) for one, other in zip(ours, theirs, strict=True)))
    return Measured({"alone_difference": torch.tensor(found, dtype=torch.float64)})


def scaled_twin(module: StackModule, data: DataSet) -> Measured:
    """`scaled_twin_difference`: how far squared error as a mean at one rate parts from half the sum at another.

    With C outputs the mean is 2/C times half the sum, so under SGD without weight decay it trains alike at C/2 times
    the rate. In float64, after 100 steps, the largest difference of any parameter.
    """
    config = replace(module.config, measures=())
    share = 2 / num_outputs(config)
    as_sum = config.lr if config.loss == "mse" else config.lr * share
    twins = [
        StackModule(replace(config, loss=loss, lr=lr), module.seeds, data, torch.float64)
        for loss, lr in (("mse", as_sum), ("mse_mean", as_sum / share))
    ]
    return Measured({"scaled_twin_difference": _trained_apart(*twins)})


def round_trip(module: StackModule, data: DataSet) -> Measured:
    """`round_trip_difference`: how far pixels that are permuted and permuted back part from the original ones.

    Each seed's images are given with the inverse of its permutation, so that permuting them gives the original ones:
    the identity permutation. After 100 steps, the largest difference of any parameter or output on the test part. It is
    exactly 0.
    """
    config = replace(module.config, measures=())
    found = []
    for seed in module.seeds:
        inverse = np.argsort(pixel_order(seed, data.info.num_features))
        back = replace(data, inputs=data.inputs[:, inverse], test_inputs=data.test_inputs[:, inverse])
        permuted = StackModule(replace(config, pixels="permuted"), [seed], back)
        original = StackModule(replace(config, pixels="original"), [seed], data)
        trained = _trained_apart(permuted, original)
        outputs = [each.outputs(each.test_indices, test=True) for each in (permuted, original)]
        found.append(torch.maximum(trained, (outputs[0] - outputs[1]).abs().amax((1, 2)).double()))
    return Measured({"round_trip_difference": torch.cat(found)})


def differences(one: StackModule, other: StackModule) -> Tensor:
    """The largest difference of any parameter [R] between two modules, in float64; NaN where one is not a number."""
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    with torch.no_grad():
        apart = [(ours - theirs).abs().flatten(1).amax(1) for ours, theirs in pairs]
    return torch.stack(apart).amax(0).cpu().double()


def _trained_apart(one: StackModule, other: StackModule) -> Tensor:
    for each in (one, other):
        train_for(each, TWIN_STEPS)
    return differences(one, other)


TWINS: Mapping[str, Callable[[StackModule, DataSet], Measured]] = {
    "alone": alone,
    "repeated": repeated,
    "round_trip": round_trip,
    "scaled_twin": scaled_twin,
}
