"""Celebrities in Frontal-Profile: ten folds of 350 genuine and 350 impostor pairs.

Source: Sengupta et al., "Frontal to profile face verification in the wild", WACV 2016, and the
set's Readme: Protocol/Pair_list_F.txt and Pair_list_P.txt give each picture a number,
"1 ../Data/Images/001/frontal/01.jpg"; Protocol/Split/FP/01/same.txt and diff.txt hold "1,2", a
frontal and a profile number a line (FF: two frontal ones).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusiform.core.errors import ChoiceError, DataError
from fusiform.protocols.sets import (
    FOLDS,
    ListedPair,
    PairTest,
    file_in,
    folder_in,
    lines,
    odd_line,
    pair_test,
    whole,
)

PARTS = {"FP": ("Pair_list_F.txt", "Pair_list_P.txt"), "FF": ("Pair_list_F.txt",) * 2}


def load(root: Path, part: str = "FP") -> PairTest:
    """Frontal against profile ("FP") or against frontal ("FF"). Raises DataError, ChoiceError."""
    if part not in PARTS:
        raise ChoiceError("part", PARTS, part)
    protocol = folder_in(root, "Protocol")
    splits = folder_in(protocol, f"Split/{part}")
    first, second = (_numbered(file_in(protocol, name)) for name in PARTS[part])
    found, fold = [], []
    for number in range(FOLDS):
        for name, same in (("same.txt", True), ("diff.txt", False)):
            pairs = _pairs(file_in(splits, f"{number + 1:02d}/{name}"), first, second, same)
            found += pairs
            fold += [number] * len(pairs)
    return pair_test(f"{root.name} {part}", found, np.array(fold, np.int64), splits)


def _numbered(listed: Path) -> dict[int, Path]:
    found = {}
    for place, line in lines(listed):
        number, _, path = line.partition(" ")
        if not path:
            raise odd_line(listed, place, line, "1 ../Data/Images/001/frontal/01.jpg")
        (key,) = whole(listed, place, line, [number], "a number and a path")
        # told from Protocol/, one below the root
        found[key] = listed.parents[1] / path.strip().removeprefix("../")
    return found


def _pairs(
    listed: Path, first: dict[int, Path], second: dict[int, Path], same: bool
) -> list[ListedPair]:
    found = []
    for place, line in lines(listed):
        words = line.split(",")
        if len(words) != 2:
            raise odd_line(listed, place, line, "1,2")
        a, b = whole(listed, place, line, words, "1,2")
        if a not in first or b not in second:
            reason = f"{place} names picture {a if a not in first else b}, which no list has"
            raise DataError(listed, reason, "take the lists as they were published")
        found.append(ListedPair(first[a], second[b], same))
    return found
