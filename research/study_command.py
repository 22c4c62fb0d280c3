"""The command of studies, called from Python: `research.run`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from research.console import Parser, add_store
from research.design.errors import UserError
from research.design.plan import make_plan
from research.design.study_files import load_study
from research.publishing.publication import folder_for
from research.publishing.results import Results, gathered, read_published


def run(
    name: str, tier: str, seeds: int | None = None, store: str | Path | None = None, workers: int | None = None
) -> Results:
    """Run or resume a study in a process of its own, print what it prints, and read its tables; see `research.run`."""
    places = [] if store is None else ["--store", str(store)]
    (parser := Parser("research.run", "")).add_argument("name")
    add_store(parser)
    chosen = parser.parse_args([name, *places]).store
    plan = make_plan(load_study(name), tier, seeds)
    numbers = {"--seeds": seeds, "--workers": workers}
    options = [text for option, number in numbers.items() if number is not None for text in (option, str(number))]
    command([name, "--tier", tier, *options, *places])
    return gathered(read_published(plan.study, folder_for(plan, None, chosen.folder, publish=False)))


def command(arguments: Sequence[str]) -> None:
    """Run the command and print what it prints, as it comes. Interrupted, it ends as after Ctrl-C, and so does this.

    It has a process of its own, since signals, variables and matplotlib are the command's there, and another's here.
    Raises UserError with the line in which it refuses something, RuntimeError where it fails.
    """
    said = ""
    words = [sys.executable, "-m", "research.study", *arguments]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                said = line.strip() or said
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # from a terminal it has had one, from a notebook not
            for line in process.stdout:
                print(line, end="", flush=True)
            raise
    if process.returncode == 2:
        raise UserError(said.removeprefix("error: "))
    if process.returncode:
        raise RuntimeError(f"the study did not come to its end (status {process.returncode}): {said}")
