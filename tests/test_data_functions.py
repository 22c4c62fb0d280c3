"""Data sets that a function gives, in a study file outside the repository too, and tables that scikit-learn brings."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn import datasets

from research.design.errors import UserError
from research.training import data
from research.training.config import TrainConfig
from research.training.data_functions import Arrays, by_function
from research.training.data_set import parts
from research.training.examples import make_examples
from research.training.train import train_stack

SEEDS = (4, 0, 7)
TABLES = ("breast_cancer", "wine", "diabetes")


def moons():
    inputs, classes = datasets.make_moons(300, noise=0.1, random_state=5)
    return Arrays(inputs, classes, validation=0.1, test=0.3)


def numbers():
    inputs = np.random.default_rng(3).normal(size=(200, 4)) * (1, 10, 100, 0) + (0, 5, -5, 7)
    return Arrays(inputs, 3 * inputs[:, 0] + 20, test_inputs=inputs[:50] + 1, test_targets=inputs[:50, 0])


def test_a_function_gives_a_data_set_that_networks_learn():
    config = TrainConfig(dataset=by_function(moons), width=16, lr=0.5, epochs=150, batch_size=30)
    info = config.info
    assert (info.name, info.num_pool, info.num_train, info.num_validation, info.num_test) == ("moons", 300, 180, 30, 90)
    assert config.source.digest == info.digest
    for replicate in train_stack(config, SEEDS).replicates:
        assert replicate.metrics["untrained_test_accuracy"] + 0.1 < replicate.metrics["test_accuracy"] > 0.8


def test_the_parts_of_a_seed_are_disjoint_complete_and_have_their_share_of_each_class():
    config = TrainConfig(dataset=by_function(moons))
    loaded = data.load(config.dataset)
    found = [parts(loaded.info, loaded.targets.numpy(), seed) for seed in SEEDS]
    for train, validation, test in found:
        assert np.array_equal(np.sort(np.concatenate([train, validation, test])), np.arange(300))
        for part in (train, validation, test):
            assert abs(loaded.targets[part].double().mean() - 0.5) < 0.02
    assert len({tuple(test) for *_, test in found}) == 3


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_that_of_scikit_learn_and_each_seed_tests_on_a_fifth(name):
    loaded, table = data.load(name), getattr(datasets, f"load_{name}")()
    assert np.array_equal(loaded.inputs.numpy(), table.data)
    assert np.array_equal(loaded.targets.numpy(), table.target)
    info = loaded.info
    assert info.num_classes == (0 if name == "diabetes" else len(table.target_names))
    assert info.num_test == info.num_validation == round(len(table.target) / 5)


def test_a_table_that_differs_from_its_digest_is_refused(monkeypatch):
    table = datasets.load_wine()
    table.data[7, 3] += 1
    monkeypatch.setattr(datasets, "load_wine", lambda: table)
    with pytest.raises(UserError, match=r"^wine: scikit-learn's bundled copy has SHA-256 .* reinstall scikit-learn"):
        data.load("wine")


@pytest.mark.parametrize("dataset", ["wine", "diabetes", "own"])
def test_standardised_examples_are_so_by_the_training_part_of_their_seed(dataset):
    name = by_function(numbers) if dataset == "own" else dataset
    is_regression = dataset != "wine"
    more = {"loss": "mse", "output": "raw"} if is_regression else {}
    loaded = data.load(name)
    examples = make_examples(TrainConfig(dataset=name, standardize=True, **more), SEEDS, loaded)
    for row, seed in enumerate(SEEDS):
        train, validation, test = parts(loaded.info, loaded.targets.numpy(), seed)
        pool, targets = loaded.inputs.numpy(), loaded.targets.numpy()
        mean, spread = pool[train].mean(0), pool[train].std(0)
        spread[spread == 0] = 1
        test_pool = pool if loaded.info.draws_test else loaded.test_inputs.numpy()
        test_targets = targets if loaded.info.draws_test else loaded.test_targets.numpy()
        for rows, expected, found in (
            (examples.train[row], (pool[train] - mean) / spread, examples.inputs),
            (examples.validation[row], (pool[validation] - mean) / spread, examples.inputs),
            (examples.test[row], (test_pool[test] - mean) / spread, examples.test_inputs),
        ):
            np.testing.assert_allclose(found[rows], expected, rtol=1e-12, atol=1e-12)
        of_targets = (targets[train].mean(), targets[train].std()) if is_regression else (0, 1)
        expected = (test_targets[test] - of_targets[0]) / of_targets[1]
        np.testing.assert_allclose(examples.test_targets[examples.test[row]], expected, rtol=1e-12, atol=1e-12)
        if is_regression:
            np.testing.assert_allclose(examples.values[row], expected, rtol=1e-12, atol=1e-12)


def test_the_error_of_a_regression_is_that_of_the_best_line_where_a_line_is_what_it_has():
    """By a second method: least squares on the training part of each seed, evaluated on its test part."""
    config = TrainConfig(
        dataset="diabetes", standardize=True, depth=0, loss="mse", output="raw", optimizer="lbfgs", lr=1.0,
        batch_size=1000, steps=200, evaluate_every=200,
    )  # fmt: skip
    loaded = data.load("diabetes")
    for seed in SEEDS:
        (replicate,) = train_stack(config, (seed,)).replicates
        train, _, test = parts(loaded.info, loaded.targets.numpy(), seed)
        x, y = loaded.inputs.numpy(), loaded.targets.numpy()
        y = (y - y[train].mean()) / y[train].std()
        line, *_ = np.linalg.lstsq(np.c_[x[train], np.ones(len(train))], y[train], rcond=None)
        error = np.sqrt(np.mean((np.c_[x[test], np.ones(len(test))] @ line - y[test]) ** 2))
        assert replicate.metrics["steady_test_rmse"] == pytest.approx(error, rel=1e-3)


def test_each_seed_is_tested_on_its_own_part_alone(monkeypatch):
    """The accuracy is that of what a replicate says of its own test rows: counted by hand."""
    from research.training.module import StackModule

    config = TrainConfig(dataset="wine", standardize=True, epochs=0)
    loaded = data.load("wine")
    module = StackModule(config, SEEDS, loaded)
    results = train_stack(config, SEEDS).replicates
    for row, (seed, replicate) in enumerate(zip(SEEDS, results, strict=True)):
        train, _, test = parts(loaded.info, loaded.targets.numpy(), seed)
        x = loaded.inputs
        x = ((x - x[train].mean(0)) / x[train].std(0, correction=0))[test].float()
        with torch.no_grad():
            said = module.model(x.expand(3, -1, -1))[row].argmax(1)
        assert replicate.metrics["test_accuracy"] == float((said == loaded.targets[test]).double().mean())


WRONG = {
    "raises": ("1 / 0", "raises ZeroDivisionError: division by zero"),
    "nothing": ("return None", "gives NoneType, not Arrays(inputs, targets)"),
    "words": ("return Arrays([['a']], [0])", "its arrays are no numbers: could not convert string to float: 'a'"),
    "ragged": ("return Arrays([[1], [1, 2]], [0, 1])", "its arrays are no numbers: setting an array element"),
    "flat": ("return Arrays([1, 2], [0, 1])", "needs inputs [N, D] and targets [N], has (2,) and (2,)"),
    "fewer targets": ("return Arrays([[1], [2]], [0])", "needs inputs [N, D] and targets [N], has (2, 1) and (1,)"),
    "none": ("return Arrays(np.zeros((0, 2)), [])", "needs inputs [N, D] and targets [N], has (0, 2) and (0,)"),
    "not finite": ("return Arrays([[float('nan')]] * 10, [0, 1] * 5)", "has values that are not finite"),
    "classes": ("return Arrays([[1]] * 10, [-1, 1] * 5)", "classes are whole numbers from 0 that the pool has all"),
    "half a test part": ("return Arrays([[1]], [0], test_inputs=[[1]])", "test_inputs and test_targets go together"),
    "other features": (
        "return Arrays([[1]] * 9, [0] * 9, [[1, 2]], [0])",
        "its test part has 2 features, the pool 1",
    ),
    "too few": ("return Arrays([[1]], [0])", "of 1 examples there are 1 for training, 0 for validation, 0 for tests"),
    "other arrays": (
        "return Arrays(np.random.rand(10, 1), [0, 1] * 5)",
        "gives other arrays the second time; draw from a generator with a fixed seed",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_function_gives_wrongly_is_one_line(what):
    body, message = WRONG[what]
    there = {"Arrays": Arrays, "np": np}
    exec(f"def own():\n    {body}\n", there)
    there["own"].__module__ = f"studies.{what}"
    with pytest.raises(UserError, match=rf"\A.*data set own: {re.escape(message)}.*\Z"):
        TrainConfig(dataset=by_function(there["own"]))


STUDY = '''
"""Do more units follow the moons better?"""

from sklearn.datasets import make_moons

from research.design.study import Claim, Factor, Number, Study, Tier
from research.training.config import TrainConfig
from research.training.data_functions import Arrays, by_function


def moons():
    inputs, classes = make_moons(200, noise=0.1, random_state=5)
    return Arrays(inputs, classes)


def configure(width):
    return TrainConfig(dataset=by_function(moons), width=width, lr=0.5, epochs=3, batch_size=20)


STUDY = Study(
    name="crescents",
    question="Do more units follow the moons better?",
    passage="B 1",
    configure=configure,
    arms=Factor("width", (1, 64)),
    blocks=(),
    tiers={"full": Tier(seeds=12), "smoke": Tier(seeds=5)},
    headline=("test_accuracy",),
    claims=(
        Claim(
            "better", "64 units are better than one.", "B 1", "most",
            Number("steady_test_accuracy", (64, 1), {}, "difference", "only"), above=0.0,
        ),
    ),
)
'''


def test_a_study_file_elsewhere_brings_a_data_set_runs_resumes_and_is_reproduced(tmp_path):
    file = tmp_path / "crescents.py"
    file.write_text(STUDY)

    def run(module, *options):
        command = (sys.executable, "-m", f"research.{module}", *options, "--store", "store")
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr

    study = ("study", "crescents.py", "--reports", "reports")
    assert run(*study, "--seeds", "5")[::2] == (0, "")
    status, output, errors = run(*study)
    assert (status, errors) == (0, "")
    assert "\n2 of 4 stacks to train" in output
    assert run("reproduce", "crescents.py", "--sample", "1")[::2] == (0, "")
    status, _, errors = run("reproduce", "crescents", "--sample", "1")
    assert status == 2
    assert errors.splitlines()[-1].endswith("python -m research.reproduce path/to/crescents.py")
    file.write_text(STUDY.replace("random_state=5", "random_state=6"))
    status, _, errors = run(*study)
    assert status == 2
    assert "data: recorded with" in errors
