"""Counterfactuals differ in ancestry alone; collected sets are confounded as they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from fusiform.lab.papers.tru_fair import causal_fr_bias as causal
from fusiform.lab.world.crowd import Crowd
from fusiform.lab.world.person import ancestry_name
from fusiform.lab.world.world import World


@pytest.mark.parametrize("base", range(4))
def test_a_counterfactual_changes_ancestry_and_nothing_else(base):
    own = World(causal.WORLD).person(base).traits
    for name in causal.GROUPS:
        other = causal.of_ancestry(base, name)
        assert ancestry_name(other) == name
        assert sorted(other.ancestry) == sorted(own.ancestry)
        assert replace(other, ancestry=own.ancestry) == own
    assert causal.of_ancestry(base, ancestry_name(own)) == own


def test_bones_of_a_counterfactual_are_the_base_s_own():
    world = World(causal.WORLD)
    one, other = (world.person(1, causal.of_ancestry(1, name)) for name in causal.GROUPS)
    assert np.array_equal(one.bones.own, other.bones.own)
    assert np.array_equal(one.bones.ageing, other.bones.ageing)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=20))
def test_ranks_within_people_are_those_of_sorting_each(drawn):
    person, values = np.array(drawn).T
    _, person = np.unique(person, return_inverse=True)
    for falling in (False, True):
        ours = causal.rank(values.astype(float), person, falling)
        for one in np.unique(person):
            mine = values[person == one]
            order = np.argsort(-mine if falling else mine, kind="stable")
            assert ours[person == one][order].tolist() == list(range(len(mine)))


def test_one_group_is_collected_dark_and_turned_away():
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(8), 20)
    light = random.integers(20, 200, len(person))
    images = np.broadcast_to(light[:, None, None, None], (160, 4, 4, 3)).astype(np.uint8)
    facts = {
        "ancestry": np.array(causal.GROUPS)[person % 2],
        "yaw": random.uniform(-50, 50, len(person)),
    }
    seen = causal.confounded(Crowd(images, person, facts))
    assert np.bincount(seen.person).tolist() == [6] * 8
    first = seen.facts["ancestry"] == causal.GROUPS[0]
    yaw, bright = np.abs(seen.facts["yaw"]), seen.images.mean((1, 2, 3))
    assert yaw[first].mean() > yaw[~first].mean() + 10
    assert bright[first].mean() < bright[~first].mean() - 40


def test_all_that_is_made_of_a_base_is_drawn_together():
    counts = causal.again(np.random.default_rng(0), 5)
    assert counts.sum() == 10
    assert (counts[::2] == counts[1::2]).all()
