"""The MLflow UI of a store, one lean process for this machine alone: `python -m research.ui [NAME] [options]`."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from research import surroundings
from research.console import Parser, add_store, refuse
from research.design.errors import UserError
from research.design.study_files import study_names
from research.record.any_store import AnyStore
from research.record.mlflow_database import writing
from research.record.server_store import ServerStore
from research.record.views import CELLS, VIEW

HOST = "127.0.0.1"
# The page may ask nothing of any other host: MLflow's has a film on mlflow.org, and a note may name an image anywhere.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; form-action 'self'"


# What it says to who comes by another name, such as through a tunnel to another port.
ELSEWHERE = (
    "The UI answers to 127.0.0.1:{port} and localhost:{port} alone, lest other pages read the record. Through a tunnel "
    "take the same port, ssh -L {port}:localhost:{port}, or start it with --allow and what the address bar has."
)


class Experiment(NamedTuple):
    """An experiment that has runs; whether any of them is a cell, and whether it has the saved view of all cells."""

    id: str
    name: str
    has_cells: bool
    has_view: bool

    def address(self, server: str) -> str:
        """Where it opens on what is worth seeing first: the cells side by side as charts, where there are any."""
        page = f"{server}/#/experiments/{self.id}/runs?workflowType=machine_learning"
        if not self.has_cells:
            return page
        rows = f"viewStateShareKey={CELLS}" if self.has_view else "searchFilter=tags.kind%20%3D%20%22cell%22"
        return f"{page}&{rows}&compareRunsMode=CHART"


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = Parser(
        "python -m research.ui",
        description="Look at the record in the browser: start the MLflow UI, print where to open it, run until Ctrl-C. "
        "Only this machine can reach it.",
    )
    made.add_argument(
        "name", nargs="?", metavar="NAME", help="a study, or an experiment such as NAME-smoke (default: all of them)"
    )
    add_store(made)
    made.add_argument("--port", type=int, default=5000, metavar="N", help="the port to listen on (default: 5000)")
    made.add_argument(
        "--allow",
        action="append",
        default=[],
        type=host_name,
        metavar="NAME[:PORT]",
        help="answer to this name too, as the browser has it: localhost:8080 behind ssh -L 8080:localhost:5000. "
        "Behind ssh -L 5000:localhost:5000 none is needed",
    )
    return made


def host_name(text: str) -> str:
    """The name of a host as an option gives it, with its port where it has one. Patterns of names are refused."""
    if not re.fullmatch(r"([\w.-]+|\[[\da-fA-F:]+\])(:\d{1,5})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a host, such as localhost:8080")
    return text.lower()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status: 0 stopped by Ctrl-C or SIGTERM, 1 the server failed, 2 wrong input."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options = parser().parse_args(arguments)
        store: AnyStore = options.store
        experiments = chosen(store, options.name)
        store.check_writable()
        if isinstance(store, ServerStore):
            print("\n".join([*lines_for(experiments, str(store)), "The server shows them itself."]))
            return 0
        with listening(options.port) as ours:
            lines = lines_for(experiments, f"http://{HOST}:{options.port}")
            serve(store, ours, options.allow, "\n".join([*lines, "Ctrl-C stops it."]))
    except UserError as error:
        return refuse(error)
    except KeyboardInterrupt:
        return 0
    return 0


def lines_for(experiments: Sequence[Experiment], server: str) -> list[str]:
    """Where a server shows each experiment."""
    width = max(len(experiment.name) for experiment in experiments)
    return [f"{experiment.name:{width}}  {experiment.address(server)}" for experiment in experiments]


def chosen(store: AnyStore, name: str | None) -> list[Experiment]:
    """The experiments to show: all that have runs, or the one of this name.

    Raises UserError, saying what to do, when there is no record, nothing in it, or nothing of this name.
    """
    if not store.is_there():
        raise UserError(
            f"store {store}: there is no record yet; make one with python -m research.study {name or 'NAME'}"
        )
    store.fetch_experiments()
    rows = store.query(
        "SELECT e.experiment_id, e.name, max(CASE WHEN t.value = 'cell' THEN 1 ELSE 0 END), "
        "EXISTS (SELECT 1 FROM experiment_tags v WHERE v.experiment_id = e.experiment_id AND v.key = ?) "
        "FROM experiments e JOIN runs r USING (experiment_id) JOIN tags t USING (run_uuid) "
        "WHERE e.lifecycle_stage = 'active' AND r.lifecycle_stage = 'active' AND t.key = 'kind' "
        "GROUP BY e.experiment_id, e.name",
        (VIEW + CELLS,),
    )
    rows.sort(key=lambda row: str(row[1]))
    found = {row[1]: Experiment(str(row[0]), row[1], bool(row[2]), bool(row[3])) for row in rows}
    if name is None:
        if not found:
            raise UserError(f"store {store}: has no runs yet; make some with python -m research.study NAME")
        return list(found.values())
    if name.endswith(".py"):
        name = Path(name).stem
    if name in found:
        return [found[name]]
    if name in study_names():
        others = [other for other in found if other.startswith(f"{name}-")]
        hint = f"; there are runs of {', '.join(others)}" if others else ""
        raise UserError(
            f"{name}: has no runs in store {store} yet; make them with python -m research.study {name}{hint}"
        )
    known = sorted({*found, *study_names()})
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise UserError(f"no study {name!r}; {hint}")


def listening(port: int) -> socket.socket:
    """A socket that only this machine can reach. Raises UserError for a port that cannot be had."""
    if not 1 <= port <= 65535:
        raise UserError(f"--port {port}: must be from 1 to 65535")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise UserError(f"port {port}: {reason}; choose another with --port") from error


def settings(port: int, names: Sequence[str]) -> dict[str, str]:
    """MLflow's settings, whatever the environment says: it sends nothing, and answers no page but its own.

    It answers to its own address and to these names.

    By default MLflow takes any host that begins like a private address, such as 10.example.com, for one of its own, so
    that a page of that name could read the record once the name leads here.
    """
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join((HOST, f"{HOST}:{port}", "localhost", f"localhost:{port}", *names)),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            (f"http://{HOST}:{port}", *(f"{scheme}://{name}" for name in names for scheme in ("http", "https")))
        ),
    }


def serve(store: AnyStore, ours: socket.socket, names: Sequence[str], text: str) -> None:
    """Answer on a socket, to these names too, until a signal comes; print the text once the server answers.

    MLflow's server runs in this process: `mlflow ui` takes fifteen, with seven times the memory. Raises UserError where
    the store cannot be used, and SystemExit with a line for the user when the server fails.
    """
    port = ours.getsockname()[1]
    os.environ.update(settings(port, names))  # only work before the import
    warnings.filterwarnings("ignore", module=r"mlflow\.")  # what MLflow will have to change is no news to its users
    try:
        import uvicorn
        from mlflow.server import constants, fastapi_security
        from mlflow.server.handlers import initialize_backend_stores

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = store.mlflow_uri
        os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = store.mlflow_uri
        os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = store.artifacts
        if not store.artifacts.startswith("file:"):  # then they are the server's own, who may have them where it likes
            os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
            os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = (store.folder / "artifacts").as_uri()
        with writing(store):
            initialize_backend_stores(store.mlflow_uri, store.mlflow_uri, store.artifacts)
        fastapi_security.INVALID_HOST_MSG = ELSEWHERE.format(port=port)  # type: ignore[attr-defined]

        from mlflow.server.fastapi_app import app  # reads the environment

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                if self.started:
                    print(text, flush=True)

        options = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=1,
            headers=[("Content-Security-Policy", POLICY)],
        )  # fmt: skip
        server = Server(options)
        server.run(sockets=[ours])
    except UserError:
        raise
    except Exception as error:  # whatever it is, the user is told in a line
        raise SystemExit(f"error: the MLflow server failed: {type(error).__name__}: {error}") from error
    if not server.started:
        raise SystemExit("error: the MLflow server did not start; see the lines above")


if __name__ == "__main__":
    sys.exit(surroundings.run(main))
