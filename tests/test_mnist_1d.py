"""MNIST-1D, as its author's own package makes it."""

import numpy as np
import pytest
from mnist1d.data import get_dataset_args, get_templates, make_dataset

from research.training.mnist_1d import SEED, arrays, templates


@pytest.fixture
def _own_randomness():
    """The package seeds NumPy's global generator."""
    state = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@pytest.mark.usefixtures("_own_randomness")
@pytest.mark.parametrize("seed", [1, SEED])
def test_it_is_what_the_package_of_its_author_makes(seed):
    options = get_dataset_args()
    assert (options.num_samples, options.train_split, options.seed) == (5000, 0.8, SEED)
    options.num_samples, options.seed = 200, seed
    theirs = make_dataset(options)
    for ours, name in zip(arrays(seed, 200), ("x", "y", "x_test", "y_test"), strict=True):
        assert np.array_equal(ours, theirs[name].round(6))
    np.testing.assert_allclose(templates(), get_templates()["x"], atol=1e-15)


def test_there_are_as_many_of_each_class_and_a_fifth_is_for_tests(mnist_1d):
    assert (mnist_1d.inputs.shape, mnist_1d.test_inputs.shape) == ((4000, 40), (1000, 40))
    assert (mnist_1d.targets.bincount() + mnist_1d.test_targets.bincount()).tolist() == [500] * 10
    assert (mnist_1d.info.num_train, mnist_1d.info.sides) == (3500, (40,))
