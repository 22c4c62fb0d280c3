"""What the notes of the reports say in words, and take from no table, is so."""

import numpy as np
import pytest
import torch

from reports.activation_depth import GAINS, mean_field_factor
from research.design.study import Level
from research.training.data import load
from research.training.module import StackModule
from research.training.piecewise import capacity_limit
from research.training.probes import backward_metrics, layer_measures
from research.training.train import train_stack
from studies import activation_depth, width_sine


def test_units_are_not_what_keeps_fits_of_sin_from_looking_right():
    x = np.linspace(-2 * np.pi, 2 * np.pi, 4096)
    limits = {limit.num_kinks: limit.sup for limit in capacity_limit(x, np.sin(x), [16, 32])}
    assert limits[16] > width_sine.VISIBLE > limits[32]


def test_without_biases_the_fit_stops_where_plain_pytorch_stops():
    levels: dict[str, Level] = {"width": 32, "case": "sine", "init": "he"}
    (ours,) = train_stack(width_sine.STUDY.task(levels), (0,)).replicates
    assert ours.metrics["steady_test_sup_error"] == pytest.approx(1.14, abs=0.02)
    torch.manual_seed(0)
    x = torch.linspace(-2 * np.pi, 2 * np.pi, 1024)[:, None]
    network = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    for layer in (network[0], network[2]):
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(5000):
        optimizer.zero_grad()
        (network(x) - x.sin()).square().mean().backward()
        optimizer.step()
    assert float((network(x) - x.sin()).detach().abs().max()) == pytest.approx(1.14, abs=0.02)


@pytest.mark.parametrize("init", GAINS)
def test_what_a_layer_of_sigmoid_passes_back_is_what_theory_says_of_each_start(init):
    config = activation_depth.STUDY.task({"activation": "sigmoid", "depth": 8, "init": init})
    curves = layer_measures(StackModule(config, range(5), load("mnist")))
    hidden = torch.stack([curves[f"backward_norm/layer_{layer}"] for layer in range(1, 9)])
    measured = backward_metrics(hidden)["backward_factor"].mean()
    assert float(measured) == pytest.approx(mean_field_factor(GAINS[init]), rel=0.01)
