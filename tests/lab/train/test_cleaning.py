"""Cleaning folders: against scikit-learn's DBSCAN, SciPy's components, and folders we spoil."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import DBSCAN

from fusiform.core.errors import ChoiceError
from fusiform.lab.train.cleaning import (
    REMOVED,
    Limits,
    cleaned,
    clusters,
    components,
    folder_centres,
    halves,
    level,
    merged_folders,
    near_centre,
    self_trained,
    split_folders,
    strangers,
)
from fusiform.lab.train.faces import Floats, Labels, unit


def crowd(people: int, faces: int, noise: float, seed: int = 0) -> tuple[Floats, Labels]:
    """Unit vectors around one direction a person, person by person."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(people, 32))
    person = np.repeat(np.arange(people), faces)
    vectors = unit(centres)[person] + noise * random.normal(size=(len(person), 32)) / np.sqrt(32)
    return unit(vectors.astype(np.float32)), person


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("near", "core"), [(0.5, 1), (0.6, 2), (0.75, 3)])
def test_clusters_are_those_of_dbscan(seed: int, near: float, core: int) -> None:
    vectors, _ = crowd(3, 12, 0.9, seed)
    ours = clusters(vectors, near, core)
    model = DBSCAN(eps=1 - near, min_samples=core + 1, metric="cosine").fit(vectors)
    theirs, cores = model.labels_, model.core_sample_indices_
    assert np.array_equal(ours == REMOVED, theirs == -1)
    # Borders between two clusters may fall to either; ours go to the most similar core.
    together = ours[cores][:, None] == ours[cores]
    assert np.array_equal(together, theirs[cores][:, None] == theirs[cores])
    cosine = vectors @ vectors.T
    for face in np.setdiff1d(np.flatnonzero(ours >= 0), cores):
        assert ours[face] == ours[cores[cosine[face, cores].argmax()]]


@given(st.integers(0, 12), st.integers(0, 10**6), st.floats(0, 0.5))
def test_components_are_those_of_scipy(n: int, seed: int, density: float) -> None:
    joined = np.random.default_rng(seed).random((n, n)) < density
    joined |= joined.T
    assert components(joined).tolist() == (
        connected_components(joined, directed=False)[1].tolist() if n else []
    )


def test_level_counts_deviations_and_hardly_sees_a_few_pairs_of_one_person() -> None:
    random = np.random.default_rng(0)
    many = random.normal(0.1, 0.05, 100_000).astype(np.float32)
    assert level(many, 3) == pytest.approx(0.25, abs=0.002)
    few = np.append(many, np.full(500, 0.9, np.float32))
    assert level(few, 3) == pytest.approx(level(many, 3), abs=0.002)
    assert np.quantile(few, 0.9987) > 0.8  # where a quantile is set by them alone


def test_strangers_are_of_two_folders() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    assert not strangers(vectors, np.array([5, 5, 9, 9]), pairs=500).any()
    with pytest.raises(ChoiceError, match="at least two"):
        strangers(vectors, np.zeros(4, np.int64))


def test_a_folder_of_two_people_is_split_and_strangers_go() -> None:
    vectors, person = crowd(4, 10, 0.3)
    folders = person.copy()
    folders[20:25] = 0  # half of person 2 stands with person 0,
    folders[[30, 31]] = 1  # and two strangers with person 1
    found = split_folders(vectors, folders, 0.6, 2, 4)
    assert found[:10].tolist() == [0] * 10
    assert found[20:25].tolist() == [1] * 5
    assert found[[30, 31]].tolist() == [REMOVED] * 2
    assert set(found[10:20]) == {2}
    assert (split_folders(vectors, folders, 0.6, 2, 6)[20:25] == REMOVED).all()


def test_folders_of_one_person_are_merged_and_of_doubtful_ones_the_smaller_goes() -> None:
    angles = np.radians([0, 10, 90, 120])
    centres = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    labels = np.array([0, 1, 1, 2, 2, 2, 3, REMOVED])
    both = merged_folders(centres, labels, 0.95, 0.8)
    assert both.tolist() == [0, 0, 0, 1, 1, 1, REMOVED, REMOVED]
    assert merged_folders(centres, labels, 0.95, 0.9).tolist() == [0, 0, 0, 1, 1, 1, 2, -1]
    assert merged_folders(centres, labels, 1.1, 1.1).tolist() == labels.tolist()
    equal = np.array([0, 1, 2, 3])
    assert merged_folders(centres, equal, 1.1, 0.8).tolist() == [0, REMOVED, 1, REMOVED]


def test_centres_are_means_of_what_is_kept() -> None:
    vectors, person = crowd(3, 5, 0.5)
    labels = np.where(np.arange(15) % 5 == 4, REMOVED, person)
    for folder, centre in enumerate(folder_centres(vectors, labels)):
        mean = vectors[labels == folder].mean(0)
        assert np.allclose(centre, mean / np.linalg.norm(mean), atol=1e-6)


def test_halves_of_a_folder_are_compared() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 2, 0, 3, 0, 0]]
    labels = np.array([0, 0, 1, 0, 1, 0, 2])  # of folder 2 there is no other half
    first = unit(np.array([[1, 0, 0, 0], [0, 0, 1, 0]], np.float32))
    second = unit(np.array([[1, 1, 0, 0], [0, 0, 0, 1]], np.float32))
    assert halves(vectors, labels) == pytest.approx((first * second).sum(1))


def spoiled(person: Labels, share: float, seed: int) -> Labels:
    random = np.random.default_rng(seed)
    wrong = random.random(len(person)) < share
    return np.where(wrong, random.integers(person.max() + 1, size=len(person)), person)


@pytest.mark.parametrize("seed", range(3))
def test_spoiled_folders_come_out_clean(seed: int) -> None:
    vectors, person = crowd(30, 20, 0.5, seed)
    folders = spoiled(person, 0.3, seed)
    folders[:10] = 30  # the first person stands in two folders
    found = cleaned(vectors, folders, Limits(same=0.05, doubtful=0.05))
    kept = found != REMOVED
    assert kept[folders == person].mean() > 0.95
    assert kept[(folders != person) & (folders != 30)].mean() < 0.05
    pure = [len(set(person[found == f])) == 1 for f in range(found.max() + 1)]
    assert all(pure)
    assert len(set(found[person == 0]) - {REMOVED}) == 1
    again = near_centre(vectors, spoiled(person, 0.3, seed))
    assert np.mean(again == (spoiled(person, 0.3, seed) == person)) > 0.95


def test_clean_folders_stay_as_they_are() -> None:
    vectors, person = crowd(20, 10, 0.2)
    assert cleaned(vectors, 7 + 3 * person).tolist() == person.tolist()
    assert near_centre(vectors, person).all()


def test_every_round_starts_from_the_raw_folders() -> None:
    bad, _ = crowd(20, 15, 2.5)
    good, person = crowd(20, 15, 0.4)
    folders, seen = spoiled(person, 0.2, 1), []

    def train(labels: Labels):  # type: ignore[no-untyped-def]
        seen.append(labels)
        return lambda: good

    first, second = self_trained(lambda: bad, train, folders)
    assert np.array_equal(first, cleaned(bad, folders))
    assert np.array_equal(second, cleaned(good, folders))
    assert len(seen) == 1
    assert np.array_equal(seen[0], first)
    with pytest.raises(ChoiceError, match="rounds"):
        self_trained(lambda: bad, train, folders, 0)


@pytest.mark.parametrize("wrong", [{"core": 0}, {"fewest": 1}, {"doubtful": 0.6}])
def test_impossible_limits_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ChoiceError, match="limits"):
        Limits(**wrong)  # type: ignore[arg-type]
