"""A configuration and its seeds -> metrics and curves of each replicate. Runs in a worker, on one thread."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytorch_lightning as pl
import torch

from research.data import ImageData, load
from research.design import TrainConfig
from research.module import StackModule
from research.probes import LayerProbe

REPORTS_PER_STACK = 200

cached_data: Callable[[str], ImageData] = cache(load)


@dataclass(frozen=True)
class Replicate:
    """What one seed came to: metrics by name, curves as (epoch, value) pairs, and the SHA-256 of the final weights."""

    seed: int
    metrics: Mapping[str, float]
    curves: Mapping[str, tuple[tuple[int, float], ...]]
    weights_sha256: str


@dataclass(frozen=True)
class StackResult:
    """The replicates of a stack, with where and when (seconds since 1970) they were trained."""

    replicates: tuple[Replicate, ...]
    device: str
    started: float
    ended: float


class Progress(pl.Callback):
    """Tells `report` the share of the steps that are done, now and then."""

    def __init__(self, report: Callable[[float], None], total_steps: int) -> None:
        self.report, self.total = report, total_steps
        self.every = max(1, total_steps // REPORTS_PER_STACK)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step % self.every == 0:
            self.report(trainer.global_step / self.total)


def train_stack(
    config: TrainConfig, seeds: Sequence[int], report: Callable[[float], None] = lambda _: None
) -> StackResult:
    """Train the seeds of a configuration together and measure each.

    Metrics: `test_accuracy`, `test_loss`, `untrained_test_accuracy`, `train_progress` (1 - last epoch's mean training
    loss / entropy of the label frequencies: how far beyond the best constant prediction) and, only where a loss was not
    finite, `diverged_step`; with probe_epochs also what `probes.LayerProbe` measures. Numbers that a diverged replicate
    does not have are NaN.
    """
    started = time.time()
    module = StackModule(config, seeds, cached_data(config.dataset))
    probe = LayerProbe(config.probe_epochs)
    trainer = quiet_trainer(config.epochs, [Progress(report, config.epochs * module.num_steps), probe])
    untrained = module.evaluate(module.test_indices, test=True)[1]
    trainer.fit(module, train_dataloaders=range(module.num_steps))
    test_loss, test_accuracy = module.evaluate(module.test_indices, test=True)
    replicates = []
    for row, seed in enumerate(seeds):
        entropy = label_entropy(module.labels.cpu().numpy()[module.train_indices[row]])
        metrics = {
            "test_accuracy": float(test_accuracy[row]),
            "test_loss": float(test_loss[row]),
            "untrained_test_accuracy": float(untrained[row]),
            "train_progress": 1 - _finite(module.curves["train_loss"][-1][row]) / entropy,
            **{name: float(values[row]) for name, values in probe.metrics().items()},
        }
        step = int(module.diverged_step[row])
        if step < 0 and test_loss[row].isnan():
            step = trainer.global_step  # the weights were lost in the very last step
        if step >= 0:
            metrics["diverged_step"] = float(step)
        replicates.append(Replicate(seed, metrics, _curves(module, probe, row), weights_sha256(module, row)))
    return StackResult(tuple(replicates), trainer.strategy.root_device.type, started, time.time())


def quiet_trainer(epochs: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A Lightning Trainer without logger, bars, checkpoints or messages: the record is kept elsewhere."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    return pl.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        deterministic=torch.cuda.is_available(),
    )


def label_entropy(labels: np.ndarray) -> float:
    """Entropy in nats of the frequencies of labels [N]: the loss of the best constant prediction."""
    shares = np.bincount(labels) / len(labels)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def weights_sha256(module: StackModule, row: int) -> str:
    """SHA-256 over one replicate's parameters in order, as little-endian float32."""
    digest = hashlib.sha256()
    for parameter in module.model.parameters():
        digest.update(parameter[row].detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _curves(module: StackModule, probe: LayerProbe, row: int) -> dict[str, tuple[tuple[int, float], ...]]:
    """One replicate's (epoch, value) pairs. The module's curves go up to the last epoch, the probe has its own."""
    after_last = module.config.epochs + 1
    curves: dict[str, Iterable[tuple[int, torch.Tensor]]] = {
        **{name: enumerate(curve, after_last - len(curve)) for name, curve in module.curves.items()},
        **probe.curves,
    }
    return {name: tuple((epoch, _finite(values[row])) for epoch, values in curve) for name, curve in curves.items()}


def _finite(value: torch.Tensor) -> float:
    """The value as a float; infinity becomes NaN, which the record can hold."""
    return float(value) if value.isfinite() else float("nan")
