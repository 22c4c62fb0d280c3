"""What holds for activations, initialisers and the stacked MLP: measured against torch.nn."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from research.design.streams import stream
from research.training.choices import CHOICES
from research.training.config import TrainConfig
from research.training.losses import cross_entropies
from research.training.models import StackedMLP, initial_layer, network

MODULES = {
    "identity": nn.Identity(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "relu": nn.ReLU(), "gelu": nn.GELU(),
    "leaky_relu": nn.LeakyReLU(), "elu": nn.ELU(), "silu": nn.SiLU(), "relu6": nn.ReLU6(), "hardswish": nn.Hardswish(),
}  # fmt: skip
FAN_IN, FAN_OUT = 250, 1600  # unequal, so that a rule that takes one for the other is noticed
INIT_STD = 0.7
GOLDEN_WEIGHT = [-0.40643921241872505, 0.035753810748226145, 0.13309456886497584]
GOLDEN_BIAS = [0.4183389042387191, -0.15522958330357473, 0.3668487065442948]
GOLDEN_HE = [-1.523232759434186, -0.2074997122410169, 0.15818246645114345]


def draw(init, fan_in=FAN_IN, fan_out=FAN_OUT, seed=0, layer=1, **options):
    return initial_layer(TrainConfig(init=init, **options), fan_in, fan_out, seed, layer)


def torch_weight(init):
    """The weight that torch's own initialiser gives a layer of the same shape, [fan_out, fan_in]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weight = nn.Linear(FAN_IN, FAN_OUT).weight.detach()  # "default" is what it has now
        if init == "xavier":
            nn.init.xavier_uniform_(weight)
        elif init == "he":
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
        elif init == "normal":
            nn.init.normal_(weight, std=INIT_STD)
        elif init == "zero":
            nn.init.zeros_(weight)
        return weight.numpy()


def sequential(model, row, activation):
    """One replicate of a stack as an ordinary network with a copy of its parameters."""
    layers = []
    for weight, bias in zip(model.weights, model.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:], dtype=weight.dtype)
        linear.load_state_dict({"weight": weight[row].detach().T.clone(), "bias": bias[row, 0].detach().clone()})
        layers += [linear, MODULES[activation]]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("init", CHOICES["init"])
def test_weights_are_distributed_as_those_of_torch(init):
    ours, theirs = draw(init, init_std=INIT_STD)[0], torch_weight(init)
    assert ours.shape == theirs.T.shape
    assert ours.std() == pytest.approx(theirs.std(), rel=0.01)  # 400,000 draws each: ten standard errors or more
    # Kolmogorov and Smirnov's distance of two samples of 400,000 is above 0.006 once in a million times
    grid = np.sort(theirs, axis=None)
    shares = [np.searchsorted(np.sort(sample, axis=None), grid, "right") / sample.size for sample in (ours, theirs)]
    assert np.abs(shares[0] - shares[1]).max() < 0.006


@pytest.mark.parametrize(
    ("init", "bound"), [("default", 1 / np.sqrt(FAN_IN)), ("xavier", np.sqrt(6 / (FAN_IN + FAN_OUT)))]
)
def test_uniform_weights_fill_their_bounds_and_keep_to_them(init, bound):
    largest = np.abs(draw(init)[0]).max()
    assert 0.9999 * bound < largest <= bound


def test_the_standard_deviation_of_normal_weights_is_the_rule():
    assert draw("he")[0].std() == pytest.approx(np.sqrt(2 / FAN_IN), rel=0.01)
    assert draw("normal", init_std=INIT_STD)[0].std() == pytest.approx(INIT_STD, rel=0.01)


def test_the_default_bias_is_that_of_a_linear_layer():
    bias = draw("default", fan_in=9, fan_out=100_000)[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = nn.Linear(9, 100_000).bias.detach().numpy()
    assert 0.9999 / 3 < np.abs(bias).max() <= 1 / 3
    assert 0.9999 / 3 < np.abs(theirs).max() <= np.float32(1 / 3)
    assert bias.std() == pytest.approx(theirs.std(), rel=0.02)
    assert bias.mean() == pytest.approx(0, abs=0.004)  # six standard errors


@pytest.mark.parametrize("init", [init for init in CHOICES["init"] if init != "default"])
def test_a_bias_starts_at_zero_but_for_the_default(init):
    assert not draw(init)[1].any()


def test_the_unscaled_draws_depend_on_seed_and_layer_alone():
    narrow, wide = draw("normal", init_std=0.5)[0], draw("normal", init_std=2.0)[0]
    assert np.array_equal(wide, 4 * narrow)
    np.testing.assert_allclose(draw("he")[0] / np.sqrt(2 / FAN_IN), wide / 2, rtol=1e-14)
    scaled = draw("default")[0] * np.sqrt(FAN_IN), draw("xavier")[0] * np.sqrt((FAN_IN + FAN_OUT) / 6)
    np.testing.assert_allclose(*scaled, rtol=1e-14)
    others = {"activation": "tanh", "depth": 3, "optimizer": "adam", "lr": 1.0, "batch_size": 7, "epochs": 1}
    for ours, theirs in zip(draw("default"), draw("default", **others), strict=True):
        assert np.array_equal(ours, theirs)


def test_each_seed_and_each_layer_has_draws_of_its_own():
    draws = [draw("he", seed=seed, layer=layer)[0] for seed, layer in itertools.product((0, 1), (1, 2))]
    for one, other in itertools.combinations(draws, 2):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.01  # six standard errors
    weight, bias = draw("default", fan_in=1)  # one row of weights: as many as there are biases
    assert abs(np.corrcoef(weight[0], bias)[0, 1]) < 0.15


def test_layers_of_one_shape_start_alike_in_networks_of_any_depth():
    shallow, deep = (StackedMLP(TrainConfig(dataset="digits", depth=depth), [4]) for depth in (2, 3))
    assert torch.equal(shallow.weights[0], deep.weights[0])
    assert torch.equal(shallow.weights[1], deep.weights[1])
    assert torch.equal(shallow.biases[1], deep.biases[1])


def test_a_draw_is_golden_because_every_result_rests_on_it():
    weight, bias = draw("default", fan_in=4, fan_out=3, seed=7, layer=2)
    assert weight[0].tolist() == pytest.approx(GOLDEN_WEIGHT, rel=1e-15)
    assert bias.tolist() == pytest.approx(GOLDEN_BIAS, rel=1e-15)
    assert draw("he", fan_in=2, fan_out=3, seed=7, layer=2)[0][0].tolist() == pytest.approx(GOLDEN_HE, rel=1e-15)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("activation", MODULES)
def test_a_stack_computes_what_its_networks_compute_alone(activation, depth):
    config = TrainConfig(dataset="digits", activation=activation, depth=depth, width=20)
    model = StackedMLP(config, [3, 0, 8], torch.float64)
    inputs = torch.from_numpy(stream(0, "test").normal(size=(3, 17, 64)))
    logits = model(inputs)
    assert logits.shape == (3, 17, 10)
    alone = torch.stack([sequential(model, row, activation)(inputs[row]) for row in range(3)])
    torch.testing.assert_close(logits, alone, rtol=1e-12, atol=1e-13)


def test_a_replicate_is_moved_by_the_loss_of_its_own_examples_alone():
    model = StackedMLP(TrainConfig(dataset="digits", width=5), [0, 1, 2])
    model(torch.ones(3, 4, 64))[1].sum().backward()
    for parameter in model.parameters():
        assert parameter.grad[1].any()
        assert not parameter.grad[[0, 2]].any()


def test_the_start_of_a_stack_is_that_of_each_seed():
    config = TrainConfig(dataset="digits", depth=1, width=6)
    model = StackedMLP(config, [5, 2], torch.float64)
    for row, seed in enumerate([5, 2]):
        for layer, shape in enumerate([(64, 6), (6, 10)]):
            weight, bias = initial_layer(config, *shape, seed, layer + 1)
            assert np.array_equal(model.weights[layer][row].detach(), weight)
            assert np.array_equal(model.biases[layer][row, 0].detach(), bias)


@pytest.mark.parametrize("activation", ["sigmoid", "gelu"])
def test_units_that_start_at_zero_stay_each_others_copies(activation):
    config = TrainConfig(dataset="digits", init="zero", activation=activation, width=12)
    model = StackedMLP(config, [0, 1], torch.float64)
    rng = stream(0, "test")
    inputs, labels = torch.from_numpy(rng.random((2, 40, 64))), torch.from_numpy(rng.integers(0, 10, (2, 40)))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(10):
        optimizer.zero_grad()
        cross_entropies(model(inputs), labels).mean(1).sum().backward()
        optimizer.step()
    into, out_of = model.weights[0].detach(), model.weights[1].detach()
    torch.testing.assert_close(into, into[:, :, :1].expand_as(into), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(out_of, out_of[:, :1].expand_as(out_of), rtol=1e-12, atol=1e-15)
    assert model.biases[1].detach().abs().min() > 0  # the output's bias learns the frequencies of the labels
    assert bool(into.any()) == (activation == "sigmoid")  # 0.5 at zero lets a signal through, 0 at zero none


CNN = TrainConfig(dataset="digits", network="cnn", width=5)
AXES = {"digits": (nn.Conv2d, nn.MaxPool2d), "mnist-1d": (nn.Conv1d, nn.MaxPool1d)}


@pytest.mark.parametrize(("dataset", "sides"), [("digits", (8, 8)), ("mnist-1d", (40,))])
@pytest.mark.parametrize("head", CHOICES["head"])
@pytest.mark.parametrize("activation", MODULES)
def test_a_stack_of_cnns_computes_what_its_networks_compute_alone(activation, head, dataset, sides):
    model = network(replace(CNN, dataset=dataset, activation=activation, head=head), [3, 0, 8], torch.float64)
    inputs = torch.from_numpy(stream(0, "test").normal(size=(3, 4, *sides)))
    outputs = model(inputs.flatten(2))
    assert outputs.shape == (3, 4, 10)
    convolve, pool = AXES[dataset]
    for row in range(3):
        maps = inputs[row][:, None]
        for kernel, bias in zip(model.kernels, model.kernel_biases, strict=True):
            kernel_sides = (3,) * len(sides)
            before, after = kernel.shape[1] // 3 ** len(sides), kernel.shape[2]
            convolution = convolve(before, after, 3, padding=1, dtype=torch.float64)
            weight = kernel[row].detach().T.reshape(after, before, *kernel_sides).clone()
            convolution.load_state_dict({"weight": weight, "bias": bias[row, 0].detach().clone()})
            maps = pool(2)(MODULES[activation](convolution(maps)))
        assert maps.shape == (4, 16, *(side // 4 for side in sides))
        features = maps.flatten(2).mean(2) if head == "pooled" else maps.flatten(1)
        alone = sequential(model.dense, row, activation)(features)
        torch.testing.assert_close(outputs[row], alone, rtol=1e-12, atol=1e-14)


def test_the_layers_of_a_cnn_start_from_draws_of_their_own_within_the_bounds_of_torch():
    model = network(CNN, [5, 2], torch.float64)
    shapes = [(9, 8), (72, 16), (64, 5), (5, 10)]
    weights, biases = [*model.kernels, *model.dense.weights], [*model.kernel_biases, *model.dense.biases]
    for layer, (shape, weight, bias) in enumerate(zip(shapes, weights, biases, strict=True), start=1):
        for row, seed in enumerate([5, 2]):
            expected = initial_layer(CNN, *shape, seed, layer)
            assert np.array_equal(weight[row].detach(), expected[0])
            assert np.array_equal(bias[row, 0].detach(), expected[1])
    theirs = nn.Conv2d(8, 16, 3).weight.detach().abs().max()  # torch draws within 1 / sqrt(8 * 9) too
    assert float(theirs) <= 1 / np.sqrt(72)
    assert 0.9 / np.sqrt(72) < float(model.kernels[1].detach().abs().max()) <= 1 / np.sqrt(72)


def test_a_replicate_of_cnns_is_moved_by_its_own_examples_alone():
    model = network(CNN, [0, 1, 2])
    model(torch.ones(3, 4, 64))[1].sum().backward()
    for parameter in model.parameters():
        assert parameter.grad[1].any()
        assert not parameter.grad[[0, 2]].any()


@pytest.mark.parametrize("kind", CHOICES["network"])
def test_a_bias_on_the_first_output_changes_nothing_else(kind):
    plain = network(replace(CNN, network=kind), [4, 7])
    sure = network(replace(CNN, network=kind, output_bias=10.0), [4, 7])
    *same, last = zip(plain.parameters(), sure.parameters(), strict=True)
    assert last[0].shape == (2, 1, 10)
    assert all(torch.equal(*pair) for pair in same)
    expected = last[0].detach().clone()
    expected[..., 0] += 10
    assert torch.equal(last[1], expected)
