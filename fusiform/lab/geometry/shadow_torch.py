"""The shadow maps and look-ups of `shadow`, in PyTorch. No gradient flows through visibility."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusiform.lab.geometry import shadow as plain
from fusiform.lab.geometry.raster_torch import fill, snap


class Maps(NamedTuple):
    """`depths` (L, side, side) float32 and `places` (L, 12) float64, as `shadow.maps` gives."""

    depths: Tensor
    places: Tensor


def noise(x: Tensor, y: Tensor) -> Tensor:
    """Interleaved gradient noise 0..1, float64, of integer coordinates."""
    inner = 0.06711056 * x.double() + 0.00583715 * y.double()
    outer = 52.9829189 * (inner - torch.floor(inner))
    return outer - torch.floor(outer)


def turned_disc(x: Tensor, y: Tensor) -> Tensor:
    """The sample disc (n, TAPS, 2), turned by the noise at integer (x, y)."""
    turns = torch.as_tensor(plain.TURNS, device=x.device)[(64.0 * noise(x, y)).long()]
    disc = torch.as_tensor(plain.DISC, device=x.device)
    u = disc[:, 0] * turns[:, :1] - disc[:, 1] * turns[:, 1:]
    v = disc[:, 0] * turns[:, 1:] + disc[:, 1] * turns[:, :1]
    return torch.stack([u, v], -1)


@torch.no_grad()
def maps(
    casters: Sequence[tuple[Tensor, Tensor]],
    directions: Tensor,
    casts: Tensor,
    seen: Tensor,
    side: int,
) -> Maps:
    """Shadow maps of lamps with unit `directions` (L, 3), of `casters` (vertices, triangles).

    `casts` (L,) > 0 where a lamp casts shadows; `seen` (n, 3): world points that the camera sees,
    which the maps cover.
    """
    count, device = len(directions), directions.device
    depths = torch.full((count, side, side), torch.inf, device=device)
    places = torch.zeros((count, 12), dtype=torch.float64, device=device)
    for i in range(count):
        frame = plain.axes(directions[i].cpu().numpy())
        bounds = np.array([[np.inf] * 2, [-np.inf] * 2])
        if len(seen):
            across = seen.double() @ torch.as_tensor(frame[:2].T.copy(), device=device)
            bounds = torch.stack([across.amin(0), across.amax(0)]).cpu().numpy()
        places[i] = torch.as_tensor(plain.fit(bounds, frame, side), device=device)
        if not casts[i] > 0 or not casters:
            continue
        placed = snap(torch.cat([parallel(v, places[i]) for v, _ in casters]), 1.0)
        starts = np.cumsum([0, *(len(v) for v, _ in casters)])
        triangles = [t + int(s) for (_, t), s in zip(casters, starts, strict=False)]
        depths[i] = fill(placed, torch.cat(triangles), side, side)[1]
    return Maps(depths, places)


def parallel(points: Tensor, place: Tensor) -> Tensor:
    """Texel coordinates and depth (n, 3) float64 of `points` in the map at `place` (12,)."""
    x, y, z = points.double().unbind(1)
    p = place
    s = (p[0] * x + p[1] * y + p[2] * z - p[9]) / p[11]
    t = (p[3] * x + p[4] * y + p[5] * z - p[10]) / p[11]
    return torch.stack([s, t, -(p[6] * x + p[7] * y + p[8] * z)], 1)


def _stored(depths: Tensor, s: Tensor, t: Tensor) -> Tensor:
    side = len(depths)
    inside = (s >= 0) & (t >= 0) & (s < side) & (t < side)
    at = torch.where(inside, t, 0).long() * side + torch.where(inside, s, 0).long()
    return torch.where(inside, depths.reshape(-1)[at].double(), torch.inf)


@torch.no_grad()
def lit(
    shadows: Maps, i: int, size: Tensor, disc: Tensor, point: Tensor, normal: Tensor, away: Tensor
) -> Tensor:
    """Share (n,) of lamp i that reaches `point` (n, 3); see `shadow.lit`."""
    depths, place = shadows.depths[i], shadows.places[i]
    point, normal, away = point.double(), normal.double(), away.double()
    texel = place[11]
    s, t, depth = (a[:, None] for a in parallel(point + away[:, None] * normal, place).unbind(1))
    n = normal @ place[:9].reshape(3, 3).T
    toward = n[:, 2].clamp(min=0.05)
    steep = plain.STEEPEST
    slope_s = ((n[:, 0] / toward).clamp(-steep, steep) * texel)[:, None]
    slope_t = ((n[:, 1] / toward).clamp(-steep, steep) * texel)[:, None]
    depth = depth - 0.5 * (texel + slope_s.abs() + slope_t.abs())
    reach = (size.double() * plain.REACH / texel).clamp(1.5, plain.WIDEST)
    u, v = disc[..., 0] * reach, disc[..., 1] * reach
    gap = depth + slope_s * u + slope_t * v - _stored(depths, s + u, t + v)
    blocked = gap > 0
    count = blocked.sum(1)
    total = torch.where(blocked, gap, 0).sum(1)
    radius = (size.double() * total / (count.clamp(min=1) * texel)).clamp(min=1.0).minimum(reach)
    u, v = disc[..., 0] * radius[:, None], disc[..., 1] * radius[:, None]
    free = depth + slope_s * u + slope_t * v <= _stored(depths, s + u, t + v)
    return torch.where(count == 0, 1.0, free.double().mean(1))


@torch.no_grad()
def filtered(
    shadows: Maps, i: int, disc: Tensor, point: Tensor, start: float, fade: float
) -> Tensor:
    """Share (n,) of lamp i that reaches `point` (n, 3) through a medium; see `shadow.filtered`."""
    depths, place = shadows.depths[i], shadows.places[i]
    s, t, depth = (a[:, None] for a in parallel(point.double(), place).unbind(1))
    u, v = disc[..., 0] * 1.5, disc[..., 1] * 1.5
    way = ((depth - start - _stored(depths, s + u, t + v)) / fade).clamp(min=0)
    return (1.0 / (1.0 + way * way)).mean(1)
