"""How far a plan is, read from databases that MLflow itself made."""

import sqlite3
from dataclasses import replace

import pytest
from made_up import PLAN
from test_design import TOY

from research.design.errors import UserError
from research.design.plan import make_plan
from research.record.state import state_of
from research.record.store import Store


def test_a_store_that_does_not_exist_is_an_empty_record(tmp_path):
    store = Store(tmp_path / "none")
    assert state_of(store, PLAN).missing(PLAN) == list(PLAN.stacks)
    assert not store.folder.exists()


def test_a_recorded_stack_is_done_and_a_failed_one_is_missing_with_its_reason(record):
    state = state_of(record, PLAN)
    assert set(state.done) == {stack.key for stack in PLAN.stacks[:2]}
    assert state.failed == {PLAN.stacks[2].key: "RuntimeError: out of luck"}
    assert state.missing(PLAN) == list(PLAN.stacks[2:])


def test_results_of_another_configuration_under_the_same_key_are_refused_by_field(record):
    changed = make_plan(replace(TOY, configure=lambda **levels: replace(TOY.configure(**levels), lr=0.2)), num_seeds=3)
    with pytest.raises(
        UserError, match=r"toy/full/activation=tanh/depth=1: .*\(lr: recorded with 0.1, now 0.2\); undo"
    ):
        state_of(record, changed)


def test_a_deleted_run_is_no_longer_part_of_the_record(copied_record):
    run = state_of(copied_record, PLAN).done[PLAN.stacks[0].key][0]
    connection = sqlite3.connect(copied_record.database)
    connection.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", (run.id,))
    connection.commit()
    connection.close()
    assert PLAN.stacks[0].key not in state_of(copied_record, PLAN).done
