"""Beards and moustaches: where they grow, how they are cut, and their strands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng as stream
from fusiform.lab.geometry.head import Head, at
from fusiform.lab.geometry.scene import Label, Surface
from fusiform.lab.world.hair import Growth
from fusiform.lab.world.hair_colour import strand_colours
from fusiform.lab.world.hair_grow import Strands, dress, mixed, roots_on
from fusiform.lab.world.hair_mesh import strand_surface
from fusiform.lab.world.hair_proxy import STEP, Proxy, distances, make_proxy
from fusiform.lab.world.shapes import vertex_normals
from fusiform.lab.world.traits import Traits

Floats = NDArray[np.float32]

# name: length on the chin, cheeks, upper lip, under the lip, sideburns (metres), taste
STYLES: dict[str, tuple[float, float, float, float, float, float]] = {
    "none": (0.0, 0.0, 0.0, 0.0, 0.0, 4.0),
    "shadow": (0.0006, 0.0006, 0.0006, 0.0006, 0.0006, 1.2),
    "stubble": (0.0025, 0.0022, 0.0023, 0.0023, 0.0022, 2.0),
    "short": (0.009, 0.007, 0.008, 0.007, 0.006, 1.6),
    "full": (0.028, 0.016, 0.014, 0.012, 0.01, 1.2),
    "long": (0.13, 0.05, 0.022, 0.03, 0.02, 0.3),
    "goatee": (0.018, 0.0, 0.009, 0.01, 0.0, 0.6),
    "chin": (0.02, 0.0, 0.0, 0.008, 0.0, 0.25),
    "soul_patch": (0.0, 0.0, 0.0, 0.008, 0.0, 0.12),
    "thin": (0.0, 0.0, 0.004, 0.0, 0.0, 0.25),
    "chevron": (0.0, 0.0, 0.012, 0.0, 0.0, 0.4),
    "handlebar": (0.0, 0.0, 0.024, 0.0, 0.0, 0.12),
    "chin_strap": (0.006, 0.0, 0.0, 0.0, 0.005, 0.15),
    "mutton": (0.0, 0.016, 0.01, 0.0, 0.014, 0.06),
}


@dataclass(frozen=True)
class Beard:
    """A beard. Inborn: `density` 0..1 (0: cannot grow one), `patchy` 0..1 (bare cheeks), `reach`:
    how high on the cheeks it grows, 0..1, `curl` 0..1, `eumelanin`, `pheomelanin`, `grey`, `seed`.
    The barber's: `style` (a name of `STYLES`), `length`: times the style's, `tidy` 0..1.
    """

    style: str = "none"
    length: float = 1.0
    tidy: float = 0.6
    density: float = 1.0
    patchy: float = 0.2
    reach: float = 0.6
    curl: float = 0.3
    eumelanin: float = 0.7
    pheomelanin: float = 0.12
    grey: float = 0.0
    coarse: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ChoiceError for an unknown style."""
        if self.style not in STYLES:
            raise ChoiceError("beard style", STYLES, self.style)


def sample_beard(rng: np.random.Generator, traits: Traits, growth: Growth) -> Beard:
    """The beard of a random person whose scalp hair is `growth`; none for women and children."""
    u = rng.random(10)
    _, asian, european = traits.ancestry
    grown = float(np.clip((traits.age - 15) / 9, 0, 1)) * float(np.clip(traits.male * 2 - 1, 0, 1))
    density = grown * (0.35 + 0.65 * u[0]) * (1 - 0.45 * asian)
    redder = 0.25 * u[1] * european * (growth.pheomelanin > 0.05)
    return rebearded(
        Beard(
            density=float(density),
            patchy=float(np.clip(0.9 * u[2] ** 1.5 + 0.3 * asian, 0, 1)),
            reach=float(0.25 + 0.7 * u[3] * (1 - 0.4 * asian)),
            curl=float(np.clip(0.25 + 0.75 * growth.curl, 0, 1)),
            eumelanin=float(growth.eumelanin * (0.8 + 0.3 * u[4])),
            pheomelanin=float(growth.pheomelanin + redder),
            grey=float(min(1.0, growth.grey * 1.2)),
            coarse=float(growth.coarse * (1.0 + 0.3 * u[5])),
            seed=int(rng.integers(2**31)),
        ),
        rng,
    )


def rebearded(beard: Beard, rng: np.random.Generator) -> Beard:
    """The same beard after another shave: only `style`, `length` and `tidy` differ."""
    names = sorted(STYLES)
    taste = np.array([STYLES[n][5] for n in names])
    longest = np.array([max(STYLES[n][:5]) for n in names])
    taste = taste * np.clip(beard.density, 0, 1) ** (1 + 20 * longest)
    taste[names.index("none")] = STYLES["none"][5] if beard.density > 0.02 else 1e9
    style = names[int(rng.choice(len(names), p=taste / taste.sum()))]
    u = rng.random(2)
    return replace(beard, style=style, length=float(0.6 + 0.9 * u[0]), tidy=float(u[1]))


def _rise(x: NDArray[np.floating]) -> Floats:
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _pattern(
    beard: Beard, head: Head, place: Floats, low: Floats, lip: Floats
) -> tuple[Floats, Floats]:
    """Share of roots that grow (k,), and lengths (k,) in metres, at places of the mean head.

    `low`, `lip`: the beard and moustache masks there.
    """
    chin, cheek, upper, under, burns, _ = STYLES[beard.style]
    p = at(head.landmarks["68"], head.triangles, head.mean)
    mouth_y, chin_y = float(p[[48, 54], 1].mean()), float(p[8, 1])
    wide, nose_y = float(np.abs(p[[48, 54], 0]).mean()), float(p[33, 1])
    ear_z, ear_y = float(p[[0, 16], 2].mean()), float(p[[0, 16], 1].mean())
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    lower_lip = float(p[57, 1])
    upper_zone = lip * _rise((y - mouth_y + 0.006) / 0.006)
    side = _rise((x - 1.12 * wide) / (0.3 * wide))
    chin_zone = (1 - side) * _rise((lower_lip - 0.004 - y) / 0.006)
    patch = np.exp(-((x / (0.34 * wide)) ** 2)) * _rise((lower_lip + 0.003 - y) / 0.005)
    patch = patch * _rise((y - (0.45 * chin_y + 0.55 * lower_lip)) / 0.006)
    burn_zone = _rise((ear_z + 0.028 - z) / 0.012) * _rise(
        (y - (0.5 * mouth_y + 0.5 * ear_y) + 0.02) / 0.02
    )
    # the cheek's edge runs from the ear down to the corner of the mouth
    edge = mouth_y + (0.006 + 0.035 * beard.reach) * np.clip((x - wide) / (1.6 * wide), 0, 1)
    below = _rise((edge - y) / 0.008 + 0.5 + burn_zone * 2)
    cheek_zone = side * below
    strap = _rise((0.006 - np.abs(_jaw_height(p, x, y))) / 0.004)
    if beard.style == "chin_strap":
        chin_zone, cheek = chin_zone * strap, chin
        cheek_zone = cheek_zone * np.maximum(strap, burn_zone)
    long = np.zeros(len(place), np.float32)
    amount = np.zeros(len(place), np.float32)
    zones = ((cheek_zone * low, cheek), (burn_zone * low, burns), (chin_zone * low, chin))
    for zone, length in (*zones, (patch * low, under), (upper_zone, upper)):
        if length > 0:
            amount = np.maximum(amount, zone)
            long = np.where(zone > 0.12, long + (length - long) * np.clip(zone * 1.6, 0, 1), long)
    amount = amount * _rise((z - ear_z + 0.024) / 0.01)
    if beard.style == "thin":
        # a line over the upper lip, down to the corners
        middle = float(p[51, 1]) + 0.0045 - 0.0065 * (x / wide) ** 2
        amount = amount * _rise((0.0036 - np.abs(y - middle)) / 0.0014)
    if beard.style == "goatee":  # joins the two around the mouth
        ring = _rise((0.006 - np.abs(x - 1.2 * wide)) / 0.004) * (y < nose_y) * (low + lip > 0.1)
        amount = np.maximum(amount, ring)
        long = np.where((ring > 0.1) & (long < upper), upper, long)
    return np.asarray(amount, np.float32), np.asarray(long * beard.length, np.float32)


def _jaw_height(points: Floats, x: Floats, y: Floats) -> Floats:
    """Signed height (k,) over the jaw line of the 68 points (right half, mirrored)."""
    jaw = points[8:17]
    jaw_y = np.interp(x, np.maximum.accumulate(np.abs(jaw[:, 0])), jaw[:, 1])
    return np.asarray(y - jaw_y, np.float32)


def grow_beard(
    beard: Beard, head: Head, rest: Floats, detail: float = 256, proxy: Proxy | None = None
) -> Strands | None:
    """The beard's strands on a resting person `rest` (n, 3); None where nothing grows."""
    if beard.style == "none" or beard.density < 0.02:
        return None
    proxy = make_proxy(head, rest) if proxy is None else proxy
    longest = max(STYLES[beard.style][:5]) * beard.length
    pieces = 2 if longest < 0.004 else 4 if longest < 0.02 else 6 if longest < 0.05 else 9
    # about as many per area as the brow at 512 px; fewer and wider in small pictures
    full = int(np.clip(6000 * (detail / 256) ** 0.9, 1500, 12000) * (1.4 if longest < 0.004 else 1))
    allowed, _ = _pattern(beard, head, head.mean, head.masks["beard"], head.masks["moustache"])
    allowed = np.where(allowed > 0.02, 0.15 + allowed, 0) * (1 + 1.4 * head.masks["moustache"])
    allowed = allowed.astype(np.float32)
    most, full = full, int(full * min(1.0, 0.12 + _area(head, allowed) / 0.016))
    chance = stream(beard.seed, "beard").random((full, 12), np.float32)
    triangle, weights = roots_on(head, allowed, chance, full, weigh=True)
    values = np.stack([head.masks[m] for m in ("beard", "moustache", "lips")], 1)
    values = mixed(values, head.triangles, triangle, weights)
    place = mixed(head.mean, head.triangles, triangle, weights)
    amount, long = _pattern(beard, head, place, values[:, 0], values[:, 1])
    bare = _patches(beard, place)
    cheeks = np.clip(np.abs(place[:, 0]) / 0.03 - 0.8, 0, 1)
    grown = amount * beard.density * (1 - beard.patchy * cheeks * bare)
    share = np.where(values[:, 2] < 0.25, grown, 0) ** 0.8  # never on the lips
    keep = (chance[:, 3] < share) & (long > 3e-4)
    if not keep.any():
        return None
    triangle, weights, place, chance = triangle[keep], weights[keep], place[keep], chance[keep]
    long = long[keep] * (0.7 + 0.45 * chance[:, 4]) * (1.12 - 0.25 * beard.tidy * chance[:, 5])
    root = mixed(rest, head.triangles, triangle, weights)
    normal = mixed(vertex_normals(rest, head.triangles), head.triangles, triangle, weights)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    points = _paths(beard, head, rest, root, normal, long, chance, pieces, proxy)
    k = pieces + 1
    width = 0.0002 * beard.coarse * (12000 / most) ** 0.75 * (0.7 + 0.6 * chance[:, 6])
    width = width[:, None] * np.linspace(1, 0.45, k)[None]
    tint = strand_colours(
        *(beard.eumelanin, beard.pheomelanin, beard.grey, None),
        *(chance[:, [7, 8, 9, 10]], k),
    )
    strands = dress(head, rest, proxy, triangle, weights, points, width.astype(np.float32), tint)
    return replace(strands, torso=np.zeros_like(strands.torso))


def _area(head: Head, density: Floats) -> float:
    """Square metres of the mean head, each counted `density` (n,) times."""
    a, b, c = (head.mean[head.triangles[:, k]] for k in range(3))
    area = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return float((area * density[head.triangles].mean(1)).sum())


def _patches(beard: Beard, place: Floats) -> Floats:
    """Smooth random patches, 0..1, over places (k, 3)."""
    wave = stream(beard.seed, "patches").random((5, 4))
    total = np.zeros(len(place))
    for fx, fy, fz, phase in wave:
        turn = place @ (np.array([fx, fy, fz]) * 420 - 160) + 6.2832 * phase
        total += np.sin(turn)
    return np.clip(0.55 + 0.45 * total, 0, 1).astype(np.float32)


def _paths(
    beard: Beard,
    head: Head,
    rest: Floats,
    root: Floats,
    normal: Floats,
    long: Floats,
    chance: Floats,
    pieces: int,
    proxy: Proxy,
) -> Floats:
    """Strands (n, pieces + 1, 3): off the skin, down, and away from the mouth."""
    p = at(head.landmarks["68"], head.triangles, rest)
    mouth = p[[48, 54]].mean(0)
    wide = float(np.abs(p[[48, 54], 0] - mouth[0]).mean())
    lip_top, lip_low = float(p[51, 1]), float(p[57, 1])
    x = root[:, 0] - mouth[0]
    over = root[:, 1] > mouth[1]  # the moustache, and hair beside the mouth's upper half
    want = np.zeros((len(root), 3))
    want[:, 1] = -1.0
    near = np.exp(-((np.abs(x) / (1.3 * wide)) ** 2))
    # a moustache parts under the nose and goes out to the corners before it goes down
    sign = np.sign(x + 0.004 * (chance[:, 4] - 0.5))
    lip = over & (np.abs(x) < 1.35 * wide)
    want[:, 0] = np.where(lip, sign * (0.45 + 0.9 * near), -0.1 * np.sign(x) * (1 - near))
    want[:, 2] = np.where(lip, 0.1, 0.15 + 0.1 * near)
    handlebar = beard.style == "handlebar"
    direction = want + normal * np.where(over, 0.25, 0.4)[:, None]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    wild = (0.3 + 0.5 * beard.curl) * (1.2 - 0.7 * beard.tidy)
    direction = direction + wild * (chance[:, [8, 9, 10]] - 0.5)
    out = np.empty((len(root), pieces + 1, 3), np.float32)
    out[:, 0] = root
    step = (long / pieces)[:, None]
    phase = 6.2832 * chance[:, 11]
    for i in range(pieces):
        size = np.linalg.norm(direction, axis=1, keepdims=True)
        now = out[:, i] + direction / size * step
        arc = (i + 1) * step[:, 0]
        curl = 0.6 * beard.curl * np.minimum(1, arc / 0.008)
        wave = phase + 6.2832 * arc / (0.011 + 0.03 * (1 - beard.curl))
        direction = direction + 0.45 * (want - direction) * np.minimum(1, step / 0.008)
        direction[:, 0] += curl * np.cos(wave)
        direction[:, 2] += curl * np.sin(wave)
        if handlebar:
            t = np.abs(now[:, 0] - mouth[0]) / wide
            bow = lip_top + 0.001 - 0.005 * np.minimum(t, 1) ** 2
            bow = bow + 0.016 * np.maximum(t - 0.95, 0) ** 1.3
            want[lip, 0] = 1.3 * sign[lip] * np.clip(2.2 - t[lip], 0.2, 1)
            want[lip, 1] = np.clip(220 * (bow - now[:, 1])[lip], -1.2, 1.2) + (t[lip] > 1.25) * 0.6
        # nothing hangs into the mouth
        across = np.clip(np.abs(now[:, 0] - mouth[0]) / (1.08 * wide), 0, 1)
        rim = lip_top + (mouth[1] - lip_top) * across**2 - 0.0012 * (1 - across)
        hanging = over & (np.abs(now[:, 0] - mouth[0]) < 1.08 * wide) & (now[:, 1] < rim)
        now[hanging, 1] = rim[hanging]
        rising = ~over & (np.abs(now[:, 0] - mouth[0]) < 0.9 * wide) & (now[:, 1] > lip_low)
        now[rising, 1] = lip_low
        for _ in range(2):
            field = distances(proxy.grid, proxy.origin, STEP, now.astype(np.float32))
            off = 0.0003 + 0.1 * np.minimum(arc, 0.03) * (0.3 + 0.7 * chance[:, 5])
            now = now + field[:, 1:] * np.maximum(off - field[:, 0], 0)[:, None]
        out[:, i + 1] = now
    return out


def follow_beard(
    strands: Strands | None, head: Head, rest: Floats, posed: Floats, camera: Floats
) -> tuple[Surface, ...]:
    """The beard on the posed head, seen from `camera` (3,); none where nothing grows."""
    if strands is None:
        return ()
    return (strand_surface("beard", Label.HAIR, strands, head, rest, posed, camera, (0.25, 0.45)),)
