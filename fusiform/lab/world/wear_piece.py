"""One thing that is worn: a mesh at its place on an unposed person, and what it moves with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Ints
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.scene import Label, Material, Surface
from fusiform.lab.world.shapes import Mesh, rigid, tangents, unit, vertex_normals
from fusiform.lab.world.wear_fabric import Fabric, fabric_texture

FOLLOWS = ("skull", "jaw", "torso")
NEIGHBOURS = 4


@dataclass(frozen=True)
class Piece:
    """`mesh` in the axes of `rest`, with `tangents` (V, 3), `tint` (V, 3) and `openness` (V,).

    It moves with the rigid transform `follow` (one of FOLLOWS); where `skin` is given ((V, k)
    indices of skin vertices and weights (V, k)), it is also carried along by whatever that skin
    does beyond the rigid movement. `fabric`: what it is made of, None: of one colour. The rest as
    in `Surface`.
    """

    part: str
    mesh: Mesh
    tangents: Floats
    tint: Floats
    openness: Floats
    label: Label
    material: Material
    follow: str = "skull"
    skin: tuple[Ints, Floats] | None = None
    fabric: Fabric | None = None
    gloss: tuple[float, float] = (0.3, 0.5)
    cover: float = 1.0


def piece(
    part: str,
    mesh: Mesh,
    colour: object,
    label: Label,
    material: Material = Material.CLOTH,
    follow: str = "skull",
    openness: NDArray[np.floating] | float = 1.0,
    fabric: Fabric | None = None,
    gloss: tuple[float, float] = (0.3, 0.5),
    cover: float = 1.0,
    skin: tuple[Ints, Floats] | None = None,
) -> Piece:
    """A piece of one `colour` (3,) or with a tint (V, 3), see `Piece`."""
    if follow not in FOLLOWS:
        raise ChoiceError("follow", FOLLOWS, follow)
    count = len(mesh.vertices)
    tint = np.broadcast_to(np.asarray(colour, np.float32), (count, 3)).copy()
    shade = np.broadcast_to(np.asarray(openness, np.float32), count).copy()
    return Piece(
        part,
        mesh,
        tangents(mesh),
        tint,
        shade,
        label,
        material,
        follow,
        skin,
        fabric,
        gloss,
        cover,
    )


def clinging(
    mesh: Mesh, rest: Floats, chosen: NDArray[np.signedinteger[Any]]
) -> tuple[Ints, Floats]:
    """The NEIGHBOURS skin vertices nearest to each vertex of `mesh`, out of `chosen` (c,), as
    indices (V, k) and weights (V, k) that fall with the square of the distance, sum 1."""
    near, apart = closest(mesh.vertices, rest[chosen].astype(np.float32), NEIGHBOURS)
    weight = 1 / (apart + 1e-5)
    weight /= weight.sum(1, keepdims=True)
    return chosen[near].astype(np.int32), weight.astype(np.float32)


@kernel
def closest(points: Floats, places: Floats, count: int) -> tuple[Ints, Floats]:
    """The `count` of `places` (c, 3) nearest to each of `points` (n, 3), nearest first, and their
    squared distances (n, count)."""
    near = np.zeros((len(points), count), np.int32)
    apart = np.full((len(points), count), np.inf, np.float32)
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for j in range(len(places)):
            dx, dy, dz = places[j, 0] - x, places[j, 1] - y, places[j, 2] - z
            gap = dx * dx + dy * dy + dz * dz
            if gap >= apart[i, count - 1]:
                continue
            k = count - 1
            while k > 0 and apart[i, k - 1] > gap:
                apart[i, k], near[i, k] = apart[i, k - 1], near[i, k - 1]
                k -= 1
            apart[i, k], near[i, k] = gap, j
    return near, apart


def settle(rest: Floats, posed: Floats, chosen: NDArray[np.signedinteger[Any]]) -> Floats:
    """The rigid transform (3, 4) that best takes rest[chosen] to posed[chosen] (see `rigid`)."""
    turn, shift = rigid(rest[chosen], posed[chosen])
    return np.concatenate([turn, shift[:, None]], 1).astype(np.float32)


@kernel
def moved_along(
    vertices: Floats,
    index: Ints,
    weight: Floats,
    rest: Floats,
    posed: Floats,
    turn: Floats,
    shift: Floats,
) -> tuple[Floats, float]:
    """Vertices (V, 3) under the rigid movement and what their skin does beyond it, and the largest
    share of the latter, metres."""
    out = np.empty_like(vertices)
    most = 0.0
    for v in range(len(vertices)):
        for d in range(3):
            total = shift[d]
            for e in range(3):
                total += turn[d, e] * vertices[v, e]
            for k in range(index.shape[1]):
                i = index[v, k]
                near = shift[d]
                for e in range(3):
                    near += turn[d, e] * rest[i, e]
                extra = posed[i, d] - near
                most = max(most, abs(extra))
                total += weight[v, k] * extra
            out[v, d] = total
    return out, most


def place(
    item: Piece,
    rest: Floats,
    posed: Floats,
    transforms: dict[str, NDArray[np.floating]],
    texels: int = 256,
) -> Surface:
    """`item` on the posed person; transforms: name of FOLLOWS to (3, 4); `texels` along a side of
    its cloth's texture."""
    matrix = np.asarray(transforms[item.follow], np.float32)
    turn, shift = np.ascontiguousarray(matrix[:, :3]), np.ascontiguousarray(matrix[:, 3])
    normals, along = item.mesh.normals @ turn.T, item.tangents @ turn.T
    if item.skin is None:
        vertices = item.mesh.vertices @ turn.T + shift
    else:
        vertices, most = moved_along(item.mesh.vertices, *item.skin, rest, posed, turn, shift)
        if most > 1e-4:
            change = vertex_normals(vertices, item.mesh.triangles)
            change -= vertex_normals(item.mesh.vertices, item.mesh.triangles) @ turn.T
            normals = unit(normals + change).astype(np.float32)
    cloth = item.fabric
    return Surface(
        part=item.part,
        material=item.material,
        vertices=vertices,
        normals=normals,
        triangles=item.mesh.triangles,
        tangents=along,
        uv=item.mesh.uv,
        tint=item.tint,
        openness=item.openness,
        label=item.label,
        texture=None if cloth is None else fabric_texture(cloth, item.label, texels),
        gloss=item.gloss,
        cover=item.cover,
        casts_shadow=item.cover >= 0.5,
    )
