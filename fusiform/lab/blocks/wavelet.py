"""Discrete wavelet transform of pictures: Daubechies' orthogonal wavelets, periodic at the edges.

Mallat, "A theory for multiresolution signal decomposition", IEEE TPAMI 1989; Daubechies,
"Orthonormal bases of compactly supported wavelets", CPAM 1988. One step is a product with an
orthogonal matrix on either side, so lengths of vectors are kept and gradients flow.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusiform.core.errors import ChoiceError

MOST = 10  # vanishing moments; above, the roots are found too inexactly


@lru_cache(maxsize=16)
def daubechies(moments: int) -> NDArray[np.float64]:
    """The low-pass filter `(2 * moments,)` of the wavelet with so many vanishing moments, 1 to 10;
    1 is Haar's. Its length is 1, its sum the root of 2.

    Of the polynomial that Daubechies 1988, eq. 4.16, asks for, the roots within the unit circle
    are taken (least phase).
    """
    if not 1 <= moments <= MOST:
        raise ChoiceError("moments", f"1 to {MOST}", moments)
    half = [math.comb(moments - 1 + k, k) for k in range(moments)][::-1]
    kept = [1.0 + 0j]
    for y in np.roots(half):
        pair = np.roots([1, 4 * y - 2, 1])
        kept = np.convolve(kept, [1, -pair[np.argmin(abs(pair))]]).tolist()
    taps = np.array(kept).real
    for _ in range(moments):
        taps = np.convolve(taps, [1, 1])
    return np.asarray(taps * (math.sqrt(2) / taps.sum()))


@lru_cache(maxsize=32)
def step(side: int, moments: int = 1) -> NDArray[np.float64]:
    """One step on `side` values (an even number) as an orthogonal matrix `(side, side)`.

    The upper half of its rows smooths, the lower half takes differences.
    """
    if side < 2 or side % 2:
        raise ChoiceError("side", "even", side)
    low = daubechies(moments)
    high = low[::-1] * (-1.0) ** np.arange(len(low))
    matrix = np.zeros((side, side))
    for row in range(side // 2):
        places = (2 * row + np.arange(len(low)) - moments + 1) % side
        np.add.at(matrix[row], places, low)
        np.add.at(matrix[side // 2 + row], places, high)
    return matrix


def dwt(x: Tensor, moments: int = 1) -> tuple[Tensor, Tensor]:
    """`x (..., h, w)` -> the low band `(..., h/2, w/2)`, and `(..., 3, h/2, w/2)`: differences
    down, across and both ways. Raises ChoiceError where h or w is odd."""
    height, width = x.shape[-2:]
    down = torch.from_numpy(step(height, moments)).to(x)
    across = torch.from_numpy(step(width, moments)).to(x)
    top, bottom = (down @ x @ across.T).chunk(2, -2)
    low, right = top.chunk(2, -1)
    left, both = bottom.chunk(2, -1)
    return low, torch.stack([left, right, both], -3)


def idwt(low: Tensor, details: Tensor, moments: int = 1) -> Tensor:
    """The picture `(..., h, w)` of which `dwt` gave these."""
    left, right, both = details.unbind(-3)
    top, bottom = torch.cat([low, right], -1), torch.cat([left, both], -1)
    bands = torch.cat([top, bottom], -2)
    down = torch.from_numpy(step(bands.shape[-2], moments)).to(low)
    across = torch.from_numpy(step(bands.shape[-1], moments)).to(low)
    return down.T @ bands @ across


def low_band(x: Tensor, levels: int, moments: int = 1) -> Tensor:
    """What is left after `levels` steps, `(..., h / 2**levels, w / 2**levels)`; `x` itself for 0.

    A constant picture c gives c * 2**levels.
    """
    for _ in range(levels):
        x = dwt(x, moments)[0]
    return x
