"""The CC0 head that ours is learned from: one mesh, its shape targets, its expressions, its rig.

The file is documented beside it (head_cc0.md). Lengths in it are decimetres; everything that
leaves this module is in metres, with the origin midway between the eyeballs of `reference`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry.mesh import Floats, Ints
from fusiform.lab.geometry.semantics import AGE_KNOTS, hats

EYE_RADIUS = 0.012  # metres; the source's own, 15 mm and more, is no human eyeball's


@dataclass(frozen=True)
class Source:
    """`arrays`: the file. `scale`: metres of a head of ours per decimetre of the source.

    `base` (c, 3): all cage vertices with every target at 0 (no human shape). `targets`
    (k, c, 3): what each adds at weight 1. The first `skin` vertices are the skin.
    """

    arrays: dict[str, NDArray[Any]]
    scale: float
    base: Floats
    targets: Floats
    skin: int

    @property
    def names(self) -> list[str]:
        """`group/name` of each target."""
        pairs = zip(self.arrays["t_group"], self.arrays["t_name"], strict=True)
        return [f"{group}/{name}" for group, name in pairs]

    def heads(self, weights: Floats) -> Floats:
        """Cage vertices (s, c, 3) of heads whose target weights are `weights` (s, k)."""
        flat = weights @ self.targets.reshape(len(self.targets), -1)
        return np.asarray(self.base + flat.reshape(len(weights), -1, 3), np.float32)

    def points(self, name: str, vertices: Floats) -> Floats:
        """Mean of the cage vertices that the file lists under `name`."""
        rows = self.arrays[name].astype(np.intp)
        return np.asarray(vertices[..., rows, :].mean(axis=-2), np.float32)


def read_source(path: Path, eye_distance: float) -> Source:
    """The source, scaled so that the mean adult's eyeballs lie `eye_distance` metres apart.

    Raises FusiformError where the file is missing or is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        targets = dense(arrays, "t", 1e-3)
    except (OSError, ValueError, KeyError) as error:
        raise FusiformError(f"{path} is not the CC0 head: {error}. Name its npz file.") from error
    source = Source(arrays, 1.0, arrays["cage_base"], targets, int(arrays["n_skin"]))
    adult = source.heads(average_adult(source)[None])[0]
    eyes = eyeballs(source, adult)
    scale = eye_distance / float(np.linalg.norm(eyes[0] - eyes[1]))
    origin = eyes.mean(axis=0)
    return Source(
        arrays, scale, (source.base - origin) * scale, targets * np.float32(scale), source.skin
    )


def dense(arrays: dict[str, NDArray[Any]], prefix: str, unit: float) -> Floats:
    """Sparse deltas `prefix`_ptr/idx/delta of the file as (k, c, 3), in decimetres."""
    pointers, columns = arrays[f"{prefix}_ptr"], arrays[f"{prefix}_idx"].astype(int)
    out = np.zeros((len(pointers) - 1, len(arrays["cage_base"]), 3), np.float32)
    rows = np.repeat(np.arange(len(out)), np.diff(pointers))
    out[rows, columns] = arrays[f"{prefix}_delta"] * np.float32(unit)
    return out


def eyeballs(source: Source, vertices: Floats) -> Floats:
    """Rotation centres (..., 2, 3) of the eyes, left and right."""
    both = [source.points(f"eye_center_idx_{side}", vertices) for side in "lr"]
    return np.stack(both, axis=-2)


def macro_weights(
    source: Source, ancestry: Floats, male: Floats, age: Floats, muscle: Floats, weight: Floats
) -> Floats:
    """Target weights (s, k) of people described by `ancestry` (s, 3) and four sliders (s,).

    The source's own rule: products of hat functions over ancestry x sex x age, and over
    sex x age x muscle x weight.
    """
    out = np.zeros((len(male), len(source.targets)), np.float32)
    sex = np.stack([1 - male, male], axis=1)
    ages = hats(age, AGE_KNOTS)
    corners = np.einsum("sr,sx,sa->srxa", ancestry, sex, ages)
    out[:, source.arrays["macro_corner"].ravel()] += corners.reshape(len(male), -1)
    thirds = (0.0, 0.5, 1.0)
    body = np.einsum("sx,sa,sm,sw->sxamw", sex, ages, hats(muscle, thirds), hats(weight, thirds))
    out[:, source.arrays["macro_universal"].ravel()] += body.reshape(len(male), -1)
    return out


def average_adult(source: Source) -> Floats:
    """Target weights (k,) of the mean of the sexes and ancestries at 25."""
    half = np.full(2, 0.5, np.float32)
    third = np.full((2, 3), 1 / 3, np.float32)
    male = np.array([0.0, 1.0], np.float32)
    both = macro_weights(source, third, male, np.full(2, 25.0, np.float32), half, half)
    return np.asarray(both.mean(axis=0), np.float32)


def target_index(source: Source, name: str) -> int:
    """Row of the target called `group/name`."""
    return source.names.index(name)


def expression_deltas(source: Source) -> tuple[tuple[str, ...], Floats]:
    """The 52 names and their displacements (52, c, 3), metres, baked on the source's mean adult."""
    names = tuple(str(name) for name in source.arrays["arkit_names"])
    return names, dense(source.arrays, "arkit", 1e-4) * np.float32(source.scale)


def bone_subtree(source: Source, root: str, without: tuple[str, ...] = ()) -> Ints:
    """Indices of `root` and the bones below it, leaving out the subtrees of `without`."""
    names = [str(name) for name in source.arrays["bone_names"]]
    parents = source.arrays["bone_parent"]
    kept = []
    for bone in range(len(names)):
        chain = bone
        while chain >= 0 and names[chain] != root and names[chain] not in without:
            chain = int(parents[chain])
        if chain >= 0 and names[chain] == root:
            kept.append(bone)
    return np.array(kept, np.int32)


def bone_weights(source: Source, bones: Ints) -> Floats:
    """Summed skin weights (c,) of `bones`; what no bone holds counts as 0."""
    arrays = source.arrays
    rows = np.repeat(np.arange(len(source.base)), np.diff(arrays["skin_w_ptr"]))
    mine = np.isin(arrays["skin_w_bone"], bones)
    out = np.zeros(len(source.base), np.float32)
    np.add.at(out, rows[mine], arrays["skin_w_val"][mine])
    return out


def joint(source: Source, bone: str, vertices: Floats) -> Floats:
    """Where a bone begins (..., 3) on these cage vertices."""
    names = [str(name) for name in source.arrays["bone_names"]]
    start, end = source.arrays["bone_head_ptr"][names.index(bone) :][:2]
    rows = source.arrays["bone_head_idx"][start:end].astype(np.intp)
    return np.asarray(vertices[..., rows, :].mean(axis=-2), np.float32)
