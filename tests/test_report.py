"""What is published: exported once, drawn again by anyone, and noticed when it no longer fits."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from test_store import PLAN, made_up_result

from research.config import UserError
from research.data import stream
from research.plan import load_study, make_plan
from research.report import (
    PROVENANCE,
    ROOT,
    SUMS,
    TABLES,
    changed_claims,
    export,
    judge_tables,
    main,
    publish,
    read_tables,
    render,
    sums,
)  # fmt: skip
from research.store import State, Store, read_runs, read_state
from research.tracking import Recorder
from research.verdict import claim_digest

FIGURES = ("findings", "learning_curves", "accuracy_by_depth", "backward_signal")


def recorded_state(store: Store) -> State:
    recorder = Recorder(store, PLAN)
    for stack in PLAN.stacks:
        recorder.write_stack(stack, made_up_result(stack.seeds, value=1 / 3))
    return read_state(PLAN, read_runs(store, "toy"))


def sign(folder: Path) -> None:
    """Make the sums fit the tables, as an export does."""
    (folder / SUMS).write_bytes(sums({name: (folder / name).read_bytes() for name in (*TABLES, PROVENANCE)}))


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """What is published of activation_depth, from numbers that are made up."""
    folder = tmp_path_factory.mktemp("reports") / "activation_depth"
    folder.mkdir()
    study = load_study("activation_depth")
    rng = stream(0, "test")
    heads = [{"cell": c.name, **c.levels, "seed": s} for c in make_plan(study).cells for s in range(10)]
    runs = [
        {**head, "diverged_step": None, "train_loss": 0.4, "train_progress": 0.8 + 0.01 * rng.standard_normal(),
         "test_accuracy": 0.9, "backward_factor": 0.2 + 0.01 * rng.standard_normal(),
         "backward_log10_across_4": -2.5 + 0.01 * rng.standard_normal()}
        for head in heads
    ]  # fmt: skip
    curves = [
        {**head, "epoch": epoch, "train_loss": 2 / (epoch + 1) if epoch else None, "validation_accuracy": epoch / 10}
        for head in heads
        for epoch in range(6)
    ]
    layers = [
        {**head, "epoch": epoch, "layer": layer, "backward_norm": 0.25 ** (8 - layer)}
        for head in heads
        for epoch in (0, 5)
        for layer in range(1, int(head["depth"]) + 1)
    ]
    profiles = [{**head, "place": place, "fit": 0.1 * place} for head in heads for place in range(2)]
    for name, rows in zip(TABLES, (runs, curves, layers, profiles), strict=True):
        pd.DataFrame(rows).to_csv(folder / name, index=False)
    digests = {judged.name: [claim_digest(judged)] for judged in study.judged}
    fingerprints = {cell.key: cell.fingerprint for cell in make_plan(study).cells}
    (folder / "provenance.json").write_text(json.dumps({"claims": digests, "fingerprints": fingerprints}))
    sign(folder)
    assert main(["--reports", str(folder.parent)]) == 0
    return folder


def test_tables_hold_results_to_six_digits_and_provenance_stands_beside_them(tmp_path):
    store = Store(tmp_path / "store")
    state = recorded_state(store)
    export(store, PLAN, state, tmp_path / "out")
    runs = (tmp_path / "out" / "runs.csv").read_text().splitlines()
    assert runs[0] == "cell,activation,depth,seed,diverged_step,test_accuracy,test_loss,train_loss"
    assert runs[1] == "tanh depth=1,tanh,1,0,,0.333333,1,2"
    assert runs[2] == "tanh depth=1,tanh,1,1,,1.33333,,2.1"
    assert (tmp_path / "out" / "layers.csv").read_text().splitlines()[1] == "tanh depth=1,tanh,1,0,0,1,0.5"
    profiles = (tmp_path / "out" / "profiles.csv").read_text().splitlines()
    assert profiles[:3] == [
        "cell,activation,depth,seed,place,fit",
        "tanh depth=1,tanh,1,0,0,0",
        "tanh depth=1,tanh,1,0,1,1",
    ]
    assert len(read_tables(tmp_path / "out").profiles) == len(profiles) - 1 == 12 * 3
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    stack = provenance["stacks"][PLAN.stacks[0].key]
    assert stack["seconds"] == 2.5
    assert stack["started"] == "1970-01-01T00:16:40+00:00"
    assert "torch" in provenance["environments"][stack["environment"]]["versions"]
    assert provenance["fingerprints"][PLAN.cells[0].key] == PLAN.cells[0].fingerprint


def test_the_same_tables_give_the_same_bytes_in_another_process(made_up):
    before = {path.name: path.read_bytes() for path in made_up.iterdir()}
    assert {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")} < set(before)
    assert {"findings.csv", "README.md"} < set(before)
    subprocess.run([sys.executable, "-m", "research.report", "--reports", str(made_up.parent)], check=True, cwd=ROOT)
    assert {path.name: path.read_bytes() for path in made_up.iterdir()} == before


@pytest.mark.parametrize("change", ["a figure", "the page", "a file too few", "a file too many"])
def test_check_names_what_does_not_come_from_the_tables(made_up, capsys, change):
    name = {"a figure": "findings.png", "the page": "README.md", "a file too few": "findings.csv"}.get(change, "x.png")
    path = made_up / name
    before = path.read_bytes() if path.exists() else None
    path.unlink() if change == "a file too few" else path.write_bytes((before or b"") + b"x")
    assert main(["--check", "--reports", str(made_up.parent)]) == 1
    assert f"{name} does not come from its tables" in capsys.readouterr().out
    path.unlink(missing_ok=True) if before is None else path.write_bytes(before)


@pytest.mark.parametrize("table", TABLES)
def test_a_number_changed_by_hand_is_refused(made_up, capsys, table):
    path = made_up / table
    before = path.read_bytes()
    path.write_bytes(before[:-3] + b"7" + before[-2:])
    assert main(["--check", "--reports", str(made_up.parent)]) == 2
    assert f"{table}: is not what was exported; run the study to export it again" in capsys.readouterr().err
    path.write_bytes(before)


def test_all_fits_when_nothing_was_touched(made_up):
    assert main(["--check", "--reports", str(made_up.parent)]) == 0


def test_findings_and_page_say_what_the_tables_say(made_up):
    findings = pd.read_csv(made_up / "findings.csv").set_index("name")
    assert len(findings) == len(load_study("activation_depth").claims) + 2
    runs = pd.read_csv(made_up / "runs.csv")
    rows = runs[(runs["activation"] == "sigmoid") & (runs["depth"] == 8)]
    assert findings.loc["a-quarter-a-layer", "number"] == pytest.approx(rows["backward_factor"].mean(), rel=1e-5)
    assert findings.loc["a-quarter-a-layer", "verdict"] == "supported"
    assert "At most a quarter" not in (made_up / "README.md").read_text()


def test_a_claim_that_changed_since_the_runs_is_noticed(made_up):
    study = load_study("activation_depth")
    assert changed_claims(study, made_up) == []
    first, *others = study.claims
    assert changed_claims(replace(study, claims=(replace(first, below=0.03), *others)), made_up) == [first.name]


def test_a_part_of_a_study_is_drawn_but_not_judged(made_up):
    files = render(load_study("activation_depth"), made_up, None)
    assert not {"findings.csv", "README.md", "findings.png"} & set(files)
    assert "learning_curves.png" in files


def test_tables_of_another_configuration_are_not_judged(made_up):
    study = load_study("activation_depth")
    changed = replace(study, configure=lambda **levels: replace(study.configure(**levels), batch_size=77))
    with pytest.raises(UserError, match=r"made with another configuration of activation_depth/full/"):
        judge_tables(changed, made_up)


def test_a_study_without_claims_or_script_is_published_as_tables(tmp_path):
    store = Store(tmp_path / "store")
    state = recorded_state(store)
    runs, judgement = publish(store, PLAN, state, tmp_path / "out")
    assert judgement is None
    assert len(runs) == 12
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*TABLES, PROVENANCE, SUMS}


def test_what_is_committed_fits_its_tables():
    assert main(["--check"]) == 0


def test_a_missing_table_and_one_without_its_columns_are_refused_in_a_line(tmp_path):
    with pytest.raises(UserError, match=r"runs.csv: cannot be read .* run the study to export it again"):
        read_tables(tmp_path)
    (tmp_path / "runs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"runs.csv: has no column 'diverged_step'"):
        read_tables(tmp_path)


def test_an_unknown_study_is_refused(capsys):
    assert main(["nonesuch"]) == 2
    assert "no study 'nonesuch'" in capsys.readouterr().err
