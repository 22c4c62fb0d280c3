"""Each control of activation_functions is refuted where what it is about is broken, and stands where nothing is."""

import pytest
from broken_studies import controls_of

from research.design.study_files import load_study

ANOTHER = ('Formula("silu", "gelu") if', 'Formula("silu", "silu") if')
MORE_TIME = ("                    work()\n", "                    which or work()\n                    work()\n")
FAULTS = {
    "other-formula": ANOTHER,
    "other-slope": ANOTHER,
    "identity-is-straight": (".max() / sizes.max()", ".max() / sizes.sum()"),
    "relu-has-a-kink": ("each.diff()", "each.diff()[:1000]"),
    "relu-is-zero": ("if at < 0", "if at > 0"),
    "relu-reaches-its-end": ("v in claimed for", "v == math.inf for"),
    "sigmoid-is-not-centred": ("evaluated(activation, -grid)", "-evaluated(activation, grid)"),
    "mean-of-relu": ("SCALES[self.inputs] * rng", "2 * SCALES[self.inputs] * rng"),
    "uniform-in-8-bits": ("step = (high - low) / 255", "step = (high - low) / 127"),
    "relu-takes-its-own-time": MORE_TIME,
    "twice-takes-longer": ("calls *= 2", "calls *= 1"),
    "same-step-same-time": MORE_TIME,
}


def test_every_control_of_the_study_is_seen_to_fail():
    assert set(FAULTS) == {control.name for control in load_study("activation_functions").controls}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    found = controls_of("activation_functions", tmp_path, ANOTHER[:1] * 2, FAULTS)
    assert found == dict.fromkeys(FAULTS, "supported")


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of("activation_functions", tmp_path, FAULTS[control], [control]) == {control: "refuted"}
