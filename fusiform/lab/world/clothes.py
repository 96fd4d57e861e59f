"""Clothes about the neck and shoulders: shirts, collars, knitwear, jackets, ties, hoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head, Ints
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.shapes import Mesh, cross, grid, sphere, unit, vertex_normals
from fusiform.lab.world.wear_collar import (
    Neck,
    collar,
    cords,
    hood,
    lapels,
    neck_of,
    neckband,
    over,
    tie_meshes,
)
from fusiform.lab.world.wear_cut import Cut, cut, shell
from fusiform.lab.world.wear_fabric import DYES, Fabric, sample_dye, sample_fabric
from fusiform.lab.world.wear_fit import kept, reach, skin_of, skin_vertices
from fusiform.lab.world.wear_piece import Piece, clinging, piece

Reals = NDArray[np.float64]

GARMENTS = ("crew", "v-neck", "tank", "polo", "shirt", "turtleneck", "jacket", "hoodie")
SHARES = (0.28, 0.12, 0.03, 0.11, 0.16, 0.08, 0.12, 0.10)
PLAIN, WHITE = Fabric(), Fabric(colour=DYES[1])
LIFT = 0.0045  # metres between skin and shirt


@dataclass(frozen=True)
class Clothes:
    """`kind` (one of GARMENTS) of `fabric`; for a jacket, `under` is the shirt and `tie` its tie's
    cloth (None: no tie); `low`: metres the neckline lies below the pit of the neck; `loose`
    metres of air under it. Raises ChoiceError for an unknown kind."""

    kind: str = "crew"
    fabric: Fabric = PLAIN
    under: Fabric = WHITE
    tie: Fabric | None = None
    low: float = 0.012
    loose: float = 0.004

    def __post_init__(self) -> None:
        if self.kind not in GARMENTS:
            raise ChoiceError("Clothes.kind", GARMENTS, self.kind)


def sample_clothes(rng: np.random.Generator, kind: str = "") -> Clothes:
    """Something to wear, of `kind` where one is named."""
    name = kind or str(rng.choice(GARMENTS, p=SHARES))
    patterns = {
        "turtleneck": ("knit", "knit", "plain"),
        "jacket": ("plain", "plain", "plain", "checks"),
        "hoodie": ("plain", "plain", "print"),
        "shirt": ("plain", "plain", "checks", "stripes"),
    }.get(name, ())
    tie = sample_fabric(rng, "plain", "stripes", "dots") if rng.random() < 0.6 else None
    return Clothes(
        kind=name,
        fabric=sample_fabric(rng, *patterns),
        under=Fabric(
            colour=DYES[1] if rng.random() < 0.6 else sample_dye(rng), seed=int(rng.integers(2**31))
        ),
        tie=tie,
        low=float(rng.uniform(0.002, 0.03)),
        loose=float(rng.uniform(0.001, 0.008)),
    )


def neckline(neck: Neck, rest: Floats, kind: str, low: float) -> Reals:
    """Metres (n,) that each skin vertex lies below the neckline of a garment."""
    x, y, z = (rest[:, k].astype(np.float64) for k in range(3))
    t = (z - neck.back[2]) / (neck.front[2] - neck.back[2])
    line = neck.back[1] - 0.016 + t * (neck.front[1] - low - neck.back[1] + 0.016)
    ahead = np.clip((t - 0.3) / 0.5, 0, 1)
    if kind == "v-neck":
        line = line - ahead * 0.085 * np.maximum(1 - np.abs(x) / 0.085, 0)
    if kind in ("shirt", "polo"):
        line = line - ahead * 0.05 * np.maximum(1 - np.abs(x) / 0.028, 0)
    if kind == "tank":
        dip = np.clip(1 - np.abs(x) / (1.05 * neck.half), 0, 1) ** 0.6
        line = line - 0.075 * dip * ahead - 0.055 * dip * np.clip(1 - 2 * t, 0, 1)
        strap = 1.62 * neck.half
        arm = (strap - np.abs(x)) * 1.0 + np.maximum(neck.front[1] - 0.075 - y, 0) * 2.2
        line = np.minimum(line, arm + y)
    if kind == "jacket":
        deep = np.maximum(0.235 - 0.235 * np.abs(x) / 0.083, 0)
        line = line + 0.006 - ahead * deep
    below: Reals = line - y
    return below


def body_uv(rest: Floats, neck: Neck) -> Floats:
    """Texture coordinates (n, 2) of the torso: u across, v down from the shoulders' ridge, the same
    in front and behind."""
    x, y, z = (rest[:, k].astype(np.float64) for k in range(3))
    fall = np.hypot(np.maximum(neck.back[1] + 0.02 - y, 0), 0.55 * (z - neck.axis + 0.015))
    side = np.clip((np.abs(x) - 0.10) / 0.16, 0, 1) * np.maximum(0.13 - np.abs(z - neck.axis), 0)
    u = 0.5 + np.sign(x) * (np.abs(x) + 0.7 * side) / 0.82
    return np.stack([u, np.clip(fall / 0.36, 0, 1)], 1).astype(np.float32)


def torso_openness(points: NDArray[np.floating], neck: Neck) -> Floats:
    """Share of the sky (V,) seen from the torso: less close to the neck, under chin and jaw."""
    p = np.asarray(points, np.float64)
    aside = np.hypot(p[:, 0], 0.8 * (p[:, 2] - neck.axis))
    below = np.maximum(neck.front[1] - p[:, 1], 0)
    share = 0.42 + 2.6 * np.maximum(aside - neck.half, 0) + 1.2 * below
    return np.asarray(np.clip(share, 0.35, 0.95), np.float32)


def torso_part(head: Head, field: Reals) -> Cut:
    """The part of neck and torso below a neckline."""
    return cut(skin_of(head, ("neck", "torso")), field)


def body(
    head: Head, rest: Floats, neck: Neck, kind: str, low: float, fabric: Fabric, offset: float
) -> tuple[Piece, Cut]:
    """The main part of a garment and its cut."""
    normals = vertex_normals(rest, head.triangles)
    part = torso_part(head, neckline(neck, rest, kind, low))
    vertices, outward = shell(rest, normals, part, offset, least=0.6 * offset)
    mesh = Mesh(vertices, outward, part.triangles, part.carry(body_uv(rest, neck)))
    pairs = np.stack([part.first, part.second], 1)
    weights = np.stack([1 - part.share, part.share], 1)
    return piece(
        kind,
        mesh,
        (1, 1, 1),
        Label.CLOTH,
        follow="torso",
        openness=torso_openness(vertices, neck),
        fabric=fabric,
        skin=(pairs, weights),
    ), part


def edge_frames(main: Piece, part: Cut, count: int) -> tuple[Reals, Reals, Reals]:
    """Evenly spread points (count, 3) along the neckline, with unit normals and unit directions
    that lead out of the cloth; from behind the neck, over the subject's left, round."""
    points = main.mesh.vertices[part.edge].astype(np.float64)
    normals = main.mesh.normals[part.edge].astype(np.float64)
    start = int(np.argmin(points[:, 2] + 0.3 * np.abs(points[:, 0])))
    points, normals = np.roll(points, -start, 0), np.roll(normals, -start, 0)
    if points[len(points) // 4, 0] < points[3 * len(points) // 4, 0]:
        points, normals = np.roll(points[::-1], 1, 0), np.roll(normals[::-1], 1, 0)
    closed = np.concatenate([points, points[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    s = np.arange(count) / count * length[-1]
    around = np.concatenate([normals, normals[:1]])
    p = np.stack([np.interp(s, length, closed[:, k]) for k in range(3)], 1)
    n = unit(np.stack([np.interp(s, length, around[:, k]) for k in range(3)], 1))
    for _ in range(3):
        p = (np.roll(p, 1, 0) + 2 * p + np.roll(p, -1, 0)) / 4
        n = unit(np.roll(n, 1, 0) + 2 * n + np.roll(n, -1, 0))
    ahead = unit(np.roll(p, -1, 0) - np.roll(p, 1, 0))
    up = unit(cross(ahead, n))
    inward = np.array([0, 1.0, 0])
    if (up @ inward).mean() < 0:
        up = -up
    return p, n, up


def cling_torso(mesh: Mesh, head: Head, rest: Floats) -> tuple[Ints, Floats]:
    """What clothes near the neck are carried by: the skin of neck and torso."""
    return clinging(mesh, rest, skin_vertices(head, ("neck", "torso")))


def trim(
    name: str, mesh: Mesh, fabric: Fabric, head: Head, rest: Floats, neck: Neck, shade: float = 1.0
) -> Piece:
    """A small part of a garment, carried by neck and torso."""
    return piece(
        name,
        mesh,
        (shade, shade, shade),
        Label.CLOTH,
        follow="torso",
        openness=torso_openness(mesh.vertices, neck),
        fabric=fabric,
        skin=cling_torso(mesh, head, rest),
    )


def turtleneck(head: Head, rest: Floats, neck: Neck, rows: int = 7) -> Mesh:
    """A folded tube around the neck, from inside the neckline up to under the jaw."""
    phi = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    ray = np.stack([np.sin(phi), 0 * phi, np.cos(phi)], 1)
    low, high = neck.front[1] - 0.012, neck.top - 0.012
    t = np.linspace(0, 1, rows)
    back = neck.back[1] - 0.022
    share = (0.5 - 0.5 * ray[:, 2])[None]
    y = low + (high - low) * t[:, None]
    y = y + share * ((back - low) * (1 - t[:, None]) + 0.030 * t[:, None])
    start = np.zeros((rows, 28, 3))
    start[..., 1], start[..., 2] = y, neck.axis + 0.012 * t[:, None]
    far = reach(head, rest, start, ray[None], ("neck", "torso"), 0.115)
    far = np.where(far < 0, 0.06, far)
    far = (np.roll(far, 1, 1) + 2 * far + np.roll(far, -1, 1)) / 4
    bulge = 0.0045 + 0.0055 * np.sin(np.pi * np.clip(t * 1.05, 0, 1)) ** 0.5
    outer = start + ray[None] * (far + bulge[:, None])[..., None]
    rim = outer[-1:] - ray[None] * 0.004 + np.array([0, 0.002, 0])
    inner = outer[-1:] - ray[None] * 0.0075 - np.array([0, 0.006, 0])
    return grid(np.concatenate([inner, rim, outer[::-1]]), closed=True)


@kept(32)
def fit_clothes(clothes: Clothes, head: Head, rest: Floats) -> tuple[Piece, ...]:
    """The pieces of a garment on an unposed person, the main one first. Kept."""
    neck = neck_of(head, rest)
    kind, fabric = clothes.kind, clothes.fabric
    offset = 0.003 if kind == "tank" else LIFT + clothes.loose
    low = {"turtleneck": 0.0, "shirt": 0.004, "polo": 0.004, "jacket": 0.0}.get(kind, clothes.low)
    pieces = []
    if kind == "jacket":
        pieces = list(shirt(clothes.under, head, rest, neck, LIFT))
        if clothes.tie is not None:
            for name, mesh in zip(("tie knot", "tie"), tie_meshes(head, rest, neck), strict=True):
                pieces.append(trim(name, mesh, clothes.tie, head, rest, neck))
        offset = 0.0125
    if kind in ("shirt", "polo"):
        return shirt(fabric, head, rest, neck, offset)
    main, part = body(head, rest, neck, kind, low, fabric, offset)
    p, n, up = edge_frames(main, part, 64)
    if kind in ("crew", "v-neck", "hoodie"):
        band = neckband(p, n, up, 0.015, 0.006 + clothes.loose)
        pieces.append(trim("neckband", band, fabric, head, rest, neck, 0.92))
    if kind == "jacket":
        for mesh in lapels(head, rest, p, n):
            pieces.append(trim("lapel", mesh, fabric, head, rest, neck))
    if kind == "turtleneck":
        pieces.append(trim("roll neck", turtleneck(head, rest, neck), fabric, head, rest, neck))
    if kind == "hoodie":
        pieces.append(trim("hood", hood(p, n, up), fabric, head, rest, neck))
        string = Fabric(colour=fabric.second, rough=0.1, folds=0)
        pieces += [trim("cord", m, string, head, rest, neck) for m in cords(head, rest, neck)]
    return (main, *pieces)


def shirt(fabric: Fabric, head: Head, rest: Floats, neck: Neck, offset: float) -> tuple[Piece, ...]:
    """A shirt with a turned-down collar and buttons."""
    main, part = body(head, rest, neck, "shirt", 0.004, fabric, offset)
    p, n, up = edge_frames(main, part, 64)
    leaf = collar(p, n, up, 0.030, 0.048, 0.034)
    y = neck.front[1] - 0.075 - 0.075 * np.arange(3)
    x, height, z = main.mesh.vertices.T
    y = y[y > height[(np.abs(x) < 0.02) & (z > neck.axis)].min() + 0.01]  # busts may end above
    spots = over(head, rest, np.stack([0 * y, y], 1), offset + 0.001)
    knobs = []
    for spot in spots:
        ball = sphere(0.005, 5, 10)
        flat = (ball.vertices * np.array([1, 1, 0.35]) + spot).astype(np.float32)
        knobs.append(Mesh(flat, ball.normals, ball.triangles, ball.uv))
    buttons = [
        piece(
            "button",
            knob,
            (0.5, 0.48, 0.44),
            Label.CLOTH,
            Material.GLOSS,
            "torso",
            skin=cling_torso(knob, head, rest),
        )
        for knob in knobs
    ]
    return (main, trim("collar", leaf, fabric, head, rest, neck), *buttons)
