"""What could be wrong with an installation and a gallery, and the remedy for each."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from fusiform.api import count_of
from fusiform.core.errors import FusiformError, GalleryError, ModelError, PolicyForbids
from fusiform.gallery import Store, backups, is_url, stale
from fusiform.hub.card import shipped_cards
from fusiform.hub.files import home
from fusiform.hub.session import available_providers
from fusiform.hub.store import by_hand, check
from fusiform.pipeline import choose_detector, load_detector, load_embedder
from fusiform.policy import read_policy

LIBRARIES = ("numpy", "pillow", "onnxruntime", "dlib-bin")
LITTLE_ROOM = 200_000_000


@dataclass(frozen=True)
class Finding:
    """`level` is good, note (worth knowing) or bad (`says` then names the remedy)."""

    check: str
    level: str
    says: str


def examine(gallery: str | Path) -> list[Finding]:
    """All findings, in the order a reader wants them."""
    return [*_software(), *_store(), *_models(), *_policy(), *_gallery(gallery)]


def _software() -> Iterator[Finding]:
    versions = ", ".join(f"{name} {_version(name) or '(missing)'}" for name in LIBRARIES)
    yield Finding("software", "good", f"Python {platform.python_version()}, {versions}")
    for name in LIBRARIES:
        if not _version(name):
            yield Finding(name, "bad", f"is not installed; run `pip install {name}`")
    yield Finding("runs on", "good", f"{', '.join(available_providers())}, {os.cpu_count()} cores")
    if not find_spec("pillow_heif"):
        yield Finding("HEIC", "note", 'not read; pip install "fusiform[heic]" adds it')


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _store() -> Iterator[Finding]:
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "change its permissions, or set FUSIFORM_HOME to a folder you may write to"
        yield Finding("store", "bad", f"{folder} cannot be written ({error.strerror}); {remedy}")
        return
    free = shutil.disk_usage(folder).free
    level = "bad" if free < LITTLE_ROOM else "good"
    remedy = "; make room" if level == "bad" else ""
    yield Finding("store", level, f"{folder}, {free / 1e9:.1f} GB free{remedy}")


def _models() -> Iterator[Finding]:
    for card in shipped_cards().values():
        state = check(card)
        if state == "ready":
            yield Finding(card.name, "good", f"ready ({card.licence})")
        elif state == "missing" and card.url:
            yield Finding(card.name, "note", f"not on this machine. {by_hand(card)}")
        else:
            yield Finding(card.name, "bad", f"{state}. {by_hand(card)}")
    yield Finding("auto detector", "good", choose_detector("auto"))


def _policy() -> Iterator[Finding]:
    try:
        told = read_policy()
    except PolicyForbids as error:
        yield Finding("policy", "bad", str(error))
        return
    if told.files:
        yield Finding("policy", "good", ", ".join(map(str, told.files)))


def _gallery(path: str | Path) -> Iterator[Finding]:
    path = path if is_url(path) else Path(path).expanduser()
    if isinstance(path, Path) and not path.exists():
        yield Finding("gallery", "note", f"{path} does not exist yet; `fusiform index` makes it")
        return
    try:
        with Store(path, create=False) as store:
            store.check()
            yield from _contents(store)
    except GalleryError as error:
        yield Finding("gallery", "bad", str(error))


def _contents(store: Store) -> Iterator[Finding]:
    counts = store.counts()
    told = ", ".join(count_of(counts[key], key[:-1]) for key in ("photos", "faces"))
    yield Finding("gallery", "good", f"{store.name}: {told}")
    yield Finding("database", "good", store.db.software)
    if store.db.file:
        for place in (store.path, store.path.parent):
            if not os.access(place, os.W_OK):
                told = "is read-only, so nothing can be added or decided; change its permissions"
                yield Finding("gallery", "bad", f"{place} {told}")
    if skipped := store.skipped():
        told = f"{count_of(len(skipped), 'file')} could not be read, such as {skipped[0].path}"
        why = f"{skipped[0].reason}; {skipped[0].remedy}"
        yield Finding("skipped", "note", f"{told} ({why}); then run `fusiform index` again")
    yield from _recorded_models(store)
    yield from _freshness(store)
    if made := backups(store):
        yield Finding("backup", "good", f"{made[-1].path}, made {_ago(made[-1].at)}")


def _ago(at: str) -> str:
    days = (datetime.now(UTC) - datetime.fromisoformat(at)).days
    return f"{count_of(days, 'day')} ago" if days > 0 else "today"


def _recorded_models(store: Store) -> Iterator[Finding]:
    recorded = store.models()
    if recorded is None:
        return
    detector, embedder, sha256 = recorded
    try:
        load_detector(detector)
        now = load_embedder(embedder).card.sha256
    except (ModelError, FusiformError) as error:
        yield Finding("gallery's models", "bad", str(error))
        return
    if now == sha256:
        yield Finding("gallery's models", "good", f"{detector}, {embedder}")
    else:
        says = f"{embedder} is another file than the gallery was made with; bring that one back"
        yield Finding("gallery's models", "bad", says)


def _freshness(store: Store) -> Iterator[Finding]:
    state = stale(store)
    if state.ungrouped:
        told = count_of(state.ungrouped, "face")
        yield Finding("grouping", "bad", f"{told} not grouped yet; run `fusiform index` again")
    for what, paths in (("changed", state.changed), ("gone", state.gone)):
        if paths:
            told = f"{count_of(len(paths), 'photo')} {what} since indexing, such as {paths[0]}"
            remedy = " (`fusiform clean` if that is gone, too)" if what == "gone" else ""
            yield Finding("index", "bad", f"{told}; run `fusiform index` on their folder{remedy}")
    if not (state.ungrouped or state.changed or state.gone):
        yield Finding("index", "good", "as the photos lie there")
