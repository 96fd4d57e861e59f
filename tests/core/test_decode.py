"""Modes, bit depths, transparency, animation and colour profiles: what the pixels come to."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from fusiform.core.decode import sniff
from fusiform.core.pictures import open_picture, read

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)


def grey(pixels: np.ndarray) -> np.ndarray:
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    return pixels[..., 0]


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG from its parts (W3C PNG specification, section 5), for what Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    extra = b"".join(chunk(c[:4], c[4:]) for c in chunks)
    image = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + image


# --- depth


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind, encode) -> None:
    deep = np.arange(0, 65536, 257, dtype=np.uint16).reshape(8, 32)
    assert np.array_equal(grey(read(encode(deep, kind))), RAMP)
    ok, data = cv2.imencode(".png", deep)
    assert ok
    assert np.array_equal(grey(read(data.tobytes())), RAMP)


def test_big_endian_sixteen_bit_tiff(encode) -> None:
    deep = Image.fromarray(np.arange(0, 65536, 257, dtype=">u2").reshape(8, 32))
    assert deep.mode == "I;16B"
    assert np.array_equal(grey(read(encode(deep, "TIFF"))), RAMP)


def test_sixteen_bit_colour_png() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (6, 5, 3)).astype(np.uint16)
    data = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
    assert np.abs(read(data) - deep / 257).max() <= 1


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize(("peak", "white"), [(255, 255), (65535, 65535), (90_000, 90_000)])
def test_wide_grey_is_scaled_by_its_white(dtype, peak, white, encode) -> None:
    values = np.linspace(0, peak, 256).reshape(8, 32).astype(dtype)
    got = grey(read(encode(Image.fromarray(values), "TIFF")))
    assert np.abs(got - values / white * 255).max() <= 0.51


def test_float_pictures_up_to_one_and_with_holes(encode) -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(8, 32)
    assert np.array_equal(grey(read(encode(Image.fromarray(values), "TIFF"))), RAMP)
    values[0, :3] = np.nan, np.inf, -5
    assert grey(read(Image.fromarray(values)))[0, :3].tolist() == [0, 0, 0]
    assert read(Image.fromarray(np.zeros((2, 2), np.float32))).max() == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_one_bit(kind, encode) -> None:
    bits = np.random.default_rng(1).random((9, 13)) > 0.5
    assert np.array_equal(grey(read(encode(Image.fromarray(bits), kind))), bits * 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "PPM", "GIF", "WEBP"])
def test_eight_bit_grey(kind, encode) -> None:
    options = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}.get(kind, {})
    got = grey(read(encode(RAMP, kind, **options)))
    assert np.abs(got.astype(int) - RAMP).max() <= (2 if kind == "JPEG" else 0)


def test_plain_text_ppm() -> None:
    assert read(b"P3 2 1 255\n255 0 0  0 10 20\n").tolist() == [[[255, 0, 0], [0, 10, 20]]]


# --- transparency and palettes


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_laid_on_white(kind, encode) -> None:
    rgba = np.random.default_rng(2).integers(0, 256, (7, 6, 4)).astype(np.uint8)
    rgba[0, 0] = 10, 20, 30, 0
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    alpha = rgba[..., 3:] / 255
    wanted = rgba[..., :3] * alpha + 255 * (1 - alpha)
    got = read(encode(rgba, kind, **options))
    assert np.abs(got - wanted).max() <= 1
    assert got[0, 0].tolist() == [255, 255, 255]


def test_grey_with_transparency(encode) -> None:
    la = np.array([[[100, 255], [100, 0], [100, 128]]], np.uint8)
    got = grey(read(encode(Image.fromarray(la, "LA"), "PNG")))
    assert np.abs(got[0].astype(int) - [100, 255, 177]).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_a_transparent_colour(kind, encode) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert read(encode(image, kind)).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    got = read(encode(image, kind, transparency=1))
    assert got.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


def test_palette_with_many_alphas(encode) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    got = read(encode(image, "PNG", transparency=bytes([255, 0, 128])))
    assert np.abs(got[0].astype(int) - [[255, 0, 0], [255, 255, 255], [127, 127, 255]]).max() <= 1


def test_one_colour_of_an_rgb_png_may_be_transparent() -> None:
    rows = b"\0" + bytes([1, 2, 3, 4, 5, 6])
    data = png(2, 1, 8, 2, rows, b"tRNS" + struct.pack(">3H", 4, 5, 6))
    assert read(data).tolist() == [[[1, 2, 3], [255, 255, 255]]]


def test_transparent_sixteen_bit_grey_alpha() -> None:
    rows = b"\0" + struct.pack(">4H", 25700, 65535, 25700, 0)
    assert read(png(2, 1, 16, 4, rows)).tolist() == [[[100] * 3, [255] * 3]]


# --- several pictures in a file


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_first_of_several_is_read(kind, encode) -> None:
    shades = [Image.new("RGB", (64, 48), colour) for colour in ("red", "lime", "blue")]
    options = {} if kind == "HEIF" else {"save_all": True, "append_images": shades[1:]}
    if kind == "HEIF":
        heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
        album, file = heif.from_pillow(shades[0]), io.BytesIO()
        for shade in shades[1:]:
            album.add_from_pillow(shade)
        album.save(file, save_all=True, primary_index=0)
        data = file.getvalue()
    else:
        data = encode(shades[0], kind, **options)
    got = read(data)
    assert got.shape == (48, 64, 3)
    assert np.abs(got.reshape(-1, 3).mean(axis=0) - [255, 0, 0]).max() < 4


def test_multi_picture_jpeg_of_a_phone(scene, encode) -> None:
    """An MPO file is a JPEG with more after it; the first is the picture, also reduced."""
    image = Image.fromarray(scene)
    data = encode(image, "MPO", save_all=True, append_images=[Image.new("RGB", image.size)])
    assert np.abs(read(data).astype(int) - scene).mean() < 3
    assert open_picture(data, at_least=50).pixels.shape == (36, 51, 3)


# --- colour


def test_cmyk_jpeg(encode) -> None:
    colours = [(255, 0, 0), (0, 128, 0), (20, 30, 200), (255, 255, 255), (0, 0, 0), (128, 128, 128)]
    rgb = np.repeat(np.array([colours], np.uint8), 16, axis=1).repeat(16, axis=0)
    image = Image.fromarray(rgb).convert("CMYK")
    data = encode(image, "JPEG", quality=100)
    assert b"Adobe" in data
    assert np.abs(read(data).astype(int) - rgb).max() < 6
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(read(data).astype(int) - theirs).max() < 6
    assert np.abs(read(encode(image, "TIFF")).astype(int) - rgb).max() < 2


def test_ycck_jpeg(encode) -> None:
    """Adobe's YCCK: C, M, Y as if they were R, G, B taken to YCbCr, and K inverted.

    Made from four planes that are stored as they are, and the marker's flag.
    """
    rgb = np.zeros((16, 48, 3), np.uint8)
    rgb[:, :16], rgb[:, 16:32], rgb[:, 32:] = (220, 40, 40), (30, 160, 60), (90, 90, 200)
    ycc = np.asarray(Image.fromarray(255 - rgb).convert("YCbCr"))
    black = np.zeros((16, 48, 1), np.uint8)
    # Pillow inverts what it stores
    planes = Image.frombytes("CMYK", (48, 16), np.dstack([255 - ycc, black]).tobytes())
    data = bytearray(encode(planes, "JPEG", quality=100))
    data[data.index(b"Adobe") + 11] = 2  # transform flag: YCCK
    theirs = cv2.imdecode(np.frombuffer(bytes(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(read(bytes(data)).astype(int) - rgb).max() < 8
    assert np.abs(theirs.astype(int) - rgb).max() < 8


DISPLAY_P3 = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)]
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_wide_gamut_becomes_srgb(kind, encode, icc_profile) -> None:
    colours = np.array([[(200, 60, 50), (60, 150, 70), (70, 80, 180)]], np.uint8)
    rgb = colours.repeat(32, axis=0).repeat(32, axis=1)
    best = {"WEBP": {"lossless": True}, "PNG": {}, "TIFF": {}, "JPEG": {"subsampling": 0}}
    options = best.get(kind, {"quality": 97})
    profile = icc_profile(DISPLAY_P3, "Display P3")
    got = read(encode(rgb, kind, icc_profile=profile, **options))[16, 16::32]
    # literal: decode gamma, P3 -> XYZ -> sRGB, encode with the sRGB curve (IEC 61966-2-1)
    light = (colours[0] / 255) ** 2.2 @ np.array(DISPLAY_P3) @ np.linalg.inv(np.array(SRGB))
    light = np.clip(light, 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(got - curve * 255).max() < (3 if kind in ("PNG", "TIFF", "WEBP") else 9)


def test_pictures_already_srgb_are_left_alone(scene, encode, icc_profile) -> None:
    built_in = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (built_in, icc_profile(SRGB, "sRGB IEC61966-2.1", gamma=1.8)):
        assert np.array_equal(read(encode(scene, "PNG", icc_profile=profile)), scene)


def test_profiles_that_do_not_fit_or_work_are_ignored(scene, encode, icc_profile) -> None:
    profile = icc_profile(DISPLAY_P3, "Display P3")
    cmyk = Image.fromarray(scene).convert("CMYK")
    plain = read(encode(cmyk, "TIFF"))
    space = bytearray(profile)
    space[16:20] = b"GRAY"
    for broken in (b"", b"junk", profile[:200], bytes(space)):
        assert np.array_equal(read(encode(scene, "PNG", icc_profile=broken)), scene)
    assert np.abs(read(encode(cmyk, "TIFF", icc_profile=b"junk")).astype(int) - plain).max() == 0


def test_profile_reaches_what_is_under_transparency(encode, icc_profile) -> None:
    rgba = np.full((4, 4, 4), (200, 60, 50, 255), np.uint8)
    profile = icc_profile(DISPLAY_P3, "Display P3")
    with_alpha = read(encode(rgba, "PNG", icc_profile=profile))
    assert np.array_equal(
        with_alpha, read(encode(rgba[..., :3].copy(), "PNG", icc_profile=profile))
    )
    assert with_alpha[0, 0, 0] > 205


# --- recognising, and silence


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "HEIF"]
)
def test_format_is_told_by_content(kind, scene, encode) -> None:
    data = encode(scene, kind)
    assert sniff(data[:128]) == kind
    assert sniff(b"\0" + data[:127]) is None
    assert open_picture(data).format == kind


def test_reading_prints_and_warns_nothing(tmp_path, scene, encode) -> None:
    """In a fresh process, with every warning shown: a file whose EXIF is cut draws Pillow's."""
    exif = Image.Exif()
    exif[0x010E] = "long " * 50
    good = encode(scene, "JPEG", exif=exif)
    value = good.index(b"MM\0*") + 8 + 2 + 8  # where the only tag says where its text lies
    bad = good[:value] + struct.pack(">I", len(good)) + good[value + 4 :]
    (tmp_path / "bad.jpg").write_bytes(bad)
    python = [sys.executable, "-W", "always", "-c"]
    ours = "import sys; from fusiform.core.pictures import read; print(read(sys.argv[1]).shape)"
    theirs = "import sys; from PIL import Image; Image.open(sys.argv[1]).getexif()"
    told, loud = (
        subprocess.run(
            [*python, code, str(tmp_path / "bad.jpg")], capture_output=True, text=True, check=True
        )
        for code in (ours, theirs)
    )
    assert (told.stdout, told.stderr) == ("(141, 203, 3)\n", "")
    assert "Warning" in loud.stderr  # the file does provoke one
