"""TinyFace: small faces of native low resolution, searched in a gallery with many distractors.

Source: Cheng, Zhu and Gong, "Low-resolution face recognition", ACCV 2018. Testing_Set/ has the
folders Probe, Gallery_Match and Gallery_Distractor; probe_img_ID_pairs.mat (probe_set, probe_ids)
and gallery_match_img_ID_pairs.mat (gallery_set, gallery_ids) say whose the first two are. Where a
MAT-file is not there, the person is what a file's name begins with, 12 for 12_3.jpg.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusiform.core.errors import DataError
from fusiform.protocols import matfile
from fusiform.protocols.sets import SearchTest, Shots, folder_in, present

_SUFFIXES = (".jpg", ".jpeg", ".png")
_UNPACK = "unpack the whole set there"


def load(root: Path) -> SearchTest:
    """The test of identification. Raises DataError if lists and pictures do not fit."""
    base = folder_in(root, "Testing_Set", "tinyface/Testing_Set")
    probes, probe_people = _named(base, "Probe", "probe_img_ID_pairs.mat", "probe")
    known, people = _named(base, "Gallery_Match", "gallery_match_img_ID_pairs.mat", "gallery")
    others = _files(base / "Gallery_Distractor")
    if strange := sorted(set(probe_people) - set(people)):
        reason = f"has nobody of number {strange[0]}, whom the probes show"
        raise DataError(base / "Gallery_Match", reason, _UNPACK)
    person = np.array(probe_people + people + [-1] * len(others), np.int64)
    split = len(probes)
    gallery = np.arange(split, len(person))
    return SearchTest(root.name, Shots(probes + known + others), person, gallery, np.arange(split))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)


def _named(base: Path, part: str, listed: str, word: str) -> tuple[list[Path], list[int]]:
    folder = folder_in(base, part)
    if not (base / listed).is_file():
        return _by_name(folder)
    told = matfile.load(base / listed)
    try:
        files = [folder / str(np.ravel(name)[0]) for name in np.ravel(told[f"{word}_set"])]
        people = [int(number) for number in np.ravel(told[f"{word}_ids"])]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        reason = f"has no lists {word}_set and {word}_ids ({error})"
        raise DataError(base / listed, reason, "take the file as it was published") from error
    if len(files) != len(people):
        reason = f"has {len(files)} pictures and {len(people)} people"
        raise DataError(base / listed, reason, "take the file as it was published")
    present(files, base / listed)
    return files, people


def _by_name(folder: Path) -> tuple[list[Path], list[int]]:
    files = _files(folder)
    people = [file.stem.partition("_")[0] for file in files]
    if odd := [file.name for file, word in zip(files, people, strict=True) if not word.isdigit()]:
        raise DataError(folder / odd[0], "does not begin with its person's number", _UNPACK)
    if not files:
        raise DataError(folder, "has no picture", _UNPACK)
    return files, [int(word) for word in people]
