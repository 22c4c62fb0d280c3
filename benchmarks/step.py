"""Where the time of one training step goes: matrix products, looking up examples, element by element, optimiser.

    python -m benchmarks.step [--steps N]

The parts of a step are timed in place, the median over steps; `products alone` are its matrix products with nothing
between them. One thread; run nothing else beside it.
"""  # fmt: skip

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.contenders import product_seconds
from research import backward
from research.config import TrainConfig, UserError
from research.cost import stack_size
from research.data import load
from research.module import StackModule
from research.train import prepare

PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "examples": ((StackModule, "_batch"),),
    "products": ((backward, "affine"), (backward, "product")),
    "loss": ((backward, "losses_and_gradient"),),
    "gradients kept": ((backward, "add_to"),),
}
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


@contextmanager
def timed(spent: dict[str, float], parts: dict[str, tuple[tuple[Any, str], ...]]) -> Iterator[None]:
    """While the block runs, add up the seconds that the parts take."""

    def timing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            found = function(*arguments, **named)
            spent[name] += time.perf_counter() - started
            return found

        return call

    originals = [(owner, member, getattr(owner, member)) for places in parts.values() for owner, member in places]
    for name, places in parts.items():
        for owner, member in places:
            setattr(owner, member, timing(name, getattr(owner, member)))
    try:
        yield
    finally:
        for owner, member, function in originals:
            setattr(owner, member, function)


def profile(config: TrainConfig, num_steps: int) -> dict[str, float]:
    """Median microseconds of a step of a stack and of its parts, by name, for one replicate."""
    prepare(config)
    size = stack_size(config)
    stack = StackModule(config, range(size), load(config.dataset))
    optimizer = stack.configure_optimizers()
    stack.on_train_epoch_start()
    seen: dict[str, list[float]] = defaultdict(list)
    spent: dict[str, float] = {}
    parts = {**PARTS, "optimiser": ((optimizer, "step"),)}
    for step in range(num_steps + 10):
        started = time.perf_counter()
        stack.take_step(step, optimizer)
        seen["step"].append(time.perf_counter() - started)
    for step in range(num_steps):
        spent = dict.fromkeys(parts, 0.0)
        with timed(spent, parts):
            stack.take_step(step, optimizer)
        for name, seconds in spent.items():
            seen[name].append(seconds)
    found = {name: 1e6 * statistics.median(values[10:]) / size for name, values in seen.items()}
    found["activations and the rest"] = found["step"] - sum(found[name] for name in parts)
    found["products alone"] = 1e6 * product_seconds(config, size) / size
    return found


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
