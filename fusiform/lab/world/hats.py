"""What is worn on the head: knitted and brimmed hats, bands, scarves, hoods, turbans, helmets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.shapes import Mesh, about_y, grid, sphere, unit
from fusiform.lab.world.wear_fabric import Fabric, sample_fabric
from fusiform.lab.world.wear_fit import kept, landmarks, reach, region_points, skin_vertices
from fusiform.lab.world.wear_piece import Piece, piece
from fusiform.lab.world.wear_wrap import wrap_hides, wrap_pieces

Reals = NDArray[np.float64]

HATS = (
    *("beanie", "cap", "fedora", "headband", "turban", "helmet", "headscarf", "hood", "bucket"),
)
SHARES = (0.22, 0.22, 0.10, 0.06, 0.06, 0.06, 0.13, 0.09, 0.06)
KNIT = Fabric("knit")
COLUMNS = 48
ROWS = 13
BONY = ("face", "nose", "brow_l", "brow_r", "scalp", "neck")


@dataclass(frozen=True)
class Hat:
    """`kind` (one of HATS) of `fabric`; `low`: metres its front edge is drawn down (0..0.02);
    `tall`: extra height of the crown, metres; `turned`: degrees it is worn askew about the
    vertical; `back`: a cap worn back to front. Raises ChoiceError for an unknown kind."""

    kind: str = "beanie"
    fabric: Fabric = KNIT
    low: float = 0.005
    tall: float = 0.012
    turned: float = 0.0
    back: bool = False

    def __post_init__(self) -> None:
        if self.kind not in HATS:
            raise ChoiceError("Hat.kind", HATS, self.kind)


def sample_hat(rng: np.random.Generator, kind: str = "") -> Hat:
    """Something for the head, of `kind` where one is named."""
    name = kind or str(rng.choice(HATS, p=SHARES))
    patterns = {
        "beanie": ("knit", "knit", "plain"),
        "helmet": ("plain",),
        "fedora": ("plain",),
        "headscarf": ("plain", "plain", "print", "dots"),
        "turban": ("plain",),
        "hood": ("plain",),
    }.get(name, ())
    return Hat(
        kind=name,
        fabric=sample_fabric(rng, *patterns),
        low=float(rng.uniform(0, 0.016)),
        tall=float(rng.uniform(0.004, 0.03)),
        turned=float(rng.normal(0, 5)),
        back=bool(name == "cap" and rng.random() < 0.12),
    )


@dataclass(frozen=True)
class Skull:
    """`centre` (3,) of the brain case; `brow` y just above the brows; `ear` y of the ears' tops."""

    centre: Reals
    brow: float
    ear: float
    nape: float


def skull_of(head: Head, rest: Floats) -> Skull:
    """The places a hat is fitted to."""
    p = landmarks(head, rest)
    scalp = region_points(head, rest, "scalp")
    z = (scalp[:, 2].min() + p[27, 2]) / 2
    ear = region_points(head, rest, "ear_l", "ear_r")[:, 1].max()
    x = float(p[[36, 45], 0].mean())
    centre = np.array([x, ear + 0.012, z])
    return Skull(centre, float(p[17:27, 1].max() + 0.006), float(ear), float(ear - 0.045))


def edge_heights(hat: Hat, skull: Skull, phi: Reals) -> Reals:
    """Height y (k,) of a hat's lower edge all round; phi 0 in front, growing to the left."""
    front, side, behind = {
        "beanie": (0.022 - hat.low, -0.004 - hat.low, -0.030),
        "cap": (0.020 + 0.010 * hat.back - 0.6 * hat.low, 0.012, -0.016),
        "fedora": (0.024 - 0.6 * hat.low, 0.016, -0.006),
        "bucket": (0.034 - 0.6 * hat.low, 0.018, -0.006),
        "headband": (0.020 - 0.5 * hat.low, 0.004, -0.020),
        "turban": (0.022 - 0.6 * hat.low, 0.000, -0.040),
        "helmet": (0.022 - 0.6 * hat.low, 0.014, -0.016),
    }[hat.kind]
    c = np.cos(phi)
    ahead = skull.brow + front
    sides, rear = skull.ear + side, skull.ear + behind
    forward = sides + (ahead - sides) * np.clip(c, 0, 1) ** 1.3
    return np.where(c > 0, forward, sides + (rear - sides) * np.clip(-c, 0, 1) ** 1.2)


def filled(far: Reals) -> Reals:
    """`far` (..., columns) with what is missing (below 0) taken from its neighbours around."""
    rows = far.reshape(-1, far.shape[-1]).copy()
    place = np.arange(rows.shape[1])
    for row in rows:
        known = row > 0
        if known.any() and not known.all():
            row[:] = np.interp(place, place[known], row[known], period=len(place))
    return rows.reshape(far.shape)


def dome(head: Head, rest: Floats, skull: Skull, edge: Reals, phi: Reals, t: Reals) -> Reals:
    """Points (rows, columns, 3) on the skin from the crown (t = 0) to the hat's edge (t = 1)."""
    around = np.stack([np.sin(phi), 0 * phi, np.cos(phi)], 1)
    start = np.broadcast_to(skull.centre, around.shape).copy()
    start[:, 1] = edge
    out = filled(reach(head, rest, start, around, BONY, 0.16))
    out = (np.roll(out, 1) + 2 * out + np.roll(out, -1)) / 4
    low = np.arctan2(edge - skull.centre[1], out)
    angle = np.pi / 2 + t[:, None] * (low - np.pi / 2)[None]
    ray = np.cos(angle)[..., None] * around[None]
    ray[..., 1] = np.sin(angle)
    far = filled(reach(head, rest, skull.centre, ray, BONY, 0.2))
    far[-1] = np.hypot(out, edge - skull.centre[1])
    for _ in range(2):
        far = (np.roll(far, 1, 1) + 2 * far + np.roll(far, -1, 1)) / 4
        far[1:-1] = (far[:-2] + 2 * far[1:-1] + far[2:]) / 4
    points: Reals = skull.centre + ray * far[..., None]
    return points


def crown_points(hat: Hat, head: Head, rest: Floats, skull: Skull) -> tuple[Reals, Reals, Reals]:
    """The fitted dome (rows, columns, 3), its outward unit directions, and phi (columns,)."""
    phi = np.linspace(0, 2 * np.pi, COLUMNS, endpoint=False) + np.pi
    t = np.linspace(0, 1, ROWS) ** 0.92
    p = dome(head, rest, skull, edge_heights(hat, skull, phi), phi, t)
    out = unit(p - skull.centre)
    return p, out, phi


def cloth(
    part: str, mesh: Mesh, hat: Hat, shade: float = 1.0, fabric: Fabric | None = None
) -> Piece:
    """A part of a hat in its fabric, darker inside its lower edge."""
    return piece(
        part,
        mesh,
        (shade, shade, shade),
        Label.HAT,
        fabric=hat.fabric if fabric is None else fabric,
        openness=0.92,
    )


def turned_in(p: Reals, out: Reals, depth: float = 0.006, up: float = 0.004) -> Reals:
    """`p` with one more row, folded inwards under the edge."""
    inner = p[-1:] - out[-1:] * depth + np.array([0, up, 0])
    return np.concatenate([p, inner])


def beanie(hat: Hat, p: Reals, out: Reals, phi: Reals) -> list[Piece]:
    """A knitted cap with a turned-up cuff."""
    t = np.linspace(0, 1, ROWS)[:, None, None]
    lift = 0.0075 + hat.tall * (1 - t) ** 2 * 0.9
    body = p + out * lift
    wrinkle = np.sin(3 * phi + 1.3)[None, :, None] * np.sin(np.pi * t) * 0.0022
    body = body + out * wrinkle
    body[..., 2] -= 0.35 * hat.tall * (1 - t[..., 0]) ** 2
    cuff_rows = np.linspace(0, 1, 6)[:, None, None]
    high = p[-4] + out[-4] * 0.0085
    low = p[-1] + out[-1] * 0.0075
    cuff = high[None] * (1 - cuff_rows) + low[None] * cuff_rows
    side = unit(out[-3] * np.array([1, 0.15, 1]))
    cuff = cuff + side[None] * (0.0048 * np.sin(np.pi * np.clip(cuff_rows, 0.12, 0.88)))
    cuff = turned_in(cuff, np.broadcast_to(side, cuff.shape), 0.008, 0.003)
    return [
        cloth("beanie", grid(body[:-1], closed=True), hat),
        cloth("beanie cuff", grid(cuff, closed=True), hat, 0.93),
    ]


def cap(hat: Hat, p: Reals, out: Reals, phi: Reals) -> list[Piece]:
    """A baseball cap: a stiff high front, a peak and a button."""
    facing = np.pi if hat.back else 0.0
    ahead = np.clip(np.cos(phi - facing), 0, 1)[None, :, None]
    t = np.linspace(0, 1, ROWS)[:, None, None]
    lift = 0.0085 + 0.014 * ahead * np.sin(np.pi * np.clip(t * 1.05, 0, 1)) + 0.006 * (1 - t)
    body = p + out * lift
    seam = 1 - 0.22 * np.exp(-((np.sin(3 * phi) / 0.10) ** 2))
    shell = cloth("cap", grid(turned_in(body, out), closed=True), hat)
    count = body.shape[0] + 1
    tint = np.repeat(np.append(seam, seam[0])[None, :, None], count, 0).repeat(3, 2)
    shell = replace(shell, tint=tint.reshape(-1, 3).astype(np.float32))
    spread = np.linspace(-1, 1, 25)
    angle = facing + np.deg2rad(64) * spread
    edge = np.stack(
        [np.interp(angle % (2 * np.pi), np.sort(phi % (2 * np.pi)),
                   body[-1][np.argsort(phi % (2 * np.pi)), k], period=2 * np.pi) for k in range(3)],
        1,
    )  # fmt: skip
    reachs = np.linspace(-0.12, 1, 8)[:, None, None]
    long = 0.072 * np.clip(1 - np.abs(spread) ** 2.6, 0, 1)[None, :, None]
    forward = np.stack([0.18 * spread, -0.20 + 0 * spread, 1 + 0 * spread], 1)
    forward = forward @ about_y(180 if hat.back else 0).T
    peak = edge[None] + reachs * long * unit(forward)[None]
    peak[..., 1] -= 0.016 * (spread**2)[None] * np.clip(reachs[..., 0], 0, 1)
    peak[..., 1] -= 0.004 * np.clip(reachs[..., 0], 0, 1) ** 2
    under = peak - np.array([0, 0.0022, 0])
    both = np.concatenate([peak, under[::-1]])
    knob = sphere(0.007, 6, 12)
    top = body[0].mean(0)
    flat = knob.vertices * np.array([1, 0.5, 1]) + top
    button = Mesh(flat.astype(np.float32), knob.normals, knob.triangles, knob.uv)
    return [
        shell,
        cloth("cap peak", grid(both), hat, 0.9),
        cloth("cap button", button, hat, 0.8),
    ]


def brim(base: Reals, wide: Reals, drop: Reals, curl: Reals) -> Mesh:
    """A brim around `base` (columns, 3): `wide` metres (columns,), falling by `drop` with its edge
    curled up by `curl`; top and underside."""
    middle = base.mean(0)
    away = unit((base - middle) * np.array([1, 0, 1]))
    t = np.linspace(-0.03, 1, 8)[:, None, None]
    p = base[None] + t * wide[None, :, None] * away[None]
    p[..., 1] += -drop[None] * t[..., 0] + curl[None] * np.clip(t[..., 0], 0, 1) ** 3
    return grid(np.concatenate([p, (p - np.array([0, 0.003, 0]))[::-1]]), closed=True)


def brimmed(hat: Hat, p: Reals, out: Reals, phi: Reals) -> list[Piece]:
    """A fedora (dented crown, snap brim, band) or a bucket hat (soft, sloping brim)."""
    base = p[-1] + unit(out[-1] * np.array([1, 0, 1])) * 0.009
    middle = base.mean(0)
    soft = hat.kind == "bucket"
    if soft:
        t = np.linspace(0, 1, ROWS)[:, None, None]
        body = p + out * (0.009 + 0.012 * np.sin(np.pi * np.clip(0.25 + 0.72 * t, 0, 1)) ** 2)
        ahead = np.clip(np.cos(phi), 0, 1)
        ledge = brim(body[-1], 0.046 - 0.006 * ahead, 0.036 - 0.018 * ahead, 0 * phi)
        return [
            cloth("hat", grid(body, closed=True), hat),
            cloth("hat brim", ledge, hat, 0.95),
        ]
    top = float(p[0, 0, 1]) + 0.022 + 0.3 * hat.tall
    rows = [base]
    profile = ((0.2, 1.0), (0.45, 0.975), (0.7, 0.93), (0.88, 0.87), (0.97, 0.78), (1.0, 0.62))
    for up, narrow in (*profile, (1.0, 0.3), (1.0, 0.0)):
        ring = middle + (base - middle) * np.array([narrow, 0, narrow])
        ring[:, 1] = base[:, 1] + (top - base[:, 1]) * up
        x, z = ring[:, 0] - middle[0], ring[:, 2] - middle[2]
        dent = np.exp(-((x / 0.022) ** 2)) * np.clip(up - 0.85, 0, 1) / 0.15
        ring[:, 1] -= 0.017 * dent
        pinch = np.exp(-(((z - 0.062) / 0.03) ** 2)) * np.clip(up - 0.35, 0, 1)
        ring[:, 0] = middle[0] + x * (1 - 0.28 * pinch)
        rows.append(ring)
    crown = grid(np.stack(rows[::-1]), closed=True)
    c = np.cos(phi)
    ledge = brim(
        base, 0.058 + 0.004 * np.abs(c), 0.010 + 0.012 * (c > 0) * c**2, 0.016 * (1 - c) / 2
    )
    dark = Fabric(colour=(0.02, 0.02, 0.022), rough=0.1, folds=0)
    low, high = rows[0], rows[0] + 0.5 * (rows[2] - rows[0])
    side = unit((base - middle) * np.array([1, 0, 1])) * 0.0022
    band = grid(np.stack([high - side, high + side, low + side]), closed=True)
    return [
        cloth("hat", crown, hat),
        cloth("hat brim", ledge, hat, 0.95),
        cloth("hat band", band, hat, fabric=dark),
    ]


def headband(hat: Hat, p: Reals, out: Reals, phi: Reals) -> list[Piece]:
    """A band around the head."""
    rows = np.linspace(0, 1, 6)[:, None, None]
    high = p[-3] * 0.4 + p[-4] * 0.6
    swell = 0.0035 + 0.003 * np.sin(np.pi * rows)
    band = high[None] * (1 - rows) + p[-1][None] * rows + out[-2][None] * swell
    band = np.concatenate([band[:1] - out[-4] * 0.0045, band, band[-1:] - out[-1] * 0.0035])
    return [cloth("headband", grid(band, closed=True), hat)]


def turban(hat: Hat, p: Reals, out: Reals, phi: Reals) -> list[Piece]:
    """Cloth wound around the head in layers that cross over the forehead."""
    p, out = np.repeat(p, 2, 0)[:-1].copy(), np.repeat(out, 2, 0)[:-1].copy()
    p[1::2] = (p[:-1:2] + p[2::2]) / 2
    out = unit(p - (p[0].mean(0) - np.array([0, 0.1, 0])))
    t = np.linspace(0, 1, len(p))[:, None]
    slant = np.where(np.sin(phi) > 0, 1.0, -1.0) * np.abs(np.sin(phi)) ** 0.8
    layer = (4.6 * t + 0.75 * slant[None] * np.clip(1.3 - t, 0, 1)) % 1.0
    bulk = 0.026 * np.sin(np.pi * np.clip(0.18 + 0.78 * t, 0, 1)) ** 0.8 + hat.tall * 0.5 * (1 - t)
    fold = 0.0065 * np.sqrt(np.clip(layer, 0, 1)) * np.clip(t * 4, 0, 1)
    body = p + out * (0.006 + bulk + fold)[..., None]
    shade = 0.62 + 0.38 * np.clip(layer * 4, 0, 1) * np.clip((1 - layer) * 9 + 0.4, 0, 1)
    whole = turned_in(body, out, 0.010, 0.004)
    mesh = grid(whole, closed=True)
    shade = np.concatenate([shade, shade[-1:]])
    shade = np.concatenate([shade, shade[:, :1]], 1).ravel()
    made = cloth("turban", mesh, hat)
    return [replace(made, tint=np.repeat(shade[:, None], 3, 1).astype(np.float32))]


def helmet(hat: Hat, p: Reals, out: Reals, phi: Reals) -> list[Piece]:
    """A hard hat: a glossy dome with a ridge and a short brim."""
    t = np.linspace(0, 1, ROWS)[:, None, None]
    ridge = np.exp(-(((p[..., :1] - p[0, 0, 0]) / 0.012) ** 2)) * np.clip(1.1 - t, 0, 1)
    body = p + out * (0.019 + 0.008 * (1 - t) + 0.006 * ridge)
    c = np.clip(np.cos(phi), 0, 1)
    ledge = brim(body[-1], 0.010 + 0.032 * c**1.5, 0.004 + 0.014 * c, 0 * c)
    colour = np.maximum(np.array(hat.fabric.colour), 0.05)
    return [
        piece("helmet", grid(turned_in(body, out), closed=True), colour, Label.HAT,
              Material.GLOSS, gloss=(0.5, 0.25)),
        piece("helmet brim", ledge, colour, Label.HAT, Material.GLOSS, gloss=(0.5, 0.25)),
    ]  # fmt: skip


MAKERS = {
    "beanie": beanie,
    "cap": cap,
    "fedora": brimmed,
    "bucket": brimmed,
    "headband": headband,
    "turban": turban,
    "helmet": helmet,
}


@kept(32)
def fit_hat(hat: Hat, head: Head, rest: Floats) -> tuple[Piece, ...]:
    """The pieces of a hat on an unposed person. Kept."""
    if hat.kind in ("headscarf", "hood"):
        return wrap_pieces(hat.kind, hat.fabric, hat.low, head, rest)
    skull = skull_of(head, rest)
    p, out, phi = crown_points(hat, head, rest, skull)
    made = MAKERS[hat.kind](hat, p, out, phi)
    if abs(hat.turned) > 0.1:
        made = [spun(one, skull, hat.turned) for one in made]
    return tuple(made)


def spun(item: Piece, skull: Skull, degrees: float) -> Piece:
    """`item` turned about the vertical through the skull's middle."""
    turn = about_y(degrees).astype(np.float32)
    m = item.mesh
    centre = skull.centre.astype(np.float32)
    vertices = (m.vertices - centre) @ turn.T + centre
    mesh = Mesh(vertices.astype(np.float32), m.normals @ turn.T, m.triangles, m.uv)
    return replace(item, mesh=mesh, tangents=item.tangents @ turn.T)


@kept(32)
def hides(hat: Hat, head: Head, rest: Floats) -> Floats:
    """How much of each skin vertex's hair the hat hides, (n,) 0..1; kept."""
    if hat.kind in ("headscarf", "hood"):
        return wrap_hides(hat.kind, head, rest)
    skull = skull_of(head, rest)
    away = rest - skull.centre
    phi = np.arctan2(away[:, 0], away[:, 2]) - np.deg2rad(hat.turned)
    edge = edge_heights(hat, skull, phi)
    y = rest[:, 1].astype(np.float64)
    above = np.clip((y - edge) / 0.006 + 0.5, 0, 1)
    if hat.kind == "headband":
        above = above * np.clip((edge + 0.045 - y) / 0.006, 0, 1)
    on = np.zeros(len(rest), bool)
    on[skin_vertices(head, ("scalp", "face", "ear_l", "ear_r", "neck"))] = True
    hidden: Floats = np.where(on, above, 0.0).astype(np.float32)
    return hidden
