"""A card for a user's own ONNX file: the one beside it, the one inside, or told by its graph."""

from __future__ import annotations

import json
import mmap
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fusiform.core.errors import ChoiceError, ModelDamaged, ModelUnsupported
from fusiform.hub.card import Card
from fusiform.hub.files import file_hash
from fusiform.hub.session import Session, open_session

CARD_KEY = "fusiform.card"
YUNET = {f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)}
SCRFD = (Counter({1: 3, 4: 3}), Counter({1: 3, 4: 3, 10: 3}))
UNKNOWN = "not stated in the file"


def infer_card(path: Path) -> Card:
    """The card beside the file (NAME.json, see `card_beside`), that inside it (metadata
    `fusiform.card`, JSON), else one told by its graph.

    Known are YuNet, SCRFD as InsightFace exports it, and embedders with one square input and
    one vector. Raises ModelDamaged, and ModelUnsupported for any other graph.
    """
    session = open_session(path, provider="cpu")
    digest = file_hash(path)
    if (beside := card_beside(path, digest)) is not None:
        return beside
    if CARD_KEY in session.metadata:
        return _own_card(path, session.metadata[CARD_KEY], digest)
    known = _detector(session) or _embedder(session, path)
    if known is None:
        raise ModelUnsupported(
            f"{path}: no YuNet, SCRFD or face embedder: {_signature(session)}. "
            f"Say what it is with a card in the file's metadata, key {CARD_KEY}"
        )
    return Card(
        name=path.stem,
        title=f"{path.name}, told by its graph",
        licence=UNKNOWN,
        training_data=UNKNOWN,
        sha256=digest,
        bytes=path.stat().st_size,
        **known,
    )


def card_beside(path: Path, digest: str) -> Card | None:
    """The card in NAME.json beside NAME.onnx, None where there is none or it is something else.

    Raises ModelDamaged if it is the card of a file with another hash than `digest`, and
    ModelUnsupported if it is no card that can be read.
    """
    beside = path.with_suffix(".json")
    try:
        text = beside.read_text("utf-8")
        values = json.loads(text)
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict) or not {"kind", "family", "sha256"} <= set(values):
        return None
    if values["sha256"] != digest:
        raise ModelDamaged(
            f"{path}: its sha256 is {digest}, but its card {beside.name} is of "
            f"{values['sha256']}. Copy both anew from where they were made, or take the card away"
        )
    try:
        return Card.from_json(text)
    except (ChoiceError, ValueError, TypeError, AttributeError) as error:
        raise ModelUnsupported(f"{beside}: is a wrong card ({error}); correct it") from error


def _own_card(path: Path, text: str, digest: str) -> Card:
    try:
        return replace(Card.from_json(text), sha256=digest)
    except (ChoiceError, ValueError, TypeError, AttributeError) as error:
        raise ModelUnsupported(
            f"{path}: the card in its metadata is wrong ({error}); correct {CARD_KEY}"
        ) from error


def _detector(session: Session) -> dict[str, Any] | None:
    outputs = session.outputs
    if {output.name for output in outputs} == YUNET:
        return {"kind": "detector", "family": "yunet", "colour": "BGR", "minimum_score": 0.7}
    widths = Counter(output.shape[-1] for output in outputs if len(output.shape) in (2, 3))
    if len(session.inputs) != 1 or widths not in SCRFD:
        return None
    # InsightFace's detectors take (pixel - 127.5) / 128 and keep what scores above 0.5.
    scale = {"mean": (127.5,) * 3, "std": (128.0,) * 3, "minimum_score": 0.5}
    return {"kind": "detector", "family": "scrfd", **scale}


def _embedder(session: Session, path: Path) -> dict[str, Any] | None:
    if len(session.inputs) != 1 or len(session.outputs) != 1:
        return None
    (taken,), (given,) = session.inputs, session.outputs
    size = taken.shape[-1] if len(taken.shape) == 4 else None
    square = isinstance(size, int) and taken.shape[1:] == (3, size, size)
    floats = {taken.type, given.type} == {"tensor(float)"}
    if not (square and floats and len(given.shape) == 2):
        return None
    mean, std = (0.0, 1.0) if normalises_inside(path) else (127.5, 127.5)
    scale = {"mean": (mean,) * 3, "std": (std,) * 3}
    dim = given.shape[1] if isinstance(given.shape[1], int) else 0
    form = {"size": size, "template": "arcface112", "dim": dim}
    return {"kind": "embedder", "family": "arcface", **form, **scale}


def normalises_inside(path: Path) -> bool:
    """Whether the graph itself subtracts the mean and scales before its first convolution.

    Older ArcFace files do, newer ones leave it to the caller, and nothing but the nodes tells
    them apart; ONNX Runtime does not show nodes, so their names are read from the file.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        operations = set(_before_first_conv(data))
    return bool(operations & {"Sub", "Add"}) and bool(operations & {"Mul", "Div"})


def _before_first_conv(model: mmap.mmap) -> Iterator[str]:
    """Operations of the graph (field 7 of onnx.proto's model) up to the first convolution."""
    for number, start, end in _fields(model, 0, len(model)):
        if number != 7:
            continue
        for inner, node, node_end in _fields(model, start, end):
            if inner != 1:
                continue
            operation = next((model[a:b] for n, a, b in _fields(model, node, node_end) if n == 4))
            if operation == b"Conv":
                return
            yield operation.decode()


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field of a protobuf message that holds bytes."""
    at = start
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 2:
            length, at = _varint(data, at)
            yield key >> 3, at, at + length
            at += length
        elif kind == 0:
            _, at = _varint(data, at)
        else:
            at += 8 if kind == 1 else 4


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def _signature(session: Session) -> str:
    def side(tensors: tuple[Any, ...]) -> str:
        shown = [f"{t.name} {list(t.shape)}" for t in tensors[:4]]
        return ", ".join(shown) + (", ..." if len(tensors) > 4 else "")

    return f"it takes {side(session.inputs)} and gives {side(session.outputs)}"
