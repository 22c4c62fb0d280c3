"""Each control of parameter_explosion is refuted where what it is about is broken, and stands where nothing is."""

import pytest
from broken_studies import controls_of

from research.design.study_files import load_study

SEEDS = range(3)  # each is a process that imports torch
FAULTS = {
    "nothing-holds-nothing": ("before, seconds, parameters = peak(),", "before, seconds, parameters = 0.0,"),
    "known-memory": ("torch.ones(units *", "torch.ones(2 * units *"),
    "twice-takes-twice": (
        "for _ in range(steps):",
        "for _ in range(steps**3):",
    ),  # far enough to show beside other work
    "other-places": ("patches.roll(1, 0)", "patches.roll(len(patches), 0)"),
    "weights-are-shared": ("own[0] += normal(outputs)", "own[0] += 0 * normal(outputs)"),
}


def test_every_control_of_the_study_is_seen_to_fail():
    assert set(FAULTS) == {control.name for control in load_study("parameter_explosion").controls}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    found = controls_of("parameter_explosion", tmp_path, ("MIB", "MIB"), FAULTS, SEEDS)
    assert found.pop("twice-takes-twice") != "refuted"  # three seeds say little of times
    assert found == {name: "supported" for name in FAULTS if name != "twice-takes-twice"}


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of("parameter_explosion", tmp_path, FAULTS[control], [control], SEEDS) == {control: "refuted"}
