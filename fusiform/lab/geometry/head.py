"""The head model: one mean, what makes people differ, what faces do, and where things are.

Axes: x to the subject's left, y up, z out of the face; metres; the origin lies midway between
the eyeballs of the mean head. Left always means the subject's left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.geometry.mesh import Sparse

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

REGIONS = (
    *("face", "nose", "upper_lip", "lower_lip", "inner_mouth", "eye_socket_l", "eye_socket_r"),
    *("eyelid_l", "eyelid_r", "brow_l", "brow_r", "ear_l", "ear_r", "scalp", "neck", "torso"),
)
# Turned one after another; how much of a head's turn each takes is in `posing`.
JOINTS = ("torso", "neck_low", "neck_mid", "neck_high", "skull", "jaw")
SEAMS = ("left_lids", "right_lids", "lips")


@dataclass(frozen=True)
class Points:
    """Places fixed to the mesh: `triangle` (k,) and `weights` (k, 3) of its corners, sum 1."""

    triangle: Ints
    weights: Floats


@dataclass(frozen=True)
class Linear:
    """What follows the coefficients (k,): `start` (...) + coefficients @ `rows` (k, ...)."""

    start: Floats
    rows: Floats

    def __call__(self, coefficients: Floats) -> Floats:
        """Its value for coefficients (j,) with j up to k; missing ones count as 0."""
        used = self.rows[: len(coefficients)]
        return self.start + np.tensordot(coefficients, used, axes=1).astype(np.float32)


@dataclass(frozen=True)
class Seam:
    """Two facing edges that can close: `upper` and `lower` (s, n') say where s stations of each
    lie as weights of `vertices` (n',); `pull_upper`, `pull_lower` (n', s) how those follow a
    station."""

    vertices: Ints
    upper: Floats
    lower: Floats
    pull_upper: Floats
    pull_lower: Floats


@dataclass(frozen=True)
class Level:
    """The head on a coarser or finer mesh: `matrix` mixes its vertices from the head's own (n). The
    rest as in `Head`, of that mesh; the texture is the same."""

    matrix: Sparse
    triangles: Ints
    uv: Floats
    uv_triangles: Ints
    region: NDArray[np.uint8]
    mirror: Ints


@dataclass(frozen=True, eq=False)
class Head:
    """n vertices, t triangles, m texture vertices, k components.

    `mean` (n, 3); `triangles` (t, 3), counter-clockwise from outside; `uv` (m, 2), v downward,
    `uv_triangles` (t, 3) into it; `region` (t,) index into REGIONS; `mirror` (n,) the vertex on
    the other side; `masks`: name to (n,) 0..1, except `hairline`: signed height above the
    hairline in metres; `landmarks`: name ("68", "106", "478") to `Points`;
    `rims` (2, r): the lid margin loops, left and right; `lips` (l,): the inner lip loop;
    `eye_centres` (2, 3) of the mean, left and right, `eye_radius` metres.

    `shape`: vertices from coefficients of unit variance; `joints` (6, 3) and `eyes` (2, 3) from
    the same. `expressions` (52, n, 3): displacement at weight 1, named by `expression_names`.
    `skinning` (n, 6): weights of JOINTS. `jaw_turn` (52, 3): rotation vector of the jaw at weight
    1. `seams`: of SEAMS. `openness` (n,) and `openness_change` (52, n): share of the sky seen.
    `extra`: how people are drawn (see `semantics`), and `lids_l`, `lids_r`: the vertices that are
    kept out of each eyeball. `levels`: name ("coarse", "fine") to `Level`.
    """

    mean: Floats
    triangles: Ints
    uv: Floats
    uv_triangles: Ints
    region: NDArray[np.uint8]
    mirror: Ints
    masks: dict[str, Floats]
    landmarks: dict[str, Points]
    rims: Ints
    lips: Ints
    eye_centres: Floats
    eye_radius: float
    shape: Linear
    joints: Linear
    eyes: Linear
    expression_names: tuple[str, ...]
    expressions: Floats
    skinning: Floats
    jaw_turn: Floats
    seams: dict[str, Seam]
    openness: Floats
    openness_change: Floats
    extra: dict[str, NDArray[Any]]
    levels: dict[str, Level] = field(default_factory=dict)


def read_head(path: Path) -> Head:
    """The model in an npz file. Raises FusiformError naming the file if it is not one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: widened(stored[name]) for name in stored.files}
        return assembled(arrays)
    except (OSError, EOFError, BadZipFile, KeyError, ValueError, TypeError) as error:
        raise FusiformError(
            f"{path} is not a head model ({error}). Install fusiform again."
        ) from error


def widened(array: NDArray[Any]) -> NDArray[Any]:
    """Half precision is for the disk; work is done in single."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def assembled(arrays: dict[str, NDArray[Any]]) -> Head:
    """A head from named arrays: those of the file, a `/` between a part's name and its own."""
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        group, _, rest = name.rpartition("/")
        groups.setdefault(group, {})[rest] = array
    plain = groups[""]
    places = sorted(g.partition("/")[2] for g in groups if g.startswith("landmark/"))
    levels = sorted(g.partition("/")[2] for g in groups if g.startswith("level/"))
    return Head(
        mean=plain["mean"],
        triangles=plain["triangles"],
        uv=plain["uv"],
        uv_triangles=plain["uv_triangles"],
        region=plain["region"],
        mirror=plain["mirror"],
        rims=plain["rims"],
        lips=plain["lips"],
        masks=groups["mask"],
        landmarks={name: Points(**groups[f"landmark/{name}"]) for name in places},
        eye_centres=plain["eye_centres"],
        eye_radius=float(plain["eye_radius"]),
        shape=Linear(**groups["linear/shape"]),
        joints=Linear(**groups["linear/joints"]),
        eyes=Linear(**groups["linear/eyes"]),
        expression_names=tuple(str(name) for name in plain["expression_names"]),
        expressions=plain["expressions"],
        skinning=plain["skinning"],
        jaw_turn=plain["jaw_turn"],
        seams={name: Seam(**groups[f"seam/{name}"]) for name in SEAMS},
        openness=plain["openness"],
        openness_change=plain["openness_change"],
        extra=groups.get("extra", {}),
        levels={name: level_of(groups[f"level/{name}"]) for name in levels},
    )


def level_of(parts: dict[str, NDArray[Any]]) -> Level:
    """A level from its stored arrays: those of `Level`, the matrix in four of them."""
    start, column = parts["start"].astype(np.int32), parts["column"].astype(np.int32)
    matrix = Sparse(start, column, parts["weight"].astype(np.float64), int(parts["width"]))
    plain = ("triangles", "uv", "uv_triangles", "region", "mirror")
    return Level(matrix, *(parts[name] for name in plain))


@cache
def load_head() -> Head:
    """The model that comes with fusiform, read once."""
    with resources.as_file(resources.files("fusiform.lab.geometry") / "data/head.npz") as path:
        return read_head(path)


def at_level(head: Head, name: str, values: Floats) -> Floats:
    """Values (n, ...) at the head's vertices, such as their positions, on those of a level.

    Raises ChoiceError for a level that the head does not have.
    """
    if name not in head.levels:
        raise ChoiceError("level", sorted(head.levels), name)
    return np.asarray(head.levels[name].matrix @ values, np.float32)


def at(points: Points, triangles: Ints, vertices: Floats) -> Floats:
    """Positions (k, 3) of `points` on a mesh with these `vertices` (n, 3)."""
    corners = vertices[triangles[points.triangle]]
    return np.asarray(np.einsum("kc,kcd->kd", points.weights, corners), np.float32)
