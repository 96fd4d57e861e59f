"""Which faces are one person: average linkage behind a quality gate, bound by the user's pins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.gallery.cells import blocks
from fusiform.gallery.linkage import Conflicts, Floats, Ints, average_linkage

# A face below this takes no part in forming groups. Quality is in [0, 1] by its own definition;
# where no quality is known the detector's score stands for it. On the real photos the detector's
# one false find, which joined a stranger at threshold .92, has .51.
MINIMUM_QUALITY = 0.55

# A poor face joins a finished group at threshold + _POOR_FACE * (1 - threshold). With dlib's
# network and threshold .925 that is .944: on the real photos no face reached more than .930 with
# the best group of strangers, while 97 % of faces reached it with their own.
_POOR_FACE = 0.25

# Two groups that appear together in all photos of the smaller must be this part of the way from
# the threshold to 1 more similar than two that never do: mirrors and collages still join.
_SAME_PHOTO = 0.5

_CELLS = 1 << 23


def group(
    vectors: NDArray[np.float32],
    threshold: float,
    *,
    quality: ArrayLike | None = None,
    pins: ArrayLike | None = None,
    photos: ArrayLike | None = None,
    start: ArrayLike | None = None,
    minimum_quality: float = MINIMUM_QUALITY,
) -> NDArray[np.int64]:
    """Labels (n,) 0..k-1, numbered by first appearance, for unit `vectors (n, d)` float32.

    The two most similar groups are merged while the mean similarity (cosine) over all pairs of
    their faces is at least `threshold`. `quality (n,)` in [0, 1]: faces below `minimum_quality`
    form no groups and so never bridge two; they join a finished group on clearer evidence or stay
    alone. `pins (n,)` integers, -1 for none: equal pins are always one group, different ones
    never; a person of several looks (a child who grew up) draws further faces by each look, not by
    the mean of all. `photos (n,)` integers: faces of one photo are taken for one person only on
    clearer evidence. `start (n,)` integers, -1 for none: faces of one group found before, which is
    not taken apart. The partition does not depend on the order of the faces, unless two are alike
    in all of these.
    Raises ChoiceError if the lengths differ or the threshold is not in (-1, 1].
    """
    n = len(vectors)
    if not -1 < threshold <= 1:
        raise ChoiceError("threshold", "in (-1, 1]", threshold)
    known = [_column("quality", quality, n, np.inf), _column("pins", pins, n, -1)]
    photo = _column("photos", photos, n, -1).astype(np.int64)
    # a fixed order of the faces' own makes sums and ties the same for every order of the input
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    sure, pin = known[0] >= minimum_quality, known[1].astype(np.int64)
    found = _column("start", start, n, -1).astype(np.int64)
    sure |= (pin >= 0) | (found >= 0)
    order = np.lexsort((known[0], photo, found, pin, _digests(rows)))
    good, poor = order[sure[order]], order[~sure[order]]
    labels = np.empty(n, np.int64)
    labels[good] = _link(rows[good], threshold, pin[good], photo[good], found[good])
    labels[poor] = _join(rows[poor], rows[good], labels[good], threshold)
    return _by_appearance(_united(labels, pin))


def _digests(rows: Floats) -> NDArray[np.uint64]:
    """A number (n,) for each row that depends on all its bits, so that rows have an order."""
    odd = rng(0, "digest").integers(1, 2**63, rows.shape[1], dtype=np.uint64) | np.uint64(1)
    bits = rows.view(np.uint32)
    out = np.zeros(len(rows), np.uint64)
    for part in blocks(len(rows), 1 << 16):
        mixed = bits[part] * odd
        out[part] = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1)
    return out


def _column(name: str, values: ArrayLike | None, n: int, default: float) -> NDArray[np.float64]:
    array = np.full(n, default) if values is None else np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise ChoiceError(name, f"of shape {(n,)}", array.shape)
    return array


def _link(vectors: Floats, threshold: float, pins: Ints, photos: Ints, found: Ints) -> Ints:
    n = len(vectors)
    alone = np.where(found >= 0, found, found.max(initial=-1) + 1 + np.arange(n))
    _, first, start = np.unique(alone, return_index=True, return_inverse=True)
    held = np.full(len(first), -1)
    np.maximum.at(held, start, pins)
    a, b = _pairs_within(photos)
    cost = _SAME_PHOTO * (1 - threshold)
    ones = np.ones(len(a), np.float32)
    conflicts = Conflicts.of(start[a], start[b], ones, len(first), cost)
    return average_linkage(vectors, threshold, start, held, conflicts)


def _united(labels: Ints, pins: Ints) -> Ints:
    """Labels where all groups that hold a face of one pin are one."""
    held = np.flatnonzero(pins >= 0)
    if not len(held):
        return labels
    lead = np.arange(int(labels.max()) + 1)
    _, which = np.unique(pins[held], return_inverse=True)
    first = np.full(int(which.max()) + 1, len(lead))
    np.minimum.at(first, which, labels[held])
    lead[labels[held]] = first[which]
    return lead[labels]


def _pairs_within(photos: Ints) -> tuple[Ints, Ints]:
    """All pairs of faces (p,), (p,) that share a photo number >= 0."""
    order = np.argsort(photos, kind="stable")
    order = order[photos[order] >= 0]
    found = [(order[:0], order[:0])]
    for apart in range(1, len(order)):
        shared = photos[order[apart:]] == photos[order[:-apart]]
        if not shared.any():
            break
        found.append((order[:-apart][shared], order[apart:][shared]))
    first, second = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, second


def _join(poor: Floats, good: Floats, labels: Ints, threshold: float) -> Ints:
    """Labels (p,) of `poor` faces: that of the group they are most like, else a new one each."""
    groups = int(labels.max(initial=-1)) + 1
    own = groups + np.arange(len(poor))
    if not groups or not len(poor):
        return own
    means = np.zeros((groups, good.shape[1]), np.float32)
    np.add.at(means, labels, good)
    means /= np.bincount(labels)[:, None]
    enough = threshold + _POOR_FACE * (1 - threshold)
    step = max(1, _CELLS // groups)
    for i in range(0, len(poor), step):
        sims = poor[i : i + step] @ means.T
        best = sims.argmax(axis=1)
        own[i : i + step] = np.where(sims.max(axis=1) >= enough, best, own[i : i + step])
    return own


def _by_appearance(labels: Ints) -> Ints:
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[which]
