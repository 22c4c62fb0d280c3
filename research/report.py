"""What is drawn from a study's published tables, by anyone: findings, figures and page, and the index of all studies.

    python -m research.report [NAME ...] [--check] [--reports DIR]
"""  # fmt: skip

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from research.config import UserError
from research.console import Parser
from research.index import Entry, index_html, index_markdown, with_results
from research.pages import study_page
from research.plan import Plan, load_study, study_names
from research.store import State, Store
from research.tables import (
    PROVENANCE,
    REPORTS,
    SUMS,
    TABLES,
    Published,
    csv,
    export,
    findings_frame,
    read_published,
    write,
)
from research.verdict import Judgement
from research.words import word

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.figure import Figure

INDEX = ("index.html", "README.md")
README = REPORTS.parent / "README.md"


def publish(store: Store, plan: Plan, state: State, folder: Path) -> tuple[pd.DataFrame, Judgement | None]:
    """Export a plan whose stacks are all done into a folder and draw all of it there; its runs and its judgement.

    Only the study as declared is judged: of another plan there is no judgement, and no verdict on its page.
    """
    export(store, plan, state, folder)
    published = read_published(plan.study, folder)
    for name, content in render(published).items():
        write(folder / name, content)
    return published.tables.runs, published.judgement if plan.declared else None


def script_of(study: str) -> ModuleType | None:
    """The module that draws a study's own figures, where there is one."""
    if not (REPORTS / f"{study}.py").is_file():
        return None
    os.environ["MPLBACKEND"] = "Agg"
    return importlib.import_module(f"reports.{study}")


def render(published: Published) -> dict[str, bytes]:
    """All that is drawn from a study's tables, as file name -> bytes: figures, and if it is judged findings and page.

    The same tables give the same bytes. A study's own figures come from `reports/NAME.py`, where there is one.
    """
    os.environ["MPLBACKEND"] = "Agg"
    import matplotlib.pyplot as plt

    from research.figures import findings_figure, lean_svg, use_style

    use_style()
    judgement = published.judgement
    figures: dict[str, Figure] = {}
    if judgement is not None:
        figures["findings"] = findings_figure([*judgement.controls, *judgement.claims])
    if script := script_of(published.study.name):
        figures.update(script.figures(published.tables))
    files = {}
    for name, figure in figures.items():
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata=metadata)
            files[f"{name}.{kind}"] = lean_svg(buffer.getvalue()) if kind == "svg" else buffer.getvalue()
        plt.close(figure)
    if judgement is not None:
        files["findings.csv"] = csv(findings_frame(judgement))
        files["README.md"] = page(published, figures).encode()
    return files


def page(published: Published, figures: Iterable[str]) -> str:
    """The Markdown page of a judged study with the figures of these names."""
    assert published.judgement is not None
    script = script_of(published.study.name)
    told: Mapping[str, str] = getattr(script, "CAPTIONS", {})
    order = sorted(set(figures) - {"findings"}, key=[*told, *sorted(figures)].index)
    captions = {name: told.get(name, f"{word(name).capitalize()}.") for name in order}
    runs, notes = published.tables.runs, getattr(script, "NOTES", "")
    return study_page(published.plan, published.judgement, runs, captions, notes, published.changed)


def entry(published: Published, files: Mapping[str, bytes]) -> Entry:
    """What the index shows of a judged study whose files are these."""
    assert published.judgement is not None
    figures = {name.removesuffix(".svg"): content for name, content in files.items() if name.endswith(".svg")}
    return Entry(published.study, published.judgement, page(published, figures), figures, len(published.tables.runs))


def draw(names: list[str], reports: Path) -> tuple[dict[Path, bytes], dict[str, str]]:
    """All files that are drawn of the named studies, and the index of all that are drawn, by their paths.

    Beside it, by name, why other studies are left out of the index: their tables cannot be used, or are not drawn yet.
    """
    every = {Path(name).stem: name for name in (*study_names(), *names)}
    files: dict[Path, bytes] = {}
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    for name, asked_for in sorted(every.items()):
        folder = reports / name
        if asked_for in names:
            published = read_published(load_study(asked_for), folder)
            found = render(published)
            files |= {folder / file: content for file, content in found.items()}
        elif not folder.is_dir():
            continue
        elif not (folder / "README.md").is_file():
            left_out[name] = "it is not drawn yet"
            continue
        else:
            try:
                published = read_published(load_study(asked_for), folder)
            except UserError as error:
                left_out[name] = str(error)
                continue
            found = {path.name: path.read_bytes() for path in folder.glob("*.svg")}
        if published.judgement is not None:
            entries.append(entry(published, found))
    if entries:
        index = (index_html(entries), index_markdown(entries))
        files |= {reports / file: text.encode() for file, text in zip(INDEX, index, strict=True)}
        if reports.absolute() == REPORTS:
            files[README] = with_results(README.read_text(encoding="utf-8"), entries).encode()
    return files, left_out


def unlike(names: list[str], reports: Path, files: Mapping[Path, bytes]) -> list[Path]:
    """The files of the named studies and of the index that are missing, that differ, or that nothing draws."""
    wrong = [path for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
    for name in names:
        folder = reports / Path(name).stem
        known = {*files, *(folder / file for file in (*TABLES, PROVENANCE, SUMS))}
        wrong += sorted(path for path in folder.glob("[!.]*") if path not in known)
    return wrong


def parser() -> Parser:
    """The options of the command."""
    made = Parser("python -m research.report", description="Draw findings, figures, pages and the index again.")
    made.add_argument("names", nargs="*", metavar="NAME", help="a study; all that have tables by default")
    made.add_argument("--check", action="store_true", help="write nothing; say which files do not fit the tables")
    made.add_argument("--reports", type=Path, default=REPORTS, metavar="DIR", help="default: reports/")
    return made


def main(arguments: list[str] | None = None) -> int:
    """The command line: draw what is published of the named studies (all that have tables) again, or check it."""
    try:
        options = parser().parse_args(arguments)
        names = options.names or [name for name in study_names() if (options.reports / name).is_dir()]
        files, left_out = draw(names, options.reports)
        if not options.check:
            for path, content in files.items():
                write(path, content)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, reason in left_out.items():
        print(f"left out of the index: {name}: {reason}", file=sys.stderr)
    stale = unlike(names, options.reports, files) if options.check else []
    for path in stale:
        print(
            f"stale: {path} does not come from its tables; draw it again with python -m research.report, or delete it"
        )
    if stale:
        return 1
    print(f"{'fits its tables' if options.check else 'drawn'}: {', '.join(names) or 'no study has tables yet'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
