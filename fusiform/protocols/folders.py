"""Pictures by person: a folder a person (VGGFace2, WebFace and most others), or a list.

There is no published protocol for them; `run` compares all pictures with one another.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusiform.core.errors import DataError
from fusiform.core.pictures import SUFFIXES
from fusiform.protocols.sets import People, Shots, lines, odd_line, present


def load(root: Path) -> People:
    """Every picture of `root`/PERSON/, people and pictures in the order of their names.

    Raises DataError if no folder in `root` has a picture.
    """
    found = [(person.name, file) for person in _entries(root) for file in _entries(person)]
    pictures = [(name, file) for name, file in found if file.suffix.lower() in SUFFIXES]
    if not pictures:
        reason = "has no folders of pictures"
        raise DataError(root, reason, "give each person a folder in it")
    return _people(root.name, pictures)


def load_list(listed: Path, root: Path) -> People:
    """Lines "path label", paths told from `root`, which may hold spaces. Raises DataError."""
    pictures = []
    for place, line in lines(listed):
        path, _, label = line.replace("\t", " ").rpartition(" ")
        if not path.strip():
            raise odd_line(listed, place, line, "path label")
        pictures.append((label, root / path.strip()))
    present([file for _, file in pictures], listed)
    return _people(listed.stem, pictures)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _people(name: str, pictures: list[tuple[str, Path]]) -> People:
    names, person = np.unique(np.array([label for label, _ in pictures]), return_inverse=True)
    shots = Shots([file for _, file in pictures])
    return People(name, shots, person.astype(np.int64), tuple(names.tolist()))
