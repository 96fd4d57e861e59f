"""Weighted pairs against literal versions with exact fractions, and NumPy's own quantiles."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.measure import named_pairs as n
from fusiform.measure.verification import threshold_at_fmr

tied = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7]), st.integers(0, 5)),
    min_size=1,
    max_size=30,
)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def album(seed: int, faces: int = 25, people: int = 6):
    """Vectors, people and photos, some photos shared and some vectors almost equal."""
    random = np.random.default_rng(seed)
    person = random.integers(people, size=faces)
    vectors = random.normal(size=(people, 6))[person] + 0.8 * random.normal(size=(faces, 6))
    vectors[-3:] = vectors[:3] + 1e-4 * random.normal(size=(3, 6))
    return unit(vectors), person, random.integers(faces, size=faces)


def literal(vectors, person, photo):
    """Two people -> similarities, and how many pairs were left out for which reason."""
    found, out = {}, Counter()
    for i in range(len(vectors)):
        for j in range(i):
            similarity = float(vectors[i].astype(np.float64) @ vectors[j].astype(np.float64))
            same = person[i] == person[j]
            if photo[i] == photo[j]:
                out["same_photo"] += 1
            elif similarity > 0.999:
                out["copies" if same else "two_names"] += 1
            else:
                found.setdefault(tuple(sorted((person[i], person[j]))), []).append(similarity)
    return found, out


def by_people(pairs, labels):
    """Two people -> similarities, ascending; and their weights."""
    found, weights = {}, {}
    for s, w, a, b in zip(pairs.similarity, pairs.weight, pairs.first, pairs.second, strict=True):
        key = tuple(sorted((labels[a], labels[b])))
        found.setdefault(key, []).insert(0, s)
        weights.setdefault(key, set()).add(float(w))
    return found, weights


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_pairs_are_those_of_the_literal_version(seed):
    vectors, person, photo = album(seed)
    pairs = n.named_pairs(vectors, person, photo)
    expected, out = literal(vectors, person, photo)
    for kind, fewest in ((pairs.genuine, 3), (pairs.impostor, 1)):
        found, weights = by_people(kind, pairs.labels)
        assert (np.diff(kind.similarity) <= 0).all()
        assert found.keys() == {k for k in expected if (k[0] == k[1]) == (fewest == 3)}
        for key, similarity in found.items():
            assert similarity == pytest.approx(sorted(expected[key]), abs=1e-5)
            assert weights[key] == {1 / max(len(similarity), fewest)}
    counts = pairs.counts._asdict()
    assert all(counts[reason] == out[reason] for reason in ("same_photo", "copies", "two_names"))
    genuine = [len(v) for (a, b), v in expected.items() if a == b]
    assert counts["genuine_people"] == sum(k >= 3 for k in genuine)
    assert counts["people_pairs"] == len(expected) - len(genuine)
    assert counts["genuine_pairs"] + counts["impostor_pairs"] == sum(map(len, expected.values()))


@settings(deadline=None)
@given(tied, st.fractions(Fraction(1, 100), Fraction(1, 2), max_denominator=1000))
def test_threshold_literally(pairs, fmr):
    scores, weights = zip(*sorted(pairs, reverse=True), strict=True)
    total = sum(weights)
    assume(total > 0)
    found = n.weighted_threshold(np.float32(scores), np.array(weights, float), float(fmr), total)

    def matching(limit):
        return Fraction(sum(w for s, w in pairs if np.float32(s) >= np.float32(limit)), total)

    assert matching(found) <= fmr
    assert matching(np.nextafter(np.float32(found), np.float32(-1))) > fmr


@given(st.lists(st.sampled_from(np.linspace(-1, 1, 41).tolist()), min_size=1), st.integers(1, 500))
def test_threshold_without_weights_is_the_plain_one(scores, per_mille):
    fmr = per_mille / 1000
    descending = np.sort(np.float32(scores))[::-1]
    ours = n.weighted_threshold(descending, np.ones(len(scores)), fmr, len(scores))
    assert ours == threshold_at_fmr(descending, fmr)


@given(tied, st.integers(1, 40))
def test_quantiles_are_those_of_numpy(pairs, size):
    values, weights = map(np.array, zip(*pairs, strict=True))
    assume(weights.sum() > 0)
    at = (np.arange(size) + 0.5) / size
    # A level that falls on a step exactly may round to either side of it.
    steps = np.cumsum(weights[np.argsort(values)]) / weights.sum()
    clear = (np.abs(at[:, None] - steps) > 1e-9).all(axis=1)
    expected = np.quantile(values, at, method="inverted_cdf", weights=weights)
    assert n.weighted_quantiles(values, weights, size)[clear].tolist() == expected[clear].tolist()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(0.01, 9))
def test_quantiles_of_equal_weights_are_the_sorted_values(values, weight):
    found = n.weighted_quantiles(values, np.full(len(values), weight), len(values))
    assert found.tolist() == sorted(values)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(0.001, 0.4))
def test_draws_of_people_count_as_if_pairs_were_repeated(seed, fmr):
    pairs = n.named_pairs(*album(seed, faces=40, people=12))
    impostor, people = pairs.impostor, len(pairs.labels)
    random = np.random.default_rng(seed)
    draws = np.bincount(random.integers(people, size=people), minlength=people)
    total = n.drawn_total(impostor)(draws)
    weight = [
        w * draws[a] * draws[b]
        for w, a, b in zip(impostor.weight, impostor.first, impostor.second, strict=True)
    ]
    assert impostor.drawn(draws).tolist() == weight
    assert total == pytest.approx(sum(weight))
    whole = n.weighted_threshold(impostor.similarity, np.array(weight), fmr, total)
    assert n.drawn_threshold(impostor, draws, fmr, total) == whole


def test_a_long_list_is_looked_at_until_the_draw_is_satisfied():
    # The 5,000 most similar pairs are of two people whom the draw misses.
    k = 10_000
    second = np.where(np.arange(k) < k // 2, 1, 2)
    similarity = np.linspace(1, 0, k, dtype=np.float32)
    pairs = n.WeightedPairs(similarity, np.full(k, 2 / k), np.zeros(k, np.int64), second)
    draws = np.array([1, 0, 2])
    total = n.drawn_total(pairs)(draws)
    assert total == 2  # people 1 and 2 were never compared
    found = n.drawn_threshold(pairs, draws, 0.01, total)
    assert found == pytest.approx(similarity[k // 2 + k // 200], abs=1e-3)
    assert np.isnan(n.drawn_total(pairs)(np.array([3, 0, 0])))


def facts(pairs):
    kinds = (pairs.genuine, pairs.impostor)
    labels = [np.sort(pairs.labels[[k.first, k.second]], axis=0).tolist() for k in kinds]
    return [[k.similarity.tolist(), k.weight.tolist()] for k in kinds], labels, pairs.counts


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([7, 2500]), st.sampled_from([3, 50]))
def test_order_and_numbering_change_nothing(seed, impostors, genuine):
    vectors, person, photo = album(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(n, "_IMPOSTOR_FACES", impostors)
        patch.setattr(n, "_GENUINE_FACES", genuine)
        random = np.random.default_rng(seed)
        order, names = random.permutation(len(person)), random.permutation(100)
        one = n.named_pairs(vectors, person, photo)
        other = n.named_pairs(vectors[order], names[person][order], 7 - photo[order])
    similarities, people, counts = facts(one)
    assert facts(other)[::2] == (similarities, counts)
    renamed = [np.sort(names[np.array(k, int)], axis=0).tolist() for k in people]
    assert facts(other)[1] == renamed


def test_large_galleries_hear_everybody_before_anybody_twice(monkeypatch):
    monkeypatch.setattr(n, "_IMPOSTOR_FACES", 30)
    monkeypatch.setattr(n, "_GENUINE_FACES", 4)
    random = np.random.default_rng(1)
    person = np.repeat(np.arange(20), [1] * 10 + [40] * 10)
    vectors = unit(random.normal(size=(len(person), 16)))
    pairs = n.named_pairs(vectors, person, seed=1)
    assert pairs.counts.people_pairs == 190
    # 10 people with one face, 10 with two: all pairs but those within people.
    assert pairs.counts.impostor_pairs == 30 * 29 // 2 - 10
    assert pairs.counts.genuine_pairs == 10 * 6
    again, other = (n.named_pairs(vectors, person, seed=s) for s in (1, 2))
    assert again.impostor.similarity.tobytes() == pairs.impostor.similarity.tobytes()
    assert other.impostor.similarity.tobytes() != pairs.impostor.similarity.tobytes()


def test_blocks_join_without_a_seam(monkeypatch):
    arguments = album(3, faces=60)
    whole = n.named_pairs(*arguments)
    monkeypatch.setattr(n, "_ROWS", 7)
    parts = n.named_pairs(*arguments)
    assert parts.counts == whole.counts
    assert parts.impostor.similarity == pytest.approx(whole.impostor.similarity, abs=1e-6)


def test_nobody_and_one_person_make_no_impostors():
    none = np.zeros(0, np.int64)
    assert n.named_pairs(np.zeros((0, 4)), none).counts == (0,) * 9
    one = n.named_pairs(np.eye(3), np.zeros(3, int)).counts
    assert (one.people, one.genuine_pairs, one.impostor_pairs) == (1, 3, 0)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((np.ones((3, 4)), [0, 0, 1]), "vectors"),
        ((np.full((2, 4), np.nan), [0, 1]), "vectors"),
        ((np.ones(4), [0]), "vectors"),
        ((np.eye(3), [0, 1]), "person"),
        ((np.eye(3), [0.0, 1.0, 2.0]), "person"),
        ((np.eye(3), [0, 1, 2], [0, 1]), "photo"),
    ],
)
def test_bad_input_is_named(arguments, name):
    with pytest.raises(ChoiceError, match=f"{name} must be"):
        n.named_pairs(*arguments)
