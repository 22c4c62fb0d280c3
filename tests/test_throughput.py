"""The contenders of benchmarks/throughput.py train the same problem, and what is made of their times is right."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import contenders, throughput
from benchmarks.throughput import REFERENCE, cases, flops, report, summary, table, units, warm_up
from research.training.config import TrainConfig

ROOT = Path(__file__).resolve().parents[1]
DIGITS = TrainConfig(dataset="mnist", depth=2, width=32, optimizer="adam", lr=0.002, epochs=1, num_train=60 * 128)
SINE = replace(cases(True)["1-32-1 adam"].config, steps=300, lr=0.01)
ONE_AT_A_TIME = ("lightning_mlflow", "lightning", "lightning_tuned", "pytorch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a contender works: an empty database of MLflow's, and one in the store of the harness."""
    folder = tmp_path_factory.mktemp("contender")
    (folder / "store").mkdir()
    shutil.copy(throughput.empty_database(folder), folder / "store")
    return folder


@pytest.fixture
def test_loss(folder, monkeypatch):
    """What a contender's training comes to."""
    monkeypatch.chdir(folder)

    def train(name, config, num_seeds):
        if name == "jax":
            pytest.importorskip("jax")
        with torch.random.fork_rng():
            return contenders.measure(name, config, num_seeds).test_loss

    return train


@pytest.mark.parametrize("name", ["harness", *throughput.PEERS])
def test_every_contender_learns_digits_alike(test_loss, name):
    assert test_loss(name, DIGITS, 3) == pytest.approx(0.52, abs=0.12)  # untrained: 2.3


@pytest.mark.parametrize("name", ["harness", "pytorch", "sklearn", "vmap", "jax"])
def test_every_contender_learns_a_sine_alike(test_loss, name):
    assert test_loss(name, SINE, 5) == pytest.approx(0.1, abs=0.06)  # a flat line: 0.5


def test_peers_that_start_from_the_same_weights_end_at_the_same_loss(test_loss):
    """With all points in every step the order of the examples does not matter."""
    config = replace(SINE, steps=30, evaluate_every=10)
    losses = [test_loss(name, config, 1) for name in (*ONE_AT_A_TIME, "vmap")]
    assert losses == pytest.approx([losses[0]] * 5, rel=1e-3)
    assert losses[0] < 0.45


def test_operations_are_those_of_the_matrix_products():
    """784-128x4-10: 784 x 128 + 3 x 128 x 128 + 128 x 10 weights, three times, but for the first layer's inputs."""
    config = replace(cases(True)[REFERENCE].config, num_train=128)
    assert flops(config) == 2 * 128 * (3 * (100_352 + 49_152 + 1_280) - 100_352)
    with FlopCounterMode(display=False) as counter:
        contenders.network(config)(torch.zeros(128, 784)).sum().backward()
    assert flops(config) == counter.get_total_flops()
    assert flops(replace(cases(True)["1-8-1 adam"].config, steps=200)) == 200 * 1024 * 2 * (8 + 8 + 8 + 8 + 8)


def test_cases_are_chosen_by_how_their_names_begin():
    options = throughput.parser().parse_args(["--cases", "784-256x3-10,1-8-1"])
    assert list(throughput.choose(options)) == ["784-256x3-10 sgd", "784-256x3-10 adam", "1-8-1 adam"]
    options = throughput.parser().parse_args(["--quick", "--peers", "vmap,pytorch"])
    assert {case.peers for case in throughput.choose(options).values()} == {("vmap", "pytorch")}


def test_a_part_of_an_epoch_counts_as_that():
    assert units(cases(False)[REFERENCE].config) == 1
    assert units(replace(cases(False)[REFERENCE].config, num_train=11_000)) == 0.2
    assert units(cases(False)["1-8-1 adam"].config) == 1000


def test_the_warm_up_has_the_whole_and_the_last_batch():
    assert warm_up(cases(False)[REFERENCE].config).num_train == 128 + 55_000 % 128
    assert warm_up(cases(True)[REFERENCE].config).num_train == 256


def made_up():
    """A summary from three rounds."""
    seconds = {
        "harness": [1.0, 2.0, 4.0],
        "harness steps": [1.0, 1.0, 1.0],
        "pytorch": [3.0, 4.0, 8.0],
        "limit": [0.5, 0.5, 0.5],
    }
    return summary(cases(False)[REFERENCE].config, seconds)


def test_ratios_are_taken_round_by_round():
    found = made_up()["contenders"]
    assert found["pytorch"]["times"] == {"median": 2, "low": 2, "high": 3}
    assert found["harness"]["per_second"] == {"median": 0.5, "low": 0.25, "high": 1}
    assert found["harness"]["limit_fraction"] == {"median": 0.25, "low": 0.125, "high": 0.5}
    assert found["harness"]["gflops"] == pytest.approx(55_000 * 704_000 / 2 / 1e9)


def test_the_headlines_are_there_and_none_where_nothing_was_measured():
    found = report({REFERENCE: made_up()})
    assert found["mnist_vs_pytorch"] == 2
    assert found["mnist_limit_fraction"] == 0.5
    assert found["mnist_vs_lightning"] is None
    assert found["sine_vs_pytorch"] == dict.fromkeys(("8", "32", "128", "512", "2048"))
    assert "pytorch" in table(REFERENCE, made_up())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "0"], "--rounds 0: at least one round is needed"),
        (["--cases", "x"], "--cases x: no such case; there are 784-128x4-10 sgd, "),
        (["--peers", "pytorch,keras"], "--peers keras: no such peer; there are lightning_mlflow, "),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(capsys, arguments, message):
    assert throughput.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_the_command_prints_one_object_and_leaves_nothing_behind(tmp_path):
    command = [sys.executable, "-m", "benchmarks.throughput", "--quick", "--json", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--cases", "1-32-1", "--peers", "pytorch"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"mnist_vs_lightning", "mnist_vs_lightning_mlflow", "mnist_vs_sklearn", "mnist_vs_pytorch"} < set(found)
    assert {"mnist_limit_fraction", "sine_vs_lightning", "environment"} < set(found)
    rows = found["cases"]["1-32-1 adam"]["contenders"]
    assert set(rows) == {"harness", "harness train", "harness steps", "pytorch", "limit"}
    assert found["sine_vs_pytorch"]["32"] == rows["pytorch"]["times"]["median"] > 0
    assert 0 < rows["harness"]["limit_fraction"]["median"] < 1
    assert rows["harness steps"]["seconds"]["median"] < rows["harness train"]["seconds"]["median"]
    assert rows["harness train"]["seconds"]["median"] < rows["harness"]["seconds"]["median"]
    assert list(tmp_path.iterdir()) == []
