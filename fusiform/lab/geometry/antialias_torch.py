"""The gradient that a z-buffer lacks: how the picture changes as an outline moves.

Between two neighbouring samples where one hides the other, the share of their colours changes
with the outline's place (Laine et al. 2020, "Modular Primitives for High-Performance
Differentiable Rendering", section 3.6). Summed along an outline, colour difference times movement
across the pair is the derivative of the picture's integral, by Green's theorem, if each stretch
of outline is counted in one direction only: across columns where it is rather upright, across rows
where it is rather level.

Unlike there, the picture's values stay as they are; only the gradient is added. And how far an
outline moves is read from the nearer sample's own surface point, kept at its place in its
triangle: across the triangle's edge where that is the rim of a mesh, else across the projected
vertex normal, which is the normal of a smooth surface's outline. So a fine mesh, whose triangles
are smaller than a sample, has right gradients too.

Left out: changes of shadow edges, outlines of lenses, and lines where two surfaces cut each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fusiform.lab.geometry.raster_torch import weights


def with_edges(
    picture: Tensor,
    ids: Tensor,
    keys: Tensor,
    placed: Tensor,
    triangles: Tensor,
    rim: Tensor,
    normals: Tensor,
    gap: float,
) -> Tensor:
    """`picture` (h, w, 3) of samples, the same values, with the gradient of its outlines.

    `ids`, `keys` (h, w), `placed` (V, 3) and `triangles` (T, 3) as `raster_torch.fill` has them;
    `rim` (T, 3) see `shade_torch.TensorSurface`; `normals` (h, w, 2): x and y in camera axes of
    the vertex normals at the samples; `gap`: share of the depth by which a sample's triangle,
    continued under its nearer neighbour, must lie behind it for the two to be apart.
    """
    for axis in (0, 1):
        picture = picture + _along(picture, ids, keys, placed, triangles, rim, normals, gap, axis)
    return picture


def _along(
    picture: Tensor,
    ids: Tensor,
    keys: Tensor,
    placed: Tensor,
    triangles: Tensor,
    rim: Tensor,
    normals: Tensor,
    gap: float,
    axis: int,
) -> Tensor:
    """Zero (h, w, 3), with the gradient from pairs of samples along x (`axis` 0) or y (1)."""
    high, wide = ids.shape
    step = 1 if axis == 0 else wide
    flat_ids, flat_keys = ids.reshape(-1), keys.reshape(-1).double()
    numbers = torch.arange(high * wide, device=ids.device).reshape(high, wide)
    start = (numbers[:, :-1] if axis == 0 else numbers[:-1]).reshape(-1)
    one, two = flat_keys[start], flat_keys[start + step]
    forward = one < two  # the first of the pair hides the other
    front = torch.where(forward, start, start + step)
    back = torch.where(forward, start + step, start)
    beneath = torch.full_like(one, torch.inf)  # key of the farther surface, where the nearer is
    both = torch.nonzero(torch.isfinite(torch.maximum(one, two)))[:, 0]
    under = placed.detach()[triangles[flat_ids[back[both]]]]
    beneath[both] = _plane(under, front[both] % wide + 0.5, front[both] // wide + 0.5)
    near = torch.minimum(one, two)
    apart = torch.isfinite(near) & (beneath - near > gap * near.abs())
    apart &= flat_ids[front] != flat_ids[back]
    forward, front, back = forward[apart], front[apart], back[apart]
    sign = torch.where(forward, 1.0, -1.0).double()
    corners = triangles[flat_ids[front]]
    px, py = front % wide + 0.5, front // wide + 0.5
    held = weights(placed.detach(), corners, px, py)
    there = placed[corners]
    w = held / -there[:, :, 2]
    point = (w[:, :, None] * there[:, :, :2]).sum(1) / w.sum(1, keepdim=True)
    across = _outline(there.detach(), px, py, sign, rim[flat_ids[front]], axis)
    smooth = normals.detach().reshape(-1, 2)[front].double()
    across = torch.where(torch.isnan(across[:, :1]), smooth, across)
    counted = (across[:, axis].abs() >= across[:, 1 - axis].abs()) & (across[:, axis] != 0)
    ratio = torch.where(counted, across[:, 1 - axis] / across[:, axis], 0.0)
    moved = point[:, axis] + ratio * point[:, 1 - axis]
    moved = (torch.where(counted, sign, 0.0) * (moved - moved.detach())).to(picture.dtype)
    colours = picture.detach().reshape(-1, 3)
    change = 0.5 * moved[:, None] * (colours[front] - colours[back])
    out = torch.zeros_like(colours).index_add(0, front, change).index_add(0, back, change)
    return out.reshape(picture.shape)


def _plane(there: Tensor, px: Tensor, py: Tensor) -> Tensor:
    """Key (n,) at (px, py) of the planes of triangles `there` (n, 3, 3)."""
    a, b, c = there.unbind(1)
    p = torch.stack([px, py], 1).double()

    def area(u: Tensor, v: Tensor) -> Tensor:
        u, v = u[:, :2] - p, v[:, :2] - p
        return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]

    w = torch.stack([area(b, c), area(c, a), area(a, b)], 1)
    return (w * there[:, :, 2]).sum(1) / w.sum(1)


def _outline(there: Tensor, px: Tensor, py: Tensor, sign: Tensor, rim: Tensor, axis: int) -> Tensor:
    """Normal (n, 2) of the edge through which a step along `axis` leaves each triangle `there`
    (n, 3, 3) from (px, py); nan where that edge is not on the rim of its mesh."""
    a, b, c = there.unbind(1)
    begin, end = torch.stack([b, c, a], 1), torch.stack([c, a, b], 1)
    dx, dy = end[..., 0] - begin[..., 0], end[..., 1] - begin[..., 1]
    w = dx * (py[:, None] - begin[..., 1]) - dy * (px[:, None] - begin[..., 0])
    turn = torch.sign(w.sum(1, keepdim=True))  # a clockwise triangle has all three negative
    slope = (-dy if axis == 0 else dx) * sign[:, None] * turn
    way = torch.where(slope < 0, (w * turn).clamp(min=0) / -slope, torch.inf)
    leaves = way.argmin(1, keepdim=True)
    normal = torch.stack([dy.gather(1, leaves), -dx.gather(1, leaves)], 1)[..., 0]
    return torch.where(rim.gather(1, leaves), normal, torch.nan)
