"""What a loaded test set is: its pictures and who is compared with whom, as paths and arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import DataError
from fusiform.core.faces import Floats

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FOLDS = 10
"""The folds of LFW's view 2 and of all sets made after it."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture: `file` is its path or its content.

    `points (5, 2)` in its pixels where the set ships them, eyes, nose tip and mouth corners, the
    left of the picture first. `template` names the alignment it has been cropped to already;
    empty for none.
    """

    file: Path | bytes
    points: Floats | None = None
    template: str = ""


@dataclass(frozen=True, eq=False)
class Shots:
    """The n pictures of a set, in columns: `files`, `points (n, 5, 2)` or None, `template`.

    Points are NaN where the set ships none for a picture.
    """

    files: Sequence[Path | bytes]
    points: Floats | None = None
    template: str = ""

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> Shot:
        points = None if self.points is None else self.points[number]
        known = points is not None and bool(np.isfinite(points).all())
        return Shot(self.files[number], points if known else None, self.template)


@dataclass(frozen=True, eq=False)
class PairTest:
    """k pairs of pictures: `first (k,)`, `second (k,)` number them, `same (k,)`, `fold (k,)` 0.."""

    name: str
    shots: Shots
    first: Ints
    second: Ints
    same: Flags
    fold: Ints


@dataclass(frozen=True, eq=False)
class TemplateTest:
    """k pairs of templates of several pictures each (IJB).

    Picture i of n belongs to `template (n,)` and there to `media (n,)`, a still or a video, and
    its detector was sure of it by `score (n,)`. `first (k,)`, `second (k,)` name templates as
    `template` does; `same (k,)`.
    """

    name: str
    shots: Shots
    template: Ints
    media: Ints
    score: Floats
    first: Ints
    second: Ints
    same: Flags


@dataclass(frozen=True, eq=False)
class SearchTest:
    """Who in a gallery is it? `person (n,)` of every picture, -1 for one who is never searched.

    `gallery (g,)` and `probe (p,)` number the pictures.
    """

    name: str
    shots: Shots
    person: Ints
    gallery: Ints
    probe: Ints


@dataclass(frozen=True, eq=False)
class People:
    """Pictures by person, without a protocol: `person (n,)` numbers `names`."""

    name: str
    shots: Shots
    person: Ints
    names: tuple[str, ...]


NO_POINTS = np.full((5, 2), np.nan, np.float32)

Test = PairTest | TemplateTest | SearchTest | People


@dataclass(frozen=True)
class ListedPair:
    """A line of a list of pairs, as paths."""

    first: Path
    second: Path
    same: bool


def pair_test(
    name: str,
    pairs: Sequence[ListedPair],
    fold: Ints,
    listed: Path,
    *,
    points: Callable[[Path], Floats] | None = None,
    template: str = "",
) -> PairTest:
    """Pairs of files as a test in which every file is one picture.

    `fold (k,)`; `points` gives the five points `(5, 2)` of a file. Raises DataError if a file,
    listed in `listed`, is not there.
    """
    files = list(dict.fromkeys(file for pair in pairs for file in (pair.first, pair.second)))
    present(files, listed)
    number = {file: i for i, file in enumerate(files)}
    first = np.array([number[pair.first] for pair in pairs], np.int64)
    second = np.array([number[pair.second] for pair in pairs], np.int64)
    same = np.array([pair.same for pair in pairs], np.bool_)
    known = np.stack([points(file) for file in files]) if points else None
    return PairTest(name, Shots(files, known, template), first, second, same, fold)


def tenths(count: int) -> Ints:
    """The fold of each of `count` things in their order: 0 to 9, equal parts.

    The first `count % 10` folds hold one more, as scikit-learn's KFold has it.
    """
    sizes = [len(part) for part in np.array_split(np.arange(count), FOLDS)]
    return np.repeat(np.arange(FOLDS), sizes)


def tenths_by_kind(pairs: Sequence[ListedPair]) -> Ints:
    """Folds where genuine and impostor pairs are listed apart: tenths of either."""
    same = np.array([pair.same for pair in pairs], np.bool_)
    fold = np.zeros(len(same), np.int64)
    for kind in (same, ~same):
        fold[kind] = tenths(int(kind.sum()))
    return fold


def folder_in(root: Path, *names: str) -> Path:
    """The first of `names` that is a folder in `root`, "" being itself. Raises DataError."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    wanted = " or ".join(f"{name}/" for name in names if name)
    raise DataError(root, f"has no folder {wanted}", "unpack the whole set there")


def file_in(root: Path, *names: str) -> Path:
    """The first of `names` that is a file in `root`. Raises DataError."""
    for name in names:
        if (root / name).is_file():
            return root / name
    raise DataError(root, f"has no file {' or '.join(names)}", "unpack the whole set there")


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """(place, line) of each line that is not empty, stripped; `place` is "line 3".

    Raises DataError if the file cannot be read as text.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            path, f"cannot be read as text ({error})", "unpack the set again"
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"line {number}", line.strip()


def odd_line(path: Path, place: str, line: str, wanted: str) -> DataError:
    """The error for a line that does not read `wanted`."""
    remedy = "take the list as it was published"
    return DataError(path, f"{place} reads {line[:80]!r} where {wanted!r} is wanted", remedy)


def whole(path: Path, place: str, line: str, words: Sequence[str], wanted: str) -> list[int]:
    """`words` as whole numbers. Raises DataError, saying that the line should read `wanted`."""
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise odd_line(path, place, line, wanted) from error


def whole_table(path: Path, columns: int, wanted: str) -> Ints:
    """A list of nothing but whole numbers, `(n, columns)`; millions of lines, so read in one go.

    Raises DataError, saying that lines should read `wanted`.
    """
    try:
        with warnings.catch_warnings(action="error"):  # of a file without lines
            table = np.loadtxt(path, np.int64, ndmin=2)
    except (ValueError, OSError, UserWarning) as error:
        reason = f"cannot be read as lines {wanted!r} ({error})"
        raise DataError(path, reason, "take the list as it was published") from error
    if table.shape[1] != columns:
        reason = f"has {table.shape[1]} numbers a line where {wanted!r} is wanted"
        raise DataError(path, reason, "take the list as it was published")
    return table


def present(files: Sequence[Path], listed: Path) -> None:
    """Raises DataError if one of `files`, which `listed` names, is not there."""
    missing = [file for file in files if not file.is_file()]
    if missing:
        reason = f"names {missing[0]}, which is not there"
        more = f" (and {len(missing) - 1} more of {len(files)})" if len(missing) > 1 else ""
        raise DataError(listed, reason + more, "unpack all pictures, or name the right folder")
    if not files:
        raise DataError(listed, "names no picture", "take the list as it was published")
