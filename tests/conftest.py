"""What the tests of the command share: a toy study on real data, the command as a process, and what it recorded."""

import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import forked
import hypothesis
import pytest

from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study_files import load_study
from research.record.state import State, read_runs, read_state
from research.record.store import Store
from research.training.data import fetch, load

# Properties get the same examples in every run, however long they take, and leave nothing behind (see strategies.py).
hypothesis.configuration.set_hypothesis_home_dir(os.devnull)
hypothesis.settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("ci")

os.environ.pop("COLUMNS", None)  # the width that pytest gives its own workers
forked.install()

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "research.study"]

# What the toy studies run: networks on scikit-learn's digits, or a task of their own that needs no torch and little of
# the processor. Whoever tests neither training nor what is told of it takes the second.
TRAINED = """from research.training.config import TrainConfig


def task(activation, depth=1, lr=0.1, epochs=20) -> TrainConfig:
    return TrainConfig("digits", depth=depth, width=32, activation=activation, lr=lr, batch_size=32, epochs=epochs)
"""
DESCENT = """from dataclasses import dataclass, replace
from time import sleep

from research.design.streams import stream
from research.design.study import Metric, Replicate, Task

SHARE, LOSS = (Metric(unit=unit, promised=True) for unit in ("", "nats"))


@dataclass(frozen=True)
class Descent(Task):
    # Steps down a parabola from where a seed draws, amid noise; the nearer the end is, the more accurate.

    activation: str
    depth: int = 1
    lr: float = 0.1
    epochs: int = 20

    validated = ("validation_loss",)
    clock = "epoch"

    def gives(self):
        return {"test_accuracy": SHARE, "train_progress": SHARE, "validation_loss": LOSS, "train_loss": LOSS}

    def in_one_pass(self):
        return replace(self, epochs=0)

    @property
    def length(self):
        return self.epochs

    def run(self, seeds, report):
        for done, seed in enumerate(seeds, 1):
            noise = stream(seed, self.activation)
            start = place = 2 + stream(seed, "start").random()
            losses = [place**2]
            for _ in range(self.epochs):
                place -= self.lr * (place + self.depth * noise.normal())
                losses.append(place**2)
            sleep(self.epochs / 200)  # a second for ten seeds: long enough to be caught at work
            report(done / len(seeds))
            reached = {"test_accuracy": 1 / (1 + place**2), "train_progress": 1 - (place / start) ** 2}
            yield Replicate(
                seed, {**reached, "validation_loss": place**2, "train_loss": place**2},
                {"train_loss": tuple(enumerate(losses))},
            )


task = Descent
"""

STUDY_FILE = """# A study of four cells.

from research.design.study import Claim, Factor, Number, Study, Tier
{task}

STUDY = Study(
    name="toy",
    question="Does the toy work?",
    passage="nowhere",
    configure=lambda activation, depth: task(activation, depth, {lr}),
    arms=Factor("activation", {activations}),
    blocks=(Factor("depth", (1, 2)),),
    headline=("test_accuracy", "train_progress"),
    tiers={{"full": Tier(seeds=10), "small": Tier(seeds=3, overrides={{"epochs": 1}}, levels={{"depth": (1,)}})}},
    claims=(
        Claim("works", "The toy works", "nowhere", "mean",
              Number("test_accuracy", ("{claimed}",), {{"depth": (1,)}}, "only", "mean"), above=0.5),
    ),
)
"""

# Four of its ten cells are tuned; the first trials of two of them differ in their horizon alone.
UNIVERSES_FILE = """# A study of two arms under two choices.

from research.design.study import Factor, Study, Tier, Tuning, crossed
{task}

STUDY = Study(
    name="toy",
    question="Does the toy work?",
    passage="nowhere",
    configure=lambda activation, rate, horizon: task(
        activation, lr={lr} * (0.1 if rate == "tenth" else 1), epochs=horizon
    ),
    arms=Factor("activation", ("tanh", "relu")),
    blocks=(),
    choices=(Factor("rate", ("customary", "tenth", "tuned")), Factor("horizon", (2, 4))),
    universes=({{"rate": "tenth"}}, *crossed(rate=("tuned",), horizon=(2, 4)), {{"horizon": 4}}),
    tuning=Tuning({{"lr": (0.03, 30.0)}}, "validation_loss", "minimize", budget=4, at_once=2, seeds=2),
    headline=("test_accuracy", "train_progress"),
    tiers={{"full": Tier(seeds=4, universe_seeds=3)}},
)
"""


@dataclass(frozen=True)
class Toy:
    """A folder with a toy study, its store and its tables."""

    folder: Path

    @property
    def file(self):
        return self.folder / "toy.py"

    @property
    def store(self):
        return self.folder / "store"

    @property
    def places(self):
        return ["--store", str(self.store), "--reports", str(self.folder / "reports")]

    def write(self, activations=("tanh", "relu"), lr=0.1, claimed="relu", task=DESCENT):
        """Write the study file, with these arms, this learning rate and this to be run."""
        self.file.write_text(STUDY_FILE.format(task=task, activations=activations, lr=lr, claimed=claimed))
        return self

    def write_universes(self, lr=0.1, task=DESCENT):
        """Write the study file that has choices and a tuning."""
        self.file.write_text(UNIVERSES_FILE.format(task=task, lr=lr))
        return self

    def run(self, *options, reports=True):
        """Run the study with the command and wait for its end; without `reports` its tables stay in the store."""
        return command(self.file, *options, *(self.places if reports else self.places[:2]))

    @contextlib.contextmanager
    def start(self, *options):
        """The command at work, in a process group of its own as under a terminal; what is left at the end is killed."""
        with (self.folder / "stdout").open("w") as out, (self.folder / "stderr").open("w") as err:
            process = subprocess.Popen(
                [*COMMAND, self.file, *options, *self.places], cwd=ROOT, stdout=out, stderr=err, start_new_session=True
            )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def printed(self, stream="stdout"):
        """What the started command has printed so far."""
        return (self.folder / stream).read_text()

    def tables(self):
        """The exported tables of the study as declared."""
        return {name: (self.folder / "reports" / "toy" / name).read_bytes() for name in ("runs.csv", "curves.csv")}

    def plan(self, **options):
        return make_plan(load_study(str(self.file)), **options)

    def state(self, **options) -> State:
        return read_state(self.plan(**options), self.runs())

    def finished_ids(self, **options):
        """The run ids of each finished stack, by its key."""
        return {key: [run.id for run in runs] for key, runs in self.state(**options).done.items()}

    def runs(self, experiment="toy"):
        """The active runs of the record."""
        return read_runs(Store(self.store), experiment)

    def trials(self):
        """The finished trials of searches, by name: the rate that was tried, and what it came to."""
        trials = [run for run in self.runs("toy-tuning") if (run.tags["kind"], run.status) == ("trial", "FINISHED")]
        found = {run.name: (self.param(run.id, "lr"), float(run.tags["value"])) for run in trials}
        assert len(found) == len(trials)
        return found

    def num_tried(self):
        """How many runs the experiment of trials has, finished or not."""
        sql = "SELECT count(*) FROM runs JOIN experiments e USING (experiment_id) WHERE e.name = 'toy-tuning'"
        return sum(number for (number,) in Store(self.store).query(sql))

    def rates(self):
        """The rates at which the seeds of each cell were trained, by its name."""
        found = {}
        for run in self.runs("toy") + self.runs("toy-universes"):
            if (run.tags["kind"], run.status) == ("replicate", "FINISHED"):
                cell = run.name.rpartition(" seed=")[0]
                found.setdefault(cell, set()).add(self.param(run.id, "lr"))
        return found

    def param(self, run_id, name):
        """A param of a run as a number."""
        ((value,),) = Store(self.store).query("SELECT value FROM params WHERE run_uuid = ? AND key = ?", (run_id, name))
        return float(value)

    def statuses(self):
        """The status of every run in the store, deleted ones too."""
        if not (self.store / "mlflow.db").exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.store}/mlflow.db?mode=ro", uri=True)) as connection:
            return [status for (status,) in connection.execute("SELECT status FROM runs")]

    def copy(self, folder):
        """The same in another folder, to be changed."""
        shutil.copytree(self.folder, folder)
        return Toy(folder)

    def digest(self):
        """One hash over all that the store holds. Locks and what reading leaves are no part of it."""
        content = hashlib.sha256()
        for path in sorted(self.store.rglob("*")):
            if path.is_file() and path.stat().st_size and not path.name.startswith(".") and path.suffix != ".db-shm":
                content.update(f"{path.relative_to(self.store)}\n".encode() + path.read_bytes())
        return content.hexdigest()


def error_line(status, stderr):
    """The line of a command that ended for a reason that its user can put right: status 2 and nothing else."""
    assert status == 2, stderr
    (line,) = stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def command(*arguments, **environment):
    """The finished process of `python -m research.study` with these arguments."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def wait_until(condition, seconds=60, process=None):
    """Wait for something to become true and give it; the test fails if it does not in time or if the process ends."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert process is None or process.poll() is None, f"it ended with status {process.returncode}"
        assert time.monotonic() < end, f"not true within {seconds} s"
        time.sleep(0.005)
    return found


def processes_of(group):
    """The living processes of a process group, as process id -> parent's process id."""
    if Path("/proc/self/stat").exists():
        lines = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                number, rest = path.parent.name, path.read_text().rpartition(") ")[2].split()
                lines.append([number, rest[1], rest[2], rest[0]])
    else:
        listed = subprocess.check_output(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], text=True)
        lines = [line.split() for line in listed.splitlines()]
    return {int(pid): int(parent) for pid, parent, its, stat in lines if int(its) == group and not stat.startswith("Z")}


def workers_of(coordinator):
    """The process ids of the workers: the children of the coordinator's children, for these are fork servers."""
    alive = processes_of(coordinator)
    return {pid for pid, parent in alive.items() if alive.get(parent) == coordinator}


@pytest.fixture(scope="session")
def mnist():
    return load("mnist")


@pytest.fixture(scope="session")
def digits():
    return load("digits")


@pytest.fixture(scope="session")
def mnist_1d():
    return load("mnist-1d")


@pytest.fixture(scope="session")
def sine():
    return load("sine")


@pytest.fixture(scope="session")
def line():
    return load("line")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The toy study as one undisturbed run with two workers left it. Copy it to change it."""
    toy = Toy(tmp_path_factory.mktemp("finished")).write()
    done = toy.run("--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    (toy.folder / "printed").write_text(done.stdout)
    return toy


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The same of the toy study that trains networks."""
    toy = Toy(tmp_path_factory.mktemp("trained")).write(task=TRAINED)
    done = toy.run("--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    return toy


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished toy study."""
    return finished.copy(tmp_path / "copy")


@pytest.fixture
def fresh(tmp_path):
    """The toy study before its first run."""
    return Toy(tmp_path).write()


@pytest.fixture
def mounted():
    """A function that mounts a file system at a folder; the test is skipped where that is not permitted."""
    places = []

    def mount(place, *options):
        if sys.platform != "linux":
            pytest.skip("file systems are mounted as Linux does")
        place.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", *map(str, options), str(place)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        places.append(place)
        return place

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A copy of the project with a study whose every text is markup, as one watched run from nothing left it."""
    from watched import run_project

    project = run_project(tmp_path_factory.mktemp("hostile"))
    for command in (project.study, project.report):
        assert (command.process.returncode, command.printed("stderr")) == (0, "")
    return project


def new_browser(folder, *flags):
    """A real browser without a window, with a profile of its own in a folder."""
    from selenium import webdriver

    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    assert all(programs.values()), "these tests need the Debian packages chromium and chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    quiet = ("background-networking", "component-update", "gpu", "quic", "sync")
    for flag in (
        "headless=new",
        "no-sandbox",
        "no-first-run",
        "window-size=1600,1000",
        *(f"disable-{q}" for q in quiet),
        *flags,
    ):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={folder}")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(programs["chromedriver"]))


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A real browser; `browser.get_log("browser")` is what its console said since last asked."""
    driver = new_browser(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    """What is drawn of two studies with made-up numbers: one with universes, one with a control that is refuted."""
    from made_up import write_tables, write_universes

    from research.design.study_files import load_study
    from research.report import main

    folder = tmp_path_factory.mktemp("reports")
    study = load_study("loss_convergence")
    write_universes(study, write_tables(study, folder / study.name))
    every_order_is_learnt = {"test_accuracy": lambda row, rng: 0.1 if "shuffled" in row["pixels"] else 0.95}
    write_tables(load_study("pixel_shuffle"), folder / "pixel_shuffle", **every_order_is_learnt)
    assert main(["--reports", str(folder)]) == 0
    return folder


@pytest.fixture
def opened(browser, reports):
    """A function that opens one of these pages in a wide window; the console may say nothing in the meantime."""
    browser.get_log("browser")

    def open_page(name):
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.get("about:blank")
        browser.get(f"{reports.as_uri()}/{name}")
        return browser

    yield open_page
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.get_log("browser") == []


@pytest.fixture(scope="session", autouse=True)
def fetched():
    """MNIST is there before the first test, whichever that is, if it can be had: what fetches it says so."""
    with contextlib.suppress(UserError):
        fetch("mnist")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the first two stacks of the made-up plan recorded."""
    from made_up import PLAN, made_up_result

    from research.record.recorder import Recorder

    store = Store(tmp_path_factory.mktemp("store"))
    recorder = Recorder(store, PLAN)
    for stack in PLAN.stacks[:2]:
        recorder.write_stack(stack, made_up_result(stack.seeds))
    recorder.write_failure(PLAN.stacks[2], "RuntimeError: out of luck")
    return store


@pytest.fixture
def copied_record(record: Store, tmp_path: Path) -> Iterator[Store]:
    """A copy of the recorded store that may be harmed."""
    with sqlite3.connect(record.database) as source, sqlite3.connect(tmp_path / "mlflow.db") as target:
        source.backup(target)
    target.close()
    source.close()
    return Store(tmp_path)


@pytest.fixture
def public():
    """A folder that everybody can write; pytest's own are for one user alone."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


@pytest.fixture
def as_user():
    """A function that runs a command as another user of the group 20000, who may read what root may, and no more.

    The test is skipped where we may not do that.
    """
    capabilities = ("-all", "+dac_read_search")  # the interpreter may lie where only root may look

    def run(user, *arguments, **environment):
        words = [f"--{kind}-caps={','.join(capabilities)}" for kind in ("inh", "ambient")]
        done = subprocess.run(
            ["setpriv", f"--reuid={user}", "--regid=20000", "--clear-groups", *words, *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"HOME": "/tmp"} | environment,
            umask=0o022,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.stderr.startswith("setpriv"):
            pytest.skip(f"no other user can be had: {done.stderr.strip()}")
        return done

    if not shutil.which("setpriv") or os.geteuid():
        pytest.skip("only root can be another user, with setpriv")
    return run


@pytest.fixture
def shim(tmp_path):
    """A function that gives the variables with which a program has some functions of the C library replaced.

    The test is skipped where there is no compiler.
    """

    def made(code):
        if sys.platform != "linux" or not shutil.which("cc"):
            pytest.skip("there is no C compiler, or the system loads libraries otherwise")
        (tmp_path / "shim.c").write_text(code)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "shim.so", tmp_path / "shim.c", "-ldl"], check=True)
        return {"LD_PRELOAD": str(tmp_path / "shim.so")}

    return made


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server, whose passwords libpq finds as a user's. The tests are skipped where there is none."""
    from benchmarks.postgres_server import Server, programs

    if programs() is None:
        pytest.skip("there is no PostgreSQL: the tests need the Debian package postgresql")
    made = Server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSFILE", str(made.passwords))
        yield made
    made.close()


@pytest.fixture
def database(server, request):
    """A function that gives the address of a new, empty database of the server."""
    begun = f"t{abs(hash(request.node.nodeid)):x}"
    count = iter(range(100))
    return lambda: server.new(f"{begun}_{next(count)}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A Dask scheduler with two workers, one with a nanny that starts it again. It may not be harmed."""
    from benchmarks.dask_lab import Lab

    made = Lab(tmp_path_factory.mktemp("lab"))
    made.add("one", "--no-nanny")
    made.add("two")
    yield made
    made.close()


@pytest.fixture
def own_lab(tmp_path):
    """A Dask scheduler that may be harmed, without workers."""
    from benchmarks.dask_lab import Lab

    (tmp_path / "lab").mkdir()
    made = Lab(tmp_path / "lab")
    yield made
    made.close()


@pytest.fixture
def doubles(tmp_path):
    """The study that is to be run there, before its first run."""
    from lab import Doubles

    return Doubles(tmp_path / "doubles").write()
