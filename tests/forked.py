"""Commands of the project as processes that find the libraries imported: forked from one that has imported them.

To import MLflow, seaborn and torch costs a command up to eight seconds of a processor, most of what it takes in a
test. So `python -m research.…` is forked in tests from a process that holds nothing of the project, only libraries.
From there all goes as it does at home: the command's own code, arguments and working directory, a process of its own
with signals and an exit status, and a fork server of its own, which is forked too. A command that is given a terminal,
a limit or another environment, but for variables that are read late, starts a Python of its own;
`FORKED=no python -m pytest` has every command do so.
"""

import contextlib
import fcntl
import gc
import inspect
import os
import pickle
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from importlib import import_module
from multiprocessing import util
from pathlib import Path

COMMANDS = ("benchmarks.fault_points", "research.report", "research.reproduce", "research.store", "research.study")
LIBRARIES = (
    "jinja2", "markdown_it", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg", "matplotlib.pyplot", "mlflow.store.tracking.sqlalchemy_store", "mpmath",
    "optuna", "pandas", "pooch", "psycopg", "pytorch_lightning", "scipy.linalg", "scipy.optimize", "scipy.special",
    "scipy.stats", "seaborn", "sklearn.datasets", "sklearn.ensemble", "sklearn.linear_model", "sklearn.svm",
    "threadpoolctl", "torch", "tqdm",
)  # fmt: skip
# What the commands set before they import: libraries read it once.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
SETTINGS = {**ONE_THREAD, "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "MLFLOW_DISABLE_TELEMETRY": "true", "MPLBACKEND": "Agg"}
# What pytest and libraries set in the tests' own process: of no matter to a command.
OF_TORCH = {"PYTORCH_NVML_BASED_CUDA_CHECK", "TORCHINDUCTOR_CACHE_DIR"}
OF_OTHERS = {"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "_MLFLOW_TELEMETRY_SESSION_ID"}
DRIFT = {*SETTINGS, *OF_TORCH, *OF_OTHERS, "COLUMNS", "PYTEST_CURRENT_TEST"}
# Variables that are read when they are needed, not when something is imported; a command has its own.
READ_LATE = ("MLFLOW_TRACKING_", "PG", "PRETENDED_", "RESEARCH_")
PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
SIGNATURE = inspect.signature(subprocess.Popen._execute_child)
MOST = 1 << 20  # bytes of a request


class Popen(subprocess.Popen):
    """As subprocess.Popen, but a command of the project is forked if nothing asks for a Python of its own."""

    _line = None  # on which the exit status comes

    def _execute_child(self, args, *others):
        told = SIGNATURE.bind(self, args, *others).arguments
        given = {name: value for name, value in told.items() if value not in (None, False, (), -1)}
        words = [os.fspath(args)] if isinstance(args, str | os.PathLike) else [os.fspath(word) for word in args]
        pipes = [told[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        files = [pipe if pipe != -1 else standard for standard, pipe in enumerate(pipes)]
        cwd, env = told["cwd"] or ".", told["env"] if told["env"] is not None else os.environ
        if (
            words[:2] != [sys.executable, "-m"]
            or words[2] not in COMMANDS
            or given.keys() & {"executable", "preexec_fn", "pass_fds", "shell", "gid", "gids", "uid", "umask"}
            or any(map(os.isatty, files))
            or not _server.serves(env, cwd)
        ):
            return super()._execute_child(args, *others)
        try:
            request = words[2:], os.path.abspath(cwd), dict(env), told["start_new_session"]
            self._line, self.pid = _server.fork(request, files)
            self._child_created = True
        finally:
            self._close_pipe_fds(*(told[name] for name in PIPES))

    def _try_wait(self, wait_flags):
        if self._line is None:
            return super()._try_wait(wait_flags)
        self._line.settimeout(0 if wait_flags & os.WNOHANG else None)
        try:
            status, _ = receive(self._line)
        except BlockingIOError:
            return 0, 0
        self._line.close()
        return self.pid, status

    def _internal_poll(self, _deadstate=None, **others):
        if self._line is None:
            return super()._internal_poll(_deadstate, **others)
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


class Server:
    """The process that commands are forked from, as tests see it. It is started for the first of them."""

    def __init__(self):
        self.environment = dict(os.environ)
        self.process = None

    def serves(self, env, cwd):
        """Whether a command can be forked: one in this environment and an existing folder, on Linux."""
        names = (name for name in {*self.environment, *env} - DRIFT if not name.startswith(READ_LATE))
        same = all(self.environment.get(name) == env.get(name) for name in names)
        return same and os.path.isdir(cwd) and sys.platform == "linux" and os.environ.get("FORKED") != "no"

    def fork(self, request, files):
        """Have a process forked. Gives the line on which its exit status will come, and its process id."""
        if self.process is None:
            self.start()
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.connect(self.address)
        send(line, request, files)
        pid, _ = receive(line)
        return line, pid

    def start(self):
        """Start it and wait until it has imported the libraries. It ends when this process does."""
        self.address = f"{tempfile.mkdtemp(prefix='forked-')}/line"
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from forked import serve; serve()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, self.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environment | SETTINGS,
        )  # fmt: skip
        assert self.process.stdout.readline() == b"ready\n"


_server = Server()


def install():
    """Have commands forked from now on, whoever in this process starts them."""
    subprocess.Popen = Popen


def send(line, content, files=()):
    """Send an object and open files."""
    socket.send_fds(line, [pickle.dumps(content)], list(files))


def receive(line):
    """What was sent, an object and open files; an EOFError if the other side is gone."""
    content, files, _, _ = socket.recv_fds(line, MOST, 8)
    if not content:
        raise EOFError
    return pickle.loads(content), files


def serve():
    """Import the libraries, then fork commands till standard input ends; in what is forked, run the command."""
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()  # else a command that ends spends two seconds on looking through what was imported
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        print("ready", flush=True)
        forked = serving(listener)
    run(*forked)


def serving(listener):
    """Fork commands. Gives, in each process that was forked, what was asked for and the line to who asked."""
    lines = {}
    wake, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: it ends with the tests
    with wake, woken, selectors.DefaultSelector() as selector:
        for file in (sys.stdin, listener, wake):
            selector.register(file, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if sys.stdin in ready:
                shutil.rmtree(os.path.dirname(sys.argv[1]))
                os._exit(0)
            if wake in ready:
                wake.recv(MOST)
                with contextlib.suppress(ChildProcessError):
                    while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                        with lines.pop(ended[0]) as line, contextlib.suppress(OSError):
                            send(line, ended[1])
            if listener in ready:
                line, _ = listener.accept()
                request, files = receive(line)
                if pid := os.fork():
                    lines[pid] = line
                    for file in files:
                        os.close(file)
                else:
                    signal.set_wakeup_fd(-1)
                    for other in lines.values():
                        other.close()
                    return request, files, line


def run(request, files, line):
    """Run a command in this process, which was forked for it."""
    words, folder, environment, new_session = request
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if new_session:
        os.setsid()
    settle(files, (0, 1, 2))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        how = {"encoding": getattr(sys, name).encoding, "errors": getattr(sys, name).errors}
        new = os.fdopen(number, "rww"[number], 1 if name == "stderr" else -1, closefd=False, **how)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    os.chdir(folder)
    set_environment(environment)
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not (spare := os.fork()):
        for end in (ours, line):
            end.close()
        return fork_server(its)
    its.close()
    with line:
        send(line, os.getpid())
    start_process = util.spawnv_passfds

    def start_server(path, words, files):
        if "multiprocessing.forkserver" not in words[-1] or ours.fileno() == -1:
            return start_process(path, words, files)
        with ours:
            send(ours, (words[-1], files, dict(os.environ)), files)
        return spare

    util.spawnv_passfds = start_server
    sys.path[0] = folder
    module, *sys.argv[1:] = words
    runpy._run_module_as_main(module)


def fork_server(line):
    """Become the fork server of the command that this was forked from, once it asks for one; end if it never does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        (code, numbers, environment), files = receive(line)
    except EOFError:
        os._exit(0)
    line.close()
    settle(files, numbers)
    set_environment(environment)
    sys.path[0] = ""
    sys.argv = ["-c"]
    exec(code, {"__name__": "__main__"})


def set_environment(environment):
    """Have these variables and no other."""
    os.environ.clear()
    os.environ.update(environment)


def settle(files, numbers):
    """Give open files these numbers, and close what they had."""
    high = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 100) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(high, numbers, strict=True):
        os.dup2(file, number)
        os.close(file)
