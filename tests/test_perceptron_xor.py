"""Each control of perceptron_xor is refuted where what it is about is broken, and stands where nothing is."""

import pandas as pd
import pytest

from research.design.study_files import STUDIES, load_study
from research.judging.findings import judge

TEXT = (STUDIES / "perceptron_xor.py").read_text()
FAULTS = {
    "and-and-or": ("weights = weights + target[row] * inputs[row]", "weights = weights + inputs[row]"),
    "fourteen-ways": ("for ends in BITS:", "for ends in BITS[:1]:"),
    "linear-units": ('TwoUnits("identity")', 'TwoUnits("sigmoid")'),
    "gradient-of-torch": ("h * (1 - h)", "h"),
    "sigmoid-has-slope": ('if self.unit == "step"', 'if self.unit != "no unit"'),
    "other-data": ("self.data(seed + 10**6)", "self.data(seed)"),
}
SEEDS = range(5)


def controls_of(folder, change, names=FAULTS):
    """The verdicts on some controls, of the study with a change in its file, on seeds for development."""
    assert TEXT.count(change[0]) >= 1
    (folder / "perceptron_xor.py").write_text(TEXT.replace(*change))
    study = load_study(str(folder / "perceptron_xor.py"))
    arms = {arm for control in study.controls if control.name in names for arm in control.number.arms}
    rows = [
        {"learner": arm, "seed": replicate.seed, "diverged_step": None, **replicate.metrics}
        for arm in sorted(arms)
        for replicate in study.task({"learner": arm}).run(SEEDS, lambda share: None)
    ]
    judgement = judge(study, pd.DataFrame(rows), len(SEEDS), complete=True)
    return {finding.name: finding.verdict for finding in judgement.controls if finding.name in names}


def test_no_control_fails_where_nothing_is_broken(tmp_path):
    assert controls_of(tmp_path, ("XOR", "XOR")) == dict.fromkeys(FAULTS, "supported")


@pytest.mark.parametrize("control", FAULTS)
def test_a_control_is_refuted_where_what_it_is_about_is_broken(control, tmp_path):
    assert controls_of(tmp_path, FAULTS[control], [control]) == {control: "refuted"}
