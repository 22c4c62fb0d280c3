"""What results were made with is recorded."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import ROOT
from watched import committed

import research.record.environment as environment_module
from research.design.errors import UserError
from research.record.environment import computing, environment, head, listed, uncommitted, uncommitted_digest


def test_versions_cpu_and_threads_are_named():
    found = environment()
    assert f"torch {version('torch')}" in found["versions"]
    assert found["cpu"]
    assert found["threads"] == "1"


def test_what_decides_the_bits_is_named_with_the_code_whatever_git_knows_of_it(tmp_path, monkeypatch):
    found = computing()
    assert found["scipy"] == version("scipy")
    assert {"python", "torch", "numpy", "scikit-learn"} < set(found)
    monkeypatch.setattr(environment_module, "PACKAGE", tmp_path / "research")
    (tmp_path / "research" / "inner").mkdir(parents=True)
    digests = {found["code of research"], computing()["code of research"]}
    for name, text in (("a.py", ""), ("inner/b.py", ""), ("inner/b.py", "x = 1"), ("note.md", "no code")):
        (tmp_path / "research" / name).write_text(text)
        digests.add(computing()["code of research"])
    assert len(digests) == 5


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


def test_a_change_has_one_digest_whatever_git_is_told(tmp_path, monkeypatch):
    repository, other = tmp_path / "ours", tmp_path / "other"
    for folder in (repository, other):
        (folder / "research").mkdir(parents=True)
        (folder / "research" / "a.py").write_text(f"{folder.name}\n" * 9)
        committed(folder)
    monkeypatch.setattr(environment_module, "ROOT", repository)
    (repository / "research" / "a.py").write_text("changed\n")
    (repository / "research" / "new.py").write_text("new\n")
    expected = head(), uncommitted(), uncommitted_digest()
    ignored = tmp_path / "ignored"
    ignored.write_text("*.py\n")
    settings = ["color.ui=always", "diff.noprefix=true", "diff.context=0", "diff.algorithm=patience", "core.abbrev=9"]
    personal = tmp_path / "gitconfig"
    personal.write_text(f"[core]\n\texcludesFile = {ignored}\n[diff]\n\texternal = false\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(personal))
    for setting in settings:
        subprocess.run(["git", "config", *setting.split("=")], cwd=repository, check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert (head(), uncommitted(), uncommitted_digest()) == expected


def test_a_repository_that_this_is_installed_in_is_somebody_elses(tmp_path, monkeypatch):
    (tmp_path / "research").mkdir()
    (tmp_path / "research" / "a.py").write_text("theirs\n")
    committed(tmp_path)
    monkeypatch.setattr(environment_module, "ROOT", tmp_path / "research")
    assert (head(), uncommitted(), uncommitted_digest()) == ("", [], "none")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a folder to someone else")
def test_the_commit_of_a_folder_that_belongs_to_someone_else_is_named(tmp_path, monkeypatch):
    (tmp_path / "research").mkdir()
    (tmp_path / "research" / "a.py").write_text("first\n")
    committed(tmp_path)
    monkeypatch.setattr(environment_module, "ROOT", tmp_path)
    expected = head()
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, 12345, 12345)
    assert len(expected) == 40
    assert head() == expected


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with one file and what this one ignores, asked about in the place of this one."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "a.py").write_text("first\n")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    committed(tmp_path)
    monkeypatch.setattr(environment_module, "ROOT", tmp_path)
    return tmp_path


def test_what_an_editor_leaves_beside_a_study_is_no_change(clone):
    (clone / "studies" / ".#a.py").symlink_to("me@host.1:2")
    for name in ("a.py~", "#a.py#", ".a.py.swp", ".DS_Store"):
        (clone / "studies" / name).write_text("left\n")
    assert (uncommitted(), uncommitted_digest()) == ([], "none")


def test_links_to_nothing_folders_of_others_and_any_name_count_as_changes(clone):
    digests = {uncommitted_digest()}
    for target in ("nowhere", "elsewhere"):
        (clone / "studies" / "link.py").unlink(missing_ok=True)
        (clone / "studies" / "link.py").symlink_to(target)
        digests.add(uncommitted_digest())
    subprocess.run(["git", "init", "-q", clone / "studies" / "other"], check=True)
    (clone / "studies" / "other" / "b.py").write_text("b\n")
    digests.add(uncommitted_digest())
    Path(os.fsdecode(os.fsencode(clone / "studies") + b"/\xff.py")).write_text("c\n")
    digests.add(uncommitted_digest())
    assert (len(digests), len(uncommitted())) == (5, 3)


def test_git_that_fails_is_not_taken_for_no_change(clone):
    (clone / ".git" / "index").write_text("no index")
    assert len(head()) == 40
    for asked in (uncommitted, uncommitted_digest):
        with pytest.raises(UserError, match=f"^git cannot be asked about {clone} \\(fatal: .*index"):
            asked()


def test_a_commit_that_cannot_be_told_is_said_to_be_missing():
    if not (ROOT / ".git").exists():
        pytest.skip("an unpacked archive has no commit")
    code = "from research.record.environment import environment; print(sorted(environment()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PATH": "/nowhere"}, capture_output=True, text=True
    )
    assert done.stdout == "['cpu', 'threads', 'versions']\n"
    reason = f"git cannot be asked about {ROOT} (No such file or directory)"
    assert done.stderr == f"note: the commit is not recorded: {reason}\n"
