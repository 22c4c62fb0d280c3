"""The record in PostgreSQL: what it holds, who holds its locks, and what becomes of a study when it goes away."""

import argparse
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import closing

import pytest
from conftest import ROOT, Toy, command, error_line, wait_until
from made_up import PLAN, made_up_result
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from test_mlflow_database import TAGS, new_run

from benchmarks.postgres_server import PASSWORD, USER
from research.console import named_store
from research.design.errors import UserError
from research.record.any_store import SCHEMA
from research.record.frames import read_metrics
from research.record.mlflow_database import open_client, write_runs
from research.record.optuna_studies import projection
from research.record.postgres_store import PostgresStore
from research.record.recorder import Recorder
from research.record.state import read_runs, state_of
from research.record.store import Store


class Shared(Toy):
    """A toy study whose record is in PostgreSQL."""

    address = ""

    @property
    def places(self):
        return ["--store", self.address, "--reports", str(self.folder / "reports")]

    def runs(self, experiment="toy"):
        return read_runs(PostgresStore(self.address), experiment)

    def statuses(self):
        return [status for (status,) in PostgresStore(self.address).query("SELECT status FROM runs")]


def shared(folder, address):
    """The toy study in a folder that is made, with its record at an address."""
    folder.mkdir()
    toy = Shared(folder).write()
    object.__setattr__(toy, "address", address)
    return toy


@pytest.fixture
def toy(tmp_path, database):
    return shared(tmp_path / "toy", database())


@pytest.fixture(scope="module")
def same(tmp_path_factory, server):
    """One small study recorded in PostgreSQL and in a folder: what the command printed, and their tables."""
    folder = tmp_path_factory.mktemp("same")
    toys = shared(folder / "postgresql", server.new("same")), Toy(folder / "sqlite")
    toys[1].folder.mkdir()
    toys[1].write()
    printed = []
    for toy in toys:
        done = toy.run("--tier", "small", "--workers", "1")
        assert (done.returncode, done.stderr) == (0, "")
        printed.append(done.stdout)
    return *toys, printed


def files(toy):
    """The bytes of all tables of a toy study, but for what says when and where they were made."""
    places = sorted((toy.folder / "reports" / "toy").rglob("*.csv"))
    assert len(places) >= 3
    return {path.name: path.read_bytes() for path in places}


def test_the_tables_are_byte_for_byte_those_of_a_record_in_a_folder(same):
    there, here, _ = same
    assert files(there) == files(here)


def test_both_records_hold_the_same_runs_and_numbers(same):
    there, here, _ = same
    found = []
    for toy, store in ((there, PostgresStore(there.address)), (here, Store(here.store))):
        runs = toy.runs("toy-small")
        numbers = read_metrics(store, [run.id for run in runs])
        own = ("seed", "stack", "kind", "key", "fingerprint", "identity", "weights_sha256", "claims", "curves")
        measured = {name for values in numbers.values() for name in values if "seconds" not in name}
        found.append(
            sorted(
                (run.name, run.status, str([run.tags.get(name) for name in own]),
                 str(sorted((name, sorted(numbers[run.id].get(name, {}).items())) for name in measured)))
                for run in runs
            )
        )  # fmt: skip
    assert found[0] == found[1]
    assert len(found[0]) == 8


def test_optuna_shows_the_same_grid(same):
    import optuna

    grids = []
    for store in (PostgresStore(same[0].address), Store(same[1].store)):
        with projection(store) as storage:
            grids.append(optuna.load_study(study_name="toy-small", storage=storage).trials)
    assert [(t.params, t.value) for t in grids[0]] == [(t.params, t.value) for t in grids[1]]
    assert len(grids[0]) == 2


def test_what_is_recorded_is_not_trained_again_and_can_be_reproduced(same):
    there = same[0]
    again = there.run("--tier", "small")
    assert (again.returncode, again.stderr) == (0, "")
    assert "to train" not in again.stdout
    planned = command(there.file, "--tier", "small", "--plan", "--store", there.address)
    assert "2 done, 0 failed, 0 to run" in planned.stdout
    arguments = [f"{there.file}-small", "--sample", "1", "--store", there.address]
    done = subprocess.run(
        [sys.executable, "-m", "research.reproduce", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "identical" in done.stdout


def test_nothing_of_a_password_is_printed_or_recorded(same, server):
    there, _, printed = same
    assert PASSWORD not in printed[0]
    files = [path for path in there.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]
    dumped = subprocess.run([server.bin / "pg_dump", there.address], capture_output=True, text=True, check=True).stdout
    assert "CREATE TABLE mlflow.runs" in dumped
    assert PASSWORD not in dumped
    assert there.address not in dumped


@pytest.fixture
def store(database):
    yield PostgresStore(database())
    for address, engine in SqlAlchemyStore._engine_map.items():
        if address.startswith("postgresql"):
            engine.dispose()


def recorded(store, number=2):
    recorder = Recorder(store, PLAN)
    for stack in PLAN.stacks[:number]:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    return recorder


def test_nothing_is_there_until_something_is_written(store):
    store.check()
    assert store.query("SELECT 1 FROM runs") == []
    assert not state_of(store, PLAN).done
    assert not store.is_there()


def test_a_tag_of_any_length_is_kept(store):
    client = open_client(store)
    experiment = client.create_experiment("toy")
    run = new_run(client, experiment, "n" * 300)
    write_runs(client, [run])
    assert store.query("SELECT value FROM tags WHERE run_uuid = ? AND key = 'mlflow.note.content'", (run.id,)) == [
        (TAGS["mlflow.note.content"],)
    ]
    assert client.get_run(run.id).info.run_name == "n" * 300


def test_a_failure_is_recorded_whatever_its_message_has(store):
    recorder = Recorder(store, PLAN)
    recorder.write_failure(PLAN.stacks[0], "ValueError: é\0 'quoted' % \\ $1 ?", "line\0")
    assert state_of(store, PLAN).failed == {PLAN.stacks[0].key: "ValueError: é\\0 'quoted' % \\ $1 ?"}


def test_two_that_make_the_tables_at_once_both_get_them(store):
    made = []
    others = [PostgresStore(store.address) for _ in range(2)]
    threads = [threading.Thread(target=lambda one=one: made.append(open_client(one))) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2
    assert store.query("SELECT version_num FROM alembic_version") == [(SCHEMA,)]


def test_what_a_killed_run_left_of_tables_in_the_making_is_made_anew(store, server):
    name = store.told["dbname"]
    server.execute("CREATE SCHEMA mlflow_new", "CREATE TABLE mlflow_new.runs (half int)", name=name)
    server.execute("CREATE SCHEMA optuna_new", "CREATE TABLE optuna_new.studies (half int)", name=name)
    store.check()
    recorded(store)
    with projection(store):
        pass
    assert len(state_of(store, PLAN).done) == 2
    begun = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(mlflow|optuna)' ORDER BY 1"
    schemas = server.execute(begun, name=name)
    assert schemas == [("mlflow",), ("optuna",)]


HOLD = """
import sys, time
from research.record.postgres_store import PostgresStore
with PostgresStore(sys.argv[1]).lock("toy", "study toy"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_held_by_one_names_its_holder_and_ends_with_its_process(store):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, store.address], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with closing(holder.stdout):
        assert holder.stdout.readline() == "held\n"
        line = rf"^study toy is in use by another run \(process {holder.pid}\); wait for it to end$"
        with pytest.raises(UserError, match=line), store.lock("toy", "study toy"):
            pass
        with store.lock("another", "study another"):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

    def taken():
        try:
            with store.lock("toy", "study toy"):
                return True
        except UserError:
            return False

    wait_until(taken, 10)


def test_a_holder_on_another_machine_is_named_with_it(store, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    with store.lock("toy", "study toy"):
        monkeypatch.undo()
        with pytest.raises(UserError, match=rf"\(process {os.getpid()} on node7\)"), store.lock("toy", "study toy"):
            pass


def test_two_coordinators_cannot_run_one_study(toy):
    with toy.start("--workers", "1") as process:
        wait_until(lambda: "FINISHED" in toy.statuses(), process=process)
        second = toy.run("--workers", "1")
        line = error_line(second.returncode, second.stderr)
        assert line == (
            f"study toy in {toy.address} is in use by another run (process {process.pid}); wait for it to end"
        )


def test_a_killed_coordinator_is_gone_on_with(toy):
    with toy.start("--workers", "1") as process:
        wait_until(lambda: toy.statuses().count("FINISHED") >= 10, process=process)
    first = toy.finished_ids()
    assert first
    done = toy.run("--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    last = toy.finished_ids()
    assert len(last) == 4
    assert first.items() <= last.items()
    assert "RUNNING" not in [run.status for run in toy.runs()]
    assert len([run for run in toy.runs() if run.tags["kind"] == "replicate"]) == 40


def test_a_database_that_stops_ends_a_study_in_one_line_and_the_same_command_goes_on(toy, server):
    with toy.start("--workers", "1") as process:
        wait_until(lambda: toy.statuses().count("FINISHED") >= 10, process=process)
        server.stop()
        process.wait(120)
        server.start()
    line = error_line(process.returncode, toy.printed("stderr"))
    assert line.startswith(f"store {toy.address}: ")
    assert line.endswith("; see that it runs and can be reached, and run the same command again")
    first = toy.finished_ids()
    done = toy.run("--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(toy.finished_ids()) == 4
    assert first.items() <= toy.finished_ids().items()


def test_who_has_lost_the_lock_writes_nothing_more_though_the_database_is_back(store, server):
    with store.lock("toy", "study toy"):
        recorder = recorded(store, 1)
        server.stop()
        server.start()
        before = store.query("SELECT count(*) FROM runs")
        with pytest.raises(UserError, match=r"was lost while the study ran .*run the same command again"):
            recorder.write_stack(PLAN.stacks[1], made_up_result(PLAN.stacks[1].seeds))
        assert store.query("SELECT count(*) FROM runs") == before
    assert len(state_of(store, PLAN).done) == 1


def test_tables_that_were_replaced_meanwhile_are_not_written(store, server):
    with store.lock("toy", "study toy"):
        recorder = recorded(store, 1)
        server.execute("ALTER SCHEMA mlflow RENAME TO elsewhere", name=store.told["dbname"])
        with pytest.raises(UserError, match="schema mlflow was removed or replaced while the study ran"):
            recorder.write_stack(PLAN.stacks[1], made_up_result(PLAN.stacks[1].seeds))


def test_the_ui_shows_it(same):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "research.ui", "toy-small", "--store", same[0].address, "--port", port],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with closing(process.stdout), closing(process.stderr):
        try:
            printed = process.stdout.readline()
            assert printed.startswith(f"toy-small  http://127.0.0.1:{port}/#/experiments/"), process.stderr.read()
            store = PostgresStore(same[0].address)
            ((number,),) = store.query("SELECT run_uuid FROM runs WHERE name = ?", ("relu depth=1 seed=0",))
            for path in (f"runs/get?run_id={number}", f"artifacts/list?run_id={number}"):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/2.0/mlflow/{path}", timeout=60) as answer:
                    assert answer.status == 200
        finally:
            process.terminate()
            process.wait(60)


# What a user can get wrong.


def line_of(*arguments, **environment):
    done = command("perceptron_xor", "--tier", "smoke", *arguments, **environment)
    assert done.stdout == ""
    assert PASSWORD not in done.stderr
    return error_line(done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"postgresql://{USER}:{PASSWORD}@localhost/x", "a password has no place in the address"),
        (f"postgresql://localhost/x?password={PASSWORD}", "a password has no place in the address"),
        ("postgresql://localhost", "does not name a database; it is written postgresql://USER@HOST/NAME"),
        ("postgresql://localhost/a/b", "does not name a database"),
        ("postgresql://localhost:port/x", "no address of a database"),
        ("postgresql://localhost/x?sslmode", "no address of a database"),
        ("postgresql://localhost/x?color=red", "color after its ? is none of host, port"),
        (
            f"mysql://root:{PASSWORD}@localhost/x",
            "mysql:// is no store: name a folder, postgresql://USER@HOST/NAME, or ",
        ),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(address, said):
    with pytest.raises((UserError, argparse.ArgumentTypeError)) as refused:
        named_store(address)
    assert said in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_an_address_that_nobody_answers(server):
    line = line_of("--store", "postgresql://x@127.0.0.1:9/record")
    assert line == (
        "store postgresql://x@127.0.0.1:9/record: cannot be used (Connection refused); "
        "see that it runs and can be reached, and run the same command again"
    )


def test_another_program_at_the_port():
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        line = line_of("--store", f"postgresql://x@127.0.0.1:{other.server_port}/record")
        other.shutdown()
    assert "cannot be used (" in line


def test_a_program_at_the_port_that_says_nothing(monkeypatch):
    monkeypatch.setattr("research.record.postgres_store.PATIENCE", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = PostgresStore(f"postgresql://x@127.0.0.1:{silent.getsockname()[1]}/record")
        with pytest.raises(UserError, match=r"cannot be used \(.*timeout.*\); see that it runs"):
            store.check()


def test_a_wrong_password_and_none(server, database, tmp_path):
    address = database()
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    wrong.write_text(f"*:*:*:{USER}:another\n")
    for file in (wrong, tmp_path / "none"):
        line = line_of("--store", address, PGPASSFILE=str(file))
        assert "password" in line
        assert line.endswith("write it into ~/.pgpass, or into the file that PGPASSFILE names")


def test_a_database_that_is_not_there(server):
    assert 'database "nowhere" does not exist' in line_of("--store", server.address("nowhere"))


def test_a_server_that_demands_encryption_and_one_that_has_none(server, database):
    address = database()
    rules = server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    assert "server does not support SSL, but SSL was required" in line_of("--store", f"{address}?sslmode=require")
    rules.write_text("hostssl all all all scram-sha-256\n")
    try:
        server.run("pg_ctl", "-D", server.folder / "data", "reload")
        line = wait_until(
            lambda: (found := line_of("--store", f"{address}?sslmode=disable")) and "no encryption" in found and found
        )
    finally:
        rules.write_text(before)
        server.run("pg_ctl", "-D", server.folder / "data", "reload")
    assert line.endswith("say with ?sslmode= in the address how the connection is to be encrypted")


def test_a_database_of_another_program_or_version(server, database, store):
    address = database()
    server.execute("CREATE TABLE customers (id int)", name=address.rpartition("/")[2])
    line = line_of("--store", address)
    assert line == (f"store {address}: holds tables of another program (public.customers); make a database of its own")
    assert not PostgresStore(address).is_there()
    open_client(store)
    server.execute("UPDATE mlflow.alembic_version SET version_num = 'abc'", name=store.told["dbname"])
    assert rf"written by another MLflow version (schema abc, this one needs {SCHEMA})" in line_of(
        "--store", store.address
    )
    other = PostgresStore(database())
    server.execute("CREATE SCHEMA mlflow", "CREATE TABLE mlflow.songs (id int)", name=other.told["dbname"])
    assert 'relation "alembic_version" does not exist' in line_of("--store", other.address)


def test_a_role_that_may_only_read_can_look_and_not_write(server, store):
    recorded(store)
    with projection(store):
        pass
    name = store.told["dbname"]
    server.execute(
        f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
        "GRANT USAGE ON SCHEMA mlflow, optuna TO reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA mlflow, optuna TO reader",
        name=name,
    )
    reader = PostgresStore(server.address(name, "reader"))
    assert len(state_of(reader, PLAN).done) == 2
    line = line_of("--store", reader.address)
    assert line.startswith(f"store {reader.address}: cannot be written (role reader may not write table ")
    with pytest.raises(UserError, match=r"as MLflow's UI must \(role reader may not write table"):
        reader.check_writable()
    empty = PostgresStore(server.new("empty"))
    server.execute("REVOKE CREATE ON DATABASE empty FROM PUBLIC", name="empty")
    stranger = PostgresStore(server.address("empty", "reader"))
    with pytest.raises(UserError, match=r"cannot be written \(role reader may not make schemas in it\)"):
        stranger.check()
    server.execute("ALTER DATABASE empty SET default_transaction_read_only = on")
    with pytest.raises(UserError, match=r"cannot be written \(the server or its role allows reading alone\)"):
        empty.check()
