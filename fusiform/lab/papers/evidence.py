"""Running a paper's claims, and keeping what was found.

Each seed is one task of a process of its own, on one thread, so that figures do not depend on how
many cores there are. What a seed gave is kept at once (`.ID-SIZE.part.json`): a run that is
interrupted goes on. The result file is written when all seeds are there.

Evidence is stale when code that it rests on has changed. A result also holds what size tiny gave:
where a change of code leaves that alone to the last digit (`check`), the evidence stands.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import fusiform
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.hub.files import home
from fusiform.lab.papers.claims import SIZES, Claim, bounds, claims, paper, program, verdict

ROOT = Path(fusiform.__file__).parents[1]
VERSIONS = ("numpy", "torch", "scikit-learn", "numba")
Progress = Callable[[int, int], None]


def results_folder() -> Path:
    """Where result files are written: `results/papers` of a checkout, else of FUSIFORM_HOME."""
    own = ROOT / "results"
    return (own if own.is_dir() else home() / "results") / "papers"


def shipped() -> Path:
    """Where an installed fusiform has the results that came with it."""
    return Path(sysconfig.get_path("data")) / "share/fusiform/papers"


def run(
    name: str,
    size: str = "small",
    seeds: Sequence[int] = (0, 1, 2),
    folder: Path | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    add: bool = False,
) -> dict[str, Any]:
    """Measures all claims of a paper and writes `folder`/ID.json (sizes other than small:
    ID-SIZE.json); returns what it holds. `workers` 0: one for each core. `add`: to the seeds that
    are there already, if the code is the same.

    Raises ChoiceError for an unknown paper or size, FusiformError where a paper is not built or
    the file cannot be written; what an experiment raises goes through. Later calls go on.
    """
    if size not in SIZES:
        raise ChoiceError("size", SIZES, size)
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise ChoiceError("seeds", "different whole numbers from 0 on", list(seeds))
    made = program(paper(name))
    folder = folder or results_folder()
    marks = sources(paper(name).module)
    part = folder / f".{name}-{size}.part.json"
    path = folder / (f"{name}.json" if size == "small" else f"{name}-{size}.json")
    found = (kept(path, marks) if add else {}) | begun(part, marks)
    if add:
        seeds = sorted({*map(int, found), *seeds})
    todo = [seed for seed in seeds if str(seed) not in found]
    done = len(seeds) - len(todo)
    for seed, pairs, seconds in trials(name, size, todo, workers):
        found[str(seed)] = {"pairs": pairs, "seconds": seconds}
        write(part, {"sources": marks, "seeds": found})
        done += 1
        if progress:
            progress(done, len(seeds))
    told = result(name, size, seeds, claims(made), found, marks)
    if size == "small":
        told["tiny"] = tiny(name)
    write(path, told)
    part.unlink(missing_ok=True)
    return told


def trials(
    name: str, size: str, seeds: Sequence[int], workers: int
) -> Iterator[tuple[int, dict[str, list[float]], float]]:
    """Each seed with the pairs of its claims and the seconds of a core, as they are done."""
    many = min(workers or os.cpu_count() or 1, len(seeds))
    if many <= 1:
        for seed in seeds:
            yield seed, *trial(name, size, seed)
        return
    pool = ProcessPoolExecutor(many, get_context("spawn"), one_thread)
    try:
        tasks = {pool.submit(trial, name, size, seed): seed for seed in seeds}
        for task in as_completed(tasks):
            yield tasks[task], *task.result()
    except BrokenProcessPool as error:
        raise FusiformError(
            f"A process that measured {name} was killed, perhaps for want of memory. "
            "Run the same again to go on, with --workers 1 if it recurs."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def trial(name: str, size: str, seed: int) -> tuple[dict[str, list[float]], float]:
    """All claims of a paper at one seed, on one thread; and the seconds of a core it took."""
    one_thread()
    started = time.process_time()
    pairs = {
        c.name: [float(v) for v in c.measure(seed, size)] for c in claims(program(paper(name)))
    }
    return pairs, time.process_time() - started


def one_thread() -> None:
    """Sums in one order, whatever the machine."""
    import torch

    torch.set_num_threads(1)


def result(
    name: str,
    size: str,
    seeds: Sequence[int],
    made: Sequence[Claim],
    found: dict[str, Any],
    marks: dict[str, str],
) -> dict[str, Any]:
    """What a result file holds."""
    return {
        "id": name,
        "size": size,
        "seeds": list(seeds),
        "claims": [judged(c, [found[str(s)]["pairs"][c.name] for s in seeds]) for c in made],
        "minutes": round(sum(found[str(s)]["seconds"] for s in seeds) / 60, 2),
        "seconds": [round(found[str(s)]["seconds"], 1) for s in seeds],
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": ", ".join(dict.fromkeys(found[str(s)].get("commit", commit()) for s in seeds)),
        "hardware": hardware(),
        "versions": {"python": platform.python_version()} | versions(),
        "sources": marks,
    }


def judged(one: Claim, pairs: Sequence[Sequence[float]]) -> dict[str, Any]:
    """A claim with its figures and the verdict."""
    gaps = [one.gap(pair) for pair in pairs]
    low, high = bounds(gaps)
    return {
        "name": one.name,
        "says": one.says,
        "metric": one.metric,
        "higher": one.higher,
        "margin": one.margin,
        "pairs": [[round(float(v), 6) for v in pair] for pair in pairs],
        "gap": round(float(np.mean(gaps)), 6),
        "interval": [round(low, 6), round(high, 6)],
        "verdict": verdict(gaps, one.margin),
    }


def stored(name: str, folder: Path | None = None) -> dict[str, Any] | None:
    """A paper's result at size small, your own or that which came with fusiform; None where there
    is none. Raises FusiformError for a damaged file."""
    path = (folder or results_folder()) / f"{name}.json"
    if folder is None and not path.is_file():
        path = shipped() / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found if found["claims"] is not None else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from error


def is_stale(found: dict[str, Any]) -> bool:
    """Whether code that a result rests on has changed since."""
    return bool(found["sources"] != sources(paper(found["id"]).module))


def check(name: str, folder: Path | None = None) -> bool:
    """Whether a paper's evidence stands: it is not stale, or size tiny still gives the same, and
    then it is no longer stale. Raises FusiformError where there is no result."""
    found = stored(name, folder)
    if found is None:
        raise FusiformError(f"{name} was not measured yet. Run `fusiform papers run {name}`.")
    if not is_stale(found):
        return True
    if found.get("tiny") != tiny(name):
        return False
    # A margin or a sentence may have changed, which no figure tells.
    pairs = {one["name"]: one["pairs"] for one in found["claims"]}
    made = [judged(c, pairs[c.name]) for c in claims(program(paper(name)))]
    marks = {"claims": made, "sources": sources(paper(name).module), "checked": commit()}
    write((folder or results_folder()) / f"{name}.json", found | marks)
    return True


def tiny(name: str) -> dict[str, list[float]]:
    """What a paper's claims give at size tiny and seed 0."""
    _, pairs, _ = next(trials(name, "tiny", [0], 1))
    return {claim: [round(value, 9) for value in pair] for claim, pair in pairs.items()}


def sources(module: str) -> dict[str, str]:
    """Fingerprints of a paper's file and of the files of ours that it imports; what shared
    set-ups import counts too. Comments and docstrings do not."""
    seen: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        path = file_of(name)
        if name in seen or path is None:
            continue
        seen[name], others = looked_at(path, path.stat().st_mtime_ns)
        if name == module or name.startswith("fusiform.lab.papers._"):
            todo += others
    return dict(sorted(seen.items()))


@lru_cache(maxsize=4096)
def looked_at(path: Path, changed: int) -> tuple[str, list[str]]:
    """Fingerprint of a file that was `changed` then, and the names of ours that it imports."""
    tree = ast.parse(path.read_text("utf-8"))
    names = imported(tree)  # before the fingerprint, which takes the docstrings away
    return fingerprint(tree), names


@lru_cache(maxsize=4096)
def file_of(module: str) -> Path | None:
    """The source of one of our modules; None for a package or what is no module."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    if spec is None or not spec.origin or spec.submodule_search_locations is not None:
        return None
    return Path(spec.origin)


def imported(tree: ast.AST) -> list[str]:
    """Names of ours that a file imports, modules or things in them."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fusiform."):
            found += [str(node.module), *(f"{node.module}.{a.name}" for a in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("fusiform.")]
    return found


def fingerprint(tree: ast.Module) -> str:
    """Of what a file does."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            setattr(node, "body", getattr(node, "body")[1:])  # noqa: B009, B010
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def begun(part: Path, marks: dict[str, str]) -> dict[str, Any]:
    """Seeds that an interrupted run of the same code has done."""
    try:
        before = json.loads(part.read_text("utf-8"))
        return dict(before["seeds"]) if before["sources"] == marks else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def kept(path: Path, marks: dict[str, str]) -> dict[str, Any]:
    """The seeds of a result of the same code. Raises FusiformError where it is of other code."""
    try:
        before = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise damaged(path, error) from error
    if before["sources"] != marks:
        raise FusiformError(
            f"{path} was measured with other code. Leave out --add to measure all seeds anew, or "
            f"try `fusiform papers check {before['id']}` first."
        )
    seeds = before["seeds"]
    # Results did not always tell the seconds of each seed.
    seconds = before.get("seconds") or [60 * before["minutes"] / len(seeds)] * len(seeds)
    return {
        str(seed): {
            "pairs": {c["name"]: c["pairs"][i] for c in before["claims"]},
            "seconds": took,
            "commit": before["commit"],
        }
        for i, (seed, took) in enumerate(zip(seeds, seconds, strict=True))
    }


def damaged(path: Path, error: Exception) -> FusiformError:
    """What to raise for a result that cannot be read."""
    return FusiformError(
        f"{path} is no result of a paper ({error!r}). Make it anew: fusiform papers run {path.stem}"
    )


def write(path: Path, told: dict[str, Any]) -> None:
    """A JSON file, whole or not at all. Raises FusiformError where it cannot be."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or error
        raise FusiformError(
            f"{path} cannot be written: {reason}. Make room, or give --out."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Of what results depend on, as far as it is here."""
    found = {}
    for name in VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """Processor and number of cores."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(row.split(":")[1].strip() for row in lines if row.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores"


def commit() -> str:
    """Of the checkout, with a + where the source was altered; "" outside one."""
    try:
        git = ["git", "-C", str(ROOT)]
        name = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, check=True
        )
        state = subprocess.run(
            [*git, "status", "--porcelain", "fusiform"], capture_output=True, check=True
        )
        return name.stdout.decode().strip() + ("+" if state.stdout.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
