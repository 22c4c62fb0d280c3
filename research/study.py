"""The command line of studies: `python -m research.study [NAME] [options]`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from research import surroundings
from research.console import Parser, add_executor, add_store, chosen_executor, named_folder, refuse
from research.design.errors import UserError
from research.design.places import REPORTS
from research.design.plan import Plan, make_plan
from research.design.study_files import load_study
from research.design.universes import REFERENCE
from research.design.wording import counted
from research.publishing.publication import agreement, check_plan, check_results, folder_for
from research.publishing.text_tables import SoFar, asked, cell_table, findings_text, universes_table
from research.record.any_store import AnyStore
from research.record.frames import read_frames
from research.record.state import State, read_runs, read_state, recorded_devices, state_of
from research.running.coordinator import train, trials_missing
from research.running.status import list_studies, show_plan
from research.running.workers import Executor, Stopped, stop_at_once

if TYPE_CHECKING:
    import pandas as pd

    from research.design.study import Study
    from research.publishing.results import PublishedUniverses


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = Parser(
        "python -m research.study",
        description="Run or resume a study: train what its record lacks, export tables, draw figures, print results. "
        "Without NAME: list the studies.",
    )
    made.add_argument("name", nargs="?", metavar="NAME", help="a study of studies/, or the path of a study file (.py)")
    made.add_argument("--plan", action="store_true", help="show what is done, failed and missing; train nothing")
    made.add_argument("--tier", default="full", help="the study's size: smoke, quick or full (default: full)")
    made.add_argument("--seeds", type=int, metavar="N", help="N seeds of every cell (default: the tier's number)")
    made.add_argument(
        "--only", action="append", default=[], metavar="FACTOR=LEVEL[,LEVEL]", help="only cells with these levels"
    )
    made.add_argument(
        "--universes",
        action="append",
        metavar="CHOICE=LEVEL[,LEVEL]",
        help="reference (the default), all that the study compares, or those with these levels of a choice",
    )
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of every configuration, under a key of its own",
    )
    made.add_argument(
        "--redo", action="store_true", help="remove all results of these cells, of every seed, and train them again"
    )
    add_executor(made)
    add_store(made)
    made.add_argument(
        "--reports",
        type=named_folder,
        metavar="DIR",
        help="tables and figures go to DIR/NAME (default: to reports/NAME in the store)",
    )
    made.add_argument(
        "--publish",
        action="store_true",
        help="they go to the project's own reports/NAME: of a study as declared, from committed code alone",
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 something failed, 2 wrong input, 130 or 143 stopped."""
    options = argparse.Namespace(redo=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_at_once)
    try:
        (made := parser()).parse_args(arguments, options)
        executor = chosen_executor(options)
        store: AnyStore = options.store
        if options.name is None:
            needy = ("plan", "redo", "only", "universes", "set", "seeds", "tier", "reports", "publish", "cluster")
            if asked := [f"--{name}" for name in needy if getattr(options, name) != made.get_default(name)]:
                raise UserError(f"{', '.join(asked)}: needs the NAME of a study")
            store.is_there()  # where it cannot be looked at, that is said once
            list_studies(store)
            return 0
        for other in ("redo", "publish", "cluster"):
            if options.plan and getattr(options, other):
                raise UserError(f"--plan and --{other} contradict each other: leave one of them out")
        only = {name: tuple(levels.split(",")) for name, levels in pairs("--only", options.only).items()}
        scope = tuple(options.universes or (REFERENCE,))
        study = load_study(options.name)
        plan = make_plan(study, options.tier, options.seeds, only, pairs("--set", options.set), scope)
        if options.plan:
            show_plan(store, plan, executor.number)
            return 0
        folder = folder_for(plan, options.reports, store.folder, options.publish)
        if options.publish:
            check_plan(plan, options.name)
        with closing(executor):
            return run(store, plan, executor, folder, options.redo, options.publish)
    except UserError as error:
        return refuse(error)
    except KeyboardInterrupt as stop:  # of a study file too
        again = "the same command without --redo" if options.redo else "the same command again"
        print(f"\nstopped; what is finished is recorded: run {again} to go on", file=sys.stderr)
        return stop.status if isinstance(stop, Stopped) else 130


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """What an option that is given as NAME=VALUE, perhaps several times, names."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise UserError(f"{option} {text}: must be written NAME=VALUE")
        if name in found:
            raise UserError(f"{option} {text}: {name} is given twice")
        found[name] = value
    return found


def run(store: AnyStore, plan: Plan, executor: Executor, folder: Path, redo: bool, published: bool = False) -> int:
    """Train what is missing, then export into the folder, draw and print. The status is 1 if a stack failed.

    What is `published` must come from committed code, what is recorded already too.
    """
    check_writable(folder)
    store.check()
    recorded = State({}, {}) if redo else state_of(store, plan)
    if published:
        check_results(recorded)
    missing = recorded.missing(plan)
    # Before the lock, which makes the store: without its data a study leaves nothing behind.
    executor.prepare([stack.cell.task for stack in missing])
    with store.lock(plan.study.name, f"study {plan.study.name} in {store}"):
        runs = read_runs(store, *plan.experiments)
        state = State({}, {}) if redo else read_state(plan, runs)
        missing = state.missing(plan)
        if missing:
            trials = trials_missing(missing, state.trials)
            first = f", {counted(len(trials), 'trial')} before some of them" if trials else ""
            workers = counted(executor.number, "worker")
            print(asked(plan))
            print(f"{len(missing)} of {len(plan.stacks)} stacks to train{first}, {workers}", flush=True)
        devices = recorded_devices(runs, [cell.key for cell in plan.cells] if redo else ())
        meanwhile, tell = lambda: prepare(plan.study), teller(store, plan)
        failures = train(store, plan, missing, executor, redo, devices, meanwhile, tell)
        return present(store, plan, folder, failures, published)


def prepare(study: Study) -> None:
    """Import and set up what is needed once all is trained: Optuna's storage, pandas, fonts, the study's figures."""
    from research.publishing.drawing import begin_drawing, script_of
    from research.record.optuna_studies import import_optuna

    import_optuna()
    begin_drawing()
    script_of(study)


def teller(store: AnyStore, plan: Plan) -> Callable[[], list[str]]:
    """What tells which verdicts there would be by what is recorded, as lines of what is new each time it is called."""
    told = SoFar()

    def tell() -> list[str]:
        from research.judging.columns import with_columns
        from research.judging.findings import judge

        try:
            runs = with_columns(plan.study, *read_frames(store, plan, state_of(store, plan)))
        except UserError:  # nothing is there yet of what some claim is about
            return []
        return told.lines(judge(plan.study, runs, plan.num_seeds, True, so_far=True), plan.num_seeds)

    return tell if plan.declared and plan.study.claims and not plan.of_universes else list


def present(store: AnyStore, plan: Plan, folder: Path, failures: dict[str, str], published: bool = False) -> int:
    """Show what the record holds: as Optuna study, tables, figures, and printed. The status is 1 if a stack failed.

    What is not `published` ends with how its findings agree with those that are.
    """
    from research.judging.columns import with_columns
    from research.publishing.drawing import publish, publish_universes
    from research.record.optuna_studies import project_grids, project_searches

    state = state_of(store, plan)
    if not failures and state.missing(plan):
        raise UserError(
            f"store {store}: no longer holds all that was recorded; bring it back, or run the same command again"
        )
    frames = read_frames(store, plan, state)
    frame = frames.runs
    project_grids(store, plan, frame)
    project_searches(store, plan, state.trials)
    if failures:
        print(cell_table(plan, frame))
        for key, reason in failures.items():
            print(f"failed: {key}: {reason}", file=sys.stderr)
        print(f"{counted(len(failures), 'stack')} failed; the same command tries again", file=sys.stderr)
        return 1
    if plan.of_universes:
        of_universes = publish_universes(store, plan, state, folder, published)
        print(universes_text(of_universes, plan, with_columns(plan.study, *frames)))
    else:
        frame, judgement = publish(store, plan, state, folder, published)
        if judgement is not None:
            print(f"\n{findings_text(judgement)}")
        print(cell_table(plan, frame))
    part = "universes" if plan.of_universes else ""
    beside = REPORTS / plan.study.name / part
    if plan.variant == "full" and not published and (text := agreement(folder / part, beside)):
        print(f"\n{text}")
    print(f"\ntables and figures: {folder}")
    if (folder.parent / "index.html").exists():
        print("python -m research.report draws the index of all studies")
    return 0


def universes_text(published: PublishedUniverses | None, plan: Plan, frame: pd.DataFrame) -> str:
    """The claims across universes, for the end of a run; without the reference, the findings in each of them.

    Of a study that claims nothing, the cells.
    """
    from research.design.study import FAMILY_ERROR
    from research.judging.findings import judge
    from research.publishing.results import runs_of

    if not (plan.study.judged or plan.study.main_effects):
        return cell_table(plan, frame)
    if published is not None:
        return universes_table(published.across)
    parts = []
    for universe in plan.universes:
        runs = runs_of(universe, frame)
        judgement = judge(plan.study, runs, plan.num_seeds, plan.complete, FAMILY_ERROR, reference=False)
        named = ", ".join(f"{name}={level}" for name, level in universe.levels.items())
        parts.append(f"in the universe {named}:\n\n{findings_text(judgement)}")
    return "\n\n".join(parts)


def check_writable(folder: Path) -> None:
    """Raise UserError if files could not be written into a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise UserError(f"{folder}: cannot be written; choose another with --reports or --store")


if __name__ == "__main__":
    sys.exit(surroundings.run(main))
