"""What a command shows: times in words, live progress, the table of cells."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from pathlib import Path
from typing import NoReturn

from research.design.errors import UserError
from research.design.places import made_in
from research.record import tracking_server
from research.record.any_store import AnyStore
from research.record.postgres_store import SCHEME, WRITTEN, PostgresStore
from research.record.server_store import ServerStore
from research.record.store import Store
from research.running.cluster import Cluster
from research.running.limits import usual_workers
from research.running.processes import Processes
from research.running.scheduler import cluster_address
from research.running.workers import Executor

MOST_WORKERS = 1000  # processes of a third of a gigabyte each


class Parser(argparse.ArgumentParser):
    """A parser of options whose errors are one line. Options are written out: `--red` shall not remove results."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


def named_folder(text: str) -> Path:
    """The folder that an option names, which need not be there yet. For what cannot be one the option is refused."""
    path = Path(text)
    try:
        if not text.strip():  # a variable that is not set would stand for the folder at hand
            raise argparse.ArgumentTypeError(f"{text!r} is no folder")
        if not stat.S_ISDIR(path.stat().st_mode):
            raise argparse.ArgumentTypeError(f"{text} is no folder")
        if not os.access(path, os.R_OK | os.X_OK):
            raise argparse.ArgumentTypeError(f"{text} may not be looked into")
    except FileNotFoundError as error:
        if path.is_symlink():
            raise argparse.ArgumentTypeError(f"{text} is a link to nothing") from error
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} is no folder that can be used ({error.strerror})") from error
    return path


def named_store(text: str) -> AnyStore:
    """The store that an option names: a folder, a database or a server. For what can be none the option is refused."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Store(named_folder(text).absolute())
    if scheme in tracking_server.SCHEMES:
        return ServerStore(text)
    if scheme != SCHEME:
        known = f"{WRITTEN}, or {tracking_server.WRITTEN}"
        raise argparse.ArgumentTypeError(f"{scheme}:// is no store: name a folder, {known}")
    return PostgresStore(text)


def add_store(made: argparse.ArgumentParser) -> None:
    """Give a command the option that names the store; what it names is there as `store`."""
    made.add_argument(
        "--store",
        type=named_store,
        default=Store(made_in() / "mlruns"),
        metavar="STORE",
        help="the record: a folder, postgresql://USER@HOST/NAME, or an MLflow server at http://HOST:PORT "
        "(default: mlruns/)",
    )


def add_executor(made: argparse.ArgumentParser) -> None:
    """Give a command the options that say where stacks are trained; see `chosen_executor`."""
    made.add_argument("--workers", type=int, metavar="N", help="worker processes (default: the cores)")
    made.add_argument(
        "--cluster",
        type=cluster_address,
        metavar="ADDRESS",
        help="train on the workers of the Dask scheduler at tcp://HOST:PORT, or on local:N that are started here",
    )
    made.add_argument(
        "--any-cpu", action="store_true", help="workers of the cluster may be of another class of CPU than this machine"
    )


def chosen_executor(options: argparse.Namespace, most: int = MOST_WORKERS) -> Executor:
    """Where stacks are to be trained, in so many processes at most. Raises UserError for what does not go together."""
    if options.cluster is None:
        if options.any_cpu:
            raise UserError("--any-cpu: goes with --cluster")
        number = usual_workers() if options.workers is None else options.workers
        check_workers(number)
        return Processes(min(number, most))
    if options.workers is not None:
        raise UserError("--workers and --cluster contradict each other: leave one of them out")
    return Cluster(options.cluster, options.any_cpu)


def check_workers(number: int) -> None:
    """Raise UserError for a number of worker processes that cannot be."""
    if number < 1:
        raise UserError(f"--workers {number}: at least one worker is needed")
    if number > MOST_WORKERS:
        raise UserError(f"--workers {number}: at most {MOST_WORKERS} can be had")


def refuse(error: UserError) -> int:
    """Say in one line on stderr what a user got wrong, characters that cannot be seen written out; the exit status."""
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in f"error: {error}")
    if len(line) > error.longest:
        line = f"{line[: error.longest * 5 // 8]} ... {line[-error.longest // 3 :]}"
    print(line, file=sys.stderr)
    return 2
