"""The LightningModule that wraps a stack of MLPs, with its data in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from research.data import ImageData, split, stream
from research.design import TrainConfig
from research.models import LOSSES, StackedMLP

EVALUATION_BATCH = (
    1000  # examples of each replicate at once; large enough to amortise the calls, small enough for cache
)


class StackModule(pl.LightningModule):
    """Trains R replicates at once, each on its own split and in its own order, and keeps their curves.

    The training batches are step numbers, `range(module.num_steps)`: the examples of a step are looked up in tensors
    that live on the device. The loss is summed over the replicates, so each gets the gradient of its own mean loss.

    `curves` maps a name to one tensor [R] per epoch: `train_loss` (mean over the epoch's steps, from epoch 1),
    `validation_loss` and `validation_accuracy` (from epoch 0, before any training). `diverged_step` [R] is the first
    step whose loss was not finite, -1 where all were.
    """

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def __init__(
        self, config: TrainConfig, seeds: Sequence[int], data: ImageData, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.config, self.seeds = config, tuple(seeds)
        self.model = StackedMLP(config, seeds, dtype)
        self.losses = LOSSES[config.loss]
        self.scale = 1 / data.info.max_value
        for name in ("images", "labels", "test_images", "test_labels"):
            self.register_buffer(name, getattr(data, name), persistent=False)
        parts = [split(data.labels.numpy(), data.info.num_validation, seed) for seed in seeds]
        self.train_indices = np.stack([train for train, _ in parts])
        self.validation_indices = torch.from_numpy(np.stack([validation for _, validation in parts]))
        self.test_indices = torch.arange(data.info.num_test).expand(len(self.seeds), -1)
        self.num_steps = -(-self.train_indices.shape[1] // config.batch_size)
        self.curves: dict[str, list[Tensor]] = {"train_loss": [], "validation_loss": [], "validation_accuracy": []}
        self.diverged_step = torch.full((len(self.seeds),), -1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser over the stacked tensors: its updates are element-wise, so each replicate has its own."""
        config = self.config
        shared: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": True}
        if config.optimizer == "sgd":
            return torch.optim.SGD(self.model.parameters(), momentum=config.momentum, **shared)
        kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
        return kind(self.model.parameters(), **shared)

    def on_fit_start(self) -> None:
        """Evaluate the untrained networks: epoch 0 of the curves."""
        self._evaluate_validation()

    def on_train_epoch_start(self) -> None:
        """Draw each replicate's order of the epoch, on data set and seed alone."""
        orders = [
            stream(seed, "order", self.current_epoch).permutation(indices)
            for seed, indices in zip(self.seeds, self.train_indices, strict=True)
        ]
        self.order = torch.from_numpy(np.stack(orders)).to(self.device)
        self.step_losses: list[Tensor] = []

    def training_step(self, step: int, _: int) -> Tensor:
        """The sum over replicates of the mean loss of their batches; each replicate's own is kept for the curve."""
        size = self.config.batch_size
        losses = self._losses(self.order[:, step * size : (step + 1) * size]).mean(1)
        self.step_losses.append(losses.detach())
        return losses.sum()

    def on_train_epoch_end(self) -> None:
        """Append the epoch to the curves and note the first step at which a loss was not finite."""
        losses = torch.stack(self.step_losses).cpu().double()
        size, total = self.config.batch_size, self.train_indices.shape[1]
        sizes = torch.tensor([min(size, total - step * size) for step in range(self.num_steps)], dtype=torch.float64)
        self.curves["train_loss"].append((losses * sizes[:, None]).sum(0) / total)
        finite = losses.isfinite()
        first = self.current_epoch * self.num_steps + (~finite).int().argmax(0)
        self.diverged_step = torch.where((self.diverged_step < 0) & ~finite.all(0), first, self.diverged_step)
        self._evaluate_validation()

    @torch.no_grad()
    def evaluate(self, indices: Tensor, test: bool = False) -> tuple[Tensor, Tensor]:
        """Mean loss and accuracy [R] over each replicate's examples, indices [R, N]; NaN where a loss is not finite."""
        images, labels = (self.test_images, self.test_labels) if test else (self.images, self.labels)
        loss = torch.zeros(len(self.seeds), dtype=torch.float64)
        correct = torch.zeros_like(loss)
        for chunk in torch.split(indices.to(self.device), EVALUATION_BATCH, dim=1):
            logits, target = self.model(self._inputs(images, chunk)), labels[chunk]
            loss += self.losses(logits, target).sum(1).cpu().double()
            correct += (logits.argmax(2) == target).sum(1).cpu()
        loss, accuracy = loss / indices.shape[1], correct / indices.shape[1]
        return loss.where(loss.isfinite(), torch.nan), accuracy.where(loss.isfinite(), torch.nan)

    def _evaluate_validation(self) -> None:
        loss, accuracy = self.evaluate(self.validation_indices)
        self.curves["validation_loss"].append(loss)
        self.curves["validation_accuracy"].append(accuracy)

    def _inputs(self, images: Tensor, indices: Tensor) -> Tensor:
        """Images [R, B, D] scaled to [0, 1]."""
        return images[indices].to(self.model.biases[0].dtype).mul_(self.scale)

    def _losses(self, indices: Tensor) -> Tensor:
        return self.losses(self.model(self._inputs(self.images, indices)), self.labels[indices])
