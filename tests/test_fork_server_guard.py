"""A process that has imported research.running.fork_server_guard ends with its parent; one that has not outlives it."""

import subprocess
import sys

import pytest
from conftest import ROOT, wait_until

from benchmarks.fault_runs import processes

CHILD = "{}import time; print('here', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); "
    "print(child.pid, flush=True); time.sleep(60)"
)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
@pytest.mark.parametrize(("first", "lives"), [("import research.running.fork_server_guard; ", False), ("", True)])
def test_it_ends_with_its_parent_whatever_it_is_doing(first, lives):
    words = [sys.executable, "-c", PARENT, CHILD.format(first)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        said = sorted(parent.stdout.readline().strip() for _ in range(2))
        child = int(said[0])
        assert said[1] == "here"
        assert child in processes()
        parent.kill()
    if lives:
        assert child in processes()
        subprocess.run(["kill", "-9", str(child)], check=True)
    wait_until(lambda: child not in processes(), 5)


def test_it_imports_nothing_slow():
    code = "import research.running.fork_server_guard, sys; print([n for n in sys.modules if n.startswith('research')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "['research', 'research.running', 'research.running.fork_server_guard']\n"
