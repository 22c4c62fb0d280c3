"""Where things are, in a clone and where a wheel is installed."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from research.design import places

# What a clone has and tells where it was not asked to: as data, so that the same lines run where it is installed.
RESULTS = "import research; found = research.results('pixel_shuffle'); print(len(found.runs), len(found.findings))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the files of this clone that git knows or would add."""
    source = tmp_path_factory.mktemp("source")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    words = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(source / "dist"), str(source)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    (made,) = (source / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of commands of an environment with the wheel, and with what it needs from that of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    words = ["install", "-q", "--no-deps", "--no-compile", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", folder / "bin" / "python", *words], check=True)
    (site / "tests.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


@pytest.fixture(scope="module")
def run(installed, tmp_path_factory):
    """Runs a command of the environment in an empty folder, the same each time; `run.folder` is that folder."""

    def run(*words, status=0):
        command = [installed / words[0], *words[1:]]
        done = subprocess.run(command, cwd=run.folder, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    run.folder = tmp_path_factory.mktemp("elsewhere")
    return run


def test_a_clone_has_all_in_its_root():
    assert places.IS_CLONE
    assert (places.STUDIES, places.REPORTS, places.made_in()) == (ROOT / "studies", ROOT / "reports", ROOT)


def test_a_wheel_installs_one_package_with_all_that_is_published(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        size = sum(info.compress_size for info in archive.infolist())
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"research"}
    published = (path for folder in (places.STUDIES, places.REPORTS) for path in folder.rglob("[!.]*"))
    expected = {
        f"research/shipped/{path.relative_to(ROOT).as_posix()}"
        for path in published
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names >= expected
    assert size < 30e6


def test_what_is_installed_lists_studies_and_gives_results_outside_any_clone(run):
    assert "width_sine\n    How many units" in run("mlp-research", "study")
    runs, findings = map(int, run("python", "-c", RESULTS).split())
    assert runs > 0
    assert findings > 0
    assert list(run.folder.iterdir()) == []


def test_what_is_installed_records_and_draws_in_the_working_directory(run):
    out = run("mlp-research", "study", "width_sine", "--tier", "smoke", "--workers", "1")
    page = run.folder / "mlruns" / "reports" / "width_sine-smoke" / "README.md"
    assert f"tables and figures: {page.parent}" in out
    assert page.read_text().startswith("#")
    assert (page.parent / "error_by_width.svg").is_file()  # drawn by the study's own script
    assert sorted(path.name for path in run.folder.iterdir()) == ["mlruns"]
    assert "4 stacks, 4 done" in run("python", "-m", "research.study", "width_sine", "--tier", "smoke", "--plan")


def test_what_is_installed_is_only_read_but_a_copy_of_it_is_drawn(run, installed):
    (shipped,) = installed.parent.rglob("shipped/reports/pixel_shuffle")
    copy = shutil.copytree(shipped, run.folder / "copy" / "pixel_shuffle")
    drawn = [(copy / name).read_bytes() for name in ("README.md", "index.html", "findings.svg")]
    assert run("mlp-research", "report", "pixel_shuffle", "--reports", "copy") == "drawn: pixel_shuffle\n"
    assert [(copy / name).read_bytes() for name in ("README.md", "index.html", "findings.svg")] == drawn
    for words, line in (
        (("report",), "error: what is installed is only read: --check it, or name a folder of yours by --reports"),
        (("study", "width_sine", "--publish"), "error: --publish: the code is in no commit of git"),
    ):
        assert run("mlp-research", *words, status=2).startswith(line)
