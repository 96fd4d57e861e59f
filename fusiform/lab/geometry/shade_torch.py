"""A scene as tensors, what its samples show, and the light of `shade`, in PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusiform.lab.geometry import materials_torch as answers
from fusiform.lab.geometry import shade as plain
from fusiform.lab.geometry.brdf import BASIS
from fusiform.lab.geometry.materials import LENS
from fusiform.lab.geometry.materials_torch import Light, Point, dot, unit
from fusiform.lab.geometry.raster_torch import weights
from fusiform.lab.geometry.scene import Ints, Material, Scene, Surface
from fusiform.lab.geometry.shade import lamp_rows
from fusiform.lab.geometry.shadow_torch import turned_disc


@dataclass(frozen=True)
class TensorSurface:
    """A `Surface` as tensors, in `scene.Surface`'s shapes. `kind`: number of the material, or
    LENS; `triangles` int64; `gloss` (2,); `rim` (T, 3): whether the edge opposite each corner
    belongs to that triangle alone; `channels` and `labels` are None without a texture."""

    kind: int
    label: int
    cover: float
    casts: bool
    vertices: Tensor
    normals: Tensor
    tangents: Tensor
    uv: Tensor
    tint: Tensor
    openness: Tensor
    gloss: Tensor
    triangles: Tensor
    rim: Tensor
    channels: Tensor | None
    labels: Tensor | None


@dataclass(frozen=True)
class TensorScene:
    """A `Scene` as tensors. `focal` (), `centre` (2,), `rotation` (3, 3), `shift` (3,);
    `lamps` (L, 8) as `shade.lamp_rows` gives them; `environment` (9, 3); `background` (h, w, 3)."""

    surfaces: tuple[TensorSurface, ...]
    focal: Tensor
    centre: Tensor
    rotation: Tensor
    shift: Tensor
    environment: Tensor
    lamps: Tensor
    background: Tensor


@dataclass(frozen=True)
class TensorLayer:
    """Surfaces drawn on one grid: `ids`, `keys` (h, w); all their vertices `placed` (V, 3), their
    `triangles` (T, 3) and `rim` (T, 3) strung together; `owner` (T,): which of `members` each
    triangle is of; where each member's vertices begin, `offsets`."""

    members: tuple[int, ...]
    ids: Tensor
    keys: Tensor
    placed: Tensor
    triangles: Tensor
    rim: Tensor
    owner: Tensor
    offsets: tuple[int, ...]


def to_torch(
    scene: Scene, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> TensorScene:
    """`scene` as tensors on `device`; numbers are `dtype` (the
    camera's float64 always), triangles and labels int64."""

    def put(array: object) -> Tensor:
        return torch.as_tensor(np.array(array), dtype=dtype, device=device)

    def one(surface: Surface) -> TensorSurface:
        texture = surface.texture
        return TensorSurface(
            kind=LENS if surface.cover < 1 else int(surface.material),
            label=int(surface.label),
            cover=float(surface.cover),
            casts=surface.casts_shadow and surface.cover >= 1,
            vertices=put(surface.vertices),
            normals=put(surface.normals),
            tangents=put(surface.tangents),
            uv=put(surface.uv),
            tint=put(surface.tint),
            openness=put(surface.openness),
            gloss=put(surface.gloss),
            triangles=torch.as_tensor(surface.triangles.astype(np.int64), device=device),
            rim=torch.as_tensor(rim_edges(surface.triangles), device=device),
            channels=None if texture is None else put(texture.channels),
            labels=None
            if texture is None
            else torch.as_tensor(texture.labels.astype(np.int64), device=device),
        )

    camera = scene.camera
    return TensorScene(
        surfaces=tuple(one(surface) for surface in scene.surfaces),
        focal=torch.tensor(float(camera.focal), dtype=torch.float64, device=device),
        centre=torch.tensor(camera.centre, dtype=torch.float64, device=device),
        rotation=put(camera.rotation).double(),
        shift=put(camera.shift).double(),
        environment=put(scene.lighting.environment),
        lamps=put(lamp_rows(scene.lighting)),
        background=put(scene.background),
    )


def rim_edges(triangles: Ints) -> NDArray[np.bool_]:
    """Whether the edge opposite each corner (T, 3) belongs to one triangle only."""
    if len(triangles) == 0:
        return np.zeros((0, 3), bool)
    edges = np.sort(triangles[:, [[1, 2], [2, 0], [0, 1]]].reshape(-1, 2), 1).astype(np.int64)
    codes = edges[:, 0] << 32 | edges[:, 1]
    _, which, counts = np.unique(codes, return_inverse=True, return_counts=True)
    alone: NDArray[np.bool_] = counts[which].reshape(-1, 3) == 1
    return alone


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Unit normals (V, 3) of a mesh, weighted by area, differentiable."""
    a, b, c = vertices[triangles].unbind(1)
    face = torch.cross(b - a, c - a, dim=1)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(0, triangles[:, corner], face)
    return unit(total)


def light_of(scene: TensorScene) -> tuple[Tensor, Tensor, Tensor]:
    """Prepared environment (9, 3), window (8,) and lamps (L, 8) with unit directions."""
    sky = scene.environment * torch.as_tensor(BASIS).to(scene.environment)[:, None]
    slope = torch.stack([sky[3], sky[1], sky[2]])
    grey = slope @ slope.new_tensor([0.2126, 0.7152, 0.0722])
    length = grey.norm()
    way = grey / length if length > 1e-9 else grey.new_tensor([0.0, 1.0, 0.0])
    angle = 2 * np.pi * (1 - np.cos(plain.WINDOW))
    radiance = (way @ slope).clamp(min=0) * (plain.WINDOW_SHARE * 4 * np.pi / 3 / angle)
    outer, inner = np.cos(plain.WINDOW * 1.15), np.cos(plain.WINDOW * 0.85)
    eye = -(scene.rotation.T @ scene.shift).to(way)
    way = unit(way + plain.WINDOW_PULL * unit(eye))
    sun = torch.cat([way, radiance, way.new_tensor([outer, inner - outer])])
    lamps = torch.cat([unit(scene.lamps[:, :3]), scene.lamps[:, 3:]], 1)
    return sky, sun, lamps


def texel(channels: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Channels (n, c) of a texture (h, w, c) at (u, v), bilinear, clamped at the border."""
    high, wide = channels.shape[:2]
    x, y = (u * wide - 0.5).clamp(0, wide - 1), (v * high - 0.5).clamp(0, high - 1)
    j, i = x.detach().long(), y.detach().long()
    fx, fy = (x - j)[:, None], (y - i)[:, None]
    j1, i1 = (j + 1).clamp(max=wide - 1), (i + 1).clamp(max=high - 1)
    top = (1 - fx) * channels[i, j] + fx * channels[i, j1]
    return (1 - fy) * top + fy * ((1 - fx) * channels[i1, j] + fx * channels[i1, j1])


@dataclass(frozen=True)
class Shown:
    """What n samples of one surface show, before lighting: vectors (n, 3), `uv` (n, 2), `channels`
    (n, 8) or None, barycentrics (n, 3), `hand` (n,) 1 or -1 (mirrored texture)."""

    place: Tensor
    normal: Tensor
    tangent: Tensor
    albedo: Tensor
    openness: Tensor
    uv: Tensor
    channels: Tensor | None
    barycentric: Tensor
    hand: Tensor


def shown(surface: TensorSurface, layer: TensorLayer, which: int, at: Tensor) -> Shown:
    """What samples `at` (n,), flat places in the layer's grid, show of its member `which`."""
    wide = layer.ids.shape[1]
    corners = layer.triangles[layer.ids.reshape(-1)[at]]
    w = weights(layer.placed, corners, at % wide + 0.5, at // wide + 0.5)
    a, b, c = layer.placed.detach()[corners].unbind(1)
    cross = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    w = w.to(surface.vertices.dtype)
    parts = (surface.vertices, surface.normals, surface.tangents, surface.tint)
    rows = torch.cat([*parts, surface.openness[:, None], surface.uv], 1)
    local = corners - layer.offsets[which]
    mixed = (rows[local] * w[:, :, None]).sum(1)
    place, normal, tangent, albedo = mixed[:, :12].reshape(-1, 4, 3).unbind(1)
    openness, uv = mixed[:, 12], mixed[:, 13:]
    if surface.kind != Material.HAIR:
        normal = torch.where((cross > 0)[:, None], -normal, normal)
    channels = None
    if surface.channels is not None:
        channels = texel(surface.channels, uv[:, 0], uv[:, 1])
        albedo = albedo * channels[:, :3]
    p, q, r = surface.uv[local].unbind(1)
    turn = (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])
    hand = torch.where(turn <= 0, 1.0, -1.0).to(w)
    return Shown(place, normal, tangent, albedo, openness, uv, channels, w, hand)


def point_of(
    surface: TensorSurface, seen: Shown, group: Tensor, first: Tensor, eye: Tensor
) -> Point:
    """Averages over groups, ready to be lit. `group` (n,): each sample's; `first` (g,): each
    group's first sample; `eye` (3,): where the camera stands."""
    counts = torch.bincount(group, minlength=len(first)).to(seen.place)[:, None]

    def mean(rows: Tensor) -> Tensor:
        return rows.new_zeros(len(first), rows.shape[1]).index_add(0, group, rows) / counts

    place, normal = mean(seen.place), unit(mean(seen.normal))
    tangent, albedo = mean(seen.tangent), mean(seen.albedo)
    if surface.cover < 1:
        albedo = albedo * surface.cover
    openness = mean(seen.openness[:, None])[:, 0]
    relief = normal
    ones = torch.ones_like(openness)
    strength, roughness, thickness = surface.gloss[0] * ones, surface.gloss[1] * ones, ones
    if seen.channels is not None:
        channels = mean(seen.channels)
        strength, roughness, thickness = channels[:, 5:].unbind(1)
        t = unit(tangent - dot(tangent, normal)[:, None] * normal)
        b = torch.cross(t, normal, dim=1) * seen.hand[first][:, None]
        relief = unit(normal - channels[:, 3:4] * t - channels[:, 4:5] * b)
    view = unit(eye - place)
    return Point(
        *(place, normal, relief, unit(tangent), view, albedo),
        *(strength, roughness, thickness, openness),
    )


def shade(scene: TensorScene, layer: TensorLayer, light: Light, span: int, lead: Tensor) -> Tensor:
    """Light (samples, 3) of a layer, 0 where it covers nothing.

    `lead` (samples,): the first sample of each sample's group, -1 where nothing is (see
    `render_torch.leaders`); groups lie in blocks of `span` x `span`.
    """
    eye = -(scene.rotation.T @ scene.shift).to(scene.background.dtype)
    owner = torch.where(layer.ids < 0, -1, layer.owner[layer.ids.clamp(min=0)]).reshape(-1)
    out = scene.background.new_zeros(len(lead), 3)
    wide = layer.ids.shape[1]
    for which, index in enumerate(layer.members):
        at = torch.nonzero(owner == which)[:, 0]
        if len(at) == 0:
            continue
        surface, seen = scene.surfaces[index], shown(scene.surfaces[index], layer, which, at)
        leading = lead[at] == at
        number = torch.zeros_like(lead)
        number[at[leading]] = torch.arange(int(leading.sum()), device=at.device)
        first = torch.nonzero(leading)[:, 0]
        group = number[lead[at]]
        point = point_of(surface, seen, group, first, eye)
        chief = at[first]
        disc = turned_disc(chief % wide // span, chief // wide // span)
        value = answers.answer(surface.kind, point, light, disc)
        out = out.index_put((at,), value[group])
    return out
