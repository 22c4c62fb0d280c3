"""What is recorded comes out again to the bit, and what does not is found: `python -m research.reproduce`, as typed."""

import contextlib
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT, TRAINED, Toy, command, processes_of, wait_until, workers_of
from test_workers import kill

from research.record.finished_stacks import whole_stacks
from research.record.frames import read_metrics
from research.record.state import read_runs
from research.record.store import Store
from research.reproduce import environment_lines, main

COMMAND = [sys.executable, "-m", "research.reproduce"]

# All that makes a training another kind of training, each as short as it can be. The first and the last of them differ
# in their horizon alone, so that they were recorded in one pass.
MIXED_FILE = """
    from research.design.study import Factor, Study, Tier
    from research.training.config import TrainConfig

    SHORT = {"dataset": "digits", "width": 8, "batch_size": 64}
    PLAIN = {**SHORT, "depth": 2, "lr": 0.1 + 0.2, "momentum": 0.9}
    CASES = {
        "plain": TrainConfig(**PLAIN, epochs=2),
        "probed": TrainConfig(**PLAIN, epochs=2, probe_epochs=(0, 2)),
        "diverging": TrainConfig(**SHORT, epochs=1, lr=1e38),
        "steps": TrainConfig(**SHORT, optimizer="adam", lr=0.01, steps=40, evaluate_every=20, target_accuracy=0.5,
                             measures=("logit_gradients", "permuted_twin")),
        "sine": TrainConfig("sine", width=8, output="raw", loss="mse_mean", steps=20, evaluate_every=10,
                            measures=("curve_fit",)),
        "cnn": TrainConfig(**SHORT, network="cnn", epochs=1, num_train=100, pixels="scrambled"),
        "longer": TrainConfig(**PLAIN, epochs=3),
    }
    STUDY = Study("toy", "?", "nowhere", lambda case: CASES[case], Factor("case", tuple(CASES)), (),
                  {"full": Tier(seeds=10)}, ("test_accuracy",))
"""


def reproduce(toy, *words):
    """The finished process of the command on the store of a toy study, which it must leave as it is."""
    before = toy.digest()
    done = subprocess.run(
        [*COMMAND, *map(str, words), "--store", str(toy.store)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert toy.digest() == before
    return done


def assert_identical(done, stacks):
    """Hold a command to having found so many stacks the same, and to saying so; its line with how much that was."""
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"^\[\d+/\d+\] .*: identical", done.stdout, re.MULTILINE)) == stacks
    assert "different" not in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("identical: "))
    return line


def stacks_in(toy, *experiments):
    return whole_stacks(read_runs(Store(toy.store), *experiments))


def change(toy, sql, *parameters):
    """Change a record as whoever has the file can; one row at least."""
    with contextlib.closing(sqlite3.connect(toy.store / "mlflow.db")) as connection, connection:
        assert connection.execute(sql, parameters).rowcount


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The study of all kinds of training as a run with one worker left it."""
    toy = Toy(tmp_path_factory.mktemp("mixed"))
    toy.file.write_text(textwrap.dedent(MIXED_FILE))
    done = toy.run("--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    toy.file.unlink()  # nothing but the record is needed
    return toy


def test_what_two_workers_recorded_comes_out_again_in_any_order_and_with_one(trained):
    done = reproduce(trained, "toy", "--sample", "9", "--seed", "3", "--workers", "1")
    line = assert_identical(done, 4)
    head = "4 of 4 stacks of toy, drawn with --seed 3\n4 stacks to train again, 1 worker\n[1/4] "
    assert done.stdout.startswith(head)
    # of each seed 4 metrics, 20 training losses, 21 validation losses and accuracies
    assert line == (
        f"identical: 4 stacks, 40 runs: 9 metrics, {40 * 68} values and the SHA-256 of the weights of 40 networks"
    )
    assert done.stdout.endswith("\nmade as it was recorded: versions, CPU class, device and commit are the same\n")


def test_workers_of_a_cluster_train_recorded_stacks_again_to_the_bit(trained):
    done = reproduce(trained, "toy", "--sample", "2", "--seed", "3", "--cluster", "local:2")
    assert assert_identical(done, 2).startswith("identical: 2 stacks, 20 runs: ")
    assert "2 stacks to train again, " in done.stdout
    assert done.stdout.endswith("\nmade as it was recorded: versions, CPU class, device and commit are the same\n")


def test_what_one_worker_recorded_in_one_pass_comes_out_again_alone_whatever_kind_of_training_it_is(mixed):
    line = assert_identical(reproduce(mixed, "toy", "--sample", "7", "--workers", "2"), 7)
    assert line.startswith("identical: 7 stacks, 70 runs: ")
    runs = stacks_in(mixed, "toy")
    lost = read_metrics(Store(mixed.store), [runs["toy/full/case=diverging/seeds=0-9"][0].id])
    (metrics,) = lost.values()
    assert metrics["diverged_step"][0] >= 0
    assert math.isnan(metrics["test_loss"][0])


def test_with_and_without_probes_the_record_has_the_same_weights_and_numbers(mixed):
    runs = stacks_in(mixed, "toy")
    plain, probed = (runs[f"toy/full/case={case}/seeds=0-9"] for case in ("plain", "probed"))
    numbers = read_metrics(Store(mixed.store), [run.id for run in (*plain, *probed)])
    for without, with_probes in zip(plain, probed, strict=True):
        assert without.tags["weights_sha256"] == with_probes.tags["weights_sha256"]
        ours, theirs = numbers[without.id], numbers[with_probes.id]
        assert set(theirs) - set(ours) >= {"backward_norm/layer_1", "backward_factor", "dead/layer_2"}
        assert {name: theirs[name] for name in ours} == ours


def test_a_run_of_a_replicate_names_its_seed_first_and_compares_its_whole_stack(trained):
    (_, _, _, run, *_) = stacks_in(trained, "toy")["toy/full/activation=relu/depth=2/seeds=0-9"]
    line = assert_identical(reproduce(trained, run.id[:12]), 1)
    assert line.startswith("identical: toy/full/activation=relu/depth=2, seed 3 and 9 others: ")
    assert line.endswith(f"{10 * 68} values and the SHA-256 of the weights of 10 networks")


def test_what_was_recorded_through_a_kill_comes_out_again(fresh):
    fresh.write(task=TRAINED)
    with fresh.start("--workers", "2") as process:
        wait_until(lambda: (fresh.store / "mlflow.db").exists(), process=process)
        wait_until(lambda: len(fresh.statuses()) >= 5, process=process)  # amid the recording of the first stack
        kill(process)
    resumed = fresh.run("--workers", "2")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert_identical(reproduce(fresh, "toy", "--sample", "4"), 4)


def test_tuned_cells_and_trials_come_out_again_those_too_that_came_to_nothing(tmp_path):
    toy = Toy(tmp_path).write_universes(task=TRAINED)
    toy.file.write_text(toy.file.read_text().replace("(0.03, 30.0)", "(0.03, 1e38)"))
    done = toy.run("--universes", "rate=tuned", "--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    toy.file.unlink()
    line = assert_identical(reproduce(toy, "toy-universes", "--sample", "9"), 2)
    assert line.startswith("identical: 2 stacks, 6 runs: ")
    trials = stacks_in(toy, "toy-tuning")
    assert "inf" in {run.tags["value"] for (run,) in trials.values()}

    key = "toy/full/activation=relu/rate=tuned/trial=1/seeds=1000000-1000001"
    (run,) = trials[key]
    change(toy, "UPDATE tags SET value = '0.5' WHERE key = 'value' AND run_uuid = ?", run.id)
    done = reproduce(toy, "toy-tuning", "--sample", "9")
    assert (done.returncode, done.stderr) == (1, "")
    assert len(re.findall(r"^\[\d/8\] .* trial=\d seeds 1000000-1000001: identical", done.stdout, re.MULTILINE)) == 7
    assert f"\ndifferent: {key}: tag value: recorded 0.5, now {float(run.tags['value'])}\n" in done.stdout
    # of each two curves from the start and one from the first epoch, and the value as a tag and, if finite, a metric
    finite = sum(each.tags["value"] != "inf" for (each,) in trials.values())
    assert f"\nin all 1 of {8 * (3 + 3 + 2 + 1) + finite} values, in 1 of 8 stacks\n" in done.stdout


def test_a_cnn_on_mnist_comes_out_again(tmp_path):
    only = ("--only", "network=cnn", "--only", "pixels=permuted")
    settings = ("--set", "dataset=mnist", "--set", "num_train=64", "--set", "epochs=1")
    done = command("pixel_shuffle", "--tier", "smoke", *only, *settings, "--store", tmp_path / "store")
    assert (done.returncode, done.stderr) == (0, "")
    toy, variant = Toy(tmp_path), "smoke+dataset=mnist+epochs=1+num_train=64"
    recorded = stacks_in(toy, f"pixel_shuffle-{variant}")
    line = assert_identical(reproduce(toy, f"pixel_shuffle/{variant}/pixels=permuted/network=cnn"), len(recorded))
    assert "values and the SHA-256 of the weights of " in line


@pytest.fixture
def changed(trained, tmp_path):
    """A copy of the finished toy study with the last bit of one number changed, a digest, a point taken away, and all
    that it was made with."""
    toy = trained.copy(tmp_path / "changed")
    runs = {
        key.removeprefix("toy/full/activation=").removesuffix("/seeds=0-9"): found
        for key, found in stacks_in(toy, "toy").items()
    }
    number, digest, point = runs["tanh/depth=1"][3], runs["tanh/depth=2"][5], runs["relu/depth=1"][0]
    value = read_metrics(Store(toy.store), [number.id])[number.id]["test_accuracy"][0]
    change(
        toy, "UPDATE metrics SET value = ? WHERE key = 'test_accuracy' AND run_uuid = ?",
        math.nextafter(value, 1), number.id,
    )  # fmt: skip
    change(toy, "UPDATE tags SET value = ? WHERE key = 'weights_sha256' AND run_uuid = ?", "0" * 64, digest.id)
    change(toy, "DELETE FROM metrics WHERE key = 'validation_loss' AND step = 7 AND run_uuid = ?", point.id)
    for name, value in {
        "versions": number.tags["versions"].replace("torch 2", "torch 1"), "cpu": "Abacus 3000", "device": "cuda",
        "threads": "2", "mlflow.source.git.commit": "f" * 40, "uncommitted": "0123456789ab",
    }.items():  # fmt: skip
        change(toy, "DELETE FROM tags WHERE key = ?", name)
        change(toy, "INSERT INTO tags SELECT ?, ?, run_uuid FROM runs", name, value)
    return toy


def test_the_last_bit_of_a_number_a_digest_and_a_missing_point_are_found_and_what_was_other_is_named(changed):
    done = reproduce(changed, "toy", "--sample", "4")
    assert (done.returncode, done.stderr) == (1, "")
    told = dict(re.findall(r"^\[\d/4\] (\w+ depth=\d) seeds 0-9: (.*?)(?:  \(.* left\))?$", done.stdout, re.MULTILINE))
    assert told.pop("relu depth=2") == "identical"
    value = r"0\.\d+"
    assert re.fullmatch(f"different: seed 3, test_accuracy: recorded {value}, now {value}", told["tanh depth=1"])
    recorded, now = map(float, re.findall(value, told["tanh depth=1"]))
    assert recorded == math.nextafter(now, 1)
    weights = f"different: seed 5, SHA-256 of the weights: recorded {'0' * 64}, now [0-9a-f]{{64}}"
    assert re.fullmatch(weights, told["tanh depth=2"])
    missing = f"different: seed 0, validation_loss at epoch 7: recorded nothing, now {value}"
    assert re.fullmatch(missing, told["relu depth=1"])

    first, in_all, *environment = done.stdout.splitlines()[6:]
    assert re.fullmatch(r"different: toy/full/activation=\w+/depth=\d/seeds=0-9: seed \d, .*", first)
    assert in_all == f"in all 2 of {40 * 68} values and the weights of 1 of 40 networks, in 3 of 4 stacks"
    assert environment.pop() == "bits are promised for the same versions, CPU class and device only"
    assert {line.partition(": ")[0] for line in environment} >= {"torch", "CPU class", "device", "threads"}
    assert all(re.fullmatch(r"[\w ]+: recorded .*, now .* \(4 stacks\)", line) for line in environment)
    assert "CPU class: recorded Abacus 3000, now " in done.stdout
    assert f"commit: recorded {'f' * 40}, now " in done.stdout
    assert "python: " not in done.stdout


def test_where_only_the_source_is_another_the_bits_should_be_the_same():
    tags = {"versions": "python 3.11, torch 2.0", "cpu": "A", "device": "cpu", "threads": "1", "uncommitted": "none"}
    same = "made as it was recorded: versions, CPU class, device and commit are the same"
    assert environment_lines([(tags, tags)], different=False) == [same]
    should = "versions, CPU class and device are those of the record: the bits should be the same"
    assert environment_lines([(tags, tags)], different=True) == [should]
    commits = [tags | {"mlflow.source.git.commit": commit} for commit in "abb"]
    assert environment_lines([(tags, commits[0])], different=False) == ["commit: recorded not known, now a"]
    assert environment_lines([(each, tags | {"cpu": "B"}) for each in commits], different=True) == [
        "CPU class: recorded A, now B (3 stacks)",
        "commit: recorded a, now not known (1 stack)",
        "commit: recorded b, now not known (2 stacks)",
        "bits are promised for the same versions, CPU class and device only",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: WHAT; see --help"),
        (["toy"], "toy: is a study; with --sample N some of its stacks are trained again"),
        (["toy", "--sample", "0"], "--sample 0: at least one stack is needed"),
        (["toy", "--sample", "x"], "argument --sample: invalid int value: 'x'; see --help"),
        (["toy", "--seed", "1"], "--seed 1: goes with --sample"),
        (["toy", "--sample", "1", "--workers", "0"], "--workers 0: at least one worker is needed"),
        (["toy", "--sample", "1", "--wrokers", "1"], "unrecognized arguments: --wrokers 1; see --help"),
        (["toy-universes", "--sample", "1"], "toy-universes: no finished stack of it is in store"),
        (["0123456789abcdef", "--sample", "1"], "--sample: goes with a study, not with 0123456789abcdef"),
        (["toy/full/activation=relu/depth=3"], "toy/full/activation=relu/depth=3: no such key in store .*; did you"),
        (["toy/full/activation=relu/depth=1", "--store", "nowhere"], "store .*nowhere: there is no record; choose"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_command_is_refused_in_one_line(trained, capsys, words, message):
    status = main([*words, *([] if "--store" in words else ["--store", str(trained.store)])])
    told = capsys.readouterr()
    assert (status, told.out) == (2, "")
    (line,) = told.err.splitlines()
    assert re.search(f"^error: {message}", line)


def test_help_and_refusals_import_nothing_heavy(trained):
    heavy = ("torch", "pytorch_lightning", "mlflow", "optuna", "pandas", "matplotlib", "sklearn", "scipy")
    code = (
        "import sys\nfrom research.reproduce import main\n"
        f"main(['toy/full', '--store', {str(trained.store)!r}])\n"
        f"print('imported:', *(name for name in {heavy} if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "imported:\n")


def test_stopped_at_work_it_ends_with_its_workers_and_status_130(mixed):
    words = ["toy", "--sample", "7", "--workers", "2", "--store", str(mixed.store)]
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_until(lambda: len(workers_of(process.pid)) == 2, process=process)
        os.killpg(process.pid, signal.SIGINT)
        printed, told = process.communicate(timeout=60)
        wait_until(lambda: not processes_of(process.pid), seconds=10)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, told.strip()) == (130, "stopped; the record was only read")
    assert "identical: " not in printed
