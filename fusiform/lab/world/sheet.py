"""Contact sheets: many people, or one person in all that can be varied, each with its name."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Bytes
from fusiform.lab.world.encode import commented
from fusiform.lab.world.expressions import EXPRESSIONS, named
from fusiform.lab.world.glasses import OUTLINES, Glasses, sample_glasses
from fusiform.lab.world.hair_styles import STYLES
from fusiform.lab.world.hands import OCCLUDERS, sample_occluder
from fusiform.lab.world.hats import HATS, sample_hat
from fusiform.lab.world.labels import photograph
from fusiform.lab.world.light import KINDS as LIGHTS
from fusiform.lab.world.light import sample_light
from fusiform.lab.world.makeup import LOOKS, sample_makeup
from fusiform.lab.world.masks import MASKS, sample_mask
from fusiform.lab.world.person import Person
from fusiform.lab.world.samples import Options, look, shot_of
from fusiform.lab.world.sensor import Sensor
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.traits import OLDEST, YOUNGEST
from fusiform.lab.world.visemes import SHAPES, TONGUE, VISEMES
from fusiform.lab.world.wear import skin_tone
from fusiform.lab.world.world import World

STUDIO = "butterfly"  # the light of portrait photographers: from the front and above
GAP = 2  # pixels between tiles
INK, PAPER = (250, 250, 248), (18, 18, 20)
YAWS, PITCHES = (-90, -60, -30, 0, 30, 60, 90), (-25, 0, 25)  # degrees
PEOPLE, AGES = 48, 18
MOST_TILES, MOST_PIXELS = 1000, 100_000_000
QUALITY, LEAST_QUALITY, MOST_BYTES = 88, 60, 400_000


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet and what stands under it."""

    name: str
    person: Person
    shot: Shot


@dataclass(frozen=True)
class Wanted:
    """`number`: the person, or the first of them, of the world with `seed`; `count`: how many
    tiles, None: as many as there are kinds; `size`: of a tile, pixels."""

    seed: int = 0
    number: int = 0
    count: int | None = None
    size: int = 192

    def among(self, names: Sequence[str]) -> Sequence[str]:
        """The first `count` of `names`."""
        return names[: self.count]


def sheet(kind: str, wanted: Wanted, progress: Callable[[int, int], None] | None = None) -> Bytes:
    """A contact sheet (h, w, 3) uint8 of one of SHEETS; equal arguments give equal pixels.

    Raises ChoiceError for an unknown kind, a size the camera does not know, or no tiles.
    """
    if kind not in SHEETS:
        raise ChoiceError("sheet", tuple(SHEETS), kind)
    if wanted.count is not None and not 1 <= wanted.count <= MOST_TILES:
        raise ChoiceError("count", f"1 to {MOST_TILES}", wanted.count)
    if (wanted.count or 48) * wanted.size**2 > MOST_PIXELS:
        most = f"at most {MOST_PIXELS // 10**6} million pixels in all"
        raise ChoiceError("count and size", most, (wanted.count, wanted.size))
    tiles = SHEETS[kind](wanted)
    pictures = []
    for tile in tiles:
        pictures.append(photograph(tile.person, tile.shot, maps=False).image)
        if progress:
            progress(len(pictures), len(tiles))
    columns = len(YAWS) if kind == "poses" else columns_for(len(tiles))
    return laid_out(pictures, [tile.name for tile in tiles], columns)


def people(wanted: Wanted) -> list[Tile]:
    """Portraits of different people."""
    options = Options("portrait", wanted.seed, wanted.size)
    numbers = range(wanted.number, wanted.number + (wanted.count or 48))
    return [Tile("", look(options, n, 0), shot_of(options, n, 0)) for n in numbers]


def expressions(wanted: Wanted) -> list[Tile]:
    """One person with every named expression."""
    person, shot = plainly(wanted)
    names = wanted.among(tuple(EXPRESSIONS))
    return [Tile(n, person, replace(shot, expression=named(n))) for n in names]


def visemes(wanted: Wanted) -> list[Tile]:
    """One person with the mouth of every viseme."""
    person, shot = plainly(wanted)
    out = []
    for name in wanted.among(VISEMES):
        row = VISEMES.index(name)
        forth, up, tip = (float(x) for x in TONGUE[row])
        shown = replace(shot, expression=SHAPES[row], tongue=(forth, up, tip))
        out.append(Tile(name, person, shown))
    return out


def ages(wanted: Wanted) -> list[Tile]:
    """One person from the youngest to the oldest."""
    person, shot = plainly(wanted)
    years = np.linspace(YOUNGEST, OLDEST, wanted.count or AGES)
    return [Tile(f"{age:.0f}", person.at(age=float(age)), shot) for age in years]


def lights(wanted: Wanted) -> list[Tile]:
    """One person in every kind of light."""
    person, shot = plainly(wanted)
    out = []
    for name in wanted.among(LIGHTS):
        _, lighting = sample_light(rng(wanted.seed, "sheet", "light", name), name)
        out.append(Tile(name, person, replace(shot, light=name, lighting=lighting)))
    return out


def poses(wanted: Wanted) -> list[Tile]:
    """One person turned and nodding, torso and all beyond the neck's reach."""
    person, shot = plainly(wanted)
    turns = [(yaw, pitch) for pitch in PITCHES for yaw in YAWS][: wanted.count]
    return [
        Tile(f"{yaw:+d} {pitch:+d}", person, facing(shot, yaw, pitch, 0)) for yaw, pitch in turns
    ]


def occluders(wanted: Wanted) -> list[Tile]:
    """One person with all that can hide a part of a face."""
    person, shot = plainly(wanted)
    tone = skin_tone(person.traits)
    stream = rng(wanted.seed, "sheet", "occluders")
    worn = [(name, person.wearing(glasses=Glasses(outline=name))) for name in OUTLINES]
    worn.append(("dark", person.wearing(glasses=sample_glasses(stream, dark=True))))
    worn += [(name, person.wearing(hat=sample_hat(stream, name))) for name in HATS]
    worn += [(f"{name} mask", person.wearing(mask=sample_mask(stream, name))) for name in MASKS]
    things = [(name, sample_occluder(stream, tone, name)) for name in OCCLUDERS]
    worn += [(name, person.wearing(occluder=thing)) for name, thing in things]
    further = replace(shot, fill=0.44)
    return [Tile(name, wearer, further) for name, wearer in worn[: wanted.count]]


def makeup(wanted: Wanted) -> list[Tile]:
    """One person bare, then with every look, twice."""
    person, shot = plainly(wanted)
    out = [Tile("bare", person, shot)]
    for name in (*LOOKS, *LOOKS):
        stream = rng(wanted.seed, "sheet", "makeup", len(out))
        made_up = sample_makeup(stream, person.traits, 0.4 + 0.6 * (len(out) > len(LOOKS)), name)
        out.append(Tile(name, person.with_makeup(made_up), shot))
    return out[: wanted.count]


def hair(wanted: Wanted) -> list[Tile]:
    """One person with every haircut."""
    person, shot = plainly(wanted)
    shot = replace(shot, fill=0.42)
    return [Tile(name, person.with_hair(name), shot) for name in wanted.among(tuple(STYLES))]


SHEETS: Mapping[str, Callable[[Wanted], list[Tile]]] = {
    "people": people,
    "expressions": expressions,
    "ages": ages,
    "lights": lights,
    "poses": poses,
    "occluders": occluders,
    "makeup": makeup,
    "hair": hair,
    "visemes": visemes,
}


def plainly(wanted: Wanted) -> tuple[Person, Shot]:
    """The person as they are, bare of make-up, in a studio before a clean camera."""
    person = World(wanted.seed).person(wanted.number).with_makeup(None)
    _, lighting = sample_light(rng(wanted.seed, "sheet", "studio"), STUDIO)
    shot = Shot(wanted.size, light=STUDIO, lighting=lighting, background="studio")
    shot = replace(shot, fill=0.58, distance=1.1, sensor=Sensor(auto=0.7))
    return person, facing(shot, 12, 2, 0)


def facing(shot: Shot, yaw: float, pitch: float, roll: float) -> Shot:
    """`shot` with the face turned so, degrees; the neck does what it can, the torso the rest."""
    pose = np.array([yaw, pitch, roll], np.float64)
    neck = np.clip(0.7 * pose, (-40, -28, -18), (40, 28, 18))
    rest = pose - neck
    head = (float(neck[0]), float(neck[1]), float(neck[2]))
    return replace(shot, head=head, bearing=(float(rest[0]), float(rest[1]), float(rest[2])))


def columns_for(tiles: int) -> int:
    """Columns of a sheet that is wider than high, with as few empty places as may be."""
    side = math.sqrt(tiles)
    choices = range(math.ceil(side), math.ceil(1.6 * side) + 1)
    return min(choices, key=lambda columns: (-tiles % columns, abs(columns - 1.25 * side)))


def laid_out(pictures: Sequence[Bytes], names: Sequence[str], columns: int) -> Bytes:
    """Square pictures of one size in lines of `columns`, with their names at the lower edge."""
    size = len(pictures[0])
    columns = min(columns, len(pictures))
    lines = math.ceil(len(pictures) / columns)
    step = size + GAP
    out = Image.new("RGB", (columns * step - GAP, lines * step - GAP), PAPER)
    pen = ImageDraw.Draw(out)
    font = ImageFont.load_default(max(9, size // 14))
    for i, (one, name) in enumerate(zip(pictures, names, strict=True)):
        x, y = i % columns * step, i // columns * step
        out.paste(Image.fromarray(one), (x, y))
        if name:
            at = (x + size / 2, y + size - max(2, size // 40))
            pen.text(
                at, name, INK, font, anchor="ms", stroke_width=max(1, size // 96), stroke_fill=PAPER
            )
    return np.asarray(out)


def sheet_jpeg(image: Bytes, most: int = MOST_BYTES) -> bytes:
    """The sheet as a JPEG file of at most `most` bytes, if its quality need not fall below 60."""
    for quality in range(QUALITY, LEAST_QUALITY - 1, -4):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
        if buffer.tell() <= most:
            break
    return commented(buffer.getvalue())
