"""Numbers of a card against the measures they are made of."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from fusiform.core.errors import FusiformError
from fusiform.gallery import group
from fusiform.hub.card import Card
from fusiform.lab.recogniser.card import grouping_limit, measured, up
from fusiform.measure.clusters import pairwise_f1
from fusiform.measure.verification import labelled_pairs, pairs, threshold_at_fmr
from fusiform.recognise.compare import probability, threshold


def faces(people=30, each=6, noise=0.9, seed=0):
    draw = np.random.default_rng(seed)
    label = np.repeat(np.arange(people), each)
    vectors = draw.normal(size=(people, 24))[label] + noise * draw.normal(size=(len(label), 24))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), label


def card_of(found):
    plain = {"name": "n", "kind": "embedder", "family": "arcface", "title": "t", "licence": "l"}
    return Card(**plain, training_data="d", **found)


def test_a_card_answers_by_them():
    vectors, label = faces()
    found = measured(vectors, label, "of the test")
    card = Card.from_json(card_of(found).to_json())
    genuine, impostor = pairs(vectors, label)
    for fmr in (1e-2, 1e-3, 1e-4):
        limit = threshold(card, fmr)
        assert limit - threshold_at_fmr(impostor, fmr) == pytest.approx(0, abs=1e-4)
        assert np.mean(impostor >= limit) <= fmr
    rows = card.thresholds
    assert all(row.low <= row.similarity + 1e-4 <= row.high + 2e-4 for row in rows)
    assert probability(card, float(genuine.mean())) > 0.9
    assert probability(card, float(impostor.mean())) < 0.1
    assert found["extra"]["metrics"]["TAR at FAR 0.01"] == pytest.approx(
        np.mean(genuine >= threshold_at_fmr(impostor, 1e-2)), abs=1e-4
    )


def test_what_they_cannot_resolve_is_said():
    few = measured(*faces(people=10), "of the test")
    assert "FMR 0.0001 is beyond these pairs" in few["thresholds_source"]
    assert "TAR at FAR 0.0001" not in few["extra"]["metrics"]
    assert "60 faces of 10 people of the test: 150 genuine" in few["thresholds_source"]
    assert "beyond" not in measured(*faces(people=60, each=4), "of the test")["thresholds_source"]


def test_grouping_finds_the_people_at_that_limit():
    vectors, label = faces(noise=0.5)
    limit = grouping_limit(vectors, label, labelled_pairs(vectors, label))
    assert limit.f1 == pairwise_f1(label, group(vectors, limit.similarity)).f == 1
    hard, who = faces(noise=2.0)
    unsure = grouping_limit(hard, who, labelled_pairs(hard, who))
    for other in (0.0, 0.5, 0.95):
        assert pairwise_f1(who, group(hard, other)).f <= unsure.f1


def test_too_few_people():
    with pytest.raises(FusiformError, match=r"need at least 4 people.*--thresholds-from"):
        measured(*faces(people=3), "of the test")
    with pytest.raises(FusiformError, match="one of them with two pictures"):
        measured(*faces(people=9, each=1), "of the test")


def test_rounding_never_lowers():
    assert up(0.12341) == 0.1235
    assert up(0.5) == 0.5
