"""What every benchmark shares: taking turns, the clock, the machine's description, the result."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import fusiform
from fusiform.core.errors import ChoiceError
from fusiform.hub.store import available

ROOT = Path(fusiform.__file__).parents[1]
VERSIONS = ("numpy", "pillow", "onnxruntime", "dlib-bin")
DETECTORS = ("yunet-s", "dlib-hog")
LEAST = "minimum of {rounds} rounds in which ours and the peers took turns; all rounds are saved"


@dataclass(frozen=True)
class Comparison:
    """One line: what was measured, our figure, the peer's.

    `lower_is_better` decides how `ratio` is taken: above 1 is always in our favour. `peer_figure`
    is None where the peer was not measured, and `note` then says why.
    """

    what: str
    ours: float
    peer: str = ""
    peer_figure: float | None = None
    unit: str = "ms"
    lower_is_better: bool = True
    note: str = ""

    @property
    def ratio(self) -> float | None:
        if not self.peer_figure or not self.ours:
            return None
        peer, ours = self.peer_figure, self.ours
        return peer / ours if self.lower_is_better else ours / peer


@dataclass(frozen=True)
class Result:
    """What one benchmark found. `tables`: by title, rows with the same keys."""

    name: str
    statistic: str
    comparisons: tuple[Comparison, ...]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values, `ratio` with each comparison."""
        rows = [asdict(one) | {"ratio": one.ratio} for one in self.comparisons]
        return asdict(self) | {"comparisons": rows, "notes": list(self.notes)}


def save(result: Result, folder: Path) -> Path:
    """Writes `folder`/NAME.json and returns its path. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.name}.json"
    path.write_text(json.dumps(result.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def interleave(
    contestants: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """`rounds` figures of each contestant: they take turns, every other round backwards.

    So a machine that slows down or speeds up on the way does it to all of them.
    """
    if rounds < 1:
        raise ChoiceError("rounds", "at least 1", rounds)
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for i in range(rounds):
        for name in list(contestants)[:: -1 if i % 2 else 1]:
            figures[name].append(contestants[name]())
    return figures


def clocked(work: Callable[[], object], count: float) -> Callable[[], float]:
    """A contestant: wall-clock milliseconds that `work` takes for each of `count` things."""

    def run() -> float:
        start = time.perf_counter()
        work()
        return (time.perf_counter() - start) * 1e3 / count

    return run


def least(figures: Mapping[str, list[float]]) -> dict[str, float]:
    """The smallest figure of each contestant: the one the machine disturbed least."""
    return {name: min(values) for name, values in figures.items()}


def real_photos(folder: Path | None) -> Path:
    """The folder of real photos. Raises ChoiceError if it is not there or lacks its two parts."""
    if folder is None or not all((folder / part).is_dir() for part in ("orl", "officials")):
        raise ChoiceError("--real", "a folder with orl/ and officials/ (or FUSIFORM_REAL)", folder)
    return folder


def ready_detectors() -> list[str]:
    """The detectors that are compared, as far as their weights are here: the best one first."""
    ready = {card.name for card, state in available() if state == "ready"}
    return [name for name in DETECTORS if name in ready]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(
    *, seed: int | None = None, peers: Iterable[str] = (), **options: Any
) -> dict[str, Any]:
    """Machine, versions, commit, date and options, without any path of this machine."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "threads": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "fusiform": fusiform.__version__,
        "commit": commit(),
        "versions": {name: version(name) for name in (*VERSIONS, *peers)},
        "seed": seed,
        "options": options,
    }


def version(name: str) -> str | None:
    """The installed version of a distribution, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def commit() -> str | None:
    """The commit of the source tree, "+" added if it was altered; None for an installed wheel."""
    if not (ROOT / ".git").exists():
        return None
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "fusiform"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes else "")


def peak_mb() -> float:
    """The most memory this process ever held, in MB of 2^20 bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 1024)
