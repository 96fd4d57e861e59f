"""Labels per pixel, as they are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Floats, Head, Ints
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.scene import Frame


def pixel_maps(head: Head, frame: Frame) -> dict[str, NDArray[Any]]:
    """The arrays per pixel."""
    uv, triangle, barycentric = on_skin(
        frame.surface, frame.uv, frame.buffers.triangle, frame.buffers.barycentric
    )
    return {
        "parsing": frame.label,
        "depth": frame.buffers.depth,
        "normals": halves(frame.normal),
        "uv": uv,
        "albedo": halves(frame.albedo),
        "triangle": triangle,
        "barycentric": barycentric,
        "alpha": halves(frame.alpha),
    }


@kernel
def on_skin(
    surface: Ints, uv: Floats, triangle: Ints, barycentric: Floats
) -> tuple[Floats, Ints, Floats]:
    """Coordinates (h, w, 2), triangle (h, w) and weights (h, w, 3) where the skin is seen; nan, -1
    and 0 elsewhere."""
    places, ids, weights = np.empty_like(uv), np.empty_like(triangle), np.empty_like(barycentric)
    for y in range(surface.shape[0]):
        for x in range(surface.shape[1]):
            skin = surface[y, x] == 0
            ids[y, x] = triangle[y, x] if skin else -1
            for c in range(2):
                places[y, x, c] = uv[y, x, c] if skin else np.nan
            for c in range(3):
                weights[y, x, c] = barycentric[y, x, c] if skin else 0.0
    return places, ids, weights


def halves(values: Floats) -> NDArray[np.float16]:
    """Finite `values` up to 65504 as float16, as NumPy rounds them (to nearest even), faster."""
    flat = np.ascontiguousarray(values, np.float32).ravel()
    return _halves(flat, flat.view(np.uint32)).view(np.float16).reshape(values.shape)


@kernel
def _halves(values: Floats, bits: NDArray[np.uint32]) -> NDArray[np.uint16]:
    out = np.empty(len(bits), np.uint16)
    for i in range(len(bits)):
        sign, size = (bits[i] >> np.uint32(16)) & np.uint32(0x8000), bits[i] & np.uint32(0x7FFFFFFF)
        if size >= np.uint32(0x38800000):  # normal: the exponent's bias goes from 127 to 15
            odd = (size >> np.uint32(13)) & np.uint32(1)
            half = (size - np.uint32(0x38000000) + np.uint32(0xFFF) + odd) >> np.uint32(13)
        else:  # a multiple of 2^-24
            half = np.uint32(np.rint(abs(values[i]) * np.float32(16777216.0)))
        out[i] = sign | half
    return out
