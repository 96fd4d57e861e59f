"""`open_picture`: orientation, reduced decoding, sources, arrays, limits and times."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from fusiform.core.decode import iso_time
from fusiform.core.errors import (
    ChoiceError,
    PictureError,
    PictureTooLarge,
)
from fusiform.core.pictures import open_picture, read

# How the pixels lie in a file of each EXIF orientation, given the upright picture (EXIF 2.3, 4.6.4)
STORED = {
    1: lambda up: up,
    2: np.fliplr,
    3: lambda up: np.rot90(up, 2),
    4: np.flipud,
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: np.rot90(up, 2).swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
LOSSY = {
    "JPEG": {"quality": 97, "subsampling": 0},
    "AVIF": {"quality": 95},
    "HEIF": {"quality": 95},
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_every_orientation_comes_upright(kind, orientation, scene, encode) -> None:
    options = {**LOSSLESS, **LOSSY}[kind]
    data = encode(np.ascontiguousarray(STORED[orientation](scene)), kind, orientation, **options)
    picture = open_picture(data)
    assert picture.format == kind
    assert (picture.width, picture.height) == (203, 141)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    error = np.abs(picture.pixels.astype(int) - scene)
    assert error.max() == 0 if kind in LOSSLESS else error.mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("at_least", "step"), [(None, 1), (300, 1), (200, 1), (101, 2), (26, 4), (9, 8)]
)
def test_reduced_jpeg_comes_upright(orientation, at_least, step, scene, encode) -> None:
    stored = np.ascontiguousarray(STORED[orientation](scene))
    picture = open_picture(encode(stored, "JPEG", orientation, quality=97), at_least=at_least)
    assert (picture.width, picture.height, picture.scale) == (203, 141, 1 / step)
    high, wide = picture.pixels.shape[:2]
    assert (wide, high) == (-(-203 // step), -(-141 // step))
    # the same place of the upright scene, found through to_full
    y, x = np.mgrid[1 : high - 1, 1 : wide - 1]
    full = picture.to_full(np.stack([x, y], axis=2) + 0.5) - 0.5
    there = np.rint(full).astype(int)
    got = picture.pixels[1:-1, 1:-1].astype(int)
    assert np.abs(got - scene[there[..., 1], there[..., 0]]).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("step", [1, 2, 4, 8])
def test_reduced_boxes_map_back_within_half_a_pixel(orientation, step, encode) -> None:
    """The centre of gravity and the spread of a bright box tell where its edges lie."""
    upright = np.zeros((301, 427), np.uint8)
    box = np.array([61, 47, 158, 181])
    upright[box[1] : box[3], box[0] : box[2]] = 200
    stored = np.ascontiguousarray(STORED[orientation](upright))
    at_least = None if step == 1 else 427 // step
    picture = open_picture(encode(stored, "JPEG", orientation, quality=98), at_least=at_least)
    assert picture.scale == 1 / step
    found = np.zeros(4)
    for axis in (0, 1):  # x, y
        light = picture.pixels[..., 0].astype(float).sum(axis=axis)
        light[light < 0.02 * light.max()] = 0  # ringing of the cosine transform
        at = np.arange(len(light)) + 0.5
        centre = (light * at).sum() / light.sum()
        length = light.sum() / light.max()
        found[[axis, axis + 2]] = centre - length / 2, centre + length / 2
    assert np.abs(picture.to_full(found[None])[0] - box).max() < 0.5


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 4000), st.integers(1, 8))
def test_reduction_keeps_the_long_side(width, height, at_least, orientation) -> None:
    from fusiform.core import decode

    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    frame = data.index(b"\xff\xc0") + 5  # height and width stand here in the frame header
    data[frame : frame + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    image = decode.lazy_image(io.BytesIO(bytes(data)), "JPEG")
    step = decode.reduce(image, at_least)
    assert image.size == (-(-width // step), -(-height // step))
    assert max(image.size) >= min(at_least, max(width, height))


def test_to_full_takes_boxes_points_and_nothing() -> None:
    picture = open_picture(np.zeros((4, 6, 3), np.uint8))
    assert picture.to_full(np.zeros((0, 4))).shape == (0, 4)
    assert picture.to_full(np.zeros((2, 5, 2))).shape == (2, 5, 2)
    assert picture.to_full([1.5, 2]).tolist() == [1.5, 2]


def test_full_decode_equals_opencv(scene, encode) -> None:
    for orientation in (1, 6):
        data = encode(scene, "JPEG", orientation, quality=90)
        theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(read(data).astype(int) - theirs).max() <= 2


def test_senseless_orientation_is_ignored(scene, encode) -> None:
    for value in (0, 9, 65535):
        assert np.array_equal(read(encode(scene, "PNG", value)), scene)


def test_all_ways_in_agree(tmp_path, scene, encode) -> None:
    data = encode(scene, "PNG")
    path = tmp_path / "scene.png"
    path.write_bytes(data)
    image = Image.open(path)
    ways = [data, path, str(path), image, scene, Image.fromarray(scene)]
    assert all(np.array_equal(read(way), scene) for way in ways)
    image.close()


def test_pillow_image_is_not_reduced_or_changed(encode, scene) -> None:
    with Image.open(io.BytesIO(encode(scene, "JPEG", 6))) as image:
        picture = open_picture(image, at_least=20)
        assert picture.pixels.shape == (203, 141, 3)
        assert image.size == (203, 141)
        assert image.getexif()[0x0112] == 6


# --- arrays


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(4))))
def test_array_kinds_mean_the_same(rgba) -> None:
    rgb, grey = rgba[..., :3], rgba[..., 0]
    before = rgba.copy()
    assert np.array_equal(read(rgb), rgb)
    assert np.array_equal(read(grey), np.dstack([grey] * 3))
    assert np.array_equal(read(grey[..., None]), np.dstack([grey] * 3))
    assert np.array_equal(read(grey.astype(np.uint16) * 257), np.dstack([grey] * 3))
    assert np.array_equal(read(rgb / np.float32(255)), rgb)
    assert np.array_equal(read(grey > 127)[..., 0], np.where(grey > 127, 255, 0))
    alpha = rgba[..., 3:] / 255
    assert np.abs(read(rgba) - (rgb * alpha + 255 * (1 - alpha))).max() <= 0.5 + 1e-9
    assert np.array_equal(rgba, before)


def test_result_is_read_only_but_the_callers_array_is_not(scene) -> None:
    pixels = read(scene)
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0
    scene[0] = 0


def test_views_in_any_order_are_read_right(scene) -> None:
    assert np.array_equal(read(scene[::-1, ::-2]), scene[::-1, ::-2])
    assert read(scene[::-1]).flags.c_contiguous


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((4, 4), np.int64),
        np.zeros((4, 4), complex),
        np.full((4, 4), 1.01),
        np.full((4, 4), -0.01),
        np.full((4, 4), np.nan),
        np.array([["a"]]),
    ],
)
def test_other_arrays_are_refused(array) -> None:
    with pytest.raises(ChoiceError):
        open_picture(array)


def test_other_sources_and_choices_are_refused(scene) -> None:
    with pytest.raises(ChoiceError, match="source must be a path"):
        open_picture([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="at_least"):
        open_picture(scene, at_least=0)


# --- limits, time, threads


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP", "PPM", "WEBP", "AVIF", "HEIF"]
)
def test_pixel_limit_is_checked_before_decoding(kind, scene, encode, monkeypatch) -> None:
    data = encode(scene, kind)
    assert open_picture(data, pixel_limit=203 * 141).width == 203
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    with pytest.raises(PictureTooLarge, match=r"203 x 141 pixels.*pixel_limit"):
        open_picture(data, pixel_limit=203 * 141 - 1)


def test_pixel_limit_holds_for_arrays_and_pillow_images(scene) -> None:
    for source in (scene, Image.fromarray(scene)):
        with pytest.raises(PictureTooLarge):
            open_picture(source, pixel_limit=100)


def test_limit_of_pillow_is_neither_used_nor_moved(scene, encode, monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read(encode(scene, "PNG")).shape == scene.shape
    assert Image.MAX_IMAGE_PIXELS == 10


def test_bomb_of_few_bytes_is_refused() -> None:
    header = b"GIF89a" + (65535).to_bytes(2, "little") * 2 + b"\0\0\0"
    with pytest.raises(PictureError):
        open_picture(header)
    with pytest.raises(PictureTooLarge):
        open_picture(b"P5 100000 100000 255\n")


@pytest.mark.parametrize(
    ("text", "offset", "iso"),
    [
        ("2024:05:01 12:30:00", None, "2024-05-01T12:30:00"),
        ("2024:05:01 12:30:00", "+02:00", "2024-05-01T10:30:00+00:00"),
        ("2024:01:01 00:10:00\0", "-05:30\0", "2024-01-01T05:40:00+00:00"),
        ("2024:05:01 12:30:00", "   :  ", "2024-05-01T12:30:00"),
        ("2024:05:01 12:30:00", "", "2024-05-01T12:30:00"),
        ("0001:01:01 00:00:00", "+14:00", "0001-01-01T00:00:00"),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        (None, "+02:00", None),
        (17, 4, None),
    ],
)
def test_time_of_the_picture(text, offset, iso) -> None:
    assert iso_time(text, offset) == iso


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_time_is_found_in_the_file(kind, scene, encode) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: "2024:05:01 12:30:00", 0x9011: "+02:00"})
    picture = open_picture(encode(scene, kind, exif=exif.tobytes()))
    assert picture.taken_at == "2024-05-01T10:30:00+00:00"
    assert open_picture(encode(scene, kind)).taken_at is None


def test_eight_threads_read_the_same(scene, encode) -> None:
    files = [encode(scene, kind, 6) for kind in ("JPEG", "PNG", "WEBP")] * 16
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read, files))
    assert all(np.array_equal(a, read(b)) for a, b in zip(together, files, strict=True))
