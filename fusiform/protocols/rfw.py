"""Racial Faces in the Wild: LFW's test for each of four groups, 6,000 pairs in ten folds.

Source: Wang et al., "Racial Faces in the Wild: reducing racial bias by information maximization
adaptation network", ICCV 2019. Pairs stand in txts/GROUP/GROUP_pairs.txt as in LFW's list but
without its first line, pictures in data/GROUP/. As commonly distributed, GROUP_lmk.txt holds the
five points: a path, a number, then x and y of each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusiform.core.faces import Floats
from fusiform.protocols.lfw import named_pair
from fusiform.protocols.sets import (
    NO_POINTS,
    PairTest,
    file_in,
    folder_in,
    lines,
    odd_line,
    pair_test,
    tenths,
)

GROUPS = ("African", "Asian", "Caucasian", "Indian")
BASES = ("", "test/", "images/test/")


def load(root: Path, group: str) -> PairTest:
    """The pairs of one of GROUPS. Raises DataError if lists and pictures do not fit."""
    lists = folder_in(root, *(f"{base}txts/{group}" for base in BASES))
    folder = folder_in(root, *(f"{base}data/{group}" for base in BASES))
    listed = file_in(lists, f"{group}_pairs.txt")
    pairs = [named_pair(listed, place, line, folder) for place, line in lines(listed)]
    known = _points(lists / f"{group}_lmk.txt")

    def points(file: Path) -> Floats:
        return known.get(f"{file.parent.name}/{file.name}", NO_POINTS)

    name = f"{root.name} {group}"
    return pair_test(name, pairs, tenths(len(pairs)), listed, points=points if known else None)


def _points(listed: Path) -> dict[str, Floats]:
    """Points by the last two parts of the path; none without the file."""
    found = {}
    for place, line in lines(listed) if listed.is_file() else ():
        words = line.split()
        try:
            points = np.array(words[2:], np.float32).reshape(5, 2)
        except ValueError:
            raise odd_line(listed, place, line, "path label x1 y1 ... x5 y5") from None
        found["/".join(words[0].split("/")[-2:])] = points
    return found
