"""Random streams named by their purpose: the same draws for a seed wherever and whenever they are drawn."""

from __future__ import annotations

import hashlib
import operator

import numpy as np


def stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A random generator of its own for each seed, purpose and indices, the same on every machine and in every process.

    Raises TypeError for a seed that is no whole number (None too: nothing here is unseeded), ValueError below zero.
    """
    words = np.frombuffer(hashlib.sha256(purpose.encode()).digest(), dtype="<u4").tolist()
    sequence = np.random.SeedSequence(operator.index(seed), spawn_key=(*words, *indices))
    return np.random.Generator(np.random.PCG64(sequence))
