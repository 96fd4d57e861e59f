"""Make-up: removable, in its place, in its order, on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import REGIONS, Head
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.atlas import Atlas, atlas
from fusiform.lab.world.makeup import (
    LOOKS,
    ORDER,
    Layer,
    Makeup,
    coverages,
    layers,
    sample_makeup,
    without,
)
from fusiform.lab.world.makeup_patterns import PATTERNS, STYLES
from fusiform.lab.world.skin import sample_skin
from fusiform.lab.world.skin_bake import bake
from fusiform.lab.world.traits import Traits

SIZE = 128
WOMAN = Traits((0.2, 0.2, 0.6), 0.0, 30)
EVERY = [(name, style) for name in ORDER for style in STYLES[name]]
RED = (0.5, 0.02, 0.02)


@pytest.fixture(scope="module")
def here(head: Head) -> Atlas:
    return atlas(head, SIZE)


def cover(head: Head, here: Atlas, name: str, style: str, seed: int = 0) -> np.ndarray:
    layer = Layer(name, style, 1.0, RED, seed=seed)
    return coverages(head, here, Makeup((layer,)))[0][1]


def test_off_means_bare(head: Head) -> None:
    """No layers, strengths of 0 and layers taken off again all give the bare bytes."""
    skin = sample_skin(rng(1, "skin"), WOMAN)
    bare = bake(head, skin, 30, size=SIZE).channels.tobytes()
    full = sample_makeup(rng(1, "makeup"), WOMAN, 0.9, "disguise")
    zero = Makeup(tuple(replace(layer, strength=0.0) for layer in full.layers))
    for makeup in (None, Makeup(), zero, without(full, *ORDER)):
        assert bake(head, skin, 30, makeup=makeup, size=SIZE).channels.tobytes() == bare
    assert bake(head, skin, 30, makeup=full, size=SIZE).channels.tobytes() != bare


@pytest.mark.parametrize(("name", "style"), EVERY)
def test_coverages_are_shares(head: Head, here: Atlas, name: str, style: str) -> None:
    found = cover(head, here, name, style)
    assert found.shape == (len(here.triangle),)
    assert found.min() >= 0
    assert 0.3 < found.max() <= 1.0001
    hidden = np.isin(
        here.region, [REGIONS.index(n) for n in ("inner_mouth", "eye_socket_l", "torso")]
    )
    assert found[hidden].max() < 0.01


@pytest.mark.parametrize(("name", "style"), [e for e in EVERY if e[0] != "paint"])
def test_both_sides_get_the_same(head: Head, here: Atlas, name: str, style: str) -> None:
    found = cover(head, here, name, style) * here.texel**2
    left = float(found[here.position[:, 0] > 0].sum())
    assert left == pytest.approx(float(found.sum()) / 2, rel=0.2)


def test_lipstick_covers_the_lips(head: Head, here: Atlas) -> None:
    found = cover(head, here, "lipstick", "full")
    label = here.labels[here.index >= 0]
    lips = np.isin(label, [Label.UPPER_LIP, Label.LOWER_LIP])
    assert found[lips & (here.lip > 0.002)].min() > 0.95
    assert found[here.lip < -0.006].max() == 0
    wide = cover(head, here, "lipstick", "overdrawn")
    assert wide.sum() > found.sum() > cover(head, here, "lipstick", "blurred").sum() * 0.7


def test_eyes(head: Head, here: Atlas) -> None:
    for style in STYLES["liner"]:
        near = cover(head, here, "liner", style) > 0.5
        assert here.lid[near].max() < 0.02
    shadow = cover(head, here, "shadow", "lid")
    assert shadow[here.lid > 0.015].max() < 0.01
    assert cover(head, here, "shadow", "smoky").sum() > shadow.sum()
    winged, thin = (cover(head, here, "liner", s) for s in ("cat-eye", "thin"))
    assert winged.sum() > thin.sum()


def test_order_is_fixed(head: Head, here: Atlas) -> None:
    made = [Layer(name, STYLES[name][0], 0.5, RED) for name in reversed(ORDER)]
    found = [name for name, _, _ in layers(head, here, Makeup(tuple(made)))]
    assert found == list(ORDER)
    assert tuple(PATTERNS) == ORDER or set(PATTERNS) == set(ORDER)


def test_layers_are_pictures(head: Head, here: Atlas) -> None:
    makeup = Makeup((Layer("blush", "apple", 0.5, (1.0, 0.5, 0.5), 0.1, True),))
    ((name, picture, colour),) = layers(head, here, makeup, (0.4, 0.3, 0.2))
    assert name == "blush"
    assert picture.shape == (SIZE, SIZE)
    assert picture.max() <= 0.5
    assert colour == pytest.approx((0.4, 0.15, 0.1))


def test_full_lipstick_is_its_colour(head: Head, here: Atlas) -> None:
    skin = sample_skin(rng(3, "skin"), WOMAN)
    makeup = Makeup((Layer("lipstick", "full", 1.0, RED, 1.0),))
    values = bake(head, skin, 30, makeup=makeup, size=SIZE).channels[here.index >= 0]
    lips = here.lip > 0.003
    lips &= np.isin(here.region, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")])
    assert np.abs(values[lips, :3] - RED).max() < 0.01
    bare = bake(head, skin, 30, size=SIZE).channels[here.index >= 0]
    assert values[lips, 6].mean() < bare[lips, 6].mean()
    assert values[lips, 5].mean() > bare[lips, 5].mean()
    assert np.array_equal(values[here.lip < -0.01], bare[here.lip < -0.01])


def test_foundation_evens_out(head: Head, here: Atlas) -> None:
    skin = sample_skin(rng(4, "skin"), Traits((0, 0, 1), 0.0, 60))
    makeup = Makeup((Layer("foundation", "all", 0.7, (1, 1, 1), 0.1, True),))
    face = here.region == REGIONS.index("face")
    bare, made = (
        bake(head, skin, 60, makeup=m, size=SIZE).channels[here.index >= 0][face]
        for m in (None, makeup)
    )
    assert (made[:, :3].std(axis=0) < 0.75 * bare[:, :3].std(axis=0)).all()
    assert made[:, :3].mean(axis=0) == pytest.approx(bare[:, :3].mean(axis=0), rel=0.05)
    assert np.abs(made[:, 3:5]).sum() < np.abs(bare[:, 3:5]).sum()


def test_paint_depends_on_its_seed(head: Head, here: Atlas) -> None:
    one, again, two = (cover(head, here, "paint", "triangles", seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("look", LOOKS)
def test_looks(look: str) -> None:
    made = sample_makeup(rng(5, "makeup"), WOMAN, 0.8, look)
    again = sample_makeup(rng(5, "makeup"), WOMAN, 0.8, look)
    assert made == again
    names = {layer.name for layer in made.layers}
    assert ("paint" in names) == (look in ("festival", "disguise"))
    assert ("liner" in names) == (look != "natural")
    assert 0 <= made.mascara <= 1


def test_boldness_counts() -> None:
    def painted(boldness: float, male: float) -> float:
        traits = Traits((0, 0, 1), male, 30)
        drawn = [sample_makeup(rng(i, "m"), traits, boldness) for i in range(150)]
        return float(np.mean([any(x.name == "shadow" for x in m.layers) for m in drawn]))

    assert painted(0.1, 0.0) < 0.1 < painted(0.6, 0.0)
    assert painted(0.6, 1.0) < painted(0.6, 0.0)


def test_without() -> None:
    made = sample_makeup(rng(6, "makeup"), WOMAN, 0.8, "smoky")
    less = without(made, "lipstick", "mascara")
    assert less.mascara == 0
    assert all(layer.name != "lipstick" for layer in less.layers)
    assert len(less.layers) == len(made.layers) - 1


@pytest.mark.parametrize(
    ("name", "style", "strength"),
    [
        ("wig", "all", 0.5),
        ("liner", "smoky", 0.5),
        ("blush", "apple", 1.2),
        ("blush", "apple", -0.1),
    ],
)
def test_wrong_layers(name: str, style: str, strength: float) -> None:
    with pytest.raises(ChoiceError, match="Layer"):
        Layer(name, style, strength, RED)


def test_wrong_choices() -> None:
    with pytest.raises(ChoiceError, match="boldness"):
        sample_makeup(rng(0, "m"), WOMAN, 1.5)
    with pytest.raises(ChoiceError, match="look"):
        sample_makeup(rng(0, "m"), WOMAN, 0.5, "clown")
