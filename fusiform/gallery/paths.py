"""File names as text that every database can hold."""

from __future__ import annotations

import os

_RAW = "\x01"  # begins the names that are no valid UTF-8; no file name of a user's begins so


def stored_path(path: str) -> str:
    """`path` as it is kept: itself, or for a name that is no valid UTF-8, or begins with the mark
    of those, the mark and its bytes as Latin-1."""
    try:
        path.encode()
        if not path.startswith(_RAW):
            return path
    except UnicodeEncodeError:
        pass
    return _RAW + os.fsencode(path).decode("latin-1")


def shown_path(kept: str) -> str:
    """The path that `stored_path` kept."""
    return os.fsdecode(kept[1:].encode("latin-1")) if kept.startswith(_RAW) else kept
