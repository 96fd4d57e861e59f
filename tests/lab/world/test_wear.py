from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.clothes import Clothes, sample_clothes
from fusiform.lab.world.hands import Occluder, sample_occluder
from fusiform.lab.world.hats import Hat, sample_hat
from fusiform.lab.world.jewellery import Jewellery
from fusiform.lab.world.masks import Mask, sample_mask
from fusiform.lab.world.shapes import about_y, sphere
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.wear import (
    Shares,
    Wardrobe,
    agreed,
    build,
    fit,
    hiding,
    sample_wardrobe,
    skin_tone,
)
from fusiform.lab.world.wear_fabric import PATTERNS, Fabric, fabric_texture, sample_fabric
from fusiform.lab.world.wear_piece import clinging, settle

STILL = np.eye(4, dtype=np.float32)[:3]
SOMEBODY = Traits((0.3, 0.3, 0.4), 0.5, 35)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_fabrics_are_textures(pattern):
    fabric = Fabric(pattern, (0.1, 0.2, 0.3), (0.5, 0.4, 0.1), seed=3)
    texture = fabric_texture(fabric, Label.HAT, 64)
    assert texture.channels.shape == (64, 64, 8)
    assert texture.channels.dtype == np.float32
    assert (texture.labels == int(Label.HAT)).all()
    assert 0 < texture.channels[..., :3].min() <= texture.channels[..., :3].max() <= 0.8
    assert np.abs(texture.channels[..., 3:5]).max() <= 0.9
    first = texture.channels.tobytes()
    fabric_texture.cache_clear()
    assert fabric_texture(fabric, Label.HAT, 64).channels.tobytes() == first
    if pattern in ("plain", "knit"):
        assert texture.channels[..., :3].mean((0, 1)) == pytest.approx([0.1, 0.2, 0.3], rel=0.1)


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        (Hat, "crown"),
        (Mask, "veil"),
        (Clothes, "toga"),
        (Occluder, "elephant"),
        (Jewellery, "anklet"),
        (Fabric, "tartan"),
    ],
)
def test_unknown_kinds_are_refused(what, wrong):
    with pytest.raises(ChoiceError, match=wrong):
        what(wrong)


def test_shares_are_checked():
    with pytest.raises(ChoiceError, match="hat"):
        Shares(hat=1.5)
    with pytest.raises(ChoiceError, match="glasses"):
        Shares(glasses=0.7, dark=0.6)
    with pytest.raises(ChoiceError, match="share"):
        hiding(2.0)


def test_shares_come_out_near_those_asked_for():
    asked = Shares(0.3, 0.1, 0.2, 0.15, 0.4, 0.2, 0.1, 0.25)
    drawn = []
    for i in range(1200):
        traits = Traits((0.3, 0.3, 0.4), i % 2, 30)
        drawn.append(sample_wardrobe(rng(8, i), traits, asked))
    clear = np.mean([w.glasses is not None and w.glasses.cover < 0.5 for w in drawn])
    dark = np.mean([w.glasses is not None and w.glasses.cover > 0.5 for w in drawn])
    assert clear == pytest.approx(0.3, abs=0.045)
    assert dark == pytest.approx(0.1, abs=0.03)
    assert np.mean([w.hat is not None for w in drawn]) == pytest.approx(0.2, abs=0.04)
    assert np.mean([w.mask is not None for w in drawn]) == pytest.approx(0.15, abs=0.035)
    assert np.mean([w.occluder is not None for w in drawn]) == pytest.approx(0.25, abs=0.04)
    ears = np.mean([bool(w.jewellery and w.jewellery.earrings) for w in drawn])
    assert ears == pytest.approx(0.4, abs=0.08)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_one_share_is_the_chance_that_anything_hides_the_face(share):
    drawn = [sample_wardrobe(rng(9, i), SOMEBODY, share) for i in range(900)]
    some = np.mean([any((w.glasses, w.hat, w.mask, w.occluder)) for w in drawn])
    assert some == pytest.approx(share, abs=0.05)


def test_each_thing_has_its_own_stream():
    few = Shares(glasses=0.5, hat=0.0, mask=0.0)
    many = replace(few, hat=1.0)
    for i in range(30):
        one = sample_wardrobe(rng(4, i), SOMEBODY, few)
        two = sample_wardrobe(rng(4, i), SOMEBODY, many)
        assert one.glasses == two.glasses
        assert two.hat is not None
        assert one == sample_wardrobe(rng(4, i), SOMEBODY, few)


def test_clashes_are_settled():
    w = agreed(Wardrobe(Clothes("jacket"), hat=Hat("hood"), jewellery=Jewellery("hoop", "beads")))
    assert w.clothes.kind == "crew"
    assert w.clothes.fabric == w.hat.fabric
    assert (w.jewellery.earrings, w.jewellery.necklace) == ("", "")
    w = agreed(Wardrobe(Clothes("turtleneck"), jewellery=Jewellery(necklace="chain", size=1.0)))
    assert w.clothes.kind == "v-neck"
    assert w.jewellery.size <= 0.6


def everything():
    return Wardrobe(
        Clothes("shirt"),
        hat=Hat("cap"),
        mask=Mask(),
        jewellery=Jewellery("hoop", nose=True),
        occluder=Occluder("peace"),
    )


def test_building_repeats_and_keeps_lenses_last(head):
    rest = head.mean
    wardrobe = sample_wardrobe(
        rng(1, "all"), SOMEBODY, Shares(1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    )
    surfaces, hidden = build(wardrobe, head, rest, rest, STILL, STILL)
    assert hidden.shape == (len(rest),)
    covers = [s.cover < 1 for s in surfaces]
    assert covers == sorted(covers)
    assert {s.label for s in surfaces} >= {Label.CLOTH, Label.GLASSES, Label.OCCLUDER}
    again, _ = build(wardrobe, head, rest, rest, STILL, STILL)
    for a, b in zip(surfaces, again, strict=True):
        assert a.vertices.tobytes() == b.vertices.tobytes()
        assert a.vertices.dtype == a.normals.dtype == a.tint.dtype == np.float32


def test_a_still_person_wears_things_where_they_were_fitted(head):
    rest = head.mean
    pieces, _, _ = fit(everything(), head, rest)
    surfaces, _ = build(everything(), head, rest, rest, STILL, STILL)
    for piece, surface in zip(pieces, surfaces, strict=True):
        assert np.allclose(piece.mesh.vertices, surface.vertices, atol=2e-6)
        assert np.allclose(piece.mesh.normals, surface.normals, atol=1e-4)


def test_everything_goes_along_when_the_whole_person_turns(head):
    rest = head.mean
    turn = about_y(35).astype(np.float32)
    move = np.concatenate([turn, [[0.1], [0.02], [-0.3]]], 1).astype(np.float32)
    posed = (rest @ turn.T + move[:, 3]).astype(np.float32)
    still, _ = build(everything(), head, rest, rest, STILL, STILL)
    turned, _ = build(everything(), head, rest, posed, move, move)
    for a, b in zip(still, turned, strict=True):
        assert np.allclose(a.vertices @ turn.T + move[:, 3], b.vertices, atol=2e-5), a.part
        assert np.allclose(a.normals @ turn.T, b.normals, atol=2e-3), a.part


def test_turning_the_head_leaves_the_torso_where_it_is(head):
    pieces, _, chosen = fit(Wardrobe(), head, head.mean)
    free = head.masks["torso"] < 0.5
    posed = np.where(free[:, None], head.mean @ about_y(50).T.astype(np.float32), head.mean)
    assert np.allclose(settle(head.mean, posed.astype(np.float32), chosen), STILL, atol=1e-6)
    assert all(p.follow == "torso" for p in pieces)


def test_a_rigid_move_is_recovered():
    points = rng(0, "points").normal(size=(50, 3)).astype(np.float32)
    turn, shift = about_y(20), np.array([0.1, -0.2, 0.3])
    found = settle(points, (points @ turn.T + shift).astype(np.float32), np.arange(50))
    assert np.allclose(found[:, :3], turn, atol=1e-5)
    assert np.allclose(found[:, 3], shift, atol=1e-5)


def test_hands_have_the_tone_of_the_person(head):
    wardrobe = Wardrobe(occluder=Occluder("wave", tone=(0.1, 0.06, 0.04)))
    own, _ = build(wardrobe, head, head.mean, head.mean, STILL, STILL)
    given, _ = build(wardrobe, head, head.mean, head.mean, STILL, STILL, tone=(0.5, 0.3, 0.2))
    hand = next(i for i, s in enumerate(own) if s.part == "hand")
    assert own[hand].tint.mean() < 0.1 < given[hand].tint.mean()
    assert skin_tone(Traits((1, 0, 0), 0, 20))[0] < skin_tone(Traits((0, 0, 1), 0, 20))[0]


@pytest.mark.parametrize("draw", [sample_hat, sample_mask, sample_clothes])
def test_samplers_give_all_kinds_and_repeat(draw):
    drawn = [draw(rng(3, i)) for i in range(300)]
    assert len({d.kind for d in drawn}) >= 5
    assert draw(rng(3, 8)) == drawn[8]


def test_occluder_and_fabric_samplers_repeat():
    tone = (0.3, 0.2, 0.1)
    assert sample_occluder(rng(1), tone) == sample_occluder(rng(1), tone)
    assert sample_fabric(rng(2)) == sample_fabric(rng(2))
    assert {sample_fabric(rng(2, i)).pattern for i in range(200)} == set(PATTERNS)


def test_clinging_finds_the_nearest_skin(head):
    """Against all distances, sorted."""
    chosen = np.arange(0, len(head.mean), 7)
    mesh = sphere(0.09, 6, 8)
    index, weight = clinging(mesh, head.mean, chosen)
    apart = ((mesh.vertices[:, None].astype(np.float64) - head.mean[chosen][None]) ** 2).sum(-1)
    order = np.argsort(apart, axis=1)[:, :4]
    assert (index == chosen[order]).all()
    near = np.take_along_axis(apart, order, 1) + 1e-5
    assert weight == pytest.approx((1 / near) / (1 / near).sum(1, keepdims=True), rel=1e-3)
