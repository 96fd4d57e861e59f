"""CALFW and CPLFW: LFW's people across ages and poses, 3,000 genuine and 3,000 impostor pairs.

Source: Zheng, Deng and Hu, "Cross-Age LFW", arXiv 1708.08197 (2017); Zheng and Deng, "Cross-Pose
LFW", BUPT TR 18-01 (2018). In pairs_CALFW.txt and pairs_CPLFW.txt two lines are a pair, each a
picture's name and a label: 0 for impostors, else genuine (CALFW writes the fold, 1 to 10). The
folds of impostors are written nowhere: tenths in their order, as FaceX-Zoo (pairs_parser.py) and
others take them, for genuine pairs too. Names of folders as commonly distributed: images/ with the
five points of a picture in NAME_5loc_attri.txt, an x and a y a line, beside it or in CA_landmarks/
or CP_landmarks/; else "aligned images".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusiform.core.errors import DataError
from fusiform.core.faces import Floats
from fusiform.protocols.sets import (
    NO_POINTS,
    ListedPair,
    PairTest,
    file_in,
    folder_in,
    lines,
    odd_line,
    pair_test,
    tenths_by_kind,
    whole,
)

LISTS = {"calfw": "pairs_CALFW.txt", "cplfw": "pairs_CPLFW.txt"}
_BASES = ("", "images&landmarks/", "images&landmarks/images&landmarks/")
_POINTS = ("CA_landmarks", "CP_landmarks", "landmarks", "images")
_WANTED = "Name_0001.jpg 1"


def load(root: Path, kind: str) -> PairTest:
    """The pairs of `kind`, one of LISTS, in `root`. Raises DataError if list and files differ."""
    listed = file_in(root, LISTS[kind])
    folder = folder_in(root, *(f"{base}images" for base in _BASES), "aligned images")
    told = [_picture(listed, place, line) for place, line in lines(listed)]
    if len(told) % 2 or any(a[1] != b[1] for a, b in zip(told[::2], told[1::2], strict=False)):
        reason = "has a line without its partner, or two of a pair with different labels"
        raise DataError(listed, reason, "take the list as it was published")
    pairs = [
        ListedPair(folder / a, folder / b, label != 0)
        for (a, label), (b, _) in zip(told[::2], told[1::2], strict=True)
    ]
    fold = tenths_by_kind(pairs)
    # pictures that were aligned already have no points that hold for them
    points = None if folder.name == "aligned images" else _points
    return pair_test(root.name, pairs, fold, listed, points=points)


def _picture(listed: Path, place: str, line: str) -> tuple[str, int]:
    name, _, label = line.rpartition(" ")
    if not name:
        raise odd_line(listed, place, line, _WANTED)
    return name.strip(), whole(listed, place, line, [label], _WANTED)[0]


def _points(picture: Path) -> Floats:
    """The points beside a picture, NaN where there are none."""
    for folder in _POINTS:
        listed = picture.parents[1] / folder / f"{picture.stem}_5loc_attri.txt"
        if listed.is_file():
            rows = [line.split()[:2] for _, line in lines(listed)]
            try:
                return np.array(rows, np.float32).reshape(5, 2)
            except ValueError as error:
                reason = "does not hold five points, an x and a y a line"
                raise DataError(listed, reason, "unpack the set again") from error
    return NO_POINTS
