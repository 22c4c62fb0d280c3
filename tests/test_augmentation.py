"""Images that are moved: by how much, where they come to lie, and that a training sees them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from research.training.augmentation import FARTHEST, shift, shifts
from research.training.config import TrainConfig
from research.training.data import load
from research.training.module import StackModule
from research.training.plain import moved
from research.training.train import train_stack
from research.training.twins import alone

CONFIG = TrainConfig("digits", 1, 16, num_train=100, batch_size=20, augmentation="shifts", epochs=2)


def test_shifts_go_as_far_as_they_are_said_to_and_no_farther():
    drawn = shifts(3, 0, 5000)
    assert sorted(set(drawn.flatten().tolist())) == list(range(-FARTHEST, FARTHEST + 1))
    assert (drawn != shifts(3, 1, 5000)).any()
    assert (drawn == shifts(3, 0, 5000)).all()


def test_a_moved_image_has_each_pixel_where_it_was_moved_to_and_nothing_comes_in():
    images = torch.rand(2, 3, 36)
    before = images.clone().view(2, 3, 6, 6)
    shift(images, (3, 4), 7)
    for row, seed in enumerate((3, 4)):
        for number, (down, right) in enumerate(shifts(seed, 7, 3)):
            expected = torch.zeros(6, 6)
            for y, x in np.ndindex(6, 6):
                if 0 <= y + down < 6 and 0 <= x + right < 6:
                    expected[y + down, x + right] = before[row, number, y, x]
            assert torch.equal(images[row, number].view(6, 6), expected)
            assert torch.equal(moved(before[row, number].flatten(), int(down), int(right)).view(6, 6), expected)


@pytest.mark.parametrize("normalization", ["none", "batch"])  # written out, and by autograd
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_shifted_images_train_as_in_plain_pytorch(normalization, optimizer):
    config = replace(CONFIG, normalization=normalization, optimizer=optimizer, lr=0.01, measures=("alone",))
    data = load("digits")
    # Adam makes steps of the rounding of gradients that are zero, as those of a bias before a batch norm
    assert alone(StackModule(config, (0, 1), data), data).metrics["alone_difference"].max() < 1e-7


def test_a_batch_of_the_whole_training_part_is_moved_anew_at_each_step():
    whole = replace(CONFIG, epochs=5, steps=10, evaluate_every=5, batch_size=100, lr=0.01)
    data = load("digits")
    assert alone(StackModule(whole, (0,), data), data).metrics["alone_difference"].max() < 1e-9


def test_what_a_seed_sees_does_not_depend_on_who_trains_beside_it():
    together, by_itself = (train_stack(CONFIG, seeds).replicates[-1] for seeds in ((0, 1), (1,)))
    assert together.metrics["test_loss"] == pytest.approx(by_itself.metrics["test_loss"], rel=1e-5)


def test_the_test_part_is_not_moved():
    still, shifted = (train_stack(replace(CONFIG, augmentation=how, epochs=0), (0,)) for how in ("none", "shifts"))
    assert still.replicates[0].metrics == shifted.replicates[0].metrics
