"""The record on a tracking server: what it holds, who may write it, and what becomes of a study when it goes away."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing

import pytest
from conftest import ROOT, wait_until
from made_up import made_up_result
from mlflow_server import Server
from test_design import TOY

from research.console import named_store
from research.design.errors import UserError
from research.design.plan import make_plan
from research.record import server_store, tracking_server
from research.record.copies import copy_study
from research.record.frames import read_frames
from research.record.mlflow_database import write_runs
from research.record.recorder import Recorder
from research.record.server_store import COORDINATORS, STALE, ServerStore, machine
from research.record.state import read_runs, state_of
from research.record.store import Store

PLAN = make_plan(TOY, num_seeds=6)  # eight stacks
EXPERIMENT = PLAN.experiment


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    """A tracking server, which has a part of PLAN recorded; the last test alone may harm it."""
    made = Server(tmp_path_factory.mktemp("server"))
    record(ServerStore(made.address), PLAN.stacks[:2])
    yield made
    made.kill()


@pytest.fixture
def store(tracking, tmp_path):
    """The store at the server, as a command has it that was just started."""
    made = ServerStore(tracking.address)
    object.__setattr__(made, "folder", tmp_path / "here")
    return made


def record(store, stacks):
    with store.lock(PLAN.study.name, "study toy"), closing(Recorder(store, PLAN)) as recorder:
        for place, stack in enumerate(stacks):
            recorder.write_stack(stack, made_up_result(stack.seeds, value=place / 3))
        recorder.stop()


def told(store, experiment=EXPERIMENT):
    """What the runs of an experiment say, but for what is another in each record: ids, and digests of these."""
    return sorted(
        (run.name, run.status, run.started, run.ended,
         sorted((k, v) for k, v in run.tags.items() if k not in ("mlflow.parentRunId", "replicates")))
        for run in read_runs(store, experiment)
    )  # fmt: skip


def test_a_server_holds_what_a_folder_does_and_gives_the_same_frames(store, tmp_path):
    folder = Store(tmp_path / "folder")
    record(folder, PLAN.stacks[:2])
    assert told(store) == told(folder)
    ours, theirs = (read_frames(each, PLAN, state_of(each, PLAN)) for each in (store, folder))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.to_csv() == other.to_csv()
    assert len(ours.layers) > len(ours.runs) > 0
    assert ours.runs["test_loss"].isna().any()  # a NaN went there and back


def test_a_copy_into_a_folder_is_checked_number_by_number_and_gives_the_same_frames(store, tmp_path):
    copied = Store(tmp_path / "copy")
    found = copy_study(store, copied, PLAN.study.name)
    assert (found.stacks, found.there) == (2, 0)
    assert told(copied) == told(store)
    again = copy_study(ServerStore(store.address), copied, PLAN.study.name)
    assert (again.stacks, again.there, again.runs) == (0, 2, 0)


def test_curves_come_whole_where_the_server_cuts_off_what_it_sends(store, monkeypatch):
    runs = [run.id for run in read_runs(store, EXPERIMENT) if run.tags["kind"] == "replicate"]

    def curves():
        return sorted((p["run_id"], p["step"], p["value"]) for p in store.server.histories("train_loss", runs))

    whole = curves()
    assert len(whole) == 2 * len(runs)
    monkeypatch.setattr(tracking_server, "MOST_POINTS", 2)  # as if it cut off after one
    assert curves() == whole


def test_a_stack_that_was_told_in_part_is_closed_as_killed_and_recorded_once(tracking, tmp_path):
    store = ServerStore(tracking.address)
    stack = PLAN.stacks[2]
    with store.lock("toy", "study toy"), closing(Recorder(store, PLAN)) as recorder:
        recorder._parent(stack.cell, 1000)
        result = made_up_result(stack.seeds)
        begun = [recorder._replicate(stack, replicate, result) for replicate in result.replicates]
        write_runs(recorder.client, begun[:1])  # one seed whole, the others begun, and then a power cut
    assert stack.key not in state_of(store, PLAN).done
    record(ServerStore(tracking.address), [stack])
    runs = [run for run in read_runs(store, EXPERIMENT) if run.tags.get("stack") == stack.key]
    finished = [run for run in runs if run.status == "FINISHED"]
    assert sorted(run.tags["seed"] for run in finished) == sorted(map(str, stack.seeds))
    assert {run.status for run in runs if run not in finished} == {"KILLED"}
    assert {run.id for run in begun}.isdisjoint(run.id for run in finished)
    assert stack.key in state_of(store, PLAN).done
    cells = [run for run in read_runs(store, EXPERIMENT) if run.tags.get("kind") == "cell"]
    assert sorted(run.tags["key"] for run in cells) == sorted({s.cell.key for s in PLAN.stacks[:3]})


def test_a_text_of_any_length_is_told_in_parts_that_every_server_has_room_for(tracking):
    store, stack = ServerStore(tracking.address), PLAN.stacks[3]
    long = "".join(f" {number}" for number in range(5000))  # PostgreSQL takes 8,000 characters, SQLite any number
    with store.lock("toy", "study toy"), closing(Recorder(store, PLAN)) as recorder:
        recorder.write_failure(stack, f"ValueError:{long}", long)
    assert state_of(ServerStore(tracking.address), PLAN).failed == {stack.key: f"ValueError:{long}"}
    (run,) = store.server.runs(store.server.get_experiment_by_name(EXPERIMENT).experiment_id, "tags.kind = 'failure'")
    assert max(len(tag["value"]) for tag in run["data"]["tags"]) == tracking_server.MOST_OF_TAG


def test_a_second_coordinator_is_refused_and_the_first_lets_go_at_its_end(store):
    with store.lock("locked", "study locked"):
        with (
            pytest.raises(UserError, match=rf"^study locked is in use by another run \(process {os.getpid()}\); wait"),
            ServerStore(store.address).lock("locked", "study locked"),
        ):
            pass
        with ServerStore(store.address).lock("other", "study other"):
            store.check_there(store.mark())
    assert "locked" not in store.server.get_experiment_by_name(COORDINATORS).tags


def claimed(store, **changes):
    """Have a study claimed by a process that is said to be of another machine, and was heard of just now."""
    store.server.check()
    holder = {"process": 7, "host": "node7", "machine": "another", "token": "x", "beat": store.server.clock, **changes}
    place = store.server.get_experiment_by_name(COORDINATORS).experiment_id
    store.server.set_experiment_tag(place, "held", json.dumps(holder))


def ended():
    """The number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_who_is_heard_of_holds_a_study_from_anywhere_and_who_is_not_does_not(store):
    claimed(store)
    with (
        pytest.raises(UserError, match=r"^study held is in use by another run \(process 7 on node7\); wait for"),
        store.lock("held", "study held"),
    ):
        pass
    for changes in (
        {"beat": store.server.clock - STALE - 5},  # a machine that lost its power
        {"machine": machine(), "process": ended(), "host": socket.gethostname()},  # killed, here
        {"beat": "changed by hand"},
    ):
        claimed(store, **changes)
        with store.lock("held", "study held"):
            assert store.held


def test_a_claim_is_renewed_and_who_lost_it_writes_nothing_more(store, monkeypatch):
    monkeypatch.setattr(server_store, "BEAT", 0.2)
    with store.lock("held", "study held"):
        first = server_store._holder(store.server, "held")["beat"]
        wait_until(lambda: server_store._holder(store.server, "held")["beat"] > first)
        wait_until(
            lambda: (claimed(store), time.sleep(1), server_store._holder(store.server, "held")["token"] == "x")[-1]
        )
        with pytest.raises(UserError, match="another run took the study held over"):
            store.check_there(store.mark())
    assert server_store._holder(store.server, "held")["token"] == "x"  # it is not ours to remove


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://me:s3cret@host", "a password has no place in the address"),
        ("http://", "no address of a server; it is written http://HOST:PORT"),
        ("http://host:port", "no address of a server"),
        ("http://host/?a=b", "no address of a server"),
        ("https://host name", "no address of a server"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused_without_a_password_said(text, says):
    with pytest.raises(UserError, match=says) as refused:
        named_store(text)
    assert "s3cret" not in str(refused.value)


def test_an_address_is_a_store_with_a_folder_of_this_machine():
    store = named_store("https://mlflow.example.com:8443/team/")
    assert str(store) == "https://mlflow.example.com:8443/team"
    assert store.folder == ROOT / "mlruns" / "mlflow.example.com-8443-team"


def test_a_server_that_was_lost_ends_a_study_in_a_line_and_nothing_is_lost_or_doubled(tracking):
    store, (before, after) = ServerStore(tracking.address), PLAN.stacks[-2:]
    with store.lock("toy", "study toy"), closing(Recorder(store, PLAN)) as recorder:
        recorder.write_stack(before, made_up_result(before.seeds))
        tracking.kill()
        with pytest.raises(UserError, match=rf"^store {tracking.address}: cannot be reached \(.+\); see that it runs"):
            recorder.write_stack(after, made_up_result(after.seeds))
    tracking.start()
    store = ServerStore(tracking.address)
    done = state_of(store, PLAN).done
    assert before.key in done
    record(store, [stack for stack in PLAN.stacks if stack.key not in done])
    state = state_of(store, PLAN)
    assert state.missing(PLAN) == []
    assert [run.id for run in state.done[before.key]] == [run.id for run in done[before.key]]
    whole = [
        run for run in read_runs(store, EXPERIMENT) if (run.tags.get("kind"), run.status) == ("replicate", "FINISHED")
    ]
    assert len(whole) == sum(len(stack.seeds) for stack in PLAN.stacks)
