"""Who is this? Errors of searching a gallery, closed set (CMC) and open set (TPIR at FPIR).

A probe is searched for among gallery entries; the entries of its own person are its mates. A probe
without a mate in the gallery is non-mated. Names after ISO/IEC 19795-1: FPIR is the share of
non-mated probes for which some entry reaches the threshold, TPIR the share of mated probes whose
mate reaches it and is among the k most similar entries, FNIR = 1 - TPIR. With several mates the
most similar one counts.

Ties are counted pessimistically: an entry of another person that is exactly as similar as the mate
stands before it. Products round, so equal vectors of two people may still differ in the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.measure.verification import Numbers, Scores, threshold_at_fmr

_CELLS = 2**24  # similarities held at once: 64 MiB of float32


@dataclass(frozen=True)
class Searches:
    """What p searches of one gallery found; all that the scores below need.

    `mate (p,)`: similarity of the most similar mate, -inf for non-mated probes.
    `rank (p,)`: 1 + the number of entries of other people that are at least as similar, 0 for
    non-mated probes.
    `stranger (p,)`: highest similarity to an entry of another person, -inf where there is none.
    """

    mate: Scores
    rank: Numbers
    stranger: Scores

    @property
    def mated(self) -> NDArray[np.bool_]:
        """Which probes have a mate in the gallery, `(p,)`."""
        return self.rank > 0


@dataclass(frozen=True)
class _Mates:
    """Gallery entries in the order of their labels; probe i's mates are `first[i]` to `end[i]`."""

    order: Numbers
    first: Numbers
    end: Numbers


def searched(similarity: ArrayLike, probe_labels: ArrayLike, gallery_labels: ArrayLike) -> Searches:
    """The searches behind `similarity (p, g)`, any finite numbers, higher being more alike.

    `probe_labels (p,)` and `gallery_labels (g,)` are of one kind that numpy can sort. Raises
    ChoiceError if there is no probe or no entry, a length differs or a similarity is not finite.
    """
    matrix = np.asarray(similarity)
    if not np.issubdtype(matrix.dtype, np.floating):
        matrix = matrix.astype(np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ChoiceError("similarity", "a non-empty matrix of finite numbers", matrix)
    mates = _mates(probe_labels, gallery_labels, *matrix.shape)
    rows = max(1, _CELLS // matrix.shape[1])
    blocks = (matrix[i : i + rows][:, mates.order] for i in range(0, len(matrix), rows))
    return _searches(blocks, mates)


def searched_embeddings(
    probes: ArrayLike,
    gallery: ArrayLike,
    probe_labels: ArrayLike,
    gallery_labels: ArrayLike,
    cells: int = _CELLS,
) -> Searches:
    """The searches for `probes (p, d)` in `gallery (g, d)` by cosine similarity, any lengths.

    Never more than `cells` similarities, or one row of g, are held at once, so 100,000 probes in
    100,000 entries need some 100 MB beside copies of both inputs. Labels and errors as for
    `searched`; ChoiceError also for an embedding that is zero or not finite, or cells below 1.
    """
    queries, entries = _unit("probes", probes), _unit("gallery", gallery)
    if queries.shape[1] != entries.shape[1]:
        raise ChoiceError("gallery", f"of {queries.shape[1]} columns as probes", entries.shape)
    if cells < 1:
        raise ChoiceError("cells", "at least 1", cells)
    mates = _mates(probe_labels, gallery_labels, len(queries), len(entries))
    entries = entries[mates.order]
    rows = max(1, cells // len(entries))
    blocks = (queries[i : i + rows] @ entries.T for i in range(0, len(queries), rows))
    return _searches(blocks, mates)


def cmc(searches: Searches, ranks: int) -> Scores:
    """Cumulative match characteristic: rank-k accuracy for k = 1..`ranks`, `(ranks,)`.

    Moon and Phillips (Perception, 2001). Only mated probes count: the search is closed-set.
    Raises ChoiceError if there are none or `ranks` is below 1.
    """
    _require_mated(searches)
    _require_rank("ranks", ranks)
    found = searches.rank[searches.mated]
    at = np.bincount(np.minimum(found, ranks + 1), minlength=ranks + 1)[1 : ranks + 1]
    return np.asarray(np.cumsum(at) / len(found), np.float64)


def rank_accuracy(searches: Searches, k: int = 1) -> float:
    """Share of mated probes whose mate is among the k most similar entries; errors as `cmc`."""
    _require_mated(searches)
    _require_rank("k", k)
    return float(np.mean(searches.rank[searches.mated] <= k))


def threshold_at_fpir(searches: Searches, fpir: float) -> float:
    """The smallest threshold whose empirical FPIR is at most `fpir`.

    It is `threshold_at_fmr` of the non-mated probes' highest similarities: with fewer than
    1 / fpir non-mated probes it lies just above the highest of them; -inf for an fpir of 1.
    Raises ChoiceError if there is no non-mated probe or `fpir` is outside [0, 1].
    """
    highest = searches.stranger[~searches.mated]
    if not len(highest):
        raise ChoiceError("searches", "with some probes that have no mate in the gallery", "none")
    if not 0 <= fpir <= 1:
        raise ChoiceError("fpir", "in [0, 1]", fpir)
    return threshold_at_fmr(highest, fpir)


def tpir(searches: Searches, threshold: float, k: int = 1) -> float:
    """Share of mated probes with a mate among the k most similar entries and >= `threshold`.

    Raises ChoiceError if no probe is mated, k is below 1 or the threshold is NaN.
    """
    _require_mated(searches)
    _require_rank("k", k)
    if np.isnan(threshold):
        raise ChoiceError("threshold", "a number", threshold)
    mated = searches.mated
    return float(np.mean((searches.rank[mated] <= k) & (searches.mate[mated] >= threshold)))


def tpir_at_fpir(searches: Searches, fpir: float, k: int = 1) -> float:
    """TPIR at `threshold_at_fpir`, as in the open-set protocols of IJB (Maze et al., ICB 2018).

    At an fpir of 1 it is the rank-k accuracy. Raises ChoiceError as `threshold_at_fpir` and
    `tpir` do.
    """
    return tpir(searches, threshold_at_fpir(searches, fpir), k)


def fnir_at_fpir(searches: Searches, fpir: float, k: int = 1) -> float:
    """1 - `tpir_at_fpir`: the share of mated probes that are missed."""
    return 1 - tpir_at_fpir(searches, fpir, k)


def _mates(probe_labels: ArrayLike, gallery_labels: ArrayLike, probes: int, entries: int) -> _Mates:
    wanted, names = np.asarray(probe_labels), np.asarray(gallery_labels)
    for name, labels, n in (("probe", wanted, probes), ("gallery", names, entries)):
        if labels.shape != (n,):
            raise ChoiceError(f"{name}_labels", f"one for each of {n} rows", labels.shape)
    if wanted.dtype.kind != names.dtype.kind and "U" in (wanted.dtype.kind, names.dtype.kind):
        raise ChoiceError("probe_labels", f"of the type of gallery_labels, {names.dtype}", wanted)
    order = np.argsort(names, kind="stable")
    ordered = names[order]
    first, end = (np.searchsorted(ordered, wanted, side=side) for side in ("left", "right"))
    return _Mates(order, first, end)


def _searches(blocks: Iterable[Scores], mates: _Mates) -> Searches:
    """From blocks of consecutive probes' similarities, columns in the mates' order, overwritten."""
    found, start = [], 0
    for block in blocks:
        end = start + len(block)
        found.append(_ranked(block, mates.first[start:end], mates.end[start:end]))
        start = end
    mate, rank, stranger = (np.concatenate(part) for part in zip(*found, strict=True))
    return Searches(mate, rank, stranger)


def _ranked(block: Scores, first: Numbers, end: Numbers) -> tuple[Scores, Numbers, Scores]:
    count = end - first
    row = np.repeat(np.arange(len(block)), count)
    column = np.arange(len(row)) + np.repeat(first - (np.cumsum(count) - count), count)
    mate = np.full(len(block), -np.inf, block.dtype)
    np.maximum.at(mate, row, block[row, column])
    block[row, column] = -np.inf
    ahead = np.count_nonzero(block >= mate[:, None], axis=1)
    return mate, np.where(count > 0, ahead + 1, 0), block.max(axis=1)


def _unit(name: str, embeddings: ArrayLike) -> Scores:
    vectors = np.asarray(embeddings)
    if vectors.ndim != 2 or not vectors.size:
        raise ChoiceError(name, "a non-empty matrix", vectors.shape)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ChoiceError(name, "finite and not zero", "lengths that are not")
    return np.asarray(vectors / lengths)


def _require_mated(searches: Searches) -> None:
    if not searches.mated.any():
        raise ChoiceError("searches", "with some probes that have a mate in the gallery", "none")


def _require_rank(name: str, k: int) -> None:
    if k < 1:
        raise ChoiceError(name, "at least 1", k)
