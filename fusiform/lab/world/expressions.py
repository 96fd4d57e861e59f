"""What a face can do: 52 blendshape weights, facial action units, and named expressions.

The blendshapes are the 52 of ARKit (`ARFaceAnchor.BlendShapeLocation`), in alphabetical order;
left means the subject's left. Action units (AU) are those of the Facial Action Coding System,
Ekman, Friesen and Hager 2002. An expression is an array (52,) of weights 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.least_squares import non_negative

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

ARKIT = (
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight"),
    *("eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight"),
    *("eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft"),
    *("jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight"),
    *("mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft"),
    *("mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight"),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
INDEX: Mapping[str, int] = MappingProxyType({name: i for i, name in enumerate(ARKIT)})
SHAPES = len(ARKIT)


def _other_side(name: str) -> str:
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


MIRROR = np.array([INDEX[_other_side(name)] for name in ARKIT])
SIDE = np.array([name.endswith("Left") * 1 - name.endswith("Right") * 1 for name in ARKIT])

# id: (name, weights at intensity 1). A name without Left or Right means that side of the unit,
# or both. AU 11, 13, 21, 38 and 39 have no blendshape of their own and are left out.
FACS: Mapping[str, tuple[str, Mapping[str, float]]] = MappingProxyType(
    {
        "1": ("inner brow raiser", {"browInnerUp": 1.0}),
        "2": ("outer brow raiser", {"browOuterUp": 1.0}),
        "4": ("brow lowerer", {"browDown": 1.0}),
        "5": ("upper lid raiser", {"eyeWide": 1.0}),
        "6": ("cheek raiser", {"cheekSquint": 1.0, "eyeSquint": 0.25}),
        "7": ("lid tightener", {"eyeSquint": 1.0}),
        "8": ("lips toward each other", {"mouthClose": 1.0}),
        "9": ("nose wrinkler", {"noseSneer": 1.0, "browDown": 0.15}),
        "10": ("upper lip raiser", {"mouthUpperUp": 1.0, "noseSneer": 0.15}),
        "12": ("lip corner puller", {"mouthSmile": 1.0}),
        "14": ("dimpler", {"mouthDimple": 1.0}),
        "15": ("lip corner depressor", {"mouthFrown": 1.0}),
        "16": ("lower lip depressor", {"mouthLowerDown": 1.0}),
        "17": ("chin raiser", {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.35}),
        "18": ("lip pucker", {"mouthPucker": 1.0}),
        "19": ("tongue show", {"tongueOut": 1.0, "jawOpen": 0.35}),
        "20": ("lip stretcher", {"mouthStretch": 1.0}),
        "22": ("lip funneler", {"mouthFunnel": 1.0}),
        "23": ("lip tightener", {"mouthPress": 0.5, "mouthRollLower": 0.3, "mouthPucker": 0.1}),
        "24": ("lip pressor", {"mouthPress": 1.0}),
        "25": ("lips part", {"mouthLowerDown": 0.35, "mouthUpperUp": 0.25, "jawOpen": 0.05}),
        "26": ("jaw drop", {"jawOpen": 1.0}),
        "27": ("mouth stretch", {"jawOpen": 1.0, "mouthStretch": 0.2, "mouthLowerDown": 0.3}),
        "28": ("lip suck", {"mouthRollLower": 1.0, "mouthRollUpper": 1.0}),
        "29": ("jaw thrust", {"jawForward": 1.0}),
        "34": ("cheek puff", {"cheekPuff": 1.0}),
        "43": ("eye closure", {"eyeBlink": 1.0}),
        "63": ("eyes up", {"eyeLookUp": 1.0}),
        "64": ("eyes down", {"eyeLookDown": 1.0}),
    }
)
# Units that have no left and right half, and those whose halves go opposite ways.
WHOLE_UNITS = frozenset("1 8 17 18 19 22 23 26 27 28 29 34".split())
# These have no shape of their own, only those of other units: accepted, never given back.
MADE_OF_OTHERS = frozenset({"25L", "25R", "27"})
_SIDEWAYS = {
    "30L": ("jaw sideways", {"jawLeft": 1.0}),
    "30R": ("jaw sideways", {"jawRight": 1.0}),
    "61": ("eyes left", {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}),
    "62": ("eyes right", {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0}),
}


def vector(weights: Mapping[str, float]) -> Floats:
    """Weights (52,) float32 from names; one without its Left or Right means both sides.

    Raises ChoiceError for an unknown name or a weight outside 0..1.
    """
    out = np.zeros(SHAPES, np.float32)
    for name, weight in weights.items():
        if not 0 <= weight <= 1:
            raise ChoiceError(f"weight of {name}", "0 to 1", weight)
        for full in _sides(name):
            out[INDEX[full]] = weight
    return out


def weights(expression: Floats, smallest: float = 1e-4) -> dict[str, float]:
    """The names and weights of an expression (52,) that are above `smallest`."""
    return {n: float(w) for n, w in zip(ARKIT, expression, strict=True) if w > smallest}


def mirror(expression: Floats) -> Floats:
    """Expressions (..., 52) with left and right exchanged."""
    return np.asarray(expression)[..., MIRROR]


def join(first: Floats, second: Floats) -> Floats:
    """Two expressions (..., 52) at once: `1 - (1 - a)(1 - b)`, smooth and never above 1."""
    return first + second - first * second


def _sides(name: str) -> tuple[str, ...]:
    if name in INDEX:
        return (name,)
    if name + "Left" in INDEX:
        return (name + "Left", name + "Right")
    raise ChoiceError("blendshape", ARKIT, name)


def _column(shapes: Mapping[str, float], side: str) -> NDArray[np.float64]:
    column = np.zeros(SHAPES)
    for name, weight in shapes.items():
        full = _sides(name)
        if len(full) == 1 and side:
            # a whole-mouth shape inside a one-sided unit: each side brings half
            column[INDEX[name]] = weight / 2
        else:
            for n in full:
                column[INDEX[n]] = weight * (not side or n.endswith(side))
    return column


def _columns() -> dict[str, NDArray[np.float64]]:
    columns = {}
    for unit, (_, shapes) in FACS.items():
        if unit in WHOLE_UNITS:
            columns[unit] = _column(shapes, "")
        else:
            columns[unit + "L"] = _column(shapes, "Left")
            columns[unit + "R"] = _column(shapes, "Right")
    return columns | {unit: _column(shapes, "") for unit, (_, shapes) in _SIDEWAYS.items()}


_COLUMNS = _columns()
UNITS = tuple(_COLUMNS)  # "1", "2L", "2R", ...
BASIS = tuple(unit for unit in UNITS if unit not in MADE_OF_OTHERS)
BASIS_SHAPES = np.stack([_COLUMNS[unit] for unit in BASIS])  # (len(BASIS), 52), full rank
BASIS_GRAM = BASIS_SHAPES @ BASIS_SHAPES.T


def from_action_units(units: Mapping[str, float]) -> Floats:
    """The expression (52,) of action units at intensities 0..1 ("12" both sides, "12L" the left).

    Weights add up and are cut at 1. Raises ChoiceError for an unknown unit or intensity.
    """
    out = np.zeros(SHAPES)
    for unit, intensity in units.items():
        halves = [unit] if unit in _COLUMNS else [unit + "L", unit + "R"]
        if halves[0] not in _COLUMNS:
            raise ChoiceError("action unit", UNITS, unit)
        if not 0 <= intensity <= 1:
            raise ChoiceError(f"intensity of AU {unit}", "0 to 1", intensity)
        out += intensity * sum(_COLUMNS[half] for half in halves)
    return np.minimum(out, 1).astype(np.float32)


def to_action_units(expression: Floats, smallest: float = 1e-3) -> dict[str, float]:
    """The action units, 0..1, that together come nearest to an expression (52,).

    Non-negative least squares (active set, Lawson and Hanson 1974, ch. 23), so it undoes
    `from_action_units` wherever that cut nothing; 25 and 27 come back as the units they are made
    of. Units below `smallest` are left out.
    """
    solution = non_negative(BASIS_GRAM, BASIS_SHAPES @ np.asarray(expression, np.float64))
    found = zip(BASIS, np.minimum(solution, 1), strict=True)
    return {unit: float(x) for unit, x in found if x > smallest}


# Full strength of each; the recipes follow the AU tables of EMFACS (Friesen and Ekman 1983).
_RECIPES: dict[str, str] = {
    "neutral": "",
    "happy": "12 .75 6 .55 25 .15",
    "open smile": "12 .9 6 .75 25 .8 26 .18 7 .15",
    "polite smile": "12 .5 14 .15 24 .1",
    "smirk": "12L .7 14L .35 12R .08 7L .15",
    "laugh": "12 1 6 .9 25 .9 26 .55 7 .3 1 .15",
    "sad": "1 .95 4 .45 15 .75 17 .4 64 .25",
    "crying": "1 .75 4 .6 6 .6 7 .5 15 .8 17 .5 20 .4 25 .4 26 .2",
    "angry": "4 .95 5 .3 7 .6 23 .6 24 .35",
    "rage": "4 1 5 .55 7 .5 9 .55 10 .75 16 .7 20 .35 26 .5",
    "surprised": "1 .9 2 .9 5 .75 26 .5",
    "astonished": "1 1 2 1 5 1 26 .85",
    "fearful": "1 .9 2 .45 4 .45 5 .9 20 .65 25 .5 26 .25",
    "disgust": "9 .85 10 .55 4 .4 15 .3 17 .25 7 .3",
    "contempt": "12R .3 14R .65 2R .15",
    "thinking": "4L .35 2R .4 18 .15 23 .3 63 .3 61 .25",
    "tired": "43 .35 1 .2 15 .2 26 .05",
    "sleepy": "43 .65 1 .25 26 .15 15 .1",
    "asleep": "43 1 26 .06",
    "yawn": "27 .9 43 .7 6 .4 4 .25 9 .15",
    "wink left": "43L 1 6L .6 12L .4 12R .15 4L .2",
    "wink right": "43R 1 6R .6 12R .4 12L .15 4R .2",
    "kiss": "18 .9 22 .25 43 .1",
    "cheek puff": "34 1 24 .4",
    "tongue out": "19 .9 26 .1 16 .3",
    "pain": "4 .8 6 .75 7 .8 9 .4 10 .5 20 .4 43 .5 25 .3",
    "shout": "27 .85 4 .6 7 .4 10 .5 16 .4",
    "squint": "7 .9 6 .4 4 .45",
    "sceptical": "2L .85 4R .5 14R .35 24 .25 17 .2",
    "pout": "17 .6 18 .5 22 .25 4 .25 1 .2",
    "grimace": "20 .95 16 .55 10 .3 4 .2 7 .25",
    "bored": "43 .3 15 .2 14L .2 62 .2",
    "confused": "4 .5 1 .35 7 .25 15L .25 20R .2 25 .15",
    "determined": "4 .55 7 .35 24 .55 17 .3",
    "worried": "1 .8 4 .4 20 .2 24 .25",
    "whistle": "18 .95 22 .5 26 .04",
    "lip bite": "28 .5 26 .08 12L .2",
    "nose wrinkle": "9 .9 10 .25 7 .3",
    "brow raise": "1 .8 2 .8 5 .15",
}


def _recipe(text: str) -> Floats:
    words = text.split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return from_action_units({unit: float(value) for unit, value in pairs})


EXPRESSIONS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {name: MappingProxyType(weights(_recipe(text))) for name, text in _RECIPES.items()}
)
# The eight classes of affect data sets, for the expressions that show one of them plainly.
CATEGORY: Mapping[str, str] = MappingProxyType(
    {
        **{"neutral": "neutral", "happy": "happiness", "open smile": "happiness"},
        **{"laugh": "happiness", "polite smile": "happiness", "sad": "sadness"},
        **{"crying": "sadness", "angry": "anger", "rage": "anger", "surprised": "surprise"},
        **{"astonished": "surprise", "fearful": "fear", "disgust": "disgust"},
        "contempt": "contempt",
    }
)


def named(name: str, strength: float = 1.0) -> Floats:
    """A named expression (52,) at `strength` 0..1. Raises ChoiceError for an unknown name."""
    if name not in EXPRESSIONS:
        raise ChoiceError("expression", EXPRESSIONS, name)
    if not 0 <= strength <= 1:
        raise ChoiceError("strength", "0 to 1", strength)
    return vector(EXPRESSIONS[name]) * np.float32(strength)


# Shapes that may stir a little by themselves: not gaze, lids, tongue, nor the jaw to a side.
STRAYS = np.array([name.startswith(("brow", "cheekSq", "mouth", "nose")) for name in ARKIT])


def sample_expression(rng: np.random.Generator, strength: float = 1.0) -> Floats:
    """A random expression (52,): one named, or two mixed; uneven sides, a little of its own.

    `strength` 0..1 scales it all; 0 is a neutral face. Raises ChoiceError outside 0..1.
    """
    if not 0 <= strength <= 1:
        raise ChoiceError("strength", "0 to 1", strength)
    names = list(EXPRESSIONS)
    first, second = rng.choice(len(names), 2, replace=False)
    share = rng.uniform(0.2, 0.5) if rng.random() < 0.35 else 0.0
    mixed = (1 - share) * vector(EXPRESSIONS[names[first]])
    mixed = mixed + share * vector(EXPRESSIONS[names[second]])
    if rng.random() < 0.5:
        mixed = mirror(mixed)
    level = strength * rng.beta(3.0, 1.6)
    personal = rng.lognormal(0.0, 0.15, SHAPES)
    stray = rng.random(SHAPES) ** 12 * 0.25 * strength * STRAYS
    lopsided = uneven((mixed * level * personal).astype(np.float32), float(rng.normal(0.0, 0.12)))
    return possible(join(lopsided, (stray * (lopsided < 0.02)).astype(np.float32)))


def uneven(expression: Floats, asymmetry: float) -> Floats:
    """Expressions (..., 52) stronger on the left (`asymmetry` > 0) or right, -1..1; cut at 1."""
    scale = (1 + np.clip(asymmetry, -1, 1) * SIDE).astype(np.float32)
    return np.asarray(np.clip(expression * scale, 0, 1), np.float32)


# One of each pair rules the other out; the larger weight wins and the other gives way to it.
_RIVALS = (
    *(("eyeBlinkLeft", "eyeWideLeft"), ("eyeBlinkRight", "eyeWideRight"), ("jawLeft", "jawRight")),
    *(("mouthLeft", "mouthRight"), ("eyeLookUpLeft", "eyeLookDownLeft")),
    *(("eyeLookUpRight", "eyeLookDownRight"), ("eyeLookInLeft", "eyeLookOutLeft")),
    *(("eyeLookInRight", "eyeLookOutRight"), ("mouthPucker", "mouthStretchLeft")),
    *(("mouthPucker", "mouthStretchRight"), ("mouthRollLower", "mouthFunnel")),
    *(("cheekPuff", "jawOpen"), ("tongueOut", "mouthPressLeft"), ("tongueOut", "mouthPressRight")),
)


def possible(expression: Floats) -> Floats:
    """An expression (52,) without what no face can do: rivals, a tongue through closed teeth.

    Eyes look the same way; the lips never close by more than the jaw opens.
    """
    out = np.clip(expression, 0, 1).astype(np.float32)
    for look in ("eyeLookUp", "eyeLookDown"):
        out[[INDEX[n] for n in _sides(look)]] = out[[INDEX[n] for n in _sides(look)]].mean()
    for way in (("OutLeft", "InRight"), ("InLeft", "OutRight")):
        pair = [INDEX["eyeLook" + side] for side in way]
        out[pair] = out[pair].mean()
    for a, b in _RIVALS:
        i, j = INDEX[a], INDEX[b]
        small, large = (i, j) if out[i] < out[j] else (j, i)
        out[small] *= max(0.0, 1 - 2 * float(out[large]))
    jaw, tongue, close = INDEX["jawOpen"], INDEX["tongueOut"], INDEX["mouthClose"]
    if out[tongue] > 0.05:
        out[jaw] = max(out[jaw], np.float32(0.25))
        out[close] = 0
    out[close] = min(out[close], out[jaw])
    return out


GAZE_LIMIT = 35.0  # degrees the eyes can turn in the head
FULL_LOOK = 30.0  # degrees that a full eyeLook shape stands for
LOOKS = np.array([name.startswith("eyeLook") for name in ARKIT])


def follow(gaze: Doubles, shut: Doubles) -> Floats:
    """Expressions (f, 52) of the eyes alone, for a `gaze` (f, 2) in the head: yaw > 0 to the
    left, pitch > 0 down, degrees. eyeLook shapes; blinks `shut` (f,) 0..1; and the upper lids,
    which go down and up with the gaze (Evinger, Manning and Sibony 1991)."""
    out = np.zeros((len(gaze), SHAPES))
    yaw, pitch = gaze.T
    ways = {"OutLeft": yaw, "InRight": yaw, "InLeft": -yaw, "OutRight": -yaw}
    ways |= {"DownLeft": pitch, "DownRight": pitch, "UpLeft": -pitch, "UpRight": -pitch}
    for way, angle in ways.items():
        out[:, INDEX["eyeLook" + way]] = np.minimum(_bend(angle, 1.0) / FULL_LOOK, 1)
    lowered = 0.012 * _bend(pitch, 5.0)[:, None]
    blink = np.asarray(shut)[:, None]
    out[:, [INDEX[n] for n in _sides("eyeBlink")]] = lowered + blink - lowered * blink
    out[:, [INDEX[n] for n in _sides("eyeWide")]] = (
        0.014 * _bend(-pitch, 5.0)[:, None] * (1 - blink)
    )
    return out.astype(np.float32)


def in_head(world: Doubles, head: Doubles) -> Doubles:
    """Gaze (f, 2) in head axes that looks along `world` (f, 2) from a head turned by `head`
    (f, 3): the vestibulo-ocular reflex, gain 1. All degrees."""
    (yaw, pitch), (turn, nod, roll) = np.radians(world).T, np.radians(head).T
    x, y, z = np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)
    x, z = x * np.cos(turn) - z * np.sin(turn), x * np.sin(turn) + z * np.cos(turn)
    y, z = y * np.cos(nod) + z * np.sin(nod), z * np.cos(nod) - y * np.sin(nod)
    x, y = x * np.cos(roll) + y * np.sin(roll), y * np.cos(roll) - x * np.sin(roll)
    out = np.stack([np.arctan2(x, z), -np.arcsin(np.clip(y, -1, 1))], axis=1)
    return np.asarray(np.degrees(out))


def gaze_of(expression: Floats) -> Floats:
    """The gaze (f, 2) that the eyeLook shapes of expressions (f, 52) ask for: yaw, pitch."""
    left = expression[:, INDEX["eyeLookOutLeft"]] - expression[:, INDEX["eyeLookInLeft"]]
    down = expression[:, INDEX["eyeLookDownLeft"]] - expression[:, INDEX["eyeLookUpLeft"]]
    return np.asarray(FULL_LOOK * np.stack([left, down], axis=1), np.float32)


def _bend(x: Doubles, soft: float) -> Doubles:
    """The positive part of `x` with a rounded corner."""
    positive = np.maximum(x, 0)
    return np.asarray(positive * positive / (positive + soft))
