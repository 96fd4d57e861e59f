"""Clips: what a decoder gets back, picture by picture and sample by sample."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.core.seeds import rng
from fusiform.lab.world.clip import PROVENANCE, write_clip, write_labels
from fusiform.lab.world.motion import Motion, act, sample_script
from fusiform.lab.world.speech import Speech

av = pytest.importorskip("av", reason="PyAV is not installed")
GREY = np.full((48, 64, 3), 90, np.uint8)


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as file:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]


def samples(path: Path) -> tuple[float, np.ndarray]:
    with av.open(str(path)) as file:
        parts = [(f.time, f.to_ndarray()) for f in file.decode(audio=0)]
    return parts[0][0], np.concatenate([part for _, part in parts], axis=1)


def flash_and_click(
    path: Path, fps: float, rate: int, count: int = 40
) -> tuple[float, float, float]:
    """Seconds of the flash, of the click, and when both were meant, from the decoded clip."""
    at = count * 3 // 5
    frames = (np.full_like(GREY, 235 if k == at else 20) for k in range(count))
    audio = np.zeros(int(count / fps * rate), np.int16)
    sample = round(at / fps * rate)
    audio[sample : sample + 30] = 30000
    write_clip(path, frames, fps, audio, rate)
    flash = [time for time, picture in pictures(path) if picture.mean() > 120]
    start, heard = samples(path)
    assert len(flash) == 1
    return flash[0], start + int(np.argmax(np.abs(heard[0]) > 0.25)) / rate, at / fps


@pytest.mark.parametrize(
    ("fps", "rate"), [(25, 22050), (30, 44100), (29.97, 16000), (50, 48000), (12.5, 24000)]
)
def test_flash_and_click_come_out_together(tmp_path: Path, fps: float, rate: int) -> None:
    """The AAC encoder's delay of 1024 or more samples (23 to 64 ms) must not be heard."""
    flash, click, meant = flash_and_click(tmp_path / "sync.mp4", fps, rate)
    assert flash == pytest.approx(meant, abs=1e-3)
    assert click == pytest.approx(meant, abs=2e-3)
    assert abs(flash - click) < 0.1 / fps


@pytest.mark.parametrize(("count", "fps"), [(1, 25.0), (2, 30.0), (53, 25.0), (31, 23.976)])
def test_every_frame_is_there_at_its_time(tmp_path: Path, count: int, fps: float) -> None:
    shades = rng(count).integers(30, 220, count)
    path = write_clip(tmp_path / "a.mp4", (np.full_like(GREY, s) for s in shades), fps, quality=8)
    found = pictures(path)
    assert len(found) == count
    assert [time for time, _ in found] == pytest.approx(np.arange(count) / fps, abs=1e-3)
    assert [p.mean() for _, p in found] == pytest.approx(shades, abs=5)
    with av.open(str(path)) as file:
        video = file.streams.video[0]
        assert video.frames == count
        assert video.average_rate == Fraction(fps).limit_denominator(1001)
        assert video.codec_context.name == "h264"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert not file.streams.audio


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (33, 2), (1, 1)])
def test_odd_sizes_are_padded_at_the_bottom_and_right(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    ramp = np.linspace(40, 200, size[0] * size[1]).reshape(*size, 1).astype(np.uint8)
    frame = np.repeat(ramp, 3, axis=2)
    (_, out), *_ = pictures(write_clip(tmp_path / "odd.mp4", [frame] * 3, 25, quality=1))
    assert out.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(out[: size[0], : size[1]].astype(int) - frame).mean() < 6
    if size[0] % 2 and size[0] > 8:
        assert np.abs(out[-1].astype(int) - out[-2]).mean() < 6


def test_colours_survive(tmp_path: Path) -> None:
    patches = np.array(
        [[250, 250, 250], [5, 5, 5], [200, 40, 40], [40, 180, 60], [40, 60, 200], [225, 180, 160]]
    )
    frame = np.repeat(np.repeat(patches[None].astype(np.uint8), 32, axis=0), 16, axis=1)
    (_, out), *_ = pictures(write_clip(tmp_path / "c.mp4", [frame] * 4, 25, quality=4))
    for k, colour in enumerate(patches):
        centre = out[8:24, k * 16 + 4 : k * 16 + 12].reshape(-1, 3).mean(axis=0)
        assert centre == pytest.approx(colour, abs=5)
    with av.open(str(tmp_path / "c.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_range) == (1, 1, 1)


def test_sound_survives_in_mono_and_stereo(tmp_path: Path) -> None:
    time = np.arange(22050) / 22050
    tone = (12000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)
    other = (6000 * np.sin(2 * np.pi * 880 * time)).astype(np.int16)
    for audio in (tone, tone[:, None], np.stack([tone, other], axis=1)):
        path = write_clip(tmp_path / "s.mp4", [GREY] * 25, 25, audio, 22050)
        start, heard = samples(path)
        assert start == pytest.approx(0, abs=1e-6)
        wanted = audio.reshape(len(audio), -1).T / 32768
        assert len(heard) == len(wanted)
        middle = slice(2000, 20000)
        assert np.abs(heard[:, middle] - wanted[:, middle]).max() < 0.03
        assert 22050 <= heard.shape[1] < 22050 + 2048


def test_sound_of_any_length_goes_with_the_pictures(tmp_path: Path) -> None:
    for length in (0, 1, 100, 70_000):
        audio = np.full(length, 3000, np.int16)
        path = write_clip(tmp_path / "l.mp4", [GREY] * 10, 25, audio, 22050)
        assert len(pictures(path)) == 10


def test_metadata_says_it_is_synthetic(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "m.mp4", [GREY], 25, metadata={"seed": "7", "comment": "real!"})
    with av.open(str(path)) as file:
        assert file.metadata["comment"] == PROVENANCE == "synthetic: fusiform world"
        assert file.metadata["seed"] == "7"


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    draw = rng(3)
    frames = draw.integers(0, 255, (12, 32, 32, 3)).astype(np.uint8)
    audio = draw.integers(-5000, 5000, 9000).astype(np.int16)
    one = write_clip(tmp_path / "1.mp4", frames, 25, audio, 22050).read_bytes()
    assert one == write_clip(tmp_path / "2.mp4", iter(frames), 25, audio, 22050).read_bytes()


def test_a_clip_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "kept.mp4"
    path.write_bytes(b"what was here before")

    def breaks() -> Iterator[np.ndarray]:
        yield GREY
        raise RuntimeError("the renderer stopped")

    with pytest.raises(RuntimeError, match="renderer"):
        write_clip(path, breaks(), 25)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.mp4"]
    assert path.read_bytes() == b"what was here before"
    write_clip(path, [GREY], 25)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.mp4"]
    assert len(pictures(path)) == 1


@pytest.mark.parametrize(
    ("frames", "more", "message"),
    [
        ([], {}, "at least one picture"),
        ([GREY, GREY[:10]], {}, "frame 1 must be uint8 of the first one's shape"),
        ([GREY.astype(float)], {}, "frame 0 must be uint8"),
        ([GREY[..., 0]], {}, r"shape \(h, w, 3\)"),
        ([GREY], {"fps": 0}, "fps"),
        ([GREY], {"quality": 99}, "quality"),
        ([GREY], {"audio": np.zeros(9, np.int16)}, "rate must be"),
        ([GREY], {"audio": np.zeros(9, np.int16), "rate": 12345}, "rate must be one of 8000"),
        ([GREY], {"audio": np.zeros(9), "rate": 16000}, "int16"),
        ([GREY], {"audio": np.zeros((9, 5), np.int16), "rate": 16000}, "int16"),
    ],
)
def test_nonsense_is_refused_and_leaves_nothing(
    tmp_path: Path, frames: list[np.ndarray], more: dict[str, object], message: str
) -> None:
    with pytest.raises(ChoiceError, match=message):
        write_clip(tmp_path / "x.mp4", frames, **({"fps": 25} | more))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FusiformError, match=r"nowhere.*cannot be written"):
        write_clip(tmp_path / "nowhere" / "x.mp4", [GREY], 25)


def test_missing_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(FusiformError, match=r'pip install "fusiform\[video\]"'):
        write_clip(tmp_path / "x.mp4", [GREY], 25)


def made_up() -> tuple[Motion, Speech]:
    motion = act(1, 2, 25, script=sample_script(1, 2, 60, 60))
    audio = np.zeros(32000, np.int16)
    visemes = np.eye(1, 15, dtype=np.float32).repeat(50, axis=0)
    phonemes, words = (("ɑː", 0.5, 0.7),), (("ah", 0.5, 0.7),)
    return motion, Speech(audio, 16000, phonemes, words, ((0.1, 0.2),), visemes, 25.0)


def test_labels_lie_beside_the_clip(tmp_path: Path) -> None:
    motion, speech = made_up()
    path = write_labels(tmp_path / "x.mp4", motion, speech)
    assert path == tmp_path / "x.npz"
    with np.load(path, allow_pickle=False) as arrays:
        for name in ("expression", "head", "shift", "gaze", "tongue"):
            assert (arrays[name] == getattr(motion, name)).all()
        assert (arrays["visemes"] == speech.visemes).all()
    facts = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert facts["provenance"] == PROVENANCE
    assert facts["phonemes"] == [["ɑː", 0.5, 0.7]]
    assert facts["closures"] == [[0.1, 0.2]]
    assert len(facts["events"]) == len(motion.events)
    assert facts["events"][0]["frames"] == list(motion.events[0].frames(25))
    assert len(facts["expressions"]) == 52
    first = (path.read_bytes(), (tmp_path / "x.json").read_bytes())
    write_labels(tmp_path / "x.mp4", motion, speech)
    assert first == (path.read_bytes(), (tmp_path / "x.json").read_bytes())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.json", "x.npz"]


def test_labels_without_speech(tmp_path: Path) -> None:
    motion, _ = made_up()
    with np.load(write_labels(tmp_path / "y.mp4", motion), allow_pickle=False) as arrays:
        assert "visemes" not in arrays.files
