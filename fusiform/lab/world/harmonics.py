"""Nine spherical harmonics: smooth light from all around, as coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def harmonics(directions: ArrayLike) -> Doubles:
    """(n, 9): the real spherical harmonics of unit `directions` (n, 3).

    Order: (0,0), (1,-1), (1,0), (1,1), (2,-2), (2,-1), (2,0), (2,1), (2,2); orthonormal over the
    sphere. Ramamoorthi & Hanrahan 2001, "An Efficient Representation for Irradiance Environment
    Maps", equation 3, with x, y, z the world axes.
    """
    x, y, z = np.asarray(directions, np.float64).T
    one, two = 0.4886025119, 1.0925484306
    return np.stack(
        [
            *(np.full_like(x, 0.2820947918), one * y, one * z, one * x),
            *(two * x * y, two * y * z, 0.3153915653 * (3 * z * z - 1)),
            *(two * x * z, two / 2 * (x * x - y * y)),
        ],
        axis=-1,
    )


def sphere(rings: int = 20) -> tuple[Doubles, Doubles]:
    """Directions (n, 3) and weights (n,), sum 4 pi: a Gauss-Legendre product rule, exact for
    polynomials of degree below twice `rings`."""
    height, share = np.polynomial.legendre.leggauss(rings)
    angle = (np.arange(2 * rings) + 0.5) * np.pi / rings
    flat = np.sqrt(1 - height**2)
    directions = np.stack(
        [
            np.outer(flat, np.sin(angle)).ravel(),
            np.repeat(height, 2 * rings),
            np.outer(flat, np.cos(angle)).ravel(),
        ],
        axis=-1,
    )
    return directions, np.repeat(share, 2 * rings) * np.pi / rings


GRID, WEIGHTS = sphere()
PROJECT = (harmonics(GRID) * WEIGHTS[:, None]).T


def project(radiance: Doubles) -> Floats:
    """(9, 3): coefficients of `radiance` (n, 3) given at the directions of `sphere()`."""
    # einsum, not BLAS: the same bytes whatever the number of threads.
    return np.asarray(np.einsum("kn,nc->kc", PROJECT, radiance), np.float32)
