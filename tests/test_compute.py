"""How a process computes, on the machine at hand."""

import resource
import subprocess
import sys

import pytest
import torch

from research.training.compute import choose_products, wide_products_are_exact


@pytest.fixture(autouse=True)
def _as_before():
    yield
    choose_products(wide=False)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("shape", [(2, 128, 784, 128), (10, 128, 128, 10), (1, 300, 7, 513)])
def test_products_are_those_of_single_precision_whichever_are_chosen(wide, shape):
    """To a few units in the last place of the sum's terms; products in half the digits are a thousand times off."""
    num_replicates, rows, inner, columns = shape
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(num_replicates, rows, inner, generator=generator)
    right = torch.randn(num_replicates, inner, columns, generator=generator)
    choose_products(wide)
    error = (torch.bmm(left, right) - left.double() @ right.double()).abs()
    bound = inner * 2.0**-24 * (left.abs().double() @ right.abs().double())
    assert (error <= bound).all()


def test_wide_products_are_only_chosen_where_they_are_exact():
    choose_products(wide=True)
    chosen = torch.backends.mkldnn.matmul.fp32_precision
    assert (chosen == "bf16") == wide_products_are_exact()
    choose_products(wide=False)
    assert torch.backends.mkldnn.matmul.fp32_precision == "none"


def test_memory_is_kept_where_the_c_library_is_gnu():
    """A tensor that takes the place of another of its size costs no new pages from the system."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the C library is another")
    code = """
import resource, torch
from research.training.compute import prepare_process
prepare_process()
def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        torch.ones(2_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages()
print(pages())
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 100 * 2_000_000 * 4 / resource.getpagesize() / 20


def test_a_prepared_process_has_one_thread():
    code = "from research.training import compute as c; c.prepare_process(); print(c.torch.get_num_threads())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"
