from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError, DamagedPicture, NotAPicture, PictureError
from fusiform.core.video import Frame, frames

# Display matrices of an MP4 track header (ISO/IEC 14496-12, 8.3.2), 16.16 fixed point, by how
# far a player has to turn the stored picture clockwise.
MATRIX = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="needs the extra video")


@pytest.fixture
def film(av, tmp_path):
    """film(turn=0, suffix=".mp4") -> path: 20 frames at 10 a second, frame i of brightness 10 i,
    its left upper quarter red."""

    def made(turn: int = 0, suffix: str = ".mp4") -> Path:
        path = tmp_path / f"film{turn}{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10, options={"qscale": "1"})
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for i in range(20):
                picture = np.full((64, 96, 3), 10 * i, np.uint8)
                picture[:32, :48] = 220, 20, 20
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        if turn:
            data = bytearray(path.read_bytes())
            at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of fields
            a, b, c, d = (v * 65536 for v in MATRIX[turn])
            data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
            path.write_bytes(data)
        return path

    return made


def brightness(frame: Frame) -> float:
    return float(np.median(frame.pixels))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_all_frames_in_order(film, suffix) -> None:
    seen = list(frames(film(suffix=suffix)))
    assert [frame.index for frame in seen] == list(range(20))
    assert np.allclose([frame.seconds for frame in seen], np.arange(20) / 10, atol=2e-3)
    for i, frame in enumerate(seen):
        assert frame.pixels.shape == (64, 96, 3)
        assert frame.pixels.dtype == np.uint8
        assert abs(brightness(frame) - 10 * i) < 6


def test_equals_opencv(film) -> None:
    import cv2

    path = film()
    capture = cv2.VideoCapture(str(path))
    for frame in frames(path):
        ok, theirs = capture.read()
        assert ok
        assert np.abs(frame.pixels.astype(int) - theirs[..., ::-1]).mean() < 3
    assert not capture.read()[0]
    capture.release()


@pytest.mark.parametrize(
    ("every", "indices"),
    [
        (0.5, [0, 5, 10, 15]),
        (0.25, [0, 3, 5, 8, 10, 13, 15, 18]),
        (0.05, list(range(20))),
        (9.0, [0]),
    ],
)
def test_every_so_many_seconds(film, every, indices) -> None:
    assert [frame.index for frame in frames(film(), every=every)] == indices


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_frames_come_upright(film, turn) -> None:
    plain = next(frames(film())).pixels
    turned = next(frames(film(turn))).pixels
    assert turned.flags.c_contiguous
    assert np.array_equal(turned, np.rot90(plain, -turn // 90))  # numpy turns counter-clockwise


def test_a_cut_film_gives_its_beginning_then_an_error(film) -> None:
    path = film(suffix=".mkv")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    seen = []
    with contextlib.suppress(DamagedPicture):  # Matroska may also just end
        for frame in frames(path):
            seen.append(frame.index)
    assert 0 < len(seen) < 20
    assert seen == list(range(len(seen)))


def test_what_is_no_video_is_refused(av, tmp_path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("a text")
    with pytest.raises(DamagedPicture, match="no video"):
        next(frames(path))
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    with pytest.raises(DamagedPicture, match="no video"):
        next(frames(path))
    with pytest.raises(PictureError, match="does not exist"):
        next(frames(tmp_path / "gone.mp4"))


def test_sound_alone_is_no_video(av, tmp_path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(NotAPicture, match="holds no video"):
        next(frames(path))


def test_choices_and_missing_library_are_named_at_once(tmp_path, monkeypatch) -> None:
    for every in (0, -1.0, float("nan")):
        with pytest.raises(ChoiceError, match="every"):
            frames(tmp_path / "x.mp4", every=every)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(PictureError, match=r'pip install "fusiform\[video\]"'):
        frames(tmp_path / "x.mp4")
