"""Which triangle a grid of rays meets first, in PyTorch: the same triangles as `raster` finds.

No kernels of its own: each triangle's bounding box is expanded into its samples, in chunks, and
the nearest is kept by a scatter of (key, triangle) packed into one integer. Positions are float64
on the same snapping grid, where edge functions are exact, so both rasterisers agree.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from fusiform.lab.geometry.raster import FAR_OFF, GRID, NEAR

CHUNK = 1 << 21  # samples of bounding boxes expanded at once
EMPTY = (1 << 63) - 1


def pinhole(
    vertices: Tensor, focal: Tensor, centre: Tensor, rotation: Tensor, shift: Tensor
) -> Tensor:
    """Pixels x, y and key -1 / z (V, 3) float64 of world `vertices` (V, 3); differentiable.

    nan for vertices nearer than NEAR.
    """
    x, y, z = vertices.double().unbind(1)
    r, s = rotation.double(), shift.double()
    depth = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z + s[2]
    key = 1.0 / torch.where(depth >= NEAR, depth, torch.nan)
    across = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + s[0]
    down = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + s[1]
    centre = centre.double()
    pixels = [focal.double() * across * key + centre[0], focal.double() * down * key + centre[1]]
    return torch.stack([*pixels, -key], 1)


def snap(screen: Tensor, scale: float) -> Tensor:
    """Screen positions (V, 3) on the snapping grid, times `scale`; gradients as if not snapped."""
    xy = screen[:, :2]
    snapped = torch.floor(xy.detach() * GRID + 0.5) / GRID
    return torch.cat([(xy + (snapped - xy.detach())) * scale, screen[:, 2:]], 1)


def fill(placed: Tensor, triangles: Tensor, high: int, wide: int) -> tuple[Tensor, Tensor]:
    """The nearest triangle and its key: `ids` (h, w) int64, -1 none, and `keys` (h, w) float32.

    `placed` (V, 3) float64 as `snap` gives it, `triangles` (T, 3) int64. Of equally near triangles
    the first wins; the fill rule is that of `raster.fill`. No gradient.
    """
    best = torch.full((high * wide,), EMPTY, dtype=torch.int64, device=placed.device)
    corners = placed.detach()[triangles]
    low, top = corners[..., :2].amin(1), corners[..., :2].amax(1)
    fits = (low > -FAR_OFF).all(1) & (top < FAR_OFF).all(1)  # nan fails
    low, top = torch.nan_to_num(low), torch.nan_to_num(top)
    edge = torch.tensor([wide, high], device=placed.device)
    start = torch.ceil(low.clamp(-FAR_OFF, FAR_OFF) - 0.5).long().clamp(min=0)
    stop = (torch.floor(top.clamp(-FAR_OFF, FAR_OFF) - 0.5).long() + 1).minimum(edge)
    size = (stop - start).clamp(min=0)
    counts = torch.where(fits, size[:, 0] * size[:, 1], 0)
    chosen = torch.nonzero(counts)[:, 0]
    if len(chosen):
        sums = torch.cumsum(counts[chosen], 0)
        cuts = torch.searchsorted(sums, torch.arange(0, int(sums[-1]), CHUNK, device=sums.device))
        bounds = sorted({0, *cuts.tolist(), len(chosen)})
        for a, b in pairwise(bounds):
            part = chosen[a:b]
            _fill_some(best, corners[part], part, start[part], size[part], wide)
    ids = torch.where(best == EMPTY, -1, best & 0xFFFFFFFF).reshape(high, wide)
    keys = _from_order(best >> 32).reshape(high, wide)
    return ids, torch.where(ids < 0, torch.inf, keys)


def _fill_some(
    best: Tensor, corners: Tensor, ids: Tensor, start: Tensor, size: Tensor, wide: int
) -> None:
    """Expand the boxes (`start`, `size` (k, 2)) of triangles `corners` (k, 3, 3) into `best`."""
    a, b, c = corners.unbind(1)
    cross = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    b, c = torch.where((cross < 0)[:, None], c, b), torch.where((cross < 0)[:, None], b, c)
    area = cross.abs()
    dx = torch.stack([c[:, 0] - b[:, 0], a[:, 0] - c[:, 0], b[:, 0] - a[:, 0]], 1)
    dy = torch.stack([c[:, 1] - b[:, 1], a[:, 1] - c[:, 1], b[:, 1] - a[:, 1]], 1)
    own = (dy > 0) | ((dy == 0) & (dx > 0))
    inverse = 1.0 / area
    right = -(dy[:, 0] * a[:, 2] + dy[:, 1] * b[:, 2] + dy[:, 2] * c[:, 2]) * inverse
    down = (dx[:, 0] * a[:, 2] + dx[:, 1] * b[:, 2] + dx[:, 2] * c[:, 2]) * inverse
    px, py = start[:, 0] + 0.5, start[:, 1] + 0.5
    first = a[:, 2] + right * (px - a[:, 0]) + down * (py - a[:, 1])
    x_of = torch.stack([b[:, 0], c[:, 0], a[:, 0]], 1)
    y_of = torch.stack([b[:, 1], c[:, 1], a[:, 1]], 1)
    begin = dx * (py[:, None] - y_of) - dy * (px[:, None] - x_of)
    counts = size[:, 0] * size[:, 1]
    t = torch.repeat_interleave(torch.arange(len(ids), device=ids.device), counts)
    offset = torch.arange(len(t), device=ids.device) - (torch.cumsum(counts, 0) - counts)[t]
    j, i = offset % size[t, 0], offset // size[t, 0]
    w = begin[t] + dx[t] * i[:, None] - dy[t] * j[:, None]
    inside = ((w > 0) | ((w == 0) & own[t])).all(1) & (area[t] > 0)
    t, i, j = t[inside], i[inside], j[inside]
    key = ((first[t] + down[t] * i) + right[t] * j).float()
    code = (_to_order(key) << 32) | ids[t]
    place = (start[t, 1] + i) * wide + start[t, 0] + j
    best.scatter_reduce_(0, place, code, "amin")


def _to_order(key: Tensor) -> Tensor:
    """Float32 as integers of the same order."""
    bits = key.view(torch.int32).long()
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _from_order(order: Tensor) -> Tensor:
    """`_to_order` undone."""
    bits = torch.where(order < 0, order ^ 0x7FFFFFFF, order)
    return bits.to(torch.int32).view(torch.float32)


def weights(placed: Tensor, corners: Tensor, px: Tensor, py: Tensor) -> Tensor:
    """Perspective-correct barycentrics (n, 3) float64 at samples (px, py), differentiable.

    `corners` (n, 3): vertex indices into `placed` (V, 3) whose keys are -1 / z.
    """
    a, b, c = placed[corners].unbind(1)
    wa = ((c[:, 0] - b[:, 0]) * (py - b[:, 1]) - (c[:, 1] - b[:, 1]) * (px - b[:, 0])) * a[:, 2]
    wb = ((a[:, 0] - c[:, 0]) * (py - c[:, 1]) - (a[:, 1] - c[:, 1]) * (px - c[:, 0])) * b[:, 2]
    wc = ((b[:, 0] - a[:, 0]) * (py - a[:, 1]) - (b[:, 1] - a[:, 1]) * (px - a[:, 0])) * c[:, 2]
    w = torch.stack([wa, wb, wc], 1)
    return (w / w.sum(1, keepdim=True)).clamp(min=0)
