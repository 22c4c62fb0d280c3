"""What the docs say can be done."""

import re
import subprocess
import sys
from pathlib import Path

from research import study, ui
from research.plan import load_study, make_plan, study_names

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_readme_has_exactly_two_set_up_commands_each_one_line():
    assert len(re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)) == 2


def test_options_in_the_docs_exist_and_options_that_exist_are_in_the_docs():
    named = set(re.findall(r"`[^`]*?(--[a-z]+)", README)) - {"--check"}
    actions = [action for command in (study, ui) for action in command.parser()._actions]
    existing = {option for action in actions for option in action.option_strings if option.startswith("--")}
    assert named <= existing
    assert existing - {"--help"} <= set(re.findall(r"--[a-z]+", README))


def test_every_study_that_the_readme_names_exists():
    assert set(re.findall(r"research\.study ([a-z_]+)(?= |`|$)", README, re.MULTILINE)) <= set(study_names())


def test_the_study_of_the_readme_can_be_planned(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "width.py").write_text(block)
    assert len(make_plan(load_study(str(tmp_path / "width.py"))).cells) == 6


def test_pinned_versions_are_the_installed_ones():
    """The README's commands use constraints.txt, so results and docs speak of these versions."""
    frozen = subprocess.run([sys.executable, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    installed = dict(re.findall(r"^([\w.-]+)==([\w.]+)", frozen, re.MULTILINE))
    for name in ("torch", "mlflow", "pytorch-lightning", "optuna", "numpy", "matplotlib", "seaborn", "pandas"):
        assert pinned[name] == installed[name]
