"""Motion against what is published about eyes, lids and heads, and against its own labels."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.lab.world import motion as moving
from fusiform.lab.world.expressions import INDEX, MIRROR, in_head, named
from fusiform.lab.world.motion import Event, Motion, act, sample_script

TRACKS = ("expression", "head", "shift", "gaze", "tongue")
SHAPES = {"expression": 52, "head": 3, "shift": 3, "gaze": 2, "tongue": 3}


def of_kind(motion: Motion, *kinds: str) -> list[Event]:
    return [event for event in motion.events if event.kind in kinds]


@cache
def half_hour(activity: str) -> Motion:
    return act(11, 1800, 4, activity)


@cache
def fine(activity: str = "rest") -> Motion:
    """Half a minute at a thousand frames a second."""
    return act(5, 30, 1000, activity)


def test_shapes_types_and_ranges() -> None:
    motion = act(1, 10.02, 25, script=sample_script(1, 10, 20, 20))
    for name in TRACKS:
        track = getattr(motion, name)
        assert track.shape == (251, SHAPES[name])
        assert track.dtype == np.float32
        assert np.isfinite(track).all()
    assert motion.expression.min() >= 0
    assert motion.expression.max() <= 1
    assert np.abs(motion.gaze).max() <= 35
    assert np.abs(motion.shift).max() < 0.02
    onsets = [event.onset for event in motion.events]
    assert onsets == sorted(onsets)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 20), st.sampled_from(list(moving.ACTIVITIES)))
def test_frame_rate_only_chooses_where_to_look(seed: int, seconds: float, activity: str) -> None:
    script = sample_script(seed, seconds, 30, 30)
    slow = act(seed, seconds, 25, activity, script)
    fast = act(seed, seconds, 50, activity, script)
    assert slow.events == fast.events
    for name in TRACKS:
        assert (getattr(slow, name) == getattr(fast, name)[::2]).all()


def test_same_seed_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib\n"
        "from fusiform.lab.world.motion import act, sample_script\n"
        "m = act(9, 8, 25, 'talk', sample_script(9, 8, 20, 20))\n"
        "b = m.expression.tobytes() + m.head.tobytes() + m.gaze.tobytes() + m.shift.tobytes()\n"
        "print(hashlib.sha256(b + repr(m.events).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    m = act(9, 8, 25, "talk", sample_script(9, 8, 20, 20))
    ours = m.expression.tobytes() + m.head.tobytes() + m.gaze.tobytes() + m.shift.tobytes()
    assert done.stdout.strip() == hashlib.sha256(ours + repr(m.events).encode()).hexdigest()
    assert (act(10, 8).head != act(9, 8).head).any()


# Means and ranges of 150 healthy people, Bentivoglio et al. 1997, table 1 (blinks a minute).
@pytest.mark.parametrize(("activity", "mean"), [("rest", 17), ("talk", 26), ("read", 4.5)])
def test_blinks_come_at_human_rates(activity: str, mean: float) -> None:
    blinks = of_kind(half_hour(activity), "blink")
    assert len(blinks) / 30 == pytest.approx(mean, rel=0.2)
    gaps = np.diff([blink.onset for blink in blinks])
    assert gaps.min() > 0.2
    assert 0.35 < gaps.std() / gaps.mean() < 1.0  # neither a metronome nor a Poisson process


def test_blinks_close_faster_than_they_open() -> None:
    blinks = of_kind(half_hour("rest"), "blink")
    closing = np.array([blink.apex - blink.onset for blink in blinks])
    opening = np.array([blink.end - blink.release for blink in blinks])
    assert closing.mean() == pytest.approx(0.1, abs=0.01)
    assert opening.mean() == pytest.approx(0.2, abs=0.015)
    assert (opening > closing).mean() > 0.98
    assert np.mean([blink.end - blink.onset for blink in blinks]) < 0.4


def test_blink_labels_are_where_the_curve_says() -> None:
    blinks = of_kind(fine(), "blink")
    times = np.arange(30_000) / 1000
    curve = moving.blink_curve(blinks, times)
    assert len(blinks) >= 4
    covered = np.zeros(len(times), bool)
    for blink in blinks:
        start, first, last, over = blink.frames(1000)
        assert curve[first : last + 1] == pytest.approx(blink.amount, abs=1e-9)
        assert curve[start - 1] == pytest.approx(0, abs=1e-9)
        assert curve[over] == pytest.approx(0, abs=1e-9)
        assert curve[start + 2 : over - 2].min() > 0
        assert (np.diff(curve[start : first + 1]) >= 0).all()
        assert (np.diff(curve[last : over + 1]) <= 1e-12).all()
        covered[start : over + 1] = True
    assert not curve[~covered].any()


def test_saccades_keep_the_main_sequence() -> None:
    """Duration 2.2 ms/deg + 21 ms and peak velocity within what was published for human eyes
    (Bahill, Clark and Stark 1975, figure 1: about 260, 380, 500 deg/s at 5, 10, 20 degrees)."""
    saccades = of_kind(half_hour("talk"), "saccade")
    size = np.array([e.amount for e in saccades])
    length = np.array([e.end - e.onset for e in saccades])
    assert length == pytest.approx(0.0022 * size + 0.021)
    x = np.linspace(0, 1, 20001)
    speed = np.gradient(moving.saccade(x), x)
    assert speed.min() >= -1e-9
    assert speed.max() == pytest.approx(1.65, abs=0.02)
    assert x[np.argmax(speed)] == pytest.approx(0.36, abs=0.01)
    for degrees, published in ((5, 260), (10, 380), (20, 500)):
        peak = speed.max() * degrees / (0.0022 * degrees + 0.021)
        assert peak == pytest.approx(published, rel=0.12)


def test_the_eyes_move_as_the_saccade_labels_say() -> None:
    """In the world, where the head's turns are taken out again."""
    motion = fine("talk")
    pairs = zip(motion.gaze, motion.head, strict=True)
    back = np.array([to_world(*pair) for pair in pairs])
    speed = np.linalg.norm(np.diff(back, axis=0), axis=1) * 1000
    moves = np.zeros(len(speed), bool)
    for event in of_kind(motion, "saccade"):
        inside = slice(int(event.onset * 1000), int(np.ceil(event.end * 1000)) + 1)
        moves[inside] = True
        if event.amount > 3:
            peak = 1.65 * event.amount / (event.end - event.onset)
            assert speed[inside].max() == pytest.approx(peak, rel=0.1)
            at = (inside.start + np.argmax(speed[inside])) / 1000
            assert at == pytest.approx(event.apex, abs=0.004)
    assert speed.max() < 700  # no human eye is faster
    assert speed[~moves].max() < 4  # fixations: slow drift alone


def to_world(gaze: np.ndarray, head: np.ndarray) -> np.ndarray:
    yaw, pitch = np.radians(gaze.astype(float))
    turn, nod, roll = np.radians(head.astype(float))
    aim = np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    rz = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    rx = [[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]]
    ry = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    x, y, z = np.array(ry) @ np.array(rx) @ np.array(rz) @ aim
    return np.degrees([np.arctan2(x, z), -np.arcsin(y)])


def test_the_eyes_stay_on_their_aim_while_the_head_turns() -> None:
    """The vestibulo-ocular reflex: a head turned 20 degrees still looks into the camera."""
    turned = act(3, 20, 25, facing=(20, 5, 3))
    ahead = act(3, 20, 25)
    pairs = zip(turned.gaze, turned.head, strict=True)
    world = np.array([to_world(*pair) for pair in pairs])
    pairs = zip(ahead.gaze, ahead.head, strict=True)
    plain = np.array([to_world(*pair) for pair in pairs])
    usual = np.abs(turned.gaze).max(axis=1) < 34
    assert usual.mean() > 0.9
    assert world[usual] == pytest.approx(plain[usual], abs=1e-3)
    assert turned.head.mean(axis=0) - ahead.head.mean(axis=0) == pytest.approx([20, 5, 3], abs=1e-4)
    assert turned.gaze[:, 0].mean() < -15


def test_fixations_last_as_long_as_published() -> None:
    """Log-normal, two thirds within 200..600 ms; shorter ones, near 225 ms, in reading
    (Rayner 1998)."""

    def rests(activity: str) -> np.ndarray:
        saccades = of_kind(half_hour(activity), "saccade")
        return np.array([b.onset - a.end for a, b in pairwise(saccades)])

    usual = rests("rest")
    assert np.mean((usual > 0.2) & (usual < 0.6)) == pytest.approx(0.68, abs=0.05)
    assert abs(np.log(usual).mean() - np.log(0.346)) < 0.05
    assert np.median(rests("read")) == pytest.approx(0.225, rel=0.05)


def test_readers_run_along_lines_and_jump_back() -> None:
    motion = act(2, 20, 50, "read")
    pairs = zip(motion.gaze, motion.head, strict=True)
    pitch = np.array([to_world(*pair) for pair in pairs])[:, 1]
    assert (pitch > 9).all()  # down
    forward = [e.amount for e in of_kind(motion, "saccade") if e.amount < 5]
    back = [e.amount for e in of_kind(motion, "saccade") if e.amount > 8]
    assert 4 < len(forward) / len(back) < 8
    assert np.median(forward) == pytest.approx(2.1, abs=0.4)


def test_upper_lids_follow_the_gaze() -> None:
    down = act(4, 5, 25, look=(0, 20))
    ahead = act(4, 5, 25)
    open_ = moving.blink_curve(of_kind(down, "blink"), np.arange(125) / 25) == 0
    assert down.expression[open_, INDEX["eyeBlinkLeft"]].mean() > 0.12
    assert ahead.expression[open_, INDEX["eyeBlinkLeft"]].mean() < 0.03


def test_heads_move_slowly_and_smoothly() -> None:
    motion = act(8, 120, 50)
    quiet = np.ones(6000, bool)
    for event in of_kind(motion, "nod", "shake", "tilt"):
        quiet[int(event.onset * 50) : int(event.end * 50) + 1] = False
    centred = motion.head - motion.head.mean(axis=0)
    power = np.abs(np.fft.rfft(centred * np.hanning(6000)[:, None], axis=0)) ** 2
    hertz = np.fft.rfftfreq(6000, 0.02)
    assert (power[hertz > 2.5].sum(axis=0) < 0.01 * power.sum(axis=0)).all()
    assert np.abs(np.diff(motion.head, axis=0) * 50)[quiet[1:]].max() < 60
    talking = act(8, 120, 50, "talk")
    assert (talking.head.std(axis=0) > motion.head.std(axis=0)).all()


def test_gestures_show_where_they_are_labelled() -> None:
    for kind, axis in (("nod", 1), ("shake", 0), ("tilt", 2)):
        event = Event(kind, "", 1.0, 1.6, 2.2, 2.9, 6.0)
        with_it, without = act(6, 4, 100, script=()), np.zeros((400, 3))
        moving._nod(without, event, np.arange(400) / 100)
        assert np.abs(without[:100]).max() == 0 == np.abs(without[290:]).max()
        assert np.abs(without[:, axis]).max() == pytest.approx(6, rel=0.05)
        assert not np.delete(without, axis, axis=1).any()
        assert with_it.head.shape == without.shape
    assert len(of_kind(half_hour("listen"), "nod")) / 30 == pytest.approx(6, rel=0.25)


def test_expression_labels_match_the_curve() -> None:
    event = Event("expression", "surprised", 0.5, 0.9, 1.8, 2.4, 0.8)
    face = moving.perform([event], np.arange(3000) / 1000)
    start, first, last, over = event.frames(1000)
    target = named("surprised", 0.8)
    assert (start, first, last, over) == (501, 900, 1800, 2400)
    assert not face[: start - 1].any()
    assert face[start + 3].any()
    assert face[first] == pytest.approx(target, abs=1e-6)
    assert face[last] == pytest.approx(target, abs=1e-6)
    assert (face[first - 5] < target)[target > 0].all()
    assert face[last + 5].sum() < target.sum()
    assert face[over - 5].any()
    assert not face[over:].any()


def test_micro_expressions_are_brief_weak_and_labelled() -> None:
    script = sample_script(3, 600, 0, 20)
    assert len(script) == pytest.approx(200, rel=0.25)
    lengths = np.array([event.end - event.onset for event in script])
    assert lengths.min() >= 0.04 - 1e-9
    assert lengths.max() <= 0.2 + 1e-9
    assert {event.kind for event in script} == {"micro"}
    assert max(event.amount for event in script) <= 0.4
    halves = [event for event in script if "/" in event.name]
    assert 0.3 < len(halves) / len(script) < 0.7
    upper = Event("micro", "angry/upper", 0.1, 0.15, 0.18, 0.25, 0.3)
    lower = Event("micro", "angry/lower", 0.1, 0.15, 0.18, 0.25, 0.3)
    face = (
        moving.perform([upper], np.array([0.16]))[0] + moving.perform([lower], np.array([0.16]))[0]
    )
    assert face == pytest.approx(named("angry", 0.3), abs=1e-6)
    assert moving.perform([lower], np.array([0.16]))[0][INDEX["browDownLeft"]] == 0


def test_scripts_have_human_durations() -> None:
    script = sample_script(5, 600, 8)
    lengths = np.array([event.end - event.onset for event in script])
    assert lengths.min() > 0.5
    assert lengths.max() < 5.1
    assert len(script) == pytest.approx(80, rel=0.3)
    assert all(a.end <= b.onset for a, b in pairwise(script))
    assert sample_script(5, 600, 8) == script
    assert sample_script(5, 600, 0) == ()


def test_every_curve_has_a_continuous_slope() -> None:
    """The largest change of slope between samples shrinks with their distance."""
    script = sample_script(2, 4, 60, 60)
    rough = act(2, 4, 1000, "talk", script)
    smooth = act(2, 4, 4000, "talk", script)
    for name in ("expression", "head", "shift", "gaze"):
        jumps = []
        for motion in (rough, smooth):
            track = getattr(motion, name).astype(np.float64)
            jumps.append(np.abs(np.diff(track, 2, axis=0)).max() * motion.fps)
        # float32 leaves a floor of about 1e-6 * 4000
        assert jumps[1] < 0.45 * jumps[0] + 0.03, (name, jumps)


def test_eyes_agree_with_their_shapes_and_expressions() -> None:
    thinking = Event("expression", "thinking", 0.5, 0.9, 3.0, 3.5, 1.0)
    motion, plain = act(1, 4, 25, script=[thinking]), act(1, 4, 25)
    during = slice(25, 70)
    assert (motion.gaze - plain.gaze)[during] == pytest.approx(
        np.tile([7.5, -9.0], (45, 1)), abs=0.01
    )
    assert motion.expression[during, INDEX["eyeLookUpLeft"]].mean() > 0.15
    left = motion.expression[:, INDEX["eyeLookOutLeft"]]
    assert left == pytest.approx(motion.expression[:, INDEX["eyeLookInRight"]])


def test_faces_are_never_quite_even() -> None:
    smile = [Event("expression", "happy", 0.2, 0.5, 3.0, 3.5, 1.0)]
    face = act(12, 4, 25, script=smile).expression[50]
    mirrored = face[MIRROR]
    assert 0 < abs(face[INDEX["mouthSmileLeft"]] - mirrored[INDEX["mouthSmileLeft"]]) < 0.25


def test_large_saccades_come_with_blinks_more_often_than_chance() -> None:
    motion = half_hour("talk")
    blinks = np.array([blink.onset for blink in of_kind(motion, "blink")])
    large = np.array([e.onset for e in of_kind(motion, "saccade") if e.amount > 10])
    near = np.abs(blinks[:, None] - large).min(axis=1) < 0.03
    chance = np.abs(blinks[:, None] + 0.5 - large).min(axis=1) < 0.03
    assert near.sum() > 3 * chance.sum()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: act(0, 0),
        lambda: act(0, 1, 0),
        lambda: act(0, 1, 25, "swim"),
        lambda: act(-1, 1),
        lambda: act(0, 1, script=[Event("micro", "hungry", 0.1, 0.2, 0.3, 0.4, 0.5)]),
        lambda: Event("blink", "", 0.0, 0.2, 0.1, 0.3, 1.0),
        lambda: Event("hiccup", "", 0.0, 0.1, 0.2, 0.3, 1.0),
    ],
)
def test_nonsense_is_refused(wrong: object) -> None:
    with pytest.raises(ChoiceError):
        wrong()  # type: ignore[operator]


def test_frames_of_an_event_too_short_for_any() -> None:
    event = Event("micro", "happy", 0.101, 0.121, 0.125, 0.14, 0.3)
    assert event.frames(25) == (3, 3, 3, 4)


def test_in_head_leaves_a_straight_head_alone() -> None:
    gaze = np.array([[10.0, -5.0]])
    assert in_head(gaze, np.zeros((1, 3))) == pytest.approx(gaze)
