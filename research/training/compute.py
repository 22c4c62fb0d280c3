"""How a process computes: on one thread, keeping its memory, with the widest products of its processor."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST_TENSOR = 2**30  # bytes; what is larger is fetched from the system each time


@cache
def prepare_process() -> None:
    """Set this process up for training. The bits of all that it computes afterwards depend on it."""
    torch.set_num_threads(1)  # two processes of one thread get through more than one of two
    keep_memory()


def keep_memory() -> None:
    """Have the C library keep the memory of tensors that are gone for the next ones, where it is the GNU one.

    By default it gives tensors from 128 kB to 32 MB back to the system each time, which hands them out again page by
    page, zeroed: a third of the time of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_TENSOR)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def choose_products(wide: bool) -> None:
    """Have oneDNN compute matrix products in float32, not MKL, if `wide` and where that is exact to float32.

    On processors that are not Intel's, MKL uses half the width of their vectors; with products by a single vector it is
    still the faster of the two. The switch is meant for lower precision, and on processors with a unit for that (AMX)
    it lowers it: there it stays off.
    """
    _switch("bf16" if wide and wide_products_are_exact() else "none")


@cache
def wide_products_are_exact() -> bool:
    """Whether with the switch a product with the identity gives back numbers that need all 24 bits of float32."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    _switch("bf16")
    numbers = 1 + torch.arange(4 * 128 * 128, dtype=torch.float32).view(4, 128, 128) * 2.0**-16 + 2.0**-23
    identity = torch.eye(128).expand(4, 128, 128)
    return all(torch.equal(numbers, product) for product in (numbers @ identity, identity @ numbers))


def _switch(precision: str) -> None:
    torch.backends.mkldnn.matmul.fp32_precision = precision  # type: ignore[attr-defined]
