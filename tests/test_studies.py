"""Every study of `studies/` runs at its smallest tier through the command, and has the numbers that it claims."""

import pandas as pd
import pytest
from conftest import command

from research.plan import load_study, make_plan, study_names


@pytest.mark.parametrize("name", study_names())
def test_a_study_runs_at_smoke_size_and_has_what_its_claims_are_about(name, tmp_path):
    places = ["--store", tmp_path / "store", "--reports", tmp_path / "reports"]
    done = command(name, "--tier", "smoke", *places)
    assert (done.returncode, done.stderr) == (0, "")
    plan = make_plan(load_study(name), "smoke")
    folder = tmp_path / "reports" / name
    assert done.stdout.endswith(f"tables and figures: {folder}\n")
    runs = pd.read_csv(folder / "runs.csv")
    assert set(runs["cell"]) == {cell.name for cell in plan.cells}
    assert (runs.groupby("cell")["seed"].nunique() == plan.num_seeds).all()
    assert runs["diverged_step"].isna().all()
    assert set(plan.study.headline) <= set(runs)
    for judged in plan.study.judged:
        named = {plan.study.arms.name: judged.number.arms, **judged.number.blocks}
        planned = [cell for cell in plan.cells if all(cell.levels[name] in levels for name, levels in named.items())]
        assert judged.number.metric in runs or not planned, judged.name  # a small tier has not all levels
    measured = {measure for cell in plan.cells for measure in cell.config.measures}
    profiles = pd.read_csv(folder / "profiles.csv")
    assert (len(profiles) > 0) == bool(measured & {"curve_fit", "logit_gradients"})
    clock = "step" if any(cell.config.steps for cell in plan.cells) else "epoch"
    assert clock in pd.read_csv(folder / "curves.csv")
    again = command(name, "--tier", "smoke", *places)
    assert (again.returncode, again.stderr) == (0, "")
    assert "to train" not in again.stdout
