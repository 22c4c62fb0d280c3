"""What holds for `python -m research.study` as a user types it: running and extending a study, and mistakes."""

import os
import subprocess
import sys
from subprocess import PIPE

import pytest
from conftest import COMMAND, ROOT, command

from research.training import mnist

HEAVY = ("torch", "pytorch_lightning", "mlflow", "optuna", "pandas", "matplotlib", "sklearn", "scipy")
OFFLINE = {
    "https_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "no_proxy": "",
    "NO_PROXY": "",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "",
    "PIP_CONFIG_FILE": os.devnull,
}


def table(printed):
    """The last part of what a run prints: the cells with their results, and where the tables are."""
    return printed[printed.index("\ncell ") :]


def one_line(done):
    """The message of a command that refused to work: one line, status 2, nothing else."""
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture(scope="module")
def kept(finished, tmp_path_factory):
    """A copy of the finished toy study for commands that must leave it as it is."""
    return finished.copy(tmp_path_factory.mktemp("kept") / "copy")


@pytest.fixture
def untouched(kept):
    """The same, checked afterwards; the test may change the study file."""
    before, file = kept.digest(), kept.file.read_text()
    yield kept
    kept.file.write_text(file)
    assert kept.digest() == before


@pytest.mark.parametrize("words", [["--help"], [], ["activation_depth", "--plan"], ["toy", "--plan"]], ids=" ".join)
def test_help_list_and_plan_import_nothing_heavy(untouched, words):
    arguments = [str(untouched.file) if word == "toy" else word for word in words]
    code = (
        "import contextlib, sys\n"
        "from research.study import main\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    main({[*arguments, '--store', str(untouched.store)]})\n"
        f"print('imported:', *(name for name in {HEAVY} if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nimported:\n")


def test_a_run_says_what_it_does_and_ends_with_the_cells_and_where_the_tables_are(finished):
    printed = (finished.folder / "printed").read_text()
    assert "4 of 4 stacks to train, 2 workers" in printed
    assert all(f"[{number}/4] " in printed for number in range(1, 5))
    *_, last = printed.splitlines()
    assert last == f"tables and figures: {finished.folder}/reports/toy"
    for cell in finished.plan().cells:
        assert f"\n{cell.name}  " in table(printed)


def test_run_again_a_study_trains_nothing_changes_nothing_and_prints_the_same(finished):
    before, tables = finished.digest(), finished.tables()
    done = finished.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "to train" not in done.stdout
    assert table(done.stdout) == table((finished.folder / "printed").read_text())
    assert (finished.digest(), finished.tables()) == (before, tables)


def test_more_seeds_cost_their_stacks_alone_and_are_written_under_the_store(copied, finished):
    before = copied.finished_ids(num_seeds=12)
    done = copied.run("--seeds", "12", "--workers", "2", reports=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 of 8 stacks to train" in done.stdout
    after = copied.finished_ids(num_seeds=12)
    assert (len(before), len(after)) == (4, 8)
    assert before.items() <= after.items()
    cells = [run for run in copied.runs() if run.tags["kind"] == "cell"]
    assert sorted(run.name for run in cells) == sorted(cell.name for cell in copied.plan().cells)
    folder = copied.store / "reports" / "toy-12-seeds"
    assert done.stdout.endswith(f"tables and figures: {folder}\n")
    assert len((folder / "runs.csv").read_text().splitlines()) == 1 + 4 * 12
    assert copied.tables() == finished.tables()


def test_a_new_level_costs_its_cells_alone(copied, finished):
    before = copied.finished_ids()
    done = copied.write(activations=("tanh", "gelu", "relu")).run("--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 of 6 stacks to train" in done.stdout
    assert before.items() <= copied.finished_ids().items()
    old, new = (toy.tables()["runs.csv"].decode().splitlines() for toy in (finished, copied))
    assert [row for row in new if not row.startswith("gelu")] == old
    assert len(new) == len(old) + 2 * 10


def test_a_small_tier_leaves_the_full_one_alone_and_is_written_under_the_store(copied, finished):
    before = copied.finished_ids()
    done = copied.run("--tier", "small", "--workers", "1", reports=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 of 2 stacks to train" in done.stdout
    assert done.stdout.endswith(f"tables and figures: {copied.store}/reports/toy-small\n")
    assert (copied.store / "reports" / "toy-small" / "runs.csv").is_file()
    assert copied.finished_ids() == before
    assert len(copied.runs("toy-small")) == 2 * 4  # a parent, and the seeds that the tier asks for alone
    assert copied.tables() == finished.tables()


def test_reports_that_are_named_receive_any_run_but_the_projects_own_only_what_is_published(copied):
    done = command(copied.file, "--tier", "small", "--store", copied.store, "--reports", copied.folder / "other")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"tables and figures: {copied.folder}/other/toy\n")
    page = (copied.folder / "other" / "toy" / "README.md").read_text()
    assert "not judged**: the runs are not the whole study as declared" in page
    done = command(copied.file, "--tier", "small", "--store", copied.store, "--reports", "reports")
    assert one_line(done).startswith("error: --reports reports: only --publish writes there; leave it out")


def test_of_two_runs_of_a_study_at_once_one_works_and_the_other_is_refused(copied):
    first, second = (
        subprocess.Popen([*COMMAND, copied.file, *copied.places], cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True)
        for _ in range(2)
    )
    ends = [(*process.communicate(timeout=120), process.returncode, process.pid) for process in (first, second)]
    (_, message, status, _), (_, nothing, done, winner) = sorted(ends, key=lambda end: -end[2])
    assert (status, done, nothing) == (2, 0, "")
    assert message == (
        f"error: study toy in {copied.store} is in use by another run (process {winner}); wait for it to end\n"
    )


def test_without_mnist_and_network_the_files_to_bring_are_named(untouched, tmp_path):
    done = command("activation_depth", *untouched.places, RESEARCH_DATA=str(tmp_path), **OFFLINE)
    *origins, message = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert all(line.startswith("mnist: fetching 4 of 4 files from ") for line in origins)
    assert message.startswith(f"error: MNIST is not complete in {tmp_path}/mnist and could not be fetched")
    assert all(file.name in message and file.sha256 in message for file in mnist.RAW_FILES)
