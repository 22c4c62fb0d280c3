"""MNIST-1D: ten templates of twelve points, disturbed into signals of forty (Greydanus 2020, arXiv:2011.14439).

What the author's generator gives at its own seed, 42, to six decimals. NumPy's old generator, which keeps its stream
for good, is drawn from in the author's order; the rest is plain arithmetic, and what processors and libraries round
otherwise in it lies far behind the sixth decimal. So the bytes are the same everywhere.
"""

from __future__ import annotations

import numpy as np

SEED = 42
NUM_EXAMPLES, TRAINING_SHARE = 5000, 0.8
PADDING = (36, 60)  # the fewest and the most zeros behind a template
LONGEST = 12 + PADDING[1]  # points, of a signal before it is thinned out
LENGTH = 40
SCALE, SHEAR = 0.4, 0.75  # the widths of the ranges of the factor of a signal, and of its slope
MOST_MOVED = 48
CORRELATED_NOISE, NOISE = 0.25, 0.02  # standard deviations; the former is smoothed, and only where no template is
SMOOTH = 2.0  # standard deviation of the normal curve that smooths, cut off at four of them
SHAPES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)


def templates() -> np.ndarray:
    """The templates [10, 12] of the classes: each begins at zero and has a standard deviation of a sixth."""
    shapes = (SHAPES - SHAPES.mean(1, keepdims=True)) / SHAPES.std(1, keepdims=True)
    return np.asarray((shapes - shapes[:, :1]) / 6)


def smoothed(noise: np.ndarray) -> np.ndarray:
    """Noise [n] under a moving average with the weights of a normal curve, mirrored at its ends."""
    reach = int(4 * SMOOTH + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTH) ** 2)
    mirrored = np.concatenate([noise[:reach][::-1], noise, noise[-reach:][::-1]])
    return np.convolve(mirrored, weights / weights.sum(), "valid")


def stretched(signal: np.ndarray, length: int) -> np.ndarray:
    """A signal at `length` evenly spaced places, on straight lines between its points."""
    return np.asarray(np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(signal)), signal))


def disturbed(template: np.ndarray, draws: np.random.RandomState) -> np.ndarray:
    """An example [40] of a template [12]: padded and stretched, scaled, moved, with noise, sheared and thinned out."""
    fewest, most = PADDING
    padded = np.concatenate([template + 1e-8, np.zeros(fewest + int(draws.rand() * (most - fewest + 1)))])
    signal = stretched(padded, LONGEST) * (1 + SCALE * (draws.rand() - 0.5))
    signal = np.roll(signal, draws.choice(MOST_MOVED))
    background = smoothed(CORRELATED_NOISE * draws.standard_normal(LONGEST))
    signal = np.where(signal != 0, signal, background) + NOISE * draws.standard_normal(LONGEST)
    slope = SHEAR * (draws.rand() - 0.5)
    return stretched(signal - slope * np.linspace(-0.5, 0.5, LONGEST), LENGTH)


def arrays(seed: int = SEED, num_examples: int = NUM_EXAMPLES) -> list[np.ndarray]:
    """Inputs [N, 40] in float64 and classes [N] in int64 of the pool, four fifths, then those of the test part.

    There are as many examples of each class. The inputs of both parts together have mean 0 and variance 1.
    """
    draws = np.random.RandomState(seed)
    classes = np.repeat(np.arange(len(SHAPES)), num_examples // len(SHAPES))
    shapes = templates()
    signals = np.stack([disturbed(shapes[label], draws) for label in classes])
    order = draws.permutation(len(classes))
    signals, classes = signals[order], classes[order]
    signals = ((signals - signals.mean()) / signals.std()).round(6) + 0.0  # no negative zero
    pool, test = np.split(np.arange(len(classes)), [int(len(classes) * TRAINING_SHARE)])
    return [signals[pool], classes[pool], signals[test], classes[test]]
