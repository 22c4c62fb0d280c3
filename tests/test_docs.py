"""What the docs say can be done."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from research import report, reproduce, store, study, ui
from research.design.plan import make_plan
from research.design.study_files import load_study, study_names

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_readme_has_exactly_two_set_up_commands_each_one_line():
    assert len(re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)) == 2


def test_options_in_the_docs_exist_and_options_that_exist_are_in_the_docs():
    named = set(re.findall(r"`[^`]*?(--[a-z]+(?:-[a-z]+)*)", README))
    actions = [action for command in (study, report, reproduce, store, ui) for action in command.parser()._actions]
    existing = {option for action in actions for option in action.option_strings if option.startswith("--")}
    assert named <= existing
    assert existing - {"--help"} <= set(re.findall(r"--[a-z]+(?:-[a-z]+)*", README))


COMMANDS = sorted(set(re.findall(r"python -m (research\.\w+)([^`\n]*)", README)))


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_every_command_of_the_readme_is_one_that_its_parser_takes(module, arguments):
    parsers = {command.__name__: command.parser for command in (study, report, reproduce, store, ui)}
    parsers[module]().parse_args(shlex.split(arguments.partition(" --> ")[0].replace(" -->", "")))


def test_every_study_is_named_in_the_readme():
    assert {name for name in study_names() if f"`{name}`" in README} == set(study_names())


def test_every_study_that_the_readme_names_exists():
    assert set(re.findall(r"research\.study ([a-z_]+)(?= |`|$)", README, re.MULTILINE)) <= set(study_names())


def test_the_study_of_the_readme_can_be_planned(tmp_path):
    (block,) = (block for block in BLOCKS if "STUDY =" in block)
    (tmp_path / "width.py").write_text(block)
    assert len(make_plan(load_study(str(tmp_path / "width.py"))).cells) == 6


def test_the_results_can_be_used_as_the_readme_says():
    (block,) = (block for block in BLOCKS if "research.results" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["accuracy"].loc[("tanh", 4), "count"] == 20
    assert set(names["claims"]["n"]) == {20}


def test_importing_the_package_is_cheap():
    code = "import sys, research; print(*({'pandas', 'numpy', 'torch', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "\n"


def test_pinned_versions_are_the_installed_ones():
    """The README's commands use constraints.txt, so results and docs speak of these versions."""
    frozen = subprocess.run([sys.executable, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    installed = dict(re.findall(r"^([\w.-]+)==([\w.]+)", frozen, re.MULTILINE))
    for name in ("torch", "mlflow", "pytorch-lightning", "optuna", "numpy", "matplotlib", "seaborn", "pandas"):
        assert pinned[name] == installed[name]
