"""What results were made with is recorded."""

from importlib.metadata import version
from pathlib import Path

import pytest
from watched import committed

import research.environment as environment_module
from research.environment import environment, head, listed, uncommitted, uncommitted_digest


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


def test_what_is_not_committed_of_the_code_is_named_and_nothing_else(tmp_path, monkeypatch):
    for name in ("research/a.py", "studies/b.py", "reports/c.py", "reports/c/README.md", "pyproject.toml", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("first\n")
    monkeypatch.setattr(environment_module, "ROOT", tmp_path)
    assert (head(), uncommitted(), uncommitted_digest()) == ("", [], "none")
    committed(tmp_path)
    assert (len(head()), uncommitted(), uncommitted_digest()) == (40, [], "none")
    for name in ("reports/c/README.md", "README.md", "new.py", "reports/c/new.py"):
        (tmp_path / name).write_text("other\n")
    assert (uncommitted(), uncommitted_digest()) == ([], "none")
    digests = {"none"}
    for number, name in enumerate(("research/a.py", "studies/b.py", "reports/c.py", "pyproject.toml"), 1):
        (tmp_path / name).write_text("other\n")
        digests.add(uncommitted_digest())
        assert len(uncommitted()) == number
    (tmp_path / "studies" / "new.py").write_text("new\n")
    (tmp_path / "research" / "a.py").unlink()
    digests.add(uncommitted_digest())
    found = ["pyproject.toml", "reports/c.py", "research/a.py", "studies/b.py", "studies/new.py"]
    assert (uncommitted(), len(digests)) == (found, 6)
