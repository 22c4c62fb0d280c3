"""Units that die are counted as NumPy counts them, over the whole training part, and followed one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_probes import PHI

from research.training.activations import LEAK
from research.training.config import TrainConfig
from research.training.deaths import DEAD, UnitDeaths, over_training
from research.training.measures import learnt_slope, loss_rises, train_for
from research.training.module import StackModule
from research.training.train import train_stack

SEEDS = (4, 0, 7)
CONFIG = TrainConfig(dataset="digits", width=16, depth=3, epochs=3, batch_size=32, probe_epochs=(0, 1, 2, 3))
CONFIG = replace(CONFIG, probes=("unit_deaths",))


def stack(digits, seeds=SEEDS, **options):
    return StackModule(replace(CONFIG, **options), seeds, digits, torch.float64)


def biases_at(module, layer, alive, silent=()):
    """Give the units of a layer the input `alive`, but for the `silent`, whatever comes in."""
    with torch.no_grad():
        module.model.weights[layer].zero_()
        module.model.biases[layer][..., 0, :] = alive
        module.model.biases[layer][..., 0, list(silent)] = -alive


@pytest.mark.parametrize("name", PHI)
def test_inputs_and_slopes_are_those_of_numpy_over_the_whole_training_part(name, digits):
    module = stack(digits, activation=name)
    train_for(module, 20)
    highest, slopes, _ = over_training(module)
    function, slope = PHI[name]
    for row in range(len(SEEDS)):
        images = module.lookup(torch.from_numpy(module.train_indices))[0][row].numpy()
        for layer in range(3):
            weight, bias = (each[layer][row].detach().numpy() for each in (module.model.weights, module.model.biases))
            inputs = images @ weight + bias
            assert np.allclose(highest[layer][row], inputs.max(0), rtol=1e-12)
            assert np.allclose(slopes[layer][row], abs(slope(inputs)).max(0), rtol=1e-9)
            images = function(inputs)


def test_gradients_are_those_of_finite_differences_of_the_mean_training_loss(digits):
    module = stack(digits, activation="gelu", seeds=(3,))
    *_, sizes = over_training(module)
    indices = torch.from_numpy(module.train_indices)
    for layer, unit in ((0, 2), (2, 5)):
        found = []
        for tensor in (module.model.weights[layer], module.model.biases[layer]):
            for place in range(tensor.shape[1]):
                at = tensor.data[0, place]
                losses = []
                for change in (1e-6, -1e-6):
                    at[unit] += change
                    losses.append(float(module.evaluate(indices)[0]))
                    at[unit] -= change
                found.append(abs(losses[0] - losses[1]) / 2e-6)
        assert float(sizes[layer][0, unit]) == pytest.approx(max(found), rel=1e-5)


def test_units_are_followed_one_by_one_through_death_and_revival(digits):
    module = stack(digits, seeds=(0,), depth=1)
    deaths, seen = UnitDeaths(module), []
    for silent in (set(), {1, 2, 3}, {2, 3, 4}, {5}, {1, 5}):
        biases_at(module, 0, 50.0, silent)
        seen.append({name.partition("/")[0]: float(values) for name, values in deaths.look().items()})
    assert [look["silent"] * 16 for look in seen] == [0, 3, 3, 1, 2]
    assert [look["dead_in_training"] * 16 for look in seen] == [0, 3, 3, 1, 2]
    assert str([look["woken"] for look in seen]) == str([np.nan, np.nan, 1 / 3, 1.0, 4 / 5])
    found = {name: float(value) for name, value in deaths.metrics().items()}
    assert (found["dead_share"], found["silenced_share"]) == (2 / 16, 2 / 16)
    assert found["woken_share"] == found["moved_share"] == 4 / 5
    assert found["silent_gradient"] == 0


def test_who_is_silent_from_the_start_has_not_fallen_silent_and_is_moved_only_if_a_number_of_its_own_is(digits):
    module = stack(digits, seeds=(0,))
    biases_at(module, 0, 50.0, {1, 2})
    deaths = UnitDeaths(module)
    deaths.look()
    with torch.no_grad():
        module.model.biases[0][0, 0, [1, 7]] -= 1
        module.model.weights[1].add_(1)
    deaths.look()
    first = deaths.silent[0, 0]
    assert first.nonzero().flatten().tolist() == [1, 2]
    assert deaths.moved[0, 0].nonzero().flatten().tolist() == [1]
    assert not (deaths.silent & ~deaths.first)[0, 0].any()


@pytest.mark.parametrize(
    ("activation", "at", "is_dead"),
    [
        ("relu", 1.0, True), ("leaky_relu", 1e3, False), ("prelu", 1e3, False), ("gelu", 1.0, False),
        ("gelu", 3.0, False), ("gelu", 5.0, True), ("silu", 6.0, False), ("silu", 200.0, True), ("sigmoid", 1.0, False),
    ],
)  # fmt: skip
def test_a_silent_unit_is_dead_where_its_slope_is_below_a_thousandth_whatever_it_puts_out(
    activation, at, is_dead, digits
):
    module = stack(digits, seeds=(0,), activation=activation)
    biases_at(module, 0, at, {3})
    deaths = UnitDeaths(module)
    deaths.look()
    assert bool(deaths.silent[0, 0, 3])
    assert bool(deaths.dead[0, 0, 3]) == is_dead
    assert LEAK > DEAD


def test_a_unit_is_not_silent_that_one_training_example_wakes(digits):
    module = stack(digits, seeds=(0,))
    with torch.no_grad():
        images = module.lookup(torch.from_numpy(module.train_indices))[0][0]
        norms = images.norm(dim=1)
        one = int((images @ images.T / norms).sub(2 * torch.eye(len(images)) * norms).amax(1).sub(norms).argmin())
        weight = images[one] / images[one].norm()
        second, first = (images @ weight).topk(2).values.flip(0)
        module.model.weights[0][0, :, 3] = weight
        module.model.biases[0][0, 0, 3] = -(first + second) / 2
    deaths = UnitDeaths(module)
    deaths.look()
    assert not deaths.silent[0, 0, 3]
    assert not deaths.dead[0, 0, 3]


def test_training_is_the_same_to_the_bit_whoever_follows_its_units():
    watched, unwatched = (replace(CONFIG, activation="prelu", probes=probes) for probes in (("unit_deaths",), ()))
    ours, theirs = (train_stack(config, SEEDS).replicates for config in (watched, unwatched))
    assert [one.weights_sha256 for one in ours] == [one.weights_sha256 for one in theirs]


def test_a_replicate_that_diverged_has_no_share():
    (replicate,) = train_stack(replace(CONFIG, lr=1e6, activation="leaky_relu"), (0,)).replicates
    assert "diverged_step" in replicate.metrics
    assert np.isnan([replicate.metrics[name] for name in ("dead_share", "silenced_share", "woken_share")]).all()


def test_what_prelu_has_learnt_is_how_far_its_slopes_are_from_where_they_began(digits):
    module = stack(digits, activation="prelu")
    for piece, slope in zip(module.model.pieces, (0.25, 0.5, -0.5), strict=True):
        piece.slope.data.fill_(slope)
    assert learnt_slope(module, digits).metrics["slope_change"].tolist() == pytest.approx([1 / 3] * 3)


def test_of_a_loss_all_rises_are_summed_and_no_fall(digits):
    module = stack(digits, seeds=(0, 1))
    module.curves["train_loss"] = [torch.tensor(losses) for losses in ((3.0, 1.0), (2.0, 1.5), (2.5, 1.5), (2.75, 0.5))]
    assert loss_rises(module, digits).metrics["loss_rises"].tolist() == [0.75, 0.5]
