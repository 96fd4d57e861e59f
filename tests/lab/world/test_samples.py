"""Samples: pure functions of their key, once compressed, labels as asked, attacks told as such."""

from __future__ import annotations

import io
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world import attacks, encode, samples
from fusiform.lab.world.labels import photograph
from fusiform.lab.world.pack import read_pack, write_pack
from fusiform.lab.world.presentation import KINDS
from fusiform.lab.world.samples import GROUPS, Options, key_of, sample, take
from fusiform.lab.world.shot import PRESETS

SEED = 3
SMALL = Options("recognition", SEED, 32)


def opened(data: bytes, mode: str = "RGB") -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert(mode) if mode else picture)


def loaded(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


# Keys and options


@given(st.integers(0, 9_999_999), st.integers(0, 99_998))
def test_keys_come_back_and_keep_their_order(number, image):
    assert samples.numbers_of(key_of(number, image)) == (number, image)
    assert key_of(number, image) < key_of(number, image + 1)


@pytest.mark.parametrize("key", ["", "7_1", "0000007", "0000007_00001_1", "-000007_00001", "a_b"])
def test_other_keys_are_refused(key):
    with pytest.raises(ChoiceError, match="key"):
        sample(SMALL, key)


@pytest.mark.parametrize(("people", "images"), [(1, 1), (7, 20), (100, 20), (5000, 3), (2, 5000)])
def test_a_tar_holds_whole_people(people, images):
    size = samples.shard_size(people, images)
    assert size % images == 0
    assert size <= max(images, 1000)
    assert -(-people * images // size) <= max(32, people * images // 500 + 1, people)


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "passport"},
        {"size": 8},
        {"size": 5000},
        {"seed": -1},
        {"format": "gif"},
        {"labels": ("mood",)},
        {"preset": "antispoof", "labels": ("depth",)},
    ],
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ChoiceError):
        Options(**wrong)


def test_presets_have_labels_of_their_own():
    assert Options("recognition").arrays == frozenset()
    assert Options("parsing").arrays == {"parsing", "alpha"}
    assert Options("parsing", labels=()).arrays == frozenset()
    assert Options("parsing", labels=("all",)).arrays >= {"depth", "points478_seen", "camera"}
    assert set(samples.OWN_LABELS) <= set(PRESETS)


# Purity


def test_the_same_bytes_whatever_came_before():
    keys = [key_of(0, 0), key_of(1, 7), key_of(0, 1)]
    first = [sample(SMALL, key) for key in keys]
    samples.dressed.cache_clear()
    assert [sample(SMALL, key) for key in reversed(keys)] == first[::-1]
    assert len({members["jpg"] for members in first}) == 3


def test_the_same_bytes_in_another_process():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(partial(sample, SMALL), key_of(4, 2)).result()
    assert there == sample(SMALL, key_of(4, 2))


def test_seed_preset_and_size_matter():
    others = [Options("recognition", 4, 32), Options("wild", SEED, 32), Options(size=36, seed=SEED)]
    pictures = [sample(options, key_of(0, 0))["jpg"] for options in (SMALL, *others)]
    assert len(set(pictures)) == 4


def test_a_look_lasts_five_images():
    looks = [samples.look(SMALL, 6, image) for image in (0, 4, 5, 9, 10)]
    assert looks[0] is looks[1] is not looks[2]
    assert looks[2] is looks[3] is not looks[4]
    assert len({id(look.bones) for look in looks}) == 1
    assert len({look.wardrobe for look in looks}) == 3
    held = Options("video", SEED, 32)
    assert samples.look(held, 6, 0) is samples.look(held, 6, 12)


# What is stored


def test_a_jpeg_is_compressed_once_with_the_sensors_quality():
    who = samples.look(SMALL, 0, 0)
    shot = samples.shot_of(SMALL, 0, 0)
    assert shot.sensor.jpeg > 0
    plain = photograph(who, shot, maps=False)
    members = sample(SMALL, key_of(0, 0))
    # decoding the stored file gives what the sensor's own JPEG step gives
    assert np.array_equal(opened(members["jpg"]), plain.image)
    assert np.array_equal(take(SMALL, 0, 0).image, plain.image)
    facts = json.loads(members["json"])
    assert facts["sensor"]["jpeg"] == facts["quality"]["jpeg"] == shot.sensor.jpeg
    assert facts == json.loads(encode.plain_json(plain.facts))


def test_png_holds_the_same_pixels():
    options = Options("recognition", SEED, 32, format="png")
    members = sample(options, key_of(0, 0))
    assert np.array_equal(opened(members["png"]), opened(sample(SMALL, key_of(0, 0))["jpg"]))


def test_files_say_that_they_are_synthetic():
    for kind in ("jpeg", "png"):
        members = sample(Options("recognition", SEED, 32, format=kind), key_of(1, 0))
        with Image.open(io.BytesIO(members["png" if kind == "png" else "jpg"])) as picture:
            note = picture.info.get("Comment", picture.info.get("comment"))
        assert note in ("synthetic: fusiform world", b"synthetic: fusiform world")


def test_a_comment_leaves_pixels_and_header_alone():
    bare = encode.jpeg_bytes(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3), 90)
    noted = encode.commented(bare, "x")
    assert noted[:4] == b"\xff\xd8\xff\xe0"
    assert np.array_equal(opened(bare), opened(noted))
    headless = b"\xff\xd8" + bare[20:]
    assert np.array_equal(opened(encode.commented(headless)), opened(headless))


def test_parsing_and_alpha_are_pictures():
    options = Options("parsing", SEED, 48)
    members = sample(options, key_of(0, 0))
    assert set(members) == {"jpg", "json", "parsing.png", "alpha.png"}
    everything = take(Options("parsing", SEED, 48, labels=("all",)), 0, 0).arrays
    classes = opened(members["parsing.png"], "")
    assert np.array_equal(classes, everything["parsing"])
    assert {Label.SKIN, Label.BACKGROUND} <= set(classes.ravel().tolist())
    colour = opened(members["parsing.png"])[classes == Label.SKIN][0]
    assert tuple(colour.tolist()) == encode.COLOURS[Label.SKIN]
    share = opened(members["alpha.png"], "") / 255
    assert np.abs(share - everything["alpha"].astype(float)).max() < 0.003
    assert len(encode.COLOURS) == len(Label)


def test_all_labels_are_all_arrays():
    options = Options("portrait", SEED, 32, labels=("all",))
    arrays = loaded(sample(options, key_of(2, 0))["npz"])
    shot = samples.shot_of(options, 2, 0)
    true = photograph(samples.look(options, 2, 0), shot).arrays
    assert set(arrays) == set(true) == {name for names in GROUPS.values() for name in names}
    for name, array in true.items():
        assert array.dtype == arrays[name].dtype
        assert np.array_equal(array, arrays[name], equal_nan=array.dtype.kind == "f")


def test_only_what_is_asked_for_is_stored():
    landmarks = loaded(sample(Options("landmarks", SEED, 32), key_of(0, 0))["npz"])
    assert set(landmarks) == set(GROUPS["points"])
    both = loaded(
        sample(Options(seed=SEED, size=32, labels=("depth", "gaze")), key_of(0, 0))["npz"]
    )
    assert set(both) == {"depth", "gaze"}
    assert both["depth"].shape == (32, 32)
    assert set(sample(SMALL, key_of(0, 0))) == {"jpg", "json"}


# Attacks


def test_half_are_live_and_the_rest_is_shared_out():
    shots = [samples.replace(samples.shot_of(SMALL, 0, 0), seed=seed) for seed in range(600)]
    kinds = [attacks.kind_of(shot) for shot in shots]
    assert 250 < kinds.count("") < 350
    assert all(70 < kinds.count(kind) < 130 for kind in KINDS)


@pytest.mark.parametrize("kind", ["", *KINDS])
def test_attacks_are_labelled(kind):
    options = Options("antispoof", SEED, 48, labels=("points",))
    image = next(i for i in range(60) if attacks.kind_of(samples.shot_of(options, 0, i)) == kind)
    members = sample(options, key_of(0, image))
    facts, arrays = json.loads(members["json"]), loaded(members["npz"])
    assert facts["live"] is (kind == "")
    assert facts["person"] == 0
    assert np.abs(arrays["points5"] - facts["points5"]).max() < 1e-3
    if kind:
        corners = np.array(facts["attack"]["corners"])
        assert facts["attack"]["kind"] == kind
        assert "attack" not in facts["source"]
        # the homography takes the picture's corners near the sheet's, which has a margin
        flat = np.array([[0, 0, 1], [48, 0, 1], [48, 48, 1], [0, 48, 1.0]])
        seen = flat @ np.array(facts["attack"]["homography"]).T
        assert np.abs(seen[:, :2] / seen[:, 2:] - corners).max() < 0.2 * np.ptp(corners)


def test_everything_about_an_attack():
    options = Options("antispoof", SEED, 32, labels=("all",))
    image = next(i for i in range(60) if attacks.kind_of(samples.shot_of(options, 1, i)) == "print")
    arrays = take(options, 1, image).arrays
    assert arrays["depth"].shape == arrays["mask"].shape == (32, 32)
    assert arrays["corners"].shape == (4, 2)
    # the sheet lies where the picture on it is seen
    assert np.isfinite(arrays["depth"][arrays["mask"] > 0.9]).all()


# Clips and packs


def test_a_clip_is_frames_and_arrays_over_them(monkeypatch):
    monkeypatch.setattr(samples, "SECONDS", 0.12)
    options = Options("video", SEED, 32)
    members = sample(options, key_of(0, 0))
    arrays, facts = loaded(members["npz"]), json.loads(members["json"])
    assert facts["frames"] == 3
    assert {"jpg", "json", "npz", "000.jpg", "001.jpg", "002.jpg"} == set(members)
    assert members["jpg"] == members["000.jpg"] != members["002.jpg"]
    assert arrays["points68"].shape == (3, 68, 2)
    assert arrays["expression"].shape == (3, 52)
    assert arrays["box"].shape == (3, 4)
    assert "depth" not in arrays
    assert sample(options, key_of(0, 0)) == members
    with pytest.raises(ChoiceError, match="preset"):
        take(options, 0, 0)


def test_a_pack_of_samples(tmp_path):
    keys = samples.keys(2, 2)
    made = write_pack(tmp_path, keys, partial(sample, SMALL), vars(SMALL), 2)
    assert (made.people, made.images) == (2, 4)
    assert [key for key, _ in read_pack(tmp_path)] == keys
    assert dict(read_pack(tmp_path))[keys[3]] == sample(SMALL, keys[3])


def test_facts_are_short_and_plain():
    told = encode.shorter({"a": np.float32(1 / 3), "b": [np.int64(2), (0.5, "x")], "c": None})
    assert told == {"a": 0.333333, "b": [2, [0.5, "x"]], "c": None}
    with pytest.raises(ValueError, match="JSON"):
        encode.plain_json({"a": float("nan")})
