"""The cost model: a pure function of the configuration."""

from dataclasses import replace

import pytest

from research.design.plan import make_plan
from research.design.study_files import load_study
from research.training.config import TrainConfig
from research.training.cost import nominal_seconds, num_intervals, num_parameters, num_steps, stack_size
from research.training.models import network


def test_the_stack_gets_smaller_as_the_network_outgrows_the_cache():
    sizes = [stack_size(TrainConfig(width=width)) for width in (8, 128, 512, 2048, 8192)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 10
    assert sizes[-1] == 1


def test_a_deeper_network_is_estimated_to_take_longer():
    assert nominal_seconds(TrainConfig(depth=1), 10) < nominal_seconds(TrainConfig(depth=8), 10)


def test_seeds_that_train_together_are_estimated_to_take_less_than_alone():
    assert nominal_seconds(TrainConfig(), 10) < 10 * nominal_seconds(TrainConfig(), 1)


CONFIGS = [
    TrainConfig(),
    TrainConfig(depth=0),
    TrainConfig(dataset="digits", depth=3, width=17),
    TrainConfig(dataset="sine", depth=2, width=9, loss="mse", output="raw"),
    TrainConfig(dataset="line", width=9),
    *(
        TrainConfig(dataset=dataset, network="cnn", head=head, width=7)
        for dataset in ("mnist", "digits", "mnist-1d")
        for head in ("dense", "pooled")
    ),
    TrainConfig(dataset="digits", network="cnn", depth=0),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.dataset}-{config.network}-{config.head}")
def test_parameters_are_counted_as_torch_counts_them(config):
    assert num_parameters(config) == sum(p.numel() for p in network(config, [0]).parameters())


def test_the_two_networks_of_pixel_shuffle_are_of_one_size():
    cells = {cell.task.network: num_parameters(cell.task) for cell in make_plan(load_study("pixel_shuffle")).cells}
    assert cells == {"mlp": 118_282, "cnn": 118_123}
    assert abs(cells["cnn"] / cells["mlp"] - 1) < 0.002
    signals = make_plan(load_study("pixel_shuffle"), scope=("data=mnist-1d",)).cells
    cells = {cell.task.network: num_parameters(cell.task) for cell in signals}
    assert cells == {"mlp": 23_050, "cnn": 23_014}
    assert abs(cells["cnn"] / cells["mlp"] - 1) < 0.002


def sizes(name):
    """The stack sizes of a study's cells, in the order of the plan."""
    return [cell.stack_size for cell in make_plan(load_study(name)).cells]


def test_stack_sizes_are_golden_because_fingerprints_hold_them():
    assert sizes("activation_depth") == [10, 10, 10, 10, 7, 5] * 4 + [10, 10, 10]
    assert sizes("width_sine") == [10, 10, 10, 10, 10, 10, 10, 10, 7, 3, 1, 10, 10]
    assert sizes("loss_convergence") == [10, 10, 10, 10]
    assert sizes("pixel_shuffle") == [10, 1, 10, 1, 5, 10, 10]


def test_copies_of_images_that_a_stack_needs_fit_into_a_worker_of_a_gigabyte():
    """Its imports take 0.4 of it."""
    config = TrainConfig(pixels="scrambled", depth=2)
    assert stack_size(config) * 70_000 * 784 < 300e6
    assert stack_size(replace(config, pixels="permuted")) == 10


def test_steps_are_those_of_the_horizon_or_of_the_epochs():
    assert num_steps(TrainConfig(epochs=3)) == 3 * 430
    assert num_steps(TrainConfig(epochs=3, num_train=1000)) == 3 * 8
    assert num_steps(TrainConfig(steps=700, evaluate_every=50)) == 700
    assert num_steps(TrainConfig(dataset="sine", batch_size=2000, epochs=4)) == 4
    assert num_intervals(TrainConfig(epochs=3)) == 3
    assert num_intervals(TrainConfig(steps=700, evaluate_every=50)) == 14


def test_a_cnn_is_estimated_to_take_longer_than_the_mlp_of_its_size_and_more_evaluations_longer_than_few():
    assert nominal_seconds(TrainConfig(network="cnn", width=147), 1) > nominal_seconds(TrainConfig(depth=2), 1)
    often, seldom = (TrainConfig(steps=100, evaluate_every=every) for every in (1, 100))
    assert nominal_seconds(often, 1) > nominal_seconds(seldom, 1)
