"""What the docs say can be done."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import COMMAND, ROOT
from nbclient import NotebookClient

from docs.reference import PAGE, reference
from research import report, reproduce, store, study, ui
from research.design.plan import make_plan
from research.design.study_files import load_study, study_names

README = (ROOT / "README.md").read_text()
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"))
}
OURS = [page for name, page in PAGES.items() if name.startswith(("README", "docs/"))]
TUTORIAL, GUIDES = PAGES["docs/tutorial.md"], PAGES["docs/how-to.md"]
PARSERS = {command.__name__: command.parser for command in (study, report, reproduce, store, ui)}
OF_OTHERS = {"--death-timeout", "--nthreads", "--stacks"}  # options of Dask and of a benchmark


def blocks(page: str, language: str = "") -> list[str]:
    """What a page shows fenced as being in a language; without one, commands and what they print."""
    return [text for found, text in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.DOTALL | re.M) if found == language]


def studies(page: str) -> dict[str, str]:
    """The study files that a page shows, by the names of their studies."""
    return {
        re.search(r'STUDY = Study\(\s*name="(\w+)"', text)[1]: text
        for text in blocks(page, "python")
        if "STUDY" in text
    }


def anchors(page: str) -> set[str]:
    """What links can point at in a page: its headings, as code hosts name them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shape(text: str) -> str:
    """A line without its numbers, which are those of a machine."""
    return " ".join(re.sub(r"-?\d[\d,.]*\d|\d", "#", text).split())


def test_the_readme_has_exactly_two_set_up_commands_each_one_line():
    assert len(re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)) == 2


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120


def test_the_docs_name_every_page_of_theirs():
    assert {f"docs/{name}" for name in re.findall(r"\]\(([\w-]+\.md)\)", PAGES["docs/README.md"])} == {
        name for name in PAGES if name.startswith("docs/") and name != "docs/README.md"
    }


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_somewhere(name):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", PAGES[name]):
        path, _, anchor = target.partition("#")
        found = (ROOT / name).parent / path if path else ROOT / name
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text()), target


def test_options_in_the_docs_exist():
    actions = [action for parser in PARSERS.values() for action in parser()._actions]
    existing = {option for action in actions for option in action.option_strings}
    named = {option for page in OURS for option in re.findall(r"`(--[a-z-]+)", page)}
    assert named - OF_OTHERS <= existing


COMMANDS = sorted({found for page in OURS for found in re.findall(r"python -m (research\.\w+) ([^`\n]+)", page)})


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_every_command_of_the_docs_is_one_that_its_parser_takes(module, arguments):
    PARSERS[module]().parse_args(shlex.split(arguments.replace("-->", "")))


def test_every_study_that_the_docs_name_exists():
    named = {
        name
        for page in PAGES.values()
        for name in re.findall(r"research\.study ([a-z_]+)(?= |`|$)", page, re.MULTILINE)
    }
    assert named <= set(study_names())


def test_the_reference_is_that_of_the_code():
    assert PAGE.read_text() == reference(), "python -m docs.reference makes it again"


def printed(tmp_path: Path, *arguments: str) -> list[str]:
    """The lines that a run of a study prints, without their numbers."""
    command = [*COMMAND, *arguments, "--workers", "2", "--store", str(tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [shape(line) for line in done.stdout.splitlines()]


def is_printed(shown: str, lines: list[str]) -> bool:
    """Whether the lines that a page shows, but for what it leaves out (...), are among these, in their order."""
    left = iter(lines)
    return all(shape(line) in left for line in shown.splitlines() if line != "..." and not line.startswith("$"))


def test_the_tutorial_ends_with_the_verdicts_that_it_shows(tmp_path):
    (tmp_path / "wider.py").write_text("".join(blocks(TUTORIAL, "python")))
    lines = printed(tmp_path, str(tmp_path / "wider.py"))
    (shown,) = (text for text in blocks(TUTORIAL) if "refuted:" in text)
    assert is_printed(shown, lines)
    (shown,) = (text for text in blocks(README) if "wider.py" in text)
    assert is_printed(shown, lines)


def test_a_run_prints_what_the_readme_shows(tmp_path):
    (shown,) = (text for text in blocks(README) if "--tier smoke" in text)
    command = re.search(r"^\$ python -m research\.study (.*)$", shown, re.M)[1]
    assert is_printed(shown, printed(tmp_path, *command.split()))


@pytest.mark.parametrize("name", studies(GUIDES))
def test_the_studies_of_the_guides_can_be_planned(name, tmp_path):
    path = tmp_path / f"{name}.py"
    path.write_text(studies(GUIDES)[name])
    assert len(make_plan(load_study(str(path))).cells) == 2


def test_the_task_of_the_guides_gives_what_it_names(tmp_path):
    path = tmp_path / "walks.py"
    path.write_text(studies(GUIDES)["walks"])
    task = load_study(str(path)).task({"steps": 100})
    assert [found.metrics.keys() for found in task.run([0, 1], lambda share: None)] == [task.gives().keys()] * 2


def test_the_results_can_be_used_as_the_guides_say():
    (block,) = (block for block in blocks(GUIDES, "python") if "research.results" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["accuracy"].loc[("tanh", 4), "count"] == 20
    assert set(names["claims"]["n"]) == {20}


def test_importing_the_package_is_cheap():
    code = "import sys, research; print(*({'pandas', 'numpy', 'torch', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "\n"


def test_pinned_versions_are_the_installed_ones():
    """The README's commands use constraints.txt, so results and docs speak of these versions."""
    frozen = subprocess.run([sys.executable, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    installed = dict(re.findall(r"^([\w.-]+)==([\w.]+)", frozen, re.MULTILINE))
    for name in ("torch", "mlflow", "pytorch-lightning", "optuna", "numpy", "matplotlib", "seaborn", "pandas"):
        assert pinned[name] == installed[name]


def texts(cell: Any) -> list[str]:
    """The lines of a cell's outputs without their numbers, but for what tells of its progress and of its folder."""
    outputs = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.get("outputs", [])]
    lines = "".join(outputs).splitlines()
    return [
        shape(line) for line in lines if line.strip() and not line.startswith(("[", "tables and figures", "<Figure"))
    ]


def test_the_notebook_comes_to_what_it_shows(tmp_path, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # drawing sets it, and without it a notebook shows its figures
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", 4)
    shown = [texts(cell) for cell in notebook.cells]
    for cell in notebook.cells:
        cell.source = cell.source.replace('tier="smoke")', f'tier="smoke", store={str(tmp_path / "store")!r})')
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    assert [texts(cell) for cell in notebook.cells] == shown
    assert sum("verdict" in "".join(lines) for lines in shown) == 1
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
