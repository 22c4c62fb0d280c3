"""Images of a training batch, each moved by a few pixels that are drawn anew at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from research.design.streams import stream

FARTHEST = 2  # pixels, as is customary for images of 28 by 28


def shifts(seed: int, step: int, count: int) -> np.ndarray:
    """By how many pixels each image of a step is moved down and to the right, [count, 2], drawn on seed and step."""
    return stream(seed, "shifts", step).integers(-FARTHEST, FARTHEST + 1, (count, 2))


def shift(images: Tensor, seeds: Sequence[int], step: int) -> None:
    """Move square images [R, B, D] of R replicates in place; what comes in at the edges is 0."""
    side = math.isqrt(images.shape[2])
    moved = torch.from_numpy(np.concatenate([shifts(seed, step, images.shape[1]) for seed in seeds])).to(images.device)
    framed = pad(images.reshape(-1, side, side), (FARTHEST,) * 4)
    places = torch.arange(side, device=images.device) + FARTHEST - moved[..., None]  # [R * B, 2, side]
    own = torch.arange(len(framed), device=images.device)[:, None, None]
    images.copy_(framed[own, places[:, 0, :, None], places[:, 1, None, :]].view_as(images))
