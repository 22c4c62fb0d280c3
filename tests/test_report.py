"""Tables and figures: what is exported, drawn, and noticed when it no longer fits."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from test_store import PLAN, made_up_result

from research.design import UserError
from research.plan import load_study, make_plan
from research.report import ROOT, export, main, read_tables, render
from research.store import State, Store, read_runs, read_state
from research.tracking import Recorder


def recorded_state(store: Store) -> State:
    recorder = Recorder(store, PLAN)
    for stack in PLAN.stacks:
        recorder.write_stack(stack, made_up_result(stack.seeds, value=1 / 3))
    return read_state(PLAN, read_runs(store, "toy"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """Tables of the shape of activation_depth with numbers that are made up."""
    folder = tmp_path_factory.mktemp("reports") / "activation_depth"
    folder.mkdir()
    plan = make_plan(load_study("activation_depth"))
    heads = [{"cell": cell.name, **cell.levels, "seed": seed} for cell in plan.cells for seed in range(3)]
    made_up = {"diverged_step": None, "train_loss": 0.4, "train_progress": 0.8}
    runs = [{**head, **made_up, "test_accuracy": 0.9 - 0.01 * head["seed"]} for head in heads]
    curves = [
        {**head, "epoch": epoch, "train_loss": 2 / (epoch + 1) if epoch else None, "validation_accuracy": epoch / 10}
        for head in heads
        for epoch in range(6)
    ]
    pd.DataFrame(runs).to_csv(folder / "runs.csv", index=False)
    pd.DataFrame(curves).to_csv(folder / "curves.csv", index=False)
    return folder


def test_tables_hold_results_to_six_digits_and_provenance_stands_beside_them(tmp_path):
    store = Store(tmp_path / "store")
    state = recorded_state(store)
    export(store, PLAN, state, tmp_path / "out")
    runs = (tmp_path / "out" / "runs.csv").read_text().splitlines()
    assert runs[0] == "cell,activation,depth,seed,diverged_step,test_accuracy,test_loss,train_loss"
    assert runs[1] == "tanh depth=1,tanh,1,0,,0.333333,1,2"
    assert runs[2] == "tanh depth=1,tanh,1,1,,1.33333,,2.1"
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    stacks = provenance["environments"][0]["stacks"]
    assert stacks[PLAN.stacks[0].key]["seconds"] == 2.5
    assert stacks[PLAN.stacks[0].key]["started"] == "1970-01-01T00:16:40+00:00"
    assert provenance["fingerprints"][PLAN.cells[0].key] == PLAN.cells[0].fingerprint


def test_the_same_tables_give_the_same_bytes_in_another_process(tables):
    here = render("activation_depth", tables)
    assert set(here) == {
        f"{name}.{kind}" for name in ("learning_curves", "accuracy_by_depth") for kind in ("png", "svg")
    }
    command = [sys.executable, "-m", "research.report", "activation_depth", "--reports", str(tables.parent)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert {name: (tables / name).read_bytes() for name in here} == here


def test_check_passes_on_fresh_figures_and_names_one_that_was_changed(tables, capsys):
    reports = ["--reports", str(tables.parent)]
    assert main(reports) == 0
    assert main(["--check", *reports]) == 0
    figure = tables / "accuracy_by_depth.png"
    figure.write_bytes(figure.read_bytes() + b"x")
    assert main(["--check", *reports]) == 1
    assert "accuracy_by_depth.png does not fit its tables" in capsys.readouterr().out


def test_check_notices_a_number_changed_in_a_table(tables):
    reports = ["--reports", str(tables.parent)]
    main(reports)
    table = tables / "runs.csv"
    before = table.read_text()
    table.write_text(before.replace(",0.9", ",0.5", 1))
    assert main(["--check", *reports]) == 1
    table.write_text(before)
    assert main(["--check", *reports]) == 0


def test_the_committed_figures_fit_the_committed_tables():
    assert main(["--check"]) == 0


def test_a_missing_table_and_one_without_its_columns_are_refused_in_a_line(tmp_path):
    with pytest.raises(UserError, match=r"runs.csv: cannot be read .* run the study to export it again"):
        read_tables(tmp_path)
    (tmp_path / "runs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"runs.csv: has no column 'seed'"):
        read_tables(tmp_path)


def test_an_unknown_study_is_refused(capsys):
    assert main(["nonesuch"]) == 2
    assert "no study 'nonesuch'" in capsys.readouterr().err
