"""The renderer in PyTorch against the one in Numba, and its gradients against differences."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry import raster, raster_torch
from fusiform.lab.geometry.camera import look_at, portrait
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.render_torch import draw, draw_many, render_torch
from fusiform.lab.geometry.scene import Label, Lamp, Lighting, Material, Scene, Surface, Texture
from fusiform.lab.geometry.shade_torch import TensorScene, rim_edges, to_torch, vertex_normals

Floats = NDArray[np.float32]
SIZE = 40


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors: threads would only get in one another's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ball(
    centre: tuple[float, float, float], radius: float, steps: int = 24, **more: object
) -> Surface:
    tilt, turn = np.meshgrid(np.linspace(0, np.pi, steps), np.linspace(0, 2 * np.pi, 2 * steps + 1))
    n = np.stack([np.sin(tilt) * np.sin(turn), np.cos(tilt), np.sin(tilt) * np.cos(turn)], -1)
    a = np.arange(2 * steps)[:, None] * steps + np.arange(steps - 1)
    b, c, d = a + 1, a + steps, a + steps + 1
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)], 2).reshape(-1, 3)
    uv = np.stack([turn / (2 * np.pi), tilt / np.pi], -1).reshape(-1, 2).astype(np.float32)
    tangents = np.stack([np.cos(turn), 0 * turn, -np.sin(turn)], -1).reshape(-1, 3)
    n = n.reshape(-1, 3).astype(np.float32)
    fields: dict[str, object] = {
        "part": "ball",
        "material": Material.CLOTH,
        "tangents": tangents.astype(np.float32),
        "uv": uv,
        "tint": np.full((len(n), 3), 0.5, np.float32),
        "openness": 0.6 + 0.4 * n[:, 1] ** 2,
        "gloss": (0.5, 0.4),
    }
    vertices = n * np.float32(radius) + np.float32(centre)
    return Surface(
        vertices=vertices, triangles=triangles.astype(np.int32), normals=n, **{**fields, **more}
    )  # type: ignore[arg-type]


def texture(seed: int) -> Texture:
    rng = np.random.default_rng(seed)
    shape = (12, 16)
    parts = [rng.uniform(0.2, 0.9, (*shape, 3)), rng.normal(0, 0.15, (*shape, 2))]
    parts += [rng.uniform(0.3, 1, (*shape, 2)), rng.uniform(0, 1, (*shape, 1))]
    labels = rng.integers(1, 19, shape).astype(np.uint8)
    return Texture(np.concatenate(parts, 2).astype(np.float32), labels)


def sky() -> Floats:
    made = np.random.default_rng(4).normal(0, 0.15, (9, 3))
    made[0] += 1.5
    return made.astype(np.float32)


def lamp(way: tuple[float, float, float], size: float = 0.05, shadow: bool = True) -> Lamp:
    return Lamp(np.float32(way), np.float32([0.9, 0.8, 0.7]), size, shadow)


def busy(size: int = 72) -> Scene:
    """Every material, two lamps, a lens, textures, things in front of one another."""
    balls = [
        ball((0.0, 0.0, -0.05), 0.13, 40, material=Material.SKIN, texture=texture(0)),
        ball((-0.06, 0.05, 0.09), 0.035, material=Material.EYE, gloss=(1.0, 0.15)),
        ball((0.06, 0.05, 0.09), 0.035, material=Material.MOUTH, texture=texture(1)),
        ball((0.0, 0.12, 0.0), 0.07, material=Material.HAIR, gloss=(0.8, 0.35)),
        ball((-0.1, -0.1, 0.0), 0.06, material=Material.CLOTH),
        ball((0.12, -0.08, 0.03), 0.05, material=Material.GLOSS, gloss=(0.9, 0.3)),
        ball((0.0, -0.05, 0.13), 0.05, material=Material.GLOSS, cover=0.4, label=Label.GLASSES),
    ]
    lamps = (lamp((0.5, 0.6, 0.62), 0.08), lamp((-0.6, 0.0, -0.8), 0.02))
    camera = look_at((0.1, 0.05, 0.7), (0, 0, 0), size * 1.7, (size, size - 8), roll=5)
    ground = np.random.default_rng(5).uniform(0, 0.5, (size - 8, size, 3)).astype(np.float32)
    return Scene(tuple(balls), camera, Lighting(sky(), lamps), ground)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_both_renderers_draw_the_same_picture(samples: int) -> None:
    one, two = render(busy(), samples), render_torch(busy(), samples)
    assert (two.triangle.numpy() == one.buffers.triangle).mean() >= 0.999
    apart = np.abs(np.clip(two.image.numpy(), 0, 1) - np.clip(one.image, 0, 1))
    assert apart.mean() < 1e-4
    assert (apart.max(-1) > 1 / 255).mean() < 0.01
    assert (two.label.numpy() == one.label).mean() >= 0.999
    np.testing.assert_array_equal(two.surface.numpy(), one.surface)
    np.testing.assert_allclose(two.alpha.numpy(), one.alpha, atol=1e-6)
    np.testing.assert_allclose(two.albedo.numpy(), one.albedo, atol=1e-3)
    np.testing.assert_allclose(two.normal.numpy(), one.normal, atol=1e-3)
    np.testing.assert_allclose(two.uv.numpy(), one.uv, atol=1e-4)
    np.testing.assert_allclose(two.depth.numpy(), one.buffers.depth, rtol=1e-5)
    np.testing.assert_allclose(two.barycentric.numpy(), one.buffers.barycentric, atol=1e-4)


def test_a_soup_with_corners_on_samples_is_filled_alike() -> None:
    rng = np.random.default_rng(6)
    xy = np.round(rng.uniform(-6, SIZE + 6, (300, 2)) * 2) / 2
    screen = np.column_stack([xy, rng.uniform(-2, -1, 300)])
    screen[7] = np.nan
    triangles = rng.integers(0, 300, (150, 3)).astype(np.int32)
    ids, keys = raster.canvas(SIZE, SIZE)
    raster.fill(raster.snap(screen, 1.0), triangles, 0, ids, keys)
    placed = raster_torch.snap(torch.from_numpy(screen), 1.0)
    got, near = raster_torch.fill(placed, torch.from_numpy(triangles.astype(np.int64)), SIZE, SIZE)
    np.testing.assert_array_equal(got.numpy(), ids)
    np.testing.assert_array_equal(near.numpy(), keys)


def test_large_pictures_are_filled_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = render_torch(busy(), 1)
    monkeypatch.setattr(raster_torch, "CHUNK", 500)
    parts = render_torch(busy(), 1)
    assert torch.equal(whole.triangle, parts.triangle)


def test_rim_edges_and_vertex_normals() -> None:
    rim = rim_edges(np.int32([[0, 1, 2], [2, 1, 3]]))
    np.testing.assert_array_equal(rim, [[False, True, True], [True, True, False]])
    assert rim_edges(np.zeros((0, 3), np.int32)).shape == (0, 3)
    s = to_torch(busy()).surfaces[0]
    made = vertex_normals(s.vertices, s.triangles)
    inner = (s.normals[:, 1].abs() < 0.9) & (s.uv[:, 0] > 0.02) & (s.uv[:, 0] < 0.98)
    assert ((made * s.normals).sum(1)[inner] > 0.999).all()


def test_nothing_to_draw() -> None:
    it = replace(busy(), surfaces=())
    got = render_torch(it, 2)
    np.testing.assert_allclose(got.image.numpy(), it.background, atol=1e-6)
    assert (got.triangle == -1).all()
    only_lens = replace(it, surfaces=busy().surfaces[-1:])
    one, two = render(only_lens, 2), render_torch(only_lens, 2)
    np.testing.assert_allclose(two.image.numpy(), one.image, rtol=1e-3, atol=1e-4)


def test_errors_are_those_of_the_other() -> None:
    with pytest.raises(ChoiceError, match="samples"):
        render_torch(busy(), 0)
    with pytest.raises(ChoiceError, match="background"):
        render_torch(replace(busy(), background=np.zeros((2, 2, 3), np.float32)))


def test_many_at_once() -> None:
    scenes = [to_torch(busy(48)), to_torch(replace(busy(48), surfaces=busy().surfaces[:1]))]
    pictures = draw_many(scenes, 1)
    assert pictures.shape == (2, 40, 48, 3)
    torch.testing.assert_close(pictures[1], draw(scenes[1], 1).image)


def test_edges_add_gradient_and_change_no_value() -> None:
    scene = to_torch(busy(48))
    torch.testing.assert_close(draw(scene, 2, edges=True).image, draw(scene, 2, edges=False).image)


def smooth(image: Tensor) -> Tensor:
    """A number that depends on all of the picture."""
    y, x = torch.meshgrid(*(torch.linspace(0, 3, n) for n in image.shape[:2]), indexing="ij")
    return (image * (1.5 + torch.sin(x + 2 * y)).to(image)[..., None]).mean()


# which numbers move, by how much, and what is made of them
Change = Callable[[TensorScene, Tensor], TensorScene]


def first(scene: TensorScene, **changed: Tensor) -> TensorScene:
    one = replace(scene.surfaces[0], **changed)  # type: ignore[arg-type]
    return replace(scene, surfaces=(one, *scene.surfaces[1:]))


def texels(scene: TensorScene, p: Tensor) -> TensorScene:
    channels = scene.surfaces[0].channels
    assert channels is not None
    return first(scene, channels=channels + p[:8])


CHANGES: dict[str, tuple[int, Change]] = {
    "texture": (8, texels),
    "tint": (3, lambda s, p: first(s, tint=s.surfaces[0].tint + p)),
    "normals": (3, lambda s, p: first(s, normals=s.surfaces[0].normals + p)),
    "environment": (9, lambda s, p: replace(s, environment=s.environment + p[:, None])),
    "lamp direction": (
        3,
        lambda s, p: replace(s, lamps=torch.cat([s.lamps[:, :3] + p, s.lamps[:, 3:]], 1)),
    ),
    "lamp colour": (
        3,
        lambda s, p: replace(
            s, lamps=torch.cat([s.lamps[:, :3], s.lamps[:, 3:6] + p, s.lamps[:, 6:]], 1)
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_gradients_of_looks_and_light_are_those_of_differences(name: str) -> None:
    count, change = CHANGES[name]
    it = busy(40)
    plain = tuple(replace(x, casts_shadow=False) for x in it.lighting.lamps)
    scene = to_torch(replace(it, lighting=Lighting(sky(), plain)), dtype=torch.float64)

    def value(p: Tensor) -> Tensor:
        return smooth(draw(change(scene, p), 2, edges=False).image)

    p = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(value(p), p)
    step = 1e-5
    for k in range(count):
        d = torch.zeros(count, dtype=torch.float64)
        d[k] = step
        with torch.no_grad():
            wanted = (value(d) - value(-d)) / (2 * step)
        torch.testing.assert_close(got[k], wanted, rtol=0.02, atol=2e-4)


def plain_ball(shift: NDArray[np.float64], camera_shift: float = 0.0, zoom: float = 1.0) -> Scene:
    """A matt ball before a background that gets brighter to the right."""
    made = ball(
        (0.003, 0.002, 0.0), 0.08, 40, gloss=(0.0, 0.5), openness=np.ones(24 * 49 * 4, np.float32)
    )
    made = replace(made, vertices=made.vertices + shift.astype(np.float32))
    made = replace(made, openness=np.ones(len(made.vertices), np.float32))
    camera = portrait(0.7, 0.26, SIZE, (0, 0, 0))
    camera = replace(camera, focal=camera.focal * zoom)
    camera = replace(camera, shift=camera.shift + np.float32([camera_shift, 0, 0]))
    ground = np.tile(np.linspace(0, 1.5, SIZE, dtype=np.float32)[None, :, None], (SIZE, 1, 3))
    return Scene((made,), camera, Lighting(sky(), (lamp((0.6, 0.48, 0.64), shadow=False),)), ground)


def differences(make: Callable[[float], Scene], step: float) -> float:
    """Slope of the mean picture, from heavily sampled pictures."""
    high, low = (np.mean(render(make(sign * step), 8).image, dtype=np.float64) for sign in (1, -1))
    return float(high - low) / (2 * step)


def test_an_outline_that_moves_has_the_gradient_of_differences() -> None:
    scene = to_torch(plain_ball(np.zeros(3)), dtype=torch.float64)
    p = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    image = draw(first(scene, vertices=scene.surfaces[0].vertices + p), 4).image
    (got,) = torch.autograd.grad(image.mean(), p)
    for axis in (0, 2):
        way = np.eye(3)[axis]
        wanted = differences(lambda d, way=way: plain_ball(way * d), 0.004)  # type: ignore[misc]
        assert abs(wanted) > 0.1
        assert float(got[axis]) == pytest.approx(wanted, rel=0.1)
    without = draw(first(scene, vertices=scene.surfaces[0].vertices + p), 4, edges=False).image
    (blind,) = torch.autograd.grad(without.mean(), p)
    assert abs(float(blind[2])) < 0.6 * abs(float(got[2]))


def test_a_moving_camera_has_the_gradient_of_differences() -> None:
    scene = to_torch(plain_ball(np.zeros(3)), dtype=torch.float64)
    focal = scene.focal.clone().requires_grad_()
    shift = scene.shift.clone().requires_grad_()
    image = draw(replace(scene, focal=focal, shift=shift), 4).image
    by_focal, by_shift = torch.autograd.grad(image.mean(), (focal, shift))
    wanted = differences(lambda d: plain_ball(np.zeros(3), camera_shift=d), 0.004)
    assert float(by_shift[0]) == pytest.approx(wanted, rel=0.1)
    zoom = differences(lambda d: plain_ball(np.zeros(3), zoom=1 + d), 0.04)
    assert float(by_focal * scene.focal) == pytest.approx(zoom, rel=0.1)


def test_an_open_sheet_has_the_gradient_of_its_rim() -> None:
    """A bright slanted square: vertex normals say nothing of its outline, its rim does."""
    corners = np.float32([[-0.06, 0.05, 0], [0.05, 0.07, 0], [-0.05, -0.06, 0], [0.06, -0.05, 0]])
    base = plain_ball(np.zeros(3)).surfaces[0]
    flat = {n: getattr(base, n)[:4] for n in ("tangents", "uv", "tint", "openness")}
    normals = np.tile(np.float32([0, 0, 1]), (4, 1))

    def scene(shift: float) -> Scene:
        moved = corners + np.float32([shift, 0, 0])
        triangles = np.int32([[0, 2, 1], [1, 2, 3]])
        sheet = replace(base, vertices=moved, normals=normals, triangles=triangles, **flat)
        return replace(plain_ball(np.zeros(3)), surfaces=(sheet,))

    tensors = to_torch(scene(0.0), dtype=torch.float64)
    p = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    image = draw(first(tensors, vertices=tensors.surfaces[0].vertices + p), 2).image
    (got,) = torch.autograd.grad(image.mean(), p)
    assert float(got[0]) == pytest.approx(differences(scene, 0.004), rel=0.05)
