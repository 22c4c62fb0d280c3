"""How far studies are and how long they would take, for the list and for --plan."""

from __future__ import annotations

from research.design.errors import UserError
from research.design.plan import Cell, Plan, in_one_pass, make_plan
from research.design.study_files import load_study, study_names
from research.design.universes import departing, universe_name
from research.design.wording import counted, duration
from research.record.any_store import AnyStore
from research.record.state import State, state_of
from research.running.coordinator import trials_missing
from research.running.limits import usual_workers
from research.running.pace import Job, time_left

START_SECONDS = 12  # imports, first use of the store, figures


def list_studies(store: AnyStore) -> None:
    """Print each study with its question, how far its full tier is, and the time that it still needs."""
    for name in study_names():
        try:
            plan = make_plan(load_study(name))
            state = state_of(store, plan)
        except UserError as error:
            print(f"{name}\n    error: {error}")
            continue
        left = f", about {duration(estimate(plan, state, usual_workers()))} to go" if state.missing(plan) else ""
        stacks = f"{len(state.done)} of {len(plan.stacks)} stacks done{left}"
        print(f"{name}\n    {plan.study.question}\n    {len(plan.cells)} cells, {plan.num_seeds} seeds: {stacks}")
    print("\npython -m research.study NAME runs one; --plan shows what it would do, --tier quick is a first look.")


def show_plan(store: AnyStore, plan: Plan, workers: int) -> None:
    """Print the cells of a plan, or its universes, with how many of their stacks are done, failed and missing."""
    state = state_of(store, plan)
    rows: list[tuple[str, tuple[Cell, ...], str]] = [
        (cell.name, (cell,), f" of {cell.stack_size} seeds") for cell in plan.cells
    ]
    if plan.of_universes:
        named = [universe_name(departing(plan.study, universe.levels)) for universe in plan.universes]
        rows = [(name, universe.cells, "") for name, universe in zip(named, plan.universes, strict=True)]
    keys: dict[str, list[str]] = {cell.key: [] for cell in plan.cells}
    for stack in plan.stacks:
        keys[stack.cell.key].append(stack.key)
    width = max(len(name) for name, *_ in rows)
    for name, cells, of in rows:
        stacks = [key for cell in cells for key in keys[cell.key]]
        done = sum(key in state.done for key in stacks)
        reasons = [state.failed[key] for key in stacks if key in state.failed]
        status = "done" if done == len(stacks) else f"failed: {reasons[0]}" if reasons else "to do"
        print(f"{name:{width}}  {done} of {len(stacks)} stacks{of}  {status}")
    missing = state.missing(plan)
    print(
        f"\n{plan.study.name}, tier {plan.variant}, seeds {plan.seeds[0]}-{plan.seeds[-1]}: {len(plan.stacks)} stacks, "
        f"{len(state.done)} done, {len(state.failed)} failed, {len(missing)} to run"
    )
    if trials := trials_missing(missing, state.trials):
        print(f"{counted(len(trials), 'trial')} of searches come before them")
    if missing:
        print(f"estimated time: {duration(estimate(plan, state, workers))} with {counted(workers, 'worker')}")


def estimate(plan: Plan, state: State, workers: int) -> float:
    """Seconds to train what is missing, by what the finished stacks took."""
    took = {key: (runs[0].ended - runs[0].started) / 1000 for key, runs in state.done.items()}
    finished = [Job(stack.nominal_seconds, 1.0, took[stack.key]) for stack in plan.stacks if stack.key in took]
    missing = state.missing(plan)
    to_train = in_one_pass([*missing, *trials_missing(missing, state.trials)])
    return time_left([], [longest.nominal_seconds for longest, *_ in to_train], finished, workers) + START_SECONDS
