"""The scheduler of a Dask cluster: how its address is written, and the connection to it. Dask is imported when used."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from research.design.errors import UserError
from research.design.places import how_to_install

if TYPE_CHECKING:
    from distributed import Client

ADDRESS = re.compile(r"(?:tcp|tls)://(?:[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\]):([1-9]\d{0,4})", re.ASCII)
LOCAL = re.compile(r"local:([1-9]\d{0,2})", re.ASCII)
CONNECT_SECONDS = 5  # for it to answer


def cluster_address(text: str) -> str:
    """The address of a scheduler, or how many workers are to be started here. Raises UserError for what is neither."""
    remote = ADDRESS.fullmatch(text)
    if not LOCAL.fullmatch(text) and not (remote and int(remote[1]) < 2**16):
        raise UserError(f"--cluster {text}: must be written tcp://HOST:PORT or tls://HOST:PORT, or local:N")
    return text


def connect(address: str, closing: list[Callable[[], object]]) -> Client:
    """A client of the scheduler at an address, or of one that is started here; what must be closed is added, in order.

    Raises UserError where Dask is not installed, and where no scheduler answers.
    """
    try:
        import dask

        dask.config.set({"logging": dict.fromkeys(("distributed", "distributed.client"), "critical")})
        import distributed
    except ModuleNotFoundError as error:
        raise UserError(f"--cluster needs {error.name}: {how_to_install('cluster')}") from error
    warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)  # workers are asked for what matters
    place = address
    if local := LOCAL.fullmatch(address):
        ours = signal.signal(signal.SIGINT, signal.SIG_IGN)  # workers inherit it: Ctrl-C is the coordinator's affair
        try:
            here = distributed.LocalCluster(
                n_workers=int(local[1]),
                threads_per_worker=1,
                silence_logs=logging.CRITICAL,
                dashboard_address="127.0.0.1:0",
            )
        finally:
            signal.signal(signal.SIGINT, ours)
        closing.append(here.close)
        place = here.scheduler_address
    try:
        found = asyncio.run(asyncio.wait_for(kind_of(place), CONNECT_SECONDS))
        if found == "Scheduler":
            client = distributed.Client(place, timeout=CONNECT_SECONDS, set_as_default=False)
            closing.append(lambda: client.close(timeout=CONNECT_SECONDS))
            return client
    except Exception as error:  # noqa: BLE001 - what another program answers can make Dask raise anything
        found = type(error).__name__
    raise UserError(
        f"cluster {address}: no Dask scheduler answers there ({found}); "
        "start one with `dask scheduler`, or name the address that it prints; TLS needs certificates set"
    )


async def kind_of(address: str) -> str:
    """What answers at an address, if it is of Dask's. A client would wait for ever for what says nothing."""
    from distributed import Security
    from distributed.core import rpc

    async with rpc(address, connection_args=Security().get_connection_args("client")) as there:
        return str((await there.identity())["type"])


def check_connected(client: Client | None, address: str) -> None:
    """Raise UserError when the connection to the scheduler is lost, as it is once that has ended."""
    if client is None or client.status != "running":
        raise UserError(
            f"cluster {address}: the connection to its scheduler is lost; what is finished is recorded: "
            "run the same command again once the scheduler runs"
        )
