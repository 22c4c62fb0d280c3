"""Each option of data, network, loss and horizon: a replicate follows what it would have been alone in plain PyTorch.

The second implementation shares with the harness the streams of random numbers and the start of the weights alone.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from research.design.streams import stream
from research.training import data, data_set
from research.training.choices import CHOICES, CURVES
from research.training.config import TrainConfig
from research.training.models import StackedCNN
from research.training.module import StackModule
from research.training.train import quiet_trainer

SEEDS = (4, 0, 7)
IMAGES = TrainConfig(dataset="digits", width=16, activation="tanh", epochs=2)  # 1300 by 128: 22 steps, two short
SMALL = {"num_train": 300, "batch_size": 64, "epochs": 4}  # 20 steps, four of 44
CURVE = TrainConfig(dataset="sine", width=16, activation="relu", output="raw", loss="mse", batch_size=1024, lr=0.01)
ADAM = {"optimizer": "adam", "lr": 0.01}
LOSSES = [
    *({"loss": loss, "output": output} for loss in ("mse", "mse_mean") for output in CHOICES["output"]),
    {"output": "sigmoid"},
    {"output": "sigmoid", **ADAM, "depth": 2},
    {"loss": "mse", "optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    {"output_bias": 10.0},
    {"output_bias": 10.0, "loss": "mse", **ADAM},
]
INPUTS = [
    *({"pixels": pixels} for pixels in CHOICES["pixels"][1:]),
    {"pixels": "permuted", "num_train": 500, "batch_size": 50, "loss": "mse"},
    {"pixels": "scrambled", "steps": 21, "evaluate_every": 7},
    {"input_scale": 0.25},
    {"num_train": 777, "batch_size": 60},
]
NETWORKS = [
    {"network": "cnn", **SMALL},
    {"network": "cnn", "head": "pooled", "activation": "relu", **SMALL},
    {"network": "cnn", "depth": 0, "init": "he", "activation": "gelu", **SMALL},
    {"network": "cnn", "depth": 2, "pixels": "permuted", "loss": "mse", **SMALL, **ADAM},
    {"network": "cnn", "head": "pooled", "depth": 0, "pixels": "scrambled", "output": "sigmoid", **SMALL},
    {
        "network": "cnn",
        "dataset": "mnist-1d",
        "pixels": "permuted",
        "steps": 20,
        "evaluate_every": 10,
        "batch_size": 16,
    },
    {"network": "cnn", "dataset": "mnist-1d", "head": "pooled", "pixels": "scrambled", **SMALL, **ADAM},
]
HORIZONS = [
    {"steps": 20, "evaluate_every": 1},
    {"steps": 21, "evaluate_every": 7},  # an epoch has 11 steps
    {"steps": 30, "evaluate_every": 15},
    {"steps": 28, "evaluate_every": 4, "loss": "mse_mean", **ADAM},
    {"steps": 20, "evaluate_every": 5, "batch_size": 9999},
    {"steps": 24, "evaluate_every": 8, "num_train": 130, "batch_size": 40, "network": "cnn"},  # epochs of 4
]
SCHEDULES = [
    {"schedule": "cosine"},
    {"schedule": "cosine", "momentum": 0.9, "weight_decay": 0.01, "steps": 30, "evaluate_every": 10},
    {"schedule": "cosine", **ADAM, "loss": "mse"},
    {"schedule": "cosine", "network": "cnn", **SMALL},
]
NUMBERS = [
    {"schedule": "cosine", "steps": 40, "evaluate_every": 10, **ADAM},
    {"steps": 20, "evaluate_every": 5},
    {"steps": 20, "evaluate_every": 5, **ADAM},
    {"steps": 20, "evaluate_every": 5, **ADAM, "loss": "mse_mean", "depth": 2},
    {"steps": 20, "evaluate_every": 20, "loss": "mse_mean", "input_scale": 1 / (2 * math.pi), "activation": "tanh"},
    {"steps": 21, "evaluate_every": 7, "batch_size": 300},  # epochs of 4, the last of 124
    {"batch_size": 100, "epochs": 2, **ADAM},
    {"batch_size": 1024, "epochs": 20},
    {"steps": 20, "evaluate_every": 10, "dataset": "line", **ADAM},
    {"steps": 20, "evaluate_every": 10, "dataset": "line", "activation": "identity", "num_train": 64},
    *(
        {"loss": "cross_entropy", "output": output, "dataset": dataset, "steps": 20, "evaluate_every": 5, **ADAM}
        for output, dataset in (("softmax", "sine"), ("sigmoid", "sine"), ("softmax", "line"))
    ),
    {"loss": "cross_entropy", "output": "softmax", "batch_size": 100, "epochs": 2},
]
GRIDS = {  # of the inputs of a CNN: their sides, and what torch.nn has for them
    "digits": ((8, 8), nn.Conv2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d),
    "mnist-1d": ((40,), nn.Conv1d, nn.MaxPool1d, nn.AdaptiveAvgPool1d),
}
CONFIGS = [replace(IMAGES, **options) for options in (*LOSSES, *INPUTS, *NETWORKS, *HORIZONS, *SCHEDULES)]
CONFIGS += [replace(CURVE, **options) for options in NUMBERS]
MODULES = {
    "identity": nn.Identity(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "relu": nn.ReLU(), "gelu": nn.GELU(),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _any_machine():
    """Double precision for every device: Apple's has none, and CUDA's products repeat their bits only if told to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightning_fabric.accelerators.mps.MPSAccelerator.is_available", staticmethod(lambda: False))
        patch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        yield


@pytest.fixture(scope="module")
def loaded():
    return {name: data.load(name) for name in ("digits", "mnist-1d", "sine", "line")}


def fit(module, *callbacks):
    quiet_trainer(module.num_intervals, list(callbacks)).fit(module, train_dataloaders=range(module.num_batches))
    return module


def trained(config, loaded, dtype=torch.float64, seeds=SEEDS):
    return fit(StackModule(config, seeds, loaded[config.dataset], dtype))


def plain_network(module, row):
    """One replicate as an ordinary network of torch.nn with a copy of its parameters."""
    config, model, layers = module.config, module.model, []
    dense = model.dense if isinstance(model, StackedCNN) else model
    if isinstance(model, StackedCNN):
        sides, convolve, pool, mean = GRIDS[config.dataset]
        layers.append(nn.Unflatten(1, (1, *sides)))
        for place, (before, after) in enumerate(((1, 8), (8, 16))):
            convolution = convolve(before, after, 3, padding=1, dtype=torch.float64)
            kernel = model.kernels[place][row].detach()  # [before * 9, after], or [before * 3, after] of signals
            weight = torch.stack([kernel[:, k].view(convolution.weight[k].shape) for k in range(after)])
            convolution.load_state_dict({"weight": weight, "bias": model.kernel_biases[place][row, 0].detach().clone()})
            layers += [convolution, MODULES[config.activation], pool(2)]
        layers += [mean(1)] if config.head == "pooled" else []
        layers.append(nn.Flatten())
    for weight, bias in zip(dense.weights, dense.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:], dtype=torch.float64)
        linear.load_state_dict({"weight": weight[row].detach().T.clone(), "bias": bias[row, 0].detach().clone()})
        layers += [linear, MODULES[config.activation]]
    return nn.Sequential(*layers[:-1])


def plain_inputs(config, images, seed, part):
    if config.dataset in CURVES:
        return images * config.input_scale
    images = images.numpy()
    if config.pixels == "permuted":
        images = images[:, stream(seed, "pixels").permutation(images.shape[1])]
    if config.pixels == "scrambled":
        images = stream(seed, f"pixels of each image, {part}").permuted(images, axis=1)
    if config.pixels == "sorted":
        images = np.sort(images, axis=1)
    return torch.from_numpy(images / (16 if config.dataset == "digits" else 1) * config.input_scale)


def plain_targets(config, values):
    if config.dataset in CURVES and config.loss == "cross_entropy":
        return torch.from_numpy(np.clip(np.ceil((values.numpy() + 1) * 5).astype(int) - 1, 0, 9))
    return values[:, None] if config.dataset in CURVES else values


def plain_loss(config, outputs, targets):
    if config.loss == "cross_entropy" and config.output == "softmax":
        return nn.CrossEntropyLoss()(outputs, targets)
    truth = targets if targets.is_floating_point() else torch.eye(10, dtype=torch.float64)[targets]
    if config.loss == "cross_entropy":
        return nn.BCEWithLogitsLoss(reduction="sum")(outputs, truth) / len(outputs)
    outputs = {"softmax": nn.Softmax(1), "sigmoid": nn.Sigmoid(), "raw": nn.Identity()}[config.output](outputs)
    return (
        nn.MSELoss(reduction="sum")(outputs, truth) / 2 / len(outputs)
        if config.loss == "mse"
        else nn.MSELoss()(outputs, truth)
    )


def plain_optimizer(config, network):
    shared = {"lr": config.lr, "weight_decay": config.weight_decay, "foreach": False, "fused": False}
    if config.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=config.momentum, **shared)
    return torch.optim.Adam(network.parameters(), **shared)


def batches(config, train, seed):
    """The batches of the first epoch, of the second, and so on for ever."""
    for epoch in itertools.count():
        order = stream(seed, "order", epoch).permutation(train)
        yield from (order[first : first + config.batch_size] for first in range(0, len(order), config.batch_size))


def plain_training(config, network, dataset, seed):
    """Train one network alone, step after step. Gives its curves as {time: value}."""
    train, validation = data_set.split(dataset.targets.numpy(), dataset.info.num_validation, seed)
    if config.num_train:
        train = np.sort(stream(seed, "subset").permutation(train)[: config.num_train])
    inputs, targets = plain_inputs(config, dataset.inputs, seed, "pool"), plain_targets(config, dataset.targets)
    test_inputs = plain_inputs(config, dataset.test_inputs, seed, "test")
    epoch = math.ceil(len(train) / config.batch_size)
    total, every = (config.steps, config.evaluate_every) if config.steps else (config.epochs * epoch, epoch)
    curves = {}

    @torch.no_grad()
    def evaluate(step):
        time = step if config.steps else step // epoch
        if config.dataset in CURVES:
            outputs = network(test_inputs)
            found = outputs[:, 0] if config.loss != "cross_entropy" else -0.9 + 0.2 * outputs.argmax(1).double()
            errors = found - dataset.test_targets
            curves.setdefault("test_rmse", {})[time] = float((errors**2).mean() ** 0.5)
            curves.setdefault("test_sup_error", {})[time] = float(errors.abs().max())
            between = (dataset.inputs[1:] + dataset.inputs[:-1]) / 2
            outputs = network(between * config.input_scale)
            found = outputs[:, 0] if config.loss != "cross_entropy" else -0.9 + 0.2 * outputs.argmax(1).double()
            truth = between[:, 0].sin() if config.dataset == "sine" else between[:, 0] / (2 * math.pi)
            curves.setdefault("validation_rmse", {})[time] = float(((found - truth) ** 2).mean() ** 0.5)
        else:
            outputs, labels = network(inputs[validation]), targets[validation]
            curves.setdefault("validation_loss", {})[time] = float(plain_loss(config, outputs, labels))
            curves.setdefault("validation_accuracy", {})[time] = float((outputs.argmax(1) == labels).double().mean())

    evaluate(0)
    optimizer, seen = plain_optimizer(config, network), []
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    for step, batch in enumerate(itertools.islice(batches(config, train, seed), total), start=1):
        optimizer.zero_grad()
        loss = plain_loss(config, network(inputs[batch]), targets[batch])
        loss.backward()
        optimizer.step()
        if config.schedule == "cosine":
            falling.step()
        seen += [loss.item()] * len(batch)
        if step % every == 0:
            curves.setdefault("train_loss", {})[step if config.steps else step // epoch] = float(np.mean(seen))
            seen = []
            evaluate(step)
    return curves


def stacked_parameters(module, row):
    """The weights and biases of a replicate, layer after layer, in the shapes that torch.nn gives them."""
    model, found = module.model, []
    dense = model
    if isinstance(model, StackedCNN):
        dense = model.dense
        for kernel, bias in zip(model.kernels, model.kernel_biases, strict=True):
            sides = GRIDS[module.config.dataset][0]
            found += [kernel[row].T.reshape(kernel.shape[2], -1, *[3] * len(sides)), bias[row, 0]]
    for weight, bias in zip(dense.weights, dense.biases, strict=True):
        found += [weight[row].T, bias[row, 0]]
    return found


def assert_same_training(module, row, network, curves):
    """The final weights and the curves of a replicate are the plain network's, to rounding."""
    for ours, theirs in zip(stacked_parameters(module, row), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-13)
    assert set(curves) == set(module.curves)
    for name, values in curves.items():
        ours = [float(each[row]) for each in module.curves[name]]
        assert ours == pytest.approx(list(values.values()), rel=1e-10), name


def words(config):
    changed = {name: value for name, value in vars(config).items() if value != getattr(IMAGES, name)}
    return "-".join(map(str, changed.values()))


@pytest.mark.parametrize("config", CONFIGS, ids=words)
def test_each_replicate_follows_what_it_would_have_been_alone(config, loaded):
    dataset = loaded[config.dataset]
    module = StackModule(config, SEEDS, dataset, torch.float64)
    networks = [plain_network(module, row) for row in range(len(SEEDS))]
    fit(module)
    assert module.num_steps * module.num_intervals >= 20
    for row, (seed, network) in enumerate(zip(SEEDS, networks, strict=True)):
        assert_same_training(module, row, network, plain_training(config, network, dataset, seed))


def test_the_options_cover_every_choice():
    for name in ("network", "head", "pixels", "output", "loss"):
        assert {getattr(config, name) for config in CONFIGS} == set(CHOICES[name])
    assert {config.dataset for config in CONFIGS} == {"digits", "mnist-1d", *CURVES}
    for name in ("output_bias", "input_scale", "num_train", "steps"):
        assert len({getattr(config, name) for config in CONFIGS}) > 1
    assert any(config.steps and config.steps % 11 for config in CONFIGS)


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (replace(IMAGES, steps=21, evaluate_every=7), {"evaluate_every": 3}),
        (replace(IMAGES, steps=21, evaluate_every=7), {"lr": 0.1 * (1 + 1e-8)}),
        (replace(IMAGES, num_train=500), {"num_train": 501}),
        (replace(IMAGES, pixels="permuted"), {"pixels": "original"}),
        (replace(IMAGES, input_scale=0.5), {"input_scale": 0.5 + 1e-8}),
        (replace(IMAGES, loss="mse"), {"loss": "mse_mean"}),
        (replace(IMAGES, schedule="cosine"), {"schedule": "constant"}),
    ],
)
def test_the_comparison_notices_what_is_not_the_same(config, change, loaded):
    module = StackModule(config, SEEDS, loaded["digits"], torch.float64)
    network = plain_network(module, 1)
    fit(module)
    curves = plain_training(replace(config, **change), network, loaded["digits"], SEEDS[1])
    with pytest.raises(AssertionError):
        assert_same_training(module, 1, network, curves)


BY_EPOCHS = [
    IMAGES,
    replace(IMAGES, num_train=300, batch_size=50, pixels="permuted", network="cnn"),
    replace(IMAGES, loss="mse_mean", **ADAM),
    replace(CURVE, batch_size=100, epochs=2, **ADAM),
]


@pytest.mark.parametrize("by_epochs", BY_EPOCHS, ids=words)
def test_steps_evaluated_after_each_epoch_are_epochs_bit_for_bit(by_epochs, loaded):
    epochs = trained(by_epochs, loaded, torch.float32)
    every = epochs.num_steps
    assert every > 1
    steps = trained(replace(by_epochs, steps=by_epochs.epochs * every, evaluate_every=every), loaded, torch.float32)
    often = trained(replace(by_epochs, steps=by_epochs.epochs * every, evaluate_every=1), loaded, torch.float32)
    for one, two, three in zip(*(module.model.parameters() for module in (epochs, steps, often)), strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)
    for name, curve in epochs.curves.items():
        assert torch.equal(torch.stack(curve), torch.stack(steps.curves[name])), name
        at_the_ends = often.curves[name][every - 1 :: every] if name == "train_loss" else often.curves[name][::every]
        if name != "train_loss":
            assert torch.equal(torch.stack(curve), torch.stack(at_the_ends)), name


def test_an_interval_that_is_longer_than_an_epoch_has_all_its_examples_in_its_mean(loaded):
    """30 steps of at most 128 are two epochs of 1300 and eight batches; each example counts once for each visit."""
    config = replace(IMAGES, steps=30, evaluate_every=1)
    single = torch.stack(trained(config, loaded).curves["train_loss"])
    sizes = torch.tensor([20.0 if step % 11 == 10 else 128.0 for step in range(30)], dtype=torch.float64)
    (whole,) = trained(replace(config, evaluate_every=30), loaded).curves["train_loss"]
    torch.testing.assert_close(whole, (single * sizes[:, None]).sum(0) / (2 * 1300 + 8 * 128), rtol=1e-12, atol=0)


class Poisoned(StackModule):
    """Has a NaN in one replicate's weights after so many steps."""

    def __init__(self, *arguments, row, steps):
        super().__init__(*arguments)
        self.row, self.poisoned_after = row, steps

    def take_step(self, step, optimizer):
        super().take_step(step, optimizer)
        if step + 1 == self.poisoned_after:
            with torch.no_grad():
                self.model.weights[0][self.row, 0, 3] = torch.nan


LOST = [
    replace(IMAGES, steps=21, evaluate_every=7, loss="mse", output="raw"),
    replace(CURVE, steps=20, evaluate_every=5),
    replace(CURVE, batch_size=100, epochs=2),
    replace(CURVE, steps=20, evaluate_every=5, loss="cross_entropy", output="softmax"),
]


@pytest.mark.parametrize("steps", [4, 5, 13, 19])
@pytest.mark.parametrize("config", LOST, ids=words)
def test_a_replicate_that_diverges_is_found_with_its_step_and_disturbs_no_other(config, steps, loaded):
    healthy = trained(config, loaded, torch.float32)
    module = fit(Poisoned(config, SEEDS, loaded[config.dataset], torch.float32, row=1, steps=steps))
    assert module.diverged_step.tolist() == [-1, steps, -1]
    assert healthy.diverged_step.tolist() == [-1, -1, -1]
    for ours, theirs in zip(module.model.parameters(), healthy.model.parameters(), strict=True):
        assert torch.equal(ours[[0, 2]], theirs[[0, 2]])
    for name, curve in module.curves.items():
        ours, theirs = torch.stack(curve), torch.stack(healthy.curves[name])
        assert torch.equal(ours[:, [0, 2]], theirs[:, [0, 2]])
        first_lost = math.ceil(steps / module.num_steps) if name != "train_loss" else steps // module.num_steps
        assert ours[:first_lost, 1].isfinite().all(), name
        assert ours[first_lost:, 1].isnan().all(), name
