"""Image filters: blurs, resizing and warping of (h, w, c) float32 pictures.

Beyond its border a picture goes on as its mirror image (the border pixel is repeated, as SciPy's
"reflect"); warps repeat the border pixel. Nothing here knows about colour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.kernel import kernel

Floats = NDArray[np.float32]
Kernel = Literal["area", "linear", "cubic"]


def gaussian(image: Floats, sigma: float, truncate: float = 3.0) -> Floats:
    """`image` (h, w, c) blurred by a normal distribution of `sigma` pixels, cut at `truncate`.

    Sampled at whole pixels and normalised, as `scipy.ndimage.gaussian_filter` does. Sigma 0
    gives a copy. Raises ChoiceError for a negative sigma.
    """
    _not_negative("sigma", sigma)
    reach = int(truncate * sigma + 0.5)
    if reach == 0:
        return _floats(image).copy()
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    line = (weights / weights.sum()).astype(np.float32)
    if reach == 1:  # one pass over the picture is quicker than two
        return convolve(image, np.outer(line, line))
    return convolve(convolve(image, line[:, None]), line[None, :])


def soften(image: Floats, sigma: float) -> Floats:
    """As `gaussian`, but wide blurs are done on a smaller copy: 1 % of the range off at most
    in pictures, a little more in pure noise."""
    _not_negative("sigma", sigma)
    h, w = image.shape[:2]
    step = int(min(sigma / 2, h / 4, w / 4))
    if step < 2:
        return gaussian(image, sigma)
    small = resize(image, -(-h // step), -(-w // step), "area")
    # Averaging over `step` pixels and the way back each add a spread of about step² / 12.
    left = np.sqrt(max(sigma**2 - step**2 / 6, 0.0)) / step
    return resize(gaussian(small, float(left)), h, w, "cubic")


def disc(image: Floats, radius: float) -> Floats:
    """`image` as a lens out of focus sees it: blurred by a disc of `radius` pixels."""
    _not_negative("radius", radius)
    return convolve(image, disc_kernel(radius))


def disc_kernel(radius: float) -> Floats:
    """A disc of `radius` pixels, (k, k), sum 1; pixels on its rim count by their covered share."""
    reach = int(np.ceil(radius - 0.5)) if radius > 0.5 else 0
    if reach == 0:
        return np.ones((1, 1), np.float32)
    fine = 8
    steps = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = (steps[:, None] ** 2 + steps[None] ** 2 <= radius**2).astype(np.float32)
    size = 2 * reach + 1
    kernel = inside.reshape(size, fine, size, fine).mean((1, 3))
    return np.asarray(kernel / kernel.sum(), np.float32)


def motion(image: Floats, length: float, angle: float) -> Floats:
    """`image` smeared along a line of `length` pixels at `angle` degrees, anticlockwise from x."""
    _not_negative("length", length)
    return convolve(image, motion_kernel(length, angle))


def motion_kernel(length: float, angle: float) -> Floats:
    """A line of `length` pixels, (k, k), sum 1, its points shared among the nearest pixels."""
    reach = int(np.ceil(length / 2))
    if length <= 0:
        return np.ones((1, 1), np.float32)
    size = 2 * reach + 3
    along = (np.arange(16 * size) + 0.5) / (16 * size) - 0.5
    x = along * length * np.cos(np.radians(angle)) + reach + 1
    y = -along * length * np.sin(np.radians(angle)) + reach + 1
    kernel = np.zeros((size, size))
    for i, wy in ((np.floor(y), 1 - y % 1), (np.floor(y) + 1, y % 1)):
        for j, wx in ((np.floor(x), 1 - x % 1), (np.floor(x) + 1, x % 1)):
            np.add.at(kernel, (i.astype(int), j.astype(int)), wy * wx)
    return np.asarray(kernel / kernel.sum(), np.float32)


def convolve(image: Floats, kernel: Floats) -> Floats:
    """`image` (h, w, c) correlated with `kernel` (k, l), both odd: its centre is its origin."""
    if kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise ChoiceError("kernel", "odd in height and width", kernel.shape)
    return _convolve(_floats(image), np.ascontiguousarray(kernel, np.float32))


def resize(image: Floats, height: int, width: int, kernel: Kernel = "area") -> Floats:
    """`image` (h, w, c) at another size; the outer edges stay where they are.

    "area": the mean of the covered pixels, by their exact share. "linear" and "cubic" (Keys 1981,
    a = -0.5) interpolate when enlarging and widen by the scale when shrinking, as Pillow does.
    Raises ChoiceError for a size below 1 or an unknown kernel.
    """
    if height < 1 or width < 1:
        raise ChoiceError("size", "at least 1 x 1", (height, width))
    result = _floats(image)
    if height != result.shape[0]:
        result = _mix_rows(result, *_shares(result.shape[0], height, kernel))
    if width != result.shape[1]:
        turned = np.ascontiguousarray(result.transpose(1, 0, 2))
        turned = _mix_rows(turned, *_shares(turned.shape[0], width, kernel))
        result = np.ascontiguousarray(turned.transpose(1, 0, 2))
    return result if result is not image else result.copy()


def warp(image: Floats, homography: ArrayLike, height: int, width: int) -> Floats:
    """(height, width, c): `image` moved by `homography` (3, 3), which maps its x, y to the new
    picture's, pixel centres at +0.5. Bilinear; no averaging where it shrinks."""
    back = np.linalg.inv(np.asarray(homography, np.float64))
    y, x = np.mgrid[0.5:height, 0.5:width]
    z = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    where = np.empty((height, width, 2), np.float32)
    where[..., 0] = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) / z
    where[..., 1] = (back[1, 0] * x + back[1, 1] * y + back[1, 2]) / z
    return sample(image, where)


def sample(image: Floats, where: Floats) -> Floats:
    """`image` at the places x, y of `where` (h, w, 2), bilinear, pixel centres at +0.5."""
    return _sample(_floats(image), _floats(where))


def homography(source: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """(3, 3), last entry 1: the projective map of four points (4, 2) to four others.

    The direct linear transform (Hartley & Zisserman 2004, section 4.1). Raises ChoiceError where
    three of the points lie on a line.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    rows = np.zeros((8, 8))
    for i, ((x, y), (u, v)) in enumerate(zip(a, b, strict=True)):
        rows[2 * i] = (x, y, 1, 0, 0, 0, -u * x, -u * y)
        rows[2 * i + 1] = (0, 0, 0, x, y, 1, -v * x, -v * y)
    try:
        solved = np.linalg.solve(rows, b.ravel())
    except np.linalg.LinAlgError as error:
        raise ChoiceError("corners", "four points, no three on a line", (source, target)) from error
    return np.append(solved, 1.0).reshape(3, 3)


def clouds(
    rng: np.random.Generator, height: int, width: int, cell: float, octaves: int = 4
) -> Floats:
    """(height, width, 1): smooth noise, about 0 with spread 1, its largest forms `cell` pixels.

    Value noise summed over octaves of half the size and half the strength (Perlin 1985). Draws
    alike whatever its values are used for; costs one small random grid an octave.
    """
    total = np.zeros((height, width, 1), np.float32)
    power = 0.0
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        grid = (int(np.ceil(height / size)) + 4, int(np.ceil(width / size)) + 4, 1)
        values = rng.standard_normal(grid, np.float32)
        y, x = rng.random(2)
        rows = _mix_rows(values, *_spline(height, size, float(y)))
        turned = np.ascontiguousarray(rows.transpose(1, 0, 2))
        mixed = _mix_rows(turned, *_spline(width, size, float(x)))
        total += np.float32(0.5**octave) * mixed.transpose(1, 0, 2)
        power += 0.25**octave
    return np.asarray(total * (1.6 / np.sqrt(power)), np.float32)


@kernel
def _spline(length: int, size: float, shift: float) -> tuple[NDArray[np.int64], Floats]:
    """First knot (length,) and weights (length, 4) of a uniform cubic B-spline, a knot each
    `size` pixels (de Boor 1978)."""
    first, weights = np.empty(length, np.int64), np.empty((length, 4), np.float32)
    for i in range(length):
        at = (i + 0.5) / size + shift
        first[i] = int(np.floor(at))
        t = at - first[i]
        weights[i, 0] = (1 - t) * (1 - t) * (1 - t) / 6
        weights[i, 1] = (3 * t * t * t - 6 * t * t + 4) / 6
        weights[i, 2] = (-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6
        weights[i, 3] = t * t * t / 6
    return first, weights


def _not_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise ChoiceError(name, "at least 0", value)


def _floats(image: Floats) -> Floats:
    return np.ascontiguousarray(image, np.float32)


def _keys(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _tent(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(1 - np.abs(x), 0.0))


_SHAPES: dict[str, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    "linear": (_tent, 1.0),
    "cubic": (_keys, 2.0),
}


def _shares(size: int, wanted: int, kernel: str) -> tuple[NDArray[np.int64], Floats]:
    """First source row (wanted,) and weights (wanted, taps) of each row of the result."""
    scale = size / wanted
    if kernel == "area":
        first = np.floor(np.arange(wanted) * scale + 1e-9).astype(np.int64)
        edge = first[:, None] + np.arange(int(np.ceil(scale)) + 1)[None]
        low = np.maximum(edge, np.arange(wanted)[:, None] * scale)
        high = np.minimum(edge + 1, (np.arange(wanted)[:, None] + 1) * scale)
        weights = np.maximum(high - low, 0.0)
    elif kernel in _SHAPES:
        shape, support = _SHAPES[kernel]
        wide = max(scale, 1.0)
        centre = (np.arange(wanted) + 0.5) * scale
        first = np.floor(centre - support * wide + 0.5).astype(np.int64)
        taps = first[:, None] + np.arange(int(np.ceil(2 * support * wide)) + 1)[None]
        weights = shape((taps + 0.5 - centre[:, None]) / wide)
        weights = np.where((taps >= 0) & (taps < size), weights, 0.0)
    else:
        raise ChoiceError("kernel", ("area", *_SHAPES), kernel)
    weights = weights / weights.sum(1, keepdims=True)
    return first, weights.astype(np.float32)


@kernel
def _mirror(i: int, size: int) -> int:
    i %= 2 * size
    return i if i < size else 2 * size - 1 - i


@kernel
def _convolve(image: Floats, kernel: Floats) -> Floats:
    h, w, c = image.shape
    tall, wide = kernel.shape
    up, left = tall // 2, wide // 2
    padded = np.empty((h + 2 * up, (w + 2 * left) * c), np.float32)
    flat = image.reshape(h, w * c)
    for y in range(h + 2 * up):
        row = flat[_mirror(y - up, h)]
        padded[y, left * c : (left + w) * c] = row
        for x in range(left):
            near = _mirror(x - left, w) * c
            far = _mirror(w + x, w) * c
            for k in range(c):
                padded[y, x * c + k] = row[near + k]
                padded[y, (left + w + x) * c + k] = row[far + k]
    result = np.zeros((h, w * c), np.float32)
    for y in range(h):
        into = result[y]
        for i in range(tall):
            for j in range(wide):
                weight = kernel[i, j]
                if weight != 0:
                    source = padded[y + i, j * c : (j + w) * c]
                    for x in range(w * c):
                        into[x] += weight * source[x]
    return result.reshape(h, w, c)


@kernel
def _mix_rows(image: Floats, first: NDArray[np.int64], weights: Floats) -> Floats:
    h, w, c = image.shape
    flat = image.reshape(h, w * c)
    result = np.zeros((len(first), w * c), np.float32)
    for y in range(len(first)):
        into = result[y]
        for k in range(weights.shape[1]):
            weight = weights[y, k]
            if weight != 0:
                source = flat[min(max(first[y] + k, 0), h - 1)]
                for x in range(w * c):
                    into[x] += weight * source[x]
    return result.reshape(len(first), w, c)


@kernel
def _sample(image: Floats, where: Floats) -> Floats:
    h, w, c = image.shape
    result = np.empty((where.shape[0], where.shape[1], c), np.float32)
    for i in range(where.shape[0]):
        for j in range(where.shape[1]):
            x = min(max(where[i, j, 0] - np.float32(0.5), np.float32(0)), np.float32(w - 1))
            y = min(max(where[i, j, 1] - np.float32(0.5), np.float32(0)), np.float32(h - 1))
            x0, y0 = int(x), int(y)
            x1, y1 = min(x0 + 1, w - 1), min(y0 + 1, h - 1)
            fx, fy = x - x0, y - y0
            for k in range(c):
                top = image[y0, x0, k] * (1 - fx) + image[y0, x1, k] * fx
                low = image[y1, x0, k] * (1 - fx) + image[y1, x1, k] * fx
                result[i, j, k] = top * (1 - fy) + low * fy
    return result
