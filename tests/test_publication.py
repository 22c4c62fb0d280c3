"""What may be published, seen through the command in a copy of the project; and how other runs agree with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT, Toy, error_line
from watched import committed

from research.publishing.publication import agreement, unpublishable
from research.publishing.tables import PROVENANCE, SUMS, TABLES, sums


def typed(clone: Path, module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The finished process of a command of a copy of the project."""
    return subprocess.run(
        [sys.executable, "-m", f"research.{module}", *words],
        cwd=clone, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(clone)},
    )  # fmt: skip


def refused(clone: Path, *words: str) -> str:
    """The line with which a study is not published, before anything was made."""
    made = [path for path in (clone / "mlruns", clone / "reports" / "toy") if path.exists()]
    done = typed(clone, "study", *words, "--publish")
    assert done.stdout == ""
    assert [path for path in (clone / "mlruns", clone / "reports" / "toy") if path.exists()] == made
    return error_line(done.returncode, done.stderr)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A committed copy of the project with the toy study alone, before its first run."""
    clone = tmp_path_factory.mktemp("project") / "clone"
    shutil.copytree(ROOT / "research", clone / "research", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, clone)
    for name in ("studies", "reports"):
        (clone / name).mkdir()
    Toy(clone / "studies").write()
    committed(clone)
    return clone


@pytest.fixture(scope="module")
def published(project, tmp_path_factory) -> Path:
    """The same after the study was published."""
    clone = tmp_path_factory.mktemp("published") / "clone"
    shutil.copytree(project, clone)
    done = typed(clone, "study", "toy", "--publish", "--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"tables and figures: {clone}/reports/toy\n")
    return clone


@pytest.fixture
def copied(published, tmp_path) -> Path:
    """A copy of that, which may be changed."""
    return Path(shutil.copytree(published, tmp_path / "clone"))


def test_what_was_published_says_so_and_from_which_commit_and_passes_the_check(published):
    made_with = json.loads((published / "reports" / "toy" / PROVENANCE).read_text())
    assert made_with["published"] is True
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=published, text=True).strip()
    assert [(one["commit"], one["uncommitted"]) for one in made_with["environments"]] == [(head, "none")]
    assert typed(published, "report").returncode == 0
    done = typed(published, "report", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "fits its tables: toy\n", "")


def test_any_other_run_is_written_under_the_store_and_says_how_it_agrees(copied):
    before = {path: path.read_bytes() for path in (copied / "reports").rglob("*.*")}
    done = typed(copied, "study", "toy")
    assert (done.returncode, done.stderr) == (0, "")
    line = "beside the published findings: verdicts equal: 1 of 1; all numbers are equal"
    assert done.stdout.endswith(f"\n\n{line}\n\ntables and figures: {copied}/mlruns/reports/toy\n")
    assert {path: path.read_bytes() for path in (copied / "reports").rglob("*.*")} == before
    made_with = json.loads((copied / "mlruns" / "reports" / "toy" / PROVENANCE).read_text())
    assert made_with["published"] is False


@pytest.mark.parametrize("name", ["research/design/wording.py", "studies/toy.py", "reports/toy.py", "pyproject.toml"])
def test_code_that_is_not_committed_is_not_published(project, tmp_path, name):
    clone = Path(shutil.copytree(project, tmp_path / "clone"))
    with (clone / name).open("a") as file:
        file.write("\n# changed\n")
    assert refused(clone, "toy") == f"--publish: {name} is not as committed; commit the code first"


def test_what_is_no_code_need_not_be_committed(project, tmp_path):
    clone = Path(shutil.copytree(project, tmp_path / "clone"))
    (clone / "README.md").write_text("changed")
    (clone / "reports" / "index.html").write_text("new")
    assert typed(clone, "study", "toy", "--plan").returncode == 0
    assert "toy-small is not toy as declared" in refused(clone, "toy", "--tier", "small")


def test_only_a_study_of_the_project_as_it_is_declared_is_published(project, tmp_path):
    clone = Path(shutil.copytree(project, tmp_path / "clone"))
    for words, what in ((["--seeds", "4"], "toy-4-seeds"), (["--only", "depth=1"], "toy-part")):
        line = f"--publish: {what} is not toy as declared; leave out what makes it another"
        assert refused(clone, "toy", *words) == line
    shutil.copy(clone / "studies" / "toy.py", tmp_path / "toy.py")
    line = f"--publish: {tmp_path}/toy.py is not one of studies/; move its file there and commit it"
    assert refused(clone, f"{tmp_path}/toy.py") == line
    line = f"--publish writes to reports/, not to --reports {tmp_path}: leave one of them out"
    assert refused(clone, "toy", "--reports", str(tmp_path)) == line
    done = typed(clone, "study", "toy", "--reports", "reports")
    line = "--reports reports: only --publish writes there; leave it out, or choose another folder"
    assert error_line(done.returncode, done.stderr) == line


def test_without_a_commit_nothing_is_published(project, tmp_path):
    clone = Path(shutil.copytree(project, tmp_path / "clone", ignore=shutil.ignore_patterns(".git")))
    assert refused(clone, "toy").startswith("--publish: the code is in no commit of git")


def test_results_that_uncommitted_code_has_recorded_are_not_published(project, tmp_path):
    clone = Path(shutil.copytree(project, tmp_path / "clone"))
    (clone / "research" / "more.py").write_text("")
    assert typed(clone, "study", "toy", "--only", "depth=1", "--workers", "2").returncode == 0
    (clone / "research" / "more.py").unlink()
    assert refused(clone, "toy") == (
        "--publish: the results of toy/full/activation=tanh/depth=1/seeds=0-9 and of 1 more were made by code that was "
        "not committed; replace them with --redo, or choose another store with --store"
    )


def test_the_check_refuses_what_was_not_published_from_a_commit(copied):
    folder = copied / "reports" / "toy"
    made_with = json.loads((folder / PROVENANCE).read_text())
    made_with["environments"][0]["uncommitted"] = "0123456789ab"
    for changes, says in (
        ({}, "says that code which was not committed made a part of it; run it again"),
        ({"published": False}, "tables that were not made with --publish do not belong here"),
    ):
        (folder / PROVENANCE).write_text(json.dumps(made_with | changes))
        (folder / SUMS).write_bytes(sums({name: (folder / name).read_bytes() for name in (*TABLES, PROVENANCE)}))
        typed(copied, "report")
        done = typed(copied, "report", "--check")
        assert (done.returncode, done.stdout) == (1, f"refused: {folder}/{PROVENANCE}: {says}\n")


@pytest.mark.parametrize("universes", ["", "universes"])
def test_provenances_from_before_publishing_are_let_be_and_universes_are_looked_at_too(tmp_path, universes):
    (tmp_path / universes).mkdir(exist_ok=True)
    made_with = {"environments": [{"commit": "f" * 40, "uncommitted": "0123456789ab"}]}
    (tmp_path / universes / PROVENANCE).write_text(json.dumps(made_with))
    assert unpublishable(tmp_path) == []
    (tmp_path / universes / PROVENANCE).write_text(json.dumps(made_with | {"published": True}))
    assert len(unpublishable(tmp_path)) == 1
    (tmp_path / universes / PROVENANCE).write_text(json.dumps({"published": True, "environments": [{}]}))
    assert len(unpublishable(tmp_path)) == 1


def findings(folder: Path, *rows: tuple[str, str, float, float, str]) -> Path:
    """A folder with findings, of which each row gives role, name, number, width of the interval and verdict."""
    folder.mkdir()
    frame = pd.DataFrame(
        [(role, name, number, number - width / 2, number + width / 2, v) for role, name, number, width, v in rows],
        columns=["role", "name", "number", "low", "high", "verdict"],
    )
    frame.to_csv(folder / "findings.csv", index=False)
    return folder


def test_agreement_names_the_first_other_verdict_and_the_number_that_moved_most_for_its_interval(tmp_path):
    nan = float("nan")
    there = findings(
        tmp_path / "there", ("control", "sane", 1.0, 1.0, "supported"), ("claim", "narrow", 0.5, 0.1, "supported"),
        ("claim", "wide", 100.0, 50.0, "refuted"), ("claim", "exact", 1e-16, nan, "supported"),
    )  # fmt: skip
    here = findings(
        tmp_path / "here", ("control", "sane", 9.0, 1.0, "refuted"), ("claim", "narrow", 0.55, 0.1, "inconclusive"),
        ("claim", "wide", 101.0, 50.0, "refuted"), ("claim", "exact", 2e-16, nan, "supported"),
    )  # fmt: skip
    assert agreement(here, there) == (
        "beside the published findings: verdicts equal: 2 of 3 (narrow is inconclusive, not supported); "
        "largest difference of a number: 0.550, not 0.500, of narrow"
    )
    assert agreement(there, there).endswith("verdicts equal: 3 of 3; all numbers are equal")
    assert agreement(here, tmp_path) == ""


def test_a_number_that_is_not_known_is_compared_by_that_and_its_verdict_too(tmp_path):
    nan = float("nan")
    there = findings(
        tmp_path / "there", ("claim", "open", nan, nan, "supported"), ("claim", "one", 0.5, 0.1, "supported")
    )
    assert agreement(there, there).endswith("verdicts equal: 2 of 2; all numbers are equal")
    here = findings(
        tmp_path / "here", ("claim", "open", nan, nan, "inconclusive"), ("claim", "one", nan, nan, "supported")
    )
    assert agreement(here, there) == (
        "beside the published findings: verdicts equal: 1 of 2 (open is inconclusive, not supported); "
        "largest difference of a number: not known, not 0.500, of one"
    )


def test_of_a_run_that_is_not_judged_numbers_alone_are_compared(tmp_path):
    there = findings(tmp_path / "there", ("claim", "one", 0.5, 0.1, "supported"))
    here = findings(tmp_path / "here", ("claim", "one", 0.51, 0.1, "not judged"))
    assert "1 number without verdicts, since this is not the study as declared; largest" in agreement(here, there)


def test_universes_are_compared_one_by_one(tmp_path):
    names = ["claim", "init", "number", "low", "high", "verdict"]
    for place, number in (("there", 0.5), ("here", 0.6)):
        (tmp_path / place).mkdir()
        rows = [("works", "default", 0.5, 0.4, 0.6, "supported"), ("works", "he", number, 0.4, 0.6, "supported")]
        pd.DataFrame(rows, columns=names).to_csv(tmp_path / place / "findings.csv", index=False)
    assert agreement(tmp_path / "here", tmp_path / "there") == (
        "beside the published findings: verdicts equal: 2 of 2; largest difference of a number: 0.600, not 0.500, of "
        "works, init=he"
    )
