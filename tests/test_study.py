"""What holds for `python -m research.study` as a user types it: extending a study, looking at it, and mistakes."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
from subprocess import PIPE

import pytest
from conftest import COMMAND, ROOT, command

from research import mnist

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


def test_without_a_name_the_studies_are_listed_and_no_store_is_made(tmp_path):
    done = command("--store", tmp_path / "store")
    assert (done.returncode, done.stderr) == (0, "")
    assert "activation_depth\n    Do sigmoid and tanh stop learning" in done.stdout
    assert re.search("26 cells, 10 seeds: 0 of [0-9]+ stacks done, about .* to go", done.stdout)
    assert not (tmp_path / "store").exists()


def test_plan_shows_what_is_to_do_and_makes_nothing(fresh):
    done = fresh.run("--plan", "--seeds", "12", "--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "relu depth=2  0 of 2 stacks of 10 seeds  to do" in done.stdout
    assert "8 stacks, 0 done, 0 failed, 8 to run" in done.stdout
    assert "estimated time: " in done.stdout
    assert [path.name for path in fresh.folder.iterdir()] == ["toy.py"]


def test_plan_shows_what_is_done(untouched):
    done = untouched.run("--plan", "--seeds", "12")
    assert "relu depth=2  1 of 2 stacks of 10 seeds  to do" in done.stdout
    assert "8 stacks, 4 done, 0 failed, 4 to run" in done.stdout
    assert "4 stacks, 4 done, 0 failed, 0 to run\n" in untouched.run("--plan").stdout


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
    assert len(new) == len(old) + 2 * 3


def test_a_small_tier_leaves_the_full_one_alone_and_is_written_under_the_store(copied, finished):
    before = copied.finished_ids()
    done = copied.run("--tier", "small", "--workers", "1", reports=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 of 2 stacks to train" in done.stdout
    assert done.stdout.endswith(f"tables and figures: {copied.store}/reports/toy-small\n")
    assert (copied.store / "reports" / "toy-small" / "runs.csv").is_file()
    assert copied.finished_ids() == before
    assert len(copied.runs("toy-small")) == 2 * 11
    assert copied.tables() == finished.tables()


def test_reports_that_are_named_receive_any_run_but_the_projects_own_only_studies_as_declared(copied):
    done = command(copied.file, "--tier", "small", "--store", copied.store, "--reports", copied.folder / "other")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"tables and figures: {copied.folder}/other/toy\n")
    page = (copied.folder / "other" / "toy" / "README.md").read_text()
    assert "not judged**: the runs are not the whole study as declared" in page
    done = command(copied.file, "--tier", "small", "--store", copied.store, "--reports", "reports")
    assert one_line(done) == "error: --reports reports: holds studies as declared, not toy-small; choose another folder"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["activation_dept"], "no study 'activation_dept'.*did you mean 'activation_depth'"),
        (["nothing_like_it"], "no study 'nothing_like_it'.*activation_depth"),
        (["nowhere/toy.py"], "nowhere/toy.py: no such study file"),
        (["toy", "--tier", "huge"], "toy: no tier 'huge'; it has full, small"),
        (["toy", "--seeds", "0"], "--seeds 0: at least one seed is needed"),
        (["toy", "--seeds", "-3"], "--seeds -3: at least one seed is needed"),
        (["toy", "--seeds", "x"], "--seeds: invalid int value: 'x'; see --help"),
        (["toy", "--workers", "0"], "--workers 0: at least one worker is needed"),
        (["toy", "--workers", "2.5"], "--workers: invalid int value: '2.5'; see --help"),
        (["toy", "--sedes", "3"], "unrecognized arguments: --sedes 3; see --help"),
        (["toy", "toy"], "unrecognized arguments: .*toy.py; see --help"),
        (["toy", "--universes", "all"], "error: --universes all: toy compares no universes$"),
        (["toy", "--universes", "rate=tuned"], "error: --universes rate=tuned: no choice 'rate'; there are none$"),
        (["toy", "--universes", "rate"], "--universes rate: must be reference, all or written CHOICE=LEVEL"),
        (["activation_depth", "--universes", "init=hee"], "--universes init=hee: no level 'hee'; did you mean 'he'"),
        (["activation_depth", "--universes", "int=he"], "--universes int=he: no choice 'int'; did you mean 'init'"),
        (
            ["activation_depth", "--universes", "init=he", "--universes", "init=xavier"],
            "--universes init=xavier: init is given twice$",
        ),
        (
            ["activation_depth", "--universes", "all", "--universes", "init=he"],
            "--universes all: cannot go with another --universes$",
        ),
        (["activation_depth", "--only", "init=he"], "--only init=he: no factor 'init'; choose it with --universes$"),
        (["--universes", "all"], "--universes, --set and --seeds need the NAME of a study$"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_command_is_refused_in_one_line(untouched, words, message):
    arguments = [untouched.file if word == "toy" else word for word in words]
    assert re.search(message, one_line(command(*arguments, *untouched.places)))


BROKEN_FILES = {
    "a level that a claim does not find": (
        lambda text: text.replace('("relu",)', '("rleu",)'),
        r"toy: claim 'works' names activation 'rleu', the study has \('tanh', 'relu'\)",
    ),
    "a factor that configure ignores": (
        lambda text: text.replace("depth=depth", "depth=1"),
        r"toy: configure\(\) ignores factor 'depth' with levels \(1, 2\)",
    ),
    "an option that does not exist": (
        lambda text: text.replace('TrainConfig("digits"', 'TrainConfig("digit"'),
        "dataset='digit' is not one of mnist, digits",
    ),
    "a syntax error": (lambda text: text[:-3], "toy.py: cannot be loaded: .* line "),
    "a failing import": (lambda text: text.replace("Tier", "Tire", 1), "toy.py: cannot be loaded: .*'Tire'"),
    "another name": (lambda text: text.replace('"toy"', '"tot"'), r"toy.py: must define STUDY = Study\(name='toy'"),
    "another configuration": (
        lambda text: text.replace("lr=0.1", "lr=0.2"),
        r"toy/full/activation=\w+/depth=\d: .*\(lr: recorded with 0.1, now 0.2\); undo the change, .*--store, or ",
    ),
}


@pytest.mark.parametrize(("edit", "message"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_a_study_file_with_a_mistake_is_refused_in_one_line(untouched, edit, message):
    text = untouched.file.read_text()
    untouched.file.write_text(edit(text))
    assert untouched.file.read_text() != text
    for option in ([], ["--plan"]):
        assert re.search(message, one_line(untouched.run(*option)))


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_store_that_cannot_be_written_is_refused_in_one_line(fresh, below):
    (fresh.folder / "file").write_text("mine")
    done = command(fresh.file, "--store", f"{fresh.folder}/file{below}")
    assert re.search(r"file(/below)?: cannot be written \(.*\); choose another with --store", one_line(done))
    assert (fresh.folder / "file").read_text() == "mine"


def of_another_mlflow(database):
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0123456789ab'")


DAMAGES = {
    "of another MLflow": (of_another_mlflow, r"another MLflow version \(schema 0123456789ab, this one needs \w+\)"),
    "no database": (lambda database: database.write_text("my notes, " * 999), r"mlflow.db cannot be read \(.*\)"),
    "empty": (lambda database: database.write_bytes(b""), r"mlflow.db cannot be read \(.*\)"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_database_that_is_not_the_pinned_mlflows_is_refused_in_one_line_and_left_alone(copied, damage, message):
    damage(copied.store / "mlflow.db")
    before = copied.digest()
    for option in ([], ["--plan"]):
        assert re.search(f"{message}; choose another with --store", one_line(copied.run(*option)))
    assert copied.digest() == before


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


@pytest.mark.parametrize("content", [b"\0" * 100, b"\0" * mnist.RAW_FILES[1].size], ids=["truncated", "corrupted"])
def test_a_damaged_mnist_file_is_named_and_left_alone(untouched, tmp_path, content):
    path = tmp_path / "mnist" / mnist.RAW_FILES[1].name
    path.parent.mkdir()
    path.write_bytes(content)
    done = command("activation_depth", *untouched.places, RESEARCH_DATA=str(tmp_path), **OFFLINE)
    assert re.search(f"{path} is damaged: .*, expected .*; delete it and run again", one_line(done))
    assert path.read_bytes() == content
