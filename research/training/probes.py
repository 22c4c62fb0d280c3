"""Looks inside the networks of a stack, layer by layer, that leave every bit of their training as it was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from research.training.activations import ACTIVATIONS
from research.training.deaths import UnitDeaths
from research.training.losses import example_losses
from research.training.module import StackModule

PROBE_EXAMPLES = 1000  # at once: a pass over them costs as much as eight training steps of 128


class LayerProbe:
    """Measures each layer of each replicate at the start (0) and at the other times to look that are reached.

    The probe set is the first PROBE_EXAMPLES of a replicate's validation part: not trained on, so that nothing is
    learnt by heart, and fixed by data set and seed, so that the cells of a study are compared on the same examples.
    The networks are looked at as they are when nobody trains them. Gradients are taken by torch.autograd.grad, which
    leaves each parameter's own as it is; nothing is drawn at random.

    `curves` maps "measure/layer_l" to (time, [R]) pairs. Layers count from 1; the one behind the last hidden layer
    gives the logits, and only the measures of gradients have it:

    - `backward_norm`: Frobenius norm, over examples and units, of the gradient of the mean loss by the pre-activations
    - `weight_gradient_norm`: the same by the weights
    - `activation_mean`, `activation_spread`: mean and standard deviation over examples and units
    - `zero`: share of activations that are exactly 0; `dead`: share of units that are 0 on the whole probe set
    - `saturated`, for bounded activations alone: share that lies within 1 % of the range of a bound. Saturation is
      Glorot and Bengio's (2010, section 3); the 1 % is ours: there the slope of a sigmoid is below 4 % of its largest
    - `weight_change`, where it is asked for: Frobenius norm of the weights less those of the first look, over that of
      these
    - `signal_share` and `weight_gradient_share`, where `signals` are asked for: root mean squares of the gradients by a
      pre-activation and by a weight, over those of the last hidden layer
    - `drift`, where it is asked for: how far the distribution of each unit's output over the examples is from that of
      the first look, taken as normal: the root of the mean over the units of the squared distances between means and
      between standard deviations (Wasserstein's distance), over the root mean square of the standard deviations then
    - `unit_difference`, where `symmetry` is asked for: the largest difference between the weights that two units of the
      layer have for one and the same input
    - what `deaths.UnitDeaths` says, where `unit_deaths` are asked for: over the whole training part

    Where the activations or gradients of a diverged replicate are not finite, neither is what is measured of them.
    """

    def __init__(self, module: StackModule) -> None:
        self.module, config = module, module.config
        unit = 1 if config.steps else module.steps_per_epoch
        self.times = {time * unit: time for time in config.looks}  # by the number of steps
        self.curves: dict[str, list[tuple[int, Tensor]]] = {}
        self.first_weights: list[Tensor] = []
        self.first_outputs: list[tuple[Tensor, Tensor]] = []
        self.deaths = UnitDeaths(module) if "unit_deaths" in config.probes else None
        module.listeners.append(self)

    def __call__(self, step: int) -> None:
        """Look after so many steps, if it is time."""
        if step not in self.times:
            return
        for name, values in self._measures().items():
            self.curves.setdefault(name, []).append((self.times[step], values))

    def metrics(self) -> dict[str, Tensor]:
        """Of the start, if the probe looked then, `backward_metrics` and, where asked for, `signal_metrics`, [R] each.

        And what `deaths` has come to.
        """
        first = {name: curve[0][1] for name, curve in self.curves.items() if curve[0][0] == 0}
        hidden = [values for name, values in first.items() if name.startswith("backward_norm/")][:-1]
        found = backward_metrics(torch.stack(hidden)) if hidden else {}
        if len(hidden) >= 2 and "signals" in self.module.config.probes:
            found |= signal_metrics(first, len(hidden))
        return found | (self.deaths.metrics() if self.deaths is not None else {})

    def _measures(self) -> dict[str, Tensor]:
        found, sizes = looked_into(self.module)
        if "weight_change" in self.module.config.probes:
            weights = [weight.detach().clone() for weight in self.module.model.layer_weights]
            self.first_weights = self.first_weights or weights
            for layer, (now, first) in enumerate(zip(weights, self.first_weights, strict=True), 1):
                found[f"weight_change/layer_{layer}"] = norms(now - first) / norms(first)
        if "drift" in self.module.config.probes:
            now_outputs = outputs_of_units(self.module)
            self.first_outputs = self.first_outputs or now_outputs
            for layer, (last, start) in enumerate(zip(now_outputs, self.first_outputs, strict=True), 1):
                moved = (last[0] - start[0]).square() + (last[1] - start[1]).square()
                found[f"drift/layer_{layer}"] = (moved.mean(1) / start[1].square().mean(1)).sqrt()
        if "signals" in self.module.config.probes:
            found |= signal_shares(found, sizes, [weight[0].numel() for weight in self.module.model.layer_weights])
        if "symmetry" in self.module.config.probes:
            for layer, weight in enumerate(self.module.model.layer_weights, 1):
                low, high = weight.detach().aminmax(dim=2)
                found[f"unit_difference/layer_{layer}"] = (high - low).amax(1).double().cpu()
        if self.deaths is not None:
            found |= self.deaths.look()
        return found


@torch.no_grad()
def outputs_of_units(module: StackModule) -> list[tuple[Tensor, Tensor]]:
    """Mean and standard deviation [R, H] of each unit's output over the examples, of each hidden layer."""
    inputs, _ = module.lookup(module.validation_indices[:, :PROBE_EXAMPLES])
    *hidden, _ = (output.cpu().double() for _, output in module.model.layers(inputs))
    return [(output.mean(1), output.std(1, correction=0)) for output in hidden]


def layer_measures(module: StackModule) -> dict[str, Tensor]:
    """What `LayerProbe` documents of any network, [R] in float64 by "measure/layer_l", of the networks as they are."""
    return looked_into(module)[0]


def looked_into(module: StackModule) -> tuple[dict[str, Tensor], list[int]]:
    """The same, and how many numbers the output of each layer has."""
    outputs, signals, weight_gradients = backward_pass(module, module.validation_indices[:, :PROBE_EXAMPLES])
    found = {f"backward_norm/layer_{layer}": norms(signal) for layer, signal in enumerate(signals, 1)}
    found |= {f"weight_gradient_norm/layer_{layer}": norms(weight) for layer, weight in enumerate(weight_gradients, 1)}
    for layer, output in enumerate(outputs[:-1], 1):
        measures = activation_measures(output, ACTIVATIONS[module.config.activation].bounds)
        found |= {f"{name}/layer_{layer}": values for name, values in measures.items()}
    return found, [output.shape[2] for output in outputs]


def backward_pass(module: StackModule, indices: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """Each layer's output [R, N, H], gradient by its pre-activations [R, N, H] and by its weights [R, fan_in, H].

    The loss is each replicate's mean over its examples, indices [R, N]. It is summed over the replicates, which share
    nothing, so that each gets the gradient of its own.
    """
    model, (inputs, targets) = module.model, module.lookup(indices)
    with torch.enable_grad():
        pre_activations, outputs = zip(*model.layers(inputs), strict=True)
        loss = example_losses(module.config, outputs[-1], targets).mean(1).sum()
        gradients = torch.autograd.grad(
            loss, [*pre_activations, *model.layer_weights], allow_unused=True, materialize_grads=True
        )
    return outputs, gradients[: len(pre_activations)], gradients[len(pre_activations) :]


def norms(values: Tensor) -> Tensor:
    """Frobenius norm [R] of values [R, ...], in float64: in float32 the square of a signal below 1e-19 is lost."""
    return values.detach().cpu().double().square().flatten(1).sum(1).sqrt()


def activation_measures(output: Tensor, bounds: tuple[float, float]) -> dict[str, Tensor]:
    """`activation_mean` to `saturated` of a layer's output [R, N, H], [R] each; NaN where the output is not finite."""
    output = output.detach().cpu().double()
    flat, zero = output.flatten(1), output == 0
    mean = flat.mean(1)
    measures = {
        "activation_mean": mean,
        "activation_spread": (flat - mean[:, None]).square().mean(1).sqrt(),
        "zero": zero.flatten(1).double().mean(1),
        "dead": zero.all(1).double().mean(1),
    }
    low, high = bounds
    if math.isfinite(high - low):
        margin = 0.01 * (high - low)
        measures["saturated"] = ((flat < low + margin) | (flat > high - margin)).double().mean(1)
    return {name: values.where(mean.isfinite(), torch.nan) for name, values in measures.items()}


def backward_metrics(hidden: Tensor) -> dict[str, Tensor]:
    """What a hidden layer passes back, [R] each, from the norms of the backward signal [L, R] at the L hidden layers.

    `backward_factor` is the geometric mean of norm l / norm l+1 over l = 1..L-1 (two layers at least),
    `backward_log10_across_4` the mean of log10(norm l / norm l+4) over l = 1..L-4 (five layers at least). Both are NaN
    where a norm is exactly 0 or not finite: nothing arrives that could be compared.
    """
    logs = hidden.log10()
    logs = logs.where(logs.isfinite().all(0), torch.nan)
    found = {}
    if len(logs) >= 2:
        found["backward_factor"] = torch.pow(10, (logs[:-1] - logs[1:]).mean(0))
    if len(logs) >= 5:
        found["backward_log10_across_4"] = (logs[:-4] - logs[4:]).mean(0)
    return found


def signal_shares(found: Mapping[str, Tensor], units: Sequence[int], weights: Sequence[int]) -> dict[str, Tensor]:
    """`signal_share` and `weight_gradient_share` of each layer, [R] each, from norms and how many numbers these are of.

    Without hidden layers there is nothing to compare with, and none.
    """
    shares = {}
    for name, norm, sizes in (
        ("signal_share", "backward_norm", units),
        ("weight_gradient_share", "weight_gradient_norm", weights),
    ):
        each = [found[f"{norm}/layer_{layer}"] / math.sqrt(size) for layer, size in enumerate(sizes, 1)]
        for layer, size in enumerate(each, 1) if len(each) > 1 else ():
            share = size / each[-2]
            shares[f"{name}/layer_{layer}"] = share.where(share.isfinite(), torch.nan)
    return shares


def signal_metrics(found: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """What the first and the last of at least two hidden layers say of the start, [R] each, from what is looked at.

    `forward_factor` is the geometric mean by which a layer multiplies the root mean square of activations;
    `signal_arriving` and `weight_gradient_arriving` are the first layer's shares.
    """
    first, last = (
        (found[f"activation_mean/layer_{layer}"].square() + found[f"activation_spread/layer_{layer}"].square()).sqrt()
        for layer in (1, depth)
    )
    factor = (last / first) ** (1 / (depth - 1))
    return {
        "forward_factor": factor.where(factor.isfinite(), torch.nan),
        "signal_arriving": found["signal_share/layer_1"],
        "weight_gradient_arriving": found["weight_gradient_share/layer_1"],
    }
