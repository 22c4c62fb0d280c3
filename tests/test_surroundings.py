"""Variables and settings that others made for other programs change nothing and end nothing: real commands."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT, Toy

from research.surroundings import foreign

OF_OTHERS = {
    "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "job", "SLURM_PROCID": "1", "RANK": "1", "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "nowhere", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MLFLOW_ENABLE_WORKSPACES": "true", "MLFLOW_TRACKING_URI": "http://nowhere", "GIT_DIR": "/nowhere/.git",
}  # fmt: skip


def test_what_is_meant_for_others_is_known_and_nothing_else():
    ours = {"RESEARCH_DATA": "x", "PATH": "x", "HOME": "x", "CUDA_VISIBLE_DEVICES": "0", "PYTHONPATH": "x"}
    assert set(foreign(OF_OTHERS | ours)) == set(OF_OTHERS) - {"MPLBACKEND"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    toy = Toy(tmp_path_factory.mktemp("undisturbed")).write()
    assert toy.run("--tier", "small").returncode == 0
    return toy


def test_a_study_in_a_job_of_a_cluster_from_a_notebook_comes_to_the_same(undisturbed, tmp_path, monkeypatch):
    toy = Toy(tmp_path).write()
    for name, value in OF_OTHERS.items():
        monkeypatch.setenv(name, value)
    done = toy.run("--tier", "small")
    assert done.returncode == 0, done.stderr
    tables = [each.folder / "reports" / "toy" / "runs.csv" for each in (undisturbed, toy)]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    of_runs = [{run.tags["mlflow.source.git.commit"] for run in each.runs("toy-small")} for each in (undisturbed, toy)]
    assert of_runs[0] == of_runs[1]


def test_figures_do_not_follow_a_matplotlibrc(tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nsavefig.bbox: tight\nlines.linewidth: 9\n")
    code = (
        "import hashlib, matplotlib.pyplot as plt\n"
        "from research.report import begin_drawing, drawn\n"
        "begin_drawing()\n"
        "figure, ax = plt.subplots()\n"
        "ax.plot([1, 2], label='a'); ax.legend(); ax.set_title('b')\n"
        "print({name: hashlib.sha256(content).hexdigest() for name, content in drawn({'f': figure}).items()})\n"
    )
    drawn = [
        subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=os.environ | own, text=True)
        for own in ({}, {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")})
    ]
    assert drawn[0] == drawn[1]
