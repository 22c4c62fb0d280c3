"""What a stack costs besides training, in studies of 100 to 10,000 stacks: do the costs grow in proportion?

    python -m benchmarks.scale [--quick] [--json] [--stacks N ...]

Every study is planned, recorded, resumed and read back by the harness's own code in a real store of MLflow and Optuna
in a temporary folder; only the results are made up. A stack is one seed of a network too wide to train together with
others, so 10,000 stacks are 10,000 replicates; ten of them make a cell. Each has 5 metrics and 3 curves of 21 points,
like those of the real studies. The phases:

plan: from the study file to cells, stacks and fingerprints
record: writing the stacks with MLflow, one after another, and summing up their cells
resume: opening the finished record to go on with it, as a run does that finds nothing to train
read back: replicates and curves as frames
search: the projection into a new Optuna study, and again into one that shows it already
export: the tables with their provenance

Also timed: the real command's --help, and --plan on a real study and on the largest store made here. Goals stand
beside what they are about. About ten minutes on one core; with --quick, 30 and 300 stacks, half a minute.
"""  # fmt: skip

from __future__ import annotations

import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from research.console import Parser
from research.design.errors import UserError
from research.design.plan import Stack, make_plan
from research.design.streams import stream
from research.design.study import Claim, Factor, Number, Study, Tier
from research.design.study_files import load_study
from research.record.frames import read_frames
from research.record.state import state_of
from research.record.store import Store
from research.training.config import TrainConfig

if TYPE_CHECKING:
    from research.design.task import StackResult

ROOT = Path(__file__).resolve().parents[1]
SIZES, QUICK = (100, 1000, 10_000), (30, 300)
SEEDS = 10  # of a cell, where they divide the number of stacks
STEPS, EVERY = 2000, 100
GROWTH = 1.25  # goal: what a stack may cost in the largest study, as a multiple of its cost in the smallest
READ_SECONDS, HELP_SECONDS, PLAN_SECONDS = 10.0, 1.0, 2.0  # goals: 10,000 replicates with curves; the command


class Timing(NamedTuple):
    """What a phase took in a study of so many stacks."""

    phase: str
    stacks: int
    seconds: float

    @property
    def per_stack(self) -> float:
        """Milliseconds."""
        return 1000 * self.seconds / self.stacks


class Command(NamedTuple):
    """How long a command took, and how long it may take."""

    words: str
    seconds: float
    goal: float


def configure(width: int, batch: int, rate: int) -> TrainConfig:
    """1-width-1 on sin x, wider than what is trained together."""
    return TrainConfig(
        "sine",
        depth=1,
        width=4096 + width,
        optimizer="adam",
        loss="mse",
        output="raw",
        lr=1e-3 / rate,
        batch_size=1024 - batch,
        steps=STEPS,
        evaluate_every=EVERY,
    )


def study_of(num_stacks: int) -> Study:
    """A study of so many stacks of one seed, which is never trained: its factors have as many levels as it takes."""
    seeds = math.gcd(num_stacks, SEEDS)
    widths, batches, rates = levels(num_stacks // seeds)
    number = Number("test_rmse", (1,), {"batch": (1,), "rate": (1,)}, "only", "only", (0.0, float("inf")))
    return Study(
        name="scale",
        question="What does a stack cost besides training?",
        passage="nowhere",
        configure=configure,
        arms=Factor("width", tuple(range(1, widths + 1))),
        blocks=(Factor("batch", tuple(range(1, batches + 1))), Factor("rate", tuple(range(1, rates + 1)))),
        headline=("test_rmse", "test_sup_error"),
        direction="minimize",
        tiers={"full": Tier(seeds=seeds)},
        claims=tuple(Claim(f"claim-{k}", f"Claim {k}", "nowhere", "mean", number, below=k) for k in range(1, 9)),
    )


def levels(num_cells: int) -> tuple[int, int, int]:
    """Three numbers of levels, as even as can be, that make so many cells."""
    first = next(n for n in range(round(num_cells ** (1 / 3)), 0, -1) if num_cells % n == 0)
    rest = num_cells // first
    second = next(n for n in range(math.isqrt(rest), 0, -1) if rest % n == 0)
    return rest // second, second, first


class Made:
    """A study of so many stacks in a folder of its own, with its plan, its record and made-up results."""

    def __init__(self, num_stacks: int, folder: Path) -> None:
        from research.record.recorder import Recorder

        self.num_stacks, self.folder = num_stacks, folder
        self.store = Store(folder / "store")
        folder.mkdir()
        (folder / "scale.py").write_text(f"from benchmarks.scale import study_of\n\nSTUDY = study_of({num_stacks})\n")
        self.plan()
        self.recorder = Recorder(self.store, self.planned)

    def plan(self) -> None:
        self.planned = make_plan(load_study(str(self.folder / "scale.py")))

    def record(self, number: int) -> float:
        """The seconds that recording one of its stacks takes."""
        stack = self.planned.stacks[number]
        result = made_up(stack, number)
        started = time.perf_counter()
        self.recorder.write_stack(stack, result)
        return time.perf_counter() - started

    def resume(self) -> None:
        from research.record.recorder import Recorder

        if state_of(self.store, self.planned).missing(self.planned):
            raise RuntimeError("what was recorded is not there")
        Recorder(self.store, self.planned)
        self.state = state_of(self.store, self.planned)

    def read_back(self) -> None:
        self.frames = read_frames(self.store, self.planned, self.state)

    def search(self) -> None:
        from research.record.optuna_studies import project_grid

        project_grid(self.store, self.planned, self.frames.runs)

    def export(self) -> None:
        from research.publishing.tables import export

        export(self.store, self.planned, self.state, self.folder / "tables")


PHASES: dict[str, tuple[Callable[[Made], None], int]] = {  # what is timed, and in how many rounds
    "plan": (Made.plan, 3),
    "resume": (Made.resume, 3),
    "read back": (Made.read_back, 3),
    "search": (Made.search, 1),
    "search again": (Made.search, 3),
    "export": (Made.export, 3),
}


def measure(sizes: list[int], folder: Path) -> list[Timing]:
    """What each phase takes in new studies of so many stacks, in stores in the folder; the median of its rounds.

    The studies take turns, stack by stack while they are recorded, so that whatever else the machine does meets all of
    them alike.
    """
    studies = [Made(size, folder / str(size)) for size in sizes]
    turns = [((number + 0.5) / made.num_stacks, place, number)
             for place, made in enumerate(studies) for number in range(made.num_stacks)]  # fmt: skip
    seconds = [0.0] * len(studies)
    for _, place, number in sorted(turns):
        seconds[place] += studies[place].record(number)
    timings = [Timing("record", size, total) for size, total in zip(sizes, seconds, strict=True)]
    for phase, (run, num_rounds) in PHASES.items():
        rounds = [[timed(run, made) for made in studies] for _ in range(num_rounds)]
        medians = map(statistics.median, zip(*rounds, strict=True))
        timings += [Timing(phase, size, median) for size, median in zip(sizes, medians, strict=True)]
    return timings


def timed(run: Callable[[Made], None], made: Made) -> float:
    """The seconds that something takes."""
    started = time.perf_counter()
    run(made)
    return time.perf_counter() - started


def made_up(stack: Stack, number: int) -> StackResult:
    """A result of a stack, drawn from its number: five metrics, and three curves with a point for each evaluation."""
    from research.design.task import Replicate, StackResult

    rng = stream(number, "scale")
    metrics = ("test_r_squared", "extrema_right", "train_progress", "steps_to_target", "reached_target")
    curves = ("train_loss", "test_rmse", "test_sup_error")
    steps = range(0, STEPS + 1, EVERY)
    replicate = Replicate(
        stack.seeds[0],
        dict(zip(metrics, rng.random(len(metrics)).tolist(), strict=True)),
        {name: tuple(zip(steps, rng.random(len(steps)).tolist(), strict=True)) for name in curves},
        {},
        f"{number:064x}",
    )
    return StackResult((replicate,), "cpu", 1e9 + number, 1e9 + number + 1)


def time_command(*words: str) -> float:
    """The seconds that `python -m research.study` takes with these words."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "research.study", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"python -m research.study {' '.join(words)}: {done.stderr.strip()}")
    return time.perf_counter() - started


def time_commands(folder: Path, num_stacks: int) -> list[Command]:
    """How long the command takes to answer: its help, a real study's plan, the plan of the study in the folder."""
    file, store = str(folder / "scale.py"), str(folder / "store")
    return [
        Command("--help", time_command("--help"), HELP_SECONDS),
        Command("activation_depth --plan", time_command("activation_depth", "--plan"), PLAN_SECONDS),
        Command(f"--plan of {num_stacks:,} stacks", time_command(file, "--plan", "--store", store), PLAN_SECONDS),
    ]


def growth(timings: list[Timing]) -> dict[str, float]:
    """By phase, what a stack costs in the largest study, as a multiple of its cost in the smallest."""
    ends = {}
    for phase, found in itertools.groupby(sorted(timings, key=lambda t: (t.phase, t.stacks)), lambda t: t.phase):
        costs = [timing.per_stack for timing in found]
        ends[phase] = costs[-1] / costs[0]
    return ends


def report(timings: list[Timing], commands: list[Command]) -> str:
    """The costs as text: milliseconds a stack, a row a phase and a column a study, and how the goals are met."""
    sizes, grown = sorted({timing.stacks for timing in timings}), growth(timings)
    lines = [f"{'ms a stack, of':16}" + "".join(f"{size:>10,}" for size in sizes) + "    growth"]
    for phase in dict.fromkeys(timing.phase for timing in timings):
        costs = [timing.per_stack for timing in timings if timing.phase == phase]
        lines.append(f"{phase:16}" + "".join(f"{cost:10.3f}" for cost in costs) + f"  x {grown[phase]:6.2f}")
    (reading,) = (timing for timing in timings if (timing.phase, timing.stacks) == ("read back", sizes[-1]))
    lines += ["", goal(f"growth of {max(grown, key=grown.__getitem__)}", max(grown.values()), GROWTH, "x")]
    lines.append(goal(f"reading back {sizes[-1]:,} replicates", reading.seconds, READ_SECONDS, "s"))
    lines += [goal(f"python -m research.study {c.words}", c.seconds, c.goal, "s") for c in commands]
    return "\n".join(lines)


def goal(what: str, value: float, most: float, unit: str) -> str:
    return f"{what}: {value:.2f} {unit} (goal: at most {most:g} {unit}{'' if value <= most else ', missed'})"


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = Parser("python -m benchmarks.scale", description="Time what a stack costs besides training.")
    parser.add_argument("--quick", action="store_true", help="30 and 300 stacks instead of 100, 1,000 and 10,000")
    parser.add_argument("--stacks", type=int, nargs="+", metavar="N", help="studies of so many stacks instead")
    parser.add_argument("--json", action="store_true", help="print the timings as JSON")
    try:
        options = parser.parse_args(arguments)
        sizes = sorted(set(options.stacks or (QUICK if options.quick else SIZES)))
        if sizes[0] < 1:
            raise UserError(f"--stacks {sizes[0]}: at least one stack is needed")
        with tempfile.TemporaryDirectory(prefix="scale-") as name:
            first, folder = Path(name) / "first", Path(name) / "studies"
            first.mkdir()
            folder.mkdir()
            measure([1], first)  # with the imports, and what else only the first use costs
            timings = measure(sizes, folder)
            commands = time_commands(folder / str(sizes[-1]), sizes[-1])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        found = {"timings": [t._asdict() for t in timings], "commands": [c._asdict() for c in commands]}
        print(json.dumps(found, indent=1))
    else:
        print(report(timings, commands))
    return 0


if __name__ == "__main__":
    sys.exit(main())
