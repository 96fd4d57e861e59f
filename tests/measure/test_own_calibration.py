"""Thresholds against worlds whose true rates are known, fits against scikit-learn."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as reference_log_loss

from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.measure import own_calibration as c
from fusiform.measure.named_pairs import named_pairs

DIM = 32
points = st.lists(
    st.tuples(st.sampled_from(np.linspace(0, 1, 9).tolist()), st.floats(0, 1), st.integers(1, 5)),
    min_size=1,
    max_size=30,
)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowd(people, faces=6, noise=0.8, seed=0, dim=DIM):
    """Faces of people whose directions are uniform, and so those of any two strangers' faces."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), faces)
    means = random.normal(size=(people, dim))[person]
    return unit(means + noise * random.normal(size=means.shape)), person


def stranger_rate(threshold):
    """P(cosine >= threshold) of two uniform directions: (1 + cosine) / 2 is a beta variable."""
    return stats.beta.sf((1 + threshold) / 2, (DIM - 1) / 2, (DIM - 1) / 2)


def rates(vectors, person, threshold):
    """FMR and FNMR, everybody alike, by looking at every pair; all people have 3 faces or more."""
    similarity, labels = vectors @ vectors.T, np.unique(person)
    match = similarity >= np.float32(threshold)
    missed = [
        1 - match[np.ix_(person == p, person == p)][np.triu_indices((person == p).sum(), k=1)]
        for p in labels
    ]
    wrong = [
        match[np.ix_(person == p, person == q)].mean() for p in labels for q in labels if p < q
    ]
    return np.mean(wrong), np.mean([m.mean() for m in missed])


def test_rates_are_those_of_all_pairs():
    vectors, person = crowd(27, np.r_[[3] * 10, [9] * 10, range(4, 11)], seed=1)
    found = c.own_calibration(vectors, person, fmr=0.01, rounds=50)
    fmr, fnmr = rates(vectors, person, found.threshold.value)
    assert found.fmr.value == pytest.approx(fmr)
    assert found.fnmr.value == pytest.approx(fnmr)
    assert fmr <= 0.01 < rates(vectors, person, np.nextafter(np.float32(found.threshold[0]), -1))[0]


def test_intervals_hold_the_truth(monkeypatch):
    """200 galleries of 20 people; the world's own threshold and rates are known."""
    # Only the rates are asked for here; the fits would take most of the time.
    monkeypatch.setattr(c, "_probability", lambda *_: (c._Fit((0.0, 0.0), ()), None, []))
    truth = 2 * stats.beta.isf(0.02, (DIM - 1) / 2, (DIM - 1) / 2) - 1
    assert stranger_rate(truth) == pytest.approx(0.02)
    pair, _ = crowd(200_000, 2, seed=1)
    genuine = np.sort((pair[::2] * pair[1::2]).sum(axis=1))
    held = np.zeros(3)
    for seed in range(200):
        found = c.own_calibration(*crowd(20, 5, seed=seed), fmr=0.02, seed=seed, rounds=200)
        limit = found.threshold.value
        true = truth, stranger_rate(limit), np.searchsorted(genuine, limit) / len(genuine)
        intervals = found.threshold, found.fmr, found.fnmr
        held += [i.low <= t <= i.high for i, t in zip(intervals, true, strict=True)]
    assert ((held / 200 >= 0.85) & (held / 200 <= 1)).all()


@pytest.mark.parametrize("fmr", [0.5, 0.05, 1e-3, 1e-6])
def test_bounds_are_those_of_the_binomial_law(fmr):
    needed = c.pairs_needed(fmr)
    assert stats.binom.pmf(0, needed, fmr) <= 0.05 < stats.binom.pmf(0, needed - 1, fmr)
    assert needed == pytest.approx(3 / fmr, rel=0.01) or fmr > 0.01
    # Clopper and Pearson's upper limit of no event.
    assert c.rate_bound(needed) == pytest.approx(stats.beta.ppf(0.95, 1, needed))
    assert c.rate_bound(0) == 1


@given(st.integers(28, 10**6))
def test_the_rate_offered_is_one_that_is_granted(pairs):
    offer = float(c._rounded_up(c.rate_bound(pairs)))
    assert c.pairs_needed(offer) <= pairs
    assert offer <= 1.11 * c.rate_bound(pairs)


@pytest.mark.parametrize("freedom", [7, 7.5, 20, 1000])
def test_student_is_that_of_scipy(freedom):
    assert c._student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=5e-4)


def test_fnmr_interval_is_student_on_the_log_odds():
    vectors, person = crowd(20, 5, seed=4)
    found = c.own_calibration(vectors, person, fmr=0.02, rounds=10)
    limit = found.threshold.value
    each = [
        1 - (v @ v.T >= limit)[np.triu_indices(5, k=1)].mean() for v in vectors.reshape(20, 5, DIM)
    ]
    mean, error = np.mean(each), stats.sem(each)
    half = stats.t.ppf(0.975, 19) * error / (mean * (1 - mean))
    expected = stats.logistic.cdf(stats.logistic.ppf(mean) + np.array([-half, half]))
    assert found.fnmr == pytest.approx((mean, *expected), rel=1e-3)


def test_nothing_missed_is_bounded_by_the_number_of_people():
    found = c.own_calibration(*crowd(20, 5, noise=0.2), fmr=0.02, rounds=10)
    assert found.fnmr == pytest.approx((0, 0, 1 - 0.05 ** (1 / 20)))
    strangers, person = unit(np.random.default_rng(0).normal(size=(40, DIM))), np.arange(40) // 2
    blind = named_pairs(strangers, person).genuine
    # Two faces are a third of a voice each.
    assert c._fnmr(blind, 0.99, 20) == pytest.approx((1, 0.05 ** (3 / 20), 1))


def reference_logistic(scores, same, weights):
    """Unregularised, with Platt's targets as pairs of weighted hard ones."""
    g, i = same.sum(), (~same).sum()
    target = np.where(same, (g + 1) / (g + 2), 1 / (i + 2))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(
            np.r_[scores, scores][:, None],
            np.repeat([1, 0], len(scores)),
            np.r_[weights * target, weights * (1 - target)] * len(scores),
        )
    return model.coef_[0, 0], model.intercept_[0]


@pytest.mark.parametrize(("faces", "close"), [(4, 1e-4), (np.r_[[1, 2, 3, 12] * 6], 0.02)])
def test_logistic_is_that_of_scikit_learn(faces, close):
    vectors, person = crowd(24, faces, seed=5)
    pairs = named_pairs(vectors, person)
    parts = pairs.genuine, pairs.impostor
    scores = np.concatenate([p.similarity for p in parts]).astype(float)
    weights = np.concatenate([p.weight / p.weight.sum() / 2 for p in parts])
    expected = reference_logistic(scores, np.arange(len(scores)) < len(parts[0]), weights)
    found = c.own_calibration(vectors, person, fmr=0.02, rounds=10)
    assert (found.slope, found.intercept) == pytest.approx(expected, rel=close)
    assert found.steps == ()
    at = np.array([0.2, 0.5])
    logits = found.slope * at + found.intercept
    assert c.probability(found, at) == pytest.approx(1 / (1 + np.exp(-logits)))


@given(points)
def test_isotonic_is_that_of_scikit_learn(given_points):
    x, y, w = map(np.array, zip(*given_points, strict=True))
    at, values = np.array(c.isotonic(x, y, w)).T
    model = IsotonicRegression(out_of_bounds="clip").fit(x, y, sample_weight=w)
    asked = np.linspace(-0.2, 1.2, 57)
    assert np.interp(asked, at, values) == pytest.approx(model.predict(asked), abs=1e-9)
    assert (np.diff(at) > 0).all()
    assert (np.diff(values) >= 0).all()


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_log_loss_is_that_of_scikit_learn(answers):
    p, same = map(np.array, zip(*answers, strict=True))
    kept = np.clip(p, 1e-12, 1 - 1e-12)
    assert c.log_loss(p, same) == pytest.approx(
        reference_log_loss(same, kept, labels=[False, True]), abs=1e-9
    )


def test_isotonic_is_taken_where_the_log_odds_bend():
    """The faces of every other person are noise: at 0 a pair is one person's in one of three."""
    random = np.random.default_rng(1)
    person = np.repeat(np.arange(60), 6)
    noise = np.where(person % 2, 0.7, 20)[:, None]
    vectors = random.normal(size=(60, DIM))[person] + noise * random.normal(size=(360, DIM))
    found = c.own_calibration(unit(vectors), person, fmr=0.01, rounds=10)
    assert found.steps
    assert c.probability(found, [-0.1, 0.0, 0.1]) == pytest.approx([1 / 3] * 3, abs=0.05)
    assert c.probability(found, 0.8) > 0.98
    straight = 1 / (1 + np.exp(-found.slope * np.array([-0.1, 0.1]) - found.intercept))
    assert (np.abs(straight - 1 / 3) > 0.05).any()
    assert found.after.ece < 0.05


@given(st.lists(st.booleans(), min_size=8, max_size=60), st.integers(0, 1000))
def test_folds_part_the_people_evenly(genuine, seed):
    fold = c.people_folds(np.array(genuine), seed)
    assert len(fold) == len(genuine)
    assert fold.tolist() == c.people_folds(np.array(genuine), seed).tolist()
    for kind in (np.ones(len(genuine), bool), np.array(genuine)):
        sizes = np.bincount(fold[kind], minlength=c.FOLDS)
        assert sizes.max() - sizes.min() <= 1


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.integers(8, 20))
def test_no_fit_is_tested_on_people_it_has_seen(seed, people):
    pairs = named_pairs(*crowd(people, 3, seed=seed, dim=8))
    fold = c.people_folds(np.ones(people, bool), seed)
    tested = []
    for held in range(c.FOLDS):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(c, "_fit", lambda genuine, impostor: (genuine, impostor))
            seen, *unseen = c._held_out(pairs.genuine, pairs.impostor, fold == held)
        taught, asked = ({*k.first, *k.second} for k in map(joined, (seen, unseen)))
        assert not taught & asked
        assert taught | asked == set(range(people))
        tested += sorted(asked)
    assert sorted(tested) == list(range(people))


def joined(kinds):
    genuine, impostor = kinds
    first, second = (
        np.concatenate([getattr(k, side) for k in kinds]) for side in ("first", "second")
    )
    assert (genuine.first == genuine.second).all()
    assert (impostor.first < impostor.second).all()
    return type(genuine)(np.zeros(len(first)), np.ones(len(first)), first, second)


def test_former_probabilities_are_judged_on_the_same_pairs():
    arguments = {"fmr": 0.02, "rounds": 10}
    crowded = crowd(20, 5)
    coin = c.own_calibration(*crowded, before=lambda s: np.full(s.shape, 0.5), **arguments)
    assert coin.before == pytest.approx((np.log(2), 0.25, 0))
    assert coin.after.log_loss < 0.1
    bold = c.own_calibration(*crowded, before=lambda s: 1.0 * (s > 0.3), **arguments)
    assert bold.before.log_loss > bold.after.log_loss
    assert bold.after == coin.after == c.own_calibration(*crowded, **arguments).after
    assert c.own_calibration(*crowded, **arguments).before is None
    for wrong in (lambda s: s * 9, lambda s: 0.5, lambda s: s[:3]):
        with pytest.raises(ChoiceError, match="before must be"):
            c.own_calibration(*crowded, before=wrong, **arguments)


def test_reliability_weighs_people_not_pairs():
    vectors, person = crowd(24, np.r_[[2, 3, 4, 11] * 6], seed=6)
    pairs = named_pairs(vectors, person)
    tests = [c._Test(None, pairs.genuine, pairs.impostor)]

    def curve(similarity):
        return np.clip(similarity, 0.01, 0.99)

    found = c._reliability(tests, curve)
    p = [curve(k.similarity.astype(float)) for k in (pairs.genuine, pairs.impostor)]
    weight = [k.weight / k.weight.sum() / 2 for k in (pairs.genuine, pairs.impostor)]
    loss = weight[0] @ -np.log(p[0]) + weight[1] @ -np.log(1 - p[1])
    assert found.log_loss == pytest.approx(loss, rel=2e-3)
    assert found.brier == pytest.approx(weight[0] @ (1 - p[0]) ** 2 + weight[1] @ p[1] ** 2, 2e-3)


@pytest.mark.parametrize(
    ("people", "faces", "fmr", "words"),
    [
        (
            12,
            10,
            1e-3,
            "people: 12, with faces: 120; .*2,995 pairs .*78 named.*66 pairs.* 0.045:",
        ),
        (77, 3, 1e-3, "people: 77, with faces: 231; .* 2,995 .* 2,926 pairs.* 0.0011:"),
        (200, 2, 1e-3, "people: 200, with faces: 400; .* 8 people with three .* there are 0.$"),
        (7, 40, 0.2, "people: 7, with faces: 280; .* there are 7.$"),
        (1, 5, 0.5, "people: 1, with faces: 5; .* there are 1. .* 5 pairs .* 4 named .* 0 pairs.$"),
    ],
)
def test_too_few_names_are_refused_with_numbers(people, faces, fmr, words):
    with pytest.raises(GalleryError, match=words):
        c.own_calibration(*crowd(people, faces), fmr=fmr)


def test_what_is_offered_works_and_one_person_less_does_not():
    vectors, person = crowd(12, 10)
    with pytest.raises(GalleryError) as refusal:
        c.own_calibration(vectors, person)
    offer = float(re.search(r"enough for a rate of ([0-9.]+):", str(refusal.value))[1])
    assert c.own_calibration(vectors, person, fmr=offer, rounds=10).wanted_fmr == offer
    with pytest.raises(GalleryError):
        c.own_calibration(vectors[person > 0], person[person > 0], fmr=offer)


def test_photos_taken_together_are_one_picture():
    vectors, person = crowd(8, 3)
    assert c.own_calibration(vectors, person, fmr=0.2, rounds=10).counts.genuine_people == 8
    photo = np.arange(24)
    photo[1] = photo[0]
    with pytest.raises(GalleryError, match="there are 7"):
        c.own_calibration(vectors, person, photo, fmr=0.2)


def written(found):
    return json.dumps(found.as_dict(), allow_nan=False).encode()


def test_seed_alone_decides():
    vectors, person = crowd(20, 5)
    order = np.random.default_rng(1).permutation(100)
    first, again, mixed, other = (
        written(c.own_calibration(*faces, fmr=0.02, rounds=40, seed=seed))
        for faces, seed in [
            ((vectors, person), 3),
            ((vectors, person), 3),
            ((vectors[order], person[order]), 3),
            ((vectors, person), 4),
        ]
    )
    assert first == again == mixed != other


def test_record_is_plain_json():
    found = c.own_calibration(*crowd(20, 5), fmr=0.02, rounds=40, before=lambda s: s * 0 + 0.5)
    values = json.loads(written(found))
    assert values["threshold"] == found.threshold._asdict()
    assert values["before"]["brier"] == 0.25
    assert values["counts"]["people_pairs"] == 190
    assert not values["firm"]
    assert c.own_calibration(*crowd(20, 5), fmr=0.2, rounds=5).firm


def test_sentences_state_intervals_and_what_is_odd():
    vectors, person = crowd(20, 5, seed=8)
    sound = c.describe(c.own_calibration(vectors, person, fmr=0.02, rounds=40))
    assert len(sound) == 2
    assert re.search(
        r"100 faces of 20 named people: .* 0\.\d{4} \(0\.\d{4} to 0\.\d{4}\)", sound[0]
    )
    assert "former" not in sound[1]
    # Person 7's last faces bear another's name, and one picture is there under both.
    person[35 + 2 : 35 + 5] = 99
    vectors[35 + 4] = vectors[35]
    found = c.own_calibration(vectors, person, fmr=0.02, rounds=40, before=lambda s: s * 0 + 0.5)
    odd = c.describe(found)
    assert "the former one 0.6931 (" in odd[1]
    assert "Keep" not in odd[1]
    better = replace(found, before=found.after._replace(log_loss=0.001))
    assert c.describe(better)[1].endswith("Keep the former.")
    assert found.closest == (7, 99)
    assert (
        odd[2] == "100 % of the pairs of people 7 and 99 match: look whether they are one person."
    )
    assert odd[3].endswith("two names: 1.")


def test_where_nothing_matches_falsely_nobody_is_close():
    # All impostor pairs are equally alike, so that none may match.
    basis = np.sqrt(0.3) * np.eye(80)[:, :1].T + np.sqrt(0.7) * np.eye(80)[1:25]
    turns = [0.9 * basis + np.sqrt(0.19) * np.eye(80)[[k]] for k in (77, 78, 79)]
    vectors, person = unit(np.concatenate(turns)), np.tile(np.arange(24), 3)
    photo = np.repeat(np.arange(3), 24)
    found = c.own_calibration(vectors, person, photo, fmr=0.02, rounds=40)
    assert (found.closest, found.closest_share, found.fmr.value) == (None, 0, 0)
    assert found.fmr.high == pytest.approx(c.rate_bound(24 * 23 // 2))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"fmr": 0.0}, "fmr"),
        ({"fmr": 0.6}, "fmr"),
        ({"rounds": 0}, "rounds"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_input_is_named(change, name):
    with pytest.raises(ChoiceError, match=f"{name} must be"):
        c.own_calibration(*crowd(20, 5), **({"fmr": 0.02, "rounds": 5} | change))
