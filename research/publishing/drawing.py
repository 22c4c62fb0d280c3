"""All that is drawn from a study's published tables: findings, figures, pages, and the index of all studies."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from research.design.errors import UserError
from research.design.places import REPORTS, ROOT, STUDIES
from research.design.plan import Plan
from research.design.study import Study
from research.design.study_files import load_file, load_study, study_names
from research.design.wording import word
from research.judging.findings import Judgement
from research.publishing.exploration import FOLDER, amendments_section, read_exploration
from research.publishing.explorer import explored, explorer_html
from research.publishing.html_pages import IN_HTML, study_html
from research.publishing.index import Entry, index_markdown
from research.publishing.pages import study_page
from research.publishing.pipeline import with_studies
from research.publishing.results import (
    Published,
    PublishedUniverses,
    gathered,
    read_published,
    read_universes,
    universe_files,
)
from research.publishing.tables import AGAIN, RUNS, UNIVERSES, csv, export, exported, findings_frame, write
from research.publishing.tuning_section import tuning_section
from research.publishing.universe_page import PAGE, universes_page, universes_section
from research.record.any_store import AnyStore
from research.record.state import State

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.figure import Figure


INDEX = ("index.html", "explorer.html", "README.md", "what-holds.md")
CLAIMS_MAP = "what-holds"
README = ROOT / "README.md"
PARAMS = ROOT / "params.yaml"  # of the pipeline


def publish(
    store: AnyStore, plan: Plan, state: State, folder: Path, published: bool = False
) -> tuple[pd.DataFrame, Judgement | None]:
    """Export a plan whose stacks are all done into a folder and draw all of it there; its runs and its judgement.

    Only the study as declared is judged: of another plan there is no judgement, and no verdict on its page.
    `published` is what its provenance says: whether it is for reports/.
    """
    export(store, plan, state, folder, published)
    found = read_published(plan.study, folder)
    files = render(found)
    write({folder / name: content for name, content in files.items()})
    return found.tables.runs, found.judgement if plan.declared else None


def publish_universes(
    store: AnyStore, plan: Plan, state: State, folder: Path, published: bool = False
) -> PublishedUniverses | None:
    """Export a plan of universes whose stacks are all done into the folder of its study, and draw all of it there.

    The page of the study is drawn again too, where its own tables are there. Without the reference universe there is
    nothing to compare with, so nothing is drawn.
    """
    export(store, plan, state, folder / UNIVERSES, published)
    found = read_published(plan.study, folder) if (folder / RUNS).is_file() else None
    universes = found.universes if found else read_universes(plan.study, folder)
    if universes is None:
        return None
    files = render(found) if found else render_universes(universes, None)
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
    name = f"reports.{study.name}"
    return sys.modules.get(name) or load_file(name, REPORTS / f"{study.name}.py")


@contextlib.contextmanager
def needed_columns(script: ModuleType) -> Iterator[None]:
    """Say in a line which column or level a study's own script needs and no table has, or what else is wrong in it."""
    try:
        yield
    except KeyError as error:
        raise UserError(f"{script.__file__}: needs {error}, which no table has; {AGAIN}") from error


def render(published: Published) -> dict[str, bytes]:
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
        files["README.md"] = page(published, figures).encode()
        files |= in_html(published.study, "README.md", files)
    return files | (render_universes(published.universes, judgement) if published.universes else {})


def render_universes(universes: PublishedUniverses, judgement: Judgement | None) -> dict[str, bytes]:
    """All that is drawn from the tables of a study's universes; `judgement` is that of the reference universe."""
    from research.publishing.universe_figures import universe_captions, universe_figures

    begin_drawing()
    files = drawn(universe_figures(universes.across)) | universe_files(universes)
    files[PAGE] = universes_page(universes, judgement, universe_captions(universes.across)).encode()
    return files | in_html(universes.plan.study, PAGE, files)


def in_html(study: Study, page: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A Markdown page among the files of a study for a browser, by its name there, with the figures among them."""
    return {IN_HTML[page]: study_html(study, files[page].decode(), files).encode()}


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


def page(published: Published, figures: Iterable[str]) -> str:
    """The Markdown page of a judged study with the figures of these names.

    What `reports/NAME.py` concludes (`notes`) stands there where the study and its universes are as declared.
    """
    from research.publishing.figures import margin_captions

    assert published.judgement is not None
    script, universes = script_of(published.study), published.universes
    told: Mapping[str, str] = getattr(script, "CAPTIONS", {})
    notes = ""
    if published.plan.declared and universes and universes.plan.declared and script and hasattr(script, "notes"):
        with needed_columns(script):
            notes = script.notes(gathered(published))
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


def entry(published: Published) -> Entry:
    """What the index shows of a judged study."""
    assert published.judgement is not None
    across = published.universes.across if published.universes else None
    return Entry(published.study, published.judgement, num_networks(published), across, explored(published))


def num_networks(published: Published) -> int:
    """How many networks were trained and are reported: those of the reference, of other universes, and of searches."""
    number, universes = len(published.tables.runs), published.universes
    if universes:
        reference = {cell.name for cell in published.plan.cells}
        number += int((~universes.runs["cell"].isin(reference)).sum())
    seeds = published.study.tuning.seeds if published.study.tuning else 0
    return number + seeds * len((universes or published).trials.table)


def draw(names: list[str], reports: Path) -> tuple[dict[Path, bytes], dict[str, str]]:
    """All files that are drawn of the named studies, and the index of all that are drawn, by their paths.

    Beside it, by name, why other studies are left out of the index: their tables cannot be used, or are not drawn yet.
    """
    every = {Path(name).stem: name for name in (*study_names(), *names)}
    files: dict[Path, bytes] = {}
    entries: list[Entry] = []
    left_out: dict[str, str] = {}
    for name, asked_for in sorted(every.items()):
        folder, is_drawn = reports / name, asked_for in names
        if not is_drawn and not has_tables(folder):
            continue
        try:
            published = read_published(load_study(asked_for), folder)
        except UserError as error:
            if is_drawn:
                raise
            left_out[name] = str(error)
            continue
        if is_drawn:
            files |= {folder / file: content for file, content in render(published).items()}
        elif not all((folder / IN_HTML[page]).is_file() for page in ("README.md", *[PAGE] * bool(published.universes))):
            left_out[name] = "it is not drawn yet"
            continue
        if published.judgement is not None:
            entries.append(entry(published))
    if entries:
        from research.publishing.front import front_html
        from research.publishing.what_holds import claims_map, what_holds, with_results

        begin_drawing()
        markdown = (index_markdown(entries), what_holds(entries, f"{CLAIMS_MAP}.svg"))
        index = (front_html(entries), explorer_html(entries), *markdown)
        files |= {reports / file: text.encode() for file, text in zip(INDEX, index, strict=True)}
        files |= {reports / name: content for name, content in drawn({CLAIMS_MAP: claims_map(entries)}).items()}
        if reports.absolute() == REPORTS and README.is_file():
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
    return any(path.name != FOLDER for path in folder.glob("[!.]*"))
