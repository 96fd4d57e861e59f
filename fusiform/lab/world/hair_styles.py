"""The haircuts: what each asks of length, direction, volume and curl."""

from __future__ import annotations

from dataclasses import dataclass

from fusiform.core.errors import ChoiceError

Tie = tuple[float, float, float]  # shares of the skull: to the side, up, back


@dataclass(frozen=True)
class Style:
    """One haircut on an average skull. Lengths in metres.

    `top`, `side`, `back`, `fringe`: lengths there. `low`: length at the lower hairline, rising to
    `side` within `fade` metres (0: none). `part`: place of the parting as a share of the half
    width (0 middle, negative none). `spread`, `forward`: sideways and forward (negative: back)
    pull on top; `side_back`: backward pull on the sides; `swirl`: pull away from the whorl.
    `lift`: 0 lies flat, 1 stands up, fading within `reach`. `volume`: thickness of the hair over
    the skull. `gravity`, `stiffness` (bending length), `hug` (pull to the head), `clump`, `frizz`:
    shares. `curl`: least and most curl it allows. `level`: height over the eyes of a blunt cut.
    `fringe_level`: the same for a fringe (negative: none). `tie`: where hair is gathered; `tail`:
    0 none, 1 hanging, 2 bun, 3 braid. `rows`: number of cornrows. `strip`: half width, as a share,
    of a mohawk's hair (0: all). `fine`: segments as a multiple of the usual. `crest`:
    share of `lift` that only the front has. `cap`: height of the
    opaque base over the scalp. `taste`: weights for women, men; `ages`: usual range.
    """

    top: float
    side: float
    back: float
    fringe: float
    low: float = 0.0
    fade: float = 0.0
    part: float = -1.0
    spread: float = 0.0
    forward: float = 0.0
    side_back: float = 0.3
    swirl: float = 0.3
    lift: float = 0.3
    reach: float = 0.03
    volume: float = 0.008
    gravity: float = 0.6
    stiffness: float = 0.03
    hug: float = 0.3
    clump: float = 0.3
    frizz: float = 0.2
    curl: tuple[float, float] = (0.0, 1.0)
    level: float = -9.0
    fringe_level: float = -1.0
    tie: Tie | None = None
    tail: int = 0
    rows: int = 0
    strip: float = 0.0
    fine: float = 1.0
    crest: float = 0.0
    cap: float = 0.003
    taste: tuple[float, float] = (1.0, 1.0)
    ages: tuple[float, float] = (5.0, 90.0)


# fmt: off
STYLES: dict[str, Style] = {
    "bald": Style(
        0.0, 0.0, 0.0, 0.0, cap=0.0, taste=(0.02, 0.5), ages=(22, 90),
    ),
    "shaved": Style(
        0.0016, 0.0014, 0.0014, 0.0016, low=0.0008, fade=0.02, forward=0.3, swirl=0.4,
        lift=0.5, reach=0.01, volume=0.0, gravity=0.0, clump=0.0, fine=0.3, cap=0.0,
        taste=(0.03, 0.7),
    ),
    "buzz": Style(
        0.007, 0.005, 0.005, 0.007, low=0.002, fade=0.03, forward=0.4, swirl=0.5, lift=0.55,
        reach=0.02, volume=0.0, gravity=0.05, clump=0.0, fine=0.35, cap=0.0008,
        taste=(0.05, 1.2),
    ),
    "crew": Style(
        0.022, 0.009, 0.009, 0.026, low=0.002, fade=0.05, spread=0.15, forward=0.5,
        side_back=0.2, swirl=0.5, lift=0.55, volume=0.002, gravity=0.15, clump=0.35, fine=0.5,
        cap=0.0015, taste=(0.05, 1.6),
    ),
    "side_short": Style(
        0.062, 0.022, 0.02, 0.066, low=0.007, fade=0.05, part=0.42, spread=1.2, side_back=0.35,
        swirl=0.15, lift=0.45, reach=0.02, gravity=0.25, hug=0.5, clump=0.45, curl=(0.0, 0.5),
        fine=0.7, cap=0.0015, taste=(0.15, 1.8),
    ),
    "slick": Style(
        0.1, 0.05, 0.035, 0.11, low=0.012, fade=0.035, forward=-1.4, side_back=1.1, swirl=0.0,
        reach=0.02, volume=0.007, gravity=0.15, hug=0.9, clump=0.65, frizz=0.06,
        curl=(0.0, 0.25), fine=0.8, cap=0.0015, taste=(0.08, 0.8), ages=(16, 90),
    ),
    "quiff": Style(
        0.06, 0.018, 0.016, 0.08, low=0.004, fade=0.055, spread=0.1, forward=-1.3,
        side_back=0.4, swirl=0.1, lift=0.7, reach=0.022, volume=0.012, gravity=0.1,
        stiffness=0.04, hug=0.35, clump=0.6, curl=(0.0, 0.45), fine=0.8, crest=0.8, cap=0.002,
        taste=(0.03, 1.2), ages=(12, 50),
    ),
    "crop": Style(
        0.05, 0.022, 0.022, 0.048, low=0.006, fade=0.045, spread=0.15, forward=1.1,
        side_back=0.1, swirl=0.5, lift=0.4, reach=0.02, volume=0.006, gravity=0.4, clump=0.6,
        frizz=0.35, curl=(0.0, 0.7), fringe_level=0.044, fine=0.7, cap=0.002,
        taste=(0.35, 1.2), ages=(5, 60),
    ),
    "curtain": Style(
        0.14, 0.065, 0.06, 0.12, low=0.02, fade=0.03, part=0.05, spread=1.2, forward=0.1,
        side_back=0.55, swirl=0.1, lift=0.45, reach=0.025, volume=0.01, gravity=0.75, hug=0.25,
        clump=0.5, curl=(0.0, 0.6), cap=0.002, taste=(0.4, 0.7), ages=(8, 45),
    ),
    "pixie": Style(
        0.075, 0.04, 0.03, 0.09, low=0.012, fade=0.03, part=0.38, spread=1.1, forward=0.5,
        side_back=0.15, swirl=0.25, lift=0.4, reach=0.025, volume=0.01, gravity=0.5, clump=0.5,
        curl=(0.0, 0.45), fringe_level=0.032, fine=0.8, cap=0.002, taste=(0.9, 0.05),
    ),
    "bob": Style(
        0.34, 0.25, 0.2, 0.34, part=0.25, spread=1.2, side_back=0.0, gravity=1.0, frizz=0.08,
        curl=(0.0, 0.4), level=-0.11, cap=0.002, taste=(1.2, 0.02), forward=-0.3,
    ),
    "bob_fringe": Style(
        0.34, 0.24, 0.2, 0.14, part=0.0, spread=0.9, forward=0.1, side_back=0.0, gravity=1.0,
        frizz=0.08, curl=(0.0, 0.3), level=-0.1, fringe_level=0.022, cap=0.002,
        taste=(0.9, 0.02),
    ),
    "long_straight": Style(
        0.5, 0.42, 0.38, 0.46, part=0.0, spread=1.2, side_back=0.55, lift=0.25, gravity=1.0,
        clump=0.35, frizz=0.07, curl=(0.0, 0.15), fine=1.4, cap=0.002, taste=(1.6, 0.1),
        ages=(6, 75), forward=-0.35,
    ),
    "long_wavy": Style(
        0.48, 0.4, 0.36, 0.44, part=0.35, spread=1.2, forward=-0.5, side_back=0.5, lift=0.2,
        volume=0.013, gravity=0.9, hug=0.2, frizz=0.06, curl=(0.32, 0.48), fine=2.8, cap=0.0025,
        taste=(1.6, 0.1), ages=(6, 75),
    ),
    "long_curly": Style(
        0.34, 0.32, 0.3, 0.3, part=0.25, spread=1.1, side_back=0.35, lift=0.3, reach=0.04,
        volume=0.014, gravity=0.85, hug=0.1, clump=0.65, frizz=0.15, curl=(0.6, 0.78), fine=3.2,
        cap=0.004, taste=(1.0, 0.12), ages=(6, 75), forward=-0.5,
    ),
    "ponytail": Style(
        0.48, 0.46, 0.42, 0.48, forward=-1.0, side_back=1.0, lift=0.15, volume=0.006,
        gravity=0.9, stiffness=0.012, hug=1.0, clump=0.35, frizz=0.08, curl=(0.0, 0.5),
        tie=(0.0, 0.45, 1.0), tail=1, fine=1.8, taste=(1.1, 0.06), ages=(5, 60), cap=0.0015,
    ),
    "bun": Style(
        0.42, 0.4, 0.36, 0.42, forward=-1.0, side_back=1.0, lift=0.15, volume=0.006,
        gravity=0.9, stiffness=0.012, hug=1.0, clump=0.35, frizz=0.1, curl=(0.0, 0.6),
        tie=(0.0, 0.8, 0.85), tail=2, fine=2.2, taste=(0.8, 0.12), cap=0.0015,
    ),
    "braids": Style(
        0.46, 0.44, 0.4, 0.46, part=0.0, spread=1.2, side_back=0.8, lift=0.15, volume=0.006,
        gravity=0.9, stiffness=0.012, hug=1.0, clump=0.35, frizz=0.1, tie=(0.75, -0.42, 0.52),
        tail=3, fine=2.6, taste=(0.5, 0.01), ages=(5, 40), cap=0.0015,
    ),
    "afro_small": Style(
        0.04, 0.03, 0.03, 0.036, low=0.012, fade=0.02, side_back=0.0, swirl=0.1, lift=1.0,
        reach=0.2, volume=0.0, gravity=0.03, stiffness=0.05, hug=0.0, clump=0.35, frizz=0.9,
        curl=(0.85, 1.0), cap=0.012, taste=(0.4, 1.0),
    ),
    "afro_large": Style(
        0.088, 0.085, 0.075, 0.075, low=0.035, fade=0.04, side_back=0.0, swirl=0.1, lift=1.0,
        reach=0.3, volume=0.0, gravity=0.06, stiffness=0.05, hug=0.0, frizz=1.0,
        curl=(0.85, 1.0), fine=1.5, cap=0.05, taste=(0.8, 0.5), ages=(6, 65),
    ),
    "coils": Style(
        0.014, 0.01, 0.01, 0.014, low=0.002, fade=0.04, side_back=0.0, swirl=0.2, lift=0.9,
        reach=0.1, volume=0.0, gravity=0.0, hug=0.0, clump=0.8, frizz=0.5, curl=(0.8, 1.0),
        fine=0.6, cap=0.004, taste=(0.2, 1.3),
    ),
    "cornrows": Style(
        0.022, 0.022, 0.022, 0.02, forward=-1.5, side_back=1.6, swirl=0.0, lift=0.1,
        volume=0.004, gravity=0.0, stiffness=0.006, hug=1.0, clump=0.2, frizz=0.05,
        curl=(0.0, 0.1), rows=9, fine=0.6, cap=0.0, taste=(0.7, 0.6), ages=(6, 60),
    ),
    "mohawk": Style(
        0.07, 0.004, 0.004, 0.075, low=0.002, fade=0.03, forward=-0.4, swirl=0.0, lift=1.0,
        reach=0.08, volume=0.0, gravity=0.02, stiffness=0.08, hug=0.0, clump=0.7, strip=0.28,
        fine=0.7, cap=0.001, taste=(0.08, 0.3), ages=(14, 50),
    ),
    "undercut": Style(
        0.11, 0.004, 0.004, 0.12, low=0.002, fade=0.03, part=0.5, spread=1.1, forward=-0.9,
        swirl=0.0, lift=0.45, volume=0.01, gravity=0.15, hug=0.5, clump=0.55, frizz=0.12,
        curl=(0.0, 0.5), strip=0.66, fine=0.8, taste=(0.12, 0.8), ages=(14, 50), cap=0.0015,
    ),
    "tonsure": Style(
        0.04, 0.032, 0.035, 0.035, low=0.012, fade=0.04, spread=0.5, forward=-0.4,
        side_back=0.8, lift=0.4, reach=0.02, volume=0.006, gravity=0.4, hug=0.4, clump=0.4,
        frizz=0.35, curl=(0.0, 0.6), fine=0.6, cap=0.002, taste=(0.0, 0.9), ages=(45, 90),
    ),
}
# fmt: on


def style_of(name: str) -> Style:
    """The style called `name`. Raises ChoiceError for a name that is not in `STYLES`."""
    if name not in STYLES:
        raise ChoiceError("style", STYLES, name)
    return STYLES[name]
