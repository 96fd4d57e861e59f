from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fusiform.core import draw
from fusiform.core.draw import contact_sheet, draw_faces, face_tile, pair, save
from fusiform.core.errors import ChoiceError, PictureError
from fusiform.core.faces import Faces
from fusiform.core.pictures import read

GREY = np.full((300, 400, 3), 128, np.uint8)


def faces(*boxes: tuple[float, ...]) -> Faces:
    where = np.array(boxes, dtype=float).reshape(-1, 4)
    centre = (where[:, None, :2] + where[:, None, 2:]) / 2
    return Faces(where, np.ones(len(where)), np.repeat(centre, 5, axis=1))


def changed(after: np.ndarray, before: np.ndarray = GREY) -> tuple[int, ...]:
    """x1, y1, x2, y2 around the pixels that differ."""
    y, x = np.nonzero((after != before).any(axis=2))
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def test_box_is_drawn_where_it_is_and_the_input_stays() -> None:
    before = GREY.copy()
    drawn = draw_faces(GREY, faces((100, 80, 200, 220)))
    assert np.array_equal(GREY, before)
    assert np.abs(np.subtract(changed(drawn), (100, 80, 200, 220))).max() <= 1
    assert (drawn[110:140, 120:140] == 128).all()  # the inside stays visible
    assert (drawn[150, 150] == 255).all()  # a point
    assert np.array_equal(draw_faces(GREY, Faces.empty()), GREY)


def test_lines_grow_with_the_picture() -> None:
    def inked(size: int) -> float:
        blank = np.zeros((size, size, 3), np.uint8)
        box = size / 4, size / 4, size / 2, size / 2
        row = draw_faces(blank, faces(box))[int(size * 0.3)]
        return float((row.any(axis=1)).sum())

    assert inked(4000) > 3 * inked(600)


@pytest.mark.parametrize(
    "label", ["Ann 0.98", "", "José Ñandú", "Жанна", "中村 さくら", "مريم", "😀", "a\nb", "\0"]
)
def test_any_label_is_drawn_inside_the_picture(label) -> None:
    for box in ((100, 80, 200, 220), (0, 0, 40, 40), (380, 280, 460, 330), (-90, -90, -50, -50)):
        drawn = draw_faces(GREY, faces(box), [label])
        assert drawn.shape == GREY.shape
        assert (drawn != GREY).any()


def test_accents_are_left_off_rather_than_lost(monkeypatch) -> None:
    monkeypatch.setattr(draw, "_system_fonts", tuple)  # a machine without any font
    assert draw._lettering("José Ñandú", 20)[0] == "Jose Nandu"
    assert draw._lettering("plain", 20)[0] == "plain"


def test_labels_must_be_one_a_face() -> None:
    with pytest.raises(ChoiceError, match="one for each of 1 faces"):
        draw_faces(GREY, faces((1, 1, 9, 9)), ["a", "b"])


boxes = st.tuples(*[st.floats(-900, 900)] * 4)


@given(boxes, st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
@settings(deadline=None)
def test_any_box_can_be_drawn_and_cut_out(box, width, height, size) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    assert draw_faces(pixels, faces(box), ["x"]).shape == pixels.shape
    assert face_tile(pixels, box, size).shape == (size, size, 3)


def test_tile_holds_the_box_in_its_middle() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[80:120, 90:130] = 255
    tile = face_tile(pixels, (90, 80, 130, 120), 64)
    edge = 64 * 0.3 / 1.6  # the margin is 0.3 of the box on each side
    assert (
        np.abs(
            np.subtract(
                changed(tile > 127, np.zeros_like(tile)), (edge, edge, 64 - edge, 64 - edge)
            )
        ).max()
        <= 1
    )


def test_tile_at_a_border_moves_inward_and_pads_only_what_is_left() -> None:
    pixels = np.full((100, 100, 3), 7, np.uint8)
    assert (face_tile(pixels, (80, 80, 110, 110), 32) == 7).all()
    tall = face_tile(pixels[:, :20], (0, 10, 20, 70), 96)
    assert (tall[:, 48] == 7).all()
    assert (tall[:, 0] == draw._BLANK).all()
    assert (face_tile(pixels, (-900, -900, -800, -800), 8) == draw._BLANK).all()


def tiles(count: int, size: int = 96) -> list[np.ndarray]:
    return [np.full((size, size, 3), (200, 40, 40), np.uint8)] * count


def red(sheet: np.ndarray, tile: int = 96) -> float:
    """How many whole tiles of red there are."""
    share = (np.abs(sheet.astype(int) - (200, 40, 40)).max(axis=2) < 3).sum()
    return float(share / tile**2)


@pytest.mark.parametrize(
    ("count", "columns", "shown"),
    [
        (0, 12, 0),
        (1, 12, 1),
        (12, 12, 12),
        (24, 12, 24),
        (25, 12, 23),
        (5, 2, 3),
        (2, 1, 2),
        (9, 1, 1),
    ],
)
def test_sheet_shows_what_fits_and_counts_the_rest(count, columns, shown) -> None:
    sheet = contact_sheet([("Ann\n3 photos", tiles(count))], columns=columns)
    assert round(red(sheet) / 0.985) == shown  # corners are round
    assert sheet.dtype == np.uint8


def test_sheet_stacks_people_and_resizes_tiles() -> None:
    one = contact_sheet([("Ann", tiles(3))])
    two = contact_sheet([("Ann", tiles(3)), ("Ann", tiles(3, size=31))])
    assert two.shape[1] == one.shape[1]
    assert two.shape[0] == 2 * one.shape[0]
    assert round(red(two) / 0.985) == 6


def test_long_and_foreign_titles_do_not_widen_the_sheet() -> None:
    rows = [("word " * 40 + "\n" + "x" * 200, tiles(1)), ("Жанна 中村 😀\nа\nб\nв\nг\nд", tiles(1))]
    sheet = contact_sheet(rows)
    assert sheet.shape[1] < 96 * 5
    assert contact_sheet([]).size > 0
    assert contact_sheet([("", [])]).size > 0


def test_sheet_choices_are_checked() -> None:
    with pytest.raises(ChoiceError, match="tile"):
        contact_sheet([], tile=8)
    with pytest.raises(ChoiceError, match="columns"):
        contact_sheet([], columns=0)


def test_pair_shows_both_at_one_height_with_the_caption_below() -> None:
    a, b = (
        np.full((100, 80, 3), (200, 0, 0), np.uint8),
        np.full((900, 300, 3), (0, 0, 200), np.uint8),
    )
    both = pair(a, faces((10, 10, 60, 60)), b, Faces.empty(), "same person: 99 %")
    is_red, is_blue = (
        (both[..., 0] > 150) & (both[..., 2] < 9),
        (both[..., 2] > 150) & (both[..., 0] < 9),
    )
    red_box, blue_box = (
        changed(is_red[..., None], ~is_red[..., None] & False),
        changed(is_blue[..., None], ~is_blue[..., None] & False),
    )
    assert red_box[3] - red_box[1] == blue_box[3] - blue_box[1] == 640
    assert red_box[2] - red_box[0] == 512
    assert red_box[2] < blue_box[0]
    assert (both[blue_box[3] + 1 :].min(axis=2) < 90).any()  # ink under the pictures
    wide = pair(a, Faces.empty(), a, Faces.empty(), "a caption far wider than both " * 9)
    assert wide.shape[1] > 1000


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".png", "PNG"), (".jpg", "JPEG"), (".JPEG", "JPEG"), (".webp", "WEBP")]
)
def test_saved_pictures_read_back(suffix, kind, tmp_path, scene) -> None:
    path = tmp_path / ("写真 x" * 25 + suffix)
    save(path, np.zeros_like(scene))
    save(str(path), scene)  # over the first
    with Image.open(path) as image:
        assert image.format == kind
    error = np.abs(read(path).astype(int) - scene)
    assert error.max() == 0 if kind == "PNG" else error.mean() < 3
    assert os.listdir(tmp_path) == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_cannot_be_saved_is_said(tmp_path, scene) -> None:
    with pytest.raises(ChoiceError, match=r"'\.jpg'.*Got '\.tga'"):
        save(tmp_path / "a.tga", scene)
    with pytest.raises(PictureError, match="does not exist; make it first"):
        save(tmp_path / "no" / "a.png", scene)
    with pytest.raises(ChoiceError, match="PNG holds more"):
        save(tmp_path / "a.webp", np.zeros((17_000, 2, 3), np.uint8))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PictureError, match="cannot be written"):
        save(tmp_path / "folder.png", scene)
    assert os.listdir(tmp_path) == ["folder.png"]


def test_a_full_disk_leaves_the_old_file(tmp_path, scene, monkeypatch) -> None:
    path = tmp_path / "a.png"
    save(path, scene)

    def full(self: object, file: object, *args: object, **options: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(PictureError, match="No space left"):
        save(path, np.zeros_like(scene))
    assert np.array_equal(read(path), scene)
    assert [Path(p).name for p in os.listdir(tmp_path)] == ["a.png"]
