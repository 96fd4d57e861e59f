"""Pictures for liveness: half show a person, half a print, a screen or a paper mask of one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Floats
from fusiform.lab.world.labels import Photo, photograph
from fusiform.lab.world.person import Person
from fusiform.lab.world.presentation import KINDS, Attack, locate, present
from fusiform.lab.world.shot import Shot

LIVE = 0.5  # share of pictures that show the person
WHO = ("provenance", "seed", "person", "ancestry", "main_ancestry", "male", "age", "weight")
SETS = ("points5", "points68", "points106", "points478")


def kind_of(shot: Shot) -> str:
    """What a shot is to be: "" for live, or one of `presentation.KINDS`, each as often."""
    stream = rng(shot.seed, "attack")
    lot, kind = stream.random(), int(stream.integers(len(KINDS)))
    return "" if lot < LIVE else KINDS[kind]


def attack_photo(
    person: Person, shot: Shot, kind: str, wearer: Person, arrays: Collection[str]
) -> Photo:
    """A photo of an attack with the picture of `person` that `shot` makes; its `arrays` as asked.

    `wearer` stands behind a paper mask, in the same pose and light, so that eyes look through.
    """
    source = photograph(person, shot, maps=False)
    behind = photograph(wearer, shot, maps=False).image if kind == "mask" else None
    stream = rng(shot.seed, "presentation")
    attack = present(source.image, kind, stream, source.arrays["points5"][:2], behind)
    known = attack_arrays(source, attack)
    kept = known if "depth" in arrays else {n: a for n, a in known.items() if n in arrays}
    return Photo(attack.image, kept, attack_facts(source, attack, known["points5"]))


def attack_arrays(source: Photo, attack: Attack) -> dict[str, NDArray[Any]]:
    """What is known of the attack: `corners`, `homography`, `depth` and `mask` of the sheet, and
    the points of the face on it, (k, 2) each, in the pixels of the attack's picture."""
    points = {name: locate(attack, source.arrays[name]).astype(np.float32) for name in SETS}
    return points | {
        "corners": attack.corners,
        "homography": attack.homography,
        "depth": attack.depth,
        "mask": attack.mask,
    }


def attack_facts(source: Photo, attack: Attack, points: Floats) -> dict[str, Any]:
    """Facts of an attack. `source`: the facts of the picture on the sheet, in its own pixels."""
    x1, y1, x2, y2 = source.facts["box"]
    around = locate(attack, [(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    box = np.concatenate([around.min(axis=0), around.max(axis=0)])
    return {
        **{name: source.facts[name] for name in WHO},
        "live": False,
        "box": np.round(box, 3).tolist(),
        "points5": np.round(points, 3).tolist(),
        "attack": {
            "kind": attack.kind,
            "corners": np.round(attack.corners, 3).tolist(),
            "homography": attack.homography.tolist(),
            "parameters": attack.parameters,
        },
        "source": source.facts,
    }
