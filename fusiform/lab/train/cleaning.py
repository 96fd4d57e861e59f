"""Cleaning folders of faces by a network: who is not of the folder, who stands in two of them.

CAST, "cleaning automatically utilizing self-training" (Zhu et al., "WebFace260M",
CVPR 2021): a teacher embeds all faces; within a folder only the densest cluster stays; folders
whose centres are alike are merged, and of doubtful pairs the smaller one is dropped; a student
trained on the rest is the next teacher. The paper's limits are cosines fixed for its teacher. Here
they come from the faces themselves, by what strangers and the halves of folders have in common,
which suits every network.

Labels are `(n,)` int64, folders from 0 on and REMOVED.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.train.faces import Floats, Labels, unit

Embed = Callable[[], Floats]

REMOVED = -1
PAIRS = 200_000  # of faces of two folders, to know strangers by
SPREAD = 1.4826  # standard deviation over median absolute deviation, of a normal distribution


@dataclass(frozen=True)
class Limits:
    """`near`: how many standard deviations above the median of strangers' similarity (see `level`)
    two faces of a folder are neighbours. A face with at least `core` neighbours is a core of a
    cluster. Clusters of at least `fewest` faces beside the largest become folders of their own.

    `same`: two folders are one person's when their centres are more alike than the two halves of
    this share of all folders; from the share `doubtful` (less than `same`) on the smaller folder is
    dropped. Neither counts below `near`, among centres. Two halves of a folder are as a weak
    network's many look-alikes: a low `same` merges people, a low `doubtful` loses them.
    """

    near: float = 3.0
    core: int = 2
    fewest: int = 4
    same: float = 0.5
    doubtful: float = 0.5

    def __post_init__(self) -> None:
        if self.core < 1 or self.fewest < 2 or not 0 <= self.doubtful <= self.same <= 1:
            raise ChoiceError("limits", "core >= 1, fewest >= 2, 0 <= doubtful <= same <= 1", self)


def self_trained(
    teacher: Embed,
    train: Callable[[Labels], Embed],
    folders: Labels,
    rounds: int = 2,
    limits: Limits | None = None,
    seed: int = 0,
) -> list[Labels]:
    """CAST: the labels `(n,)` after each round, every round from the raw `folders (n,)`.

    `teacher()` gives unit embeddings `(n, d)` of all faces; `train(labels)` makes a student of the
    kept ones, which is the next teacher. The last round's labels train no student here. Raises
    ChoiceError for no rounds.
    """
    if rounds < 1:
        raise ChoiceError("rounds", "at least 1", rounds)
    found = [cleaned(teacher(), folders, limits, seed)]
    for _ in range(rounds - 1):
        found.append(cleaned(train(found[-1])(), folders, limits, seed))
    return found


def cleaned(
    embeddings: Floats, folders: Labels, limits: Limits | None = None, seed: int = 0
) -> Labels:
    """Labels `(n,)` anew from unit `embeddings (n, d)` and `folders (n,)`: outliers REMOVED,
    folders of several people split, folders of one person merged, numbered from 0 on."""
    how = limits or Limits()
    near = level(strangers(embeddings, folders, seed), how.near)
    parts = split_folders(embeddings, folders, near, how.core, how.fewest)
    if parts.max(initial=REMOVED) < 1:
        return parts
    centres = folder_centres(embeddings, parts)
    between = (centres @ centres.T)[np.triu_indices(len(centres), 1)]
    alike, least = halves(embeddings, parts), level(between, how.near)
    same, doubtful = (max(least, float(np.quantile(alike, q))) for q in (how.same, how.doubtful))
    return merged_folders(centres, parts, same, doubtful)


def strangers(embeddings: Floats, folders: Labels, seed: int = 0, pairs: int = PAIRS) -> Floats:
    """Cosines `(p,)` of `pairs` drawn pairs of unit embeddings, those within one folder left out:
    nearly all are of two people. Raises ChoiceError where there is but one folder."""
    first, second = rng(seed, "strangers").integers(len(folders), size=(2, pairs))
    apart = folders[first] != folders[second]
    if not apart.any():
        raise ChoiceError("folders", "at least two", len(np.unique(folders)))
    return np.asarray(np.einsum("ij,ij->i", embeddings[first[apart]], embeddings[second[apart]]))


def level(similarity: Floats, deviations: float) -> float:
    """`deviations` standard deviations above the median, both robust to the few pairs of one
    person that hide among strangers: a quantile far out would be set by just those."""
    middle = np.median(similarity)
    return float(middle + deviations * SPREAD * np.median(np.abs(similarity - middle)))


def split_folders(
    embeddings: Floats, folders: Labels, near: float, core: int = 2, fewest: int = 4
) -> Labels:
    """Within each folder the largest cluster stays, others of at least `fewest` faces become
    folders, the rest is REMOVED. Numbered from 0 on, in the order of folders, then of size."""
    out = np.full(len(folders), REMOVED, np.int64)
    count = 0
    for folder in np.unique(folders[folders >= 0]):
        rows = np.flatnonzero(folders == folder)
        found = clusters(embeddings[rows], near, core)
        sizes = np.bincount(found[found >= 0])
        order = np.argsort(-sizes, kind="stable")
        for rank, cluster in enumerate(order):
            if rank == 0 or sizes[cluster] >= fewest:
                out[rows[found == cluster]] = count
                count += 1
    return out


def clusters(embeddings: Floats, near: float, core: int) -> Labels:
    """DBSCAN (Ester et al., KDD 1996) of unit vectors `(n, d)` with cosines: numbers `(n,)` from
    0 on, REMOVED for noise. Neighbours have a cosine of at least `near`; cores have at least
    `core` of them beside themselves. A face on the border joins its most similar core."""
    cosine = embeddings @ embeddings.T
    np.fill_diagonal(cosine, -np.inf)
    cores = np.flatnonzero((cosine >= near).sum(1) >= core)
    out = np.full(len(embeddings), REMOVED, np.int64)
    if not len(cores):
        return out
    out[cores] = components(cosine[np.ix_(cores, cores)] >= near)
    others = np.flatnonzero(out == REMOVED)
    nearest = cosine[np.ix_(others, cores)].argmax(1)
    reached = cosine[others, cores[nearest]] >= near
    out[others[reached]] = out[cores[nearest[reached]]]
    return out


def components(joined: NDArray[np.bool_]) -> Labels:
    """Which connected component each node of a symmetric matrix `(n, n)` is in, from 0 on."""
    out = np.full(len(joined), -1, np.int64)
    for start in range(len(joined)):
        if out[start] >= 0:
            continue
        number, todo = out.max(initial=-1) + 1, [start]
        while todo:
            node = todo.pop()
            if out[node] < 0:
                out[node] = number
                todo += np.flatnonzero(joined[node] & (out < 0)).tolist()
    return out


def folder_centres(embeddings: Floats, labels: Labels) -> Floats:
    """Unit mean of each folder 0..k-1, `(k, d)`; REMOVED faces count nowhere."""
    sums = np.zeros((int(labels.max(initial=-1)) + 1, embeddings.shape[1]), np.float32)
    kept = labels >= 0
    np.add.at(sums, labels[kept], embeddings[kept])
    return unit(sums)


def halves(embeddings: Floats, labels: Labels) -> Floats:
    """Cosine `(k,)` of the centres of every other face of each folder and of the rest; folders of
    a single face are left out."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    odd = np.empty(len(labels), bool)
    odd[order] = (np.arange(len(labels)) - np.searchsorted(ordered, ordered)) % 2 == 1
    first, second = (
        folder_centres(embeddings, np.where(odd == half, labels, REMOVED)) for half in (False, True)
    )
    k = min(len(first), len(second))
    both = np.linalg.norm(second[:k], axis=1) > 0
    return np.asarray(np.einsum("ij,ij->i", first[:k][both], second[:k][both]))


def merged_folders(centres: Floats, labels: Labels, same: float, doubtful: float) -> Labels:
    """Folders whose `centres (k, d)` are at least `same` alike are one; of two that are at least
    `doubtful` alike the one with fewer faces is REMOVED. Numbered from 0 on without gaps."""
    cosine = centres @ centres.T
    sizes = np.bincount(labels[labels >= 0], minlength=len(centres))
    group = components(cosine >= same)
    unsure = (cosine >= doubtful) & (group[:, None] != group)
    before = np.arange(len(sizes))[:, None] > np.arange(len(sizes))  # of equals the first stays
    larger = (sizes > sizes[:, None]) | ((sizes == sizes[:, None]) & before)
    group[(unsure & larger).any(1)] = REMOVED
    out = np.append(group, REMOVED)[labels]  # REMOVED, -1, finds the last
    kept = out >= 0
    out[kept] = np.unique(out[kept], return_inverse=True)[1]
    return out


def near_centre(
    embeddings: Floats, folders: Labels, deviations: float = 3.0, rounds: int = 3
) -> NDArray[np.bool_]:
    """Which faces stay `(n,)`: those that are at least `level(., deviations)` like their folder's
    centre, where strangers are faces and the centres of other folders.

    A face counts nothing in the centre that it is compared with, and after each of `rounds` what
    is out no longer does, as in the automatic filtering of VGGFace2 (Cao et al., FG
    2018), which ranks a folder's faces by a classifier of it.
    """
    _, folder = np.unique(folders, return_inverse=True)
    kept = np.ones(len(folder), bool)
    for _ in range(rounds):
        sums = np.zeros((int(folder.max()) + 1, embeddings.shape[1]), np.float32)
        np.add.at(sums, folder[kept], embeddings[kept])
        cosine = embeddings @ unit(sums).T
        other = np.arange(len(sums)) != folder[:, None]
        own = unit(sums[folder] - embeddings * kept[:, None])
        kept = np.einsum("ij,ij->i", embeddings, own) >= level(cosine[other], deviations)
    return kept
