"""MLflow's database as it is made and opened, with MLflow's own engine, and what is written into it at once."""

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from research.design.errors import UserError
from research.record.any_store import SCHEMA
from research.record.mlflow_database import NewRun, finish_run, open_client, write_runs, writing
from research.record.store import Store


def pragmas(client):
    """How the connections that MLflow makes treat the disk."""
    with client._tracking_client.store.engine.connect() as connection:
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]


def test_a_commit_to_the_record_does_not_wait_for_the_disk_but_leaves_it_whole(record):
    assert pragmas(open_client(record)) == ["wal", 1]


def test_a_new_database_is_one_of_the_pinned_mlflow_and_nothing_is_left_beside_it(tmp_path):
    store = Store(tmp_path / "store")
    assert pragmas(open_client(store)) == ["wal", 1]
    assert store.query("SELECT version_num FROM alembic_version") == [(SCHEMA,)]
    names = {path.name for path in store.folder.iterdir()}
    assert {name for name in names if not name.endswith(("-wal", "-shm"))} == {"mlflow.db", ".creation.lock"}


def test_what_a_killed_run_left_of_a_database_in_the_making_is_made_anew(tmp_path):
    (tmp_path / "mlflow.new").write_text("half of a database")
    open_client(Store(tmp_path))
    assert not (tmp_path / "mlflow.new").exists()
    assert Store(tmp_path).query("SELECT version_num FROM alembic_version") == [(SCHEMA,)]


def test_a_database_that_is_there_is_kept(copied_record):
    before = copied_record.query("SELECT run_uuid FROM runs ORDER BY 1")
    open_client(copied_record)
    assert copied_record.query("SELECT run_uuid FROM runs ORDER BY 1") == before != []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"store .*file/store: cannot be written"):
        open_client(Store(tmp_path / "file" / "store"))


def test_a_record_that_cannot_be_written_is_said_in_a_line(copied_record):
    client = open_client(copied_record)
    copied_record.database.write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match=r"mlflow\.db cannot be written .*choose another"), writing(copied_record):
        client.create_experiment("another", Path("/").as_uri())


TABLES = ("runs", "tags", "params", "metrics", "latest_metrics", "datasets", "inputs", "input_tags")
DATA = DatasetInput(
    Dataset("digits", "abc", "local", "here", profile="{}"), [InputTag("mlflow.data.context", "training")]
)
NUMBERS = [("loss", 0, 0.5), ("loss", 2, float("nan")), ("loss", 1, 0.25), ("steps", 0, 7), ("far", 0, float("inf")),
           ("far", 1, -float("inf")), ("loss", 0, 0.5), ("twice", 3, 1.0), ("twice", 3, 2.0)]  # fmt: skip
TAGS = {"kind": "replicate", "mlflow.note.content": "é" * 9000}
PARAMS = {"lr": 0.1, "name": "x" * 7000, "none": ""}


def new_run(client, experiment, name, ended=2000, metrics=tuple(NUMBERS)):
    found = client.get_experiment(experiment)
    return NewRun(found, name, "FINISHED" if ended else "RUNNING", 1000, ended, TAGS, PARAMS, metrics, DATA)


def as_told(store):
    """All rows of the tables of runs, with what is drawn by chance or of the clock told by its order."""
    order: dict[str, str] = {}
    rows = {}
    for run_id, name in store.query("SELECT run_uuid, name FROM runs"):
        order[run_id] = name
    for (dataset,) in store.query("SELECT dataset_uuid FROM datasets"):
        order[dataset] = "the data"
    for number, run_id in store.query("SELECT input_uuid, destination_id FROM inputs"):
        order[number] = f"of {order[run_id]}"
    for table in TABLES:
        columns = [name for _, name, *_ in store.query(f"PRAGMA table_info({table})")]
        kept = [name for name in columns if name not in ("creation_time", "last_update_time", "artifact_uri")]
        found = store.query(f"SELECT {','.join(kept)} FROM {table}")
        rows[table] = sorted(str([order.get(value, value) for value in row]) for row in found)
    places = store.query("SELECT run_uuid, artifact_uri FROM runs")
    rows["places"] = sorted(place.replace(run_id, order[run_id]) for run_id, place in places)
    return rows


def test_what_is_written_at_once_is_what_the_calls_of_mlflows_client_write(tmp_path):
    told = {}
    for way in ("calls", "once"):
        store = Store(tmp_path / way)
        client = open_client(store)
        experiment = client.create_experiment("toy", "file:///artifacts")
        if way == "once":
            runs = [new_run(client, experiment, "first"), new_run(client, experiment, "second")]
            open_run = new_run(client, experiment, "open", None, ())
            write_runs(client, [*runs, open_run])
            finish_run(client, open_run.id, 3000, {"more": "so"}, {"seeds": 3}, NUMBERS)
        else:
            metrics = {at: [Metric(name, value, at, step) for name, step, value in NUMBERS] for at in (2000, 3000)}
            params = [Param(name, str(value)) for name, value in PARAMS.items()]
            for name in ("first", "second", "open"):
                number = client.create_run(experiment, 1000, TAGS, name).info.run_id
                client.log_batch(number, metrics[2000] if name != "open" else [], params)
                client.log_inputs(number, [DATA])
                if name == "open":
                    client.log_batch(number, metrics[3000], [Param("seeds", "3")], [RunTag("more", "so")])
                client.set_terminated(number, "FINISHED", 3000 if name == "open" else 2000)
        told[way] = as_told(store)
    assert told["once"] == told["calls"]
    assert [len(told["once"][name]) for name in ("runs", "datasets", "inputs")] == [3, 1, 3]


def test_runs_are_written_all_or_none(copied_record):
    client = open_client(copied_record)
    before = copied_record.query("SELECT count(*) FROM runs")
    good = new_run(client, "1", "good")
    with pytest.raises(MlflowException):
        write_runs(client, [good, replace(good, name="the same id")])
    assert copied_record.query("SELECT count(*) FROM runs") == before
    assert copied_record.query("SELECT count(*) FROM tags WHERE run_uuid = ?", (good.id,)) == [(0,)]


def test_a_metric_that_mlflow_would_refuse_is_refused(copied_record):
    client = open_client(copied_record)
    with pytest.raises(MlflowException, match="Invalid value"):
        write_runs(client, [new_run(client, "1", "bad", metrics=[("no; name", 0, 1.0)])])
