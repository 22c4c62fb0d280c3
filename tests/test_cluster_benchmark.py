"""What benchmarks/cluster.py says of real runs of a few short stacks, and what it refuses."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

from benchmarks.cluster import Found, main, report


def test_a_real_run_takes_its_least_and_more():
    words = ["--stacks", "8", "--seconds", "0.1", "--workers", "2", "--where", "here", "--json"]
    command = [sys.executable, "-m", "benchmarks.cluster", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = (Found(**each) for each in json.loads(done.stdout))
    assert (found.where, found.workers, found.stacks, found.seconds) == ("here", 2, 8, 0.1)
    assert found.least == pytest.approx(0.4)
    assert found.least < found.working < found.command
    assert "[8/8]" in done.stderr


def test_what_is_beyond_the_least_is_told_and_of_a_second_whether_the_goal_was_missed():
    short, long = Found("here", 2, 100, 0.01, 0.6, 9.0), Found("cluster", 4, 400, 1.0, 106.0, 115.0)
    assert (short.least, short.beyond, short.each) == pytest.approx((0.5, 20.0, 0.002))
    *_, first, second = report([short, long]).splitlines()
    assert first == "| here | 2 | 100 | 0.01 | 0.5 s | 0.6 s | 20.0 % | 2.0 ms | 9.0 s |"
    assert second == "| cluster | 4 | 400 | 1 | 100.0 s | 106.0 s | 6.0 % (goal missed) | 60.0 ms | 115.0 s |"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stacks", "0"], "error: --stacks 0: at least one is needed\n"),
        (["--workers", "2", "0"], "error: --workers 0: at least one is needed\n"),
        (["--stacks", "150"], "error: --stacks 150: name a number up to 100, or a multiple of it\n"),
        (["--seconds", "nan"], "error: --seconds nan: must lie above 0, up to 3600\n"),
        (["--where", "there"], "error: argument --where: invalid choice: 'there'"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(words, message, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(message)
