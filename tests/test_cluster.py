"""What holds on a Dask cluster: the same tables as at home, whatever becomes of its workers and its scheduler."""

import os
import shutil
import signal
import subprocess

import pytest
from conftest import Toy, error_line, processes_of, wait_until
from lab import Doubles, alive, outcomes

from research.design.errors import UserError
from research.record.state import read_state
from research.running import cluster
from research.running.cluster import Cluster
from research.running.processes import Processes


def numbers(stacks, executor):
    """The replicates of stacks by key, as text to the last digit."""
    return {key: repr(outcome.replicates) for key, outcome in outcomes(stacks, executor).items()}


def finished(doubles):
    """The run ids of each stack of the slow tier that is finished, by its key."""
    state = read_state(doubles.plan(tier="slow"), doubles.runs("toy-slow"))
    return {key: [run.id for run in runs] for key, runs in state.done.items()}


def test_a_study_file_from_elsewhere_gives_the_tables_of_a_local_run_to_the_byte(lab, doubles):
    tables = []
    for where in (["--cluster", lab.address], ["--workers", "2"]):
        done = doubles.run(*where)
        assert (done.returncode, done.stderr) == (0, "")
        assert "6 of 6 stacks to train, 2 workers" in done.stdout
        tables.append(doubles.all_tables())
        shutil.rmtree(doubles.folder / "reports")
        shutil.rmtree(doubles.store)
    assert tables[0] == tables[1]
    assert {"runs.csv", "profiles.csv"} <= set(tables[0])


def test_networks_train_there_as_at_home_to_the_bit(lab, tmp_path):
    stacks = Toy(tmp_path).write().plan(tier="small").stacks[:1]
    far, near = (numbers(list(stacks), executor) for executor in (Cluster(lab.address, False), Processes(1)))
    assert far == near
    assert all("weights_sha256" in text for text in far.values())


def test_what_a_lost_worker_had_in_work_is_done_by_another(lab, doubles):
    lab.add("lost")
    begun = set()

    def strike(work):
        begun.update(work)
        if len(begun) == 3 and "lost" in lab.processes and len(doubles.pids) == 3:
            lab.kill("lost")

    stacks = doubles.stacks("slow")
    found = outcomes(stacks, three := Cluster(lab.address, False), strike)
    assert {key: len(outcome.replicates) for key, outcome in found.items()} == {stack.key: 2 for stack in stacks}
    assert [member.is_lost for member in three.members.values()].count(True) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_workers_are_free_again_in_seconds_when_a_study_is_stopped_or_killed(lab, doubles, number, status):
    with doubles.start("--tier", "slower", "--cluster", lab.address) as process:
        wait_until(lambda: len(doubles.pids) == 2 and (doubles.store / "mlflow.db").exists(), process=process)
        assert len(alive(doubles.pids)) == 2
        process.send_signal(number)
        assert process.wait(timeout=60) == status
        wait_until(lambda: not alive(doubles.pids), seconds=5)
    stopped = "stopped; what is finished is recorded: run the same command again to go on"
    assert doubles.printed("stderr").strip() == (stopped if number == signal.SIGINT else "")
    other = Doubles(doubles.folder.with_name("other")).write()
    assert len(numbers(other.stacks(), Cluster(lab.address, False))) == 6


def test_a_lost_scheduler_is_one_line_and_the_same_command_goes_on_elsewhere_too(own_lab, doubles):
    own_lab.add("mine", "--no-nanny")
    with doubles.start("--tier", "slow", "--cluster", own_lab.address) as process:
        wait_until(lambda: "[2/6]" in doubles.printed(), process=process)
        own_lab.kill("scheduler")
        status = process.wait(timeout=30)
    line = error_line(status, doubles.printed("stderr"))
    assert line.startswith(f"cluster {own_lab.address}: the connection to its scheduler is lost; what is finished is")
    wait_until(lambda: not alive(doubles.pids), seconds=5)
    done = finished(doubles)
    assert 2 <= len(done) < 6
    with doubles.start("--tier", "slow", "--cluster", "local:2") as process:
        assert process.wait(timeout=100) == 0
        wait_until(lambda: not processes_of(process.pid), seconds=5)  # what was started here is gone
    assert doubles.printed("stderr") == ""
    assert f"{6 - len(done)} of 6 stacks to train, 2 workers" in doubles.printed()
    assert done.items() < finished(doubles).items()


def test_where_all_workers_are_lost_others_are_waited_for_and_then_it_is_one_line(own_lab, doubles, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 1)
    own_lab.add("mine", "--no-nanny")

    def strike(work):
        if work and "mine" in own_lab.processes:
            own_lab.kill("mine")

    with pytest.raises(UserError, match="has no worker that can be used: there is none; start some with `dask worker"):
        outcomes(doubles.stacks("slow"), Cluster(own_lab.address, False), strike)


def test_a_worker_that_its_nanny_starts_again_is_asked_and_used_again(own_lab, doubles):
    own_lab.add("mine")
    nanny = own_lab.processes["mine"].pid
    killed = set()

    def strike(work):
        if work and not killed:
            killed.update(doubles.pids)
            for pid in killed:  # whose parent is the worker
                os.kill(int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(pid)])), signal.SIGKILL)

    found = outcomes(stacks := doubles.stacks("slow")[:2], again := Cluster(own_lab.address, False), strike)
    assert killed
    assert nanny in alive({nanny})
    assert {key: len(outcome.replicates) for key, outcome in found.items()} == {stack.key: 2 for stack in stacks}
    assert [member.is_lost for member in again.members.values()] == [True, False]
