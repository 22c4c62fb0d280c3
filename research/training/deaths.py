"""Units that die, followed one by one: which of them no training example gives a slope, or a positive input."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from research.training.activations import ACTIVATIONS
from research.training.layer_pieces import Pieces
from research.training.losses import example_losses
from research.training.models import StackedMLP
from research.training.module import StackModule

DEAD = 1e-3  # of a slope: what passes a unit is less than a thousandth then. ReLU's is 0 or 1, leaky ReLU's 0.01 or 1
CHUNK = 500  # examples of each replicate at once


class UnitDeaths:
    """Follows the hidden units of the MLPs of a stack from look to look, over the whole training part of each.

    A unit is *silent* where its pre-activation is above 0 on no training example, and *dead* where the slope of its
    activation is nowhere above DEAD in size. Of ReLU both are the same. Slopes are taken in float64 at the
    pre-activations, so an output or slope that underflows is not taken for death, nor are zeros on one batch.

    `look` gives shares of the units of each layer, [R] by "name/layer_l": `silent`, `dead_in_training`, and `woken`, of
    those that were silent at an earlier look the share that have been awake at a later one. `metrics` gives, [R]:

    - `dead_share`: of all hidden units, those that are dead at the last look
    - `silenced_share`: those that are silent at the last look and were not at the first
    - `woken_share`: as `woken`, in all layers
    - `moved_share`: of the units that were silent at an earlier look, those whose weights or bias have changed since
    - `silent_gradient`: the largest size of the gradient of the mean training loss by a weight or bias of a unit that
      is silent, at any look

    NaN where there is no such unit, or where a replicate's pre-activations are not finite.
    """

    def __init__(self, module: StackModule) -> None:
        assert isinstance(module.model, StackedMLP)
        self.module, self.model = module, module.model
        self.first: Tensor | None = None

    def look(self) -> dict[str, Tensor]:
        """Look at all units now. The networks are left as they are."""
        highest, slopes, gradients = (torch.stack(each, 1).cpu() for each in over_training(self.module))  # [R, L, H]
        parameters = [torch.cat(pair, 1).detach().cpu() for pair in self.incoming()]
        self.is_lost = ~highest.isfinite().flatten(1).all(1)
        self.silent, self.dead = highest <= 0, slopes <= DEAD
        if self.first is None:
            self.first, self.kept = self.silent, parameters
            self.earlier, self.ever = torch.zeros_like(self.silent), torch.zeros_like(self.silent)
            self.woken, self.moved = torch.zeros_like(self.silent), torch.zeros_like(self.silent)
            self.gradient = torch.full((len(highest),), torch.nan, dtype=torch.float64)
        self.earlier = self.ever
        self.woken = self.woken | self.earlier & ~self.silent
        apart = torch.stack([(now != then).any(1) for now, then in zip(parameters, self.kept, strict=True)], 1)
        self.moved = self.moved | self.earlier & apart
        fresh = (self.silent & ~self.ever).unbind(1)
        self.kept = [now.where(new[:, None], then) for now, then, new in zip(parameters, self.kept, fresh, strict=True)]
        self.ever = self.ever | self.silent
        largest = gradients.double().where(self.silent, -torch.inf).flatten(1).amax(1)
        self.gradient = torch.fmax(self.gradient, largest.where(largest >= 0, torch.nan))
        found = {}
        for layer in range(highest.shape[1]):
            found[f"silent/layer_{layer + 1}"] = self.share(self.silent[:, layer])
            found[f"dead_in_training/layer_{layer + 1}"] = self.share(self.dead[:, layer])
            found[f"woken/layer_{layer + 1}"] = self.share(self.woken[:, layer], self.earlier[:, layer])
        return found

    def metrics(self) -> dict[str, Tensor]:
        """The numbers of all looks so far."""
        if self.first is None:
            return {}
        return {
            "dead_share": self.share(self.dead),
            "silenced_share": self.share(self.silent & ~self.first),
            "woken_share": self.share(self.woken, self.earlier),
            "moved_share": self.share(self.moved, self.earlier),
            "silent_gradient": self.gradient.where(~self.is_lost, torch.nan),
        }

    def share(self, units: Tensor, among: Tensor | None = None) -> Tensor:
        """The share [R] of units [R, ...], of all or `among` some."""
        among = torch.ones_like(units) if among is None else among
        found = units.double().flatten(1).sum(1) / among.double().flatten(1).sum(1)
        return found.where(~self.is_lost, torch.nan)

    def incoming(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The weights [R, fan_in, H] and biases [R, 1, H] of the hidden layers."""
        return zip(self.model.weights[:-1], self.model.biases[:-1], strict=True)


def over_training(module: StackModule) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Over the training part of each replicate, [R, H] a hidden layer: each unit's largest pre-activation, the largest
    size of its activation's slope (float64), and the largest size of the gradient of the mean loss by its weights or
    bias.
    """
    model, indices = module.model, torch.from_numpy(module.train_indices)
    assert isinstance(model, StackedMLP)
    parameters = [*model.weights[:-1], *model.biases[:-1]]
    depth = len(parameters) // 2
    highest, slopes = [[torch.full((1,), -torch.inf, device=module.device)] * depth for _ in range(2)]
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    for chunk in torch.split(indices, CHUNK, dim=1):
        inputs, targets = module.lookup(chunk)
        with torch.enable_grad():
            layers, outputs = zip(*model.layers(inputs), strict=True)
            loss = example_losses(module.config, outputs[-1], targets).sum() / indices.shape[1]
            found = torch.autograd.grad(loss, parameters)
        for total, own in zip(gradients, found, strict=True):
            total += own
        for layer, values in enumerate(layers[:-1]):
            highest[layer] = torch.maximum(highest[layer], values.detach().amax(1))
            slopes[layer] = torch.maximum(slopes[layer], slopes_at(module, layer, values).abs().amax(1))
    sizes = [
        torch.maximum(weight.abs().amax(1), bias.abs().amax(1))
        for weight, bias in zip(gradients[:depth], gradients[depth:], strict=True)
    ]
    return highest, slopes, sizes


def slopes_at(module: StackModule, layer: int, pre_activations: Tensor) -> Tensor:
    """The slopes [R, B, H] of a hidden layer's activation at pre-activations, in float64."""
    assert isinstance(module.model, StackedMLP)
    piece = None if module.model.is_plain else module.model.pieces[layer]
    learnt = (piece.slope.detach().double(),) if isinstance(piece, Pieces) and piece.slope is not None else ()
    at = pre_activations.detach().double().requires_grad_()
    with torch.enable_grad():
        total = ACTIVATIONS[module.config.activation].function(at, *learnt).sum()
        return torch.autograd.grad(total, at)[0]
