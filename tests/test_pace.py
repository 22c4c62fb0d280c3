"""How long work is said to take, by what was done of it: on traces that are made up, and by hand."""

import math
import random

import pytest

from research.design.plan import in_one_pass, make_plan
from research.design.study_files import load_study, study_names
from research.running.pace import Job, Pace, time_left

STEP = 0.5  # seconds of the clock that traces are made with
EVALUATIONS = 20  # how often a job says what share of it is done


def trace(nominal, factor, workers=2, slower=lambda time: 1.0):
    """What is said to be left at each moment of a run, with how long it then takes: (time, said, true).

    Each worker begins with the shortest job and goes on with the longest, as `execute.Workers` hands them out.
    `factor` says how many times its nominal seconds a job takes, `slower` how many times that at some time.
    """
    rng = random.Random(0)
    waiting = [(seconds, seconds * factor(seconds) * math.exp(rng.gauss(0, 0.1))) for seconds in sorted(nominal)]
    at_work: dict[int, list[float]] = {}
    begun: set[int] = set()
    finished, said, time = [], [], 0.0
    while waiting or at_work:
        for worker in range(workers):
            if worker not in at_work and waiting:
                at_work[worker] = [*waiting.pop(-1 if worker in begun else 0), 0.0, 0.0]
                begun.add(worker)
        for worker, job in list(at_work.items()):
            job[2] += STEP / slower(time) / job[1]
            job[3] += STEP
            if job[2] >= 1:
                finished.append(Job(job[0], 1.0, job[3]))
                del at_work[worker]
        time += STEP
        running = []
        for seconds, _, share, took in at_work.values():
            seen = int(EVALUATIONS * share) / EVALUATIONS
            running.append(Job(seconds, seen, took * seen / share))
        said.append((time, time_left(running, [seconds for seconds, _ in waiting], finished, workers)))
    return [(at, left, time - at) for at, left in said]


def worst(said):
    """The greatest factor by which the whole time is misjudged from the first tenth on, until the last one."""
    _, _, rest = said[0]
    whole = rest + said[0][0]
    return max(abs(at + left - whole) / whole for at, left, _ in said if 0.1 * whole <= at <= 0.9 * whole)


FACTORS = {
    "as estimated": lambda seconds: 1.0,
    "three times as long": lambda seconds: 3.0,
    "a third": lambda seconds: 1 / 3,
    "a tenth of a second more each": lambda seconds: 1 + 0.1 / seconds,
}


@pytest.mark.parametrize("name", study_names())
@pytest.mark.parametrize("factor", FACTORS.values(), ids=FACTORS)
def test_the_time_of_a_study_is_known_to_a_quarter_after_a_tenth_of_it(name, factor):
    jobs = in_one_pass(make_plan(load_study(name)).stacks)
    assert worst(trace([longest.nominal_seconds for longest, *_ in jobs], factor)) < 0.25


@pytest.mark.parametrize("name", study_names())
def test_it_is_also_where_something_else_runs_beside_every_few_seconds(name):
    jobs = in_one_pass(make_plan(load_study(name)).stacks)
    nominal = [longest.nominal_seconds for longest, *_ in jobs]
    assert worst(trace(nominal, lambda _: 1.0, slower=lambda time: 1.8 if time % 12 < 6 else 1.0)) < 0.25


def test_where_long_jobs_take_longer_than_was_estimated_short_ones_are_not_expected_to():
    seen = [Job(1.0, 1.0, 1.0), Job(64.0, 1.0, 192.0)]
    pace = Pace(seen)
    assert pace.factor(1.0) < 1.2 < pace.factor(8.0) < 2.5 < pace.factor(64.0) <= 3.0


def test_nothing_seen_is_as_estimated_and_what_has_just_begun_says_nothing():
    assert Pace([]).factor(5.0) == 1.0
    assert Pace([Job(10.0, 0.0, 3.0), Job(10.0, 0.01, 5.0), Job(10.0, 1.0, 0.0)]).factor(10.0) == 1.0


def test_a_second_of_a_job_says_less_than_five():
    assert 1 < Pace([Job(1.0, 1.0, 1.0), Job(1.0, 1.0, 8.0)]).factor(1.0) < 8
    assert Pace([Job(1.0, 1.0, 1.0), Job(1.0, 1.0, 8.0)]).factor(1.0) > math.sqrt(8)


def test_in_the_end_workers_wait_for_the_last_job():
    assert time_left([], [10.0, 10.0, 10.0], [], 2) == 20.0
    assert time_left([Job(10.0, 0.5, 5.0)], [], [], 2) == 5.0
    assert time_left([Job(10.0, 0.5, 5.0)], [4.0, 3.0], [], 2) == pytest.approx(7.0)
    assert time_left([], [], [Job(1.0, 1.0, 1.0)], 2) == 0.0


def test_the_longest_are_taken_first_whatever_their_order():
    assert time_left([], [1.0, 1.0, 2.0], [], 2) == time_left([], [2.0, 1.0, 1.0], [], 2) == 2.0
