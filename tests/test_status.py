"""What the list of studies and --plan show, and how long what is missing is said to take."""

import re
from dataclasses import replace

import pytest
from conftest import command
from made_up import PLAN

from research.record.state import state_of
from research.record.store import Store
from research.running.pace import time_left
from research.running.status import START_SECONDS, estimate


def test_without_a_name_the_studies_are_listed_and_no_store_is_made(tmp_path):
    done = command("--store", tmp_path / "store")
    assert (done.returncode, done.stderr) == (0, "")
    assert "activation_depth\n    Do sigmoid and tanh stop learning" in done.stdout
    assert re.search("27 cells, 20 seeds: 0 of [0-9]+ stacks done, about .* to go", done.stdout)
    assert not (tmp_path / "store").exists()


def test_plan_shows_what_is_to_do_and_makes_nothing(fresh):
    done = fresh.run("--plan", "--seeds", "12", "--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "relu depth=2  0 of 2 stacks of 10 seeds  to do" in done.stdout
    assert "8 stacks, 0 done, 0 failed, 8 to run" in done.stdout
    assert "estimated time: " in done.stdout
    assert [path.name for path in fresh.folder.iterdir()] == ["toy.py"]


def test_plan_shows_what_is_done(finished):
    done = finished.run("--plan", "--seeds", "12")
    assert "relu depth=2  1 of 2 stacks of 10 seeds  to do" in done.stdout
    assert "8 stacks, 4 done, 0 failed, 4 to run" in done.stdout
    assert "4 stacks, 4 done, 0 failed, 0 to run\n" in finished.run("--plan").stdout


def test_what_is_missing_takes_its_nominal_time_where_nothing_was_trained(tmp_path):
    state = state_of(Store(tmp_path), PLAN)
    nominal = [stack.nominal_seconds for stack in PLAN.stacks]
    assert estimate(PLAN, state, 1) == pytest.approx(sum(nominal) + START_SECONDS)
    assert estimate(PLAN, state, 2) == pytest.approx(time_left([], nominal, [], 2) + START_SECONDS)


def test_it_takes_no_less_than_the_longest_stack(tmp_path):
    longest = max(stack.nominal_seconds for stack in PLAN.stacks)
    assert estimate(PLAN, state_of(Store(tmp_path), PLAN), 1000) == pytest.approx(longest + START_SECONDS)


def test_it_follows_what_the_finished_stacks_took(record):
    state = state_of(record, PLAN)
    took = {stack.key: 50 * stack.nominal_seconds for stack in PLAN.stacks}
    slow = {
        key: tuple(replace(run, ended=run.started + round(1000 * took[key])) for run in runs)
        for key, runs in state.done.items()
    }
    left = sum(stack.nominal_seconds for stack in state.missing(PLAN))
    assert estimate(PLAN, replace(state, done=slow), 1) == pytest.approx(50 * left + START_SECONDS, rel=0.01)


def test_what_is_done_takes_only_the_start(finished):
    assert estimate(finished.plan(), finished.state(), 2) == START_SECONDS
