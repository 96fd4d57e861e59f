"""A person moving and speaking: frames and the truth about each, as a fixed camera sees them.

One look and one light for the whole clip. The head moves as the `Motion` says; its shift becomes
a shift of the camera the other way, which is the same to all that is seen but the distant
background, so labels in camera axes hold exactly and `camera` maps the person's axes to pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Floats, load_head
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import Camera
from fusiform.lab.world.clip import write_clip, write_labels
from fusiform.lab.world.compose import compose
from fusiform.lab.world.encode import npz, plain_json
from fusiform.lab.world.expressions import follow, named
from fusiform.lab.world.labels import Photo, developed
from fusiform.lab.world.maps import pixel_maps
from fusiform.lab.world.motion import Event, Motion, act, sample_script, talk
from fusiform.lab.world.person import Person
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.speech import Speech
from fusiform.lab.world.visemes import sample_style

# Facts that stay the same through a clip.
STEADY = (
    *("provenance", "seed", "person", "ancestry", "main_ancestry", "male", "age", "weight"),
    *("attributes", "light", "background", "sensor"),
)


def film(
    person: Person, shot: Shot, motion: Motion, arrays: frozenset[str] = frozenset()
) -> Iterator[Photo]:
    """Each frame of `motion` (f of them) with its truth, see `labels`; `arrays`: those per pixel
    that are wanted.

    `shot` gives size, bearing, camera, light, place and sensor; face, gaze and head are the
    motion's. The sensor's JPEG and motion blur are left out: a codec and a face that moves bring
    their own. Noise differs from frame to frame, all else that is drawn at random does not.
    """
    sensor = replace(shot.sensor, jpeg=0, motion=0.0)
    steady = replace(shot, sensor=sensor, expression=named("neutral"), gaze=(0.0, 0.0))
    camera = compose(person, steady).scene.camera
    for k, bare in enumerate(bared(motion)):
        now = replace(
            steady,
            expression=bare,
            tongue=three(motion.tongue[k]),
            gaze=(float(motion.gaze[k, 0]), float(motion.gaze[k, 1])),
            head=three(motion.head[k]),
        )
        made = compose(person, now)
        seen = replace(made.scene, camera=moved(camera, motion.shift[k]))
        noise = int(rng(shot.seed, "frame", k).integers(2**31))
        made = replace(made, scene=seen, shot=replace(now, seed=noise))
        frame = render(made.scene)
        photo = developed(made, frame, maps=False)
        if arrays:
            kept = {n: a for n, a in pixel_maps(load_head(), frame).items() if n in arrays}
            photo = replace(photo, arrays=photo.arrays | kept)
        yield photo


def bared(motion: Motion) -> Floats:
    """Expressions (f, 52) less what lids and eyeLook shapes do for the gaze, which `compose` adds:
    `expressions.join` undone. Where the gaze alone makes a shape full, nothing is left."""
    added = follow(motion.gaze.astype(np.float64), np.zeros(len(motion.gaze))).astype(np.float64)
    left = 1 - (1 - motion.expression.astype(np.float64)) / np.maximum(1 - added, 1e-6)
    return np.where(added >= 1, 0, np.clip(left, 0, 1)).astype(np.float32)


def three(row: Floats) -> tuple[float, float, float]:
    """A row of three as plain numbers."""
    return float(row[0]), float(row[1]), float(row[2])


def moved(camera: Camera, shift: Floats) -> Camera:
    """The camera as it sees what has moved by `shift` (3,), metres in world axes."""
    return replace(camera, shift=(camera.shift + camera.rotation @ shift).astype(np.float32))


def perform(
    person: Person,
    shot: Shot,
    seconds: float = 4.0,
    fps: float = 25.0,
    speech: Speech | None = None,
    emotion: str = "",
) -> Motion:
    """What `person` does in a clip: says `speech`, or looks about for `seconds`.

    `emotion`: an expression worn all the while; drawn now and then where none is named. Facing and
    gaze are those of `shot`. Raises ChoiceError for an unknown expression, or numbers not above 0.
    """
    seed = int(rng(person.seed, "film", person.number, shot.seed).integers(2**31))
    facing = shot.head
    aim = (facing[0] + shot.gaze[0], facing[1] + shot.gaze[1])
    lasting = seconds if speech is None else speech.seconds
    script = worn(emotion, lasting) if emotion else sample_script(seed, lasting)
    if speech is None:
        return act(seed, seconds, fps, "rest", script, facing, aim)
    return talk(seed, speech, sample_style(rng(seed, "style")), script, facing, aim)


def worn(emotion: str, seconds: float, amount: float = 0.75) -> tuple[Event, ...]:
    """An expression held through a clip."""
    named(emotion)
    return (Event("expression", emotion, -1.0, -0.5, seconds + 0.5, seconds + 1.0, amount),)


def stacked(rows: list[dict[str, NDArray[Any]]], motion: Motion) -> dict[str, NDArray[Any]]:
    """Labels over frames, (f, ...) each: those of the photos, and of the motion `head`, `shift`,
    `tongue` and `look` (its gaze, degrees in the head)."""
    out = {name: np.stack([row[name] for row in rows]) for name in rows[0]} if rows else {}
    return out | {
        "head": motion.head,
        "shift": motion.shift,
        "tongue": motion.tongue,
        "look": motion.gaze,
    }


def labels_of(photo: Photo) -> dict[str, NDArray[Any]]:
    """A frame's arrays, with its box (4,) and its pose (yaw, pitch, roll)."""
    pose = [photo.facts["pose"][name] for name in ("yaw", "pitch", "roll")]
    box = np.array(photo.facts["box"], np.float32)
    return photo.arrays | {"box": box, "pose": np.array(pose, np.float32)}


def write_film(
    path: str | Path,
    person: Person,
    shot: Shot,
    motion: Motion,
    speech: Speech | None = None,
    arrays: frozenset[str] = frozenset(),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """A clip as mp4 with its sound, and beside it `.npz` (arrays over frames, see `stacked`) and
    `.json` (events, phonemes, words, and facts of the person). Returns the mp4's path.

    `progress(done, all)` counts frames. Raises FusiformError without PyAV or where the files
    cannot be written.
    """
    path = Path(path)
    rows: list[dict[str, NDArray[Any]]] = []
    facts: dict[str, Any] = {}

    def frames() -> Iterator[NDArray[np.uint8]]:
        for photo in film(person, shot, motion, arrays):
            rows.append(labels_of(photo))
            facts.update({name: photo.facts[name] for name in STEADY})
            yield photo.image
            if progress:
                progress(len(rows), len(motion.head))

    sound = (None, None) if speech is None else (speech.audio, speech.rate)
    write_clip(path, frames(), motion.fps, *sound)
    known = stacked(rows, motion)
    if speech is not None:
        known["visemes"] = speech.visemes
    beside = write_labels(path, motion, speech)
    beside.write_bytes(npz(known))
    told = path.with_suffix(".json")
    told.write_bytes(plain_json(json.loads(told.read_text("utf-8")) | {"facts": facts}) + b"\n")
    return path
