"""The wardrobe: all that one person wears in one picture, sampled and put on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head
from fusiform.lab.geometry.scene import Surface
from fusiform.lab.world.clothes import Clothes, fit_clothes, sample_clothes
from fusiform.lab.world.glasses import Glasses, fit_glasses, sample_glasses
from fusiform.lab.world.hands import Occluder, fit_occluder, sample_occluder
from fusiform.lab.world.hats import Hat, fit_hat, hides, sample_hat
from fusiform.lab.world.jewellery import Jewellery, fit_jewellery, sample_jewellery
from fusiform.lab.world.masks import Mask, fit_mask, mask_hides, sample_mask
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.wear_fabric import Colour
from fusiform.lab.world.wear_fit import kept
from fusiform.lab.world.wear_piece import Piece, place, settle

WRAPS = ("headscarf", "hood")
BASICS = Clothes()
# linear albedo of skin by ancestry, in the order of ANCESTRIES
TONES = ((0.13, 0.068, 0.042), (0.42, 0.26, 0.17), (0.50, 0.31, 0.235))


@dataclass(frozen=True)
class Shares:
    """How often (0..1) a person wears each: clear glasses, sunglasses (`dark`), hat, mask,
    earrings, necklace, nose stud; `occluder`: how often something comes before the face.
    Earrings and necklaces are rarer for men by nine tenths, more frequent for women, so that the
    share holds over both. Raises ChoiceError for a share that is none."""

    glasses: float = 0.22
    dark: float = 0.05
    hat: float = 0.15
    mask: float = 0.06
    earrings: float = 0.25
    necklace: float = 0.15
    nose: float = 0.03
    occluder: float = 0.08

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 0 <= getattr(self, one.name) <= 1:
                raise ChoiceError(f"Shares.{one.name}", "0 to 1", getattr(self, one.name))
        if self.glasses + self.dark > 1:
            raise ChoiceError("Shares", "glasses + dark at most 1", self.glasses + self.dark)


@dataclass(frozen=True)
class Wardrobe:
    """What a person wears; None: not worn."""

    clothes: Clothes = BASICS
    glasses: Glasses | None = None
    hat: Hat | None = None
    mask: Mask | None = None
    jewellery: Jewellery | None = None
    occluder: Occluder | None = None


def hiding(share: float) -> Shares:
    """Shares by which somebody wears something that hides part of the face (glasses, hat, mask) or
    holds it there with chance `share` in all: each alone has 1 - (1 - share)^w, the w summing to 1,
    so that nothing is worn with (the product) 1 - share. Raises ChoiceError outside 0..1."""
    if not 0 <= share <= 1:
        raise ChoiceError("share", "0 to 1", share)
    none = 1 - min(share, 0.98)
    glasses, hat, mask, occluder = (1 - none**w for w in (0.46, 0.27, 0.11, 0.16))
    return Shares(0.8 * glasses, 0.2 * glasses, hat, mask, occluder=occluder)


def skin_tone(traits: Traits) -> Colour:
    """A plain guess at somebody's skin, linear albedo, for hands where nothing better is known."""
    r, g, b = np.array(traits.ancestry) @ np.array(TONES)
    return float(r), float(g), float(b)


def sample_wardrobe(
    rng: np.random.Generator,
    traits: Traits,
    share: float | Shares = 0.3,
    tone: Colour | None = None,
) -> Wardrobe:
    """A wardrobe for somebody with these `traits`.

    share: how often something hides part of the face (see `hiding`), or each thing's own `Shares`;
    tone: linear albedo of the person's skin, for hands. Each thing is drawn from its own stream, so
    that one share changes one thing only.
    """
    odds = share if isinstance(share, Shares) else hiding(share)
    skin = skin_tone(traits) if tone is None else tone
    lot = rng.random(7)
    streams = rng.spawn(6)
    womanly = (1 - 0.9 * traits.male) / 0.55
    glasses = None
    if lot[0] < odds.glasses + odds.dark:
        glasses = sample_glasses(streams[0], dark=bool(lot[0] < odds.dark))
    hat = sample_hat(streams[1]) if lot[1] < odds.hat else None
    mask = sample_mask(streams[2]) if lot[2] < odds.mask else None
    earrings = bool(lot[3] < odds.earrings * womanly)
    necklace = bool(lot[4] < odds.necklace * womanly)
    nose = bool(lot[5] < odds.nose)
    jewellery = None
    if earrings or necklace or nose:
        jewellery = sample_jewellery(streams[3], earrings, necklace, nose)
    occluder = sample_occluder(streams[4], skin) if lot[6] < odds.occluder else None
    return agreed(Wardrobe(sample_clothes(streams[5]), glasses, hat, mask, jewellery, occluder))


def agreed(wardrobe: Wardrobe) -> Wardrobe:
    """`wardrobe` without clashes: a necklace is worn in an open neckline and close enough to show;
    under a headscarf or hood go plain clothes and no jewellery but the nose's."""
    clothes, jewellery, hat = wardrobe.clothes, wardrobe.jewellery, wardrobe.hat
    if jewellery is not None and jewellery.necklace:
        if clothes.kind == "crew":
            clothes = replace(clothes, low=0.03)
        elif clothes.kind not in ("v-neck", "tank"):
            clothes = replace(clothes, kind="v-neck")
        most = 0.2 if clothes.kind == "crew" else 0.6
        jewellery = replace(jewellery, size=min(jewellery.size, most))
    if hat is not None and hat.kind in WRAPS:
        clothes = replace(clothes, kind="crew", loose=0.0, low=0.03)
        if hat.kind == "hood":
            clothes = replace(clothes, fabric=hat.fabric)
        if jewellery is not None:
            jewellery = replace(jewellery, earrings="", necklace="")
    return replace(wardrobe, clothes=clothes, jewellery=jewellery)


@kept(32)
def fit(
    wardrobe: Wardrobe, head: Head, rest: Floats
) -> tuple[tuple[Piece, ...], Floats, NDArray[np.intp]]:
    """All pieces on an unposed person (n, 3), lenses last; how much of each skin vertex's hair they
    hide, (n,) 0..1; and the vertices of the torso that hold the clothes. Kept, so that a second
    picture of the same person costs little."""
    pieces = list(fit_clothes(wardrobe.clothes, head, rest))
    hidden = np.zeros(len(rest), np.float32)
    if wardrobe.hat is not None:
        pieces += fit_hat(wardrobe.hat, head, rest)
        hidden = np.maximum(hidden, hides(wardrobe.hat, head, rest))
    if wardrobe.mask is not None:
        pieces += fit_mask(wardrobe.mask, head, rest)
        hidden = np.maximum(hidden, mask_hides(wardrobe.mask, head, rest))
    if wardrobe.jewellery is not None:
        pieces += fit_jewellery(wardrobe.jewellery, head, rest)
    if wardrobe.occluder is not None:
        pieces += fit_occluder(wardrobe.occluder, head, rest)
    if wardrobe.glasses is not None:
        pieces += fit_glasses(wardrobe.glasses, head, rest)
    return tuple(pieces), hidden, np.nonzero(head.masks["torso"] > 0.95)[0]


def build(
    wardrobe: Wardrobe,
    head: Head,
    rest: Floats,
    posed: Floats,
    skull: NDArray[np.floating],
    jaw: NDArray[np.floating],
    tone: Colour | None = None,
    texels: int = 256,
) -> tuple[tuple[Surface, ...], Floats]:
    """The surfaces of all that is worn by a posed person, lenses last, and how much of the hair on
    each skin vertex is hidden, (n,) 0..1 (scalp under hats, beard under masks).

    rest, posed (n, 3): the same person without and with pose; skull, jaw (3, 4): rest to posed;
    tone: linear albedo of the person's skin, for hands; `texels` along a side of cloth's textures.
    """
    if tone is not None and wardrobe.occluder is not None:
        wardrobe = replace(wardrobe, occluder=replace(wardrobe.occluder, tone=tone))
    pieces, hidden, low = fit(wardrobe, head, rest)
    transforms = {"skull": skull, "jaw": jaw, "torso": settle(rest, posed, low)}
    return tuple(place(one, rest, posed, transforms, texels) for one in pieces), hidden
