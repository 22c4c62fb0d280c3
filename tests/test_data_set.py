"""The parts that a seed draws from a data set."""

import hashlib

import numpy as np
import pytest

from research.training import data, data_set


def test_a_curve_is_split_into_all_and_nothing(sine):
    train, validation = data_set.split(sine.targets.numpy(), 0, seed=3)
    assert np.array_equal(train, np.arange(1024))
    assert len(validation) == 0


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_a_split_is_complete_disjoint_and_stratified(name, request):
    labels = request.getfixturevalue(name).targets.numpy()
    wanted = data.DATA[name].num_validation
    train, validation = data_set.split(labels, wanted, seed=0)
    assert train.dtype == validation.dtype == np.int64
    assert len(validation) == wanted
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(labels)))
    assert np.all(np.diff(train) > 0)
    assert np.all(np.diff(validation) > 0)
    fair = np.bincount(labels) * wanted / len(labels)
    assert np.abs(np.bincount(labels[validation]) - fair).max() < 1


def test_a_split_gives_the_largest_remainders_the_odd_places():
    labels = np.repeat([0, 1, 2], [5, 3, 2])  # fair shares of 4 places: 2.0, 1.2, 0.8
    for seed in range(20):
        _, validation = data_set.split(labels, 4, seed)
        assert np.bincount(labels[validation]).tolist() == [2, 1, 1]


def test_a_split_depends_on_the_seed_and_on_nothing_else(digits):
    labels = digits.targets.numpy()
    splits = [data_set.split(labels, 200, seed)[1] for seed in range(20)]
    assert np.array_equal(splits[3], data_set.split(labels, 200, 3)[1])
    assert len({tuple(validation) for validation in splits}) == 20
    # every image is as likely as another to be drawn: 20 draws of 200 from 1500 touch about 1 - (1 - 2/15)^20 = 94 %
    assert len(np.unique(np.concatenate(splits))) == pytest.approx(0.94 * 1500, rel=0.03)


def test_the_split_of_mnist_is_golden(mnist):
    _, validation = data_set.split(mnist.targets.numpy(), 5000, seed=0)
    assert (
        hashlib.sha256(validation.astype("<i8").tobytes()).hexdigest()
        == "d11039d1912fda2f69b9df4c5aa8a453a36c00036c68ff36b8f34456335e898d"
    )


def test_a_split_may_be_all_or_nothing_but_not_more():
    labels = np.array([0, 1, 1])
    assert [len(part) for part in data_set.split(labels, 0, 1)] == [3, 0]
    assert [len(part) for part in data_set.split(labels, 3, 1)] == [0, 3]
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match=r"not in 0\.\.3"):
            data_set.split(labels, wrong, 1)
