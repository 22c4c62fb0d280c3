"""L-BFGS is torch's, told in evaluations: iterates, budget, what is looked at, and how it ends."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from research.design.errors import UserError
from research.training import data, data_set
from research.training.config import TrainConfig
from research.training.cost import check_batch, num_train, stack_size
from research.training.lbfgs import CountedLBFGS
from research.training.measures import train_for
from research.training.module import StackModule
from research.training.train import train_horizons, train_stack

SINE = TrainConfig(
    "sine", 1, 16, "tanh", output="raw", loss="mse", optimizer="lbfgs", lr=1.0, batch_size=1024, steps=60,
    evaluate_every=5,
)  # fmt: skip
DIGITS = replace(SINE, dataset="digits", loss="cross_entropy", output="softmax", batch_size=1300)


@pytest.fixture(autouse=True)
def _repeatable(monkeypatch):
    """CUDA's products repeat their bits only if told to before the first."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def plain(module, num_iterations):
    """The same network in torch.nn after one call of torch's L-BFGS, with its evaluations and final loss."""
    config, layers = module.config, []
    for weight, bias in zip(module.model.weights, module.model.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:], dtype=torch.float64)
        linear.load_state_dict({"weight": weight[0].detach().T.clone(), "bias": bias[0, 0].detach().clone()})
        layers += [linear, nn.Tanh()]
    network, loaded = nn.Sequential(*layers[:-1]), data.load(config.dataset)
    if config.dataset == "sine":
        inputs, targets, loss = loaded.inputs, loaded.targets[:, None], lambda a, b: nn.MSELoss()(a, b) / 2
    else:
        train = data_set.split(loaded.targets.numpy(), 200, module.seeds[0])[0]
        inputs, targets, loss = loaded.inputs[train].double() / 16, loaded.targets[train], nn.CrossEntropyLoss()
    optimizer = torch.optim.LBFGS(
        network.parameters(), lr=config.lr, max_iter=num_iterations, max_eval=10**6, tolerance_grad=0,
        tolerance_change=0, history_size=10, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        value = loss(network(inputs), targets)
        value.backward()
        return value

    optimizer.step(closure)
    evaluations = optimizer.state[next(network.parameters())]["func_evals"]
    return network, evaluations, loss(network(inputs), targets).item()


@pytest.mark.parametrize("config", [SINE, replace(SINE, depth=2, lr=0.5), DIGITS])
def test_iterates_and_evaluations_are_those_of_torch_on_an_ordinary_network(config):
    for num_iterations in (1, 2, 5, 12):
        module = StackModule(config, (3,), data.load(config.dataset), torch.float64)
        network, evaluations, loss = plain(module, num_iterations)
        train_for(module, evaluations)
        assert float(module.step_losses[-1]) == pytest.approx(loss, rel=1e-9)
        linears = [layer for layer in network if isinstance(layer, nn.Linear)]
        for linear, weight, bias in zip(linears, module.model.weights, module.model.biases, strict=True):
            torch.testing.assert_close(weight[0].T, linear.weight, rtol=1e-6, atol=1e-9)
            torch.testing.assert_close(bias[0, 0], linear.bias, rtol=1e-6, atol=1e-9)


class Bowl:
    """A parabola around (3, 3, ...), whose evaluations are counted and which can be bent."""

    def __init__(self, size=4, bent=None):
        self.at = nn.Parameter(torch.zeros(size, dtype=torch.float64))
        self.count, self.bent = 0, bent
        self.optimizer = CountedLBFGS([self.at], 1.0)

    def losses(self):
        self.count += 1
        stretched = (self.at - 3) * torch.arange(1.0, len(self.at) + 1)
        value = stretched.square().sum() if self.bent is None else self.bent(self.at)
        self.at.grad = torch.autograd.grad(value, self.at)[0].contiguous()
        return value.detach()[None]

    def reach(self, count):
        return float(self.optimizer.reach(count, self.losses))


def test_only_the_iterates_that_so_many_evaluations_lead_to_are_reached():
    bowl, seen = Bowl(), []
    for count in range(1, 30):
        loss = bowl.reach(count)
        assert loss == ((bowl.at - 3) * torch.arange(1.0, 5)).square().sum().item()
        assert bowl.optimizer.here.evaluations <= count
        seen.append(loss)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == 9 * 30
    assert seen[-1] < 1e-12
    assert bowl.count == bowl.optimizer.evaluations  # what a search has seen is not evaluated again
    once = Bowl()
    assert once.reach(29) == seen[-1]
    assert torch.equal(once.at, bowl.at)


def test_a_search_that_finds_no_lower_loss_has_failed_and_ends_the_training_where_it_was():
    bowl = Bowl(bent=lambda at: (at - at.detach()).sum())  # flat, with a slope that says otherwise
    start = bowl.at.detach().clone()
    bowl.reach(1)
    assert bowl.optimizer.failed_at == bowl.count > 1
    failed_at = bowl.optimizer.failed_at
    assert bowl.reach(1000) == bowl.reach(10_000) == 0
    assert bowl.optimizer.failed_at == bowl.count == failed_at
    assert torch.equal(bowl.at, start)


@pytest.mark.parametrize("bent", [lambda at: at.sum() * math.nan, lambda at: at.square().sum() * 0])
def test_what_is_not_a_number_or_flat_has_failed_too(bent):
    bowl = Bowl(bent=bent)
    bowl.reach(5)
    assert bowl.optimizer.failed_at is not None
    assert bowl.at.tolist() == [0] * 4


def test_a_short_horizon_is_the_first_part_of_a_long_one_and_the_budget_is_kept():
    configs = [replace(SINE, steps=steps) for steps in (20, 60, 5)]
    together = [result.replicates for result in train_horizons(configs, (3,))]
    assert together == [train_stack(config, (3,)).replicates for config in configs]
    for config, (replicate,) in zip(configs, together, strict=True):
        assert replicate.metrics["search_failed"] == 0
        assert replicate.metrics["function_evaluations"] == config.steps
        losses = [value for _, value in replicate.curves["train_loss"]]
        assert losses == sorted(losses, reverse=True)
        assert [time for time, _ in replicate.curves["test_rmse"]] == list(range(0, config.steps + 1, 5))


def test_it_gets_much_further_than_adam_on_the_same_number_of_evaluations():
    searched, adam = SINE, replace(SINE, optimizer="adam", lr=1e-3)
    rmse = [
        train_stack(replace(c, steps=400), (3,)).replicates[0].metrics["steady_test_rmse"] for c in (searched, adam)
    ]
    assert rmse[0] < rmse[1] / 3


def test_a_failed_search_is_counted_from_its_evaluation_on():
    config = replace(SINE, activation="identity", steps=600, evaluate_every=100)  # a line: float32 soon finds no better
    (replicate,) = train_stack(config, (3,)).replicates
    assert replicate.metrics["search_failed"] == 1
    failed_at = int(replicate.metrics["function_evaluations"])
    assert 2 < failed_at < 600
    before, after = ((failed_at - 1) // 5 * 5, (failed_at // 5 + 1) * 5)
    for steps, failed in ((before, 0), (after, 1)):
        (shorter,) = train_stack(replace(config, steps=steps, evaluate_every=5), (3,)).replicates
        assert shorter.metrics["search_failed"] == failed
        assert shorter.metrics["function_evaluations"] == (failed_at if failed else steps)


def test_seeds_are_searched_one_at_a_time_and_with_all_examples():
    assert stack_size(SINE) == stack_size(SINE, 8) == 1
    with pytest.raises(ValueError, match="one replicate at a time, not 2"):
        StackModule(SINE, (0, 1), data.load("sine"))
    short = replace(SINE, batch_size=1023)
    for refuse in (check_batch, stack_size):
        with pytest.raises(UserError, match="takes all 1024 training examples at once: batch_size=1023 is too small"):
            refuse(short)
    assert num_train(replace(DIGITS, num_train=300)) == 300
    check_batch(replace(DIGITS, num_train=300, batch_size=300))
