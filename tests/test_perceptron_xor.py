"""Each control of perceptron_xor is refuted where what it is about is broken, and stands where nothing is."""

import pytest
from broken_studies import controls_of

FAULTS = {
    "and-and-or": ("weights = weights + target[row] * inputs[row]", "weights = weights + inputs[row]"),
    "fourteen-ways": ("for ends in BITS:", "for ends in BITS[:1]:"),
    "linear-units": ('TwoUnits("identity")', 'TwoUnits("sigmoid")'),
    "gradient-of-torch": ("h * (1 - h)", "h"),
    "sigmoid-has-slope": ('if self.unit == "step"', 'if self.unit != "no unit"'),
    "other-data": ("self.data(seed + 10**6)", "self.data(seed)"),
}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    assert controls_of("perceptron_xor", tmp_path, ("XOR", "XOR"), FAULTS) == dict.fromkeys(FAULTS, "supported")


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of("perceptron_xor", tmp_path, FAULTS[control], [control]) == {control: "refuted"}
