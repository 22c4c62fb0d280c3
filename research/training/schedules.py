"""What the learning rate is at each step of the horizon."""

from __future__ import annotations

import math

from research.training.config import TrainConfig
from research.training.cost import num_steps


def rate_at(config: TrainConfig, step: int) -> float:
    """The learning rate of a step, counted from 0.

    "cosine" falls from `lr` along half a cosine, to zero where the horizon ends: that of
    torch.optim.lr_scheduler.CosineAnnealingLR with T_max of the horizon's steps. Source: Loshchilov and Hutter 2017,
    eq. 5, without restarts.
    """
    if config.schedule == "constant":
        return config.lr
    return 0.5 * config.lr * (1 + math.cos(math.pi * step / num_steps(config)))
