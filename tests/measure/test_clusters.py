from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import pair_confusion_matrix

from fusiform.core.errors import ChoiceError
from fusiform.measure.clusters import Agreement, bcubed, pairwise_f1

partitions = st.integers(1, 25).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n)] * 2)
)


def slow_bcubed(truth, labels):
    n = len(truth)
    precision = recall = 0.0
    for i in range(n):
        group = [j for j in range(n) if labels[j] == labels[i]]
        person = [j for j in range(n) if truth[j] == truth[i]]
        both = len(set(group) & set(person))
        precision += both / len(group) / n
        recall += both / len(person) / n
    return precision, recall


@given(partitions)
def test_bcubed_literally(both):
    _, precision, recall = bcubed(*both)
    assert (precision, recall) == pytest.approx(slow_bcubed(*both))


@given(partitions)
def test_pairwise_is_that_of_scikit_learn(both):
    (_, wrong), (missed, right) = pair_confusion_matrix(*both)
    _, precision, recall = pairwise_f1(*both)
    assert precision == pytest.approx(right / (right + wrong) if right + wrong else 1)
    assert recall == pytest.approx(right / (right + missed) if right + missed else 1)


@pytest.mark.parametrize("measure", [pairwise_f1, bcubed])
@given(both=partitions, seed=st.integers(0, 99))
def test_names_and_order_do_not_matter(measure, both, seed):
    random = np.random.default_rng(seed)
    truth, labels = map(np.array, both)
    order = random.permutation(len(truth))
    names = np.array(list("vwxyz"))[random.permutation(5)]
    assert measure(names[truth[order]], labels[order] * 7 - 3) == pytest.approx(
        measure(truth, labels)
    )


@pytest.mark.parametrize("measure", [pairwise_f1, bcubed])
@given(both=partitions)
def test_swapping_swaps_precision_and_recall(measure, both):
    f, precision, recall = measure(*both)
    assert measure(*both[::-1]) == pytest.approx((f, recall, precision))
    assert 0 <= f <= 1
    assert measure(both[0], both[0]) == (1, 1, 1)


def test_by_hand():
    assert pairwise_f1([1, 1, 2, 2], [1, 1, 1, 1]) == pytest.approx((0.5, 1 / 3, 1))
    assert pairwise_f1([1, 1, 2], [1, 2, 3]) == Agreement(0, 1, 0)
    assert bcubed([1, 1, 2, 2], [1, 1, 1, 1]) == pytest.approx((2 / 3, 0.5, 1))


@pytest.mark.parametrize("measure", [pairwise_f1, bcubed])
def test_nothing_is_perfect_and_lengths_must_agree(measure):
    assert measure([], []) == (1, 1, 1)
    with pytest.raises(ChoiceError, match="labels must be"):
        measure([1, 2], [1])


def test_many_groups_take_little_memory():
    # A full contingency table of these would have 10^10 cells.
    ids = np.arange(100_000)
    assert bcubed(ids, ids[::-1]).f == 1
    assert pairwise_f1(ids // 2, ids).precision == 1
