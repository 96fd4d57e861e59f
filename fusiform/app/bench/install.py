"""What an installation takes on disk, and how long `import fusiform` takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import fusiform
from fusiform.app.bench.run import ROOT, Comparison, Result, environment
from fusiform.core.errors import FusiformError

PUBLISHED = {"insightface": 621.0, "uniface": 582.0, "deepface": 440.0}
"""MB with all dependencies, without weights, measured on another day on Linux x86-64."""
PUBLISHED_NOTE = "measured on another day, without weights; --peers installs it now"
LIMIT_MB, LIMIT_IMPORT = 450.0, 0.3
IMPORTS = 5
LAZY = "`import fusiform` waits with the rest until it is used: the first verb imports fusiform.api"
CONVERTED = "(the converted network, in the store)"
CLOCK = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def bench_install(*, peers: bool = False, source: str | None = None) -> Result:
    """Installs the project into a fresh environment and measures it; `peers` too if asked.

    `source`: what pip is to install; by default the source tree, or for an installed wheel its
    version from the registry. Raises FusiformError if pip cannot.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = install(folder / "ours", source or _source(folder))
        sizes = by_distribution(site_packages(python))
        sizes[CONVERTED] = _converted(python, folder / "home")
        seconds = {what: import_seconds(python, what) for what in ("fusiform", "fusiform.api")}
        theirs = {name: _peer(folder, name) if peers else PUBLISHED[name] for name in PUBLISHED}
    total = sum(sizes.values())
    note = "installed now, without weights" if peers else PUBLISHED_NOTE
    lines = [Comparison("on disk, weights included", total, "limit", LIMIT_MB, "MB")]
    lines += [Comparison("on disk, weights included", total, name, theirs[name], "MB", note=note)
              for name in PUBLISHED]  # fmt: skip
    lines += [
        Comparison(f"import {what}", min(values), "limit", LIMIT_IMPORT, "s")
        for what, values in seconds.items()
    ]
    table: list[dict[str, Any]] = [
        {"distribution": name, "MB": round(mb, 1)}
        for name, mb in sorted(sizes.items(), key=lambda item: -item[1])
    ]
    return Result(
        "install",
        f"disk blocks in MB of 2^20 bytes; import: minimum of {IMPORTS} fresh processes",
        tuple(lines),
        {"what takes the space": table},
        {f"import {what}": values for what, values in seconds.items()},
        (LAZY,),
        environment(peers=PUBLISHED if peers else ()),
    )


def _source(scratch: Path) -> str:
    """A copy of the source tree, so that building leaves nothing in it; else the version."""
    if not (ROOT / "pyproject.toml").is_file():
        return f"fusiform=={fusiform.__version__}"
    copy = scratch / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        ROOT / "fusiform", copy / "fusiform", ignore=shutil.ignore_patterns("__pycache__")
    )
    return str(copy)


def install(folder: Path, *wanted: str) -> Path:
    """A new environment in `folder` with those distributions and nothing else; its Python."""
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = next(p for p in (folder / "bin/python", folder / "Scripts/python.exe") if p.exists())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    _run([*pip, "install", "--quiet", *wanted])
    return python


def site_packages(python: Path) -> Path:
    """Where an environment's distributions lie."""
    return Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]))


def by_distribution(site: Path) -> dict[str, float]:
    """MB on disk of each distribution in `site`, and of what belongs to none."""
    sizes: dict[str, float] = {}
    seen: set[Path] = set()
    for dist in metadata.distributions(path=[str(site)]):
        files = {Path(str(file.locate())).resolve() for file in dist.files or ()} - seen
        seen |= files
        sizes[str(dist.metadata["Name"])] = _disk_mb(files)
    rest = {path.resolve() for path in site.rglob("*") if path.is_file()} - seen
    return sizes | ({"(of no distribution)": _disk_mb(rest)} if rest else {})


def _disk_mb(files: set[Path]) -> float:
    return sum(_blocks(os.stat(path)) for path in files if path.is_file()) / 2**20


def _blocks(status: os.stat_result) -> int:
    return status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size


def _converted(python: Path, home: Path) -> float:
    """What the first use adds: dlib's network as ONNX."""
    code = "from fusiform.hub.store import locate; locate('dlib-resnet')"
    _run([str(python), "-c", code], FUSIFORM_HOME=str(home))
    return _disk_mb({path for path in home.rglob("*") if path.is_file()})


def import_seconds(python: Path, module: str) -> list[float]:
    """Seconds that the import takes in each of `IMPORTS` fresh processes."""
    return [float(_run([str(python), "-c", CLOCK.format(module)])) for _ in range(IMPORTS)]


def _peer(scratch: Path, name: str) -> float:
    """Installed now; insightface leaves its runtime to the user."""
    wanted = [name, "onnxruntime"] if name == "insightface" else [name]
    return sum(by_distribution(site_packages(install(scratch / name, *wanted))).values())


def _run(command: Sequence[str], **settings: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        command, capture_output=True, text=True, env=clean | settings, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        words = " ".join(list(command[1:4]))
        raise FusiformError(f"`{words} ...` failed ({last}); see to that and run it again")
    return done.stdout.strip()
