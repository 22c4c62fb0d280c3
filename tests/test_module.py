"""What holds for a stack in training: each replicate follows what it would have been alone, in plain PyTorch."""

import random
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from research.design.streams import stream
from research.training import data_set
from research.training.choices import CHOICES
from research.training.config import TrainConfig
from research.training.module import StackModule
from research.training.train import quiet_trainer

MODULES = {
    "identity": nn.Identity(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "relu": nn.ReLU(), "gelu": nn.GELU(),
    "leaky_relu": nn.LeakyReLU(), "elu": nn.ELU(), "silu": nn.SiLU(), "relu6": nn.ReLU6(), "hardswish": nn.Hardswish(),
}  # fmt: skip
SEEDS = (4, 0, 7)
BASE = TrainConfig(dataset="digits", width=16, activation="tanh", epochs=2)  # 1300 examples by 128: 22 steps, two short
OPTIONS = [
    *({"activation": name} for name in MODULES),
    *({"init": name} for name in CHOICES["init"]),
    *({"depth": depth, "activation": "gelu"} for depth in (0, 1, 3)),
    *({"init": name, "depth": 3, "init_std": 0.3} for name in ("xavier", "he", "normal")),
    {"init": "zero", "activation": "sigmoid", "depth": 2},  # where an activation is 0 at 0, no hidden weight moves
    {"batch_size": 60},  # 21 full batches and one of 40
    {"batch_size": 65, "epochs": 1},  # 20 full batches
    {"batch_size": 1300, "epochs": 20},
    {"batch_size": 9999, "epochs": 20},
    {"optimizer": "sgd", "lr": 0.5},
    {"optimizer": "sgd", "momentum": 0.9},
    {"optimizer": "sgd", "weight_decay": 0.1},
    {"optimizer": "sgd", "momentum": 0.5, "weight_decay": 0.1, "depth": 3},
    *({"optimizer": name, "lr": 0.01} for name in ("adam", "adamw")),
    *({"optimizer": name, "lr": 0.01, "weight_decay": 0.1, "depth": 3} for name in ("adam", "adamw")),
]


@pytest.fixture(autouse=True)
def _any_machine(monkeypatch):
    """Double precision for every device: Apple's has none, and CUDA's products repeat their bits only if told to."""
    monkeypatch.setattr("lightning_fabric.accelerators.mps.MPSAccelerator.is_available", staticmethod(lambda: False))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def fit(module, *callbacks):
    quiet_trainer(module.config.epochs, list(callbacks)).fit(module, train_dataloaders=range(module.num_batches))
    return module


def trained(config, seeds, digits, dtype=torch.float64):
    return fit(StackModule(config, seeds, digits, dtype))


def plain_network(module, row):
    """One replicate as an ordinary network with a copy of its parameters."""
    layers = []
    for weight, bias in zip(module.model.weights, module.model.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:], dtype=weight.dtype)
        linear.load_state_dict({"weight": weight[row].detach().T.clone(), "bias": bias[row, 0].detach().clone()})
        layers += [linear, MODULES[module.config.activation]]
    return nn.Sequential(*layers[:-1])


def plain_optimizer(config, network):
    shared = {"lr": config.lr, "weight_decay": config.weight_decay, "foreach": False, "fused": False}
    if config.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), momentum=config.momentum, **shared)
    if config.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), **shared)
    return torch.optim.AdamW(network.parameters(), **shared)


def plain_training(config, network, digits, seed):
    """Train one network alone, step after step. Gives the losses of all its steps and the curves of its epochs."""
    inputs, labels = digits.inputs / torch.tensor(16, dtype=torch.float64), digits.targets
    train, validation = data_set.split(labels.numpy(), 200, seed)
    optimizer, loss_of, steps = plain_optimizer(config, network), nn.CrossEntropyLoss(), []
    curves = {"train_loss": [], "validation_loss": [], "validation_accuracy": []}

    def validate():
        with torch.no_grad():
            logits = network(inputs[validation])
        curves["validation_loss"].append(loss_of(logits, labels[validation]).item())
        curves["validation_accuracy"].append((logits.argmax(1) == labels[validation]).double().mean().item())

    validate()
    for epoch in range(config.epochs):
        order, total = stream(seed, "order", epoch).permutation(train), 0.0
        for first in range(0, len(order), config.batch_size):
            batch = order[first : first + config.batch_size]
            optimizer.zero_grad()
            loss = loss_of(network(inputs[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            steps.append(loss.item())
            total += loss.item() * len(batch)
        curves["train_loss"].append(total / len(order))
        validate()
    return steps, curves


def assert_same_training(module, row, network, curves):
    """The final weights and the curves of a replicate are the plain network's, to rounding (1e-15 as measured)."""
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    for weight, bias, linear in zip(module.model.weights, module.model.biases, linears, strict=True):
        torch.testing.assert_close(weight[row].T, linear.weight, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(bias[row, 0], linear.bias, rtol=1e-12, atol=1e-14)
    for name, values in curves.items():
        ours = [float(epoch[row]) for epoch in module.curves[name]]
        assert ours == pytest.approx(values, rel=1e-12), name


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_each_replicate_follows_what_it_would_have_been_alone(options, digits):
    config = replace(BASE, **options)
    module = StackModule(config, SEEDS, digits, torch.float64)
    networks = [plain_network(module, row) for row in range(len(SEEDS))]
    fit(module)
    for row, (seed, network) in enumerate(zip(SEEDS, networks, strict=True)):
        steps, curves = plain_training(config, network, digits, seed)
        assert len(steps) >= 20
        assert_same_training(module, row, network, curves)


def test_the_options_cover_every_choice():
    configs = [replace(BASE, **options) for options in OPTIONS]
    for name in ("activation", "init", "optimizer"):  # the others in test_module_options.py, L-BFGS in test_lbfgs.py
        elsewhere = {"lbfgs", "prelu", "step"}  # in test_lbfgs.py and test_layer_pieces.py; a step learns nothing
        assert {getattr(config, name) for config in configs} == set(CHOICES[name]) - elsewhere


@pytest.mark.parametrize("change", [{"lr": 0.1 * (1 + 1e-9)}, {"weight_decay": 1e-9}, {"momentum": 1e-9}, {}])
def test_the_comparison_notices_a_billionth(change, digits):
    module = StackModule(BASE, SEEDS, digits, torch.float64)
    network = plain_network(module, 1)
    if not change:
        with torch.no_grad():
            network[0].weight[0, 20] += 1e-9
    fit(module)
    curves = plain_training(replace(BASE, **change), network, digits, SEEDS[1])[1]
    with pytest.raises(AssertionError):
        assert_same_training(module, 1, network, curves)


@pytest.mark.parametrize("optimizer", sorted({*CHOICES["optimizer"]} - {"lbfgs"}))  # which trains each seed alone
def test_a_replicate_does_not_depend_on_the_stack_it_is_in(optimizer, digits):
    config = replace(BASE, optimizer=optimizer, lr=0.01, depth=2)
    together, alone = trained(config, SEEDS, digits), trained(config, SEEDS[2:], digits)
    for ours, theirs in zip(together.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(ours[2], theirs[0], rtol=1e-12, atol=1e-14)
    for name, curve in together.curves.items():
        torch.testing.assert_close(torch.stack(curve)[:, 2], torch.stack(alone.curves[name])[:, 0], rtol=1e-12, atol=0)


class Orders(pl.Callback):
    """Keeps the order of each epoch as it was used."""

    def __init__(self):
        self.orders = []

    def on_train_epoch_end(self, trainer, module):
        self.orders.append(module.order.cpu())


def orders(digits, seeds, **options):
    kept = Orders()
    module = fit(StackModule(replace(BASE, **options), seeds, digits), kept)
    return torch.stack(kept.orders), module.validation_indices


def test_split_and_order_depend_on_data_set_and_seed_alone(digits):
    order, validation = orders(digits, SEEDS)
    others = ({"activation": "relu"}, {"depth": 3}, {"width": 5}, {"init": "he"}, {"optimizer": "adam", "lr": 0.01},
              {"batch_size": 500}, {"lr": 0.0}, {"epochs": 3})  # fmt: skip
    for options in others:
        their_order, their_validation = orders(digits, SEEDS, **options)
        assert torch.equal(order, their_order[:2]), options
        assert torch.equal(validation, their_validation), options
    alone, _ = orders(digits, SEEDS[:1])
    assert torch.equal(order[:, 0], alone[:, 0])


def test_every_epoch_goes_through_the_training_part_once_in_an_order_of_its_own(digits):
    order, validation = orders(digits, SEEDS)
    for row in range(len(SEEDS)):
        first, second = order[:, row]
        everything = torch.cat([first, validation[row]]).sort().values
        assert torch.equal(everything, torch.arange(1500))
        assert torch.equal(first.sort().values, second.sort().values)
        assert not torch.equal(first, second)
    assert not torch.equal(order[0, 0], order[0, 1])
    assert not torch.equal(validation[0], validation[1])


class Poisoned(StackModule):
    """Has an infinity in one replicate's weights after so many steps."""

    def __init__(self, *arguments, row, steps):
        super().__init__(*arguments)
        self.row, self.poisoned_after = row, steps

    def take_step(self, step, optimizer):
        if step == self.poisoned_after == 0:
            self.poison()
        super().take_step(step, optimizer)
        if step + 1 == self.poisoned_after:
            self.poison()

    def poison(self):
        with torch.no_grad():
            self.model.weights[0][self.row, 20, 3] = torch.inf


@pytest.mark.parametrize("steps", [0, 3, 10, 11, 15])
def test_a_replicate_that_diverges_is_found_with_its_step_and_disturbs_no_other(steps, digits):
    config = replace(BASE, activation="relu", optimizer="adam", lr=0.01)
    healthy = trained(config, SEEDS, digits, torch.float32)
    module = fit(Poisoned(config, SEEDS, digits, torch.float32, row=1, steps=steps))
    assert module.diverged_step.tolist() == [-1, steps, -1]
    assert healthy.diverged_step.tolist() == [-1, -1, -1]
    for ours, theirs in zip(module.model.parameters(), healthy.model.parameters(), strict=True):
        assert torch.equal(ours[[0, 2]], theirs[[0, 2]])
    for name, curve in module.curves.items():
        ours, theirs = torch.stack(curve), torch.stack(healthy.curves[name])
        assert torch.equal(ours[:, [0, 2]], theirs[:, [0, 2]])
        assert not ours[-1, 1].isfinite()
    test_values = zip(*(m.evaluate(m.test_indices, test=True) for m in (module, healthy)), strict=True)
    for ours, theirs in test_values:
        assert torch.equal(ours[[0, 2]], theirs[[0, 2]])
        assert ours[1].isnan()


def test_a_learning_rate_far_too_large_diverges_at_the_step_at_which_it_does_alone(digits):
    config = replace(BASE, activation="identity", depth=3, lr=1e9)
    module = StackModule(config, SEEDS, digits, torch.float64)
    networks = [plain_network(module, row) for row in range(len(SEEDS))]
    fit(module)
    for row, (seed, network) in enumerate(zip(SEEDS, networks, strict=True)):
        finite = np.isfinite(plain_training(config, network, digits, seed)[0])
        assert 0 < int(module.diverged_step[row]) == int(finite.argmin())


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_evaluation_is_the_plain_mean_over_the_examples(part, digits):
    module = trained(replace(BASE, lr=0.5), SEEDS, digits)
    indices = {"train": torch.from_numpy(module.train_indices), "validation": module.validation_indices,
               "test": module.test_indices}[part]  # fmt: skip
    module.evaluation_slice = 1000
    assert part != "train" or 1000 < indices.shape[1] < 2000  # two slices, the last short
    images, labels = (digits.test_inputs, digits.test_targets) if part == "test" else (digits.inputs, digits.targets)
    loss, accuracy = module.evaluate(indices, test=part == "test")
    for row in range(len(SEEDS)):
        chosen = indices[row]
        with torch.no_grad():
            logits = plain_network(module, row)(images[chosen].double() / 16)
        assert float(loss[row]) == pytest.approx(nn.CrossEntropyLoss()(logits, labels[chosen]).item(), rel=1e-12)
        assert float(accuracy[row]) == sum(logits.argmax(1) == labels[chosen]) / len(chosen)
        assert 0.5 < float(accuracy[row]) < 1


def test_training_and_evaluation_leave_the_global_random_states_as_they_were(digits):
    def states():
        return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())  # noqa: NPY002

    before = states()
    module = trained(BASE, SEEDS, digits)
    module.evaluate(module.test_indices, test=True)
    assert states() == before


def test_results_do_not_depend_on_the_global_random_state(digits):
    weights = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weights.append([p.detach() for p in trained(BASE, SEEDS, digits, torch.float32).model.parameters()])
    for one, other in zip(*weights, strict=True):
        assert torch.equal(one, other)
