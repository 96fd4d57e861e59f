"""How a face moves over time: head, gaze, lids, expressions and speech as arrays over frames.

Everything is a curve in continuous time, drawn from the seed alone and then read off at the
frames, so that 25 frames a second are every other one of 50. Curves and their first derivatives
are continuous. What happens when is labelled by `Event`s in seconds.

Angles are degrees, right-handed: yaw > 0 to the subject's left, pitch > 0 down, roll > 0 the
crown to the subject's right; a head turn is `Ry(yaw) @ Rx(pitch) @ Rz(roll)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng as stream
from fusiform.lab.world import expressions as faces
from fusiform.lab.world.expressions import ARKIT, INDEX, SHAPES, Floats
from fusiform.lab.world.speech import Speech, frame_count, mouth, stresses
from fusiform.lab.world.visemes import Doubles, Style, ease, steps, wander

Profile = Callable[[Doubles], Doubles]
Turn = tuple[float, float, float]
Look = tuple[float, float]
KINDS = ("blink", "saccade", "expression", "micro", "nod", "shake", "tilt", "beat")


@dataclass(frozen=True)
class Event:
    """One thing that happens, seconds: it begins at `onset`, is fully there from `apex` to
    `release` and over at `end`. A blink: starts to close, closed, starts to open, open. A saccade:
    apex and release are its moment of peak velocity. `kind`: one of KINDS. `name`: which
    expression ("angry/upper" is only its upper half). `amount`: 0..1, degrees for eyes and head.

    Raises ChoiceError if the four times do not ascend.
    """

    kind: str
    name: str
    onset: float
    apex: float
    release: float
    end: float
    amount: float

    def __post_init__(self) -> None:
        times = (self.onset, self.apex, self.release, self.end)
        if self.kind not in KINDS:
            raise ChoiceError("Event.kind", KINDS, self.kind)
        if not self.onset < self.apex <= self.release < self.end:
            raise ChoiceError("onset, apex, release, end", "ascending seconds", times)

    def frames(self, fps: float) -> tuple[int, int, int, int]:
        """Frames: first one under way, first and last fully there, first one when over.

        If none falls between apex and release both are the one nearest to their middle.
        """
        first, last = int(np.ceil(self.apex * fps)), int(np.floor(self.release * fps))
        if first > last:
            first = last = round((self.apex + self.release) / 2 * fps)
        return int(self.onset * fps) + 1, first, last, int(np.ceil(self.end * fps))


@dataclass(frozen=True)
class Motion:
    """f frames, frame k at k / `fps` seconds. `expression` (f, 52): 0..1, ARKIT order, with
    blinks, lids that follow the gaze, and eyeLook shapes that agree with it. `head` (f, 3): yaw,
    pitch, roll. `shift` (f, 3): metres. `gaze` (f, 2): yaw and pitch of both eyes in head axes.
    `tongue` (f, 3): out, up, tip up, 0..1. `events`: in order of onset."""

    expression: Floats
    head: Floats
    shift: Floats
    gaze: Floats
    tongue: Floats
    fps: float
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Activity:
    """`blinks` a minute; `home`: share of fixations on what is looked at; `wander`: standard
    deviation of the head's yaw, pitch, roll, degrees; `gestures`: nods, shakes, tilts a minute;
    `fixation`: median (s) and log-deviation; `reading`: the eyes run along lines."""

    blinks: float
    home: float
    wander: tuple[float, float, float]
    gestures: tuple[float, float, float]
    fixation: tuple[float, float] = (0.346, 0.549)  # two thirds within 200..600 ms
    reading: bool = False


# Blinks a minute: Bentivoglio et al. 1997, Movement Disorders 12(6).
ACTIVITIES: Mapping[str, Activity] = MappingProxyType(
    {
        "rest": Activity(17.0, 0.8, (1.6, 1.1, 0.8), (0.5, 0.2, 1.0)),
        "listen": Activity(17.0, 0.88, (1.8, 1.3, 1.0), (6.0, 0.7, 2.0)),
        "talk": Activity(26.0, 0.7, (3.0, 2.0, 1.6), (2.0, 1.5, 2.5)),
        "read": Activity(4.5, 1.0, (0.8, 0.7, 0.5), (0.0, 0.0, 0.3), (0.225, 0.3), True),
    }
)


def act(
    seed: int,
    seconds: float,
    fps: float = 25.0,
    activity: str = "rest",
    script: Sequence[Event] = (),
    facing: Turn = (0.0, 0.0, 0.0),
    look: Look = (0.0, 0.0),
) -> Motion:
    """A face for `seconds`, doing `activity` and the expressions of `script`.

    `facing`: mean yaw, pitch, roll of the head; `look`: where, in the same axes, the eyes rest.
    Raises ChoiceError for an unknown activity or expression, or `fps` or `seconds` not above 0.
    """
    if fps <= 0 or seconds <= 0:
        raise ChoiceError("fps and seconds", "above 0", (fps, seconds))
    times = np.arange(frame_count(seconds, fps)) / fps
    face = perform(script, times)
    tongue = face[:, [INDEX["tongueOut"]]] * np.array([1, 0, 0], np.float32)
    return _move(seed, seconds, times, fps, activity, tuple(script), (face, tongue), facing, look)


def talk(
    seed: int,
    speech: Speech,
    style: Style | None = None,
    script: Sequence[Event] = (),
    facing: Turn = (0.0, 0.0, 0.0),
    look: Look = (0.0, 0.0),
) -> Motion:
    """A face that says `speech`, at its frames; `script` colours it. Stressed sounds bring nods
    ("beat") and now and then raised brows. Otherwise as `act`."""
    beats = _beats(seed, speech)
    script = (*script, *(event for event in beats if event.kind == "expression"))
    times = speech.times
    said = mouth(speech, style, perform(script, times))
    events = (*script, *(event for event in beats if event.kind == "beat"))
    return _move(seed, speech.seconds, times, speech.fps, "talk", events, said, facing, look)


def sample_script(
    seed: int, seconds: float, per_minute: float = 8.0, micro_per_minute: float = 0.0
) -> tuple[Event, ...]:
    """Random expressions of `act`: onset 0.2..0.7 s, apex 0.5..3 s, offset 0.4..1.3 s.

    Felt expressions last half a second to four seconds (Ekman and Friesen 1982). Micro-expressions
    last 40..200 ms in all (Ekman 2003; the bound of half a second: Yan et al. 2013), are weak, and
    half of them show in one half of the face.
    """
    draw = stream(seed, "script")
    shown = [name for name in faces.EXPRESSIONS if name not in ("neutral", "asleep")]
    out, now = [], float(draw.exponential(0.7 * 60 / max(per_minute, 1e-6)))
    while per_minute > 0:
        parts = draw.uniform((0.2, 0.5, 0.4), (0.7, 3.0, 1.3)).tolist()
        if now + sum(parts) > seconds:
            break
        name, amount = shown[draw.integers(len(shown))], float(draw.uniform(0.35, 1.0))
        out.append(_event("expression", name, now, parts, amount))
        now = out[-1].end + float(draw.exponential(max(0.1, 60 / per_minute - 3.3)))
    draw = stream(seed, "micro")
    felt = ("happy", "sad", "angry", "surprised", "fearful", "disgust", "contempt")
    for start in np.sort(
        draw.uniform(0, max(seconds - 0.25, 0), draw.poisson(micro_per_minute * seconds / 60))
    ):
        whole = float(np.exp(draw.uniform(np.log(0.04), np.log(0.2))))
        name = felt[draw.integers(len(felt))] + ("", "", "/upper", "/lower")[draw.integers(4)]
        amount = float(draw.uniform(0.15, 0.4))
        out.append(_event("micro", name, start, np.array((0.35, 0.2, 0.45)) * whole, amount))
    return tuple(sorted(out, key=lambda event: event.onset))


def _event(
    kind: str, name: str, onset: float, parts: Sequence[float] | Doubles, amount: float
) -> Event:
    """An event whose rise, hold and fall last `parts` seconds."""
    apex, release, end = (onset + np.cumsum(parts)).tolist()
    return Event(kind, name, onset, apex, release, end, amount)


UPPER = np.array([n.startswith(("brow", "eye", "cheekSq")) for n in ARKIT])
# Shapes set off one after the other: the share of the rise (and fall) that they wait.
LAG = np.array([0.15 * n.startswith("jaw") + 0.1 * n.startswith("eye") for n in ARKIT])


def perform(script: Sequence[Event], times: Doubles) -> Floats:
    """Expressions (f, 52) at `times`: each event eases in, holds and eases out; they join."""
    out = np.zeros((len(times), SHAPES), np.float32)
    for event in script:
        name, _, half = event.name.partition("/")
        target = faces.named(name, event.amount)
        if half:
            target = target * (UPPER if half == "upper" else ~UPPER)
        near = _during(event, times)
        swell = _swell(event, times[near, None], LAG)
        out[near] = faces.join(out[near], (target * swell).astype(np.float32))
    return out


def _during(event: Event, times: Doubles) -> slice:
    return slice(*np.searchsorted(times, (event.onset, event.end)))


def _swell(event: Event, t: Doubles, lag: Doubles | float = 0.0, over: Profile = ease) -> Doubles:
    """0..1 at seconds `t` within an event; `lag`: share of rise and fall that is waited out."""
    rise, fall = (event.apex - event.onset) * (1 - lag), (event.end - event.release) * (1 - lag)
    up = ease((t - event.apex + rise) / rise)
    return np.asarray(up * (1 - over(np.clip((t - event.release) / fall, 0, 1))))


def _move(
    seed: int,
    seconds: float,
    times: Doubles,
    fps: float,
    activity: str,
    events: tuple[Event, ...],
    drawn: tuple[Floats, Floats],
    facing: Turn,
    look: Look,
) -> Motion:
    if activity not in ACTIVITIES:
        raise ChoiceError("activity", ACTIVITIES, activity)
    habit, (face, tongue) = ACTIVITIES[activity], drawn
    aims, saccades = _fixations(stream(seed, "gaze"), seconds, habit)
    gestures = _gestures(stream(seed, "gestures"), seconds, habit)
    blinks = _blinks(stream(seed, "blink"), seconds, habit, saccades)
    head = _head(seed, times, habit, aims, saccades) + np.array(facing)
    for event in (*gestures, *events):
        _nod(head, event, times)
    drift = np.stack([wander(stream(seed, "drift", i), times, 0.08, 2.0) for i in (0, 1)], axis=1)
    onsets, lengths = _columns(saccades)
    world = aims[0] + steps(times, onsets, lengths, np.diff(aims, axis=0), saccade) + look + drift
    wanted = faces.in_head(world, head) + faces.gaze_of(face)
    gaze = np.clip(wanted, -faces.GAZE_LIMIT, faces.GAZE_LIMIT)
    asymmetry = float(stream(seed, "asymmetry").normal(0, 0.05))
    eyes = faces.follow(gaze, blink_curve(blinks, times))
    expression = faces.join(faces.uneven(np.where(faces.LOOKS, 0, face), asymmetry), eyes)
    found = (*events, *saccades, *gestures, *blinks)
    ordered = tuple(sorted(found, key=lambda e: (e.onset, KINDS.index(e.kind), e.name)))
    tracks = [
        np.asarray(a, np.float32) for a in (expression, head, _sway(seed, times), gaze, tongue)
    ]
    return Motion(tracks[0], tracks[1], tracks[2], tracks[3], tracks[4], fps, ordered)


def _columns(events: Sequence[Event]) -> tuple[Doubles, Doubles]:
    table = np.array([(e.onset, e.end - e.onset) for e in events]).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def saccade(x: Doubles) -> Doubles:
    """Share of a saccade's way at share `x` (0..1) of its time: skewed, fastest at 36 %.

    Peak velocity is 1.65 times the mean one (Becker 1989; Harwood, Mezey and Harris 1999).
    """
    return np.asarray(x * x * (5.1 - x * (6.2 - 2.1 * x)))


def _fixations(
    draw: np.random.Generator, seconds: float, habit: Activity
) -> tuple[Doubles, list[Event]]:
    """Where the eyes rest one after the other (n + 1, 2), and the n saccades between."""
    median, spread = habit.fixation
    now, here = 0.0, _line(draw, 0) if habit.reading else np.zeros(2)
    aims, out = [here], list[Event]()
    while True:
        now += float(np.clip(draw.lognormal(np.log(median), spread), 0.1, 2.5))
        there = _line(draw, len(aims)) if habit.reading else _glance(draw, here, habit.home)
        size = float(np.hypot(*(there - here)))
        length = 0.021 + 0.0022 * size  # Bahill, Clark and Stark 1975
        if now + length > seconds:
            return np.array(aims), out
        peak = now + 0.36 * length
        out.append(Event("saccade", "", now, peak, peak, now + length, size))
        aims.append(there)
        now, here = now + length, there


def _glance(draw: np.random.Generator, here: Doubles, home: float) -> Doubles:
    """The next aim: mostly about the face opposite, else an exponential step away, as in talk
    (Lee, Badler and Badler 2002: mean about 7 degrees, most of them sideways)."""
    if draw.random() < home:
        return np.asarray(draw.normal((0, 0.4), (1.3, 1.1)))
    angle, size = draw.uniform(0, 2 * np.pi), 1 + draw.exponential(6.9)
    step = size * np.array([np.cos(angle), 0.6 * np.sin(angle)])
    return np.asarray(np.clip(here + step, (-24, -14), (24, 14)))


def _line(draw: np.random.Generator, count: int) -> Doubles:
    """Along lines of seven fixations, about two degrees a step, from the reader's left."""
    column, row = count % 7, count // 7 % 12
    return np.array([6.5 - 2.1 * column, 12 + 0.9 * row]) + draw.normal(0, (0.35, 0.1))


def _blinks(
    draw: np.random.Generator, seconds: float, habit: Activity, saccades: Sequence[Event]
) -> list[Event]:
    """Closing takes 100 ms and opening 200, as measured by VanderWerff et al. 2003; half of the
    blinks near a large saccade go along with it (Evinger et al. 1994)."""
    large = np.array([e.onset for e in saccades if e.amount > 10])
    mean = 60 / habit.blinks
    now, last, out = mean * float(draw.random()), -1.0, list[Event]()
    while now < seconds:
        parts = np.clip(draw.normal((0.1, 0.03, 0.2), (0.012, 0.012, 0.03)), 0.012, 0.3)
        amount = 1.0 if draw.random() < 0.85 else float(draw.uniform(0.75, 0.95))
        joins, gap = draw.random() < 0.5, float(draw.lognormal(np.log(mean) - 0.6**2 / 2, 0.6))
        onset = now
        if len(large) and joins:
            nearest = float(large[np.argmin(np.abs(large - now))])
            onset = nearest - 0.02 if abs(nearest - now) < 0.3 else now
        onset = max(onset, last + 0.1, 0.0)
        event = _event("blink", "", onset, parts, amount)
        if event.end < seconds:
            out.append(event)
        last, now = event.end, max(now + gap, event.end + 0.1)
    return out


def blink_curve(blinks: Sequence[Event], times: Doubles) -> Doubles:
    """How far the lids are shut by blinks (f,), 0..1: quick to close, slow to open."""
    out = np.zeros(len(times))
    for event in blinks:
        near = _during(event, times)
        out[near] = event.amount * _swell(event, times[near], over=saccade)
    return out


def _head(
    seed: int, times: Doubles, habit: Activity, aims: Doubles, saccades: Sequence[Event]
) -> Doubles:
    """Yaw, pitch, roll (f, 3): slow wandering below 1.5 Hz, and turning after far glances."""
    sizes = enumerate(habit.wander)
    slow = [wander(stream(seed, "head", i), times, size, 1.5) for i, size in sizes]
    out = np.stack(slow, axis=1)
    # the head takes over part of what lies beyond the eyes' comfortable reach
    goals = 0.5 * np.sign(aims) * np.maximum(np.abs(aims) - 9, 0)
    onsets, _ = _columns(saccades)
    lengths = np.full(len(onsets), 0.45)
    out[:, :2] += goals[0] + steps(times, onsets + 0.04, lengths, np.diff(goals, axis=0), ease)
    return out


def _gestures(draw: np.random.Generator, seconds: float, habit: Activity) -> list[Event]:
    """Nods and shakes at 1.2..2 Hz (Hadar et al. 1983), and tilts that are held a while."""
    out = []
    for kind, rate in zip(("nod", "shake", "tilt"), habit.gestures, strict=True):
        for start in draw.uniform(0, seconds, draw.poisson(rate * seconds / 60)).tolist():
            parts = draw.uniform((0.5, 0.4, 0.5), (0.8, 1.0, 0.9))
            low, high = {"nod": (3, 9), "shake": (4, 11), "tilt": (-9, 9)}[kind]
            event = _event(kind, "", start, parts, float(draw.uniform(low, high)))
            if event.end < seconds:
                out.append(event)
    return out


def _nod(head: Doubles, event: Event, times: Doubles) -> None:
    """Add a gesture to `head` (f, 3), in place."""
    axis, near = {"shake": 0, "nod": 1, "beat": 1, "tilt": 2}.get(event.kind), _during(event, times)
    if axis is None:
        return
    size = event.amount * _swell(event, times[near])
    if event.kind in ("nod", "shake"):
        size = size * np.sin(2 * np.pi * 1.6 * (times[near] - event.onset))
    head[near, axis] += size


def _beats(seed: int, speech: Speech) -> list[Event]:
    """Nods on the loudest syllables, and a few raised brows."""
    draw, out = stream(seed, "beats"), []
    for peak in stresses(speech):
        nods, raises, size = draw.random(3).tolist()
        if not 0.3 < peak < speech.seconds - 0.7:
            continue
        if nods < 0.6:
            out.append(_event("beat", "", peak - 0.19, (0.18, 0.02, 0.32), 1.2 + 2.8 * size))
        if raises < 0.15:
            times = (0.25, 0.15, 0.35)
            out.append(_event("expression", "brow raise", peak - 0.25, times, 0.3 + 0.5 * size))
    return out


def _sway(seed: int, times: Doubles) -> Doubles:
    """Shift (f, 3) in metres: sway of a few millimetres, and breath, 12 to 18 a minute."""
    sizes = (0.003, 0.0012, 0.003)
    out = [wander(stream(seed, "sway", i), times, size, 0.6) for i, size in enumerate(sizes)]
    draw = stream(seed, "breath")
    hertz, phase = draw.uniform(0.2, 0.3), draw.uniform(0, 2 * np.pi)
    out[1] = out[1] + 0.0007 * np.sin(2 * np.pi * hertz * times + phase)
    return np.stack(out, axis=1)
