"""One description of a picture to be drawn, read by both renderers.

World axes: x to the subject's left, y up, z out of the face; metres. A camera maps them to its
own axes: x right, y down, z forward. Colours are linear light, not sRGB. Textures have v
downward: uv (0, 0) is the outer corner of the first texel, (1, 1) that of the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]


class Material(IntEnum):
    """How a surface answers light."""

    SKIN = 0  # soft light bleeding through, two oily lobes
    EYE = 1  # sclera and iris under a wet shell
    MOUTH = 2  # teeth, gums and tongue: wet
    HAIR = 3  # fibres: two shifted highlights along the strand
    CLOTH = 4  # rough
    GLOSS = 5  # plastic, metal, glass frames


class Label(IntEnum):
    """Parsing classes: the 19 of CelebAMask-HQ in its order, then `OCCLUDER`. Left: subject's."""

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    GLASSES = 3
    LEFT_EYE = 4
    RIGHT_EYE = 5
    LEFT_BROW = 6
    RIGHT_BROW = 7
    LEFT_EAR = 8
    RIGHT_EAR = 9
    MOUTH = 10
    UPPER_LIP = 11
    LOWER_LIP = 12
    HAIR = 13
    HAT = 14
    EARRING = 15
    NECKLACE = 16
    NECK = 17
    CLOTH = 18
    OCCLUDER = 19


# What lies within a face's outline.
WHOLE_FACE = (*range(Label.SKIN, Label.LEFT_EAR), Label.MOUTH, Label.UPPER_LIP, Label.LOWER_LIP)


@dataclass(frozen=True)
class Texture:
    """`channels` (h, w, 8) float32: albedo r, g, b (0..1, linear); slope of the fine relief along
    u and along v (rise over run, 0 = smooth); strength of the highlight (0..1, 1 = plain skin);
    roughness (0..1); thickness (0 = light passes through, as in an ear, 1 = thick).

    `labels` (h, w) uint8: the parsing class of each texel.
    """

    channels: Floats
    labels: Bytes


@dataclass(frozen=True)
class Surface:
    """Triangles that share a material. Arrays of length V (vertices) or T (triangles).

    `tangents` point along growing u (or along a hair, root to tip). `tint` multiplies the
    texture's albedo, or is the albedo where there is no texture. `openness` is the share of the
    sky a vertex sees (ambient occlusion), 0..1. `label` is the class where no texture says it.
    `gloss` (strength, roughness) counts where there is no texture. `cover`: 1 is opaque, below 1
    a lens that lets light through, drawn over all that is behind it. `part` names it for users.
    """

    part: str
    material: Material
    vertices: Floats  # (V, 3)
    normals: Floats  # (V, 3) unit
    triangles: Ints  # (T, 3) counter-clockwise from outside
    tangents: Floats  # (V, 3)
    uv: Floats  # (V, 2)
    tint: Floats  # (V, 3)
    openness: Floats  # (V,)
    label: Label = Label.BACKGROUND
    texture: Texture | None = None
    gloss: tuple[float, float] = (0.3, 0.5)
    cover: float = 1.0
    casts_shadow: bool = True


@dataclass(frozen=True)
class Camera:
    """A pinhole: `pixel = focal * (x / z, y / z) + centre`, pixel centres at +0.5.

    `rotation` (3, 3) and `shift` (3,) take world to camera axes: `rotation @ p + shift`.
    `focal` and `centre` are in pixels of the picture, `width` x `height`.
    """

    focal: float
    centre: tuple[float, float]
    rotation: Floats
    shift: Floats
    width: int
    height: int


@dataclass(frozen=True)
class Lamp:
    """A far light. `direction` (3,): unit, towards it, world axes. `colour` (3,): irradiance of a
    surface that faces it, divided by pi. `size`: its angular radius, radians (soft shadows)."""

    direction: Floats
    colour: Floats
    size: float = 0.05
    casts_shadow: bool = True


@dataclass(frozen=True)
class Lighting:
    """`environment` (9, 3): spherical harmonics of order 2 of the radiance from all around, world
    axes, in the order and normalisation of Ramamoorthi and Hanrahan 2001, with `lamps` on top."""

    environment: Floats
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True)
class Scene:
    """`background` (height, width, 3): linear light seen where no surface is."""

    surfaces: tuple[Surface, ...]
    camera: Camera
    lighting: Lighting
    background: Floats


@dataclass(frozen=True)
class Buffers:
    """What a ray through each pixel's centre meets first (lenses do not count).

    `triangle` counts through all opaque surfaces in their order, -1 where nothing is;
    `barycentric` are perspective-correct; `depth` is camera z in metres, inf where nothing is.
    """

    triangle: Ints  # (h, w)
    barycentric: Floats  # (h, w, 3)
    depth: Floats  # (h, w)


@dataclass(frozen=True)
class Frame:
    """A drawn scene. `image` (h, w, 3) float32: linear light, averaged over each pixel.

    `alpha` (h, w): share of each pixel that any surface covers. At pixel centres: `buffers`,
    `surface` (h, w) int32 index into `Scene.surfaces`, -1 none, `label` (h, w) uint8 with lenses
    drawn as their class, `albedo` (h, w, 3), `normal` (h, w, 3) camera axes, unit, relief not
    included, `uv` (h, w, 2), nan where nothing is.
    """

    image: Floats
    alpha: Floats
    buffers: Buffers
    surface: Ints
    label: Bytes
    albedo: Floats
    normal: Floats
    uv: Floats
    extra: dict[str, Floats] = field(default_factory=dict)
