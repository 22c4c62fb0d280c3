"""docs/reference.md, made from the code: commands, what a study file says, configurations, metrics, tables, studies.

    python -m docs.reference [--check]
"""  # fmt: skip

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import research
from research import report, reproduce, store, study, surroundings, ui
from research.console import Parser, refuse
from research.design import study as design
from research.design.errors import UserError
from research.design.study_files import load_study, study_names
from research.judging.findings import Finding
from research.judging.universe_findings import Across, across_frame, summary_frame
from research.publishing.tables import KEYS, TRIALS, UNIVERSES, UNNAMED, findings_frame
from research.record.frames import Frames
from research.training.choices import CHOICES, MEASURES, PROBES, SMALLEST
from research.training.config import TrainConfig
from research.training.data import DATA
from research.training.data_functions import Arrays, by_function
from research.training.metrics import LAYERS, METRICS, OF_MEASURES, OF_PROBES

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Reference

*Made from the code by `python -m docs.reference`; a test says when it is stale. What to do with all of it is in the
[guides](how-to.md).*
"""
# What a study file may build, by the module that it is imported from.
PARTS: Mapping[str, Sequence[type]] = {
    "research.design.study": (
        design.Study, design.Factor, design.Tier, design.Claim, design.Number, design.Control, design.MainEffect,
        design.Tuning, design.Amendment, design.Metric, design.Replicate,
    ),
}  # fmt: skip
COMMANDS = (study, report, ui, reproduce, store)


def reference() -> str:
    """The whole page."""
    parts = (commands(), python(), study_files(), tasks(), networks(), tables(), studies())
    return "\n".join([HEAD, *(line for part in parts for line in part)])


def commands() -> Iterator[str]:
    """Each command: what it is for, its arguments and options."""
    yield "## Commands\n"
    for command in COMMANDS:
        parser = command.parser()
        yield f"### `{parser.prog}`\n\n{parser.description}\n"
        actions = [action for action in parser._actions if "--help" not in action.option_strings]
        yield table(("argument", "what it does"), ([f"`{written(action)}`", action.help] for action in actions))


def written(action: argparse.Action) -> str:
    """An argument or option as it is typed."""
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    word = " ".join(filter(None, [*action.option_strings, value]))
    return {"?": f"[{word}]", "*": f"[{word} ...]"}.get(str(action.nargs), word)


def python() -> Iterator[str]:
    """What the package itself has."""
    yield "## From Python\n"
    for function in (research.run, research.results):
        yield f"### `research.{function.__name__}{signature(function)}`\n\n{docstring(function)}\n"


def study_files() -> Iterator[str]:
    """The values of which a study is made."""
    yield "## What a study file says\n"
    for module, parts in PARTS.items():
        yield f"From `{module}`. A list of names is a tuple; what is not given has its default.\n"
        for part in parts:
            yield f"### {part.__name__}\n\n{docstring(part)}\n\n{field_table(part)}"
    yield f"### crossed\n\n`crossed{signature(design.crossed)}`: {docstring(design.crossed)}\n"
    yield "From `research.training.data_functions`, for data of one's own:\n"
    yield f"### Arrays\n\n{docstring(Arrays)}\n\n{field_table(Arrays)}"
    yield f"### by_function\n\n`by_function{signature(by_function)}`: {docstring(by_function)}\n"


def tasks() -> Iterator[str]:
    """What a task of a study's own can say."""
    yield f"## Task\n\nFrom `research.design.study`. {docstring(design.Task)}\n"
    members = {name: member for name, member in vars(design.Task).items() if not name.startswith("_")}
    documented = [
        (name, inspect.getdoc(getattr(design.Task, name)))
        for name, member in members.items()
        if inspect.isroutine(member) or isinstance(member, (property, classmethod))
    ]
    needed = design.Task.__abstractmethods__
    yield table(
        ("name", "needed", "what it is"),
        (
            [f"`{name}`", "yes" if name in needed else "", (text or "").partition("\n\n")[0]]
            for name, text in documented
        ),
    )


def networks() -> Iterator[str]:
    """Configurations of networks, with all that their fields can be, and what is measured of them."""
    yield f"## TrainConfig\n\nFrom `research.training.config`. {docstring(TrainConfig)}\n"
    values: dict[str, str] = {name: ", ".join(f"`{each}`" for each in names) for name, names in CHOICES.items()}
    values |= {name: f"from {smallest} on" for name, smallest in SMALLEST.items()}
    values |= {
        "dataset": f"{', '.join(f'`{name}`' for name in DATA)}, or `by_function(...)`",
        "probes": ", ".join(f"`{name}`" for name in PROBES),
        "measures": "[see below](#measures)",
    }
    yield field_table(TrainConfig, values)
    yield "### Data sets\n"
    yield table(
        ("name", "inputs", "classes", "source"),
        ([f"`{name}`", info.num_features, info.num_classes or "a number", info.source] for name, info in DATA.items()),
    )
    yield "### Measures\n\nWhat `measures` may name, and which metrics each gives beside the usual ones.\n"
    yield table(
        ("measure", "goes with", "metrics"),
        ([f"`{name}`", goes, ", ".join(f"`{each}`" for each in OF_MEASURES.get(name, ()))]
         for name, (goes, _) in MEASURES.items()),
    )  # fmt: skip
    yield "### Metrics of runs\n"
    yield metric_table(METRICS)
    yield "### Metrics of layers\n\nThose of the table `layers.csv`, where the configuration says when to look.\n"
    yield metric_table(LAYERS)
    for probe, metrics in OF_PROBES.items():
        yield f"With the probe `{probe}`:\n\n{metric_table(metrics)}"


def metric_table(metrics: Mapping[str, design.Metric]) -> str:
    """Metrics as people are told them."""
    return table(
        ("metric", "label", "meaning", "unit"),
        ([f"`{name}`", metric.label, metric.meaning, metric.unit] for name, metric in metrics.items()),
    )


def tables() -> Iterator[str]:
    """The published tables with their columns."""
    yield f"## Tables\n\n{docstring(Frames)}\n"
    rows = [
        (f"`{name}`", ", ".join(f"`{each}`" for each in (*head, "FACTOR ...", "seed", *keys, "METRIC ...")))
        for name, keys in KEYS.items()
        for head in [() if name in UNNAMED else ("cell",)]
    ]
    tuning = ("cell", "FACTOR ...", "trial", "FIELD ...", "value", "scatter", "winner")
    rows.append((f"`{TRIALS}`", ", ".join(f"`{name}`" for name in tuning)))
    findings = {
        "findings.csv": findings_frame(None),
        f"{UNIVERSES}/findings.csv": across_frame(Across((), (), ())),
        f"{UNIVERSES}/summary.csv": summary_frame(Across((), (), ())),
    }
    rows += [(f"`{name}`", ", ".join(f"`{column}`" for column in frame)) for name, frame in findings.items()]
    yield table(("table", "columns"), rows)
    yield (
        f"`{UNIVERSES}/runs.csv` and `{UNIVERSES}/{TRIALS}` are the same of all universes. Of `epoch` and `step` a "
        "table has what its study counts. Where a file has no column `cell` the levels tell which it is; frames have "
        "it. Of findings:\n"
    )
    yield f"{docstring(Finding)}\n"
    yield f"{docstring(across_frame)}\n\n{docstring(summary_frame)}\n"


def studies() -> Iterator[str]:
    """All studies with what they ask."""
    yield "## Studies\n"
    yield table(("name", "question"), ([f"`{name}`", load_study(name).question] for name in study_names()))


def field_table(part: type, values: Mapping[str, str] | None = None) -> str:
    """The fields of a dataclass: name, type, default and, where they are told, the values that each can have."""
    head = ("field", "type", "default", *(["values"] if values else []))
    rows = (
        [f"`{f.name}`", f"`{f.type}`", default_of(f), *([values.get(f.name, "")] if values else [])]
        for f in fields(part)
    )
    return table(head, rows)


def default_of(field: Any) -> str:
    """The default of a field as it is written; nothing where it must be given."""
    if field.default_factory is not MISSING:
        return f"`{field.default_factory()!r}`"
    return "" if field.default is MISSING else f"`{field.default!r}`"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([" ".join(str(cell).split()).replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def docstring(what: Any) -> str:
    """A docstring as Markdown, a line a paragraph; examples stay as they are."""
    paragraphs = (inspect.getdoc(what) or "").split("\n\n")
    return "\n\n".join(
        f"```pycon\n{text}\n```" if text.startswith(">>>") else " ".join(text.split()) for text in paragraphs
    )


def signature(function: Any) -> str:
    """The arguments of a function as they are written."""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))


def parser() -> Parser:
    """The options of the command."""
    made = Parser("python -m docs.reference", description="Make docs/reference.md from the code.")
    made.add_argument("--check", action="store_true", help="write nothing; say whether it is stale")
    return made


def main() -> int:
    """Run the command; its exit status: 0 done or up to date, 1 stale, 2 wrong input."""
    try:
        options = parser().parse_args()
    except UserError as error:
        return refuse(error)
    text = reference()
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        print(f"stale: {PAGE}; make it again with python -m docs.reference")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(surroundings.run(main))
