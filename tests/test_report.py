"""What is drawn from published tables: the same by anyone, and noticed when it no longer fits."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from made_up import write_tables, write_universes

from research.design.plan import make_plan
from research.design.study_files import load_study
from research.publishing.drawing import INDEX
from research.report import main

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ("findings", "learning_curves", "accuracy_by_depth", "backward_signal")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """What is published of activation_depth, from numbers that are made up."""
    folder = tmp_path_factory.mktemp("reports") / "activation_depth"
    write_tables(load_study("activation_depth"), folder)
    assert main(["--reports", str(folder.parent)]) == 0
    return folder


@pytest.fixture
def copied(made_up, tmp_path) -> Path:
    """A copy of it that may be harmed."""
    shutil.copytree(made_up.parent, tmp_path / "copy")
    return tmp_path / "copy" / made_up.name


def test_the_same_tables_give_the_same_bytes_in_another_process(made_up):
    before = files_in(made_up.parent)
    names = {path.name for path in made_up.iterdir()}
    assert {f"{name}.svg" for name in FIGURES} < names
    assert {"findings.csv", "README.md"} < names
    assert set(INDEX) < {path.name for path in made_up.parent.iterdir()}
    subprocess.run([sys.executable, "-m", "research.report", "--reports", str(made_up.parent)], check=True, cwd=ROOT)
    assert files_in(made_up.parent) == before


def test_check_names_all_that_does_not_come_from_the_tables(copied, capsys):
    files = [copied / "findings.svg", copied / "README.md", copied / "x.png", *(copied.parent / name for name in INDEX)]
    for path in files:
        path.write_bytes((path.read_bytes() if path.exists() else b"") + b"x")
    (copied / "findings.csv").unlink()
    assert main(["--check", "--reports", str(copied.parent)]) == 1
    lines = capsys.readouterr().out.splitlines()
    expected = [f"stale: {path} does not come from its tables" for path in (*files, copied / "findings.csv")]
    assert sorted(line.partition(";")[0] for line in lines) == sorted(expected)


def test_all_fits_when_nothing_was_touched(made_up):
    assert main(["--check", "--reports", str(made_up.parent)]) == 0


def test_findings_and_page_say_what_the_tables_say(made_up):
    findings = pd.read_csv(made_up / "findings.csv").set_index("name")
    assert list(findings.index) == [judged.name for judged in load_study("activation_depth").judged]
    runs = pd.read_csv(made_up / "runs.csv")
    rows = runs[(runs["activation"] == "sigmoid") & (runs["depth"] == 8)]
    assert findings.loc["a-quarter-a-layer", "number"] == pytest.approx(rows["backward_factor"].median(), rel=1e-5)
    assert findings.loc["a-quarter-a-layer", "verdict"] == "supported"
    assert "At most a quarter" not in (made_up / "README.md").read_text()


def test_one_study_can_be_drawn_alone_and_the_index_is_that_of_all(copied, capsys):
    reports = copied.parent
    write_tables(load_study("pixel_shuffle"), reports / "pixel_shuffle")
    assert main(["activation_depth", "--reports", str(reports)]) == 0
    assert "left out of the index: pixel_shuffle: it is not drawn yet" in capsys.readouterr().err
    assert not (reports / "pixel_shuffle" / "README.md").exists()
    (copied / "findings.csv").write_text("touched")
    assert main(["pixel_shuffle", "--reports", str(reports)]) == 0
    assert capsys.readouterr().err == ""
    assert (copied / "findings.csv").read_text() == "touched"
    for name in INDEX:
        text = (reports / name).read_text()
        assert "activation_depth" in text
        assert "pixel_shuffle" in text
    assert main(["pixel_shuffle", "--check", "--reports", str(reports)]) == 0
    (copied / "runs.csv").write_text("a")
    assert main(["pixel_shuffle", "--reports", str(reports)]) == 0
    assert "activation_depth/runs.csv: is not what was exported" in capsys.readouterr().err


def test_a_study_whose_universes_are_not_drawn_yet_is_left_out_of_the_index(copied, capsys):
    write_universes(load_study("activation_depth"), copied)
    write_tables(load_study("pixel_shuffle"), copied.parent / "pixel_shuffle")
    assert main(["pixel_shuffle", "--reports", str(copied.parent)]) == 0
    assert "left out of the index: activation_depth: it is not drawn yet" in capsys.readouterr().err


def test_universes_without_the_reference_do_not_keep_the_study_from_being_drawn(copied):
    study = load_study("activation_depth")
    write_universes(study, copied, make_plan(study, scope=("init=he",)))
    before = (copied / "README.md").read_bytes()
    assert main(["activation_depth", "--reports", str(copied.parent)]) == 0
    assert (copied / "README.md").read_bytes() == before


def test_what_is_committed_fits_its_tables():
    assert main(["--check"]) == 0


def test_an_unknown_study_is_refused(capsys):
    assert main(["nonesuch"]) == 2
    assert "no study 'nonesuch'" in capsys.readouterr().err


def test_a_study_without_tables_is_refused_with_what_makes_them(tmp_path, capsys):
    assert main(["width_sine", "--reports", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    hint = "no tables of width_sine yet; python -m research.study width_sine makes them"
    assert line == f"error: {tmp_path}/width_sine: {hint}"


def test_tables_changed_by_hand_are_refused_in_a_line(copied, capsys):
    (copied / "curves.csv").write_bytes((copied / "curves.csv").read_bytes() + b"x")
    for option in ([], ["--check"]):
        assert main([*option, "--reports", str(copied.parent)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("curves.csv: is not what was exported; run the study to export it again")


def test_nothing_is_drawn_where_nothing_is_published(tmp_path, capsys):
    assert main(["--reports", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "drawn: no study has tables yet\n"
    assert list(tmp_path.iterdir()) == []


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
