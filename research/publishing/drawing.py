"""All that is drawn from a study's published tables: findings, figures, pages, and the index of all studies."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from research.design.errors import UserError
from research.design.plan import Plan
from research.design.study import Study
from research.design.study_files import STUDIES, load_study, study_names
from research.design.wording import word
from research.judging.universe_findings import across_frame, summary_frame
from research.judging.verdict import Judgement
from research.publishing.exploration import FOLDER, amendments_section, read_exploration
from research.publishing.index import Entry, index_html, index_markdown, with_results
from research.publishing.pages import study_page
from research.publishing.pipeline import with_studies
from research.publishing.publication import REPORTS
from research.publishing.results import Published, PublishedUniverses, gathered, read_published, read_universes
from research.publishing.tables import AGAIN, RUNS, UNIVERSES, csv, export, exported, findings_frame, write
from research.publishing.tuning_section import tuning_section
from research.publishing.universe_page import PAGE, universes_page, universes_section
from research.record.state import State
from research.record.store import Store

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.figure import Figure


INDEX = ("index.html", "README.md")


README = REPORTS.parent / "README.md"
PARAMS = REPORTS.parent / "params.yaml"  # of the pipeline


def publish(
    store: Store, plan: Plan, state: State, folder: Path, published: bool = False
) -> tuple[pd.DataFrame, Judgement | None]:
    """Export a plan whose stacks are all done into a folder and draw all of it there; its runs and its judgement.

    Only the study as declared is judged: of another plan there is no judgement, and no verdict on its page.
    `published` is what its provenance says: whether it is for reports/.
    """
    export(store, plan, state, folder, published)
    found = read_published(plan.study, folder)
    files = render(found, read_universes(plan.study, folder))
    write({folder / name: content for name, content in files.items()})
    return found.tables.runs, found.judgement if plan.declared else None


def publish_universes(
    store: Store, plan: Plan, state: State, folder: Path, published: bool = False
) -> PublishedUniverses | None:
    """Export a plan of universes whose stacks are all done into the folder of its study, and draw all of it there.

    The page of the study is drawn again too, where its own tables are there. Without the reference universe there is
    nothing to compare with, so nothing is drawn.
    """
    export(store, plan, state, folder / UNIVERSES, published)
    universes = read_universes(plan.study, folder)
    if universes is None:
        return None
    found = read_published(plan.study, folder) if (folder / RUNS).is_file() else None
    files = render(found, universes) if found else render_universes(universes, None)
    write({folder / name: content for name, content in files.items()})
    return universes


def script_of(study: Study) -> ModuleType | None:
    """The module that draws a study's own figures (`figures`): its file or `reports/NAME.py`; none where neither does.

    It may give their captions by name (`CAPTIONS`), and conclusions from all that is published (`notes`).
    """
    os.environ["MPLBACKEND"] = "Agg"
    own = sys.modules.get(study.configure.__module__)
    if own is not None and hasattr(own, "figures"):
        return own
    is_ours = own is not None and Path(own.__file__ or "").resolve().parent == STUDIES
    if not is_ours or not (REPORTS / f"{study.name}.py").is_file():
        return None
    return importlib.import_module(f"reports.{study.name}")


@contextlib.contextmanager
def needed_columns(script: ModuleType) -> Iterator[None]:
    """Say in a line which column or level a study's own script needs and no table has, or what else is wrong in it."""
    try:
        yield
    except KeyError as error:
        raise UserError(f"{script.__file__}: needs {error}, which no table has; {AGAIN}") from error


def render(published: Published, universes: PublishedUniverses | None = None) -> dict[str, bytes]:
    """All that is drawn from a study's tables, as file name -> bytes: figures, and if it is judged findings and page.

    The same tables give the same bytes. A study's own figures come from `reports/NAME.py`, where there is one.
    """
    from research.publishing.figures import findings_figure, margin_figures

    begin_drawing()
    judgement = published.judgement
    figures: dict[str, Figure] = {}
    if judgement is not None:
        figures["findings"] = findings_figure([*judgement.controls, *judgement.claims])
        figures |= margin_figures(judgement.claims)
    if script := script_of(published.study):
        with needed_columns(script):
            figures.update(script.figures(published.tables))
    files = drawn(figures)
    if judgement is not None:
        files["findings.csv"] = csv(findings_frame(judgement))
        files["README.md"] = page(published, figures, universes).encode()
    return files | (render_universes(universes, judgement) if universes else {})


def render_universes(universes: PublishedUniverses, judgement: Judgement | None) -> dict[str, bytes]:
    """All that is drawn from the tables of a study's universes; `judgement` is that of the reference universe."""
    from research.publishing.universe_figures import universe_captions, universe_figures

    begin_drawing()
    across = universes.across
    files = drawn(universe_figures(across))
    files[f"{UNIVERSES}/findings.csv"] = csv(across_frame(across), across.choices)
    files[f"{UNIVERSES}/summary.csv"] = csv(summary_frame(across))
    files[PAGE] = universes_page(universes, judgement, universe_captions(across)).encode()
    return files


def begin_drawing() -> None:
    """Set matplotlib up: no screen, the style of all figures."""
    os.environ["MPLBACKEND"] = "Agg"
    from research.publishing.figures import use_style

    use_style()


def drawn(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Figures as files, in SVG."""
    import matplotlib.pyplot as plt

    from research.publishing.figures import lean_svg

    files = {}
    for name, figure in figures.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        files[f"{name}.svg"] = lean_svg(buffer.getvalue())
        plt.close(figure)
    return files


def page(published: Published, figures: Iterable[str], universes: PublishedUniverses | None = None) -> str:
    """The Markdown page of a judged study with the figures of these names.

    What `reports/NAME.py` concludes (`notes`) stands there where the study and its universes are as declared.
    """
    from research.publishing.figures import margin_captions

    assert published.judgement is not None
    script = script_of(published.study)
    told: Mapping[str, str] = getattr(script, "CAPTIONS", {})
    notes = ""
    if published.plan.declared and universes and universes.plan.declared and script and hasattr(script, "notes"):
        with needed_columns(script):
            notes = script.notes(gathered(published, universes))
    own = {name for name in figures if name not in ("findings", "universes", "universes_claims")}
    order = sorted(own, key=[*told, *sorted(own)].index)
    captions = {name: told.get(name, f"{word(name).capitalize()}.") for name in order}
    by_hand = {claim.name: claim.by_hand for claim in published.study.claims}
    captions |= margin_captions(published.judgement.claims, by_hand)
    section = ""
    if universes:
        from research.publishing.universe_figures import OVERVIEW

        section = universes_section(universes, published.judgement, OVERVIEW)
    return study_page(
        published.plan,
        published.judgement,
        published.tables.runs,
        captions,
        notes,
        published.changed,
        section,
        amendments_section(published.study, read_exploration(published.folder)),
        tuning_section(published.plan, published.trials),
    )


def entry(published: Published, files: Mapping[str, bytes], universes: PublishedUniverses | None = None) -> Entry:
    """What the index shows of a judged study whose files are these."""
    assert published.judgement is not None
    figures = {name.removesuffix(".svg"): content for name, content in files.items() if name.endswith(".svg")}
    return Entry(
        published.study,
        published.judgement,
        page(published, figures, universes),
        figures,
        num_networks(published, universes),
        universes.across if universes else None,
        files[PAGE].decode() if universes else "",
    )


def num_networks(published: Published, universes: PublishedUniverses | None) -> int:
    """How many networks were trained and are reported: those of the reference, of other universes, and of searches."""
    seeds = published.study.tuning.seeds if published.study.tuning else 0
    if universes is None:
        return len(published.tables.runs) + seeds * len(published.trials.table)
    reference = {cell.name for cell in published.plan.cells}
    others = int((~universes.runs["cell"].isin(reference)).sum())
    return len(published.tables.runs) + others + seeds * len(universes.trials.table)


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
            study = load_study(asked_for)
            published, universes = read_published(study, folder), read_universes(study, folder)
            found = render(published, universes)
            files |= {folder / file: content for file, content in found.items()}
        elif not has_tables(folder):
            continue
        else:
            try:
                study = load_study(asked_for)
                published, universes = read_published(study, folder), read_universes(study, folder)
            except UserError as error:
                left_out[name] = str(error)
                continue
            if not all((folder / file).is_file() for file in ("README.md", *([PAGE] if universes else []))):
                left_out[name] = "it is not drawn yet"
                continue
            drawn_before = [path for path in folder.glob("*.*") if path.suffix in (".svg", ".md") and path.is_file()]
            found = {path.name: path.read_bytes() for path in drawn_before}
        if published.judgement is not None:
            entries.append(entry(published, found, universes))
    if entries:
        index = (index_html(entries), index_markdown(entries))
        files |= {reports / file: text.encode() for file, text in zip(INDEX, index, strict=True)}
        if reports.absolute() == REPORTS:
            files[README] = with_results(README.read_text(encoding="utf-8"), entries).encode()
        if reports.absolute() == REPORTS and PARAMS.is_file():
            files[PARAMS] = with_studies(PARAMS.read_text(encoding="utf-8"), study_names(), reports).encode()
    return files, left_out


def unlike(names: list[str], reports: Path, files: Mapping[Path, bytes]) -> list[Path]:
    """The files of the named studies and of the index that are missing, that differ, or that nothing draws."""
    wrong = [path for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
    for name in names:
        folder = reports / Path(name).stem
        known = {*files, folder / FOLDER, folder / UNIVERSES, *exported(folder), *exported(folder / UNIVERSES)}
        found = (*folder.glob("[!.]*"), *folder.glob(f"{UNIVERSES}/[!.]*"))
        wrong += sorted(path for path in found if path not in known)
    return wrong


def has_tables(folder: Path) -> bool:
    """Whether there is anything in a study's folder but what was frozen of it."""
    return folder.is_dir() and [path.name for path in folder.glob("*")] != [FOLDER]
