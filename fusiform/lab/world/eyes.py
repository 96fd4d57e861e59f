"""Eyeballs: a sphere with a cornea, turned to where the person looks, shaded by its lids."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Head
from fusiform.lab.geometry.posing import eye_turn
from fusiform.lab.geometry.scene import Floats, Label, Material, Surface, Texture
from fusiform.lab.world.iris import (
    DISH,
    EDGE,
    EDGE_UV,
    LIMBUS_UV,
    PUPIL_UV,
    Eyes,
    dish,
    iris_texture,
    sample_eyes,
)
from fusiform.lab.world.shapes import Mesh, cross, grid_triangles, unit, vertex_normals

__all__ = ["Eyes", "eye_surfaces", "eyeball", "iris_texture", "sample_eyes"]

Reals = NDArray[np.float64]

RADIUS = 0.012
BULGE = 0.0003  # metres the cornea stands out: a true 1.7 mm would pierce the lids
COLUMNS = 40
LABELS = (Label.LEFT_EYE, Label.RIGHT_EYE)


@lru_cache(maxsize=256)
def eye_mesh(
    diameter: float,
    pupil: float,
    radius: float = RADIUS,
    bulge: float = BULGE,
    columns: int = COLUMNS,
) -> Mesh:
    """An eyeball about the origin that looks along +z; iris and pupil diameters in metres.

    The mesh, of `columns` sectors, is dense at the pupil, limbus and front and ends EDGE from the
    axis.
    """
    limbus = np.arcsin(diameter / 2 / radius)
    hole = np.arcsin(pupil / 2 / radius)
    inner = hole + (limbus - hole) * np.array([0.25, 0.5, 0.75, 1.0])
    outer = limbus + (EDGE - limbus) * np.linspace(0, 1, 1 + 7 * columns // 20)[1:] ** 1.1
    theta = np.concatenate([[0.0, 0.6 * hole, hole], inner, outer])
    knots = ([0.0, hole, limbus, EDGE], [0.0, PUPIL_UV, LIMBUS_UV, EDGE_UV])
    rho = np.interp(theta, *knots)
    fall = np.clip(1 - (theta / (1.08 * limbus)) ** 2, 0, 1)
    distance = radius + bulge * fall**1.5
    # normals of the iris, a hollow dish; the texture's slopes turn them into those of the cornea
    steep = -DISH * limbus * dish(theta / limbus)
    phi = np.linspace(0, 2 * np.pi, columns + 1)
    ring = np.stack([np.cos(phi), np.sin(phi)], -1)

    def turned(angle: Reals) -> Reals:
        side = np.sin(angle)[:, None, None] * ring[None]
        ahead = np.broadcast_to(np.cos(angle)[:, None, None], (*side.shape[:2], 1))
        return np.concatenate([side, ahead], -1)

    uv = 0.5 + rho[:, None, None] * ring[None] * np.array([1.0, -1.0])
    triangles = grid_triangles(len(theta), columns + 1)
    keep = (triangles[:, [0, 1, 2]] > columns).sum(1) > 1  # one triangle a sector at the pole
    return Mesh(
        (distance[:, None, None] * turned(theta)).reshape(-1, 3).astype(np.float32),
        turned(theta + steep).reshape(-1, 3).astype(np.float32),
        triangles[keep],
        uv.reshape(-1, 2).astype(np.float32),
    )


def lid_gaps(
    points: Reals, rim: Reals, centre: Reals, across: NDArray[np.floating]
) -> tuple[Reals, Reals, Reals]:
    """How far (metres) `points` (V, 3) lie below the upper lid's margin, above the lower one's and
    inside the nearer corner, as seen from the front; negative: behind a lid.

    rim (r, 3): the posed margin loop; across (3,): about the subject's left.
    """
    apart = ((rim[:, None] - rim[None]) ** 2).sum(-1)
    i, j = np.unravel_index(int(np.argmax(apart)), apart.shape)
    x = unit(rim[j] - rim[i])
    x = x if x @ across > 0 else -x
    front = unit(rim.mean(0) - centre)
    y = unit(cross(front, x))
    px, py = (points - centre) @ x, (points - centre) @ y
    rx, ry = (rim - centre) @ x, (rim - centre) @ y
    low, high = int(np.argmin(rx)), int(np.argmax(rx))
    line = ry[low] + (rx - rx[low]) * (ry[high] - ry[low]) / (rx[high] - rx[low])
    order = np.argsort(rx, kind="stable")
    ends = np.zeros(len(rx), bool)
    ends[[low, high]] = True
    upper = order[(ry >= line)[order] | ends[order]]
    lower = order[(ry <= line)[order] | ends[order]]
    below = np.interp(px, rx[upper], ry[upper]) - py
    above = py - np.interp(px, rx[lower], ry[lower])
    inside = np.minimum(px - rx[low], rx[high] - px)
    hidden = (points - centre) @ front < 0
    return np.where(hidden, -1.0, below), above, inside


def lid_openness(points: Reals, rim: Reals, centre: Reals, across: NDArray[np.floating]) -> Floats:
    """Share of the sky (V,) that the eyeball's `points` see between the lids: a deep shade under
    the upper lid and its lashes, a faint one at the lower, dark in the corners."""
    below, above, inside = lid_gaps(points, rim, centre, across)
    upper = 1 - 0.84 * np.exp(-np.maximum(below, 0) / 0.0027)
    lower = 1 - 0.42 * np.exp(-np.maximum(above, 0) / 0.0011)
    corner = 1 - 0.5 * np.exp(-np.maximum(inside, 0) / 0.0022)
    out = np.minimum(np.minimum(below, above), inside) < 0
    return np.where(out, 0.12, upper * lower * corner).astype(np.float32)


def shaded(openness: Floats) -> Floats:
    """How much lamps light a place of this `openness`: lids and lashes also dim direct light, in
    finer detail than a shadow map shows."""
    return (0.3 + 0.7 * np.clip(openness, 0, 1) ** 0.8).astype(np.float32)


def eyeball(
    eyes: Eyes,
    centre: NDArray[np.floating],
    rotation: NDArray[np.floating],
    side: int = 0,
    rim: NDArray[np.floating] | None = None,
    radius: float = RADIUS,
    pupil: float = 0.0035,
    texture: Texture | None = None,
    columns: int = COLUMNS,
) -> Surface:
    """One eyeball of `side` (0 left, 1 right) at `centre` (3,), looking along `rotation` @ +z.

    rim: the posed lid margin (r, 3), which shades it. pupil: diameter in metres, 0.0015..0.009.
    texture: that of `iris_texture(eyes, 256, side)` where none is given. The cornea stands out
    by BULGE only, so that it clears the lids. columns: sectors of its mesh. Raises ChoiceError for
    an impossible pupil.
    """
    if not 0.0015 <= pupil <= min(0.009, eyes.diameter - 0.001):
        raise ChoiceError("eyeball pupil", "0.0015 to 0.009 metres, below the iris", pupil)
    mesh = eye_mesh(eyes.diameter, round(pupil, 5), radius, BULGE * radius / RADIUS, columns)
    turn = np.asarray(rotation, np.float32)
    vertices = mesh.vertices @ turn.T + np.asarray(centre, np.float32)
    normals = mesh.normals @ turn.T
    along = turn[:, 0] - normals * (normals @ turn[:, 0])[:, None]
    openness = np.ones(len(vertices), np.float32)
    if rim is not None:
        openness = lid_openness(
            vertices.astype(np.float64), np.asarray(rim, np.float64), np.asarray(centre), turn[:, 0]
        )
    return Surface(
        part=("left eye", "right eye")[side],
        material=Material.EYE,
        vertices=vertices,
        normals=normals,
        triangles=mesh.triangles,
        tangents=unit(along).astype(np.float32),
        uv=mesh.uv,
        tint=np.repeat(shaded(openness)[:, None], 3, axis=1),
        openness=openness,
        label=LABELS[side],
        texture=iris_texture(eyes, 256, side) if texture is None else texture,
        casts_shadow=False,
    )


def waterline(
    rim: NDArray[np.floating],
    centre: NDArray[np.floating],
    nasal: NDArray[np.floating],
    side: int,
    radius: float = RADIUS,
) -> Surface:
    """The wet pink edge that joins the lid margin `rim` (r, 3) to the eyeball: lid thickness, tear
    film and, at the inner corner, towards `nasal` (3,), the caruncle."""
    edge, middle = np.asarray(rim, np.float64), np.asarray(centre, np.float64)
    out = edge - middle
    distance = np.linalg.norm(out, axis=1, keepdims=True)
    heart = edge.mean(0)
    inward = unit(heart - edge)
    gap = np.clip(distance - radius, 0.0, 0.006)
    spread = np.linalg.svd(edge - heart, compute_uv=False)[1] / np.sqrt(len(edge))
    opened = float(np.clip(spread / 0.0026, 0, 1))  # lids that close push the edge out of sight
    landing = edge + inward * opened * (0.0005 + 0.55 * gap)
    landing = middle + unit(landing - middle) * (radius + 0.00012 * opened - 0.0004 * (1 - opened))
    bulge = edge * 0.45 + landing * 0.55 + unit(out) * opened * (0.12 * gap + 0.00005)
    sunk = landing - unit(landing - middle) * 0.0006 + inward * 0.0003
    rows = np.stack([edge, bulge, landing, sunk])
    rows = np.concatenate([rows, rows[:, :1]], 1)
    vertices = rows.reshape(-1, 3)
    triangles = grid_triangles(4, rows.shape[1])
    normals = vertex_normals(vertices, triangles)
    if (normals * (vertices - middle)).sum() < 0:
        triangles, normals = np.ascontiguousarray(triangles[:, ::-1]), -normals
    aside = (edge - heart) @ unit(nasal)
    inner = np.clip(gap[:, 0] / 0.003, 0, 1) * np.clip((aside / aside.max() - 0.55) / 0.3, 0, 1)
    inner = np.append(inner, inner[0])[None, :, None]
    base = np.array([[0.40, 0.22, 0.175], [0.42, 0.26, 0.22], [0.47, 0.36, 0.33], [0.4, 0.3, 0.27]])
    flesh = np.array(
        [[0.36, 0.17, 0.14], [0.40, 0.17, 0.145], [0.44, 0.27, 0.24], [0.4, 0.25, 0.2]]
    )
    tint = base[:, None] * (1 - inner) + flesh[:, None] * inner
    corner = 1 - 0.45 * np.clip(gap[:, 0] / 0.003, 0, 1)
    openness = np.outer([0.8, 0.65, 0.5, 0.3], np.append(corner, corner[0]))
    tint = tint * shaded(openness.astype(np.float32))[..., None]
    return Surface(
        part=("left waterline", "right waterline")[side],
        material=Material.MOUTH,
        vertices=vertices.astype(np.float32),
        normals=normals,
        triangles=triangles,
        tangents=unit(np.gradient(rows, axis=1)).reshape(-1, 3).astype(np.float32),
        uv=np.zeros((len(vertices), 2), np.float32),
        tint=tint.reshape(-1, 3).astype(np.float32),
        openness=openness.ravel().astype(np.float32),
        label=LABELS[side],
        gloss=(0.55, 0.22),
        casts_shadow=False,
    )


def eye_surfaces(
    eyes: Eyes,
    head: Head,
    posed: NDArray[np.floating],
    centres: NDArray[np.floating],
    skull: NDArray[np.floating],
    gaze: NDArray[np.floating] | None = None,
    pupil: float = 0.0035,
    size: int = 256,
) -> tuple[Surface, ...]:
    """Both eyeballs with their wet edges, for a posed person.

    posed (n, 3); centres (2, 3) posed, left and right; skull (3, 4) rest to posed; gaze (2, 2):
    yaw and pitch of each eye within the head, degrees (see `posing.eye_turn`), of its optical axis:
    the line through the middle of the pupil (the visual axis lies about 5 degrees off it); size of
    the texture; that of the mesh goes with it.
    """
    columns = 20 if size <= 48 else 30 if size <= 96 else COLUMNS
    angles = np.zeros((2, 2)) if gaze is None else np.asarray(gaze)
    made = []
    for side in (0, 1):
        rim = posed[head.rims[side]]
        turn = skull[:, :3] @ eye_turn(float(angles[side, 0]), float(angles[side, 1]))
        texture = iris_texture(eyes, size, side)
        form = (head.eye_radius, pupil, texture, columns)
        made.append(eyeball(eyes, centres[side], turn, side, rim, *form))
        made.append(
            waterline(rim, centres[side], centres[1 - side] - centres[side], side, head.eye_radius)
        )
    return tuple(made)
