"""Samples: one picture with its truth, made from its number alone.

A picture, `image` of person `number`, is a pure function of preset, seed and size: who makes it,
when and after what does not matter. A person is dressed anew (`Person.on_another_day`) for every
fifth image where the preset allows it, so `images` pictures show `1 + (images - 1) // 5` looks;
hair and clothes are costly to grow and are kept from picture to picture of the same look.

Members of a sample, side by side in a pack:

| ending | for | holds |
|---|---|---|
| `jpg` or `png` | every preset | the picture; of a clip its first frame |
| `json` | every preset | `Photo.facts` |
| `npz` | labels that are arrays | arrays by their names in `labels` |
| `parsing.png` | `parsing` | `scene.Label` as a palette picture |
| `alpha.png` | `alpha` | share of the pixel that is not background, 0..255 |
| `000.jpg`, `001.jpg`, ... | preset `video` | the frames; its `npz` holds arrays over them |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import load_head
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import Frame
from fusiform.lab.world import attacks
from fusiform.lab.world.compose import Composed, compose
from fusiform.lab.world.controls import DAYS, check, person_without, shot_without
from fusiform.lab.world.encode import PICTURED, members, npz, picture, plain_json
from fusiform.lab.world.film import STEADY, film, labels_of, perform, stacked
from fusiform.lab.world.labels import MAPS, Photo, developed
from fusiform.lab.world.maps import pixel_maps
from fusiform.lab.world.motion import Motion
from fusiform.lab.world.person import Person
from fusiform.lab.world.sensor import jpeg
from fusiform.lab.world.shot import LARGEST, SMALLEST, Plan, Shot, plan_of, sample_shot
from fusiform.lab.world.world import World

DAY = 5  # images of a person between two changes of hair and clothes
FORMATS = ("jpeg", "png")
SECONDS, FPS, CLIP_JPEG = 1.28, 25.0, 90  # of a clip in a pack: 32 frames
SETS = ("points5", "points68", "points106", "points478")
# What can be asked for: the arrays of labels.Photo that each name stands for.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "points": tuple(name + tail for name in SETS for tail in ("", "_3d", "_seen")),
    "expression": ("expression",),
    "view": ("rotation", "rotation6d", "camera"),
    "gaze": ("gaze",),
    "shape": ("coefficients",),
    **{name: (name,) for name in MAPS},
}
OWN_LABELS: Mapping[str, tuple[str, ...]] = {
    "landmarks": ("points",),
    "parsing": ("parsing", "alpha"),
    "expression": ("expression",),
    "video": ("points", "expression", "view", "gaze"),
}
FLAT = ("antispoof",)  # presets whose pictures may be pictures of pictures


@dataclass(frozen=True)
class Options:
    """What samples are like. `size`: pixels a side, None: the preset's own. `labels`: names of
    GROUPS, or ("all",); None: the preset's own. `format`: jpeg (with the sensor's own quality,
    compressed once) or png (the same picture, stored without loss). `without`: names of
    controls.CONTROLS, what is left out.

    Raises ChoiceError for an unknown preset, format, label or control, or an impossible size.
    """

    preset: str = "recognition"
    seed: int = 0
    size: int | None = None
    labels: tuple[str, ...] | None = None
    format: str = "jpeg"
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        plan_of(self.preset)
        check(self.without)
        if self.seed < 0:
            raise ChoiceError("seed", "at least 0", self.seed)
        if self.size is not None and not SMALLEST <= self.size <= LARGEST:
            raise ChoiceError("size", f"{SMALLEST} to {LARGEST} pixels", self.size)
        if self.format not in FORMATS:
            raise ChoiceError("format", FORMATS, self.format)
        allowed = ("points", "all") if self.preset in FLAT else (*GROUPS, "all")
        for label in self.labels or ():
            if label not in allowed:
                raise ChoiceError(f"labels of preset {self.preset}", allowed, label)

    @property
    def plan(self) -> Plan:
        """What pictures are like."""
        return plan_of(self.preset)

    @property
    def arrays(self) -> frozenset[str]:
        """Names of the arrays that are asked for."""
        chosen = OWN_LABELS.get(self.preset, ()) if self.labels is None else self.labels
        names = tuple(GROUPS) if "all" in chosen else chosen
        return frozenset(array for name in names for array in GROUPS[name])


def key_of(number: int, image: int) -> str:
    """The key of image `image` of person `number` in a pack."""
    return f"{number:07d}_{image:05d}"


def keys(people: int, images: int) -> list[str]:
    """Keys of `images` pictures each of persons 0, 1, ..., one person's together."""
    return [key_of(number, image) for number in range(people) for image in range(images)]


def shard_size(people: int, images: int) -> int:
    """Samples to a tar: whole people, at most about 1000 samples, 32 tars if there are so many."""
    together = min(-(-people // 32), max(1, 1000 // images))
    return max(1, together) * images


def look(options: Options, number: int, image: int) -> Person:
    """Person `number` as they are for image `image`: equal for all images of the same day."""
    plan, without = options.plan, options.without
    day = image // DAY if plan.redress and DAYS not in without else 0
    return dressed(options.seed, number, day, plan.dressing, without)


@lru_cache(maxsize=64)
def dressed(seed: int, number: int, day: int, dressing: float, without: tuple[str, ...]) -> Person:
    stream = rng(seed, "day", number, day)
    person = World(seed).person(number).on_another_day(stream, dressing)
    return person_without(person, without)


def shot_of(options: Options, number: int, image: int) -> Shot:
    """How image `image` of person `number` is taken."""
    stream = rng(options.seed, "shot", options.preset, number, image)
    return shot_without(sample_shot(stream, options.plan, options.size), options.without)


def take(options: Options, number: int, image: int) -> Photo:
    """Image `image` of person `number`, with facts and those arrays that are asked for.

    Not for the preset "video", whose samples are clips.
    """
    photo, quality = develop(options, number, image)
    return replace(photo, image=jpeg(photo.image, quality)) if quality else photo


def develop(options: Options, number: int, image: int) -> tuple[Photo, int]:
    """The picture before JPEG, and the quality its sensor stores it with (0: not at all)."""
    if options.preset == "video":
        raise ChoiceError("preset", "one of pictures; clips come in packs", options.preset)
    who = look(options, number, image)
    shot = shot_of(options, number, image)
    if options.preset not in FLAT:
        return photo_of(who, shot, options.arrays)
    kind = attacks.kind_of(shot)
    if kind:
        wearer = look(options, number + 1, 0)
        return attacks.attack_photo(who, shot, kind, wearer, options.arrays), 0
    photo, quality = photo_of(who, shot, options.arrays)
    return replace(photo, facts=photo.facts | {"live": True}), quality


def photo_of(person: Person, shot: Shot, arrays: frozenset[str]) -> tuple[Photo, int]:
    """A picture before JPEG with the `arrays` asked for, and the quality to store it with."""
    made = compose(person, shot)
    frame = render(made.scene)
    photo = unpacked(made, frame)
    wanted = photo.arrays | maps(frame, arrays)
    return replace(photo, arrays={n: a for n, a in wanted.items() if n in arrays}), shot.sensor.jpeg


def unpacked(made: Composed, frame: Frame) -> Photo:
    """The photo of a drawn frame without its sensor's JPEG step; its facts still state it."""
    sensor = made.shot.sensor
    raw = replace(made.shot, sensor=replace(sensor, jpeg=0))
    photo = developed(replace(made, shot=raw), frame, maps=False)
    photo.facts["sensor"]["jpeg"] = sensor.jpeg
    photo.facts["quality"]["jpeg"] = float(sensor.jpeg)
    return photo


def maps(frame: Frame, arrays: frozenset[str]) -> dict[str, NDArray[Any]]:
    """The arrays per pixel that are asked for, and perhaps more."""
    asked = arrays & set(MAPS)
    if asked <= set(PICTURED):
        return {"parsing": frame.label, "alpha": frame.alpha.astype(np.float16)}
    return pixel_maps(load_head(), frame)


def sample(options: Options, key: str) -> dict[str, bytes]:
    """The members of the sample called `key`, by their endings. Raises ChoiceError for a key that
    `key_of` does not make."""
    number, image = numbers_of(key)
    if options.preset == "video":
        return clip_members(options, number, image)
    photo, quality = develop(options, number, image)
    return {picture_ending(options): picture(photo.image, options.format, quality)} | members(photo)


def numbers_of(key: str) -> tuple[int, int]:
    """Person and image of a key."""
    number, _, image = key.partition("_")
    if not (number.isdecimal() and image.isdecimal() and key == key_of(int(number), int(image))):
        raise ChoiceError("key", f"as {key_of(17, 3)}", key)
    return int(number), int(image)


def picture_ending(options: Options) -> str:
    """jpg or png."""
    return "png" if options.format == "png" else "jpg"


def clip_members(options: Options, number: int, image: int) -> dict[str, bytes]:
    """A sample of the preset "video": its frames, facts, and arrays over frames."""
    person = look(options, number, image)
    shot = shot_of(options, number, image)
    motion = perform(person, shot, SECONDS, FPS)
    photos = list(film(person, shot, motion, options.arrays & frozenset(MAPS)))
    known = stacked([labels_of(photo) for photo in photos], motion)
    own = options.arrays | {"box", "pose", "head", "shift", "tongue", "look"}
    facts = {name: photos[0].facts[name] for name in STEADY}
    ending = picture_ending(options)
    frames = [picture(photo.image, options.format, CLIP_JPEG) for photo in photos]
    return {
        ending: frames[0],
        "json": plain_json(facts | {"fps": FPS, "frames": len(photos), "events": events(motion)}),
        "npz": npz({name: array for name, array in known.items() if name in own}),
        **{f"{k:03d}.{ending}": frame for k, frame in enumerate(frames)},
    }


def events(motion: Motion) -> list[Mapping[str, Any]]:
    """The motion's events as JSON can hold them."""
    return [vars(event) | {"frames": event.frames(motion.fps)} for event in motion.events]
