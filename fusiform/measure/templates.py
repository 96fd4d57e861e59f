"""One vector for several faces of a person, and verification of pairs of such templates.

The protocol of IJB-A to IJB-C (Klare et al., CVPR 2015; Whitelam et al., CVPR workshops 2017; Maze
et al., ICB 2018): a template is a set of stills and frames; frames of one video are one medium.
Media are averaged, so that a long video does not outweigh the stills (Crosswhite et al., "Template
adaptation for face verification and identification", FG 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.measure.calibration import Floats
from fusiform.measure.tar_table import FARS, TarRow, tar_table
from fusiform.measure.verification import Scores

_PAIRS = 2**14  # gathered at once: 64 MiB of 512 float32 on both sides


@dataclass(frozen=True)
class Templates:
    """`ids (t,)` in ascending order and `vectors (t, d)` of unit length."""

    ids: NDArray[Any]
    vectors: Scores


def pooled(
    embeddings: ArrayLike,
    template: ArrayLike,
    medium: ArrayLike,
    weight: ArrayLike | None = None,
) -> Templates:
    """Templates of faces: the mean within each medium, then across media, then unit length.

    `embeddings (n, d)` count as they are; of unit length, all faces of a medium count alike.
    `template (n,)` and `medium (n,)` say where each face belongs; a medium that serves two
    templates is pooled in each of them apart. `weight (n,)` >= 0, such as a quality, weighs faces
    within their medium, and the medium by the mean weight of its faces; equal weights are none.

    Raises ChoiceError for no faces, unequal lengths, numbers that are not finite, weights below
    0, or a template that has no direction (its faces cancel or all weigh 0).
    """
    faces = _weighed(embeddings, weight)
    ids, owner = np.unique(_named("template", template, len(faces)), return_inverse=True)
    _, source = np.unique(_named("medium", medium, len(faces)), return_inverse=True)
    order = np.lexsort((source, owner))
    changes = (np.diff(owner[order]) != 0) | (np.diff(source[order]) != 0)
    start = np.concatenate([[0], np.flatnonzero(changes) + 1])
    size = np.diff(np.append(start, len(order))).astype(faces.dtype)
    # mean weight * weighted mean = mean of the weighted faces: no medium divides by zero
    media = np.add.reduceat(faces[order], start, axis=0) / size[:, None]
    first = np.searchsorted(owner[order][start], np.arange(len(ids)))
    return Templates(ids, _unit(np.add.reduceat(media, first, axis=0), ids))


def template_similarity(templates: Templates, pairs: ArrayLike) -> Floats:
    """Cosine similarity of each of `pairs (p, 2)` of template ids, `(p,)`.

    Raises ChoiceError if the shape differs or an id is not among the templates.
    """
    wanted = np.asarray(pairs)
    if wanted.ndim != 2 or wanted.shape[1] != 2 or not len(wanted):
        raise ChoiceError("pairs", "a non-empty list of two template ids each", wanted.shape)
    place = np.minimum(np.searchsorted(templates.ids, wanted), len(templates.ids) - 1)
    unknown = wanted[templates.ids[place] != wanted]
    if len(unknown):
        raise ChoiceError("pairs", "ids of templates", unknown[0])
    found = np.empty(len(wanted), np.float64)
    for i in range(0, len(wanted), _PAIRS):
        first, second = templates.vectors[place[i : i + _PAIRS].T]
        found[i : i + _PAIRS] = np.einsum("ij,ij->i", first, second)
    return found


def template_tar_table(
    templates: Templates, pairs: ArrayLike, same: ArrayLike, fars: Sequence[float] = FARS
) -> list[TarRow]:
    """`tar_table` of `pairs (p, 2)` of template ids, of which `same (p,)` bool show one person.

    Raises ChoiceError as `template_similarity` and `tar_table` do.
    """
    similarity, flags = template_similarity(templates, pairs), np.asarray(same)
    if flags.shape != similarity.shape or flags.dtype != np.bool_:
        raise ChoiceError("same", f"true or false for each of {len(similarity)} pairs", flags)
    return tar_table(similarity[flags], similarity[~flags], fars)


def _weighed(embeddings: ArrayLike, weight: ArrayLike | None) -> Scores:
    faces = np.asarray(embeddings)
    if not np.issubdtype(faces.dtype, np.floating):
        faces = faces.astype(np.float64)
    if faces.ndim != 2 or not faces.size or not np.isfinite(faces).all():
        raise ChoiceError("embeddings", "a non-empty matrix of finite numbers", faces)
    if weight is None:
        return faces
    weights = np.asarray(weight, faces.dtype)
    if weights.shape != faces.shape[:1] or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ChoiceError("weight", f"a number from 0 for each of {len(faces)} faces", weights)
    return np.asarray(faces * weights[:, None])


def _named(name: str, values: ArrayLike, n: int) -> NDArray[Any]:
    names = np.asarray(values)
    if names.shape != (n,):
        raise ChoiceError(name, f"one for each of {n} faces", names.shape)
    return names


def _unit(sums: Scores, ids: NDArray[Any]) -> Scores:
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    if not (lengths > 0).all():
        lost = ids[int(np.argmin(lengths[:, 0]))]
        raise ChoiceError("template", "of faces that have a mean direction", lost)
    return np.asarray(sums / lengths)
