"""Nothing leaves this machine and nobody gets in: real commands and a real browser, watched. See test_safety.py."""

import contextlib
import http.client
import ipaddress
import json
import re
import socket
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from conftest import new_browser, processes_of, wait_until
from hostile.study import STUDY, TEXT
from test_ui import free_port
from watched import FOREIGN_PARTS, Watched, served, shown_text, sockets_of

from research.design.plan import make_plan
from research.record.recorder import Recorder
from research.record.store import Store

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are looked up in /proc")
OUTWARD = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
           "socket.gethostbyaddr", "socket.getnameinfo")  # fmt: skip
STARTS = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system")
TELEMETRY = "config.mlflow-telemetry.io"  # whom MLflow asks whether and where to send what it is used for
CONTROL = """
import contextlib, ctypes, socket, time
for attempt in (
    lambda: socket.create_connection(("192.0.2.1", 9), 1),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 9)),
    lambda: socket.getaddrinfo("example.com", 80),
    lambda: socket.gethostbyname("example.org"),
):
    with contextlib.suppress(OSError):
        attempt()
import mlflow.telemetry
mlflow.telemetry.get_telemetry_client().activate()  # as the first call does that MLflow counts
time.sleep(1)
server = socket.create_server(("127.0.0.2", 0))
place = (2).to_bytes(2, "little") + server.getsockname()[1].to_bytes(2) + bytes([127, 0, 0, 2]) + bytes(8)
ctypes.CDLL(None).connect(socket.socket().detach(), place, 16)  # by none of Python's own calls
time.sleep(1)
"""
FILM = "https://mlflow.org/"  # MLflow's page of traces shows one


def outward(watched):
    """What its processes wanted of any other machine: addresses and names, by what Python says and the system lists."""
    asked = {event.what[0] for event in watched.events(*OUTWARD)}
    local = {name for name in asked if "/" in name or name in ("127.0.0.1", "::1", "localhost", "None", "")}
    others = {used.remote for used in watched.sockets}
    return asked - local | {str(one) for one in others if not (one.is_loopback or one.is_unspecified)}


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """A process that does what none of ours may."""
    folder = tmp_path_factory.mktemp("control")
    return Watched(folder / "watched", folder, "-c", CONTROL, HOME=str(folder)).finished()


@pytest.fixture(scope="module")
def ui(hostile, tmp_path_factory):
    """The UI at work, in an environment that asks for what it must not have, with a stack that failed."""
    recorder = Recorder(Store(hostile.folder / "mlruns"), make_plan(STUDY))
    recorder.write_failure(recorder.plan.stacks[-1], f"Reason {TEXT}", f"Traceback\n```\n{TEXT}\n```\n{TEXT}")
    asked_for = {
        "MLFLOW_DISABLE_TELEMETRY": "false",
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*",
    }
    with served(hostile, tmp_path_factory.mktemp("ui") / "watched", free_port(), **asked_for) as watched:
        watched.address = urlsplit(watched.printed().split()[1])
        yield watched


def ask(ui, method, path, body=None, **headers):
    """The status and text of the UI's answer to a request."""
    headers = {"Host": ui.address.netloc, "Content-Type": "application/json"} | headers
    with contextlib.closing(http.client.HTTPConnection(ui.address.hostname, ui.address.port, timeout=30)) as connection:
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def record(hostile):
    """All that a foreign page might want to change, as the database has it."""
    place = f"file:{hostile.folder}/mlruns/mlflow.db?mode=ro"
    with contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
        tables = ("experiments", "experiment_tags", "runs", "tags", "params", "metrics")
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def own_addresses():
    """The addresses of this machine other than 127.0.0.1."""
    routes, six = Path("/proc/net/fib_trie"), Path("/proc/net/if_inet6")
    found = {"127.0.0.2", "::1"}
    found.update(re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", routes.read_text()) if routes.exists() else ())
    packed = [line.split()[0] for line in six.read_text().splitlines()] if six.exists() else []
    found.update(str(ipaddress.ip_address(bytes.fromhex(text))) for text in packed)
    return {address for address in found if address != "127.0.0.1" and not address.startswith("fe80")}


def test_a_study_and_its_report_want_nothing_of_any_other_machine(hostile):
    for watched in (hostile.study, hostile.report):
        assert outward(watched) == set()
    assert hostile.study.events("socket.connect")  # to the server that its workers are forked from


def test_the_programs_they_start_are_known(hostile):
    known = {"git", "uname", "ldconfig"}  # the last where transformers is installed, which Lightning then imports
    for watched in (hostile.study, hostile.report):
        assert {event.what[0].rpartition("/")[2] for event in watched.events(*STARTS)} <= known
        assert {name.rpartition("/")[2] for name in watched.programs if not name.startswith("python")} <= known


def test_another_process_is_seen_to_want_something(control):
    assert outward(control) == {"192.0.2.1", "example.com", "example.org", TELEMETRY}
    assert "127.0.0.2" in {str(used.remote) for used in control.sockets}  # by the system alone
    assert control.process.returncode == 0


def test_the_ui_listens_on_this_machine_alone(ui):
    pids = processes_of(ui.process.pid)
    listening = {(str(used.local), used.port) for pid in pids for used in sockets_of(pid) if used.listens}
    assert listening == {("127.0.0.1", ui.address.port)}
    for address in own_addresses():
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as caller:
            caller.settimeout(5)
            assert caller.connect_ex((address, ui.address.port)) != 0, address


@pytest.mark.parametrize("host", ["example.com", "10.example.com", "192.168.example.com", "172.16.0.1", "0.0.0.0", ""])
def test_the_ui_answers_to_no_foreign_name(ui, host):
    for path in ("/", "/ajax-api/2.0/mlflow/experiments/get?experiment_id=1", "/get-artifact?path=a&run_id=b"):
        for port in ("", f":{ui.address.port}"):
            assert ask(ui, "GET", path, Host=host + port)[0] == 403
    assert ask(ui, "GET", "/")[0] == ask(ui, "GET", "/", Host=f"localhost:{ui.address.port}")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", "file://"])
def test_no_foreign_page_changes_or_deletes_anything(ui, hostile, origin):
    before = record(hostile)
    run_id = next(row[0] for row in before[2])
    for path, body in (
        ("experiments/set-experiment-tag", {"experiment_id": "1", "key": "owned", "value": "1"}),
        ("experiments/delete", {"experiment_id": "1"}),
        ("runs/delete", {"run_id": run_id}),
        ("runs/set-tag", {"run_id": run_id, "key": "owned", "value": "1"}),
        (f"upload-artifact?run_uuid={run_id}&path=owned", {"a": 1}),
    ):
        for prefix in ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "//api/2.0/mlflow/"):
            assert ask(ui, "POST", prefix + path, body, Origin=origin) == (403, "Cross-origin request blocked")
    assert ask(ui, "POST", "/ajax-api/3.0/mlflow/assistant/message", {"message": "a"}, Origin=origin)[0] == 403
    assert record(hostile) == before


def test_the_uis_own_page_may_change_a_tag(ui):
    body = {"experiment_id": "1", "key": "mine", "value": "1"}
    path = "/ajax-api/2.0/mlflow/experiments/set-experiment-tag"
    assert ask(ui, "POST", path, body, Origin=f"http://{ui.address.netloc}") == (200, "{}")


class Page(NamedTuple):
    """A page of the UI as it was seen: its title, its text, what foreign text put there, what the console said."""

    title: str
    text: str
    foreign: list[str]
    console: list[str]


@pytest.fixture(scope="module")
def pages(ui, hostile, tmp_path_factory):
    """Pages of the UI that show notes, by name, and the machines that they asked for anything."""
    folder = tmp_path_factory.mktemp("netlog")
    runs = {row[1]: row[0] for row in record(hostile)[2]}
    failure = next(run_id for name, run_id in runs.items() if name.endswith("(failed)"))
    places = {  # with what is on the page once it is all there
        "charts": (f"#{ui.address.fragment}", "Model metrics"),
        "cell": (f"#/experiments/1/runs/{runs['relu']}", "fingerprint"),
        "failure": (f"#/experiments/1/runs/{failure}", "Traceback"),
        "traces": ("#/experiments/1/traces", "Traces"),
    }
    found = {}
    browser = new_browser(folder / "profile", f"log-net-log={folder / 'log'}")
    try:
        for name, (place, last) in places.items():
            browser.get("about:blank")
            browser.get_log("browser")
            browser.get(f"http://{ui.address.netloc}/{place}")
            console = []
            wait_until(lambda last=last: last in shown_text(browser))
            if name == "traces":
                wait_until(lambda said=console: said.extend(console_of(browser)) or any(FILM in line for line in said))
            parts = browser.execute_script(FOREIGN_PARTS)
            found[name] = Page(browser.title, shown_text(browser), parts, console + console_of(browser))
    finally:
        browser.quit()
    return SimpleNamespace(named=found, asked=asked_by_pages(folder / "log"))


def console_of(browser):
    return [line["message"] for line in browser.get_log("browser")]


def asked_by_pages(log):
    """The machines that pages of the UI asked for something, of the browser's own record of what it sent."""
    net = json.loads(log.read_text())
    kind = net["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    requests = [event["params"] for event in net["events"] if event["type"] == kind and "params" in event]
    ours = [urlsplit(one["url"]) for one in requests if str(one.get("initiator", "")).startswith("http://127.0.0.1")]
    assert len(ours) > 50
    return {url.hostname for url in ours if url.scheme in ("http", "https", "ws", "wss")}


@pytest.mark.parametrize("name", ["charts", "cell", "failure"])
def test_foreign_text_in_a_note_is_text(pages, name):
    page = pages.named[name]
    assert page.foreign == []
    assert "owned" not in page.title
    texts = {"charts": ["Question", "A Passage", "B 1"], "cell": ["Question"], "failure": ["Reason", "Traceback ```"]}
    for text in texts[name]:
        assert f"{text} {TEXT}" in page.text.replace("…", "```")


def test_the_uis_pages_ask_nothing_of_any_other_machine(pages, ui):
    refused = [line for line in pages.named["traces"].console if FILM in line]
    assert refused
    assert all("Content Security Policy" in line for line in refused)
    assert pages.asked == {"127.0.0.1"}


def test_the_ui_wants_nothing_of_any_other_machine(pages, ui):
    assert outward(ui) == set()
    assert ui.events("pickle.find_class") == []
    status, text = ask(ui, "GET", "/ajax-api/3.0/mlflow/ui-telemetry")
    assert (status, json.loads(text)["disable_ui_telemetry"]) == (200, True)
