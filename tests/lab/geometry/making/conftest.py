"""A made-up source: a bent sheet with a face drawn on it, and targets that are smooth bumps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusiform.lab.geometry.head import REGIONS
from fusiform.lab.geometry.making.layout import Layout, corner_points
from fusiform.lab.geometry.making.population import AGEING, HEAVIER, THINNER
from fusiform.lab.geometry.making.source import Source, average_adult, read_source
from fusiform.lab.geometry.mesh import sparse

SIDE = 29  # vertices along an edge of the sheet; the middle column is the mirror plane
EXPRESSIONS = (
    *("jawOpen", "mouthClose", "eyeBlinkLeft", "eyeBlinkRight"),
    *("jawLeft", "jawRight", "jawForward"),
)
BONES = ("spine01", "neck01", "neck02", "neck03", "head", "jaw")


def vertex(column: int, row: int) -> int:
    """Vertex of the sheet; column 0 at the subject's right, row 0 at the chin."""
    return row * SIDE + column


def ring(left: int, right: int, low: int, high: int) -> list[int]:
    """Around a rectangle of the sheet, from its left end over the upper side."""
    up = [vertex(c, high) for c in range(left, right + 1)]
    down = [vertex(c, low) for c in range(right, left - 1, -1)]
    sides = [vertex(right, r) for r in range(high - 1, low, -1)]
    back = [vertex(left, r) for r in range(low + 1, high)]
    return up + sides + down + back


def sheet() -> np.ndarray:
    """Decimetres: x to the left, y up, z bent backwards at the sides and over the top."""
    across = np.linspace(-0.8, 0.8, SIDE)
    x, y = np.meshgrid(across, np.linspace(-1.2, 0.9, SIDE))
    z = 0.6 - 0.5 * x**2 - 0.2 * y**2 - 9 * np.maximum(y - 0.72, 0)
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def quads() -> np.ndarray:
    low = [
        [vertex(c, r), vertex(c + 1, r), vertex(c + 1, r + 1), vertex(c, r + 1)]
        for r in range(SIDE - 1)
        for c in range(SIDE - 1)
    ]
    return np.array(low)


def bumps(places: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Smooth displacement fields (count, c, 3) of about a millimetre."""
    rng = np.random.default_rng(seed)
    out = np.zeros((count, len(places), 3))
    for field in out:
        centre = places[rng.integers(len(places))]
        near = np.exp(-np.sum((places - centre) ** 2, axis=1) / 0.3)
        field += near[:, None] * rng.normal(0, 0.02, 3)
    return out


def packed(prefix: str, fields: np.ndarray, unit: float) -> dict[str, Any]:
    """Fields as the file stores them."""
    count, vertices = fields.shape[:2]
    return {
        f"{prefix}_ptr": np.arange(count + 1) * vertices,
        f"{prefix}_idx": np.tile(np.arange(vertices), count),
        f"{prefix}_delta": np.round(fields.reshape(-1, 3) / unit).astype(np.int16),
    }


def target_names() -> list[str]:
    """`group/name` of every target: corners, universal, what the recipe asks for, and fillers."""
    corners = [f"macro_raceagesex/c{i}" for i in range(24)]
    everywhere = [f"macro_universal/u{i}" for i in range(72)]
    asked = {name for part in (*AGEING, THINNER, HEAVIER) for name in part}
    asked = {name.replace("*", side) for name in asked for side in "lr"}
    fillers = [f"local_nose/f{i}-{way}" for i in range(150) for way in ("incr", "decr")]
    sides = [f"local_ears/{side}-g" for side in "lr"]
    return corners + everywhere + [f"local_{name}" for name in sorted(asked)] + fillers + sides


def landmarks() -> list[int]:
    """68 vertices in the iBUG order, well apart where the measures need it."""
    at = vertex
    contour = [at(1, 20), at(1, 17), at(2, 14), at(2, 11), at(3, 8), at(5, 6), at(8, 4), at(11, 2)]
    contour = contour + [at(14, 1)] + [v + 2 * (14 - v % SIDE) for v in contour[::-1]]
    brows = [at(c, 24) for c in (5, 6, 7, 9, 11)]
    brows += [at(c, 24) for c in (17, 19, 21, 22, 23)]
    nose = [at(14, r) for r in (20, 18, 16, 14)] + [at(c, 12) for c in (12, 13, 14, 15, 16)]
    right = [at(5, 20), at(7, 21), at(9, 21), at(11, 20), at(9, 19), at(7, 19)]
    left = [at(17, 20), at(19, 21), at(21, 21), at(23, 20), at(21, 19), at(19, 19)]
    lips = [at(9, 8), at(11, 9), at(13, 10), at(14, 10), at(15, 10), at(17, 9), at(19, 8)]
    lips += [at(17, 7), at(15, 6), at(14, 6), at(13, 6), at(11, 7)]
    lips += [at(10, 8), at(12, 9), at(14, 9), at(16, 9), at(18, 8), at(16, 7), at(14, 7), at(12, 7)]
    return contour + brows + nose + right + left + lips


def expression_fields(places: np.ndarray) -> np.ndarray:
    """Jaw, lips and lids that move the sheet up and down around the loops."""
    out = np.zeros((len(EXPRESSIONS), len(places), 3))
    x, y = places[:, 0], places[:, 1]
    mouth = np.exp(-(x**2) / 0.2)
    out[0, :, 1] = -0.25 * mouth * (y < -0.6)
    out[1, :, 1] = 0.25 * mouth * (y < -0.6)
    for row, side in ((2, 1), (3, -1)):
        lid = np.exp(-((x - 0.35 * side) ** 2 + (y - 0.35) ** 2) / 0.02)
        out[row, :, 1] = -0.06 * lid * (y > 0.3)
    out[4, :, 0], out[5, :, 0] = 0.05 * mouth * (y < -0.6), -0.05 * mouth * (y < -0.6)
    return out


def source_arrays() -> dict[str, Any]:
    """Everything the recipe reads, as the file has it."""
    skin = sheet()
    n = len(skin)
    eyes = np.array([[0.35, 0.3, 0.35], [-0.35, 0.3, 0.35]])
    cage = np.concatenate([skin, eyes, [[0, -0.4, -0.3]]])
    names = target_names()
    pairs = [name.split("/") for name in names]
    index = {name: row for row, name in enumerate(names)}
    opposite, twin = np.full(len(names), -1), np.full(len(names), -1)
    for name, row in index.items():
        other = name.replace("-incr", "-#").replace("-decr", "-incr").replace("-#", "-decr")
        opposite[row] = index[other] if other != name and other in index else -1
        if "/l-" in name:
            twin[row] = index.get(name.replace("/l-", "/r-"), -1)
        if "/r-" in name:
            twin[row] = index.get(name.replace("/r-", "/l-"), -1)
    faces = quads()
    region = np.full(len(faces), 0)
    middle = skin[faces].mean(axis=1)
    region[middle[:, 1] > 0.72] = REGIONS.index("scalp")
    region[(np.abs(middle[:, 0]) < 0.15) & (np.abs(middle[:, 1]) < 0.3)] = REGIONS.index("nose")
    mirror = np.arange(n).reshape(SIDE, SIDE)[:, ::-1].ravel()
    masks = np.stack([np.clip(skin[:, 1] + 0.5, 0, 1), skin[:, 1] - 0.7]).astype(np.float16)
    rows = [c + 1 for c in range(SIDE * 12, SIDE * 12 + 6)]
    return {
        "cage_base": cage.astype(np.float32),
        "n_skin": np.array(n, np.int32),
        "cage_mirror": np.concatenate([mirror, [n + 1, n, n + 2]]).astype(np.uint16),
        "t_group": np.array([group for group, _ in pairs]),
        "t_name": np.array([name for _, name in pairs]),
        "t_opposite": opposite.astype(np.int16),
        "t_twin": twin.astype(np.int16),
        **packed("t", bumps(cage, len(names), 1), 1e-3),
        "macro_corner": np.arange(24).reshape(3, 2, 4),
        "macro_universal": 24 + np.arange(72).reshape(2, 4, 3, 3),
        "eye_center_idx_l": np.array([n]),
        "eye_center_idx_r": np.array([n + 1]),
        "arkit_names": np.array(EXPRESSIONS),
        **packed("arkit", expression_fields(cage), 1e-4),
        "bone_names": np.array(BONES),
        "bone_parent": np.arange(-1, len(BONES) - 1),
        "bone_head_ptr": np.arange(len(BONES) + 1),
        "bone_head_idx": np.array(rows),
        "skin_w_ptr": np.arange(len(cage) + 1),
        "skin_w_bone": np.where(cage[:, 1] > -0.6, 4, np.where(cage[:, 1] > -1, 5, 1)),
        "skin_w_val": np.ones(len(cage), np.float32),
        "unit_names": np.array(["JawDrop", "ChinLeft", "ChinRight", "ChinForward"]),
        "unit_rotvec": np.eye(4)[:, [1, 1, 1, 1, 1, 0]][..., None] * np.array([0.3, 0.0, 0.0]),
        "region_names": np.array(REGIONS),
        "skin_quads": faces.astype(np.uint16),
        "skin_quad_region": region.astype(np.uint8),
        "skull_rigid": np.flatnonzero(skin[:, 1] > 0.55),
        "mask_names": np.array(["scalp", "hairline"]),
        "masks": masks,
        "lm68": np.array(landmarks()),
        **loops(n),
    }


def loops(count: int) -> dict[str, Any]:
    """Lid and lip lines with the rings of edges that lie above them, one vertex over the other."""
    lids, lips = np.full(count, 255), np.full(count, 255)
    columns = {"r": range(6, 11), "l": range(22, 17, -1)}
    for step in range(4):
        lids[[vertex(c, 18 + step) for side in columns.values() for c in side]] = step
        lips[[vertex(c, 8 + step) for c in range(11, 18)]] = step
    lines = {f"eye_rim_{s}": np.array([vertex(c, 18) for c in columns[s]]) for s in "lr"}
    mouth = np.array([vertex(c, 8) for c in range(11, 18)])
    rings = {"eyelid_ring": lids.astype(np.uint8), "lip_ring": lips.astype(np.uint8)}
    return {**lines, **rings, "lip_inner_loop": mouth}


@pytest.fixture(scope="session")
def source_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up source as a file."""
    path = tmp_path_factory.mktemp("source") / "head.npz"
    np.savez(path, **source_arrays())
    return path


@pytest.fixture(scope="session")
def source(source_path: Path) -> Source:
    return read_source(source_path, 0.0632)


@pytest.fixture(scope="session")
def layout(source: Source) -> Layout:
    """The source's own sheet as our mesh: rows of ours are rows of the source."""
    adult = source_adult(source)
    faces = source.arrays["skin_quads"].astype(np.int32)
    triangles = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    n = source.skin
    each = np.arange(n)
    flat = sheet()[:, :2]
    return Layout(
        matrix=sparse(each, each, np.ones(n), (n, n)),
        vertices=adult,
        triangles=triangles,
        uv=((flat + 1.3) / 2.6).astype(np.float32),
        uv_triangles=triangles,
        region=np.tile(source.arrays["skin_quad_region"], 2).astype(np.uint8),
        mirror=source.arrays["cage_mirror"][:n].astype(np.int32),
        masks={
            "rigid": (adult[:, 1] > 0.025).astype(np.float32),
            "front": np.ones(n, np.float32),
        },
        rims=np.array([ring(17, 23, 18, 22), ring(5, 11, 18, 22)], np.int32),
        lips=np.array(ring(10, 18, 7, 9), np.int32),
        marks=corner_points(triangles, source.arrays["lm68"]),
        levels={},
    )


def source_adult(source: Source) -> np.ndarray:
    """The mean adult's skin (n, 3)."""
    return source.heads(average_adult(source)[None])[0, : source.skin]
