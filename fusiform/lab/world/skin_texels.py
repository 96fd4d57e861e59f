"""The work per texel of baking skin: pigments to albedo, relief and gloss, hair roots.

`skin_bake.bake` prepares the arguments and says what they mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.world.noise import cellular, fade, gradient, value, value_slope
from fusiform.lab.world.skin_colour import BLOOD, MELANIN, OXYGEN, STEPS
from fusiform.lab.world.skin_zones import Z

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

INNER, SOCKETS = REGIONS.index("inner_mouth"), REGIONS.index("eye_socket_l")
UPPER, CHEEK, NOSE, WING = Z["upper_lip"], Z["cheek"], Z["nose"], Z["wing"]
DETAIL = -0.2  # metres; below that height skin is drawn without detail
FOLLICLE = 0.0014  # metres between whiskers
PORE = 0.0011


@kernel
def _smooth(low: float, high: float, x: float) -> float:
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


@kernel
def _look_up(
    table: Floats, melanin: float, blood: float, oxygen: float, out: Floats
) -> None:  # fmt: skip
    """Trilinear in log melanin, log blood and oxygen."""
    x = (melanin - MELANIN[0]) * ((STEPS - 1) / (MELANIN[1] - MELANIN[0]))
    y = (blood - BLOOD[0]) * ((STEPS - 1) / (BLOOD[1] - BLOOD[0]))
    z = min(1.0, max(0.0, (oxygen - OXYGEN[0]) / (OXYGEN[1] - OXYGEN[0])))
    x = min(STEPS - 1.001, max(0.0, x))
    y = min(STEPS - 1.001, max(0.0, y))
    i, j = int(x), int(y)
    fx, fy = x - i, y - j
    a, b, c, d = (1 - fx) * (1 - fy), (1 - fx) * fy, fx * (1 - fy), fx * fy
    for n in range(3):
        low = a * table[i, j, 0, n] + b * table[i, j + 1, 0, n]
        low += c * table[i + 1, j, 0, n] + d * table[i + 1, j + 1, 0, n]
        high = a * table[i, j, 1, n] + b * table[i, j + 1, 1, n]
        high += c * table[i + 1, j, 1, n] + d * table[i + 1, j + 1, 1, n]
        out[n] = low + z * (high - low)


@kernel
def pigments(
    position: Floats, texel: Floats, region: NDArray[np.uint8], lip: Floats, lid: Floats,
    mouth: Floats, triangles: Ints, triangle: Ints, places: Floats, share: Floats, start: Ints,
    named: Ints, part: Floats, extra: Floats, broad: Floats, weight: Floats, base: Floats,
    blotch: Floats, lips: Floats, patch: Floats, seed: int, table: Floats, out: Floats,
) -> None:  # fmt: skip
    """Albedo into out[:, :3]. `triangles` (., 3) of the head, `triangle` (k,), `places` (k, 3)
    barycentrics; `broad` (n, 3): melanin, blood and a wave of 22 mm per vertex. `share`, `start`,
    `named`, `part`: see Zones; `weight` (3, z): melanin, blood, oxygen per zone. `base`: log
    melanin, log blood, oxygen, vessels. `blotch`: see Skin. `lips`: melanin, blood, upper, edge,
    wander. `patch`: x, y, z, reach, melanin, blood, mirrored."""
    for t in range(position.shape[0]):
        if region[t] == INNER:
            _look_up(table, base[0] * 0.4 - 2.6, np.log(0.045), base[2], out[t])
            for k in range(3):
                out[t, k] *= 0.55
            continue
        if region[t] == SOCKETS or region[t] == SOCKETS + 1:
            _look_up(table, np.log(0.006), np.log(0.016), 0.85, out[t])
            continue
        x, y, z = float(position[t, 0]), float(position[t, 1]), float(position[t, 2])
        size = float(texel[t])
        m, b, o = base[0] + extra[t, 0], base[1] + extra[t, 1], base[2] + extra[t, 2]
        n1 = 0.0
        for k in range(3):
            w, v = places[t, k], triangles[triangle[t], k]
            m += w * broad[v, 0]
            b += w * broad[v, 1]
            n1 += w * broad[v, 2]
        for k in range(start[t], start[t + 1]):
            m += part[k] * weight[0, named[k]]
            b += part[k] * weight[1, named[k]]
            o += part[k] * weight[2, named[k]]
        seen = fade(0.009, size)
        if seen > 0 and y > DETAIL:
            n2 = value(x / 0.008, y / 0.008, z / 0.008, seed + 2)
            m += seen * 0.5 * blotch[2] * n2
            b += seen * blotch[2] * (0.6 * n1 - n2)
            seen = fade(0.004, size)
            if seen > 0:
                n3 = value(x / 0.0035, y / 0.0035, z / 0.0035, seed + 3)
                b += seen * 1.2 * blotch[3] * n3
                m -= seen * 0.5 * blotch[3] * n3
                # small vessels: where a wave crosses zero, on cheeks and nose
                red = base[3] * (share[t, CHEEK] + share[t, WING] + 0.6 * share[t, NOSE])
                if red > 0.02:
                    b += seen * 0.55 * red * max(0.0, 1 - 3.0 * abs(n3 + 0.5 * n1))
            seen = fade(0.0015, size)
            if seen > 0:
                n4 = value(x / 0.0015, y / 0.0015, z / 0.0015, seed + 4)
                m += seen * 0.8 * blotch[4] * n4
                b += seen * blotch[4] * n4
        if patch[3] > 0:
            px = abs(x) - abs(patch[0]) if patch[6] > 0 else x - patch[0]
            away = np.sqrt(px * px + (y - patch[1]) ** 2 + (z - patch[2]) ** 2)
            rag = 0.45 * n1 + 0.25 * gradient(x / 0.011, y / 0.011, z / 0.011, seed + 9)
            inside = 1 - _smooth(0.75, 0.98, away / patch[3] + 0.35 * rag)
            m += inside * patch[4]
            b += inside * patch[5]
        if lip[t] > -0.004:
            wander = lips[4] * gradient(x / 0.005, y / 0.005, z / 0.005, seed + 5)
            soft = max(lips[3], 0.7 * size)
            red = _smooth(-0.5, 0.5, (float(lip[t]) + wander - 0.0002) / soft)
            inward = 1 - _smooth(0.0, 0.006, float(mouth[t]))
            m += red * (lips[0] + lips[2] * share[t, UPPER] - 0.25 * inward)
            b += red * (lips[1] + 0.35 * inward)
        if lid[t] < 0.0022:
            wet = 1 - _smooth(0.0003, 0.0022, float(lid[t]))
            b += 0.45 * wet
            m -= 0.2 * wet
        _look_up(table, m, b, o, out[t])


@kernel
def surface(
    position: Floats, texel: Floats, region: NDArray[np.uint8], lip: Floats, lid: Floats,
    mouth: Floats, cheek: Floats, oily: Floats, thin: Floats, extra: Floats, along_u: Floats,
    along_v: Floats, traits: Floats, seed: int, out: Floats,
) -> None:  # fmt: skip
    """Slopes, highlight, roughness and thickness into out[:, 3:]. `traits`: pores, oil, rough
    (age and sun), furrows of the lips, their gloss."""
    pores, oil, worn, furrows, gloss = traits
    for t in range(position.shape[0]):
        x, y, z = float(position[t, 0]), float(position[t, 1]), float(position[t, 2])
        size = float(texel[t])
        su, sv = float(extra[t, 3]), float(extra[t, 4])
        out[t, 7] = 1.0
        tee = oily[t]
        shine, rough = 0.56 + 0.30 * oil * tee, 0.50 - 0.17 * oil * tee + 0.05 * worn
        if y < DETAIL:
            out[t, 3], out[t, 4], out[t, 5], out[t, 6] = su, sv, shine, rough
            continue
        red = _smooth(-0.5, 0.5, float(lip[t]) / 0.0015) if lip[t] > -0.002 else 0.0
        gx, gy, gz = 0.0, 0.0, 0.0
        amount = fade(0.004, size) * (0.018 + 0.020 * worn + 0.02 * tee) * (1 - red)
        if amount > 0:
            wave, gx, gy, gz = value_slope(x / 0.004, y / 0.004, z / 0.004, seed + 20)
            amount *= 0.6
            gx, gy, gz = amount * gx, amount * gy, amount * gz
            rough += 0.025 * fade(0.004, size) * wave
            n = fade(0.0018, size) * (0.03 + 0.035 * worn) * (1 - red)
            if n > 0:
                ax, ay, az = _slope(x, y, z, 0.0018, seed + 21, n)
                gx, gy, gz = gx + ax, gy + ay, gz + az
        amount = 0.32 * fade(PORE, size) * pores * (tee + 0.5 * cheek[t]) * (1 - red)
        if amount > 0.01:
            d, ox, oy, oz, _ = cellular(x / PORE, y / PORE, z / PORE, seed + 22)
            pit = amount * np.exp(-0.5 * (d / 0.22) ** 2) / 0.22
            gx, gy, gz = gx + pit * ox, gy + pit * oy, gz + pit * oz
            shine -= 0.15 * pit * 0.22
        if red > 0:
            n = fade(0.0016, size) * furrows * 0.30 * red
            if n > 0:
                bend = 0.0007 * value(x / 0.004, y / 0.004, z / 0.004, seed + 23)
                ax, ay, az = _slope(x + bend, 0.18 * y, 0.18 * z, 0.0013, seed + 24, n)
                gx, gy, gz = gx + ax, gy + 0.18 * ay, gz + 0.18 * az
            wet = 1 - _smooth(0.0, 0.005, float(mouth[t]))
            rough += red * (0.40 - 0.12 * gloss - 0.08 * wet - rough)
            shine += red * (0.75 + 0.25 * max(gloss, wet) - shine)
            out[t, 7] = 1 - 0.35 * red
        if lid[t] < 0.003:
            wet = 1 - _smooth(0.0003, 0.0018, float(lid[t]))
            rough += wet * (0.22 - rough)
            shine += wet * (1.0 - shine)
        rough = min(0.75, max(0.16, rough))
        if region[t] == INNER:
            rough, shine = 0.25, 0.9
        out[t, 7] = max(0.15, out[t, 7] - thin[t])
        out[t, 3] = su + gx * along_u[t, 0] + gy * along_u[t, 1] + gz * along_u[t, 2]
        out[t, 4] = sv + gx * along_v[t, 0] + gy * along_v[t, 1] + gz * along_v[t, 2]
        out[t, 5], out[t, 6] = min(1.0, max(0.0, shine)), rough


@kernel
def _slope(
    x: float, y: float, z: float, wave: float, seed: int, amount: float
) -> tuple[float, float, float]:
    """Slope vector of value noise, about `amount` (rise over run) strong."""
    _, dx, dy, dz = value_slope(x / wave, y / wave, z / wave, seed)
    k = 0.6 * amount
    return k * dx, k * dy, k * dz


@kernel
def root(
    position: Floats, texel: Floats, cover: Floats, haze: Floats, colour: Floats, seed: int,
    out: Floats,
) -> None:  # fmt: skip
    """Whiskers in the skin. `cover` (k,): area they take, 0..1; `haze` (k,): how much shows from
    below the surface, soft and greyish. Single dots where texels are fine enough."""
    for t in range(position.shape[0]):
        c, h = float(cover[t]), float(haze[t])
        if c + h < 0.004:
            continue
        dots = fade(FOLLICLE * 1.3, texel[t])
        if dots > 0 and c > 0.004:
            x, y, z = (
                position[t, 0] / FOLLICLE,
                position[t, 1] / FOLLICLE,
                position[t, 2] / FOLLICLE,
            )
            d, _, _, _, name = cellular(x, y, z, seed)
            # a dot of the radius that covers this share, never sharper than a texel
            radius = 0.75 * np.sqrt(c) * (0.75 + 0.5 * ((name >> 5) & 255) / 255)
            soft = 0.12 + 0.5 * float(texel[t]) / FOLLICLE
            c += dots * (1 - _smooth(radius - soft, radius + soft, d) - c) * 0.8
        for k in range(3):
            under = 0.35 * colour[k] + 0.055 + 0.02 * (k == 2)
            out[t, k] += h * (under - out[t, k])
            out[t, k] += c * (colour[k] - out[t, k])
        out[t, 5] *= 1 - 0.3 * c


@kernel
def assembled(index: NDArray[np.int32], values: Floats, empty: Floats) -> Floats:
    """Texels (k, c) as a picture (h, w, c), `empty` (c,) between the islands."""
    picture = np.empty((index.shape[0], index.shape[1], values.shape[1]), np.float32)
    for row in range(index.shape[0]):
        for column in range(index.shape[1]):
            k = index[row, column]
            for c in range(values.shape[1]):
                picture[row, column, c] = values[k, c] if k >= 0 else empty[c]
    return picture
