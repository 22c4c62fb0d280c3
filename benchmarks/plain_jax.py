"""Networks that JAX trains together: jax.vmap over pure functions, jax.jit over the step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders import EVALUATION_BATCH, Pool
from research.training.config import TrainConfig
from research.training.cost import layer_sizes, num_intervals

Arrays = Any  # nested lists and tuples of arrays


def jax_vmap(config: TrainConfig, seeds: Sequence[int], data: Pool) -> float:
    """The mean test loss of the seeds' networks; what is compiled is kept for the next time."""
    step, evaluate = compiled(config)
    rng = np.random.default_rng(seeds[0])
    parameters = [
        tuple(rng.uniform(-1, 1, (len(seeds), *shape)).astype("f4") / fan_in**0.5 for shape in ((fan_in, out), (out,)))
        for fan_in, out in zip(layer_sizes(config)[:-1], layer_sizes(config)[1:], strict=True)
    ]
    state = (parameters, *(jax.tree.map(jnp.zeros_like, parameters) for _ in "mv"), 0.0)
    inputs, targets, test_inputs, test_targets = (part.numpy() for part in (*data.examples, *data.test))
    train, validation = data.train.numpy(), data.validation.numpy()
    test = np.broadcast_to(np.arange(len(test_inputs)), (len(seeds), len(test_inputs)))

    def look(inputs: np.ndarray, targets: np.ndarray, indices: np.ndarray) -> float:
        chunks = np.split(indices, range(EVALUATION_BATCH, indices.shape[1], EVALUATION_BATCH), axis=1)
        found = [(evaluate(state[0], inputs[chunk], targets[chunk]), chunk.shape[1]) for chunk in chunks]
        return float(sum(losses[0].mean() * count for losses, count in found) / indices.shape[1])

    validated = (test_inputs, test_targets) if config.is_regression else (inputs, targets)
    look(*validated, validation)
    if not config.is_regression:
        look(test_inputs, test_targets, test)
    full = (jnp.asarray(inputs[train]), jnp.asarray(targets[train])) if config.steps else None
    for _ in range(num_intervals(config)):
        if full:
            for _ in range(config.evaluate_every):
                state = step(state, *full)
        else:
            order = rng.permuted(train, axis=1)
            for first in range(0, train.shape[1], config.batch_size):
                batch = order[:, first : first + config.batch_size]
                state = step(state, inputs[batch], targets[batch])
        look(*validated, validation)
    return look(test_inputs, test_targets, test)


@lru_cache(1)
def compiled(config: TrainConfig) -> tuple[Any, Any]:
    """The step and the evaluation of all networks at once."""

    def outputs(parameters: Arrays, x: jax.Array) -> jax.Array:
        *hidden, (weight, bias) = parameters
        for w, b in hidden:
            x = jax.nn.relu(x @ w + b)
        return x @ weight + bias

    def loss(parameters: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
        found = outputs(parameters, x)
        if config.is_regression:
            return ((found - y) ** 2).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(found), y[:, None], axis=1).mean()

    def look(parameters: Arrays, x: jax.Array, y: jax.Array) -> tuple[jax.Array, ...]:
        hits = () if config.is_regression else ((outputs(parameters, x).argmax(1) == y).mean(),)
        return loss(parameters, x, y), *hits

    @partial(jax.jit, donate_argnums=0)
    def step(state: Arrays, x: jax.Array, y: jax.Array) -> Arrays:
        parameters, first, second, count = state
        gradients = jax.vmap(jax.grad(loss))(parameters, x, y)
        if config.optimizer == "sgd":
            return jax.tree.map(lambda p, g: p - config.lr * g, parameters, gradients), first, second, count
        count = count + 1  # Adam, with the customary constants
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)

        def moved(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            return p - config.lr * (m / (1 - 0.9**count)) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8)

        return jax.tree.map(moved, parameters, first, second), first, second, count

    return step, jax.jit(jax.vmap(look))
