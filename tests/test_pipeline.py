"""The pipeline of dvc.yaml, by the real tool at smoke tier in a copy of the project: what runs, and what does not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from research.mnist import data_folder
from research.plan import study_names

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def dvc(folder: Path, *arguments: str) -> str:
    """What a command of DVC prints in a folder; it must succeed."""
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "RESEARCH_DATA": str(data_folder()),
    }
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ran(printed: str) -> set[str]:
    """The stages that DVC says it runs, or would run."""
    return {line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project's own files, with the pipeline set to smoke tier."""
    folder = tmp_path_factory.mktemp("pipeline") / "project"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def test_every_study_and_every_script_has_its_stages():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stages["run"]["matrix"]["study"] == stages["report"]["matrix"]["study"] == study_names()
    assert all(f"${{reports}}/{name}/findings.csv" in stages["index"]["deps"] for name in study_names())


def test_a_fresh_clone_has_nothing_to_run(project):
    assert ran(dvc(project, "repro", "--dry")) == set()


def test_the_pipeline_runs_once_and_again_only_what_a_changed_study_needs(project):
    (project / "params.yaml").write_text("tier: smoke\nreports: mlruns/smoke\n")
    every = {f"{stage}@{name}" for stage in ("run", "report") for name in study_names()} | {"index"}
    assert ran(dvc(project, "repro", "--dry")) == every
    assert ran(dvc(project, "repro")) == every
    assert (project / "mlruns" / "smoke" / "index.html").is_file()
    assert ran(dvc(project, "repro")) == set()

    study = project / "studies" / "pixel_shuffle.py"
    study.write_text(study.read_text() + "\n# touched\n")
    assert ran(dvc(project, "repro")) == {"run@pixel_shuffle", "report@pixel_shuffle"}
