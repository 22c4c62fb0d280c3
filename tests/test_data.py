"""What holds for data sets and their splits: with the real data."""

import dataclasses
import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from research.design.errors import UserError
from research.training import data
from research.training.choices import CURVES


def test_mnist_is_the_published_data(mnist):
    assert mnist.inputs.shape == (60000, 784)
    assert mnist.test_inputs.shape == (10000, 784)
    assert str(mnist.inputs.dtype) == str(mnist.test_inputs.dtype) == "torch.uint8"
    assert str(mnist.targets.dtype) == str(mnist.test_targets.dtype) == "torch.int64"
    assert mnist.targets.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert mnist.test_targets.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.targets[:5].tolist() == [5, 0, 4, 1, 9]
    # mean and deviation of the training pixels that are quoted everywhere: 0.1307 and 0.3081
    shares = mnist.inputs.flatten().bincount(minlength=256).numpy() / mnist.inputs.numel()
    values = np.arange(256) / 255
    mean = shares @ values
    assert mean == pytest.approx(0.1307, abs=5e-5)
    assert np.sqrt(shares @ (values - mean) ** 2) == pytest.approx(0.3081, abs=5e-5)


def test_digits_are_the_bundled_data_in_their_order(digits):
    assert digits.inputs.shape == (1500, 64)
    assert digits.test_inputs.shape == (297, 64)
    assert digits.inputs[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert (digits.targets.bincount() + digits.test_targets.bincount()).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip


@pytest.mark.parametrize("name", [name for name, info in data.DATA.items() if not info.draws_test])
def test_the_description_of_a_data_set_is_true(name, request):
    loaded = request.getfixturevalue(name.replace("-", "_"))
    info = data.DATA[name]
    assert loaded.info is info
    assert info.name == name
    assert loaded.inputs.shape == (info.num_pool, info.num_features)
    assert loaded.test_inputs.shape == (info.num_test, info.num_features)
    assert len(loaded.targets) == info.num_pool
    assert len(loaded.test_targets) == info.num_test
    if name in CURVES:
        assert (info.num_classes, info.num_validation, info.max_value) == (0, 0, 1)
        assert {str(part.dtype) for part in (loaded.inputs, loaded.targets, loaded.test_targets)} == {"torch.float64"}
        return
    assert loaded.targets.unique().tolist() == loaded.test_targets.unique().tolist() == list(range(info.num_classes))
    if name != "mnist-1d":  # its numbers are of variance 1
        assert loaded.inputs.max() == info.max_value
    assert 0 < info.num_validation < info.num_pool


@pytest.mark.parametrize(("name", "slope_at_zero"), [("sine", 1.0), ("line", 1 / (2 * math.pi))])
def test_a_curve_goes_evenly_from_end_to_end_of_two_periods(name, slope_at_zero, request):
    loaded = request.getfixturevalue(name)
    for inputs, targets in ((loaded.inputs, loaded.targets), (loaded.test_inputs, loaded.test_targets)):
        points, values = inputs[:, 0].tolist(), targets.tolist()
        count = len(points)
        exact = [-2 * math.pi + 4 * math.pi * place / (count - 1) for place in range(count)]
        assert points == pytest.approx(exact, abs=1e-14)
        assert (points[0], points[-1]) == (-2 * math.pi, 2 * math.pi)
        assert values == pytest.approx([math.sin(x) if name == "sine" else x / (2 * math.pi) for x in exact], abs=2e-15)
        middle = count // 2
        slope = (values[middle] - values[middle - 1]) / (points[middle] - points[middle - 1])
        assert slope == pytest.approx(slope_at_zero, rel=1e-4)


def test_few_test_points_of_a_curve_are_points_that_were_trained_on(sine):
    shared = set(sine.inputs[:, 0].tolist()) & set(sine.test_inputs[:, 0].tolist())
    assert len(shared) <= 4  # 1,023 and 4,095 intervals have three in common: the ends and the thirds


def test_another_description_of_a_curve_is_another_digest():
    digests = {info.digest for info in data.DATA.values()}
    assert len(digests) == len(data.DATA)
    for name in CURVES:
        described = data.DATA[name].source
        assert data._curve(name, "sin x + 1").digest not in digests
        assert hashlib.sha256(described.encode()).hexdigest() == data.DATA[name].digest


def test_digests_are_golden_because_fingerprints_hold_them():
    assert data.DATA["mnist"].digest == "c65580678af93f1ea48c2c0d01d543ec89307c6b8a0eb7ca542d7c18c5f4c681"
    assert data.DATA["digits"].digest == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
    assert data.DATA["mnist-1d"].digest == "fa191148f5b54d848e279d8035186a0e40dca7f1c25c673729c167f2d4d1d988"
    assert data.DATA["sine"].digest == "1df9486f0b0ecc3062add4fb99e9cba142802f4b9c184920e8489010dd9bff81"
    assert data.DATA["line"].digest == "9e5047cda3d59a6941a5b45df90f10bc4d1870791d2ab080f39f711021707648"


@pytest.mark.parametrize(("name", "library"), [("digits", "scikit-learn"), ("mnist-1d", "NumPy")])
def test_data_that_differ_from_their_digest_are_refused(name, library, monkeypatch):
    monkeypatch.setitem(data.DATA, name, dataclasses.replace(data.DATA[name], digest="0" * 64))
    # a dot is no line break: one line
    with pytest.raises(UserError, match=rf"\A{name}: .* SHA-256 .*reinstall {library} in the version .*\Z"):
        data.load(name)


def test_an_unknown_data_set_is_an_error_that_lists_the_known_ones():
    for act in (data.load, data.fetch):
        with pytest.raises(UserError, match=r"'minst'.* mnist, digits"):
            act("minst")


@pytest.mark.usefixtures("mnist")
def test_importing_the_module_and_fetching_present_files_import_nothing_heavy():
    heavy = "{'torch', 'sklearn', 'pooch', 'requests', 'tqdm', 'pandas'}"
    begin = "import sys; from research.training import data; data.fetch('mnist'); "
    code = f"{begin}sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_file_of_mnist_that_is_refused_is_refused_by_load_and_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("RESEARCH_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(b"cut short")
    for act in (data.load, data.fetch):
        with pytest.raises(UserError, match="t10k-labels-idx1-ubyte is damaged: 9 bytes"):
            act("mnist")
