"""How fast does the harness train, beside what its users would write instead?

    python -m benchmarks.throughput [--quick] [--json] [--rounds N] [--cases NAME,...] [--peers NAME,...]

Each contender of `benchmarks.contenders` has a process of its own, with one thread on one core. They train in turns,
the same networks on the same data, evaluated alike. All that it takes counts, from making the networks to the last
test, and of the harness plan and record too; imports, loading the data and making an empty database do not.

Times are those of one replicate. The harness trains ten, in stacks of the size that it chooses, `vmap` and `jax` one
stack of that size, the others one network. A ratio is that of a peer's time to the harness's in the same round; median
and range over the rounds are given. GFLOP/s count the matrix products of training alone, and the limit is what these
products take on their own in the harness's process; `harness steps` are its training steps without start, evaluation
and record, and with them `mnist_limit_fraction` compares.

`lightning` and `lightning_mlflow` are written as Lightning's documentation shows, `lightning_tuned` without all that
costs time. --quick trains less, beside fewer peers and without probes, in as many rounds as fit into 50 seconds; start
and record weigh more there. In full: half an hour.
"""  # fmt: skip

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import logging
import math
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NamedTuple

from research.design.errors import UserError
from research.record.environment import environment
from research.running.processes import ONE_THREAD
from research.training import data
from research.training.config import TrainConfig
from research.training.cost import layer_sizes, num_train, stack_size

NUM_SEEDS = 10
QUICK_SECONDS = 50  # of the minute that --quick may take
REFERENCE = "784-128x4-10 sgd"
QUICK_TRAIN = 20_480  # examples: 160 steps
STEPS = {8: 1000, 32: 1000, 128: 500, 512: 200, 2048: 100}  # fewer of what takes long
QUICK_STEPS = {8: 200, 32: 200, 128: 100, 512: 50, 2048: 20}
PEERS = ("lightning_mlflow", "lightning", "lightning_tuned", "pytorch", "sklearn", "vmap", "jax")
HARNESS = ("harness", "harness train", "harness steps", "harness probed", "harness probed train")
# Imported once for all processes, which are forked from one that has trained nothing, as the harness's workers are.
IMPORTED = [
    "research.training.train",
    "benchmarks.contenders",
    "benchmarks.plain_lightning",
    "mlflow",
    "sklearn.neural_network",
]
Seconds = dict[str, list[float]]  # of a replicate, by contender, one a round; "limit" is that of the products


class Case(NamedTuple):
    """What is trained, how many seeds of it by the harness, and beside whom."""

    config: TrainConfig
    num_seeds: int
    peers: tuple[str, ...]
    probes: bool


def cases(quick: bool) -> dict[str, Case]:
    """The cases by name: MNIST for an epoch, a sine for so many steps with the evaluations that its study has."""
    found = {}
    for width, depth in ((128, 4), (256, 3)):
        for optimizer, lr in (("sgd", 0.1), ("adam", 0.001)):
            shared = TrainConfig(depth=depth, width=width, optimizer=optimizer, lr=lr, epochs=1)
            found[f"784-{width}x{depth}-10 {optimizer}"] = Case(shared, NUM_SEEDS, PEERS, True)
    for width, steps in STEPS.items():
        config = TrainConfig(
            dataset="sine",
            width=width,
            output="raw",
            loss="mse_mean",
            optimizer="adam",
            lr=1e-3,
            batch_size=1024,
            steps=steps,
            evaluate_every=100,
        )
        found[f"1-{width}-1 adam"] = Case(config, NUM_SEEDS, PEERS, True)
    if not quick:
        return found
    config = replace(found[REFERENCE].config, num_train=QUICK_TRAIN)
    short = {REFERENCE: Case(config, NUM_SEEDS, ("lightning_mlflow", "lightning", "pytorch", "sklearn"), False)}
    for width, steps in QUICK_STEPS.items():
        config = replace(found[f"1-{width}-1 adam"].config, steps=steps, evaluate_every=min(steps, 100))
        num_seeds = NUM_SEEDS if stack_size(config) > 2 else 4  # each of them takes long where few fit into a stack
        short[f"1-{width}-1 adam"] = Case(config, num_seeds, ("lightning", "pytorch"), False)
    return short


def probed(config: TrainConfig) -> TrainConfig:
    """The same with what a study looks at besides."""
    if config.is_regression:
        return replace(config, measures=("curve_fit",))
    return replace(config, probe_epochs=(0, config.epochs))


def warm_up(config: TrainConfig) -> TrainConfig:
    """As little training as uses every shape that the whole has."""
    if config.steps:
        return replace(config, steps=2, evaluate_every=2)
    return replace(config, num_train=config.batch_size + (num_train(config) % config.batch_size or config.batch_size))


def flops(config: TrainConfig) -> int:
    """Floating-point operations of the matrix products that train one replicate: 2 x batch x inputs x outputs each.

    A layer has three: forward, by its weights, and, but for the first, by its inputs. Evaluation is not counted.
    """
    first, *others = (fan_in * fan_out for fan_in, fan_out in itertools.pairwise(layer_sizes(config)))
    return 2 * num_examples(config) * (2 * first + 3 * sum(others))


def num_examples(config: TrainConfig) -> int:
    """Examples that one replicate is trained on, each as often as it is."""
    return (config.steps or config.epochs) * num_train(config)


def units(config: TrainConfig) -> float:
    """How much is trained of one replicate: epochs of the whole training part, or steps."""
    if config.steps:
        return config.steps
    return num_examples(config) / num_train(replace(config, num_train=0))


def call(function: str, *arguments: Any) -> Any:
    """A function of `benchmarks.contenders`, called in the process of a contender: the driver need not import torch."""
    from benchmarks import contenders

    return getattr(contenders, function)(*arguments)


@contextmanager
def contenders(chosen: Mapping[str, Case]) -> Iterator[dict[str, ProcessPoolExecutor]]:
    """The processes of the contenders, warmed up; they and what they wrote are gone afterwards."""
    os.environ.update(ONE_THREAD, MLFLOW_DISABLE_TELEMETRY="true", CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu")
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    forkserver.ensure_running()  # it imports while the database is made
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    names = list(dict.fromkeys(name for case in chosen.values() for name in ("harness", *case.peers)))
    ready = {name: ProcessPoolExecutor(1, context) for name in names}
    with tempfile.TemporaryDirectory() as temporary:
        try:
            database = empty_database(Path(temporary))
            started = []
            for name, pool in ready.items():
                folder = Path(temporary) / name
                (folder / "store").mkdir(parents=True)
                for place in (folder, folder / "store"):
                    shutil.copy(database, place)
                warm_ups = [
                    (warm_up(case.config), 1 if name == "harness" else stack_size(case.config))
                    for case in chosen.values()
                    if name in ("harness", *case.peers)
                ]
                started.append(pool.submit(call, "start", name, folder, core, warm_ups))
            for future in started:
                future.result()
            yield ready
        except BrokenProcessPool as error:
            raise UserError("the process of a contender died, perhaps for want of memory") from error
        finally:
            for pool in ready.values():
                pool.shutdown(wait=True, cancel_futures=True)


def empty_database(folder: Path) -> Path:
    """MLflow's database with nothing in it."""
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    return folder / "mlflow.db"


def one_round(ready: Mapping[str, ProcessPoolExecutor], case: Case, backwards: bool) -> dict[str, float]:
    """Seconds of a replicate of every contender and of the limit, in this order or backwards."""
    config, size = case.config, stack_size(case.config)
    found = {}
    for name in reversed(("harness", *case.peers)) if backwards else ("harness", *case.peers):
        if name != "harness":
            measured = ready[name].submit(call, "measure", name, config, size).result()
            found[name] = measured.seconds / measured.replicates
            continue
        products = ready[name].submit(call, "product_seconds", config, size).result()
        found["limit"] = products / size * num_examples(config) / config.batch_size
        variants = {"harness": config, "harness probed": probed(config)} if case.probes else {"harness": config}
        for kind, variant in variants.items():
            measured = ready[name].submit(call, "measure", name, variant, case.num_seeds).result()
            found[kind] = measured.seconds / measured.replicates
            found[f"{kind} train"] = measured.train_seconds / measured.replicates
            if variant == config:
                found["harness steps"] = measured.step_seconds / measured.replicates
    return found


def run(chosen: Mapping[str, Case], rounds: int, until: float) -> dict[str, Seconds]:
    """The seconds of every case in so many rounds; after the first, what would not end before `until` is left out."""
    seconds: dict[str, Seconds] = {name: {} for name in chosen}
    took = dict.fromkeys(chosen, -math.inf)
    began = time.monotonic()
    with contenders(chosen) as ready:
        print(f"contenders ready: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        for number in range(rounds):
            for name, case in chosen.items():
                started = time.monotonic()
                if started + took[name] > until:
                    continue
                for contender, value in one_round(ready, case, backwards=number % 2 == 1).items():
                    seconds[name].setdefault(contender, []).append(value)
                took[name] = time.monotonic() - started
                print(f"round {number + 1}, {name}: {took[name]:.0f} s", file=sys.stderr, flush=True)
    return seconds


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def summary(config: TrainConfig, seconds: Seconds) -> dict[str, Any]:
    """Rates, ratios to the harness's whole path, GFLOP/s and fractions of the limit of a case."""

    def of(values: Sequence[float]) -> dict[str, Any]:
        return {
            "seconds": spread(values),
            "per_second": spread([units(config) / value for value in values]),
            "times": spread([v / own for v, own in zip(values, seconds["harness"], strict=True)]),
            "gflops": flops(config) / statistics.median(values) / 1e9,
            "limit_fraction": spread([top / v for v, top in zip(values, seconds["limit"], strict=True)]),
        }

    return {
        "unit": "replicate-steps" if config.steps else "replicate-epochs",
        "units": units(config),
        "stack_size": stack_size(config),
        "rounds": len(seconds["harness"]),
        "contenders": {name: of(values) for name, values in seconds.items()},
    }


def report(summaries: Mapping[str, Any]) -> dict[str, Any]:
    """The headlines and every case; None for what was not measured."""

    def ratio(case: str, peer: str) -> Any:
        found = summaries.get(case, {}).get("contenders", {}).get(peer)
        return found and found["times"]["median"]

    reference = summaries.get(REFERENCE)
    headlines: dict[str, Any] = {f"mnist_vs_{peer}": ratio(REFERENCE, peer) for peer in PEERS}
    headlines["mnist_limit_fraction"] = (
        reference and reference["contenders"]["harness steps"]["limit_fraction"]["median"]
    )
    for peer in PEERS:
        headlines[f"sine_vs_{peer}"] = {str(width): ratio(f"1-{width}-1 adam", peer) for width in STEPS}
    return {**headlines, "cases": dict(summaries)}


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(case: str, found: Mapping[str, Any]) -> str:
    """A case for people."""
    heads = (f"{found['unit']}/s", "range", "harness is faster", "range", "GFLOP/s", "of the limit")
    lines = [
        f"{case}: {number(found['units'])} {found['unit']} each, stacks of {found['stack_size']}, n={found['rounds']}",
        " " * 22 + "".join(f"{head:>20}" for head in heads),
    ]
    order = (*HARNESS, *PEERS, "limit")
    for name in sorted(found["contenders"], key=order.index):
        row = found["contenders"][name]
        rate, ratio = ({key: number(value) for key, value in row[of].items()} for of in ("per_second", "times"))
        cells = (
            rate["median"],
            f"{rate['low']} to {rate['high']}",
            f"{ratio['median']} x",
            f"{ratio['low']} to {ratio['high']}",
            number(row["gflops"]),
            f"{100 * row['limit_fraction']['median']:.0f} %",
        )
        lines.append(f"  {name:20}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser("python -m benchmarks.throughput", description="Measure how fast training is.")
    options.add_argument("--quick", action="store_true", help="within a minute: less to train, fewer peers")
    options.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds at most (default: 5)")
    options.add_argument("--cases", default="", metavar="NAME,...", help="only cases whose names begin so")
    options.add_argument("--peers", metavar="NAME,...", help=f"only these of {', '.join(PEERS)}")
    return options


def surroundings() -> dict[str, str]:
    """CPU, commit and versions, those of the peers too."""
    found, versions = environment(), [f"scikit-learn {version('scikit-learn')}"]
    if importlib.util.find_spec("jax"):
        versions.append(f"jax {version('jax')}")
    return {**found, "versions": ", ".join([found["versions"], *versions])}


def choose(options: argparse.Namespace) -> dict[str, Case]:
    """The cases with their peers that were asked for. Raises UserError if there are none."""
    if options.rounds < 1:
        raise UserError(f"--rounds {options.rounds}: at least one round is needed")
    peers = options.peers.split(",") if options.peers else [*PEERS]
    if unknown := [peer for peer in peers if peer not in PEERS]:
        raise UserError(f"--peers {unknown[0]}: no such peer; there are {', '.join(PEERS)}")
    every = cases(options.quick)
    if not (names := [name for name in every if name.startswith(tuple(options.cases.split(",")))]):
        raise UserError(f"--cases {options.cases}: no such case; there are {', '.join(every)}")
    if "jax" in peers and importlib.util.find_spec("jax") is None:
        peers.remove("jax")
        if options.peers or not options.quick:
            print("jax: not installed", file=sys.stderr)

    def of(case: Case) -> tuple[str, ...]:
        return tuple(peer for peer in peers if options.peers or peer in case.peers)

    return {name: every[name]._replace(peers=of(every[name])) for name in names}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    started = time.monotonic()
    options = parser().parse_args(arguments)
    try:
        chosen = choose(options)
        for dataset in {case.config.dataset for case in chosen.values()}:
            data.fetch(dataset)
        seconds = run(chosen, options.rounds, started + QUICK_SECONDS if options.quick else math.inf)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    summaries = {case: summary(chosen[case].config, found) for case, found in seconds.items()}
    if options.json:
        print(json.dumps({**report(summaries), "quick": options.quick, "environment": surroundings()}, indent=1))
    else:
        print("\n".join(table(case, found) for case, found in summaries.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
