"""Where things are: studies, published tables, records, data. A clone has them in its root, an installed package not.

A wheel has the folders `studies` and `reports` inside the package, as `research/shipped` (pyproject.toml puts them
there). What is made on the way, records and data, is then under the working directory.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = PACKAGE / "shipped"
IS_CLONE = not SHIPPED.is_dir()
ROOT = PACKAGE.parent if IS_CLONE else SHIPPED
STUDIES, REPORTS = ROOT / "studies", ROOT / "reports"


def made_in() -> Path:
    """The folder under which records and data lie, where no option or variable names another."""
    return ROOT if IS_CLONE else Path.cwd()


def how_to_install(extra: str) -> str:
    """The command that installs an extra of this package."""
    if IS_CLONE:
        return f"pip install -c constraints.txt -e '.[{extra}]' in the project's folder"
    return f"pip install 'mlp-research[{extra}]'"
