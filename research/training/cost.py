"""What a configuration costs: its parameters, how many of its seeds train together, how long they take."""

from __future__ import annotations

import itertools
from dataclasses import replace

from research.design.errors import UserError
from research.design.task import MOST_TOGETHER
from research.training.config import TrainConfig

DEEP = 8  # a step of ten networks of 100 layers of 64 takes 0.4 to 0.7 of what it takes each alone
CACHE_BYTES = 24 * 2**20  # nominal last-level cache of one core; of the design, never of the machine
COPIES_BYTES = 300 * 2**20  # of images, where each seed needs its own
SLICE_BYTES = 4 * 2**20  # of a layer's activations, nominal too
CHANNELS = (1, 8, 16)  # of the CNN: one number in at each place, then the maps of its two convolutions
KERNEL = 3
NUM_BINS = 10  # as many classes as digits, where a regression is learnt as one


def num_outputs(config: TrainConfig) -> int:
    """Units of the last layer: one for each class, one for a number."""
    if config.is_regression:
        return NUM_BINS if config.loss == "cross_entropy" else 1
    return config.info.num_classes


def num_parameters(config: TrainConfig) -> int:
    """Weights and biases of one replicate."""
    dense = sum((fan_in + 1) * fan_out for fan_in, fan_out in itertools.pairwise(layer_sizes(config)))
    dense += config.depth * (2 * config.width * (config.normalization != "none") + (config.activation == "prelu"))
    return dense + sum((fan_in + 1) * fan_out for fan_in, fan_out in kernel_sizes(config))


def kernel_sizes(config: TrainConfig) -> list[tuple[int, int]]:
    """Inputs and outputs of each convolution at one place; none for an MLP."""
    if config.network == "mlp":
        return []
    return [(KERNEL**config.info.axes * before, after) for before, after in itertools.pairwise(CHANNELS)]


def places(config: TrainConfig) -> list[int]:
    """Of each convolution, how many places its maps have: the pooling before it halves them along each axis."""
    return [config.info.num_features // 2 ** (config.info.axes * layer) for layer in range(len(kernel_sizes(config)))]


def num_hidden(config: TrainConfig) -> int:
    """Layers before the last: convolutions too."""
    return config.depth + len(kernel_sizes(config))


def layer_sizes(config: TrainConfig) -> list[int]:
    """Inputs of the first dense layer, hidden widths, outputs.

    Each convolution is followed by pooling, which halves every axis: 16 maps of a 16th of an image's pixels leave as
    many numbers as came in.
    """
    features = config.info.num_features
    if config.network == "cnn":
        features = CHANNELS[-1] * (1 if config.head == "pooled" else places(config)[-1] // 2**config.info.axes)
    return [features, *[config.width] * config.depth, num_outputs(config)]


def stack_size(config: TrainConfig, seeds: int = MOST_TOGETHER) -> int:
    """How many of a cell's seeds train together: the largest nearly equal parts of them that fit cache and memory.

    Stacking shares the cost of a step's calls among the seeds and pays until the step's tensors leave the cache. A
    replicate holds its parameters, gradients and optimiser state, its batch, and for each layer three tensors of its
    units: pre-activation, activation and gradient; more where it has other pieces. Copies of inputs that each seed has
    of its own must fit the memory of a worker. Of a deep network so many layers are counted as it pays to keep: what
    lies further back has left the cache anyway, and more calls are shared. Searches of L-BFGS go one
    replicate at a time.

    Raises UserError where L-BFGS would not have the whole training part at once.
    """
    check_batch(config)
    if config.optimizer == "lbfgs":
        return 1
    if config.depth > DEEP:
        return stack_size(replace(config, depth=DEEP), seeds)
    sizes = layer_sizes(config)
    states = {"sgd": 2 if config.momentum == 0 else 3, "adam": 4, "adamw": 4}[config.optimizer]
    maps = sum(after * number for number, (_, after) in zip(places(config), kernel_sizes(config), strict=True))
    per_unit = 3 + 2 * (config.normalization != "none") + (config.skip != "none") + 2 * bool(config.dropout)
    per_example = sizes[0] + per_unit * sum(sizes[1:]) + 3 * maps
    batch = min(config.batch_size, config.info.num_pool)
    working_set = 4 * (states * num_parameters(config) + batch * per_example)
    info = config.info
    copy = (info.num_pool + info.num_test) * info.num_features if config.pixels == "scrambled" else 0
    copy += 8 * (info.num_pool + info.num_test) * info.num_features if config.standardize else 0
    fitting = (n for n in stack_sizes(seeds) if n * working_set <= CACHE_BYTES and n * copy <= COPIES_BYTES)
    return next(fitting, 1)


def stack_sizes(seeds: int) -> list[int]:
    """The sizes of nearly equal parts, largest first: 10, 5, 4, 2 and 1 of 10. The last is at least half as large."""
    sizes = {-(-seeds // parts) for parts in range(-(-seeds // MOST_TOGETHER), seeds + 1)}
    return [size for size in sorted(sizes, reverse=True) if 2 * ((seeds - 1) % size + 1) >= size]


def check_batch(config: TrainConfig) -> None:
    """Raise UserError where L-BFGS would not have the whole training part at once, or a batch but one example."""
    if config.normalization == "batch" and num_train(config) % config.batch_size == 1:
        raise UserError(
            f"normalization='batch' needs two examples: of {num_train(config)} the last batch of {config.batch_size} "
            "has one"
        )
    if config.optimizer == "lbfgs" and config.batch_size < num_train(config):
        raise UserError(
            f"optimizer='lbfgs' takes all {num_train(config)} training examples at once: "
            f"batch_size={config.batch_size} is too small"
        )


def slice_size(units: int) -> int:
    """How many examples go through layers of at most so many units, of all replicates, at once: a power of two.

    What is written in one operation is read in the next while it is still in the cache.
    """
    most = SLICE_BYTES // (4 * units)
    return max(16, 1 << max(most.bit_length() - 1, 0))


def num_train(config: TrainConfig) -> int:
    """Examples in the training part of a replicate."""
    info = config.info
    return min(config.num_train or info.num_pool, info.num_train)


def num_steps(config: TrainConfig) -> int:
    """Training steps of the whole horizon."""
    return config.steps or config.epochs * -(-num_train(config) // config.batch_size)


def num_intervals(config: TrainConfig) -> int:
    """Intervals from one evaluation to the next in the whole horizon."""
    return config.steps // config.evaluate_every if config.steps else config.epochs


def nominal_seconds(config: TrainConfig, num_seeds: int) -> float:
    """Rough seconds of a stack of num_seeds on one core of a recent server; a plan scales them by what the store shows.

    Fitted to 784-128xdepth-10 at depths 1 to 8, to 1-width-1 at widths 8 to 2048 and to the CNN: per example for each
    parameter, input, hidden unit, and weight of a convolution at each place; and per step.
    """
    steps = num_steps(config)
    examples = steps * min(config.batch_size, num_train(config))
    products = sum(number * i * o for number, (i, o) in zip(places(config), kernel_sizes(config), strict=True))
    hidden, inputs = config.width * config.depth, config.info.num_features
    per_example = 6.5e-11 * num_parameters(config) + 7e-10 * inputs + 4.7e-10 * hidden + 3e-10 * products
    if not config.is_plain:  # by autograd: of 100 layers of 64 a skip takes a third more, with a normalisation twice
        per_example *= 1.3 + 0.8 * (config.normalization != "none")
    if config.evaluate_every:
        per_example *= 1 + config.info.num_validation / (3 * config.batch_size * config.evaluate_every)
    return float(0.1 + num_seeds * examples * per_example + 1e-4 * steps)
