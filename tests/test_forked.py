"""Commands in tests are forked, and are processes as at home."""

import importlib
import os
import signal
import subprocess
import sys
import warnings

import forked
import pytest
from conftest import COMMAND, ROOT, error_line

IN_ANOTHER = {"LANGUAGE": "eo"}


def start(*words, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    return subprocess.Popen([*COMMAND, *words], **pipes | options)


@pytest.mark.skipif(sys.platform != "linux" or os.environ.get("FORKED") == "no", reason="nothing is forked here")
def test_a_command_is_forked_whatever_libraries_the_tests_have_imported():
    with warnings.catch_warnings(action="ignore"):
        for library in ("captum", "mlflow.store.tracking.sqlalchemy_store", "pytorch_lightning", "shap"):
            importlib.import_module(library)
    with start("--nonsense") as process:
        out, error = process.communicate(timeout=60)
    assert isinstance(process, forked.Popen)
    assert process._line is not None
    assert out == ""
    assert "--nonsense" in error_line(process.returncode, error)


def test_one_in_another_environment_is_not():
    with start("--help", env=os.environ | IN_ANOTHER) as process:
        assert "usage" in process.communicate(timeout=60)[0]
    assert process._line is None
    assert process.returncode == 0


def test_it_has_a_session_of_its_own_and_ends_by_signals(fresh):
    with start(fresh.file, *fresh.places, start_new_session=True) as process:
        assert os.getpgid(process.pid) == process.pid != os.getpgrp()
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL
