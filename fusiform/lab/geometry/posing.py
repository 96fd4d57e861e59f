"""From coefficients to a posed head: shape, expression, closing lids and lips, joints, eyes.

The torch twin with the same formulas, differentiable, is `posing_torch`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Floats, Head, Seam
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.mesh import Doubles, Numbers

# How a turn of the head is shared by the neck's joints and the skull.
TURN_SHARE = {"neck_low": 0.2, "neck_mid": 0.2, "neck_high": 0.25, "skull": 0.35}
BLINKS = {"left_lids": "eyeBlinkLeft", "right_lids": "eyeBlinkRight"}
UPPER_LID_SHARE = 0.85
PULLS = 2  # stations of a lower edge lie between vertices: the first pull leaves a tenth
LID_THICKNESS = 0.0004  # between eyeball and the outer skin of a lid, metres
RIM_CLEARANCE = 0.0011  # the rims are the lids' outer edges
RIM_BAND = 0.005  # the lid margin within this of the eye's middle rests on the ball


@dataclass(frozen=True)
class Rest:
    """One person, neutral and unposed: `vertices` (n, 3), `joints` (6, 3), `eyes` (2, 3)."""

    vertices: Floats
    joints: Floats
    eyes: Floats


@dataclass(frozen=True)
class Pose:
    """`expression` (52,) weights; `turn` (3, 3): the head's rotation against the torso; `torso`
    (3, 3): that of the whole bust, about where the neck begins; `gaze`
    (2, 2): yaw and pitch of the left and right eye in degrees, in the skull's axes, yaw > 0 to the
    subject's left, pitch > 0 down; `jaw` (3,): a rotation vector on top of the expression's."""

    expression: Floats
    turn: Floats = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    gaze: Floats = field(default_factory=lambda: np.zeros((2, 2), np.float32))
    jaw: Floats = field(default_factory=lambda: np.zeros(3, np.float32))
    torso: Floats = field(default_factory=lambda: np.eye(3, dtype=np.float32))


@dataclass(frozen=True)
class Posed:
    """`vertices` (n, 3); `skull` and `jaw` (3, 4): rest to posed; `eyes` (2, 3) centres and
    `eye_turns` (2, 3, 3) rest to posed; `openness` (n,) share of the sky each vertex sees."""

    vertices: Floats
    skull: Floats
    jaw: Floats
    eyes: Floats
    eye_turns: Floats
    openness: Floats


def rest(head: Head, coefficients: Floats) -> Rest:
    """The person with these shape coefficients (up to k, unit variance each).

    Lips touch on a resting face, however the shape has moved them.
    """
    vertices = head.shape(coefficients)
    part_lips(head.seams["lips"], vertices, 0)
    return Rest(
        vertices, head.joints(coefficients), seated(head, vertices, head.eyes(coefficients))
    )


def seated(head: Head, vertices: Floats, eyes: Floats) -> Floats:
    """Eye centres (2, 3) moved along z until the lids' middles rest on balls of `eye_radius`."""
    out = eyes.copy()
    for side in range(2):
        rim = vertices[head.rims[side]]
        band = rim[np.abs(rim[:, 0] - eyes[side, 0]) < RIM_BAND]
        reach = head.eye_radius + RIM_CLEARANCE
        flat = np.sum((band[:, :2] - eyes[side, :2]) ** 2, axis=1)
        depth = band[:, 2] - np.sqrt(np.maximum(reach**2 - flat, 0))
        out[side, 2] = depth.mean()
    return out


def express(head: Head, person: Rest, expression: Floats) -> Floats:
    """Unposed vertices (n, 3) under `expression` (52,): linear, then lids and lips made to close.

    Blendshapes are learned on the mean head, so a full blink would miss or cross on others.
    Here the gap between facing stations of the two lids is made (1 - blink) times what it is
    without the blink, exactly and on every head; lids are kept outside the eyeballs; lips touch at
    rest, never cross, and meet where mouthClose cancels jawOpen.
    """
    names = head.expression_names
    weights = expression.copy()
    for blink in BLINKS.values():
        weights[names.index(blink)] = 0
    open_ = person.vertices + combined(head.expressions, weights)
    out = open_ + combined(head.expressions, expression - weights)
    for seam, blink in BLINKS.items():
        amount = expression[names.index(blink)]
        if amount > 0:
            wanted = (1 - amount) * gap(head.seams[seam], open_)
            pull(head.seams[seam], out, wanted, UPPER_LID_SHARE)
    close_lips(head, out, expression)
    for side in range(2):
        clear_eyeball(head, out, side, person.eyes[side])
    return out


def combined(fields: Floats, weights: Floats) -> Floats:
    """Sum of the fields (j, n, 3) times weights (j,), skipping those of weight 0."""
    used = np.nonzero(weights)[0]
    flat = _combined(fields.reshape(len(fields), -1), np.asarray(weights, np.float32), used)
    return flat.reshape(fields.shape[1:])


@kernel
def _combined(fields: Floats, weights: Floats, used: NDArray[np.int64]) -> Floats:
    out = np.zeros(fields.shape[1], np.float32)
    for j in used:
        for i in range(len(out)):
            out[i] += weights[j] * fields[j, i]
    return out


def gap(seam: Seam, vertices: Floats) -> Floats:
    """Vectors (s, 3) from each station of the lower edge to the one it faces."""
    return np.asarray((seam.upper - seam.lower) @ vertices[seam.vertices], np.float32)


def pull(seam: Seam, vertices: Floats, wanted: Floats, upper_share: float) -> None:
    """Move the seam's surroundings, in place, until the gaps are `wanted` (s, 3)."""
    mixed = upper_share * seam.pull_upper - (1 - upper_share) * seam.pull_lower
    for _ in range(PULLS):
        vertices[seam.vertices] += mixed @ (wanted - gap(seam, vertices))


def close_lips(head: Head, vertices: Floats, expression: Floats) -> None:
    """Uncross the lips, in place, and seal them as far as mouthClose cancels jawOpen."""
    names = head.expression_names
    jaw, closing = expression[names.index("jawOpen")], expression[names.index("mouthClose")]
    seal = min(1.0, float(closing) / float(jaw)) if jaw > 1e-3 else 0.0
    part_lips(head.seams["lips"], vertices, 1 - seal)


def part_lips(lips: Seam, vertices: Floats, share: float) -> None:
    """Make the lips' vertical gaps, in place, `share` of what they are, and never below 0."""
    wanted = gap(lips, vertices)
    wanted[:, 1] = np.maximum(wanted[:, 1] * share, 0)
    pull(lips, vertices, wanted, 0.5)


def clear_eyeball(head: Head, vertices: Floats, side: int, centre: Floats) -> None:
    """Push lid vertices, in place, out of the eyeball plus a lid's thickness."""
    lids = head.extra[f"lids_{'lr'[side]}"]
    away = vertices[lids] - centre
    far = np.linalg.norm(away, axis=1, keepdims=True)
    least = head.eye_radius + LID_THICKNESS
    inside = (far < least) & (away[:, 2:] > 0)
    vertices[lids] = np.where(inside, centre + away * (least / far), vertices[lids])


def pose(head: Head, person: Rest, state: Pose) -> Posed:
    """Expression, then linear blend skinning by the joints; eyes turned by the gaze."""
    local = express(head, person, state.expression)
    transforms = joint_transforms(person, state)
    blended = np.tensordot(head.skinning, transforms, axes=1)  # (n, 3, 4)
    vertices = np.einsum("nij,nj->ni", blended[:, :, :3], local) + blended[:, :, 3]
    skull = transforms[4]
    turns = np.stack([skull[:, :3] @ eye_turn(*state.gaze[side]) for side in range(2)])
    change = state.expression @ head.openness_change
    return Posed(
        vertices.astype(np.float32),
        skull,
        jaw_transform(head, person, state, skull),
        moved(skull, person.eyes),
        turns.astype(np.float32),
        np.clip(head.openness + change, 0.02, 1).astype(np.float32),
    )


def joint_transforms(person: Rest, state: Pose) -> Floats:
    """Rest-to-posed transforms (6, 3, 4) of JOINTS, for the skin.

    What an expression does to the jaw's skin is in its displacement; only `state.jaw` turns here.
    """
    whole = rotation_vector(state.turn)
    out = [about(state.torso, person.joints[1])]
    for index, share in enumerate(TURN_SHARE.values(), start=1):
        out.append(out[-1] @ about(rotation(whole * share), person.joints[index]))
    out.append(out[-1] @ about(rotation(state.jaw), person.joints[5]))
    return np.stack(out)[:, :3].astype(np.float32)


def jaw_transform(head: Head, person: Rest, state: Pose, skull: Floats) -> Floats:
    """Rest to posed (3, 4) of the bone: lower teeth and tongue go with it."""
    chin = about(rotation(state.expression @ head.jaw_turn + state.jaw), person.joints[5])
    return np.asarray(skull @ chin, np.float32)


def about(turn: Numbers, centre: Floats) -> Doubles:
    """Rotation about a point as (4, 4)."""
    out = np.eye(4)
    out[:3, :3] = turn
    out[:3, 3] = centre - turn @ centre
    return out


def moved(transform: Floats, points: Floats) -> Floats:
    """Points (k, 3) under a (3, 4) transform."""
    return np.asarray(points @ transform[:, :3].T + transform[:, 3], np.float32)


def eye_turn(yaw: float, pitch: float) -> Doubles:
    """Rotation (3, 3) that takes +z to the gaze of these angles (degrees)."""
    left, down = np.radians(yaw), np.radians(pitch)
    sideways, downwards = np.array([0.0, left, 0.0]), np.array([down, 0.0, 0.0])
    return np.asarray(rotation(sideways) @ rotation(downwards))


def rotation(vector: Numbers) -> Doubles:
    """Rotation matrix (3, 3) of a rotation vector (3,), radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = np.asarray(vector, np.float64) / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def rotation_vector(turn: Numbers) -> Doubles:
    """Rotation vector (3,) of a rotation matrix; angles below pi."""
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine, cosine = float(np.linalg.norm(axis)) / 2, (float(np.trace(turn)) - 1) / 2
    angle = float(np.arctan2(sine, cosine))
    return np.asarray(axis * (0.5 if sine < 1e-12 else angle / (2 * sine)), np.float64)
