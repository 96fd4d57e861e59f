"""What covers the lower face: masks, a bandana over the nose, and scarves about the neck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head, Ints
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.shapes import Mesh, grid, spline, tube, unit
from fusiform.lab.world.wear_fabric import Colour, Fabric, sample_dye, sample_fabric
from fusiform.lab.world.wear_fit import kept, landmarks, reach, region_points, skin_vertices
from fusiform.lab.world.wear_piece import Piece, clinging, piece

Reals = NDArray[np.float64]

MASKS = ("surgical", "cloth", "cup", "gaiter", "scarf")
SHARES = (0.42, 0.2, 0.18, 0.08, 0.12)
BLUE: Colour = (0.26, 0.47, 0.60)
WHITE: Colour = (0.66, 0.66, 0.64)
BLACK: Colour = (0.02, 0.02, 0.022)
LOWER = ("face", "nose", "upper_lip", "lower_lip", "neck")
SKIN = ("face", "nose", "upper_lip", "lower_lip", "eyelid_l", "eyelid_r", "neck")
FLEECE = Fabric(colour=BLUE, folds=0.2, rough=0.2)
COLUMNS, ROWS = 37, 17


@dataclass(frozen=True)
class Mask:
    """`kind` (one of MASKS; "cup" is an FFP2, "scarf" goes about the neck and may reach the mouth)
    of `fabric`; `down`: share 0..1 of the way it has slipped off the nose (1: under the nose);
    `high`: a scarf covers the mouth. Raises ChoiceError for an unknown kind."""

    kind: str = "surgical"
    fabric: Fabric = FLEECE
    down: float = 0.0
    high: bool = False

    def __post_init__(self) -> None:
        if self.kind not in MASKS:
            raise ChoiceError("Mask.kind", MASKS, self.kind)


def sample_mask(rng: np.random.Generator, kind: str = "") -> Mask:
    """Something over nose and mouth, of `kind` where one is named; in one of 12 under the nose."""
    name = kind or str(rng.choice(MASKS, p=SHARES))
    seed = int(rng.integers(2**31))
    if name == "surgical":
        colour = (BLUE, BLUE, WHITE, BLACK, sample_dye(rng))[int(rng.integers(5))]
        fabric = Fabric(colour=colour, folds=0.25, rough=0.2, seed=seed)
    elif name == "cup":
        colour = WHITE if rng.random() < 0.8 else BLACK
        fabric = Fabric(colour=colour, folds=0.05, rough=0.3, seed=seed)
    elif name == "scarf":
        fabric = sample_fabric(rng, "knit", "plain", "stripes", "checks")
    else:
        fabric = sample_fabric(rng)
    return Mask(
        kind=name,
        fabric=fabric,
        down=float(rng.uniform(0.8, 1.0)) if rng.random() < 1 / 12 else 0.0,
        high=bool(rng.random() < 0.35),
    )


@dataclass(frozen=True)
class Patch:
    """Skin of the lower face: `skin` points (ROWS, COLUMNS, 3), top row first, from the right to
    the left; `ray` (COLUMNS, 3) outward directions."""

    skin: Reals
    ray: Reals


def patch_of(head: Head, rest: Floats, mask: Mask) -> Patch:
    """What a mask lies on: from the nose's bridge (or its tip) to under the chin."""
    p = landmarks(head, rest)
    u = np.linspace(-1, 1, COLUMNS)
    angle = np.deg2rad(80) * np.sign(u) * np.abs(u) ** 1.1
    ray = np.stack([np.sin(angle), 0 * u, np.cos(angle)], 1)
    axis = p[[2, 14], 2].mean() + 0.022
    worn = p[29, 1] + 0.35 * (p[28, 1] - p[29, 1])
    top = worn + mask.down * (p[33, 1] - 0.003 - worn)
    cheek = p[33, 1] + 0.55 * (worn - p[33, 1])
    cheek = min(cheek, top - 0.004)
    dip = np.clip(np.abs(u) / 0.30, 0, 1)
    high = top + (cheek - top) * dip**0.8 + 0.004 * np.clip((np.abs(u) - 0.4) / 0.6, 0, 1)
    chin = p[8, 1] + 0.001
    jaw = p[[3, 13], 1].mean() + 0.004
    low = chin + (jaw - chin) * np.clip((np.abs(u) - 0.12) / 0.88, 0, 1) ** 1.3
    t = np.linspace(0, 1, ROWS)[:, None]
    y = high + t * (low - high)
    start = np.stack([0 * y + p[30, 0], y, 0 * y + axis], -1)
    far = reach(head, rest, start, ray[None], SKIN, 0.16)
    for row in range(ROWS - 2, -1, -1):
        far[row] = np.where(far[row] < 0, far[row + 1], far[row])
    far = np.where(far < 0, np.median(far[far > 0]), far)
    wide = np.pad(far, 1, "edge")
    wide = np.max([wide[r : r + ROWS, c : c + COLUMNS] for r in range(3) for c in range(3)], axis=0)
    far = far + np.clip(1.6 - 4 * np.abs(u), 0, 1) * np.clip(10 * t, 0, 1) * (
        wide - far
    )  # noses are finer than the mesh
    return Patch(start + ray[None] * far[..., None], ray)


def tent(skin: Reals, out: Reals, lift: Reals, rounds: int = 40) -> Reals:
    """Cloth (rows, columns, 3) stretched over `skin`: relaxed as a membrane that stays at least
    `lift` (rows, columns) outside it along `out`, edges pinned at that height."""
    least = skin + out * lift[..., None]
    p = least.copy()
    for _ in range(rounds):
        q = p.copy()
        q[1:-1, 1:-1] = 0.25 * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:])
        q[-1, 1:-1] = 0.5 * (p[-1, :-2] + p[-1, 2:])
        near = ((q - least) * out).sum(-1)
        p = q + out * np.maximum(-near, 0)[..., None]
    return p


def carried(mesh: Mesh, head: Head, rest: Floats) -> tuple[Ints, Floats]:
    """The skin of the lower face and neck, which moves what lies on it."""
    return clinging(mesh, rest, skin_vertices(head, LOWER))


def face_mask(mask: Mask, head: Head, rest: Floats) -> list[Piece]:
    """A surgical, cloth or cup mask with its loops."""
    patch = patch_of(head, rest, mask)
    u = np.linspace(-1, 1, COLUMNS)[None]
    t = np.linspace(0, 1, ROWS)[:, None]
    out = unit(patch.ray[None] + np.array([0, 0.15, 0]) * (0.5 - t[..., None]))
    lift = 0.0026 + 0.0015 * np.sin(np.pi * t) * np.ones_like(u)
    rounds, shade = 40, np.ones((ROWS, COLUMNS))
    if mask.kind == "surgical":
        saw = (3.999 * np.clip((t - 0.14) / 0.72, 0, 1)) % 1.0
        lift = lift + 0.0026 * saw * np.clip(1.15 - np.abs(u), 0, 1)
        shade = shade - 0.16 * ((saw < 0.25) & (t > 0.15) & (t < 0.85)) * np.clip(
            1.3 - abs(u), 0, 1
        )
    if mask.kind == "cup":
        beak = np.exp(-((u / 0.42) ** 2)) * np.sin(np.pi * np.clip(0.08 + 0.87 * t, 0, 1))
        lift = lift + 0.013 * beak
        shade = shade - 0.10 * np.exp(-((u / 0.02) ** 2))
    if mask.kind == "cloth":
        shade = shade - 0.12 * np.exp(-((u / 0.025) ** 2))
        rounds = 60
    p = tent(patch.skin, out, lift, rounds)
    if mask.kind == "surgical":
        p = p + out * (0.0016 * (saw - 0.5) * np.clip(1.15 - np.abs(u), 0, 1))[..., None]
    under = p[-1] - out[-1] * 0.012 + np.array([0, -0.007, 0])
    whole = np.concatenate([p[:1] - out[:1] * 0.0025, p, under[None]])
    side = whole[:, [0, -1]] - 0.003 * out[0][[0, -1]][None]
    whole = np.concatenate([side[:, :1], whole, side[:, 1:]], 1)
    mesh = grid(whole)
    shade = np.pad(shade, ((1, 1), (1, 1)), "edge")
    shade[0], shade[-1] = 0.85, 0.7
    tint = np.repeat(shade.reshape(-1, 1), 3, 1)
    made = [piece("mask", mesh, tint, Label.OCCLUDER, openness=0.92,
                  fabric=mask.fabric,
                  skin=carried(mesh, head, rest))]  # fmt: skip
    for loop in loops(p, head, rest):
        cord = (0.6, 0.6, 0.58) if mask.fabric.colour != BLACK else BLACK
        made.append(piece("mask loop", loop, cord, Label.OCCLUDER, openness=0.9,
                          skin=carried(loop, head, rest)))  # fmt: skip
    return made


def loops(p: Reals, head: Head, rest: Floats) -> list[Mesh]:
    """Elastic cords from the mask's corners around the ears, left and right."""
    made = []
    for side, column in (("l", -1), ("r", 0)):
        sign = 1.0 if side == "l" else -1.0
        ear = region_points(head, rest, f"ear_{side}")
        top, bottom = ear[:, 1].max() - 0.004, ear[:, 1].min() + 0.006
        root = sign * float(np.quantile(sign * ear[:, 0], 0.25))
        rear = ear[:, 2].min()
        front = float(np.quantile(ear[:, 2], 0.75))
        high, low = p[2, column], p[-3, column]
        middle = (front + rear) / 2
        path = np.array(
            [
                high,
                [root + sign * 0.004, top - 0.004, front],
                [root + sign * 0.003, top, middle],
                [root, (top + bottom) / 2, rear + 0.004],
                [root + sign * 0.001, bottom + 0.004, middle + 0.006],
                low,
            ]
        )
        curve = spline(path, 30)
        start = curve * [0, 1, 1]
        skin = reach(head, rest, start, np.array([sign, 0, 0.0]), ("face", "scalp", "neck"), 0.12)
        curve[:, 0] = sign * np.maximum(sign * curve[:, 0], skin + 0.0015)
        made.append(tube(curve, 0.0012, 6))
    return made


def rings(head: Head, rest: Floats, heights: Reals, tilt: float, columns: int) -> Reals:
    """Points (rows, columns, 3) on the skin around face and neck at `heights` (rows,) in front,
    `tilt` metres higher behind; from behind over the left."""
    p = landmarks(head, rest)
    phi = 2 * np.pi * np.arange(columns) / columns + np.pi
    ray = np.stack([np.sin(phi), 0 * phi, np.cos(phi)], 1)
    y = heights[:, None] + tilt * (0.5 - 0.5 * ray[None, :, 2])
    axis = p[[3, 13], 2].mean() - 0.018
    start = np.stack([0 * y, y, 0 * y + axis], -1)
    names = (*SKIN, "scalp")
    far = reach(head, rest, start, ray[None], names, 0.17)
    far = np.where(far < 0, 0.062, far)
    for _ in range(2):
        far = np.maximum(far, (np.roll(far, 1, 1) + 2 * far + np.roll(far, -1, 1)) / 4)
    return start + ray[None] * far[..., None]


def gaiter(mask: Mask, head: Head, rest: Floats) -> list[Piece]:
    """A tube of cloth from the nose down the neck."""
    p = landmarks(head, rest)
    top = p[29, 1] + mask.down * (p[33, 1] - 0.003 - p[29, 1])
    heights = np.linspace(top, p[8, 1] - 0.055, 24)
    skin = rings(head, rest, heights, -0.012, 60)
    out = np.broadcast_to(unit((skin - skin.mean(1, keepdims=True)) * [1, 0, 1]), skin.shape)
    wrinkle = 0.0016 * np.sin(np.arange(24) * 1.27)[:, None] * np.ones(60)
    wrinkle[0] = 0
    around = np.concatenate([skin[:, -6:], skin, skin[:, :6]], 1)
    outs = np.concatenate([out[:, -6:], out, out[:, :6]], 1)
    cloth = tent(around, outs, np.full(around.shape[:2], 0.0078), 40)[:, 6:-6]
    cloth = cloth + out * np.maximum(wrinkle, -0.001)[..., None]
    whole = np.concatenate([cloth[:1] - out[:1] * 0.0026, cloth])
    mesh = grid(whole, closed=True)
    return [piece("gaiter", mesh, (1, 1, 1), Label.OCCLUDER, openness=0.9,
                  fabric=mask.fabric,
                  skin=carried(mesh, head, rest))]  # fmt: skip


def scarf(mask: Mask, head: Head, rest: Floats) -> list[Piece]:
    """A thick scarf in two turns about the neck; `high`: the upper one covers the mouth."""
    p = landmarks(head, rest)
    chin = p[8, 1]
    rise = 0.066 if mask.high else 0.0
    made = []
    label = Label.OCCLUDER if mask.high else Label.CLOTH
    for turn, (high, low, lift, slant) in enumerate(
        ((-0.008 + rise, -0.052 + 0.4 * rise, 0.010, 0.006), (-0.040, -0.085, 0.017, -0.006))
    ):
        heights = chin + np.linspace(high, low, 9)
        skin = rings(head, rest, heights, 0.012, 40)
        middle = skin.mean(1, keepdims=True)
        out = np.broadcast_to(unit((skin - middle) * [1, 0, 1]), skin.shape)
        t = np.linspace(0, 1, 9)[:, None]
        phi = (2 * np.pi * np.arange(40) / 40)[None]
        puff = lift + 0.015 * np.sin(np.pi * t) ** 0.7 + 0.0025 * np.sin(5 * phi + 9 * t + turn)
        around = np.concatenate([skin[:, -6:], skin, skin[:, :6]], 1)
        outs = np.concatenate([out[:, -6:], out, out[:, :6]], 1)
        puffs = np.concatenate([puff[:, -6:], puff, puff[:, :6]], 1)
        cloth = tent(around, outs, puffs, 12)[:, 6:-6].copy()
        cloth[..., 1] += slant * np.sin(phi) + 0.003 * np.sin(3 * phi + turn)
        inner = cloth[:1] - out[:1] * 0.012 - np.array([0, 0.006, 0])
        below = cloth[-1:] - out[-1:] * 0.012 + np.array([0, 0.006, 0])
        mesh = grid(np.concatenate([inner, cloth, below]), closed=True)
        made.append(piece("scarf", mesh, (1, 1, 1), label, openness=0.85,
                          fabric=mask.fabric,
                          follow="skull" if mask.high and turn == 0 else "torso",
                          skin=carried(mesh, head, rest)))  # fmt: skip
    return made


@kept(32)
def fit_mask(mask: Mask, head: Head, rest: Floats) -> tuple[Piece, ...]:
    """The pieces of a mask or scarf on an unposed person. Kept."""
    maker = {"gaiter": gaiter, "scarf": scarf}.get(mask.kind, face_mask)
    return tuple(maker(mask, head, rest))


@kept(32)
def mask_hides(mask: Mask, head: Head, rest: Floats) -> Floats:
    """How much of each skin vertex's hair (a beard) the mask hides, (n,) 0..1; kept."""
    hidden = np.zeros(len(rest), np.float32)
    if mask.kind == "scarf" and not mask.high:
        return hidden
    p = landmarks(head, rest)
    top = p[33, 1] + 0.004 if mask.kind != "scarf" else p[8, 1] + 0.058
    low = p[8, 1] - (0.05 if mask.kind in ("gaiter", "scarf") else 0.012)
    back = -1.0 if mask.kind in ("gaiter", "scarf") else float(p[[3, 13], 2].mean())
    on = skin_vertices(head, LOWER)
    _x, y, z = (rest[on, k].astype(np.float64) for k in range(3))
    inside = np.minimum(np.minimum(top - y, y - low), z - back) / 0.004
    hidden[on] = np.clip(inside, 0, 1)
    return hidden
