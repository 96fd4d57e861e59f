"""What hair a person has: the growth they are born with and the cut they choose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng as stream
from fusiform.lab.geometry.head import Head
from fusiform.lab.world.hair_colour import DYES, grey_share
from fusiform.lab.world.hair_styles import STYLES, Style, style_of
from fusiform.lab.world.traits import Traits

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Growth:
    """The part of hair that belongs to a person. Lengths in metres on an average head.

    `shift`: hairline higher (+) or lower; `peak`: how far the widow's peak comes down; `temples`:
    recession over the temples; `front`: recession of the whole front; `crown`: radius of the bald
    crown; `density` 0.3..1; `curl` 0 straight, 0.4 wavy, 0.65 curly, 1 coily; `eumelanin`,
    `pheomelanin` as in `melanin_colour`; `grey`: share of white strands; `whorl`: its place to
    the left of the middle; `coarse`: strand width, 1 average; `seed`: where strands stand.
    """

    shift: float = 0.0
    peak: float = 0.0
    temples: float = 0.0
    front: float = 0.0
    crown: float = 0.0
    density: float = 1.0
    curl: float = 0.1
    eumelanin: float = 0.6
    pheomelanin: float = 0.1
    grey: float = 0.0
    whorl: float = 0.01
    coarse: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Cut:
    """The part of hair that a hairdresser can change.

    `style`: a name of `STYLES`; `length`: times the style's lengths; `part`: side of the parting,
    1 left or -1 right; `dye`: linear colour or None; `roots`: share of the length grown out since;
    `tidy`: 0 messy .. 1 neat; `volume`: times the style's; `seed`: how this time's hair fell.
    """

    style: str
    length: float = 1.0
    part: int = 1
    dye: Colour | None = None
    roots: float = 0.0
    tidy: float = 0.6
    volume: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ChoiceError for an unknown style."""
        style_of(self.style)


@dataclass(frozen=True)
class Hair:
    """All that is needed to grow a head of hair."""

    growth: Growth
    cut: Cut


def sample_hair(rng: np.random.Generator, traits: Traits) -> Hair:
    """Hair of a random person with these traits."""
    growth = sample_growth(rng, traits)
    return Hair(growth, _sample_cut(rng, growth, traits.male, traits.age))


def restyled(hair: Hair, rng: np.random.Generator, male: float = 0.5, age: float = 35.0) -> Hair:
    """The same person after another visit to the hairdresser: only `cut` differs."""
    return Hair(hair.growth, _sample_cut(rng, hair.growth, male, age))


def sample_growth(rng: np.random.Generator, traits: Traits) -> Growth:
    """Inborn hair: colour and curl by ancestry, recession by sex and age, greying by age."""
    african, asian, european = traits.ancestry
    kind = int(rng.choice(3, p=np.array([african, asian, european])))
    u = rng.random(12)
    eumelanin = (1.3 + 0.9 * u[0], 1.0 + 0.9 * u[0], float(np.exp(-2.9 + 3.0 * u[0] ** 0.8)))[kind]
    pheomelanin = (0.05, 0.06, 0.06 + 0.2 * u[1])[kind]
    if kind == 2 and u[2] < 0.07:
        eumelanin, pheomelanin = 0.03 + 0.1 * u[0], 0.35 + 0.5 * u[1]
    if traits.age < 14:
        eumelanin *= 0.75
    curl = (0.72 + 0.28 * u[3], 0.02 + 0.25 * u[3] ** 2, 0.02 + 0.7 * u[3] ** 1.6)[kind]
    onset = (40.0, 38.0, 32.0)[kind] + 9.0 * float(rng.standard_normal()) * 0.8
    grey = grey_share(traits.age, onset) * float(0.75 + 0.25 * u[4])
    old = float(np.clip((traits.age - 20) / 50, 0, 1))
    loss = traits.male * old * max(0.0, u[5] * 1.5 - 0.4)  # about a quarter of men never lose any
    thin = 0.25 * (1 - traits.male) * old * u[6] + 0.2 * loss
    return Growth(
        shift=float(np.clip(rng.normal(0.0, 0.006), -0.012, 0.014)),
        peak=float(0.016 * max(0.0, u[7] * 1.6 - 0.6)),
        temples=float(0.006 * traits.male * u[8] + 0.05 * min(1.0, loss * 1.6)),
        front=float(0.1 * max(0.0, loss - 0.3)),
        crown=float(0.075 * max(0.0, loss * (0.6 + 0.8 * u[9]) - 0.12)),
        density=float(np.clip(1.0 - thin - 0.12 * u[10], 0.35, 1.0)),
        curl=float(curl),
        eumelanin=float(eumelanin),
        pheomelanin=float(pheomelanin),
        grey=float(np.clip(grey, 0, 1)),
        whorl=float(rng.normal(0.0, 0.012)),
        coarse=float((1.05, 1.15, 0.95)[kind] * (0.85 + 0.3 * u[11])),
        seed=int(rng.integers(2**31)),
    )


def style_chances(growth: Growth, male: float, age: float) -> Floats:
    """Chances (s,) of each of `STYLES`, sum 1: by sex, age, curl and how much hair is left."""
    out = np.zeros(len(STYLES))
    left = 1.0 - min(1.0, (growth.front + growth.crown + growth.temples) / 0.09)
    for i, (name, style) in enumerate(STYLES.items()):
        like = style.taste[0] * (1 - male) + style.taste[1] * male
        if not style.ages[0] <= age <= style.ages[1]:
            like *= 0.02
        miss = max(0.0, style.curl[0] - growth.curl, growth.curl - style.curl[1])
        like *= np.exp(-((miss / 0.18) ** 2))
        if name == "tonsure":
            like *= 4 * (1 - left) ** 2
        elif name in ("bald", "shaved"):
            like *= 1 + 3 * (1 - left)
        elif name != "buzz":
            like *= 0.02 + left ** (1 + 12 * max(style.top, style.fringe))
        if name == "cornrows":
            like *= 1.0 if growth.curl > 0.6 else 0.01
        out[i] = like
    return np.asarray(out / out.sum(), np.float32)


def _sample_cut(rng: np.random.Generator, growth: Growth, male: float, age: float) -> Cut:
    chances = style_chances(growth, male, age).astype(np.float64)
    style = list(STYLES)[int(rng.choice(len(STYLES), p=chances / chances.sum()))]
    u = rng.random(6)
    dye: Colour | None = None
    if u[0] < 0.05 * (1.4 - male) and 14 < age < 80:
        red, green, blue = DYES[sorted(DYES)[int(u[1] * len(DYES))]]
        dye = (red, green, blue)
    return Cut(
        style=style,
        length=float(np.exp(rng.normal(0.0, 0.16))),
        part=1 if u[2] < 0.68 else -1,
        dye=dye,
        roots=float(max(0.0, u[3] - 0.6)) * 0.5,
        tidy=float(0.25 + 0.75 * u[4]),
        volume=float(0.75 + 0.6 * u[5]),
        seed=int(rng.integers(2**31)),
    )


def curl_of(hair: Hair) -> float:
    """Curl (0..1) after styling: the natural one, moved into what the style allows."""
    low, high = style_of(hair.cut.style).curl
    return float(min(max(hair.growth.curl, low), high))


def hairline_height(growth: Growth, hairline: Floats, place: Floats, scalp: Floats) -> Floats:
    """Signed height (k,) in metres above this person's own hairline.

    `hairline` (k,): height above the average one; `place` (k, 3): positions on the mean head;
    `scalp` (m, 3): scalp vertices of the mean head, which say how big the skull is. Recession
    follows Norwood 1975: temples first, then the front, and the crown on its own.
    """
    high, back, front = scalp[:, 1].max(), scalp[:, 2].min(), scalp[:, 2].max()
    half = np.abs(scalp[:, 0]).max()
    x, y, z = place[:, 0], place[:, 1], place[:, 2]
    upper = _rise((y - (high - 0.085)) / 0.04)  # the front and top, not the sides and nape
    fore = _rise((z - (0.6 * back + 0.4 * front)) / 0.06)
    temple = np.exp(-(((np.abs(x) / half - 0.58) / 0.2) ** 2))
    tip = np.exp(-((x / (0.16 * half)) ** 2))
    out = hairline - growth.shift * upper * fore
    out = out - growth.temples * temple * upper * fore + growth.peak * tip * upper * fore
    out = out - growth.front * upper * _rise((z - (0.75 * back + 0.25 * front)) / 0.06)
    if growth.crown > 0:
        middle = np.array([0.3 * growth.whorl, high - 0.018, 0.7 * back + 0.3 * front])
        away = np.linalg.norm(place - middle, axis=1) - growth.crown
        out = np.minimum(out, away)
    return np.asarray(out, np.float32)


def root_density(head: Head, hair: Hair) -> Floats:
    """How much of the skin each vertex hides under roots: (n,), 0 bare .. 1 full.

    For the shade that roots give the scalp. A tonsure or a shaved head keeps its pattern.
    """
    scalp = head.mean[head.masks["scalp"] > 0.5]
    height = hairline_height(hair.growth, head.masks["hairline"], head.mean, scalp)
    dense = _rise(height / 0.012 + 0.15) * hair.growth.density * (head.masks["scalp"] > 0.01)
    style = style_of(hair.cut.style)
    longest = max(style.top, style.back)
    strength = 0.0 if hair.cut.style == "bald" else min(1.0, 0.45 + longest / 0.02)
    return np.asarray(dense * strength, np.float32)


def lengths(hair: Hair, height: Floats, place: Floats, scalp: Floats) -> Floats:
    """Strand lengths (k,) in metres that the cut asks for at places of the mean head.

    `height`: from `hairline_height`; `place`, `scalp` as there.
    """
    style: Style = style_of(hair.cut.style)
    high, back, front = scalp[:, 1].max(), scalp[:, 2].min(), scalp[:, 2].max()
    half = np.abs(scalp[:, 0]).max()
    x, y, z = np.abs(place[:, 0]) / half, place[:, 1], place[:, 2]
    top = _rise((y - (high - 0.072)) / 0.05)
    behind = _rise(((0.55 * back + 0.45 * front) - z) / 0.07)
    fore = _rise((z - (0.35 * back + 0.65 * front)) / 0.06) * _rise((0.95 - x) / 0.3)
    crest = style.top + (style.fringe - style.top) * fore
    below = style.side + (style.back - style.side) * behind
    out: NDArray[np.floating] = below + (crest - below) * top
    if style.strip > 0:
        inside = _rise((style.strip - x) / 0.12) * top**0.3
        out = style.side + (crest - style.side) * inside
    if style.fade > 0:
        rise = _rise((height + 0.004) / style.fade)
        nape = _rise((high - 0.06 - y) / 0.03)  # fades belong to the sides and nape
        shade = rise + (1 - rise) * (1 - nape)
        out = style.low + (out - style.low) * shade
    return np.asarray(out * hair.cut.length, np.float32)


def with_style(hair: Hair, style: str, **changes: object) -> Hair:
    """The same growth with `style` and other fields of `Cut` set."""
    return Hair(hair.growth, replace(hair.cut, style=style, **changes))  # type: ignore[arg-type]


def strand_chances(hair: Hair, count: int) -> Floats:
    """Uniform numbers (count, 12) that tell strands apart; a longer list starts like a shorter."""
    fixed = stream(hair.growth.seed, "hair", "roots").random((count, 8), np.float32)
    fresh = stream(hair.cut.seed, "hair", "fall").random((count, 4), np.float32)
    return np.concatenate([fixed, fresh], axis=1)


def _rise(x: Floats) -> Floats:
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
