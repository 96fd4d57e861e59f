"""Which sets lie in a folder, and loading them, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from fusiform.core.errors import ChoiceError, DataError
from fusiform.protocols import (
    agedb,
    annotated,
    cfp,
    crosslfw,
    folders,
    ijb,
    lfw,
    packs,
    rfw,
    tinyface,
)
from fusiform.protocols.sets import Test

Loaders = Sequence[Callable[[], Test]]


def _there(root: Path, *names: str) -> bool:
    return any((root / name).exists() for name in names)


def _groups(root: Path) -> list[str]:
    return [g for g in rfw.GROUPS if _there(root, *(f"{base}txts/{g}" for base in rfw.BASES))]


def _janus(root: Path) -> list[str]:
    lists = {
        part: [f"{base}meta/{part}_face_tid_mid.txt" for base in ("", f"{part.upper()}/")]
        for part in ("ijbb", "ijbc")
    }
    return [part for part, names in lists.items() if _there(root, *names)]


def _files(root: Path, ending: str) -> list[Path]:
    if root.is_file():
        return [root] if root.name.endswith(ending) else []
    return sorted(path for path in root.iterdir() if path.name.endswith(ending))


def _one(load: Callable[[], Test], root: Path, *names: str) -> Loaders:
    return [load] if _there(root, *names) else []


_FINDERS: dict[str, Callable[[Path], Loaders]] = {
    "packs": lambda root: [partial(packs.load, path) for path in _files(root, ".bin")],
    "annotated": lambda root: [
        partial(annotated.load, path) for path in _files(root, annotated.ENDING)
    ],
    "lfw": lambda root: _one(partial(lfw.load, root), root, "pairs.txt", "lfw/pairs.txt"),
    "cfp": lambda root: [
        partial(cfp.load, root, part)
        for part in cfp.PARTS
        if _there(root, f"Protocol/Split/{part}")
    ],
    "agedb": lambda root: [
        partial(agedb.load, root, years)
        for years in (5, 10, 20, 30)
        if _there(root, f"04_FINAL_protocol_{years}_years.mat")
    ],
    "calfw": lambda root: _one(
        partial(crosslfw.load, root, "calfw"), root, crosslfw.LISTS["calfw"]
    ),
    "cplfw": lambda root: _one(
        partial(crosslfw.load, root, "cplfw"), root, crosslfw.LISTS["cplfw"]
    ),
    "rfw": lambda root: [partial(rfw.load, root, group) for group in _groups(root)],
    "ijb": lambda root: [partial(ijb.load, root, part) for part in _janus(root)],
    "tinyface": lambda root: _one(
        partial(tinyface.load, root), root, "Testing_Set", "tinyface/Testing_Set"
    ),
    "folders": lambda root: [partial(folders.load, root)],
}
KINDS = tuple(_FINDERS)
"""The formats that are known, in the order in which they are looked for."""


def loaders(root: Path, kind: str | None = None) -> Loaders:
    """One function a test in `root`, each of which loads it; a pack may also be named itself.

    Without `kind`, one of KINDS, all sets whose lists lie in `root`, and if there are none the
    folders of people. Raises ChoiceError, DataError if there is nothing of that kind.
    """
    if kind is not None and kind not in KINDS:
        raise ChoiceError("kind", KINDS, kind)
    root = root.expanduser().resolve()  # its name is the test's
    if not root.exists():
        raise DataError(root, "does not exist", "name the folder of a data set")
    if kind is not None:
        found = _FINDERS[kind](root)
    else:
        found = [one for name in KINDS[:-1] for one in _FINDERS[name](root)]
        found = found or _FINDERS[KINDS[-1]](root)
    if not found:
        reason = f"holds no set of the kind {kind}"
        raise DataError(root, reason, "docs/recognition.md says what should lie there")
    return found
