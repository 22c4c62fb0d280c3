"""Records copied and joined: `python -m research.store copy A B [NAME ...]`."""

from __future__ import annotations

import argparse
import sys

from research import surroundings
from research.console import Parser, named_store, refuse
from research.design.errors import UserError
from research.design.wording import counted
from research.record.any_store import AnyStore
from research.record.server_store import ServerStore


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = Parser(
        "python -m research.store",
        description="Copy whole studies from store A into store B, which keeps what it has: so two that each hold a "
        "half become one. A is only read. A store is a folder or "
        "postgresql://USER@HOST/NAME, and A may be http://HOST:PORT.",
    )
    made.add_argument("what", choices=("copy",), metavar="copy", help="what is to be done")
    made.add_argument("source", type=named_store, metavar="A", help="where they are copied from")
    made.add_argument("target", type=named_store, metavar="B", help="where they are copied to")
    made.add_argument("names", nargs="*", metavar="NAME", help="a study; all that A has by default")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status: 0 all is copied, 2 wrong input, 130 stopped."""
    try:
        options = parser().parse_args(arguments)
        copy(options.source, options.target, options.names)
    except UserError as error:
        return refuse(error)
    except KeyboardInterrupt:
        print("\nstopped; each study is copied as a whole or not at all", file=sys.stderr)
        return 130
    return 0


def copy(source: AnyStore, target: AnyStore, names: list[str]) -> None:
    """Copy studies, all by default, and print what became of each. Raises UserError for what cannot be."""
    from research.record.copies import copy_study, studies_in

    if str(source) == str(target):
        raise UserError(f"store {source}: cannot be copied into itself")
    if isinstance(target, ServerStore):  # a study is written at once or not at all, under the ids that its runs have
        raise UserError(f"store {target}: studies can be copied from a tracking server, not into one")
    known = studies_in(source)
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"no study {unknown[0]!r} in store {source}; there are {', '.join(known) or 'none'}")
    target.check()
    for name in dict.fromkeys(names or known):
        found = copy_study(source, target, name)
        print(
            f"{name}: {counted(found.stacks, 'stack')} copied, {found.there} there already; checked: "
            f"{counted(found.runs, 'run')}, {counted(found.numbers, 'number')}",
            flush=True,
        )
    print(f"python -m research.study NAME --store {target} sums up what each of them had a part of")


if __name__ == "__main__":
    sys.exit(surroundings.run(main))
