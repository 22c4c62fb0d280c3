"""The machines of `pretraining` learn as their likelihood says, its features are those of the network, and its SVM is
that of the library."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from research.training.data import load
from research.training.module import StackModule
from research.training.train import train_stack
from studies.pretraining import Deep, Vectors, autoencoder, boltzmann, feature_accuracy, free_energy_error, statistics

SEEDS = (3, 0)
SMALL = Deep("pretrained", 2, dataset="digits", width=16, num_train=300, epochs=6, passes=3)
UNITS = (5, 4)


def parameters(seed, visible=UNITS[0], hidden=UNITS[1]):
    rng = np.random.default_rng(seed)
    shapes = ((1, visible, hidden), (1, 1, hidden), (1, 1, visible))
    return [torch.tensor(rng.standard_normal(shape)) for shape in shapes]


def all_bits(count):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=count)), dtype=torch.float64)


def log_likelihood(data, weight, hidden, visible):
    """Mean log-probability of data [N, D], by the sum over all states of both layers."""
    joint = torch.stack([
        all_bits(UNITS[0]) @ weight[0] @ h + all_bits(UNITS[0]) @ visible[0, 0] + h @ hidden[0, 0]
        for h in all_bits(UNITS[1])
    ], 1)  # fmt: skip
    of_visible = joint.logsumexp(1) - joint.flatten().logsumexp(0)
    places = (data @ (2.0 ** torch.arange(UNITS[0] - 1, -1, -1, dtype=torch.float64))).long()
    return of_visible[places].mean()


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_s_slope_is_statistics_of_data_minus_those_of_the_machine(seed):
    weight, hidden, visible = parameters(seed)
    data = all_bits(UNITS[0])[np.random.default_rng(seed).integers(0, 32, 20)]
    weight.requires_grad_()
    (slope,) = torch.autograd.grad(log_likelihood(data, weight, hidden, visible), weight)
    weight.requires_grad_(False)
    states = all_bits(UNITS[0])
    chances, _ = statistics(states[None], weight, hidden)
    energy = states @ visible[0, 0] + torch.nn.functional.softplus(states @ weight[0] + hidden[0]).sum(1)
    own = torch.einsum("n,nd,nh->dh", energy.softmax(0), states, chances[0])
    positive = statistics(data[None], weight, hidden)[1][0]
    torch.testing.assert_close(positive - own, slope[0], rtol=1e-10, atol=1e-12)


def test_a_step_of_contrastive_divergence_follows_the_slope_of_the_likelihood_on_average():
    weight, hidden, visible = parameters(1)
    data = all_bits(UNITS[0])[[3, 3, 7, 30]].repeat(50, 1)
    for draw in range(400):
        boltzmann(data[None], weight, hidden, visible, [torch.Generator().manual_seed(draw)])
    start = parameters(1)
    assert log_likelihood(data, weight, hidden, visible) > log_likelihood(data, *start) + 1


def test_an_autoencoder_s_step_is_down_the_error_of_its_reconstruction():
    own = parameters(2)
    before = [each.clone() for each in own]
    data = all_bits(UNITS[0])[None, 4:20]
    autoencoder(data, *own, ())

    def loss(weight, hidden, visible):
        guess = torch.sigmoid(torch.sigmoid(data @ weight + hidden) @ weight.transpose(1, 2) + visible)
        return float(-(data * guess.log() + (1 - data) * (1 - guess).log()).sum() / data.shape[1])

    for which, at in ((0, (0, 2, 1)), (1, (0, 0, 3)), (2, (0, 0, 4))):
        ends = []
        for change in (1e-6, -1e-6):
            moved = [each.clone() for each in before]
            moved[which][at] += change
            ends.append(loss(*moved))
        assert float(before[which][at] - own[which][at]) == pytest.approx(0.1 * (ends[0] - ends[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])  # where units are certain too
def test_the_error_of_statistics_is_rounding(scale):
    weight, hidden, visible = parameters(3)
    assert float(free_energy_error(torch.rand(1, 9, UNITS[0]), scale * weight, hidden, visible)) < 1e-13


def test_without_pretraining_it_is_the_training_of_the_harness_to_the_bit():
    task = replace(SMALL, start="xavier")
    ours, theirs = list(task.run(SEEDS, lambda _: None)), train_stack(task.network, SEEDS).replicates
    assert [one.weights_sha256 for one in ours] == [one.weights_sha256 for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.metrics["steady_test_accuracy"] == other.metrics["steady_test_accuracy"]


@pytest.mark.parametrize("kind", ["rbm", "autoencoder"])
def test_pretraining_is_the_same_again_and_whoever_trains_beside_it(kind):
    task = replace(SMALL, kind=kind)
    both, (alone,) = list(task.run(SEEDS, lambda _: None)), list(task.run(SEEDS[:1], lambda _: None))
    assert [replicate.weights_sha256 for replicate in task.run(SEEDS, lambda _: None)] == [
        replicate.weights_sha256 for replicate in both
    ]
    assert alone.metrics["feature_accuracy"] == pytest.approx(both[0].metrics["feature_accuracy"], abs=0.02)


def test_labels_take_no_part_in_what_is_pretrained():
    true, dealt = (StackModule(replace(SMALL, start=start).network, SEEDS, load("digits")) for start in
                   ("pretrained", "shuffled"))  # fmt: skip
    for module in (true, dealt):
        SMALL.pretrain(module, lambda _: None)
    for one, other in zip(true.model.weights, dealt.model.weights, strict=True):
        assert torch.equal(one, other)


def test_features_are_those_of_the_last_hidden_layer():
    module = StackModule(replace(SMALL, start="random", depth=1, width=64).network, SEEDS, load("digits"))
    with torch.no_grad():
        for parameter in (module.model.weights[0], module.model.biases[0]):
            parameter.zero_()
    assert (feature_accuracy(module) < 0.2).all()
    with torch.no_grad():
        module.model.weights[0][0].copy_(torch.eye(64))  # the pixels themselves, through a sigmoid
    (train, labels), (test, truth) = (
        module.lookup(indices, of_test)
        for indices, of_test in ((torch.from_numpy(module.train_indices), False), (module.test_indices, True))
    )
    other = make_pipeline(StandardScaler(), RidgeClassifier()).fit(train[0].sigmoid().double(), labels[0])
    assert feature_accuracy(module)[0] == other.score(test[0].sigmoid().double(), truth[0])
    assert feature_accuracy(module)[1] < 0.2


def test_the_machine_is_right_where_its_library_is():
    from sklearn.svm import SVC

    task = Vectors(dataset="digits", num_train=300, penalty=10.0)
    (replicate,) = task.run((3,), lambda _: None)
    module = StackModule(task.network, (3,), load("digits"))
    images, labels = module.lookup(torch.from_numpy(module.train_indices))
    test, truth = module.lookup(module.test_indices, test=True)
    machine = SVC(C=10.0, gamma="scale").fit(images[0].double().numpy(), labels[0].numpy())
    found = machine.score(test[0].double().numpy(), truth[0].numpy())
    assert replicate.metrics["steady_test_accuracy"] == pytest.approx(found, abs=1e-3)
    assert found > 0.9
