"""AgeDB: ten folds of 300 genuine and 300 impostor pairs, 5, 10, 20 or 30 years apart.

Source: Moschoglou et al., "AgeDB: the first manually collected, in-the-wild age database", CVPR
Workshops 2017. The protocol is a MAT-file of ten splits, each a struct whose first field is the
pairs, two rows of structs whose first field is the picture's name without suffix, and whose second
is the labels, 1 for genuine and -1 for impostor; so it is read by InsightFace (agedb2pack.py) and
FaceX-Zoo (pairs_parser.py), as commonly distributed. Fields are taken by their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fusiform.core.errors import DataError
from fusiform.protocols import matfile
from fusiform.protocols.sets import ListedPair, PairTest, file_in, folder_in, pair_test


def load(root: Path, years: int = 30) -> PairTest:
    """The protocol of `years` in 04_FINAL_protocol_..._years.mat, over 03_Protocol_Images.

    Raises DataError.
    """
    listed = file_in(root, f"04_FINAL_protocol_{years}_years.mat")
    folder = folder_in(root, "03_Protocol_Images")
    found, fold = [], []
    for number, split in enumerate(_splits(listed)):
        pairs = _pairs(listed, split, folder)
        found += pairs
        fold += [number] * len(pairs)
    return pair_test(f"{root.name} {years}", found, np.array(fold, np.int64), listed)


def _splits(listed: Path) -> list[Any]:
    told = matfile.load(listed)
    if "splits" not in told:
        raise DataError(listed, "has no variable splits", "take the file as it was published")
    return list(np.ravel(told["splits"]))


def _pairs(listed: Path, split: Any, folder: Path) -> list[ListedPair]:
    try:
        pairs, labels, *_ = _fields(split)
        same = np.ravel(labels).astype(int) == 1
        names = [[str(_fields(one)[0]) for one in row] for row in pairs]
        rows = list(zip(*names, same, strict=True))
        return [ListedPair(folder / f"{a}.jpg", folder / f"{b}.jpg", bool(s)) for a, b, s in rows]
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        reason = f"has a split that is no struct of pairs and labels ({error})"
        raise DataError(listed, reason, "take the file as it was published") from error


def _fields(value: Any) -> list[Any]:
    """The fields of a struct, which stands alone in its array or in a cell of it."""
    while isinstance(value, np.ndarray):
        (value,) = value.ravel()
    return list(value.values())
