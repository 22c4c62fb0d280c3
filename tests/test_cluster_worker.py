"""What holds for a worker of a Dask cluster: whether it is fit, and what becomes of the process that does its jobs."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from lab import outcomes

from research.design.errors import UserError
from research.record.environment import cpu_class
from research.running.cluster import Cluster
from research.running.workers import Failure

ABACUS = "Abacus 3000, family 6 model 7, AVX2"


def test_workers_that_would_compute_otherwise_are_refused_by_name(own_lab, doubles, tmp_path):
    shutil.copytree(ROOT / "research", tmp_path / "changed" / "research")
    with (tmp_path / "changed" / "research" / "design" / "streams.py").open("a") as file:
        file.write("\n# changed\n")
    metadata = tmp_path / "older" / "numpy-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    own_lab.add("changed", "--no-nanny", PYTHONPATH=str(tmp_path / "changed"))
    own_lab.add("older", "--no-nanny", PYTHONPATH=str(tmp_path / "older"))
    with pytest.raises(UserError) as told:
        outcomes(doubles.stacks(), Cluster(own_lab.address, False))
    assert f"cluster {own_lab.address}: has no worker that can be used: worker " in str(told.value)
    assert "worker older (tcp://127.0.0.1:" in str(told.value)
    assert "is refused: its numpy is 1.0, the coordinator's 2." in str(told.value)
    assert "worker changed (tcp://127.0.0.1:" in str(told.value)
    assert "is refused: its code of research is " in str(told.value)
    assert doubles.pids == set()


def test_a_worker_on_another_class_of_cpu_is_refused_unless_it_is_admitted_and_then_named(own_lab, doubles, tmp_path):
    if sys.platform != "linux" or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("no other processor can be pretended here")
    (tmp_path / "cpuinfo").write_text("model name\t: Abacus 3000\ncpu family\t: 6\nmodel\t: 7\nflags\t: avx2\n")
    pretend = f'mount --bind {tmp_path}/cpuinfo /proc/cpuinfo && exec "$@"'
    own_lab.add("abacus", "--no-nanny", before=["unshare", "--mount", "sh", "-c", pretend, "sh"])
    expected = f"is refused: its CPU class is {ABACUS}, the coordinator's {cpu_class()}; --any-cpu admits it"
    with pytest.raises(UserError, match=re.escape(expected)):
        outcomes(doubles.stacks(), Cluster(own_lab.address, False))
    found = outcomes(doubles.stacks(), Cluster(own_lab.address, True))
    assert {outcome.cpu for outcome in found.values()} == {ABACUS}


def test_a_worker_with_another_class_of_device_is_refused_by_name(own_lab, doubles):
    own_lab.add("gpu", "--no-nanny", PRETENDED_DEVICE="cuda")
    expected = r"worker gpu \(tcp://[^)]+\) is refused: it trains on cuda, what is recorded is from cpu"
    with pytest.raises(UserError, match=expected):
        outcomes(doubles.stacks(), Cluster(own_lab.address, False), devices=("cpu",))
    found = outcomes(doubles.stacks(), Cluster(own_lab.address, False))
    assert {outcome.device for outcome in found.values()} == {"cuda"}


def test_of_workers_with_different_devices_those_like_the_first_are_used(own_lab, doubles, capsys):
    own_lab.add("gpu", "--no-nanny", PRETENDED_DEVICE="cuda")
    own_lab.add("cpu", "--no-nanny")
    found = outcomes(doubles.stacks("slow"), Cluster(own_lab.address, False))
    (used,) = {outcome.device for outcome in found.values()}
    name, other = {"cpu": ("gpu", "cuda"), "cuda": ("cpu", "cpu")}[used]
    told = capsys.readouterr().err
    assert re.search(rf"worker {name} \([^)]+\) is refused: it trains on {other}, others on {used}\n", told)


def test_a_worker_where_the_study_file_cannot_be_loaded_is_refused_with_the_reason(lab, doubles):
    doubles.file.write_text(doubles.file.read_text().replace("PLACE = ", "open('only_here').close()\nPLACE = "))
    (doubles.folder / "only_here").touch()
    with contextlib.chdir(doubles.folder), pytest.raises(UserError) as told:
        outcomes(doubles.stacks(), Cluster(lab.address, False))
    assert "worker two (tcp://" in str(told.value)
    assert "cannot be loaded: FileNotFoundError: [Errno 2] No such file or directory: 'only_here'" in str(told.value)


def test_a_process_that_dies_amid_a_stack_costs_time_but_no_result(lab, doubles):
    killed = set()

    def strike(work):
        if work and not killed and doubles.pids:
            killed.update(doubles.pids)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    found = outcomes(stacks := doubles.stacks("slow"), Cluster(lab.address, False), strike)
    assert killed
    assert {key: len(outcome.replicates) for key, outcome in found.items()} == {stack.key: 2 for stack in stacks}


def test_what_a_task_raises_is_a_failure_with_its_traceback(lab, doubles):
    doubles.file.write_text(doubles.file.read_text().replace("time.sleep(self.wait)", "1 / (self.size - 1)"))
    found = outcomes(doubles.stacks(), Cluster(lab.address, False))
    failed = [outcome for outcome in found.values() if isinstance(outcome, Failure)]
    assert len(failed) == 3
    assert {failure.reason for failure in failed} == {"ZeroDivisionError: division by zero"}
    assert all("1 / (self.size - 1)" in failure.traceback for failure in failed)
