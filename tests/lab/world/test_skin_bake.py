"""Baked textures: channels, the same person at any size and age, sides, seams."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import REGIONS, Head
from fusiform.lab.geometry.scene import Label, Texture
from fusiform.lab.world.atlas import Atlas, atlas
from fusiform.lab.world.skin import Patch, Skin, sample_skin
from fusiform.lab.world.skin_bake import Roots, bake, bare
from fusiform.lab.world.skin_colour import lab
from fusiform.lab.world.skin_zones import Z, zones
from fusiform.lab.world.traits import Traits

SIZE = 128
EUROPEAN = Traits((0, 0, 1), 0.0, 30)
WRINKLED = {"browInnerUp": 1.0, "mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}


@pytest.fixture(scope="module")
def skin() -> Skin:
    return sample_skin(rng(11, "skin"), EUROPEAN)


@pytest.fixture(scope="module")
def texture(head: Head, skin: Skin) -> Texture:
    return bake(head, skin, 30, size=SIZE)


def texels(head: Head, texture: Texture) -> tuple[Atlas, np.ndarray]:
    here = atlas(head, len(texture.labels))
    return here, texture.channels[here.index >= 0]


def plain(skin: Skin) -> Skin:
    """The same skin without marks and lines."""
    none = replace(skin.marks, spots=skin.marks.spots[:0], streaks=skin.marks.streaks[:0])
    return replace(skin, marks=none, lines=skin.lines[:0])


def test_channels(head: Head, texture: Texture) -> None:
    assert texture.channels.shape == (SIZE, SIZE, 8)
    assert texture.channels.dtype == np.float32
    assert texture.labels.dtype == np.uint8
    assert np.isfinite(texture.channels).all()
    assert texture.channels[..., :3].min() > 0
    assert texture.channels[..., :3].max() < 0.9
    assert np.abs(texture.channels[..., 3:5]).max() < 2
    for channel in (5, 6, 7):
        assert texture.channels[..., channel].min() >= 0
        assert texture.channels[..., channel].max() <= 1


def test_the_face_has_the_colour_of_skin(head: Head) -> None:
    for ancestry, low, high in (((0, 0, 1), 55, 74), ((0, 1, 0), 48, 72), ((1, 0, 0), 24, 58)):
        for i in range(3):
            traits = Traits(ancestry, 0.5, 30)
            here, values = texels(head, bake(head, sample_skin(rng(i, "s"), traits), 30, size=SIZE))
            colour = lab(values[here.region == REGIONS.index("face")][:, :3]).mean(axis=0)
            assert low < colour[0] < high
            assert 5 < colour[1] < 20
            assert 7 < colour[2] < 25


def test_parts_differ_as_in_life(head: Head, skin: Skin) -> None:
    """Lips and cheeks redder than the temples, lids wet, ears thin, the inner mouth dark."""
    here, values = texels(head, bake(head, plain(skin), 30, size=SIZE))
    label, zone = (
        np.asarray(bake(head, skin, 30, size=SIZE).labels)[here.index >= 0],
        zones(head, here),
    )
    colour = lab(values[:, :3])
    lips = np.isin(label, [Label.UPPER_LIP, Label.LOWER_LIP]) & (here.lip > 0.003)
    temple = zone.share[:, Z["temple"]] > 0.6
    assert colour[lips, 1].mean() > colour[temple, 1].mean() + 4
    mouth = here.region == REGIONS.index("inner_mouth")
    assert colour[mouth, 0].mean() < colour[temple, 0].mean() - 15
    assert values[here.lid < 0.0004, 6].mean() < values[temple, 6].mean()
    ears = zone.share[:, Z["ear"]] > 0.8
    assert values[ears, 7].mean() < 0.6 < values[temple, 7].mean()


def test_real_faces_are_uneven(head: Head, skin: Skin) -> None:
    here, values = texels(head, bake(head, plain(skin), 30, size=SIZE))
    face = here.region == REGIONS.index("face")
    spread = lab(values[face][:, :3]).std(axis=0)
    assert 0.8 < spread[1] < 4


def test_same_bytes_in_any_process(head: Head, skin: Skin, texture: Texture) -> None:
    again = bake(head, skin, 30, size=SIZE)
    assert again.channels.tobytes() == texture.channels.tobytes()
    code = (
        "import hashlib\n"
        "from fusiform.core.seeds import rng\n"
        "from fusiform.lab.geometry.head import load_head\n"
        "from fusiform.lab.world.skin import sample_skin\n"
        "from fusiform.lab.world.skin_bake import bake\n"
        "from fusiform.lab.world.traits import Traits\n"
        "skin = sample_skin(rng(11, 'skin'), Traits((0, 0, 1), 0.0, 30))\n"
        f"b = bake(load_head(), skin, 30, size={SIZE}).channels.tobytes()\n"
        "print(hashlib.sha256(b).hexdigest())\n"
    )
    import hashlib

    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.sha256(texture.channels.tobytes()).hexdigest()


def test_people_differ(head: Head, texture: Texture) -> None:
    other = bake(head, sample_skin(rng(12, "skin"), EUROPEAN), 30, size=SIZE)
    assert np.abs(other.channels[..., :3] - texture.channels[..., :3]).mean() > 0.01


@pytest.mark.parametrize("small", [64, 128])
def test_same_person_at_every_size(head: Head, skin: Skin, small: int) -> None:
    """A texture of double size, averaged down, is nearly the small one: far nearer than another
    person's."""
    fine, coarse = (bake(head, skin, 50, size=s).channels for s in (2 * small, small))
    down = fine.reshape(small, 2, small, 2, 8).mean(axis=(1, 3))
    here = atlas(head, small)
    face = np.asarray(here.spread((here.region < 2) & here.inside)).astype(bool)
    gap = np.abs(down - coarse)[face][:, :3].mean()
    other = bake(head, sample_skin(rng(12, "skin"), EUROPEAN), 50, size=small).channels
    assert gap < 0.012
    assert gap < 0.4 * np.abs(other - coarse)[face][:, :3].mean()


def test_no_seams(head: Head, skin: Skin) -> None:
    """Texels of different islands that lie at the same place on the head have the same colour."""
    from scipy.spatial import cKDTree

    size = 256
    here, values = texels(head, bake(head, plain(skin), 30, size=size))
    rows, columns = np.nonzero(here.index >= 0)
    outer = here.inside & ~np.isin(here.region, [REGIONS.index("inner_mouth")])
    outer &= ~np.isin(here.region, [REGIONS.index("eye_socket_l"), REGIONS.index("eye_socket_r")])
    ids = np.flatnonzero(outer & (here.position[:, 1] > -0.15))
    pairs = cKDTree(here.position[ids]).query_pairs(0.0018, output_type="ndarray")
    a, b = ids[pairs[:, 0]], ids[pairs[:, 1]]
    far = np.hypot(rows[a] - rows[b], columns[a] - columns[b]) > 12
    same = (here.normal[a] * here.normal[b]).sum(axis=1) > 0.8
    a, b = a[far & same], b[far & same]
    assert len(a) > 20
    assert np.abs(values[a, :3] - values[b, :3]).mean() < 0.012


def test_sides_are_alike_but_not_the_same(head: Head, skin: Skin) -> None:
    from scipy.spatial import cKDTree

    here, values = texels(head, bake(head, plain(skin), 30, size=SIZE))
    face = np.flatnonzero((here.region < 2) & (here.position[:, 0] > 0.01))
    gap, there = cKDTree(here.position * [-1, 1, 1]).query(here.position[face])
    close = gap < 0.002
    apart = np.abs(values[face[close], :3] - values[there[close], :3])
    assert 0.001 < apart.mean() < 0.05
    bias = (values[face[close], :3] - values[there[close], :3]).mean()
    assert abs(bias) < 0.03


def test_age_shows(head: Head, skin: Skin) -> None:
    """More relief and more unevenness at each step, on one and the same person."""
    here = atlas(head, SIZE)
    face = np.asarray(here.spread((here.region < 2) & here.inside)).astype(bool)
    rough, spread = [], []
    for age in (10, 30, 50, 70, 88):
        values = bake(head, skin, age, size=SIZE).channels[face]
        rough.append(float(np.sqrt((values[:, 3:5] ** 2).mean())))
        spread.append(float(lab(values[:, :3]).std(axis=0).sum()))
    assert rough == sorted(rough)
    assert spread[-1] > spread[1] > spread[0]


def test_expression_cuts_deeper(head: Head, skin: Skin) -> None:
    still, moved = (bake(head, skin, 45, e, size=SIZE).channels for e in (None, WRINKLED))
    assert (moved[..., 3:5] ** 2).sum() > (still[..., 3:5] ** 2).sum()
    assert moved[..., 7].tobytes() == still[..., 7].tobytes()
    assert np.array_equal(bake(head, skin, 45, {}, size=SIZE).channels, still)


def test_mole_is_dark_and_small(head: Head, skin: Skin) -> None:
    spot = np.zeros((1, 9), np.float32)
    spot[0] = [20, -0.03, 0.003, 1.5, 0, 0, 0, 1, 200]
    bare = plain(skin)
    marked = replace(bare, marks=replace(bare.marks, spots=spot))
    here, before = texels(head, bake(head, bare, 30, size=256))
    _, after = texels(head, bake(head, marked, 30, size=256))
    changed = np.abs(after[:, :3] - before[:, :3]).max(axis=1) > 1e-4
    assert 3 < changed.sum() < 400
    assert (after[changed, 0] <= before[changed, 0]).all()
    middle = here.position[changed].mean(axis=0)
    assert np.linalg.norm(here.position[changed] - middle, axis=1).max() < 0.009
    assert middle[1] == pytest.approx(-0.03, abs=0.002)
    assert middle[0] > 0.02


def test_roots_darken_their_places(head: Head) -> None:
    man = sample_skin(rng(2, "skin"), Traits((0, 0, 1), 1.0, 30))
    here, bare = texels(head, bake(head, man, 30, roots=Roots(brow=0), size=SIZE))
    _, rough = texels(head, bake(head, man, 30, roots=Roots(stubble=1, brow=0), size=SIZE))
    beard = (here.masks["beard"] > 0.8) & (here.lip < -0.002)
    assert rough[beard, :3].mean() < bare[beard, :3].mean() - 0.02
    off = (here.masks["beard"] < 1e-6) & (here.masks["moustache"] < 1e-6)
    assert np.array_equal(rough[off], bare[off])
    _, shaven = texels(head, bake(head, man, 30, roots=Roots(scalp=1, brow=0), size=SIZE))
    top = (here.masks["scalp"] > 0.9) & (here.masks["hairline"] > 0.02)
    assert shaven[top, :3].mean() < bare[top, :3].mean()


@pytest.mark.parametrize(("melanin", "blood", "lighter"), [(-2.5, 0.0, True), (0.0, 1.0, False)])
def test_patches(head: Head, melanin: float, blood: float, lighter: bool) -> None:
    skin = plain(sample_skin(rng(7, "skin"), Traits((1, 0, 0) if lighter else (0, 0, 1), 0, 30)))
    patched = replace(skin, patch=Patch((25.0, -0.03), 0.02, melanin, blood, False))
    _, before = texels(head, bake(head, replace(skin, patch=None), 30, size=SIZE))
    here, after = texels(head, bake(head, patched, 30, size=SIZE))
    changed = np.abs(after[:, :3] - before[:, :3]).max(axis=1) > 0.02
    assert 20 < changed.sum() < 3000
    assert ((after - before)[changed, 1] > 0).mean() == (1.0 if lighter else 0.0)
    assert here.position[changed, 0].mean() > 0.01


@pytest.mark.parametrize("age", [-1, 121])
def test_wrong_age(head: Head, skin: Skin, age: float) -> None:
    with pytest.raises(ChoiceError, match="age"):
        bake(head, skin, age, size=32)


def test_another_day_starts_from_the_same_skin(head: Head, skin: Skin, texture: Texture) -> None:
    """Stubble and make-up are laid on a copy: the kept skin stays as it was."""
    before = bare(head, skin, 30, (), SIZE)
    hairy = bake(head, skin, 30, None, None, Roots(stubble=1, scalp=1), SIZE)
    assert not np.array_equal(hairy.channels, texture.channels)
    assert bare(head, skin, 30, (), SIZE) is before
    assert np.array_equal(bake(head, skin, 30, size=SIZE).channels, texture.channels)
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 0
