"""Labeled Faces in the Wild, view 2: ten folds of 300 genuine and 300 impostor pairs.

Source: Huang et al., UMass Amherst TR 07-49 (2007), and the README of the set: pairs.txt begins
with the numbers of folds and of pairs of either kind in one; then follow, fold after fold, the
genuine pairs as "Name 1 2" and the impostor pairs as "Name 1 Other 2", with tabs between. A list of
one fold begins with one number (pairsDevTest.txt). Pictures are Name/Name_0001.jpg.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusiform.core.errors import DataError
from fusiform.protocols.sets import (
    ListedPair,
    PairTest,
    file_in,
    folder_in,
    lines,
    odd_line,
    pair_test,
    whole,
)

FOLDERS = ("lfw", "lfw_funneled", "lfw-funneled", "lfw-deepfunneled", "lfw-a", "")
_PAIR = "Name 1 2, or Name 1 Other 2"


def load(root: Path, pairs: str = "pairs.txt") -> PairTest:
    """The list `pairs` and the pictures in `root`. Raises DataError if they do not fit."""
    listed = file_in(root, pairs, f"lfw/{pairs}")
    folder = folder_in(root, *FOLDERS)
    (place, header), *rest = list(lines(listed)) or [("line 1", "")]
    wanted = "10 300, the numbers of folds and of pairs of a kind"
    words = header.split()
    if not 1 <= len(words) <= 2:
        raise odd_line(listed, place, header, wanted)
    *folds, each = whole(listed, place, header, words, wanted)
    found = [named_pair(listed, place, line, folder) for place, line in rest]
    _check(listed, found, folds[0] if folds else 1, each)
    return pair_test(root.name, found, np.arange(len(found)) // (2 * each), listed)


def _check(listed: Path, found: Sequence[ListedPair], folds: int, each: int) -> None:
    pattern = ([True] * each + [False] * each) * folds
    if each < 1 or [pair.same for pair in found] != pattern:
        reason = f"announces {folds} x {each} genuine and impostor pairs and lists others"
        raise DataError(listed, reason, "take the list as it was published")


def named_pair(listed: Path, place: str, line: str, folder: Path) -> ListedPair:
    """A pair told by names and numbers, as paths in `folder`. Raises DataError."""
    words = line.split("\t") if "\t" in line else line.split()
    if len(words) not in (3, 4):
        raise odd_line(listed, place, line, _PAIR)
    name, other = words[0], words[-2] if len(words) == 4 else words[0]
    first, second = whole(listed, place, line, [words[1], words[-1]], _PAIR)
    return ListedPair(picture(folder, name, first), picture(folder, other, second), len(words) == 3)


def picture(folder: Path, name: str, number: int) -> Path:
    """The path of a person's picture of that number."""
    return folder / name / f"{name}_{number:04d}.jpg"
