"""Where each texel of the skin texture lies on the mean head.

Everything painted on skin is a function of the place in space, so it does not matter how the
head was unwrapped. Texels outside the islands but close to one repeat its border (padding), so
that bilinear lookups never mix in what is not skin.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import REGIONS, Head
from fusiform.lab.geometry.mesh import vertex_normals
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.atlas_chart import borders
from fusiform.lab.world.atlas_cover import blend, pad, paint

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

SMALLEST, LARGEST = 16, 4096
PADDING = 4  # texels
BROW = 0.5
CELL = 0.002  # metres; edge of the cubes that texels are sorted into, three texels at least
OF_REGION = {
    "face": Label.SKIN, "nose": Label.NOSE, "upper_lip": Label.UPPER_LIP,
    "lower_lip": Label.LOWER_LIP, "inner_mouth": Label.MOUTH, "eye_socket_l": Label.LEFT_EYE,
    "eye_socket_r": Label.RIGHT_EYE, "eyelid_l": Label.SKIN, "eyelid_r": Label.SKIN,
    "brow_l": Label.SKIN, "brow_r": Label.SKIN, "ear_l": Label.LEFT_EAR,
    "ear_r": Label.RIGHT_EAR, "scalp": Label.SKIN, "neck": Label.NECK, "torso": Label.NECK,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Atlas:
    """The k texels of a `size` x `size` texture that show skin or pad it, in row order.

    `index` (size, size) int32: place in the list, -1 for none. `inside` (k,) bool: covered by a
    triangle, not padding. `triangle` (k,), `barycentric` (k, 3), `position` (k, 3) metres,
    `normal` (k, 3) unit, `along_u` and `along_v` (k, 3): unit tangents, `along_u` as the
    renderer's tangent and `along_v` square to it, towards growing v. `texel` (k,): metres across
    (the longer way). `region` (k,) uint8 into REGIONS. `masks`: name to (k,), the head's.
    `lip` (k,): metres inside the red of the lips, < 0 outside; `lid`, `mouth` (k,): metres from
    the lid margins and from the inner edge of the lips. `labels` (size, size) uint8.
    """

    size: int
    index: Ints
    inside: NDArray[np.bool_]
    triangle: Ints
    barycentric: Floats
    position: Floats
    normal: Floats
    along_u: Floats
    along_v: Floats
    texel: Floats
    region: Bytes
    masks: dict[str, Floats]
    lip: Floats
    lid: Floats
    mouth: Floats
    labels: Bytes
    boxes: Boxes

    def spread(self, values: NDArray[np.generic], empty: float = 0.0) -> NDArray[np.generic]:
        """`values` (k, ...) as a picture (size, size, ...), `empty` where no texel is."""
        picture = np.full((self.size, self.size, *values.shape[1:]), empty, values.dtype)
        picture[self.index >= 0] = values
        return picture


@dataclass(frozen=True)
class Boxes:
    """Texels sorted into cubes in space: cube b holds `texels[start[b]:start[b + 1]]`."""

    low: Floats  # (3,) corner
    edge: float  # metres
    shape: tuple[int, int, int]
    start: Ints
    texels: Ints


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def _tangents(head: Head) -> tuple[Floats, Floats]:
    """Per triangle: metres per unit of u and of v, as vectors (t, 3)."""
    p, uv = head.mean[head.triangles], head.uv[head.uv_triangles].astype(np.float64)
    one, two = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    area = np.where(np.abs(area) < 1e-14, 1e-14, area)[:, None]
    u = (one * b[:, 1:2] - two * a[:, 1:2]) / area
    v = (two * a[:, 0:1] - one * b[:, 0:1]) / area
    return u.astype(np.float32), v.astype(np.float32)


def _boxed(position: Floats, size: float) -> Boxes:
    low = position.min(axis=0) - size
    cell = ((position - low) / size).astype(np.int64)
    shape = tuple(int(n) for n in cell.max(axis=0) + 2)
    name = (cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2]
    count = np.bincount(name, minlength=shape[0] * shape[1] * shape[2])
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    order = np.argsort(name, kind="stable").astype(np.int32)
    return Boxes(low.astype(np.float32), size, (shape[0], shape[1], shape[2]), start, order)


def _label(region: Bytes, brow: Floats, x: Floats) -> Bytes:
    table = np.array([OF_REGION[name] for name in REGIONS], np.uint8)
    labels = table[region]
    hairy = (brow > BROW) & (labels == Label.SKIN)
    labels[hairy] = np.where(x[hairy] > 0, Label.LEFT_BROW, Label.RIGHT_BROW)
    return labels


def make_atlas(head: Head, size: int) -> Atlas:
    """The atlas of `head` for a `size` x `size` texture. Raises ChoiceError for another size than
    16 to 4096. `atlas` keeps what this makes."""
    if not SMALLEST <= size <= LARGEST:
        raise ChoiceError("size", f"{SMALLEST} to {LARGEST} texels", size)
    points = (head.uv[head.uv_triangles] * np.float32(size)).astype(np.float32)
    owner, weights = paint(points, np.zeros(points.shape[:2], np.float32), size, size)
    covered = owner >= 0
    pad(owner, weights, points, PADDING)
    used = owner >= 0
    triangle, barycentric = owner[used], weights[used]
    index = np.full((size, size), -1, np.int32)
    index[used] = np.arange(len(triangle))
    edge = borders(head)
    names = sorted(head.masks)
    columns = [head.masks[name] for name in names] + [edge.lip, edge.lid, edge.mouth]
    corners = head.triangles[triangle]
    vertex = np.column_stack(
        [head.mean, vertex_normals(head.mean, head.triangles), *columns]
    ).astype(np.float32)
    values = blend(corners, barycentric, vertex)
    fields = {name: np.ascontiguousarray(values[:, 6 + i]) for i, name in enumerate(names)}
    position, normal = np.ascontiguousarray(values[:, :3]), _unit(values[:, 3:6])
    u, v = (axis[triangle] for axis in _tangents(head))
    texel = np.maximum(np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)) / size
    along_u = _unit(u - normal * (u * normal).sum(1, keepdims=True))
    along_v = np.cross(along_u, normal)
    along_v *= np.where((along_v * v).sum(1, keepdims=True) < 0, -1, 1)
    region = head.region[triangle]
    brow = fields.get("brow", np.zeros(len(triangle), np.float32))
    labels = np.full((size, size), Label.SKIN, np.uint8)
    labels[used] = _label(region, brow, position[:, 0])
    return Atlas(
        size=size,
        index=index,
        inside=covered[used],
        triangle=triangle,
        barycentric=barycentric,
        position=position,
        normal=np.ascontiguousarray(normal, np.float32),
        along_u=np.ascontiguousarray(along_u, np.float32),
        along_v=np.ascontiguousarray(along_v, np.float32),
        texel=texel.astype(np.float32),
        region=region,
        masks=fields,
        lip=np.ascontiguousarray(values[:, -3]),
        lid=np.ascontiguousarray(values[:, -2]),
        mouth=np.ascontiguousarray(values[:, -1]),
        labels=labels,
        boxes=_boxed(position, max(CELL, float(np.median(texel)) * 3)),
    )


_KEPT: dict[tuple[int, int], tuple[weakref.ref[Head], Atlas]] = {}


def atlas(head: Head, size: int) -> Atlas:
    """`make_atlas`, kept for as long as `head` lives."""
    key = (id(head), size)
    kept = _KEPT.get(key)
    if kept is not None and kept[0]() is head:
        return kept[1]
    made = make_atlas(head, size)
    _KEPT[key] = (weakref.ref(head, lambda _: _KEPT.pop(key, None)), made)
    return made
