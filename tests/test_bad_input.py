"""Whatever a user gets wrong is one line that says what and what to do, status 2, and leaves everything as it was."""

import contextlib
import ctypes
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import bad_tables
import pytest
from bad_input import ADMITTED, ADMITTED_LINES, STUDY_FILE, Case, copied, corpus, counts, digest, trouble, typed
from conftest import ROOT
from made_up import made_up_result, sign, write_tables, write_universes

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study_files import load_study
from research.publishing.results import read_published
from research.record.recorder import Recorder
from research.record.store import Store

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
        for name, value in case.environment.items():
            monkeypatch.setenv(name, value)
        command, *words = case.words
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with contextlib.chdir(world):
                status = importlib.import_module(f"research.{command}").main(words)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return (status, *capsys.readouterr())

    return call


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_is_refused_in_a_line_and_nothing_is_changed(case, world, in_process):
    with tempfile.TemporaryDirectory() as folder:  # gone at once: a thousand worlds are gigabytes
        if case.spoil:
            world = copied(world, Path(folder) / "world")
            case.spoil(world)
        before = digest(world)
        done = as_process(case, world) if case.process else in_process(case, world)
        assert trouble(done, case.says) == ""
        assert digest(world) == before


@pytest.mark.parametrize(("words", "why"), ADMITTED.items())
def test_what_can_only_mean_one_thing_is_admitted(words, why, world, in_process):
    before = digest(world)
    status, out, err = in_process(Case("", why, typed("study", "toy.py", "--plan", *words), ""), world)
    assert (status, err) == (0, "")
    assert "toy, tier " in out
    assert digest(world) == before


@pytest.mark.parametrize(("line", "why"), ADMITTED_LINES.items())
def test_so_is_a_study_file_that_only_looks_odd(line, why, world, tmp_path, in_process):
    (tmp_path / "toy.py").write_text(f"{STUDY_FILE}\n{line}\n")
    status, out, err = in_process(Case("", why, ("study", "toy.py", "--plan", "--store", "store"), ""), tmp_path)
    assert (status, err) == (0, "")
    assert "toy, tier full" in out


@pytest.mark.parametrize("change", bad_tables.ADMITTED.values(), ids=bad_tables.ADMITTED)
def test_tables_with_new_sums_may_hold_the_same_in_other_bytes_and_other_numbers(world, tmp_path, change):
    folder = copied(world, tmp_path / "world") / "reports" / "toy"
    (folder / "runs.csv").write_bytes(change((folder / "runs.csv").read_bytes()))
    study = load_study(str(world / "toy.py"))
    with pytest.raises(UserError, match="is not what was exported"):
        read_published(study, folder)
    sign(folder)
    assert len(read_published(study, folder).tables.runs) == 15


def test_there_are_hundreds_of_cases_and_each_is_told_from_the_others():
    print(f"\n{counts(CASES)}")
    assert len(CASES) >= 300
    assert sum(case.process for case in CASES) >= 40
    assert [name for name, number in Counter(map(str, CASES)).items() if number > 1] == []
