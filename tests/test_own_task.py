"""A study of another kind, in a folder of its own outside the repository: one file from claim to verdict."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUDY = '''
"""Does a walk of many steps end further away?"""

from dataclasses import dataclass

from beside import moved

from research.design.streams import stream
from research.design.study import Claim, Factor, Metric, Number, Replicate, Study, Task, Tier

DISTANCE = Metric(promised=True, label="way from the start", meaning="as the crow flies", unit="m")


@dataclass(frozen=True)
class Walk(Task):
    """A random walk on the line."""

    steps: int
    drift: float = 0.0

    def gives(self):
        return {"distance": DISTANCE, "turns": Metric(), "path": Metric(by="place")}

    def run(self, seeds, report):
        for done, seed in enumerate(seeds, 1):
            walk = moved(stream(seed, "walk").choice([-1, 1], self.steps), self.drift)
            places = tuple(enumerate(abs(walk[:: max(1, self.steps // 4)]).tolist()))
            turns = float((walk[1:] == walk[:-1]).sum())
            yield Replicate(seed, {"distance": float(abs(walk[-1])), "turns": turns}, {}, {"path": places})
            report(done / len(seeds))


def configure(steps, drift):
    return Walk(steps, {"none": 0.0, "some": 0.5}[drift])


def figures(tables):
    from matplotlib import pyplot as plt

    from research.publishing.figures import draw_against, place_legend

    figure, ax = plt.subplots()
    ax.scatter(tables.runs["steps"], tables.runs["distance"])
    draw_against(ax, STUDY, tables.runs, "steps", "distance", "steps", STUDY.arms.levels)
    place_legend(figure, STUDY.arms, STUDY.arms.levels, marked=True)
    return {"distances": figure}


CAPTIONS = {"distances": "How far the walks went."}
STUDY = Study(
    name="walk",
    question="Does a walk of many steps end further away?",
    passage="B 1",
    configure=configure,
    arms=Factor("steps", (16, 1600), "length of the walk", words={16: "short", 1600: "long"}),
    blocks=(),
    choices=(Factor("drift", ("none", "some"), "weather", "in {} weather", {"none": "calm"}, {"some": "windy"}),),
    universes=({"drift": "some"},),
    tiers={"full": Tier(seeds=30), "quick": Tier(seeds=5)},
    headline=("distance",),
    claims=(
        Claim(
            "further", "The longer walk ends further away.", "B 1", "most",
            Number("distance", (1600, 16), {}, "difference", "only"), above=0.0,
        ),
        Claim("near", "The short walk stays near.", "B 1", "most", Number("distance", (16,), {}, "only", "only"),
              below=5.0),
    ),
)
'''
STUDY_COMMAND = (sys.executable, "-m", "research.study", "walk.py")
BESIDE = "def moved(steps, drift):\n    return (steps + drift).cumsum()\n"


class Walk:
    """The file in a folder of its own, with a store and reports."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "walk.py"
        self.file.write_text(STUDY)
        (folder / "beside.py").write_text(BESIDE)

    def run(self, *options, module="study", what="walk.py"):
        places = ["--store", "store"] + ([] if module == "reproduce" else ["--reports", "reports"])
        command = [sys.executable, "-m", f"research.{module}", what, *places, *options]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300)

    def ok(self, *options, **more) -> str:
        done = self.run(*options, **more)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def edit(self, old, new, file="walk.py") -> None:
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    walk = Walk(tmp_path_factory.mktemp("walks"))
    walk.output = walk.ok()
    return walk


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "walks")
    copy = Walk.__new__(Walk)
    copy.folder, copy.file = tmp_path / "walks", tmp_path / "walks" / "walk.py"
    return copy


def test_it_runs_and_gives_a_verdict_and_a_page(finished):
    assert "supported" in finished.output
    page = (finished.folder / "reports" / "walk" / "README.md").read_text()
    assert "✔ supported" in page
    assert "The longer walk ends further away" in page
    assert "How far the walks went." in page
    assert (finished.folder / "reports" / "walk" / "distances.svg").read_text().startswith("<?xml")
    runs = (finished.folder / "reports" / "walk" / "runs.csv").read_text().splitlines()
    assert runs[0] == "cell,steps,seed,distance,diverged_step,turns"
    assert len(runs) == 1 + 2 * 30
    profiles = (finished.folder / "reports" / "walk" / "profiles.csv").read_text().splitlines()
    assert profiles[0] == "steps,seed,place,path"


def test_the_same_command_runs_nothing_again(copied):
    assert "to train" not in copied.ok()
    assert "0 to run" in copied.ok("--plan")


def test_what_is_recorded_is_reproduced(copied):
    assert "identical" in copied.ok("--sample", "2", "--seed", "1", module="reproduce")


def test_its_page_is_drawn_again_from_its_tables(copied):
    page = copied.folder / "reports" / "walk" / "README.md"
    before = page.read_bytes()
    page.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "research.report", "walk.py", "--reports", "reports"],
        cwd=copied.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert page.read_bytes() == before


def test_universes_of_such_a_study_are_run_and_judged(copied):
    assert "Holds in all 2 universes." in copied.ok("--universes", "all")
    # What the file calls its factors, levels and metrics stands wherever people read of them.
    folder = copied.folder / "reports" / "walk"
    page, universes = ((folder / name).read_text() for name in ("README.md", "universes.md"))
    assert "- What is compared: length of the walk: short, long." in page
    assert "| way from the start of long minus that of short is above 0 in" in page
    assert "- Way from the start: as the crow flies." in page
    assert "The documents leave open weather (calm, some)." in page
    assert "| universe | weather | networks of its own |" in universes
    assert "Holds in calm weather; fails in windy weather." in page
    figures = [(folder / f"{name}.svg").read_text() for name in ("distances", "universes_claims")]
    for text, figure in (("length of the walk", 0), ("way from the start (m)", 0), ("short", 0), ("weather", 1),
                         ("calm", 1)):  # fmt: skip
        assert f"<!-- {text} -->" in figures[figure]


@pytest.mark.parametrize(
    ("old", "new", "file"),
    [("self.drift)", "self.drift + 0.1)", "walk.py"), ("return (steps", "return 2 * (steps", "beside.py")],
)
def test_changed_code_is_noticed_and_what_is_harmless_can_be_declared_so(copied, old, new, file):
    copied.edit(old, new, file)
    done = copied.run()
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "another configuration (code: recorded with" in line
    then, now = (part.split("'")[1] for part in line.split("(code:")[1].split(", now"))
    copied.edit("    headline=", f"    same_as={{{now!r}: {then!r}}},\n    headline=")
    assert "0 to run" in copied.ok("--plan")
    assert "to train" not in copied.ok()
    copied.edit("self.steps // 4", "self.steps // 3")
    assert copied.run().returncode == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [('"""A random walk on the line."""', '"""A walk."""'), ("ends further away.", "goes further."),
     ("above=0.0", "above=1.0"), ("ax.scatter(", "ax.plot("), ('unit="m"', 'unit="km"'), ("short", "brief")],
)  # fmt: skip
def test_words_and_claims_may_change_without_running_anything_again(copied, old, new):
    copied.edit(old, new)
    assert "0 to run" in copied.ok("--plan")


def test_without_its_file_it_is_said_what_is_needed_and_a_store_of_others_runs_no_code(copied):
    done = copied.run("--sample", "1", module="reproduce", what="walk")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "its task Walk needs what " in line
    assert line.endswith("/walk.py defines; name that file, where it is now and as it was then: "
                         "python -m research.reproduce path/to/walk.py")  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"turns": turns}', '"turn": turns}', "seed 0: run() gives a metric 'turn', gives() names distance, path"),
        ("yield Replicate(seed,", "yield Replicate(seed + 1,", "Walk: run() gives results for the seeds [1, 2,"),
        ("float(abs(walk[-1]))", "float('nan')", "Walk: seed 0: distance is nan, though it is promised"),
        ("float(abs(walk[-1]))", "walk", "which is no number"),
    ],
)  # fmt: skip
def test_what_its_run_gives_wrongly_is_one_line_and_nothing_is_recorded(tmp_path, old, new, message):
    walk = Walk(tmp_path)
    walk.edit(old, new)
    done = walk.run("--tier", "quick")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line
    runs = sqlite3.connect(tmp_path / "store" / "mlflow.db").execute("SELECT status FROM runs").fetchall()
    assert ("FINISHED",) not in runs


def test_what_it_raises_is_a_failure_that_is_tried_again_and_the_others_go_on(tmp_path):
    walk = Walk(tmp_path)
    walk.edit("        for done, seed", "        if self.steps > 16:\n            1 / 0\n        for done, seed")
    done = walk.run("--tier", "quick")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    walk.edit("            1 / 0\n", "            pass\n")
    assert walk.run("--tier", "quick").returncode == 2  # the other cell is of other code
    assert "supported" in walk.run("--redo").stdout


def test_it_goes_on_after_a_kill(tmp_path):
    walk = Walk(tmp_path)
    walk.edit(
        "            walk = moved", "            import time\n            time.sleep(0.2)\n            walk = moved"
    )
    process = subprocess.Popen(
        [*STUDY_COMMAND, "--store", "store", "--reports", "reports", "--workers", "1"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    with process:
        assert any(line.startswith("[1/6]") for line in process.stdout)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    output = walk.ok()
    assert "5 of 6 stacks to train" in output or "4 of 6 stacks to train" in output
    assert "supported" in output


TIMED = '''
"""What a task that measures time is given."""

import time
from dataclasses import dataclass

from research.design.study import Factor, Metric, Replicate, Study, Task, Tier


@dataclass(frozen=True)
class Timed(Task):
    kind: str

    @property
    def runs_alone(self):
        return self.kind == "alone"

    @property
    def tolerance(self):
        return 0.5

    def gives(self):
        return {"began": Metric(), "ended": Metric()}

    def seeds_together(self, seeds):
        return 1

    def run(self, seeds, report):
        began = time.time()
        time.sleep(0.3)
        return [Replicate(seed, {"began": began, "ended": time.time()}) for seed in seeds]


STUDY = Study("timed", "?", "B 1", Timed, Factor("kind", ("alone", "beside")), (), {"full": Tier(seeds=4)}, ("began",))
'''


def test_what_runs_alone_has_nothing_beside_it_and_is_compared_within_its_tolerance(tmp_path):
    (tmp_path / "timed.py").write_text(TIMED)
    walk = Walk.__new__(Walk)
    walk.folder = tmp_path
    walk.ok("--workers", "2", what="timed.py")
    with sqlite3.connect(tmp_path / "store" / "mlflow.db") as database:
        rows = database.execute(
            "SELECT p.value, b.value, e.value FROM params p JOIN metrics b USING (run_uuid) JOIN metrics e USING "
            "(run_uuid) JOIN tags t USING (run_uuid) WHERE p.key = 'kind' AND b.key = 'began' AND e.key = 'ended' "
            "AND t.key = 'kind' AND t.value = 'replicate'"
        ).fetchall()
    database.close()
    assert len(rows) == 8
    spans = [(began, ended, kind) for kind, began, ended in rows]
    assert any(one[0] < other[1] and other[0] < one[1] for one in spans for other in spans if one is not other)
    for one in (span for span in spans if span[2] == "alone"):
        assert all(one[1] <= other[0] or other[1] <= one[0] for other in spans if other is not one)
    assert "the same within 50 %: 2 stacks" in walk.ok("--sample", "2", module="reproduce", what="timed.py")
