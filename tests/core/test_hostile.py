"""Cut and altered files: a picture or a named error, never anything else, never half a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fusiform.core.errors import DamagedPicture, PictureError
from fusiform.core.pictures import open_picture

# Pillow's own warnings are silenced at import, which pytest's "error" setting undoes in tests.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::Warning:PIL.Image")

KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "HEIF"]
LIMIT = 2_000_000
few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def survives(data: bytes, **options: int) -> bool:
    """Whether it was read. Any exception that is no PictureError fails the test by itself."""
    try:
        picture = open_picture(data, pixel_limit=LIMIT, **options)
    except PictureError as error:
        return not (error.reason and error.remedy)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.ndim == 3
    assert picture.pixels.shape[2] == 3
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_cut_files_are_named_never_half_read(kind, part, scene, encode) -> None:
    data = encode(scene, kind)
    for at_least in (None, 30):
        with pytest.raises(DamagedPicture):
            open_picture(data[: int(len(data) * part)], at_least=at_least)


def test_a_progressive_jpeg_cut_is_no_blurred_picture(scene, encode) -> None:
    data = encode(scene, "JPEG", progressive=True)
    with pytest.raises(DamagedPicture, match="truncated"):
        open_picture(data[: len(data) * 3 // 4])


@pytest.mark.parametrize("kind", KINDS)
def test_every_short_beginning_is_refused(kind, scene, encode) -> None:
    data = encode(scene, kind)
    assert not any(survives(data[:n]) for n in range(64))


@pytest.mark.parametrize("kind", KINDS)
@given(
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8)
)
@few
def test_altered_bytes_anywhere(kind, changes, encode) -> None:
    data = bytearray(
        encode(np.arange(1200, dtype=np.uint16).astype(np.uint8).reshape(20, 20, 3), kind)
    )
    for place, value in changes:
        data[int(place * len(data))] = value
    survives(bytes(data), at_least=5)


@pytest.mark.parametrize("kind", KINDS)
@given(place=st.integers(0, 300), junk=st.binary(min_size=1, max_size=40), cut=st.booleans())
@few
def test_junk_in_the_header(kind, place, junk, cut, encode) -> None:
    """Headers, EXIF and profiles are where parsers break."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0x9003: "2024:05:01 12:30:00"})
    options = {} if kind in ("BMP", "GIF", "PPM") else {"exif": exif.tobytes()}
    data = encode(np.zeros((20, 24, 3), np.uint8), kind, **options)
    place = place % len(data)
    survives(data[:place] + junk + data[place + (len(junk) if cut else 0) :])


@given(
    st.sampled_from(["P1", "P2", "P3", "P4", "P5", "P6", "BM", "GIF89a"]), st.binary(max_size=90)
)
@few
def test_small_formats_from_junk(magic, junk) -> None:
    survives(magic.encode() + b" 3 2 255 " + junk)
    survives(magic.encode() + junk)


def test_an_empty_file_is_said_to_be_empty() -> None:
    with pytest.raises(DamagedPicture, match=r"is empty \(0 bytes\)"):
        open_picture(b"")


def test_a_damaged_pillow_image_is_named_too(scene, encode) -> None:
    data = encode(scene, "PNG")
    with (
        Image.open(io.BytesIO(data[: len(data) // 2])) as image,
        pytest.raises(DamagedPicture, match="Pillow image"),
    ):
        open_picture(image)
