"""What is taken of trained networks: identities against autograd and differences, counts and bins by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from research.design.streams import stream
from research.training import data, data_set, measures
from research.training.config import TrainConfig
from research.training.evaluations import final_numbers
from research.training.examples import pixel_order
from research.training.measures import (
    CONFIDENTLY_WRONG,
    NUM_CASES,
    PROBABILITY_EDGES,
    curve_fit,
    extrema_right,
    formula_errors,
    logit_gradients,
    masked_mean,
    permuted_twin,
    softmax_gradients,
    train_for,
)
from research.training.module import StackModule
from research.training.train import quiet_trainer

SEEDS = (4, 0, 7)
DIGITS = TrainConfig("digits", width=16, batch_size=64)
SINE = TrainConfig("sine", width=8, output="raw", loss="mse", batch_size=1024, steps=10, evaluate_every=10)
POINTS = np.linspace(-2 * math.pi, 2 * math.pi, 4096)
TRUTH = np.sin(POINTS)


@pytest.fixture(scope="module")
def loaded():
    return {name: data.load(name) for name in ("digits", "sine", "line")}


def module_of(config, loaded, dtype=torch.float64, seeds=SEEDS):
    return StackModule(config, seeds, loaded[config.dataset], dtype)


def window(place, values, shape=TRUTH):
    """The curve with other values within 0.7 of a place."""
    return np.where(np.abs(POINTS - place) <= 0.7, values, shape)


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        (TRUTH, 4),
        (-TRUTH, 0),
        (0 * POINTS, 0),
        (-3 / (4 * math.pi**2) * POINTS, 0),  # the best line, whose largest values lie at the windows' ends
        (1.29 * TRUTH, 4),
        (0.71 * TRUTH, 4),
        (1.31 * TRUTH, 0),
        (0.69 * TRUTH, 0),
        (np.sin(POINTS + 0.59), 4),
        (np.sin(POINTS - 0.59), 4),
        (np.sin(POINTS + 0.61), 0),  # the extremum lies outside, the largest value in the window at its edge
        (np.sin(POINTS - 0.61), 0),
        (TRUTH + 0.2, 4),
        (TRUTH + 0.31, 0),
        (np.where(POINTS < 0, TRUTH, 0), 2),
        (window(math.pi / 2, 0.9 + 0.1 * (POINTS - math.pi / 2)), 3),  # right in height, but rising all through
        (window(-math.pi / 2, -0.5), 3),  # flat and too shallow
        (window(1.5 * math.pi, -1.4), 3),
        (np.maximum(TRUTH, -0.8), 2),  # its bottoms are flat across the window: no place is shown
        (np.maximum(TRUTH, -0.9), 4),
    ],
)
def test_extrema_are_right_in_place_and_height(fit, expected):
    assert extrema_right(POINTS, np.asarray(fit, dtype=float)) == expected


def test_a_fit_that_is_not_finite_has_no_extremum():
    assert extrema_right(POINTS, np.full(4096, np.nan)) == 0
    assert extrema_right(POINTS, np.full(4096, np.inf)) == 0


def test_a_fit_has_its_share_of_explained_variance_and_every_16th_point(loaded):
    module = module_of(SINE, loaded)
    found = curve_fit(module, loaded["sine"])
    points = loaded["sine"].test_inputs
    with torch.no_grad():
        ours = module.model(points.expand(3, -1, -1))[..., 0]
    truth = loaded["sine"].test_targets.numpy()
    for row in range(3):
        residual = ours[row].numpy() - truth
        expected = 1 - (residual**2).sum() / ((truth - truth.mean()) ** 2).sum()
        assert float(found.metrics["test_r_squared"][row]) == pytest.approx(expected, rel=1e-12)
        assert int(found.metrics["extrema_right"][row]) == extrema_right(POINTS, ours[row].numpy())
    assert found.profiles["fit"].shape == (3, 256)
    torch.testing.assert_close(found.profiles["fit"], ours[:, ::16], rtol=1e-12, atol=1e-15)


def test_only_sine_has_its_extrema_counted(loaded):
    module = module_of(replace(SINE, dataset="line"), loaded)
    assert set(curve_fit(module, loaded["line"]).metrics) == {"test_r_squared"}


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_a_replicate_that_is_lost_has_no_fit_and_others_keep_theirs(lost, loaded):
    module = module_of(SINE, loaded)
    before = curve_fit(module, loaded["sine"]).metrics
    with torch.no_grad():
        module.model.biases[-1][1] = lost
    after = curve_fit(module, loaded["sine"]).metrics
    for name, values in after.items():
        assert not values[1].isfinite(), name
        assert torch.equal(values[[0, 2]], before[name][[0, 2]])


def test_a_fit_that_is_far_off_is_measured_against_the_truth_all_the_same(loaded):
    """Prediction minus error would give the truth only to the precision of the prediction."""
    module = module_of(SINE, loaded)
    with torch.no_grad():
        module.model.biases[-1] += 1e17
    found = curve_fit(module, loaded["sine"]).metrics["test_r_squared"]
    variance = float(loaded["sine"].test_targets.var(correction=0))
    assert found.tolist() == pytest.approx([-1e34 / variance] * 3, rel=1e-6)


def random_logits(scale, count=200):
    rng = stream(0, "test")
    return torch.from_numpy(scale * rng.standard_normal((count, 10))), torch.from_numpy(rng.integers(0, 10, count))


LOSSES = {
    "cross_entropy": lambda logits, labels: F.cross_entropy(logits, labels, reduction="none"),
    "mse": lambda logits, labels: 0.5 * (logits.softmax(-1) - F.one_hot(labels, 10)).square().sum(-1),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0, 30.0])
def test_the_formula_of_a_gradient_is_autograds_and_that_of_finite_differences(name, scale):
    logits, labels = random_logits(scale)
    formula = softmax_gradients(logits, labels)[name]
    leaf = logits.clone().requires_grad_()
    (autograd,) = torch.autograd.grad(LOSSES[name](leaf, labels).sum(), leaf)
    torch.testing.assert_close(formula, autograd, rtol=0, atol=1e-14)
    step = 1e-6
    for unit in range(10):
        moved = step * torch.eye(10, dtype=torch.float64)[unit]
        difference = (LOSSES[name](logits + moved, labels) - LOSSES[name](logits - moved, labels)) / (2 * step)
        torch.testing.assert_close(formula[:, unit], difference, rtol=0, atol=1e-7)


def test_the_jacobian_of_the_softmax_is_between_the_two_gradients():
    logits, labels = random_logits(3.0, 5)
    found = softmax_gradients(logits, labels)
    for row in range(5):
        p = logits[row].softmax(0)
        jacobian = torch.diag(p) - torch.outer(p, p)
        torch.testing.assert_close(found["mse"][row], jacobian @ found["cross_entropy"][row], rtol=1e-12, atol=1e-16)


def test_the_error_of_the_formulas_is_rounding_and_a_wrong_formula_is_noticed(monkeypatch):
    right = formula_errors(SEEDS)
    assert {name: values.shape for name, values in right.items()} == {
        "cross_entropy_formula_error": (3,),
        "mse_formula_error": (3,),
    }
    assert all((values < 1e-14).all() for values in right.values())
    assert all((values > 0).all() for values in right.values())  # it is measured, in floating point
    assert torch.equal(formula_errors((0,))["mse_formula_error"][0], right["mse_formula_error"][1])

    def without_jacobian(logits, labels):
        difference = logits.softmax(-1) - F.one_hot(labels, 10)
        return {"cross_entropy": difference, "mse": difference}

    monkeypatch.setattr(measures, "softmax_gradients", without_jacobian)
    wrong = formula_errors(SEEDS)
    assert torch.equal(wrong["cross_entropy_formula_error"], right["cross_entropy_formula_error"])
    assert (wrong["mse_formula_error"] > 0.1).all()


def wrong_start(loaded, **options):
    """Networks that are sure of the first class."""
    return module_of(replace(DIGITS, output_bias=10.0, **options), loaded)


@pytest.mark.parametrize("pixels", ["original", "permuted"])
def test_gradients_are_those_of_the_validation_part_by_hand(pixels, loaded):
    module = wrong_start(loaded, pixels=pixels)
    found = logit_gradients(module, loaded["digits"])
    labels = loaded["digits"].targets.numpy()
    for row, seed in enumerate(SEEDS):
        validation = data_set.split(labels, 200, seed)[1]
        images = loaded["digits"].inputs.numpy()[validation] / 16
        if pixels == "permuted":
            images = images[:, pixel_order(seed, 64)]
        with torch.no_grad():
            logits = module.model(torch.from_numpy(images).expand(3, -1, -1))[row].numpy()
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        own = labels[validation]
        true = p[np.arange(200), own]
        difference = p - np.eye(10)[own]
        pulled = np.stack([(np.diag(q) - np.outer(q, q)) @ d for q, d in zip(p, difference, strict=True)])
        norms = {"cross_entropy": np.linalg.norm(difference, axis=1), "mse": np.linalg.norm(pulled, axis=1)}
        wrong = true < CONFIDENTLY_WRONG
        assert 0.85 < wrong.mean() < 0.95
        assert float(found.metrics["confidently_wrong_share"][row]) == wrong.mean()
        ratio = norms["cross_entropy"][wrong].mean() / norms["mse"][wrong].mean()
        assert float(found.metrics["gradient_ratio"][row]) == pytest.approx(ratio, rel=1e-8)
        places = np.digitize(true, PROBABILITY_EDGES[1:-1], right=True)
        for name, values in norms.items():
            expected = [values[places == k].mean() if (places == k).any() else math.nan for k in range(13)]
            profile = found.profiles[f"{name}_gradient"][row].tolist()
            assert profile == pytest.approx(expected, rel=1e-8, nan_ok=True)
            assert np.isfinite(profile).sum() >= 2


def test_where_nothing_is_confidently_wrong_there_is_no_ratio(loaded):
    found = logit_gradients(module_of(DIGITS, loaded), loaded["digits"]).metrics
    assert found["confidently_wrong_share"].tolist() == [0, 0, 0]
    assert found["gradient_ratio"].isnan().all()
    assert found["num_cases"].tolist() == [NUM_CASES] * 3


def test_the_bins_of_probability_are_half_decades_and_what_lies_below():
    assert len(PROBABILITY_EDGES) == 14
    assert (PROBABILITY_EDGES[0], PROBABILITY_EDGES[-1]) == (0.0, 1.0)
    assert PROBABILITY_EDGES[1:].tolist() == pytest.approx([10 ** (k / 2 - 6) for k in range(13)])


def test_a_lost_replicate_has_no_gradients_and_others_keep_theirs(loaded):
    module = wrong_start(loaded)
    before = logit_gradients(module, loaded["digits"])
    with torch.no_grad():
        module.model.weights[0][1, 20, 3] = math.nan
    after = logit_gradients(module, loaded["digits"])
    for name in ("confidently_wrong_share", "gradient_ratio"):
        assert after.metrics[name][1].isnan(), name
        assert torch.equal(after.metrics[name][[0, 2]], before.metrics[name][[0, 2]])
    for name, profile in after.profiles.items():
        assert profile[1].isnan().all()
        assert torch.equal(profile[[0, 2]].isnan(), before.profiles[name][[0, 2]].isnan())


def test_a_start_that_is_sure_of_one_class_gives_the_others_less_than_a_ten_thousandth(loaded):
    module = wrong_start(loaded)
    with torch.no_grad():
        p = module.outputs(module.test_indices, test=True).softmax(-1)
    true = p.gather(-1, loaded["digits"].test_targets.expand(3, -1)[..., None])[..., 0]
    share = (loaded["digits"].test_targets != 0).double().mean()
    assert ((true < 1e-4).double().mean(1) == share).all()
    assert 0.88 < share < 0.92


def test_a_masked_mean_of_nothing_is_not_a_number():
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    chosen = torch.tensor([[True, False, True], [False, False, False]])
    assert masked_mean(values, chosen).tolist() == pytest.approx([2.0, math.nan], nan_ok=True)


TWINS = [
    {},
    {"loss": "mse", "depth": 2},
    {"num_train": 200, "batch_size": 64},  # 25 epochs
    {"steps": 70, "evaluate_every": 35, "optimizer": "adam", "lr": 0.01},
    {"pixels": "original"},
]


@pytest.mark.parametrize("options", TWINS, ids=str)
def test_training_on_permuted_pixels_is_training_with_permuted_weights(options, loaded):
    module = module_of(replace(DIGITS, **{"pixels": "permuted", **options}), loaded, torch.float32)
    found = permuted_twin(module, loaded["digits"]).metrics
    assert list(found) == ["twin_difference"]
    assert found["twin_difference"].dtype == torch.float64
    assert (found["twin_difference"] < 1e-11).all()


def test_a_twin_whose_weights_are_not_permuted_alike_parts_from_it(monkeypatch, loaded):
    module = module_of(replace(DIGITS, pixels="permuted"), loaded)
    monkeypatch.setattr(measures, "pixel_order", lambda seed, count: np.arange(count))
    found = permuted_twin(module, loaded["digits"]).metrics["twin_difference"]
    assert (found > 0.01).all()
    monkeypatch.setattr(measures, "pixel_order", lambda seed, count: np.argsort(pixel_order(seed, count)))  # inverted
    assert (permuted_twin(module, loaded["digits"]).metrics["twin_difference"] > 0.01).all()


def test_taking_the_twins_leaves_the_trained_networks_alone(loaded):
    module = module_of(replace(DIGITS, pixels="permuted"), loaded)
    before = [parameter.clone() for parameter in module.parameters()]
    curves = {name: list(curve) for name, curve in module.curves.items()}
    permuted_twin(module, loaded["digits"])
    assert all(torch.equal(*pair) for pair in zip(before, module.parameters(), strict=True))
    assert module.curves == curves


def test_a_permuted_network_is_trained_to_the_function_that_its_twin_has(loaded):
    """Through Lightning, over whole epochs, on the test part: x in the seed's order, W with its rows so ordered."""
    config = replace(DIGITS, epochs=2)
    permuted, twin = (module_of(replace(config, pixels=pixels), loaded) for pixels in ("permuted", "original"))
    with torch.no_grad():
        for row, seed in enumerate(SEEDS):
            inverse = np.argsort(pixel_order(seed, 64))
            twin.model.weights[0][row] = permuted.model.weights[0][row][inverse]
    for module in (permuted, twin):
        quiet_trainer(2, []).fit(module, train_dataloaders=range(module.num_batches))
    ours, theirs = (module.outputs(module.test_indices, test=True) for module in (permuted, twin))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(ours[0], ours[1], atol=0.01)


def test_the_first_steps_without_a_trainer_are_the_trainers(loaded):
    config = replace(DIGITS, num_train=300)  # epochs of 5
    alone, trained = (module_of(replace(config, epochs=3), loaded) for _ in range(2))
    train_for(alone, 15)
    quiet_trainer(3, []).fit(trained, train_dataloaders=range(trained.num_batches))
    for one, other in zip(alone.parameters(), trained.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_generalisation_gap_is_training_accuracy_minus_test_accuracy(digits):
    config = TrainConfig("digits", 1, 16, lr=0.5, num_train=200, measures=("generalisation",))
    module = StackModule(config, (3, 0), digits)
    train_for(module, 60)
    found = final_numbers(module)
    for row in range(2):
        train = torch.from_numpy(module.train_indices[row])
        right = module.model(module.lookup(torch.from_numpy(module.train_indices))[0])[row].argmax(1)
        accuracy = float((right == digits.targets[train]).double().mean())
        assert float(found["train_accuracy"][row]) == accuracy
        assert float(found["generalisation_gap"][row]) == pytest.approx(accuracy - float(found["test_accuracy"][row]))
        assert 0.5 < accuracy != float(found["test_accuracy"][row])


def test_zeros_are_counted_over_units_and_examples_and_by_example(digits):
    module = StackModule(TrainConfig("digits", 2, 4, measures=("sparsity",)), (0,), digits, torch.float64)
    with torch.no_grad():
        for weight in module.model.weights:
            weight.zero_()
        module.model.biases[0][0, 0] = torch.tensor([1.0, -1.0, -1.0, -1.0])
        module.model.biases[1][0, 0] = torch.tensor([1.0, 1.0, 1.0, -1.0])
        module.model.weights[0][0, :, 1] = (
            1.0  # of an image with more ink than 20, of the sum of pixels, this unit is on
        )
        module.model.biases[0][0, 0, 1] = -20.0
    ink = module.lookup(module.validation_indices)[0][0].sum(1)
    on = float((ink > 20).double().mean())
    found = final_numbers(module)
    assert 0 < on < 1
    assert float(found["zero_share"]) == pytest.approx((4 - on) / 8)
    assert float(found["mostly_zero_share"]) == 0  # a half is not most
    with torch.no_grad():
        module.model.biases[1][0, 0, 2] = -1.0
    assert float(final_numbers(module)["mostly_zero_share"]) == pytest.approx(1 - on)
