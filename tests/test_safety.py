"""No data is run as code, no weights are kept, and files lie where they belong: real commands, watched.

The other test_safety files are about the network and about markup. All of them: python -m pytest tests/test_safety*.py
"""

import ast
import os
import pickle
import re
import shutil
import stat
from dataclasses import replace

import matplotlib
import pytest
import torch
from conftest import ROOT, command
from hostile.study import STUDY
from made_up import sign
from watched import UMASK, Watched

from research import report
from research.design.errors import UserError
from research.publishing.drawing import CLAIMS_MAP, INDEX
from research.publishing.tables import PROVENANCE, SUMS, TABLES, UNIVERSE_TABLES, write
from research.training import data, mnist
from research.training.config import TrainConfig
from research.training.module import StackModule
from research.training.train import weights_sha256

PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "yaml"}
CALLS = {
    "eval", "exec", "compile", "__import__", "importlib.import_module", "os.system", "os.popen", "tempfile.mktemp",
    "hashlib.md5", "hashlib.sha1", "hashlib.new", "torch.hub.load", "torch.jit.load", "ssl._create_unverified_context",
}  # fmt: skip
METHODS = {"exec_module", "read_pickle", "to_pickle", "read_hdf"}
KEYWORDS = {"shell": False, "allow_pickle": False, "verify": True, "weights_only": True}  # any other value is harmful
ALLOWED = {
    (
        "research/training/mnist.py",
        "pickle",
    ): "ArrayUnpickler, which admits arrays alone, of bytes whose SHA-256 is known",
    ("research/design/study_files.py", "exec_module"): "a study is a Python file, which the user names",
    ("research/record/mlflow_database.py", "importlib.import_module"): "MLflow, by a name in the file",
    ("research/record/optuna_studies.py", "importlib.import_module"): "Optuna, by a name in the file",
    (
        "research/record/recorded_stacks.py",
        "importlib.import_module",
    ): "the harness's training, by its name",
    ("research/running/cluster.py", "pickle"): "what a worker of the cluster answers; Dask pickles all that is sent",
    ("research/running/cluster_worker.py", "pickle"): "what the coordinator sends to a worker of the cluster",
    ("benchmarks/contenders.py", "importlib.import_module"): "the project's own ways to train, by names in the file",
}
# What may be found when the results of workers are unpickled.
RESULTS = {
    ("concurrent.futures.process", "_ResultItem"),
    ("concurrent.futures.process", "_ExceptionWithTraceback"),
    ("research.design.task", "StackResult"),
    ("research.design.task", "Replicate"),
}
WORK = ("multiprocessing.", "concurrent.futures.process", "research.")  # the modules of what workers are sent
PIPES = ("spawn.py", "connection.py", "queues.py")  # the files of multiprocessing that unpickle what comes by a pipe
WEIGHTS = r"\.(pt|pth|ckpt|bin|pkl|pickle|joblib|npy|npz|safetensors|h5|onnx)\Z"
NO_NAME = "must be (made of|lower-case) letters"
TORCHS = {"torchinductor_root", f"torchinductor_{os.environ.get('USER', 'root')}"}  # torch's cache, made by its import


def harmful(source: str) -> set[str]:
    """What in a source would run data as code, or a shell, or rest on a broken hash: by its full name."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            for alias in node.names:
                full = f"{module}.{alias.name}" if module else alias.name
                names[alias.asname or alias.name.split(".")[0]] = full if module or alias.asname else full.split(".")[0]
                found |= {full.split(".")[0]} & PICKLES
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, *rest = ast.unparse(node.func).split(".")
        called = ".".join([names.get(first, first), *rest])
        given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        found |= {called} & CALLS | set(rest[-1:]) & METHODS
        found |= {word for word, harmless in KEYWORDS.items() if given.get(word, harmless) is not harmless}
        if called == "torch.load" and given.get("weights_only") is not True:
            found.add(called)
    return found


def test_the_code_runs_no_data_but_where_it_is_said_why():
    sources = [
        path for place in ("research", "studies", "reports", "benchmarks") for path in (ROOT / place).rglob("*.py")
    ]
    assert len(sources) > 50
    found = {(str(path.relative_to(ROOT)), what) for path in sources for what in harmful(path.read_text())}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "from pickle import loads", "import cloudpickle as c", "import torch as t; t.load(f)", "eval(t)", "import yaml",
        "from os import system; system(c)", "from torch import load; load(f, weights_only=False)",
        "import numpy as np; np.load(f, allow_pickle=True)", "pd.read_pickle(f)", "import hashlib as h; h.md5(b'')",
        "from tempfile import mktemp as m; m()", "requests.get(u, verify=False)", "subprocess.run(c, shell=True)",
    ],
)  # fmt: skip
def test_such_code_would_be_found(source):
    assert harmful(source)


def test_processes_unpickle_nothing_but_what_they_send_each_other(hostile):
    found = hostile.study.events("pickle.find_class")
    ours = [event for event in found if event.process == hostile.study.process.pid]
    assert {("research.design.task", "StackResult")} < {event.what for event in ours} <= RESULTS
    others = {event.what[0] for event in found if event not in ours}
    assert "research.design.plan" in others
    assert all(module.startswith(WORK) for module in others)
    callers = {event.caller.rpartition("multiprocessing/") for event in found}
    assert all(package and name in PIPES for _, package, name in callers)


def test_drawing_from_tables_unpickles_nothing(hostile):
    assert hostile.report.events("pickle.find_class") == []
    assert "drawn: hostile" in hostile.report.printed()


class Poison:
    """Unpickled, it is a command that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def poison(tmp_path):
    """A pickle that makes a file if anything unpickles it, and after the test nothing has."""
    yield pickle.dumps(Poison(tmp_path / "harm"))
    assert not (tmp_path / "harm").exists()
    pickle.loads(pickle.dumps(Poison(tmp_path / "harm")))
    assert (tmp_path / "harm").exists()


@pytest.fixture
def poisoned(hostile, tmp_path, poison):
    """A copy of the finished project in which files can be replaced by the poison: `poisoned(path)`."""
    clone = shutil.copytree(hostile.folder, tmp_path / "clone")

    def replaced(path):
        (clone / path).write_bytes(poison)
        return clone

    return replaced


def one_line(status, printed):
    """Whether a command refused its input in one line."""
    return status == 2 and re.fullmatch(r"error: .+\n", printed) is not None


@pytest.mark.parametrize("padded", [False, True])
def test_no_data_file_is_unpickled(tmp_path, poison, padded):
    for file in mnist.RAW_FILES:
        (tmp_path / "mnist").mkdir(exist_ok=True)
        (tmp_path / "mnist" / file.name).write_bytes(poison.ljust(file.size, b"\0") if padded else poison)
        with pytest.raises(UserError, match="is damaged"):
            mnist.stored(file, tmp_path / "mnist")
    if padded:
        done = command("pixel_shuffle", "--seeds", "1", "--store", tmp_path / "store", RESEARCH_DATA=str(tmp_path))
        assert one_line(done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("mlflow.db", ["research.study", "hostile"]),
        ("mlflow.db", ["research.study", "hostile", "--plan"]),
        ("mlflow.db", ["research.ui", "hostile"]),
        ("optuna.db", ["research.study", "hostile"]),
    ],
)
def test_no_database_is_unpickled(tmp_path, poisoned, database, words):
    clone = poisoned(f"mlruns/{database}")
    for rest in ("-wal", "-shm"):
        (clone / "mlruns" / f"{database}{rest}").unlink(missing_ok=True)
    done = Watched(tmp_path / "watched", clone, "-m", *words).finished()
    assert one_line(done.process.returncode, done.printed("stderr"))
    assert database in done.printed("stderr")


PUBLISHED = (*TABLES, PROVENANCE, SUMS, *(f"universes/{table}" for table in (*UNIVERSE_TABLES, PROVENANCE)))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("table", PUBLISHED)
def test_no_table_is_unpickled(poisoned, capsys, table, signed):
    clone = poisoned(f"reports/hostile/{table}")
    if signed and table != SUMS:
        folder = (clone / "reports" / "hostile" / table).parent
        sign(folder, UNIVERSE_TABLES if folder.name == "universes" else TABLES)
    status = report.main([str(clone / "studies" / "hostile.py"), "--reports", str(clone / "reports")])
    assert one_line(status, capsys.readouterr().err)


def test_a_study_keeps_no_weights(hostile):
    made = {name for name, mode in hostile.modes.items() if stat.S_ISREG(mode)}
    kept = {name for name in made if not re.fullmatch(r"mlruns/\.[a-z]+\.lock|reports/hostile/.+", name)}
    drawn = (*INDEX, f"{CLAIMS_MAP}.svg")
    assert kept == {"mlruns/mlflow.db", "mlruns/optuna.db", *(f"reports/{name}" for name in drawn)}
    assert [name for name in made if re.search(WEIGHTS, name)] == []
    heads = {(hostile.folder / name).read_bytes()[:2] for name in made}
    assert not heads & {b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"}  # torch's archives, pickles


def test_weights_that_a_user_saves_load_as_weights_alone_and_are_the_same(tmp_path):
    config = TrainConfig("digits", width=8, depth=2)
    one, other = (StackModule(config, seeds, data.load("digits")) for seeds in ((0, 1), (2, 3)))
    torch.save(one.state_dict(), tmp_path / "weights.pt")
    assert [weights_sha256(one, row) for row in (0, 1)] != [weights_sha256(other, row) for row in (0, 1)]
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert [weights_sha256(one, row) for row in (0, 1)] == [weights_sha256(other, row) for row in (0, 1)]


def test_files_have_the_users_permissions(hostile):
    usual = {stat.S_IFREG | (0o666 & ~UMASK), stat.S_IFDIR | (0o777 & ~UMASK)}
    assert {name: oct(mode) for name, mode in hostile.modes.items() if mode not in usual} == {}


def test_files_are_written_into_the_store_the_reports_and_the_temporary_folder_and_nothing_temporary_stays(hostile):
    for watched in (hostile.study, hostile.report):
        temporary = watched.folder / "tmp"
        ours = (hostile.folder / "mlruns", hostile.folder / "reports", temporary)
        places = [*map(str, ours), matplotlib.get_cachedir()]  # which fonts there are is found out once a user
        written = [event.what[0] for event in watched.events("open") if not event.what[0].isdigit()]
        left = [path for path in written if not path.startswith((*places, "/dev/null"))]
        assert set(left) <= {str(hostile.folder / ".README.md.new")}  # the table of results in the project's README
        assert {path.name for path in temporary.iterdir()} <= TORCHS
        assert [path for path in temporary.rglob("*") if path.is_file()] == []
    assert [path for path in hostile.folder.rglob("*.new")] == []


def test_a_file_takes_the_place_of_a_link_and_leaves_what_that_led_to(tmp_path):
    (tmp_path / "precious").write_text("mine")
    for name in ("runs.csv", ".runs.csv.new"):
        (tmp_path / name).symlink_to("precious")
    write({tmp_path / "runs.csv": b"rows"})
    assert not (tmp_path / "runs.csv").is_symlink()
    assert (tmp_path / "runs.csv").read_bytes() == b"rows"
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/b", "a b", "<b>", "evil\n", ""])
def test_no_name_in_a_study_leads_out_of_a_folder(name):
    with pytest.raises(UserError, match="must be lower-case letters, digits and _"):
        replace(STUDY, name=name)
    for part in (STUDY.claims[0], STUDY.controls[0], STUDY.main_effects[0]):
        with pytest.raises(UserError, match=NO_NAME):
            replace(part, name=name)
    with pytest.raises(UserError, match=NO_NAME):
        replace(STUDY, tiers={**STUDY.tiers, name: STUDY.tiers["full"]})


@pytest.mark.parametrize("name", ["../studies/activation_depth", str(ROOT / "studies" / "activation_depth"), "../evil"])
def test_the_command_takes_no_path_for_a_name(tmp_path, name):
    done = command(name, "--store", tmp_path / "store", "--reports", tmp_path / "reports")
    assert one_line(done.returncode, done.stderr)
    assert "no study" in done.stderr
    assert list(tmp_path.iterdir()) == []
