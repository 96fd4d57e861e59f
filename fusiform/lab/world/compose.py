"""From a person and a shot to the scene that is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fusiform.core.seeds import rng
from fusiform.lab.geometry.camera import look_at, matrix, position
from fusiform.lab.geometry.head import REGIONS, Floats, Head, Ints, at, load_head
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.mesh import vertex_normals
from fusiform.lab.geometry.posing import Pose, Posed, Rest, pose
from fusiform.lab.geometry.scene import Camera, Label, Material, Scene, Surface, Texture
from fusiform.lab.world.background import sample_background
from fusiform.lab.world.beard import Beard, follow_beard, grow_beard
from fusiform.lab.world.brows import Brows, FaceHair, follow_face_hair, grow_face_hair
from fusiform.lab.world.expressions import ARKIT, follow, join
from fusiform.lab.world.eyes import eye_surfaces
from fusiform.lab.world.hair import Hair
from fusiform.lab.world.hair_colour import strand_colours
from fusiform.lab.world.hair_grow import Cap, Grown, Strands, grow
from fusiform.lab.world.hair_mesh import follow as follow_hair
from fusiform.lab.world.hair_proxy import Proxy, make_proxy
from fusiform.lab.world.light import level
from fusiform.lab.world.makeup import Makeup
from fusiform.lab.world.mouth import mouth_surfaces
from fusiform.lab.world.person import Bones, Person, body, body_of
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.skin import Skin
from fusiform.lab.world.skin_bake import Roots, bake
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.wear import build

FACE_TOP, FACE_END = 27, 8  # of the 68: bridge of the nose, chin
FACE_SPAN = 1.35  # from the middle of the forehead to the chin over bridge to chin
WRINKLES_FROM = 320  # pixels; below, expression lines cannot be seen
INNER = ("inner_mouth", "eye_socket_l", "eye_socket_r")
HIDDEN = 0.5
CLOSED = 0.0008  # metres; lips nearer than this show nothing behind them
OPEN_POWER = 3.0


@dataclass(frozen=True, eq=False)
class Composed:
    """A scene and what it was made of."""

    scene: Scene
    person: Person
    shot: Shot
    rest: Rest
    posed: Posed
    expression: Floats  # (52,), with what the gaze adds
    gaze: Floats  # (2, 2) yaw and pitch of the left and right eye in the head, degrees


class Hanging(NamedTuple):
    """How texture vertices hang on the head's: `source` (m,) vertex of each, `outer` triangles."""

    source: Ints
    outer: Ints
    inner: Ints
    inside: Ints


def compose(person: Person, shot: Shot) -> Composed:
    """The scene of one picture."""
    head, rest = load_head(), body(person)
    expression, gaze = looking(shot)
    turns = [matrix(*angles).astype(np.float32) for angles in (shot.head, shot.bearing)]
    posed = pose(head, rest, Pose(expression, turns[0], gaze, torso=turns[1]))
    camera = framed(head, rest, posed, shot)
    surfaces = (
        skin_surface(head, person, posed, expression, shot.size),
        *eye_surfaces(
            person.eyes, head, posed.vertices, posed.eyes, posed.skull, gaze, shot.pupil, iris(shot)
        ),
        *mouth_inside(head, person, rest, posed, shot),
        *hair_and_clothes(head, person, rest, posed, camera, shot),
    )
    scene = Scene(order(surfaces), camera, shot.lighting, background(shot))
    return Composed(scene, person, shot, rest, posed, expression, gaze)


def looking(shot: Shot) -> tuple[Floats, Floats]:
    """Expression (52,) with what the lids do for the gaze, and the gaze (2, 2) of both eyes."""
    yaw, pitch = shot.gaze
    lids = follow(np.array([[yaw, pitch]], np.float64), np.zeros(1))[0]
    return join(shot.expression, lids), np.array([[yaw, pitch], [yaw, pitch]], np.float32)


def order(surfaces: tuple[Surface, ...]) -> tuple[Surface, ...]:
    """Lenses last; empty surfaces left out."""
    full = [one for one in surfaces if len(one.triangles)]
    return tuple(sorted(full, key=lambda one: one.cover < 1))


def framed(head: Head, rest: Rest, posed: Posed, shot: Shot) -> Camera:
    """A camera that shows the face as `shot` asks: straight at it, its size and place set by
    focal length and centre."""
    marks = at(head.landmarks["68"], head.triangles, posed.vertices)
    own = at(head.landmarks["68"], head.triangles, rest.vertices)
    target = marks[[FACE_TOP, FACE_END]].mean(axis=0)
    span = float(np.linalg.norm(own[FACE_TOP] - own[FACE_END])) * FACE_SPAN
    focal = shot.fill * shot.size * shot.distance / span
    eye = target + np.array([0, 0, shot.distance])
    camera = look_at(eye, target, focal, shot.size)
    middle = shot.size * (0.5 + np.array(shot.offset)) + [0, 0.12 * shot.fill * shot.size]
    return replace(camera, centre=(float(middle[0]), float(middle[1])))


def skin_surface(
    head: Head, person: Person, posed: Posed, expression: Floats, size: int
) -> Surface:
    """The skin with the person's texture."""
    hung = hanging(head)
    normals = skin_normals(head, posed.vertices)
    vertices = posed.vertices[hung.source]
    tangents = texture_tangents(posed.vertices, head.triangles, head.uv, head.uv_triangles)
    lines = worn(expression) if size >= WRINKLES_FROM else ()
    return Surface(
        "skin",
        Material.SKIN,
        vertices,
        normals[hung.source],
        head.uv_triangles,
        tangents,
        head.uv,
        np.ones_like(vertices),
        (posed.openness**OPEN_POWER)[hung.source],
        Label.SKIN,
        skin_texture(person, texture_size(size), lines),
    )


@lru_cache(maxsize=2)
def hanging(head: Head) -> Hanging:
    """Where texture vertices hang, and which triangles are seen from outside."""
    source = np.zeros(len(head.uv), np.int32)
    source[head.uv_triangles.ravel()] = head.triangles.ravel()
    hidden = np.isin(head.region, [REGIONS.index(name) for name in INNER])
    outer, inner = head.triangles[~hidden], head.triangles[hidden]
    inside = np.setdiff1d(inner, outer).astype(np.int32)
    return Hanging(source, np.ascontiguousarray(outer), np.ascontiguousarray(inner), inside)


def skin_normals(head: Head, vertices: Floats) -> Floats:
    """Normals (n, 3); at the edges of lids and lips they are those of the side that is seen."""
    hung = hanging(head)
    out = vertex_normals(vertices, hung.outer)
    out[hung.inside] = vertex_normals(vertices, hung.inner)[hung.inside]
    return out


@kernel
def texture_tangents(vertices: Floats, triangles: Ints, uv: Floats, uv_triangles: Ints) -> Floats:
    """Unit directions (m, 3) in which u grows, at the texture vertices `uv` (m, 2)."""
    out = np.zeros((len(uv), 3), np.float32)
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        i, j, k = uv_triangles[t]
        du1, dv1 = uv[j, 0] - uv[i, 0], uv[j, 1] - uv[i, 1]
        du2, dv2 = uv[k, 0] - uv[i, 0], uv[k, 1] - uv[i, 1]
        area = du1 * dv2 - du2 * dv1
        sign = 1.0 if area > 0 else -1.0
        for d in range(3):
            one, other = vertices[b, d] - vertices[a, d], vertices[c, d] - vertices[a, d]
            along = np.float32(sign * (one * dv2 - other * dv1))
            out[i, d] += along
            out[j, d] += along
            out[k, d] += along
    for i in range(len(out)):
        size = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2)
        for d in range(3):
            out[i, d] = out[i, d] / size if size > 0 else np.float32(d == 0)
    return out


def texture_size(size: int) -> int:
    """Side of the skin's texture for pictures of `size`: about three texels to two pixels where the
    face fills most of the picture."""
    return 192 if size <= 144 else 352 if size <= 320 else 1024


def cloth_size(size: int) -> int:
    """Side of the textures of cloth."""
    return 96 if size <= 144 else 160 if size <= 320 else 384


def iris(shot: Shot) -> int:
    """Side of the eyes' texture."""
    return 48 if shot.size <= 144 else 96 if shot.size <= 320 else 256


def worn(expression: Floats) -> tuple[tuple[str, float], ...]:
    """The weights that deepen lines, rounded so that like faces share a texture."""
    steps = np.round(expression * 4) / 4
    return tuple((ARKIT[row], float(steps[row])) for row in np.nonzero(steps)[0])


def skin_texture(person: Person, size: int, lines: tuple[tuple[str, float], ...]) -> Texture:
    """The person's skin as now made up, with expression lines."""
    return baked(person.skin, person.traits.age, lines, person.makeup, roots_of(person), size)


@lru_cache(maxsize=32)
def baked(
    skin: Skin,
    age: float,
    lines: tuple[tuple[str, float], ...],
    makeup: Makeup | None,
    roots: Roots,
    size: int,
) -> Texture:
    return bake(load_head(), skin, age, dict(lines), makeup, roots, size)


def roots_of(person: Person) -> Roots:
    """How hair shows in the skin: stubble, scalp, brows."""
    growth, beard = person.hair.growth, person.beard
    colour = strand_colours(
        *(growth.eumelanin, growth.pheomelanin, growth.grey * 0.5, person.hair.cut.dye),
        *(np.full((1, 4), 0.5, np.float32), 1),
    )[0, 0]
    bald = person.hair.cut.style == "bald"
    return Roots(
        stubble=float(beard.density) * (0.35 if beard.style == "none" else 0.6),
        scalp=0.25 if bald else 0.8 * growth.density,
        brow=0.3 * min(1.0, person.brows.count / 300),
        colour=tuple(float(x) for x in colour),  # type: ignore[arg-type]
    )


def mouth_inside(
    head: Head, person: Person, rest: Rest, posed: Posed, shot: Shot
) -> tuple[Surface, ...]:
    """Teeth and tongue; none behind lips that are closed."""
    apart = parted(head, posed)
    if apart < CLOSED and not any(shot.tongue):
        return ()
    bones = (posed.skull, posed.jaw)
    return mouth_surfaces(person.mouth, head, rest.vertices, *bones, shot.tongue, apart)


def parted(head: Head, posed: Posed) -> float:
    """How far the lips part in the middle, along the head's own upright, metres."""
    seam = head.seams["lips"]
    gaps = (seam.upper - seam.lower) @ posed.vertices[seam.vertices]
    return max(0.0, float((gaps @ posed.skull[:, 1]).max()))


def hair_and_clothes(
    head: Head, person: Person, rest: Rest, posed: Posed, camera: Camera, shot: Shot
) -> tuple[Surface, ...]:
    """Hair, brows, lashes, beard and all that is worn."""
    place = position(camera).astype(np.float32)
    args = (head, rest.vertices, posed.vertices)
    surfaces, hidden = build(
        person.wardrobe, *args, posed.skull, posed.jaw, texels=cloth_size(shot.size)
    )
    who = (person.bones, person.traits)
    grown = scalp_hair(*who, person.hair, shot.size)
    beard = beard_hair(*who, person.beard, shot.size)
    mascara = person.makeup.mascara if person.makeup else 0.0
    face = face_hair(*who, replace(person.brows, mascara=mascara), shot.size)
    if hidden.max() > HIDDEN:
        grown = None if grown is None else uncovered_hair(grown, head, hidden)
        beard = None if beard is None else uncovered(beard, head, hidden)
    return (
        *follow_hair(grown, *args, place),
        *follow_face_hair(face, *args, place),
        *follow_beard(beard, *args, place),
        *surfaces,
    )


@lru_cache(maxsize=32)
def proxy_of(bones: Bones, traits: Traits) -> Proxy:
    return make_proxy(load_head(), body_of(bones, traits).vertices)


@lru_cache(maxsize=32)
def scalp_hair(bones: Bones, traits: Traits, hair: Hair, size: int) -> Grown | None:
    vertices = body_of(bones, traits).vertices
    return grow(hair, load_head(), vertices, size, proxy_of(bones, traits))


@lru_cache(maxsize=32)
def beard_hair(bones: Bones, traits: Traits, beard: Beard, size: int) -> Strands | None:
    vertices = body_of(bones, traits).vertices
    return grow_beard(beard, load_head(), vertices, size, proxy_of(bones, traits))


@lru_cache(maxsize=32)
def face_hair(bones: Bones, traits: Traits, brows: Brows, size: int) -> FaceHair:
    return grow_face_hair(brows, load_head(), body_of(bones, traits).vertices, size)


def uncovered_hair(grown: Grown, head: Head, hidden: Floats) -> Grown | None:
    """Hair without what grows under a hat."""
    strands = uncovered(grown.strands, head, hidden)
    if strands is None:
        return None
    return Grown(strands, None if grown.cap is None else uncovered_cap(grown.cap, hidden))


def uncovered(strands: Strands, head: Head, hidden: Floats) -> Strands | None:
    """Strands whose roots lie where `hidden` (n,) is below HIDDEN; None if there are none."""
    roots = hidden[head.triangles[strands.triangle]].mean(axis=1)
    free = roots < HIDDEN
    if not free.any():
        return None
    return Strands(**{name: array[free] for name, array in vars(strands).items()})


def uncovered_cap(cap: Cap, hidden: Floats) -> Cap:
    free = (hidden[cap.vertices] < HIDDEN)[cap.triangles].all(axis=1)
    return replace(cap, triangles=np.ascontiguousarray(cap.triangles[free]))


def background(shot: Shot) -> Floats:
    """What lies behind, in the light of the shot."""
    stream = rng(shot.seed, "background")
    return sample_background(
        *(stream, shot.size, shot.size, level(shot.lighting)),
        kind=shot.background,
        light=shot.light,
        blur=shot.blur,
    )
