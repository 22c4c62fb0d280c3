"""Data flows one way: a module imports only those above it in the layout that CONTRIBUTING.md shows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYOUT = re.findall(r"^  (\w+)\.py ", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
HEAVY = ("torch", "mlflow", "optuna", "pandas", "matplotlib", "pytorch_lightning", "sklearn", "scipy")
OWNERS = {
    "pytorch_lightning": {"module", "probes", "train"},
    "mlflow": {"database", "tracking", "ui"},
    "optuna": {"search", "tuning"},
    "multiprocessing": {"execute"},
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it, `research.x` as such."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            if node.module == "research":
                found.update(f"research.{alias.name}" for alias in node.names)
    return found


def test_the_layout_in_the_docs_names_every_module():
    assert sorted(LAYOUT) == sorted(path.stem for path in (ROOT / "research").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", LAYOUT)
def test_a_module_imports_only_those_above_it(name):
    used = {found.split(".")[1] for found in imports(ROOT / "research" / f"{name}.py") if found.startswith("research.")}
    assert used <= set(LAYOUT[: LAYOUT.index(name)])


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_known_to_its_own_modules_only(library):
    users = {
        path.stem
        for path in (ROOT / "research").glob("*.py")
        if any(found.split(".")[0] == library for found in imports(path))
    }
    assert users == OWNERS[library]


def test_every_module_has_a_test_file_of_its_name():
    modules = {path.stem for path in (ROOT / "research").glob("[a-z]*.py")}
    assert modules <= {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}


def test_studies_are_listed_and_planned_without_a_heavy_import(tmp_path):
    code = (
        "import sys; from research.study import main; "
        f"main(['--store', {str(tmp_path)!r}]); main(['activation_depth', '--plan', '--store', {str(tmp_path)!r}]); "
        f"sys.exit(str(set({HEAVY}) & set(sys.modules)) if set({HEAVY}) & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
