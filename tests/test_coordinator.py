"""What holds for a study with searches as a user runs it: any number of workers, killed, stopped, failed, run again."""

import itertools
import os
import re
import signal
import textwrap
from collections import Counter
from dataclasses import replace

import pytest
from conftest import Toy, processes_of, wait_until
from made_up import made_up_result
from test_design import TOY
from test_workers import kill

from research.design.plan import make_plan
from research.design.study import Tier
from research.design.tiers import TUNING_SEED
from research.record.state import State, state_of
from research.record.store import Store
from research.running import coordinator
from research.running.coordinator import Seldom, result_words

TRIALS, STACKS = 4 * 4, 10  # four tuned cells of four trials, ten cells of one stack


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The toy study in all its universes as one undisturbed run with two workers left it."""
    toy = Toy(tmp_path_factory.mktemp("searched")).write_universes()
    done = toy.run("--universes", "all", "--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    (toy.folder / "printed").write_text(done.stdout)
    return toy


@pytest.fixture
def unsearched(tmp_path):
    """The same before its first run."""
    return Toy(tmp_path).write_universes()


def universe_state(toy) -> State:
    return state_of(Store(toy.store), toy.plan(scope=("all",)))


def table(toy):
    """The exported table of the replicates of universes."""
    return (toy.folder / "reports" / "toy" / "universes" / "runs.csv").read_bytes()


def assert_same(toy, searched):
    """Hold a toy to the trials, winners and results of another, and to having none of them twice."""
    assert toy.trials() == searched.trials()
    assert toy.rates() == searched.rates()
    assert table(toy) == table(searched)
    replicates = [run for name in ("toy", "toy-universes") for run in toy.runs(name) if run.status == "FINISHED"
                  and run.tags["kind"] == "replicate"]  # fmt: skip
    assert set(Counter((run.tags["key"], run.tags["seed"]) for run in replicates).values()) == {1}
    assert set(toy.statuses()) <= {"FINISHED", "KILLED"}


def test_all_universes_are_trained_each_search_before_its_own_cell(searched):
    printed = (searched.folder / "printed").read_text()
    assert f"{STACKS} of {STACKS} stacks to train, {TRIALS} trials before some of them, 2 workers" in printed
    assert f"[{TRIALS + STACKS}/{TRIALS + STACKS}] " in printed
    lines = re.findall(r"^\[\d+/\d+\] (.+?) seeds (\d+)-", printed, re.MULTILINE)
    assert len(lines) == TRIALS + STACKS
    place = {name: number for number, (name, _) in enumerate(lines)}
    for name, first in lines:
        cell, is_trial, _ = name.partition(" trial=")
        assert (int(first) >= TUNING_SEED) == bool(is_trial)
        assert not is_trial or place[name] < place[cell]
    assert not re.search(r"\d h left", printed)
    assert re.search(r"tanh rate=tuned trial=0 seeds 1000000-1000001: validation loss \(nats\) \d\.\d{4}", printed)


def test_each_tuned_cell_is_trained_at_the_rate_that_was_best_on_the_validation_split(searched):
    trials, rates = searched.trials(), searched.rates()
    assert len(trials) == TRIALS
    tuned = [cell for cell in searched.plan(scope=("all",)).cells if cell.tuning]
    assert len(tuned) == 4
    for cell in tuned:
        own = [trials[f"{cell.name} trial={number}"] for number in range(4)]
        assert [rate for rate, _ in own[:3]] == [0.1, 0.01732, 0.5477]
        assert len({value for _, value in own}) == 4
        assert rates[cell.name] == {min(own, key=lambda trial: trial[1])[0]}
    assert rates["relu"] == rates["tanh horizon=4"] == {0.1}
    assert rates["relu rate=tenth"] == {0.1 * 0.1}


def test_trials_lie_in_an_experiment_of_their_own_and_nothing_of_them_is_exported(searched):
    assert {run.tags["kind"] for run in searched.runs("toy-tuning")} == {"trial"}
    for name, of_universes in (("toy", False), ("toy-universes", True)):
        runs = searched.runs(name)
        assert {run.tags["kind"] for run in runs} == {"cell", "replicate"}
        assert {run.tags["universe"] == "reference" for run in runs} == {not of_universes}
        assert all(int(run.tags["seed"]) < TUNING_SEED for run in runs if run.tags["kind"] == "replicate")
    head, *rows = table(searched).decode().splitlines()
    assert head.startswith("cell,activation,rate,horizon,seed,")
    assert len(rows) == STACKS * 3
    assert "trial" not in table(searched).decode()
    assert "1000000" not in table(searched).decode()


def test_run_again_a_finished_search_trains_nothing_and_changes_nothing(searched):
    before, exported = searched.digest(), table(searched)
    done = searched.run("--universes", "all")
    assert (done.returncode, done.stderr) == (0, "")
    assert "to train" not in done.stdout
    assert (searched.digest(), table(searched)) == (before, exported)
    plan = searched.run("--universes", "all", "--plan").stdout
    assert f"{STACKS} stacks, {STACKS} done, 0 failed, 0 to run\n" in plan
    assert "trials of searches" not in plan


def test_one_worker_finds_what_two_find(searched, unsearched):
    done = unsearched.run("--universes", "all", "--workers", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert_same(unsearched, searched)
    assert set(unsearched.statuses()) == {"FINISHED"}


# With its first run the first trial is half recorded, with the seventh some batches are, with the last all trials.
@pytest.mark.parametrize("moment", [7, TRIALS])
def test_killed_amid_its_searches_a_study_resumes_to_the_same_winners_and_tables(searched, unsearched, moment):
    with unsearched.start("--universes", "all", "--workers", "2") as process:
        wait_until(lambda: unsearched.num_tried() >= moment, process=process)
        kill(process)
    left = universe_state(unsearched)
    assert moment - 1 <= len(left.trials) <= TRIALS
    assert len(left.done) < STACKS
    resumed = unsearched.run("--universes", "all", "--workers", "2" if moment > 1 else "1")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    to_do = f"{STACKS - len(left.done)} of {STACKS} stacks to train"
    if to_try := TRIALS - len(left.trials):
        to_do += f", {to_try} trial{'s' * (to_try > 1)} before some of them"
    assert f"{to_do}, " in resumed.stdout
    after = universe_state(unsearched)
    assert left.done.items() <= after.done.items()
    assert {key: run.id for key, run in left.trials.items()}.items() <= {
        key: run.id for key, run in after.trials.items()
    }.items()
    assert_same(unsearched, searched)


def test_stopped_in_a_search_it_says_how_to_go_on_and_leaves_nothing_half_done(unsearched):
    with unsearched.start("--universes", "rate=tuned", "--workers", "2") as process:
        wait_until(lambda: "trial=" in unsearched.printed(), process=process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 130
        wait_until(lambda: not processes_of(process.pid), seconds=10)
    assert unsearched.printed("stderr").strip() == (
        "stopped; what is finished is recorded: run the same command again to go on"
    )
    assert set(unsearched.statuses()) == {"FINISHED"}
    done = len(unsearched.trials())
    assert 1 <= done < 8
    shown = unsearched.run("--universes", "rate=tuned", "--plan").stdout
    assert "2 stacks, 0 done, 0 failed, 2 to run" in shown
    assert f"{8 - done} trials of searches come before them" in shown


def test_redo_tries_its_cells_again_and_no_others(searched, tmp_path):
    toy = searched.copy(tmp_path / "copy")
    before = {key: run.id for key, run in universe_state(toy).trials.items()}
    only = ("--universes", "rate=tuned", "--only", "activation=relu")
    done = toy.run(*only, "--redo", "--workers", "2", reports=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 of 1 stacks to train, 4 trials before some of them" in done.stdout
    after = {key: run.id for key, run in universe_state(toy).trials.items()}
    assert {key for key in before if before[key] != after[key]} == {
        f"toy/full/activation=relu/rate=tuned/trial={number}" for number in range(4)
    }
    assert (toy.trials(), toy.rates()) == (searched.trials(), searched.rates())


def test_a_trial_that_cannot_be_trained_costs_its_own_cell_and_no_other(unsearched):
    unsearched.file.write_text(
        textwrap.dedent("""
            from research.design.study import Factor, Study, Tier, Tuning
            from research.training.config import TrainConfig

            def configure(case: str, rate: str) -> TrainConfig:
                width = 10**14 if case == "endless" else 8  # more than any machine can address
                return TrainConfig("digits", width=width, epochs=1, lr=0.01 if rate == "tenth" else 0.1)

            STUDY = Study(
                "toy", "What fails?", "nowhere", configure, Factor("case", ("good", "endless")), (),
                {"full": Tier(seeds=1)}, ("test_accuracy",), choices=(Factor("rate", ("customary", "tenth", "tuned")),),
                tuning=Tuning({"lr": (0.1, 10.0)}, "validation_loss", "minimize", budget=3, at_once=2, seeds=1),
            )
        """)
    )
    done = unsearched.run("--universes", "rate=tuned", "--workers", "1")
    assert done.returncode == 1
    endless = "failed: toy/full/case=endless/rate=tuned"
    assert [line.partition(" Unable")[0] for line in done.stderr.splitlines()] == [
        f"{endless}/trial=0/seeds=1000000-1000000: MemoryError:",
        f"{endless}/seeds=0-0: trial 0 of its search failed",
        f"{endless}/trial=1/seeds=1000000-1000000: MemoryError:",
        "3 stacks failed; the same command tries again",
    ]
    assert sorted(unsearched.trials()) == [f"good rate=tuned trial={number}" for number in range(3)]
    assert list(unsearched.rates()) == ["good rate=tuned"]
    assert Counter(run.status for run in unsearched.runs("toy-tuning")) == {"FINISHED": 3, "FAILED": 2}
    assert "RUNNING" not in unsearched.statuses()
    planned = unsearched.run("--universes", "rate=tuned", "--plan").stdout
    assert "rate=tuned  1 of 2 stacks  failed: trial 0 of its search failed: MemoryError: Unable" in planned
    assert "2 stacks, 1 done, 1 failed, 1 to run" in planned


def test_the_same_command_with_another_configuration_is_refused_and_leaves_the_record_as_it_is(searched, tmp_path):
    toy = searched.copy(tmp_path / "copy").write_universes(lr=0.2)
    before = toy.digest()
    done = toy.run("--universes", "all")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(
        r"\Aerror: toy/full/.*\(lr: recorded with 0\.\d+, now 0\.\d+\); undo the change, .*\n\Z", done.stderr
    )
    assert toy.digest() == before


def test_the_line_of_a_stack_is_about_the_seeds_that_are_asked_for_as_the_table_is():
    study = replace(TOY, tiers={"full": Tier(seeds=10, first_seed=100)})
    result = made_up_result(tuple(range(100, 110)))
    task = study.tasks[0]
    assert result_words(make_plan(study), task, result) == "test accuracy 105.0000"
    assert result_words(make_plan(study, num_seeds=3), task, result) == "test accuracy 101.5000"


def test_a_range_whose_end_is_best_is_widened_once_while_it_runs_and_not_when_it_is_run_again(unsearched):
    unsearched.write_universes(lr=0.001)  # where digits are learnt the sooner the higher the rate
    text = unsearched.file.read_text().replace("(0.03, 30.0)", "(0.5, 1.0)")
    unsearched.file.write_text(text.replace("seeds=2)", "seeds=2, widen=True)"))
    options = ("--universes", "rate=tuned", "--workers", "2")
    done = unsearched.run(*options)
    assert (done.returncode, done.stderr) == (0, "")
    trials = unsearched.trials()
    assert set(Counter(name.rpartition(" ")[0] for name in trials).values()) == {4 + 3}
    tried = {float(rate) for rate, _ in trials.values()}
    assert max(tried) == pytest.approx(0.01)
    assert set().union(*unsearched.rates().values()) == {0.01}
    again = unsearched.run(*options)
    assert (again.returncode, again.stderr) == (0, "")
    assert unsearched.trials() == trials


def test_news_are_asked_for_seldom_the_more_seldom_the_longer_that_takes(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(coordinator, "monotonic", lambda: clock[0])

    def ask():
        clock[0] += 1.0
        return ["news"]

    seldom, heard = Seldom(ask), []
    for _ in range(300):
        clock[0] += 0.5
        heard += [clock[0]] * len(seldom())
    assert heard[0] == 5.0
    assert all(after - before >= 50 for before, after in itertools.pairwise(heard))
    assert len(heard) == 3
