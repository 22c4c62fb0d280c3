"""Variables and settings that others made for other programs change nothing and end nothing: real commands."""

import codecs
import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, TRAINED, Toy, command, error_line

from research.surroundings import foreign, plain

OF_OTHERS = {
    "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "job", "SLURM_PROCID": "1", "RANK": "1", "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "nowhere", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MLFLOW_ENABLE_WORKSPACES": "true", "MLFLOW_TRACKING_URI": "http://nowhere", "GIT_DIR": "/nowhere/.git",
}  # fmt: skip


def test_what_is_meant_for_others_is_known_and_nothing_else():
    ours = {
        "MLFLOW_TRACKING_PASSWORD": "x",
        "RESEARCH_DATA": "x",
        "PATH": "x",
        "HOME": "x",
        "CUDA_VISIBLE_DEVICES": "0",
        "PYTHONPATH": "x",
    }
    assert set(foreign(OF_OTHERS | ours)) == set(OF_OTHERS) - {"MPLBACKEND"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    toy = Toy(tmp_path_factory.mktemp("undisturbed")).write()
    assert toy.run("--tier", "small").returncode == 0
    return toy


def test_a_study_in_a_job_of_a_cluster_from_a_notebook_comes_to_the_same(undisturbed, tmp_path, monkeypatch):
    toy = Toy(tmp_path).write()
    for name, value in OF_OTHERS.items():
        monkeypatch.setenv(name, value)
    done = toy.run("--tier", "small")
    assert done.returncode == 0, done.stderr
    tables = [each.folder / "reports" / "toy" / "runs.csv" for each in (undisturbed, toy)]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    of_runs = [
        {dict(run.tags).get("mlflow.source.git.commit") for run in each.runs("toy-small")}
        for each in (undisturbed, toy)
    ]
    assert of_runs[0] == of_runs[1]


def shell(line, **environment):
    """The finished shell command, `S` in it the study's; its status is that of S."""
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; S() {{ {sys.executable} -m research.study "$@"; }}; {line}'],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("S {} | true", 128 + signal.SIGPIPE, ""),
        ("S {} >/dev/full", 1, "error: what was to be printed cannot be written (No space left on device)\n"),
        ("S {} >&-", 0, ""),
        ("S {} >/dev/full 2>&1", 1, ""),
        ("S | true", 128 + signal.SIGPIPE, ""),
    ],
)
def test_output_that_nobody_takes_ends_nothing(undisturbed, tmp_path, line, status, said):
    toy = Toy(tmp_path).write()
    done = shell(line.format(f"{toy.file} --tier small {' '.join(toy.places)}"))
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(said)
    if "{" in line:
        tables = [each.folder / "reports" / "toy" / "runs.csv" for each in (undisturbed, toy)]
        assert tables[0].read_bytes() == tables[1].read_bytes()


def test_what_cannot_be_spelt_is_said_in_plain_signs(undisturbed):
    done = undisturbed.run()  # of the full tier, which is judged
    assert "\N{HEAVY CHECK MARK} supported" in done.stdout
    again = shell(f"S {undisturbed.file} {' '.join(undisturbed.places)}", PYTHONIOENCODING="ascii")
    assert again.returncode == 0, again.stderr
    assert "+ supported" in again.stdout
    assert again.stdout.isascii()


def test_powers_and_signs_that_an_encoding_lacks_have_others():
    codecs.register_error("plain", plain)
    assert "1.4 \N{MULTIPLICATION SIGN} 10⁻¹⁶ “é”".encode("ascii", "plain") == b'1.4 x 10^-16 "?"'
    assert "“é”".encode("latin-1", "plain").decode("latin-1") == '"é"'


def test_figures_do_not_follow_a_matplotlibrc(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nsavefig.bbox: tight\nlines.linewidth: 9\n")
    code = (
        "import hashlib, matplotlib.pyplot as plt\n"
        "from research.publishing.drawing import begin_drawing, drawn\n"
        "begin_drawing()\n"
        "figure, ax = plt.subplots()\n"
        "ax.plot([1, 2], label='a'); ax.legend(); ax.set_title('b')\n"
        "print({name: hashlib.sha256(content).hexdigest() for name, content in drawn({'f': figure}).items()})\n"
    )
    drawn = [
        subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=os.environ | own, text=True)
        for own in ({}, {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")})
    ]
    assert drawn[0] == drawn[1]


def test_who_has_no_home_can_run_and_reproduce_a_study(public, as_user):
    toy = Toy(public).write(task=TRAINED)
    store, without = ["--store", toy.store], ["env", "-u", "HOME", sys.executable, "-m"]
    done = as_user(12345, *without, "research.study", toy.file, *toy.places, "--tier", "small", TMPDIR=str(public))
    assert (done.returncode, done.stderr) == (0, "")
    done = as_user(12345, *without, "research.reproduce", "toy-small", "--sample", "1", *store, TMPDIR=str(public))
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(public.glob("home-*"))


@pytest.mark.parametrize("command", ["study", "study toy.py", "report --check", "ui", "reproduce toy --sample 1"])
def test_a_working_directory_that_was_deleted_is_said_to_be_missing(tmp_path, command):
    line = f"cd {tmp_path} && mkdir gone && cd gone && rmdir {tmp_path}/gone && {sys.executable} -m research.{command}"
    done = shell(line, PYTHONPATH=str(ROOT))
    line = "there is no working directory that can be used (No such file or directory); change to another"
    assert error_line(done.returncode, done.stderr) == line


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("ulimit -f 0", "there is no folder for temporary files that can be used (No usable temporary directory "),
        ("ulimit -n 20", "no worker process can be started (Too many open files); they need "),
        ("export TMPDIR=$LONG", "no worker process can be started (AF_UNIX path too long); they need "),
        ("mount -t tmpfs -o ro tmpfs /dev/shm", "no worker process can be started (Read-only file system); they need "),
    ],
)
def test_what_workers_need_and_do_not_find_is_one_line_before_anything_trains(tmp_path, before, said):
    toy = Toy(tmp_path).write()
    (long := tmp_path / ("a" * 100)).mkdir()
    run = f"{sys.executable} -m research.study {toy.file} {' '.join(toy.places)}"
    apart = ["unshare", "-m"] if before.startswith("mount") else []
    words = [*apart, "bash", "-c", f"{before} && exec {run}"]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | {"LONG": str(long)}, capture_output=True, text=True)
    if apart and done.stderr.startswith(("unshare", "mount")):
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    assert error_line(done.returncode, done.stderr).startswith(said)
    assert toy.statuses() == []


# The clock of the wall goes backwards, a thousand seconds a second, in each process from when it is first asked.
BACKWARDS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
typedef int (*ask)(clockid_t, struct timespec *);
int clock_gettime(clockid_t which, struct timespec *at) {
    static struct timespec first, began;
    ask real = (ask) dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, at);
    if (which != CLOCK_REALTIME) return failed;
    struct timespec now;
    real(CLOCK_MONOTONIC, &now);
    if (!began.tv_sec) { first = *at; began = now; }
    at->tv_sec = first.tv_sec - 1000 * (now.tv_sec - began.tv_sec) - (now.tv_nsec - began.tv_nsec) / 1000000;
    return failed;
}
"""


def test_durations_do_not_follow_a_clock_that_is_set_back(tmp_path, shim):
    (tmp_path / "toy").mkdir()
    toy, changed = Toy(tmp_path / "toy").write(), shim(BACKWARDS)
    told = subprocess.run(
        [sys.executable, "-c", "import time; a = time.time(); time.sleep(0.1); print(time.time() - a)"],
        env=os.environ | changed, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(told.stdout) < -50
    done = command(toy.file, "--tier", "small", *toy.places, **changed)
    assert done.returncode == 0, done.stderr
    stacks = json.loads((toy.folder / "reports" / "toy" / "provenance.json").read_text())["stacks"]
    assert stacks
    assert all(0 < stack["seconds"] < 60 for stack in stacks.values())
    assert all(run.ended > run.started for run in toy.runs() + toy.runs("toy-small"))
