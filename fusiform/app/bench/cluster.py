"""A Dask cluster on this machine, thrown away: a scheduler and worker processes on 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SECONDS = 60.0
# Dask's nanny has its workers give memory back to the system after every picture, and fetching it
# again costs more than a tenth of their time; what is set here already it leaves alone.
SETTINGS = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


@contextmanager
def scheduler(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a new scheduler, which keeps its files in `folder`."""
    told = folder / "scheduler.json"
    words = ["--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(told)]
    with _running("dask_scheduler", words, folder, settings or {}):
        yield str(json.loads(_awaited(told))["address"])


@contextmanager
def workers(
    address: str, count: int, folder: Path, *words: str, settings: Mapping[str, str] | None = None
) -> Iterator[None]:
    """`count` worker processes of one thread, started anew if they die; more `words` for them."""
    given = [address, "--nworkers", str(count), "--nthreads", "1", "--no-dashboard"]
    given += ["--local-directory", str(folder), *words]
    with _running("dask_worker", given, folder, SETTINGS | dict(settings or {})):
        yield


@contextmanager
def cluster(count: int, folder: Path) -> Iterator[str]:
    """The address of a scheduler with `count` workers that are ready."""
    from distributed import Client

    with ExitStack() as stack:
        address = stack.enter_context(scheduler(folder))
        stack.enter_context(workers(address, count, folder))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=SECONDS)
        yield address


@contextmanager
def _running(
    program: str, words: list[str], folder: Path, settings: Mapping[str, str]
) -> Iterator[None]:
    command = [sys.executable, "-m", f"distributed.cli.{program}", "--host", "127.0.0.1", *words]
    with (
        (folder / f"{program}.log").open("ab") as log,
        subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | settings, start_new_session=True
        ) as process,
    ):
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _awaited(file: Path) -> str:
    """What is in a file that another process is about to write."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError):
            json.loads(text := file.read_text("utf-8"))
            return text
        time.sleep(0.05)
    raise TimeoutError(f"nothing came into {file.name}")
