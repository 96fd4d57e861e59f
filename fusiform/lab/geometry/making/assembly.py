"""Putting the head model together: from a source and a layout to the arrays that are shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import REGIONS, Head, Linear, Seam, assembled, at
from fusiform.lab.geometry.making.anthropometry import pairs
from fusiform.lab.geometry.making.landmarks import landmark_sets
from fusiform.lab.geometry.making.layout import Layout
from fusiform.lab.geometry.making.openness import expression_openness
from fusiform.lab.geometry.making.people import (
    People,
    Ruler,
    directions,
    like_published,
    people_of,
    root,
    ruler_of,
    trait_table,
    whitened,
)
from fusiform.lab.geometry.making.population import Sample, draw_sample, semantic_targets
from fusiform.lab.geometry.making.seams import lid_seam, lip_seam
from fusiform.lab.geometry.making.source import (
    EYE_RADIUS,
    Source,
    average_adult,
    bone_subtree,
    bone_weights,
    expression_deltas,
    eyeballs,
    joint,
)
from fusiform.lab.geometry.making.statistics import Components, components, regress, without_motion
from fusiform.lab.geometry.mesh import Floats
from fusiform.lab.geometry.posing import part_lips, seated

EYE_DISTANCE = 0.0632  # metres, adults of both sexes (Zhuang and Bradtmiller 2005)
SHARE = 0.9985
LIP_HOLD = (0.012, 0.045)  # metres from the lips: held wholly, not at all
MOUTH_OPEN = 0.4  # of jawOpen, where lips are told apart
LID_BAND = 0.016  # metres around an eye's middle in which skin is kept out of the eyeball
# How much a vertex counts, by region; a whole bust would drown the face.
IMPORTANCE = {
    **{"scalp": 0.15, "neck": 0.05, "torso": 0.005, "inner_mouth": 0.05},
    **{"ear_l": 0.5, "ear_r": 0.5},
    **{"nose": 3.0, "upper_lip": 4.0, "lower_lip": 4.0, "eyelid_l": 4.0, "eyelid_r": 4.0},
    **{"brow_l": 2.0, "brow_r": 2.0},
}
NOTHING = np.zeros(0, np.intp)
JOINT_BONES = ("spine01", "neck01", "neck02", "neck03", "head", "jaw")


@dataclass(frozen=True)
class Made:
    """The arrays to ship, and what was learned on the way (for reports and tests)."""

    arrays: dict[str, NDArray[Any]]
    parts: Components
    people: People
    ruler: Ruler

    @property
    def head(self) -> Head:
        """The model as users will load it (before rounding to half precision)."""
        return assembled(self.arrays)


def make(source: Source, layout: Layout, seed: int, count: int = 20_000) -> Made:
    """The head model learned from `count` heads drawn with `seed`."""
    fields, base = resampled(source, layout)
    n = len(layout.vertices)
    sample = draw_sample(source, count, rng(seed, "heads"))
    drawn = sample.features @ semantic_targets(source) + sample.sliders
    importance = vertex_importance(layout)
    parts = components(base[:n], fields[:, :n], drawn, importance, 0.9999)
    ends = measure_ends(parts, layout)
    raw = people_of(source, parts, sample)
    seat = eye_offsets(source, layout)
    published = like_published(raw, parts, ruler_of(parts, ends, eyes_of(parts, layout, seat)))
    parts, people = whitened(published, parts, sample.features, SHARE)
    joints = follow(parts, base[n:], fields[:, n:], drawn)
    eyes = eyes_of(parts, layout, seat)
    ruler = ruler_of(parts, ends, eyes)
    arrays = {
        **layout_arrays(layout, parts.mean),
        **shape_arrays(parts, joints, eyes),
        **people_arrays(people, sample, seed),
        **motion_arrays(source, layout, parts.mean),
        **level_arrays(layout),
    }
    jaw = list(arrays["expression_names"]).index("jawOpen")
    arrays |= seam_arrays(parts.mean, parts.mean + MOUTH_OPEN * arrays["expressions"][jaw], layout)
    return Made(finished(arrays), parts, people, ruler)


def resampled(
    source: Source, layout: Layout, also: NDArray[np.intp] = NOTHING
) -> tuple[Floats, Floats]:
    """Targets (t, n + 6 + k, 3) and base (n + 6 + k, 3) on our mesh plus 6 joints, and on the k
    vertices `also` of the source's own.

    All rigid motion of the skull is taken out, so that coefficients say shape alone.
    """

    def points(vertices: Floats) -> Floats:
        spots = [joint(source, bone, vertices)[..., None, :] for bone in JOINT_BONES]
        skin = layout.resample(vertices[..., : source.skin, :])
        return np.concatenate([skin, *spots, vertices[..., also, :]], axis=-2)

    adult = points(source.heads(average_adult(source)[None])[0])
    still = np.nonzero(layout.masks["rigid"] > 0.5)[0]
    fields = without_motion(points(source.targets), adult, still)
    base = adult + without_motion((points(source.base) - adult)[None], adult, still)[0]
    return fields, base


def vertex_importance(layout: Layout) -> Floats:
    """Weight (n,) of each vertex: its area times what its region counts."""
    corners = layout.vertices[layout.triangles]
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(crossed, axis=1) / 2
    counts = np.array([IMPORTANCE.get(name, 1.0) for name in REGIONS])[layout.region]
    out = np.zeros(len(layout.vertices))
    for corner in range(3):
        np.add.at(out, layout.triangles[:, corner], area * counts / 3)
    return np.asarray(out / out.sum(), np.float32)


def follow(parts: Components, base: Floats, fields: Floats, drawn: Floats) -> Linear:
    """How fixed points (p, 3) follow the coefficients, by least squares over `drawn` heads."""
    places = base + np.einsum("st,tpd->spd", drawn[:4000], fields)
    coefficients = parts.start + drawn[:4000] @ parts.targets
    start, slopes = regress(coefficients, places.reshape(len(places), -1))
    shape = (len(base), 3)
    return Linear(
        start.reshape(shape).astype(np.float32), slopes.reshape(-1, *shape).astype(np.float32)
    )


def eye_offsets(source: Source, layout: Layout) -> Floats:
    """From the middle of each lid margin to its eyeball (2, 3), on the source's mean adult."""
    adult = source.heads(average_adult(source)[None])[0]
    skin = layout.resample(adult[: source.skin])
    return np.asarray(eyeballs(source, adult) - skin[layout.rims].mean(axis=1), np.float32)


def eyes_of(parts: Components, layout: Layout, offsets: Floats) -> Linear:
    """Eyeballs that follow the lids: an eye of fixed size belongs where they are."""
    start = parts.mean[layout.rims].mean(axis=1) + offsets
    return Linear(start, parts.basis[:, layout.rims].mean(axis=2))


def measure_ends(parts: Components, layout: Layout) -> dict[str, tuple[int, int]]:
    marks = landmark_sets(parts.mean, layout)["68"]
    points68 = at(marks, layout.triangles, parts.mean)
    return pairs(parts.mean, points68, vertices_of(layout, "scalp"))


def vertices_of(layout: Layout, region: str) -> NDArray[np.int32]:
    """Indices of the vertices of a region's triangles."""
    mine = layout.region == REGIONS.index(region)
    return np.unique(layout.triangles[mine]).astype(np.int32)


def layout_arrays(layout: Layout, mean: Floats) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        name: getattr(layout, name)
        for name in ("triangles", "uv", "uv_triangles", "region", "mirror", "rims", "lips")
    }
    arrays |= {f"mask/{name}": mask for name, mask in layout.masks.items()}
    for name, points in landmark_sets(mean, layout).items():
        arrays[f"landmark/{name}/triangle"] = points.triangle
        arrays[f"landmark/{name}/weights"] = points.weights
    return arrays


def shape_arrays(parts: Components, joints: Linear, eyes: Linear) -> dict[str, NDArray[Any]]:
    return {
        "mean": parts.mean,
        "eye_radius": np.array(EYE_RADIUS, np.float32),
        "linear/shape/start": parts.mean,
        "linear/shape/rows": parts.basis,
        "linear/joints/start": joints.start,
        "linear/joints/rows": joints.rows,
        "linear/eyes/start": eyes.start,
        "linear/eyes/rows": eyes.rows,
    }


def people_arrays(people: People, sample: Sample, seed: int) -> dict[str, NDArray[Any]]:
    traits = trait_table(*sample.traits[:4])
    moves = directions(people, sample.features, traits, rng(seed, "directions"))
    learned = {
        "trait_start": people.start,
        "trait_rows": people.rows,
        "own_mean": people.own_mean,
        "own_spread": root(people.own_cov),
        "directions": moves,
    }
    return {f"extra/{name}": array.astype(np.float32) for name, array in learned.items()}


def motion_arrays(source: Source, layout: Layout, mean: Floats) -> dict[str, NDArray[Any]]:
    names, deltas = expression_deltas(source)
    fields = layout.resample(deltas[:, : source.skin])
    fields[names.index("mouthClose")] = lip_close(mean, layout, fields[names.index("jawOpen")])
    return {
        "expression_names": np.array(names),
        "expressions": fields,
        "skinning": skinning(source, layout.resample),
        "jaw_turn": jaw_turns(source, names),
    }


def lip_close(mean: Floats, layout: Layout, jaw_open: Floats) -> Floats:
    """What undoes `jaw_open` (n, 3) at the lips and fades over the chin: the source's own leaves
    the inside of the lower lip behind."""
    gaps = np.linalg.norm(mean[:, None] - mean[layout.lips][None], axis=2).min(axis=1)
    near, far = LIP_HOLD
    share = np.clip((far - gaps) / (far - near), 0, 1)
    return np.asarray(-jaw_open * (share * share * (3 - 2 * share))[:, None], np.float32)


def skinning(source: Source, resample: Any) -> Floats:
    """Weights (n, 6) of JOINTS; each bone's share goes to the last joint above it."""
    out = []
    for place, bone in enumerate(JOINT_BONES[1:], start=1):
        below = JOINT_BONES[place + 1 : place + 2]
        weights = bone_weights(source, bone_subtree(source, bone, below))[: source.skin]
        out.append(resample(np.repeat(weights[:, None], 3, axis=1))[:, 0])
    held = np.clip(np.stack(out, axis=1), 0, 1)
    torso = np.maximum(0, 1 - held.sum(axis=1, keepdims=True))
    both = np.concatenate([torso, held], axis=1)
    return np.asarray(both / both.sum(axis=1, keepdims=True), np.float32)


def jaw_turns(source: Source, names: tuple[str, ...]) -> Floats:
    """Rotation vectors (52, 3) of the jaw bone at weight 1 of each expression."""
    bones = [str(name) for name in source.arrays["bone_names"]]
    units = [str(name) for name in source.arrays["unit_names"]]
    drive = {"jawOpen": "JawDrop", "jawLeft": "ChinLeft", "jawRight": "ChinRight"}
    out = np.zeros((len(names), 3), np.float32)
    for name, unit in {**drive, "jawForward": "ChinForward"}.items():
        turn = source.arrays["unit_rotvec"][units.index(unit), bones.index("jaw")]
        out[names.index(name)] = turn
    return out


def seam_arrays(mean: Floats, opened: Floats, layout: Layout) -> dict[str, NDArray[Any]]:
    seams: dict[str, Seam] = {
        "left_lids": lid_seam(mean, layout.rims[0]),
        "right_lids": lid_seam(mean, layout.rims[1]),
        "lips": lip_seam(opened, layout.lips),
    }
    return {
        f"seam/{name}/{part}": array
        for name, one in seams.items()
        for part, array in vars(one).items()
    }


def level_arrays(layout: Layout) -> dict[str, NDArray[Any]]:
    """The other levels of detail, their matrices in compressed rows."""
    out: dict[str, NDArray[Any]] = {}
    for name, level in layout.levels.items():
        parts = {**vars(level.matrix), **vars(level)}
        parts["width"] = np.array(level.matrix.width)
        parts["weight"] = level.matrix.weight.astype(np.float32)
        out |= {f"level/{name}/{part}": parts[part] for part in parts if part != "matrix"}
    return out


def openness_arrays(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """How much of the sky each vertex sees, and what each expression changes. Takes a minute."""
    neutral, change = expression_openness(
        arrays["mean"], arrays["expressions"], arrays["triangles"]
    )
    return {"openness": neutral, "openness_change": change}


def finished(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """With what follows from the rest: lips that touch, seated eyes, the lids around them, and the
    origin midway between the eyes. Where openness is not known yet, all see the whole sky."""
    n, mean = len(arrays["mean"]), arrays["mean"].copy()
    out = {**arrays, "eye_centres": arrays["linear/eyes/start"]}
    out |= {"mean": mean, "linear/shape/start": mean}
    out.setdefault("openness", np.ones(n, np.float32))
    out.setdefault("openness_change", np.zeros((len(out["expression_names"]), n), np.float32))
    head = assembled(out)
    part_lips(head.seams["lips"], head.mean, 0)
    out["eye_centres"] = seated(head, head.mean, head.eyes.start)
    inner = [REGIONS.index(name) for name in ("eye_socket_l", "eye_socket_r")]
    outer = np.unique(head.triangles[~np.isin(head.region, inner)])
    for side, name in enumerate("lr"):
        gaps = np.linalg.norm(head.mean[outer] - out["eye_centres"][side], axis=1)
        out[f"extra/lids_{name}"] = outer[gaps < LID_BAND].astype(np.int32)
    middle = out["eye_centres"].mean(axis=0)
    middle[0] = 0  # the mirror plane stays where it is
    placed = (
        "mean",
        "eye_centres",
        *(f"linear/{one}/start" for one in ("shape", "joints", "eyes")),
    )
    return {**out, **{name: (out[name] - middle).astype(np.float32) for name in placed}}


def stored(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """As written to disk: what is large in half precision (a thousandth of a displacement)."""
    large = ("linear/shape/rows", "expressions", "openness_change")
    return {n: a.astype(np.float16) if n in large else a for n, a in arrays.items()}
