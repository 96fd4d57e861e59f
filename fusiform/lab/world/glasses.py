"""Eyeglasses and sunglasses, fitted to nose, eyes and ears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.shapes import Mesh, grid, join, mirrored, shifted, spline, sweep, tube
from fusiform.lab.world.wear_fabric import Colour
from fusiform.lab.world.wear_fit import kept, landmarks, reach, region_points
from fusiform.lab.world.wear_piece import Piece, piece

Reals = NDArray[np.float64]

OUTLINES = ("round", "square", "cat-eye", "aviator", "oval")
RIMS = ("full", "half", "none")
FRONT = ("face", "nose", "eyelid_l", "eyelid_r", "brow_l", "brow_r")
SIDES = ("face", "scalp", "brow_l", "brow_r")
CLEARANCE = 0.0015  # metres between a frame and the skin
POINTS = 36
PLASTICS: tuple[Colour, ...] = (
    *((0.012, 0.012, 0.013), (0.012, 0.012, 0.013), (0.07, 0.028, 0.010), (0.16, 0.075, 0.03)),
    *((0.015, 0.025, 0.08), (0.20, 0.012, 0.018), (0.45, 0.42, 0.38), (0.03, 0.09, 0.05)),
)
METALS: tuple[Colour, ...] = (
    *((0.60, 0.58, 0.55), (0.72, 0.52, 0.26), (0.03, 0.03, 0.033), (0.72, 0.45, 0.36)),
)


@dataclass(frozen=True)
class Glasses:
    """`outline` (one of OUTLINES), `rim` (one of RIMS), `width` of a lens 0.042..0.060 metres,
    `bridge` between the lenses 0.014..0.022, `thickness` of the rim 0.001..0.006, `metal` or
    plastic in `colour`; lenses of `tint` that cover 0.04..0.98 of what is behind; `down`: metres
    they have slid down the nose. Raises ChoiceError for values out of range."""

    outline: str = "square"
    rim: str = "full"
    width: float = 0.051
    bridge: float = 0.018
    thickness: float = 0.003
    metal: bool = False
    colour: Colour = PLASTICS[0]
    tint: Colour = (0.02, 0.022, 0.024)
    cover: float = 0.08
    fade: float = 0.0
    down: float = 0.0

    def __post_init__(self) -> None:
        if self.outline not in OUTLINES:
            raise ChoiceError("Glasses.outline", OUTLINES, self.outline)
        if self.rim not in RIMS:
            raise ChoiceError("Glasses.rim", RIMS, self.rim)
        if not 0.042 <= self.width <= 0.060 or not 0.014 <= self.bridge <= 0.022:
            raise ChoiceError(
                "Glasses", "lenses 0.042..0.060 m and a bridge 0.014..0.022 m", self.width
            )
        if not 0.04 <= self.cover <= 0.98:
            raise ChoiceError("Glasses.cover", "0.04 to 0.98", self.cover)


def sample_glasses(rng: np.random.Generator, dark: bool = False) -> Glasses:
    """Eyeglasses, or sunglasses where `dark`: lenses 48 to 54 mm (56 dark), bridge 16 to 20 mm."""
    metal = bool(rng.random() < 0.4)
    colours = METALS if metal else PLASTICS
    shade = float(np.exp(rng.uniform(np.log(0.01), np.log(0.05))))
    hue = 1 + np.array([0.5, 0.1, -0.4]) * rng.uniform(-0.4, 1.0)
    tint = shade * np.clip(hue, 0.2, 2) if dark else np.array([0.02, 0.022, 0.024])
    rims = ("full", "full", "full", "half", "none")
    wide = rng.uniform(0.050, 0.057) if dark else rng.uniform(0.048, 0.054)
    return Glasses(
        outline=str(rng.choice(OUTLINES)),
        rim="full" if dark else str(rims[int(rng.integers(5))]),
        width=float(wide),
        bridge=float(rng.uniform(0.016, 0.020)),
        thickness=float(rng.uniform(0.0011, 0.0017) if metal else rng.uniform(0.0022, 0.0052)),
        metal=metal,
        colour=colours[int(rng.integers(len(colours)))],
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        cover=float(rng.uniform(0.75, 0.97) if dark else rng.uniform(0.06, 0.12)),
        fade=float(rng.uniform(0, 1)) if dark and rng.random() < 0.4 else 0.0,
        down=float(rng.exponential(0.0012))
        if rng.random() < 0.85
        else float(rng.uniform(0.004, 0.012)),
    )


def outline(glasses: Glasses) -> Reals:
    """A left lens (POINTS, 2) about its middle, counter-clockwise, metres; +x points outwards."""
    t = 2 * np.pi * np.arange(POINTS) / POINTS
    power, tall = {
        "round": (1.0, 0.94),
        "oval": (0.9, 0.74),
        "square": (0.50, 0.72),
        "cat-eye": (0.66, 0.74),
        "aviator": (0.72, 0.86),
    }[glasses.outline]
    c, s = np.cos(t), np.sin(t)
    x = np.sign(c) * np.abs(c) ** power
    y = np.sign(s) * np.abs(s) ** power * tall
    if glasses.outline == "cat-eye":
        y = y + 0.17 * np.clip(x, 0, 1) ** 1.6 * np.clip(y + 0.5, 0, 1)
        x = x * (1 + 0.05 * y)
    if glasses.outline == "aviator":
        y = np.where(y < 0, y * (1 + 0.10 * x), y * 0.86)
        x = x * np.where(y < 0, 1 - 0.13 * y * y, 1.0) + 0.03 * y
    if glasses.outline == "square":
        x = x * (1 + 0.05 * y / tall)
    ring: Reals = glasses.width / 2 * np.stack([x, y], 1)
    return ring


@dataclass(frozen=True)
class Seat:
    """Where the glasses sit: `middle` (3,) of the bridge, `lens` (2,): x and y of the left lens's
    middle, `tilt` (slope of the lens plane, dz per dy), `wrap` (its curvature), `ear` (3,): where
    the left arm rests, `size` factor."""

    middle: Reals
    lens: Reals
    tilt: float
    wrap: float
    ear: Reals
    size: float


def front_z(seat: Seat, x: ArrayLike, y: ArrayLike) -> Reals:
    """Depth z of the lens surface at x, y: a tilted plane that wraps around the face."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    z: Reals = seat.middle[2] + seat.tilt * (y - seat.middle[1]) - seat.wrap * x * x
    return z


def seat_of(glasses: Glasses, head: Head, rest: Floats) -> Seat:
    """Fit to the nose bridge, the eyes and the ears: lenses about 12 to 14 mm in front of the
    eyes, further where brows or cheeks would touch the rims."""
    p = landmarks(head, rest)
    left, right = p[42:48].mean(0), p[36:42].mean(0)
    apart = left[0] - right[0]
    size = float(np.clip((apart / 0.063 + np.ptp(p[[0, 16], 0]) / 0.1458) / 2, 0.85, 1.15))
    centre_x = (left[0] + right[0]) / 2
    y = (left[1] + right[1]) / 2 - 0.0005 - glasses.down
    x = max((glasses.bridge + glasses.width) / 2 * size, 0.5 * apart - 0.001)
    ring = outline(glasses) * size + np.array([x, y])
    seat = Seat(
        middle=np.array([centre_x, y, 0.0]),
        lens=np.array([x, y]),
        tilt=0.12,
        wrap=1.1,
        ear=ear_of(head, rest),
        size=size,
    )
    half = glasses.thickness * 0.6 + CLEARANCE
    probe = np.concatenate(
        [ring, 1.06 * (ring - seat.lens) + seat.lens, bridge_line(glasses, seat)]
    )
    starts = np.concatenate([probe + np.array([centre_x, 0]), np.full((len(probe), 1), -0.02)], 1)
    skin = reach(head, rest, starts, np.array([0.0, 0.0, 1.0]), FRONT) - 0.02
    plane = front_z(seat, probe[:, 0], probe[:, 1])
    push = float(np.max(np.where(skin > -0.019, skin - plane, -1.0))) + half
    cornea = max(left[2], right[2]) - 0.002
    ahead = max(push, cornea + 0.0105)
    return Seat(
        seat.middle + np.array([0, 0, ahead]), seat.lens, seat.tilt, seat.wrap, seat.ear, size
    )


def ear_of(head: Head, rest: Floats) -> Reals:
    """Where a temple rests (3,), left: in the angle between the top of the ear and the skull."""
    ear = region_points(head, rest, "ear_l")
    top = float(ear[:, 1].max())
    upper = ear[ear[:, 1] > top - 0.016]
    root = upper[upper[:, 0] <= np.quantile(upper[:, 0], 0.35)]
    return np.array([root[:, 0].max() + 0.001, top - 0.0045, float(np.quantile(root[:, 2], 0.6))])


def bridge_line(glasses: Glasses, seat: Seat) -> Reals:
    """Points (k, 2) of the bridge over the nose, x from the right lens to the left."""
    inner = seat.lens[0] - glasses.width / 2 * seat.size
    t = np.linspace(-1, 1, 13)
    arch = 0.0030 * (1 - t * t) * seat.size
    high = seat.lens[1] + (0.006 if glasses.outline != "round" else 0.004) * seat.size
    return np.stack([1.03 * inner * t, high + arch], 1)


def bar(width: float, height: float) -> Reals:
    """A rounded rectangle (10, 2), counter-clockwise."""
    t = 2 * np.pi * np.arange(10) / 10 + np.pi / 10
    c, s = np.cos(t), np.sin(t)
    return 0.5 * np.stack(
        [width * np.sign(c) * np.abs(c) ** 0.45, height * np.sign(s) * np.abs(s) ** 0.45], 1
    )


def rim_mesh(glasses: Glasses, seat: Seat) -> Mesh:
    """The left rim: a closed bar around the lens, or its upper half."""
    ring = outline(glasses) * seat.size + seat.lens
    curve = np.concatenate([ring, front_z(seat, *ring.T)[:, None]], 1)
    deep = max(0.0018, 0.75 * glasses.thickness) if not glasses.metal else glasses.thickness
    section = bar(glasses.thickness, deep)
    up = np.array([0.0, 0.0, 1.0])
    if glasses.rim == "half":
        turn = np.arange(-3, POINTS // 2 + 4) % POINTS
        return sweep(curve[turn], section, up)
    if glasses.outline == "cat-eye" or not glasses.metal:
        heavy = 1 + 0.35 * np.clip((ring[:, 1] - seat.lens[1]) / 0.02, -0.5, 1)
        return sweep(curve, section, up, heavy, closed=True)
    return sweep(curve, section, up, closed=True)


def lens_mesh(glasses: Glasses, seat: Seat) -> Mesh:
    """The left lens: rings from its middle to its edge."""
    ring = outline(glasses) * seat.size
    inside = ring * (1 - 0.3 * glasses.thickness / glasses.width)
    rho = np.array([0.0, 0.35, 0.65, 0.87, 1.0])[:, None, None]
    flat = seat.lens + rho * inside[None]
    z = front_z(seat, flat[..., 0], flat[..., 1]) + 0.0012 * (1 - rho[..., 0] ** 2)
    return grid(np.concatenate([flat, z[..., None]], -1), closed=True)


def temple_mesh(glasses: Glasses, seat: Seat, head: Head, rest: Floats) -> Mesh:
    """The left arm, from the lens's outer edge over the ear and down behind it."""
    k = seat.size
    x = seat.lens[0] + glasses.width / 2 * k
    y = seat.lens[1] + 0.0065 * k
    hinge = np.array([x + 0.001, y, float(front_z(seat, x, y))])
    corner = hinge + np.array([0.0045, 0.0, -0.004])
    ear = seat.ear
    t = np.linspace(0, 1, 9)[1:-1, None]
    arm = corner * (1 - t) + ear * t
    behind = ear + k * np.array([[0.0, -0.005, -0.013], [-0.003, -0.016, -0.021]])
    tip = ear + k * np.array([[-0.0055, -0.029, -0.024]])
    path = np.concatenate([hinge[None], corner[None], arm, ear[None], behind, tip])
    curve = spline(path, 28)
    starts = curve * np.array([0.0, 1.0, 1.0])
    skin = reach(head, rest, starts, np.array([1.0, 0, 0]), SIDES)
    least = skin + CLEARANCE + (0.0022 if not glasses.metal else glasses.thickness) / 2
    need = np.maximum(least - curve[:, 0], 0)
    need = np.maximum(need, np.convolve(np.pad(need, 2, "edge"), np.ones(5) / 5, "valid"))
    curve[:, 0] += need * (curve[:, 2] < hinge[2] - 0.004)
    tall = 0.0015 if glasses.metal else min(0.0045, 1.1 * glasses.thickness + 0.001)
    thin = 0.0014 if glasses.metal else 0.0022
    return sweep(curve, bar(thin, tall), np.array([0.0, 1.0, 0.0]), np.linspace(1, 0.85, 28))


def pad_mesh(glasses: Glasses, seat: Seat) -> Mesh:
    """A nose pad's wire and pad (left), for metal frames."""
    inner = seat.lens[0] - glasses.width / 2 * seat.size
    y = seat.lens[1] - 0.003
    start = np.array([inner, y, float(front_z(seat, inner, y))])
    end = start + np.array([-0.0005, -0.003, -0.0045])
    curve = spline(np.stack([start, (start + end) / 2 + [0.001, 0.001, -0.001], end]), 8)
    return tube(curve, np.array([0.0004] * 5 + [0.0012, 0.0016, 0.0008]), 6)


@kept(32)
def fit_glasses(glasses: Glasses, head: Head, rest: Floats) -> tuple[Piece, ...]:
    """The pieces of the glasses on an unposed person, frame first, then the lenses. Kept."""
    seat = seat_of(glasses, head, rest)
    shift = np.array([seat.middle[0], 0, 0])
    left = [temple_mesh(glasses, seat, head, rest)]
    if glasses.rim != "none":
        left.append(rim_mesh(glasses, seat))
    if glasses.metal:
        left.append(pad_mesh(glasses, seat))
    half = join(left)
    line = bridge_line(glasses, seat)
    curve = np.concatenate([line, front_z(seat, *line.T)[:, None]], 1)
    if glasses.metal or glasses.rim == "none":
        over = tube(curve, max(0.0008, glasses.thickness * 0.55), 8)
    else:
        section = bar(max(0.003, glasses.thickness), 0.8 * glasses.thickness)
        over = sweep(curve, section, np.array([0.0, 0.0, 1.0]))
    frame = shifted(join([half, mirrored(half), over]), shift)
    gloss = (0.9, 0.28) if glasses.metal else (0.5, 0.18)
    pieces = [
        piece("glasses frame", frame, glasses.colour, Label.GLASSES, Material.GLOSS, gloss=gloss)
    ]
    lens = lens_mesh(glasses, seat)
    for name, mesh in (("left lens", lens), ("right lens", mirrored(lens))):
        low = np.clip((seat.lens[1] - mesh.vertices[:, 1:2]) / 0.02 + 0.2, 0, 1)
        tint = np.asarray(glasses.tint) * (1 + 5 * glasses.fade * low)
        pieces.append(
            piece(
                name,
                shifted(mesh, shift),
                np.clip(tint, 0, 0.9),
                Label.GLASSES,
                Material.GLOSS,
                gloss=(0.5, 0.04),
                cover=glasses.cover,
            )
        )
    return tuple(pieces)
