"""What holds where data are harmed, memory is short, losses are not finite, the device is another, a signal comes."""

import contextlib
import csv
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from conftest import COMMAND, ROOT, TRAINED, Toy, error_line, processes_of, wait_until

from research.training import mnist

HEAD = '''"""A study for what may go wrong."""

from research.design.study import Claim, Factor, Number, Study, Tier
from research.training.config import TrainConfig
'''
PHOTOGRAPHS = f"""{HEAD}

def configure(width: int) -> TrainConfig:
    return TrainConfig("mnist", width=width, num_train=256, batch_size=64, epochs=1)


STUDY = Study("toy", "Does it learn?", "nowhere", configure, Factor("width", (4, 8)), (), {{"full": Tier(seeds=3)}},
              ("test_accuracy",))
"""


def flip(path):
    """Turn one bit in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def ended(toy, process):
    """The message of a started command that ends with one. None of its processes is left."""
    process.wait(timeout=120)
    wait_until(lambda: not processes_of(process.pid), seconds=10)
    return error_line(process.returncode, toy.printed("stderr"))


def test_one_flipped_bit_in_a_real_file_is_noticed_between_runs_and_after_a_run_has_begun(fresh, tmp_path, monkeypatch):
    fresh.file.write_text(PHOTOGRAPHS)
    images = tmp_path / "data" / "mnist" / mnist.RAW_FILES[0].name
    images.parent.mkdir(parents=True)
    for name, content in mnist.contents().items():
        (images.parent / name).write_bytes(content)
    monkeypatch.setenv("RESEARCH_DATA", str(tmp_path / "data"))
    damaged = rf"{images} is damaged: SHA-256 \w+, expected {mnist.RAW_FILES[0].sha256}; delete it and run again"
    with fresh.start("--workers", "1") as process:
        wait_until(lambda: "to train" in fresh.printed(), process=process)
        flip(images)  # after the coordinator's check, before any worker has loaded it
        assert re.fullmatch(damaged, ended(fresh, process))
    assert not fresh.finished_ids()
    flip(images)
    done = fresh.run("--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    before, tables = fresh.digest(), fresh.tables()
    flip(images)
    done = fresh.run("--seeds", "12")
    assert re.fullmatch(damaged, error_line(done.returncode, done.stderr))
    assert (fresh.digest(), fresh.tables()) == (before, tables)
    undisturbed = Toy(tmp_path / "undisturbed")
    undisturbed.folder.mkdir()
    undisturbed.file.write_text(PHOTOGRAPHS)
    flip(images)
    assert undisturbed.run("--workers", "2").returncode == 0
    assert undisturbed.tables() == tables


# What a process may hold beside the code of its libraries: its imports take a third of it. In float32 a network of
# 300,000 units needs as much again, its twins in float64 three times that. One of 3,000,000 does not fit by itself.
LIMIT = 1100 << 20
WIDE = f"""{HEAD}
CASES = {{
    "narrow": TrainConfig("digits", width=8, num_train=64, batch_size=64, epochs=1),
    "measured": TrainConfig("digits", width=300_000, num_train=64, batch_size=64, epochs=1, pixels="permuted",
                            measures=("permuted_twin",)),
    "wide": TrainConfig("digits", width=3_000_000, num_train=64, batch_size=64, epochs=1),
}}
STUDY = Study("toy", "What fits?", "nowhere", lambda case: CASES[case], Factor("case", tuple(CASES)), (),
              {{"full": Tier(seeds=1)}}, ("test_accuracy",))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a process to what it may hold")
def test_what_finds_no_memory_to_train_or_to_be_measured_in_fails_alone_and_is_to_be_tried_again(fresh):
    import resource

    fresh.file.write_text(WIDE)
    done = subprocess.run(
        [*COMMAND, fresh.file, *fresh.places, "--workers", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
    )
    assert done.returncode == 1
    *failed, last = done.stderr.splitlines()
    assert [line.partition("/seeds")[0].rpartition("/")[2] for line in failed] == ["case=wide", "case=measured"]
    assert all(re.search("allocate|memory", line) for line in failed)
    assert last == "2 stacks failed; the same command tries again"
    notes = {run.name.split()[0]: run.tags["mlflow.note.content"] for run in fresh.runs() if run.status == "FAILED"}
    assert {name: "in permuted_twin" in text for name, text in notes.items()} == {"wide": False, "measured": True}
    assert set(fresh.finished_ids()) == {"toy/full/case=narrow/seeds=0-0"}
    planned = fresh.run("--plan").stdout
    assert re.search("measured +0 of 1 stacks of 1 seeds  failed: ", planned)
    assert "3 stacks, 1 done, 2 failed, 2 to run" in planned


DIVERGING = f"""{HEAD}
RATES = {{"huge": 1e38, "largest": 3e38}}


def configure(rate: str) -> TrainConfig:
    return TrainConfig("digits", width=8, lr=RATES[rate], num_train=64, batch_size=16, epochs=2)


STUDY = Study(
    "toy", "What diverges?", "nowhere", configure, Factor("rate", tuple(RATES)), (), {{"full": Tier(seeds=3)}},
    ("test_accuracy",),
    claims=(
        Claim("learns", "It learns", "nowhere", "mean",
              Number("test_accuracy", ("huge",), {{}}, "only", "mean"), above=0.5),
        Claim("differs", "It makes a difference", "nowhere", "mean",
              Number("test_accuracy", ("huge", "largest"), {{}}, "difference", "mean"), above=0),
    ),
)
"""


def test_a_study_in_which_everything_diverges_has_results_all_the_same(fresh):
    fresh.file.write_text(DIVERGING)
    done = fresh.run("--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^huge  .* -   0  3 diverged$", done.stdout, re.MULTILINE)
    assert "test accuracy nan, 3 diverged" in done.stdout
    rows = list(csv.DictReader(io.StringIO(fresh.tables()["runs.csv"].decode())))
    assert [(row["cell"], row["diverged_step"], row["test_accuracy"]) for row in rows] == (
        [("huge", "1", "")] * 3 + [("largest", "1", "")] * 3
    )
    page = (fresh.folder / "reports" / "toy" / "README.md").read_text()
    assert "replicates that diverged, or in which this could not be measured: 3. They can be anything." in page
    with contextlib.closing(sqlite3.connect(fresh.store / "optuna.db")) as connection:
        assert connection.execute("SELECT count(*) FROM studies").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM trials").fetchone() == (0,)  # without a number there is none
    again, before = fresh.tables(), fresh.digest()
    done = fresh.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "to train" not in done.stdout
    assert (fresh.tables(), fresh.digest()) == (again, before)


def test_a_search_in_which_every_trial_diverges_ends_and_its_cell_is_trained(tmp_path):
    toy = Toy(tmp_path).write_universes(lr=1e38, task=TRAINED)
    options = ("--universes", "rate=tuned", "--only", "activation=relu")
    done = toy.run(*options, "--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert {value for _, value in toy.trials().values()} == {float("inf")}
    assert re.search(r"^relu rate=tuned  .* -   0  3 diverged$", done.stdout, re.MULTILINE)
    with contextlib.closing(sqlite3.connect(toy.store / "optuna.db")) as connection:
        assert set(connection.execute("SELECT value_type FROM trial_values")) == {("INF_POS",)}


def test_a_record_of_another_device_class_is_noticed_before_anything_is_trained(copied):
    (ours,) = {run.tags["device"] for run in copied.runs() if "device" in run.tags}
    other = "cuda" if ours == "cpu" else "cpu"
    with contextlib.closing(sqlite3.connect(copied.store / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE tags SET value = ? WHERE key = 'device'", (other,))
    before = copied.finished_ids(num_seeds=12)
    with copied.start("--seeds", "12", "--workers", "2") as process:
        assert ended(copied, process) == (
            f"toy: recorded on {other}, this machine trains on {ours}; "
            "one study in one store holds one device class: choose another with --store"
        )
    assert copied.printed().splitlines()[-1] == "4 of 8 stacks to train, 2 workers"
    assert copied.finished_ids(num_seeds=12) == before
    assert set(copied.statuses()) == {"FINISHED"}


STOPPED = "stopped; what is finished is recorded: run the same command again to go on"


def interrupted(process, number):
    """The status of a command that gets a signal, and then again and again until it has ended."""
    while process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        time.sleep(0.02)
    wait_until(lambda: not processes_of(process.pid), seconds=60)
    return process.returncode


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("moment", ["while the record is opened", "while stacks are trained", "while tables are drawn"])
def test_signals_without_end_stop_a_study_at_any_moment_in_one_line(fresh, finished, number, status, moment):
    with fresh.start("--workers", "2") as process:
        if moment == "while the record is opened":
            wait_until(lambda: (fresh.store / "mlflow.new").exists(), process=process)
        elif moment == "while stacks are trained":
            wait_until(lambda: "[1/4]" in fresh.printed(), process=process)
        else:
            wait_until(lambda: (fresh.store / "optuna.db").exists(), process=process)
        assert interrupted(process, number) == status
    assert fresh.printed("stderr").strip() == STOPPED
    assert set(fresh.statuses()) <= {"FINISHED"}
    if moment == "while tables are drawn":
        done = fresh.run()
        assert (done.returncode, done.stderr) == (0, "")
        assert "to train" not in done.stdout
        assert fresh.tables() == finished.tables()
