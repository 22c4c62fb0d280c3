"""What benchmarks/overhead.py says of a real run at smoke size, and what it refuses."""

import json
import os
import subprocess
import sys
from collections import defaultdict

import pytest
from conftest import ROOT, TRAINED

from benchmarks.overhead import COORDINATOR, WORKER, Overhead, Stopwatch, Trained, report, wall_clock, workers_time

COMMAND = [sys.executable, "-m", "benchmarks.overhead"]


def overhead(*words):
    return subprocess.run([*COMMAND, *map(str, words)], cwd=ROOT, env=os.environ, capture_output=True, text=True)


def test_where_the_time_of_a_real_run_goes_adds_up(fresh):
    fresh.write(task=TRAINED)
    done = overhead(fresh.file, "--tier", "small", "--workers", 1, "--store", fresh.store, "--json")
    assert done.returncode == 0, done.stderr
    assert "[2/2] " in done.stderr
    content = json.loads(done.stdout)
    found = Overhead(**content | {"trained": [Trained(**each) for each in content["trained"]]})
    assert set(found.spent) == set(COORDINATOR)
    assert [stack.replicates for stack in found.trained] == [3, 3]
    assert {"training", "data", "initialisation", "evaluation"} <= set(found.trained[0].spent) <= {"training", *WORKER}
    assert all(stack.spent["training"] > stack.spent["initialisation"] > 0 for stack in found.trained)
    clock, workers = wall_clock(found), workers_time(found)
    assert min(*clock.values(), *workers.values()) > -0.01
    assert sum(clock.values()) == pytest.approx(found.ended - found.started)
    assert sum(workers.values()) == pytest.approx(clock["workers at work"])
    assert len(fresh.runs("toy-small")) == 2 * (1 + 3)  # cells, each with its replicates
    assert "6 replicates" in report(found)


def test_a_run_that_trains_nothing_is_divided_too():
    found = Overhead(100.0, 110.0, {"planning": 0.5, "opening the record": 1.0, "tables": 2.0}, 2, [])
    assert wall_clock(found) == {"starting": 8.0, "tables": 2.0}
    assert report(found).endswith("35.0 % of the wall clock (goal: at most 5 %, missed)")


def test_workers_wait_between_stacks_and_at_the_end():
    trained = [Trained(1, 0.0, 4.0, 1, {"training": 4.0}), Trained(1, 5.0, 8.0, 1, {"training": 2.0, "data": 1.0}),
               Trained(2, 0.0, 10.0, 1, {"training": 10.0})]  # fmt: skip
    found = Overhead(-3.0, 12.0, {"recording": 0.3, "opening the record": 0.1}, 2, trained)
    assert workers_time(found) == {
        "training": 16.0, "data": 1.0, "waiting for a stack": 1.0, "waiting at the end": 2.0
    }  # fmt: skip
    assert wall_clock(found) == {"starting": 3.0, "workers at work": 10.0, "last results, and the rest": 2.0}
    assert "workers at work: 85.0 % (goal: at least 95 %, missed)" in report(found)
    assert "100.0 ms for each of 3 replicates" in report(found)


def test_time_in_another_part_is_not_counted_twice(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 10.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    stopwatch = Stopwatch(defaultdict(float))
    inner = stopwatch.timed("inner", lambda: None)
    stopwatch.timed("outer", inner)()
    assert stopwatch.spent == {"outer": 8.0, "inner": 2.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tier", "tiny"], "error: loss_convergence: no tier 'tiny'; it has full, quick, smoke\n"),
        (["nothing_like_it"], "error: no study 'nothing_like_it'"),
        (["--workers", "x"], "error: argument --workers: invalid int value: 'x'; see --help\n"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(words, message):
    done = overhead(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
