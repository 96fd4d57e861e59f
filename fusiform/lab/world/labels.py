"""The truth about one picture: exact, and in the picture's own pixels.

Arrays (`Photo.arrays`), h = w = the picture's size:

| name | shape | meaning |
|---|---|---|
| `points5` `points68` `points106` `points478` | (k, 2) float32 | pixels, x before y |
| `points..._3d` | (k, 3) float32 | camera axes, metres |
| `points..._seen` | (k,) bool | inside the picture and hidden by nothing |
| `parsing` | (h, w) uint8 | scene.Label of what is at each pixel's centre |
| `depth` | (h, w) float32 | camera z, metres; inf: background |
| `normals` | (h, w, 3) float16 | camera axes; 0: background |
| `uv` | (h, w, 2) float32 | texture coordinates of the skin; nan elsewhere |
| `albedo` | (h, w, 3) float16 | linear |
| `triangle` | (h, w) int32 | of the skin's mesh; -1 elsewhere |
| `barycentric` | (h, w, 3) float32 | weights of its corners; 0 elsewhere |
| `alpha` | (h, w) float16 | share of the pixel that is not background |
| `coefficients`, `expression` | (k,), (52,) float32 | of the head model |
| `rotation`, `rotation6d` | (3, 3), (6,) float32 | head to camera-facing world axes |
| `camera` | (3, 4) float64 | world to pixels, homogeneous |
| `gaze` | (2, 3) float32 | unit vectors of the left and right eye, camera axes |

Everything else is in `Photo.facts`, plain JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, is_dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.geometry.camera import euler, project, to_six
from fusiform.lab.geometry.head import Floats, Head, at, load_head
from fusiform.lab.geometry.mesh import vertex_normals
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import Bytes, Camera, Frame, Label, Material, Scene
from fusiform.lab.world.compose import Composed, compose
from fusiform.lab.world.expressions import to_action_units, weights
from fusiform.lab.world.eyes import BULGE
from fusiform.lab.world.maps import pixel_maps
from fusiform.lab.world.person import BARE, DARK, Person, ancestry_name, coefficients, is_dark
from fusiform.lab.world.sensor import expose
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.traits import ANCESTRIES

SKIN_SLACK = 0.004  # metres that skin or hair may lie before a point without hiding it
EYE_SLACK = 0.010  # for the middle of an eye, which no surface passes through
WORN_SLACK = 0.0002  # what is worn lies close to the skin and hides it
WORN = (Label.GLASSES, Label.HAT, Label.EARRING, Label.NECKLACE, Label.CLOTH, Label.OCCLUDER)
NEAR = np.array([-1, 0, 1])  # pixels around a point of the iris
PUPIL_ROWS = {"106": {74: 1, 77: 0, 104: 1, 105: 0}}  # row: eye (0 left, 1 right)
IRIS_ROWS = {1: 468, 0: 473}  # of the 478: first row of the right and the left iris
FIVE = ((36, 42), (42, 48), (30, 31), (48, 49), (54, 55))  # rows of the 68 whose mean each is
FACE_LABELS = (Label.SKIN, Label.NOSE, Label.UPPER_LIP, Label.LOWER_LIP)
MAPS = ("parsing", "depth", "normals", "uv", "albedo", "triangle", "barycentric", "alpha")
PROVENANCE = "synthetic: fusiform world"


@dataclass(frozen=True, eq=False)
class Photo:
    """`image` (h, w, 3) uint8 sRGB and the truth about it, see the module."""

    image: Bytes
    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any]


def photograph(person: Person, shot: Shot, samples: int = 2, maps: bool = True) -> Photo:
    """Draw one picture of `person` and all its labels; `maps=False` leaves out those per pixel.

    `samples`: supersamples along each side of a pixel.
    """
    made = compose(person, shot)
    frame = render(made.scene, samples)
    return developed(made, frame, maps)


def developed(made: Composed, frame: Frame, maps: bool = True) -> Photo:
    """The photo that the shot's sensor takes of a drawn frame, with its labels."""
    image = expose(frame.image, made.shot.sensor, rng(made.shot.seed, "noise"), meter(frame))
    head = load_head()
    arrays = point_arrays(made.scene, frame, landmarks(head, made)) | numbers(head, made)
    if maps:
        arrays |= pixel_maps(head, frame)
    return Photo(image, arrays, facts(head, made, arrays, arrays["points478_seen"]))


def point_arrays(scene: Scene, frame: Frame, points: dict[str, Floats]) -> dict[str, NDArray[Any]]:
    """The arrays of all sets of `points`: name to world places (k, 3)."""
    ends = np.cumsum([0, *(len(places) for places in points.values())])
    every = np.concatenate(list(points.values()))
    pixels, depth = project(scene.camera, every)
    slack = np.concatenate([slacks(name, len(places)) for name, places in points.items()])
    seen = visible(scene, frame, pixels, depth, slack)
    for side in (0, 1):
        rows = np.concatenate(
            [
                first + np.array(iris_rows(name).get(side, []), np.intp)
                for name, first in zip(points, ends[:-1], strict=True)
            ]
        )
        seen[rows] = eye_shows(scene, frame, pixels[rows], depth[rows], side)
    spans = [slice(first, last) for first, last in pairwise(ends)]
    turned = to_camera(scene.camera, every)
    out: dict[str, NDArray[Any]] = {}
    for name, span in zip(points, spans, strict=True):
        out[f"points{name}"] = pixels[span].astype(np.float32)
        out[f"points{name}_3d"] = turned[span]
        out[f"points{name}_seen"] = seen[span]
    return out


def meter(frame: Frame) -> Floats:
    """Where the camera's exposure looks (h, w): at the face, and a little at all that is near."""
    return np.isin(frame.label, FACE_LABELS).astype(np.float32) + 0.1 * frame.alpha


def landmarks(head: Head, made: Composed) -> dict[str, Floats]:
    """World positions of the sets "5", "68", "106" and "478"."""
    vertices = made.posed.vertices
    out = {name: at(points, head.triangles, vertices) for name, points in head.landmarks.items()}
    irises = [iris(head, made, side) for side in range(2)]
    for name, rows in PUPIL_ROWS.items():
        for row, side in rows.items():
            out[name][row] = irises[side][0]
    for side, first in IRIS_ROWS.items():
        out["478"][first : first + 5] = irises[side]
    five = np.stack([out["68"][start:end].mean(axis=0) for start, end in FIVE])
    return {"5": five, **out}


def iris_rows(name: str) -> dict[int, list[int]]:
    """Rows of the set `name` that lie on the left (0) and right (1) iris."""
    if name == "478":
        return {side: list(range(first, first + 5)) for side, first in IRIS_ROWS.items()}
    pupils = PUPIL_ROWS.get(name, {})
    return {side: [row for row, own in pupils.items() if own == side] for side in (0, 1)}


def iris(head: Head, made: Composed, side: int) -> Floats:
    """The pupil's middle and the iris's edge outward, up, inward and down (5, 3), world."""
    radius = made.person.eyes.diameter / 2
    ahead = float(np.sqrt(head.eye_radius**2 - radius**2))
    out = 1.0 if side == 0 else -1.0
    ring = np.array([[0, 0], [out, 0], [0, 1], [-out, 0], [0, -1]]) * radius
    local = np.concatenate([ring, np.full((5, 1), ahead)], axis=1)
    local[0, 2] = head.eye_radius + BULGE
    return np.asarray(made.posed.eyes[side] + local @ made.posed.eye_turns[side].T, np.float32)


def slacks(name: str, count: int) -> NDArray[np.float64]:
    """How far (count,) skin may lie before each point of the set `name`, metres."""
    out = np.full(count, SKIN_SLACK)
    if name == "5":
        out[:2] = EYE_SLACK
    return out


def visible(
    scene: Scene,
    frame: Frame,
    pixels: NDArray[np.float64],
    depth: NDArray[np.float64],
    slack: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which projected points (k,) are in the picture with nothing before them.

    Hidden is what lies more than `slack` (k,) behind what is drawn at its pixel's centre, or
    behind anything worn there, dark lenses among it.
    """
    worn = np.array([one.label in WORN for one in scene.surfaces] + [False])  # the last: nothing
    dark = any(DARK < one.cover < 1 for one in scene.surfaces)
    inside, row, column = places_in(frame, pixels, depth)
    slack = np.where(worn[frame.surface[row, column]], WORN_SLACK, slack)
    shaded = dark & (frame.label[row, column] == Label.GLASSES)
    return np.asarray(inside & ~shaded & (depth <= frame.buffers.depth[row, column] + slack))


def eye_shows(
    scene: Scene,
    frame: Frame,
    pixels: NDArray[np.float64],
    depth: NDArray[np.float64],
    side: int,
) -> NDArray[np.bool_]:
    """Which points (k,) of an iris are seen: only where that eye is, lids being thin; lashes do not
    hide it."""
    own = ("left eye", "right eye")[side]
    eye = np.array([one.part == own for one in scene.surfaces] + [False])
    hair = np.array([one.material == Material.HAIR for one in scene.surfaces] + [False])
    _, row, column = places_in(frame, pixels, depth)
    high, wide = frame.surface.shape
    rows = np.clip(row[:, None, None] + NEAR[:, None], 0, high - 1)
    columns = np.clip(column[:, None, None] + NEAR, 0, wide - 1)
    here = frame.surface[row, column]
    lash = hair[here] & eye[frame.surface[rows, columns]].any(axis=(1, 2))
    slack = np.where(lash, EYE_SLACK, SKIN_SLACK)
    seen = visible(scene, frame, pixels, depth, slack)
    return np.asarray((eye[here] | lash) & seen)


def places_in(
    frame: Frame, pixels: NDArray[np.float64], depth: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]:
    """Which points (k,) are in the picture, and the row and column of each (0 if outside)."""
    high, wide = frame.buffers.depth.shape
    inside = (depth > 0) & (pixels >= 0).all(axis=1) & (pixels < [wide, high]).all(axis=1)
    column, row = np.where(inside[:, None], pixels, 0).astype(np.intp).T
    return inside, row, column


def to_camera(camera: Camera, places: Floats) -> Floats:
    """World points (k, 3) in camera axes."""
    return np.asarray(places @ camera.rotation.T + camera.shift, np.float32)


def numbers(head: Head, made: Composed) -> dict[str, NDArray[Any]]:
    """The arrays that are not per pixel and not points."""
    camera = made.scene.camera
    lens = np.array(
        [[camera.focal, 0, camera.centre[0]], [0, camera.focal, camera.centre[1]], [0, 0, 1]]
    )
    outer = np.concatenate([camera.rotation, camera.shift[:, None]], axis=1).astype(np.float64)
    turn = made.posed.skull[:, :3]
    gaze = made.posed.eye_turns[:, :, 2] @ camera.rotation.T
    return {
        "coefficients": coefficients(head, made.person),
        "expression": made.expression,
        "rotation": turn.astype(np.float32),
        "rotation6d": to_six(turn).astype(np.float32),
        "camera": lens @ outer,
        "gaze": gaze.astype(np.float32),
    }


def facts(
    head: Head, made: Composed, arrays: dict[str, NDArray[Any]], seen: NDArray[np.bool_]
) -> dict[str, Any]:
    """What can be said in words and single numbers."""
    person, shot = made.person, made.shot
    yaw, pitch, roll = euler(made.posed.skull[:, :3])
    box = face_box(head, made)
    return {
        "provenance": PROVENANCE,
        "seed": person.seed,
        "person": person.number,
        "ancestry": dict(zip(ANCESTRIES, person.traits.ancestry, strict=True)),
        "main_ancestry": ancestry_name(person.traits),
        "male": person.traits.male,
        "age": person.traits.age,
        "weight": person.traits.weight,
        "box": [round(float(x), 3) for x in box],
        "points5": np.round(arrays["points5"].astype(float), 3).tolist(),
        "pose": {"yaw": yaw, "pitch": pitch, "roll": roll},
        "gaze": dict(zip(("left", "right"), map(angles, arrays["gaze"]), strict=True)),
        "blendshapes": weights(made.expression),
        "action_units": to_action_units(made.expression),
        "attributes": attributes(person),
        "light": shot.light,
        "background": shot.background or "drawn",
        "sensor": plain(shot.sensor),
        "quality": quality(made, box, seen),
    }


def angles(direction: Floats) -> dict[str, float]:
    """Yaw and pitch in degrees of a gaze in camera axes (x right, y down, z away): 0, 0 looks into
    the camera's plane, yaw > 0 to the subject's left (right in the picture), pitch > 0 down."""
    x, y, z = (float(v) for v in direction)
    return {
        "yaw": float(np.degrees(np.arctan2(x, -z))),
        "pitch": float(np.degrees(np.arcsin(np.clip(y, -1, 1)))),
    }


def face_box(head: Head, made: Composed) -> Floats:
    """x1, y1, x2, y2 around forehead, chin and cheeks, hidden or not; may leave the picture."""
    front = made.posed.vertices[front_of(head)]
    pixels, _ = project(made.scene.camera, front)
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]).astype(np.float32)


@lru_cache(maxsize=2)
def front_of(head: Head) -> NDArray[np.intp]:
    """The vertices of forehead, chin, cheeks and what lies between."""
    return np.flatnonzero(head.masks["front"] > 0.5)


def attributes(person: Person) -> dict[str, Any]:
    """What someone has and wears."""
    worn, cut, makeup = person.wardrobe, person.hair.cut, person.makeup
    jewels = worn.jewellery
    return {
        "hair": cut.style,
        "hair_dyed": cut.dye is not None,
        "grey": person.hair.growth.grey,
        "beard": person.beard.style if person.beard.density > BARE else "none",
        "makeup": [layer.name for layer in makeup.layers] if makeup else [],
        "clothes": worn.clothes.kind,
        "glasses": "sunglasses" if is_dark(worn.glasses) else "glasses" if worn.glasses else "",
        "hat": kind_of(worn.hat),
        "mask": kind_of(worn.mask),
        "earrings": jewels.earrings if jewels else "",
        "necklace": jewels.necklace if jewels else "",
        "occluder": kind_of(worn.occluder),
    }


def kind_of(item: Any) -> str:
    """What sort of thing is worn; empty for nothing."""
    if item is None:
        return ""
    return str(getattr(item, "kind", None) or getattr(item, "shape", None) or type(item).__name__)


def quality(made: Composed, box: Floats, seen: NDArray[np.bool_]) -> dict[str, float]:
    """What makes the picture good or bad for recognition, as known, not as estimated."""
    sensor, size = made.shot.sensor, made.shot.size
    inner = np.clip(box, 0, size)
    area = max(1e-6, float((box[2] - box[0]) * (box[3] - box[1])))
    return {
        "face_pixels": float(box[3] - box[1]),
        "inside": float((inner[2] - inner[0]) * (inner[3] - inner[1])) / area,
        "seen": float(seen[:468].mean()),
        "hidden": hidden_share(made, seen),
        "blur": float(np.hypot(sensor.defocus, sensor.motion)),
        "noise": float(np.sqrt(sensor.shot)),
        "exposure": float(sensor.exposure),
        "jpeg": float(sensor.jpeg),
        "expression": float(np.linalg.norm(made.shot.expression)),
        "eye_opening": float(eye_opening(load_head(), made)),
    }


def hidden_share(made: Composed, seen: NDArray[np.bool_]) -> float:
    """Share of the face's points that face the camera and yet are hidden by something."""
    head, vertices = load_head(), made.posed.vertices
    points = head.landmarks["478"]
    normals = at(points, head.triangles, vertex_normals(vertices, head.triangles))[:468]
    places = at(points, head.triangles, vertices)[:468]
    eye = -made.scene.camera.rotation.T @ made.scene.camera.shift
    towards = eye - places
    facing = (normals * towards).sum(axis=1) > 0.25 * np.linalg.norm(towards, axis=1)
    return float(1 - seen[:468][facing].mean()) if facing.any() else 1.0


def eye_opening(head: Head, made: Composed) -> float:
    """Mean largest gap between the lids, metres."""
    gaps = []
    for side in ("left_lids", "right_lids"):
        seam = head.seams[side]
        across = (seam.upper - seam.lower) @ made.posed.vertices[seam.vertices]
        gaps.append(np.linalg.norm(across, axis=1).max())
    return float(np.mean(gaps))


def plain(record: Any) -> Any:
    """A record as JSON can hold it."""
    if is_dataclass(record) and not isinstance(record, type):
        return {name: plain(value) for name, value in asdict(record).items()}
    if isinstance(record, tuple | list):
        return [plain(value) for value in record]
    return record.item() if isinstance(record, np.generic) else record
