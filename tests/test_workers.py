"""What holds when a study is disturbed: killed, stopped, robbed of its workers, given what cannot be trained."""

import os
import random
import re
import signal
import textwrap
import time

import pytest
from conftest import processes_of, wait_until, workers_of

from research.design.errors import UserError
from research.design.plan import in_one_pass, make_plan
from research.design.study import Factor, Study, Tier
from research.running import processes
from research.running import workers as execute
from research.running.processes import Processes
from research.running.workers import TRIES, Stopped, Workers
from research.training.config import TrainConfig
from research.training.train import train_stack


def kill(process, seconds=5):
    """End a coordinator as `kill -9` does, and hold it to leaving no process behind for longer than this."""
    assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(process.pid), seconds)


def to_train(printed):
    """How many stacks a run said that it would train."""
    (number,) = re.findall(r"(\d+) of \d+ stacks to train", printed)
    return int(number)


def test_killed_at_any_moment_a_study_resumes_to_the_same_tables(finished, fresh):
    rng = random.Random(0)
    with fresh.start("--workers", "2") as process:
        wait_until(lambda: (fresh.store / "mlflow.new").exists(), process=process)
        kill(process)  # while the database is made and the fork server imports
    with fresh.start("--workers", "2") as process:
        wait_until(lambda: len(workers_of(process.pid)) == 2, process=process)
        time.sleep(rng.uniform(0, 1))
        kill(process)  # while the first stacks train
    for _ in range(3):  # a stack and the parent run of its cell are written at once, then that is summed up
        before, done = len(fresh.statuses()), fresh.finished_ids()
        if len(done) > 2:
            break
        with fresh.start("--workers", "1") as process:
            wait_until(lambda wanted=before + 11: len(fresh.statuses()) >= wanted, process=process)
            time.sleep(rng.uniform(0, 0.03))
            kill(process)
        assert to_train(fresh.printed()) == 4 - len(done)
        assert done.items() < fresh.finished_ids().items()
    done = fresh.finished_ids()
    resumed = fresh.run("--workers", "2")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert len(done) == 4 or to_train(resumed.stdout) == 4 - len(done)
    assert done.items() <= fresh.finished_ids().items()
    assert fresh.tables() == finished.tables()
    assert set(fresh.statuses()) <= {"FINISHED", "KILLED"}


def test_workers_that_are_killed_cost_time_but_no_result(finished, fresh):
    with fresh.start("--workers", "2") as process:
        wait_until(lambda: "[1/4]" in fresh.printed(), process=process)
        first = wait_until(lambda: workers_of(process.pid), process=process)
        for worker in first:
            os.kill(worker, signal.SIGKILL)
        assert process.wait(timeout=120) == 0
        wait_until(lambda: not processes_of(process.pid), seconds=5)
    assert fresh.printed("stderr") == ""
    assert fresh.tables() == finished.tables()
    assert set(fresh.statuses()) == {"FINISHED"}


@pytest.fixture(scope="module")
def short_stacks():
    """Twelve stacks of a second's training or less."""
    study = Study(
        "short", "?", "nowhere", lambda width: TrainConfig("digits", width=width, epochs=1),
        Factor("width", tuple(range(1, 13))), (), {"full": Tier(seeds=1)}, ("test_accuracy",),
    )  # fmt: skip
    return make_plan(study).stacks


def test_a_worker_gets_its_second_stack_at_once_and_each_further_one_when_what_it_came_to_is_taken_up(short_stacks):
    with Workers(list(short_stacks), Processes(2)) as at_work:
        wait_until(lambda: at_work.told.qsize() == 4)
        time.sleep(2 * execute.POLL_SECONDS)
        assert at_work.told.qsize() == 4
        assert [slot.job for slot in at_work.slots] == [None, None]
        outcomes = at_work.outcomes()
        told = [next(outcomes)[0].key for _ in range(5)]  # of one worker both are taken up by now
        wait_until(lambda: at_work.told.qsize() >= 1)
        told += [stack.key for stack, _ in outcomes]
    assert sorted(told) == sorted(stack.key for stack in short_stacks)


def test_a_worker_begins_with_the_shortest_stack_and_goes_on_with_the_longest(short_stacks):
    with Workers(list(short_stacks), Processes(1)) as at_work:
        assert [stack.cell.task.width for stack, _ in at_work.outcomes()] == [1, *range(12, 1, -1)]


def test_stacks_that_differ_in_their_horizon_alone_train_in_one_pass_and_come_back_each_as_if_trained_alone():
    def configure(activation: str, horizon: int) -> TrainConfig:
        return TrainConfig("digits", width=4, activation=activation, batch_size=64, epochs=horizon)

    study = Study(
        "horizons", "?", "nowhere", configure, Factor("activation", ("tanh", "relu")), (Factor("horizon", (1, 3, 2)),),
        {"full": Tier(seeds=1)}, ("test_accuracy",),
    )  # fmt: skip
    stacks = make_plan(study).stacks
    assert [[stack.cell.task.epochs for stack in job] for job in in_one_pass(stacks)] == [[3, 2, 1]] * 2
    shown = set()
    with Workers(list(stacks), Processes(1)) as at_work:
        found = {stack.key: outcome for stack, outcome in at_work.outcomes(shown.update)}
    assert set(found) == {stack.key for stack in stacks}
    assert shown <= {stack.key for stack in stacks if stack.cell.task.epochs == 3}
    for job in in_one_pass(stacks):
        assert len({found[stack.key].started for stack in job}) == 1
    for stack in stacks:
        assert repr(found[stack.key].replicates) == repr(train_stack(stack.cell.task, stack.seeds).replicates)


def test_stacks_of_other_seeds_or_another_rate_do_not_train_in_one_pass():
    def configure(lr: float, horizon: int) -> TrainConfig:
        return TrainConfig("digits", width=4, lr=lr, epochs=horizon)

    study = Study(
        "horizons", "?", "nowhere", configure, Factor("lr", (0.1, 0.2)), (Factor("horizon", (1, 2)),),
        {"full": Tier(seeds=20)}, ("test_accuracy",),
    )  # fmt: skip
    jobs = in_one_pass(make_plan(study).stacks)
    assert [[(stack.cell.task.lr, stack.seeds[0], stack.cell.task.epochs) for stack in job] for job in jobs] == [
        [(0.1, 0, 2), (0.1, 0, 1)], [(0.1, 10, 2), (0.1, 10, 1)], [(0.2, 0, 2), (0.2, 0, 1)],
        [(0.2, 10, 2), (0.2, 10, 1)],
    ]  # fmt: skip


def test_what_is_added_is_trained_too_until_there_is_no_more(short_stacks):
    with Workers(list(short_stacks[:2]), Processes(1), open_end=True) as at_work:
        outcomes = at_work.outcomes()
        assert [next(outcomes)[0] for _ in range(2)] == list(short_stacks[:2])
        time.sleep(2 * execute.POLL_SECONDS)
        assert not at_work.all_told.done()  # it waits
        at_work.add(short_stacks[2:4])
        at_work.add(short_stacks[4:5])
        at_work.no_more()
        assert {stack.key for stack, _ in outcomes} == {stack.key for stack in short_stacks[2:5]}
        assert at_work.all_told.done()


def test_where_nothing_is_added_in_the_end_there_are_no_outcomes():
    with Workers([], Processes(2)) as at_work:
        assert (list(at_work.outcomes()), at_work.slots) == ([], [])
    with Workers([], Processes(1), open_end=True) as at_work:
        at_work.no_more()
        assert list(at_work.outcomes()) == []


def test_of_what_is_added_the_longest_is_trained_first_whatever_waits_already(short_stacks):
    with Workers([short_stacks[11]], Processes(1), open_end=True) as at_work:
        at_work.add(short_stacks[:3])
        at_work.add(short_stacks[3:6])
        at_work.no_more()
        assert [stack.cell.task.width for stack, _ in at_work.outcomes()] == [12, 6, 5, 4, 3, 2, 1]


def test_what_is_finished_is_told_when_work_is_stopped_too(short_stacks):
    def stop():
        raise Stopped(signal.SIGINT)

    with Workers(list(short_stacks[:2]), Processes(2)) as at_work:
        wait_until(lambda: at_work.told.qsize() == 3)
        outcomes = at_work.outcomes(check=stop)
        assert {next(outcomes)[0].key for _ in range(2)} == {stack.key for stack in short_stacks[:2]}
        with pytest.raises(Stopped):
            next(outcomes)


def test_what_goes_wrong_in_handing_out_is_raised_where_the_outcomes_are_asked_for(short_stacks, monkeypatch):
    def start(*_):
        raise OSError("no more processes")

    monkeypatch.setattr(processes.Worker, "submit", start)
    told = pytest.raises(UserError, match=r"no worker process can be started \(no more processes\)")
    with Workers(list(short_stacks), Processes(2)) as at_work, told:
        list(at_work.outcomes())


def test_a_stack_that_takes_every_worker_down_fails_alone_and_is_tried_again_by_the_next_run(finished, fresh):
    killed = set()
    with fresh.start("--workers", "1") as process:
        while len(killed) < TRIES:
            (worker,) = wait_until(lambda: workers_of(process.pid) - killed, process=process)
            time.sleep(0.3)
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)
        assert process.wait(timeout=120) == 1
    reason = f"its worker process died {TRIES} times"
    (victim,) = fresh.state().failed
    assert f"failed: {victim}: {reason}" in fresh.printed("stderr")
    assert "1 stack failed; the same command tries again" in fresh.printed("stderr")
    assert len(fresh.state().done) == 3
    assert f"0 of 1 stacks of 10 seeds  failed: {reason}" in fresh.run("--plan").stdout
    again = fresh.run("--workers", "1")
    assert (again.returncode, again.stderr) == (0, "")
    assert to_train(again.stdout) == 1
    assert "4 done, 0 failed, 0 to run" in fresh.run("--plan").stdout
    assert fresh.tables() == finished.tables()


def test_what_cannot_be_trained_is_recorded_with_its_reason_and_what_diverges_is_a_result(fresh):
    fresh.file.write_text(
        textwrap.dedent("""
            from research.design.study import Factor, Study, Tier
            from research.training.config import TrainConfig

            CASES = {
                "good": TrainConfig("digits", width=8, epochs=1),
                "diverging": TrainConfig("digits", width=8, epochs=1, lr=1e38),
                "endless": TrainConfig("digits", width=10**14, epochs=1),  # more than any machine can address
            }
            STUDY = Study(
                "toy", "What fails?", "nowhere", lambda case: CASES[case], Factor("case", tuple(CASES)), (),
                {"full": Tier(seeds=3)}, ("test_accuracy",),
            )
        """)
    )
    done = fresh.run("--workers", "1")
    assert done.returncode == 1
    *listed, last = done.stderr.splitlines()
    assert [line.partition(" Unable")[0] for line in listed] == [
        f"failed: toy/full/case=endless/seeds={seed}-{seed}: MemoryError:" for seed in range(3)
    ]
    assert last == "3 stacks failed; the same command tries again"
    assert "0 of 3 stacks of 1 seeds  failed: MemoryError: Unable to allocate" in fresh.run("--plan").stdout
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith(("good", "div", "end"))}
    assert lines["good"].endswith(" 3")
    assert lines["diverging"].endswith("-   0  3 diverged")
    assert lines["endless"].endswith(" -   0")
    failures = [run for run in fresh.runs() if run.status == "FAILED"]
    assert [run.name for run in failures] == [f"endless seeds={seed}-{seed} (failed)" for seed in range(3)]
    assert "RUNNING" not in fresh.statuses()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_at_work_a_study_leaves_nothing_half_done_and_says_how_to_go_on(copied, number, status):
    with copied.start("--seeds", "45", "--workers", "2") as process:
        wait_until(lambda: "[1/16]" in copied.printed(), process=process)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal's Ctrl-C reaches every process of the command
        else:
            process.send_signal(number)
        assert process.wait(timeout=20) == status
        wait_until(lambda: not processes_of(process.pid), seconds=5)
    assert copied.printed("stderr").strip() == (
        "stopped; what is finished is recorded: run the same command again to go on"
    )
    assert set(copied.statuses()) == {"FINISHED"}
    assert 5 <= len(copied.state(num_seeds=45).done) < 20


@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_ctrl_c_before_the_work_begins_ends_it_with_one_line_too(fresh, seconds):
    with fresh.start("--workers", "2") as process:
        wait_until(lambda: "stacks to train" in fresh.printed(), process=process)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) in (130, -signal.SIGINT)  # a shell shows 130 for either
        wait_until(lambda: not processes_of(process.pid), 5)
    assert len(fresh.printed("stderr").strip().splitlines()) == 1
    assert "RUNNING" not in fresh.statuses()
