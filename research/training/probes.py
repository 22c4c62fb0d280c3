"""Lightning callbacks that look inside the networks of a stack and leave every bit of their training as it was."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor

from research.training.losses import example_losses
from research.training.models import StackedMLP
from research.training.module import StackModule

PROBE_EXAMPLES = 1000  # at once: a pass over them costs as much as eight training steps of 128
BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


class LayerProbe(pl.Callback):
    """Measures each layer of each replicate at the start (epoch 0) and after the other `epochs` that are reached.

    The probe set is the first PROBE_EXAMPLES of a replicate's validation part: not trained on, so that nothing is
    learnt by heart, and fixed by data set and seed, so that the cells of a study are compared on the same examples.
    The networks are in evaluation mode. Gradients are taken by torch.autograd.grad, which leaves each parameter's own
    as it is; nothing is drawn at random.

    `curves` maps "measure/layer_l" to (epoch, [R]) pairs. Layers count from 1; the one behind the last hidden layer
    gives the logits, and only the measures of gradients have it:

    - `backward_norm`: Frobenius norm, over examples and units, of the gradient of the mean loss by the pre-activations
    - `weight_gradient_norm`: the same by the weights
    - `activation_mean`, `activation_spread`: mean and standard deviation over examples and units
    - `zero`: share of activations that are exactly 0; `dead`: share of units that are 0 on the whole probe set
    - `saturated`, for bounded activations alone: share that lies within 1 % of the range of a bound. Saturation is
      Glorot and Bengio's (2010, section 3); the 1 % is ours: there the slope is below 4 % of its largest.

    Where the activations or gradients of a diverged replicate are not finite, neither is what is measured of them.
    """

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs = tuple(epochs)
        self.curves: dict[str, list[tuple[int, Tensor]]] = {}

    def on_fit_start(self, _: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the untrained networks."""
        self._look(pl_module, 0)

    def on_train_epoch_end(self, _: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at what the epoch has made of them."""
        self._look(pl_module, pl_module.current_epoch + 1)

    def metrics(self) -> dict[str, Tensor]:
        """`backward_metrics` of the start, [R] each; none if the probe did not look at the start."""
        first = [curve[0] for name, curve in self.curves.items() if name.startswith("backward_norm/")]
        hidden = [norms for epoch, norms in first[:-1] if epoch == 0]
        return backward_metrics(torch.stack(hidden)) if hidden else {}

    def _look(self, module: pl.LightningModule, epoch: int) -> None:
        if epoch not in self.epochs:
            return
        assert isinstance(module, StackModule)
        for name, values in layer_measures(module).items():
            self.curves.setdefault(name, []).append((epoch, values))


def layer_measures(module: StackModule) -> dict[str, Tensor]:
    """What `LayerProbe` documents, [R] in float64 by "measure/layer_l", of the networks as they are."""
    outputs, signals, weight_gradients = backward_pass(module, module.validation_indices[:, :PROBE_EXAMPLES])
    found = {f"backward_norm/layer_{layer}": norms(signal) for layer, signal in enumerate(signals, 1)}
    found |= {f"weight_gradient_norm/layer_{layer}": norms(weight) for layer, weight in enumerate(weight_gradients, 1)}
    for layer, output in enumerate(outputs[:-1], 1):
        measures = activation_measures(output, BOUNDS.get(module.config.activation))
        found |= {f"{name}/layer_{layer}": values for name, values in measures.items()}
    return found


def backward_pass(module: StackModule, indices: Tensor) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    """Each layer's output [R, N, H], gradient by its pre-activations [R, N, H] and by its weights [R, fan_in, H].

    The loss is each replicate's mean over its examples, indices [R, N]. It is summed over the replicates, which share
    nothing, so that each gets the gradient of its own.
    """
    model, (inputs, targets) = module.model, module.lookup(indices)
    assert isinstance(model, StackedMLP)
    was_training = model.training
    model.eval()
    with torch.enable_grad():
        pre_activations, outputs = zip(*model.layers(inputs), strict=True)
        loss = example_losses(module.config, outputs[-1], targets).mean(1).sum()
        gradients = torch.autograd.grad(loss, [*pre_activations, *model.weights])
    model.train(was_training)
    return outputs, gradients[: len(pre_activations)], gradients[len(pre_activations) :]


def norms(values: Tensor) -> Tensor:
    """Frobenius norm [R] of values [R, ...], in float64: in float32 the square of a signal below 1e-19 is lost."""
    return values.detach().cpu().double().square().flatten(1).sum(1).sqrt()


def activation_measures(output: Tensor, bounds: tuple[float, float] | None) -> dict[str, Tensor]:
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
    if bounds:
        low, high = bounds
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
