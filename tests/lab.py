"""A study of a user's own to be run on a Dask cluster."""

import contextlib
import subprocess

from conftest import Toy

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
