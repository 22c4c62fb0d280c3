"""An MLflow tracking server of the tests' own, on SQLite, with one worker; and what may stand at its port instead."""

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from conftest import wait_until

LEAN = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class Server:
    """A server on a free port of this machine, which keeps its port and its record when it is started again."""

    def __init__(self, folder):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        words = ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}", "--workers", "1",
                 "--artifacts-destination", str(self.folder / "artifacts"), "--port", str(self.port)]  # fmt: skip
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", *words],
                env=os.environ | LEAN, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(self.answers, seconds=300, process=self.process)

    def answers(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.address}/version", timeout=10) as answer:
            return answer.read()
        return b""

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def answering(handler):
    """The address of a small program of another kind, a handler of http.server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()


def saying(status, text, **headers):
    """A handler that says the same to everybody."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def log_message(self, *_):
            pass

    return Handler


def guarding(address, expected):
    """A handler that passes on to a server what comes with the expected header `Authorization`."""

    class Handler(saying(401, "Unauthorized")):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            if self.headers.get("Authorization") != expected:
                return super().do_GET()
            request = urllib.request.Request(address + self.path, body, method=self.command)
            request.add_header("Content-Type", "application/json")
            try:
                answer = urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                text = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        do_POST = do_GET

    return Handler
