"""What results were made with is recorded."""

from importlib.metadata import version
from pathlib import Path

import pytest

from research.environment import environment, listed


def test_versions_cpu_and_threads_are_named():
    found = environment()
    assert f"torch {version('torch')}" in found["versions"]
    assert found["cpu"]
    assert found["threads"] == "1"


def test_in_a_clone_the_commit_and_whether_files_were_changed_are_named():
    found = environment()
    if "mlflow.source.git.commit" in found:  # an unpacked archive has none
        assert len(found["mlflow.source.git.commit"]) == 40
        assert found["uncommitted"] == "none" or len(found["uncommitted"]) == 12


def test_what_tags_say_is_listed_a_thing_each_whatever_else_they_hold():
    found = listed({**environment(), "device": "cpu", "key": "toy/full/activation=relu", "claims": "{}"})
    assert found["torch"] == version("torch")
    assert {"python", "numpy", "CPU class", "device", "threads"} <= set(found)
    assert {"key", "claims", "versions", "cpu"}.isdisjoint(found)
    assert listed({}) == {}


def test_processors_of_different_generations_are_different_classes():
    if not Path("/proc/cpuinfo").exists():
        pytest.skip("the system names its processor otherwise")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    for field in ("model name", "cpu family", "model"):
        (value, *_) = (line.partition(": ")[2] for line in lines if line.partition("\t")[0].strip() == field)
        assert value in environment()["cpu"]
