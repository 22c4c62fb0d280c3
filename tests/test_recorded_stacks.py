"""Recorded stacks read back from databases that MLflow itself made, and what is made of results beside them."""

import contextlib
import hashlib
import json
import math
import re
import sqlite3
from dataclasses import asdict, fields, replace

import pytest
from made_up import made_up_result
from test_design import CHOOSY
from test_searches import result_of

from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.plan import make_plan
from research.design.study import Factor, Study, Tier
from research.design.trials import objective, trial_stack, tuned
from research.record.finished_stacks import whole_stacks
from research.record.frames import read_metrics
from research.record.recorded_stacks import (
    compared,
    comparisons,
    read_back,
    replicate_numbers,
    seeds_of,
    task_of,
    trial_numbers,
)
from research.record.recorder import Recorder
from research.record.state import read_runs
from research.record.store import Store
from research.training.config import TrainConfig

CASES = {
    "defaults": TrainConfig(),
    "plain": TrainConfig(
        "digits", 3, 17, "gelu", "normal", 0.1 + 0.2, "mse", "sgd", 1e-05, 0.9, 1 / 3, 7, 4, (0, 1, 3),
        output_bias=2.5, pixels="permuted", input_scale=math.pi, num_train=300, target_accuracy=0.95,
        measures=("logit_gradients", "permuted_twin"),
    ),
    "a whole number as a rate": TrainConfig("digits", lr=1, weight_decay=0, measures=("logit_gradients",)),
    "a cnn": TrainConfig("digits", network="cnn", head="pooled", output="sigmoid", optimizer="adam", lr=1e-300,
        schedule="cosine", labels="shuffled"),
    "in steps": TrainConfig(
        "sine", output="raw", loss="mse_mean", steps=30, evaluate_every=10, measures=("curve_fit",), lr=1.7e308,
        probe_steps=(0, 7), probes=("weight_change",),
    ),
    "shifted": TrainConfig("digits", augmentation="shifts", early_stopping=True),
    "in pieces": TrainConfig(
        "wine", standardize=True, normalization="layer", dropout=0.1, skip="after", branch_scale=0.5
    ),
}  # fmt: skip
NAMES = tuple(case.replace(" ", "-") for case in CASES)
STUDY = Study(
    "cases", "?", "nowhere", lambda case: CASES[case.replace("-", " ")], Factor("case", NAMES), (),
    {"full": Tier(seeds=10), "small": Tier(seeds=1)}, ("test_accuracy",),
)  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A store with every stack of the cases."""
    store, plan = Store(tmp_path_factory.mktemp("store")), make_plan(STUDY)
    recorder = Recorder(store, plan)
    for stack in plan.stacks:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    return store


@pytest.fixture
def copied(recorded, tmp_path):
    """A copy of it that may be changed."""
    with sqlite3.connect(recorded.database) as source, sqlite3.connect(tmp_path / "mlflow.db") as target:
        source.backup(target)
    target.close()
    source.close()
    return Store(tmp_path)


def change(store, sql, *parameters):
    """Change a store as whoever has the file can; at least one row."""
    with contextlib.closing(sqlite3.connect(store.database)) as connection, connection:
        assert connection.execute(sql, parameters).rowcount


def runs_of(store, key, experiment="cases"):
    return whole_stacks(read_runs(store, experiment))[key]


def test_every_field_comes_back_from_its_param_to_the_bit_and_of_its_type():
    for config in CASES.values():
        params = {name: str(value) for name, value in asdict(config).items()}
        assert repr(task_of(TrainConfig, {"case": "anything", **params, "seed": "3"})) == repr(config)
    tried = {f.name for config in CASES.values() for f in fields(config) if getattr(config, f.name) != f.default}
    assert tried == {f.name for f in fields(TrainConfig)}


def test_a_field_that_the_params_lack_is_at_its_default():
    config = CASES["in steps"]
    params = {name: str(value) for name, value in asdict(config).items() if value != getattr(TrainConfig, name)}
    assert len(params) < len(fields(config)) - 10
    assert task_of(TrainConfig, params) == config


def test_every_stack_comes_back_as_it_was_planned(recorded):
    stacks = whole_stacks(read_runs(recorded, "cases"))
    plan = make_plan(STUDY)
    assert set(stacks) == {stack.key for stack in plan.stacks}
    for planned in plan.stacks:
        found = read_back(recorded, stacks[planned.key]).stack
        assert (found.key, found.seeds, found.cell.name) == (planned.key, planned.seeds, planned.cell.name)
        assert repr(found.cell.task) == repr(planned.cell.task)
        assert found.cell.fingerprint == planned.cell.fingerprint
        assert found.nominal_seconds == planned.nominal_seconds


def test_levels_come_back_so_that_keys_and_names_are_the_same(tmp_path):
    levels = (8, 0.5, "010", "1e3", "1.50", "relu+he", "-3", -4.0)
    configs = {str(level): TrainConfig("digits", width=place + 1) for place, level in enumerate(levels)}
    study = replace(STUDY, configure=lambda case: configs[str(case)], arms=Factor("case", levels))
    plan = make_plan(study, settings={"lr": "1e-5"}, tier="small")
    recorder = Recorder(Store(tmp_path), plan)
    for stack in plan.stacks:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    stacks = whole_stacks(read_runs(Store(tmp_path), plan.experiment))
    assert plan.experiment == "cases-small+lr=1e-05"
    for planned in plan.stacks:
        found = read_back(Store(tmp_path), stacks[planned.key]).stack
        assert (found.key, found.cell.task) == (planned.key, planned.cell.task)
        if planned.cell.levels["case"] != "-3":  # a word that is written as a number is named as one
            assert found.cell.name == planned.cell.name


def test_a_tuned_cell_comes_back_with_the_settings_that_won(tmp_path):
    plan = make_plan(CHOOSY, scope=("rate=tuned",), num_seeds=3)
    recorder, stack = Recorder(Store(tmp_path), plan), plan.stacks[0]
    won = replace(stack, cell=tuned(stack.cell, {"lr": 0.123456}))
    recorder.write_stack(won, made_up_result(won.seeds))
    found = read_back(Store(tmp_path), runs_of(Store(tmp_path), won.key, "toy-universes"))
    assert found.stack.cell.task == won.cell.task != stack.cell.task
    assert found.stack.cell.fingerprint == stack.cell.fingerprint
    change(Store(tmp_path), "UPDATE params SET value = '64' WHERE key = 'batch_size'")
    with pytest.raises(UserError, match=r"not what was recorded \(batch_size: recorded with 128, now 64\)"):
        read_back(Store(tmp_path), found.runs)


def test_a_trial_comes_back_with_what_its_value_is_of(tmp_path):
    store, plan = Store(tmp_path), make_plan(CHOOSY, scope=("rate=tuned",), num_seeds=3)
    recorder = Recorder(store, plan)
    trial = trial_stack(plan.stacks[0].cell, 4, {"lr": 0.5})
    result = result_of((1.0, 2.0))
    recorder.write_trial(trial, result, objective(plan.study.tuning), 1.5)
    runs = runs_of(store, trial.key, "toy-tuning")
    found = read_back(store, runs)
    assert (found.stack.key, found.stack.seeds, found.objective) == (trial.key, trial.seeds, "minimize validation_loss")
    assert found.stack.cell.task == trial.cell.task
    assert comparisons(store, found, result)[0].differences == ()
    (other,) = comparisons(store, found, result_of((1.0, 2.5)))
    assert other.differences == (
        "validation_loss at epoch 1: recorded 1.5, now 1.75",
        "tag value: recorded 1.5, now 1.75",
        "value: recorded 1.5, now 1.75",
    )
    change(store, "DELETE FROM tags WHERE key = 'objective'")
    runs = runs_of(store, trial.key, "toy-tuning")
    with pytest.raises(UserError, match=r"trial=4\): its objective was not recorded, nor was its cell"):
        read_back(store, runs)
    recorder.write_stack(plan.stacks[0], made_up_result(plan.stacks[0].seeds))
    assert read_back(store, runs).objective == "minimize validation_loss"


def test_a_trial_whose_value_is_no_number_and_a_key_that_is_none_are_refused(tmp_path):
    store, plan = Store(tmp_path), make_plan(CHOOSY, scope=("rate=tuned",), num_seeds=3)
    trial = trial_stack(plan.stacks[0].cell, 0, {})
    Recorder(store, plan).write_trial(trial, result_of((1.0, 2.0)), objective(plan.study.tuning), 1.5)
    change(store, "UPDATE tags SET value = 'half' WHERE key = 'value'")
    with pytest.raises(
        UserError, match=r"trial=0/seeds=.*: its value 'half' is no number; the record was changed by hand"
    ):
        read_back(store, runs_of(store, trial.key, "toy-tuning"))
    for wrong in ("toy", "toy/full/seeds=0-9", "toy/full/depth=1/seeds=0", "toy/full/depth=1/seeds=0-9/"):
        with pytest.raises(UserError, match=f"{wrong}: is no key of a stack; the record was changed by hand"):
            seeds_of(wrong)
    assert seeds_of("toy/full/depth=1/seeds=8-10") == (8, 9, 10)


def test_a_trial_that_came_to_nothing_is_compared_by_its_tag(tmp_path):
    store, plan = Store(tmp_path), make_plan(CHOOSY, scope=("rate=tuned",), num_seeds=3)
    trial, result = trial_stack(plan.stacks[0].cell, 0, {}), result_of((1.0, math.nan))
    Recorder(store, plan).write_trial(trial, result, objective(plan.study.tuning), math.inf)
    found = read_back(store, runs_of(store, trial.key, "toy-tuning"))
    assert comparisons(store, found, result)[0].differences == ()
    assert "tag value: recorded inf, now 1.0" in comparisons(store, found, result_of((1.0, 1.0)))[0].differences


def with_identity(**content):
    """How a recorded identity changes: in this way, the fingerprint with it."""

    def damage(store, run):
        text = json.loads(run.tags["identity"])
        text["config"] |= content.pop("config", {})
        new = json.dumps(text | content, sort_keys=True)
        change(store, "UPDATE tags SET value = ? WHERE key = 'identity' AND run_uuid = ?", new, run.id)
        digest = hashlib.sha256(new.encode()).hexdigest()
        change(store, "UPDATE tags SET value = ? WHERE key = 'fingerprint' AND run_uuid = ?", digest, run.id)

    return damage


def with_param(name, value):
    def damage(store, run):
        change(store, "UPDATE params SET value = ? WHERE key = ? AND run_uuid = ?", value, name, run.id)

    return damage


def with_tag(name, value):
    def damage(store, run):
        change(store, "UPDATE tags SET value = ? WHERE key = ? AND run_uuid = ?", value, name, run.id)

    return damage


DAMAGES = {
    "other numerics": (
        with_identity(numerics=NUMERICS - 1),
        rf"recorded under NUMERICS {NUMERICS - 1}, and this source, which has {NUMERICS}, computes otherwise; "
        r"check out commit [0-9a-f]{40}",
    ),
    "a field of another source": (
        with_identity(config={"gating": 0.5}),
        "recorded with the field 'gating', which this source does not have; check out commit",
    ),
    "other data": (with_identity(data="0" * 64), r"recorded \(data: recorded with '0{64}', now '87f"),
    "a tampered identity": (with_tag("identity", "{}"), "its fingerprint is not that of its identity"),
    "another rate": (
        with_param("lr", "0.10000000000000002"),
        r"what would be run now is not what was recorded \(lr: recorded with 1.0, now 0.10000000000000002\)",
    ),
    "another default": (
        with_param("init", "he"),
        r"what would be run now is not what was recorded \(init: recorded with 'default', now 'he'\)",
    ),
    "a data set of another source": (
        with_param("dataset", "cifar"),
        "no TrainConfig of this source: dataset='cifar' is not one of",
    ),
    "no number": (
        with_param("width", "wide"),
        "its params are no TrainConfig of this source: width=wide cannot be read; ",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_what_cannot_be_trained_as_it_was_is_refused_with_the_run_named(copied, damage, message):
    runs = runs_of(copied, "cases/full/case=a-whole-number-as-a-rate/seeds=0-9")
    damage(copied, runs[0])
    runs = runs_of(copied, "cases/full/case=a-whole-number-as-a-rate/seeds=0-9")
    with pytest.raises(UserError, match=rf"run {runs[0].id} \(a-whole-number-as-a-rate seed=0\): .*{message}") as found:
        read_back(copied, runs)
    assert "\n" not in str(found.value)


def test_seeds_that_were_recorded_with_different_configurations_are_no_stack(copied):
    key = "cases/full/case=a-cnn/seeds="
    (key,) = (found for found in whole_stacks(read_runs(copied, "cases")) if found.startswith(key))
    run = runs_of(copied, key)[1]
    with_identity(config={"lr": 0.5})(copied, run)
    with_param("lr", "0.5")(copied, run)
    with pytest.raises(UserError, match=rf"{re.escape(key)}: its seeds were recorded with different settings"):
        read_back(copied, runs_of(copied, key))


def test_what_was_recorded_is_found_identical_and_each_change_is_found(recorded):
    key = "cases/full/case=defaults/seeds=0-9"
    stack = read_back(recorded, runs_of(recorded, key))
    result = made_up_result(stack.stack.seeds)
    found = comparisons(recorded, stack, result)
    assert len(found) == 10
    assert [one.differences for one in found] == [()] * 10
    # of each seed two metrics, a curve of two points, two of two points in layers, a profile of three
    assert {(one.num_values, len(one.names), one.has_weights) for one in found} == {(11, 6, True)}

    changed = [
        replace(r, metrics={**r.metrics, "test_accuracy": math.nextafter(r.metrics["test_accuracy"], 0)})
        if r.seed == 3
        else replace(r, weights_sha256="f" * 64)
        if r.seed == 5
        else r
        for r in result.replicates
    ]
    found = comparisons(recorded, stack, replace(result, replicates=tuple(changed)))
    assert [one.differences for one in found if one.differences] == [
        ("seed 3, test_accuracy: recorded 3.5, now 3.4999999999999996",),
        (f"seed 5, SHA-256 of the weights: recorded {5:064x}, now {'f' * 64}",),
    ]


def test_of_differences_curves_come_first_by_time_then_metrics_then_places_and_the_weights_last():
    then = {"b": {1: 0.5, 2: 0.5}, "a": {2: 0.5, 3: 0.5}, "fit": {0: 0.5}, "loss": {0: 0.5}, "gone": {0: 1.0}}
    now = [("b", 1, 0.6), ("b", 2, 0.6), ("a", 2, 0.6), ("fit", 0, 0.5), ("fit", 1, 0.5), ("loss", 0, math.nan)]
    found = compared("seed 7, ", then, now, {"a": "step", "b": "step", "fit": "place"}, ("aa", "bb"))
    assert found.differences == (
        "seed 7, b at step 1: recorded 0.5, now 0.6",
        "seed 7, a at step 2: recorded 0.5, now 0.6",
        "seed 7, b at step 2: recorded 0.5, now 0.6",
        "seed 7, a at step 3: recorded 0.5, now nothing",
        "seed 7, fit at place 1: recorded nothing, now 0.5",
        "seed 7, gone: recorded 1.0, now nothing",
        "seed 7, loss: recorded 0.5, now nan",
        "seed 7, SHA-256 of the weights: recorded aa, now bb",
    )
    assert (found.num_values, len(found.values), len(found.weights)) == (8, 7, 1)


def test_what_is_no_number_in_both_is_the_same():
    assert compared("", {"loss": {0: math.nan}}, [("loss", 0, math.nan)], {}).differences == ()
    assert len(compared("", {"loss": {0: 0.0}}, [("loss", 0, math.nan)], {}).differences) == 1


def test_the_numbers_of_a_result_are_those_that_the_record_holds(recorded):
    runs = runs_of(recorded, "cases/full/case=defaults/seeds=0-9")
    held = read_metrics(recorded, [runs[4].id])[runs[4].id]
    (_, _, _, _, replicate, *_) = made_up_result(tuple(range(10))).replicates
    numbers = list(replicate_numbers(replicate))
    assert len(numbers) == sum(map(len, held.values())) == 11
    assert all(held[name][place] == value for name, place, value in numbers)


def test_the_numbers_of_a_trial_are_means_over_its_seeds_and_none_is_of_the_test_part_or_a_layer():
    assert list(trial_numbers(result_of((1.0, 2.0)), 1.5)) == [
        ("value", 0, 1.5), ("train_loss", 1, 5.0), ("validation_loss", 0, 9.0), ("validation_loss", 1, 1.5),
    ]  # fmt: skip
    assert [name for name, *_ in trial_numbers(result_of((1.0, 2.0), "test_rmse"), math.inf)] == ["train_loss"]
