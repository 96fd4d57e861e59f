"""The inside of a mouth: teeth along two arches, gums, and a tongue that can move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng as stream
from fusiform.lab.geometry.head import Head
from fusiform.lab.geometry.scene import Floats, Label, Material, Surface
from fusiform.lab.world.shapes import Mesh, grid, join, tangents
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.wear_fit import kept, moved_by

Reals = NDArray[np.float64]

# Crowns, millimetres: width along the arch, height, depth; from the midline back (means of
# Wheeler's Dental Anatomy; the third molar is left out).
UPPER = np.array(
    [
        [8.5, 10.5, 6.8],
        [6.6, 9.4, 6.2],
        [7.6, 10.2, 7.6],
        [7.1, 8.6, 8.8],
        [6.8, 8.4, 8.8],
        [10.2, 7.4, 10.8],
        [9.4, 7.0, 10.6],
    ]
)
LOWER = np.array(
    [
        [5.2, 9.2, 6.0],
        [5.7, 9.4, 6.2],
        [6.9, 10.2, 7.4],
        [7.0, 8.6, 7.6],
        [7.1, 8.2, 8.0],
        [11.0, 7.5, 10.4],
        [10.6, 7.0, 10.2],
    ]
)
# depth at the biting edge as a share of that at the gum
EDGE = np.array([0.34, 0.34, 0.36, 0.72, 0.78, 0.86, 0.86])
ENAMEL, DENTINE = np.array([0.73, 0.665, 0.545]), np.array([0.62, 0.50, 0.30])
GUM, TONGUE = np.array([0.40, 0.135, 0.125]), np.array([0.36, 0.125, 0.115])
LIP_CLEARANCE = 0.0042  # metres between the middle of the inner lip line and the incisors
ROWS, SIDES = 7, 10


@dataclass(frozen=True)
class Mouth:
    """One person's teeth. `tone` 0 (white) .. 1 (yellow); `wear` 0..1 shortens the biting edges;
    `crowding` 0..1 turns and shifts teeth; `gap` metres between the upper front teeth;
    `missing`: index of a missing upper tooth (0..13 from the right end) or -1; `size` factor;
    `gums`: darkness of the gums 0..1; `seed`. Raises ChoiceError for values out of range."""

    tone: float = 0.3
    wear: float = 0.1
    crowding: float = 0.2
    gap: float = 0.0
    missing: int = -1
    size: float = 1.0
    gums: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.8 <= self.size <= 1.2:
            raise ChoiceError("Mouth.size", "0.8 to 1.2", self.size)
        if not -1 <= self.missing <= 13:
            raise ChoiceError("Mouth.missing", "-1 to 13", self.missing)


def sample_mouth(rng: np.random.Generator, traits: Traits) -> Mouth:
    """A person's teeth: yellower and worn with age, one missing in few."""
    old = float(np.clip((traits.age - 20) / 60, 0, 1))
    gap = float(rng.uniform(0.0006, 0.0025)) if rng.random() < 0.1 else 0.0
    lost = rng.random() < 0.01 + 0.06 * old
    return Mouth(
        tone=float(np.clip(rng.beta(2, 3) + 0.3 * old, 0, 1)),
        wear=float(np.clip(old * rng.uniform(0.3, 1), 0, 1)),
        crowding=float(rng.beta(1.2, 3)),
        gap=gap,
        missing=int(rng.choice([1, 2, 3, 4, 9, 10, 11, 12])) if lost else -1,
        size=float(np.clip(rng.normal(1.0 + 0.03 * (traits.male - 0.5), 0.04), 0.88, 1.12)),
        gums=float(np.clip(traits.ancestry[0] * rng.uniform(0, 0.8), 0, 1)),
        seed=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class FittedMouth:
    """Rest meshes with tints (V, 3) and depths (V,) behind the lips, metres; `upper` goes with the
    skull, `lower` with the jaw. `floor` (3,): where the tongue's tip rests; `size` factor."""

    upper: Mesh
    upper_tint: Floats
    lower: Mesh
    lower_tint: Floats
    lips: Reals
    edges: tuple[Reals, Reals]
    floor: Reals
    size: float
    tangents: tuple[Floats, Floats]


def arch(half: float, depth: float, s: Reals) -> tuple[Reals, Reals]:
    """Points (k, 2) of (x, z) and unit outward normals on a half ellipse with its front at the
    origin, at arc lengths `s` (k,) from the midline, positive to the left."""
    t = np.linspace(0, np.pi / 2, 257)
    x, z = half * np.sin(t), -depth * (1 - np.cos(t))
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    angle = np.interp(np.abs(s), length, t) * np.sign(s)
    place = np.stack([half * np.sin(angle), -depth * (1 - np.cos(angle))], 1)
    normal = np.stack([depth * np.sin(angle), half * np.cos(angle)], 1)
    return place, normal / np.linalg.norm(normal, axis=1, keepdims=True)


def crown(width: float, height: float, depth: float, edge: float, cusp: float) -> Reals:
    """A tooth (rows, sides, 3): gum end up at y = height, biting edge at y = 0, its outer face
    along z = 0, rounded as a box; `cusp` (0..1) lifts the corners of the edge (a canine)."""
    down = np.array([1.06, 0.75, 0.4, 0.14, 0.03, 0.0, 0.0])
    wide = np.array([0.74, 0.86, 0.97, 0.98, 0.92, 0.78, 0.0])
    thick = 1 - (1 - edge) * np.clip(1.05 - down, 0, 1) ** 0.8
    thick[-2:] *= [0.6, 0.0]
    phi = np.linspace(0, 2 * np.pi, SIDES, endpoint=False) + np.pi / SIDES
    power = 0.62
    cx = np.sign(np.sin(phi)) * np.abs(np.sin(phi)) ** power
    cz = np.sign(np.cos(phi)) * np.abs(np.cos(phi)) ** power
    x = width / 2 * wide[:, None] * cx[None]
    bulge = 0.05 * width * (1 - (down - 0.4) ** 2)[:, None] * (1 - cx**2)[None]
    face = np.clip(thick, 0.25, 1)
    z = depth / 2 * (thick[:, None] * cz[None] - face[:, None]) + bulge
    y = (
        height * down[:, None]
        + cusp * height * 0.16 * np.abs(x) / (width / 2) * (down < 0.2)[:, None]
    )
    return np.stack([x, y + 0 * z, z], -1)


def row_of_teeth(
    mouth: Mouth, sizes: Reals, scale: float, upper: bool
) -> tuple[Mesh, Floats, Reals]:
    """Teeth about an arch whose front edge is at the origin, upright as upper teeth; their tint
    and the arc lengths (14,) of their middles."""
    rng = stream(mouth.seed, "teeth", int(upper))
    half, depth = (0.0300, 0.047) if upper else (0.0278, 0.0445)
    mm = 0.001 * scale
    width = sizes[:, 0] * mm
    gap = mouth.gap if upper else 0.0
    middle = gap / 2 + np.cumsum(width) - width / 2
    s = np.concatenate([-middle[::-1], middle])
    kind = np.concatenate([np.arange(7)[::-1], np.arange(7)])
    place, normal = arch(half * scale, depth * scale, s)
    parts, tints = [], []
    for i, k in enumerate(kind):
        turn, out, lift, shade = rng.normal(0, 1, 4)
        if upper and i == mouth.missing:
            continue
        short = 1 - 0.18 * mouth.wear * (k < 3)
        p = crown(
            width[k] * 1.03, sizes[k, 1] * mm * short, sizes[k, 2] * mm, EDGE[k], float(k == 2)
        )
        bent = np.deg2rad(2 + 9 * mouth.crowding) * turn * 0.6
        nx, nz = normal[i]
        c, sn = np.cos(bent), np.sin(bent)
        nx, nz = nx * c + nz * sn, nz * c - nx * sn
        x, y, z = p[..., 0], p[..., 1], p[..., 2]
        lean = 0.14 * y if k < 3 else 0 * y  # the crowns of front teeth lean out to the edge
        z = z - lean + (0.0001 + 0.0006 * mouth.crowding) * out
        raised = 0.0004 * (k == 1) + 0.0009 * max(k - 3, 0) + 0.0003 * mouth.crowding * lift
        world = np.stack(
            [place[i, 0] + x * nz + z * nx, y + raised, place[i, 1] - x * nx + z * nz], -1
        )
        parts.append(grid(world, closed=True))
        height = np.clip(y / (sizes[k, 1] * mm), 0, 1)
        tint = (
            ENAMEL + (DENTINE - ENAMEL) * (0.25 * mouth.tone + 0.5 * mouth.tone * height)[..., None]
        )
        tint = tint * (1 + 0.04 * shade - 0.05 * (k == 2)) * (1 - 0.22 * (height < 0.1))[..., None]
        tint = np.concatenate([tint, tint[:, :1]], 1)
        tints.append(tint.reshape(-1, 3))
    return join(parts), np.concatenate(tints).astype(np.float32), s


def gum(mouth: Mouth, sizes: Reals, scale: float, upper: bool, s: Reals) -> tuple[Mesh, Floats]:
    """The gum above an upper row (see `row_of_teeth`), reaching down between the teeth."""
    half, depth = (0.0300, 0.047) if upper else (0.0278, 0.0445)
    mm = 0.001 * scale
    fine = np.linspace(s[0] - 4 * mm, s[-1] + 4 * mm, 71)
    place, normal = arch(half * scale, depth * scale, fine)
    height = np.interp(np.abs(fine), s[7:], sizes[:, 1] * mm)
    near = np.abs(fine[:, None] - s[None]).min(1)
    wide = np.interp(np.abs(fine), s[7:], sizes[:, 0] * mm / 2)
    between = np.clip(near / wide, 0, 1.1) ** 3
    low = height * (0.86 - 0.30 * between)
    deep = np.interp(np.abs(fine), s[7:], sizes[:, 2] * mm)
    out = np.array([-0.45, -0.04, 0.03, 0.02, -0.3, -0.8, -1.04, -1.05, -0.8])
    up = np.array([0.6, 0.0, 1.0, 6.5, 12.0, 12.0, 5.0, 0.6, 0.4]) * mm
    z = out[None] * deep[:, None] + 0.0003
    y = low[:, None] + up[None]
    z = z - 0.14 * y * (np.abs(fine) < s[10])[:, None]
    p = np.stack(
        [place[:, :1] + z * normal[:, :1], y, place[:, 1:] + z * normal[:, 1:]], -1
    ).transpose(1, 0, 2)
    mesh = grid(p[::-1])
    colour = GUM * (1 - mouth.gums * np.array([0.62, 0.5, 0.42]))
    edge = 1 + 0.12 * (up[::-1] < 0.001)
    tint = np.broadcast_to(colour, (*p.shape[:2], 3)) * edge[:, None, None]
    return mesh, tint.reshape(-1, 3).astype(np.float32)


@kept(32)
def fit_mouth(mouth: Mouth, head: Head, rest: Floats) -> FittedMouth:
    """Teeth and gums at their places in an unposed person, sized to the lips. Kept."""
    lips = rest[head.lips].astype(np.float64)
    wide = float(np.ptp(lips[:, 0]))
    scale = mouth.size * float(np.clip((wide / 0.0486) ** 0.5, 0.85, 1.15))
    x = lips[:, 0] - lips[:, 0].mean()
    middle = lips[np.abs(x) < 0.15 * wide]
    front = np.array([lips[:, 0].mean(), middle[:, 1].mean(), middle[:, 2].min() - LIP_CLEARANCE])
    made = []
    for upper, sizes in ((True, UPPER), (False, LOWER)):
        teeth, tint, s = row_of_teeth(mouth, sizes, scale, upper)
        gums, flesh = gum(mouth, sizes, scale, upper, s)
        both = join([teeth, gums])
        shift = np.array([0, -0.0022, 0]) if upper else np.array([0, -0.0012, -0.0026 * scale])
        vertices, normals, triangles = both.vertices, both.normals, both.triangles
        if not upper:
            vertices = vertices * np.array([1, -1, 1], np.float32)
            normals = normals * np.array([1, -1, 1], np.float32)
            triangles = np.ascontiguousarray(triangles[:, ::-1])
        placed = (vertices + front + shift).astype(np.float32)
        made.append((Mesh(placed, normals, triangles, both.uv), np.concatenate([tint, flesh])))
        made[-1] = (*made[-1], front + shift)  # type: ignore[assignment]
    (top, top_tint, edge), (low, low_tint, below) = made  # type: ignore[misc]
    floor = below + scale * np.array([0, -0.0035, -0.0075])
    return FittedMouth(
        top,
        top_tint,
        low,
        low_tint,
        front,
        (edge, below),
        floor,
        scale,
        (tangents(top), tangents(low)),
    )


def tongue_mesh(fitted: FittedMouth, out: float, up: float, tip: float) -> tuple[Mesh, Floats]:
    """The tongue in rest axes: `out` 0..1 of the mouth, `up` -1..1 the tip, `tip` 0..1 curls."""
    k = fitted.size
    t = 1 - (1 - np.linspace(0, 1, 17)[:, None]) ** 1.5
    root = fitted.floor + k * np.array([0, -0.006, -0.050])
    blade = fitted.floor + k * np.array([0, 0.0035 + 0.004 * out, -0.016 + 0.020 * out])
    end = fitted.floor + k * np.array([0, 0.001 + 0.004 * out - 0.006 * out**2, 0.046 * out])
    end = end + k * np.array([0, 0.011 * up - 0.004 * min(up, 0) * out, -0.003 * abs(up)])
    hump = fitted.floor + k * np.array([0, 0.008, -0.033 + 0.006 * out])
    knots = np.stack([root, hump, blade, end])
    a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
    curve = a * knots[0] + b * knots[1] + c * knots[2] + d * knots[3]
    curve[:, 1] += tip * 0.012 * k * np.clip((t[:, 0] - 0.7) / 0.3, 0, 1) ** 2
    slim = np.sqrt(np.clip(1 - np.clip((t[:, 0] - 0.62) / 0.38, 0, 1) ** 2.4, 0, 1))
    width = 0.0205 * k * slim * (1 - 0.12 * out)
    thick = 0.0058 * k * np.sqrt(slim) * (1 - 0.45 * t[:, 0])
    phi = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    forward = np.gradient(curve, axis=0)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    lift = np.stack([0 * t[:, 0], forward[:, 2], -forward[:, 1]], 1)
    top = np.cos(phi)
    groove = -0.22 * np.exp(-((np.sin(phi) / 0.28) ** 2)) * (top > 0)
    p = curve[:, None] + (thick[:, None] * (top + groove))[..., None] * lift[:, None]
    p[..., 0] += width[:, None] * np.sin(phi)
    mesh = grid(p, closed=True)
    pale = np.clip(top, 0, 1)[None, :, None] * np.linspace(0.5, 1, 17)[:, None, None]
    tint = TONGUE + np.array([0.06, 0.065, 0.055]) * pale
    tint = np.concatenate([tint, tint[:, :1]], 1)
    return mesh, tint.reshape(-1, 3).astype(np.float32)


def mouth_surfaces(
    mouth: Mouth,
    head: Head,
    rest: Floats,
    skull: NDArray[np.floating],
    jaw: NDArray[np.floating],
    tongue: tuple[float, float, float] = (0.0, 0.0, 0.0),
    lips_apart: float = 0.0,
) -> tuple[Surface, ...]:
    """Upper teeth, lower teeth and tongue of a posed person.

    skull, jaw (3, 4): rest to posed; tongue: (out 0..1, up -1..1, tip up 0..1); lips_apart:
    metres that the lips part beyond what the jaw does (a smile), lets light in.
    """
    fitted = fit_mouth(mouth, head, rest)
    edges = [moved_by(m, e[None])[0] for m, e in zip((skull, jaw), fitted.edges, strict=True)]
    gape = max(0.006, float(np.linalg.norm(edges[0] - edges[1])), lips_apart)
    muscle, flesh = tongue_mesh(fitted, *tongue)
    pieces = (
        ("upper teeth", fitted.upper, fitted.upper_tint, skull, (0.85, 0.16), fitted.tangents[0]),
        ("lower teeth", fitted.lower, fitted.lower_tint, jaw, (0.85, 0.16), fitted.tangents[1]),
        ("tongue", muscle, flesh, jaw, (0.7, 0.28), tangents(muscle)),
    )
    made = []
    for part, mesh, tint, transform, gloss, along in pieces:
        depth = np.maximum(fitted.lips[2] + LIP_CLEARANCE + 0.004 - mesh.vertices[:, 2], 0)
        wide = np.abs(mesh.vertices[:, 0] - fitted.lips[0])
        shade = gape / np.sqrt(gape**2 + (1.25 * depth + 0.25 * wide) ** 2)
        turn = np.asarray(transform[:, :3], np.float32)
        made.append(
            Surface(
                part=part,
                material=Material.MOUTH,
                vertices=moved_by(transform, mesh.vertices),
                normals=mesh.normals @ turn.T,
                triangles=mesh.triangles,
                tangents=along @ turn.T,
                uv=mesh.uv,
                tint=tint,
                openness=np.clip(shade, 0.04, 1).astype(np.float32),
                label=Label.MOUTH,
                gloss=gloss,
                casts_shadow=False,
            )
        )
    return tuple(made)
