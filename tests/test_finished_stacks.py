"""Which recorded stacks a run id, a key or a sample is, and what is said of those that are not there."""

import contextlib
import re
import sqlite3
from dataclasses import replace

import pytest
from made_up import made_up_result
from test_design import CHOOSY, TOY

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study import Tier
from research.design.trials import objective, trial_stack
from research.record.finished_stacks import asked_for, experiments, sampled, whole_stacks
from research.record.recorder import Recorder
from research.record.state import read_runs
from research.record.store import Store

PLAN = make_plan(replace(TOY, tiers={"full": Tier(seeds=10)}), num_seeds=12)  # four cells of two stacks
CELL = PLAN.cells[0]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A store with all stacks of a plan but the last, which failed, and of other universes one, and a trial."""
    store = Store(tmp_path_factory.mktemp("store"))
    recorder = Recorder(store, PLAN)
    for stack in PLAN.stacks[:-1]:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    recorder.write_failure(PLAN.stacks[-1], "MemoryError: too much")
    recorder.stop()
    universes = make_plan(CHOOSY, scope=("rate=tuned",), num_seeds=3)
    recorder = Recorder(store, universes)
    recorder.write_stack(universes.stacks[0], made_up_result(universes.stacks[0].seeds))
    trial = trial_stack(universes.cells[0], 0, {})
    recorder.write_trial(trial, made_up_result(trial.seeds), objective(universes.study.tuning), 0.5)
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
    with contextlib.closing(sqlite3.connect(store.database)) as connection, connection:
        assert connection.execute(sql, parameters).rowcount


def one_line(store, text):
    """What is said of what is not there."""
    with pytest.raises(UserError) as found:
        asked_for(store, text)
    assert "\n" not in str(found.value)
    return str(found.value)


def stacks_of(found):
    """The keys of the stacks that were found, each whole and its runs each once."""
    for members in found:
        assert len({run.tags["stack"] for run in members}) == 1
        assert len({run.id for run in members}) == len(members)
    return [members[0].tags["stack"] for members in found]


def replicates(store, stack):
    return whole_stacks(read_runs(store, "toy"))[stack.key]


def test_a_run_of_a_replicate_is_its_stack_and_comes_first(recorded):
    run = replicates(recorded, PLAN.stacks[1])[3]
    for text in (run.id, run.id.upper(), run.id[:10]):
        (found,) = asked_for(recorded, text)
        assert found[0] == run
        assert sorted(int(each.tags["seed"]) for each in found) == list(range(10, 20))
        assert stacks_of([found]) == [PLAN.stacks[1].key]


def test_a_run_of_a_cell_and_its_key_are_all_its_stacks(recorded):
    (cell,) = (run for run in read_runs(recorded, "toy") if run.tags["kind"] == "cell" and run.tags["key"] == CELL.key)
    expected = [f"{CELL.key}/seeds=0-9", f"{CELL.key}/seeds=10-19"]
    assert sorted(stacks_of(asked_for(recorded, cell.id))) == expected
    assert sorted(stacks_of(asked_for(recorded, CELL.key))) == expected
    assert stacks_of(asked_for(recorded, expected[1])) == expected[1:]


def test_a_trial_is_found_by_its_run_and_by_its_key_and_is_no_part_of_its_cell(recorded):
    (trial,) = (run for run in read_runs(recorded, "toy-tuning") if run.tags["kind"] == "trial")
    key = trial.tags["key"]
    for text in (trial.id, key, trial.tags["stack"]):
        assert asked_for(recorded, text) == [(trial,)]
    (members,) = asked_for(recorded, key.removesuffix("/trial=0"))
    assert {run.tags["kind"] for run in members} == {"replicate"}


def test_what_is_mistyped_is_answered_with_the_nearest(recorded):
    run = replicates(recorded, PLAN.stacks[0])[0]
    wrong = run.id[:20] + ("0" if run.id[20] != "0" else "1") + run.id[21:]
    assert one_line(recorded, wrong).endswith(f"did you mean {run.id}?")
    assert one_line(recorded, "toy/full/activation=tahn/depth=1").endswith(f"; did you mean {CELL.key}?")
    assert one_line(recorded, f"{CELL.key}/seeds=0-5").endswith(f"; did you mean {CELL.key}/seeds=0-9?")
    assert re.search("no such key in .*; a run has its key as a tag", one_line(recorded, "mnist/relu"))
    nothing = "".join("0123456789abcdef"[15 - int(digit, 16)] for digit in run.id)
    assert re.search("no such run in store .*; (did you|python -m research.ui)", one_line(recorded, nothing))


def test_a_beginning_that_several_runs_have_is_not_guessed(copied):
    first, second = (run.id for run in replicates(copied, PLAN.stacks[0])[:2])
    for table in ("runs", "tags", "params", "metrics"):
        change(copied, f"UPDATE {table} SET run_uuid = ? WHERE run_uuid = ?", f"{first[:8]}{'e' * 24}", second)
    message = one_line(copied, first[:7])
    assert message.startswith(f"{first[:7]}: 2 runs begin with it (")
    assert first in message
    assert message.endswith("; give more digits")
    assert asked_for(copied, f"{first[:8]}{'e' * 24}")[0][0].tags["seed"] == "1"


@pytest.mark.parametrize("text", ["abc", "12345", "sigmoid", "0123456789abcdef0123456789abcdef0", ""])
def test_what_is_neither_an_id_nor_a_key_is_answered_with_what_it_may_be(recorded, text):
    assert re.search("must be a run id .*, a key such as .*, or a study with --sample N", one_line(recorded, text))


@pytest.mark.parametrize("text", ["toy", "toy-tuning", "activation_depth"])
def test_a_study_needs_a_sample(recorded, text):
    assert one_line(recorded, text) == f"{text}: is a study; with --sample N some of its stacks are trained again"


def test_a_deleted_run_is_named_with_what_there_is_now(copied):
    run, cell = replicates(copied, PLAN.stacks[0])[2], f"{CELL.key}/seeds=0-9"
    change(copied, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", run.id)
    assert one_line(copied, run.id[:9]) == f"run {run.id}: was deleted; there are other runs of {CELL.key}"
    assert "no stack of it is finished" in one_line(copied, cell)
    (rest,) = asked_for(copied, CELL.key)
    assert stacks_of([rest]) == [f"{CELL.key}/seeds=10-19"]
    change(copied, "UPDATE runs SET lifecycle_stage = 'deleted'")
    assert one_line(copied, run.id) == f"run {run.id}: was deleted"


def test_runs_that_failed_or_were_killed_or_have_not_ended_are_refused_with_the_reason(copied):
    (failed,) = (run for run in read_runs(copied, "toy") if run.status == "FAILED")
    assert one_line(copied, failed.id) == (
        f"run {failed.id} ({failed.name}): failed when it was made: MemoryError: too much; there is nothing to compare "
        "with"
    )
    key = PLAN.stacks[-1].key
    assert one_line(copied, key).endswith(": MemoryError: too much")
    run = replicates(copied, PLAN.stacks[0])[2]
    for status, reason in (("KILLED", "was killed before its stack was whole"), ("RUNNING", "has not ended")):
        change(copied, "UPDATE runs SET status = ? WHERE run_uuid = ?", status, run.id)
        assert one_line(copied, run.id) == f"run {run.id} ({run.name}): {reason}; there is nothing to compare with"
        other = replicates(copied, PLAN.stacks[1])[0]
        assert len(asked_for(copied, other.id)) == 1
    sibling = next(each for each in read_runs(copied, "toy") if each.tags.get("stack") == run.tags["stack"])
    assert f"{sibling.tags['stack']}: no stack of it is finished" in one_line(copied, sibling.id)


def test_a_run_that_no_study_made_is_refused(copied):
    run = replicates(copied, PLAN.stacks[0])[2]
    change(copied, "DELETE FROM tags WHERE run_uuid = ?", run.id)
    assert one_line(copied, run.id) == f"run {run.id} ({run.name}): was not made by a study"


def test_a_sample_is_drawn_again_with_its_seed_and_another_with_another(recorded):
    found, number = sampled(recorded, "toy", 3, 5)
    assert (len(found), number) == (3, 7)
    assert sampled(recorded, "toy", 3, 5) == (found, number)
    assert sampled(recorded, "some/where/toy.py", 3, 5) == (found, number)
    drawn = {tuple(stacks_of(sampled(recorded, "toy", 3, seed)[0])) for seed in range(20)}
    assert len(drawn) > 10
    every = {stack.key for stack in PLAN.stacks[:-1]}
    assert set().union(*drawn) == every
    assert set(stacks_of(sampled(recorded, "toy", 100, 0)[0])) == every
    (trial,), number = sampled(recorded, "toy-tuning", 1, 0)
    assert (trial[0].tags["kind"], number) == ("trial", 1)


@pytest.mark.parametrize(
    ("name", "number", "seed", "message"),
    [
        ("toy", 0, 1, "--sample 0: at least one stack is needed"),
        ("toy", -2, 1, "--sample -2: at least one stack is needed"),
        ("toy", 1, -1, "--seed -1: must not be negative"),
        ("tyo", 1, 1, "tyo: no finished stack of it is in store .*; there are runs of toy, toy-tuning, toy-universes"),
        ("toy-tunning", 1, 1, "toy-tunning: no finished stack of it is in store .*; did you mean toy-tuning?"),
        ("activation_depth", 1, 1, "activation_depth: no finished stack of it is in store .*; there are runs of toy"),
        (CELL.key, 1, 1, f"--sample: goes with a study, not with {CELL.key}"),
        ("0123456789abcdef", 1, 1, "--sample: goes with a study, not with 0123456789abcdef"),
    ],
)
def test_a_sample_of_nothing_is_refused(recorded, name, number, seed, message):
    with pytest.raises(UserError, match=message):
        sampled(recorded, name, number, seed)


def test_where_there_is_no_record_that_is_said(tmp_path):
    for look in (experiments, lambda store: asked_for(store, "a/b"), lambda store: sampled(store, "toy", 1, 1)):
        with pytest.raises(UserError, match=rf"store {tmp_path}/none: there is no record; choose another with --store"):
            look(Store(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
