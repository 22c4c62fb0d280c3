"""The harness and its peers: each trains a configuration in the process that calls it.

A peer is a function of a configuration, seeds and data in memory that gives the mean test loss, and is written as the
documentation of its library shows. It has the harness's examples in float32, shapes, loss, optimiser, rate, batches and
steps, and evaluates as much: classes on the validation part before training and after each epoch, on the test part
before and after; a number on the test points before training and after each interval. scikit-learn, whose networks are
made by `fit`, evaluates at the end alone.

What not every contender needs is imported where it is used: each has a process of its own.
"""

from __future__ import annotations

import copy
import importlib
import itertools
import math
import multiprocessing
import os
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from research.design.plan import make_plan
from research.design.study import Factor, Study, Tier
from research.training.config import TrainConfig
from research.training.cost import layer_sizes, num_intervals, num_train
from research.training.data import load
from research.training.examples import make_examples
from research.training.products import Call, product_calls
from research.training.train import prepare

OPTIMIZERS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
EVALUATION_BATCH = 1000
LIMIT_SECONDS = 0.2  # of matrix products, whose median is taken
Part = tuple[Tensor, Tensor]


class Measured(NamedTuple):
    """Seconds that so many replicates took in all, and their mean test loss.

    Of the harness also the seconds without plan and record, and of these, those in training steps.
    """

    seconds: float
    replicates: int
    test_loss: float
    train_seconds: float = math.nan
    step_seconds: float = math.nan


class Parts(NamedTuple):
    """What one seed learns: inputs [N, D] and targets, classes [N] or numbers [N, 1].

    Numbers are validated on the test part.
    """

    train: Part
    validation: Part
    test: Part


class Pool(NamedTuple):
    """What R seeds learn: all examples, the test part, and the indices [R, n] of each seed's parts in `examples`.

    Of numbers `validation` are indices in `test`.
    """

    examples: Part
    test: Part
    train: Tensor
    validation: Tensor


@lru_cache(1)
def floats(dataset: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs and targets of all examples, then of the test part, in float32; images in 0..1."""
    raw = load(dataset)
    inputs, test_inputs = (values.float() / raw.info.max_value for values in (raw.inputs, raw.test_inputs))
    if raw.info.num_classes:
        return inputs, raw.targets, test_inputs, raw.test_targets
    return inputs, raw.targets.float()[:, None], test_inputs, raw.test_targets.float()[:, None]


def pool(config: TrainConfig, seeds: Sequence[int]) -> Pool:
    """The data for a peer that trains all seeds together."""
    inputs, targets, *test = floats(config.dataset)
    found = make_examples(config, seeds, load(config.dataset))
    validation = found.test if config.is_regression else found.validation
    return Pool((inputs, targets), (test[0], test[1]), torch.tensor(found.train), torch.tensor(validation))


@lru_cache(1)
def parts(config: TrainConfig, seeds: Sequence[int]) -> Parts:
    """The data for a peer that trains one network at a time: that of the first seed."""
    (inputs, targets), test, (train, *_), (validation, *_) = pool(config, seeds)
    validated = test if config.is_regression else (inputs[validation], targets[validation])
    return Parts((inputs[train], targets[train]), validated, test)


def network(config: TrainConfig) -> nn.Sequential:
    """Linear layers as torch starts them, ReLU between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(layer_sizes(config)):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def mean_loss(config: TrainConfig, outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of numbers, cross-entropy of classes."""
    return F.mse_loss(outputs, targets) if config.is_regression else F.cross_entropy(outputs, targets)


def pytorch(config: TrainConfig, seeds: Sequence[int], data: Parts) -> float:
    """A plain loop."""
    torch.manual_seed(seeds[0])
    model = network(config)
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), lr=config.lr)
    inputs, targets = data.train

    def batches() -> Iterator[Part]:
        if config.steps:
            yield from itertools.repeat(data.train, config.evaluate_every)
        else:
            for batch in torch.randperm(len(inputs)).split(config.batch_size):
                yield inputs[batch], targets[batch]

    @torch.no_grad()
    def evaluate(x: Tensor, y: Tensor) -> tuple[float, float]:
        outputs = model(x)
        accuracy = math.nan if config.is_regression else (outputs.argmax(1) == y).float().mean().item()
        return mean_loss(config, outputs, y).item(), accuracy

    evaluate(*data.validation)
    if not config.is_regression:
        evaluate(*data.test)
    for _ in range(num_intervals(config)):
        for x, y in batches():
            optimizer.zero_grad()
            mean_loss(config, model(x), y).backward()
            optimizer.step()
        evaluate(*data.validation)
    return evaluate(*data.test)[0]


def sklearn(config: TrainConfig, seeds: Sequence[int], data: Parts) -> float:
    """MLPClassifier or MLPRegressor, in float32 because its inputs are. Its initial weights are Glorot's."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    (inputs, targets), validation, test = ((x.numpy(), y.numpy()) for x, y in data)
    kind = MLPRegressor if config.is_regression else MLPClassifier
    iterations = config.steps or config.epochs
    model = kind(
        hidden_layer_sizes=[config.width] * config.depth,
        solver=config.optimizer,
        alpha=0,
        batch_size=config.batch_size,
        learning_rate_init=config.lr,
        max_iter=iterations,
        shuffle=not config.is_regression,
        random_state=seeds[0],
        momentum=0,
        early_stopping=False,
        n_iter_no_change=iterations,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs, targets.ravel())
    if config.is_regression:
        return float(((model.predict(test[0]) - test[1].ravel()) ** 2).mean())
    for x, y in (validation, test):
        loss = float(log_loss(y, model.predict_proba(x)))
    return loss


def vmap(config: TrainConfig, seeds: Sequence[int], data: Pool) -> float:
    """torch.func: the parameters of all networks are stacked, and the loss of one is mapped over them."""
    models = []
    for seed in seeds:
        torch.manual_seed(seed)
        models.append(network(config))
    parameters, _ = torch.func.stack_module_state(models)
    skeleton = copy.deepcopy(models[0]).to("meta")
    optimizer = OPTIMIZERS[config.optimizer](parameters.values(), lr=config.lr)

    def outputs(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(skeleton, parameters, (x,))
        return found

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return mean_loss(config, outputs(parameters, x), y)

    @torch.no_grad()
    def evaluate(part: Part, indices: Tensor) -> float:
        loss = hits = 0.0
        for batch in indices.split(EVALUATION_BATCH, dim=1):
            y = part[1][batch].flatten(0, 1)
            found = torch.func.vmap(outputs)(parameters, part[0][batch]).flatten(0, 1)
            loss += mean_loss(config, found, y).item() * len(y)
            hits += math.nan if config.is_regression else (found.argmax(1) == y).sum().item()
        return loss / indices.numel()

    test = torch.arange(len(data.test[0])).expand(len(seeds), -1)
    validated = data.test if config.is_regression else data.examples
    evaluate(validated, data.validation)
    if not config.is_regression:
        evaluate(data.test, test)
    everything = (data.examples[0][data.train], data.examples[1][data.train]) if config.steps else None
    for _ in range(num_intervals(config)):
        if everything:
            batches = itertools.repeat(everything, config.evaluate_every)
        else:
            order = torch.stack([indices[torch.randperm(len(indices))] for indices in data.train])
            batches = ((data.examples[0][b], data.examples[1][b]) for b in order.split(config.batch_size, dim=1))
        for x, y in batches:
            optimizer.zero_grad()
            torch.func.vmap(loss)(parameters, x, y).sum().backward()
            optimizer.step()
        evaluate(validated, data.validation)
    return evaluate(data.test, test)


def harness(config: TrainConfig, seeds: Sequence[int]) -> Measured:
    """The real path: plan, stacks under Lightning, record in the folder `store`.

    The study has a name of its own each time, so that nothing of it is recorded yet.
    """
    from research.record.recorder import Recorder
    from research.record.store import Store
    from research.training.module import StackModule
    from research.training.train import train_stack

    began = time.perf_counter()
    train_seconds = step_seconds = 0.0
    training_step = StackModule.training_step

    def timed_step(*arguments: Any) -> None:
        nonlocal step_seconds
        started = time.perf_counter()
        training_step(*arguments)
        step_seconds += time.perf_counter() - started

    study = Study(
        name=f"throughput_{time.time_ns()}",
        question="How fast is the harness?",
        passage="nowhere",
        configure=lambda width: replace(config, width=width),
        arms=Factor("width", (config.width,)),
        blocks=(),
        headline=("test_rmse" if config.is_regression else "test_accuracy",),
        tiers={"full": Tier(seeds=len(seeds))},
    )
    plan = make_plan(study)
    recorder = Recorder(Store(Path("store").absolute()), plan)
    losses = []
    for stack in plan.stacks:
        started = time.perf_counter()
        StackModule.training_step = timed_step  # type: ignore[method-assign]
        try:
            result = train_stack(stack.cell.task, stack.seeds)
        finally:
            StackModule.training_step = training_step  # type: ignore[method-assign]
        train_seconds += time.perf_counter() - started
        recorder.write_stack(stack, result)
        for replicate in result.replicates:
            rmse = replicate.curves.get("test_rmse", ((0, math.nan),))[-1][1]
            losses.append(replicate.metrics.get("test_loss", rmse**2))
    seconds = time.perf_counter() - began
    return Measured(seconds, len(seeds), statistics.fmean(losses), train_seconds, step_seconds)


def measure(name: str, config: TrainConfig, num_seeds: int) -> Measured:
    """Train once with a contender. Loading the data does not count; who trains one at a time trains the first seed."""
    seeds = tuple(range(num_seeds))
    if name == "harness":
        return harness(config, seeds)
    module, function, together = PEERS[name]
    train: Callable[..., float] = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    if not together:
        seeds = seeds[:1]
    data = pool(config, seeds) if together else parts(config, seeds)
    started = time.perf_counter()
    loss = train(config, seeds, data)
    return Measured(time.perf_counter() - started, len(seeds), loss)


PEERS = {  # module, function, whether it trains all seeds together
    "lightning_mlflow": ("plain_lightning", "lightning_mlflow", False),
    "lightning": ("plain_lightning", "lightning", False),
    "lightning_tuned": ("plain_lightning", "lightning_tuned", False),
    "pytorch": ("contenders", "pytorch", False),
    "sklearn": ("contenders", "sklearn", False),
    "vmap": ("contenders", "vmap", True),
    "jax": ("plain_jax", "jax_vmap", True),
}


def product_seconds(config: TrainConfig, size: int) -> float:
    """Median seconds of the matrix products of one step of a stack, by the fastest of three ways.

    They are batched, one by one, or as the harness takes them. A layer has three: forward, by its weights, and by its
    inputs, which the first does not need.
    """
    prepare(config)
    batch, sizes = min(config.batch_size, num_train(config)), layer_sizes(config)

    def units(width: int, units_first: bool) -> Tensor:
        return torch.randn(size, width, batch).mT if units_first else torch.randn(size, batch, width)

    def operands(first_too: bool) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Left and right side of each product, and where it is written; those behind a single input units first."""
        behind_one = [False, *(first_too and before == 1 for before in sizes[:-1])]
        entering, signals = ([units(*each) for each in zip(sizes, behind_one, strict=True)] for _ in range(2))
        weights = [torch.randn(size, fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(sizes)]
        forward = [(entering[n], weight, entering[n + 1]) for n, weight in enumerate(weights)]
        backward = [(entering[n].mT, signals[n + 1], torch.empty_like(weight)) for n, weight in enumerate(weights)]
        backward += [(signals[n], weights[n - 1].mT, signals[n - 1]) for n in range(2, len(sizes))]
        return forward + backward

    plain = operands(first_too=False)
    ways = (
        [partial(torch.bmm, left, right, out=out) for left, right, out in plain],
        [partial(torch.mm, *rows[:2], out=rows[2]) for one in plain for rows in zip(*one, strict=True)],
        [call for one in operands(first_too=True) for call in product_calls(*one)],
    )

    def median(step: Callable[[], None]) -> float:
        step()
        seconds: list[float] = []
        end = time.perf_counter() + LIMIT_SECONDS
        while not seconds or time.perf_counter() < end:
            started = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)

    def products(calls: Sequence[Call]) -> None:
        for call in calls:
            call()

    return min(median(partial(products, calls)) for calls in ways)


def start(name: str, folder: Path, core: int | None, warm_ups: Sequence[tuple[TrainConfig, int]]) -> None:
    """Make this process a contender's: in its own folder, one thread, warmed up, on one core; gone with its driver."""
    driver = multiprocessing.parent_process()
    assert driver is not None

    def watch() -> None:
        driver.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    os.chdir(folder)
    torch.set_num_threads(1)
    for config, num_seeds in warm_ups:
        measure(name, config, num_seeds)
    if core is not None:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
