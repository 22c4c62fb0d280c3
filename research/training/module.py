"""The LightningModule that wraps a stack of networks, with its data in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from research.design.streams import stream
from research.training.augmentation import shift
from research.training.config import TrainConfig
from research.training.cost import check_batch, layer_sizes, num_intervals, slice_size
from research.training.data_set import DataSet
from research.training.examples import make_examples
from research.training.lbfgs import CountedLBFGS
from research.training.losses import example_losses
from research.training.models import StackedMLP, network
from research.training.optimizers import FlatOptimizer, flattened
from research.training.passes import Batch, Scratch
from research.training.schedules import rate_at

STEPS_AT_ONCE = 50  # as one batch of Lightning, which costs it as much as a step of a small network


class StackModule(pl.LightningModule):
    """Trains R replicates at once, each on its own split and in its own order, and keeps their curves.

    Lightning's epochs are the intervals from one evaluation to the next, an epoch of the data or `evaluate_every`
    steps. Its batches are numbers, `range(module.num_batches)`, of up to STEPS_AT_ONCE steps each, whose examples are
    looked up in tensors that live on the device. The loss is summed over the replicates, so each gets the gradient of
    its own mean loss.

    `curves` maps a name to one tensor [R] per interval: `train_loss` (mean over the interval's steps, from 1); and from
    0, before any training, of classes `validation_loss` and `validation_accuracy`, of a regression `test_rmse` and
    `test_sup_error`, the root mean square and the largest error over the test points, and `validation_rmse`, that over
    the points between those that it is trained on. `diverged_step` [R] is the first
    step whose loss was not finite, -1 where all were. Who looks amid the training goes by
    `intervals_done`, not by the horizon of `config`. `listeners` are called with the number of steps taken: 0 once the
    untrained networks are evaluated, then after each step.
    """

    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    orders: Tensor | None

    def __init__(
        self, config: TrainConfig, seeds: Sequence[int], data: DataSet, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        check_batch(config)
        if config.optimizer == "lbfgs" and len(seeds) > 1:
            raise ValueError(f"L-BFGS trains one replicate at a time, not {len(seeds)}")
        self.automatic_optimization = False  # several steps a batch
        self.config, self.seeds = config, tuple(seeds)
        self.listeners: list[Callable[[int], None]] = []
        self.model = network(config, seeds, dtype)
        self.examples = make_examples(config, seeds, data)
        for name in ("inputs", "targets", "test_inputs", "test_targets"):
            values = getattr(self.examples, name)
            self.register_buffer(name, values.to(dtype) if values.is_floating_point() else values, persistent=False)
        self.register_buffer("orders", self.examples.orders, persistent=False)
        self.precision = dtype
        self.train_indices = self.examples.train
        self.validation_indices, self.test_indices = map(
            torch.from_numpy, map(np.array, (self.examples.validation, self.examples.test))
        )
        self.steps_per_epoch = -(-self.train_indices.shape[1] // config.batch_size)
        # the whole, in the order that it lies in, unless a seed draws something for each of its examples
        self.one_batch = bool(config.steps) and self.steps_per_epoch == 1 and config.augmentation == "none"
        self.num_steps = config.evaluate_every or self.steps_per_epoch
        self.num_intervals = num_intervals(config)
        self.num_batches = -(-self.num_steps // STEPS_AT_ONCE)
        sizes = layer_sizes(config)
        self.slice_size = slice_size(len(self.seeds) * max(sizes[1:]))
        self.batches: dict[int, Batch] = {}  # by their size: all but the last of an epoch have the same
        self.evaluation_slice = slice_size(len(self.seeds) * max(sizes))
        measured = (
            ("test_rmse", "test_sup_error", "validation_rmse")
            if config.is_regression
            else ("validation_loss", "validation_accuracy")
        )
        self.curves: dict[str, list[Tensor]] = {name: [] for name in ("train_loss", *measured)}
        self.diverged_step = torch.full((len(self.seeds),), -1)

    @property
    def intervals_done(self) -> int:
        """How many intervals are in the curves: trained and evaluated."""
        return len(self.curves["train_loss"])

    def configure_optimizers(self) -> FlatOptimizer | CountedLBFGS:
        """The optimiser over the stacked tensors, in one buffer from now on."""
        if self.config.optimizer == "lbfgs":
            return CountedLBFGS([flattened(list(self.model.parameters()))], self.config.lr)
        return FlatOptimizer(self.model.parameters(), self.config)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Keep the gradients where they lie: each step writes them anew. Lightning would let go of them first."""

    def on_fit_start(self) -> None:
        """Evaluate the untrained networks: point 0 of the curves."""
        self._evaluate()
        self.after_step(0)

    def after_step(self, number: int) -> None:
        """Tell those who listen how many steps are taken."""
        for listener in self.listeners:
            listener(number)

    def on_train_epoch_start(self) -> None:
        """Begin an interval."""
        self.step_losses: list[Tensor] = []

    def training_step(self, batch: int, _: int) -> None:
        """Take the next steps of the interval."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, FlatOptimizer | CountedLBFGS)
        first = batch * STEPS_AT_ONCE
        for step in range(first, min(first + STEPS_AT_ONCE, self.num_steps)):
            number = self.current_epoch * self.num_steps + step
            self.take_step(number, optimizer)
            self.after_step(number + 1)

    def take_step(self, step: int, optimizer: FlatOptimizer | CountedLBFGS) -> None:
        """One step of the training; the mean loss of each replicate's batch is kept for the curve."""
        is_plain = isinstance(self.model, StackedMLP) and self.model.is_plain
        losses = self._written_out if is_plain else self._by_autograd
        if isinstance(optimizer, CountedLBFGS):
            self.step_losses.append(optimizer.reach(step + 1, lambda: losses(self.indices_of(step), step)))
            return
        self.step_losses.append(losses(self.indices_of(step), step))
        optimizer.update(rate_at(self.config, step))

    def indices_of(self, step: int) -> Tensor:
        """The examples [R, B] of the next step. Each pass over the training part has an order drawn on seed alone."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self.one_batch:
            self.order = torch.from_numpy(self.train_indices)
            return self.order
        if place == 0:
            orders = [
                stream(seed, "order", epoch).permutation(indices)
                for seed, indices in zip(self.seeds, self.train_indices, strict=True)
            ]
            self.order = torch.from_numpy(np.stack(orders)).to(self.device)
        size = self.config.batch_size
        return self.order[:, place * size : (place + 1) * size]

    def _written_out(self, indices: Tensor, step: int) -> Tensor:
        """Mean losses [R] of examples, indices [R, B]. Their gradients are in the parameters' `grad` then."""
        batch = self.batches.get(indices.shape[1])
        if batch is None:
            assert isinstance(self.model, StackedMLP)
            if not self.batches:
                self.scratch = Scratch(self.model.weights[0].detach())  # on the device where the networks are by now
            batch = Batch(self.config, self.model, *self._trained_on(indices, step), self.slice_size, self.scratch)
            self.batches[indices.shape[1]] = batch
        elif not self.one_batch:
            self._trained_on(indices, step, into=(batch.inputs, batch.targets))
        return batch.run()

    def _by_autograd(self, indices: Tensor, step: int) -> Tensor:
        """The same of what is not written out."""
        inputs, targets = self._trained_on(indices, step)
        self.model.zero_grad(set_to_none=False)
        losses = example_losses(self.config, self.model(inputs, training=True), targets).mean(1)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        return losses.detach()

    def _trained_on(
        self, indices: Tensor, step: int, into: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """What `lookup` gives, as a step is to see it."""
        inputs, targets = self.lookup(indices, into=into)
        if self.config.augmentation != "none":
            shift(inputs, self.seeds, step)
        return inputs, targets

    def on_train_epoch_end(self) -> None:
        """Append the interval to the curves and note the first step at which a loss was not finite."""
        losses = torch.stack(self.step_losses).cpu().double()
        first = self.current_epoch * self.num_steps
        size, total = self.config.batch_size, self.train_indices.shape[1]
        places = [(first + step) % self.steps_per_epoch for step in range(len(losses))]
        sizes = torch.tensor([min(size, total - place * size) for place in places], dtype=torch.float64)
        self.curves["train_loss"].append((losses * sizes[:, None]).sum(0) / sizes.sum())
        finite = losses.isfinite()
        lost = first + (~finite).int().argmax(0)
        self.diverged_step = torch.where((self.diverged_step < 0) & ~finite.all(0), lost, self.diverged_step)
        self._evaluate()

    @torch.no_grad()
    def evaluate(self, indices: Tensor, test: bool = False) -> tuple[Tensor, Tensor]:
        """Mean loss and accuracy [R] over each replicate's examples, indices [R, N]; NaN where a loss is not finite."""
        loss = torch.zeros(len(self.seeds), dtype=torch.float64)
        correct = torch.zeros_like(loss)
        for chunk in torch.split(indices, self.evaluation_slice, dim=1):
            inputs, targets = self.lookup(chunk, test)
            outputs = self.model(inputs)
            loss += example_losses(self.config, outputs, targets).sum(1).cpu().double()
            correct += (outputs.argmax(2) == targets).sum(1).cpu()
        loss, accuracy = loss / indices.shape[1], correct / indices.shape[1]
        return loss.where(loss.isfinite(), torch.nan), accuracy.where(loss.isfinite(), torch.nan)

    @torch.no_grad()
    def outputs(self, indices: Tensor, test: bool = False) -> Tensor:
        """What the networks put out [R, N, C] for each replicate's examples, indices [R, N]."""
        chunks = torch.split(indices, self.evaluation_slice, dim=1)
        return torch.cat([self.model(self.lookup(chunk, test)[0]) for chunk in chunks], dim=1)

    def predictions(self, test: bool = True) -> Tensor:
        """The numbers [R, N] that a regression gives at the test or validation points, in float64 on the CPU.

        Where it is learnt by classes, the centre of the most probable one; NaN where an output is not finite.
        """
        outputs = self.outputs(self.test_indices if test else self.validation_indices, test).cpu()
        if self.examples.centres is None:
            return outputs[..., 0].double()
        chosen: Tensor = self.examples.centres[outputs.argmax(-1)]
        return chosen.where(outputs.isfinite().all(-1), torch.nan)

    def errors(self, test: bool = True) -> Tensor:
        """Prediction minus truth [R, N] at the test or validation points of a regression; not finite as outputs are."""
        values = self.examples.values if test else self.examples.validation_values
        assert values is not None
        return self.predictions(test) - values

    def _evaluate(self) -> None:
        if self.config.is_regression:
            errors = self.errors()
            self.curves["test_rmse"].append(errors.square().mean(1).sqrt())
            self.curves["test_sup_error"].append(errors.abs().amax(1))
            self.curves["validation_rmse"].append(self.errors(test=False).square().mean(1).sqrt())
            return
        loss, accuracy = self.evaluate(self.validation_indices)
        self.curves["validation_loss"].append(loss)
        self.curves["validation_accuracy"].append(accuracy)

    def lookup(
        self, indices: Tensor, test: bool = False, into: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Inputs [R, B, D] as the network takes them, images scaled to 0..1, and targets [R, B], of indices [R, B].

        They are written `into` tensors where these are given.
        """
        inputs, targets = (self.test_inputs, self.test_targets) if test else (self.inputs, self.targets)
        flat = indices.to(self.device).flatten()
        found = inputs.index_select(0, flat).view(*indices.shape, -1)
        if into is None:
            into = torch.empty_like(found, dtype=self.precision), targets.new_empty(indices.shape)
        if self.orders is None:
            into[0].copy_(found)
        else:
            for images, order, place in zip(found.to(self.precision), self.orders, into[0], strict=True):
                torch.index_select(images, 1, order, out=place)
        if self.examples.scale != 1:
            into[0].mul_(self.examples.scale)
        if targets.ndim == 2:
            torch.gather(targets, 1, indices.to(self.device), out=into[1])
        else:
            torch.index_select(targets, 0, flat, out=into[1].view(-1))
        return into
