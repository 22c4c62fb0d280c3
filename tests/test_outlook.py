"""What the list of studies and --plan show, and how long what is missing is said to take."""

import re
from dataclasses import replace

import pytest
from conftest import command
from made_up import PLAN

from research.outlook import START_SECONDS, estimate
from research.state import state_of
from research.store import Store


def test_without_a_name_the_studies_are_listed_and_no_store_is_made(tmp_path):
    done = command("--store", tmp_path / "store")
    assert (done.returncode, done.stderr) == (0, "")
    assert "activation_depth\n    Do sigmoid and tanh stop learning" in done.stdout
    assert re.search("26 cells, 10 seeds: 0 of [0-9]+ stacks done, about .* to go", done.stdout)
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
    nominal = sum(stack.nominal_seconds for stack in PLAN.stacks)
    assert estimate(PLAN, state, 1) == pytest.approx(nominal + START_SECONDS)
    assert estimate(PLAN, state, 2) == pytest.approx(nominal / 2 + START_SECONDS)


def test_it_takes_no_less_than_the_longest_stack(tmp_path):
    longest = max(stack.nominal_seconds for stack in PLAN.stacks)
    assert estimate(PLAN, state_of(Store(tmp_path), PLAN), 1000) == pytest.approx(longest + START_SECONDS)


def test_it_is_scaled_by_what_the_finished_stacks_took(record):
    state = state_of(record, PLAN)
    slow = {key: tuple(replace(run, ended=run.started + 100_000) for run in runs) for key, runs in state.done.items()}
    ratio = sorted(100 / stack.nominal_seconds for stack in PLAN.stacks if stack.key in slow)[len(slow) // 2]
    left = sum(stack.nominal_seconds for stack in state.missing(PLAN))
    assert estimate(PLAN, replace(state, done=slow), 1) == pytest.approx(ratio * left + START_SECONDS)


def test_what_is_done_takes_only_the_start(finished):
    assert estimate(finished.plan(), finished.state(), 2) == START_SECONDS
