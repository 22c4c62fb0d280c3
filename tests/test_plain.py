"""Plain PyTorch, against hand: batches, losses, the start; `test_twins` holds it to the stacked training."""

import itertools

import numpy as np
import pytest
import torch

from research.training import data, data_set
from research.training.config import TrainConfig
from research.training.plain import plain_batches, plain_loss, plain_network, plain_parameters, plain_train

CONFIG = TrainConfig("digits", 2, 16, batch_size=500)


def test_an_epoch_shows_each_training_example_once():
    digits = data.load("digits")
    train = plain_train(CONFIG, 3, digits)
    assert train.tolist() == data_set.split(digits.targets.numpy(), 200, 3)[0].tolist()
    batches = list(itertools.islice(plain_batches(CONFIG, 3, train), 6))
    assert [len(batch) for batch in batches] == [500, 500, 300] * 2
    for first in (0, 3):
        assert sorted(np.concatenate(batches[first : first + 3])) == train.tolist()
    assert batches[0].tolist() != batches[3].tolist()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, np.log(np.exp([1.0, 2.0, 0.0]).sum()) - 2),
        ({"output": "sigmoid"}, np.log1p(np.exp(1)) + np.log1p(np.exp(-2)) + np.log(2)),
        ({"loss": "mse", "output": "raw"}, (1 + 1 + 0) / 2),
        ({"loss": "mse_mean", "output": "raw"}, (1 + 1 + 0) / 3),
    ],
)
def test_losses_are_those_by_hand(options, expected):
    logits, label = torch.tensor([[1.0, 2.0, 0.0]] * 2, dtype=torch.float64), torch.tensor([1, 1])
    assert float(plain_loss(TrainConfig(**options), logits, label)) == pytest.approx(expected)


def test_no_step_leaves_the_start():
    network = plain_network(CONFIG, 3)
    start = plain_parameters(CONFIG, 3, data.load("digits"), 0)
    assert [tuple(values.shape) for values in start] == [(64, 16), (16, 16), (16, 10), (16,), (16,), (10,)]
    assert torch.equal(start[0], network[0].linear.weight.detach().T)
    assert not torch.equal(start[0], plain_parameters(CONFIG, 3, data.load("digits"), 1)[0])
