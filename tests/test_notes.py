"""What the notes of the reports say in words is in the published tables."""

import numpy as np
import pytest
import torch

from reports.activation_depth import GAINS, mean_field_factor
from research import results
from research.piecewise import capacity_limit
from studies.loss_convergence import HORIZON
from studies.width_sine import VISIBLE


@pytest.fixture(scope="module")
def sine():
    """Runs and curves of the networks that were trained on sin x."""
    found = results("width_sine")
    return [frame[frame["case"] == "sine"] for frame in (found.runs, found.curves)]


@pytest.fixture(scope="module")
def sine_universes():
    """The numbers of the claims about sin x in each universe: a row a universe, a column a claim."""
    found = results("width_sine").universe_findings
    choices = ["activation", "optimizer", "rate", "horizon", "inputs", "init"]
    return found.pivot(index=choices, columns="claim", values="number").reset_index()


def test_wide_relu_looks_right_on_scaled_inputs_alone(sine_universes):
    relu = sine_universes.query("activation == 'relu'")
    right = relu[relu["512-same"] < VISIBLE]
    assert right[["optimizer", "inputs", "init", "horizon"]].to_numpy().tolist() == [["adam", "unit", "default", 5000]]
    reference = results("width_sine").runs.query("case == 'sine' and width <= 512")
    assert reference.groupby("width")["test_sup_error"].mean().min() > VISIBLE


def test_with_sgd_no_width_looks_right(sine_universes):
    assert (sine_universes.query("optimizer == 'sgd'")["about-100"] == 2 * 2048).all()


def test_without_biases_the_fit_stops_where_plain_pytorch_stops(sine_universes):
    stopped = sine_universes.query("init != 'default' and inputs == 'raw'")
    assert len(stopped) == 2
    assert stopped[["32-rough", "128-same"]].to_numpy() == pytest.approx(1.14, abs=0.005)
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


@pytest.fixture(scope="module")
def losses():
    return results("loss_convergence")


def test_training_not_width_is_what_keeps_the_fits_of_sin_from_looking_right(sine):
    x = np.linspace(-2 * np.pi, 2 * np.pi, 4096)
    limits = {limit.num_kinks: limit.sup for limit in capacity_limit(x, np.sin(x), [16, 32, 128])}
    assert limits[16] > VISIBLE > limits[32]
    assert sine[0].groupby("width")["test_sup_error"].mean()[128] > 100 * limits[128]


@pytest.fixture(scope="module")
def loss_universes():
    """What is said of the losses in each universe, by claim, and the runs of all of them."""
    found = results("loss_convergence")
    return found.universe_findings.set_index("claim"), found.universe_runs


def test_at_one_rate_cross_entropy_is_always_sooner_and_a_tuned_rate_takes_most_of_that_away(loss_universes):
    findings, runs = loss_universes
    sooner = findings.loc["sooner"].query("verdict != 'withheld'")
    assert (sooner.query("rate == 'customary'")["verdict"] == "supported").all()
    times = findings.loc["times-sooner"].query("squares == 'half-sum' and horizon == 8600 and init == 'default'")
    times = times.query("activation == 'relu'").set_index(["output", "rate"])["number"]
    assert (round(times["softmax", "customary"]), round(times["softmax", "tuned"], 1)) == (5, 1.2)
    assert times["raw", "customary"] < 1.3
    tuned = sooner.query("rate == 'tuned' and squares == 'half-sum' and output == 'softmax'")
    assert (tuned["number"] * tuned["n"]).tolist() == [5]
    ends = findings.loc["equal-in-the-end"].query("rate == 'tuned' and squares == 'half-sum' and output == 'softmax'")
    assert ends["high"].item() < 0.0025
    arrived = runs.query("case == 'mnist' and rate == 'tuned' and squares == 'half-sum' and output == 'softmax'")
    steps = arrived.pivot(index="seed", columns="loss", values="steps_to_target")
    assert ((steps["mse"] == steps["cross_entropy"]).sum(), (steps["mse"] > steps["cross_entropy"]).sum()) == (1, 5)


def test_where_a_control_fails_neither_loss_arrives_from_a_wrong_start(loss_universes):
    findings, runs = loss_universes
    failed = findings.loc["sooner"].query("verdict == 'withheld'")
    assert len(failed) == 5
    assert failed["reason"].str.startswith("control wrong-start did not come out").all()
    stuck = runs.query("case == 'wrong-start' and (rate == 'tenth' or activation == 'sigmoid')")
    assert stuck["reached_target"].sum() == 0
    tuned = runs.query("case == 'wrong-start' and rate == 'tuned'")
    cross_entropy = tuned.query("loss == 'cross_entropy'").set_index("seed")["steps_to_target"]
    squared = tuned.query("loss == 'mse' and output == 'sigmoid'").set_index("seed")["steps_to_target"]
    assert (squared < cross_entropy).sum() == 5


def test_sure_of_one_class_squared_error_stays_there_for_thousands_of_steps(losses):
    curves = losses.curves[(losses.curves["loss"] == "mse") & (losses.curves["case"] == "wrong-start")]
    learnt = curves[curves["validation_accuracy"] > 0.2].groupby("seed")["step"].min()
    assert len(learnt) == 10
    assert learnt.min() > 4000
    accuracy = losses.curves[(losses.curves["loss"] == "mse") & (losses.curves["case"] == "mnist")]
    means = accuracy.groupby("step")["validation_accuracy"].mean()
    assert means[HORIZON] > means[HORIZON - 1000]


@pytest.fixture(scope="module")
def depth_universes():
    """Mean progress of each activation and depth in each universe, and what is said of the claims there."""
    found = results("activation_depth")
    choices = ["init", "optimizer", "rate", "horizon", "width"]
    progress = found.universe_runs.groupby([*choices, "activation", "depth"])["train_progress"].mean().unstack()
    return progress[[4, 6, 8]].reset_index(), found.universe_findings.set_index("claim"), found


def test_another_start_or_adam_lets_relu_and_all_but_once_gelu_converge_at_every_depth(depth_universes):
    progress, findings, _ = depth_universes
    changed = "(init != 'default' or optimizer == 'adam') and rate != 'tuned'"
    converged = progress.query(changed).set_index("activation")[[4, 6, 8]].min(axis=1) > 0.8
    assert converged["relu"].tolist() == [True] * 10
    assert converged["gelu"].sum() == 9
    stopped = progress.query(f"{changed} and activation == 'gelu'").set_index(["init", "optimizer", "rate"])
    assert stopped[8].idxmin() == ("xavier", "sgd", "tenth")
    assert (stopped[8].min() < 0.01, stopped[6].min() > 0.7) == (True, True)
    would_be = findings.loc["relu-converges"].query(changed)["would_be"]
    assert would_be.tolist() == ["supported"] * 10
    usual = progress.query("init == 'default' and optimizer == 'sgd'").set_index(["activation", "rate"])
    assert usual.query("horizon == 5").loc["relu", 8].max() < 0.05
    assert usual.query("horizon == 20").loc["relu", 8].item() > 0.9
    assert usual.loc["gelu", 8].max() < 0.01


def test_sigmoid_learns_with_adam_and_stops_with_sgd(depth_universes):
    progress, _, found = depth_universes
    sigmoid = progress.query("activation == 'sigmoid'")
    adam, sgd = sigmoid.query("optimizer == 'adam'"), sigmoid.query("optimizer == 'sgd'")
    assert adam[4].min() > 0.5
    assert adam.query("rate == 'customary'")[8].min() > 0.5
    assert sgd[8].max() < 0.01
    runs = found.universe_runs.query("activation == 'sigmoid' and optimizer == 'sgd'")
    means = runs.groupby(["init", "rate", "horizon", "width", "depth"])["train_progress"].mean().unstack()
    stops = (means < 0.2).idxmax(axis=1)
    assert (stops.min(), stops.max()) == (2, 6)
    assert set(stops[stops == 6].index.droplevel([2, 3])) == {
        ("default", "tuned"),
        ("he", "tuned"),
        ("he", "customary"),
    }


def test_tanh_stays_behind_nowhere_but_at_8_layers_at_a_tenth_of_the_rate(depth_universes):
    progress, findings, _ = depth_universes
    tanh = progress.query("activation == 'tanh'").set_index(["init", "optimizer", "rate", "horizon", "width"])
    stalled = tanh[[4, 6, 8]] < 0.1
    assert stalled.to_numpy().sum() == 1
    assert stalled.loc[("default", "sgd", "tenth", 5, 128), 8]
    assert findings.loc["tanh-stalls"]["would_be"].fillna(findings.loc["tanh-stalls"]["verdict"]).eq("refuted").all()
    assert findings.loc["relu-over-tanh"]["number"].max() < 0.013


def test_controls_fail_in_all_but_two_universes_for_the_reasons_that_are_named(depth_universes):
    _, findings, found = depth_universes
    one = findings.loc["tanh-stalls"]
    judged = one.query("verdict != 'withheld'")[["init", "rate", "horizon"]]
    assert judged.to_numpy().tolist() == [["default", "customary", 20], ["he", "tuned", 5]]
    linear = found.universe_runs.query("activation == 'identity'").assign(
        score=lambda runs: runs["test_accuracy"].where(runs["diverged_step"].isna(), 0.1)
    )
    choices = ["init", "optimizer", "rate", "horizon", "width"]
    ahead = linear.pivot_table("score", choices, "depth").pipe(lambda means: means[4] - means[0])
    tenth = ahead[ahead.index.get_level_values("rate") == "tenth"].drop(("default", "sgd", "tenth"))
    assert (len(tenth), tenth.between(0.025, 0.045).all()) == (5, True)
    assert one["reason"].str.contains("shallow-learns").sum() == 1
    gone = linear.query("depth == 4").groupby(choices)["diverged_step"].count()
    assert gone[gone > 0].to_dict() == {("he", "sgd", "customary", 5, 128): 5}
    assert (ahead.abs() < 0.01).sum() == 16 - 5 - 1


def test_what_a_layer_of_sigmoid_passes_back_is_what_theory_says_of_each_start(depth_universes):
    _, findings, _ = depth_universes
    measured = findings.loc["a-quarter-a-layer"].groupby("init")["number"].mean()
    for init, gain in GAINS.items():
        assert measured[init] == pytest.approx(mean_field_factor(gain), rel=0.01)


@pytest.fixture(scope="module")
def pixel_universes():
    """What is said of shuffled pixels in each universe, by claim, and the runs of all of them."""
    found = results("pixel_shuffle")
    return found.universe_findings.set_index("claim"), found.universe_runs


def test_the_order_of_pixels_matters_to_no_mlp_of_one_or_two_layers_and_is_open_for_four(pixel_universes):
    findings, _ = pixel_universes
    judged = findings.loc["unchanged"].query("verdict != 'withheld'")
    shallow = judged.query("depth <= 2")
    assert (shallow["verdict"] == "supported").all()
    assert shallow["number"].abs().max() < 0.0011
    assert judged.query("depth == 4")["verdict"].tolist() == ["inconclusive"] * 2
    lost = findings.loc["cnn-loses"].query("verdict == 'supported'").groupby("horizon")["number"].agg(["min", "max"])
    assert lost.to_numpy() == pytest.approx(np.array([[0.037, 0.038], [0.0205, 0.0205]]), abs=0.001)


def test_networks_that_have_not_learnt_are_withheld(pixel_universes):
    findings, runs = pixel_universes
    withheld = findings.loc["cnn-loses"].query("verdict == 'withheld'")
    assert len(withheld) == 6
    assert ((withheld["training_size"] == "small") | (withheld["head"] == "pooled")).all()
    means = (
        runs.query("pixels == 'original'")
        .groupby(["training_size", "head", "horizon", "network"])["test_accuracy"]
        .mean()
    )
    assert means["small", "dense", 20, "mlp"] < 0.9
    assert means["small", "dense", 5, "cnn"] < 0.9
    assert means[:, "pooled", :, "cnn"].max() < 0.9
