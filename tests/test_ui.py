"""The MLflow UI as a user meets it: a real server on a real store, in a real browser."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request

import pytest
from conftest import ROOT, processes_of, wait_until
from mlflow import MlflowClient

from research.design.study import UserError
from research.record.store import Store
from research.ui import chosen

COMMAND = [sys.executable, "-m", "research.ui"]
CELLS = ["relu depth=1", "relu depth=2", "tanh depth=1", "tanh depth=2"]
# MLflow's own: it asks for a user where there are none, and its tables resize while they are drawn.
NOT_OURS = ("users/current", "ResizeObserver loop")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextlib.contextmanager
def serving(toy, *options, port=None):
    """The command at work in a process group of its own, with what it printed in `process.printed`."""
    places = ["--store", str(toy.store), "--port", str(port or free_port())]
    out, err = toy.folder / "ui.stdout", toy.folder / "ui.stderr"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, *options, *places], cwd=ROOT, stdout=stdout, stderr=stderr, start_new_session=True
        )
    try:
        wait_until(lambda: "Ctrl-C stops it." in out.read_text(), process=process)
        process.printed = out.read_text()
        process.address = re.findall(r"http\S+", process.printed)[0]
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def refused(*arguments):
    """What the command says on stderr when it refuses its input."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .+\n", done.stderr)
    return done.stderr


def change(toy, sql):
    with contextlib.closing(sqlite3.connect(toy.store / "mlflow.db")) as connection:
        connection.execute(sql)
        connection.commit()


def texts(browser, selector):
    """The texts that stand in the page now, top to bottom."""
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim()).filter(t => t)"
    return browser.execute_script(script, selector)


def rows(browser):
    """The names of the runs that the page lists."""
    return [text for text in texts(browser, ".ag-row a") if "depth=" in text]


def click(browser, text):
    """Click on what bears a text, once it is there."""
    wait_until(lambda: browser.find_elements("xpath", f"//*[normalize-space(text())='{text}']"))[0].click()


@pytest.fixture(scope="module")
def seen(finished, tmp_path_factory):
    """A copy of the finished toy study that is looked at, not changed."""
    return finished.copy(tmp_path_factory.mktemp("seen") / "copy")


@pytest.fixture(scope="module")
def served(seen):
    """The UI of that copy."""
    with serving(seen, "toy") as process:
        yield process


@pytest.fixture
def page(served, browser):
    """The browser at the address that was printed, once the cells are listed."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(served.address)
    wait_until(lambda: len(rows(browser)) == 4)
    return browser


def test_it_answers_when_it_prints_the_address(served):
    origin = served.address.partition("#")[0]
    with urllib.request.urlopen(f"{origin}health", timeout=10) as answer:
        assert answer.status == 200


def test_it_is_one_process_that_listens_on_this_machine_alone(served):
    assert list(processes_of(served.pid)) == [served.pid]
    assert served.address.startswith("http://127.0.0.1:")


def test_the_address_opens_on_charts_of_the_cells_by_name(page):
    assert rows(page) == CELLS
    for title in ("test_accuracy", "depth vs. test_accuracy", "Headline", "Model metrics"):
        wait_until(lambda title=title: title in texts(page, "body")[0])
    wait_until(lambda: page.find_elements("css selector", ".js-plotly-plot"))
    assert "test_accuracy_low" not in texts(page, "body")[0]
    errors = [entry["message"] for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert [error for error in errors if not any(known in error for known in NOT_OURS)] == []


def test_the_page_is_for_training_runs_and_says_what_the_study_asks(page):
    assert texts(page, "h2") == ["Runs"]
    assert "Does the toy work?" in page.page_source


def test_two_clicks_show_the_cells_of_a_level_with_intervals_and_a_third_their_charts(page):
    click(page, "All cells")
    click(page, "depth = 2")
    wait_until(lambda: rows(page) == ["relu depth=2", "tanh depth=2"])
    heads = {head.get_attribute("col-id") for head in page.find_elements("css selector", ".ag-header-cell")}
    assert {"params.`activation`", "metrics.`test_accuracy_low`", "metrics.`test_accuracy_high`"} <= heads
    page.find_element("xpath", "//label[.//input[@value='CHART']]").click()
    wait_until(lambda: page.find_elements("css selector", ".js-plotly-plot"))
    assert rows(page) == ["relu depth=2", "tanh depth=2"]


def test_the_seeds_of_a_cell_unfold_in_their_view(page):
    click(page, "All cells")
    click(page, "Cells with their seeds")
    unfold = wait_until(lambda: page.find_elements("css selector", ".ag-row [role=button], .ag-row button"))
    assert sorted(rows(page)) == CELLS
    cell = rows(page)[0]
    unfold[0].click()
    wait_until(lambda: {f"{cell} seed={seed}" for seed in range(10)} <= set(rows(page)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly_with_no_process_left_and_the_store_as_it_was(copied, browser, number):
    before = copied.digest()
    with serving(copied, "toy") as process:
        browser.get(process.address)
        wait_until(lambda: len(rows(browser)) == 4)
        process.send_signal(number)
        assert process.wait(30) == 0
        assert processes_of(process.pid) == {}
    assert (copied.folder / "ui.stderr").read_text() == ""
    assert copied.digest() == before


def test_killed_it_leaves_no_process_and_its_port_free(seen):
    port = free_port()
    with serving(seen, port=port) as process:
        process.kill()
        process.wait(30)
        assert processes_of(process.pid) == {}
    with serving(seen, port=port) as process:
        assert f":{port}/" in process.address


def test_a_server_that_fails_is_told_in_a_line(seen, tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise RuntimeError('not today')")
    options = ["--store", seen.store, "--port", str(free_port())]
    broken = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([*COMMAND, *options], cwd=ROOT, env=broken, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: the MLflow server failed: RuntimeError: not today\n"


def answer(port, host, path="/", **origin):
    """The status and text of the answer to a request by a name."""
    body = json.dumps({"experiment_id": "1", "key": "mine", "value": "1"}) if origin else None
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        kind = {"Content-Type": "application/json"}
        connection.request("POST" if origin else "GET", path, body, {"Host": host} | kind | origin)
        found = connection.getresponse()
        return found.status, found.read().decode()


def test_through_a_tunnel_it_answers_to_the_names_that_the_user_gives_and_says_so_to_others(copied):
    port, tag = free_port(), "/ajax-api/2.0/mlflow/experiments/set-experiment-tag"
    with serving(copied, "toy", "--allow", "gpu.lab:8080", "--allow", "localhost:8080", port=port):
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", "localhost:8080", "gpu.lab:8080"):
            assert answer(port, host)[0] == 200
            assert answer(port, host, tag, Origin=f"http://{host}") == (200, "{}")
        for host in ("localhost:8081", "gpu.lab", "gpu.lab:80800", "evil.example"):
            status, text = answer(port, host)
            assert status == 403
            assert f"ssh -L {port}:localhost:{port}, or start it with --allow" in text
        assert answer(port, "gpu.lab:8080", tag, Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize("name", ["*", "*.lab", "a,b", "http://a", "a b", "", "a:b"])
def test_patterns_and_other_texts_are_no_names_of_hosts(seen, name):
    assert "is no name of a host, such as localhost:8080" in refused("--allow", name, "--store", seen.store)


def test_a_guest_is_told_that_the_ui_writes_and_leaves_nothing(as_user, finished, public):
    store = shutil.copytree(finished.store, public / "store")
    store.chmod(0o755)
    done = as_user(12345, *COMMAND, "--store", store)
    way_out = "cannot be written by you, as MLflow's UI must; name a copy of it with --store"
    assert done.stderr == f"error: store {store}: {way_out}\n"
    store.chmod(0o777)  # a folder that the guest may write, where not even then a file of theirs may stay
    before = sorted(path.name for path in store.iterdir())
    assert as_user(12345, *COMMAND, "--store", store).stderr == done.stderr
    assert sorted(path.name for path in store.iterdir()) == before


def test_what_the_disk_refuses_the_server_is_one_line(copied, mounted):
    mounted(copied.store, "-o", "bind,ro", copied.store)
    assert "cannot be written by you" in refused("--store", copied.store)


def test_a_record_from_before_there_were_saved_views_opens_on_its_cells_too(copied, browser):
    change(copied, "DELETE FROM experiment_tags WHERE key LIKE 'mlflow.sharedViewState.%'")
    with serving(copied, "toy") as process:
        browser.get(process.address)
        wait_until(lambda: sorted(rows(browser)) == CELLS)
        wait_until(lambda: browser.find_elements("css selector", ".js-plotly-plot"))


def test_without_a_name_every_experiment_with_runs_is_shown(copied):
    client = MlflowClient(tracking_uri=Store(copied.store).mlflow_uri)
    client.create_run(client.create_experiment("toy-small"), tags={"kind": "replicate"})
    client.create_experiment("empty")
    shown = chosen(Store(copied.store), None)
    assert [(each.name, each.has_cells, each.has_view) for each in shown] == [
        ("toy", True, True), ("toy-small", False, False),
    ]  # fmt: skip
    assert chosen(Store(copied.store), "toy-small") == [shown[1]]
    assert chosen(Store(copied.store), str(copied.file)) == [shown[0]]
    change(copied, "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'toy'")
    assert chosen(Store(copied.store), None) == [shown[1]]


def test_an_experiment_where_everything_failed_opens_on_all_its_runs(copied):
    change(copied, "UPDATE tags SET value = 'failure' WHERE key = 'kind'")
    (failed,) = chosen(Store(copied.store), "toy")
    assert (
        failed.address("http://127.0.0.1:5000")
        == f"http://127.0.0.1:5000/#/experiments/{failed.id}/runs?workflowType=machine_learning"
    )


def test_an_unknown_name_is_refused_with_the_nearest(seen):
    assert "no study 'activation_dept'; did you mean 'activation_depth'?" in refused(
        "activation_dept", "--store", seen.store
    )
    with pytest.raises(UserError, match="no study 'toi'; did you mean 'toy'"):
        chosen(Store(seen.store), "toi")
    with pytest.raises(UserError, match=r"no study 'xyz'; there are activation_depth, .*toy"):
        chosen(Store(seen.store), "xyz")


def test_a_study_without_runs_is_refused_with_how_to_make_them(seen):
    assert "activation_depth: has no runs in store" in refused("activation_depth", "--store", seen.store)
    with pytest.raises(UserError, match=r"make them with python -m research\.study activation_depth\Z"):
        chosen(Store(seen.store), "activation_depth")


def test_a_store_without_runs_is_refused(copied):
    change(copied, "UPDATE runs SET lifecycle_stage = 'deleted'")
    assert "has no runs yet; make some with python -m research.study NAME" in refused("--store", copied.store)


def test_where_there_is_no_record_none_is_made(tmp_path):
    said = refused("activation_depth", "--store", tmp_path / "none")
    assert "there is no record yet; make one with python -m research.study activation_depth" in said
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_another_mlflow_is_refused_and_left_as_it_is(copied):
    change(copied, "UPDATE alembic_version SET version_num = 'abc'")
    before = copied.digest()
    assert "written by another MLflow version (schema abc" in refused("--store", copied.store)
    assert copied.digest() == before


def test_a_port_in_use_is_named(seen):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--store", seen.store, "--port", port)
    assert f"port {port}: address already in use; choose another with --port" in said
