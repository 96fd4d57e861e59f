"""Threshold and probability from faces that were named by hand, with honest intervals.

Every person counts alike (see `named_pairs`). Intervals of the threshold and of FMR draw people
anew (see `bootstrap`). That of FNMR, the mean of a few people's often very unequal shares, would
be too narrow so; it is Student's on the log-odds, each person a cluster, as in surveys.

What so few people can say is bounded by the rules of three and of thirty (Mansfield and Wayman,
Best Practices in Testing and Reporting Performance of Biometric Devices, NPL 2002; the latter is
Doddington's). Two people, however many their photos, are one trial there: what makes siblings
alike shows in all of them.

FNMR is that of faces that somebody named. Where a model's own groups were named, the faces that
it had not recognised are missing, and FNMR comes out too low.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.core.seeds import rng
from fusiform.measure.bootstrap import Interval, interval
from fusiform.measure.calibration import apply, brier, ece, fit_logistic
from fusiform.measure.named_pairs import (
    FULL_VOICE,
    Counts,
    WeightedPairs,
    drawn_threshold,
    drawn_total,
    named_pairs,
    weighted_quantiles,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Steps = tuple[tuple[float, float], ...]
Probability = Callable[[Floats], Floats]

FEWEST_PEOPLE = 8  # with three pictures each
FOLDS = 4
_CLEARLY = 0.001  # nats
_SAMPLE = 5000  # quantiles that stand for the similarities of either kind


class Reliability(NamedTuple):
    """How true probabilities are at equal priors, 0 being best: log-loss in nats, Brier, ECE."""

    log_loss: float
    brier: float
    ece: float


@dataclass(frozen=True)
class OwnCalibration:
    """Threshold and probability for one user's people and one embedder.

    Two faces match from the similarity `threshold` upward, chosen so that at most `wanted_fmr` of
    the impostor pairs do. `fmr` and `fnmr` are what happens there. Intervals: 95 %.
    `firm`: there are 30 / wanted_fmr pairs of people (rule of thirty: with 90 % confidence FMR is
    within 30 % of what was measured).

    P(same person) at equal priors is 1 / (1 + exp(-(slope * similarity + intercept))), unless
    `steps` is not empty: then linear between its points (similarity, probability).
    `before` and `after` tell how true the former probabilities and these are, on people whom the
    fit has not seen. `closest` are the two people most alike, if at least three of their pairs
    match falsely, and `closest_share` is the share that does; else None and 0.
    """

    wanted_fmr: float
    threshold: Interval
    fmr: Interval
    fnmr: Interval
    firm: bool
    slope: float
    intercept: float
    steps: Steps
    before: Reliability | None
    after: Reliability
    closest: tuple[int, int] | None
    closest_share: float
    counts: Counts
    seed: int
    rounds: int

    def as_dict(self) -> dict[str, Any]:
        """Everything in types that JSON knows."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        named = {k: v._asdict() for k, v in values.items() if hasattr(v, "_asdict")}
        return values | named


class _Fit(NamedTuple):
    logistic: tuple[float, float]
    steps: Steps

    def at(self, similarity: Floats) -> Floats:
        if not self.steps:
            return apply(self.logistic, similarity)
        scores, values = np.array(self.steps).T
        return np.asarray(np.interp(similarity, scores, values), np.float64)


class _Test(NamedTuple):
    """A fit, and pairs of people whom it has not seen."""

    fit: _Fit
    genuine: WeightedPairs
    impostor: WeightedPairs


def own_calibration(
    vectors: ArrayLike,
    person: ArrayLike,
    photo: ArrayLike | None = None,
    *,
    fmr: float = 1e-3,
    before: Probability | None = None,
    seed: int = 0,
    rounds: int = 1000,
) -> OwnCalibration:
    """Threshold at the false match rate `fmr`, and probability, from faces named by hand.

    `vectors (n, d)` of unit length, `person (n,)` and, if known, `photo (n,)` whole numbers.
    `before` takes similarities `(k,)` to probabilities `(k,)` in [0, 1]: what was used so far, to
    compare with. `rounds` draws of people make the intervals.

    Raises ChoiceError for arguments that do not fit, GalleryError where too few people or faces
    are named, with the numbers that are needed and the FMR that there are enough for.
    """
    needed = pairs_needed(fmr)
    pairs = named_pairs(vectors, person, photo, seed)
    genuine, impostor, counts = pairs.genuine, pairs.impostor, pairs.counts
    _require(counts, fmr, needed)
    threshold, matches = _threshold_and_fmr(impostor, counts, fmr, seed, rounds)
    closest, share = _closest(impostor.matching(threshold.value), pairs.labels)
    fit, after, tests = _probability(genuine, impostor, counts.people, seed)
    return OwnCalibration(
        wanted_fmr=float(fmr),
        threshold=threshold,
        fmr=matches,
        fnmr=_fnmr(genuine, threshold.value, counts.people),
        firm=bool(counts.people_pairs * fmr >= 30),
        slope=fit.logistic[0],
        intercept=fit.logistic[1],
        steps=fit.steps,
        before=_reliability(tests, before) if before else None,
        after=after,
        closest=closest,
        closest_share=share,
        counts=counts,
        seed=seed,
        rounds=rounds,
    )


def probability(result: OwnCalibration, similarity: ArrayLike) -> Floats:
    """P(same person) in [0, 1] at `similarity` (any shape), for equal priors."""
    fit = _Fit((result.slope, result.intercept), result.steps)
    return fit.at(np.asarray(similarity, np.float64))


def describe(result: OwnCalibration) -> list[str]:
    """The result in plain sentences: its intervals, its gain, and what is odd among the names."""
    r, c = result, result.counts
    lines = [
        f"From {c.faces:,} faces of {c.people:,} named people: faces are taken for one person "
        f"from a similarity of {r.threshold.value:.4f} ({r.threshold.low:.4f} to "
        f"{r.threshold.high:.4f}); then {_percent(r.fmr)} of the pairs of two people match, and "
        f"{_percent(r.fnmr)} of the pairs of one person do not, not counting faces that nobody "
        "named (brackets: 95 % intervals).",
        f"On people whom it has not seen, the probability has a log-loss of {r.after.log_loss:.4f}"
        + (f", the former one {r.before.log_loss:.4f}" if r.before else "")
        + " (0 is best, 0.6931 a coin's)."
        + (" Keep the former." if r.before and r.before.log_loss <= r.after.log_loss else ""),
    ]
    if r.closest and r.closest_share > 0.5:
        lines.append(
            f"{100 * r.closest_share:.0f} % of the pairs of people {r.closest[0]} and "
            f"{r.closest[1]} match: look whether they are one person."
        )
    if c.two_names:
        lines.append(f"Pairs of nearly one picture that bear two names: {c.two_names:,}.")
    return lines


def pairs_needed(fmr: float) -> int:
    """Independent impostor pairs that, if none matches, show a rate below `fmr` with 95 %.

    The rule of three, exact: log(0.05) / log(1 - fmr), about 3 / fmr. Raises ChoiceError unless
    0 < fmr <= 0.5.
    """
    if not 0 < fmr <= 0.5:
        raise ChoiceError("fmr", "above 0 and at most 0.5", fmr)
    return math.ceil(math.log(0.05) / math.log1p(-fmr))


def rate_bound(trials: float) -> float:
    """The rate that so many independent trials without an event exclude with 95 %.

    The inverse of `pairs_needed`: 1 - 0.05^(1 / trials), about 3 / trials; 1 for no trial.
    """
    return 1 - 0.05 ** (1 / trials) if trials > 0 else 1.0


def isotonic(scores: ArrayLike, targets: ArrayLike, weights: ArrayLike) -> Steps:
    """The non-decreasing curve nearest to `targets (n,)` in weighted squares, by its corners.

    Pool adjacent violators (Ayer et al., Annals of Mathematical Statistics 1955; for
    probabilities Zadrozny and Elkan, KDD 2002). Equal scores are one point. Between the corners
    (score, value) it is linear, beyond them constant.
    """
    mass = np.asarray(weights, np.float64)
    x, point = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    heavy = np.bincount(point, mass)
    mean = np.bincount(point, mass * np.asarray(targets, np.float64)) / heavy
    blocks: list[tuple[float, float, float, float]] = []  # value, weight, first and last score
    for last, value, weight in zip(x.tolist(), mean.tolist(), heavy.tolist(), strict=True):
        first = last
        while blocks and blocks[-1][0] >= value:
            former, more, first, _ = blocks.pop()
            value = (former * more + value * weight) / (more + weight)
            weight += more
        blocks.append((value, weight, first, last))
    return tuple(dict.fromkeys((s, value) for value, _, *ends in blocks for s in ends))


def log_loss(probabilities: ArrayLike, same: ArrayLike) -> float:
    """Mean of -log(probability of what is true) in nats (Good, JRSS B, 1952).

    `probabilities (n,)` are kept 1e-12 away from 0 and 1, `same (n,)` bool.
    """
    p = np.clip(np.asarray(probabilities, np.float64), 1e-12, 1 - 1e-12)
    return float(-np.where(np.asarray(same, np.bool_), np.log(p), np.log1p(-p)).mean())


def people_folds(genuine: Flags, seed: int) -> Ints:
    """A fold 0 to 3 for each person, `(people,)`, drawn.

    Those with genuine pairs, `genuine (people,)`, are dealt out first: every fold gets as many of
    them as any other, give or take one.
    """
    order = np.lexsort((rng(seed, "own calibration").random(len(genuine)), ~genuine))
    fold = np.empty(len(genuine), np.int64)
    fold[order] = np.arange(len(genuine)) % FOLDS
    return fold


def _require(counts: Counts, fmr: float, needed: int) -> None:
    lacks = [f"Named people: {counts.people:,}, with faces: {counts.faces:,}; that is not enough."]
    if counts.genuine_people < FEWEST_PEOPLE:
        lacks.append(
            f"To see how often two faces of one person match takes {FEWEST_PEOPLE} people with "
            f"three different pictures each; there are {counts.genuine_people}."
        )
    if counts.people_pairs < needed:
        people = math.ceil((1 + math.sqrt(1 + 8 * needed)) / 2)
        lacks.append(
            f"A false match rate of {fmr:g} takes {needed:,} pairs of two people, so {people:,} "
            f"named people; there are {counts.people_pairs:,} pairs."
        )
        if counts.genuine_people >= FEWEST_PEOPLE:
            offer = _rounded_up(rate_bound(counts.people_pairs))
            lacks.append(f"They are enough for a rate of {offer}: ask for it, or name more people.")
    if len(lacks) > 1:
        raise GalleryError(" ".join(lacks))


def _rounded_up(rate: float) -> str:
    unit = 10 ** (math.floor(math.log10(rate)) - 1)
    return f"{math.ceil(rate / unit) * unit:.2g}"


def _threshold_and_fmr(
    impostor: WeightedPairs, counts: Counts, fmr: float, seed: int, rounds: int
) -> tuple[Interval, Interval]:
    people, total = counts.people, drawn_total(impostor)
    limit = interval(
        lambda draws: drawn_threshold(impostor, draws, fmr, total(draws)), people, seed, rounds
    )
    tail = impostor.matching(limit.value)
    matches = interval(
        lambda draws: float(tail.drawn(draws).sum() / total(draws)), people, seed, rounds
    )
    return limit, matches._replace(high=max(matches.high, rate_bound(counts.people_pairs)))


def _fnmr(genuine: WeightedPairs, threshold: float, people: int) -> Interval:
    """FNMR with its 95 % interval: Student's on the log-odds, the variance that of a ratio over
    people (Korn and Graubard, Analysis of Health Surveys, 1999), as many degrees of freedom as
    people's voices are worth (Kish), less one. The rule of three where none or all are missed.
    """
    found = genuine.matching(threshold)
    heard = np.bincount(genuine.first, genuine.weight, people)
    missed = heard - np.bincount(found.first, found.weight, people)
    bound = rate_bound(float(heard.sum()))
    if not len(found):
        return Interval(1.0, 1 - bound, 1.0)
    if len(found) == len(genuine):
        return Interval(0.0, 0.0, bound)
    rate = float(missed.sum() / heard.sum())
    n, share = np.count_nonzero(heard), (missed - rate * heard) / heard.sum()
    spread = math.sqrt(n / (n - 1) * share @ share) / (rate * (1 - rate))
    half = _student(heard.sum() ** 2 / (heard @ heard) - 1) * spread
    centre = math.log(rate / (1 - rate))
    low, high = apply((1.0, centre), np.array([-half, half])).tolist()
    return Interval(rate, low, high)


def _student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 1964, 26.7.5)."""
    z = 1.959963984540054
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def _closest(tail: WeightedPairs, labels: Ints) -> tuple[tuple[int, int] | None, float]:
    """The two people of whose pairs most match falsely, and what share of them does.

    Only those with three such pairs: one or two may be chance.
    """
    both = np.stack([tail.first, tail.second])
    people, unit, count = np.unique(both, axis=1, return_inverse=True, return_counts=True)
    share = np.bincount(unit.ravel(), tail.weight) * (count >= FULL_VOICE)
    if not share.any():
        return None, 0.0
    first, second = sorted(labels[people[:, share.argmax()]].tolist())
    return (first, second), min(float(share.max()), 1.0)


def _probability(
    genuine: WeightedPairs, impostor: WeightedPairs, people: int, seed: int
) -> tuple[_Fit, Reliability, list[_Test]]:
    """The fit, how true its like is on people left out of it, and those tests.

    The isotonic curve is taken only where it is clearly better in every fold: it follows chance.
    """
    fold = people_folds(np.bincount(genuine.first, minlength=people) > 0, seed)
    both = [_held_out(genuine, impostor, fold == held) for held in range(FOLDS)]
    plain = [test._replace(fit=test.fit._replace(steps=())) for test in both]
    fit = _fit(genuine, impostor)
    if all(
        _reliability([a]).log_loss < _reliability([b]).log_loss - _CLEARLY
        for a, b in zip(both, plain, strict=True)
    ):
        return fit, _reliability(both), both
    return fit._replace(steps=()), _reliability(plain), plain


def _held_out(genuine: WeightedPairs, impostor: WeightedPairs, held: Flags) -> _Test:
    fit = _fit(genuine.within(~held), impostor.within(~held))
    return _Test(fit, genuine.within(held), impostor.within(held))


def _fit(genuine: WeightedPairs, impostor: WeightedPairs) -> _Fit:
    """Both curves through quantiles of either kind, at equal priors and with Platt's targets."""
    parts = [
        weighted_quantiles(pairs.similarity, pairs.weight, min(len(pairs), _SAMPLE))
        for pairs in (genuine, impostor)
    ]
    g, i = map(len, parts)
    scores, same = np.concatenate(parts), np.arange(g + i) < g
    targets = np.where(same, (g + 1) / (g + 2), 1 / (i + 2))
    weights = np.where(same, 0.5 / g, 0.5 / i)
    return _Fit(fit_logistic(scores, same), isotonic(scores, targets, weights))


def _reliability(tests: list[_Test], curve: Probability | None = None) -> Reliability:
    """Of each test's own fit, or of `curve`, over all tests; both kinds weigh alike."""
    answers = []
    for kind in ("genuine", "impostor"):
        pairs: list[WeightedPairs] = [getattr(test, kind) for test in tests]
        curves: list[Probability] = [curve or test.fit.at for test in tests]
        found = [_in_range(c, p) for c, p in zip(curves, pairs, strict=True)]
        weights = np.concatenate([p.weight for p in pairs])
        answers.append(weighted_quantiles(np.concatenate(found), weights, _SAMPLE))
    p, same = np.concatenate(answers), np.repeat([True, False], _SAMPLE)
    return Reliability(log_loss(p, same), brier(p, same), ece(p, same))


def _in_range(curve: Probability, pairs: WeightedPairs) -> Floats:
    p = np.asarray(curve(pairs.similarity.astype(np.float64)), np.float64)
    if p.shape != pairs.similarity.shape or not ((p >= 0) & (p <= 1)).all():
        raise ChoiceError("before", "a function to a number in [0, 1] for each similarity", p)
    return p


def _percent(rate: Interval) -> str:
    value, low, high = (f"{float(f'{100 * part:.2g}'):g}" for part in rate)
    return f"{value} % ({low} to {high} %)"
