"""A short form of benchmarks/scale.py, and what it refuses."""

import json

import pytest

from benchmarks.scale import PLAN_SECONDS, Timing, growth, levels, main, study_of
from research.design.plan import make_plan

PHASES = ("record", "plan", "resume", "read back", "search", "search again", "export")


@pytest.mark.parametrize("num_stacks", [1, 5, 20, 30, 100, 1000, 10_000])
def test_a_study_has_the_stacks_that_are_asked_for(num_stacks):
    plan = make_plan(study_of(num_stacks))
    assert len({stack.key for stack in plan.stacks}) == num_stacks
    assert {len(stack.seeds) for stack in plan.stacks} == {1}
    assert len({cell.name for cell in plan.cells}) == len(plan.cells) == num_stacks / plan.num_seeds


@pytest.mark.parametrize(("num_cells", "expected"), [(1, (1, 1, 1)), (7, (7, 1, 1)), (1000, (10, 10, 10))])
def test_the_levels_make_as_many_cells(num_cells, expected):
    assert levels(num_cells) == expected


def test_growth_compares_the_largest_study_with_the_smallest():
    timings = [Timing("plan", 1000, 3.0), Timing("plan", 10, 0.01), Timing("plan", 100, 9.0)]
    assert growth(timings) == pytest.approx({"plan": 3.0})


def test_every_phase_of_two_small_studies_is_timed(capsys):
    assert main(["--stacks", "20", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["phase"], each["stacks"]) for each in found["timings"]] == [
        (phase, size) for phase in PHASES for size in (5, 20)
    ]
    assert all(each["seconds"] > 0 for each in found["timings"])
    assert [each["words"] for each in found["commands"]] == [
        "--help", "activation_depth --plan", "--plan of 20 stacks"
    ]  # fmt: skip
    assert all(each["goal"] <= PLAN_SECONDS for each in found["commands"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stacks", "0"], "error: --stacks 0: at least one stack is needed\n"),
        (["--stacks", "x"], "error: argument --stacks: invalid int value: 'x'; see --help\n"),
        (["--fast"], "error: unrecognized arguments: --fast; see --help\n"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(words, message, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err == message
