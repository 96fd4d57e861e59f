"""A person with a part of another's face, all else left as it is.

>>> with_part(person, donor, "nose")

A shape component moves the whole head, so a part is moved by the mix of components that comes
nearest to moving it alone: within it about as on the donor, elsewhere by a few tenths of a
millimetre.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, load_head
from fusiform.lab.world.person import Person

MASKS = {"nose": "nose", "mouth": "lips", "eyes": "eyelid", "brows": "brow"}  # of the head model
PARTS = tuple(MASKS)
BESIDE = 0.2  # weight of what is neither face nor ears
STIFF = 1e-2  # of the fit, against its mean diagonal: coefficients stay within what people have


def with_part(person: Person, donor: Person, part: str) -> Person:
    """`person` with the `part` (of PARTS) of `donor`: its shape, and with the eyes their colours,
    with the mouth the colour of the lips, with the brows their hairs. Raises ChoiceError for
    another part."""
    if part not in PARTS:
        raise ChoiceError("part", PARTS, part)
    fit, own = local(part), person.bones.own.copy()
    own[: len(fit)] += fit @ (donor.bones.own - own)[: len(fit)]
    new = replace(person, bones=replace(person.bones, own=own))
    if part == "brows":
        return replace(new, brows=donor.brows)
    if part == "eyes":
        return replace(new, eyes=donor.eyes)
    if part == "mouth":
        return replace(new, skin=replace(person.skin, lips=donor.skin.lips))
    return new


@cache
def local(part: str) -> Floats:
    """Takes a difference of two people's own coefficients to the one `(k, k)` that moves the part
    alike and the rest of the face least, by ridge regression over the vertices."""
    head = load_head()
    spread = head.extra["own_spread"]
    moves = np.tensordot(spread.T, head.shape.rows, axes=1).astype(float)
    inside = np.clip(head.masks[MASKS[part]], 0, 1)[None, :, None]
    face = np.maximum(head.masks["front"], head.masks["ears"])[None, :, None] > 0.5
    weight = np.where(face, np.maximum(inside, 1 - inside), BESIDE)
    rows, wanted = ((move * weight).reshape(len(spread), -1) for move in (moves, moves * inside))
    square = rows @ rows.T
    stiff = STIFF * np.trace(square) / len(square) * np.eye(len(square))
    return np.linalg.solve(square + stiff, rows @ wanted.T).astype(np.float32)
