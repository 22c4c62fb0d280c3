"""The pipeline of dvc.yaml, by the real tool in a copy of the project, on two studies; and all at smoke size."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import command

from research.design.plan import make_plan
from research.design.study import Study
from research.design.study_files import load_study, study_names
from research.design.universes import asked_for
from research.publishing.pipeline import with_studies
from research.publishing.tables import read_export
from research.training.mnist import data_folder

ROOT = Path(__file__).resolve().parents[1]
WITH_UNIVERSES = [name for name in study_names() if (ROOT / "reports" / name / "universes").is_dir()]
BIN = Path(sys.executable).parent
MAY_DIVERGE = ("dead_relu", "initialization")  # that is what they are about
ELSEWHERE = ("loss_convergence", "tabular", "transformer_share")  # in a universe too: networks, searches, exact counts
PIPED = ("perceptron_xor", "pixel_shuffle")  # of each kind of stage one: the first has universes, the second a script


def every_stage(names: Sequence[str] = PIPED) -> set[str]:
    """The stages of studies, each with those that are published."""
    drawn = {name: "report" if (ROOT / "reports" / f"{name}.py").is_file() else "page" for name in names}
    stages = {f"{stage}@{name}" for name in names for stage in ("run", drawn[name])}
    return stages | {f"universes@{name}" for name in names if name in WITH_UNIVERSES}


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
    """A copy of the project's own files."""
    folder = tmp_path_factory.mktemp("pipeline") / "project"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def reproduced(project):
    """The same after the pipeline of two studies at smoke tier; and what DVC said that it would run, and ran."""
    path = project / "params.yaml"
    smoke = yaml.safe_load(path.read_text()) | {"tier": "smoke", "reports": "mlruns/smoke", "publish": ""}
    smoke["studies"] = {stage: [n for n in PIPED if n in names] for stage, names in smoke["studies"].items()}
    path.write_text(yaml.safe_dump(smoke))
    return project, ran(dvc(project, "repro", "--dry")), ran(dvc(project, "repro"))


def test_every_published_study_has_its_stages_and_nobody_lists_them():
    path = ROOT / "params.yaml"
    lists = yaml.safe_load(path.read_text())["studies"]
    published = [name for name in study_names() if (ROOT / "reports" / name / "runs.csv").is_file()]
    assert {f"{stage}@{name}" for stage, names in lists.items() for name in names} == every_stage(published)
    assert {stage.partition("@")[0] for stage in every_stage()} == set(lists)
    emptied = re.sub(r"\[.*\]", "[]", path.read_text())
    assert with_studies(emptied, study_names(), ROOT / "reports") == path.read_text()
    assert set(lists) == set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def test_a_fresh_clone_has_nothing_to_run(project):
    assert ran(dvc(project, "repro", "--dry")) == set()


def test_a_raise_of_numerics_runs_nothing(project):
    path = project / "research" / "design" / "identity.py"
    before = path.read_text()
    path.write_text(re.sub(r"^NUMERICS = \d+", "NUMERICS = 1000", before, flags=re.MULTILINE))
    assert path.read_text() != before
    assert ran(dvc(project, "repro", "--dry")) == set()
    path.write_text(before)


def test_all_stages_run_at_another_tier_and_not_again(reproduced):
    project, announced, done = reproduced
    assert announced == done == every_stage()
    assert (project / "mlruns" / "smoke" / "index.html").is_file()
    assert ran(dvc(project, "repro")) == set()


def elsewhere(study: Study) -> tuple[str, ...]:
    """The last universe of a study, as it is asked for. That all of them go together is tested with a toy."""
    *_, last = asked_for(study, ("all",), "smoke")
    return tuple(f"{choice}={level}" for choice, level in last.items() if level != study.reference[choice])


@pytest.mark.parametrize("name", study_names())
def test_a_study_at_smoke_size_has_what_its_claims_are_about(name, tmp_path):
    study, places = load_study(name), ("--store", tmp_path / "store", "--reports", tmp_path)
    scopes = [(), elsewhere(study)] if name in ELSEWHERE else [()]
    for scope in scopes:
        done = command(name, "--tier", "smoke", *(word for text in scope for word in ("--universes", text)), *places)
        assert done.returncode == 0, done.stderr
    folder, plan = tmp_path / name, make_plan(study, "smoke")
    _, tables, _ = read_export(study, folder, of_universes=False)
    runs = tables["runs.csv"]
    assert set(runs["cell"]) == {cell.name for cell in plan.cells}
    assert (runs.groupby("cell")["seed"].nunique() == plan.num_seeds).all()
    assert runs["diverged_step"].isna().all() or name in MAY_DIVERGE
    assert set(plan.study.headline) <= set(runs)
    for judged in plan.study.judged:
        named = {plan.study.arms.name: judged.number.arms, **judged.number.blocks}
        planned = [cell for cell in plan.cells if all(cell.levels[name] in levels for name, levels in named.items())]
        is_there = any(judged.number.metric in table for table in tables.values())
        assert is_there or not planned, judged.name  # a small tier has not all levels
    for scope in scopes[1:]:
        cells = make_plan(study, "smoke", scope=scope).cells
        assert set(pd.read_csv(folder / "universes" / "runs.csv")["cell"]) == {cell.name for cell in cells}
    by_place = any(metric.by == "place" for cell in plan.cells for metric in cell.task.gives().values())
    assert (len(tables["profiles.csv"]) > 0) == by_place
    for cell in plan.cells:
        curves = tables["curves.csv"][tables["curves.csv"]["cell"] == cell.name]
        assert curves.empty or curves[cell.task.clock].notna().all()


def test_a_changed_study_is_run_and_drawn_again_and_no_other(reproduced):
    study = reproduced[0] / "studies" / "pixel_shuffle.py"
    study.write_text(study.read_text() + "\n# touched\n")
    own = {stage for stage in every_stage() if stage.endswith("@pixel_shuffle")}
    assert ran(dvc(reproduced[0], "repro")) == own
