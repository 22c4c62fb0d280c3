"""A short form of benchmarks/faults.py, and that it notices what must not be."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys

import pytest

from benchmarks import fault_points, fault_walk, faults
from benchmarks.fault_cluster import LOST, NEW_DATABASE, NO_SCHEDULER, Cluster, Wire
from benchmarks.fault_runs import Machine, alive
from benchmarks.fault_study import Place
from benchmarks.faults import RANDOM, Storm, main, report, spread
from benchmarks.postgres_server import programs

KILLS = 14
POINTS = (
    f"before {fault_points.RENAMED}",
    f"after {fault_points.NEW}",
    "before create_experiment",
    "after the writing of a stack",
    f"before {fault_points.ROWS}",
    "before the end of a cell",
    "before update_run",
    "after delete_run",
    f"before {fault_points.RECORD}",
    fault_points.TRAINING,
    fault_points.RESULT,
    "before Optuna's create_new_trial",
    f"amid the writing of {fault_points.TABLE}",
    f"before the renaming of {fault_points.DRAWING}",
)


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    """A storm over all universes of the study."""
    made = Storm(tmp_path_factory.mktemp("storm"), KILLS, 1, Machine(2), POINTS, ["all"])
    made.run()
    return made


@pytest.fixture
def copied(storm, tmp_path):
    """A copy of what the undisturbed run left, to be changed, and a storm that has not counted anything yet."""
    shutil.copytree(storm.undisturbed.folder, tmp_path / "undisturbed")
    shutil.copytree(storm.undisturbed.folder, tmp_path / "copy")
    return Place(tmp_path / "copy"), Storm(tmp_path, 1, 1, Machine(1))


def change(place, sql):
    """Change the record behind everyone's back."""
    with contextlib.closing(sqlite3.connect(place.store.database)) as connection, connection:
        connection.execute(sql)


def test_a_study_in_a_storm_of_kills_loses_and_doubles_nothing_and_comes_to_the_same_files(storm):
    assert storm.tally.failures == []
    assert len(storm.tally.kills) >= KILLS
    assert {kill.kind for kill in storm.tally.kills} == set(Machine.statuses)
    points = {kill.point for kill in storm.tally.kills} - {RANDOM}
    assert len(points) >= KILLS / 3  # no random time is drawn for the first five
    assert faults.WORK in {faults.POINTS[point] for point in points}
    assert storm.tally.files >= 8


def test_the_report_counts_what_was_done(storm):
    text = report(storm.tally, "the command", storm.ground)
    number = len(storm.tally.kills)
    assert f"| all | {number} |" in text
    assert f"| `the command` | {storm.tally.starts} runs in {storm.tally.stores} stores |" in text
    assert "| stacks lost | 0 |" in text
    assert "| processes left | 0; " in text
    assert f", where {len(storm.known) * storm.tally.stores} were needed; " in text


def test_what_is_as_it_should_be_is_called_so(copied):
    place, storm = copied
    storm.look(place)
    storm.look(place)
    storm.compare(place)
    assert storm.tally.failures == []


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE runs SET status = 'RUNNING' WHERE name = 'relu seed=1'", "1 runs left RUNNING"),
        ("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'relu'", "different: the record"),
        ("UPDATE metrics SET value = value + 1e-9 WHERE key = 'test_accuracy'", "different: the record"),
        ("UPDATE runs SET status = 'FAILED' WHERE name = 'relu seed=1'", "different: statuses"),
        (
            "UPDATE tags SET value = '0' WHERE key = 'seed' AND run_uuid IN "
            "(SELECT run_uuid FROM runs WHERE name = 'relu seed=1')",
            "twice: replicate storm/full/activation=relu 0",
        ),
    ],
)
def test_what_must_not_be_in_a_record_is_noticed(copied, sql, found):
    place, storm = copied
    change(place, sql)
    storm.compare(place)
    assert any(failure.startswith(found) for failure in storm.tally.failures)


def test_a_stack_that_is_not_there_any_more_or_was_made_again_is_lost(copied):
    place, storm = copied
    storm.look(place)
    before = dict(storm.known)
    change(place, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'relu seed=1'")
    storm.look(place)
    assert storm.tally.lost == ["storm/full/activation=relu/seeds=0-2"]
    storm.known = before | {"storm/full/activation=tanh/seeds=0-2": ("another", "run")}
    storm.tally.lost.clear()
    storm.look(place)
    assert sorted(storm.tally.lost) == [f"storm/full/activation={name}/seeds=0-2" for name in ("relu", "tanh")]


@pytest.mark.parametrize("name", ["universes/runs.csv", "universes/tuning.csv", ".runs.csv.new"])
def test_a_file_that_differs_or_is_too_much_is_noticed(copied, name):
    place, storm = copied
    with (place.reports / "storm" / name).open("a") as file:
        file.write("more")
    storm.compare(place)
    assert [failure.split(" in ")[0] for failure in storm.tally.failures] == [f"different: storm/{name}"]


def test_what_is_left_in_a_store_is_noticed(copied):
    place, storm = copied
    (place.store.folder / "mlflow.new").touch()
    storm.compare(place)
    assert [failure.split(" in ")[0] for failure in storm.tally.failures] == ["different: strays"]


def test_a_process_that_outlives_its_command_is_found_by_what_it_inherited(tmp_path):
    environment = os.environ | {fault_points.FOLDER: str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE)
    assert alive(tmp_path, -1) == [process.pid]
    process.communicate()
    assert alive(tmp_path, -1) == []


def test_a_spread_is_told_with_its_number():
    assert spread([1.0, 9.0, 2.0], "s") == "2.0 s, at most 9.0 s (n=3)"
    assert spread([]) == "-"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kills", "0"], "error: --kills 0: at least one is needed\n"),
        (["--workers", "0"], "error: --workers 0: at least one is needed\n"),
        (["--seed", "x"], "error: argument --seed: invalid int value: 'x'; see --help\n"),
        (["--folder", "."], "error: --folder .: is there already; name a new one\n"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(words, message, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err == message


def test_every_point_is_one_that_the_command_passes(storm):
    lines = [json.loads(line) for log in storm.folder.glob("starts/*/log") for line in log.read_text().splitlines()]
    passed = {line["of"] for line in lines if line["what"] == "passed"}
    assert {point for point, phase in faults.POINTS.items() if phase not in faults.MENDING} <= passed


@pytest.mark.skipif(programs() is None, reason="there is no PostgreSQL")
def test_a_study_on_a_cluster_that_is_killed_and_cut_off_comes_to_the_files_of_a_local_one(tmp_path):
    cluster = Cluster(tmp_path / "cluster", 2)
    short = f"STEP_SECONDS = {fault_walk.STEP_SECONDS}"
    cluster.text = cluster.text.replace(
        short, "STEP_SECONDS = 0.2"
    )  # so that stacks are in work until the store is made
    cluster.statuses = {kind: cluster.statuses[kind] for kind in (NO_SCHEDULER, NEW_DATABASE, LOST)}
    points = (f"after {fault_points.NEW}", "before the end of a cell")
    tally = Storm(tmp_path, 2, 1, cluster, points, ["reference"]).run()
    assert tally.failures == []
    assert len(tally.kills) >= 2
    assert tally.files >= 4


def test_a_wire_carries_both_ways_until_it_is_cut_and_then_again_but_for_good(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as there:
        wire = Wire(there.getsockname()[1])
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", wire.port), timeout=10) as here:
                far, _ = there.accept()
                with far:
                    here.sendall(b"asked")
                    assert far.recv(5) == b"asked"
                    far.sendall(b"told")
                    assert here.recv(4) == b"told"
                    wire.cut()
                    assert (here.recv(1), far.recv(1)) == (b"", b"")
        wire.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", wire.port), timeout=10)
