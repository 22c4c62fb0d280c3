"""The search for a cell's nuisance settings: what it asks for, when, and what it makes of the answers."""

import json
import math
import random
from dataclasses import replace

import optuna
import pytest
from test_design import CHOOSY, TUNING

from research.design.errors import UserError
from research.design.identity import identity
from research.design.plan import in_one_pass, make_plan
from research.design.task import Replicate, StackResult
from research.design.tiers import TUNING_SEED
from research.design.trials import at_edge, objective, trial_scatter, trial_stack, trial_value, tuned
from research.record.frames import read_frames, read_metrics
from research.record.optuna_studies import project_searches, search_space
from research.record.recorder import Recorder
from research.record.search_trials import as_won, trials_frame, trials_to_come
from research.record.state import finished_trials, read_runs, state_of
from research.record.store import Store
from research.running.searches import Search, Searches
from research.training.train import train_stack

STUDY = replace(CHOOSY, tuning=replace(TUNING, budget=8))
PLAN = make_plan(STUDY, scope=("rate=tuned",), num_seeds=3)
CELL = PLAN.cells[0]
WANTED = objective(STUDY.tuning)


def cell_with(**changes):
    """The first tuned cell, tuned in another way."""
    return replace(CELL, tuning=replace(STUDY.tuning, **changes))


def bowl(trial) -> float:
    """A loss that is least where the rate is 0.3, a little rough, so that no two trials have the same."""
    rate = trial.stack.cell.task.lr
    return math.log(rate / 0.3) ** 2 + 0.01 * math.sin(50 * rate)


def searched(cell, value=bowl) -> Search:
    """A search at its end."""
    search = Search(cell)
    while trials := search.ask():
        search.tell([value(trial) for trial in trials])
    return search


def rates(search) -> list[float]:
    return [trial.multiples["lr"] for trial in search.trials]


def result_of(values, name="validation_loss", device="cpu") -> StackResult:
    """What a stack of the tuning seeds came to, with these values at the end of a curve and as test loss."""
    replicates = tuple(
        Replicate(
            TUNING_SEED + place,
            {"test_accuracy": 0.1, "test_loss": value, "train_progress": 0.1},
            {name: ((0, 9.0), (1, value)), "train_loss": ((1, 5.0),), "backward_norm/layer_1": ((0, 1.0),)},
            {"test_profile": ((0, 1.0),)},
            "0" * 64,
        )
        for place, value in enumerate(values)
    )
    return StackResult(replicates, device, 1000.0, 1001.0)


def test_the_first_trials_are_what_configure_sets_and_half_way_to_either_end():
    assert rates(searched(CELL))[:3] == pytest.approx([1.0, 0.1**0.5, 10**0.5])
    uneven = searched(cell_with(ranges={"lr": (0.01, 4.0), "momentum": (1.0, 9.0)}))
    assert [tuple(trial.multiples.values()) for trial in uneven.trials[:3]] == [
        (1.0, 1.0), (pytest.approx(0.1), 1.0), (2.0, 3.0),
    ]  # fmt: skip
    assert [stack.cell.task.lr for stack in (trial.stack for trial in searched(CELL).trials[:3])] == [
        0.1, 0.03162, 0.3162,
    ]  # fmt: skip


def test_a_search_is_a_function_of_the_values_it_is_told():
    first, again = searched(CELL), searched(CELL)
    assert (first.trials, first.values) == (again.trials, again.values)
    assert len(set(rates(first))) == 8
    other = searched(CELL, lambda trial: -bowl(trial))
    assert rates(other)[:4] == rates(first)[:4]  # no batch is full of what depends on values before the third
    assert rates(other)[6:] != rates(first)[6:]
    elsewhere = searched(replace(CELL, levels={"activation": "relu", "depth": 2}))
    assert rates(elsewhere) == rates(first)  # each arm has the same chances


def test_every_search_spends_its_budget_and_no_more_a_batch_at_a_time():
    for budget, at_once, batches in ((8, 2, [2, 2, 2, 2]), (5, 3, [3, 2]), (1, 4, [1]), (3, 1, [1, 1, 1])):
        search, found = Search(cell_with(budget=budget, at_once=at_once)), []
        while trials := search.ask():
            found.append(len(trials))
            search.tell([bowl(trial) for trial in trials])
        assert found == batches
        assert [trial.number for trial in search.trials] == list(range(budget))
        assert search.ask() == []


def test_a_search_stays_within_its_ranges_and_looks_where_it_is_good():
    low, high = STUDY.tuning.ranges["lr"]
    search = searched(cell_with(budget=20))
    assert all(low <= rate <= high for rate in rates(search))
    assert search.winner.stack.cell.task.lr == pytest.approx(0.3, rel=0.2)
    assert search_space(CELL) == {"lr": optuna.distributions.FloatDistribution(low, high, log=True)}


def test_the_winner_is_the_best_trial_and_of_equal_ones_the_first():
    values = [0.5, 0.3, 0.9, 0.3, 0.9, 0.5, 0.4, 0.9]
    assert searched(CELL, lambda trial: values[trial.number]).winner.number == 1
    upwards = cell_with(direction="maximize", metric="validation_accuracy")
    assert searched(upwards, lambda trial: values[trial.number]).winner.number == 2
    assert searched(CELL, lambda trial: 1.0).winner.number == 0


@pytest.mark.parametrize(("direction", "worst"), [("minimize", math.inf), ("maximize", -math.inf)])
def test_a_trial_of_which_a_seed_came_to_nothing_is_the_worst_and_never_wins(direction, worst):
    tuning = replace(STUDY.tuning, direction=direction)
    assert trial_value(tuning, result_of((0.5, 0.25))) == 0.375
    assert trial_value(tuning, result_of((0.5, math.nan))) == worst
    assert trial_value(tuning, result_of((math.inf, 0.5))) == worst
    lost = searched(cell_with(direction=direction), lambda trial: worst if trial.number < 7 else 0.5)
    assert lost.winner.number == 7
    assert searched(cell_with(direction=direction), lambda trial: worst).winner.number == 0


def test_a_trial_is_the_mean_over_its_seeds_of_the_last_of_a_curve_or_of_a_metric():
    assert trial_value(STUDY.tuning, result_of((1.0, 2.0))) == 1.5
    accuracy = replace(STUDY.tuning, metric="validation_accuracy", direction="maximize")
    assert trial_value(accuracy, result_of((0.5, 1.0), "validation_accuracy")) == 0.75
    steps = replace(STUDY.tuning, metric="steps_to_target")
    result = result_of((0.5, 1.0))
    counted = [
        replace(each, metrics={"steps_to_target": n}) for each, n in zip(result.replicates, (60, 20), strict=True)
    ]
    assert trial_value(steps, replace(result, replicates=tuple(counted))) == 40


def test_the_scatter_of_a_trial_is_that_of_its_seeds():
    assert trial_scatter(STUDY.tuning, result_of((1.0, 2.0, 3.0))) == 1
    for nothing in ((1.0,), (1.0, math.nan), (math.inf, 1.0)):
        assert math.isnan(trial_scatter(STUDY.tuning, result_of(nothing)))


def test_a_really_diverged_trial_is_the_worst():
    wild = trial_stack(CELL, 0, {"lr": 1e38})
    short = replace(wild.cell.task, epochs=1, width=4)
    assert trial_value(STUDY.tuning, train_stack(short, wild.seeds)) == math.inf


WIDENING = replace(STUDY, tuning=replace(STUDY.tuning, widen=True))


def rising(trial) -> float:
    """A loss that falls with the rate, so that the best lies at the high end."""
    return -math.log(trial.stack.cell.task.lr)


def test_a_search_whose_best_lies_at_an_edge_goes_on_beyond_it_once_with_three_trials():
    cell = replace(CELL, tuning=WIDENING.tuning)
    before, search = searched(CELL, rising), searched(cell, rising)
    assert (len(before.trials), len(search.trials)) == (8, 11)
    assert search.trials[:8] == [
        replace(trial, stack=trial_stack(cell, trial.number, trial.multiples)) for trial in before.trials
    ]
    assert rates(search)[8:] == pytest.approx([10 * 10 ** (1 / 3), 10 * 10 ** (2 / 3), 100])
    assert search.winner.number == 10
    assert [trial.number for trial in search.trials] == list(range(11))
    downwards = searched(cell, lambda trial: -rising(trial))
    assert rates(downwards)[8:] == pytest.approx([0.1 * 10 ** (-1 / 3), 0.1 * 10 ** (-2 / 3), 0.01])
    assert len(searched(cell).trials) == 8  # its best lies within


def test_what_does_not_lie_at_an_edge_stays_as_the_best_trial_has_it():
    cell = cell_with(ranges={"lr": (0.1, 10.0), "momentum": (0.5, 1.9)}, widen=True)
    cell = replace(cell, task=replace(cell.task, momentum=0.5))
    search = searched(cell, lambda trial: rising(trial) + 9 * (trial.stack.cell.task.momentum - 0.5) ** 2)
    best = min(search.trials[:8], key=lambda trial: search.values[trial.number])
    assert at_edge(cell, {"lr": best.stack.cell.task.lr, "momentum": best.stack.cell.task.momentum}) == {"lr": "high"}
    assert len(search.trials) == 11
    assert {trial.stack.cell.task.momentum for trial in search.trials[8:]} == {best.stack.cell.task.momentum}


def test_how_a_search_widens_is_part_of_what_its_cell_is_and_not_widening_is_as_before():
    assert '"widen"' not in CELL.identity
    wider = make_plan(WIDENING, scope=("rate=tuned",), num_seeds=3).cells[0]
    assert wider.fingerprint != CELL.fingerprint


def test_a_multiple_beyond_an_edge_must_be_a_configuration_too():
    def to_target(**levels):
        return replace(STUDY.configure(**levels), target_accuracy=0.5)

    tuning = replace(WIDENING.tuning, ranges={"target_accuracy": (0.5, 1.9)})
    study = replace(WIDENING, configure=to_target, tuning=replace(tuning, widen=False))
    make_plan(study, scope=("rate=tuned",))
    with pytest.raises(UserError, match=r"cannot be tuned to 19 times its target_accuracy"):
        replace(study, tuning=replace(tuning, widen=True))


def falls(stack):
    """The same as `rising`, of a stack."""
    return rising(Told(stack))


def test_a_widened_search_is_recorded_resumed_and_shown(tmp_path):
    plan = make_plan(WIDENING, scope=("rate=tuned",), num_seeds=3, only={"activation": ("tanh",), "depth": ("1",)})
    store, (cell,) = Store(tmp_path), plan.cells
    assert len(trials_to_come(cell, {})) == 8
    for known in (0, 5, 8, 10):  # killed after so many trials, and again
        searches = Searches(plan.stacks, recorded(store, plan))
        to_do, recorder = searches.first(), Recorder(store, plan)
        done = len(recorded(store, plan))
        while to_do and to_do[0].cell.trial is not None and done < known:
            stack = to_do.pop(0)
            value = falls(stack)
            recorder.write_trial(stack, result_of((value - 0.1, value + 0.1)), WANTED, value, 0.2)
            to_do += searches.told(stack, value)
            done += 1
        left = trials_to_come(cell, recorded(store, plan))
        assert [stack.cell.trial for stack in left] == list(range(done, 8 if done < 8 else 11))
        assert as_won(cell, recorded(store, plan)) == cell
    (stack,) = Searches(plan.stacks, recorded(store, plan)).first()
    assert stack.cell.trial == 10
    recorder.write_trial(stack, result_of((-9.0, -9.0)), WANTED, -9.0, 0.0)
    runs = recorded(store, plan)
    assert trials_to_come(cell, runs) == []
    assert [each.cell.task.lr for each in Searches(plan.stacks, runs).first()] == [10.0]
    assert as_won(cell, runs).task.lr == 10.0
    frame = trials_frame(plan, runs)
    assert frame["winner"].tolist() == [False] * 10 + [True]
    assert frame["scatter"].tolist() == [0.2] * 10 + [0.0]
    project_searches(store, plan, runs)
    shown = optuna.load_study(study_name=cell.key, storage=store.optuna_uri)
    assert [trial.value for trial in shown.trials] == frame["value"].tolist()
    assert shown.best_trial.params["lr"] == pytest.approx(100)


def test_a_tuned_cell_is_the_same_cell_with_its_fields_multiplied_to_four_digits():
    found = tuned(CELL, {"lr": 1.23456789})
    assert found.task == replace(CELL.task, lr=0.1235)
    assert (found.key, found.fingerprint, found.tuning) == (CELL.key, CELL.fingerprint, CELL.tuning)
    assert tuned(CELL, {}) == CELL


def test_a_trial_trains_seeds_that_no_result_is_of_under_a_key_and_fingerprint_of_its_own():
    stack = trial_stack(CELL, 4, {"lr": 2.0})
    assert stack.cell.key == f"{CELL.key}/trial=4" == "toy/full/activation=tanh/depth=1/rate=tuned/trial=4"
    assert stack.cell.name == "tanh depth=1 rate=tuned trial=4"
    assert stack.cell.experiment == "toy-tuning"
    assert stack.cell.task == replace(CELL.task, lr=0.2)
    assert stack.cell.identity == identity(stack.cell.task, 2, STUDY.revision)
    assert (stack.seeds, stack.cell.stack_size, stack.cell.tuning) == ((10**6, 10**6 + 1), 2, None)
    for scope in (("reference",), ("all",)):
        reporting = {seed for stack in make_plan(STUDY, num_seeds=500, scope=scope).stacks for seed in stack.seeds}
        assert not reporting & set(stack.seeds)


def waiting(plan=PLAN):
    return list(plan.stacks)


def finish(searches, seed=0):
    """Let all that the searches ask for be done, in any order: by key the trials with their values, and the cells' own
    stacks."""
    to_do, trials, own, order = searches.first(), {}, [], random.Random(seed)
    while to_do:
        stack = to_do.pop(order.randrange(len(to_do)))
        if stack.cell.trial is None:
            own.append(stack)
            continue
        trials[stack.cell.key] = stack, bowl(Told(stack))
        to_do += searches.told(*trials[stack.cell.key])
    return trials, own


class Told:
    """A trial as `bowl` looks at it."""

    def __init__(self, stack):
        self.stack = stack


def test_first_trials_of_cells_that_differ_in_their_horizon_alone_train_in_one_pass():
    longer = replace(CELL, task=replace(CELL.task, epochs=9), universe={"rate": "tuned", "horizon": 9})
    stacks = [trial.stack for cell in (CELL, longer) for trial in Search(cell).ask()]
    assert [[stack.cell.task.epochs for stack in group] for group in in_one_pass(stacks)] == [[9, 5], [9, 5]]


def test_in_whatever_order_the_values_come_in_the_trials_and_winners_are_the_same():
    found = []
    for seed in range(5):
        searches = Searches(waiting(), {})
        assert not searches.are_over
        trials, own = finish(searches, seed)
        assert searches.are_over
        assert len(trials) == len(PLAN.cells) * STUDY.tuning.budget
        found.append((trials, sorted(own, key=lambda stack: stack.key)))
    assert all(each == found[0] for each in found)
    alone = searched(CELL)
    trials, own = found[0]
    assert [trials[f"{CELL.key}/trial={number}"][0] for number in range(8)] == [t.stack for t in alone.trials]
    of_cell = [stack for stack in own if stack.cell.key == CELL.key]
    assert of_cell == [replace(stack, cell=tuned(CELL, alone.winner.multiples)) for stack in PLAN.stacks[:1]]
    assert {stack.key for stack in own} == {stack.key for stack in PLAN.stacks}


def test_the_next_batch_comes_with_the_last_value_of_the_one_before():
    searches = Searches(waiting(make_plan(STUDY, scope=("rate=tuned",), only={"activation": ("tanh",)})), {})
    first = searches.first()
    assert [stack.cell.trial for stack in first] == [0, 1, 0, 1]
    assert searches.told(first[1], 0.5) == []
    assert [stack.cell.key for stack in searches.told(first[0], 0.4)] == [f"{CELL.key}/trial={n}" for n in (2, 3)]
    assert searches.tuning_of(first[0]) == STUDY.tuning


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A store with every trial of the plan, its made-up values told, and the searches' own stacks."""
    store = Store(tmp_path_factory.mktemp("complete"))
    recorder = Recorder(store, PLAN)
    trials, own = finish(Searches(waiting(), {}))
    for stack, value in trials.values():
        recorder.write_trial(stack, result_of((value, value)), WANTED, value)
    return store, trials, own


def recorded(store, plan=PLAN):
    return finished_trials(read_runs(store, *plan.experiments))


def test_a_search_goes_on_from_recorded_trials_to_the_same_next_ones(complete):
    store, trials, own = complete
    runs = recorded(store)
    assert set(runs) == set(trials)
    rng = random.Random(1)
    for share in (0.0, 0.3, 0.6, 0.9, 1.0):
        known = {key: run for key, run in runs.items() if rng.random() < share}
        again, found = finish(Searches(waiting(), known))
        assert {key: run for key, run in again.items() if key in known} == {}
        assert again == {key: trial for key, trial in trials.items() if key not in known}
        assert sorted(found, key=lambda stack: stack.key) == sorted(own, key=lambda stack: stack.key)
        assert {stack.cell.key for cell in PLAN.cells for stack in trials_to_come(cell, known)} == set(again)


def test_a_trial_that_fails_gives_up_its_cell_alone():
    searches = Searches(waiting(), {})
    first = searches.first()
    failed = next(stack for stack in first if stack.cell.key == f"{CELL.key}/trial=1")
    assert searches.give_up(failed) == [stack for stack in PLAN.stacks if stack.cell.key == CELL.key]
    assert searches.give_up(failed) == []
    sibling = next(stack for stack in first if stack.cell.key == f"{CELL.key}/trial=0")
    assert searches.told(sibling, 0.5) == []
    left = [stack for stack in first if not stack.cell.key.startswith(f"{CELL.key}/")]
    assert len(left) == 6
    own = []
    while left:
        stack = left.pop()
        more = searches.told(stack, bowl(Told(stack)))
        own += [each for each in more if each.cell.trial is None]
        left += [each for each in more if each.cell.trial is not None]
    assert {stack.key for stack in own} == {stack.key for stack in PLAN.stacks if stack.cell.key != CELL.key}
    assert searches.are_over


def test_a_recorded_trial_of_another_configuration_is_refused_by_field(complete):
    store, *_ = complete

    def other(**levels):
        return replace(STUDY.configure(**levels), batch_size=64)

    changed = make_plan(replace(STUDY, configure=other), scope=("rate=tuned",), num_seeds=3)
    with pytest.raises(
        UserError,
        match=r"toy/full/activation=tanh/depth=1/rate=tuned/trial=0: the store holds results of another configuration "
        r"\(batch_size: recorded with 128, now 64\); undo the change, .* or replace the results with --redo",
    ):
        Searches(waiting(changed), recorded(store, changed)).first()


def test_a_larger_budget_goes_on_and_another_range_is_refused(complete):
    store, *_ = complete
    more = make_plan(replace(STUDY, tuning=replace(STUDY.tuning, budget=10)), scope=("rate=tuned",), num_seeds=3)
    again, _ = finish(Searches(waiting(more), recorded(store)))
    assert {key.rpartition("=")[2] for key in again} == {"8", "9"}
    wider = replace(STUDY.tuning, ranges={"lr": (0.01, 10.0)})
    with pytest.raises(UserError, match=r"/trial=1: the store holds results of another configuration \(lr: recorded"):
        Searches(waiting(make_plan(replace(STUDY, tuning=wider), scope=("rate=tuned",))), recorded(store)).first()


def test_a_recorded_trial_whose_value_is_of_another_metric_is_refused(complete):
    store, *_ = complete
    other = replace(STUDY.tuning, metric="validation_accuracy", direction="maximize")
    with pytest.raises(UserError, match=r"the trial of another search \(minimize validation_loss, now maximize valid"):
        Searches(waiting(make_plan(replace(STUDY, tuning=other), scope=("rate=tuned",))), recorded(store)).first()


def test_what_tuning_takes_of_a_real_training_is_of_its_validation_split():
    config = replace(CELL.task, width=8, epochs=1)
    result = train_stack(config, (TUNING_SEED, TUNING_SEED + 1))
    last = [replicate.curves["validation_loss"][-1][1] for replicate in result.replicates]
    assert trial_value(STUDY.tuning, result) == pytest.approx(sum(last) / 2)
    assert all(
        value != replicate.metrics["test_loss"] for value, replicate in zip(last, result.replicates, strict=True)
    )


def test_a_trial_is_one_run_with_its_value_and_nothing_of_the_test_part(complete):
    store, trials, _ = complete
    assert read_runs(store, "toy", "toy-universes") == []
    runs = recorded(store)
    found = read_metrics(store, [run.id for run in runs.values()])
    for key, run in runs.items():
        stack, value = trials[key]
        assert set(found[run.id]) == {"value", "validation_loss", "train_loss"}
        assert found[run.id]["validation_loss"] == pytest.approx({0: 9.0, 1: value})
        assert found[run.id]["value"] == {0: value}
        assert (float(run.tags["value"]), run.tags["kind"], run.name) == (value, "trial", stack.cell.name)
        assert run.tags["universe"] == "rate=tuned"
        assert json.loads(run.tags["identity"])["stack_size"] == 2
    rows = store.query("SELECT run_uuid, key, value FROM params WHERE key IN ('lr', 'seeds', 'rate')")
    params = {}
    for run_id, key, value in rows:
        params.setdefault(run_id, {})[key] = value
    for key, run in runs.items():
        rate = str(trials[key][0].cell.task.lr)
        assert params[run.id] == {"lr": rate, "seeds": "1000000-1000001", "rate": "tuned"}


def test_trials_are_in_no_table_and_count_as_no_result(complete):
    store, *_ = complete
    state = state_of(store, PLAN)
    assert (state.done, state.failed, len(state.trials)) == ({}, {}, 4 * 8)
    assert state.missing(PLAN) == list(PLAN.stacks)
    assert all(len(frame) == 0 for frame in read_frames(store, PLAN, state))
    reference = make_plan(STUDY, num_seeds=3)
    assert state_of(store, reference).trials == {}
