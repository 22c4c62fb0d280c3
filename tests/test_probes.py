"""What the probes measure, against backpropagation by hand, finite differences and mean-field theory; and what not."""

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import erf, expit, log_softmax, softmax

from research.design.errors import UserError
from research.design.identity import identity, identity_difference
from research.training import data, data_set, probes
from research.training.activations import ACTIVATIONS
from research.training.choices import CHOICES
from research.training.config import TrainConfig
from research.training.module import StackModule
from research.training.probes import (
    LayerProbe,
    activation_measures,
    backward_metrics,
    backward_pass,
    layer_measures,
)
from research.training.train import quiet_trainer, train_stack

SEEDS = (4, 0, 7)
BASE = TrainConfig(dataset="digits", width=16, activation="tanh", epochs=2)
GRADIENT = ["backward_norm", "weight_gradient_norm"]
ACTIVATION = ["activation_mean", "activation_spread", "zero", "dead"]

# Each activation and its slope, derived by hand
PHI = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "sigmoid": (expit, lambda z: expit(z) * (1 - expit(z))),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "gelu": (
        lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
        lambda z: (1 + erf(z / math.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
    ),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.where(z > 0, 1, np.exp(z))),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1 + z * (1 - expit(z)))),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: ((z > 0) & (z < 6)).astype(float)),
    "hardswish": (
        lambda z: z * np.clip(z + 3, 0, 6) / 6,
        lambda z: np.where(abs(z) < 3, z / 3 + 0.5, (z > 0).astype(float)),
    ),
    "step": (lambda z: (z > 0).astype(float), np.zeros_like),
}
BOUNDED = {"sigmoid": (0.5, 0.5), "tanh": (0.0, 1.0), "relu6": (3.0, 3.0), "step": (0.5, 0.5)}  # middle, half the range


@pytest.fixture(autouse=True)
def _any_machine(monkeypatch):
    """Double precision for every device: Apple's has none, and CUDA's products repeat their bits only if told to."""
    monkeypatch.setattr("lightning_fabric.accelerators.mps.MPSAccelerator.is_available", staticmethod(lambda: False))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def stack(digits, seeds=SEEDS, dtype=torch.float64, **options):
    return StackModule(replace(BASE, **options), seeds, digits, dtype)


def fit(module, *callbacks):
    quiet_trainer(module.config.epochs, list(callbacks)).fit(module, train_dataloaders=range(module.num_batches))
    return module


def probe_of(module, *epochs):
    """A probe that looks after these epochs, whatever the configuration of the module says."""
    module.config = replace(module.config, probe_epochs=epochs)
    return LayerProbe(module)


def start_metrics(module):
    probe = probe_of(module, 0)
    probe(0)
    return probe.metrics()


def parameters(module, row):
    """Weights [fan_in, fan_out] and biases [fan_out] of one replicate, as arrays."""
    model = module.model
    return [[p[row].detach().cpu().numpy().reshape(p.shape[-2:]) for p in ps] for ps in (model.weights, model.biases)]


def probe_set(digits, seed):
    """Inputs [N, D] and labels [N] of the probe set of a seed: all of the digits' 200 validation examples."""
    chosen = data_set.split(digits.targets.numpy(), 200, seed)[1]
    return digits.inputs.numpy()[chosen] / 16, digits.targets.numpy()[chosen]


def by_hand(weights, biases, inputs, labels, activation):
    """Outputs, backward signals and weight gradients of each layer, by the equations of backpropagation."""
    phi, slope = PHI[activation]
    layer_inputs, signals = [inputs], []
    pre_activations = []
    for weight, bias in zip(weights, biases, strict=True):
        pre_activations.append(layer_inputs[-1] @ weight + bias)
        layer_inputs.append(phi(pre_activations[-1]))
    signal = (softmax(pre_activations[-1], axis=1) - np.eye(10)[labels]) / len(labels)
    signals = [signal]
    for weight, pre_activation in zip(weights[:0:-1], pre_activations[-2::-1], strict=True):
        signals.insert(0, signals[0] @ weight.T * slope(pre_activation))
    gradients = [before.T @ signal for before, signal in zip(layer_inputs[:-1], signals, strict=True)]
    return layer_inputs[1:-1], signals, gradients


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("activation", PHI)
def test_every_measure_is_that_of_backpropagation_by_hand(activation, depth, digits):
    module = stack(digits, activation=activation, depth=depth, init="he", epochs=1)
    fit(module)  # biases that are not zero, and signals that differ between examples
    found = layer_measures(module)
    for row, seed in enumerate(SEEDS):
        outputs, signals, gradients = by_hand(*parameters(module, row), *probe_set(digits, seed), activation)
        expected = {f"backward_norm/layer_{i}": np.sqrt((d**2).sum()) for i, d in enumerate(signals, 1)}
        expected |= {f"weight_gradient_norm/layer_{i}": np.sqrt((g**2).sum()) for i, g in enumerate(gradients, 1)}
        for i, h in enumerate(outputs, 1):
            expected |= {f"activation_mean/layer_{i}": h.mean(), f"activation_spread/layer_{i}": h.std()}
            expected |= {f"zero/layer_{i}": (h == 0).mean(), f"dead/layer_{i}": (h == 0).all(0).mean()}
            if activation in BOUNDED:
                middle, half = BOUNDED[activation]
                expected[f"saturated/layer_{i}"] = (abs(h - middle) > 0.98 * half).mean()
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert float(found[name][row]) == pytest.approx(value, rel=1e-10, abs=1e-15), name


@pytest.mark.parametrize("activation", PHI)
def test_the_signals_themselves_are_those_by_hand(activation, digits):
    module = stack(digits, activation=activation, depth=3, init="xavier")
    outputs, signals, gradients = backward_pass(module, module.validation_indices)
    assert len(outputs) == len(signals) == len(gradients) == 4
    for row, seed in enumerate(SEEDS):
        hidden, *theirs = by_hand(*parameters(module, row), *probe_set(digits, seed), activation)
        for ours, expected in zip((outputs[:-1], signals, gradients), (hidden, *theirs), strict=True):
            for one, other in zip(ours, expected, strict=True):
                np.testing.assert_allclose(one[row].detach(), other, rtol=1e-9, atol=1e-14)


def test_the_signal_at_the_output_is_prediction_minus_target_over_the_number_of_examples(digits):
    module = stack(digits, depth=2)
    outputs, signals, _ = backward_pass(module, module.validation_indices)
    target = torch.nn.functional.one_hot(digits.targets[module.validation_indices], 10)
    expected = (torch.softmax(outputs[-1].detach(), 2) - target) / 200
    torch.testing.assert_close(signals[-1], expected, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("activation", PHI)
def test_the_gradient_of_a_weight_is_the_difference_that_a_small_change_makes(activation, digits):
    module = stack(digits, seeds=(4,), activation=activation, depth=2, init="he")
    inputs, labels = probe_set(digits, 4)
    gradients = backward_pass(module, module.validation_indices)[2]

    def loss(layer, place, change):
        weights, biases = parameters(module, 0)
        weights[layer] = weights[layer].copy()
        weights[layer][place] += change
        values = inputs
        for weight, bias in zip(weights, biases, strict=True):
            logits = values @ weight + bias
            values = PHI[activation][0](logits)
        return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()

    for layer, place in ((0, (20, 3)), (0, (37, 11)), (1, (5, 5)), (1, (0, 15)), (2, (9, 9)), (2, (3, 0))):
        # An error of 1e-16 / 1e-6 from rounding, of 1e-12 from the third derivative; ReLU's kinks lie apart
        slope = (loss(layer, place, 1e-6) - loss(layer, place, -1e-6)) / 2e-6
        assert float(gradients[layer][0][place]) == pytest.approx(slope, rel=1e-5, abs=1e-9)


VARIANCES = {
    "default": lambda fan_in, fan_out: 1 / (3 * fan_in),
    "xavier": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, fan_out: 2 / fan_in,
}


def mean_field_factors(activation, init, depth, width, squares):
    """What comes back to each hidden layer but the last (Schoenholz and others 2017, Deep information propagation).

    Pre-activations are normal with variance q: weight and bias variance times the mean squared norm of what comes in,
    and a signal grows by the root of (weight variance x width x E[phi'(z)^2]). squares is that norm of the inputs.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)  # even: no node on the kink of ReLU
    weights = weights / weights.sum()
    phi, slope = PHI[activation]
    fan_in, factors = 64, []
    for _ in range(depth - 1):
        variance = VARIANCES[init](fan_in, width)
        z = math.sqrt(variance * (squares + (init == "default"))) * nodes
        factors.append(math.sqrt(VARIANCES[init](width, width) * width * weights @ slope(z) ** 2))
        fan_in, squares = width, width * weights @ phi(z) ** 2
    return np.array(factors)


@pytest.mark.parametrize("init", VARIANCES)
@pytest.mark.parametrize("activation", [name for name in PHI if name != "step"])
def test_a_wide_network_passes_back_at_the_start_what_mean_field_theory_says(activation, init, digits):
    depth, width, seeds = 6, 1024, (0, 1)
    squares = np.mean([(probe_set(digits, seed)[0] ** 2).sum(1) for seed in seeds])
    factors = mean_field_factors(activation, init, depth, width, squares)
    if activation in ("identity", "relu"):  # known in closed form, whatever comes in
        weight_variance, share = (
            {"default": 1 / 3, "xavier": 1, "he": 2}[init],
            {"identity": 1, "relu": 0.5}[activation],
        )
        np.testing.assert_allclose(factors, math.sqrt(weight_variance * share), rtol=1e-9)
    found = start_metrics(
        stack(digits, seeds, torch.float32, activation=activation, init=init, depth=depth, width=width)
    )
    # A layer of n units strays by sqrt((3 E[phi'^4] / E[phi'^2]^2 - 1) / n) / 2, for ReLU by 3.5 %, and so the mean
    # over five layers and two replicates by 1.1 %. As measured up to 0.5 %, but 1.8 % for GELU under He: its slope
    # depends most on the size of what comes in, in which the examples differ.
    assert float(found["backward_factor"].mean()) == pytest.approx(np.exp(np.log(factors).mean()), rel=0.03)
    across = np.log10([factors[:4].prod(), factors[1:].prod()]).mean()
    assert float(found["backward_log10_across_4"].mean()) == pytest.approx(across, abs=4 * math.log10(1.03))


def test_the_backward_metrics_are_a_geometric_mean_and_a_mean_of_logarithms():
    norms = [[1.0, 1e-9], [2.0, 1e-7], [8.0, 1e-6], [16.0, 1e-5], [160.0, 1e-4], [16.0, 1e-4]]
    found = backward_metrics(torch.tensor(norms, dtype=torch.float64))
    assert found["backward_factor"].tolist() == pytest.approx([(1 / 16) ** (1 / 5), 1e-1], rel=1e-12)
    four = [(math.log10(1 / 160) + math.log10(2 / 16)) / 2, (-5 - 3) / 2]
    assert found["backward_log10_across_4"].tolist() == pytest.approx(four, rel=1e-12)


@pytest.mark.parametrize(
    ("depth", "names"), [(0, []), (1, []), (2, ["factor"]), (4, ["factor"]), (5, ["factor", "log10_across_4"])]
)
def test_a_network_has_the_backward_metrics_that_it_is_deep_enough_for(depth, names, digits):
    assert list(start_metrics(stack(digits, depth=depth))) == [f"backward_{name}" for name in names]
    assert probe_of(stack(digits, depth=depth), 1).metrics() == probe_of(stack(digits, depth=depth)).metrics() == {}


@pytest.mark.parametrize("lost", [0.0, math.nan, math.inf])
def test_a_signal_that_is_lost_gives_nan_and_no_infinity(lost):
    hidden = torch.ones(6, 3, dtype=torch.float64)
    hidden[2, 1] = lost
    for values in backward_metrics(hidden).values():
        assert values.isnan().tolist() == [False, True, False]
        assert values[[0, 2]].isfinite().all()


def test_a_network_that_passes_nothing_back_has_norms_of_zero_and_no_metric():
    config = replace(BASE, init="zero", activation="relu", depth=5, epochs=1, probe_epochs=(0, 1))
    for replicate in train_stack(config, SEEDS).replicates:
        assert math.isnan(replicate.metrics["backward_factor"])
        assert math.isnan(replicate.metrics["backward_log10_across_4"])
        assert all(math.isfinite(value) for curve in replicate.curves.values() for _, value in curve)
        assert replicate.curves["backward_norm/layer_5"] == ((0, 0.0), (1, 0.0))
        assert replicate.curves["backward_norm/layer_6"][0][1] > 0
        assert replicate.curves["dead/layer_1"] == ((0, 1.0), (1, 1.0))


def test_a_signal_too_small_to_be_squared_in_single_precision_is_measured(digits):
    module = stack(digits, (0,), torch.float32, activation="identity", depth=2, init="normal", init_std=1e-11)
    norms = [float(layer_measures(module)[f"backward_norm/layer_{layer}"]) for layer in (1, 2, 3)]
    assert 0 < norms[0] < 1e-21
    assert norms[0] / norms[1] == pytest.approx(4e-11, rel=0.5)  # sqrt(16) times the deviation


def test_saturated_zero_and_dead_are_counted_as_they_are_defined():
    output = torch.tensor([[[0.0, 0.5, 0.991, 0.0], [0.0, -0.5, -0.981, 0.9], [0.0, 0.0, 0.979, -1.0]]])  # [1, 3, 4]
    found = activation_measures(output, ACTIVATIONS["tanh"].bounds)  # within 0.02 of -1 or 1
    assert list(found) == [*ACTIVATION, "saturated"]
    assert float(found["zero"]) == 5 / 12
    assert float(found["dead"]) == 1 / 4
    assert float(found["saturated"]) == 3 / 12
    within = activation_measures(output.abs(), ACTIVATIONS["sigmoid"].bounds)  # 0.01 of 0 or 1
    assert float(within["saturated"]) == 7 / 12
    assert list(activation_measures(output, ACTIVATIONS["relu"].bounds)) == ACTIVATION


def test_units_switched_off_by_hand_are_dead_and_those_driven_far_are_saturated(digits):
    for activation, changed, measure in (
        ("relu", -1e3, "dead"),
        ("tanh", 1e3, "saturated"),
        ("sigmoid", -1e3, "saturated"),
    ):
        module = stack(digits, activation=activation, depth=2)
        before = layer_measures(module)[f"{measure}/layer_2"]
        with torch.no_grad():
            module.model.weights[1][1, :, :4] = 0
            module.model.biases[1][1, :, :4] = changed
        after = layer_measures(module)[f"{measure}/layer_2"]
        assert torch.equal(after[[0, 2]], before[[0, 2]])
        assert float(after[1]) >= 4 / 16 > float(before[1])


def test_nothing_is_saturated_half_way_and_nothing_of_an_unbounded_activation_at_all(digits):
    assert float(layer_measures(stack(digits, activation="sigmoid", init="zero"))["saturated/layer_1"].max()) == 0
    for activation in set(CHOICES["activation"]) - set(BOUNDED):
        assert not any("saturated" in name for name in layer_measures(stack(digits, activation=activation)))


@pytest.mark.parametrize(
    "options", [{}, {"activation": "relu", "depth": 5, "optimizer": "adam", "lr": 0.01}, {"momentum": 0.9}]
)
def test_all_other_numbers_are_the_same_bits_with_probes_and_without(options):
    config = replace(BASE, **options)
    plain, probed = (train_stack(replace(config, probe_epochs=epochs), SEEDS) for epochs in ((), (0, 1, 2)))
    for ours, theirs in zip(probed.replicates, plain.replicates, strict=True):
        assert ours.weights_sha256 == theirs.weights_sha256
        assert theirs.metrics == {n: v for n, v in ours.metrics.items() if not n.startswith("backward_")}
        assert theirs.curves == {n: curve for n, curve in ours.curves.items() if "/" not in n}
        assert not any("/" in name for name in theirs.curves)


@pytest.mark.parametrize("pieces", [{}, {"normalization": "batch", "dropout": 0.5}], ids=["plain", "pieces"])
def test_a_look_leaves_gradients_weights_and_random_states_as_they_were(pieces, digits):
    module = stack(digits, depth=2, **pieces)
    for step, parameter in enumerate(module.model.parameters()):
        parameter.grad = torch.full_like(parameter, float(step))
    before = [(p.detach().clone(), p.grad.clone()) for p in module.model.parameters()]

    def states():
        kept = [buffer.tolist() for buffer in module.model.buffers()]
        drawn = [g.get_state().tolist() for piece in module.model.pieces for g in piece.dropout.generators]
        return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state()), kept, drawn  # noqa: NPY002

    random_states = states()
    with torch.no_grad():
        assert str(layer_measures(module)) == str(layer_measures(module))
    assert states() == random_states
    for parameter, (weights, gradient) in zip(module.model.parameters(), before, strict=True):
        assert torch.equal(parameter, weights)
        assert torch.equal(parameter.grad, gradient)


def test_the_curves_of_a_replicate_are_named_by_measure_and_layer_at_the_epochs_that_are_reached():
    config = replace(BASE, depth=2, probe_epochs=(0, 2, 5))
    for replicate in train_stack(config, SEEDS).replicates:
        inside = {name: curve for name, curve in replicate.curves.items() if "/" in name}
        expected = [f"{measure}/layer_{layer}" for measure in GRADIENT for layer in (1, 2, 3)]
        expected += [f"{measure}/layer_{layer}" for layer in (1, 2) for measure in (*ACTIVATION, "saturated")]
        assert list(inside) == expected
        for curve in inside.values():
            assert [epoch for epoch, _ in curve] == [0, 2]
            assert all(type(value) is float for _, value in curve)
        first, second = (inside[f"backward_norm/layer_{layer}"][0][1] for layer in (1, 2))
        assert replicate.metrics["backward_factor"] == pytest.approx(first / second, rel=1e-12)


def test_an_epoch_shows_what_training_has_come_to_by_then(digits):
    module = stack(digits, depth=2)
    probe, start = probe_of(module, 0, 1, 2), layer_measures(module)
    fit(module)
    after = [layer_measures(fit(stack(digits, depth=2, epochs=epochs))) for epochs in (1, 2)]
    for name, curve in probe.curves.items():
        assert [epoch for epoch, _ in curve] == [0, 1, 2]
        for (_, values), expected in zip(curve, (start, *after), strict=True):
            assert torch.equal(values, expected[name])


def test_the_probe_set_is_the_start_of_each_replicates_validation_part(digits, monkeypatch):
    monkeypatch.setattr(probes, "PROBE_EXAMPLES", 30)
    found = layer_measures(stack(digits))["activation_mean/layer_1"]
    others = layer_measures(stack(digits, lr=1.0, epochs=7, optimizer="adam"))["activation_mean/layer_1"]
    assert torch.equal(found, others)
    module = stack(digits)
    for row, seed in enumerate(SEEDS):
        (weight, _), (bias, _) = parameters(module, row)
        inputs = probe_set(digits, seed)[0][:30]
        assert float(found[row]) == pytest.approx(np.tanh(inputs @ weight + bias).mean(), rel=1e-12)


def test_a_replicate_is_measured_as_it_would_be_alone(digits):
    together, alone = (layer_measures(stack(digits, seeds, depth=3)) for seeds in (SEEDS, SEEDS[2:]))
    for name, values in together.items():
        torch.testing.assert_close(values[2:], alone[name], rtol=1e-11, atol=1e-15)


def test_a_diverged_replicate_has_nan_inside_and_disturbs_no_other(digits):
    module = stack(digits, depth=2, activation="relu")
    healthy = layer_measures(module)
    with torch.no_grad():
        module.model.weights[0][1, 20, 3] = torch.inf
    for name, values in layer_measures(module).items():
        assert torch.equal(values[[0, 2]], healthy[name][[0, 2]])
        assert not values[1].isfinite(), name


def test_what_a_diverged_replicate_does_not_have_reaches_the_record_as_nan():
    config = replace(BASE, activation="identity", depth=5, lr=1e9, epochs=1, probe_epochs=(0, 1))
    for replicate in train_stack(config, SEEDS).replicates:
        for name, curve in replicate.curves.items():
            if "/" in name:
                (_, start), (_, end) = curve
                assert math.isfinite(start)
                assert math.isnan(end)
        assert math.isfinite(replicate.metrics["backward_log10_across_4"])


@pytest.mark.parametrize("epochs", [[0, 1], (0.0,), (True,), 0, "0", None, (-1, 0), (1, 0), (0, 0)])
def test_probe_epochs_are_whole_numbers_that_ascend(epochs):
    with pytest.raises(UserError, match="probe_epochs"):
        TrainConfig(probe_epochs=epochs)
    with pytest.raises(UserError, match="probe_steps"):
        TrainConfig(steps=10, evaluate_every=5, probe_steps=epochs)


def test_probe_epochs_may_lie_beyond_the_horizon():
    assert TrainConfig(epochs=1, probe_epochs=(0, 1, 5)).probe_epochs == (0, 1, 5)


def test_probe_epochs_are_part_of_the_identity_where_there_are_any():
    plain, probed, other = (identity(TrainConfig(probe_epochs=epochs), 5, 1) for epochs in ((), (0, 1, 5), (0, 5)))
    assert "probe_epochs" not in json.loads(plain)["config"]
    assert json.loads(probed)["config"]["probe_epochs"] == [0, 1, 5]
    assert identity_difference(plain, probed, TrainConfig()) == "probe_epochs: recorded with (), now [0, 1, 5]"
    assert identity_difference(probed, other) == "probe_epochs: recorded with [0, 1, 5], now [0, 5]"


def test_networks_that_count_steps_are_looked_into_after_those_steps(digits):
    """A hundred steps are a hundred steps, however they are counted: 1,300 examples have eleven of 128 in an epoch."""
    in_steps = replace(BASE, epochs=5, steps=22, evaluate_every=11, probe_steps=(0, 11, 22, 33))
    in_epochs = replace(BASE, epochs=2, probe_epochs=(0, 1, 2))
    for ours, theirs in zip(*(train_stack(config, SEEDS).replicates for config in (in_steps, in_epochs)), strict=True):
        assert ours.weights_sha256 == theirs.weights_sha256
        for name, curve in theirs.curves.items():
            if "/" in name:
                assert ours.curves[name] == tuple((11 * epoch, value) for epoch, value in curve)


def test_a_regression_is_looked_into_by_its_own_loss():
    """Its last signal is 2 (prediction - target) / examples, by hand."""
    config = replace(
        BASE,
        dataset="sine",
        loss="mse_mean",
        output="raw",
        steps=4,
        evaluate_every=4,
        batch_size=1024,
        probe_steps=(4,),
    )
    loaded = data.load("sine")
    module = StackModule(config, SEEDS, loaded, torch.float64)
    fit_steps(module)
    found = layer_measures(module)
    chosen = module.validation_indices[:, :1000]
    inputs, targets = module.lookup(chosen)
    for row in range(3):
        weights, biases = parameters(module, row)
        hidden = np.tanh(inputs[row].numpy() @ weights[0] + biases[0])
        signal = 2 * (hidden @ weights[1] + biases[1] - targets[row].numpy()[:, None]) / 1000
        assert float(found["backward_norm/layer_2"][row]) == pytest.approx(np.sqrt((signal**2).sum()), rel=1e-10)
        assert float(found["weight_gradient_norm/layer_2"][row]) == pytest.approx(
            np.sqrt(((hidden.T @ signal) ** 2).sum()), rel=1e-10
        )


def fit_steps(module):
    quiet_trainer(module.num_intervals, []).fit(module, train_dataloaders=range(module.num_batches))


def test_a_cnn_is_looked_into_layer_by_layer_kernels_first(digits):
    """The gradient of a kernel is what a small change of it makes; maps count as the units of their layer."""
    module = stack(digits, network="cnn", width=5, activation="relu", init="he")
    found = layer_measures(module)
    names = {name.partition("/")[2] for name in found}
    assert names == {f"layer_{layer}" for layer in (1, 2, 3, 4)}
    outputs = [output for _, output in module.model.layers(module.lookup(module.validation_indices[:, :20])[0])]
    assert [output.shape[2] for output in outputs] == [8 * 64, 16 * 16, 5, 10]
    torch.testing.assert_close(outputs[-1], module.outputs(module.validation_indices[:, :20]), rtol=1e-10, atol=1e-12)
    kernel, small = module.model.kernels[1], 1e-6
    direction = torch.zeros_like(kernel)
    direction[:, 7, 3] = small
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            kernel += sign * direction
            losses.append(module.evaluate(module.validation_indices)[0])
            kernel -= sign * direction
    _, _, gradients = backward_pass(module, module.validation_indices)
    expected = (losses[0] - losses[1]) / (2 * small)
    torch.testing.assert_close(gradients[1][:, 7, 3].cpu(), expected, rtol=1e-4, atol=1e-9)


def test_how_far_the_weights_of_a_layer_have_come_is_counted_from_the_first_look(digits):
    module = stack(digits, depth=1)
    module.config = replace(module.config, probe_epochs=(0, 1), probes=("weight_change",))
    probe = LayerProbe(module)
    before = [weight.detach().clone() for weight in module.model.weights]
    fit(module)
    for layer, (first, last) in enumerate(zip(before, module.model.weights, strict=True), 1):
        (_, start), (_, end) = probe.curves[f"weight_change/layer_{layer}"]
        assert start.tolist() == [0.0] * 3
        one_epoch = stack(digits, depth=1, epochs=1)
        fit(one_epoch)
        last = one_epoch.model.weights[layer - 1]
        for row in range(3):
            change = np.linalg.norm((last - first)[row].detach()) / np.linalg.norm(first[row])
            assert float(end[row]) == pytest.approx(change, rel=1e-12)


def test_networks_that_are_not_trained_at_all_are_measured_and_looked_into():
    config = replace(BASE, epochs=0, probe_epochs=(0, 1), depth=2, probes=("weight_change", "unit_deaths"))
    trained = train_stack(replace(config, epochs=1), SEEDS).replicates
    for untouched, other in zip(train_stack(config, SEEDS).replicates, trained, strict=True):
        assert untouched.metrics["test_accuracy"] == other.metrics["untrained_test_accuracy"]
        assert untouched.metrics["steady_test_accuracy"] == untouched.metrics["test_accuracy"]
        assert set(other.metrics) - set(untouched.metrics) == {"train_progress"}
        assert set(other.curves) - set(untouched.curves) == {"train_loss"}
        assert {*untouched.metrics, *(n.partition("/")[0] for n in untouched.curves)} == set(config.gives())
        for name, curve in untouched.curves.items():
            assert repr(curve) == repr(other.curves[name][:1])  # some are NaN: no unit was silent before


def test_signals_are_told_by_number_and_as_multiples_of_the_last_hidden_layers(digits):
    config = replace(BASE, epochs=1, probe_epochs=(0, 1), depth=3, width=8, probes=("signals",))
    for replicate in train_stack(config, SEEDS).replicates:
        at_start = {name: dict(curve)[0] for name, curve in replicate.curves.items() if "/" in name}
        sizes = {1: (8, 64 * 8), 2: (8, 64), 3: (8, 64), 4: (10, 80)}
        for layer, (units, weights) in sizes.items():
            for share, norm, size, last in (
                ("signal_share", "backward_norm", units, 8),
                ("weight_gradient_share", "weight_gradient_norm", weights, 64),
            ):
                ratio = at_start[f"{norm}/layer_{layer}"] / at_start[f"{norm}/layer_3"] * math.sqrt(last / size)
                assert at_start[f"{share}/layer_{layer}"] == pytest.approx(ratio, rel=1e-12)
        squares = [
            at_start[f"activation_mean/layer_{layer}"] ** 2 + at_start[f"activation_spread/layer_{layer}"] ** 2
            for layer in (1, 3)
        ]
        assert replicate.metrics["forward_factor"] == pytest.approx((squares[1] / squares[0]) ** 0.25, rel=1e-12)
        assert replicate.metrics["signal_arriving"] == at_start["signal_share/layer_1"]
        assert replicate.metrics["weight_gradient_arriving"] == at_start["weight_gradient_share/layer_1"]
        assert {*replicate.metrics, *(n.partition("/")[0] for n in replicate.curves)} == set(config.gives())


@pytest.mark.parametrize("depth", [0, 1])
def test_without_two_hidden_layers_no_signal_arrives_anywhere(depth):
    config = replace(BASE, epochs=0, probe_epochs=(0,), depth=depth, probes=("signals",))
    (replicate, *_) = train_stack(config, SEEDS).replicates
    assert "signal_arriving" not in replicate.metrics
    assert ("signal_share/layer_1" in replicate.curves) == bool(depth)


def test_units_of_a_layer_are_told_apart_by_the_weights_that_they_come_with(digits):
    module = stack(digits, depth=2)
    module.config = replace(module.config, probe_epochs=(0,), probes=("symmetry",))
    probe, weights = LayerProbe(module), module.model.weights
    with torch.no_grad():
        weights[0].copy_(weights[0][:, :, :1].expand_as(weights[0]))
        weights[1].copy_(weights[1][:, :, :1].expand_as(weights[1]))
        weights[1][:, 3, 5] += 0.25
    probe(0)
    ((_, first),), ((_, second),) = (probe.curves[f"unit_difference/layer_{layer}"] for layer in (1, 2))
    assert first.tolist() == [0.0] * 3
    assert second.tolist() == pytest.approx([0.25] * 3)


def test_drift_is_how_far_mean_and_spread_of_each_unit_have_come(digits):
    config = replace(BASE, depth=1, width=2, probe_epochs=(0, 1), probes=("drift",), activation="identity")
    module = StackModule(config, (0,), digits)
    probe = LayerProbe(module)
    probe(0)
    inputs, _ = module.lookup(module.validation_indices[:, :1000])
    before = next(iter(module.model.layers(inputs)))[1][0].detach().double()
    with torch.no_grad():
        module.model.weights[0].mul_(2)
        module.model.biases[0].mul_(2).add_(3)
    probe(module.steps_per_epoch)
    means, spreads = before.mean(0), before.std(0, correction=0)
    expected = ((means + 3).square() + spreads.square()).mean().div(spreads.square().mean()).sqrt()
    (_, start), (_, end) = probe.curves["drift/layer_1"]
    assert start.tolist() == [0]
    assert end.tolist() == pytest.approx([float(expected)], rel=1e-5)
