"""From person and shot to scene: where the face stands, what is drawn, what hangs on what."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.lab.geometry.camera import matrix, position, project
from fusiform.lab.geometry.head import REGIONS, at, load_head
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.compose import (
    FACE_SPAN,
    HIDDEN,
    INNER,
    Composed,
    background,
    compose,
    hanging,
    iris,
    looking,
    order,
    parted,
    roots_of,
    skin_normals,
    skin_texture,
    texture_size,
    texture_tangents,
    uncovered,
    worn,
)
from fusiform.lab.world.expressions import ARKIT, vector
from fusiform.lab.world.glasses import Glasses
from fusiform.lab.world.hats import HATS, Hat
from fusiform.lab.world.person import founder
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.traits import Traits

BRIDGE, CHIN = 27, 8
WOMAN = founder(6, 1, Traits((0.1, 0.2, 0.7), 0.0, 33.0))
MAN = founder(6, 2, Traits((0.8, 0.1, 0.1), 1.0, 50.0))


@lru_cache(maxsize=32)
def front(fill: float = 0.5, distance: float = 0.9, x: float = 0.0, y: float = 0.0) -> Composed:
    return compose(MAN, Shot(100, fill=fill, distance=distance, offset=(x, y)))


def marks(made: Composed) -> np.ndarray:
    places = at(load_head().landmarks["68"], load_head().triangles, made.posed.vertices)
    return project(made.scene.camera, places)[0]


# Where the face is


@pytest.mark.parametrize("fill", [0.3, 0.5, 0.65])
@pytest.mark.parametrize("distance", [0.4, 1.0, 3.0])
def test_the_face_is_as_large_as_asked(fill, distance):
    """1.35 times bridge to chin is the face's height; a near camera magnifies the nearer."""
    found = marks(front(fill, distance))
    height = np.linalg.norm(found[BRIDGE] - found[CHIN]) * FACE_SPAN
    assert height == pytest.approx(100 * fill, rel=0.03)
    brows = found[17:27, 1].min()
    assert 0.75 < (found[CHIN, 1] - brows) / (100 * fill) < 0.95


def test_the_face_is_in_the_middle_or_where_asked():
    found = marks(front())
    assert abs(found[:, 0].mean() - 50) < 1
    assert abs((found[17:27, 1].min() + found[CHIN, 1]) / 2 - 50) < 5
    moved = marks(front(x=0.1, y=-0.05))
    assert np.allclose(moved - found, [10, -5], atol=1e-3)


@pytest.mark.parametrize("bearing", [(60.0, 0.0, 0.0), (-85.0, 20.0, 15.0), (0.0, -30.0, 30.0)])
def test_turned_faces_stay_in_the_middle(bearing):
    made = compose(WOMAN, Shot(100, bearing=bearing, fill=0.5))
    found = marks(made)
    assert np.allclose(found[[BRIDGE, CHIN]].mean(axis=0), [50, 56], atol=1.5)
    assert (found > 5).all()
    assert (found < 95).all()


def test_the_camera_stands_level_before_the_face():
    made = front(distance=1.2)
    places = at(load_head().landmarks["68"], load_head().triangles, made.posed.vertices)
    way = position(made.scene.camera) - places[[BRIDGE, CHIN]].mean(axis=0)
    assert np.allclose(way, [0, 0, 1.2], atol=1e-5)
    assert np.allclose(made.scene.camera.rotation, np.diag([1, -1, -1]), atol=1e-6)


def test_no_hair_or_hat_touches_the_camera():
    for hat in HATS:
        person = WOMAN.with_hair("afro_large").wearing(hat=Hat(hat))
        made = compose(person, Shot(64, distance=0.4))
        eye = position(made.scene.camera)
        for one in made.scene.surfaces:
            assert (eye[2] - one.vertices[:, 2]).min() > 0.1


# Pose, gaze and expression


@pytest.mark.parametrize("bearing", [(0.0, 0.0, 0.0), (35.0, -12.0, 8.0), (-70.0, 20.0, -15.0)])
def test_skull_turns_by_neck_on_torso(bearing):
    neck = (20.0, 10.0, -5.0)
    made = compose(WOMAN, Shot(48, bearing=bearing, head=neck))
    assert np.allclose(made.posed.skull[:, :3], matrix(*bearing) @ matrix(*neck), atol=1e-6)


def test_lids_follow_the_gaze():
    expression, gaze = looking(Shot(64, gaze=(10.0, 15.0)))
    assert np.allclose(gaze, [[10, 15], [10, 15]])
    down = [ARKIT.index(f"eyeLookDown{side}") for side in ("Left", "Right")]
    assert (expression[down] > 0.1).all()
    still, _ = looking(Shot(64))
    assert not still.any()
    smile = vector({"mouthSmile": 0.5})
    kept, _ = looking(Shot(64, expression=smile))
    assert np.allclose(kept, smile)


def test_lips_part_as_the_jaw_opens():
    opened = compose(WOMAN, Shot(48, expression=vector({"jawOpen": 0.6})))
    closed = compose(WOMAN, Shot(48))
    assert parted(load_head(), closed.posed) < 0.0005
    assert parted(load_head(), opened.posed) > 0.01


# The skin's mesh


def test_texture_vertices_hang_on_their_own():
    head = load_head()
    hung = hanging(head)
    assert np.array_equal(hung.source[head.uv_triangles], head.triangles)
    assert len(hung.outer) + len(hung.inner) == len(head.triangles)
    names = np.array(REGIONS)[head.region]
    assert len(hung.inner) == np.isin(names, INNER).sum()
    assert not np.isin(hung.inside, hung.outer).any()


def test_skin_normals_are_units_and_outward():
    head = load_head()
    normals = skin_normals(head, head.mean)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    scalp = head.masks["scalp"] > 0.5
    away = head.mean[scalp] - head.mean[scalp].mean(axis=0)
    assert ((normals[scalp] * away).sum(axis=1) > 0).mean() > 0.95


def test_tangents_point_along_growing_u():
    """Against a literal solve of each triangle's two edge equations (Lengyel 2001)."""
    head = load_head()
    vertices, uv = front().posed.vertices.astype(float), head.uv.astype(float)
    wanted = np.zeros((len(uv), 3))
    for triangle, charted in zip(head.triangles, head.uv_triangles, strict=True):
        edges = vertices[triangle[1:]] - vertices[triangle[0]]
        steps = uv[charted[1:]] - uv[charted[0]]
        area = np.linalg.det(steps)
        if abs(area) > 1e-12:
            wanted[charted] += np.linalg.solve(steps, edges)[0] * abs(area)
    found = texture_tangents(
        vertices.astype(np.float32), head.triangles, head.uv, head.uv_triangles
    )
    size = np.linalg.norm(wanted, axis=1)
    good = size > 1e-7
    assert good.mean() > 0.99
    cosine = (found * wanted).sum(axis=1)[good] / size[good]
    assert np.quantile(cosine, 0.01) > 0.999
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


# Surfaces


@lru_cache(maxsize=1)
def dressed() -> Composed:
    person = WOMAN.wearing(glasses=Glasses(), hat=Hat("beanie"))
    return compose(person, Shot(96, bearing=(25.0, 5.0, 0.0), expression=vector({"jawOpen": 0.4})))


def test_skin_comes_first_and_lenses_last():
    """Labels rely on it: the skin's triangles count from 0."""
    surfaces = dressed().scene.surfaces
    assert surfaces[0].part == "skin"
    assert [one.cover < 1 for one in surfaces] == sorted(one.cover < 1 for one in surfaces)
    assert surfaces[-1].cover < 1
    empty = replace(surfaces[1], triangles=surfaces[1].triangles[:0])
    assert order((surfaces[-1], empty, surfaces[0])) == (surfaces[0], surfaces[-1])


def test_everything_is_there_and_whole():
    parts = {one.part for one in dressed().scene.surfaces}
    assert {"skin", "left eye", "right eye", "hair", "left brow", "left lashes"} <= parts
    assert {"glasses frame", "left lens"} <= parts
    for one in dressed().scene.surfaces:
        count = len(one.vertices)
        assert 0 <= one.triangles.min() <= one.triangles.max() < count
        for array in (one.normals, one.tangents, one.uv, one.tint, one.openness):
            assert len(array) == count
            assert np.isfinite(array).all()
        used = np.unique(one.triangles)
        assert np.isfinite(one.vertices).all()
        assert np.allclose(np.linalg.norm(one.normals[used], axis=1), 1, atol=1e-2)
        assert one.openness.min() >= 0
        assert one.openness.max() <= 1.001
        assert one.tint.min() >= 0


def test_no_hair_grows_through_a_hat():
    bare = compose(WOMAN.with_hair("long_straight"), Shot(64))
    capped = compose(WOMAN.with_hair("long_straight").wearing(hat=Hat("beanie")), Shot(64))

    def strands(made: Composed) -> int:
        return sum(len(one.triangles) for one in made.scene.surfaces if one.part == "hair")

    assert 0.1 < strands(capped) / strands(bare) < 0.95
    frame = render(capped.scene, 1)
    top = int(np.nonzero((frame.label == Label.HAT).any(axis=1))[0][0])
    assert not (frame.label[:top] == Label.HAIR).any()


def test_a_bald_person_with_nothing_on_is_composed():
    person = WOMAN.with_hair("bald").with_makeup(None).wearing(glasses=None)
    parts = {one.part for one in compose(person, Shot(48)).scene.surfaces}
    assert not parts & {"hair", "beard", "glasses frame"}


def test_uncovered_keeps_free_roots_only():
    from fusiform.lab.world.compose import scalp_hair

    grown = scalp_hair(WOMAN.bones, WOMAN.traits, WOMAN.with_hair("bob").hair, 64)
    head = load_head()
    nothing, all_ = np.zeros(len(head.mean), np.float32), np.ones(len(head.mean), np.float32)
    assert len(uncovered(grown.strands, head, nothing).triangle) == len(grown.strands.triangle)
    assert uncovered(grown.strands, head, all_) is None
    left = (head.mean[:, 0] > 0).astype(np.float32)
    half = uncovered(grown.strands, head, left)
    roots = left[head.triangles[half.triangle]].mean(axis=1)
    assert (roots < HIDDEN).all()
    assert 0.3 < len(half.triangle) / len(grown.strands.triangle) < 0.7


def test_materials_are_what_they_show():
    kinds = {one.part: one.material for one in dressed().scene.surfaces}
    assert kinds["skin"] == Material.SKIN
    assert kinds["left eye"] == Material.EYE
    assert kinds["hair"] == Material.HAIR
    assert kinds["glasses frame"] == Material.GLOSS


# Textures and background


def test_textures_grow_with_the_picture():
    assert [texture_size(size) for size in (16, 112, 256, 512)] == [192, 192, 352, 1024]
    assert [iris(Shot(size)) for size in (112, 256, 512)] == [48, 96, 256]


def test_the_skin_of_a_person_is_baked_once_and_changes_with_age_and_makeup():
    one = skin_texture(WOMAN, 256, ())
    assert skin_texture(WOMAN.wearing(hat=None), 256, ()) is one
    assert one.channels.shape == (256, 256, 8)
    assert np.isfinite(one.channels).all()
    old = skin_texture(WOMAN.at(85), 256, ())
    assert not np.array_equal(old.channels, one.channels)
    assert np.array_equal(old.labels, one.labels)


@given(st.lists(st.floats(0, 1), min_size=52, max_size=52))
@settings(max_examples=30)
def test_worn_lines_are_the_expression_in_few_steps(weights):
    expression = np.array(weights, np.float32)
    found = dict(worn(expression))
    for name, weight in zip(ARKIT, expression, strict=True):
        assert abs(found.get(name, 0.0) - weight) <= 0.126
    assert len(set(found.values())) <= 9
    assert worn(np.zeros(52, np.float32)) == ()


def test_roots_show_how_hair_grows():
    assert roots_of(WOMAN).stubble < 0.01
    bald, full = (roots_of(MAN.with_hair(style)) for style in ("bald", "buzz"))
    assert bald.scalp < full.scalp
    for roots in (bald, full, roots_of(WOMAN)):
        assert 0 <= roots.brow <= 0.3
        assert all(0 <= x <= 1 for x in roots.colour)


def test_the_background_is_the_shots_alone():
    one, other = Shot(40, seed=5), Shot(40, seed=6)
    assert np.array_equal(background(one), background(replace(one, distance=2.0)))
    assert not np.array_equal(background(one), background(other))
    assert background(one).shape == (40, 40, 3)
    asked = replace(one, background="brick", blur=0.0)
    assert not np.array_equal(background(asked), background(one))


def test_only_the_pose_moves_between_pictures_of_one_person():
    """Rest shape, eyes and hair do not depend on what was drawn before."""
    one = compose(WOMAN, Shot(64))
    compose(WOMAN.at(60), Shot(64, bearing=(40.0, 0.0, 0.0)))
    again = compose(WOMAN, Shot(64))
    assert one.rest is again.rest
    for a, b in zip(one.scene.surfaces, again.scene.surfaces, strict=True):
        assert np.array_equal(a.vertices, b.vertices)
        assert np.array_equal(a.tint, b.tint)
