"""The published trials of searches are checked, and a finding says which cells were searched but are not tuned."""

from dataclasses import replace

import pandas as pd
import pytest
from made_up import sign, write_table, write_tables, write_universes
from test_read_universes import STUDY, by_init

from research.design.errors import UserError
from research.design.study import Factor
from research.publishing.results import read_published, read_universes
from research.publishing.tables import TABLES, TRIALS, UNIVERSE_TABLES


@pytest.fixture
def folder(tmp_path):
    return write_universes(STUDY, tmp_path / "toy", test_accuracy=by_init)


def test_a_winner_at_the_edge_of_its_range_is_said_in_the_finding(folder):
    path = folder / "universes" / "tuning.csv"
    trials = pd.read_csv(path)
    trials.loc[(trials["cell"] == "relu depth=1 rate=tuned") & trials["winner"], "lr"] = 2.9
    write_table(path, trials)
    sign(folder / "universes", UNIVERSE_TABLES)
    universes = read_universes(STUDY, folder)
    assert universes.trials.edges == {"relu depth=1 rate=tuned": {"lr": "high"}}
    *others, tuned = (point.finding.reason for point in universes.across.claims[0].points)
    assert tuned.endswith("; not tuned: lr of relu depth=1 rate=tuned (high end)")
    assert all("not tuned" not in reason for reason in others)


def rewritten(folder, change):
    """The universes with the rows of one search changed."""
    path = folder / "universes" / "tuning.csv"
    write_table(path, change(pd.read_csv(path)))
    sign(folder / "universes", UNIVERSE_TABLES)


def test_a_winner_that_does_not_stand_out_is_said_in_the_finding(folder):
    assert read_universes(STUDY, folder).trials.plateaus == frozenset()  # nothing says how the seeds scatter

    def with_scatter(trials):
        better = (trials["cell"] != "relu depth=1 rate=tuned") & trials["winner"]
        return trials.assign(scatter=0.1, value=trials["value"].where(~better, 0.5))

    rewritten(folder, with_scatter)
    universes = read_universes(STUDY, folder)
    assert universes.trials.plateaus == {"relu depth=1 rate=tuned"}
    *others, tuned = (point.finding.reason for point in universes.across.claims[0].points)
    assert tuned.endswith("; not tuned: relu depth=1 rate=tuned (no better than most of what was tried)")
    assert all("not tuned" not in reason for reason in others)


def test_a_search_that_widens_has_its_trials_beyond_the_edge_and_is_judged_by_the_wider_range(tmp_path):
    study = replace(STUDY, tuning=replace(STUDY.tuning, widen=True))
    folder = write_universes(study, tmp_path / "toy", test_accuracy=by_init)
    assert read_universes(study, folder).trials.edges == {}
    at_the_end, name = 0.1 * STUDY.tuning.ranges["lr"][1], "relu depth=1 rate=tuned"

    def to_the_edge(trials):
        trials = trials.astype({"value": float})
        trials.loc[(trials["cell"] == name) & trials["winner"], ["lr", "value"]] = at_the_end, 0.5
        return trials

    rewritten(folder, to_the_edge)
    with pytest.raises(UserError, match=f"{name} has not 7 trials with one winner"):
        read_universes(study, folder)

    def beyond(trials):
        last = trials[trials["cell"] == name].iloc[-1]
        more = [{**last, "trial": 4 + k, "lr": at_the_end * 10 ** ((k + 1) / 3), "value": 0.6} for k in range(3)]
        return pd.concat([trials, pd.DataFrame(more).assign(winner=False)], ignore_index=True)

    rewritten(folder, beyond)
    assert read_universes(study, folder).trials.edges == {}  # the old end is amid the new range

    def best_is_last(trials):
        rows = trials["cell"] == name
        return trials.assign(winner=trials["winner"].where(~rows, trials["trial"] == 6))

    rewritten(folder, best_is_last)
    assert read_universes(study, folder).trials.edges == {name: {"lr": "high"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda trials: trials.drop(columns="winner"), "has no column 'winner'"),
        (lambda trials: trials.drop(columns="lr"), "has no column 'lr'"),
        (lambda trials: trials[trials["cell"] != "relu depth=1 rate=tuned"], "relu depth=1 rate=tuned"),
        (lambda trials: trials[trials["trial"] > 0], "has not 4 trials with one winner"),
        (lambda trials: trials.assign(winner=True), "has not 4 trials with one winner"),
    ],
)
def test_trials_that_no_search_writes_are_refused(folder, change, message):
    path = folder / "universes" / "tuning.csv"
    write_table(path, change(pd.read_csv(path)))
    sign(folder / "universes", UNIVERSE_TABLES)
    with pytest.raises(UserError, match=message):
        read_universes(STUDY, folder)


REFERENCE = replace(STUDY, choices=(STUDY.choices[0], Factor("rate", ("tuned", "customary", "tenth"))),
                    universes=({"init": "he"}, {"rate": "tenth"}), main_effects=())  # fmt: skip


def changed_reference(folder, change):
    """The tables of a tuned reference, with those of its trials changed."""
    write_table(folder / TRIALS, change(pd.read_csv(folder / TRIALS)))
    sign(folder, (*TABLES, TRIALS))


def test_a_tuned_reference_has_its_trials_beside_its_tables_and_its_findings_say_what_is_not_tuned(tmp_path):
    folder = write_tables(REFERENCE, tmp_path / "toy")
    found = read_published(REFERENCE, folder)
    assert (len(found.trials.table), found.trials.edges, found.trials.plateaus) == (4 * 4, {}, frozenset())
    assert "not tuned" not in found.judgement.claims[0].reason

    def at_the_end(trials):
        trials.loc[(trials["cell"] == "relu depth=1") & trials["winner"], "lr"] = 2.9
        return trials.assign(scatter=0.1, value=trials["value"].where(trials["cell"] == "relu depth=1", 0.5))

    changed_reference(folder, at_the_end)
    found = read_published(REFERENCE, folder)
    assert found.judgement.claims[0].reason.endswith(
        "; not tuned: lr of relu depth=1 (high end), relu depth=1 (no better than most of what was tried)"
    )
    assert found.trials.edges == {"relu depth=1": {"lr": "high"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda trials: trials.drop(columns="winner"), "tuning.csv: has no column 'winner'"),
        (lambda trials: trials[trials["trial"] > 0], "tuning.csv: tanh depth=1 has not 4 trials with one winner"),
        (lambda trials: trials.assign(lr=-1.0), "tuning.csv: has in column 'lr' what no search tries"),
    ],
)
def test_trials_of_a_reference_are_checked_as_those_of_universes(tmp_path, change, message):
    folder = write_tables(REFERENCE, tmp_path / "toy")
    changed_reference(folder, change)
    with pytest.raises(UserError, match=message):
        read_published(REFERENCE, folder)


def test_a_tuned_reference_without_its_trials_is_refused_and_others_have_none(tmp_path):
    folder = write_tables(REFERENCE, tmp_path / "toy")
    (folder / TRIALS).unlink()
    with pytest.raises(UserError, match=r"tuning.csv: cannot be read"):
        read_published(REFERENCE, folder)
    found = read_published(STUDY, write_tables(STUDY, tmp_path / "other"))
    assert found.trials.table.empty
    assert not (tmp_path / "other" / TRIALS).exists()
