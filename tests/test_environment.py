"""What results were made with is recorded."""

from importlib.metadata import version

from research.environment import environment


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
