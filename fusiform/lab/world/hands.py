"""What comes between a face and the camera: hands, and things that hands hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.held import HELD, things
from fusiform.lab.world.shapes import (
    Mesh,
    about_x,
    about_y,
    about_z,
    join,
    lathe,
    mirrored,
    moved,
    shifted,
    sphere,
)
from fusiform.lab.world.wear_blob import lattice, melted, stick, surface_of
from fusiform.lab.world.wear_fabric import Colour, sample_dye
from fusiform.lab.world.wear_fit import kept, landmarks, reach, region_points
from fusiform.lab.world.wear_piece import Piece, piece

Reals = NDArray[np.float64]

HANDS = ("chin", "cheek", "mouth", "eye", "peace", "wave")
OCCLUDERS = (*HANDS, *HELD)
CELL = 0.0055
FACE = (
    "face",
    "nose",
    "upper_lip",
    "lower_lip",
    "eyelid_l",
    "eyelid_r",
    "brow_l",
    "brow_r",
    "neck",
)
# knuckle (x, y), length, radius, millimetres, of a hand whose fingers point up: index to little
FINGERS = (
    (27.0, 92.0, 72.0, 8.6),
    (9.0, 97.0, 80.0, 8.9),
    (-9.5, 94.0, 74.0, 8.4),
    (-26.5, 86.0, 58.0, 7.4),
)
# bend of all joints (degrees) of index, middle, ring, little, thumb; spread between fingers
POSTURES = {
    "open": ((6, 4, 6, 9, 12), 5.0),
    "flat": ((9, 8, 9, 11, 4), 1.5),
    "fist": ((84, 84, 84, 84, 42), 0.0),
    "rest": ((62, 64, 66, 68, 20), 1.0),
    "peace": ((4, 4, 82, 82, 48), 9.0),
    "grip": ((46, 48, 50, 52, 30), 1.0),
}


@dataclass(frozen=True)
class Occluder:
    """`kind` (one of OCCLUDERS); `left`: at the subject's left; a hand of skin `tone`, sleeve and
    things in `colour`; `shift` metres (x, y) off its place; `turn` degrees in the picture; `size`
    factor. Raises ChoiceError for an unknown kind."""

    kind: str = "chin"
    left: bool = True
    tone: Colour = (0.45, 0.25, 0.17)
    colour: Colour = (0.08, 0.1, 0.3)
    shift: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0
    size: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in OCCLUDERS:
            raise ChoiceError("Occluder.kind", OCCLUDERS, self.kind)


def sample_occluder(rng: np.random.Generator, tone: Colour, kind: str = "") -> Occluder:
    """Something before the face; hands in the person's own `tone`."""
    return Occluder(
        kind=kind or str(rng.choice(OCCLUDERS)),
        left=bool(rng.random() < 0.5),
        tone=tone,
        colour=sample_dye(rng),
        shift=(float(rng.normal(0, 0.008)), float(rng.normal(0, 0.008))),
        turn=float(rng.normal(0, 9)),
        size=float(np.clip(rng.normal(0.95, 0.06), 0.8, 1.1)),
    )


def finger(index: int, bend: float, spread: float) -> list[tuple[Reals, Reals, float, float]]:
    """The three sticks of a finger (start, end, radii), metres, bending towards -z."""
    x, y, length, radius = (0.001 * v for v in FINGERS[index])
    place = np.array([x, y, 0.0])
    heading = about_z(-spread * (1.5 - index))
    made, total = [], 0.0
    for share, part, thin in ((0.46, 1.0, 0.93), (0.30, 1.05, 0.86), (0.24, 0.65, 0.74)):
        total += bend * part
        end = place + heading @ about_x(-total) @ np.array([0, share * length, 0])
        made.append((place, end, radius, radius * thin))
        place, radius = end, radius * thin
    return made


def thumb(bend: float) -> list[tuple[Reals, Reals, float, float]]:
    """The sticks of a thumb on the +x side."""
    place, made, total = np.array([0.022, 0.026, -0.004]), [], 0.0
    heading = about_z(-42 + 0.5 * bend) @ about_y(30)
    for length, r0, r1 in (
        (0.042, 0.0150, 0.0115),
        (0.032, 0.0115, 0.0102),
        (0.026, 0.0104, 0.0078),
    ):
        end = place + heading @ about_x(-total) @ np.array([0, length, 0])
        made.append((place, end, r0, r1))
        place = end
        total += 0.65 * bend
    return made


@lru_cache(maxsize=16)
def hand(posture: str, forearm: bool = True) -> tuple[Mesh, Floats]:
    """A left hand, wrist at the origin, fingers along +y, palm towards -z, thumb at +x; and the
    redness (V,) 0..1 of its knuckles and tips. Kept."""
    bends, spread = POSTURES[posture]
    digits = [finger(i, bends[i], spread) for i in range(4)]
    digits.append(thumb(bends[4]))
    ends = np.array([s[k] for d in digits for s in d for k in (0, 1)])
    arm = np.array([0.0, -0.17, 0.0]) if forearm else np.array([0.0, -0.02, 0.0])
    low = np.minimum(ends.min(0), arm) - 0.036
    high = np.maximum(ends.max(0), arm) + 0.036
    points = lattice(low, high, CELL)
    flat = points * np.array([1.0, 1.0, 1.22])  # palms are flatter than they are round
    palm = stick(flat, np.array([0.010, 0.0, 0]), np.array([0.027, 0.090, 0]), 0.0185, 0.0115)
    for x0, x1, y in ((0.003, 0.009, 0.094), (-0.004, -0.0095, 0.091), (-0.010, -0.0265, 0.083)):
        one = stick(flat, np.array([x0, 0.0, 0]), np.array([x1, y, 0]), 0.0185, 0.0115)
        palm = melted(palm, one, 0.008)
    wrist = stick(flat, np.array([0.0, 0.004, 0]), arm, 0.0250, 0.0330)
    palm = melted(palm, wrist, 0.022)
    whole = palm.copy()
    for digit in digits:
        part = np.full(points.shape[:3], 1.0)
        for start, end, r0, r1 in digit:
            part = melted(part, stick(points, start, end, r0, r1), 0.005)
        whole = np.minimum(whole, melted(palm, part, 0.012))
    mesh = surface_of(points, whole)
    joints = np.array([s[0] for d in digits for s in d] + [d[-1][1] for d in digits])
    near = np.linalg.norm(mesh.vertices[:, None] - joints[None], axis=2).min(1)
    return mesh, np.exp(-((near / 0.011) ** 2)).astype(np.float32)


@lru_cache(maxsize=16)
def nails(posture: str) -> Mesh:
    """The five nails of `hand(posture)`."""
    bends, spread = POSTURES[posture]
    digits = [finger(i, bends[i], spread) for i in range(4)]
    digits.append(thumb(bends[4]))
    made = []
    for start, end, r0, r1 in (d[-1] for d in digits):
        ahead = (end - start) / np.linalg.norm(end - start)
        back = np.array([0, 0, 1.0]) - ahead * ahead[2]
        back /= max(np.linalg.norm(back), 1e-9)
        side = np.cross(ahead, back)
        disc = sphere(1.0, 6, 10)
        turn = np.stack([side, ahead, back], 1)
        size = np.array([0.70 * r1, 0.95 * r1, 0.30 * r1])
        place = start * 0.12 + end * 0.88 + back * (0.12 * r0 + 0.88 * r1) * 0.80
        v = (disc.vertices * size) @ turn.T + place
        n = (disc.normals / size) @ turn.T
        n /= np.linalg.norm(n, axis=1, keepdims=True)
        made.append(Mesh(v.astype(np.float32), n.astype(np.float32), disc.triangles, disc.uv))
    return join(made)


def sleeve(mesh: Mesh) -> Mesh:
    """A cuff around the forearm of `hand`."""
    t = np.linspace(-0.055, -0.21, 7)
    rows = [(0.026, t[0] + 0.006), (0.034, t[0])]
    rows += [(0.034 + 0.05 * (t[0] - y) + 0.0015 * np.sin(260 * y), y) for y in t[1:]]
    return lathe(np.array(rows), 20)


def hand_pieces(
    thing: Occluder, posture: str, turn: Reals, place: Reals, follow: str
) -> list[Piece]:
    """A hand turned by `turn` (3, 3) with its wrist at `place` (3,); mirrored for the right."""
    mesh, red = hand(posture)
    tone = np.array(thing.tone)
    tint = tone * (1 + red[:, None] * np.array([0.06, -0.16, -0.14]))
    parts = [(mesh, tint, Material.SKIN, (0.6, 0.55))]
    parts.append(
        (nails(posture), np.clip(tone * [1.22, 1.1, 1.1], 0, 0.7), Material.GLOSS, (0.35, 0.3))
    )
    parts.append((sleeve(mesh), np.array(thing.colour), Material.CLOTH, (0.2, 0.8)))
    made = []
    for shape, colour, material, gloss in parts:
        scaled = Mesh(
            shape.vertices * np.float32(thing.size), shape.normals, shape.triangles, shape.uv
        )
        if not thing.left:
            scaled = mirrored(scaled)
        made.append(piece("hand", moved(scaled, turn, place), colour, Label.OCCLUDER, material,
                          follow, 0.9, gloss=gloss))  # fmt: skip
    return made


def slid(item: Piece, by: Reals) -> Piece:
    """`item` moved by (3,)."""
    return replace(item, mesh=shifted(item.mesh, by))


def touching(
    pieces: list[Piece], head: Head, rest: Floats, gap: float, axis: Reals, most: int = 1
) -> list[Piece]:
    """The pieces slid along `axis` (3,) until the first `most` are `gap` metres off the skin."""
    points = np.concatenate([one.mesh.vertices[::3] for one in pieces[:most]]).astype(np.float64)
    start = points - axis * 0.25
    far = reach(head, rest, start, axis, FACE, 0.5)
    hit = far > 0
    if not hit.any():
        return pieces
    push = float((far[hit] - 0.25).max()) + gap
    return [slid(one, axis * push) for one in pieces]


def before(pieces: list[Piece], head: Head, rest: Floats, gap: float) -> list[Piece]:
    """The pieces moved forward until the first, a plate, is `gap` metres before all the skin that
    lies behind it."""
    low, high = pieces[0].mesh.vertices.min(0), pieces[0].mesh.vertices.max(0)
    skin = region_points(head, rest, *FACE)
    behind = ((skin[:, :2] > low[:2]) & (skin[:, :2] < high[:2])).all(1)
    if not behind.any():
        return pieces
    push = max(float(skin[behind, 2].max() + gap - low[2]), 0.0)
    return [slid(one, np.array([0, 0, push])) for one in pieces]


@kept(32)
def fit_occluder(thing: Occluder, head: Head, rest: Floats) -> tuple[Piece, ...]:
    """The pieces of an occluder before an unposed person. Kept."""
    p = landmarks(head, rest)
    side = 1.0 if thing.left else -1.0
    drift = np.array([*thing.shift, 0.0])
    ahead = np.array([0, 0, 1.0])
    if thing.kind in HELD:
        pieces, place = things(thing.kind, thing.left, thing.colour, thing.turn, thing.size, p)
        pieces = [slid(one, place + drift) for one in pieces]
        gap = {"cup": 0.002, "microphone": 0.012, "phone": 0.03}.get(thing.kind, 0.02)
        pieces = touching(pieces, head, rest, gap, ahead, len(pieces))
        if thing.kind in ("phone", "book"):
            pieces = before(pieces, head, rest, gap)
        return (*pieces, *holding(thing, pieces[0], side))
    size = thing.size
    mouth = p[[48, 54]].mean(0)
    if thing.kind == "chin":
        turn = about_z(thing.turn + 14 * side) @ about_x(-22)
        wrist = p[8] + drift * [1, 0, 0] + turn @ np.array([0, -0.108 * size, 0]) + [0.0, -0.006, 0]
        made = hand_pieces(thing, "rest", turn, wrist, "jaw")
        return tuple(slid(one, np.array([0, 0, 0.006])) for one in made)
    if thing.kind == "cheek":
        turn = about_z(-10 * side + 0.5 * thing.turn) @ about_y(78 * side)
        start = np.array([side * 0.10, mouth[1] - 0.095 * size, p[[4, 12], 2].mean() + 0.028])
        made = hand_pieces(thing, "flat", turn, start + drift, "skull")
        return tuple(touching(made, head, rest, -0.006, np.array([side, 0, 0.0])))
    if thing.kind in ("mouth", "eye"):
        goal = (
            mouth if thing.kind == "mouth" else p[42:48].mean(0) if thing.left else p[36:42].mean(0)
        )
        slant = (62 if thing.kind == "mouth" else 24) * side + thing.turn
        turn = about_z(slant)
        wrist = goal + drift - turn @ np.array([0, 0.098 * size, 0]) + [0, 0, 0.03]
        made = hand_pieces(thing, "flat", turn, wrist, "jaw" if thing.kind == "mouth" else "skull")
        return tuple(touching(made, head, rest, -0.004, ahead))
    turn = about_z(-12 * side + thing.turn) @ about_y(180 - 8 * side)
    posture = "peace" if thing.kind == "peace" else "open"
    beside = np.array(
        [side * (0.085 if thing.kind == "peace" else 0.06), mouth[1] - 0.11 * size, 0.09]
    )
    return tuple(hand_pieces(thing, posture, turn, beside + drift, "skull"))


def holding(thing: Occluder, held: Piece, side: float) -> list[Piece]:
    """The hand that holds a thing, where one would be seen."""
    where = {
        "phone": (np.array([side * 0.030, -0.130, -0.014]), about_z(16 * side)),
        "cup": (np.array([side * 0.075, -0.085, 0.022]), about_z(38 * side) @ about_y(20 * side)),
        "microphone": (np.array([side * 0.030, -0.20, 0.075]), about_z(14 * side) @ about_x(14)),
        "book": (np.array([side * 0.055, -0.20, 0.02]), about_z(10 * side)),
    }.get(thing.kind)
    if where is None:
        return []
    offset, turn = where
    low, high = held.mesh.vertices.min(0), held.mesh.vertices.max(0)
    middle = (low + high) / 2
    middle[1] = high[1] - 0.02 if thing.kind == "microphone" else middle[1]
    posture = "grip" if thing.kind != "phone" else "flat"
    made = hand_pieces(
        thing, posture, turn, middle.astype(np.float64) + thing.size * offset, "skull"
    )
    if thing.kind == "phone":  # fingers lie behind it, seen from the camera its back is in front
        made = [slid(one, np.array([0, 0, 0.034])) for one in made]
    return made
