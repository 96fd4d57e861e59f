"""How many labels an arm needs, counted on faces that are easy to tell."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from fusiform.lab.papers.rec_adapt import aspl
from fusiform.lab.train.faces import unit
from fusiform.lab.train.self_paced import UNKNOWN, Pace


def task(noise, people=4, faces=12):
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(people), faces)
    centres = unit(random.normal(size=(people, 16)))
    vectors = unit(centres[person] + noise * random.normal(size=(len(person), 16)) / 4)
    place = np.tile(np.arange(faces), people)
    judging = place >= 8
    begun = np.where(place < 2, person, UNKNOWN)[~judging]
    return aspl.Task(vectors[~judging], person[~judging], begun, vectors[judging], person[judging])


def test_who_is_told_at_once_needs_no_more_labels(monkeypatch):
    aspl.labels_needed.cache_clear()
    monkeypatch.setattr(aspl, "tasks", lambda seed, size: [task(0.1), task(0.2)])
    assert aspl.labels_needed(0, "tiny", Pace()) == 8
    assert aspl.labels_needed(0, "tiny", aspl.ALONE, anyhow=True) == 8


def test_who_is_never_told_needs_all_that_may_be_asked(monkeypatch):
    aspl.labels_needed.cache_clear()
    monkeypatch.setattr(aspl, "tasks", lambda seed, size: [task(0.1)])
    monkeypatch.setattr(aspl, "ENOUGH", 1.1)
    rounds, questions = aspl.ROUNDS["tiny"], aspl.QUESTIONS["tiny"]
    assert aspl.labels_needed(0, "tiny", aspl.ALONE) == 8 + (rounds + 1) * questions


def test_a_careless_annotator_costs_accuracy_and_none_costs_nothing():
    one = task(1.5)
    right = aspl.progress(one, "tiny", aspl.ALONE, None, 2, 0.0, 8)
    assert right == aspl.progress(one, "tiny", aspl.ALONE, None, 2, 0.0, 8)
    wrong = aspl.progress(one, "tiny", aspl.ALONE, None, 2, 1.0, 8)
    assert right[0] == wrong[0]
    assert right[-1] > wrong[-1]


def test_a_picker_asks_about_unlabelled_faces_only():
    known = np.array([0, UNKNOWN, 1, UNKNOWN, UNKNOWN])
    rows = aspl.picker(0, 0)(np.zeros((5, 2)), known, 2)
    assert len(set(rows.tolist())) == 2
    assert (known[rows] == UNKNOWN).all()
