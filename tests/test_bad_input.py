"""Whatever a user gets wrong is one line that says what and what to do, status 2, and leaves everything as it was."""

import ctypes
import importlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from bad_input import STUDY_FILE, Case, copied, corpus, counts, digest, trouble
from conftest import ROOT
from made_up import write_tables, write_universes
from test_store import made_up_result

from research.loading import load_study
from research.plan import make_plan
from research.store import Store
from research.tracking import Recorder

CASES = corpus()


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A study with its record and its tables, from numbers that are made up."""
    folder = tmp_path_factory.mktemp("good") / "world"
    folder.mkdir()
    (folder / "toy.py").write_text(STUDY_FILE)
    study = load_study(str(folder / "toy.py"))
    plan = make_plan(study)
    recorder = Recorder(Store(folder / "store"), plan)
    for stack in plan.stacks:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    write_tables(study, folder / "reports" / "toy")
    write_universes(study, folder / "reports" / "toy")
    return folder


def no_master_key() -> None:
    """Let not even root, who runs the tests in a container, read and write what is closed."""
    if sys.platform == "linux" and os.geteuid() == 0:
        for right in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, right)  # PR_CAPBSET_DROP


def as_process(case: Case, world: Path) -> tuple[int, str, str]:
    """Status, stdout and stderr of the command, really typed."""
    command, *words = case.words
    done = subprocess.run(
        [sys.executable, "-m", f"research.{command}", *words],
        cwd=world,
        env={**os.environ, "PYTHONPATH": str(ROOT), **case.environment},
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=no_master_key,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def in_process(capsys, monkeypatch):
    """The same by a call of the command's `main`."""

    def call(case: Case, world: Path) -> tuple[int, str, str]:
        monkeypatch.chdir(world)
        for name, value in case.environment.items():
            monkeypatch.setenv(name, value)
        command, *words = case.words
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            status = importlib.import_module(f"research.{command}").main(words)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return (status, *capsys.readouterr())

    return call


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_is_refused_in_a_line_and_nothing_is_changed(case, world, tmp_path, in_process):
    if case.spoil:
        world = copied(world, tmp_path / "world")
        case.spoil(world)
    before = digest(world)
    done = as_process(case, world) if case.process else in_process(case, world)
    assert trouble(done, case.says) == ""
    assert digest(world) == before


def test_there_are_hundreds_of_cases_and_each_is_told_from_the_others():
    print(f"\n{counts(CASES)}")
    assert len(CASES) >= 300
    assert sum(case.process for case in CASES) >= 40
    assert [name for name, number in Counter(map(str, CASES)).items() if number > 1] == []
