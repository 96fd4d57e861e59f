"""The noise that is put into folders, and how its removal is judged."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

pytest.importorskip("torch")

from fusiform.lab.papers._people import Split
from fusiform.lab.papers.rec_scale import webface260m as webface
from fusiform.lab.world.crowd import Crowd


@pytest.fixture
def folders(monkeypatch):
    person = np.repeat(np.arange(250), 20)
    faces = Crowd(np.zeros((len(person), 1, 1, 3), np.uint8), person)
    monkeypatch.setattr(webface, "people", lambda seed, size: Split(faces, faces))
    return webface.noisy.__wrapped__(0, "small")


def test_as_many_faces_lie_wrong_as_the_paper_file_says(folders):
    assert folders.wrong.mean() == pytest.approx(0.3, abs=0.03)
    assert folders.faces.people == 200
    assert sorted(set(folders.folder)) == list(range(220))


def test_a_folder_is_of_one_person_and_some_people_have_two(folders):
    right = ~folders.wrong
    homes = {f: set(folders.faces.person[right & (folders.folder == f)]) for f in range(220)}
    assert all(len(who) == 1 for who in homes.values())
    owners = [next(iter(who)) for who in homes.values()]
    assert np.bincount(np.bincount(owners)).tolist() == [0, 180, 20]


def test_removal_is_judged_as_scikit_learn_does():
    random = np.random.default_rng(0)
    removed, wrong = random.random((2, 200)) < 0.3
    found = webface.removal(removed, wrong)
    assert found.precision == pytest.approx(precision_score(wrong, removed))
    assert found.recall == pytest.approx(recall_score(wrong, removed))
    assert found.f1 == pytest.approx(f1_score(wrong, removed))
    assert webface.removal(np.zeros(3, bool), np.zeros(3, bool)).f1 == 0
