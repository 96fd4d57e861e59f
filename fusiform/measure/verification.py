"""Are two faces one person? Errors of a similarity score, from genuine and impostor scores.

A pair is accepted when its similarity is at least the threshold. FMR (false match rate, also
FAR) is the share of impostor pairs accepted, FNMR (false non-match rate) the share of genuine
pairs refused, TAR = 1 - FNMR; names after ISO/IEC 19795-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError

Scores = NDArray[np.floating[Any]]
Numbers = NDArray[np.int64]


class Roc(NamedTuple):
    """The exact step curve: for each of k thresholds (descending), FMR and FNMR in [0, 1]."""

    thresholds: Scores
    fmr: Scores
    fnmr: Scores


@dataclass(frozen=True)
class Pairs:
    """Cosine similarities of all pairs of faces, and whose they are.

    `genuine (g,)` with `genuine_person (g,)`; `impostor (i,)` with `impostor_people (i, 2)`.
    People are numbered 0..people-1 in the order of their sorted labels.
    """

    genuine: Scores
    impostor: Scores
    genuine_person: Numbers
    impostor_people: Numbers
    people: int

    def drawn(self, counts: Numbers) -> tuple[Scores, Scores]:
        """Genuine and impostor scores as if person p had been met `counts[p]` times.

        Copies of one person are never compared with one another: that would be a picture
        against itself.
        """
        first, second = self.impostor_people.T
        genuine = np.repeat(self.genuine, counts[self.genuine_person])
        return genuine, np.repeat(self.impostor, counts[first] * counts[second])


def labelled_pairs(embeddings: ArrayLike, labels: ArrayLike) -> Pairs:
    """All n (n - 1) / 2 pairs of `embeddings (n, d)` (any length) under `labels (n,)`.

    Raises ChoiceError if the lengths differ or an embedding is zero or not finite.
    """
    vectors, names = np.asarray(embeddings), np.asarray(labels)
    if vectors.ndim != 2 or names.shape != vectors.shape[:1]:
        raise ChoiceError("labels", f"one for each of {vectors.shape} embeddings", names.shape)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ChoiceError("embeddings", "finite and not zero", "lengths that are not")
    unit = vectors / lengths
    known, person = np.unique(names, return_inverse=True)
    first, second = np.triu_indices(len(unit), k=1)
    similarity = (unit @ unit.T)[first, second]
    same = person[first] == person[second]
    strangers = np.stack([person[first][~same], person[second][~same]], axis=1)
    return Pairs(similarity[same], similarity[~same], person[first][same], strangers, len(known))


def pairs(embeddings: ArrayLike, labels: ArrayLike) -> tuple[Scores, Scores]:
    """Genuine and impostor cosine similarities of all pairs; see `labelled_pairs`."""
    found = labelled_pairs(embeddings, labels)
    return found.genuine, found.impostor


def roc(genuine: ArrayLike, impostor: ArrayLike) -> Roc:
    """FMR and FNMR at +inf (nothing accepted) and at every distinct score, descending.

    Raises ChoiceError if either side is empty or not finite.
    """
    same, other = _scores("genuine", genuine), _scores("impostor", impostor)
    values = np.unique(np.concatenate([same, other]))
    thresholds = np.append(values, np.inf)[::-1]
    refused = np.searchsorted(np.sort(same), thresholds, side="left")
    below = np.searchsorted(np.sort(other), thresholds, side="left")
    return Roc(thresholds, (len(other) - below) / len(other), refused / len(same))


def threshold_at_fmr(impostor: ArrayLike, fmr: float) -> float:
    """The smallest threshold whose empirical FMR is at most `fmr`.

    It is the next number, in the precision of `impostor`, above the score that must no longer
    match; -inf where all may match. With fewer than 1 / fmr impostors no match is allowed: the
    threshold lies just above the highest impostor, and all that is known of the true FMR is
    that it is below about 3 / len(impostor) with 95 % confidence (the rule of three: Hanley
    and Lippman-Hand, JAMA 1983, for independent pairs).

    Raises ChoiceError if `impostor` is empty or not finite or `fmr` is outside [0, 1].
    """
    scores = _scores("impostor", impostor)
    if not 0 <= fmr <= 1:
        raise ChoiceError("fmr", "in [0, 1]", fmr)
    n = len(scores)
    # Comparing with k / n, not k with fmr * n, keeps 29 of 100 within 0.29.
    allowed = int(np.searchsorted(np.arange(n + 1) / n, fmr, side="right")) - 1
    if allowed == n:
        return -np.inf
    refused = np.partition(scores, n - 1 - allowed)[n - 1 - allowed]
    return float(np.nextafter(refused, np.inf, dtype=scores.dtype))


def tar_at_far(genuine: ArrayLike, impostor: ArrayLike, far: float) -> float:
    """The highest share of genuine pairs accepted at an empirical FMR of at most `far`.

    Raises ChoiceError as `threshold_at_fmr` does.
    """
    same, other = _scores("genuine", genuine), _scores("impostor", impostor)
    # One precision for both, so that no genuine score falls between impostor and threshold.
    return float(np.mean(same >= threshold_at_fmr(other.astype(np.float64), far)))


def eer(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """The rate at which FMR = FNMR, linear between the two neighbouring points of the curve."""
    _, fmr, fnmr = roc(genuine, impostor)
    gap = fnmr - fmr
    after = int(np.argmax(gap <= 0))
    before = after - 1
    part = gap[before] / (gap[before] - gap[after])
    return float(fmr[before] + part * (fmr[after] - fmr[before]))


def auc(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Probability that a genuine pair scores above an impostor pair, ties counting half."""
    same, other = _scores("genuine", genuine), np.sort(_scores("impostor", impostor))
    below = np.searchsorted(other, same, side="left")
    not_above = np.searchsorted(other, same, side="right")
    return float(np.mean((below + not_above) / 2) / len(other))


def det(genuine: ArrayLike, impostor: ArrayLike) -> tuple[Scores, Scores]:
    """Normal deviates of FMR and FNMR, the axes of a DET plot (Martin et al., Eurospeech 1997).

    Points where either rate is 0 or 1 have no finite deviate and are left out.
    """
    _, fmr, fnmr = roc(genuine, impostor)
    finite = (fmr > 0) & (fmr < 1) & (fnmr > 0) & (fnmr < 1)
    deviate = NormalDist().inv_cdf
    x, y = (np.array([deviate(v) for v in rates[finite]], float) for rates in (fmr, fnmr))
    return x, y


def _scores(name: str, values: ArrayLike) -> Scores:
    scores = np.asarray(values)
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        raise ChoiceError(name, "a non-empty list of finite numbers", scores)
    return scores
