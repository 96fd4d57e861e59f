"""What grouping promises: the same for every order, pins obeyed, poor faces never bridge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from fusiform.core.errors import ChoiceError
from fusiform.gallery import group


def between(a, b, share):
    """The unit vector `share` of the way from a to b."""
    mixed = (1 - share) * a + share * b
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


def test_finds_the_people(crowd):
    vectors, who = crowd(400, 25)
    labels = group(vectors, 0.5)
    assert adjusted_rand_score(labels, who) == 1
    assert labels[:25].tolist() == list(range(25))  # numbered by first appearance


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(0.2, 0.9))
def test_order_does_not_matter(crowd, seed, threshold):
    rng = np.random.default_rng(seed)
    vectors, _ = crowd(80, 9, d=8, noise=0.9, seed=seed)
    vectors[::7] = vectors[3]  # ties
    facts = {
        "quality": rng.random(80),
        "pins": np.where(rng.random(80) < 0.2, rng.integers(0, 5, 80), -1),
        "photos": rng.integers(0, 40, 80),
    }
    shuffled = rng.permutation(80)
    straight = group(vectors, threshold, **facts)
    moved = {name: values[shuffled] for name, values in facts.items()}
    mixed = group(vectors[shuffled], threshold, **moved)
    assert adjusted_rand_score(straight[shuffled], mixed) == 1


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.floats(0.05, 0.99), st.floats(0, 1))
def test_pins_are_always_obeyed(crowd, seed, threshold, share):
    rng = np.random.default_rng(seed)
    vectors, _ = crowd(60, 5, d=6, noise=1.0, seed=seed)
    pins = np.where(rng.random(60) < share, rng.integers(0, 6, 60), -1)
    labels = group(vectors, threshold, pins=pins, quality=rng.random(60))
    held = pins >= 0
    together = labels[held][:, None] == labels[held]
    assert (together == (pins[held][:, None] == pins[held])).all()


def test_no_two_groups_left_that_should_be_one(crowd):
    vectors, _ = crowd(500, 40, noise=1.1, seed=5)
    labels = group(vectors, 0.4)
    means = np.stack([vectors[labels == g].mean(axis=0) for g in range(labels.max() + 1)])
    alike = means @ means.T
    np.fill_diagonal(alike, -1)
    assert alike.max() < 0.4


def test_a_poor_face_does_not_bridge(crowd):
    (a, b), _ = crowd(2, 2, seed=1)
    middle = between(a, b, 0.5)
    trio = np.stack([a, middle, b])
    threshold = float(middle @ a) - 0.01
    assert len(set(group(trio, threshold).tolist())) == 2
    poor = group(trio, threshold, quality=[1, 0.1, 1])
    assert len(set(poor.tolist())) == 3  # it would have joined either: it joins neither


def test_a_poor_face_joins_on_clear_evidence(crowd):
    vectors, who = crowd(40, 4, noise=0.3)
    quality = np.where(np.arange(40) < 4, 0.0, 1.0)
    assert adjusted_rand_score(group(vectors, 0.5, quality=quality), who) == 1


def test_poor_faces_alone_stay_alone(crowd):
    vectors, _ = crowd(5, 1, noise=0.1)
    assert group(vectors, 0.5, quality=np.zeros(5)).tolist() == [0, 1, 2, 3, 4]


def test_a_pinned_face_counts_however_poor(crowd):
    vectors, _ = crowd(6, 2, noise=0.3)
    labels = group(vectors, 0.5, quality=np.zeros(6), pins=[7, -1, 7, -1, -1, -1])
    assert labels[0] == labels[2] == labels[4]


def test_look_alikes_of_one_photo_stay_two(crowd):
    vectors, _ = crowd(2, 1, noise=0.5, seed=2)
    alike = float(vectors[0] @ vectors[1])
    assert len(set(group(vectors, alike - 0.05))) == 1
    assert len(set(group(vectors, alike - 0.05, photos=[4, 4]))) == 2
    assert len(set(group(vectors, alike - 0.05, photos=[4, 5]))) == 1


def test_siblings_always_seen_together_stay_two(crowd):
    pair, _ = crowd(2, 1, noise=0.55, d=64, seed=4)
    rng = np.random.default_rng(0)
    noise = 0.1 / np.sqrt(64) * rng.normal(size=(20, 64))
    vectors = np.repeat(pair, 10, axis=0) + noise
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    threshold = float(pair[0] @ pair[1]) - 0.05
    assert len(set(group(vectors, threshold))) == 1
    assert len(set(group(vectors, threshold, photos=np.tile(np.arange(10), 2)))) == 2


def test_a_collage_holds_one_person_twice(crowd):
    vectors, _ = crowd(12, 1, noise=0.2)
    photos = np.array([0, 0, *range(1, 11)])  # two prints in one picture
    assert set(group(vectors, 0.6, photos=photos)) == {0}


def test_better_than_density_on_people_of_many_sizes(crowd):
    """A chain of look-alikes joins two people under DBSCAN, not here."""
    (a, b), _ = crowd(2, 2, d=64, seed=3)
    steps = np.linspace(0, 1, 9)
    rng = np.random.default_rng(1)
    blur = 0.15 / 8 * rng.normal(size=(2, 20, 64))
    people = np.concatenate([a + blur[0], b + blur[1], [between(a, b, s) for s in steps]])
    vectors = (people / np.linalg.norm(people, axis=1, keepdims=True)).astype(np.float32)
    truth = np.repeat([0, 1], 20)
    chained = DBSCAN(eps=0.15, min_samples=2, metric="cosine").fit_predict(vectors)[:40]
    assert adjusted_rand_score(truth, chained) < 0.5
    assert adjusted_rand_score(truth, group(vectors, 0.6)[:40]) == 1


def test_no_faces_and_one_face():
    assert group(np.zeros((0, 128), np.float32), 0.9).tolist() == []
    assert group(np.float32([[1, 0]]), 0.9).tolist() == [0]


@pytest.mark.parametrize(
    ("threshold", "facts"), [(1.2, {}), (-1, {}), (0.5, {"pins": [1]}), (0.5, {"quality": [1]})]
)
def test_refuses_what_makes_no_sense(crowd, threshold, facts):
    vectors, _ = crowd(4, 2)
    with pytest.raises(ChoiceError, match="must be"):
        group(vectors, threshold, **facts)


def test_a_person_of_two_looks_draws_faces_by_each(crowd):
    """A child and the grown-up it became, pinned together: new faces of either still join."""
    vectors, who = crowd(40, 4, noise=0.5, seed=3)
    pins = np.where((who < 2) & (np.arange(40) < 20), 7, -1)
    labels = group(vectors, 0.5, pins=pins)
    assert len(set(labels[who < 2].tolist())) == 1
    assert len(set(labels.tolist())) == 3
