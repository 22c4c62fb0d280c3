"""What holds for the recorded trials of searches."""

import math
from dataclasses import replace

from test_searches import CELL, PLAN, STUDY, WANTED, cell_with, finish, recorded, result_of, waiting

from research.design.plan import in_one_pass, make_plan
from research.record.recorder import Recorder
from research.record.search_trials import as_won, trials_to_come
from research.record.state import read_runs
from research.record.store import Store
from research.running.searches import Searches


def test_what_a_search_costs_is_all_of_its_trials_and_its_cell_beside_one_that_starts_alike():
    """Before they are known, all trials have the configuration of their cell, and this that of the reference."""
    trials = trials_to_come(CELL, {})
    assert [len(group) for group in in_one_pass(trials)] == [1] * 8
    assert len(trials_to_come(cell_with(budget=3), {})) == 3
    untuned = replace(CELL, tuning=None, universe={})
    alike = [replace(PLAN.stacks[0], cell=cell) for cell in (CELL, untuned)]
    assert [group[0].cell.tuning for group in in_one_pass(alike)] == [CELL.tuning, None]


def test_a_trial_whose_value_is_infinite_is_read_back_as_such(tmp_path):
    recorder = Recorder(Store(tmp_path), PLAN)
    (stack, *_) = Searches(waiting(), {}).first()
    recorder.write_trial(stack, result_of((math.nan, 1.0)), WANTED, math.inf)
    (run,) = recorded(Store(tmp_path)).values()
    searches = Searches(waiting(), {stack.cell.key: run})
    assert searches.first()[0].cell.trial == 1
    assert searches.known[stack.cell.key] == math.inf


def test_the_run_of_a_tuned_cell_shows_the_setting_that_won_however_it_was_summed_up(tmp_path):
    store = Store(tmp_path / "store")
    recorder = Recorder(store, PLAN)
    trials, own = finish(Searches(waiting(), {}))
    for stack, value in trials.values():
        recorder.write_trial(stack, result_of((value, value)), WANTED, value)
    for stack in own:
        result = result_of([1.0] * len(stack.seeds))
        pairs = zip(result.replicates, stack.seeds, strict=True)
        recorder.write_stack(stack, replace(result, replicates=tuple(replace(one, seed=seed) for one, seed in pairs)))
    fewer = make_plan(STUDY, scope=("rate=tuned",), num_seeds=2)
    Recorder(store, fewer)  # sums the cells up anew, from the record alone
    for cell in fewer.cells:
        runs = [run for run in read_runs(store, *fewer.experiments) if run.tags["key"] == cell.key]
        assert {run.tags["kind"] for run in runs} == {"cell", "replicate"}
        marks = ",".join("?" * len(runs))
        found = store.query(
            f"SELECT value FROM params WHERE key = 'lr' AND run_uuid IN ({marks})", tuple(run.id for run in runs)
        )
        assert {float(value) for (value,) in found} == {as_won(cell, recorded(store, fewer)).task.lr} != {0.1}
