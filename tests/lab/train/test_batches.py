from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.lab.train.batches import balanced, shuffled


@settings(deadline=None)
@given(n=st.integers(1, 40), batch=st.integers(1, 60), of=st.integers(1, 4), seed=st.integers(0, 9))
def test_every_row_comes_once_an_epoch(n, batch, of, seed):
    """The batches of all parts in turn are the epochs, one after the other."""
    parts = [shuffled(n, batch, seed, (rank, of)) for rank in range(of)]
    steps = -(-3 * n // (batch * of))
    rows = np.concatenate([rows(step) for step in range(steps) for rows in parts])
    assert rows.dtype == np.int64
    for epoch in range(3):
        assert sorted(rows[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_parts_are_disjoint_within_an_epoch():
    parts = [shuffled(60, 5, 1, (rank, 3)) for rank in range(3)]
    seen = [{int(row) for step in range(4) for row in rows(step)} for rows in parts]
    assert all(len(rows) == 20 for rows in seen)
    assert set.union(*seen) == set(range(60))


def test_order_follows_seed_and_step_alone():
    one, other = shuffled(50, 8, 3), shuffled(50, 8, 3)
    backwards = {step: other(step) for step in reversed(range(20))}
    assert all(np.array_equal(one(step), backwards[step]) for step in range(20))
    assert not np.array_equal(one(0), shuffled(50, 8, 4)(0))
    epochs = [
        np.concatenate([shuffled(8, 4, 0)(2 * e), shuffled(8, 4, 0)(2 * e + 1)]) for e in (0, 1)
    ]
    assert not np.array_equal(*epochs)


@pytest.mark.parametrize("wrong", [(0, 1, 0), (1, 0, 0), (3, 1, 0, (1, 1)), (3, 1, 0, (-1, 2))])
def test_impossible_parts_are_refused(wrong):
    with pytest.raises(ChoiceError, match="at least 1, rank below of"):
        shuffled(*wrong)


PERSON = np.repeat([7, 3, 9, 4], [5, 1, 3, 8])


@settings(deadline=None)
@given(people=st.integers(1, 4), faces=st.integers(1, 6), step=st.integers(0, 1000))
def test_balanced_batches_have_so_many_faces_of_so_many_people(people, faces, step):
    rows = balanced(PERSON, people, faces, 0)(step)
    who, count = np.unique(PERSON[rows], return_counts=True)
    assert len(who) == people
    assert (count == faces).all()
    for one in who:
        mine = rows[PERSON[rows] == one]
        assert len(np.unique(mine)) == faces or len(mine) > (one == PERSON).sum()


@pytest.mark.parametrize("of", [2, 4])
def test_parts_of_a_balanced_batch_are_the_whole_one(of):
    parts = [balanced(PERSON, 4 // of, 3, 0, (rank, of)) for rank in range(of)]
    whole = balanced(PERSON, 4, 3, 0)
    for step in range(5):
        assert np.concatenate([rows(step) for rows in parts]).tolist() == whole(step).tolist()
    with pytest.raises(ChoiceError, match="1 to 4 people"):
        balanced(PERSON, 4, 3, 0, (0, of))


def test_balanced_draws_follow_seed_and_step():
    one = balanced(PERSON, 2, 2, 5)
    assert np.array_equal(one(3), balanced(PERSON, 2, 2, 5)(3))
    assert len({tuple(one(step)) for step in range(9)}) > 1
    drawn = np.concatenate([one(step) for step in range(300)])
    assert set(drawn) == set(range(len(PERSON)))
    for wrong in ((0, 1), (5, 1), (2, 0)):
        with pytest.raises(ChoiceError, match="1 to 4 people"):
            balanced(PERSON, *wrong, 0)
