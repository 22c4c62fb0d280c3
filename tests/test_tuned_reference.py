"""A study of equal budgets, in a folder of its own: both arms are tuned, a small network and a task of the file."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pandas as pd
import pytest
from test_own_task import Walk

FILE = "budgets.py"
STUDY = '''
"""Does a nearest-neighbour average beat a small network, if both are tuned with the same budget?"""

import time
from dataclasses import dataclass

import numpy as np

from research.design.streams import stream
from research.design.study import Claim, Factor, Metric, Number, Replicate, Study, Task, Tier, Tuning
from research.training.config import TrainConfig

SLOW = 0.0


@dataclass(frozen=True)
class Neighbours(Task):
    """The mean of the nearest points, each by how near it is."""

    neighbours: int
    reach: float
    noise: float = 0.1

    @property
    def validated(self):
        return ("validation_rmse",)

    def gives(self):
        return {"validation_rmse": Metric(), "steady_test_rmse": Metric()}

    def run(self, seeds, report):
        for seed in seeds:
            time.sleep(SLOW)
            rng = stream(seed, "points")
            x = np.sort(rng.uniform(-6, 6, 200))
            y = np.sin(x) + self.noise * rng.standard_normal(200)
            errors = {}
            parts = {"validation_rmse": rng.uniform(-6, 6, 100), "steady_test_rmse": np.linspace(-6, 6, 100)}
            for part, at in parts.items():
                distances = abs(at[:, None] - x)
                nearest = np.argsort(distances, axis=1)[:, : self.neighbours]
                weights = np.exp(-np.take_along_axis(distances, nearest, 1) / self.reach)
                found = (weights * y[nearest]).sum(1) / weights.sum(1)
                errors[part] = float(np.sqrt(np.mean((found - np.sin(at)) ** 2)))
            yield Replicate(seed, errors, {"validation_rmse": ((0, 1.0), (1, errors.pop("validation_rmse")))})


def configure(learner, noise):
    if learner == "neighbours":
        return Neighbours(8, 0.5, 0.1 if noise == "little" else 0.5)
    return TrainConfig("sine", width=8, loss="mse", output="raw", lr=0.01, batch_size=128, epochs=2,
                       num_train=256 if noise == "little" else 128)


STUDY = Study(
    name="budgets",
    question="Do neighbours beat a small network, if both are tuned?",
    passage="B 1",
    configure=configure,
    arms=Factor("learner", ("network", "neighbours")),
    blocks=(),
    choices=(Factor("noise", ("little", "much")),),
    universes=({"noise": "much"},),
    tiers={"full": Tier(seeds=6, universe_seeds=5), "quick": Tier(seeds=5)},
    tuning=Tuning({"lr": (0.1, 30.0), "neighbours": (0.1, 4.0), "reach": (0.1, 10.0)}, "validation_rmse", "minimize",
                  budget=4, at_once=2, seeds=2, widen=True),
    headline=("steady_test_rmse",),
    direction="minimize",
    claims=(
        Claim("beats", "Neighbours beat the network.", "B 1", "mean",
              Number("steady_test_rmse", ("network", "neighbours"), {}, "difference", "only"), above=0.0),
    ),
)
'''


def written(folder, old="", new=""):
    walk = Walk.__new__(Walk)
    walk.folder, walk.file = folder, folder / FILE
    assert old in STUDY
    walk.file.write_text(STUDY.replace(old, new))
    return walk


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    study = written(tmp_path_factory.mktemp("budgets"))
    study.output = study.ok("--workers", "2", what=FILE)
    return study


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "copy")
    copy = Walk.__new__(Walk)
    copy.folder, copy.file = tmp_path / "copy", tmp_path / "copy" / FILE
    return copy


def report(study, *options):
    command = [sys.executable, "-m", "research.report", FILE, "--reports", "reports", *options]
    return subprocess.run(command, cwd=study.folder, capture_output=True, text=True)


def test_a_plan_says_how_many_trials_come_first(tmp_path):
    text = written(tmp_path).ok("--plan", what=FILE)
    assert "8 trials of searches come before them" in text


def test_a_field_that_only_one_kind_of_task_has_cannot_be_set_by_hand(tmp_path):
    done = written(tmp_path).run("--plan", "--set", "lr=0.2", what=FILE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --set lr=0.2: Neighbours has no such field, and every cell must have it\n"


def test_each_arm_is_searched_over_what_its_task_has_with_the_same_budget(finished):
    assert "8 trials before some of them" in finished.output
    trials = pd.read_csv(finished.folder / "reports" / "budgets" / "tuning.csv")
    assert list(trials) == ["cell", "learner", "trial", "lr", "neighbours", "reach", "value", "scatter", "winner"]
    by_arm = dict(list(trials.groupby("learner")))
    assert {arm: len(rows) for arm, rows in by_arm.items()} in (
        [{"network": a, "neighbours": b} for a in (4, 7) for b in (4, 7)]
    )
    assert by_arm["network"][["neighbours", "reach"]].isna().all(axis=None)
    assert by_arm["neighbours"]["lr"].isna().all()
    tried = by_arm["neighbours"]["neighbours"]
    assert (tried == tried.round()).all()
    assert tried.iloc[:3].tolist() == [8, 3, 16]  # what configure sets, half way to either end
    assert (tried >= 1).all()
    assert trials["winner"].sum() == 2


def test_the_seeds_that_are_reported_have_the_settings_that_won(finished):
    trials = pd.read_csv(finished.folder / "reports" / "budgets" / "tuning.csv")
    won = trials[trials["winner"]].set_index("cell")
    with sqlite3.connect(finished.folder / "store" / "mlflow.db") as database:
        rows = database.execute(
            "SELECT DISTINCT l.value, p.key, p.value FROM params p JOIN params l USING (run_uuid) JOIN tags t USING "
            "(run_uuid) WHERE l.key = 'learner' AND p.key IN ('lr', 'neighbours', 'reach') AND t.key = 'kind' "
            "AND t.value = 'replicate'"
        ).fetchall()
    database.close()
    assert {(arm, name): float(value) for arm, name, value in rows} == {
        ("network", "lr"): won.loc["network", "lr"],
        ("neighbours", "neighbours"): won.loc["neighbours", "neighbours"],
        ("neighbours", "reach"): won.loc["neighbours", "reach"],
    }


def test_the_page_says_what_was_tuned_and_is_drawn_again_from_its_tables(copied):
    page = copied.folder / "reports" / "budgets" / "README.md"
    text = page.read_text()
    section = text.partition("## What was tuned")[2].partition("##")[0]
    assert "Each cell that is tuned has a search of its own, all with the same budget: 4 trials of 2 seeds" in section
    assert "over those of these that its task has: learning rate from 0.1 to 30 times where its" in section
    assert "| cell | learning rate | neighbours | reach |" in section
    assert "| neighbours |  | " in section
    assert "Tuned for each cell, as far as its task has it: learning rate, neighbours, reach." in text
    before = page.read_bytes()
    page.unlink()
    assert report(copied).returncode == 0
    assert page.read_bytes() == before
    assert report(copied, "--check").returncode == 0


def test_what_is_done_is_not_run_again_and_all_of_it_is_reproduced(copied):
    assert "to train" not in copied.ok(what=FILE)
    assert "identical: 2 stacks" in copied.ok("--sample", "2", "--seed", "1", module="reproduce", what=FILE)
    trials = copied.ok("--sample", "8", "--seed", "1", module="reproduce", what=f"{FILE}-tuning")
    assert "identical: 8 stacks" in trials
    text = copied.ok(module="reproduce", what=f"{FILE}/full/learner=neighbours/trial=1")
    assert "identical: budgets/full/learner=neighbours/trial=1/" in text


def test_a_universe_is_tuned_as_the_reference_is(copied):
    output = copied.ok("--universes", "all", what=FILE)
    assert "trials before some of them" in output
    folder = copied.folder / "reports" / "budgets"
    trials = pd.read_csv(folder / "universes" / "tuning.csv")
    assert trials["cell"].unique().tolist() == ["network", "neighbours", "network noise=much", "neighbours noise=much"]
    reference = pd.read_csv(folder / "tuning.csv")
    same = trials[trials["noise"] == "little"].drop(columns="noise").reset_index(drop=True)
    pd.testing.assert_frame_equal(same, reference)
    page = (folder / "universes.md").read_text()
    assert "## What was tuned" in page
    assert report(copied).returncode == report(copied, "--check").returncode == 0


def test_a_search_goes_on_after_it_was_stopped_in_its_middle(finished, tmp_path):
    study = written(tmp_path, "SLOW = 0.0", "SLOW = 0.4")
    places = ["--store", "store", "--reports", "reports", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "research.study", FILE, *places],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with process:
        assert any("neighbours trial=" in line for line in process.stdout)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    text = study.ok("--plan", what=FILE)
    left = int(text.partition(" trials of searches")[0].split()[-1])
    assert 0 < left < 8
    study.ok(what=FILE)
    own, others = (pd.read_csv(place / "reports" / "budgets" / "tuning.csv") for place in (tmp_path, finished.folder))
    pd.testing.assert_frame_equal(own, others)


def test_a_trial_that_was_changed_in_the_published_table_is_refused(copied):
    path = copied.folder / "reports" / "budgets" / "tuning.csv"
    path.write_text(path.read_text().replace("True", "False"))
    done = report(copied)
    assert done.returncode == 2
    assert "tuning.csv: is not what was exported" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{"lr": (0.1, 30.0), ', "{", "what configure() gives cannot be tuned: none of neighbours, reach is a number "
         "of TrainConfig; there are "),
        ('"neighbours": (0.1, 4.0), "reach": (0.1, 10.0)', '"neighbors": (0.1, 4.0)', "cannot be tuned: none of lr, "
         "neighbors is a number of Neighbours; there are neighbours, noise, reach"),
        ('"reach": (0.1, 10.0)', '"raech": (0.1, 10.0)', "budgets: tuning names 'raech', which no tuned cell has; "
         "they have lr, neighbours"),
        ("Neighbours(8,", "Neighbours(0,", "its neighbours is 0, which no multiple changes"),
        ("Neighbours(8,", "Neighbours(-8,", "its neighbours is -8, and whole numbers are tuned from 1 on"),
        ('"neighbours": (0.1, 4.0)', '"neighbours": (0.99, 1.04)', "0.99 and 1.04 times its neighbours, 8, are one"),
        ('return ("validation_rmse",)', "return ()", "cannot be tuned by validation_rmse: its validated metrics are"),
        ('{"validation_rmse": Metric(), "steady', '{"steady', "by validation_rmse: its validated metrics are none"),
        ('"lr": (0.1', '"noise": (0.1, 9.0), "lr": (0.1', "factor 'noise' needs another name: the table of trials"),
        ('"lr": (0.1', '"value": (0.1, 9.0), "lr": (0.1', "tuned field 'value' needs another name"),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned_is_one_line(tmp_path, old, new, message):
    done = written(tmp_path, old, new).run("--plan", what=FILE)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line


def test_the_ranges_of_another_kind_of_task_are_no_part_of_what_a_cell_is(finished, tmp_path):
    def identities(study):
        text = study.ok("--plan", what=FILE)
        assert "trials" in text
        code = (
            "from research.design.study_files import load_study; from research.design.plan import make_plan\n"
            "import json\nprint(json.dumps({c.name: c.identity for c in make_plan(load_study('budgets.py')).cells}))"
        )
        return json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=study.folder))

    first = identities(written(tmp_path))
    other = identities(written(tmp_path, '"reach": (0.1, 10.0)', '"reach": (0.1, 9.0)'))
    assert first["network"] == other["network"]
    assert first["neighbours"] != other["neighbours"]
    assert json.loads(first["network"])["tuning"]["ranges"] == {"lr": [0.1, 30.0]}
