"""Every published verdict comes out again by other code, and one that were wrong would be found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.recompute import REPORTS, disagreements

ROOT = Path(__file__).resolve().parents[1]
JUDGING = ("verdict", "stats", "outcomes", "samples", "joins", "margins", "main_effect", "across")


def test_every_published_verdict_is_what_other_code_makes_of_the_tables():
    done = subprocess.run([sys.executable, "-m", "benchmarks.recompute"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    published = [path for path in REPORTS.glob("*/**/findings.csv") if "exploration" not in path.parts]
    shown = sum(len(pd.read_csv(path)) for path in published)
    assert int(done.stdout.split()[0]) >= shown > 40
    assert done.stdout.endswith(" 0 differ\n")


def test_it_uses_nothing_that_judges():
    code = f"import sys, benchmarks.recompute; print({{'research.' + name for name in {JUDGING}}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT) == "set()\n"


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(REPORTS / "pixel_shuffle", tmp_path / "pixel_shuffle")
    return tmp_path


def change(path: Path, where: str, **columns: object) -> None:
    """Change columns of a table in the rows that a query finds."""
    frame = pd.read_csv(path)
    frame.loc[frame.query(where).index, list(columns)] = list(columns.values())
    frame.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("table", "where", "columns"),
    [
        ("findings.csv", "name == 'unchanged'", {"verdict": "refuted"}),
        ("findings.csv", "name == 'scrambled'", {"verdict": "refuted"}),
        ("runs.csv", "cell == 'permuted network=mlp'", {"steady_test_accuracy": 0.9}),
        ("runs.csv", "cell == 'permuted network=mlp' and seed == 103", {"twin_difference": 1e-3}),
        ("runs.csv", "cell == 'scrambled network=mlp' and seed == 103", {"diverged_step": 7.0}),
    ],
)
def test_a_verdict_that_the_tables_do_not_give_is_found(copied, table, where, columns):
    assert list(disagreements("pixel_shuffle", copied)) == []
    change(copied / "pixel_shuffle" / table, where, **columns)
    assert list(disagreements("pixel_shuffle", copied))
