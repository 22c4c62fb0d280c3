"""What results were made with is recorded."""

from importlib.metadata import version

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
