"""Pictures that papers order: whom, at what age, of what ancestry, taken how. Drawn once and kept.

Where the pool of `_people` is a sample as it comes, a sitting fixes what an experiment must hold or
change. Two sittings of one number, day and shot differ in nothing but what is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock

import fusiform
from fusiform.core.seeds import rng
from fusiform.hub.files import home
from fusiform.lab.world.crowd import Crowd, gathered
from fusiform.lab.world.labels import Photo
from fusiform.lab.world.person import Person
from fusiform.lab.world.samples import photo_of
from fusiform.lab.world.sensor import jpeg
from fusiform.lab.world.shot import PRESETS, Plan, sample_shot
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.world import World

PIXELS, CUT = 112, 64  # a picture's side and its aligned crop's, as in the pool
PART = 500  # pictures held at once
DRAWN = ("geometry", "world")  # rooms of the lab that decide what a picture looks like


@dataclass(frozen=True)
class Sitting:
    """One picture of person `number`, with `traits` or `age` (years) in place of their own, dressed
    as on `day`, taken as `shot` (which draws pose, light and sensor) by `plan`. Of `person`, a
    label, all pictures count as one identity."""

    person: int
    number: int
    shot: int
    day: int = 0
    age: float | None = None
    traits: Traits | None = None
    turn: float = 0.0
    plan: Plan = PRESETS["recognition"]


def portraits(name: str, world: int, sittings: Sequence[Sitting], side: int = 32) -> Crowd:
    """The crops, `side` pixels square, one for each of `sittings` in their order, as `Crowd` has
    them; from the disk where these were drawn before by the same world."""
    digest = hashlib.sha256(f"{world} {side} {sittings!r} {drawing()}".encode()).hexdigest()
    path = home() / "lab" / f"portraits-{name}-{digest[:16]}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            keep(path, drawn(world, sittings, side))
        with np.load(path, allow_pickle=False) as stored:
            facts = {n: stored[n] for n in stored.files}
    return Crowd(facts.pop("images"), facts.pop("person"), facts)


def drawn(world: int, sittings: Sequence[Sitting], side: int) -> Crowd:
    """The pictures, taken now."""
    parts = [
        gathered([taken(world, one) for one in sittings[i : i + PART]], CUT)
        for i in range(0, len(sittings), PART)
    ]
    facts = {n: np.concatenate([p.facts[n] for p in parts]) for n in parts[0].facts}
    person = np.array([one.person for one in sittings], np.int64)
    return Crowd(np.concatenate([p.images for p in parts]), person, facts).resized(side)


def taken(world: int, one: Sitting) -> Photo:
    """One picture."""
    shot = sample_shot(rng(world, "shot", one.number, one.shot), one.plan, PIXELS)
    yaw, pitch, roll = shot.bearing
    shot = replace(shot, bearing=(yaw + one.turn, pitch, roll))
    who = dressed(world, one.number, one.day, one.age, one.traits)
    photo, quality = photo_of(who, shot, frozenset())
    return replace(photo, image=jpeg(photo.image, quality)) if quality else photo


@lru_cache(maxsize=64)
def dressed(world: int, number: int, day: int, age: float | None, traits: Traits | None) -> Person:
    """Who sits, as on that day."""
    who = World(world).person(number, traits)
    who = who if age is None else who.at(age)
    return who.on_another_day(rng(world, "day", number, day), PRESETS["recognition"].dressing)


@lru_cache(maxsize=1)
def drawing() -> str:
    """A fingerprint of the code that draws."""
    found = hashlib.sha256()
    for room in DRAWN:
        for path in sorted((Path(fusiform.__file__).parent / "lab" / room).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()


def keep(path: Path, faces: Crowd) -> None:
    """A file, whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, images=faces.images, person=faces.person, **faces.facts)  # type: ignore[arg-type]
    part.replace(path)
