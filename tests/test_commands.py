"""The command `mlp-research`, which is `python -m` of the module that it names."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import error_line

from research.commands import COMMANDS

COMMAND = Path(sys.executable).with_name("mlp-research")


def run(*words, folder):
    return subprocess.run([COMMAND, *words], cwd=folder, env=os.environ, capture_output=True, text=True)


def test_a_command_is_the_module_of_its_name(tmp_path):
    for name in ("study", "report"):
        module = subprocess.run([sys.executable, "-m", f"research.{name}", "--help"], capture_output=True, text=True)
        assert run(name, "--help", folder=tmp_path).stdout == module.stdout != ""
    asked = ("study", "width_sine", "--tier", "smoke", "--plan", "--store", "record")
    assert "4 stacks, 0 done" in run(*asked, folder=tmp_path).stdout


def test_its_help_names_every_command_and_another_is_refused(tmp_path):
    told = run(folder=tmp_path).stdout
    assert told == run("--help", folder=tmp_path).stdout
    assert all(f"\n  {name} " in told for name in COMMANDS)
    done = run("stdy", folder=tmp_path)
    assert error_line(done.returncode, done.stderr).startswith("no command 'stdy'; there are study, report, ui")
