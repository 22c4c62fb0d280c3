"""Where the time of one training step goes: looking up examples, each routine of torch, optimiser.

    python -m benchmarks.step [--steps N]

The parts of a step are timed in place, the median over steps; `bmm`, `mv` and, behind a single input, `mul` are matrix
products, and `products alone` these with nothing between them. One thread; run nothing else beside it.
"""  # fmt: skip

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.contenders import product_seconds
from research.design.errors import UserError
from research.training.config import TrainConfig
from research.training.cost import stack_size
from research.training.data import load
from research.training.module import StackModule
from research.training.train import prepare

CASES = {
    "784-128x4-10 sgd": TrainConfig(depth=4, width=128, lr=0.1),
    "784-256x3-10 sgd": TrainConfig(depth=3, width=256, lr=0.1),
    "784-128x4-10 adam": TrainConfig(depth=4, width=128, optimizer="adam", lr=0.001),
    **{
        f"1-{width}-1 adam": TrainConfig(
            dataset="sine",
            width=width,
            output="raw",
            loss="mse_mean",
            optimizer="adam",
            lr=1e-3,
            batch_size=1024,
            steps=1000,
            evaluate_every=100,
        )
        for width in (8, 128, 2048)
    },
}


def profile(config: TrainConfig, num_steps: int) -> dict[str, float]:
    """Median microseconds of a step of a stack and of its parts, by name, for one replicate."""
    prepare(config)
    size = stack_size(config)
    stack = StackModule(config, range(size), load(config.dataset))
    optimizer = stack.configure_optimizers()
    stack.on_train_epoch_start()
    for step in range(10):
        stack.take_step(step, optimizer)
    steps = range(10, num_steps + 10)
    seen: dict[str, list[float]] = {"step": [seconds(partial(stack.take_step, step, optimizer)) for step in steps]}
    for step in range(10, num_steps + 10):
        spent: defaultdict[str, float] = defaultdict(float)
        indices = stack.indices_of(step)
        batch = stack.batches[indices.shape[1]]
        if not stack.one_batch:
            spent["examples"] = seconds(partial(stack.lookup, indices, into=(batch.inputs, batch.targets)))
        with torch.no_grad():
            for call in batch.calls:
                spent[name_of(call)] += seconds(call)
        spent["optimiser"] = seconds(optimizer.update)
        for part, value in spent.items():
            seen.setdefault(part, []).append(value)
    found = {name: 1e6 * statistics.median(values) / size for name, values in seen.items()}
    found["products alone"] = 1e6 * product_seconds(config, size) / size
    return found


def name_of(call: Callable[[], object]) -> str:
    """What a call computes: the name of the function of torch."""
    name: str = getattr(call, "func", call).__name__  # type: ignore[attr-defined]
    return name.partition(".")[0]


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.step", description="Where the time of a step goes.")
    parser.add_argument("--steps", type=int, default=200, metavar="N", help="steps of each case (default: 200)")
    options = parser.parse_args()
    try:
        if options.steps < 20:
            raise UserError(f"--steps {options.steps}: at least 20 are needed for a median")
        for name, config in CASES.items():
            found = profile(config, options.steps)
            print(f"{name}, stacks of {stack_size(config)}: {found['step']:.0f} us a step and replicate")
            for part, microseconds in found.items():
                print(f"  {part:26} {microseconds:8.1f} us  {100 * microseconds / found['step']:5.1f} %")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
