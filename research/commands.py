"""The command `mlp-research`: `mlp-research study NAME` is `python -m research.study NAME`, from any folder."""

from __future__ import annotations

import runpy
import signal
import sys

COMMANDS = {
    "study": "run or resume a study, or list them",
    "report": "draw what was found again, or check it",
    "ui": "compare runs in the MLflow UI",
    "reproduce": "train recorded stacks again and compare",
    "store": "copy and join records",
}
LINES = "\n".join(f"  {name:10} {what}" for name, what in COMMANDS.items())
USAGE = f"usage: mlp-research COMMAND [options]\n\n{LINES}\n\nmlp-research COMMAND --help shows the options of one."


def main() -> None:
    """Become the command that the first argument names: its module runs as `python -m` would run it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # see research/__init__.py
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(USAGE)
        return
    if name not in COMMANDS:
        sys.exit(_refused(name))
    del sys.argv[1]
    runpy.run_module(f"research.{name}", run_name="__main__", alter_sys=True)


def _refused(name: str) -> int:
    from research.console import refuse
    from research.design.errors import UserError

    return refuse(UserError(f"no command {name!r}; there are {', '.join(COMMANDS)}"))
