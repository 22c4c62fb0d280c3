"""The study that benchmarks/faults.py kills, and what its store and its reports hold."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.design.plan import Plan, make_plan
from research.design.study import Claim, Factor, Number, Study, Tier, Tuning
from research.design.study_files import load_study
from research.record.any_store import AnyStore
from research.record.frames import read_metrics
from research.record.postgres_store import MLFLOW, OPTUNA, PostgresStore
from research.record.state import Run, read_runs, read_state
from research.record.store import Store
from research.training.config import TrainConfig

NAME = "storm"
SCOPES: dict[str, tuple[str, ...]] = {"reference": (), "all": ("--universes", "all")}  # with the words of the command
OF_A_STORE = re.compile(r"(mlflow|optuna)\.db(-wal|-shm)?|\.\w+\.lock")  # the names of its files
SHOWN = (
    "SELECT study_name, number, value FROM {0}trials JOIN {0}studies USING (study_id) "
    "LEFT JOIN {0}trial_values USING (trial_id)"
)
OF_THE_MOMENT = ("provenance.json", "SHA256SUMS")  # of times and run ids; the sums are those of provenance.json too


def configure(activation: str, rate: str, horizon: int) -> TrainConfig:
    """Two replicates fill a stack, so a cell of four seeds has two of them."""
    return TrainConfig(
        "digits",
        width=512,
        activation=activation,
        lr=0.1,
        batch_size=1000,
        epochs=horizon,
        probe_epochs=(0, 1),
        measures=("logit_gradients",),
    )


# A stack trains for less than a second: most of a start is what each start costs.
STUDY = Study(
    name=NAME,
    question="Does a study outlive its kills?",
    passage="nowhere",
    configure=configure,
    arms=Factor("activation", ("tanh", "relu")),
    blocks=(),
    choices=(Factor("rate", ("customary", "tuned")), Factor("horizon", (10, 15))),
    universes=({"rate": "tuned"}, {"horizon": 15}),
    tuning=Tuning({"lr": (0.03, 10.0)}, "validation_loss", "minimize", budget=3, at_once=2, seeds=2),
    headline=("test_accuracy", "train_progress"),
    tiers={"full": Tier(seeds=6, universe_seeds=4)},
    claims=(
        Claim(
            "learns",
            "relu learns",
            "nowhere",
            "mean",
            Number("test_accuracy", ("relu",), {}, "only", "only", (0.0, 1.0)),
            above=0.5,
        ),
    ),
)

Shown = list[tuple[str, int, float]]  # the study, number and value of trials
Recorded = dict[str, tuple[str, ...]]  # the run ids of what is done, by the key of a stack or of a trial's stack


def in_order(shown: Iterable[tuple[Any, ...]]) -> Shown:
    """By study and number: each database has an order of letters of its own."""
    return sorted(shown, key=lambda trial: trial[:2])


@dataclass(frozen=True)
class Place:
    """A folder with the study's file, its store and its reports.

    `trainers` are the words of the command that say who trains, `text` is what stands in the study's file.
    """

    folder: Path
    trainers: tuple[str, ...] = ()
    text: str = "from benchmarks.fault_study import STUDY\n\n__all__ = ['STUDY']\n"

    @property
    def file(self) -> Path:
        return self.folder / f"{NAME}.py"

    @property
    def store(self) -> AnyStore:
        return Store(self.folder / "store")

    @property
    def address(self) -> str:
        """What the command is told of the store."""
        return str(self.store)

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    def words(self, scope: str) -> list[str]:
        """What the command is given to run the study in a scope."""
        places = ("--store", self.address, "--reports", str(self.reports))
        return [str(self.file), *SCOPES[scope], *self.trainers, *places]

    def write(self) -> Place:
        """Make the folder and the study's file."""
        self.folder.mkdir(parents=True)
        self.file.write_text(self.text)
        return self

    def plan(self, scope: str) -> Plan:
        """The plan of the study in a scope."""
        return make_plan(load_study(str(self.file)), scope=(scope,))

    def runs(self, *scopes: str) -> list[Run]:
        """The active runs of the experiments of some scopes, of all by default."""
        return read_runs(self.store, *{name for scope in scopes or SCOPES for name in self.plan(scope).experiments})

    def recorded(self) -> Recorded:
        """What is done."""
        runs = self.runs()
        found: Recorded = {}
        for scope in SCOPES:
            state = read_state(self.plan(scope), runs)
            found |= {key: tuple(run.id for run in done) for key, done in state.done.items()}
            found |= {run.tags["stack"]: (run.id,) for run in state.trials.values()}
        return found

    def missing(self, scope: str) -> list[str]:
        """The keys of the stacks of a scope that are not done."""
        plan = self.plan(scope)
        return [stack.key for stack in read_state(plan, self.runs(scope)).missing(plan)]

    def experiments(self) -> set[str]:
        """The names of the experiments in the record."""
        return {name for (name,) in self.store.query("SELECT name FROM experiments")}

    def statuses(self) -> Counter[str]:
        """How many runs of the record, deleted ones too, have each status."""
        return Counter(status for (status,) in self.store.query("SELECT status FROM runs"))

    def doubled(self) -> list[str]:
        """Replicates, trials and sums of cells that there are more than one of under a fingerprint."""
        finished = [run.tags for run in self.runs() if run.status == "FINISHED"]
        names = ("kind", "key", "seed", "fingerprint")
        counts = Counter(tuple(tags.get(name, "") for name in names) for tags in finished)
        return [" ".join(what[:3]) for what, number in counts.items() if number > 1]

    def content(self) -> list[tuple[str, ...]]:
        """What the record says, without ids and times: of each finished run its kind, key, seed and metrics."""
        runs = [run for run in self.runs() if run.status == "FINISHED"]
        metrics = read_metrics(self.store, [run.id for run in runs])
        parents = {run.id: run.name for run in runs}
        return sorted(
            (
                *(run.tags.get(name, "") for name in ("kind", "key", "seed", "fingerprint", "weights_sha256")),
                parents.get(run.tags.get("mlflow.parentRunId", ""), ""),
                repr(sorted((name, sorted(values.items())) for name, values in metrics[run.id].items())),
            )
            for run in runs
        )

    def shown(self) -> Shown:
        """What Optuna's database shows."""
        database = self.store.folder / "optuna.db"
        if not database.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            try:
                return in_order(connection.execute(SHOWN.format("")).fetchall())
            except sqlite3.OperationalError:  # its tables are not made yet
                return []

    def files(self) -> dict[str, bytes]:
        """All files of the reports, hidden ones too, by their paths; what is of the moment is empty."""
        return {
            str(path.relative_to(self.reports)): b"" if path.name in OF_THE_MOMENT else path.read_bytes()
            for path in sorted(self.reports.rglob("*"))
            if path.is_file()
        }

    def strays(self) -> set[str]:
        """The names of what lies in the store and has no business there: nothing in the making may be left."""
        return {path.name for path in self.store.folder.iterdir() if not OF_A_STORE.fullmatch(path.name)}


@dataclass(frozen=True)
class SharedPlace(Place):
    """The same with its record in PostgreSQL; `address` is how the command reaches that, `own_address` how we do."""

    address: str = ""
    own_address: str = ""

    @property
    def store(self) -> AnyStore:
        return PostgresStore(self.own_address)

    def shown(self) -> Shown:
        """What Optuna's tables show."""
        return in_order(self.store.query(SHOWN.format("optuna.")) if self.store.is_there(projection=True) else [])

    def strays(self) -> set[str]:
        schemas = self.store.query("SELECT nspname FROM pg_namespace WHERE nspname ~ '^(mlflow|optuna)'")
        folders = [self.store.folder, PostgresStore(self.address).folder]  # of this machine
        return {name for (name,) in schemas} - {MLFLOW, OPTUNA} | {str(path) for path in folders if path.exists()}
