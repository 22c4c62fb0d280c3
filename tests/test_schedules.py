"""The rate of each step is that of torch's own scheduler; `test_module_options` trains by it."""

import math

import pytest
import torch

from research.training.config import TrainConfig
from research.training.schedules import rate_at

COSINE = TrainConfig(dataset="digits", lr=0.3, schedule="cosine", steps=40, evaluate_every=10)


def test_a_cosine_is_torchs():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], COSINE.lr)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    for step in range(40):
        assert rate_at(COSINE, step) == pytest.approx(torchs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        torchs.step()
    assert torchs.get_last_lr()[0] == pytest.approx(0, abs=1e-12)


def test_it_falls_from_the_rate_by_way_of_half_of_it_over_the_steps_of_all_epochs():
    by_epochs = TrainConfig(dataset="digits", lr=0.3, schedule="cosine", batch_size=130, epochs=4)  # 40 steps
    assert rate_at(by_epochs, 0) == 0.3
    assert rate_at(by_epochs, 20) == pytest.approx(0.15)
    assert rate_at(by_epochs, 39) == pytest.approx(0.15 * (1 - math.cos(math.pi / 40)))
