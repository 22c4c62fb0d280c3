"""One network under Lightning: as its documentation shows, and with all that slows it down turned off."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import MLFlowLogger
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from benchmarks.contenders import EVALUATION_BATCH, OPTIMIZERS, Parts, mean_loss, network
from research.training.config import TrainConfig
from research.training.cost import num_intervals

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # only works before MLflow is imported, which the logger does
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


class Network(pl.LightningModule):
    """One network."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config, self.model = config, network(config)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = mean_loss(self.config, self.model(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("validation", *batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", *batch)

    def _evaluate(self, part: str, x: Tensor, y: Tensor) -> None:
        outputs = self.model(x)
        self.log(f"{part}_loss", mean_loss(self.config, outputs, y))
        if not self.config.is_regression:
            self.log(f"{part}_accuracy", (outputs.argmax(1) == y).float().mean())

    def configure_optimizers(self) -> Any:
        return OPTIMIZERS[self.config.optimizer](self.parameters(), lr=self.config.lr)


def lightning_mlflow(config: TrainConfig, seeds: Sequence[int], data: Parts) -> float:
    """A DataLoader of examples, every default, and the MLFlowLogger with a database in the current folder."""
    logger = MLFlowLogger("plain_lightning", tracking_uri="sqlite:///mlflow.db", artifact_location="artifacts")
    return _train(config, seeds, data, _examples(config, data), logger=logger)


def lightning(config: TrainConfig, seeds: Sequence[int], data: Parts) -> float:
    """The same without a logger."""
    return _train(config, seeds, data, _examples(config, data), logger=False)


def lightning_tuned(config: TrainConfig, seeds: Sequence[int], data: Parts) -> float:
    """A loader that takes whole batches from the tensors, no logger, progress bar, summary or checkpoints."""
    train = TensorDataset(*data.train)
    loader: DataLoader[Any]
    if config.steps:  # Lightning's epochs are the intervals, so that a step does not pay for an epoch
        loader = DataLoader([data.train] * config.evaluate_every, batch_size=None)  # type: ignore[arg-type]
        return _train(config, seeds, data, (loader, num_intervals(config), 1), logger=False, **QUIET)
    sampler = BatchSampler(RandomSampler(train), config.batch_size, drop_last=False)
    loader = DataLoader(train, sampler=sampler, batch_size=None)
    return _train(config, seeds, data, (loader, config.epochs, 1), logger=False, **QUIET)


def _examples(config: TrainConfig, data: Parts) -> tuple[DataLoader[Any], int, int]:
    """A loader of batches of examples, how many passes over it, and after how many of them is evaluated."""
    loader = DataLoader(TensorDataset(*data.train), batch_size=config.batch_size, shuffle=True)
    return loader, config.steps or config.epochs, config.evaluate_every or 1


def _train(
    config: TrainConfig, seeds: Sequence[int], data: Parts, train: tuple[DataLoader[Any], int, int], **options: Any
) -> float:
    loader, epochs, every = train
    validation, test = (DataLoader(TensorDataset(*part), batch_size=EVALUATION_BATCH) for part in data[1:])
    torch.manual_seed(seeds[0])
    model = Network(config)
    with _silence():
        trainer = pl.Trainer(accelerator="cpu", max_epochs=epochs, check_val_every_n_epoch=every, **options)
        trainer.validate(model, validation)
        if not config.is_regression:
            trainer.test(model, test)
        trainer.fit(model, loader, validation)
        (metrics,) = trainer.test(model, test)
    return metrics["test_loss"]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Print nothing."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
