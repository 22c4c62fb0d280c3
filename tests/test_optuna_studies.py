"""What holds for the Optuna grid study: it shows the record, whatever it showed before."""

import contextlib
import sqlite3
import subprocess
import sys
from dataclasses import replace

import optuna
import pandas as pd
import pytest
from conftest import ROOT
from made_up import made_up_result
from optuna.study import StudyDirection
from optuna.trial import TrialState
from test_design import CHOOSY

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study import Tier
from research.design.trials import objective, trial_stack
from research.record.frames import read_frames
from research.record.optuna_studies import project_grid, project_grids, project_searches
from research.record.recorder import Recorder
from research.record.state import state_of
from research.record.store import Store


def frame_of(toy, plan):
    return read_frames(Store(toy.store), plan, toy.state(num_seeds=plan.num_seeds))[0]


def project(toy, plan):
    return project_grid(Store(toy.store), plan, frame_of(toy, plan)).trials


def stored(toy):
    """The trials as a user would load them."""
    storage = optuna.storages.RDBStorage(Store(toy.store).optuna_uri)
    return optuna.load_study(study_name="toy", storage=storage).trials


def shown(trials):
    return {(trial.params["activation"], trial.params["depth"]): trial.value for trial in trials}


def means(toy, plan):
    frame = frame_of(toy, plan)
    return {
        (activation, depth): frame.query("activation == @activation and depth == @depth")["test_accuracy"].mean()
        for activation in ("tanh", "relu")
        for depth in (1, 2)
    }


def test_after_a_run_the_grid_has_one_finished_trial_a_cell_with_its_mean(copied):
    trials = stored(copied)
    assert len(trials) == 4
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert shown(trials) == pytest.approx(means(copied, copied.plan()))
    assert [trial.user_attrs["key"] for trial in trials] == [cell.key for cell in copied.plan().cells]


def test_projecting_the_same_record_again_writes_nothing(copied):
    before = (copied.store / "optuna.db").read_bytes()
    project(copied, copied.plan())
    assert (copied.store / "optuna.db").read_bytes() == before


def test_with_another_number_of_seeds_the_grid_shows_the_new_means(copied):
    more = copied.plan(num_seeds=5)
    before = shown(stored(copied))
    after = shown(project(copied, more))
    assert after == shown(stored(copied)) == pytest.approx(means(copied, more))
    assert all(after[cell] != before[cell] for cell in before)


def test_a_new_level_has_its_place_in_the_grid_and_its_trial_once_there_is_a_result(copied):
    before = shown(stored(copied))
    plan = copied.write(activations=("tanh", "relu", "gelu")).plan()
    trials = project(copied, plan)
    assert shown(trials) == before
    assert {trial.distributions["activation"].choices for trial in stored(copied)} == {("tanh", "relu", "gelu")}
    frame = frame_of(copied, plan)
    gelu = frame[frame["activation"] == "relu"].assign(activation="gelu")
    gelu["cell"] = gelu["cell"].str.replace("relu", "gelu")
    trials = project_grid(Store(copied.store), plan, pd.concat([frame, gelu])).trials
    assert [trial.params["activation"] for trial in trials] == ["tanh", "tanh", "relu", "relu", "gelu", "gelu"]


@pytest.mark.parametrize("damage", ["an unfinished trial", "a trial too few", "another value", "no JSON"])
def test_what_a_crash_or_a_user_left_in_the_grid_gives_way_to_the_record(copied, damage):
    plan = copied.plan()
    good = shown(stored(copied))
    if damage == "an unfinished trial":
        study = optuna.load_study(study_name="toy", storage=Store(copied.store).optuna_uri)
        study.ask()
    elif damage == "a trial too few":
        project_grid(Store(copied.store), plan, frame_of(copied, plan).query("depth == 1"))
        assert len(stored(copied)) == 2
    elif damage == "no JSON":
        with contextlib.closing(sqlite3.connect(copied.store / "optuna.db")) as connection, connection:
            connection.execute("UPDATE trial_params SET distribution_json = replace(distribution_json, '}', '|')")
    else:
        project_grid(Store(copied.store), plan, frame_of(copied, plan).assign(test_accuracy=0.5))
        assert set(shown(stored(copied)).values()) == {0.5}
    assert shown(project(copied, plan)) == shown(stored(copied)) == good
    assert len(stored(copied)) == 4


def of_another_optuna(database):
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9.a'")
        connection.execute("UPDATE version_info SET schema_version = 99")


@pytest.mark.parametrize("damage", [lambda path: path.write_text("my notes, " * 999), of_another_optuna])
def test_a_database_that_this_optuna_cannot_use_is_named_and_may_be_deleted(copied, damage):
    good, database = shown(stored(copied)), copied.store / "optuna.db"
    damage(database)
    with pytest.raises(UserError, match=r"\Astore .*: optuna.db cannot be used \(.*\); delete it: .*\Z"):
        project(copied, copied.plan())
    database.unlink()
    assert shown(project(copied, copied.plan())) == shown(stored(copied)) == good


BESIDE = """
import sys, threading, time
from importlib.abc import MetaPathFinder

from research.{module} import {function}


class Slow(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{late}":
            started.set()
            time.sleep(1)


started = threading.Event()
sys.meta_path.insert(0, Slow())
beside = threading.Thread(target=lambda: (started.wait(), {function}()))
beside.start()
import {package}
beside.join()
"""


@pytest.mark.parametrize(
    "names",
    [
        {"module": "record.optuna_studies", "function": "import_optuna", "package": "optuna", "late": "optuna.pruners"},
        {
            "module": "record.mlflow_database",
            "function": "import_mlflow",
            "package": "mlflow",
            "late": "mlflow.version",
        },
    ],
    ids=lambda names: names["package"],
)
def test_a_library_may_be_imported_while_another_thread_is_about_to(names):
    done = subprocess.run([sys.executable, "-c", BESIDE.format(**names)], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cell_without_a_finite_mean_has_no_trial(copied):
    plan = copied.plan()
    frame = frame_of(copied, plan)
    frame.loc[frame["depth"] == 2, "test_accuracy"] = float("nan")
    assert set(shown(project_grid(Store(copied.store), plan, frame).trials)) == {("tanh", 1), ("relu", 1)}
    assert project_grid(Store(copied.store), plan, frame.iloc[:0]).trials == []


def test_a_grid_says_which_way_the_headline_is_better_even_if_that_was_changed(copied):
    plan = copied.plan()
    assert project_grid(Store(copied.store), plan, frame_of(copied, plan)).direction == StudyDirection.MAXIMIZE
    turned = replace(plan, study=replace(plan.study, direction="minimize"))
    study = project_grid(Store(copied.store), turned, frame_of(copied, plan))
    assert study.direction == StudyDirection.MINIMIZE
    assert study.best_value == pytest.approx(min(means(copied, plan).values()))
    assert len(stored(copied)) == 4


def test_other_universes_have_a_grid_with_the_choices_and_that_of_the_reference_is_left_to_its_own_run(tmp_path):
    study = replace(CHOOSY, tiers={"full": Tier(seeds=4, universe_seeds=3)})
    store, plan = Store(tmp_path), make_plan(study, scope=("all",))
    recorder = Recorder(store, plan)
    for place, stack in enumerate(plan.stacks):
        recorder.write_stack(stack, made_up_result(stack.seeds, value=place / 100))
    for cell in plan.cells:
        if cell.tuning:
            trial = trial_stack(cell, 0, {})
            recorder.write_trial(trial, made_up_result(trial.seeds), objective(study.tuning), 0.5)
    state = state_of(store, plan)
    runs = read_frames(store, plan, state).runs
    project_grids(store, plan, runs)
    names = optuna.study.get_all_study_names(storage=store.optuna_uri)
    assert names == ["toy-universes"]
    grids = {name: optuna.load_study(study_name=name, storage=store.optuna_uri).trials for name in names}
    at = {cell.key: (place / 100 + 1, plan.placed(cell)) for place, cell in enumerate(plan.cells)}
    for name, trials in grids.items():
        cells = [cell for cell in plan.cells if cell.experiment == name]
        assert [trial.user_attrs["key"] for trial in trials] == [cell.key for cell in cells]
        for trial in trials:
            value, placed = at[trial.user_attrs["key"]]
            assert trial.value == pytest.approx(value)
            assert trial.params == placed
    assert len(grids["toy-universes"]) == 16
    before = (tmp_path / "optuna.db").read_bytes()
    project_grids(store, plan, runs)
    assert (tmp_path / "optuna.db").read_bytes() == before


def test_a_finished_search_is_a_study_of_its_own_and_shows_what_was_tried_last(tmp_path):
    store, plan = Store(tmp_path), make_plan(CHOOSY, scope=("rate=tuned",), only={"activation": ("relu",)})
    first, other = plan.cells

    def tried(rates, redo=False):
        recorder = Recorder(store, plan, redo)
        for number, rate in enumerate(rates):
            trial = trial_stack(first, number, {"lr": rate})
            value = 10 * rate if rate < 2 else float("inf")
            recorder.write_trial(trial, made_up_result(trial.seeds), objective(CHOOSY.tuning), value)
        recorder.write_trial(
            trial_stack(other, 0, {}), made_up_result((0,)), objective(CHOOSY.tuning), 0.5
        )  # and no more
        project_searches(store, plan, state_of(store, plan).trials)
        assert optuna.study.get_all_study_names(storage=store.optuna_uri) == [first.key]
        trials = optuna.load_study(study_name=first.key, storage=store.optuna_uri).trials
        return [(pytest.approx(trial.params["lr"]), trial.value) for trial in trials]

    rates = [1.0, 0.5, 4.0, 0.1, 0.2]
    assert tried(rates) == [(1.0, 10.0), (0.5, 5.0), (4.0, float("inf")), (0.1, 1.0), (0.2, 2.0)]
    before = (tmp_path / "optuna.db").read_bytes()
    project_searches(store, plan, state_of(store, plan).trials)
    assert (tmp_path / "optuna.db").read_bytes() == before
    assert [rate for rate, _ in tried(rates[::-1], redo=True)] == rates[::-1]
