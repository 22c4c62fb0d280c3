"""One buffer for all parameters, and the updates of torch.optim."""

import pytest
import torch
from torch import nn

from research.training.config import TrainConfig
from research.training.optimizers import FlatOptimizer

KINDS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
OPTIONS = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    *({"optimizer": name, "lr": 0.01, "weight_decay": decay} for name in ("adam", "adamw") for decay in (0.0, 0.1)),
]


def parameters():
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 5), (2, 1, 5), (2, 5, 1), (2, 1, 1))
    return [nn.Parameter(torch.randn(*shape, dtype=torch.float64, generator=generator)) for shape in shapes]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_updates_are_those_of_torch(options):
    config = TrainConfig(**options)
    ours, plain = parameters(), parameters()
    more = {"momentum": config.momentum} if config.optimizer == "sgd" else {}
    theirs = KINDS[config.optimizer](plain, lr=config.lr, weight_decay=config.weight_decay, fused=False, **more)
    optimizer = FlatOptimizer(ours, config)
    for step in range(5):
        for mine, other in zip(ours, plain, strict=True):
            mine.grad.copy_((mine.detach() - step).sin())
            other.grad = (other.detach() - step).sin()
        optimizer.step()
        theirs.step()
        for mine, other in zip(ours, plain, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-13, atol=1e-15)


def test_parameters_keep_their_numbers_and_share_one_buffer():
    ours, before = parameters(), parameters()
    flat = FlatOptimizer(ours, TrainConfig()).flat
    assert all(torch.equal(*pair) for pair in zip(ours, before, strict=True))
    assert len({each.untyped_storage().data_ptr() for each in (flat, *ours)}) == 1
    assert len({each.grad.untyped_storage().data_ptr() for each in (flat, *ours)}) == 1
    assert all(each.storage_offset() % 16 == 0 for each in ours)


def test_a_weight_set_by_hand_is_the_one_that_is_trained():
    ours = parameters()
    optimizer = FlatOptimizer(ours, TrainConfig(lr=0.5))
    with torch.no_grad():
        ours[1].fill_(3.0)
    ours[1].grad.fill_(2.0)
    optimizer.update(optimizer.defaults["lr"])
    assert (ours[1] == 2.0).all()
