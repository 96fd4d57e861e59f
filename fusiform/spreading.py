"""Indexing spread with Dask: workers look at pictures, one client keeps what they say of them.

Paths travel to the workers and `Analysed` back, never pictures. Dask moves both by pickling, so a
cluster is trusted as one's own machine is.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from fusiform.core.errors import ClusterError, FusiformError, PictureError
from fusiform.pipeline import Analysed, Limits, Models, analyse
from fusiform.verbs import models

if TYPE_CHECKING:
    from distributed import Client, Future

BATCH = 8
"""Files a task: with fewer the scheduler is busier, with more a killed worker loses more."""

AHEAD = 3
"""Tasks a worker's thread has been given, so that it never waits for the client."""

ASKED = 400
"""Files at a time of which the gallery is asked whether they may be copies."""

REACHED, PATIENCE, TICK = 10.0, 60.0, 2.0
"""Seconds until the scheduler must answer; that a cluster may be without any worker; between two
looks at it."""

RETRIES = 2
"""How often a task that fails, not its worker, is given to another worker."""

Identity = tuple[str, str, str]
Known = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class Task:
    """What every worker needs to know: models by name or path as in `verbs.models`, which limits,
    and the `Identity` (version, detector's and embedder's SHA-256) it must have to be of use."""

    detector: str
    embedder: str
    limits: Limits
    identity: Identity


@dataclass(frozen=True)
class Answer:
    """What a worker says of one batch: who and what it is, and an `Analysed` for each file.

    `refusal` says why it has none, if it cannot load the models.
    """

    worker: str
    identity: Identity
    results: tuple[Analysed, ...] = ()
    refusal: str = ""


def spread(
    sources: Iterable[str],
    used: Models,
    *,
    address: str,
    names: tuple[str, str],
    limits: Limits,
    known: Callable[[list[str]], Known],
) -> Generator[Analysed, None, None]:
    """`pipeline.analyse` by the workers of the Dask scheduler at `address`, as results come.

    `names`: how workers find the models `used`. `known` says of some paths which SHA-256 they may
    have that need no look. At most AHEAD batches of BATCH files are under way for each worker's
    thread. Batches of a killed worker go to others; a file that goes on killing them gets an
    `Analysed` with an error. Raises ClusterError.
    """
    task = Task(*names, limits, identity_of(used))
    batches = _batches(iter(sources), known)
    with _connected(address) as client:
        flight = _Flight(client, address, task)
        try:
            while flight.fill(batches):
                yield from flight.land()
        finally:
            flight.cancel()


def identity_of(used: Models) -> Identity:
    """What must be the same on all machines: our version and both models' SHA-256."""
    version = import_module("fusiform").__version__  # named at the start it would be a cycle
    eyes = used.detector.card
    return version, eyes.sha256 or eyes.name, used.embedder.card.sha256


def look(paths: list[str], known: frozenset[str], task: Task) -> Answer:
    """On a worker: one batch. Models are loaded at the first one."""
    from distributed import get_worker

    worker = str(get_worker().address)
    try:
        used = models(task.detector, task.embedder)
    except FusiformError as error:
        return Answer(worker, task.identity, refusal=str(error))
    identity = identity_of(used)
    if identity != task.identity:
        return Answer(worker, identity)
    found = analyse(paths, used, limits=task.limits, known=known, workers=1)
    return Answer(worker, identity, tuple(found))


def _batches(
    sources: Iterator[str], known: Callable[[list[str]], Known]
) -> Iterator[tuple[list[str], frozenset[str]]]:
    """BATCH paths at a time, each with the contents that need no look."""
    while asked := list(islice(sources, ASKED)):
        contents = known(asked)
        for start in range(0, len(asked), BATCH):
            paths = asked[start : start + BATCH]
            yield paths, frozenset().union(*(contents.get(path, ()) for path in paths))


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """A client of the scheduler, with TLS as Dask's own configuration has it."""
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ImportError:
        raise ClusterError(
            'Dask is not installed; install it with `pip install "fusiform[dask]"`.'
        ) from None
    # A client that fails half-made closes itself when it is collected, which can take 20 seconds:
    # what is wrong should come out before there is one, OfflineError of the first line too.
    socket.socket().close()
    try:
        resolve_address(address)
        client = Client(address, timeout=REACHED, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {address} ({_told(error)}); "
            "start one with `dask scheduler` and give its address, tcp://HOST:8786."
        ) from None
    with client:
        yield client


def _told(error: BaseException) -> str:
    """An error's kind and its first line."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@dataclass(frozen=True)
class _Batch:
    """Files under way; `suspect`: the one file of a batch that killed its workers."""

    future: Future[Answer]
    paths: list[str]
    suspect: bool


class _Flight:
    """The batches under way: sends them, takes them back, sees to it that somebody works."""

    def __init__(self, client: Client, address: str, task: Task) -> None:
        self.client, self.address, self.task = client, address, task
        self.under_way: dict[object, _Batch] = {}
        self._landed: SimpleQueue[object] = SimpleQueue()
        self._suspects: deque[str] = deque()
        self._threads, self._asked_at, self._last_seen = 0, float("-inf"), time.monotonic()

    def fill(self, batches: Iterator[tuple[list[str], frozenset[str]]]) -> bool:
        """Sends as many batches as there is room for. Returns whether any is under way."""
        # One suspect at a time: which file it is that kills is known only if it is not the others.
        if self._suspects and not any(batch.suspect for batch in self.under_way.values()):
            self._send([self._suspects.popleft()], frozenset(), suspect=True)
        room = AHEAD * self._workers() - len(self.under_way)
        for paths, known in islice(batches, max(room, 0)):
            self._send(paths, known)
        return bool(self.under_way)

    def land(self) -> list[Analysed]:
        """What was said of the next batch that is done. Raises ClusterError."""
        from distributed import KilledWorker, TimeoutError

        batch = self._next()
        try:
            answer: Answer = batch.future.result(timeout=PATIENCE)
        except TimeoutError:  # its worker died with the result, and another one has yet to make it
            self._await(batch)
            return []
        except KilledWorker:
            return self._killed(batch)
        except CancelledError:
            raise self._gone() from None
        except Exception as error:  # of a worker with another, or without any fusiform
            raise ClusterError(
                f"A worker of {self.address} failed ({_told(error)}); "
                f"it needs fusiform {self.task.identity[0]}."
            ) from error
        self._check(answer)
        return list(answer.results)

    def cancel(self) -> None:
        """Gives up what is under way."""
        if self.under_way and self.client.status == "running":
            self.client.cancel([batch.future for batch in self.under_way.values()])

    def _send(self, paths: list[str], known: frozenset[str], suspect: bool = False) -> None:
        future = self.client.submit(look, paths, known, self.task, pure=False, retries=RETRIES)
        self._await(_Batch(future, paths, suspect))

    def _await(self, batch: _Batch) -> None:
        self.under_way[batch.future.key] = batch
        batch.future.add_done_callback(lambda future: self._landed.put(future.key))

    def _next(self) -> _Batch:
        while True:
            try:
                return self.under_way.pop(self._landed.get(timeout=TICK))
            except Empty:
                self._workers()

    def _workers(self) -> int:
        """How many threads the workers have: asked every TICK seconds, for workers come and go.

        Raises ClusterError if there has been none for PATIENCE seconds.
        """
        while time.monotonic() - self._asked_at > TICK:
            self._asked_at = time.monotonic()
            self._threads = self._counted()
            if self._threads:
                self._last_seen = self._asked_at
            elif self._asked_at - self._last_seen > PATIENCE:
                raise ClusterError(
                    f"{self.address} has no workers; start some with "
                    f"`dask worker {self.address} --nthreads 1` and run this again to go on."
                )
            elif not self.under_way:  # nothing else to wait for
                time.sleep(TICK / 10)
                self._asked_at = float("-inf")
        return self._threads

    def _counted(self) -> int:
        try:
            return sum(self.client.nthreads().values())
        except OSError:
            raise self._gone() from None

    def _gone(self) -> ClusterError:
        return ClusterError(
            f"The Dask scheduler at {self.address} is gone; what was done is kept, "
            "start it and run this again to go on."
        )

    def _killed(self, batch: _Batch) -> list[Analysed]:
        if not batch.suspect:
            self._suspects.extend(batch.paths)
            return []
        (path,) = batch.paths
        reason = "killed every worker that looked at it, perhaps for want of memory"
        error = PictureError(path, reason, "look at it on a machine with more memory")
        return [Analysed(path, error=error)]

    def _check(self, answer: Answer) -> None:
        """Raises ClusterError if the worker is not what results may come from."""
        if answer.refusal:
            raise ClusterError(f"Worker {answer.worker} cannot load the models: {answer.refusal}")
        kinds = ("fusiform", "detector", "embedder")
        for kind, here, there in zip(kinds, self.task.identity, answer.identity, strict=True):
            if here != there:
                raise ClusterError(
                    f"Worker {answer.worker} has {kind} {there[:12]}, not {here[:12]} as here; "
                    "give all machines the same and run this again to go on."
                )
