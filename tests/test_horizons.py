"""What holds for configurations that train in one pass: each has to the bit what it would have had alone."""

import random
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from research.training import data
from research.training.config import TrainConfig
from research.training.cost import num_intervals, num_steps
from research.training.evaluations import EndEvaluations
from research.training.module import StackModule
from research.training.probes import LayerProbe
from research.training.train import measured_replicates, quiet_trainer, train_horizons, train_stack

SEEDS = (3, 0, 6)
DIGITS = TrainConfig(dataset="digits", width=32, batch_size=32)  # 41 steps an epoch, the last batch is short
IN_STEPS = replace(DIGITS, steps=20, evaluate_every=20)
SINE = TrainConfig(
    "sine", 2, 16, "tanh", output="raw", loss="mse_mean", optimizer="adam", lr=0.01, steps=30, evaluate_every=30,
    measures=("curve_fit",),
)  # fmt: skip
CASES = {
    "probes": (replace(DIGITS, depth=6, activation="tanh", momentum=0.9, probe_epochs=(0, 1, 2, 4)), (1, 2, 4)),
    "adam": (replace(DIGITS, optimizer="adam", lr=0.01, loss="mse", measures=("logit_gradients",)), (1, 2, 3)),
    "cnn": (replace(DIGITS, network="cnn", width=16, num_train=300, pixels="scrambled"), (1, 2, 3)),
    "full batches": (replace(SINE, batch_size=1024), (30, 90, 150)),
    "horizons amid a pass": (replace(SINE, batch_size=300), (30, 90, 150)),
    "target": (replace(IN_STEPS, target_accuracy=0.6, measures=("logit_gradients",)), (20, 60, 120)),
    "target in epochs": (replace(DIGITS, target_accuracy=0.7), (1, 2, 4)),
    # at a rate at which rounding grows, so that a twin of another number of steps differs by another number
    "twin": (replace(DIGITS, lr=1.0, pixels="permuted", measures=("permuted_twin",)), (1, 2, 3)),
    "diverged before all": (replace(DIGITS, activation="identity", depth=3, lr=1e9), (1, 2, 3)),
}


@pytest.fixture(autouse=True)
def _repeatable(monkeypatch):
    """CUDA's products repeat their bits only if told to before the first."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def at(config, horizons):
    """The configuration at each of the horizons, in the unit that it counts."""
    return [replace(config, **{"steps" if config.steps else "epochs": horizon}) for horizon in horizons]


def together_and_alone(configs):
    """The replicates of each configuration out of one pass, and out of passes of their own."""
    return (
        [result.replicates for result in train_horizons(configs, SEEDS)],
        [train_stack(config, SEEDS).replicates for config in configs],
    )


def assert_same(together, alone):
    """Equal to the bit in all they hold, NaN where the other is NaN, and in the order of their names."""
    for ours, theirs in zip(together, alone, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            for name in ("seed", "metrics", "curves", "profiles", "weights_sha256"):
                assert repr(getattr(one, name)) == repr(getattr(other, name)), name


@pytest.mark.parametrize(("config", "horizons"), CASES.values(), ids=CASES)
def test_results_taken_on_the_way_are_those_of_a_training_of_their_own(config, horizons):
    together, alone = together_and_alone(at(config, horizons))
    assert_same(together, alone)
    assert len({replicate.weights_sha256 for replicates in alone for replicate in replicates}) == 9 or config.lr == 1e9


def test_the_cases_reach_targets_at_one_horizon_that_they_miss_at_another():
    for name in ("target", "target in epochs"):
        configs = at(*CASES[name])
        found = [result.replicates for result in train_horizons(configs, SEEDS)]
        missed = [
            (config, replicate)
            for config, replicates in zip(configs, found, strict=True)
            for replicate in replicates
            if not replicate.metrics["reached_target"]
        ]
        assert 0 < len(missed) < 9
        assert all(replicate.metrics["steps_to_target"] == num_steps(config) for config, replicate in missed)


def test_a_replicate_has_diverged_only_where_it_did_within_the_horizon():
    config = replace(IN_STEPS, activation="identity", depth=3, lr=1.0, evaluate_every=1, steps=60)
    lost = sorted({int(replicate.metrics["diverged_step"]) for replicate in train_stack(config, SEEDS).replicates})
    assert 3 < lost[0] <= lost[-1] < 60
    horizons = sorted({3, lost[0] - 1, *lost, lost[-1] + 1, 60})
    together, alone = together_and_alone(at(config, horizons))
    assert_same(together, alone)
    found = dict(zip(horizons, together, strict=True))
    assert not any("diverged_step" in replicate.metrics for replicate in found[3])
    assert lost[0] in [replicate.metrics.get("diverged_step") for replicate in found[lost[0]]]  # in its very last step
    assert all(replicate.metrics["diverged_step"] in lost for replicate in found[60])


def test_results_are_in_the_order_asked_for_and_end_when_their_horizon_is_reached():
    configs = at(DIGITS, (4, 1, 4, 2))
    before = time.time()
    results = train_horizons(configs, SEEDS)
    for config, result in zip(configs, results, strict=True):
        assert len(result.replicates[0].curves["train_loss"]) == config.epochs
        assert [replicate.seed for replicate in result.replicates] == list(SEEDS)
    long, short, again, middle = results
    assert long == again
    assert {result.started for result in results} == {long.started}
    assert before <= long.started < short.ended < middle.ended < long.ended <= time.time()
    assert {result.device for result in results} == {train_stack(configs[1], SEEDS).device}


def test_one_pass_takes_the_steps_of_the_longest_alone(monkeypatch):
    taken, take_step = [], StackModule.take_step
    monkeypatch.setattr(StackModule, "take_step", lambda *a: (taken.append(a[1]), take_step(*a)))
    shares = []
    train_horizons(at(DIGITS, (1, 2, 4)), SEEDS, shares.append)
    assert taken == list(range(4 * 41))
    assert shares == sorted(set(shares))
    assert shares[-1] == 1


@pytest.mark.parametrize(
    "configs",
    [
        [],
        [DIGITS, replace(DIGITS, epochs=2, lr=0.2)],
        [DIGITS, replace(DIGITS, epochs=2, probe_epochs=(0,))],
        [DIGITS, IN_STEPS],
        [replace(DIGITS, schedule="cosine"), replace(DIGITS, schedule="cosine", epochs=2)],
        [IN_STEPS, replace(IN_STEPS, steps=60, evaluate_every=30)],
        [IN_STEPS, replace(IN_STEPS, steps=40, target_accuracy=0.5)],
    ],
)
def test_what_differs_in_more_than_the_horizon_is_refused(configs):
    with pytest.raises(ValueError, match="must differ in its horizon alone"):
        train_horizons(configs, SEEDS)


def states(module):
    """All that the training of a module goes on from, in copies, and which objects the module holds."""
    tensors = [tensor for parameter in module.parameters() for tensor in (parameter, parameter.grad)]
    kept = [*tensors, *module.buffers(), *module.step_losses, *module.diverged_step]
    kept += [module.order, *(tensor for batch in module.batches.values() for tensor in (batch.inputs, batch.targets))]
    curves = {name: [values.tolist() for values in curve] for name, curve in module.curves.items()}
    held = {name: id(value) for name, value in vars(module).items()}
    generators = torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())  # noqa: NPY002
    modes = [each.training for each in module.modules()], torch.is_grad_enabled()
    return [tensor.tolist() for tensor in kept], [id(tensor) for tensor in tensors], curves, held, generators, modes


@pytest.mark.parametrize("name", ["probes", "adam", "cnn", "full batches", "target", "twin"])
def test_measuring_leaves_all_that_the_training_goes_on_from(name):
    config, loaded = CASES[name][0], data.load(CASES[name][0].dataset)
    module = StackModule(config, SEEDS, loaded)
    probe = LayerProbe(module)
    ends = EndEvaluations(module, [num_steps(config)])
    quiet_trainer(num_intervals(config), []).fit(module, train_dataloaders=range(module.num_batches))
    before = states(module)
    measured_replicates(module, loaded, probe, ends, {})
    assert states(module) == before
