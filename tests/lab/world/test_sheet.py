"""Contact sheets: every kind can be drawn, tiles are what they are called, files stay small."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.camera import euler, matrix
from fusiform.lab.world import sheet as room
from fusiform.lab.world.expressions import EXPRESSIONS, named
from fusiform.lab.world.hair_styles import STYLES
from fusiform.lab.world.light import KINDS as LIGHTS
from fusiform.lab.world.sheet import SHEETS, Wanted, facing, laid_out, sheet, sheet_jpeg
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.visemes import VISEMES

SMALL = Wanted(seed=5, number=2, count=3, size=32)


@pytest.mark.parametrize("kind", SHEETS)
def test_every_kind_is_drawn(kind):
    told = []
    drawn = sheet(kind, SMALL, lambda *numbers: told.append(numbers))
    columns, lines = (3, 1)
    assert drawn.shape == (lines * 34 - 2, columns * 34 - 2, 3)
    assert drawn.dtype == np.uint8
    assert told == [(1, 3), (2, 3), (3, 3)]
    # three different pictures
    tiles = [drawn[:, x : x + 32] for x in (0, 34, 68)]
    assert min(np.abs(tiles[0] - other.astype(int)).max() for other in tiles[1:]) > 0


def test_equal_arguments_give_equal_pixels():
    assert np.array_equal(sheet("people", SMALL), sheet("people", SMALL))


@pytest.mark.parametrize(
    ("kind", "names"),
    [("expressions", EXPRESSIONS), ("lights", LIGHTS), ("hair", STYLES), ("visemes", VISEMES)],
)
def test_tiles_are_all_there_is(kind, names):
    tiles = SHEETS[kind](Wanted(5, 2))
    assert [tile.name for tile in tiles] == list(names)


def test_tiles_show_what_they_are_called():
    laugh = next(tile for tile in room.expressions(Wanted(5, 2)) if tile.name == "laugh")
    assert np.array_equal(laugh.shot.expression, named("laugh"))
    assert [round(tile.person.traits.age) for tile in room.ages(Wanted(5, 2))][::17] == [5, 90]
    assert {tile.person.hair.cut.style for tile in room.hair(Wanted(5, 2))} == set(STYLES)
    names = [tile.name for tile in room.occluders(Wanted(5, 2))]
    assert len(set(names)) == len(names)
    assert room.makeup(Wanted(5, 2))[0].person.makeup is None


def test_one_person_throughout():
    for kind in set(SHEETS) - {"people"}:
        people = {id(tile.person.bones) for tile in SHEETS[kind](Wanted(5, 2))}
        assert kind == "ages" or len(people) == 1
    numbers = [tile.person.number for tile in room.people(Wanted(5, 10, 4))]
    assert numbers == [10, 11, 12, 13]


def test_poses_turn_the_whole_face():
    for tile in room.poses(Wanted(5, 2)):
        yaw, pitch = (float(word) for word in tile.name.split())
        total = np.add(tile.shot.head, tile.shot.bearing)
        assert np.allclose(total, (yaw, pitch, 0))
        assert abs(tile.shot.head[0]) <= 40
    turned = facing(Shot(32), 30, 10, 5)
    assert np.allclose(euler(matrix(*np.add(turned.head, turned.bearing))), (30, 10, 5), atol=1e-4)


@pytest.mark.parametrize(
    ("tiles", "columns"), [(1, 1), (3, 3), (15, 5), (18, 6), (25, 5), (39, 8), (48, 8)]
)
def test_sheets_are_full_and_wider_than_high(tiles, columns):
    assert room.columns_for(tiles) == columns


def test_tiles_are_laid_out_line_by_line():
    tiles = [np.full((16, 16, 3), 50 * k, np.uint8) for k in range(1, 6)]
    drawn = laid_out(tiles, [""] * 5, 2)
    assert drawn.shape == (3 * 18 - 2, 2 * 18 - 2, 3)
    seen = [drawn[y + 8, x + 8, 0] for y in (0, 18, 36) for x in (0, 18)]
    assert seen == [50, 100, 150, 200, 250, room.PAPER[0]]
    written = laid_out(tiles, ["name"] * 5, 2)
    assert (written[:16, :16] != drawn[:16, :16]).any()


def test_files_stay_below_their_limit():
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    sizes = [len(sheet_jpeg(noise, most)) for most in (10**6, 30_000, 10)]
    assert sizes[0] > sizes[1] > sizes[2] > 10
    assert sizes[1] <= 30_000
    with Image.open(io.BytesIO(sheet_jpeg(noise))) as picture:
        assert picture.size == (200, 200)


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("cats", SMALL), ("people", Wanted(count=0)), ("people", Wanted(size=4, count=1))],
)
def test_wrong_wishes_are_refused(kind, wanted):
    with pytest.raises(ChoiceError):
        sheet(kind, wanted)
