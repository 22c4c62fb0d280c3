"""What is drawn from a study's published tables, by anyone: findings, figures and page, and the index of all studies.

    python -m research.report [NAME ...] [--check] [--freeze] [--reports DIR]
"""  # fmt: skip

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from research import surroundings
from research.console import Parser, named_folder, refuse
from research.design.errors import UserError
from research.design.places import IS_CLONE, REPORTS
from research.design.study_files import load_study, study_names
from research.publishing.drawing import (
    draw,
    has_tables,
    unlike,
)
from research.publishing.exploration import FOLDER, changes, freeze
from research.publishing.publication import unpublishable
from research.publishing.tables import (
    write,
)


def parser() -> Parser:
    """The options of the command."""
    made = Parser("python -m research.report", description="Draw findings, figures, pages and the index again.")
    made.add_argument("names", nargs="*", metavar="NAME", help="a study; all that have tables by default")
    made.add_argument("--check", action="store_true", help="write nothing; say which files do not fit the tables")
    made.add_argument(
        "--freeze", action="store_true", help="keep what is published of NAME now as the exploration that it was"
    )
    made.add_argument("--reports", type=named_folder, default=REPORTS, metavar="DIR", help="default: reports/")
    return made


def keep(names: Sequence[str], reports: Path, check: bool) -> int:
    """Freeze what is published of the named studies (`exploration.freeze`)."""
    if check or not names:
        raise UserError("--freeze: needs the NAME of a study, and goes without --check")
    for name in names:
        files = freeze(load_study(name), reports / Path(name).stem)
        write(files)
        print(f"frozen: {reports / Path(name).stem / FOLDER}, {len(files)} files")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The command line: draw what is published of the named studies (all that have tables) again, or check it."""
    try:
        options = parser().parse_args(arguments)
        if not (IS_CLONE or options.check) and options.reports.resolve() == REPORTS:
            raise UserError("what is installed is only read: --check it, or name a folder of yours by --reports")
        if options.freeze:
            return keep(options.names, options.reports, options.check)
        names = options.names or [name for name in study_names() if has_tables(options.reports / name)]
        files, left_out = draw(names, options.reports)
        if not options.check:
            write(files)
    except UserError as error:
        return refuse(error)
    for name, reason in left_out.items():
        print(f"left out of the index: {name}: {reason}", file=sys.stderr)
    stale = unlike(names, options.reports, files) if options.check else []
    ours = options.check and options.reports.resolve() == REPORTS
    for path in stale:
        print(
            f"stale: {path} does not come from its tables; draw it again with python -m research.report, or delete it"
        )
    refused = [text for name in names for text in unpublishable(options.reports / Path(name).stem)] if ours else []
    if options.check:
        every = {Path(name).stem for name in (*study_names(), *names)}
        refused += [text for name in sorted(every) for text in changes(options.reports / name)]
    for text in refused:
        print(f"refused: {text}")
    if stale or refused:
        return 1
    print(f"{'fits its tables' if options.check else 'drawn'}: {', '.join(names) or 'no study has tables yet'}")
    return 0


if __name__ == "__main__":
    sys.exit(surroundings.run(main))
