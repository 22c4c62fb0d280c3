"""Each control of backpropagation is refuted where what it is about is broken, and stands where nothing is."""

import pytest
from broken_studies import controls_of

from research.design.study_files import load_study

FAULTS = {
    "same-loss": ("np.expm1(z))", "np.expm1(z) / 2)"),
    "slopes-are-needed": ('np.ones_like if self.broken == "no slope" else ', ""),
    "other-data": ("inputs = rng.standard_normal(inputs.shape)", "inputs = inputs + 0"),
    "other-examples": ("np.roll(error, 1, 0)", "np.roll(error, len(error), 0)"),
    "frozen-stays": ("(*trunk, *used, *other):", "everything:"),
    "moves-when-on-path": ("loss(used, other)", "loss(used)"),
    "straight-line": ("self.rate * gradient.square().sum()", "self.rate * gradient.square().mean()"),
}


def test_every_control_of_the_study_is_seen_to_fail():
    assert set(FAULTS) == {control.name for control in load_study("backpropagation").controls}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    found = controls_of("backpropagation", tmp_path, ("everything", "everything"), FAULTS)
    assert found == dict.fromkeys(FAULTS, "supported")


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of("backpropagation", tmp_path, FAULTS[control], [control]) == {control: "refuted"}
