"""Data flows one way: folders import only those that may stand before them, modules those above them in the layout."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from research.design.study_files import load_study, study_names
from research.training.config import TrainConfig
from research.training.display_words import WORDS
from research.training.metrics import DEPENDS_ON, LAYERS, METRICS, PROFILES

ROOT = Path(__file__).resolve().parents[1]
RESEARCH = ROOT / "research"
HEAVY = ("torch", "mlflow", "optuna", "pandas", "matplotlib", "pytorch_lightning", "sklearn", "scipy")
OWNERS = {
    "pytorch_lightning": {"module", "train"},
    "mlflow": {"mlflow_database", "recorder", "ui"},
    "psycopg": {"postgres_store"},
    "optuna": {"optuna_studies", "searches"},
    "multiprocessing": {"processes"},
    "dask": {"scheduler"},
    "distributed": {"cluster", "cluster_worker", "scheduler"},
}
# What each folder may import of the others; the commands may import all.
FOLDERS: dict[str, set[str]] = {
    "design": set(),
    "training": {"design"},
    "judging": {"design"},
    "record": {"design", "judging"},
    "running": {"design", "record"},
    "publishing": {"design", "judging", "record"},
}


# How numbers are joined, a side of a figure, what a level has in a figure: metrics of studies too; a word of MLflow's.
EXCEPTED = {"difference", "right", "numbers", "dataset"}


def layout() -> list[str]:
    """The modules of the layout in the docs, in its order: `design.errors`, ..., `study`."""
    found, folder = [], ""
    for line in re.search(r"^research/\n(.*?)^\w", (ROOT / "CONTRIBUTING.md").read_text(), re.S | re.M)[1].splitlines():
        indent, name = re.match(r"( +)(\w+)", line).groups()
        if line.strip().startswith(f"{name}/"):
            folder = name
        else:
            found.append(f"{folder}.{name}" if len(indent) == 4 else name)
    return found


LAYOUT = layout()


def path_of(module: str) -> Path:
    return RESEARCH.joinpath(*module.split(".")).with_suffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; of `from a import b` both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def used(module: str) -> set[str]:
    """The modules of the layout that one of them imports."""
    return {name for name in LAYOUT if f"research.{name}" in imports(path_of(module))}


def test_the_layout_in_the_docs_names_every_module():
    paths = (path for path in RESEARCH.rglob("[a-z]*.py"))
    assert sorted(LAYOUT) == sorted(".".join(path.relative_to(RESEARCH).with_suffix("").parts) for path in paths)


@pytest.mark.parametrize("name", LAYOUT)
def test_a_module_imports_only_what_may_stand_before_it(name):
    folder = name.rpartition(".")[0]
    for other in used(name):
        if other.rpartition(".")[0] == folder:
            # A configuration is a task too, which hands what is asked of it to the modules below.
            assert name == "training.config" or LAYOUT.index(other) < LAYOUT.index(name)
        else:
            assert not folder or other.partition(".")[0] in FOLDERS[folder]


def test_only_training_and_the_studies_know_fields_and_metrics_of_networks():
    """All else knows them by what a task says of them; a word that stands for something else too is excepted."""
    names = {field.name for field in fields(TrainConfig)} | set(WORDS) | set(METRICS) | set(DEPENDS_ON)
    names |= {*LAYERS, *(name for profiles in PROFILES.values() for name in profiles)}
    names |= {name for study in map(load_study, study_names()) for name in study.metrics}
    found = {
        f"{path.relative_to(RESEARCH)}: {node.value}"
        for folder in set(FOLDERS) - {"training"}
        for path in (RESEARCH / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names - EXCEPTED
    }
    assert found == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_says_what_it_is_for_and_exports_nothing(folder):
    tree = ast.parse((RESEARCH / folder / "__init__.py").read_text())
    assert len(ast.get_docstring(tree)) > 100
    assert len(tree.body) == 1


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_is_known_to_its_own_modules_only(library):
    users = {
        path.stem for path in RESEARCH.rglob("*.py") if any(found.split(".")[0] == library for found in imports(path))
    }
    assert users == OWNERS[library]


def test_every_module_has_a_test_file_of_its_name():
    modules = {name.replace("design.study", "design", 1) if name == "design.study" else name for name in LAYOUT}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert {name.rpartition(".")[2] for name in modules} <= tests


def test_studies_are_listed_and_planned_without_a_heavy_import(tmp_path):
    code = (
        "import sys; from research.study import main; "
        f"main(['--store', {str(tmp_path)!r}]); main(['activation_depth', '--plan', '--store', {str(tmp_path)!r}]); "
        f"sys.exit(str(set({HEAVY}) & set(sys.modules)) if set({HEAVY}) & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
