"""What each seed is trained and tested on: its split, its subset, its pixels, the kind of its targets."""

import numpy as np
import pytest
import torch

import research.training.examples
from research.design.streams import stream
from research.training import data, data_set
from research.training.choices import CHOICES
from research.training.config import TrainConfig
from research.training.cost import NUM_BINS, num_train
from research.training.examples import make_examples, pixel_order
from research.training.module import StackModule
from research.training.train import train_stack

SEEDS = (4, 0, 7)
PARTS = ("train", "validation", "test")


def made(dataset, seeds=SEEDS, **options):
    options = {"dataset": dataset.info.name, **options}
    return make_examples(TrainConfig(**options), seeds, dataset)


def part_of(examples, part, row):
    """Images and labels of one replicate, as numpy arrays."""
    inputs, targets = (
        (examples.test_inputs, examples.test_targets) if part == "test" else (examples.inputs, examples.targets)
    )
    indices = getattr(examples, part)[row]
    images = inputs.numpy()[indices]
    return images if examples.orders is None else images[:, examples.orders[row]], targets.numpy()[indices]


@pytest.mark.parametrize("pixels", CHOICES["pixels"])
@pytest.mark.parametrize("part", PARTS)
def test_every_image_keeps_its_label_and_its_values_wherever_its_pixels_lie(part, pixels, digits):
    examples, plain = made(digits, pixels=pixels), made(digits)
    for row in range(len(SEEDS)):
        (images, labels), (originals, truth) = part_of(examples, part, row), part_of(plain, part, row)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert np.array_equal(labels, truth)
        assert np.array_equal(np.sort(images, 1), np.sort(originals, 1))
        assert np.array_equal(images, originals) == (pixels == "original")


@pytest.mark.parametrize("part", PARTS)
def test_permuted_pixels_lie_in_the_one_order_of_the_seed_in_every_part(part, digits):
    examples, plain = made(digits, pixels="permuted"), made(digits)
    for row, seed in enumerate(SEEDS):
        order = stream(seed, "pixels").permutation(64)
        assert np.array_equal(part_of(examples, part, row)[0], part_of(plain, part, row)[0][:, order])


def test_an_order_of_pixels_has_each_once_and_is_the_seeds_own():
    orders = [pixel_order(seed, 784) for seed in range(5)]
    assert all(np.array_equal(np.sort(order), np.arange(784)) for order in orders)
    assert len({tuple(order) for order in orders}) == 5
    assert np.array_equal(orders[3], pixel_order(3, 784))


def columns_that_move(images, originals):
    """The sets of columns of `originals`, one for each image, that its first value may come from."""
    return [frozenset(np.flatnonzero(before == image[20])) for image, before in zip(images, originals, strict=True)]


def test_scrambled_pixels_lie_in_another_order_in_each_image_and_each_part(digits):
    examples, plain = made(digits, pixels="scrambled"), made(digits)
    for part in PARTS:
        images, originals = (part_of(each, part, 1)[0] for each in (examples, plain))
        assert not frozenset.intersection(*columns_that_move(images, originals))  # no column explains them all
        correlation = np.corrcoef(images.mean(0), originals.mean(0))[0, 1]
        assert abs(correlation) < 0.5
        assert images.mean(0).std() < 0.1 * originals.mean(0).std()
    same_row = examples.inputs[:297].numpy(), examples.test_inputs[:297].numpy()
    assert not np.array_equal(*same_row)


def test_each_seed_scrambles_in_its_own_way_whatever_stack_it_is_in(digits):
    together, alone = made(digits, pixels="scrambled"), made(digits, SEEDS[2:], pixels="scrambled")
    for part in PARTS:
        ours, theirs = part_of(together, part, 2), part_of(alone, part, 0)
        assert np.array_equal(ours[0], theirs[0])
        assert np.array_equal(ours[1], theirs[1])
    first, second = together.test_inputs[:297], together.test_inputs[297:594]
    assert not torch.equal(first, second)


def test_sorted_pixels_are_the_same_whatever_order_they_had(digits):
    ascending = made(digits, pixels="sorted")
    assert (np.diff(ascending.inputs.numpy().astype(int), axis=1) >= 0).all()
    scrambled = part_of(made(digits, pixels="scrambled"), "test", 0)[0]
    assert np.array_equal(np.sort(scrambled, 1), part_of(ascending, "test", 0)[0])


@pytest.mark.parametrize("pixels", CHOICES["pixels"])
def test_each_replicate_looks_up_its_own_copy_where_there_is_one(pixels, digits):
    examples = made(digits, pixels=pixels)
    copies = len(SEEDS) if pixels == "scrambled" else 1
    assert examples.inputs.shape == (copies * 1500, 64)
    assert examples.test_inputs.shape == (copies * 297, 64)
    for row, seed in enumerate(SEEDS):
        offset = row if copies > 1 else 0
        train, validation = data_set.split(digits.targets.numpy(), 200, seed)
        assert np.array_equal(examples.train[row], train + offset * 1500)
        assert np.array_equal(examples.validation[row], validation + offset * 1500)
        assert np.array_equal(examples.test[row], np.arange(297) + offset * 297)


def test_the_data_set_itself_stays_as_it_was(digits):
    parts = digits.inputs, digits.test_inputs, digits.targets
    before = [part.clone() for part in parts]
    for pixels in CHOICES["pixels"]:
        made(digits, pixels=pixels)
    assert all(torch.equal(*pair) for pair in zip(before, parts, strict=True))


@pytest.mark.parametrize("pixels", CHOICES["pixels"])
def test_a_subset_is_nested_seeded_and_of_the_training_part(pixels, digits):
    small, large, whole = (made(digits, pixels=pixels, num_train=count) for count in (50, 400, 0))
    for row in range(len(SEEDS)):
        assert (len(small.train[row]), len(large.train[row]), len(whole.train[row])) == (50, 400, 1300)
        assert set(small.train[row]) < set(large.train[row]) < set(whole.train[row])
        assert len(set(small.train[row])) == 50
        assert (np.diff(small.train[row]) > 0).all()
        assert np.array_equal(small.validation[row], whole.validation[row])
    assert set(small.train[0] % 1500) != set(small.train[1] % 1500)
    alone = made(digits, SEEDS[1:2], pixels=pixels, num_train=50)
    assert np.array_equal(alone.train[0] % 1500, small.train[1] % 1500)


@pytest.mark.parametrize("count", [1, 1299, 1300, 1301, 1500, 9999])
def test_the_cost_model_knows_how_many_examples_are_trained_on(count, digits):
    config = TrainConfig(dataset="digits", num_train=count)
    assert made(digits, num_train=count).train.shape == (3, num_train(config))


def test_a_subset_of_a_curve_is_nested_too(sine):
    small, large = (made(sine, output="raw", loss="mse", num_train=count).train[0] for count in (10, 100))
    assert set(small) < set(large) < set(range(1024))


def test_inputs_are_scaled_to_one_and_then_as_asked(digits, sine):
    assert made(digits).scale == 1 / 16
    assert made(digits, input_scale=3.0).scale == 3 / 16
    assert made(sine, output="raw", loss="mse").scale == 1
    assert made(sine, output="raw", loss="mse", input_scale=0.25).scale == 0.25


def test_numbers_are_learnt_as_they_are(sine):
    examples = made(sine, output="raw", loss="mse")
    assert torch.equal(examples.targets[:1024], sine.targets)
    assert torch.equal(examples.values, sine.test_targets)
    assert examples.centres is None
    assert examples.validation.shape == (3, 1023)
    assert examples.train.tolist() == [list(range(1024))] * 3


@pytest.mark.parametrize("name", ["sine", "line"])
def test_numbers_that_are_learnt_by_intervals_lie_in_the_one_of_ten_whose_centre_is_nearest(name):
    curve = data.load(name)
    examples = made(curve, output="softmax")
    assert examples.targets.dtype == examples.test_targets.dtype == torch.int64
    assert examples.centres.tolist() == pytest.approx([-0.9 + 0.2 * k for k in range(NUM_BINS)])
    for numbers, classes in ((curve.targets, examples.targets[:1024]), (curve.test_targets, examples.test_targets)):
        distance = (numbers - examples.centres[classes]).abs()
        assert distance.max() <= 0.1 + 1e-12
        nearest = (numbers[:, None] - examples.centres).abs().argmin(1)
        tied = (distance - 0.1).abs() < 1e-12
        assert torch.equal(nearest[~tied], classes[~tied])
        assert set(classes.tolist()) == set(range(NUM_BINS))
    assert torch.equal(examples.values, curve.test_targets)
    by_itself = 0.1 / 3**0.5 if name == "line" else None  # uniform within an interval
    if by_itself:
        error = examples.values - examples.centres[examples.test_targets]
        assert float(error.square().mean().sqrt()) == pytest.approx(by_itself, rel=1e-3)


def test_shuffled_labels_are_those_of_the_training_part_dealt_out_anew(digits):
    shuffled, plain = made(digits, labels="shuffled", num_train=500), made(digits, num_train=500)
    for part in PARTS:
        assert np.array_equal(getattr(shuffled, part), getattr(plain, part))
    assert shuffled.inputs is digits.inputs
    assert torch.equal(shuffled.test_targets, digits.test_targets)
    truth = digits.targets.numpy()
    for row, seed in enumerate(SEEDS):
        train, labels = shuffled.train[row], shuffled.targets[row].numpy()
        others = np.setdiff1d(np.arange(1500), train)
        assert np.array_equal(labels[others], truth[others])
        assert np.array_equal(np.sort(labels[train]), np.sort(truth[train]))
        assert 0.05 < (labels[train] == truth[train]).mean() < 0.16  # a tenth by chance
        alone = made(digits, (seed,), labels="shuffled", num_train=500)
        assert np.array_equal(alone.targets[0].numpy(), labels)
    assert not torch.equal(shuffled.targets[0], shuffled.targets[1])


SHUFFLED = TrainConfig("digits", 1, 64, labels="shuffled", batch_size=32, epochs=30)


def accuracies(config=SHUFFLED):
    found = train_stack(config, SEEDS).replicates
    return np.array([[each.metrics[name] for name in ("steady_test_accuracy", "train_progress")] for each in found]).T


def test_training_on_shuffled_labels_learns_them_and_nothing_of_the_test_part():
    accuracy, progress = accuracies()
    assert (progress > 0.03).all()
    assert (np.abs(accuracy - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 297)).all()


@pytest.mark.parametrize("fault", ["the labels stay", "the test part leaks"])
def test_a_fault_that_lets_the_truth_through_is_seen_with_shuffled_labels(fault, monkeypatch):
    if fault == "the labels stay":
        monkeypatch.setattr(research.training.examples, "shuffled_labels", lambda targets, train, seeds: targets)
    else:
        right = StackModule.lookup

        def leaking(self, indices, test=False, into=None):
            inputs, targets = right(self, indices, test, into)
            if into is not None:  # of a step
                leak, truth = right(self, indices[:, ::2] % 297, test=True)
                inputs[:, ::2], targets[:, ::2] = leak, truth
            return inputs, targets

        monkeypatch.setattr(StackModule, "lookup", leaking)
    assert (accuracies()[0] > 0.5).all()


@pytest.mark.parametrize("name", ["sine", "line"])
def test_a_curve_is_validated_half_way_between_the_points_that_it_is_trained_on(name):
    curve = data.load(name)
    examples = made(curve, output="raw", loss="mse")
    points = curve.inputs[:, 0]
    for row in range(len(SEEDS)):
        assert examples.train[row].tolist() == list(range(1024))
        between = examples.inputs[examples.validation[row].tolist(), 0]
        assert torch.equal(between, (points[1:] + points[:-1]) / 2)
        assert torch.equal(examples.targets[examples.validation[row].tolist()], examples.validation_values)
    truth = torch.sin(between) if name == "sine" else between / (2 * np.pi)
    torch.testing.assert_close(examples.validation_values, truth, rtol=1e-12, atol=1e-12)
    assert not set(between.tolist()) & {*points.tolist(), *curve.test_inputs[:, 0].tolist()}
    by_classes = made(curve, output="softmax")
    assert torch.equal(by_classes.validation_values, examples.validation_values)
