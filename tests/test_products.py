"""Products by the routine for their shape."""

import itertools

import pytest
import torch

from research.training.compute import choose_products
from research.training.products import affine, product_calls


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def written(left, right, out):
    """A product, written where something else was."""
    out.fill_(torch.nan)
    for call in product_calls(left, right, out):
        call()
    return out


@pytest.mark.parametrize("turned", list(itertools.product((False, True), repeat=3)))
@pytest.mark.parametrize("shape", list(itertools.product((1, 3), (1, 12), (1, 4, 33), (1, 40))))
def test_products_are_products_whatever_their_shape_and_strides(shape, turned):
    """Matrices lie in memory row by row, or column by column where they are turned."""
    num_replicates, rows, inner, columns = shape

    def matrix(height, width, is_turned, seed):
        if is_turned:
            return numbers(num_replicates, width, height, seed=seed).mT
        return numbers(num_replicates, height, width, seed=seed)

    sizes = ((rows, inner), (inner, columns), (rows, columns))
    left, right, out = (matrix(*size, *part) for size, *part in zip(sizes, turned, range(3), strict=True))
    torch.testing.assert_close(written(left, right, out), left @ right, rtol=1e-12, atol=1e-13)
    bias = numbers(num_replicates, 1, columns, seed=3)
    torch.testing.assert_close(affine(left, right, bias), left @ right + bias, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("shape", list(itertools.product((1, 3), (1, 8, 88, 512), (1, 8, 128, 784), (1, 10))))
def test_products_are_written_in_single_precision_too(shape, wide):
    """oneDNN leaves what was there, in some batched products with a vector."""
    num_replicates, rows, inner, columns = shape
    choose_products(wide)
    try:
        for left_turned, out_turned in itertools.product((False, True), repeat=2):
            left, out = torch.ones(num_replicates, rows, inner), torch.ones(num_replicates, rows, columns)
            left, out = (
                each.mT.contiguous().mT if is_turned else each
                for each, is_turned in ((left, left_turned), (out, out_turned))
            )
            assert (written(left, torch.ones(num_replicates, inner, columns), out) == inner).all()
    finally:
        choose_products(wide=False)


def test_the_gradient_of_an_affine_map_is_that_of_its_formula():
    for rows, inner, columns in ((12, 1, 5), (12, 5, 1), (12, 5, 4), (12, 1, 1)):
        tensors = [numbers(2, rows, inner), numbers(2, inner, columns, seed=1), numbers(2, 1, columns, seed=2)]
        assert torch.autograd.gradcheck(affine, [tensor.requires_grad_() for tensor in tensors])
