"""Products of stacked matrices, each by the routine that is fast for its shape and strides on every processor.

Where no side of either matrix is one, BLAS is fast and takes all replicates in one call. Where one of them is a
vector, the routines differ by up to eighty times, and which is slow depends on whose processor it is; and one batched
call, by oneDNN into a tensor that is there, writes nothing at all. So each replicate has a call of its own there, which
is never far from the fastest. Microseconds for R matrices [N, K] by a vector each, on one core of an AMD EPYC (Zen 4),
by MKL's code for AMD and, behind the stroke, by its code for Intel with AVX-512. In `rows` the numbers of a row lie
side by side in memory, in `columns` those of a column. Chosen are the routines with a star:

    R, N, K                         10, 1024, 8  10, 1024, 32  10, 1024, 128  2, 1024, 512  1, 1024, 2048
    columns: mv for each replicate *   26 / 12      33 / 27      106 / 81       76 / 55       156 / 120
    columns: bmm, vector first         14 / 6       25 / 33       95 / 139      74 / 115      152 / 106
    columns: multiply and sum          16 / 17      70 / 70      220 / 219     247 / 247      363 / 345
    columns: bmm, matrix first         94 / 40     940 / 177    2646 / 549    3365 / 561      172 / 104
    R, N, K                         10, 8, 1024  10, 32, 1024  10, 128, 1024  2, 512, 1024  1, 2048, 1024
    rows: mv for each replicate *      14 / 13      32 / 28      105 / 84       76 / 58       154 / 108
    rows: multiply and sum             14 / 13      48 / 48      212 / 192     140 / 140      493 / 369
    rows: bmm, matrix first            92 / 35     365 / 135    1464 / 537    1165 / 430      155 / 108
    rows: bmm, vector first            20 / 78      76 / 594     309 / 1008    232 / 752      183 / 128

Units of a layer behind a single input lie first in memory, [R, H, B], so that all its products go along its examples:
ten times 1,024 examples pass forwards and backwards through 8 units in half the time that they take where examples lie
first, through 32 and more in as long.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

Call = Callable[[], object]  # what is at hand to be done, again and again


def affine(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """inputs @ weight + bias: [R, B, D] by [R, D, H] and [R, 1, H]."""
    if inputs.shape[2] == 1:
        return torch.mul(weight.mT, inputs.mT).add_(bias.mT).mT
    if weight.shape[2] > 1:
        return torch.baddbmm(bias, inputs, weight)
    if inputs.stride(2) == 1:
        sums: Tensor = torch.linalg.vecdot(inputs, weight.mT)
        return sums[..., None] + bias
    return torch.baddbmm(bias, weight.mT, inputs.mT).mT


def product_calls(left: Tensor, right: Tensor, out: Tensor) -> list[Call]:
    """What writes left @ right, [R, N, K] by [R, K, M], into `out` [R, N, M]."""
    if left.shape[2] == 1:
        return [partial(torch.mul, left, right, out=out)]
    if right.shape[2] == 1:
        return vector_calls(left, right, out)
    if left.shape[1] == 1:
        return vector_calls(right.mT, left.mT, out.mT)
    if out.is_contiguous():
        return [partial(torch.bmm, left, right, out=out)]
    return [partial(torch.bmm, right.mT, left.mT, out=out.mT)]


def vector_calls(matrix: Tensor, vector: Tensor, out: Tensor) -> list[Call]:
    """What writes matrix @ vector, [R, N, K] by [R, K, 1], into `out` [R, N, 1]."""
    if matrix.is_cuda:
        return [partial(torch.bmm, matrix, vector, out=out)]
    rows = zip(matrix, vector[..., 0], out[..., 0], strict=True)
    return [partial(torch.mv, own, own_vector, out=place) for own, own_vector, place in rows]
