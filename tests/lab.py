"""A Dask cluster of processes of this machine, and a study of a user's own to be run there."""

import contextlib
import os
import re
import signal
import subprocess
import sys

from conftest import Toy, wait_until

from research.design.plan import make_plan
from research.design.study_files import load_study
from research.running.workers import Workers

# Its seeds take no time but in cells that `wait`, and say in which process they are run.
STUDY_FILE = '''"""A study of its own kind, with a module beside it, outside the repository."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from beside import doubled

from research.design.study import Factor, Metric, Replicate, Study, Task, Tier

PLACE = {place!r}


@dataclass(frozen=True)
class Doubled(Task):
    """Seeds, doubled."""

    size: int
    wait: float = 0.0

    @classmethod
    def device(cls):
        return os.environ.get("PRETENDED_DEVICE", "cpu")

    def gives(self):
        return {{"double": Metric(), "half": Metric(by="place")}}

    def seeds_together(self, seeds):
        return 2

    def run(self, seeds, report):
        Path(PLACE, str(os.getpid())).touch()
        for done, seed in enumerate(seeds, 1):
            time.sleep(self.wait)
            report(done / len(seeds))
            yield Replicate(seed, {{"double": doubled(seed + self.size / 3)}}, {{}}, {{"half": ((1, seed / 2),)}})


STUDY = Study(
    name="toy", question="Are they doubled?", passage="nowhere", configure=Doubled, arms=Factor("size", (1, 2)),
    blocks=(), headline=("double",),
    tiers={{"full": Tier(seeds=6), "slow": Tier(seeds=6, overrides={{"wait": 1.0}}),
           "slower": Tier(seeds=6, overrides={{"wait": 30.0}})}},
)
'''
BESIDE = "def doubled(x):\n    return 2.0 * x\n"


class Doubles(Toy):
    """A folder with that study; `pids` are the processes in which it was run."""

    def write(self):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "pids").mkdir()
        self.file.write_text(STUDY_FILE.format(place=str(self.folder / "pids")))
        (self.folder / "beside.py").write_text(BESIDE)
        return self

    @property
    def pids(self):
        return {int(path.name) for path in (self.folder / "pids").iterdir()}

    def stacks(self, tier="full"):
        return list(make_plan(load_study(str(self.file)), tier).stacks)

    def all_tables(self, folder="reports"):
        return {path.name: path.read_bytes() for path in sorted((self.folder / folder / "toy").glob("*.csv"))}


class Lab:
    """A scheduler and workers as processes of this machine, each with a log in a folder."""

    def __init__(self, folder, port=0):
        self.folder, self.processes = folder, {}
        self.start("scheduler", "--port", port, "--host", "127.0.0.1")
        wait_until(lambda: "Scheduler at:" in self.log("scheduler"), process=self.processes["scheduler"])
        self.address = re.search(r"Scheduler at: +(\S+)", self.log("scheduler"))[1]

    def start(self, name, *words, before=(), **environment):
        """Start `dask scheduler` or else a worker, out of the repository, whose package is that which is installed."""
        kind = name if name == "scheduler" else "worker"
        command = [*before, sys.executable, "-m", "dask", kind, *words, "--no-dashboard"]
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen(
                list(map(str, command)), cwd=self.folder, env=os.environ | environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def add(self, name, *words, **more):
        """Start a worker and wait until the scheduler knows it."""
        self.start(name, self.address, "--name", name, "--nthreads", 1, *words, **more)
        wait_until(lambda: "Registered to" in self.log(name), process=self.processes[name])

    def log(self, name):
        """What it has said so far."""
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait()

    def close(self):
        for name in list(self.processes):
            self.kill(name)


def alive(pids):
    """Those of some processes that live; who has ended and is not waited for yet does not."""
    living = set()
    for pid in pids:
        with contextlib.suppress(OSError, IndexError):
            done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
            living |= {pid} if done.stdout.strip()[:1] not in ("", "Z") else set()
    return living


def outcomes(stacks, executor, strike=lambda _: None, devices=()):
    """What became of stacks, by key; `strike` is called with what is in work now and then."""
    with contextlib.closing(executor):
        executor.prepare([stack.cell.task for stack in stacks])
        with Workers(stacks, executor, devices=devices) as at_work:
            return {stack.key: outcome for stack, outcome in at_work.outcomes(strike)}
