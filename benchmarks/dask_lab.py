"""A Dask scheduler and workers as processes of this machine, for tests and storms."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SCHEDULER = "scheduler"
PATIENCE_SECONDS = 60  # for one to say that it is ready


class Lab:
    """A scheduler and workers, each in a session of its own, with a log in a folder."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start_scheduler(port)
        self.address = self.wait_for(SCHEDULER, r"Scheduler at: +(\S+)")

    def start_scheduler(self, port: int) -> None:
        """Start `dask scheduler` at a port, any that is free for 0."""
        self.start(SCHEDULER, "--port", str(port), "--host", "127.0.0.1")

    def start(self, name: str, *words: str, before: Sequence[str] = (), **environment: str) -> None:
        """Start the scheduler, or a worker, out of the repository: its package is that which is installed."""
        kind = name if name == SCHEDULER else "worker"
        command = [*before, sys.executable, "-m", "dask", kind, *words, "--no-dashboard"]
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_worker(
        self, name: str, *words: str, address: str = "", before: Sequence[str] = (), **environment: str
    ) -> None:
        """Start a worker of one thread, which is to find the scheduler at its address unless another is given."""
        named = (address or self.address, "--name", name, "--nthreads", "1")
        self.start(name, *named, *words, before=before, **environment)

    def add(self, name: str, *words: str, before: Sequence[str] = (), **environment: str) -> None:
        """Start a worker and wait until the scheduler knows it."""
        self.start_worker(name, *words, before=before, **environment)
        self.wait_for(name, "Registered to")

    def log(self, name: str) -> str:
        """What it has said so far."""
        return (self.folder / f"{name}.log").read_text()

    def wait_for(self, name: str, pattern: str) -> str:
        """Wait until it has said something; the pattern's group. Raises TimeoutError where it does not, or ends."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(pattern, self.log(name))):
            if time.monotonic() > end or self.processes[name].poll() is not None:
                raise TimeoutError(f"{name} has not said {pattern!r} but: {self.log(name)[-2000:]}")
            time.sleep(0.01)
        return found[found.re.groups]

    def kill(self, name: str) -> None:
        """End it with all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait()

    def close(self) -> None:
        """End all."""
        for name in list(self.processes):
            self.kill(name)
