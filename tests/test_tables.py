"""Tables are exported once, and what is not what was exported is refused by whoever reads it."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up import PLAN, made_up_result, sign, write_table, write_tables
from test_design import NUMBER, TOY

import research
from research.design.digests import judged_digests
from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.plan import make_plan
from research.design.study import Claim, Factor, Tier
from research.design.study_files import load_study
from research.publishing.drawing import render
from research.publishing.results import read_published, results
from research.publishing.tables import PROVENANCE, TABLES, changed_claims, csv, export, findings_frame
from research.record.recorder import Recorder
from research.record.state import State, read_runs, read_state
from research.record.store import Store
from research.training.config import TrainConfig

STUDY = replace(TOY, claims=(Claim("good", "ReLU is good", "B 1", "mean", NUMBER, above=0.5),))


def recorded_state(store: Store) -> State:
    recorder = Recorder(store, PLAN)
    for stack in PLAN.stacks:
        recorder.write_stack(stack, made_up_result(stack.seeds, value=1 / 3))
    return read_state(PLAN, read_runs(store, "toy"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """The tables of the toy study, from numbers that are made up."""
    return write_tables(STUDY, tmp_path / "toy")


def test_whole_numbers_are_published_whole():
    numbers = pd.DataFrame({"n": [1204736.0, 123456789.5, 1e20, 0.1234567, 3.0], "k": [1] * 5})
    assert csv(numbers).decode().split() == ["n,k", "1204736,1", "1.23457e+08,1", "1e+20,1", "0.123457,1", "3,1"]


def test_tables_hold_results_to_six_digits_and_provenance_stands_beside_them(tmp_path):
    store = Store(tmp_path / "store")
    state = recorded_state(store)
    export(store, PLAN, state, tmp_path / "out")
    runs = (tmp_path / "out" / "runs.csv").read_text().splitlines()
    assert runs[0] == "cell,activation,depth,seed,diverged_step,test_accuracy,test_loss,train_loss"
    assert runs[1] == "tanh depth=1,tanh,1,0,,0.333333,1,2"
    assert runs[2] == "tanh depth=1,tanh,1,1,,1.33333,,2.1"
    assert (tmp_path / "out" / "layers.csv").read_text().splitlines()[1] == "tanh,1,0,0,1,0.5"
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    stack = provenance["stacks"][PLAN.stacks[0].key]
    assert stack["seconds"] == 2.5
    assert stack["started"] == "1970-01-01T00:16:40+00:00"
    assert "torch" in provenance["environments"][stack["environment"]]["versions"]
    assert provenance["fingerprints"][PLAN.cells[0].key] == PLAN.cells[0].fingerprint
    assert (provenance["variant"], provenance["declared"], provenance["seeds"]) == ("full", True, 3)
    assert provenance["numerics"] == NUMERICS
    assert len(read_published(TOY, tmp_path / "out").tables.runs) == 12


def test_tables_of_an_earlier_numerics_are_read_and_judged_as_such_and_their_page_says_so(tmp_path):
    earlier = make_plan(STUDY, numerics=NUMERICS - 1)
    published = read_published(STUDY, write_tables(STUDY, tmp_path / "toy", earlier))
    assert published.plan == earlier != make_plan(STUDY)
    assert (published.plan.declared, published.judgement.claims[0].verdict) == (True, "supported")
    line = f"These tables were made with numerics {NUMERICS - 1}. This code has {NUMERICS}: a run now gives other"
    assert line in render(published)["README.md"].decode()
    now = read_published(STUDY, write_tables(STUDY, tmp_path / "now"))
    assert "made with numerics" not in render(now)["README.md"].decode()


def test_tables_that_name_no_numerics_were_made_with_2(tmp_path):
    folder = write_tables(STUDY, tmp_path / "toy", make_plan(STUDY, numerics=2))
    made_with = json.loads((folder / PROVENANCE).read_text())
    del made_with["numerics"]
    (folder / PROVENANCE).write_text(json.dumps(made_with))
    sign(folder)
    assert read_published(STUDY, folder).plan.numerics == 2


def test_a_study_as_declared_is_judged(folder):
    published = read_published(STUDY, folder)
    assert [finding.verdict for finding in published.judgement.claims] == ["supported"]
    assert published.plan.declared
    assert published.changed == ()


@pytest.mark.parametrize(
    ("tier", "num_seeds", "only", "settings"),
    [
        ("smoke", None, None, None),
        ("full", 5, None, None),
        ("full", None, {"activation": ("relu",)}, None),
        ("full", None, None, {"lr": "0.01", "epochs": "2"}),
    ],
)
def test_any_other_run_is_read_by_the_plan_that_made_it_and_not_judged(tmp_path, tier, num_seeds, only, settings):
    plan = make_plan(STUDY, tier, num_seeds, only, settings)
    published = read_published(STUDY, write_tables(STUDY, tmp_path / "toy", plan))
    assert (published.plan.report_name, published.plan.cells) == (plan.report_name, plan.cells)
    (finding,) = published.judgement.claims
    assert (finding.verdict, finding.reason) == ("not judged", "the runs are not the whole study as declared")


def test_tables_of_another_configuration_are_refused(folder):
    changed = replace(STUDY, configure=lambda **levels: replace(STUDY.configure(**levels), lr=0.7))
    with pytest.raises(UserError, match=r"made with another configuration of toy/full/"):
        read_published(changed, folder)


def test_a_claim_that_changed_since_the_runs_is_noticed(folder):
    changed = replace(STUDY, claims=(replace(STUDY.claims[0], above=0.4),))
    assert read_published(changed, folder).changed == ("good",)
    assert changed_claims(judged_digests(STUDY), {}) == ("good",)


@pytest.mark.parametrize(
    ("levels", "read"),
    [
        (("NA", "None", "null", "nan"), ["NA", "None", "null", "nan"]),
        (("true", "false"), ["true", "false"]),
        (("01", "2"), [1, 2]),
        ((0.12345678, 1234567.5), [0.12345678, 1234567.5]),
        ((8, "8-wide"), ["8", "8-wide"]),
    ],
)
def test_levels_come_back_as_they_were_whatever_they_look_like(tmp_path, levels, read):
    widths = {str(level): place for place, level in enumerate(levels, 8)}
    study = replace(
        STUDY,
        configure=lambda case: TrainConfig("digits", width=widths[str(case)]),
        arms=Factor("case", levels),
        blocks=(),
        tiers={"full": Tier(seeds=1)},
        claims=(),
    )
    found = read_published(study, write_tables(study, tmp_path / "toy")).tables.runs
    assert found["case"].tolist() == read
    assert found["cell"].tolist() == [level if isinstance(level, str) else f"case={level}" for level in levels]


@pytest.mark.parametrize("table", [*TABLES, PROVENANCE])
def test_a_file_changed_by_hand_is_refused(folder, table):
    path = folder / table
    path.write_bytes(path.read_bytes()[:-3] + b"7" + path.read_bytes()[-2:])
    with pytest.raises(UserError, match=f"{table}: is not what was exported; run the study to export it again"):
        read_published(STUDY, folder)


CHANGES = {
    "no seed": ("runs.csv", lambda f: f.drop(columns="seed"), "runs.csv: has no column 'seed'"),
    "no factor": ("curves.csv", lambda f: f.drop(columns="depth"), "curves.csv: has no column 'depth'"),
    "no metric that a claim needs": (
        "runs.csv",
        lambda f: f.drop(columns="test_accuracy"),
        "runs.csv: has no column 'test_accuracy', which 'good' needs",
    ),
    "no diverged_step": ("runs.csv", lambda f: f.drop(columns="diverged_step"), "has no column 'diverged_step'"),
    "a column of row numbers": (
        "runs.csv",
        lambda f: f.assign(**{"Unnamed: 0": range(len(f))}),
        "runs.csv: has a column 'Unnamed: 0' that no export writes",
    ),
    "words for numbers": ("runs.csv", lambda f: f.assign(train_loss="low"), "has a column 'train_loss' that no export"),
    "columns moved": ("layers.csv", lambda f: f[[*f.columns[1:], f.columns[0]]], "layers.csv: has "),
    "a replicate twice": (
        "runs.csv",
        lambda f: pd.concat([f, f.iloc[:1]]),
        "runs.csv: has seed 0 of tanh depth=1 twice",
    ),
    "a replicate less": ("runs.csv", lambda f: f.iloc[1:], "runs.csv: has no row for seed 0 of tanh depth=1"),
    "a seed too many": ("curves.csv", lambda f: f.assign(seed=f["seed"] + 1), "has seed 3, the study has 0 to 2"),
    "an unknown cell": (
        "runs.csv",
        lambda f: f.assign(cell=f["cell"].str.replace("tanh", "gelu")),
        "runs.csv: has a cell 'gelu depth=1' of levels tanh, 1, which the study has not",
    ),
    "a level that is not the cell's": (
        "layers.csv",
        lambda f: f.assign(depth=7),
        "layers.csv: has a cell of levels tanh, 7, which the study has not",
    ),
    "a cell's name where its levels tell it": (
        "curves.csv",
        lambda f: f.assign(cell="tanh depth=1"),
        "curves.csv: has a column 'cell' that no export writes any more",
    ),
    "another level than the cell's": ("runs.csv", lambda f: f.assign(depth=7), "has a cell 'tanh depth=1' of levels"),
}


@pytest.mark.parametrize(("table", "change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_table_that_no_export_writes_is_refused_even_with_new_sums(folder, table, change, message):
    write_table(folder / table, change(pd.read_csv(folder / table)))
    sign(folder)
    with pytest.raises(UserError) as caught:
        read_published(STUDY, folder)
    assert message in str(caught.value)
    assert str(caught.value).endswith("; run the study to export it again")
    assert "\n" not in str(caught.value)


def test_a_missing_table_one_that_is_none_and_a_missing_folder_are_refused(folder):
    (folder / "layers.csv").write_text('"')
    sign(folder)
    with pytest.raises(UserError, match=r"layers.csv: cannot be read \(.*\); run the study to export it again"):
        read_published(STUDY, folder)
    (folder / "layers.csv").unlink()
    with pytest.raises(UserError, match=r"layers.csv: cannot be read \(No such file.*\); run the study"):
        read_published(STUDY, folder)
    with pytest.raises(UserError, match=r"elsewhere: no tables of toy yet; python -m research.study toy makes them"):
        read_published(STUDY, folder / "elsewhere")


def test_older_provenance_is_refused(folder):
    made_with = json.loads((folder / PROVENANCE).read_text())
    del made_with["declared"]
    (folder / PROVENANCE).write_text(json.dumps(made_with))
    sign(folder)
    with pytest.raises(UserError, match=r"provenance.json: does not say declared; run the study to export it again"):
        read_published(STUDY, folder)


def test_findings_are_a_row_each(folder):
    frame = findings_frame(read_published(STUDY, folder).judgement)
    assert list(frame["name"]) == ["good"]
    assert {"number", "low", "high", "n", "verdict", "would_be", "region"} < set(frame)
    assert len(findings_frame(None)) == 0


def test_published_results_come_as_tidy_frames(tmp_path):
    study = load_study("pixel_shuffle")
    write_tables(study, tmp_path / "pixel_shuffle")
    found = research.results("pixel_shuffle", tmp_path)
    assert len(found.runs) == 7 * 20
    assert set(found.findings["role"]) == {"control", "claim"}
    assert found.findings.equals(results("pixel_shuffle", tmp_path).findings)
    (tmp_path / "pixel_shuffle" / "runs.csv").write_text("a")
    with pytest.raises(UserError, match="is not what was exported"):
        research.results("pixel_shuffle", tmp_path)


def test_the_seeds_of_tables_are_those_that_the_study_declares(tmp_path):
    later = replace(STUDY, tiers={"full": Tier(seeds=3, first_seed=100)})
    folder = write_tables(later, tmp_path / "later")
    published = read_published(later, folder)
    assert set(published.tables.runs["seed"]) == {100, 101, 102}
    assert published.judgement.claims[0].verdict == "supported"
    with pytest.raises(UserError, match="made with seeds from 100 on, now they begin at 0; run the study to export"):
        read_published(STUDY, folder)
    old = write_tables(STUDY, tmp_path / "old")
    with pytest.raises(UserError, match="made with seeds from 0 on, now they begin at 100"):
        read_published(later, old)
    text = (folder / "runs.csv").read_text().replace(",102,", ",99,")
    (folder / "runs.csv").write_text(text)
    sign(folder)
    with pytest.raises(UserError, match="has seed 99, the study has 100 to 102"):
        read_published(later, folder)


def test_tables_that_do_not_say_where_their_seeds_begin_begin_at_0(folder):
    made_with = json.loads((folder / PROVENANCE).read_text())
    (folder / PROVENANCE).write_text(json.dumps({n: v for n, v in made_with.items() if n != "first_seed"}))
    sign(folder)
    assert len(read_published(STUDY, folder).tables.runs) == 12
