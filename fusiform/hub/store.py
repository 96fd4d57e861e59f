"""Which models are on this machine, and where."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata, resources
from pathlib import Path, PurePosixPath

from fusiform.core.errors import ChoiceError, ModelDamaged, ModelMissing
from fusiform.hub.card import Card, shipped_cards
from fusiform.hub.dlib_resnet import dlib_to_onnx
from fusiform.hub.files import file_hash, home, locked, write_whole
from fusiform.hub.infer import infer_card

CONVERSION = 1  # raise it whenever dlib_to_onnx comes to write another network


@dataclass(frozen=True)
class Model:
    """A card and its weights: a file, bytes made in memory, or None if inside a library."""

    card: Card
    data: Path | bytes | None


def locate(name_or_path: str | Path, kind: str = "") -> Model:
    """The model of a shipped card's name, or of the path of any ONNX file. An unknown name is told
    which there are, with `kind` (see `card.KINDS`) which of that kind.

    Looks in the store, in the folders named by FUSIFORM_MODELS (separated as in PATH, never
    written to) and in installed packages; it never downloads. Weights are checked against
    the card's hash. Raises ModelMissing, ModelDamaged, ModelUnsupported, ChoiceError.
    """
    card = shipped_cards().get(str(name_or_path))
    if card is not None:
        return _shipped(card)
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return Model(infer_card(path), path)
    if path.suffix or len(path.parts) > 1:
        raise ModelMissing(f"{path}: no such file; give the path of an ONNX file")
    known = [name for name, card in shipped_cards().items() if kind in ("", card.kind)]
    raise ChoiceError("model", [*known, "the path of an ONNX file"], str(name_or_path))


def available() -> list[tuple[Card, str]]:
    """Every shipped card with "ready", "missing" or "damaged"."""
    return [(card, _state(card)) for card in shipped_cards().values()]


def check(card: Card) -> str:
    """One of "ready", "missing" and "damaged", after reading every byte of its files again.

    A network converted from a package's file is made anew when it is next located, so it
    does not count as damaged.
    """
    state = _state(card, fresh=True)
    if card.family == "dlib-resnet" and store_path(card).is_file():
        file_hash(store_path(card), fresh=True)
    return state


def store_path(card: Card) -> Path:
    """Where the weights of a card belong in the store."""
    return home() / "models" / f"{card.name}.onnx"


def by_hand(card: Card) -> str:
    """How to bring a card's weights to this machine, in a sentence or two."""
    if card.package:
        return f"Run `pip install --force-reinstall {card.package}`."
    return (
        f"Run `fusiform pull {card.name}`. Without a network: get {card.url} elsewhere "
        f"(sha256 {card.sha256}), bring it here and run `fusiform pull {card.name} --from FILE`."
    )


def _shipped(card: Card) -> Model:
    path = _verified(card)
    if path is not None and card.family == "dlib-resnet":
        return Model(card, _converted(card, path))
    return Model(card, path)


def _state(card: Card, fresh: bool = False) -> str:
    try:
        _verified(card, fresh)
    except ModelMissing:
        return "missing"
    except ModelDamaged:
        return "damaged"
    return "ready"


def _verified(card: Card, fresh: bool = False) -> Path | None:
    """The published file, or None if the weights are inside a library."""
    path = _packaged(card) if card.package else _stored(card)
    if path is None:
        return None
    try:
        found = file_hash(path, fresh=fresh)
    except OSError as error:
        raise ModelDamaged(f"{path}: cannot be read ({error}). {by_hand(card)}") from error
    if found != card.sha256:
        raise ModelDamaged(
            f"{path}: damaged or another file than {card.name} (its sha256 is {found}, "
            f"not {card.sha256}). {by_hand(card)}"
        )
    return path


def _stored(card: Card) -> Path:
    published = PurePosixPath(card.url).name
    folders = [Path(f) for f in os.environ.get("FUSIFORM_MODELS", "").split(os.pathsep) if f]
    others = [folder / name for folder in folders for name in (f"{card.name}.onnx", published)]
    for path in (store_path(card), *others):
        if path.is_file():
            return path
    raise ModelMissing(f"{card.name}: its weights are not on this machine. {by_hand(card)}")


def _packaged(card: Card) -> Path | None:
    """A package's data file, found without importing the package."""
    if card.package == "fusiform":  # an editable install does not list its files
        path = Path(str(resources.files("fusiform"))) / card.package_file
        if path.is_file():
            return path
        raise ModelMissing(f"{card.name}: {path} is missing. {by_hand(card)}")
    try:
        files = metadata.distribution(card.package).files or []
    except metadata.PackageNotFoundError as error:
        raise ModelMissing(
            f"{card.name}: the package {card.package} is not installed. {by_hand(card)}"
        ) from error
    if not card.package_file:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if file.as_posix() == card.package_file and path.is_file():
            return path
    raise ModelMissing(f"{card.name}: {card.package} lacks {card.package_file}. {by_hand(card)}")


def _converted(card: Card, source: Path) -> Path | bytes:
    """dlib's file as ONNX: made once and stored, or in memory if the store is not writable."""
    target = store_path(card)
    if _is_current(card, target):
        return target
    data = None
    try:
        with locked(target):
            if not _is_current(card, target):
                data = dlib_to_onnx(source.read_bytes(), str(source))
                write_whole(target, data)
                note = json.dumps(_note(card, sha256(data).hexdigest())) + "\n"
                write_whole(target.with_suffix(".json"), note.encode())
            return target
    except OSError:
        return data or dlib_to_onnx(source.read_bytes(), str(source))


def _is_current(card: Card, target: Path) -> bool:
    """Whether the stored network is whole, and what this version would write."""
    try:
        note = json.loads(target.with_suffix(".json").read_text("utf-8"))
        return bool(note == _note(card, file_hash(target)))
    except (OSError, ValueError):
        return False


def _note(card: Card, digest: str) -> dict[str, str | int]:
    return {"source": card.sha256, "conversion": CONVERSION, "sha256": digest}
