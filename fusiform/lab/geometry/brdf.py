"""Small vector algebra and the terms that materials are made of (Numba, on tuples of floats).

Colours of lamps are irradiance / pi, so Lambert's answer is albedo * colour * cosine, and the
1 / pi of a reflectance and the pi of a lamp cancel in the highlights as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.scene import Floats

Vector = tuple[float, float, float]
Doubles = NDArray[np.float64]

# Real spherical harmonics times the zonal factors A_l / pi of a cosine (Ramamoorthi and Hanrahan
# 2001, "An Efficient Representation for Irradiance Environment Maps", eq. 3 and 8): order
# 00, 1-1, 10, 11, 2-2, 2-1, 20, 21, 22.
BASIS = np.array([0.282095, *[0.488603] * 3, 1.092548, 1.092548, 0.315392, 1.092548, 0.546274])
COSINE = np.array([1.0, *[2 / 3] * 3, *[1 / 4] * 5])


@kernel
def dot(a: Vector, b: Vector) -> float:
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@kernel
def cross(a: Vector, b: Vector) -> Vector:
    """Vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@kernel
def along(a: Vector, k: float, b: Vector) -> Vector:
    """a + k b."""
    return a[0] + k * b[0], a[1] + k * b[1], a[2] + k * b[2]


@kernel
def scaled(a: Vector, k: float) -> Vector:
    """k a."""
    return k * a[0], k * a[1], k * a[2]


@kernel
def times(a: Vector, b: Vector) -> Vector:
    """a b, channel by channel."""
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


@kernel
def unit(a: Vector) -> Vector:
    """a at length 1; next to nothing stays next to nothing."""
    k = 1.0 / np.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2] + 1e-20)
    return a[0] * k, a[1] * k, a[2] * k


@kernel
def clip01(x: float) -> float:
    """x kept within 0..1."""
    return min(max(x, 0.0), 1.0)


def prepare(environment: Floats) -> Doubles:
    """`Lighting.environment` (9, 3) times the constants of the basis, float64."""
    sky: Doubles = np.asarray(environment, np.float64) * BASIS[:, None]
    return sky


@kernel
def harmonics(sky: Doubles, n: Vector, first: float, second: float) -> Vector:
    """The sum of a prepared environment (9, 3) in unit direction n, its bands 1 and 2 weighted by
    `first` and `second`; not below 0.

    2/3 and 1/4 give irradiance / pi of a surface that faces n, 1 and 1 the radiance itself.
    """
    x, y, z = n
    xy, yz, zz, xz, xx = x * y, y * z, 3.0 * z * z - 1.0, x * z, x * x - y * y
    r = sky[0, 0] + first * (sky[1, 0] * y + sky[2, 0] * z + sky[3, 0] * x)
    g = sky[0, 1] + first * (sky[1, 1] * y + sky[2, 1] * z + sky[3, 1] * x)
    b = sky[0, 2] + first * (sky[1, 2] * y + sky[2, 2] * z + sky[3, 2] * x)
    r += second * (
        sky[4, 0] * xy + sky[5, 0] * yz + sky[6, 0] * zz + sky[7, 0] * xz + sky[8, 0] * xx
    )
    g += second * (
        sky[4, 1] * xy + sky[5, 1] * yz + sky[6, 1] * zz + sky[7, 1] * xz + sky[8, 1] * xx
    )
    b += second * (
        sky[4, 2] * xy + sky[5, 2] * yz + sky[6, 2] * zz + sky[7, 2] * xz + sky[8, 2] * xx
    )
    return max(r, 0.0), max(g, 0.0), max(b, 0.0)


@kernel
def ambient(sky: Doubles, n: Vector) -> Vector:
    """Irradiance / pi of a surface that faces n."""
    return harmonics(sky, n, 2.0 / 3.0, 0.25)


@kernel
def mirrored(sky: Doubles, r: Vector, roughness: float) -> Vector:
    """Radiance about direction r, blurred by `roughness`: the bands fade with its square, from
    the radiance itself at 0 to the cosine's blur (2/3 and 1/4) at 1."""
    r2 = roughness * roughness
    return harmonics(sky, r, 1.0 - r2 / 3.0, 1.0 - 0.75 * r2)


@kernel
def bounced(albedo: float, openness: float) -> float:
    """Openness with the light that comes back from neighbours of the same albedo (Jimenez et al.
    2016, "Practical Realtime Strategies for Accurate Indirect Occlusion", eq. 10)."""
    a = 2.0404 * albedo - 0.3324
    b = 4.7951 * albedo - 0.6417
    c = 2.7552 * albedo + 0.6903
    return max(openness, ((openness * a - b) * openness + c) * openness)


@kernel
def ramp(cosine: float, width: float) -> float:
    """max(cosine, 0) averaged over cosine +- width: Lambert whose terminator bleeds that far
    (pre-integrated skin of Penner and Borshukov 2011, with a box for the profile)."""
    if cosine >= width:
        return cosine
    if cosine <= -width:
        return 0.0
    return (cosine + width) * (cosine + width) / (4.0 * width)


@kernel
def schlick(f0: float, cosine: float) -> float:
    """Fresnel reflectance (Schlick 1994)."""
    m = clip01(1.0 - cosine)
    m2 = m * m
    return f0 + (1.0 - f0) * m2 * m2 * m


@kernel
def ggx(nh: float, nl: float, nv: float, alpha: float) -> float:
    """pi D V of GGX: the distribution of Trowbridge and Reitz with Smith's visibility, height
    correlated (Heitz 2014, "Understanding the Masking-Shadowing Function", eq. 99)."""
    a2 = alpha * alpha
    d = nh * nh * (a2 - 1.0) + 1.0
    v = nl * np.sqrt(nv * nv * (1.0 - a2) + a2) + nv * np.sqrt(nl * nl * (1.0 - a2) + a2)
    return float(a2 / (d * d) * 0.5 / max(v, 1e-6))


@kernel
def shine(f0: float, nv: float, roughness: float) -> float:
    """Share of a uniform surrounding that GGX mirrors (Karis 2014, "Physically Based Shading on
    Mobile"), with (1 - nv)^5 for the exponential there."""
    rest, m = 1.0 - roughness, 1.0 - nv
    a = min(rest * rest, m * m * m * m * m) * rest + 0.0425 - 0.0275 * roughness
    scale, bias = 1.04 - 0.572 * roughness - 1.04 * a, 0.022 * roughness - 0.04 + 1.04 * a
    return max(f0 * scale + bias, 0.0)
