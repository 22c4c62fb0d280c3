"""Jobs -> the workers of a Dask cluster, on whatever machines -> their results. Dask is imported where it is used."""

from __future__ import annotations

import contextlib
import pickle
import sys
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor as Submitter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from research.design.code import files_of
from research.design.errors import UserError
from research.design.identity import NUMERICS
from research.design.task import StackResult, Task, study_files
from research.record.environment import computing, cpu_class
from research.running.cluster_worker import CPU, made_ready, perform, worked
from research.running.processes import code_of
from research.running.scheduler import check_connected, connect
from research.running.workers import Executor, Failure, Job, Slot, WorkerLost

if TYPE_CHECKING:
    from distributed import Client

FIRST_SECONDS = 5  # for a first worker to be there
PATIENCE_SECONDS = 60  # for another worker, where all are lost
LOOK_SECONDS = 1  # between two questions which workers there are


@dataclass
class Member:
    """A worker of the cluster: what hands it tasks, and what it answered to the first, which asks if it is fit."""

    name: str
    submitter: Submitter
    introduction: Future[bytes]
    num_threads: int
    slots: list[ClusterSlot] = field(default_factory=list)
    devices: frozenset[str] = frozenset()  # the classes of device that it trains on
    refusal: str = ""
    is_lost: bool = False


class ClusterSlot(Slot):
    """A thread of a worker of the cluster."""

    def __init__(self, cluster: Cluster, member: Member) -> None:
        super().__init__()
        self.cluster, self.member, self.name = cluster, member, uuid.uuid4().hex

    @property
    def is_free(self) -> bool:
        return super().is_free and not self.member.is_lost

    def _submit(self, job: Job) -> Future[bytes]:
        call = (worked, (job, self.cluster.devices, code_of(job)))
        return self.cluster.submit(self.member.submitter, self.name, pickle.dumps(call))

    def listen(self) -> bool:
        self.share, self.seconds = self.cluster.said.pop(self.name, (self.share, self.seconds))
        return self.member.is_lost or self.future.done()

    def _outcome(self, job: Job) -> list[StackResult] | Failure | WorkerLost:
        if not self.future.done():
            self.cluster.beside.submit(self.future.cancel)  # it would be run again, should the worker come back
            return WorkerLost()
        try:
            found: list[StackResult] | Failure | WorkerLost = outcome_of(self.future)
        except UserError as error:
            raise UserError(f"{self.member.name}: {error}") from error
        return found


def sent_as(path: Path) -> str:
    """How a file is called that travels: with its folder, by which modules beside a study are known."""
    return f"{path.parent.name}/{path.name}"


def outcome_of(future: Future[bytes]) -> Any:
    """What has become of a task. Raises the UserError that it came to; whatever Dask raises is the worker's loss."""
    if future.cancelled() or (error := future.exception()) or not future.result():
        return WorkerLost("ended" if future.cancelled() or not error else f"{type(error).__name__}: {error}")
    outcome = pickle.loads(future.result())
    if isinstance(outcome, UserError):
        raise outcome
    return outcome


class Cluster(Executor):
    """The workers of a Dask cluster that would compute the same numbers as this machine, those that come later too.

    All train on the class of device that the record is from; where it is from none, on that of the first worker.
    `any_cpu` admits those of another class of CPU, whose last digits may differ; a result says on which it was made.
    """

    def __init__(self, address: str, any_cpu: bool) -> None:
        self.address, self.any_cpu = address, any_cpu
        self.client: Client | None = None
        self.closing: list[Callable[[], object]] = []  # what is to be closed, the last first
        self.members: dict[tuple[str, str], Member] = {}  # by address and folder, of which a new one has another
        self.refused: list[str] = []  # what is to be told of workers
        self.said: dict[str, tuple[float, float]] = {}
        self.devices: Collection[str] = ()
        self.topic = f"research-{uuid.uuid4().hex}"
        self.beside = ThreadPoolExecutor(2)  # for what may wait for the scheduler
        self.looking: Future[Mapping[str, Any]] | None = None
        self.looked = self.manned = 0.0  # when the scheduler was asked for workers, and when there was one

    @property
    def number(self) -> int:  # type: ignore[override]
        return sum(len(member.slots) for member in self.members.values() if not member.is_lost)

    @property
    def asked(self) -> list[Member]:
        """The workers that have not answered yet whether they are fit."""
        every = self.members.values()
        return [member for member in every if not (member.slots or member.refusal or member.is_lost)]

    def prepare(self, tasks: Collection[Task]) -> None:
        if not tasks:
            return
        needed = computing() | ({} if self.any_cpu else {CPU: cpu_class()})
        studies = [Path(file).absolute() for file in study_files(tasks)]
        files = {sent_as(path): path.read_bytes() for study in studies for path in files_of(study)}
        self.demands = pickle.dumps((needed, files, [sent_as(study) for study in studies]))
        different = {(type(task), task.source or task): task for task in tasks}.values()
        self.greeting = pickle.dumps((made_ready, ([(task, task.identity(NUMERICS)) for task in different],)))
        self.client = connect(self.address, self.closing)
        self.client.subscribe_topic(self.topic, self._hear)
        begun = self.manned = time.monotonic()
        while not self.number or (self.asked and time.monotonic() < begun + FIRST_SECONDS):
            self.slots()
            time.sleep(0.05)

    def open(self, tasks: Collection[Task], devices: Collection[str], most: int | None) -> None:
        self.devices = devices
        for member in self.members.values():
            if member.slots and (other := self._other_devices(member)):
                member.slots = []
                self._refuse(member, other)

    def submit(self, submitter: Submitter, name: str, call: bytes) -> Future[bytes]:
        """Hand a worker a call, both pickled; reports of how far it is bear the name."""
        try:
            return submitter.submit(perform, self.topic, name, self.demands, call)
        except Exception as error:
            check_connected(self.client, self.address)
            raise UserError(f"cluster {self.address}: cannot be handed work: {error}") from error

    def slots(self) -> list[Slot]:
        if self.client is None:
            return []
        from tqdm import tqdm

        check_connected(self.client, self.address)
        self._look()
        for member in self.asked:
            if member.introduction.done():
                self._admit(member)
        while self.number and self.refused:
            tqdm.write(self.refused.pop(0), file=sys.stderr)
        now, members = time.monotonic(), self.members.values()
        patience = PATIENCE_SECONDS if any(member.slots for member in members) else FIRST_SECONDS
        if self.number or self.asked:
            self.manned = now
        elif now > self.manned + patience:
            refused = "; ".join(member.refusal for member in members if member.refusal and not member.is_lost)
            raise UserError(
                f"cluster {self.address}: has no worker that can be used: {refused or 'there is none'}; "
                f"start some with `dask worker {self.address}` and run the same command again"
            )
        return [slot for member in members for slot in member.slots if not member.is_lost or slot.job is not None]

    def close(self) -> None:
        self.client = None
        while self.closing:
            with contextlib.suppress(OSError, TimeoutError):  # of a scheduler that is gone
                self.closing.pop()()
        self.beside.shutdown(wait=False, cancel_futures=True)

    def _hear(self, event: tuple[float, tuple[str, float, float]]) -> None:
        name, share, seconds = event[1]
        self.said[name] = share, seconds

    def _look(self) -> None:
        """Note which workers have come and gone. The scheduler is asked beside, since it may not answer."""
        if self.looking is not None and self.looking.done():
            if not self.looking.exception():
                self._note(self.looking.result()["workers"])
            self.looking = None
        if self.looking is None and time.monotonic() > self.looked + LOOK_SECONDS:
            assert self.client is not None
            assert self.client.scheduler is not None
            self.looked = time.monotonic()
            self.looking = self.beside.submit(self.client.sync, self.client.scheduler.identity, n_workers=-1)

    def _note(self, workers: Mapping[str, Mapping[str, Any]]) -> None:
        """Take note of the workers by their addresses, and ask those that are new whether they are fit."""
        assert self.client is not None
        there = {(address, worker["local_directory"]): worker for address, worker in workers.items()}
        for which, member in self.members.items():
            member.is_lost |= which not in there
        for which in there.keys() - self.members.keys():
            (address, _), worker = which, there[which]
            submitter = self.client.get_executor(workers=[address], allow_other_workers=False, pure=False)
            name = f"worker {worker['name']}" + (f" ({address})" if worker["name"] != address else "")
            asked = self.submit(submitter, "", self.greeting)
            self.members[which] = Member(name, submitter, asked, worker["nthreads"])

    def _admit(self, member: Member) -> None:
        """Give a worker slots, or say why not."""
        try:
            answer = outcome_of(member.introduction)
        except UserError as error:
            answer = error
        if isinstance(answer, frozenset):
            member.devices = answer
            answer = self._other_devices(member)
        if answer:
            self._refuse(member, answer.reason if isinstance(answer, Failure) else str(answer))
        else:
            member.slots = [ClusterSlot(self, member) for _ in range(member.num_threads)]

    def _other_devices(self, member: Member) -> str:
        """Why a worker that trains on other devices than the record, or than those before it, cannot be used."""
        before = next((other.devices for other in self.members.values() if other.slots), member.devices)
        wanted, whose = (frozenset(self.devices), "what is recorded is from") if self.devices else (before, "others on")
        if member.devices <= wanted:
            return ""
        return f"it trains on {_listed(member.devices)}, {whose} {_listed(wanted)}"

    def _refuse(self, member: Member, why: str) -> None:
        member.refusal = f"{member.name} is refused: {why}"
        self.refused.append(member.refusal)


def _listed(devices: Collection[str]) -> str:
    return " and ".join(sorted(devices))
