"""Draw a scene description on the processor (Numba)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.brdf import prepare
from fusiform.lab.geometry.camera import position
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.materials import LENS
from fusiform.lab.geometry.raster import canvas, fill, see, snap
from fusiform.lab.geometry.scene import (
    Buffers,
    Bytes,
    Floats,
    Frame,
    Ints,
    Material,
    Scene,
    Surface,
    Texture,
)
from fusiform.lab.geometry.shade import (
    NO_LABELS,
    NO_TEXTURE,
    describe,
    lamp_rows,
    shade,
    window,
)
from fusiform.lab.geometry.shadow import maps

Doubles = NDArray[np.float64]
Number = TypeVar("Number", bound=np.generic)

STEEP = 3.0  # depth over distance: the steepest slope whose samples are lit together
STEEP_HAIR = 1e9  # strands of a pixel are lit as one, however deep


class Layer(NamedTuple):
    """One set of surfaces drawn on a grid: `ids`, `keys` (h, w), snapped vertices, first ids.

    `cell`: from one sample of the grid to the next, in units of the vertices."""

    members: tuple[int, ...]  # index into Scene.surfaces
    firsts: tuple[int, ...]
    placed: tuple[Doubles, ...]
    ids: Ints
    keys: Floats
    cell: int


class Light(NamedTuple):
    """All that lights a scene, ready for `shade`."""

    sky: Doubles
    sun: Doubles
    lamps: Doubles
    depths: Floats
    places: Doubles


def render(scene: Scene, samples: int = 2) -> Frame:
    """Draw `scene`: the picture from `samples` x `samples` rays a pixel, the rest at its centre.

    The same bytes every time. Raises ChoiceError if `samples` is not 1 to 8 or the background has
    another size than the camera's picture.
    """
    if samples not in range(1, 9):
        raise ChoiceError("samples", "1 to 8", samples)
    camera = scene.camera
    if scene.background.shape != (camera.height, camera.width, 3):
        wanted = f"({camera.height}, {camera.width}, 3), as the camera's picture"
        raise ChoiceError("Scene.background's shape", wanted, scene.background.shape)
    scene = replace(scene, surfaces=tuple(tidy(surface) for surface in scene.surfaces))
    screens = [see(camera, surface.vertices) for surface in scene.surfaces]
    opaque = tuple(i for i, s in enumerate(scene.surfaces) if s.cover >= 1)
    lenses = tuple(i for i, s in enumerate(scene.surfaces) if s.cover < 1)
    centre, fine = draw(scene, screens, opaque, samples)
    light = lights(scene, centre.keys)
    radiance = spread(plain(scene.background, np.float32), samples)
    shade_layer(scene, fine, light, samples, radiance.reshape(-1, 3))
    covered = fine.ids >= 0
    pane = None
    if lenses:
        pane, many = draw(scene, screens, lenses, samples)
        add_lenses(scene, many, fine.keys, light, radiance, samples)
        covered |= many.ids >= 0
    image, alpha = shrink(radiance, covered, samples, 1.0 / samples**2)
    return frame(scene, centre, pane, image, alpha)


def tidy(surface: Surface) -> Surface:
    """The same surface in plain arrays: Numba compiles anew for each type and layout it meets."""
    texture = surface.texture
    if texture is not None:
        texture = Texture(plain(texture.channels, np.float32), plain(texture.labels, np.uint8))
    return replace(
        surface,
        vertices=plain(surface.vertices, np.float32),
        normals=plain(surface.normals, np.float32),
        triangles=plain(surface.triangles, np.int32),
        tangents=plain(surface.tangents, np.float32),
        uv=plain(surface.uv, np.float32),
        tint=plain(surface.tint, np.float32),
        openness=plain(surface.openness, np.float32),
        texture=texture,
    )


class Lent:
    """A read-only array, offered as a writable one without a copy: the kernels only read it."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        place = (array.__array_interface__["data"][0], False)
        self.__array_interface__ = {**array.__array_interface__, "data": place}


def plain(array: NDArray[Any], dtype: type[Number]) -> NDArray[Number]:
    """`array` as a C array of `dtype` that Numba takes for writable; a copy only if need be."""
    if array.dtype == dtype and array.flags.carray and array.size:
        return array
    fit = np.require(array, dtype, ("C", "A"))
    if fit.size == 0:
        return fit.copy()
    return fit if fit.flags.writeable else np.asarray(Lent(fit))


def draw(
    scene: Scene, screens: list[Doubles], members: tuple[int, ...], samples: int
) -> tuple[Layer, Layer]:
    """`members` of the scene's surfaces at pixel centres, and on a grid of `samples` a pixel and
    side; one and the same where that is 1."""
    high, wide = scene.camera.height, scene.camera.width
    fine, middles = canvas(high * samples, wide * samples), canvas(high, wide)
    also = (middles,) if samples > 1 else ()
    placed, firsts, first = [], [], 0
    for i in members:
        placed.append(snap(screens[i], float(samples)))
        firsts.append(first)
        fill(placed[-1], scene.surfaces[i].triangles, first, *fine, *also)
        first += len(scene.surfaces[i].triangles)
    every = Layer(members, tuple(firsts), tuple(placed), *fine, 1)
    if samples == 1:
        return every, every
    return every._replace(ids=middles[0], keys=middles[1], cell=samples), every


def lights(scene: Scene, keys: Floats) -> Light:
    """The scene's light, with shadow maps that cover what has `keys` (h, w) at pixel centres."""
    sky = prepare(scene.lighting.environment)
    side = map_side(max(scene.camera.width, scene.camera.height))
    depths, places = maps(scene.surfaces, scene.lighting.lamps, keys, scene.camera, side)
    eye = position(scene.camera)
    toward = eye / max(float(np.linalg.norm(eye)), 1e-9)
    return Light(sky, window(sky, toward), lamp_rows(scene.lighting), depths, places)


def map_side(longest: int) -> int:
    """Texels along a shadow map's side, by the longest side of the picture."""
    return 160 if longest <= 128 else 256 if longest <= 320 else 640


@kernel
def group_samples(
    ids: Ints, keys: Floats, firsts: Ints, total: int, span: int, gaps: Doubles
) -> tuple[Ints, Bytes, Ints]:
    """Covered samples, in groups that are lit as one, by surface.

    In each block of `span` x `span` (1 or 2) samples a sample joins the first group of its
    surface whose first sample is as deep, within its share `gaps[s]` of the depth. `ids`, `keys`
    (h, w); surface s has ids from `firsts[s]`, the last ends at `total`. Gives each group's first
    sample (flat place), its mask (bit 2 i + j: row i, column j of the block), and where each
    surface's groups begin (n + 1,).
    """
    high, wide = ids.shape
    owner = np.empty(total, np.int32)
    for s in range(len(firsts)):
        owner[firsts[s] : (firsts[s + 1] if s + 1 < len(firsts) else total)] = s
    masks = np.zeros((high, wide), np.uint8)
    starts = np.zeros(len(firsts) + 1, np.int32)
    for row in range(0, high, span):
        for column in range(0, wide, span):
            for bit in range(span * span):
                y, x = row + bit // 2, column + bit % 2
                if ids[y, x] < 0:
                    continue
                mine, own, joined = owner[ids[y, x]], np.float64(keys[y, x]), False
                for other in range(bit):
                    i, j = row + other // 2, column + other % 2
                    lead = np.float64(keys[i, j])
                    if masks[i, j] == 0 or owner[ids[i, j]] != mine:
                        continue
                    if abs(lead - own) < gaps[mine] * abs(lead):
                        masks[i, j] |= np.uint8(1 << bit)
                        joined = True
                        break
                if not joined:
                    masks[y, x] = np.uint8(1 << bit)
                    starts[mine + 1] += 1
    starts = np.cumsum(starts).astype(np.int32)
    cursor, leads = starts.copy(), np.empty(starts[-1], np.int32)
    out = np.empty(starts[-1], np.uint8)
    for y in range(high):
        for x in range(wide):
            if masks[y, x]:
                s = owner[ids[y, x]]
                leads[cursor[s]], out[cursor[s]] = y * wide + x, masks[y, x]
                cursor[s] += 1
    return leads, out, starts


def groups(scene: Scene, layer: Layer, span: int) -> list[tuple[Ints, Bytes]]:
    """First samples and masks of the groups of each of a layer's surfaces."""
    total = sum(len(scene.surfaces[i].triangles) for i in layer.members)
    firsts = np.array(layer.firsts, np.int32)
    materials = [scene.surfaces[i].material for i in layer.members]
    gaps = np.array([STEEP_HAIR if m == Material.HAIR else STEEP for m in materials])
    gaps = gaps / scene.camera.focal
    leads, masks, starts = group_samples(layer.ids, layer.keys, firsts, total, span, gaps)
    return [(leads[a:b], masks[a:b]) for a, b in pairwise(starts.tolist())]


def span_of(samples: int) -> int:
    """Side of the blocks of samples that are lit together: 2 where they fill whole pixels."""
    return 2 if samples % 2 == 0 else 1


def shade_layer(scene: Scene, layer: Layer, light: Light, samples: int, out: Floats) -> None:
    """Write the light of all covered samples of a layer into `out` (samples, 3)."""
    span, wide, eye = span_of(samples), layer.ids.shape[1], position(scene.camera)
    for which, (leads, masks) in enumerate(groups(scene, layer, span)):
        if len(leads) == 0:
            continue
        surface = scene.surfaces[layer.members[which]]
        shade(
            leads,
            masks,
            wide,
            span,
            layer.firsts[which],
            layer.ids.ravel(),
            layer.placed[which],
            surface.triangles,
            surface.vertices,
            surface.normals,
            surface.tangents,
            surface.uv,
            surface.tint,
            surface.openness,
            channels_of(surface),
            (float(surface.gloss[0]), float(surface.gloss[1])),
            kind_of(surface),
            float(surface.cover),
            eye,
            light.sky,
            light.sun,
            light.lamps,
            light.depths,
            light.places,
            out,
        )


def kind_of(surface: Surface) -> int:
    """Its material's number, or LENS."""
    return LENS if surface.cover < 1 else int(surface.material)


def channels_of(surface: Surface) -> Floats:
    """The surface's texture, or an empty one."""
    return NO_TEXTURE if surface.texture is None else surface.texture.channels


def add_lenses(
    scene: Scene, layer: Layer, keys: Floats, light: Light, radiance: Floats, samples: int
) -> None:
    """Lay the nearest lens over `radiance` (h, w, 3) where it is nearer than `keys`, in place.

    A lens of cover c passes 1 - c of what is behind, adds c times its own lit albedo, and mirrors
    lamps and environment in full.
    """
    layer.ids[layer.keys >= keys] = -1
    own = np.zeros_like(radiance)
    shade_layer(scene, layer, light, samples, own.reshape(-1, 3))
    for which, i in enumerate(layer.members):
        first = layer.firsts[which]
        here = (layer.ids >= first) & (layer.ids < first + len(scene.surfaces[i].triangles))
        radiance[here] = (1 - np.float32(scene.surfaces[i].cover)) * radiance[here] + own[here]


@kernel
def spread(image: Floats, samples: int) -> Floats:
    """Each pixel of `image` (h, w, 3) as a block of `samples` x `samples`."""
    high, wide = image.shape[:2]
    out = np.empty((high * samples, wide * samples, 3), np.float32)
    for y in range(high * samples):
        for x in range(wide):
            for i in range(x * samples, (x + 1) * samples):
                for c in range(3):
                    out[y, i, c] = image[y // samples, x, c]
    return out


@kernel
def shrink(
    radiance: Floats, covered: NDArray[np.bool_], samples: int, share: float
) -> tuple[Floats, Floats]:
    """Mean over blocks of `samples` x `samples`: the image (h, w, 3) and its alpha (h, w)."""
    high, wide = covered.shape[0] // samples, covered.shape[1] // samples
    image, alpha = np.empty((high, wide, 3), np.float32), np.empty((high, wide), np.float32)
    for y in range(high):
        for x in range(wide):
            r, g, b, a = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for i in range(y * samples, (y + 1) * samples):
                for j in range(x * samples, (x + 1) * samples):
                    r += radiance[i, j, 0]
                    g += radiance[i, j, 1]
                    b += radiance[i, j, 2]
                    a += np.float32(covered[i, j])
            image[y, x, 0], image[y, x, 1], image[y, x, 2] = r * share, g * share, b * share
            alpha[y, x] = a * share
    return image, alpha


def frame(scene: Scene, centre: Layer, pane: Layer | None, image: Floats, alpha: Floats) -> Frame:
    """Everything known at pixel centres, with the picture."""
    high, wide = centre.ids.shape
    weights, albedo, normal = (np.zeros((high * wide, 3), np.float32) for _ in range(3))
    uv = np.full((high * wide, 2), np.nan, np.float32)
    label, surface = np.zeros(high * wide, np.uint8), np.full(high * wide, -1, np.int32)
    rotation = scene.camera.rotation.astype(np.float64)
    for which, (picks, _) in enumerate(groups(scene, centre, 1)):
        one = scene.surfaces[centre.members[which]]
        surface[picks] = centre.members[which]
        describe(
            picks,
            wide,
            centre.cell,
            centre.firsts[which],
            centre.ids.ravel(),
            centre.placed[which],
            one.triangles,
            one.normals,
            one.uv,
            one.tint,
            channels_of(one),
            NO_LABELS if one.texture is None else one.texture.labels,
            int(one.label),
            int(one.material),
            rotation,
            weights,
            label,
            albedo,
            normal,
            uv,
        )
    if pane is not None:
        pane.ids[pane.keys >= centre.keys] = -1
        for which, (picks, _) in enumerate(groups(scene, pane, 1)):
            label[picks] = int(scene.surfaces[pane.members[which]].label)
    depth = np.where(centre.ids >= 0, np.float32(-1) / centre.keys, np.float32(np.inf))
    return Frame(
        image=image,
        alpha=alpha,
        buffers=Buffers(centre.ids, weights.reshape(high, wide, 3), depth.astype(np.float32)),
        surface=surface.reshape(high, wide),
        label=label.reshape(high, wide),
        albedo=albedo.reshape(high, wide, 3),
        normal=normal.reshape(high, wide, 3),
        uv=uv.reshape(high, wide, 2),
    )
