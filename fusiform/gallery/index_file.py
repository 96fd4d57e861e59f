"""The index as a file: written whole or not at all, mapped when read, overwritten to forget.

MAGIC, the length of the head (4 bytes, little-endian), the head as JSON, then the arrays of
`Contents` in order, little-endian, each at a multiple of 64 bytes. The head's `check` is the CRC-32
of the arrays that do not grow with the faces.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.gallery.codes import Bytes, Words, bits_for

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Layout = dict[str, tuple[str, tuple[int, ...]]]

MAGIC = b"FUSINDEX2\n"
_ALIGNED = 64  # bytes
_BY_FACE = ("ids", "vectors", "codes", "norms")


@dataclass(frozen=True)
class Contents:
    """Cells of c centres, how faces scatter in them and how they are coded; then n faces in the
    order of their cells, those of cell i from `starts[i]` to `starts[i + 1]`."""

    centres: Floats  # (c, d), the mean of the cell's faces
    widths: Floats  # (c,), see Spread
    shape: Floats  # (d, d)
    mean: Floats  # (d,), see Coder
    axes: Floats  # (d, b)
    starts: Ints  # (c + 1,)
    ids: Ints  # (n,), -1 for a forgotten face
    vectors: Floats  # (n, d)
    codes: Words  # (n, b / 64)
    norms: Bytes  # (n,)


def _layout(head: dict[str, Any]) -> Layout:
    n, d, c = head["faces"], head["width"], head["cells"]
    bits = bits_for(d)
    return {
        "centres": ("<f4", (c, d)),
        "widths": ("<f4", (c,)),
        "shape": ("<f4", (d, d)),
        "mean": ("<f4", (d,)),
        "axes": ("<f4", (d, bits)),
        "starts": ("<i8", (c + 1,)),
        "ids": ("<i8", (n,)),
        "vectors": ("<f4", (n, d)),
        "codes": ("<u8", (n, bits // 64)),
        "norms": ("u1", (n,)),
    }


def write(path: Path, contents: Contents, model: str) -> None:
    """Writes the file of a model's faces; where that is not possible there is none, as before."""
    head = {
        "model": model,
        "faces": len(contents.ids),
        "width": int(contents.vectors.shape[1]),
        "cells": len(contents.centres),
        "check": _check(contents),
    }
    spots = places(head)
    part = path.with_name(f"{path.name}.part-{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.write(_told(head))
            for name, (kind, _) in _layout(head).items():
                file.seek(spots[name])
                file.write(np.ascontiguousarray(getattr(contents, name), kind).data)
            file.truncate(spots["end"])
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        pass  # a cache: without it a search takes longer, that is all
    finally:
        part.unlink(missing_ok=True)


def read(path: Path, model: str | None) -> Contents | None:
    """What is in the file; None if there is none, it is damaged, or of another model.

    Vectors and codes are mapped, not read; the rest is in memory.
    """
    head = head_of(path)
    if head is None or (model is not None and head["model"] != model):
        return None
    spots = places(head)
    if path.stat().st_size != spots["end"]:
        return None
    raw = np.asarray(np.memmap(path, mode="r"))  # the subclass would slow every slice
    found: dict[str, NDArray[Any]] = {}
    for name, (kind, shape) in _layout(head).items():
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        array = raw[spots[name] : spots[name] + size].view(kind).reshape(shape)
        found[name] = array if name in ("vectors", "codes", "norms") else np.array(array)
    contents = Contents(**found)
    if _check(contents) != head["check"] or contents.starts[-1] != head["faces"]:
        return None
    return contents


def overwrite(path: Path, contents: Contents, ids: Ints) -> None:
    """Takes faces out of the file that `contents` was read from, at once and on the disk.

    Their numbers become -1, all else of theirs 0; the centres of their cells become the mean of
    the faces left in them, as that of a single face would be the face itself.
    """
    head = head_of(path)
    assert head is not None
    rows = np.flatnonzero(np.isin(contents.ids, ids))
    contents.ids[rows] = -1
    for cell in np.unique(np.searchsorted(contents.starts, rows, side="right") - 1).tolist():
        inside = slice(contents.starts[cell], contents.starts[cell + 1])
        left = contents.vectors[inside][contents.ids[inside] >= 0]
        contents.centres[cell] = left.mean(axis=0) if len(left) else 0
    spots = places(head)
    with path.open("r+b") as file:
        file.write(_told(head | {"check": _check(contents)}))
        file.seek(spots["centres"])
        file.write(contents.centres.data)
        for name in _BY_FACE:
            kind, shape = _layout(head)[name]
            size = int(np.prod(shape[1:])) * np.dtype(kind).itemsize
            empty = np.int64(-1).tobytes() if name == "ids" else bytes(size)
            for row in rows.tolist():
                file.seek(spots[name] + size * row)
                file.write(empty)
        file.flush()
        os.fsync(file.fileno())


def head_of(path: Path) -> dict[str, Any] | None:
    """The file's head, None if there is no such file or it is none of these."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            size = int.from_bytes(file.read(4), "little")
            told: dict[str, Any] = json.loads(file.read(min(size, 1 << 16)))
        return told if {"model", "faces", "width", "cells", "check"} <= told.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def places(head: dict[str, Any]) -> dict[str, int]:
    """Where each array begins, and where the file ends, in bytes."""
    spot, found = len(_told(head)), {}
    for name, (kind, shape) in _layout(head).items():
        spot = -(-spot // _ALIGNED) * _ALIGNED
        found[name] = spot
        spot += int(np.prod(shape)) * np.dtype(kind).itemsize
    return found | {"end": spot}


def _told(head: dict[str, Any]) -> bytes:
    text = json.dumps(head).encode()
    return MAGIC + len(text).to_bytes(4, "little") + text


def _check(contents: Contents) -> str:
    """Of constant length, as the head must not grow when a face is forgotten."""
    crc = 0
    for field in fields(contents):
        if field.name not in _BY_FACE:
            crc = zlib.crc32(np.ascontiguousarray(getattr(contents, field.name)).tobytes(), crc)
    return f"{crc:08x}"
