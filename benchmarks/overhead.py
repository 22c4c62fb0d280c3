"""Where the time of a study goes: the real command runs a study in a store of its own, with a stopwatch beside it.

    python -m benchmarks.overhead [NAME] [--tier TIER] [--workers N] [--store DIR] [--json]

The wall clock is divided at two moments: the start of the first stack and the end of the last one. In between, the
time of the workers is divided into parts of train_horizons and into waiting, and beside it stands what the coordinator
does meanwhile. Functions are timed by wrapping them, in this process and in its workers alike; what one of them spends
in another is counted as the other's. A full study takes ten minutes and is what to look at; a quick one tells more
about starting and drawing.
"""  # fmt: skip

from __future__ import annotations

import contextlib
import functools
import json
import os
import pkgutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from research.console import Parser
from research.design.errors import UserError

FOLDER = "RESEARCH_OVERHEAD"  # the variable that tells workers where to write what they measured
WORKER = {  # by part, the functions that it consists of; all else in train_horizons is training
    "data": ("research.training.train:cached_data", "research.training.module:make_examples"),
    "initialisation": ("research.training.module:network",),
    "evaluation": ("research.training.module:StackModule._evaluate", "research.training.module:StackModule.evaluate"),
    "probes": ("research.training.probes:LayerProbe.__call__",),
    "measures": ("research.training.train:MEASURES",),
}
COORDINATOR = {
    "planning": ("research.study:make_plan",),
    "importing MLflow": ("research.record.mlflow_database:import_mlflow",),
    "opening the record": ("research.record.recorder:Recorder.__init__",),
    "preparing figures": ("research.study:prepare",),
    "recording": ("research.record.recorder:Recorder.write_stack",),
    "reading back": ("research.study:state_of", "research.study:read_frames"),
    "search": ("research.record.optuna_studies:project_grid",),
    "tables": ("research.publishing.drawing:export", "research.publishing.drawing:read_published"),
    "figures and page": ("research.publishing.drawing:render",),
}
BEFORE = ("planning", "importing MLflow", "opening the record", "preparing figures", "recording")  # while workers work
BUSY, OVERHEAD = 95.0, 5.0  # goals in percent: the workers' time at work, at least; planning to figures, at most


class Stopwatch(threading.local):
    """Adds up the seconds that are spent in each part, without those spent in other parts inside it, by any thread."""

    def __init__(self, spent: defaultdict[str, float]) -> None:
        self.spent = spent
        self.running: list[str] = []
        self.since = 0.0

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed as such a part."""

        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            self._turn()
            self.running.append(part)
            try:
                return function(*arguments, **named)
            finally:
                self._turn()
                self.running.pop()

        return wrapper

    def _turn(self) -> None:
        now = time.perf_counter()
        if self.running:
            self.spent[self.running[-1]] += now - self.since
        self.since = now

    def watch(self, parts: Mapping[str, tuple[str, ...]]) -> None:
        """Time these functions, written `module:name`, from now on; of a dict of functions, all."""
        for part, names in parts.items():
            for name in names:
                found = pkgutil.resolve_name(name)
                if isinstance(found, dict):
                    found.update({key: self.timed(part, function) for key, function in found.items()})
                else:
                    owner, _, last = name.replace(":", ".").rpartition(".")
                    setattr(pkgutil.resolve_name(owner), last, self.timed(part, found))


@dataclass(frozen=True)
class Trained:
    """A stack in a worker: the process, from when to when (seconds since 1970), how many replicates, time by part."""

    worker: int
    started: float
    ended: float
    replicates: int
    spent: Mapping[str, float]


@dataclass(frozen=True)
class Overhead:
    """What was measured of a run: seconds since 1970, by part what the coordinator spent, and each stack."""

    started: float
    ended: float
    spent: Mapping[str, float]
    workers: int
    trained: Sequence[Trained]


def watch_worker() -> None:
    """In a worker: write down, after each stack, what it consisted of."""
    from research.training import train

    file = Path(os.environ[FOLDER]) / str(os.getpid())
    stopwatch = Stopwatch(defaultdict(float))
    stopwatch.watch(WORKER)
    train_horizons = stopwatch.timed("training", train.train_horizons)

    def measured(*arguments: Any) -> list[train.StackResult]:
        stopwatch.spent.clear()
        results: list[train.StackResult] = train_horizons(*arguments)
        ended, number = max(result.ended for result in results), sum(len(result.replicates) for result in results)
        trained = Trained(os.getpid(), results[0].started, ended, number, dict(stopwatch.spent))
        with file.open("a") as lines:
            lines.write(json.dumps(asdict(trained)) + "\n")
        return results

    train.train_horizons = measured  # type: ignore[assignment]


def measure(arguments: list[str], workers: int, folder: Path) -> Overhead:
    """Run the command with these arguments and say where its time went. Its own output goes to the standard error."""
    started = time.time()
    os.environ[FOLDER] = str(folder)
    stopwatch = Stopwatch(defaultdict(float))
    from research import study

    stopwatch.watch(COORDINATOR)
    with contextlib.redirect_stdout(sys.stderr):
        status = study.main([*arguments, "--workers", str(workers)])
    if status:
        raise SystemExit(status)
    lines = [line for file in folder.glob("[0-9]*") for line in file.read_text().splitlines()]
    return Overhead(
        started, time.time(), dict(stopwatch.spent), workers, [Trained(**json.loads(line)) for line in lines]
    )


def wall_clock(found: Overhead) -> dict[str, float]:
    """The seconds of the wall clock, in the order of time."""
    after = {part: found.spent[part] for part in COORDINATOR if part in found.spent and part not in BEFORE}
    if not found.trained:
        return {"starting": found.ended - found.started - sum(after.values()), **after}
    first, last = min(t.started for t in found.trained), max(t.ended for t in found.trained)
    return {
        "starting": first - found.started,
        "workers at work": last - first,
        "last results, and the rest": found.ended - last - sum(after.values()),
        **after,
    }


def workers_time(found: Overhead) -> dict[str, float]:
    """The seconds of all workers between the start of the first stack and the end of the last."""
    first, last = min(t.started for t in found.trained), max(t.ended for t in found.trained)
    parts: defaultdict[str, float] = defaultdict(float)
    for stack in found.trained:
        for part, spent in stack.spent.items():
            parts[part] += spent
    ends = [max(t.ended for t in found.trained if t.worker == worker) for worker in {t.worker for t in found.trained}]
    at_end = sum(last - end for end in ends)
    waiting = found.workers * (last - first) - sum(parts.values()) - at_end
    return {**parts, "waiting for a stack": waiting, "waiting at the end": at_end}


def report(found: Overhead) -> str:
    """The parts as text, with their shares and how the goals are met."""
    lines = table("wall clock", wall_clock(found))
    if found.trained:
        parts, num_replicates = workers_time(found), sum(stack.replicates for stack in found.trained)
        total = sum(parts.values())
        busy = 100 - 100 * sum(spent for part, spent in parts.items() if part.startswith("waiting")) / total
        lines += table(f"{found.workers} workers meanwhile", parts)
        each = 1000 * found.spent["recording"] / num_replicates
        lines += [
            "coordinator meanwhile: "
            + ", ".join(f"{part} {found.spent[part]:.1f} s" for part in BEFORE if part in found.spent)
            + f" ({each:.1f} ms for each of {num_replicates} replicates)",
            "",
            f"workers at work: {busy:.1f} % (goal: at least {BUSY:g} %{', missed' if busy < BUSY else ''})",
        ]
    share = 100 * sum(found.spent.values()) / (found.ended - found.started)
    missed = ", missed" if share > OVERHEAD else ""
    lines.append(f"from planning to figures: {share:.1f} % of the wall clock (goal: at most {OVERHEAD:g} %{missed})")
    return "\n".join(lines)


def table(title: str, parts: Mapping[str, float]) -> list[str]:
    """A line for each part with its seconds and its share."""
    total = sum(parts.values())
    lines = [f"{title:28}{total:10.1f} s", "-" * 48]
    return [*lines, *(f"{part:28}{spent:10.1f} s {100 * spent / total:6.1f} %" for part, spent in parts.items()), ""]


def main(arguments: list[str] | None = None) -> int:
    """The command line. The exit status is that of the command where it fails."""
    parser = Parser("python -m benchmarks.overhead", description="Say where the time of a study goes.")
    parser.add_argument("name", nargs="?", default="loss_convergence", metavar="NAME", help="a study or a study file")
    parser.add_argument("--tier", default="quick", help="the study's size (default: quick)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="worker processes (default: 2)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the record (default: a new one, deleted afterwards)")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON")
    try:
        options = parser.parse_args(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        places = ["--store", str(options.store or folder / "store"), "--reports", str(folder / "reports")]
        found = measure([options.name, "--tier", options.tier, *places], options.workers, folder)
    print(json.dumps(asdict(found), indent=1) if options.json else report(found))
    return 0


if __name__ == "__mp_main__":  # workers import the main module of their coordinator under this name
    watch_worker()
if __name__ == "__main__":
    sys.exit(main())
