"""Films: the camera stands still, the truth is that of each frame, and gaze counts once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.camera import project
from fusiform.lab.world import film as room
from fusiform.lab.world.compose import looking
from fusiform.lab.world.expressions import INDEX, named
from fusiform.lab.world.film import bared, film, perform, stacked, write_film
from fusiform.lab.world.motion import Motion, act
from fusiform.lab.world.samples import Options, look, shot_of
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.speech import Speech

OPTIONS = Options("video", 5, 48)


@pytest.fixture(scope="module")
def person():
    return look(OPTIONS, 1, 0)


@pytest.fixture(scope="module")
def shot():
    return shot_of(OPTIONS, 1, 0)


def still(frames: int, **tracks: np.ndarray) -> Motion:
    zero = {
        "expression": np.zeros((frames, 52), np.float32),
        "head": np.zeros((frames, 3), np.float32),
        "shift": np.zeros((frames, 3), np.float32),
        "gaze": np.zeros((frames, 2), np.float32),
        "tongue": np.zeros((frames, 3), np.float32),
    }
    return Motion(**(zero | tracks), fps=25.0, events=())


def silence(seconds: float, fps: float = 25.0) -> Speech:
    frames = int(np.ceil(seconds * fps))
    quiet = np.zeros((frames, 15), np.float32)
    quiet[:, 0] = 1
    phonemes = (("a", 0.05, 0.15),)
    words = (("ah", 0.05, 0.15),)
    return Speech(
        np.zeros(round(seconds * 22050), np.int16), 22050, phonemes, words, (), quiet, fps
    )


def test_gaze_and_lids_count_once():
    motion = act(3, 8.0, activity="talk")
    again = [
        looking(Shot(32, expression=bare, gaze=(float(g[0]), float(g[1]))))[0]
        for bare, g in zip(bared(motion), motion.gaze, strict=True)
    ]
    off = np.abs(np.array(again) - motion.expression)
    wide = [INDEX["eyeWideLeft"], INDEX["eyeWideRight"]]
    # only in a blink while looking up do the lids' muscles differ, where nobody can see it
    shut = motion.expression[:, INDEX["eyeBlinkLeft"]] > 0.2
    assert np.delete(off, wide, axis=1).max() < 1e-5
    assert off[~shut].max() < 0.02
    assert off.max() < 0.5


def test_bared_leaves_nothing_where_gaze_is_all():
    gaze = np.array([[40.0, 0.0]], np.float32)
    full = looking(Shot(32, gaze=(40.0, 0.0)))[0][None]
    assert bared(still(1, expression=full, gaze=gaze)).max() < 1e-5


def test_a_still_face_is_still_but_for_noise(person, shot):
    one, two = film(person, shot, still(2))
    assert np.array_equal(one.arrays["points68"], two.arrays["points68"])
    assert not np.array_equal(one.image, two.image)
    assert np.abs(one.image.astype(int) - two.image).mean() < 20


def test_the_camera_stays_while_jaw_and_head_move(person, shot):
    face = np.zeros((3, 52), np.float32)
    face[1, INDEX["jawOpen"]] = 1
    head = np.array([[0, 0, 0], [0, 0, 0], [15, 0, 0]], np.float32)
    photos = list(film(person, shot, still(3, expression=face, head=head)))
    cameras = [photo.arrays["camera"] for photo in photos]
    assert np.array_equal(cameras[0], cameras[1])
    assert np.array_equal(cameras[0], cameras[2])
    chin = [photo.arrays["points68"][8, 1] for photo in photos]
    brow = [photo.arrays["points68"][27, 1] for photo in photos]
    assert chin[1] > chin[0] + 1
    assert abs(brow[1] - brow[0]) < 0.2
    turned = photos[2].facts["pose"]["yaw"] - photos[0].facts["pose"]["yaw"]
    assert 10 < turned < 20


def test_shift_moves_the_face_as_a_camera_sees_it(person, shot):
    shift = np.array([[0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]], np.float32)
    photos = list(film(person, shot, still(3, shift=shift)))
    first, aside, up = (photo.arrays["points68_3d"] for photo in photos)
    # camera axes: x right in the picture, where the subject's left is; y down
    assert np.allclose(aside - first, (0.01, 0, 0), atol=1e-5)
    assert np.allclose(up - first, (0, -0.01, 0), atol=1e-5)
    points = [photo.arrays["points68"][30] for photo in photos]
    assert points[1][0] > points[0][0]
    assert points[2][1] < points[0][1]


def test_the_camera_array_projects_the_points(person, shot):
    motion = act(4, 0.08, facing=(5.0, 0, 0))
    for photo in film(person, shot, motion):
        camera, seen = photo.arrays["camera"], photo.arrays["points68_3d"]
        assert camera.shape == (3, 4)
        assert seen[:, 2].min() > 0.2
        assert photo.arrays["gaze"].shape == (2, 3)
    assert room.moved.__doc__
    assert project.__doc__


def test_maps_come_when_asked_for(person, shot):
    (photo,) = film(person, shot, still(1), frozenset({"parsing", "depth"}))
    assert photo.arrays["parsing"].shape == (48, 48)
    assert "albedo" not in photo.arrays
    (bare,) = film(person, shot, still(1))
    assert "parsing" not in bare.arrays


def test_what_is_said_and_shown(person, shot):
    speech = silence(0.4)
    motion = perform(person, shot, speech=speech, emotion="happy")
    assert len(motion.head) == len(speech.visemes)
    smiles = motion.expression[:, INDEX["mouthSmileLeft"]]
    assert smiles.min() > 0.2
    idle = perform(person, shot, 1.0, 10.0)
    assert len(idle.head) == 10
    assert np.array_equal(idle.expression, perform(person, shot, 1.0, 10.0).expression)
    elsewhere = perform(person, replace(shot, head=(20.0, 0, 0)), 1.0, 10.0)
    assert np.allclose(elsewhere.head[:, 0] - idle.head[:, 0], 20 - shot.head[0], atol=6)
    with pytest.raises(ChoiceError, match="expression"):
        perform(person, shot, emotion="hangry")
    assert room.worn("happy", 2.0)[0].apex < 0 < 2 < room.worn("happy", 2.0)[0].release
    assert named("happy").max() > 0


def test_files_of_a_film(person, shot, tmp_path):
    av = pytest.importorskip("av")
    speech, counted = silence(0.2), []
    motion = perform(person, shot, speech=speech)
    path = write_film(
        *(tmp_path / "said.mp4", person, shot, motion, speech),
        progress=lambda *numbers: counted.append(numbers),
    )
    assert counted == [(k, 5) for k in range(1, 6)]
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert file.metadata["comment"] == "synthetic: fusiform world"
    assert len(frames) == 5
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    assert all(len(array) == 5 for array in arrays.values())
    assert arrays["points478"].shape == (5, 478, 2)
    assert arrays["visemes"].shape == (5, 15)
    assert np.array_equal(arrays["look"], motion.gaze)
    told = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert told["facts"]["person"] == 1
    assert told["words"][0][0] == "ah"
    photos = list(film(person, shot, motion))
    assert np.abs(frames[2].astype(int) - photos[2].image).mean() < 12
    assert np.array_equal(photos[2].arrays["points5"], arrays["points5"][2])


def test_nothing_stacks_to_the_motion_alone():
    assert set(stacked([], still(0))) == {"head", "shift", "tongue", "look"}
