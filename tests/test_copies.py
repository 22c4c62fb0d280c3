"""Studies copied between stores: nothing is lost, changed or counted twice; what does not go together is refused."""

import contextlib
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from conftest import ROOT, error_line
from made_up import made_up_result
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from test_design import TOY

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.task import StackResult
from research.record.copies import choose, copy_study, read_contents, studies_in
from research.record.frames import read_frames
from research.record.postgres_store import PostgresStore
from research.record.recorder import PARENT, Recorder
from research.record.state import Run, read_runs, state_of
from research.record.store import Store

PLAN = make_plan(TOY, num_seeds=9)  # three stacks a cell


@pytest.fixture(params=["into a folder", "into PostgreSQL"])
def two(request, tmp_path):
    """A folder that is copied from, and a store that is copied into."""
    into = Store(tmp_path / "into")
    if request.param == "into PostgreSQL":
        into = PostgresStore(request.getfixturevalue("database")())
    yield Store(tmp_path / "from"), into
    for address, engine in SqlAlchemyStore._engine_map.items():
        if address.startswith("postgresql"):
            engine.dispose()


def record(store, stacks, plan=PLAN, **changes):
    """Record some stacks of the plan, each with the numbers that its seeds always come to."""
    recorder = Recorder(store, plan)
    for stack in stacks:
        result: StackResult = made_up_result(stack.seeds)
        recorder.write_stack(stack, replace(result, **changes))
    recorder.stop()


def frames(store):
    return read_frames(store, PLAN, state_of(store, PLAN))


def digests(store):
    runs = [run.id for run in read_runs(store, "toy")]
    return {number: content.digest() for number, content in read_contents(store.query, runs).items()}


def ids(store):
    return {key: [run.id for run in runs] for key, runs in state_of(store, PLAN).done.items()}


def test_there_are_cells_of_several_stacks():
    assert len(PLAN.stacks) == 3 * len(PLAN.cells) == 12


def test_a_study_that_is_copied_is_the_same_run_by_run(two):
    source, target = two
    record(source, PLAN.stacks[:7])
    recorder = Recorder(source, PLAN)
    recorder.write_failure(PLAN.stacks[8], "RuntimeError: out of luck")
    recorder.client.create_run("1", 1000, {"mine": "a user's"}, "by hand")
    recorder.client.set_experiment_tag("1", "mlflow.note.content", "changed by a user")
    found = copy_study(source, target, "toy")
    ours = {run.id for run in read_runs(source, "toy") if run.status != "RUNNING"}
    assert (found.stacks, found.there, found.runs) == (7, 0, len(ours))
    assert digests(target) == {number: digest for number, digest in digests(source).items() if number in ours}
    assert [len(table) for table in frames(target)] == [len(table) for table in frames(source)]
    for one, other in zip(frames(target), frames(source), strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert state_of(target, PLAN).failed == {PLAN.stacks[8].key: "RuntimeError: out of luck"}
    note = target.query("SELECT value FROM experiment_tags WHERE key = 'mlflow.note.content'")
    assert note == [("changed by a user",)]
    places = {place for (place,) in target.query("SELECT artifact_uri FROM runs")}
    assert all(place.startswith(target.artifacts_of("toy")) for place in places)


def test_copied_again_nothing_is_added(two):
    source, target = two
    record(source, PLAN.stacks[:4])
    copy_study(source, target, "toy")
    before = digests(target)
    again = copy_study(source, target, "toy")
    assert (again.stacks, again.there, again.runs) == (0, 4, 0)
    assert digests(target) == before
    record(source, PLAN.stacks[4:6])
    more = copy_study(source, target, "toy")
    assert (more.stacks, more.there) == (2, 4)


def test_two_who_each_trained_a_half_join_them(two, tmp_path):
    source, target = two
    record(source, PLAN.stacks[::2])
    record(target, PLAN.stacks[1::2])
    mine, theirs = ids(source), ids(target)
    found = copy_study(source, target, "toy")
    assert (found.stacks, found.there) == (6, 0)
    assert ids(target) == {**mine, **theirs}
    Recorder(target, PLAN)  # as the next run of the study, which sums up
    runs = read_runs(target, "toy")
    parents = {run.tags["key"]: run for run in runs if run.tags["kind"] == "cell"}
    assert len(parents) == len([run for run in runs if run.tags["kind"] == "cell"]) == 4
    for run in runs:
        if run.tags["kind"] == "replicate":
            assert run.tags[PARENT] == parents[run.tags["key"]].id
    whole = Store(tmp_path / "whole")
    record(whole, PLAN.stacks)
    for one, other in zip(frames(target), frames(whole), strict=True):
        pd.testing.assert_frame_equal(one, other)

    def sums(store):
        sql = (
            "SELECT r.name, m.key, m.step, m.value FROM metrics m JOIN runs r USING (run_uuid) JOIN tags t "
            "USING (run_uuid) WHERE t.key = 'kind' AND t.value = 'cell' AND r.lifecycle_stage = 'active'"
        )
        return sorted(store.query(sql))

    assert sums(target) == sums(whole)


def test_a_stack_that_both_have_stays_as_it_is_there(two):
    source, target = two
    record(source, PLAN.stacks[:3])
    record(target, PLAN.stacks[1:2])
    theirs = ids(target)
    found = copy_study(source, target, "toy")
    assert (found.stacks, found.there) == (2, 1)
    assert theirs.items() <= ids(target).items()
    replicates = [run for run in read_runs(target, "toy") if run.tags["kind"] == "replicate"]
    assert len(replicates) == len({(run.tags["key"], run.tags["seed"]) for run in replicates}) == 9


def refused(source, target, line):
    """A copy is refused with a line, and the target is as it was."""
    before = digests(target)
    with pytest.raises(UserError, match=line):
        copy_study(source, target, "toy")
    assert digests(target) == before


def test_results_of_another_configuration_are_refused(two):
    source, target = two
    plan = make_plan(replace(TOY, revision=2), num_seeds=9)
    record(source, PLAN.stacks[:1])
    record(target, plan.stacks[1:2], plan)
    refused(source, target, "hold results of different configurations under it; copy into a store of its own")


def test_another_class_of_device_is_refused(two):
    source, target = two
    record(source, PLAN.stacks[:1])
    record(target, PLAN.stacks[1:2], device="cuda")
    refused(source, target, "recorded on cpu in one store and on cuda in the other")


def test_a_result_that_was_changed_by_hand_is_refused(two):
    source, target = two
    record(source, PLAN.stacks[:2])
    copy_study(source, target, "toy")
    with contextlib.closing(sqlite3.connect(source.database)) as connection, connection:
        connection.execute("UPDATE metrics SET value = value + 1 WHERE key = 'test_accuracy'")
    refused(source, target, "is in both stores, with other contents")


def test_what_a_user_notes_on_a_run_is_no_contradiction(two):
    source, target = two
    record(source, PLAN.stacks[:2])
    copy_study(source, target, "toy")
    recorder = Recorder(target, PLAN)
    recorder.client.set_tag(ids(target)[PLAN.stacks[0].key][0], "mlflow.note.content", "odd")
    assert copy_study(source, target, "toy").there == 2


def test_half_a_stack_stays_behind(two):
    source, target = two
    record(source, PLAN.stacks[:2])
    lost = ids(source)[PLAN.stacks[0].key][0]
    with contextlib.closing(sqlite3.connect(source.database)) as connection, connection:
        connection.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", (lost,))
    assert copy_study(source, target, "toy").stacks == 1
    assert list(ids(target)) == [PLAN.stacks[1].key]


def test_what_is_read_back_must_be_what_was_read(tmp_path):
    source, target = Store(tmp_path / "from"), Store(tmp_path / "into")
    record(source, PLAN.stacks[:1])
    copy_study(source, target, "toy")
    record(source, PLAN.stacks[1:2])
    with contextlib.closing(sqlite3.connect(target.database)) as connection, connection:
        change = "UPDATE metrics SET value = value + 1 WHERE rowid = NEW.rowid"
        connection.execute(f"CREATE TRIGGER faulty AFTER INSERT ON metrics BEGIN {change}; END")
    refused(source, target, "^what was written is not what was read: nothing was copied$")


def made_up_run(number, kind, key, stack, **tags):
    tags = {"kind": kind, "key": key, "stack": stack, "fingerprint": "f", "device": "cpu", **tags}
    return Run(number, number, "FINISHED", 1, 2, tags)


def test_trials_that_came_to_other_values_are_refused_and_equal_ones_are_there():
    key = "toy/full/a=1/trial=0"
    here, same, other = (made_up_run(n, "trial", key, f"{key} seeds=0-1", value=n[0]) for n in ("1a", "1b", "2c"))
    assert choose("toy-tuning", [here], [], []).stacks == 1
    kept = choose("toy-tuning", [here], [same], [])
    assert (kept.runs, kept.stacks, kept.there) == ([], 0, 1)
    with pytest.raises(UserError, match="came to another value in the other store"):
        choose("toy-tuning", [here], [other], [])


def test_a_seed_that_is_there_in_a_stack_of_another_size_is_not_counted_twice():
    key = "toy/full/a=1"
    here = [made_up_run(f"h{n}", "replicate", key, f"{key}/seeds=0-1", seed=str(n)) for n in (0, 1)]
    there = [made_up_run("t0", "replicate", key, f"{key}/seeds=0-0", seed="0")]
    kept = choose("toy", here, there, [])
    assert (kept.runs, kept.stacks, kept.there) == ([], 0, 1)


def test_a_store_in_use_is_not_copied_into(two):
    source, target = two
    record(source, PLAN.stacks[:1])
    with target.lock("toy", "study toy"), pytest.raises(UserError, match=f"^study toy in {target} is in use"):
        copy_study(source, target, "toy")
    assert not target.is_there()


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "research.store", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_the_command_copies_there_and_back(two, tmp_path):
    source, target = two
    record(source, PLAN.stacks[:2])
    name = target if isinstance(target, PostgresStore) else target.folder
    there = run("copy", source.folder, name)
    assert (there.returncode, there.stderr) == (0, "")
    numbers = source.query("SELECT count(*) FROM metrics")[0][0]
    runs = source.query("SELECT count(*) FROM runs")[0][0]
    assert there.stdout.splitlines()[0] == (
        f"toy: 2 stacks copied, 0 there already; checked: {runs} runs, {numbers} numbers"
    )
    back = run("copy", name, tmp_path / "back", "toy")
    assert (back.returncode, back.stderr) == (0, "")
    assert digests(Store(tmp_path / "back")) == digests(source)
    assert studies_in(target) == ["toy"]


def test_wrong_input_is_one_line(tmp_path):
    source = Store(tmp_path / "from")
    record(source, PLAN.stacks[:1])
    for arguments, said in (
        (("copy", source.folder, source.folder), "cannot be copied into itself"),
        (("copy", tmp_path / "none", source.folder), f"store {tmp_path / 'none'}: there is no record"),
        (("copy", source.folder, tmp_path / "x", "toys"), "no study 'toys' in store"),
        (("move", source.folder, tmp_path / "x"), "invalid choice: 'move'"),
        (("copy", source.folder, "postgresql://x@127.0.0.1:9/x"), "cannot be used (Connection refused)"),
        (("copy", source.folder), "the following arguments are required: B"),
    ):
        done = run(*arguments)
        assert said in error_line(done.returncode, done.stderr)
        assert done.stdout == ""
    assert not (tmp_path / "x").exists()
