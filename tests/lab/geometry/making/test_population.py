"""Who is drawn: traits, sliders, and what they do to the targets."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.seeds import rng
from fusiform.lab.geometry.making.population import (
    AGEING,
    CAP,
    HEAVIER,
    SKIPPED,
    corner_weights,
    draw_sample,
    draw_sliders,
    draw_traits,
    named_weights,
    push,
    semantic_targets,
    sliders,
)
from fusiform.lab.geometry.making.source import Source, macro_weights, target_index
from fusiform.lab.geometry.semantics import AGEING_TRAITS, FEATURES, features

f32 = np.float32


def test_traits_are_what_they_say() -> None:
    ancestry, male, age, weight, ageing = draw_traits(4000, rng(1, "traits"))
    assert np.abs(ancestry.sum(axis=1) - 1).max() < 1e-5
    assert np.abs(ancestry.mean(axis=0) - 1 / 3).max() < 0.03
    assert male.min() >= 0
    assert male.max() <= 1
    assert male.mean() == pytest.approx(0.5, abs=0.03)
    assert age.min() >= 5
    assert age.max() <= 88
    assert (age < 18).mean() == pytest.approx(0.12, abs=0.02)
    assert np.abs(weight).max() <= 1
    assert ageing.shape == (4000, AGEING_TRAITS) == (4000, len(AGEING))
    assert ageing.mean() == pytest.approx(0.4, abs=0.02)


def test_same_seed_same_people(source: Source) -> None:
    one, two = (draw_sample(source, 20, rng(3, "people")) for _ in range(2))
    assert np.array_equal(one.features, two.features)
    assert np.array_equal(one.sliders, two.sliders)
    other = draw_sample(source, 20, rng(4, "people"))
    assert not np.array_equal(one.sliders, other.sliders)


def test_sliders_take_local_targets_once(source: Source) -> None:
    rows = [row for one in sliders(source) for row in one[:4] if row >= 0]
    assert len(rows) == len(set(rows))
    local = [i for i, name in enumerate(source.names) if name.startswith("local_")]
    skipped = [i for i in local if any(word in source.names[i] for word in SKIPPED)]
    assert set(rows) == set(local) - set(skipped)


def test_no_slider_moves_far(source: Source) -> None:
    reach = np.abs(source.targets).max(axis=(1, 2))
    for one in sliders(source):
        assert 0 < one.sigma * reach[one.up] <= CAP * (1 + 1e-5)


def test_opposites_are_never_both_on(source: Source) -> None:
    weights = draw_sliders(source, 500, rng(1, "sliders"))
    assert weights.min() >= 0
    for one in sliders(source):
        if one.down >= 0:
            assert not ((weights[:, one.up] > 0) & (weights[:, one.down] > 0)).any()
        if one.twin_up >= 0 and one.down >= 0:
            assert np.corrcoef(weights[:, one.up], weights[:, one.twin_up])[0, 1] > 0.8


def test_push_splits_by_sign() -> None:
    weights = np.zeros((3, 2), f32)
    push(weights, 0, 1, np.array([0.5, -0.25, 0.0]))
    assert np.allclose(weights, [[0.5, 0], [0, 0.25], [0, 0]])
    push(weights, 0, -1, np.array([0.0, -1.0, 1.0]))
    assert np.allclose(weights, [[0.5, 0], [0, 0.25], [1, 0]])


def test_features_times_targets_are_the_sources_rule(source: Source) -> None:
    """Corners are linear in ancestry, sex and age knots, so the source's own rule comes out."""
    ancestry = f32([[0.2, 0.5, 0.3], [1, 0, 0]])
    male, age, half = f32([0.3, 1]), f32([14, 60]), f32([0.5, 0.5])
    known = features(ancestry, male, age, f32([0, 0]), np.zeros((2, AGEING_TRAITS), f32))
    wanted = macro_weights(source, ancestry, male, age, half, half)
    assert np.abs(known @ semantic_targets(source) - wanted).max() < 1e-5


def test_semantic_targets_have_a_row_for_every_feature(source: Source) -> None:
    rows = semantic_targets(source)
    assert rows.shape == (FEATURES, len(source.targets))
    assert np.array_equal(rows[5], corner_weights(source, 0, 1, 1))
    assert np.array_equal(rows[25], named_weights(source, HEAVIER))


def test_a_star_stands_for_both_sides(source: Source) -> None:
    found = named_weights(source, {"cheek/*-cheek-volume-incr": 0.5})
    rows = [target_index(source, f"local_cheek/{s}-cheek-volume-incr") for s in "lr"]
    assert np.allclose(found[rows], 0.5)
    assert found.sum() == pytest.approx(1)
