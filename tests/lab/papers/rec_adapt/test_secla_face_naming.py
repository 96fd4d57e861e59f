"""Naming faces from captions: bags, agreement, counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fusiform.lab.papers.rec_adapt import secla_face_naming as secla  # noqa: E402

FACE = torch.tensor([[True, True, False], [True, False, False]])
NAME = torch.tensor([[True, False], [True, True]])


def similarity():
    return torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def test_bags_are_means_of_best():
    found = similarity()
    by_face, by_name = secla.bags(found, FACE, NAME)
    for i, j in itertools.product(range(2), range(2)):
        faces = [m for m in range(3) if FACE[i, m]]
        names = [k for k in range(2) if NAME[j, k]]
        best = [max(float(found[i, m, j, k]) for k in names) for m in faces]
        assert float(by_face[i, j]) == pytest.approx(sum(best) / len(faces), abs=1e-5)
        best = [max(float(found[i, m, j, k]) for m in faces) for k in names]
        assert float(by_name[i, j]) == pytest.approx(sum(best) / len(names), abs=1e-5)


def test_a_clear_match_agrees_both_ways():
    clear = torch.full((1, 2, 1, 2), -40.0)
    clear[0, 0, 0, 0] = clear[0, 1, 0, 1] = 40.0
    there = torch.ones(1, 2, dtype=torch.bool)
    assert float(secla.disagreement(clear, there, there)) == pytest.approx(0, abs=1e-6)
    clear[0, 1, 0, 0] = 40.0  # two faces want one name
    clear[0, 1, 0, 1] = -40.0
    assert float(secla.disagreement(clear, there, there)) > 0.1


def test_news():
    person = np.repeat(np.arange(9), 4)
    told = secla.news(person, 200, 3)
    there = told.faces >= 0
    assert there[:, 0].all()
    assert torch.equal(torch.from_numpy(person)[told.faces[there]], told.who[there])
    for faces, names in zip(told.who.tolist(), told.names.tolist(), strict=True):
        seen = {p for p in faces if p >= 0}
        known = [n for n in names if n >= 0]
        assert len(known) == len(set(known)) >= 1
        assert seen & set(known)
        assert len(seen) == sum(p >= 0 for p in faces)  # nobody twice
    assert all(torch.equal(a, b) for a, b in zip(told, secla.news(person, 200, 3), strict=True))


def test_counting_names_clear_faces():
    person = np.repeat(np.arange(12), 5)
    vectors = np.eye(12, dtype=np.float32)[person]
    assert secla.counted(vectors, secla.news(person, 300, 1)) > 0.98


def test_only_faces_that_are_named_count():
    told = secla.News(
        torch.tensor([[0, 1, 2, -1, -1, -1], [0, 1, -1, -1, -1, -1]]),
        torch.tensor([[7, 8, -1, -1, -1, -1], [7, 8, -1, -1, -1, -1]]),
        torch.tensor([[7, 8, 9, -1, -1, -1], [7, 8, -1, -1, -1, -1]]),
    )
    given = torch.tensor([[7, 7, 7, 7, 7, 7], [8, 7, 7, 7, 7, 7]])
    assert secla.rightly(given, told) == 0.5  # two named faces in the one photo of three
