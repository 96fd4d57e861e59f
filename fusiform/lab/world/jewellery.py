"""Earrings, necklaces and nose studs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.shapes import Mesh, join, shifted, sphere, spline, tube, unit
from fusiform.lab.world.wear_collar import neck_of
from fusiform.lab.world.wear_fabric import Colour
from fusiform.lab.world.wear_fit import kept, landmarks, reach, region_points, skin_vertices
from fusiform.lab.world.wear_piece import Piece, clinging, piece

Reals = NDArray[np.float64]

EARRINGS = ("", "stud", "hoop", "drop")
NECKLACES = ("", "chain", "beads", "pendant")
GOLD: Colour = (0.78, 0.50, 0.18)
SILVER: Colour = (0.66, 0.66, 0.66)
STONES: tuple[Colour, ...] = (
    (0.7, 0.7, 0.72),
    (0.35, 0.02, 0.03),
    (0.02, 0.08, 0.35),
    (0.6, 0.55, 0.5),
)


@dataclass(frozen=True)
class Jewellery:
    """`earrings` (one of EARRINGS), `necklace` (one of NECKLACES), a `nose` stud; of `metal` with
    `stone`; `size` 0..1; `ears`: left and right. Raises ChoiceError for an unknown kind."""

    earrings: str = ""
    necklace: str = ""
    nose: bool = False
    metal: Colour = GOLD
    stone: Colour = STONES[0]
    size: float = 0.5
    ears: tuple[bool, bool] = (True, True)

    def __post_init__(self) -> None:
        if self.earrings not in EARRINGS:
            raise ChoiceError("Jewellery.earrings", EARRINGS, self.earrings)
        if self.necklace not in NECKLACES:
            raise ChoiceError("Jewellery.necklace", NECKLACES, self.necklace)


def sample_jewellery(
    rng: np.random.Generator, earrings: bool, necklace: bool, nose: bool
) -> Jewellery:
    """Jewellery with the parts asked for."""
    one = rng.random() < 0.08
    left = bool(rng.random() < 0.5)
    return Jewellery(
        earrings=str(rng.choice(EARRINGS[1:])) if earrings else "",
        necklace=str(rng.choice(NECKLACES[1:])) if necklace else "",
        nose=nose,
        metal=GOLD if rng.random() < 0.55 else SILVER,
        stone=STONES[int(rng.integers(len(STONES)))],
        size=float(rng.random()),
        ears=(left, not left) if one else (True, True),
    )


def ball(place: Reals, radius: float, rows: int = 6) -> Mesh:
    """A small ball at `place` (3,)."""
    return shifted(sphere(radius, rows, 2 * rows - 2), place)


def lobe(head: Head, rest: Floats, side: int) -> tuple[Reals, Reals]:
    """The front of an ear lobe's middle (3,), and outwards (3,)."""
    ear = region_points(head, rest, ("ear_l", "ear_r")[side])
    low = ear[ear[:, 1] < ear[:, 1].min() + 0.009]
    sign = (1.0, -1.0)[side]
    outer = low[sign * low[:, 0] > np.quantile(sign * low[:, 0], 0.4)]
    return outer.mean(0) + np.array([sign * 0.001, 0.001, 0.0]), unit(np.array([sign, 0.0, 0.45]))


def earring(work: Jewellery, head: Head, rest: Floats, side: int) -> list[Piece]:
    """One earring."""
    place, out = lobe(head, rest, side)
    place = place + out * 0.0015
    k = 0.6 + 0.8 * work.size

    def made(mesh: Mesh, colour: Colour, gloss: tuple[float, float] = (0.95, 0.2)) -> Piece:
        return piece("earring", mesh, colour, Label.EARRING, Material.GLOSS, gloss=gloss)

    stud = made(ball(place, 0.0024 * k, 7), work.metal if work.size < 0.4 else work.stone)
    if work.earrings == "stud":
        return [stud]
    if work.earrings == "hoop":
        radius = 0.006 + 0.016 * work.size
        t = 2 * np.pi * np.arange(28) / 28
        plane = np.stack([0.25 * np.sin(t) * np.sign(out[0]), np.cos(t), np.sin(t)], 1)
        ring = place + radius * (plane - np.array([0, 1.0, 0])) - out * 0.0015
        return [made(tube(ring, 0.0008 + 0.0006 * work.size, 7, closed=True), work.metal)]
    long = 0.010 + 0.022 * work.size
    end = place - np.array([0, long, 0])
    wire = tube(np.linspace(place, end, 6), 0.0006, 6, up=np.array([0, 0, 1.0]))
    return [
        stud,
        made(wire, work.metal),
        made(ball(end, 0.003 * k + 0.001, 8), work.stone, (0.5, 0.08)),
    ]


def necklace(work: Jewellery, head: Head, rest: Floats) -> list[Piece]:
    """A chain, beads or a pendant that lies on the base of the neck and the chest."""
    neck = neck_of(head, rest)
    drop = 0.012 + 0.055 * work.size
    phi = 2 * np.pi * np.arange(56) / 56
    c = np.cos(phi)
    high = neck.back[1] - 0.012
    low = neck.front[1] - drop
    y = high + (low - high) * (0.5 + 0.5 * c) ** (1.1 + work.size)
    ray = np.stack([np.sin(phi), 0.35 + 0 * phi, np.cos(phi)], 1)
    start = np.stack([0 * phi, y, 0 * phi + neck.axis], 1) - np.array([0, 0.03, 0])
    far = reach(head, rest, start, ray, ("neck", "torso"), 0.16)
    known = far > 0
    far = np.interp(np.arange(56), np.arange(56)[known], far[known], period=56)
    for _ in range(3):
        far = np.maximum(far, (np.roll(far, 1) + 2 * far + np.roll(far, -1)) / 4)
    line = start + unit(ray) * (far + 0.0022)[:, None]
    curve = spline(line, 112, closed=True)
    if work.necklace == "beads":
        size = 0.0028 + 0.0025 * work.size
        length = np.linalg.norm(np.diff(curve, axis=0, append=curve[:1]), axis=1)
        s = np.concatenate([[0], np.cumsum(length)])
        count = min(int(s[-1] / (2.1 * size)), 90)
        at = np.arange(count) / count * s[-1]
        loop = np.concatenate([curve, curve[:1]])
        spots = np.stack([np.interp(at, s, loop[:, k]) for k in range(3)], 1)
        mesh, colour, gloss = join([ball(p, size, 5) for p in spots]), work.stone, (0.5, 0.15)
    else:
        thick = 0.0007 + 0.0008 * work.size
        link = thick * (1 + 0.35 * (np.arange(112) % 2))
        mesh, colour, gloss = tube(curve, link, 6, closed=True), work.metal, (0.95, 0.25)
    chosen = skin_vertices(head, ("neck", "torso"))
    made = [piece("necklace", mesh, colour, Label.NECKLACE, Material.GLOSS, "torso", gloss=gloss,
                  skin=clinging(mesh, rest, chosen))]  # fmt: skip
    if work.necklace == "pendant":
        spot = curve[np.argmax(curve[:, 2] - curve[:, 1])] * [0, 1, 1] + [0, -0.004, 0.002]
        charm = sphere(1.0, 7, 12)
        flat = charm.vertices * np.array([0.006, 0.009, 0.003]) * (0.7 + 0.6 * work.size) + spot
        mesh = Mesh(flat.astype(np.float32), charm.normals, charm.triangles, charm.uv)
        made.append(piece("pendant", mesh, work.metal, Label.NECKLACE, Material.GLOSS, "torso",
                          gloss=(0.95, 0.2), skin=clinging(mesh, rest, chosen)))  # fmt: skip
    return made


@kept(32)
def fit_jewellery(work: Jewellery, head: Head, rest: Floats) -> tuple[Piece, ...]:
    """The pieces of jewellery on an unposed person. Kept."""
    made: list[Piece] = []
    if work.earrings:
        for side in (0, 1):
            if work.ears[side]:
                made += earring(work, head, rest, side)
    if work.necklace:
        made += necklace(work, head, rest)
    if work.nose:
        wing = landmarks(head, rest)[35 if work.ears[0] else 31]
        sign = np.sign(wing[0])
        spot = wing + np.array([sign * 0.0005, 0.0055, -0.002])
        start = spot * [0, 1, 1]
        wide = float(reach(head, rest, start, np.array([sign, 0, 0.0]), ("nose",), 0.05))
        spot[0] = sign * wide if wide > 0 else spot[0]
        mesh = ball(spot, 0.0014, 6)
        skin = clinging(mesh, rest, np.arange(len(rest)))
        made.append(piece("nose stud", mesh, work.metal, Label.NOSE, Material.GLOSS,
                          gloss=(0.95, 0.2), skin=skin))  # fmt: skip
    return tuple(made)
