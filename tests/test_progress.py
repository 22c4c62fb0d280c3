"""What holds for progress: every stack has its line, and what is left follows what was seen."""

from dataclasses import replace

import pytest
from made_up import PLAN

from research.running.pace import time_left
from research.running.progress import Progress


def test_away_from_a_terminal_each_stack_is_a_line_and_all_but_the_last_say_what_is_left(capsys):
    with Progress(list(PLAN.stacks[:2]), 1) as progress:
        progress.show({PLAN.stacks[0].key: (0.5, 1.0)})
        progress.line(PLAN.stacks[0], "fine", 2.0)
        progress.line(PLAN.stacks[1], "fine too", 3.0)
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("[1/2] tanh depth=1 seeds 0-2: fine  (")
    assert first.endswith(" left)")
    assert last == "[2/2] tanh depth=2 seeds 0-2: fine too"


def test_what_is_left_follows_what_stacks_took_and_those_in_work_show():
    first, second, *others = PLAN.stacks
    with Progress(list(PLAN.stacks), 2) as progress:
        as_estimated = progress.left
        assert as_estimated == pytest.approx(
            time_left([], [stack.nominal_seconds for stack in PLAN.stacks], [], 2), rel=1e-9
        )
        progress.line(first, "fine", 100 * first.nominal_seconds)
        assert progress.left > 20 * as_estimated
        whole = progress.left
        progress.show({stack.key: (0.9, 90 * stack.nominal_seconds) for stack in (second, *others[:1])})
        assert progress.left < whole
        for stack in (second, *others):
            progress.line(stack, "failed: not in time")
        assert progress.left == 0


def test_a_shorter_horizon_costs_nothing_beside_a_longer_one_unless_each_is_trained_alone():
    stack = PLAN.stacks[0]
    longer = replace(stack, cell=replace(stack.cell, task=replace(stack.cell.task, epochs=50), levels={"depth": 9}))
    with Progress([stack, longer], 1) as together, Progress([stack, longer], 1, alone=True) as apart:
        assert together.weights == {stack.key: 0, longer.key: longer.nominal_seconds}
        assert apart.weights == {stack.key: stack.nominal_seconds, longer.key: longer.nominal_seconds}


def test_stacks_that_nobody_knew_of_are_counted_once_they_are_known(capsys):
    known, other, *_ = PLAN.stacks
    with Progress([known], 1) as progress:
        progress.expect([known, other])
        for stack in (other, known):
            progress.line(stack, "done")
        assert progress.total == sum(progress.weights.values())
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["[1/2]", "[2/2]"]
