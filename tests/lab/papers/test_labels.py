"""Wrong labels on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.lab.papers._labels import mislabelled

PERSON = np.repeat(np.arange(10), 50)


def test_as_many_labels_as_asked_are_wrong_and_all_are_known() -> None:
    for share in (0.0, 0.2, 0.4, 1.0):
        found = mislabelled(PERSON, share, 3)
        assert (found != PERSON).sum() == share * len(PERSON)
        assert set(found) <= set(PERSON)


def test_wrong_labels_are_spread_evenly_and_follow_the_seed() -> None:
    found = mislabelled(PERSON, 1.0, 3)
    count = np.bincount(found, minlength=10)
    assert abs(count - 50).max() < 30
    assert np.array_equal(found, mislabelled(PERSON, 1.0, 3))
    assert not np.array_equal(found, mislabelled(PERSON, 1.0, 4))
    assert np.array_equal(PERSON, np.repeat(np.arange(10), 50))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ChoiceError, match="0 to 1"):
        mislabelled(PERSON, 1.5, 0)
    with pytest.raises(ChoiceError, match="2 people"):
        mislabelled(np.zeros(4, np.int64), 0.5, 0)
