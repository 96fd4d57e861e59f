"""Clips by name: average precision, arms, aligned and super-resolved crops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from fusiform.core.align import template
from fusiform.lab.papers._landmarks import cut
from fusiform.lab.papers.rec_lowres import fanvid as paper

BOXES = np.tile([2.0, 2, 12, 14], (4, 3, 1))


@given(st.integers(0, 1000))
def test_precision_agrees_with_scikit_learn(seed: int):
    random = np.random.default_rng(seed)
    truth = np.tile([2.0, 2, 12, 14], (5, 4, 1))
    listed = np.array([0, 1, 3])
    named, sure = listed[random.integers(3, size=(5, 4))], random.random((5, 4))
    ours = paper.named_precision(named, sure, truth, truth, listed)
    theirs = []
    for person in listed:
        said = named == person
        right = (said & (np.arange(5) == person)[:, None])[said]
        # Who is never named rightly has none; the rest is theirs times the recall reached, but
        # theirs does not make precision non-increasing.
        found = average_precision_score(right, sure[said]) if right.any() else 0
        theirs.append(found * right.sum() / 4)
    assert ours >= np.mean(theirs) - 1e-9
    assert ours <= 1


def test_precision_of_right_names_and_of_wrong_ones():
    listed = np.arange(4)
    right = np.repeat(listed[:, None], 3, 1)
    sure = np.ones((4, 3))
    assert paper.named_precision(right, sure, BOXES, BOXES, listed) == 1
    assert paper.named_precision((right + 1) % 4, sure, BOXES, BOXES, listed) == 0
    assert paper.named_precision(right, sure, BOXES + 8, BOXES, listed) == 0


def test_a_stranger_who_is_surer_costs_precision():
    listed = np.array([0])
    named = np.zeros((2, 1), np.int64)
    boxes = BOXES[:2, :1]
    low, high = (np.array([[0.5], [s]]) for s in (0.1, 0.9))
    assert paper.named_precision(named, low, boxes, boxes, listed) == 1
    assert paper.named_precision(named, high, boxes, boxes, listed) == 0.5


def test_names_of_clips_and_of_frames():
    listed = np.array([0, 2])
    frames = np.zeros((4, 3, 2))
    frames[0, :, 0], frames[2, 0, 1], frames[2, 1:, 0] = 1, 1, 1
    found = paper.judged(frames, listed, BOXES, BOXES)
    assert found.rank1 == 4 / 6
    clips = paper.judged(np.array([[1.0, 0], [0, 0], [0, 1], [0, 0]]), listed, BOXES, BOXES)
    assert clips.rank1 == 1


def test_frames_all_alike_are_resolved_to_the_same_face():
    y, x = np.mgrid[:24, :24]
    frame = (128 + 60 * np.sin(x / 3) * np.cos(y / 4)).astype(np.uint8)
    frames = np.broadcast_to(frame[None, None, :, :, None], (1, 5, 24, 24, 3)).copy()
    points = np.broadcast_to(template("arcface112").points * (20 / 112) + 2, (1, 5, 5, 2))
    plain = cut(frames[:, 0], points[:, 0], 32).astype(float)
    fine = paper.resolved(frames, points.astype(np.float64)).astype(float)
    assert np.abs(plain - fine).mean() < 4
