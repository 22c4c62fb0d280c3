"""What is read at the end of a training is the median of five evaluations, and looking leaves the training as it is."""

import math
from dataclasses import replace
from statistics import median

import pytest
import torch

from research.training import data
from research.training.config import TrainConfig
from research.training.cost import num_steps
from research.training.evaluations import EndEvaluations, final_numbers, steady_steps
from research.training.measures import train_for
from research.training.module import StackModule
from research.training.train import prepare, quiet_trainer, train_horizons, train_stack, weights_sha256

SEEDS = (3, 0, 6)
RESTLESS = TrainConfig("digits", 2, 16, "relu", lr=0.8, batch_size=32, epochs=3)  # 41 steps an epoch; numbers jump
SINE = TrainConfig(
    "sine", 1, 16, "tanh", output="raw", loss="mse", optimizer="adam", lr=0.05, batch_size=256, steps=60,
    evaluate_every=20, measures=("curve_fit",),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _repeatable(monkeypatch):
    """CUDA's products repeat their bits only if told to before the first."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.mark.parametrize(
    ("horizon", "steps"),
    [
        (100, [92, 94, 96, 98, 100]),
        (2150, [1978, 2021, 2064, 2107, 2150]),
        (123, [114, 116, 119, 121, 123]),
        (20, [19, 19, 20, 20, 20]),
        (1, [1] * 5),
    ],
)
def test_the_five_evaluations_lie_in_the_last_tenth_and_the_last_at_the_end(horizon, steps):
    assert steady_steps(horizon) == steps


def of_its_own(config, step):
    """The numbers of a training that ends after so many steps."""
    found = []
    for replicate in train_stack(replace(config, epochs=1, steps=step, evaluate_every=step), SEEDS).replicates:
        curves = {name: points[-1][1] for name, points in replicate.curves.items() if name.startswith("test")}
        found.append({**replicate.metrics, **curves})
    return found


@pytest.mark.parametrize("config", [RESTLESS, replace(RESTLESS, steps=120, evaluate_every=40), SINE])
def test_a_steady_number_is_the_median_of_what_five_shorter_trainings_come_to(config):
    shorter = [of_its_own(config, step) for step in steady_steps(num_steps(config))]
    for row, replicate in enumerate(train_stack(config, SEEDS).replicates):
        steady = {name: value for name, value in replicate.metrics.items() if name.startswith("steady_")}
        assert len(steady) == (4 if config.is_regression else 2)
        for name, value in steady.items():
            five = [numbers[row][name.removeprefix("steady_")] for numbers in shorter]
            assert value == median(five), name


def test_steady_numbers_do_not_hang_on_the_last_step():
    found = train_stack(RESTLESS, SEEDS).replicates
    assert any(each.metrics["steady_test_accuracy"] != each.metrics["test_accuracy"] for each in found)


@pytest.mark.parametrize("config", [RESTLESS, replace(SINE, batch_size=1024)])
def test_a_training_that_is_looked_at_keeps_every_bit(config):
    prepare(config)
    module = StackModule(config, SEEDS, data.load(config.dataset))
    quiet_trainer(module.num_intervals, []).fit(module, train_dataloaders=range(module.num_batches))
    assert [each.weights_sha256 for each in train_stack(config, SEEDS).replicates] == [
        weights_sha256(module, row) for row in range(len(SEEDS))
    ]


def test_horizons_of_one_pass_have_five_evaluations_each_and_share_those_that_coincide():
    module = StackModule(RESTLESS, SEEDS, data.load("digits"))
    ends = EndEvaluations(module, (100, 102))  # 92, 94, 96, 98, 100 and 94, 96, 98, 100, 102
    train_for(module, 102)
    assert sorted(ends.seen) == [92, 94, 96, 98, 100, 102]
    assert torch.equal(ends.last(102)["test_loss"], final_numbers(module)["test_loss"])
    one, other = (result.replicates for result in train_horizons([RESTLESS, replace(RESTLESS, epochs=2)], SEEDS))
    assert one[0].metrics["steady_test_loss"] != other[0].metrics["steady_test_loss"]


class Poisoned(StackModule):
    """Has a NaN in one replicate's weights after so many steps."""

    def take_step(self, step, optimizer):
        super().take_step(step, optimizer)
        if step + 1 == self.poisoned_after:
            with torch.no_grad():
                self.model.weights[0][1, 0, 0] = torch.nan


@pytest.mark.parametrize(("lost_after", "is_lost"), [(90, True), (97, True), (100, True), (101, False)])
@pytest.mark.parametrize("config", [RESTLESS, SINE])
def test_who_is_lost_before_the_end_has_no_steady_number(config, lost_after, is_lost):
    prepare(config)
    module = Poisoned(replace(config, optimizer="sgd"), SEEDS, data.load(config.dataset))
    module.poisoned_after = lost_after
    ends = EndEvaluations(module, [100])
    train_for(module, 100)
    for values in ends.steady(100).values():
        assert [math.isnan(value) for value in values] == [False, is_lost, False]


STOPPED = TrainConfig(
    "digits", 1, 32, num_train=50, optimizer="adam", lr=0.02, steps=120, evaluate_every=6, measures=("generalisation",)
)


def test_early_stopping_reads_where_the_validation_loss_was_least_and_leaves_the_training_as_it_is():
    on, off = (train_stack(replace(STOPPED, early_stopping=stops), (0, 1)).replicates for stops in (True, False))
    for one, other in zip(on, off, strict=True):
        assert one.weights_sha256 == other.weights_sha256
        assert one.curves == other.curves
        validation = [value for _, value in one.curves["validation_loss"]]
        until = 6 * validation.index(min(validation))
        assert 0 < until < STOPPED.steps
        (there,) = train_stack(replace(STOPPED, steps=until), (one.seed,)).replicates
        for name in ("test_accuracy", "test_loss", "train_accuracy", "generalisation_gap"):
            assert one.metrics[name] == one.metrics[f"steady_{name}"] == pytest.approx(there.metrics[name], rel=1e-5)


def test_horizons_that_are_stopped_early_train_in_one_pass():
    horizons = [replace(STOPPED, early_stopping=True, steps=steps) for steps in (24, 120)]
    together = train_horizons(horizons, (0, 1))
    for config, found in zip(horizons, together, strict=True):
        assert [one.metrics for one in found.replicates] == [
            one.metrics for one in train_stack(config, (0, 1)).replicates
        ]
