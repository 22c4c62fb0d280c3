"""What a user finds in MLflow after a run, and what the record does when it is extended, damaged or misused."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
import scipy.stats
from conftest import ROOT
from made_up import PLAN, made_up_result
from mlflow import MlflowClient
from test_design import CHOOSY, NUMBER, TOY

from research.design.digests import claim_digest
from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study import Claim, Tier
from research.design.task import StackResult
from research.design.trials import objective, trial_stack
from research.record.frames import read_metrics
from research.record.recorder import Recorder
from research.record.state import read_runs, state_of
from research.record.store import Store
from research.record.views import VIEW
from research.training.data import DATA

CURVES = ("train_loss", "validation_loss", "validation_accuracy")
METRICS = ("test_accuracy", "test_loss", "untrained_test_accuracy", "train_progress")


def client_of(toy):
    return MlflowClient(tracking_uri=Store(toy.store).mlflow_uri)


def search(toy, where=""):
    """The active runs that MLflow's own search finds."""
    client = client_of(toy)
    experiment = client.get_experiment_by_name("toy")
    return list(client.search_runs([experiment.experiment_id], where, max_results=1000))


def parents(toy):
    """The active parent runs by name; no two of them have the same."""
    found = search(toy, "tags.kind = 'cell'")
    by_name = {run.info.run_name: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def children(toy, parent):
    """The runs that the UI nests under a parent, by seed."""
    found = search(toy, f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    return {int(run.data.params["seed"]): run for run in found}


def curve(client, run, name):
    return {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, name)}


@pytest.fixture(scope="module")
def seen(trained, tmp_path_factory):
    """A copy of the finished study of networks that is looked at, not changed."""
    return trained.copy(tmp_path_factory.mktemp("seen") / "copy")


def test_a_finished_study_is_one_parent_a_cell_and_a_child_a_seed_and_nothing_else(seen):
    found = parents(seen)
    assert set(found) == {"tanh depth=1", "tanh depth=2", "relu depth=1", "relu depth=2"}
    for name, parent in found.items():
        assert {seed: run.info.run_name for seed, run in children(seen, parent).items()} == {
            seed: f"{name} seed={seed}" for seed in range(10)
        }
    runs = search(seen)
    assert len(runs) == 44
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.info.start_time <= run.info.end_time for run in runs)


def test_cells_and_replicates_carry_levels_and_configuration_as_params(seen):
    cell = parents(seen)["relu depth=2"]
    expected = {
        "activation": "relu", "depth": "2", "width": "32", "dataset": "digits", "init": "default",
        "optimizer": "sgd", "lr": "0.1", "batch_size": "32", "epochs": "20",
    }  # fmt: skip
    assert expected.items() <= cell.data.params.items()
    assert cell.data.params["seeds"] == "10"
    for seed, run in children(seen, cell).items():
        assert expected.items() | {("seed", str(seed))} <= run.data.params.items()


def test_a_cells_metrics_and_curves_are_the_means_of_its_reported_seeds_with_students_interval(seen):
    client = client_of(seen)
    for cell in parents(seen).values():
        runs = list(children(seen, cell).values())
        for name in METRICS:
            values = [run.data.metrics[name] for run in runs]
            mean = sum(values) / 10
            assert cell.data.metrics[name] == pytest.approx(mean, rel=1e-12)
            if name in ("test_accuracy", "train_progress"):
                low, high = scipy.stats.t.interval(0.95, 9, mean, scipy.stats.sem(values))
                assert cell.data.metrics[f"{name}_low"] == pytest.approx(low)
                assert cell.data.metrics[f"{name}_high"] == pytest.approx(high)
        for name in CURVES:
            curves = [curve(client, run, name) for run in runs]
            assert curve(client, cell, name) == pytest.approx(
                {epoch: sum(each[epoch] for each in curves) / 10 for epoch in curves[0]}, rel=1e-12
            )


def test_replicates_carry_curves_of_every_epoch_and_the_digest_of_their_weights(seen):
    client = client_of(seen)
    runs = list(children(seen, parents(seen)["tanh depth=1"]).values())
    for name in CURVES:
        assert sorted(curve(client, runs[0], name)) == list(range(1 if name == "train_loss" else 0, 21))
    digests = {run.data.tags["weights_sha256"] for run in runs}
    assert len(digests) == 10
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests)


def test_every_run_names_its_data_set_with_its_digest(seen):
    for run in search(seen):
        (used,) = run.inputs.dataset_inputs
        assert used.dataset.name == "digits"
        assert json.loads(used.dataset.profile) == {"sha256": DATA["digits"].digest}
        assert DATA["digits"].digest.startswith(used.dataset.digest)
        assert len(used.dataset.digest) >= 12


def test_every_result_says_what_it_was_made_with(seen):
    for run in search(seen, "tags.kind = 'replicate'"):
        tags = run.data.tags
        assert tags["key"] == f"toy/full/activation={run.data.params['activation']}/depth={run.data.params['depth']}"
        assert len(bytes.fromhex(tags["fingerprint"])) == 32
        assert all(tags[name] for name in ("identity", "device", "versions", "cpu", "threads"))


def test_a_result_from_another_processor_than_the_coordinators_is_recorded_with_it(tmp_path):
    recorder = Recorder(Store(tmp_path), PLAN)
    first, second, *_ = PLAN.stacks
    recorder.write_stack(first, made_up_result(first.seeds))
    recorder.write_stack(second, replace(made_up_result(second.seeds), cpu="Abacus 3000"))
    done = state_of(Store(tmp_path), PLAN).done
    assert {run.tags["cpu"] for run in done[first.key]} == {recorder.environment["cpu"]}
    assert {run.tags["cpu"] for run in done[second.key]} == {"Abacus 3000"}


def test_the_experiment_and_the_cells_say_what_they_are(seen):
    note = client_of(seen).get_experiment_by_name("toy").tags["mlflow.note.content"]
    assert "Does the toy work?" in note
    assert "The toy works" in note
    note = parents(seen)["relu depth=2"].data.tags["mlflow.note.content"]
    for text in ("| activation | **relu** |", "| depth | **2** |", "64-32-32-10", "Mean of 10 seeds", "toy/full/"):
        assert text in note


def test_with_another_number_of_seeds_the_parents_are_made_again_and_keep_their_children(copied):
    before = parents(copied)
    kept = {name: {run.info.run_id for run in children(copied, parent).values()} for name, parent in before.items()}
    Recorder(Store(copied.store), copied.plan(num_seeds=5))
    after = parents(copied)
    assert set(after) == set(before)
    for name, parent in after.items():
        assert parent.info.run_id != before[name].info.run_id
        assert parent.data.params["seeds"] == "5"
        runs = children(copied, parent)
        assert {run.info.run_id for run in runs.values()} == kept[name]
        values = [runs[seed].data.metrics["test_accuracy"] for seed in range(5)]
        assert parent.data.metrics["test_accuracy"] == pytest.approx(sum(values) / 5, rel=1e-12)


def test_opening_a_whole_record_changes_nothing(copied):
    before = [run.to_dictionary() for run in search(copied)]
    Recorder(Store(copied.store), copied.plan())
    assert [run.to_dictionary() for run in search(copied)] == before


def test_what_a_user_made_or_changed_in_an_experiment_stays_as_it_was(copied):
    client = client_of(copied)
    experiment = client.get_experiment_by_name("toy").experiment_id
    changed, removed = VIEW + "seeds", VIEW + "depth-1"
    mine, other = (client.create_run(experiment, run_name="mine", tags={"device": "mine"}).info.run_id for _ in "12")
    client.set_terminated(other)
    client.set_experiment_tag(experiment, "mlflow.note.content", "My own words.")
    client.set_experiment_tag(experiment, changed, "My own view.")
    client.delete_experiment_tag(experiment, removed)

    def seen():
        runs = [client.get_run(number).to_dictionary() for number in (mine, other)]
        return runs, dict(client.get_experiment(experiment).tags)

    before = seen()
    done = copied.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert seen() == before
    client.set_tag(parents(copied)["relu depth=2"].info.run_id, "checked", "by me")
    copied.file.write_text(copied.file.read_text().replace("Does the toy work?", "Does it work?"))
    Recorder(Store(copied.store), copied.plan(num_seeds=5))
    assert seen() == before
    parent = parents(copied)["relu depth=2"]
    assert (parent.data.tags["checked"], parent.data.params["seeds"]) == ("by me", "5")


def test_the_description_of_an_experiment_follows_its_study_where_nobody_changed_it(copied):
    copied.file.write_text(copied.file.read_text().replace("Does the toy work?", "Does it work?"))
    Recorder(Store(copied.store), copied.plan())
    assert "Does it work?" in client_of(copied).get_experiment_by_name("toy").tags["mlflow.note.content"]


def test_what_is_left_of_a_broken_stack_is_closed_as_killed_and_its_stack_is_missing(copied):
    client = client_of(copied)
    runs = children(copied, parents(copied)["relu depth=1"])
    client.delete_run(runs[4].info.run_id)
    Recorder(Store(copied.store), copied.plan(num_seeds=10))
    left = {seed: client.get_run(run.info.run_id) for seed, run in runs.items() if seed != 4}
    assert {run.info.status for run in left.values()} == {"KILLED"}
    assert {run.info.run_name for run in left.values()} == {f"relu depth=1 seed={seed} (killed)" for seed in left}
    assert [stack.cell.name for stack in copied.state().missing(copied.plan())] == ["relu depth=1"]
    assert set(parents(copied)) == {"tanh depth=1", "tanh depth=2", "relu depth=2"}


def test_runs_that_a_crash_left_open_are_closed_as_killed_and_of_two_parents_one_stays(copied):
    client = client_of(copied)
    parent = parents(copied)["relu depth=1"]
    child = children(copied, parent)[0]

    def again(run, status=None):
        number = client.create_run(run.info.experiment_id, tags=run.data.tags).info.run_id
        if status:
            client.set_terminated(number, status)
        return number

    opened = [again(parent), again(child)]
    twin = again(parent, "FINISHED")
    Recorder(Store(copied.store), copied.plan())
    assert [client.get_run(number).info.status for number in opened] == ["KILLED", "KILLED"]
    assert client.get_run(twin).info.lifecycle_stage == "deleted"
    assert len(parents(copied)) == 4
    assert set(children(copied, parents(copied)["relu depth=1"])) == set(range(10))


def test_results_of_another_device_class_are_refused(copied):
    recorder = Recorder(Store(copied.store), copied.plan(num_seeds=12))
    before = copied.statuses()
    (stack, *_) = copied.state(num_seeds=12).missing(copied.plan(num_seeds=12))
    with pytest.raises(UserError, match=r"recorded on cpu, this machine trains on cuda; .*choose another with --store"):
        recorder.write_stack(stack, StackResult((), "cuda", 0.0, 1.0))
    assert copied.statuses() == before


def test_a_deleted_experiment_is_refused_until_it_is_restored(copied):
    client = client_of(copied)
    experiment = client.get_experiment_by_name("toy").experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(UserError, match=r"\Aexperiment 'toy' was deleted in the MLflow UI; restore it"):
        Recorder(Store(copied.store), copied.plan())
    client.restore_experiment(experiment)
    Recorder(Store(copied.store), copied.plan())
    assert len(copied.state().done) == 4


def test_mlflow_sends_no_telemetry(copied):
    code = f"""
import sys
from pathlib import Path
from research.design.study_files import load_study
from research.design.plan import make_plan
from research.record.store import Store
from research.record.recorder import Recorder
Recorder(Store(Path({str(copied.store)!r})), make_plan(load_study({str(copied.file)!r})))
from mlflow.telemetry import client, utils
print(client.get_telemetry_client(), utils._IS_IN_CI_ENV_OR_TESTING)
"""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "CI", "GITHUB", "MLFLOW", "DO_NOT_TRACK"))
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("None False", "")  # none, and not because MLflow saw a test


@pytest.fixture
def opened(tmp_path):
    """A new record of one cell of two stacks, and both with their results."""
    study = replace(TOY, tiers={"full": Tier(seeds=20)})
    plan = make_plan(study, only={"activation": ("tanh",), "depth": ("1",)})
    recorder = Recorder(Store(tmp_path), plan)
    return recorder, [(stack, made_up_result(stack.seeds)) for stack in plan.stacks]


def runs_of(recorder, kind):
    return [run for run in read_runs(recorder.store, recorder.plan.experiment) if run.tags["kind"] == kind]


def nested(recorder):
    """The ids under which the replicates are nested, and how many they are."""
    return Counter(run.tags["mlflow.parentRunId"] for run in runs_of(recorder, "replicate"))


def test_a_cells_parent_run_is_there_from_its_first_stack_on_and_finished_with_its_last(opened):
    recorder, (first, second) = opened
    recorder.write_stack(*first)
    (parent,) = runs_of(recorder, "cell")
    assert (parent.status, nested(recorder)) == ("RUNNING", {parent.id: 10})
    recorder.write_stack(*second)
    (whole,) = runs_of(recorder, "cell")
    assert (whole.id, whole.status, nested(recorder)) == (parent.id, "FINISHED", {parent.id: 20})
    assert "Mean of 20 seeds" in whole.tags["mlflow.note.content"]
    found = read_metrics(recorder.store, [parent.id])[parent.id]
    assert found["test_accuracy"] == {0: pytest.approx(0.5 + 9.5)}


def test_a_cell_is_summed_up_without_its_last_stack_when_that_fails_or_work_stops(opened, tmp_path):
    recorder, (first, (second, _)) = opened
    recorder.write_stack(*first)
    recorder.write_failure(second, "RuntimeError: out of luck")
    (parent,) = runs_of(recorder, "cell")
    assert (parent.status, nested(recorder)) == ("FINISHED", {parent.id: 10})
    assert "Mean of 10 seeds" in parent.tags["mlflow.note.content"]
    recorder.stop()
    assert runs_of(recorder, "cell") == [parent]

    stopped = Recorder(Store(tmp_path / "stopped"), recorder.plan)
    stopped.stop()
    assert runs_of(stopped, "cell") == []
    stopped.write_stack(*first)
    stopped.stop()
    (parent,) = runs_of(stopped, "cell")
    assert (parent.status, nested(stopped)) == ("FINISHED", {parent.id: 10})


def test_a_cell_that_a_crash_left_without_its_last_stack_is_summed_up_by_the_next_run_and_again_with_it(opened):
    recorder, (first, second) = opened
    recorder.write_stack(*first)
    left = runs_of(recorder, "replicate")
    resumed = Recorder(recorder.store, recorder.plan)
    (parent,) = runs_of(resumed, "cell")
    assert (parent.status, nested(resumed)) == ("FINISHED", {parent.id: 10})
    resumed.write_stack(*second)
    (whole,) = runs_of(resumed, "cell")
    assert (whole.status, nested(resumed)) == ("FINISHED", {whole.id: 20})
    assert whole.id != parent.id
    assert {run.id for run in left} < {run.id for run in runs_of(resumed, "replicate")}
    assert {run.status for run in read_runs(resumed.store, resumed.plan.experiment)} == {"FINISHED"}


UNIVERSES = replace(CHOOSY, tiers={"full": Tier(seeds=4, universe_seeds=3)})


@pytest.fixture
def of_universes(tmp_path):
    """A record of a study's reference, as its own plan left it, and the plan of all its universes."""
    store, plan = Store(tmp_path), make_plan(UNIVERSES)
    recorder = Recorder(store, plan)
    for stack in plan.stacks:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    return store, plan, make_plan(UNIVERSES, scope=("all",))


def record_universes(store, plan, redo=False):
    """Record what a plan lacks: a trial for each tuned cell, and all cells."""
    recorder = Recorder(store, plan, redo)
    missing = state_of(store, plan).missing(plan)
    for cell in {stack.cell.key: stack.cell for stack in missing if stack.cell.tuning}.values():
        trial = trial_stack(cell, 0, {"lr": 2.0})
        recorder.write_trial(trial, made_up_result(trial.seeds), objective(plan.study.tuning), 0.5)
    for stack in missing:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    return recorder


def test_universes_and_trials_lie_in_experiments_of_their_own_and_say_in_which_universe_they_are(of_universes):
    store, _, plan = of_universes
    record_universes(store, plan)
    found = {name: read_runs(store, name) for name in ("toy", "toy-universes", "toy-tuning")}
    kinds = {name: {run.tags["kind"] for run in runs} for name, runs in found.items()}
    assert kinds == {"toy": {"cell", "replicate"}, "toy-universes": {"cell", "replicate"}, "toy-tuning": {"trial"}}
    assert {name: {run.tags["universe"] for run in runs} for name, runs in found.items()} == {
        "toy": {"reference"},
        "toy-universes": {"rate=tenth", "init=he", "rate=tuned", "rate=tenth init=he"},
        "toy-tuning": {"rate=tuned"},
    }
    assert len(found["toy"]) == 4 * 5
    assert len(found["toy-universes"]) == 16 * 4
    assert len(found["toy-tuning"]) == 4
    for run in found["toy-universes"]:
        assert run.tags["universe"].replace(" ", "/") in run.tags["key"]


def test_a_run_of_universes_leaves_the_reference_as_its_own_run_left_it(of_universes):
    store, reference, plan = of_universes
    before = read_runs(store, "toy")
    record_universes(store, plan)
    assert read_runs(store, "toy") == before
    Recorder(store, reference)
    Recorder(store, make_plan(UNIVERSES, scope=("init=he",)))
    assert read_runs(store, "toy") == before


def test_levels_of_the_choices_are_params_of_every_run_and_the_winners_rate_is_that_of_its_cell(of_universes):
    store, _, plan = of_universes
    recorder = record_universes(store, plan)
    experiment = recorder.client.get_experiment_by_name("toy-universes")
    runs = recorder.client.search_runs([experiment.experiment_id], "params.rate = 'tenth' and params.init = 'he'")
    assert len(runs) == 4 * 4
    assert {(run.data.params["lr"], run.data.tags["universe"]) for run in runs} == {("0.01", "rate=tenth init=he")}
    reference = recorder.client.get_experiment_by_name("toy")
    (run, *_) = recorder.client.search_runs([reference.experiment_id])
    assert (run.data.params["rate"], run.data.params["init"]) == ("customary", "default")


def test_the_experiment_of_universes_has_views_by_choice_and_that_of_trials_none_of_cells(of_universes):
    store, _, plan = of_universes
    client = record_universes(store, plan).client

    def views(name):
        tags = client.get_experiment_by_name(name).tags
        return {tag.removeprefix(VIEW) for tag in tags if tag.startswith(VIEW)}

    assert views("toy") == {"cells", "seeds", "activation-tanh", "activation-relu", "depth-1", "depth-2"}
    assert views("toy-universes") == {
        "cells", "seeds", "rate-customary", "rate-tenth", "rate-tuned", "init-default", "init-he",
    }  # fmt: skip
    assert views("toy-tuning") == set()


def test_redo_removes_the_trials_and_failures_of_its_cells_and_no_others(of_universes):
    store, _, plan = of_universes
    recorder = record_universes(store, plan)
    tuned = [cell for cell in plan.cells if cell.tuning]
    for cell in tuned[:2]:
        recorder.write_failure(trial_stack(cell, 1, {}), "RuntimeError: out of luck")
    before = {name: read_runs(store, name) for name in ("toy", "toy-universes", "toy-tuning")}
    only = {name: (str(level),) for name, level in tuned[0].levels.items()}
    Recorder(store, make_plan(UNIVERSES, scope=("rate=tuned",), only=only), redo=True)
    own = tuned[0].key

    def others(name):
        return [run for run in before[name] if run.tags["key"].split("/trial=")[0] != own]

    assert read_runs(store, "toy") == before["toy"]
    assert read_runs(store, "toy-universes") == others("toy-universes")
    assert read_runs(store, "toy-tuning") == others("toy-tuning")
    assert (len(before["toy-tuning"]), len(others("toy-tuning"))) == (6, 4)


def test_a_trial_that_a_crash_left_open_is_closed_as_killed_and_is_none(of_universes):
    store, _, plan = of_universes
    recorder = record_universes(store, plan)
    (run, *_) = read_runs(store, "toy-tuning")
    recorder.client.update_run(run.id, "RUNNING")
    resumed = Recorder(store, plan)
    assert len(resumed.trials) == 3
    (killed,) = (each for each in read_runs(store, "toy-tuning") if each.status != "FINISHED")
    assert (killed.id, killed.status, killed.name) == (run.id, "KILLED", f"{run.name} (killed)")


def test_trials_of_another_device_class_are_refused(of_universes):
    store, _, plan = of_universes
    recorder = Recorder(store, plan)
    trial = trial_stack(next(cell for cell in plan.cells if cell.tuning), 0, {})
    with pytest.raises(UserError, match=r"toy-tuning: recorded on cpu, this machine trains on cuda"):
        recorder.write_trial(trial, replace(made_up_result(trial.seeds), device="cuda"), "", 0.5)
    assert read_runs(store, "toy-tuning") == []


def test_redo_removes_the_results_of_its_cells_and_no_others(copied_record):
    first = PLAN.cells[0]
    part = make_plan(TOY, num_seeds=3, only={name: (str(level),) for name, level in first.levels.items()})
    Recorder(copied_record, part, redo=True)
    assert set(state_of(copied_record, PLAN).done) == {PLAN.stacks[1].key}
    assert not [run for run in read_runs(copied_record, "toy") if run.tags["key"] == first.key]


def test_redo_is_the_way_out_of_a_changed_configuration(copied_record):
    changed = make_plan(replace(TOY, configure=lambda **levels: replace(TOY.configure(**levels), lr=0.2)), num_seeds=3)
    with pytest.raises(UserError, match="--redo"):
        Recorder(copied_record, changed)
    recorder = Recorder(copied_record, changed, redo=True)
    recorder.write_stack(changed.stacks[0], made_up_result(changed.stacks[0].seeds))
    assert set(state_of(copied_record, changed).done) == {changed.stacks[0].key}


def test_the_claims_that_stood_when_a_run_was_made_are_on_it(tmp_path):
    study = replace(TOY, claims=(Claim("c", "text", "A", "mean", NUMBER, above=0.5),))
    plan = make_plan(study, num_seeds=3)
    Recorder(Store(tmp_path), plan).write_stack(plan.stacks[0], made_up_result(plan.stacks[0].seeds))
    (run, *_) = state_of(Store(tmp_path), plan).done[plan.stacks[0].key]
    assert json.loads(run.tags["claims"]) == {"c": claim_digest(study.claims[0])}
