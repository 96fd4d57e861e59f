"""Running a test: its pictures through a network, and the figures that are published for its kind.

A network is any function from crops to vectors; similarity is the cosine of two of them. Vectors
keep their length where templates are pooled, as IJB's usual protocol has it (a network's long
vectors are its surer ones).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.decode import Pixels
from fusiform.core.errors import ChoiceError, DataError, PictureError
from fusiform.core.faces import Floats
from fusiform.core.pictures import read
from fusiform.measure.folds import fold_accuracy
from fusiform.measure.identification import rank_accuracy, searched_embeddings
from fusiform.measure.tar_table import FARS, TarRow, tar_table
from fusiform.measure.templates import pooled, template_similarity
from fusiform.measure.verification import Scores, auc, eer, labelled_pairs
from fusiform.protocols.sets import (
    Flags,
    PairTest,
    People,
    SearchTest,
    Shot,
    TemplateTest,
    Test,
)

Embed = Callable[[list[Pixels]], Floats]
Cut = Callable[[Shot], Pixels]

PAIR_FARS = (1e-3, 1e-2, 1e-1)
"""What the 3,000 or 3,500 impostors of the sets of pairs can resolve."""

RANKS = (1, 5, 10, 20)
MOST_PEOPLE_SHOTS = 5000
"""All pictures are compared where there is no protocol; more would not fit into memory."""


@dataclass(frozen=True)
class Pace:
    """How a run goes: `batch` crops at once, in `workers` threads; `progress(done, all)`."""

    batch: int = 32
    workers: int = 1
    progress: Callable[[int, int], None] | None = None


def as_it_is(shot: Shot) -> Pixels:
    """The picture uncut, `(H, W, 3)`. Raises ChoiceError unless the set ships it aligned."""
    if not shot.template:
        raise ChoiceError("cut", "a function that aligns, as these pictures are not aligned", None)
    return read(shot.file)


def run(test: Test, embed: Embed, cut: Cut = as_it_is, pace: Pace | None = None) -> dict[str, Any]:
    """The figures of a test as plain values; see `report`.

    `cut` makes the crop of one picture; `embed` takes a list of crops `(S, S, 3)` uint8 RGB and
    gives vectors `(n, d)` of any length. Both are called from `pace.workers` threads.
    Raises DataError for a picture that cannot be read, ChoiceError for vectors that do not fit.
    """
    if isinstance(test, People) and len(test.shots) > MOST_PEOPLE_SHOTS:
        allowed = f"of at most {MOST_PEOPLE_SHOTS} pictures, since all are compared"
        raise ChoiceError("folders", allowed, len(test.shots))
    return report(test, embedded(test, embed, cut, pace or Pace()))


def embedded(test: Test, embed: Embed, cut: Cut, pace: Pace) -> Floats:
    """Vectors `(n, d)` of all pictures of a test, in their order. Raises what `run` raises."""
    count = len(test.shots)

    def of(numbers: range) -> Floats:
        vectors = np.asarray(embed([_cut(test, cut, number) for number in numbers]), np.float32)
        if vectors.ndim != 2 or len(vectors) != len(numbers):
            raise ChoiceError("embed", f"a function to ({len(numbers)}, d) vectors", vectors.shape)
        return vectors

    parts: list[Floats] = []
    with ThreadPoolExecutor(pace.workers) as pool:
        for group in _groups(count, pace):
            parts += pool.map(of, group)
            if pace.progress:
                pace.progress(group[-1].stop, count)
    return np.concatenate(parts)


def _groups(count: int, pace: Pace) -> Iterator[list[range]]:
    """Batches of numbers, as many at once as there are workers: an interrupt awaits no more."""
    parts = [range(i, min(i + pace.batch, count)) for i in range(0, count, pace.batch)]
    for i in range(0, len(parts), pace.workers):
        yield parts[i : i + pace.workers]


def _cut(test: Test, cut: Cut, number: int) -> Pixels:
    try:
        return cut(test.shots[number])
    except PictureError as error:
        raise DataError(
            f"{test.name}, picture {number}", f"{error.source}: {error.reason}", error.remedy
        ) from error


@singledispatch
def report(test: Test, vectors: Floats) -> dict[str, Any]:
    """What a test's vectors `(n, d)` are worth.

    Of any test `set`, `protocol` and `pictures`. Of pairs `pairs`, `genuine`, `folds`, `accuracy`
    and its standard error `accuracy_se` over the folds, the mean `threshold`, `eer`, `auc` and
    `tar`. Of templates `templates`, `pairs`, `genuine`, `eer` and `tar`. Of a search `probes`,
    `gallery` and `rank_1` to `rank_20`. Of people `people`, `pairs`, `genuine`, `eer`, `auc` and
    `tar`.
    `tar` has one entry a FAR: `far`, `tar` and its 95 % interval `low`, `high`, and `threshold`;
    the four are None where there are too few impostors for that FAR.
    """
    raise ChoiceError("test", "a PairTest, TemplateTest, SearchTest or People", type(test).__name__)


@report.register
def _(test: PairTest, vectors: Floats) -> dict[str, Any]:
    unit = _unit(vectors)
    similarity = np.einsum("ij,ij->i", unit[test.first], unit[test.second])
    folds = fold_accuracy(similarity, test.same, test.fold)
    genuine, impostor = similarity[test.same], similarity[~test.same]
    return {
        **_head(test, "ten folds"),
        **_counts(test.same),
        "folds": len(folds.accuracy),
        "accuracy": folds.mean,
        "accuracy_se": folds.standard_error,
        "threshold": float(folds.threshold.mean()),
        "eer": eer(genuine, impostor),
        "auc": auc(genuine, impostor),
        "tar": _table(genuine, impostor, PAIR_FARS),
    }


@report.register
def _(test: TemplateTest, vectors: Floats) -> dict[str, Any]:
    templates = pooled(vectors, test.template, test.media, test.score)
    similarity = template_similarity(templates, np.stack([test.first, test.second], axis=1))
    genuine, impostor = similarity[test.same], similarity[~test.same]
    return {
        **_head(test, "templates"),
        "templates": len(templates.ids),
        **_counts(test.same),
        "eer": eer(genuine, impostor),
        "tar": _table(genuine, impostor, FARS),
    }


@report.register
def _(test: SearchTest, vectors: Floats) -> dict[str, Any]:
    unit = _unit(vectors)
    found = searched_embeddings(
        unit[test.probe], unit[test.gallery], test.person[test.probe], test.person[test.gallery]
    )
    counts = {"probes": len(test.probe), "gallery": len(test.gallery)}
    ranks = {f"rank_{k}": rank_accuracy(found, k) for k in RANKS}
    return {**_head(test, "search"), **counts, **ranks}


@report.register
def _(test: People, vectors: Floats) -> dict[str, Any]:
    found = labelled_pairs(_unit(vectors), test.person)
    same = np.repeat([True, False], [len(found.genuine), len(found.impostor)])
    if same.all() or not same.any():
        remedy = "give at least two people, one of them with two pictures"
        raise DataError(test.name, "has no pairs of one person or none of two", remedy)
    return {
        **_head(test, "all pairs"),
        "people": len(test.names),
        **_counts(same),
        "eer": eer(found.genuine, found.impostor),
        "auc": auc(found.genuine, found.impostor),
        "tar": _table(found.genuine, found.impostor, FARS),
    }


def _head(test: Test, protocol: str) -> dict[str, Any]:
    return {"set": test.name, "protocol": protocol, "pictures": len(test.shots)}


def _counts(same: Flags) -> dict[str, Any]:
    return {"pairs": len(same), "genuine": int(same.sum())}


def _table(genuine: Scores, impostor: Scores, fars: tuple[float, ...]) -> list[dict[str, Any]]:
    return [_row(row) for row in tar_table(genuine, impostor, fars)]


def _row(row: TarRow) -> dict[str, Any]:
    names = ("tar", "low", "high", "threshold")
    values = (row.tar.value, row.tar.low, row.tar.high, row.threshold)
    known = values if row.resolved else (None,) * len(values)
    return {"far": row.far, **dict(zip(names, known, strict=True))}


def _unit(vectors: Floats) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ChoiceError("embed", "a function to finite vectors that are not zero", "others")
    return np.asarray(vectors / lengths, np.float32)
