"""What holds for the address of a scheduler and what is found there: a line within seconds where it is none."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import COMMAND, ROOT, error_line
from lab import outcomes

from research import study as study_command
from research.design.errors import UserError
from research.running import cluster, scheduler
from research.running.cluster import Cluster
from research.running.scheduler import cluster_address


@contextlib.contextmanager
def program(answer):
    """A program at a port of this machine that is no scheduler: it says this to whoever calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    calls.append(server.accept()[0])
                    calls[-1].sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for call in calls:
            call.close()


ANSWERS = {
    "silence": b"",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(64),
    "a short message": b"\x08" + bytes(99),
}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A second is enough to see that nobody answers, and that nobody works."""
    monkeypatch.setattr(scheduler, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(cluster, "FIRST_SECONDS", 1)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_another_program_at_the_port_is_one_line_within_seconds(answer, doubles):
    began = time.monotonic()
    with program(answer) as address, pytest.raises(UserError, match=f"cluster {address}: no Dask scheduler answers"):
        outcomes(doubles.stacks(), Cluster(address, False))
    assert time.monotonic() - began < 10


def test_neither_is_the_address_of_a_worker_that_of_a_scheduler(own_lab, doubles):
    own_lab.add("one", "--no-nanny")
    address = re.search(r"Start worker at: +(\S+)", own_lab.log("one"))[1]
    with pytest.raises(UserError, match=rf"cluster {address}: no Dask scheduler answers there \(Worker\)"):
        outcomes(doubles.stacks(), Cluster(address, False))


def test_an_address_that_nobody_answers_is_one_line(doubles, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    status = study_command.main([str(doubles.file), *doubles.places, "--cluster", address])
    assert f"cluster {address}: no Dask scheduler answers there" in error_line(status, capsys.readouterr().err)
    assert not doubles.store.exists()


def test_a_scheduler_without_workers_is_one_line(own_lab, doubles, capsys):
    status = study_command.main([str(doubles.file), *doubles.places, "--cluster", own_lab.address])
    assert error_line(status, capsys.readouterr().err) == (
        f"cluster {own_lab.address}: has no worker that can be used: there is none; "
        f"start some with `dask worker {own_lab.address}` and run the same command again"
    )
    assert not doubles.store.exists()


def test_without_dask_it_is_said_what_to_install(doubles, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "dask.py").write_text("raise ModuleNotFoundError('No module', name='dask')")
    done = subprocess.run(
        [*COMMAND, str(doubles.file), *doubles.places, "--cluster", "local:1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "without")},
    )
    assert error_line(done.returncode, done.stderr) == (
        "--cluster needs dask: pip install -c constraints.txt -e '.[cluster]' in the project's folder"
    )


@pytest.mark.parametrize("text", ["tcp://a:1", "tls://node-7.example.org:8786", "tcp://[::1]:65535", "local:4"])
def test_addresses_of_schedulers_are_taken_as_they_are(text):
    assert cluster_address(text) == text


def test_dask_is_imported_only_where_a_cluster_is_asked_for(tmp_path):
    code = (
        "import sys; from research.study import main; "
        f"main(['activation_depth', '--plan', '--store', {str(tmp_path)!r}]); "
        "sys.exit('dask' in sys.modules or 'distributed' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_a_cluster_of_this_machine_has_as_many_workers_as_are_asked_for(doubles):
    done = doubles.run("--cluster", "local:3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "stacks to train, 3 workers" in done.stdout
