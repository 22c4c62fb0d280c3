"""What a configuration costs: its parameters, how many of its seeds train together, how long they take."""

from __future__ import annotations

import itertools

from research.data import DATA
from research.design import TrainConfig

SIZES = (
    10,
    5,
    2,
    1,
)  # 10 is the usual number of seeds: a size that does not divide it would train replicates for nothing
CACHE_BYTES = 24 * 2**20  # nominal last-level cache of one core; of the design, never of the machine


def num_parameters(config: TrainConfig) -> int:
    """Weights and biases of one replicate."""
    sizes = layer_sizes(config)
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(sizes))


def layer_sizes(config: TrainConfig) -> list[int]:
    """Input features, hidden widths, classes."""
    info = DATA[config.dataset]
    return [info.num_features, *[config.width] * config.depth, info.num_classes]


def stack_size(config: TrainConfig) -> int:
    """How many seeds train together: the largest of SIZES whose working set fits the nominal cache.

    Stacking shares the cost of a step's calls among the seeds and pays until the step's tensors leave the cache. A
    replicate holds its parameters, gradients and optimiser state, its batch, and for each layer three tensors of its
    units: pre-activation, activation and gradient.
    """
    sizes = layer_sizes(config)
    states = {"sgd": 2 if config.momentum == 0 else 3, "adam": 4, "adamw": 4}[config.optimizer]
    per_example = sizes[0] + 3 * sum(sizes[1:])
    working_set = 4 * (states * num_parameters(config) + config.batch_size * per_example)
    return next((size for size in SIZES if size * working_set <= CACHE_BYTES), 1)


def nominal_seconds(config: TrainConfig, num_seeds: int) -> float:
    """Rough seconds of a stack of num_seeds on one core of a recent server; a plan scales them by what the store shows.

    Fitted to 784-128xdepth-10 at depths 1 to 8: per parameter and example, per example, per step.
    """
    examples = config.epochs * (DATA[config.dataset].num_pool - DATA[config.dataset].num_validation)
    per_replicate = examples * (8.4e-11 * num_parameters(config) + 2e-6)
    return 0.1 + num_seeds * per_replicate + 1e-3 * examples / config.batch_size
