"""Are some groups of people met with more errors than others, at one threshold for all?

Impostor pairs are of two people of one group: that is where false matches are most frequent and
what the fairness literature compares. Rates are arrays with one number a group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.measure.bootstrap import Interval, interval
from fusiform.measure.calibration import Flags, Floats
from fusiform.measure.verification import Numbers, Scores, labelled_pairs


class GroupRates(NamedTuple):
    """`groups (k,)` in ascending order; `fmr (k,)` and `fnmr (k,)` of each, in [0, 1]."""

    groups: NDArray[Any]
    fmr: Floats
    fnmr: Floats


@dataclass(frozen=True)
class GroupPairs:
    """Similarities of all pairs within groups, and whose they are.

    `genuine (g,)` with `genuine_person (g,)`; `impostor (i,)` with `impostor_people (i, 2)`;
    `group (people,)` is each person's position in `groups (k,)`.
    """

    genuine: Scores
    impostor: Scores
    genuine_person: Numbers
    impostor_people: Numbers
    group: Numbers
    groups: NDArray[Any]

    def rates(self, threshold: float) -> GroupRates:
        """FMR and FNMR of each group; ChoiceError for a group without pairs of either kind."""
        fmr, fnmr = self.drawn(threshold, np.ones(len(self.group), np.int64))
        for name, rate in (("impostor", fmr), ("genuine", fnmr)):
            if np.isnan(rate).any():
                raise ChoiceError(
                    "groups", f"with {name} pairs each", self.groups[int(np.isnan(rate).argmax())]
                )
        return GroupRates(self.groups, fmr, fnmr)

    def drawn(self, threshold: float, counts: Numbers) -> tuple[Floats, Floats]:
        """FMR and FNMR `(k,)` as if person p had been met `counts[p]` times; NaN for no pairs."""
        first, second = self.impostor_people.T
        met = counts[first] * counts[second]
        fmr = self._share(self.group[first], self.impostor >= threshold, met)
        person = self.genuine_person
        return fmr, self._share(self.group[person], self.genuine < threshold, counts[person])

    def _share(self, group: Numbers, wrong: Flags, weight: Numbers) -> Floats:
        k = len(self.groups)
        bad, met = np.bincount(group, weight * wrong, k), np.bincount(group, weight, k)
        share: Floats = np.divide(bad, met, out=np.full(k, np.nan), where=met > 0)
        return share


def group_pairs(embeddings: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> GroupPairs:
    """All pairs of `embeddings (n, d)` of one person, or of two people of one group.

    `labels (n,)` name the people and `groups (n,)` their groups. Raises ChoiceError as
    `labelled_pairs` does, or if a person is in two groups.
    """
    pairs = labelled_pairs(embeddings, labels)
    names, group = _group_of_people(np.asarray(labels), np.asarray(groups))
    first, second = pairs.impostor_people.T
    within = group[first] == group[second]
    return GroupPairs(
        pairs.genuine,
        pairs.impostor[within],
        pairs.genuine_person,
        pairs.impostor_people[within],
        group,
        names,
    )


def worst_best_ratio(rates: ArrayLike) -> float:
    """Highest over lowest of `rates (k,)`, the terms of Grother's Inequity Rate (EAB, 2021).

    1 where all are 0 (all are alike), inf where only some are. Raises ChoiceError for fewer than
    two groups or rates outside [0, 1].
    """
    found = _rates("rates", rates)
    low, high = float(found.min()), float(found.max())
    if low == 0:
        return np.inf if high else 1.0
    return high / low


def max_gap(rates: ArrayLike) -> float:
    """Highest less lowest of `rates (k,)`, in [0, 1]; errors as `worst_best_ratio`."""
    found = _rates("rates", rates)
    return float(found.max() - found.min())


def gini(rates: ArrayLike) -> float:
    """Gini coefficient of `rates (k,)`, corrected for few groups: 0 all alike, 1 all in one group.

    k / (k - 1) * sum over i, j of |x_i - x_j| / (2 k^2 mean(x)) (Howard, Laird, Rubin, Sirotin,
    Tipton and Vemury, "Evaluating proposed fairness models for face recognition algorithms", ICPR
    workshops 2022). 0 where all rates are 0; errors as `worst_best_ratio`.
    """
    found = _rates("rates", rates)
    k, total = len(found), float(found.sum())
    differences = float(np.abs(found[:, None] - found).sum())
    return differences / (2 * (k - 1) * total) if total else 0.0


def garbe(fmr: ArrayLike, fnmr: ArrayLike, alpha: float = 0.5) -> float:
    """Gini Aggregation Rate for Biometric Equitability: 0 fair, 1 unfair.

    alpha * gini(fmr) + (1 - alpha) * gini(fnmr) (Howard et al. 2022, as for `gini`). `fmr (k,)`,
    `fnmr (k,)`. Raises ChoiceError as `worst_best_ratio` does, or for alpha outside [0, 1].
    """
    return _weighed(gini, fmr, fnmr, alpha)


def fairness_discrepancy_rate(fmr: ArrayLike, fnmr: ArrayLike, alpha: float = 0.5) -> float:
    """FDR: 1 fair, 0 unfair.

    1 - (alpha * max |FMR_i - FMR_j| + (1 - alpha) * max |FNMR_i - FNMR_j|) (de Freitas Pereira
    and Marcel, "Fairness in biometrics", IEEE T-BIOM 2021). FMRs are small, so the gap in FNMR
    decides. `fmr (k,)`, `fnmr (k,)`; errors as `garbe`.
    """
    return 1 - _weighed(max_gap, fmr, fnmr, alpha)


def fairness_interval(
    statistic: Callable[[Floats, Floats], float],
    pairs: GroupPairs,
    threshold: float,
    seed: int,
    rounds: int = 1000,
    level: float = 0.95,
) -> Interval:
    """The interval of `statistic(fmr (k,), fnmr (k,))` over people drawn with replacement.

    Draws in which a group has no pairs are left out. Chance alone makes groups differ, and drawn
    groups differ more than those measured: that the interval of a gap lies above 0 is no proof of
    a gap. Raises ChoiceError as `GroupPairs.rates` and `bootstrap.interval` do.
    """
    pairs.rates(threshold)

    def of(counts: Numbers) -> float:
        fmr, fnmr = pairs.drawn(threshold, counts)
        return np.nan if np.isnan(fmr + fnmr).any() else statistic(fmr, fnmr)

    return interval(of, len(pairs.group), seed, rounds, level)


def _group_of_people(labels: NDArray[Any], groups: NDArray[Any]) -> tuple[NDArray[Any], Numbers]:
    """Names of the groups, and each person's, people in the order of their sorted labels."""
    if groups.shape != labels.shape:
        raise ChoiceError("groups", f"one for each of {labels.shape} labels", groups.shape)
    names, group = np.unique(groups, return_inverse=True)
    _, first, person = np.unique(labels, return_index=True, return_inverse=True)
    torn = group[first][person] != group
    if torn.any():
        raise ChoiceError("groups", "one for each person", f"several for {labels[torn][0]!r}")
    return names, group[first]


def _weighed(
    of: Callable[[ArrayLike], float], fmr: ArrayLike, fnmr: ArrayLike, alpha: float
) -> float:
    matches, misses = _rates("fmr", fmr), _rates("fnmr", fnmr)
    if matches.shape != misses.shape:
        raise ChoiceError("fnmr", f"one for each of {len(matches)} groups", misses.shape)
    if not 0 <= alpha <= 1:
        raise ChoiceError("alpha", "in [0, 1]", alpha)
    return alpha * of(matches) + (1 - alpha) * of(misses)


def _rates(name: str, values: ArrayLike) -> Floats:
    rates = np.asarray(values, np.float64)
    if rates.ndim != 1 or len(rates) < 2 or not ((rates >= 0) & (rates <= 1)).all():
        raise ChoiceError(name, "at least two rates in [0, 1]", rates)
    return rates
