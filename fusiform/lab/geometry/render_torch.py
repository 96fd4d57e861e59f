"""Draw a scene description in PyTorch, on a processor or an accelerator, with gradients.

The same triangles and the same light as `render`. Gradients flow from picture, albedo and normals
to vertices, normals, textures, tints, lamps, environment and camera: through barycentrics
recomputed for the triangles found, and through outlines as `antialias_torch` says. They do not
flow through shadows.

    scene = to_torch(description)
    picture = draw(replace(scene, lamps=lamps)).image  # lamps.requires_grad
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.antialias_torch import with_edges
from fusiform.lab.geometry.materials import LENS
from fusiform.lab.geometry.materials_torch import Light, unit
from fusiform.lab.geometry.raster_torch import fill, pinhole, snap
from fusiform.lab.geometry.render import STEEP, STEEP_HAIR, map_side, span_of
from fusiform.lab.geometry.scene import Material, Scene
from fusiform.lab.geometry.shade_torch import (
    TensorLayer,
    TensorScene,
    light_of,
    shade,
    shown,
    to_torch,
)
from fusiform.lab.geometry.shadow_torch import maps


@dataclass(frozen=True)
class TensorFrame:
    """`scene.Frame` as tensors: `image` (h, w, 3), `alpha`, `triangle`, `depth`, `surface`,
    `label` (h, w), `barycentric`, `albedo`, `normal` (h, w, 3), `uv` (h, w, 2)."""

    image: Tensor
    alpha: Tensor
    triangle: Tensor
    barycentric: Tensor
    depth: Tensor
    surface: Tensor
    label: Tensor
    albedo: Tensor
    normal: Tensor
    uv: Tensor


def render_torch(scene: Scene, samples: int = 2, device: torch.device | str = "cpu") -> TensorFrame:
    """Draw a description as `render` does, without gradients. Raises ChoiceError as `render`."""
    camera = scene.camera
    if scene.background.shape != (camera.height, camera.width, 3):
        wanted = f"({camera.height}, {camera.width}, 3), as the camera's picture"
        raise ChoiceError("Scene.background's shape", wanted, scene.background.shape)
    with torch.no_grad():
        return draw(to_torch(scene, device), samples, edges=False)


def draw_many(scenes: Sequence[TensorScene], samples: int = 1, edges: bool = True) -> Tensor:
    """Pictures (n, h, w, 3) of several scenes of one size, one after the other, differentiable."""
    return torch.stack([draw(scene, samples, edges).image for scene in scenes])


def draw(scene: TensorScene, samples: int = 2, edges: bool = True) -> TensorFrame:
    """Draw `scene`, differentiably; `edges`: with the gradient of outlines.

    Raises ChoiceError if `samples` is not 1 to 8.
    """
    if samples not in range(1, 9):
        raise ChoiceError("samples", "1 to 8", samples)
    high, wide = scene.background.shape[:2]
    screens = [
        pinhole(s.vertices, scene.focal, scene.centre, scene.rotation, scene.shift)
        for s in scene.surfaces
    ]
    opaque = tuple(i for i, s in enumerate(scene.surfaces) if s.kind != LENS)
    lenses = tuple(i for i, s in enumerate(scene.surfaces) if s.kind == LENS)
    centre = lay(scene, screens, opaque, 1)
    fine = centre if samples == 1 else lay(scene, screens, opaque, samples)
    light = lights(scene, centre)
    behind = scene.background.repeat_interleave(samples, 0).repeat_interleave(samples, 1)
    covered = fine.ids >= 0
    lit = layer_light(scene, fine, light, samples)
    radiance = torch.where(covered[..., None], lit, behind)
    if edges:
        gap = STEEP / float(scene.focal.detach()) / samples
        radiance = with_edges(
            *(radiance, fine.ids, fine.keys, fine.placed, fine.triangles, fine.rim),
            *(facing(scene, fine), gap),
        )
    pane = None
    if lenses:
        pane = hide(lay(scene, screens, lenses, 1), centre.keys)
        many = pane if samples == 1 else hide(lay(scene, screens, lenses, samples), fine.keys)
        covers = torch.tensor([scene.surfaces[i].cover for i in lenses]).to(radiance)
        over = (many.ids >= 0)[..., None]
        passed = 1 - covers[many.owner[many.ids.clamp(min=0)]][..., None]
        added = passed * radiance + layer_light(scene, many, light, samples)
        radiance, covered = torch.where(over, added, radiance), covered | over[..., 0]
    image = radiance.reshape(high, samples, wide, samples, 3).mean((1, 3))
    alpha = covered.to(image.dtype).reshape(high, samples, wide, samples).mean((1, 3))
    return describe(scene, centre, pane, image, alpha)


def lay(
    scene: TensorScene, screens: list[Tensor], members: tuple[int, ...], samples: int
) -> TensorLayer:
    """Draw `members` of the scene's surfaces on a grid of `samples` a pixel and side."""
    high, wide = scene.background.shape[:2]
    device = scene.background.device
    placed = [snap(screens[i], float(samples)) for i in members]
    offsets = [0]
    for screen in placed:
        offsets.append(offsets[-1] + len(screen))
    triangles = [scene.surfaces[i].triangles + o for i, o in zip(members, offsets, strict=False)]
    counts = torch.tensor([len(t) for t in triangles], dtype=torch.int64, device=device)
    none = torch.zeros((0, 3), dtype=torch.int64, device=device)
    all_placed = torch.cat([none.double(), *placed])
    all_triangles = torch.cat([none, *triangles])
    ids, keys = fill(all_placed, all_triangles, high * samples, wide * samples)
    owner = torch.repeat_interleave(torch.arange(len(members), device=device), counts)
    if len(owner) == 0:  # so that it can be indexed where nothing is drawn
        owner = torch.zeros(1, dtype=torch.int64, device=device)
    rim = torch.cat([none.bool(), *(scene.surfaces[i].rim for i in members)])
    return TensorLayer(
        members, ids, keys, all_placed, all_triangles, rim, owner, tuple(offsets[:-1])
    )


def hide(layer: TensorLayer, keys: Tensor) -> TensorLayer:
    """A layer without what lies behind `keys` (h, w)."""
    ids = torch.where(layer.keys < keys, layer.ids, -1)
    return TensorLayer(
        *(layer.members, ids, layer.keys, layer.placed, layer.triangles, layer.rim),
        *(layer.owner, layer.offsets),
    )


def lights(scene: TensorScene, centre: TensorLayer) -> Light:
    """All light, with shadow maps that cover what pixel centres see."""
    sky, sun, lamps = light_of(scene)
    with torch.no_grad():
        y, x = torch.nonzero(centre.ids >= 0).unbind(1)
        depth = -1.0 / centre.keys[y, x].double()
        pixel = torch.stack([x + 0.5, y + 0.5], 1) - scene.centre.double()
        seen = torch.cat([pixel / scene.focal.double() * depth[:, None], depth[:, None]], 1)
        seen = (seen - scene.shift.double()) @ scene.rotation.double()
        casters = [(s.vertices.detach(), s.triangles) for s in scene.surfaces if s.casts]
        side = map_side(max(scene.background.shape[:2]))
        shadows = maps(casters, lamps[:, :3].detach(), lamps[:, 7], seen, side)
    return Light(sky, sun, lamps, shadows)


def leaders(scene: TensorScene, layer: TensorLayer, span: int) -> Tensor:
    """The first sample (samples,) of the group each sample is lit with, -1 where nothing is.

    The groups of `render.group_samples`.
    """
    high, wide = layer.ids.shape
    numbers = torch.arange(high * wide, device=layer.ids.device).reshape(high, wide)
    if span == 1:
        return torch.where(layer.ids < 0, -1, numbers).reshape(-1)
    kinds = [scene.surfaces[i].kind for i in layer.members]
    steep = [*(STEEP_HAIR if kind == Material.HAIR else STEEP for kind in kinds), 0.0]
    gaps = torch.tensor(steep, dtype=torch.float64, device=layer.ids.device)
    gaps = gaps / scene.focal.detach().double()

    def blocks(grid: Tensor) -> list[Tensor]:
        return [grid[i::2, j::2] for i in (0, 1) for j in (0, 1)]

    owner = torch.where(layer.ids < 0, -1, layer.owner[layer.ids.clamp(min=0)])
    owners, keys, places = blocks(owner), blocks(layer.keys.double()), blocks(numbers)
    lead: list[Tensor] = []
    for bit in range(4):
        own = torch.where(owners[bit] < 0, -1, places[bit])
        for other in reversed(range(bit)):  # the first that fits is written last
            fits = (owners[other] == owners[bit]) & (lead[other] == places[other])
            apart = (keys[other] - keys[bit]).abs()
            fits &= apart < gaps[owners[bit]] * keys[other].abs()
            own = torch.where(fits & (owners[bit] >= 0), places[other], own)
        lead.append(own)
    out = torch.empty_like(numbers)
    for bit, grid in enumerate(lead):
        out[bit // 2 :: 2, bit % 2 :: 2] = grid
    return out.reshape(-1)


def layer_light(scene: TensorScene, layer: TensorLayer, light: Light, samples: int) -> Tensor:
    """Light (h, w, 3) of a layer's samples, 0 where it covers nothing."""
    span = span_of(samples)
    lit = shade(scene, layer, light, span, leaders(scene, layer, span))
    return lit.reshape(*layer.ids.shape, 3)


def facing(scene: TensorScene, layer: TensorLayer) -> Tensor:
    """x and y in camera axes of the vertex normals (h, w, 2) at a layer's samples, no gradient."""
    out = scene.background.new_zeros(layer.ids.numel(), 2)
    with torch.no_grad():
        for which, at in by_surface(layer):
            normal = shown(scene.surfaces[layer.members[which]], layer, which, at).normal
            out[at] = normal @ scene.rotation[:2].T.to(normal)
    return out.reshape(*layer.ids.shape, 2)


def by_surface(layer: TensorLayer) -> list[tuple[int, Tensor]]:
    """The flat places of the samples of each member of a layer that shows at all."""
    owner = torch.where(layer.ids < 0, -1, layer.owner[layer.ids.clamp(min=0)]).reshape(-1)
    picks = [torch.nonzero(owner == which)[:, 0] for which in range(len(layer.members))]
    return [(which, at) for which, at in enumerate(picks) if len(at)]


def describe(
    scene: TensorScene,
    centre: TensorLayer,
    pane: TensorLayer | None,
    image: Tensor,
    alpha: Tensor,
) -> TensorFrame:
    """What is known at pixel centres, with the picture."""
    high, wide = centre.ids.shape
    count = high * wide
    bary, albedo, normal = (image.new_zeros(count, 3) for _ in range(3))
    uv = image.new_full((count, 2), torch.nan)
    label = torch.zeros(count, dtype=torch.int64, device=image.device)
    surface = torch.full_like(label, -1)
    for which, at in by_surface(centre):
        one = scene.surfaces[centre.members[which]]
        seen = shown(one, centre, which, at)
        surface[at], label[at] = centre.members[which], one.label
        if one.labels is not None:
            i = (seen.uv[:, 1].detach() * one.labels.shape[0]).long()
            j = (seen.uv[:, 0].detach() * one.labels.shape[1]).long()
            i, j = i.clamp(0, one.labels.shape[0] - 1), j.clamp(0, one.labels.shape[1] - 1)
            label[at] = one.labels[i, j]
        bary = bary.index_put((at,), seen.barycentric)
        albedo = albedo.index_put((at,), seen.albedo)
        normal = normal.index_put((at,), unit(seen.normal) @ scene.rotation.T.to(image))
        uv = uv.index_put((at,), seen.uv)
    if pane is not None:
        for which, at in by_surface(pane):
            label[at] = scene.surfaces[pane.members[which]].label
    return TensorFrame(
        image=image,
        alpha=alpha,
        triangle=centre.ids,
        barycentric=bary.reshape(high, wide, 3),
        depth=torch.where(centre.ids >= 0, -1.0 / centre.keys, torch.inf),
        surface=surface.reshape(high, wide),
        label=label.reshape(high, wide),
        albedo=albedo.reshape(high, wide, 3),
        normal=normal.reshape(high, wide, 3),
        uv=uv.reshape(high, wide, 2),
    )
