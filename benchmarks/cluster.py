"""What handing out and recording a stack costs, on worker processes and on a Dask cluster: stacks that only sleep.

    python -m benchmarks.cluster [--stacks N] [--seconds S] [--workers N ...] [--where here|cluster] [--json]

The real command runs a study of so many stacks of so many seconds each, in a store of its own. The least that it could
take is their sum divided by the number of workers. Beside that stand the time from the start of the first stack to the
end of the last one, the time of the whole command, and what a stack costs beyond its seconds: the time of a worker
from first to last, for each of its stacks. Sleeping takes no processor, so there may be more workers than cores; what
is left is the cost of engine and record.
"""  # fmt: skip

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from research.console import Parser
from research.design.errors import UserError
from research.record.store import Store

GOAL = 5.0  # percent beyond the least, where a stack takes a second
STUDY = '''
"""Stacks of one seed that sleep."""

import time
from dataclasses import dataclass

from research.design.study import Factor, Metric, Replicate, Study, Task, Tier


@dataclass(frozen=True)
class Nap(Task):
    case: int

    def gives(self):
        return {{"slept": Metric(promised=True)}}

    def seeds_together(self, seeds):
        return 1

    def seconds(self, num_seeds):
        return {seconds}

    def run(self, seeds, report):
        for seed in seeds:
            time.sleep({seconds})
            yield Replicate(seed, {{"slept": {seconds}}})


STUDY = Study(
    name="naps", question="What does a stack cost?", passage="nowhere", configure=Nap,
    arms=Factor("case", tuple(range({cells}))), blocks=(), headline=("slept",), tiers={{"full": Tier(seeds={seeds})}},
)
'''
CELLS = 100  # at most: as many as a large study has


@dataclass(frozen=True)
class Found:
    """A run: where, how many workers, stacks and seconds each; then seconds of all stacks, and of the command."""

    where: str
    workers: int
    stacks: int
    seconds: float
    working: float
    command: float

    @property
    def least(self) -> float:
        return self.stacks * self.seconds / self.workers

    @property
    def beyond(self) -> float:
        """By how many percent the time from first to last is above the least."""
        return 100 * (self.working / self.least - 1)

    @property
    def each(self) -> float:
        """The seconds that a stack costs a worker beyond its own."""
        return self.working * self.workers / self.stacks - self.seconds


def measure(where: str, workers: int, stacks: int, seconds: float) -> Found:
    """Run the study. Raises UserError where stacks cannot be parted evenly into cells, SystemExit where it fails."""
    cells = min(CELLS, stacks)
    if stacks % cells:
        raise UserError(f"--stacks {stacks}: name a number up to {CELLS}, or a multiple of it")
    with tempfile.TemporaryDirectory(prefix="naps-") as name:
        folder = Path(name)
        (folder / "naps.py").write_text(STUDY.format(seconds=seconds, cells=cells, seeds=stacks // cells))
        trainers = ["--workers", str(workers)] if where == "here" else ["--cluster", f"local:{workers}"]
        command = [sys.executable, "-m", "research.study", "naps.py", "--store", "store", *trainers]
        started = time.monotonic()
        done = subprocess.run(command, cwd=folder, stdout=sys.stderr)
        took = time.monotonic() - started
        if done.returncode:
            raise SystemExit(done.returncode)
        sql = "SELECT min(start_time), max(end_time), count(*) FROM runs WHERE name LIKE '% seed=%'"
        ((first, last, number),) = Store(folder / "store").query(sql)
        assert number == stacks, number
        return Found(where, workers, stacks, seconds, (last - first) / 1000, took)


def report(found: list[Found]) -> str:
    """A line of a Markdown table for each run."""
    head = "| where | workers | stacks | seconds each | least | first to last | beyond | a stack costs | command |"
    lines = [
        f"| {run.where} | {run.workers} | {run.stacks:,} | {run.seconds:g} | {run.least:.1f} s | {run.working:.1f} s | "
        f"{run.beyond:.1f} %{' (goal missed)' if run.seconds >= 1 and run.beyond > GOAL else ''} | "
        f"{1000 * run.each:.1f} ms | {run.command:.1f} s |"
        for run in found
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|---|", *lines])


def main(arguments: list[str] | None = None) -> int:
    """The command line. The exit status is that of the study's command where it fails."""
    parser = Parser("python -m benchmarks.cluster", description="Say what handing out and recording a stack costs.")
    parser.add_argument("--stacks", type=int, default=10_000, metavar="N", help="how many (default: 10,000)")
    parser.add_argument("--seconds", type=float, default=0.01, metavar="S", help="of each (default: 0.01)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], metavar="N", help="default: 1 2 4")
    parser.add_argument("--where", choices=("here", "cluster"), nargs="+", default=["here", "cluster"],
                        help="worker processes, a Dask cluster of this machine, or both (default)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    try:
        options = parser.parse_args(arguments)
        for number, option in ((options.stacks, "--stacks"), (min(options.workers), "--workers")):
            if number < 1:
                raise UserError(f"{option} {number}: at least one is needed")
        if not 0 < options.seconds <= 3600:
            raise UserError(f"--seconds {options.seconds:g}: must lie above 0, up to 3600")
        found = [
            measure(where, workers, options.stacks, options.seconds)
            for where in options.where
            for workers in options.workers
        ]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps([asdict(run) for run in found], indent=1) if options.json else report(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
