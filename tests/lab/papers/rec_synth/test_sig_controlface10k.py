"""The demographic grid, and the test sets that are drawn from it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import ks_2samp

pytest.importorskip("torch")

from fusiform.lab.papers.rec_synth import sig_controlface10k as sig
from fusiform.lab.world.person import ancestry_name, draw_traits


def test_the_grid_has_as_many_people_as_asked_in_each_cell():
    cells = {("african", "female"): 3, ("european", "male"): 5}
    drawn = list(sig.grid(cells, 0))
    assert Counter(cell for cell, _ in drawn) == cells
    for (ancestry, sex), traits in drawn:
        assert ancestry_name(traits) == ancestry
        assert (traits.male > 0.5) == (sex == "male")
    assert drawn == list(sig.grid(cells, 0))
    assert drawn != list(sig.grid(cells, 1))


def test_within_a_cell_people_are_as_the_world_draws_them():
    random = np.random.default_rng(0)
    world = [t.age for t in (draw_traits(random) for _ in range(600))]
    cell = [traits.age for _, traits in sig.grid({("asian", "female"): 300}, 0)]
    assert ks_2samp(world, cell).pvalue > 0.01


@pytest.mark.parametrize("balanced", [True, False])
def test_test_sets_are_of_one_size_and_of_the_shares_wanted(balanced):
    group = np.repeat(np.arange(6), 72)
    counts = sig.drawn(np.random.default_rng(0), group, "small", balanced)
    found = np.bincount(group, counts).astype(int).tolist()
    assert abs(sum(found) - 144) <= 1
    assert found == ([24] * 6 if balanced else [4, 10, 9, 20, 30, 71])
    assert counts.max() == 1
