"""Text to a voice, and to what the mouth does meanwhile, in step to the frame.

The voice is espeak-ng's (Dunn and others), reached by ctypes through the package
`espeakng_loader`. Each call of `speak` loads a private copy of the library: espeak-ng is not
thread safe and remembers earlier calls, so anything else would make the samples depend on what
was said before. A `Voice` is written out as an espeak-ng voice file, so pitch and formants are
the person's own.
"""

from __future__ import annotations

import _ctypes
import ctypes
import importlib
import re
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count as count_up
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.world.expressions import Floats
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.visemes import (
    BILABIAL,
    TONGUE,
    TONGUE_STRENGTH,
    Doubles,
    Phoneme,
    Style,
    articulate,
    bare,
    closure,
    coarticulate,
    is_pause,
    shut_lips,
)

Samples = NDArray[np.int16]
SYNCHRONOUS, PHONEME_EVENTS, IPA, DONT_EXIT = 2, 0x1, 0x2, 0x8000  # espeak speak_lib.h
RATE = 1
END, WORD, PHONEME = 0, 1, 7
LONGEST_CHUNK = 500  # characters handed over at once; longer text goes sentence by sentence
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Voice:
    """`language`: one of `languages()`. `f0`: mean pitch, Hz, 60..450. `formant`: formant
    frequencies relative to a grown man's, 0.8..1.6. `rate`: words a minute, 80..400.
    `liveliness`: width of the intonation, 0 (monotone)..2, 1 usual. `roughness`: 0..1.

    Raises ChoiceError for a value out of range.
    """

    language: str = "en"
    f0: float = 118.0
    formant: float = 1.0
    rate: float = 165.0
    liveliness: float = 1.0
    roughness: float = 0.15

    def __post_init__(self) -> None:
        limits = {"f0": (60, 450), "formant": (0.8, 1.6), "rate": (80, 400)}
        limits |= {"liveliness": (0, 2), "roughness": (0, 1)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ChoiceError(f"Voice.{name}", f"{low} to {high}", getattr(self, name))


@dataclass(frozen=True)
class Speech:
    """`audio` (n,) int16 at `rate` Hz; `phonemes` and `words` (text, start s, end s); `visemes`
    (f, 15) at `fps`, frame k at k / fps seconds; `closures`: when p, b and m shut the lips (s)."""

    audio: Samples
    rate: int
    phonemes: tuple[Phoneme, ...]
    words: tuple[Phoneme, ...]
    closures: tuple[tuple[float, float], ...]
    visemes: Floats
    fps: float

    @property
    def seconds(self) -> float:
        return len(self.audio) / self.rate

    @property
    def times(self) -> Doubles:
        """Seconds (f,) of the frames."""
        return np.arange(len(self.visemes)) / self.fps


# Mean pitch in Hz and formants relative to men, by age: Lee, Potamianos and Narayanan 1999
# (5 to 18 years), Hollien and Shipp 1972 (ageing men), Stoicheff 1981 (ageing women).
_AGES = (5, 7, 10, 12, 14, 18, 25, 40, 60, 75, 90)
_F0_FEMALE = (290, 275, 255, 240, 228, 215, 208, 200, 188, 182, 180)
_F0_MALE = (290, 272, 255, 232, 170, 126, 120, 113, 113, 125, 135)
_FORMANT_FEMALE = (1.38, 1.33, 1.27, 1.22, 1.18, 1.16, 1.16, 1.16, 1.15, 1.15, 1.15)
_FORMANT_MALE = (1.38, 1.33, 1.26, 1.2, 1.1, 1.02, 1.0, 1.0, 1.0, 1.0, 1.0)


def voice_for(traits: Traits, rng: np.random.Generator, language: str = "en") -> Voice:
    """A voice that a person of these traits might have."""
    age, male = traits.age, traits.male
    draws = rng.normal(size=5)

    def between(female: Sequence[float], other: Sequence[float]) -> float:
        low, high = np.interp(age, _AGES, female), np.interp(age, _AGES, other)
        return float(low ** (1 - male) * high**male)

    size = np.exp(0.025 * draws[0]) * (1 - 0.02 * traits.weight)
    pace = np.interp(age, (5, 10, 20, 50, 90), (135, 155, 172, 168, 138))
    old = max(0.0, (age - 55) / 35)
    return Voice(
        language=language,
        f0=float(np.clip(between(_F0_FEMALE, _F0_MALE) * np.exp(0.09 * draws[1]), 75, 400)),
        formant=float(np.clip(between(_FORMANT_FEMALE, _FORMANT_MALE) * size, 0.85, 1.5)),
        rate=float(np.clip(pace * np.exp(0.1 * draws[2]), 100, 260)),
        liveliness=float(np.clip(1 + 0.3 * draws[3], 0.3, 1.8)),
        roughness=float(np.clip(0.15 + 0.5 * old + 0.1 * draws[4], 0, 1)),
    )


@cache
def _installed() -> tuple[Path, Path]:
    try:
        loader = importlib.import_module("espeakng_loader")
    except ImportError as error:
        remedy = 'Install it: pip install "fusiform[speech]"'
        raise FusiformError(f"Speech needs espeak-ng, which is not here. {remedy}") from error
    return Path(loader.get_library_path()), Path(loader.get_data_path())


@cache
def _language_files() -> dict[str, Path]:
    _, data = _installed()
    found = (path for path in (data / "lang").rglob("*") if path.is_file())
    return {path.name.lower(): path for path in sorted(found)}


def languages() -> tuple[str, ...]:
    """Codes of the languages that can be spoken, lower case: "en", "en-us", "de", ...

    Raises FusiformError when espeak-ng is not installed.
    """
    return tuple(_language_files())


def speak(text: str, voice: Voice | None = None, fps: float = 25.0, pause: float = 0.25) -> Speech:
    """`text` spoken aloud, with `pause` seconds of silence before and after.

    Text without anything to say gives silence. Equal arguments give equal bytes, in any process
    and whatever was said before. Raises FusiformError without espeak-ng, ChoiceError for an
    unknown language or `fps` not above 0.
    """
    voice = voice or Voice()
    if fps <= 0:
        raise ChoiceError("fps", "above 0", fps)
    files = _language_files()
    if voice.language.lower() not in files:
        raise ChoiceError("language", files, voice.language)
    description = _voice_file(voice, files[voice.language.lower()].read_text("utf-8"))
    audio, rate, phonemes, words = _synthesise(text, description, voice)
    lead = round(pause * rate)
    phonemes, closures = _measured(phonemes, audio, rate)
    audio = np.concatenate([np.zeros(lead, np.int16), audio, np.zeros(lead, np.int16)])
    late = lead / rate
    phonemes = tuple((symbol, start + late, end + late) for symbol, start, end in phonemes)
    words = tuple((word, start + late, end + late) for word, start, end in words)
    closures = tuple((start + late, end + late) for start, end in closures)
    times = np.arange(frame_count(len(audio) / rate, fps)) / fps
    visemes = shut_lips(coarticulate(phonemes, times), closure(closures, times))
    return Speech(audio, rate, phonemes, words, closures, visemes, fps)


def frame_count(seconds: float, fps: float) -> int:
    """How many frames, the first at 0, start before `seconds` have passed."""
    return int(np.ceil(seconds * fps - 1e-6))


def mouth(
    speech: Speech, style: Style | None = None, emotion: Floats | None = None
) -> tuple[Floats, Floats]:
    """Expressions (f, 52) and tongue (f, 3: out, up, tip) of a speaker; see `articulate`."""
    shut = closure(speech.closures, speech.times)
    tongue = coarticulate(speech.phonemes, speech.times, TONGUE_STRENGTH) @ TONGUE
    tongue = tongue * (1 - shut[:, None] * (1, 0, 0))
    return articulate(speech.visemes, shut, style, emotion), tongue.astype(np.float32)


def _voice_file(voice: Voice, language: str) -> str:
    """The language's own voice file with this person's pitch, formants and roughness after it."""
    spread = 0.35 * voice.liveliness
    low, high = voice.f0 * (1 - 0.64 * spread), voice.f0 * (1 + 0.36 * spread) + 1
    percent = round(100 * voice.formant)
    lines = [f"pitch {low:.0f} {high:.0f}", f"roughness {round(7 * voice.roughness)}"]
    lines += [f"formant {k} {percent} 100 100" for k in range(9)]
    return language.rstrip() + "\n" + "\n".join(lines) + "\n"


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_void_p), ("text", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h, API revision 12."""

    _fields_ = (
        *(("type", ctypes.c_int), ("unique", ctypes.c_uint), ("position", ctypes.c_int)),
        *(("length", ctypes.c_int), ("ms", ctypes.c_int), ("sample", ctypes.c_int)),
        *(("user", ctypes.c_void_p), ("id", _Id)),
    )


_HEARD = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def _synthesise(
    text: str, description: str, voice: Voice
) -> tuple[Samples, int, tuple[Phoneme, ...], tuple[Phoneme, ...]]:
    library_path, data = _installed()
    folder = Path(tempfile.mkdtemp(prefix="fusiform-voice-"))
    with _LOCK:
        try:
            copied = folder / library_path.name
            shutil.copyfile(library_path, copied)
            (folder / "voice").write_text(description, "utf-8")
            library = ctypes.CDLL(str(copied))
            try:
                return _drive(library, data, folder / "voice", text, voice)
            finally:
                getattr(_ctypes, "dlclose", getattr(_ctypes, "FreeLibrary", id))(library._handle)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _drive(
    library: ctypes.CDLL, data: Path, description: Path, text: str, voice: Voice
) -> tuple[Samples, int, tuple[Phoneme, ...], tuple[Phoneme, ...]]:
    options = PHONEME_EVENTS | IPA | DONT_EXIT
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), options)
    if rate <= 0:
        raise FusiformError(f'espeak-ng cannot read {data}. Run: pip install "fusiform[speech]"')
    # its noise is seeded by the clock otherwise
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    if library.espeak_SetVoiceByFile(str(description).encode()):
        raise FusiformError(f"espeak-ng cannot speak {voice.language!r}. Choose another language.")
    library.espeak_SetParameter(RATE, round(voice.rate), 0)
    heard: list[Samples] = []
    events: list[tuple[int, int, int, int, str]] = []  # type, sample, position, length, symbol
    offset = 0

    def hear(wave: ctypes._Pointer[ctypes.c_short], count: int, event: Any) -> int:
        if wave and count > 0:
            heard.append(np.ctypeslib.as_array(wave, (count,)).copy())
        for e in takewhile(lambda e: e.type != END, (event[i] for i in count_up())):
            symbol = ctypes.string_at(ctypes.addressof(e.id), 8).split(b"\0")[0]
            plain = symbol.decode("utf-8", "ignore") if e.type == PHONEME else ""
            events.append((e.type, offset + e.sample, e.position, e.length, plain))
        return 0

    callback = _HEARD(hear)
    library.espeak_SetSynthCallback(callback)
    said: list[Phoneme] = []
    words: list[Phoneme] = []
    for chunk in _chunks(text):
        offset = sum(map(len, heard))
        events.clear()
        coded = chunk.encode("utf-8", "replace")
        library.espeak_Synth(coded, len(coded) + 1, 0, 0, 0, 1, None, None)
        total = sum(map(len, heard))
        said += _spans([(e[1], e[4]) for e in events if e[0] == PHONEME], total, rate)
        named = [(e[1], chunk[e[2] - 1 : e[2] - 1 + e[3]].strip()) for e in events if e[0] == WORD]
        words += _spans(named, total, rate)
    library.espeak_Terminate()
    audio = np.concatenate(heard) if heard else np.zeros(0, np.int16)
    kept = tuple(p for p in said if not p[0].startswith("(") and p[2] > p[1])
    return audio, rate, kept, tuple(word for word in words if word[0])


def _spans(marks: list[tuple[int, str]], total: int, rate: int) -> list[Phoneme]:
    """Each mark (sample, text) lasts until the next."""
    ends = [*(sample for sample, _ in marks), total][1:]
    return [(t, s / rate, max(s, e) / rate) for (s, t), e in zip(marks, ends, strict=True)]


# Up to the last end of a sentence that fits, else the last space, else wherever it must be.
_PIECE = re.compile(r".{1,N}(?:[.!?;]\s|[。！？])|.{1,N}\s|.{1,N}".replace("N", str(LONGEST_CHUNK)))


def _chunks(text: str) -> list[str]:
    """The text in pieces of whole sentences where they fit in LONGEST_CHUNK, without controls."""
    clean = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    return [piece for piece in _PIECE.findall(clean + " ") if piece.strip()] if clean else []


def envelope(audio: Samples | Doubles, rate: int, times: Doubles, window: float = 0.02) -> Doubles:
    """Loudness (f,) at `times`: root mean square of the samples in `window` seconds around each."""
    power = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    low = np.clip(np.rint((times - window / 2) * rate), 0, len(audio)).astype(int)
    high = np.clip(np.rint((times + window / 2) * rate), 0, len(audio)).astype(int)
    return np.asarray(np.sqrt((power[high] - power[low]) / np.maximum(high - low, 1)))


STOPS = frozenset("pbtdkgɡcɟqʈɖ")
SHORTEST_CLOSURE = 0.025  # seconds; a shorter weak stretch is the gap between two pulses


def _measured(
    phonemes: tuple[Phoneme, ...], audio: Samples, rate: int
) -> tuple[tuple[Phoneme, ...], tuple[tuple[float, float], ...]]:
    """Phonemes with stops from closure to release, and when the lips are shut, from the sound.

    espeak-ng marks a voiceless stop where it bursts; its silence lies before the mark. The
    closure is where the sound without its lowest part (first difference) is weak.
    """
    step = 0.001
    times = np.arange(int(len(audio) / rate / step)).astype(np.float64) * step
    treble = envelope(np.diff(audio, prepend=audio[:1] * 0), rate, times, 0.006)
    out, closures = list(phonemes), []
    for i, (symbol, start, end) in enumerate(phonemes):
        first = bare(symbol)[:1]
        if is_pause(symbol) or first not in STOPS | BILABIAL:
            continue
        earliest = max(out[i - 1][1] + 0.02 if i else 0.0, start - 0.12)
        shut = _quiet(treble, step, earliest, end) or (start, max(start, end - 0.01))
        if first in BILABIAL:
            closures.append(shut)
        if shut[0] < start:
            out[i] = (symbol, shut[0], end)
            if i:
                out[i - 1] = (*out[i - 1][:2], shut[0])
    return tuple(out), tuple(closures)


def _quiet(treble: Doubles, step: float, earliest: float, end: float) -> tuple[float, float] | None:
    """The longest weak stretch (s) of a sound that may begin at `earliest`, if it is no blink."""
    a, b = int(earliest / step), int(end / step) + 1
    around = treble[max(0, a - 250) : b + 250]
    if len(around) == 0:
        return None
    weak = treble[a:b] < 0.16 * np.quantile(around, 0.9)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], weak.astype(np.int8), [0]])))
    runs = edges.reshape(-1, 2)
    if len(runs) == 0:
        return None
    low, high = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    if (high - low) * step < SHORTEST_CLOSURE:
        return None
    return float((a + low) * step), float((a + high) * step)


def lag(speech: Speech, opening: Floats) -> tuple[float, float]:
    """By how many seconds the lips' `opening` (f,) trails the sound, and their correlation then.

    The sound is the root of its loudness between 500 and 1200 Hz, where only open vowels are
    strong, smoothed over 0.1 s; the best shift within 0.2 s at steps of a millisecond. Means
    little for less than ten syllables.
    """
    spectrum = np.fft.rfft(speech.audio)
    hertz = np.fft.rfftfreq(len(speech.audio), 1 / speech.rate)
    vowels = np.fft.irfft(spectrum * ((hertz > 500) & (hertz < 1200)), len(speech.audio))
    fine = np.arange(0.2, max(speech.seconds - 0.2, 0.21), 0.005)
    loud = np.sqrt(envelope(vowels, speech.rate, fine, 0.1))
    shifts = np.arange(-200, 201) / 1000
    moved = [np.interp(fine + shift, speech.times, opening) for shift in shifts]
    scores = [float(np.corrcoef(m, loud)[0, 1]) if m.std() > 0 < loud.std() else 0.0 for m in moved]
    best = int(np.argmax(scores))
    return float(shifts[best]), scores[best]


def stresses(speech: Speech) -> list[float]:
    """Seconds at which the loudest syllables peak, at least 0.4 s apart, ascending."""
    fine = np.arange(0.0, speech.seconds, 0.01)
    smooth = np.hanning(17) / 8
    loud = np.convolve(envelope(speech.audio, speech.rate, fine, 0.05), smooth, "same")
    middle = loud[1:-1]
    top = (middle >= loud[:-2]) & (middle > loud[2:]) & (middle > 0.45 * loud.max(initial=0))
    out: list[float] = []
    for peak in fine[1:-1][top].tolist():
        if not out or peak - out[-1] >= 0.4:
            out.append(peak)
    return out
