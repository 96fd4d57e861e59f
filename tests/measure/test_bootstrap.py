from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.measure.bootstrap import interval, verification_interval
from fusiform.measure.verification import auc


def test_mean_over_people_has_the_known_width():
    values = np.random.default_rng(1).normal(size=400)
    found = interval(lambda counts: float(np.average(values, weights=counts)), 400, seed=2)
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.high - values.mean() == pytest.approx(half, rel=0.15)
    assert values.mean() - found.low == pytest.approx(half, rel=0.15)


def test_seed_decides_and_level_widens():
    def statistic(counts):
        return float(counts @ np.arange(30) / 30)

    assert interval(statistic, 30, seed=7, rounds=50) == interval(statistic, 30, 7, 50)
    assert interval(statistic, 30, seed=7) != interval(statistic, 30, seed=8)
    narrow, wide = (interval(statistic, 30, seed=7, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low <= narrow.value <= narrow.high < wide.high


def impostor_world(random: np.random.Generator, people: int):
    """Scores a_p + a_q of all pairs of people: a known mean of 0, strong dependence."""
    effect = random.normal(size=people)
    first, second = np.triu_indices(people, k=1)
    return effect[first] + effect[second], first, second


def test_people_cover_the_truth_where_pairs_do_not():
    random = np.random.default_rng(3)
    by_people = by_pairs = 0
    worlds = 120
    for world in range(worlds):
        scores, first, second = impostor_world(random, 25)

        def mean(counts, scores=scores, first=first, second=second):
            return float(np.average(scores, weights=counts[first] * counts[second]))

        found = interval(mean, 25, seed=world, rounds=200)
        by_people += found.low <= 0 <= found.high
        half = 1.96 * scores.std() / np.sqrt(len(scores))
        by_pairs += abs(scores.mean()) <= half
    assert by_people / worlds > 0.87
    assert by_pairs / worlds < 0.65


def test_verification_interval_holds_its_value():
    random = np.random.default_rng(4)
    labels = np.repeat(np.arange(15), 4)
    embeddings = random.normal(size=(15, 8))[labels] + random.normal(size=(60, 8))
    found = verification_interval(auc, embeddings, labels, seed=1, rounds=100)
    assert 0.5 < found.low < found.value < found.high <= 1


def test_draws_without_genuine_pairs_are_left_out():
    # Only one of four people has two pictures; a third of the draws miss that person.
    embeddings, labels = np.eye(5) + 0.1, [0, 0, 1, 2, 3]
    found = verification_interval(lambda g, i: float(len(g) > 0), embeddings, labels, seed=1)
    assert found == (1, 1, 1)


@pytest.mark.parametrize(
    "change", [{"people": 1}, {"rounds": 0}, {"level": 1.0}, {"statistic": lambda counts: np.nan}]
)
def test_bad_input_is_named(change):
    arguments = {"statistic": lambda counts: 1.0, "people": 5, "seed": 0, "rounds": 10}
    with pytest.raises(ChoiceError, match="must be"):
        interval(**(arguments | change))
