"""A configuration and its seeds -> metrics and curves of each replicate. Runs in a worker, on one thread."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import pytorch_lightning as pl
import torch

from research.design.task import Replicate, StackResult
from research.training.bounds import BOUNDS
from research.training.compute import choose_products, prepare_process
from research.training.config import TrainConfig, without_horizon
from research.training.cost import layer_sizes, num_intervals, num_steps
from research.training.data import load
from research.training.data_set import DataSet
from research.training.evaluations import EndEvaluations
from research.training.lbfgs import CountedLBFGS
from research.training.losses import constant_loss
from research.training.measures import MEASURES
from research.training.module import StackModule
from research.training.probes import LayerProbe
from research.training.representations import REPRESENTATIONS
from research.training.twins import TWINS

TAKEN = {**MEASURES, **TWINS, **BOUNDS, **REPRESENTATIONS}
REPORTS_PER_STACK = 200

cached_data: Callable[[str], DataSet] = cache(load)


class Progress(pl.Callback):
    """Tells `report` the share of the training that is done, now and then."""

    def __init__(self, report: Callable[[float], None], num_batches: int) -> None:
        self.report, self.total, self.done = report, num_batches, 0
        self.every = max(1, num_batches // REPORTS_PER_STACK)

    def on_train_batch_end(self, *_: object) -> None:
        self.done += 1
        if self.done % self.every == 0:
            self.report(self.done / self.total)


class AtHorizons(pl.Callback):
    """Calls `measure` whenever so many intervals are done as one of the horizons has, and keeps what it gives.

    Lightning calls a callback's on_train_epoch_end before the module's, in which the interval is evaluated. So this
    comes with what follows: the start of the next interval, or the end of the training.
    """

    def __init__(self, horizons: Iterable[int], measure: Callable[[], StackResult]) -> None:
        self.horizons, self.measure = frozenset(horizons), measure
        self.results: dict[int, StackResult] = {}

    def on_train_epoch_start(self, _: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure what the intervals so far have come to, if they are a horizon."""
        self._arrive(pl_module)

    def on_fit_end(self, _: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure what the longest horizon has come to."""
        self._arrive(pl_module)

    def _arrive(self, module: pl.LightningModule) -> None:
        assert isinstance(module, StackModule)
        if module.intervals_done in self.horizons:
            self.results[module.intervals_done] = self.measure()


@cache
def device_class() -> str:
    """The class of device that this process trains on: cpu, cuda or mps, as Lightning chooses."""
    device: str = quiet_trainer(1, []).strategy.root_device.type
    return device


def train_stack(
    config: TrainConfig, seeds: Sequence[int], report: Callable[[float], None] = lambda _: None
) -> StackResult:
    """Train the seeds of a configuration together and measure each.

    Metrics: `train_progress` (1 - last mean training loss / loss of the best constant prediction: how far beyond that);
    of classes `test_accuracy` and `test_loss` after the last step, `untrained_test_accuracy`; the steady numbers, which
    are medians of five evaluations near the end (`evaluations.EndEvaluations`); with target_accuracy `steps_to_target`
    and `reached_target`; what `probes.LayerProbe` measures, where it looks; what the `measures` take; and, only where
    a loss was not finite, `diverged_step`. Numbers that a diverged replicate does not have are NaN.
    """
    (result,) = train_horizons([config], seeds, report)
    return result


def train_horizons(
    configs: Sequence[TrainConfig], seeds: Sequence[int], report: Callable[[float], None] = lambda _: None
) -> list[StackResult]:
    """Train the seeds of configurations that differ only in their horizon in one pass, and measure each on the way.

    The results, in the order of the configurations, are to the bit those that `train_stack` gives for each alone. All
    have the start of the pass; each has ended when its horizon was reached and measured.

    Raises ValueError for none, and for configurations that differ in more than their horizon.
    """
    if len({without_horizon(config) for config in configs}) != 1:
        raise ValueError(f"what trains in one pass must differ in its horizon alone: {configs}")
    started, began = time.time(), time.monotonic()
    longest = max(configs, key=num_intervals)
    prepare(longest)
    data = cached_data(longest.dataset)
    module = StackModule(longest, seeds, data)
    ends = EndEvaluations(module, map(num_steps, configs))
    probe = LayerProbe(module)
    untrained: dict[str, torch.Tensor] = {}
    if not longest.is_regression:
        untrained["untrained_test_accuracy"] = module.evaluate(module.test_indices, test=True)[1]

    def measure() -> StackResult:
        replicates = measured_replicates(module, data, probe, ends, untrained)
        return StackResult(replicates, module.device.type, started, started + time.monotonic() - began)

    taken = AtHorizons(map(num_intervals, configs), measure)
    progress = Progress(report, module.num_intervals * module.num_batches)
    trainer = quiet_trainer(module.num_intervals, [progress, taken])
    trainer.fit(module, train_dataloaders=range(module.num_batches))
    return [taken.results[num_intervals(config)] for config in configs]


def measured_replicates(
    module: StackModule,
    data: DataSet,
    probe: LayerProbe,
    ends: EndEvaluations,
    untrained: Mapping[str, torch.Tensor],
) -> tuple[Replicate, ...]:
    """What the replicates have come to after the intervals that are done, as if the training had ended there.

    `untrained` are metrics [R] of the start. The training can go on afterwards as if nobody had looked.
    """
    steps = module.intervals_done * module.num_steps
    last = ends.last(steps)
    is_lost = next(iter(last.values())).isnan()
    of_classes = {} if module.config.is_regression else last  # of a regression: the last points of the curves
    metrics = {**of_classes, **ends.steady(steps), **untrained}
    if steps:
        metrics["train_progress"] = train_progress(module)
    if module.config.target_accuracy:
        metrics |= arrivals(module)
    if module.config.optimizer == "lbfgs":
        metrics |= search_numbers(module, steps)
    metrics |= probe.metrics()
    profiles: dict[str, torch.Tensor] = {}
    for name in module.config.measures:
        measured = TAKEN[name](module, data)
        metrics |= measured.metrics
        profiles |= measured.profiles
    replicates = []
    for row, seed in enumerate(module.seeds):
        own = {name: _finite(values[row]) for name, values in metrics.items()}
        step = int(module.diverged_step[row])
        if step < 0 and is_lost[row]:
            step = steps  # the weights were lost in the very last step
        if step >= 0:
            own["diverged_step"] = float(step)
        places = {name: tuple(enumerate(map(_finite, values[row]))) for name, values in profiles.items()}
        replicates.append(Replicate(seed, own, _curves(module, probe, row), places, weights_sha256(module, row)))
    return tuple(replicates)


def prepare(config: TrainConfig) -> None:
    """Set this process up for training a configuration, which decides the last bits of what it computes."""
    prepare_process()
    choose_products(wide=min(layer_sizes(config)) > 1)


def train_progress(module: StackModule) -> torch.Tensor:
    """How far [R] the last mean training loss lies below that of the best constant prediction, as a share of it.

    It is a mean over all batches of the last interval, so it rests on no single step.
    """
    targets = module.targets.cpu().numpy()
    own = targets if targets.ndim == 2 else [targets] * len(module.seeds)
    best = [
        constant_loss(module.config, each[indices]) for each, indices in zip(own, module.train_indices, strict=True)
    ]
    losses = module.curves["train_loss"][-1]
    return 1 - losses.where(losses.isfinite(), torch.nan) / torch.tensor(best, dtype=torch.float64)


def search_numbers(module: StackModule, horizon: int) -> dict[str, torch.Tensor]:
    """`search_failed` is 1 if a line search has failed by the horizon, `function_evaluations` how many there were."""
    searches = module.optimizers(use_pl_optimizer=False)
    assert isinstance(searches, CountedLBFGS)
    failed_at = searches.failed_at
    is_over = failed_at is not None and failed_at <= horizon
    evaluations = failed_at if failed_at is not None and is_over else horizon
    numbers = {"search_failed": is_over, "function_evaluations": evaluations}
    return {name: torch.tensor([float(number)], dtype=torch.float64) for name, number in numbers.items()}


def arrivals(module: StackModule) -> dict[str, torch.Tensor]:
    """`steps_to_target`: the first step at which validation accuracy was seen to reach the target, else the last.

    `reached_target` is 1 where it did, else 0.
    """
    reached = torch.stack(module.curves["validation_accuracy"]) >= module.config.target_accuracy
    steps = module.num_steps * torch.where(reached.any(0), reached.int().argmax(0), module.intervals_done)
    return {"steps_to_target": steps.double(), "reached_target": reached.any(0).double()}


def quiet_trainer(num_intervals: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A Lightning Trainer without logger, bars, checkpoints or messages: the record is kept elsewhere."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    return pl.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=num_intervals,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        deterministic=torch.cuda.is_available(),
    )


def weights_sha256(module: StackModule, row: int) -> str:
    """SHA-256 over one replicate's parameters and then buffers, in order, as little-endian float32."""
    digest = hashlib.sha256()
    for tensor in (*module.model.parameters(), *module.model.buffers()):
        digest.update(tensor[row].detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _curves(module: StackModule, probe: LayerProbe, row: int) -> dict[str, tuple[tuple[int, float], ...]]:
    """One replicate's (time, value) pairs. The module's go up to the interval that is done, the probe has its own."""
    unit, after_last = module.config.evaluate_every or 1, module.intervals_done + 1
    curves: dict[str, Iterable[tuple[int, torch.Tensor]]] = {
        **{
            name: ((unit * interval, values) for interval, values in enumerate(curve, after_last - len(curve)))
            for name, curve in module.curves.items()
            if curve
        },
        **probe.curves,
    }
    return {name: tuple((time, _finite(values[row])) for time, values in curve) for name, curve in curves.items()}


def _finite(value: torch.Tensor) -> float:
    """The value as a float; infinity becomes NaN, which the record can hold."""
    return float(value) if value.isfinite() else float("nan")
