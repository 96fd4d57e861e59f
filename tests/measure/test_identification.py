from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score
from sklearn.metrics.pairwise import cosine_similarity

from fusiform.core.errors import ChoiceError
from fusiform.measure import identification as i


@st.composite
def worlds(draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A similarity matrix with many ties; somebody is mated and somebody is not."""
    p, g = draw(st.integers(2, 8)), draw(st.integers(1, 8))
    cells = st.lists(st.integers(-3, 3), min_size=p * g, max_size=p * g)
    similarity = np.array(draw(cells)).reshape(p, g) / 3
    gallery = draw(st.lists(st.integers(0, 3), min_size=g, max_size=g))
    probe = draw(st.lists(st.integers(0, 5), min_size=p - 2, max_size=p - 2))
    return similarity, np.array([gallery[0], 9, *probe]), np.array(gallery)


def literal(similarity, probe, gallery):
    """Rank, mate and best stranger of each probe, by looking at one entry after another."""
    found = []
    for row, name in zip(similarity, probe, strict=True):
        mates = [s for s, other in zip(row, gallery, strict=True) if other == name]
        strangers = [s for s, other in zip(row, gallery, strict=True) if other != name]
        mate = max(mates, default=-np.inf)
        rank = 1 + sum(s >= mate for s in strangers) if mates else 0
        found.append((mate, rank, max(strangers, default=-np.inf)))
    return found


@given(worlds())
def test_searches_are_the_literal_ones(world):
    ours = i.searched(*world)
    assert list(zip(ours.mate, ours.rank, ours.stranger, strict=True)) == literal(*world)
    assert (ours.mated == np.isin(world[1], world[2])).all()


@given(worlds(), st.integers(1, 10))
def test_cmc_and_rank_accuracy_are_literal(world, ranks):
    found = [rank for _, rank, _ in literal(*world) if rank]
    curve = i.cmc(i.searched(*world), ranks)
    assert curve.tolist() == [np.mean([r <= k for r in found]) for k in range(1, ranks + 1)]
    assert curve[-1] == i.rank_accuracy(i.searched(*world), ranks)


@given(worlds(), st.floats(0, 1), st.integers(1, 4))
def test_open_set_rates_are_literal(world, fpir, k):
    """TPIR is the best over all thresholds that keep the rate among non-mated probes."""
    found = literal(*world)
    mated = [(mate, rank) for mate, rank, _ in found if rank]
    highest = [stranger for _, rank, stranger in found if not rank]
    rates = [
        np.mean([mate >= t and rank <= k for mate, rank in mated])
        for t in [*np.unique(world[0]), *np.nextafter(np.unique(world[0]), 9)]
        if np.mean([s >= t for s in highest]) <= fpir
    ]
    ours = i.searched(*world)
    assert i.tpir_at_fpir(ours, fpir, k) == max(rates)
    assert i.fnir_at_fpir(ours, fpir, k) == 1 - max(rates)
    threshold = i.threshold_at_fpir(ours, fpir)
    assert np.mean(ours.stranger[~ours.mated] >= threshold) <= fpir


@given(worlds())
def test_at_full_fpir_only_the_rank_decides(world):
    found = i.searched(*world)
    assert i.tpir_at_fpir(found, 1.0, 2) == i.cmc(found, 2)[1]
    assert i.tpir(found, np.inf) == 0


@given(worlds(), st.randoms(use_true_random=False), st.sampled_from([0.0, 0.2, 0.5]))
def test_neither_order_nor_a_monotone_change_matters(world, random, fpir):
    similarity, probe, gallery = world
    rows, columns = list(range(len(probe))), list(range(len(gallery)))
    random.shuffle(rows)
    random.shuffle(columns)
    one = i.searched(*world)
    other = i.searched(np.exp(similarity)[rows][:, columns], probe[rows], gallery[columns])
    assert (one.rank[rows] == other.rank).all()
    assert i.tpir_at_fpir(one, fpir) == i.tpir_at_fpir(other, fpir)


def faces(seed: int, people: int, spread: float = 0.8):
    random = np.random.default_rng(seed)
    centre = random.normal(size=(people, 8))
    gallery = centre + spread * random.normal(size=centre.shape)
    probes = np.repeat(centre, 3, axis=0) + spread * random.normal(size=(3 * people, 8))
    return probes, gallery, np.repeat(np.arange(people), 3), np.arange(people)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_rank_k_accuracy_is_that_of_scikit_learn(k):
    probes, gallery, probe, names = faces(1, 20)
    truth = top_k_accuracy_score(probe, cosine_similarity(probes, gallery), k=k, labels=names)
    found = i.searched_embeddings(probes, gallery, probe, names)
    assert 0.2 < truth < 0.99
    assert i.rank_accuracy(found, k) == truth


@pytest.mark.parametrize("cells", [1, 37, 100, 10**9])
def test_blocks_do_not_matter(cells):
    probes, gallery, probe, names = faces(2, 20)
    names = names % 7  # several mates, and probes without
    matrix = i.searched(cosine_similarity(probes, gallery), probe, names)
    ours = i.searched_embeddings(probes, gallery, probe, names, cells)
    assert (ours.rank == matrix.rank).all()
    np.testing.assert_allclose(ours.mate, matrix.mate, atol=1e-12)
    np.testing.assert_allclose(ours.stranger, matrix.stranger, atol=1e-12)


def test_a_large_matrix_is_taken_in_blocks(monkeypatch):
    probes, gallery, probe, names = faces(3, 10)
    whole = i.searched(probes @ gallery.T, probe, names)
    monkeypatch.setattr(i, "_CELLS", 25)
    assert (i.searched(probes @ gallery.T, probe, names).rank == whole.rank).all()


def test_ties_stand_before_the_mate():
    found = i.searched(np.ones((1, 4)), ["b"], ["a", "b", "b", "c"])
    assert found.rank == [3]
    assert i.cmc(found, 4).tolist() == [0, 0, 1, 1]


def test_few_non_mated_probes_allow_no_match():
    similarity = [[0.9, 0.1], [0.2, 0.4], [0.4, 0.3]]
    found = i.searched(similarity, [0, 1, 2], [0, 1])
    assert i.threshold_at_fpir(found, 0.01) == np.nextafter(0.4, 1)
    assert i.tpir_at_fpir(found, 0.01) == 0.5


def test_single_precision_keeps_the_threshold_exact():
    similarity = np.array([[0.1, 0.5], [0.5, 0.1]], np.float32)
    found = i.searched(similarity, [1, 7], [0, 1])
    assert i.tpir_at_fpir(found, 0) == 0
    similarity[0, 1] = np.nextafter(similarity[0, 1], np.float32(1))
    assert i.tpir_at_fpir(i.searched(similarity, [1, 7], [0, 1]), 0) == 1


ALL_MATED = i.searched([[1.0, 0.0]], [0], [0, 1])
NONE_MATED = i.searched([[1.0, 0.0]], [5], [0, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: i.searched(np.zeros((0, 2)), [], [0, 1]),
        lambda: i.searched([[np.nan, 0.0]], [0], [0, 1]),
        lambda: i.searched([[1.0, 0.0]], [0, 1], [0, 1]),
        lambda: i.searched([[1.0, 0.0]], [0], [0]),
        lambda: i.searched([[1.0, 0.0]], ["0"], [0, 1]),
        lambda: i.searched_embeddings(np.ones((1, 3)), np.ones((2, 4)), [0], [0, 1]),
        lambda: i.searched_embeddings(np.ones((1, 3)), np.zeros((2, 3)), [0], [0, 1]),
        lambda: i.searched_embeddings(np.ones((0, 3)), np.ones((2, 3)), [], [0, 1]),
        lambda: i.searched_embeddings(np.ones((1, 3)), np.ones((2, 3)), [0], [0, 1], cells=0),
        lambda: i.cmc(NONE_MATED, 1),
        lambda: i.cmc(ALL_MATED, 0),
        lambda: i.rank_accuracy(ALL_MATED, 0),
        lambda: i.tpir(NONE_MATED, 0.5),
        lambda: i.tpir(ALL_MATED, np.nan),
        lambda: i.threshold_at_fpir(ALL_MATED, 0.1),
        lambda: i.threshold_at_fpir(NONE_MATED, 1.5),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
