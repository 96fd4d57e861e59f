"""Active self-paced learning: against a fit class by class, and on faces that are easy to tell."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from fusiform.core.errors import ChoiceError
from fusiform.lab.train.faces import unit
from fusiform.lab.train.self_paced import (
    RIDGE,
    UNKNOWN,
    Labels,
    Pace,
    doubtful,
    fitted,
    paced,
    scored,
    self_paced,
)


def crowd(people: int, faces: int, noise: float, seed: int = 0) -> tuple[np.ndarray, Labels]:
    random = np.random.default_rng(seed)
    centres = unit(random.normal(size=(people, 16)))
    person = np.tile(np.arange(people), faces)
    return unit(centres[person] + noise * random.normal(size=(len(person), 16)) / 4), person


@pytest.mark.parametrize("seed", range(3))
def test_each_classifier_is_the_ridge_regression_of_scikit_learn(seed: int) -> None:
    faces, person = crowd(4, 9, 1.0, seed)
    counts = np.random.default_rng(seed).random(len(person)).round(1)
    weights = fitted(faces, person, counts, 4)
    for one in range(4):
        own = person == one
        weight = counts / np.where(own, counts[own].sum(), counts[~own].sum())
        theirs = Ridge(RIDGE).fit(faces, np.where(own, 1.0, -1.0), sample_weight=weight)
        assert np.allclose(weights[:-1, one], theirs.coef_, atol=1e-6)
        assert weights[-1, one] == pytest.approx(theirs.intercept_, abs=1e-6)


def test_faces_that_count_nothing_change_nothing() -> None:
    faces, person = crowd(3, 8, 0.5)
    counts = np.where(np.arange(24) < 12, 1.0, 0.0)
    spoiled = np.where(counts > 0, person, UNKNOWN)
    assert np.allclose(fitted(faces, person, counts, 3), fitted(faces, spoiled, counts, 3))


SCORES = np.array([[1.2, -1.5, -2.0], [0.4, -0.9, -1.0], [0.1, 0.0, -1.0], [-1.0, -0.2, 0.8]])


def test_the_surest_are_labelled_and_weigh_by_their_loss() -> None:
    known = np.array([UNKNOWN, UNKNOWN, UNKNOWN, 2])
    own, weight = paced(SCORES, known, 2 / 3)
    assert own.tolist() == [0, 0, UNKNOWN, UNKNOWN]
    # Losses: 0, then 0.6 + 0.1; the third, 0.9 + 1, is the limit.
    assert weight == pytest.approx([1, 1 - 0.7 / 1.9, 0, 0])


@given(st.floats(0, 1), st.integers(0, 10**6))
def test_paced_faces_are_those_of_least_loss(share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, known = random.normal(size=(12, 4)), random.integers(-1, 2, 12)
    own, weight = paced(scores, known, share)
    loss = []  # spelled out
    for row in scores:
        second, first = sorted(row)[-2:]
        loss.append(max(0, 1 - first) + max(0, 1 + second))
    chosen, left = own >= 0, (own < 0) & (known < 0)
    assert chosen.sum() == round(share * (known < 0).sum())
    assert not (chosen & (known >= 0)).any()
    assert (own[chosen] == scores[chosen].argmax(1)).all()
    assert ((weight >= 0) & (weight <= 1)).all()
    assert not weight[~chosen].any()
    if chosen.any() and left.any():
        assert np.array(loss)[chosen].max() <= np.array(loss)[left].min()


def test_no_share_is_active_learning_alone() -> None:
    own, weight = paced(SCORES, np.full(4, UNKNOWN), 0.0)
    assert (own == UNKNOWN).all()
    assert not weight.any()


def test_the_most_doubtful_are_asked_about_first() -> None:
    known = np.array([UNKNOWN, UNKNOWN, UNKNOWN, 2])
    assert doubtful(SCORES, known, 2).tolist() == [2, 1]
    assert doubtful(SCORES, known, 9).tolist() == [2, 1, 0]


def begun(person: Labels, each: int) -> Labels:
    return np.where(np.arange(len(person)) < each * (person.max() + 1), person, UNKNOWN)


def test_rounds_ask_until_all_is_known_and_never_forget() -> None:
    faces, person = crowd(5, 10, 1.5)
    asked: list[int] = []

    def annotator(rows: Labels) -> Labels:
        asked.extend(rows.tolist())
        return person[rows]

    rounds = list(islice(self_paced(faces, begun(person, 2), 5, annotator, 7), 9))
    assert sorted(asked) == list(range(10, 50))
    assert (rounds[-1].known == person).all()
    for before, after in pairwise(rounds):
        held = before.known >= 0
        assert (after.known[held] == before.known[held]).all()
        assert not after.pace[after.known >= 0].any()


def test_own_labels_help_where_people_are_easy_to_tell() -> None:
    faces, person = crowd(6, 30, 1.2, 3)
    test, truth = crowd(6, 30, 1.2, 3)[0][90:], person[90:]
    known = begun(person[:90], 1)
    last = {}
    for name, pace in (("alone", Pace(0, 0, 0)), ("paced", Pace(0.3, 0.2, 0.9))):
        found = list(islice(self_paced(faces[:90], known, 6, lambda r: person[r], 0, pace), 5))
        last[name] = np.mean(scored(found[-1].weights, test).argmax(1) == truth)
    assert last["paced"] > last["alone"]


def test_others_may_choose_what_is_asked() -> None:
    faces, person = crowd(3, 6, 0.5)
    rounds = self_paced(
        faces, begun(person, 1), 3, lambda r: person[r], 2, None, lambda s, k, n: np.array([17, 16])
    )
    next(rounds)
    assert np.flatnonzero(next(rounds).known >= 0).tolist() == [0, 1, 2, 16, 17]


def test_pace_rises_to_its_last() -> None:
    assert [Pace(0.2, 0.3, 0.7).at(turn) for turn in range(3)] == pytest.approx([0.2, 0.5, 0.7])


def test_impossible_beginnings_are_refused() -> None:
    faces, person = crowd(3, 4, 0.5)
    with pytest.raises(ChoiceError, match="pace"):
        Pace(0.5, 0.1, 0.2)
    with pytest.raises(ChoiceError, match="a label of each of 4 classes"):
        next(self_paced(faces, person, 4, lambda r: r, 1))
