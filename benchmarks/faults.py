"""A storm of kills: does a study that is killed again and again come to the same tables, with nothing lost or doubled?

    python -m benchmarks.faults [--kills N] [--seed S] [--workers N]

A small real study, and its universes with their searches, are run by the real command in real processes. A run is
killed at a named point of a stack's life, before or after a write or amid a worker's work (benchmarks.fault_points
halts it there), or at a random time, and begun again at once, until it is finished; a last one is left alone. Then
tables, figures and pages must be those of an undisturbed run byte for byte, and the record must say the same. All that
is done with a new store until there were so many kills. The seed decides what is drawn; what a run has come to by then
is up to the machine. The exit status is 1 if anything was lost, doubled, left behind or different.

200 kills take about 25 minutes on two cores. Linux only: processes are found in /proc.
"""  # fmt: skip

from __future__ import annotations

import contextlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import fault_points as at
from benchmarks.fault_cluster import Cluster
from benchmarks.fault_runs import Machine, Start, alive
from benchmarks.fault_study import SCOPES, Place
from benchmarks.postgres_server import programs
from research.console import Parser
from research.design.errors import UserError

RANDOM = "at a random time"
Ground = Machine | Cluster
SIDES = ("before", "amid", "after")
FIRST, EXPERIMENTS, WORK, PROJECTION, END = "first", "experiments", "work", "projection", "end"
CLOSING, DELETING, MOVING = "closing", "deleting", "moving"  # what a kill left open
MENDING = (CLOSING, DELETING, MOVING)
PHASES = {  # of a run, with what it writes in each
    FIRST: (at.NEW, at.RENAMED),
    EXPERIMENTS: ("create_experiment", "set_experiment_tag"),
    CLOSING: ("update_run",),
    DELETING: ("delete_run",),
    MOVING: ("set_tag",),
    WORK: (*at.WRITES.values(), at.ROWS, at.RECORD),
    PROJECTION: (*(f"Optuna's {name.strip('_')}" for name in at.STORAGE), at.OPTUNA),
    END: (f"the renaming of {at.TABLE}", f"the renaming of {at.DRAWING}"),
}
POINTS = {f"{side} {what}": phase for phase, writes in PHASES.items() for what in writes for side in SIDES[::2]} | {
    at.GOT_JOB: WORK,
    at.TRAINING: WORK,
    at.RESULT: WORK,
    f"amid the writing of {at.TABLE}": END,
    f"amid the writing of {at.DRAWING}": END,
}
AFTER_ALL = 0.75  # of the runs whose worker was killed are killed themselves, soon after that
PASS = 2  # stacks of the study that train together, at most
STEP = 6  # parts of the work; a point in it is no later than the first of them
LATE = 3  # kills after the work of a scope, when nothing more is trained
POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Kill:
    """What was done to a run and where; how many stacks were begun again for it, and of those trained before."""

    kind: str
    point: str
    again: int
    trained: int


@dataclass
class Tally:
    """All that came of a storm. `failures` says in words what must not be; `gone` how long processes outlived a run."""

    kills: list[Kill] = field(default_factory=list)
    starts: int = 0
    stores: int = 0
    files: int = 0
    unlike: int = 0
    ignored: int = 0
    needed: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    running: int = 0
    orphaned: list[str] = field(default_factory=list)
    redone: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)
    resumed: list[float] = field(default_factory=list)
    from_nothing: list[float] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """What must not be, in words."""
        running = [f"{self.running} runs left RUNNING"] if self.running else []
        parts = {"lost": self.lost, "twice": self.doubled, "again": self.redone, "alive": self.orphaned}
        parts |= {"different": self.different}
        return [*running, *(f"{what}: {each}" for what, found in parts.items() for each in found)]


class Storm:
    """Kills runs of a study until there were enough kills, and keeps count.

    `points` are those that are drawn from, `scopes` what is run in one store, one after the other. A process that is
    alive `grace` seconds after its command has ended is an orphan.
    """

    def __init__(
        self,
        folder: Path,
        kills: int,
        seed: int,
        ground: Ground,
        points: Iterable[str] = POINTS,
        scopes: Sequence[str] = tuple(SCOPES),
        grace: float = 5.0,
    ) -> None:
        self.folder, self.num_kills, self.ground, self.grace = folder, kills, ground, grace
        self.points = [point for point in points if point not in ground.unpassed]
        self.scopes = list(scopes)
        self.rng = random.Random(seed)
        self.tally = Tally()
        self.struck: list[tuple[str, str]] = []  # all kinds and points, those too after which nothing had to stop
        self.watching: list[Future[None]] = []
        self.watchers = ThreadPoolExecutor(64)
        self.undisturbed = Machine(ground.num_workers, ground.text).new_place(folder / "undisturbed")
        self.known: dict[str, tuple[str, ...]] = {}  # what was ever seen done, with its run ids
        self.calls: dict[str, Counter[str]] = {}  # by scope, how often an undisturbed run passes each point
        self.seconds: dict[str, float] = {}  # by scope, what a run takes

    @property
    def is_over(self) -> bool:
        return len(self.tally.kills) >= self.num_kills

    def run(self) -> Tally:
        """Run the study undisturbed, then kill it until it is enough; what the storm is over is closed then."""
        try:
            self.rage()
        finally:
            self.tally.orphaned += self.ground.close()
        return self.tally

    def rage(self) -> None:
        """Do all of it but the last."""
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's background job: what it starts ignores it too
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.undisturbed.write()
        for scope in self.scopes:
            start = self.begin(self.undisturbed, scope, {})
            self.wait_alone(start)
            self.seconds[scope] = time.time() - start.began
            self.calls[scope] = Counter(point for _, point in start.log("passed"))
        while not self.is_over:
            self.tally.stores += 1
            place = self.ground.new_place(self.folder / f"store-{self.tally.stores}").write()
            self.known = {}
            turned = self.scopes[:: -1 if self.tally.stores % 2 == 0 else 1]
            for scope in turned:
                self.disturb(place, scope)
                self.wait_alone(self.begin(place, scope, None))
                self.look(place)
            self.tally.needed += len(self.known)
            self.compare(place)
        for watching in self.watching:
            watching.result()

    def disturb(self, place: Place, scope: str) -> None:
        """Kill the runs of a scope until one comes to its end, or nothing is trained any more and it is enough."""
        late = 0
        while not self.is_over and late < LATE:
            late += not place.missing(scope)
            if self.one_run(place, scope):
                break

    def begin(self, place: Place, scope: str, armed: Mapping[str, int] | None) -> Start:
        """Start the command, with None for what is armed the plain one."""
        self.tally.starts += 1
        self.ground.mend()
        control = self.folder / "starts" / str(self.tally.starts)
        return Start(place.words(scope), armed, control, not place.store.is_there())

    def wait_alone(self, start: Start) -> None:
        """Wait for a run that nobody disturbs, which must end well."""
        try:
            status = start.process.wait(self.limit)
        except subprocess.TimeoutExpired:
            start.kill()
            status = None
        said = (start.folder / "stderr").read_text().strip()
        if status != 0 or said:
            self.tally.different.append(f"an undisturbed run ended with status {status} and said: {said}")
        self.ended(start)

    @property
    def limit(self) -> float:
        """Seconds after which a run is said to hang."""
        return 120 + 10 * max(self.seconds.values(), default=18)

    def stages(self, place: Place, scope: str) -> set[str]:
        """The phases that a run of a scope will come through for sure; the last two only where nothing is missing."""
        if not place.store.is_there():
            return {FIRST, EXPERIMENTS, WORK}
        found = set()
        if not set(place.plan(scope).experiments) <= place.experiments():
            found.add(EXPERIMENTS)
        still_open = [run.tags for run in place.runs(scope) if run.status == "RUNNING"]
        unfinished = {tags["key"] for tags in still_open if tags["kind"] == "cell"}
        if still_open:
            found.add(CLOSING)
        if unfinished:
            found.add(DELETING)
        if any(key.startswith(f"{cell}/seeds=") for key in place.recorded() for cell in unfinished):
            found.add(MOVING)
        if place.missing(scope):
            return {*found, WORK}
        found.add(END)
        missing = set(self.undisturbed.shown()) - set(place.shown())
        if missing and (scope == "all" or any(name == place.plan(scope).experiment for name, *_ in missing)):
            found.add(PROJECTION)
        return found

    def armed(self, place: Place, scope: str) -> dict[str, int]:
        """A point that the run will come to, of those where it was killed least; and one for if it gets to its end."""
        stages, hits = self.stages(place, scope), Counter(kill.point for kill in self.tally.kills)
        armed = {}
        for wanted in (stages, {PROJECTION, END}):
            if possible := [point for point in self.points if POINTS[point] in wanted]:
                point = min(possible, key=lambda point: (hits[point], self.rng.random()))
                armed[point] = self.rng.randint(1, self.most(scope, point))
        return armed

    def most(self, scope: str, point: str) -> int:
        """How often a run may pass a point before it is killed there."""
        calls = self.calls[scope][point] or sum(counts[point] for counts in self.calls.values())
        phase = POINTS[point]
        if phase in MENDING:
            return 1
        if point in (at.GOT_JOB, at.TRAINING, at.RESULT):  # of a worker
            return 2
        return max(1, calls // STEP if phase == WORK else calls)

    def one_run(self, place: Place, scope: str) -> bool:
        """Begin a run and kill it, at a point or at a time; whether it came to its end all the same."""
        timed = sum(kill.point == RANDOM for kill in self.tally.kills) < self.ground.timed * len(self.tally.kills) - 1
        start = self.begin(place, scope, {} if timed else self.armed(place, scope))
        moment = start.began + self.rng.uniform(0, self.seconds[scope]) if timed else float("inf")
        done: list[tuple[str, str]] = []  # the kinds, with their points
        end = ""  # the kind that ends the run
        while start.process.poll() is None:
            events = list(start.reached())
            if time.time() >= moment:
                moment = float("inf")
                events.append((RANDOM, 0))
            for point, process in events:
                if not end:
                    kind = self.strike(place, start, point, process, len(done) >= self.ground.most_robbed)
                    done.append((kind, point))
                    if kind not in self.ground.robbing:
                        end = kind
                    elif timed or self.rng.random() < AFTER_ALL:
                        moment = time.time() + self.rng.uniform(0, self.seconds[scope] / 4)
                start.go_on(point)
            if time.time() > start.began + self.limit:
                self.tally.different.append(f"a run hung after {done}: {start.folder}")
                start.kill()
                break
            time.sleep(POLL_SECONDS)
        lasted = time.time() - start.began
        self.seconds[scope] = max(self.seconds[scope], lasted) if done else lasted
        return self.count(place, start, done, end)

    def strike(self, place: Place, start: Start, point: str, process: int, robbed: bool) -> str:
        """Kill a run at a point where it halts, in the way that was least taken there, and say which."""
        ever = Counter(kind for kind, _ in self.struck)
        here = Counter(kind for kind, where in self.struck if where == point)
        found = self.ground.ways(start, process, robbed, self.rng)
        ways = {kind: way for kind, way in found.items() if kind in self.ground.statuses}
        kind = min(ways, key=lambda kind: (here[kind], ever[kind], self.rng.random()))
        self.look(place)
        self.struck.append((kind, point))
        with contextlib.suppress(ProcessLookupError):
            ways[kind]()
        return kind

    def look(self, place: Place) -> None:
        """See that all that was ever seen done is there, with the same run ids."""
        now = place.recorded()
        self.tally.lost += [key for key, ids in self.known.items() if now.get(key) != ids]
        self.known = now

    def ended(self, start: Start) -> None:
        """Watch whether processes of a run outlive it, and see when it first recorded something."""
        start.process.poll()
        self.watching.append(self.watchers.submit(self.watch, start, time.monotonic()))
        recorded = start.log("recorded")
        if recorded:
            first = min(when for when, _ in recorded) - start.began
            (self.tally.from_nothing if start.from_nothing else self.tally.resumed).append(first)

    def watch(self, start: Start, since: float) -> None:
        """Wait for all processes of a run to be gone; end those that are not in time."""
        while left := alive(start.folder, start.process.pid):
            if time.monotonic() > since + self.grace:
                self.tally.orphaned.append(f"{len(left)} processes of {start.folder}")
                start.kill()
                return
            time.sleep(0.1)
        self.tally.gone.append(time.monotonic() - since)

    def count(self, place: Place, start: Start, done: list[tuple[str, str]], end: str) -> bool:
        """Count what a run that was disturbed has cost; whether it came to its end all the same."""
        status = start.process.poll()
        self.ended(start)
        self.ground.mend()
        self.look(place)
        said = (start.folder / "stderr").read_text()
        well_said = end and "Traceback" not in said and (status != 2 or len(said.splitlines()) == 1)
        if status == 0 and end:  # a signal to stop that came when there was nothing left to stop
            self.tally.ignored += 1
            done = [each for each in done if each[0] != end]
        elif status not in self.ground.statuses.get(end, (0,)) or (said and not well_said):
            self.tally.different.append(f"after {done} status {status}: {said.strip()[-500:]}")
        begun = Counter(key for _, key in start.log("begun"))
        trained = {key for _, key in start.log("trained")}
        robbed = {key for key, number in begun.items() if number > 1}
        for kind, point in done:
            if kind in self.ground.robbing:
                kill = Kill(kind, point, len(robbed), 0)
                robbed = set()  # which of two thefts it was nobody can tell
            else:
                again = {key for key in begun if key not in self.known}
                kill = Kill(kind, point, len(again), len(trained & again))
            if max(kill.again - kill.trained, kill.trained) > PASS * self.ground.num_workers:
                self.tally.redone.append(f"{kill.again} stacks after {kill.kind} {kill.point}: {start.folder}")
            self.tally.kills.append(kill)
            print(
                f"[{len(self.tally.kills)}/{self.num_kills}] {kind} {point}: {len(self.known)} recorded, "
                f"{kill.again} to be trained again",
                file=sys.stderr,
                flush=True,
            )
        return status == 0

    def compare(self, place: Place) -> None:
        """Hold what a storm has left to what the undisturbed run left."""
        self.tally.doubled += place.doubled()
        self.tally.running += place.statuses()["RUNNING"]
        parts: dict[str, list[object]] = {
            "statuses": [set(each.statuses()) - {"KILLED"} for each in (place, self.undisturbed)],
            "the record": [each.content() for each in (place, self.undisturbed)],
            "Optuna's studies": [each.shown() for each in (place, self.undisturbed)],
            "strays in the store": [place.strays(), set()],
        }
        self.tally.different += [f"{what} in {place.folder}" for what, (one, other) in parts.items() if one != other]
        ours, theirs = place.files(), self.undisturbed.files()
        unlike = [name for name in sorted(ours | theirs) if ours.get(name) != theirs.get(name)]
        self.tally.files += len(theirs)
        self.tally.unlike += len(unlike)
        self.tally.different += [f"{name} in {place.folder}" for name in unlike]


def report(tally: Tally, command: str, ground: Ground) -> str:
    """What came of a storm, as Markdown."""
    kills, again = tally.kills, [kill.again for kill in tally.kills]
    kinds, points = Counter(kill.kind for kill in kills), Counter(kill.point for kill in kills)
    lines = ["| what was done | times |", "|---|---|", *(f"| {kind} | {kinds[kind]} |" for kind in ground.statuses)]
    lines += [f"| all | {len(kills)} |", ""]
    lines += [f"| killed at | {' | '.join(SIDES)} |", "|---" * (len(SIDES) + 1) + "|"]
    for what in dict.fromkeys(point.partition(" ")[2] for point in POINTS if point not in ground.unpassed):
        counts = [points[point] if (point := f"{side} {what}") in POINTS else "" for side in SIDES]
        lines.append(f"| {what} | {' | '.join(map(str, counts))} |")
    lines += [f"| a random time | | {points[RANDOM]} | |", ""]
    most = max(kills, key=lambda kill: kill.again, default=Kill("", "", 0, 0))
    equal = tally.files - tally.unlike
    cost = f"{most.kind} {most.point}: {most.again - most.trained} in work, {most.trained} trained"
    rows = {
        f"`{command}`": f"{tally.starts} runs in {tally.stores} stores",
        "stacks lost": len(tally.lost),
        "stacks, trials and cells recorded twice": len(tally.doubled),
        "kills that cost more than what was in work": len(tally.redone),
        "runs left RUNNING": tally.running,
        "processes left": f"{len(tally.orphaned)}; the last was gone after {spread(tally.gone, 's')}",
        "tables, figures and pages equal to those of an undisturbed run": f"{equal} of {tally.files}",
        "stacks begun again": f"{sum(again)}, where {tally.needed} were needed; {spread(again)} a kill",
        "in work when killed": spread([kill.again - kill.trained for kill in kills]),
        "trained, but not recorded": spread([kill.trained for kill in kills]),
        "the most costly kill": cost,
        "from a start to its first recorded stack, resumed": spread(tally.resumed, "s"),
        "the same from nothing": spread(tally.from_nothing, "s"),
        "signals that came when there was nothing left to stop": tally.ignored,
    }
    lines += ["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows.items())]
    return "\n".join(lines)


def spread(values: Sequence[float], unit: str = "") -> str:
    """Median and greatest of some values, and how many they are."""
    if not values:
        return "-"
    median, greatest = (f"{value:.1f}{unit and ' ' + unit}" for value in (statistics.median(values), max(values)))
    return f"{median}, at most {greatest} (n={len(values)})"


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = Parser("python -m benchmarks.faults", description="Kill a study again and again; see what it comes to.")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="how many (default: 200)")
    parser.add_argument("--seed", type=int, metavar="S", help="of what is drawn (default: another each time)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="how many train (default: 2)")
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="of a Dask cluster, with a record in PostgreSQL: they are killed and cut off too",
    )
    parser.add_argument("--grace", type=float, default=5.0, metavar="SECONDS",
                        help="how long processes may outlive their command (default: 5)")  # fmt: skip
    parser.add_argument("--folder", type=Path, metavar="DIR", help="a new folder, kept (default: one that is deleted)")
    try:
        options = parser.parse_args(arguments)
        for name in ("kills", "workers"):
            if getattr(options, name) < 1:
                raise UserError(f"--{name} {getattr(options, name)}: at least one is needed")
        if not Path("/proc/self/environ").exists():
            raise UserError("this system has no /proc, in which processes are found")
        if options.cluster and programs() is None:
            raise UserError("--cluster: there is no PostgreSQL; install the Debian package postgresql")
        if options.folder and options.folder.exists():
            raise UserError(f"--folder {options.folder}: is there already; name a new one")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(1000) if options.seed is None else options.seed
    command = f"python -m benchmarks.faults{' --cluster' * options.cluster} --kills {options.kills} --seed {seed}"
    command += f" --workers {options.workers}"
    print(command, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = options.folder.absolute() if options.folder else Path(name)
        ground: Ground = Machine(options.workers)
        if options.cluster:
            ground = Cluster(folder / "cluster", options.workers, options.grace)
        tally = Storm(folder, options.kills, seed, ground, grace=options.grace).run()
    print(report(tally, command, ground))
    for failure in tally.failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
