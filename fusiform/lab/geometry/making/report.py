"""How well the head model holds the source's heads: reconstruction, components, specificity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.geometry.making.assembly import Made, resampled
from fusiform.lab.geometry.making.layout import Layout, face_vertices
from fusiform.lab.geometry.making.population import draw_sample, semantic_targets
from fusiform.lab.geometry.making.source import Source
from fusiform.lab.geometry.making.statistics import Components
from fusiform.lab.geometry.mesh import Doubles, Floats, Ints, nearest, tree_of

CURVE = (5, 10, 20, 40, 60, 80, 100, 120, 160, 200)
MILLIMETRES = 1e3
DRAWN = 100
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Report:
    """How `heads` held-out source heads fare; lengths in millimetres.

    `components` in the model, `components_99`: how many hold 99 % of the variance. `face_error`:
    distances from the source's own face vertices to the rebuilt surface (points of their
    distribution), `head_medians`: the same points of the heads' median distances. By number of
    components, `generalisation`: mean vertex error in the face of held-out heads; `specificity`:
    mean vertex distance, in the face, of a drawn head to the nearest of the held-out ones;
    `explained`: share of the variance.
    """

    heads: int
    components: int
    components_99: int
    face_error: dict[str, float]
    head_medians: dict[str, float]
    generalisation: dict[int, float]
    specificity: dict[int, float]
    explained: dict[int, float]


def report(made: Made, source: Source, layout: Layout, seed: int, heads: int = 1000) -> Report:
    """Measured on `heads` source heads drawn with `seed`, on streams that training never saw."""
    sample = draw_sample(source, heads, rng(seed, "held out"))
    weights = sample.features @ semantic_targets(source) + sample.sliders
    fields, base = resampled(source, layout, face_vertices(source))
    n, parts = len(layout.vertices), made.parts
    truth = (base[:n] + np.tensordot(weights, fields[:, :n], axes=1)).astype(np.float32)
    found = parts.coefficients(truth)
    face = layout.masks["front"] > 0.5
    known = truth[:, face]
    new = rng(seed, "drawn").standard_normal((DRAWN, len(parts.basis)))
    sizes = [k for k in CURVE if k < len(parts.basis)] + [len(parts.basis)]
    shares = np.cumsum(parts.variance) / parts.total
    points = (base[n + 6 :] + np.tensordot(row, fields[:, n + 6 :], axes=1) for row in weights)
    errors = [
        surface_distance(parts.heads(one[None])[0], layout.triangles, spots)
        for one, spots in zip(found, points, strict=True)
    ]
    return Report(
        heads,
        len(parts.basis),
        int(np.searchsorted(shares, 0.99)) + 1,
        spread(np.concatenate(errors)),
        spread(np.array([np.median(error) for error in errors])),
        {k: mean_gap(parts_in(parts, found[:, :k], face), known) for k in sizes},
        {k: specificity(parts_in(parts, new[:, :k], face), known) for k in sizes},
        {k: float(shares[k - 1]) for k in sizes},
    )


def parts_in(parts: Components, coefficients: Doubles, among: Flags) -> Floats:
    """Vertices `among` of the heads of `coefficients` (s, k), (s, m, 3)."""
    used = parts.basis[: coefficients.shape[1], among].reshape(coefficients.shape[1], -1)
    away = (coefficients.astype(np.float32) @ used).reshape(len(coefficients), -1, 3)
    return np.asarray(parts.mean[among] + away, np.float32)


def mean_gap(one: Floats, other: Floats) -> float:
    """Mean distance of corresponding vertices, millimetres."""
    return float(np.linalg.norm(one - other, axis=2).mean() * MILLIMETRES)


def specificity(drawn: Floats, known: Floats) -> float:
    """Mean over `drawn` heads (s, m, 3) of the mean vertex distance to the nearest of `known`
    (h, m, 3), millimetres (Styner et al. 2003)."""
    gaps = [np.linalg.norm(known - head, axis=2).mean(axis=1).min() for head in drawn]
    return float(np.mean(gaps) * MILLIMETRES)


def surface_distance(vertices: Floats, triangles: Ints, points: Floats) -> Doubles:
    """Distance (k,) of `points` (k, 3) to a surface, metres."""
    triangle, shares = nearest(tree_of(vertices, triangles), points)
    on = np.einsum("kc,kcd->kd", shares, vertices[triangles[triangle]])
    return np.asarray(np.linalg.norm(points - on, axis=1), np.float64)


def spread(distances: Doubles) -> dict[str, float]:
    """Points of a distribution, metres in, millimetres out."""
    found = np.percentile(distances * MILLIMETRES, [5, 50, 95, 99])
    return dict(zip(("p05", "median", "p95", "p99"), map(float, found), strict=True))
