"""Searching files for bytes that must not be in them any more."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BITS = 20
PIECE = 16  # bytes of a vector that count as a trace of it


def pieces_of(values: Iterable[bytes], distinct: int = 2) -> set[bytes]:
    """Every 16 bytes by which `values` would be known: those of at least `distinct` different
    bytes, as others are everywhere."""
    cut = {v[i : i + PIECE] for v in values for i in range(0, len(v) - PIECE + 1, PIECE)}
    return {piece for piece in cut if len(set(piece)) >= distinct}


def found_in(file: Path, pieces: set[bytes], texts: Sequence[str]) -> bool:
    """Whether a file has one of the texts (as UTF-8) or of the 16-byte pieces at any place."""
    if not file.exists() or not file.stat().st_size:
        return False
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if any(data.find(text.encode()) >= 0 for text in texts):
            return True
        return _any_piece(data, pieces)


def _any_piece(data: mmap.mmap, pieces: set[bytes]) -> bool:
    """Looks at every byte once, in blocks."""
    if not pieces:
        return False
    starts = np.unique([np.frombuffer(piece[:8], "<u8")[0] for piece in pieces])
    likely = np.zeros(1 << _BITS, bool)  # passes one word in a hundred to the exact search
    likely[starts >> np.uint64(64 - _BITS)] = True
    block = 1 << 22
    for begin in range(0, len(data), block):
        part = data[begin : begin + block + PIECE]
        for shift in range(min(8, len(part))):
            words = np.frombuffer(part, "<u8", count=(len(part) - shift) // 8, offset=shift)
            near = np.flatnonzero(likely[words >> np.uint64(64 - _BITS)])
            hits = near[_is_in(words[near], starts)] * 8 + shift
            if any(part[hit : hit + PIECE] in pieces for hit in hits.tolist()):
                return True
    return False


def _is_in(words: NDArray[np.uint64], sorted_set: NDArray[np.uint64]) -> NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(sorted_set, words), len(sorted_set) - 1)
    return np.equal(sorted_set[at], words)
