"""From sounds to mouth shapes: phonemes to visemes, blended as real speech blends them.

The 15 visemes are those of the Oculus lip-sync set, itself a subset of MPEG-4 face animation
(ISO/IEC 14496-2). A sound's shape reaches into its neighbours: Cohen and Massaro 1993, "Modeling
coarticulation in synthetic visual speech", whose dominance functions are used here with a
Gaussian fall-off. Lip closures (p, b, m) are not blended but enforced.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.world.expressions import ARKIT, INDEX, SIDE, Floats, join, vector

Doubles = NDArray[np.float64]
Phoneme = tuple[str, float, float]  # symbol (IPA), start and end in seconds

VISEMES = tuple("sil PP FF TH DD kk CH SS nn RR aa E ih oh ou".split())
_AT = {name: i for i, name in enumerate(VISEMES)}

# Weights; a name without Left or Right means both. Tongue: out, up (back), tip up.
_SHAPES: tuple[tuple[dict[str, float], tuple[float, float, float]], ...] = (
    ({}, (0, 0, 0)),
    (
        {"jawOpen": 0.08, "mouthClose": 0.08, "mouthPress": 0.55, "mouthPucker": 0.1}
        | {"mouthRollLower": 0.12, "mouthRollUpper": 0.1},
        (0, 0, 0),
    ),
    ({"jawOpen": 0.07, "mouthRollLower": 0.5, "mouthUpperUp": 0.22}, (0, 0, 0)),
    ({"jawOpen": 0.17, "mouthStretch": 0.18, "mouthLowerDown": 0.15}, (0.45, 0, 0.25)),
    ({"jawOpen": 0.13, "mouthLowerDown": 0.2, "mouthStretch": 0.18}, (0, 0.15, 0.75)),
    ({"jawOpen": 0.2, "mouthStretch": 0.12, "mouthLowerDown": 0.08}, (0, 0.8, 0)),
    (
        {"jawOpen": 0.06, "mouthFunnel": 0.36, "mouthShrugUpper": 0.2, "mouthPucker": 0.1},
        (0, 0.3, 0.45),
    ),
    (
        {"jawOpen": 0.03, "mouthLowerDown": 0.35, "mouthStretch": 0.4, "mouthUpperUp": 0.15},
        (0, 0.1, 0.55),
    ),
    ({"jawOpen": 0.13, "mouthLowerDown": 0.16, "mouthStretch": 0.1}, (0, 0.1, 0.9)),
    ({"jawOpen": 0.1, "mouthFunnel": 0.28, "mouthPucker": 0.3}, (0, 0.35, 0.4)),
    (
        {"jawOpen": 0.6, "mouthLowerDown": 0.14, "mouthStretch": 0.1, "mouthUpperUp": 0.06},
        (0, 0, 0),
    ),
    (
        {"jawOpen": 0.3, "mouthStretch": 0.42, "mouthUpperUp": 0.16, "mouthLowerDown": 0.12},
        (0, 0.1, 0),
    ),
    (
        {"jawOpen": 0.17, "mouthSmile": 0.2, "mouthStretch": 0.35, "mouthLowerDown": 0.12},
        (0, 0.3, 0),
    ),
    ({"jawOpen": 0.38, "mouthFunnel": 0.2, "mouthPucker": 0.5}, (0, 0, 0)),
    ({"jawOpen": 0.12, "mouthFunnel": 0.18, "mouthPucker": 0.85}, (0, 0.1, 0)),
)
SHAPES = np.stack([vector(shapes) for shapes, _ in _SHAPES])  # (15, 52)
TONGUE = np.array([tongue for _, tongue in _SHAPES], np.float32)  # (15, 3)

# How much a viseme's lips insist on their shape against the neighbours', and how far they reach
# (seconds): rounding starts early, the tongue's consonants leave the lips to the vowels.
STRENGTH = np.array([1.0, 1.2, 2, 0.9, 0.6, 0.35, 1.9, 1.3, 0.5, 1.1, 1.3, 1, 1, 1.4, 2])
REACH = np.array([0.09, 0.03, 0.035, 0.05, 0.04, 0.05, 0.07, 0.05, 0.045, 0.07, *(5 * [0.07])])
REACH[_AT["ou"]], REACH[_AT["oh"]] = 0.09, 0.08
# The tongue sees it the other way round.
TONGUE_STRENGTH = np.array([0.5, 0.2, 0.2, 3, 2, 2, 1.5, 1.8, 2, 1.5, *(5 * [0.7])])
LONGEST_MARGIN = 0.04  # seconds of each end of a sound that belong to the transition
FLOOR = 0.004  # silence wins where no sound is near

# IPA letters: viseme and how fully it is reached. From the place and manner columns of the IPA
# chart (2015): lips, teeth, alveolar ridge, palate and behind; vowels by height and rounding.
_LETTERS: Mapping[str, str] = {
    "PP": "p b m ɓ ʙ ʘ ƥ β.6 ɸ.6",
    "FF": "f v ɱ ⱱ ʋ.7",
    "TH": "θ ð",
    "DD": "t d ʈ ɖ ɗ ᶑ ɾ.9 ɽ.9 r ǀ ǃ !",
    "kk": "k g ɡ c ɟ q ɢ ʄ ɠ ʛ ŋ ɴ x.9 ɣ.9 χ.9 ʁ.9 ʀ.9 ħ.6 ʕ.6 h.4 ɦ.4 ʔ.3 ʜ.5 ʢ.5 ʡ.4 ɰ.8",
    "CH": "ʃ ʒ ɕ ʑ ʂ ʐ ɧ ǂ ʧ ʤ ʨ ʥ",
    "SS": "s z ʦ ʣ",
    "nn": "n ɲ ɳ l ɫ ɭ ʎ ʟ ɬ ɮ ɺ ǁ",
    "RR": "ɹ ɻ ɚ ɝ",
    "aa": "a ɑ ä æ.85 ɐ.7 ʌ.7 ɶ",
    "E": "e.9 ɛ ε ə.55 ɜ.75 ɘ.6 ɤ.8",
    "ih": "i ɪ.8 ɨ.7 ɯ.7 ᵻ.6 j.9 ç.7 ʝ.8",
    "oh": "o ɔ ɒ.9 œ.8 ɵ.8 ɞ.7",
    "ou": "u ʊ.75 ʉ y.95 ʏ.8 ø.75 w ɥ ʍ",
}


def _letters() -> dict[str, tuple[int, float]]:
    out = {}
    for viseme, row in _LETTERS.items():
        for item in row.split():
            out[item[0]] = (_AT[viseme], float(item[1:] or 1))
    return out


LETTERS: Mapping[str, tuple[int, float]] = MappingProxyType(_letters())
# An affricate is one gesture, not a stop and then a hiss; the rest are spellings of espeak-ng.
_REWRITES = (
    *(("tʃ", "ʃ"), ("dʒ", "ʒ"), ("tɕ", "ɕ"), ("dʑ", "ʑ"), ("tʂ", "ʂ"), ("dʐ", "ʐ"), ("ts.", "ʂ")),
    *(("s.", "ʂ"), ("ts", "s"), ("dz", "z"), ("sx", "ɧ"), ("r\u031d", "ʒ")),
)
_ASPIRATION = re.compile("(?<=[ptkqsɕʂʃ])h")
BILABIAL = frozenset("pbmɓʙʘƥ")
_SILENT = frozenset({"", "_", "_:", "|", "ˈ", "ˌ", "ː"})
# Stress, length, tones, Korean and Mandarin marks: no letters, no shapes of their own.
_MARKS = frozenset("ˈˌːˑ͜͡-.:;'ʰʲʷˠˤⁿˡᵝ˞0123456789˥˦˧˨˩")


def bare(symbol: str) -> str:
    """A phoneme without stress, length, tone and diacritics: its letters alone, affricates one."""
    text = symbol.strip()
    for spelling, letter in _REWRITES:
        text = text.replace(spelling, letter)
    kept = "".join(c if c in LETTERS else unicodedata.normalize("NFD", c) for c in text)
    plain = "".join(c for c in kept if c not in _MARKS and not unicodedata.combining(c))
    return _ASPIRATION.sub("", plain)


def is_pause(symbol: str) -> bool:
    """Whether a symbol is a silence, or a note like "(en)" that the language changes."""
    return symbol in _SILENT or symbol.startswith("(")


def is_known(symbol: str) -> bool:
    """Whether every letter of a phoneme stands in the table, so that nothing is guessed."""
    return is_pause(symbol) or all(letter in LETTERS for letter in bare(symbol))


def visemes_of(symbol: str) -> tuple[tuple[int, float], ...]:
    """Index into VISEMES and how fully it is reached (0..1), in order of time; a pause is "sil".

    Diphthongs and clusters give several, a mark without a letter none. A letter missing from the
    table is taken for the plain Latin letter in its Unicode name, else for a sound made far back,
    which shows least.
    """
    if is_pause(symbol):
        return ((_AT["sil"], 1.0),)
    found = [_guess(letter) for letter in bare(symbol)]
    return tuple(v for i, v in enumerate(found) if i == 0 or v[0] != found[i - 1][0])


def _guess(letter: str) -> tuple[int, float]:
    if letter in LETTERS:
        return LETTERS[letter]
    words = unicodedata.name(letter, "").split()
    plain = next((w.lower() for w in words if len(w) == 1 and w.isalpha()), "")
    return LETTERS.get(plain, (_AT["kk"], 0.5))


@dataclass(frozen=True)
class Style:
    """How one person articulates: `amplitude` of it all, `jaw` and `lips` on top (1 = average,
    0.5..1.5 or so), `asymmetry` -1..1 (> 0: the left side moves more)."""

    amplitude: float = 1.0
    jaw: float = 1.0
    lips: float = 1.0
    asymmetry: float = 0.0


def sample_style(rng: np.random.Generator) -> Style:
    """A random person's way of speaking."""
    amplitude, jaw, lips = np.exp(rng.normal(0, (0.18, 0.15, 0.15))).clip(0.6, 1.5)
    return Style(float(amplitude), float(jaw), float(lips), float(rng.normal(0, 0.06)))


def coarticulate(
    phonemes: Sequence[Phoneme], times: Doubles, strength: Doubles = STRENGTH
) -> Floats:
    """Viseme weights (f, 15), rows sum to 1, at `times` (f,) ascending seconds.

    Each sound dominates by `strength * exp(-(distance / reach)^2)`, distance from its time less a
    margin at both ends; the weights are the shares of dominance (Cohen and Massaro 1993, eq. 1-3).
    Continuous with its first derivative in time. Before and after the phonemes is silence.
    """
    if not phonemes or not len(times):
        return np.eye(1, len(VISEMES), dtype=np.float32).repeat(len(times), axis=0)
    around = [("", -10.0, phonemes[0][1]), *phonemes, ("", phonemes[-1][2], times[-1] + 10.0)]
    rows = [
        (
            start + (end - start) * k / len(parts),
            start + (end - start) * (k + 1) / len(parts),
            *part,
        )
        for symbol, start, end in around
        for parts in (visemes_of(symbol),)
        for k, part in enumerate(parts)
    ]
    first, last, index, level = (np.array(column) for column in zip(*rows, strict=True))
    margin = np.minimum((last - first) / 4, LONGEST_MARGIN)
    inner = np.stack([first + margin, last - margin])
    out = np.zeros((len(times), len(VISEMES)))
    _add_dominance(out, times, inner, index.astype(int), level, strength)
    out[:, 0] += FLOOR
    return np.asarray(out / out.sum(axis=1, keepdims=True), np.float32)


def _add_dominance(
    out: Doubles,
    times: Doubles,
    inner: Doubles,
    index: NDArray[np.int_],
    level: Doubles,
    s: Doubles,
) -> None:
    """Add to `out` (f, 15), in place; sounds further than a second from a frame count nothing."""
    for start in range(0, len(times), 128):
        now = times[start : start + 128]
        near = slice(
            np.searchsorted(inner[1], now[0] - 1.0), np.searchsorted(inner[0], now[-1] + 1.0)
        )
        which, full = index[near], level[near]
        away = np.maximum(
            0, np.maximum(inner[0, near] - now[:, None], now[:, None] - inner[1, near])
        )
        power = s[which] * np.exp(-((away / REACH[which]) ** 2))
        block = out[start : start + 128]
        block += (power * full) @ np.eye(len(VISEMES))[which]
        block[:, 0] += (power * (1 - full)).sum(axis=1)


def ease(x: Doubles) -> Doubles:
    """0 to 1 over 0..1 at least jerk: `10 x^3 - 15 x^4 + 6 x^5` (Flash and Hogan 1985), cut."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * x * (10 + x * (6 * x - 15)))


def steps(
    times: Doubles,
    onsets: Doubles,
    lengths: Doubles,
    changes: Doubles,
    profile: Callable[[Doubles], Doubles],
) -> Doubles:
    """Sum (f, d) of `changes` (n, d), each made from its onset within its length (n,), along
    `profile` (0..1 to 0..1). `onsets` ascend and so must the ends."""
    total = np.concatenate([np.zeros((1, changes.shape[1])), np.cumsum(changes, axis=0)])
    out: Doubles = total[np.searchsorted(onsets + lengths, times, side="right")]
    for onset, length, change in zip(onsets, lengths, changes, strict=True):
        near = slice(*np.searchsorted(times, (onset, onset + length)))
        out[near] += profile((times[near, None] - onset) / length) * change
    return out


def wander(draw: np.random.Generator, times: Doubles, deviation: float, fastest: float) -> Doubles:
    """A smooth random curve (f,): twelve sines below `fastest` Hz, slower ones larger."""
    hertz = np.exp(draw.uniform(np.log(0.04), np.log(fastest), 12))
    size = hertz**-0.7 * draw.uniform(0.5, 1.5, 12)
    size *= deviation * np.sqrt(2 / (size**2).sum())
    phase = 2 * np.pi * draw.random(12)
    return np.asarray(np.sin(2 * np.pi * times[:, None] * hertz + phase) @ size)


RAMP = 0.05  # seconds the lips take to meet before a closure, and to part after it


def closure(spans: Sequence[tuple[float, float]], times: Doubles) -> Doubles:
    """How far the lips are shut (f,), 0..1, at `times`: 1 throughout each span (start, end).

    Between spans that are near each other the lips move faster, so that they do part.
    """
    open_ = np.ones(len(times))
    before, after = [-np.inf, *(end for _, end in spans)], [*(start for start, _ in spans), np.inf]
    for (start, end), last, following in zip(spans, before, after[1:], strict=False):
        meet, part = (
            float(np.clip(0.4 * room, 0.015, RAMP)) for room in (start - last, following - end)
        )
        near = slice(*np.searchsorted(times, (start - meet, end + part)))
        t = times[near]
        open_[near] *= 1 - ease((t - start) / meet + 1) * ease((end - t) / part + 1)
    return 1 - open_


def shut_lips(visemes: Floats, shut: Doubles) -> Floats:
    """Viseme weights (f, 15) that give way to PP as far as the lips are `shut` (f,)."""
    closed, target = np.asarray(shut)[:, None], np.eye(len(VISEMES))[_AT["PP"]]
    return np.asarray(visemes * (1 - closed) + closed * target, np.float32)


_JAW = np.array([name.startswith("jaw") or name == "mouthClose" for name in ARKIT])
_PARTING = [INDEX[n] for n in ARKIT if n.startswith(("mouthUpperUp", "mouthLowerDown"))]
_PARTING += [INDEX[n] for n in ("mouthFunnel", "tongueOut")]
_SPREAD = np.array([n.startswith(("mouthSmile", "mouthStretch", "mouthDimple")) for n in ARKIT])
_MOUTH = np.array([n.startswith(("mouth", "jaw", "tongue")) for n in ARKIT])


def articulate(
    visemes: Floats, shut: Doubles, style: Style | None = None, emotion: Floats | None = None
) -> Floats:
    """Expressions (f, 52) of viseme weights (f, 15), lips `shut` (f,) 0..1 (see `closure`).

    `emotion` (52,) or (f, 52) colours them: all of it above the mouth, part of it in the mouth,
    where rounding takes the smile back. Closed lips stay closed whatever the emotion.
    """
    style = style or Style()
    gain = style.amplitude * np.where(_JAW, style.jaw, style.lips)
    gain = gain * (1 + style.asymmetry * SIDE)
    speech: Floats = np.clip(visemes @ SHAPES * gain, 0, 1).astype(np.float32)
    if emotion is not None:
        rounding = np.clip(speech[:, [INDEX["mouthPucker"]]] * 1.2, 0, 1)
        share = np.where(_MOUTH, np.where(_JAW, 0.3, 0.6), 1.0) * (1 - 0.8 * rounding * _SPREAD)
        speech = join(speech, (share * emotion).astype(np.float32))
    return close_lips(speech, shut)


def close_lips(expression: Floats, shut: Doubles) -> Floats:
    """Expressions (f, 52) with the lips together as far as `shut` (f,) says; 1: no gap at all."""
    out, closed = expression.copy(), np.asarray(shut, np.float32)[:, None]
    out[:, _PARTING] *= 1 - closed
    press = [INDEX["mouthPressLeft"], INDEX["mouthPressRight"]]
    out[:, press] = join(out[:, press], 0.3 * closed)
    jaw, close = [INDEX["jawOpen"]], [INDEX["mouthClose"]]
    # the jaw may stay a little open behind closed lips, but not so far that they tear
    out[:, jaw] *= 1 - 0.6 * closed
    out[:, close] = np.minimum(out[:, close] * (1 - closed) + closed * out[:, jaw], out[:, jaw])
    return out


def opening(expression: Floats) -> Floats:
    """How far the lips are apart, (...,), in units of a fully dropped jaw; 0 is closed.

    A linear reading of what each shape adds to the gap in the middle of the lips.
    """
    e = expression
    pair = {n: e[..., INDEX[n + "Left"]] + e[..., INDEX[n + "Right"]] for n in _PAIRED}
    whole = (
        e[..., INDEX["jawOpen"]] - e[..., INDEX["mouthClose"]] + 0.3 * e[..., INDEX["mouthFunnel"]]
    )
    raised = 0.08 * pair["mouthLowerDown"] + 0.06 * pair["mouthUpperUp"]
    return np.asarray(np.maximum(whole + raised - 0.02 * pair["mouthPress"], 0), np.float32)


_PAIRED = ("mouthLowerDown", "mouthUpperUp", "mouthPress")
