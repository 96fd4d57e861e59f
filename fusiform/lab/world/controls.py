"""Controlled worlds: the same people and pictures with some things left out.

What is left out of two packs of one seed is all that they differ in, so that a model trained on
each tells what that thing is worth (`fusiform world pack --without light,sensor`).

| name | left out |
|---|---|
| `skin` | all patterns of the skin: zones, blotches, pores, moles, lines; one even tone stays |
| `light` | every picture has the plain light of a studio |
| `hair` | haircuts and beards: everybody is bald and shaven |
| `days` | nothing changes from picture to picture: the same hair, make-up and clothes |
| `expression` | every face is at rest |
| `pose` | every head is upright and faces the camera |
| `sensor` | the camera has no faults: no noise, blur, colour cast, JPEG |
| `things` | glasses, make-up, jewellery, hats, masks, hands |
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from fusiform.core.errors import ChoiceError
from fusiform.lab.world.person import Person
from fusiform.lab.world.sensor import Sensor
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.wear import Wardrobe

BALD = "bald"
EXPOSED = 0.8  # how far an otherwise faultless camera sets its exposure by itself


def plain_skin(person: Person) -> Person:
    """With skin of one even tone."""
    skin = person.skin
    return replace(
        person,
        skin=replace(
            skin,
            zone_melanin=np.zeros_like(skin.zone_melanin),
            zone_blood=np.zeros_like(skin.zone_blood),
            zone_oxygen=np.zeros_like(skin.zone_oxygen),
            blotches=np.zeros_like(skin.blotches),
            tilt=np.zeros_like(skin.tilt),
            vessels=0.0,
            pores=0.0,
            sun=0.0,
            veins=0.0,
            shadow=0.0,
            marks=replace(skin.marks, spots=skin.marks.spots[:0], streaks=skin.marks.streaks[:0]),
            lines=skin.lines[:0],
            patch=None,
        ),
    )


def hairless(person: Person) -> Person:
    """Bald and shaven."""
    shaven = replace(person.beard, style="none", density=0.0)
    return replace(person.with_hair(BALD), beard=shaven, skin=replace(person.skin, shadow=0.0))


def unadorned(person: Person) -> Person:
    """In clothes and nothing else."""
    worn = Wardrobe(clothes=person.wardrobe.clothes)
    return replace(person, makeup=None, glasses=None, wardrobe=worn)


def still(shot: Shot) -> Shot:
    """A face at rest that looks straight ahead."""
    return replace(shot, expression=np.zeros_like(shot.expression), tongue=(0, 0, 0), gaze=(0, 0))


def frontal(shot: Shot) -> Shot:
    """A head that is upright and faces the camera."""
    return replace(shot, head=(0.0, 0.0, 0.0), bearing=(0.0, 0.0, 0.0))


def studio(shot: Shot) -> Shot:
    """In plain light."""
    plain = Shot()
    return replace(shot, light=plain.light, lighting=plain.lighting)


def faultless(shot: Shot) -> Shot:
    """With a camera that only exposes."""
    return replace(shot, sensor=replace(Sensor.clean(), auto=EXPOSED))


PEOPLE: dict[str, Callable[[Person], Person]] = {
    "skin": plain_skin,
    "hair": hairless,
    "things": unadorned,
}
SHOTS: dict[str, Callable[[Shot], Shot]] = {
    "light": studio,
    "expression": still,
    "pose": frontal,
    "sensor": faultless,
}
DAYS = "days"
CONTROLS = (*PEOPLE, *SHOTS, DAYS)


def check(names: Collection[str]) -> None:
    """Raises ChoiceError for a name that is none of CONTROLS."""
    for name in names:
        if name not in CONTROLS:
            raise ChoiceError("what is left out", CONTROLS, name)


def person_without(person: Person, names: Collection[str]) -> Person:
    """The person without these of CONTROLS."""
    for name, change in PEOPLE.items():
        if name in names:
            person = change(person)
    return person


def shot_without(shot: Shot, names: Collection[str]) -> Shot:
    """The picture taken without these of CONTROLS."""
    for name, change in SHOTS.items():
        if name in names:
            shot = change(shot)
    return shot
