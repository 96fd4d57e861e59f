"""IJB-B and IJB-C, verification of templates, with the lists that InsightFace distributes.

Source: Whitelam et al., "IARPA Janus Benchmark-B", CVPR Workshops 2017; Maze et al., "IARPA Janus
Benchmark-C", ICB 2018; insightface, recognition/_evaluation_/ijb/ijb_11.py. In meta/ are
ijbc_face_tid_mid.txt ("1.jpg 1 69544": picture, template, media), ijbc_name_5pts_score.txt
(picture, x and y of five points, the detector's score; the same pictures in the same order) and
ijbc_template_pair_label.txt ("1 11065 1": two templates, 1 for genuine); pictures are in
loose_crop/.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusiform.core.errors import DataError
from fusiform.core.faces import Floats
from fusiform.protocols.sets import (
    Ints,
    Shots,
    TemplateTest,
    file_in,
    folder_in,
    lines,
    odd_line,
    present,
    whole,
    whole_table,
)

_PUBLISHED = "take the lists as they were published"


def load(root: Path, part: str) -> TemplateTest:
    """The test of `part`, "ijbb" or "ijbc". Raises DataError if lists and pictures do not fit."""
    base = folder_in(root, part.upper(), "")
    meta, folder = folder_in(base, "meta"), folder_in(base, "loose_crop")
    media_list = file_in(meta, f"{part}_face_tid_mid.txt")
    points_list = file_in(meta, f"{part}_name_5pts_score.txt")
    names, template, media = _media(media_list)
    same_names, points, score = _points(points_list)
    if names != same_names:
        reason = f"does not list the pictures of {media_list.name} in their order"
        raise DataError(points_list, reason, _PUBLISHED)
    files = [folder / name for name in names]
    present(files, media_list)
    pairs = _pairs(file_in(meta, f"{part}_template_pair_label.txt"), template)
    shots = Shots(files, points)
    first, second, same = pairs.T
    return TemplateTest(part, shots, template, media, score, first, second, same == 1)


def _media(listed: Path) -> tuple[list[str], Ints, Ints]:
    names, numbers = [], []
    for place, line in lines(listed):
        words = line.split()
        if len(words) != 3:
            raise odd_line(listed, place, line, "1.jpg 1 69544")
        names.append(words[0])
        numbers.append(whole(listed, place, line, words[1:], "1.jpg 1 69544"))
    table = np.array(numbers, np.int64).reshape(-1, 2)
    return names, table[:, 0], table[:, 1]


def _points(listed: Path) -> tuple[list[str], Floats, Floats]:
    names, rows = [], []
    for place, line in lines(listed):
        words = line.split()
        try:
            rows.append(np.array(words[1:], np.float32).reshape(11))
        except ValueError:
            raise odd_line(listed, place, line, "1.jpg x1 y1 ... x5 y5 score") from None
        names.append(words[0])
    table = np.stack(rows) if rows else np.zeros((0, 11), np.float32)
    return names, table[:, :10].reshape(-1, 5, 2), table[:, 10]


def _pairs(listed: Path, template: Ints) -> Ints:
    """`(k, 3)`: two templates and 1 for genuine; IJB-C has 15 million."""
    table = whole_table(listed, 3, "1 11065 1")
    if not np.isin(table[:, 2], (0, 1)).all():
        raise DataError(listed, "has labels other than 0 and 1", _PUBLISHED)
    unknown = np.setdiff1d(table[:, :2], template)
    if len(unknown):
        raise DataError(listed, f"names template {unknown[0]}, which has no picture", _PUBLISHED)
    return table
