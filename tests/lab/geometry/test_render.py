"""Pictures against geometry and formulas that need no renderer."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.camera import look_at, portrait, project, unproject
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import Label, Lamp, Lighting, Material, Scene, Surface, Texture

Floats = NDArray[np.float32]
SIZE = 48
EVEN = np.eye(9, 3, dtype=np.float32)[:, :1].repeat(3, 1) / np.float32(0.282095)  # radiance 1


def made(
    vertices: Floats, triangles: NDArray[np.int32], normals: Floats, **more: object
) -> Surface:
    count = len(vertices)
    tangents = np.tile(np.float32([1, 0, 0]), (count, 1))
    fields: dict[str, object] = {
        "part": "thing",
        "material": Material.CLOTH,
        "tangents": tangents,
        "uv": np.zeros((count, 2), np.float32),
        "tint": np.full((count, 3), 0.5, np.float32),
        "openness": np.ones(count, np.float32),
        "gloss": (0.0, 0.5),
    }
    return Surface(vertices=vertices, triangles=triangles, normals=normals, **{**fields, **more})  # type: ignore[arg-type]


def ball(
    centre: tuple[float, float, float], radius: float, steps: int = 60, **more: object
) -> Surface:
    tilt, turn = np.meshgrid(np.linspace(0, np.pi, steps), np.linspace(0, 2 * np.pi, 2 * steps + 1))
    n = np.stack([np.sin(tilt) * np.sin(turn), np.cos(tilt), np.sin(tilt) * np.cos(turn)], -1)
    a = np.arange(2 * steps)[:, None] * steps + np.arange(steps - 1)
    b, c, d = a + 1, a + steps, a + steps + 1
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)], 2).reshape(-1, 3)
    n = n.reshape(-1, 3).astype(np.float32)
    return made(n * np.float32(radius) + np.float32(centre), triangles.astype(np.int32), n, **more)


def wall(z: float, half: float = 1.0, **more: object) -> Surface:
    """A square across z that faces the camera; u to the right of the picture, v down."""
    corners = np.float32([[-half, half, z], [half, half, z], [-half, -half, z], [half, -half, z]])
    triangles = np.int32([[0, 2, 1], [1, 2, 3]])
    uv = np.float32([[0, 0], [1, 0], [0, 1], [1, 1]])
    return made(corners, triangles, np.tile(np.float32([0, 0, 1]), (4, 1)), **{"uv": uv, **more})


def lamp(way: tuple[float, float, float], size: float = 0.02, shadow: bool = True) -> Lamp:
    unit = np.float32(way) / np.linalg.norm(way).astype(np.float32)
    return Lamp(unit, np.float32([0.9, 0.8, 0.7]), size, shadow)


def scene(
    *surfaces: Surface, lamps: tuple[Lamp, ...] = (), sky: Floats = EVEN, size: int = SIZE
) -> Scene:
    camera = portrait(1.0, 0.4, size, (0, 0, 0))
    ground = np.full((size, size, 3), 0.25, np.float32)
    return Scene(surfaces, camera, Lighting(sky, lamps), ground)


def test_a_ball_has_the_depth_normals_and_outline_of_a_sphere() -> None:
    it = scene(ball((0.02, -0.01, 0.05), 0.1, steps=160), size=96)
    got = render(it, 4)
    rows, columns = np.mgrid[:96, :96] + 0.5
    camera = it.camera
    ends = unproject(camera, np.stack([columns.ravel(), rows.ravel()], 1), np.ones(96 * 96))
    eye = np.array([0.0, 0.0, 1.0])
    way = ends - eye  # one metre of depth along each ray
    to = eye - [0.02, -0.01, 0.05]
    a, b, c = (way**2).sum(1), way @ to, to @ to - 0.01
    root = b * b - a * c
    z = (-b - np.sqrt(np.maximum(root, 0))) / a
    normal = ((eye + z[:, None] * way) - [0.02, -0.01, 0.05]) / 0.1 @ camera.rotation.T
    deep = (root > 0.03 * 0.01).reshape(96, 96)
    hit = got.surface == 0
    assert (hit != (root > 0).reshape(96, 96)).mean() < 0.003
    np.testing.assert_allclose(got.buffers.depth[deep], z.reshape(96, 96)[deep], atol=1e-4)
    np.testing.assert_allclose(got.normal[deep], normal.reshape(96, 96, 3)[deep], atol=2e-3)
    assert np.isinf(got.buffers.depth[~hit]).all()
    assert got.alpha.sum() == pytest.approx((root > 0).sum(), rel=0.01)


def test_a_matt_ball_under_one_lamp_is_lamberts() -> None:
    light = lamp((0.5, 0.6, 0.7), shadow=False)
    got = render(scene(ball((0, 0, 0), 0.12), lamps=(light,), sky=0 * EVEN), 1)
    facing = got.normal @ (render_axes() @ light.direction)
    wanted = 0.5 * np.maximum(facing, 0)[..., None] * light.colour
    on = got.surface >= 0
    np.testing.assert_allclose(got.image[on], wanted[on], atol=1e-5)


def render_axes() -> Floats:
    return portrait(1.0, 0.4, SIZE, (0, 0, 0)).rotation


def test_even_light_gives_the_albedo_times_openness() -> None:
    surface = wall(0.0, openness=np.full(4, 0.6, np.float32))
    np.testing.assert_allclose(render(scene(surface)).image, 0.3, rtol=1e-5)


def test_buffers_point_at_what_is_seen() -> None:
    it = scene(wall(-0.1), ball((0.03, 0, 0.02), 0.08))
    got = render(it, 2)
    both = np.concatenate([s.vertices[s.triangles] for s in it.surfaces])
    seen = got.buffers.triangle >= 0
    assert seen.all()
    points = (got.buffers.barycentric[..., None] * both[got.buffers.triangle]).sum(-2)
    pixels, depth = project(it.camera, points.reshape(-1, 3))
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    np.testing.assert_allclose(pixels, np.stack([columns.ravel(), rows.ravel()], 1), atol=2e-3)
    np.testing.assert_allclose(depth, got.buffers.depth.ravel(), rtol=1e-4)
    assert ((got.buffers.triangle >= 2) == (got.surface == 1)).all()


def test_a_ball_throws_its_shadow_where_rays_say() -> None:
    light = lamp((0.5, 0.3, 0.8), size=0.005)
    centre, radius = np.array([0.0, 0.0, 0.1]), 0.04
    it = scene(wall(-0.05), ball((0, 0, 0.1), radius), lamps=(light,), sky=0 * EVEN, size=96)
    got = render(it, 2)
    alone = ndimage.minimum_filter(got.surface == 0, 3)  # no pixel that shows the ball as well
    rows, columns = np.nonzero(alone)
    points = unproject(
        it.camera, np.stack([columns, rows], 1) + 0.5, got.buffers.depth[rows, columns]
    )
    across = np.linalg.norm(np.cross(points - centre, light.direction.astype(np.float64)), axis=1)
    value = got.image[rows, columns, 0]
    full = 0.5 * 0.9 * light.direction[2]
    edge = 0.006
    assert (across < radius - edge).sum() > 100
    np.testing.assert_allclose(value[across < radius - edge], 0, atol=1e-6)
    np.testing.assert_allclose(value[across > radius + edge], full, rtol=1e-4)


def test_a_big_lamp_softens_shadows_and_nothing_shades_itself() -> None:
    far = scene(
        wall(-0.2), ball((0, 0, 0.1), 0.04), lamps=(lamp((0.5, 0.2, 0.8), 0.15),), sky=0 * EVEN
    )
    hard = replace(far, lighting=Lighting(0 * EVEN, (lamp((0.5, 0.2, 0.8), 0.005),)))
    spread = [
        (lambda v: ((v > 0.03) & (v < 0.3)).sum())(render(s, 2).image[..., 0]) for s in (far, hard)
    ]
    assert spread[0] > 1.5 * spread[1]
    slope = ball((0, 0, 0), 0.15)
    for way in ((0.5, 0.6, 0.7), (0.9, 0.1, 0.3)):
        shaded, free = (
            render(scene(slope, lamps=(lamp(way, 0.05, shadow),), sky=0 * EVEN), 2)
            for shadow in (True, False)
        )
        lit = (free.normal @ (render_axes() @ lamp(way).direction) > 0.2) & (free.alpha == 1)
        np.testing.assert_allclose(shaded.image[lit], free.image[lit], rtol=0.02)


def test_things_that_cast_no_shadow_cast_none() -> None:
    light = lamp((0.5, 0.3, 0.8))
    ghost = ball((0, 0, 0.1), 0.04, casts_shadow=False)
    got = render(scene(wall(-0.05), ghost, lamps=(light,), sky=0 * EVEN), 2)
    on = (got.surface == 0) & (got.alpha == 1)
    assert np.ptp(got.image[on][:, 0]) < 0.5  # only pixels shared with the ball differ
    assert np.median(got.image[on][:, 0]) == pytest.approx(0.45 * light.direction[2], rel=1e-4)


def test_a_lens_is_laid_over_what_is_behind_it() -> None:
    tint = np.tile(np.float32([0.8, 0.4, 0.1]), (4, 1))
    pane = wall(0.1, 0.05, tint=tint, cover=0.3, material=Material.GLOSS, label=Label.GLASSES)
    back = wall(-0.1, label=Label.SKIN)
    behind = wall(-0.2, 0.05, tint=tint, cover=0.3, material=Material.GLOSS, label=Label.GLASSES)
    plain = render(scene(back), 2)
    got = render(scene(back, pane, behind), 2)
    over = got.label == Label.GLASSES
    assert 50 < over.sum() < over.size / 2
    inner = ndimage.minimum_filter(over, 3)
    wanted = 0.7 * 0.5 + 0.3 * np.array([0.8, 0.4, 0.1])
    np.testing.assert_allclose(got.image[inner], np.tile(wanted, (inner.sum(), 1)), rtol=1e-4)
    np.testing.assert_array_equal(got.buffers.triangle, plain.buffers.triangle)
    np.testing.assert_array_equal(got.surface, 0)
    assert set(np.unique(got.label)) == {Label.SKIN, Label.GLASSES}


def test_a_lens_alone_covers_pixels_and_shows_the_background() -> None:
    pane = wall(0, 0.1, cover=0.5, material=Material.GLOSS, label=Label.GLASSES)
    got = render(scene(pane), 2)
    assert (got.alpha[got.label == Label.GLASSES] > 0).all()
    assert (got.surface == -1).all()
    np.testing.assert_allclose(got.image[SIZE // 2, SIZE // 2], 0.5 * 0.25 + 0.5 * 0.5, rtol=1e-4)


def test_textures_give_colour_and_classes() -> None:
    channels = np.zeros((2, 2, 8), np.float32)
    channels[..., :3] = np.float32([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]]])
    channels[..., 6:] = 1
    labels = np.uint8([[1, 2], [3, 4]])
    it = scene(wall(0.0, 0.2, texture=Texture(channels, labels), label=Label.HAT))
    got = render(it, 1)
    corner = 3
    seen = got.label[corner :: SIZE - 1 - 2 * corner, corner :: SIZE - 1 - 2 * corner]
    np.testing.assert_array_equal(seen, labels)
    np.testing.assert_allclose(got.albedo[corner, corner], [0.5, 0, 0], atol=1e-6)
    np.testing.assert_allclose(got.uv[corner, corner], (corner + 0.5) / SIZE, atol=1e-4)
    np.testing.assert_allclose(got.image[-1, -1], 0.5, rtol=1e-4)


def test_nothing_but_background() -> None:
    got = render(scene(), 2)
    np.testing.assert_allclose(got.image, 0.25)
    assert got.alpha.max() == 0
    assert (got.label == 0).all()
    assert np.isnan(got.uv).all()


def test_a_pixel_is_the_mean_of_its_rays() -> None:
    """Edges between flat colours: each pixel is its share of both."""
    got = render(scene(wall(0.0, 0.0931)), 4)
    wanted = got.alpha[..., None] * 0.5 + (1 - got.alpha[..., None]) * 0.25
    np.testing.assert_allclose(got.image, np.broadcast_to(wanted, got.image.shape), rtol=1e-5)
    assert len(np.unique(got.alpha)) > 2


def test_hair_keeps_its_normals_and_others_turn_to_the_camera() -> None:
    away = replace(wall(0.0), normals=np.tile(np.float32([0, 0, -1]), (4, 1)))
    flipped = replace(away, triangles=away.triangles[:, ::-1])
    got = render(scene(flipped), 1)
    np.testing.assert_allclose(got.normal[0, 0], [0, 0, -1], atol=1e-6)
    got = render(scene(replace(flipped, material=Material.HAIR)), 1)
    np.testing.assert_allclose(got.normal[0, 0], [0, 0, 1], atol=1e-6)


def busy() -> Scene:
    kinds = (Material.SKIN, Material.EYE, Material.MOUTH, Material.HAIR, Material.GLOSS)
    balls = [
        ball((0.07 * k - 0.14, 0.03 * k - 0.06, 0.02 * k), 0.05, 20, material=m, gloss=(0.8, 0.3))
        for k, m in enumerate(kinds)
    ]
    lights = (lamp((0.5, 0.6, 0.7), 0.1), lamp((-0.8, 0.1, 0.3), 0.02))
    return scene(wall(-0.1), *balls, lamps=lights)


def test_the_same_bytes_twice_and_whatever_the_arrays_layout() -> None:
    it = busy()
    one, two = render(it, 2), render(it, 2)
    assert one.image.tobytes() == two.image.tobytes()
    odd = []
    for s in it.surfaces:
        vertices = np.asfortranarray(s.vertices.astype(np.float64))
        vertices.setflags(write=False)
        normals = s.normals.copy()
        normals.setflags(write=False)
        triangles = s.triangles.astype(np.int64)
        odd.append(replace(s, vertices=vertices, normals=normals, triangles=triangles))
    three = render(replace(it, surfaces=tuple(odd)), 2)
    assert one.image.tobytes() == three.image.tobytes()
    assert np.isfinite(one.image).all()
    assert one.image.min() >= 0


def test_more_samples_agree() -> None:
    """Groups of four samples lit as one give what sixteen lit alone give."""
    coarse, fine = render(busy(), 2).image, render(busy(), 7).image
    assert np.abs(np.clip(coarse, 0, 1) - np.clip(fine, 0, 1)).mean() < 0.006


def test_odd_views_work() -> None:
    it = scene(ball((0, 0, 0), 0.1), lamps=(lamp((0, 1, 0.001)),))
    camera = look_at((0.3, 0.2, -0.4), (0, 0, 0), 60.0, (40, 24), roll=33)
    it = replace(it, camera=camera, background=np.zeros((24, 40, 3), np.float32))
    got = render(it, 2)
    assert got.image.shape == (24, 40, 3)
    assert got.surface[12, 20] == 0


@pytest.mark.parametrize("samples", [0, 9, 2.5])
def test_samples_must_be_a_few(samples: int) -> None:
    with pytest.raises(ChoiceError, match="samples"):
        render(scene(), samples)


def test_the_background_must_fit_the_camera() -> None:
    it = replace(scene(), background=np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ChoiceError, match="background"):
        render(it)
