"""Speech: determinism, voices, coverage of languages, and step with the sound, measured."""

from __future__ import annotations

import hashlib
import importlib
import subprocess
import sys
import threading
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import butter, find_peaks, sosfiltfilt

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.core.seeds import rng
from fusiform.lab.world import speech as speaking
from fusiform.lab.world import visemes as vis
from fusiform.lab.world.expressions import INDEX, named
from fusiform.lab.world.motion import talk
from fusiform.lab.world.speech import Speech, Voice, mouth, speak, voice_for
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.visemes import is_known, is_pause, opening

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None, reason="espeak-ng is not installed"
)
SENTENCE = "The quick brown fox jumps over the lazy dog, and my mother bought a pretty blue table."
WOMAN = Voice(f0=210, formant=1.16)
CHILD = Voice(f0=285, formant=1.35, rate=140)

PANGRAMS = {
    "en": "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. "
    "Sphinx of black quartz, judge my vow. The boy enjoyed measuring his third thing; they sing "
    "youthful songs here, there, pure cure, fire hour, bottle button, beige garage, loch, uh-huh",
    "en-us": "Waltz, bad nymph, for quick jigs vex. Water, mountain, hurry, father, bird, thought. "
    "The five boxing wizards jump quickly; measure, vision, church, judge, button, little, 1999.",
    "de": "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Falsches Üben von "
    "Xylophonmusik quält jeden größeren Zwerg. Ich höre euch Mädchen, Pferd, Küche, Schüler, "
    "Feuer, Genie, Restaurant, Chance, Dschungel, tschüss, Öl, Bär, Garten, Uhr, Tür, mehr.",
    "fr": "Portez ce vieux whisky au juge blond qui fume. Voix ambiguë d'un cœur qui au zéphyr "
    "préfère les jattes de kiwis. Un bon vin blanc, une brune, agneau, feuille, travail, huit, "
    "lui, peu, peur, pomme, beau, pâte, fête, été, rue, chien, garçon, parking, cinquante.",
    "es": "El veloz murciélago hindú comía feliz cardillo y kiwi. La cigüeña tocaba el saxofón "
    "detrás del palenque de paja. Jovencillo emponzoñado de whisky, qué figurota exhibe. El perro "
    "corre, guitarra, llave, yo, niño, agua, vergüenza, cada dedo, lago, gente, mismo, ayuno.",
    "it": "Quel vituperabile xenofobo zelante assaggia il whisky ed esclama: alleluja! Ma la "
    "volpe, col suo balzo, ha raggiunto il quieto Fido. Gnocchi, figlio, sciare, zaino, pizza, "
    "cielo, giorno, ghiaccio, chiesa, perché, città, uomo, sbaglio, aglio, bagno, azzurro.",
}


@cache
def said(text: str, voice: Voice = Voice(), fps: float = 25.0) -> Speech:  # noqa: B008
    return speak(text, voice, fps)


def pitch(audio: np.ndarray, rate: int) -> float:
    """Median f0 by the autocorrelation of loud 40 ms windows (Rabiner 1977), 60..500 Hz."""
    width = round(0.04 * rate)
    windows = np.lib.stride_tricks.sliding_window_view(audio.astype(float), width)[:: width // 2]
    windows = windows - windows.mean(axis=1, keepdims=True)
    windows = windows[windows.std(axis=1) > 0.2 * windows.std(axis=1).max()]
    found = []
    for window in windows:
        lags = np.correlate(window, window, "full")[width - 1 :]
        best = rate // 500 + int(np.argmax(lags[rate // 500 : rate // 60]))
        if lags[best] > 0.5 * lags[0]:
            found.append(rate / best)
    return float(np.median(found))


def energy(speech: Speech) -> np.ndarray:
    """Envelope of the band of vowel formants at a thousand a second, by SciPy's filters."""
    band = butter(4, (300, 3500), "bandpass", fs=speech.rate, output="sos")
    low = butter(2, 25, fs=speech.rate, output="sos")
    audio = np.abs(sosfiltfilt(band, speech.audio.astype(float)))
    smooth = sosfiltfilt(low, audio)
    return np.interp(
        np.arange(0, speech.seconds, 0.001), np.arange(len(smooth)) / speech.rate, smooth
    )


@needs_espeak
def test_speech_is_sound_with_phonemes_and_frames() -> None:
    speech = said("Hello world.")
    assert speech.audio.dtype == np.int16
    assert speech.rate == 22050
    assert len(speech.visemes) == np.ceil(speech.seconds * 25 - 1e-6)
    assert speech.visemes.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert [word for word, _, _ in speech.words] == ["Hello", "world"]
    symbols = "".join(vis.bare(s) for s, _, _ in speech.phonemes)
    assert symbols == "hələʊwɜld"
    times = [t for _, start, end in speech.phonemes for t in (start, end)]
    assert times == sorted(times)
    assert times[-1] <= speech.seconds
    quiet = round(0.25 * speech.rate)
    assert not speech.audio[:quiet].any()
    assert not speech.audio[-quiet:].any()
    assert np.abs(speech.audio).max() > 5000


@needs_espeak
@pytest.mark.parametrize("language", PANGRAMS)
def test_every_phoneme_of_five_languages_is_in_the_table(language: str) -> None:
    speech = said(PANGRAMS[language], Voice(language))
    unknown = {s for s, _, _ in speech.phonemes if not is_known(s)}
    assert not unknown
    assert len({vis.bare(s) for s, _, _ in speech.phonemes}) > 25
    assert (speech.visemes.max(axis=0) > 0.3).sum() >= 12  # the mouth makes nearly every shape


@needs_espeak
def test_no_language_is_beyond_the_table_by_much() -> None:
    for language in ("cmn", "ja", "ru", "pl", "nl", "sv", "pt", "tr", "ko", "ar", "hi"):
        text = {"cmn": "你好，我是学生。", "ja": "いろはにほへと", "ru": "Съешь ещё этих булок"}
        text |= {"ko": "안녕하세요", "ar": "نص حكيم له سر قاطع", "hi": "नमस्ते दुनिया"}
        speech = said(text.get(language, "Kapitan Ela suma zjada banan"), Voice(language))
        assert speech.phonemes
        assert all(is_known(s) for s, _, _ in speech.phonemes), language


@needs_espeak
def test_saying_it_again_gives_the_same_bytes_whatever_came_between() -> None:
    voice = Voice(f0=190, formant=1.1, roughness=0.8)
    first = speak("She sells sea shells.", voice)
    speak("Zwischendurch etwas anderes.", Voice("de"))
    again = speak("She sells sea shells.", voice)
    assert (first.audio == again.audio).all()
    assert first.phonemes == again.phonemes
    assert (first.visemes == again.visemes).all()
    code = (
        "import hashlib\n"
        "from fusiform.lab.world.speech import Voice, speak\n"
        "s = speak('She sells sea shells.', Voice(f0=190, formant=1.1, roughness=0.8))\n"
        "print(hashlib.sha256(s.audio.tobytes() + repr(s.phonemes).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = first.audio.tobytes() + repr(first.phonemes).encode()
    assert done.stdout.strip() == hashlib.sha256(ours).hexdigest()


@needs_espeak
def test_many_threads_may_speak_at_once() -> None:
    texts = [f"Number {i}, please." for i in range(6)]
    alone = [speak(text).audio for text in texts]
    together: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i: together.update({i: speak(texts[i]).audio}))
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((together[i] == alone[i]).all() for i in range(6))


@needs_espeak
def test_frame_rate_only_chooses_where_to_look_at_the_mouth() -> None:
    slow, fast = said(SENTENCE), said(SENTENCE, fps=50.0)
    assert (slow.audio == fast.audio).all()
    assert (slow.visemes == fast.visemes[::2]).all()
    assert (talk(1, slow).expression == talk(1, fast).expression[::2]).all()


@needs_espeak
@pytest.mark.parametrize("voice", [Voice(), WOMAN, CHILD, Voice("de", f0=160)])
def test_the_voice_has_the_pitch_asked_for(voice: Voice) -> None:
    speech = said(SENTENCE, voice)
    assert pitch(speech.audio, speech.rate) == pytest.approx(voice.f0, rel=0.08)


@needs_espeak
def test_children_speak_higher_than_women_and_women_than_men() -> None:
    people = {
        "child": Traits((0.3, 0.3, 0.4), 0.0, 7),
        "woman": Traits((0.3, 0.3, 0.4), 0.0, 30),
        "man": Traits((0.3, 0.3, 0.4), 1.0, 30),
    }
    heard = {}
    for name, traits in people.items():
        voices = [voice_for(traits, rng(i, name)) for i in range(3)]
        speeches = [said("My mother may be right about it.", voice) for voice in voices]
        heard[name] = np.mean([pitch(s.audio, s.rate) for s in speeches])
    assert heard["child"] > 1.15 * heard["woman"]
    assert heard["woman"] > 1.4 * heard["man"]


def test_voices_follow_age_sex_and_size() -> None:
    def mean(traits: Traits, name: str) -> float:
        return float(np.mean([getattr(voice_for(traits, rng(i)), name) for i in range(60)]))

    even = (1 / 3, 1 / 3, 1 / 3)
    boy, girl = Traits(even, 1.0, 8), Traits(even, 0.0, 8)
    man, woman = Traits(even, 1.0, 35), Traits(even, 0.0, 35)
    old = Traits(even, 1.0, 85)
    assert mean(boy, "f0") == pytest.approx(mean(girl, "f0"), rel=0.05)
    assert mean(man, "f0") == pytest.approx(115, rel=0.1)  # Baken and Orlikoff 2000, table 6
    assert mean(woman, "f0") == pytest.approx(203, rel=0.1)
    assert mean(old, "f0") > mean(man, "f0")
    assert mean(boy, "formant") > mean(woman, "formant") > mean(man, "formant")
    assert mean(old, "rate") < mean(man, "rate")
    assert mean(old, "roughness") > mean(man, "roughness")
    assert voice_for(man, rng(1)) == voice_for(man, rng(1))
    assert len({voice_for(man, rng(i)).f0 for i in range(20)}) == 20


@needs_espeak
def test_formants_rise_with_the_voices_size() -> None:
    """The centre of the spectrum moves although the pitch stays."""

    def centre(formant: float) -> float:
        speech = said("Ah, I see.", Voice(f0=200, formant=formant))
        power = np.abs(np.fft.rfft(speech.audio)) ** 2
        hertz = np.fft.rfftfreq(len(speech.audio), 1 / speech.rate)
        return float((power * hertz).sum() / power.sum())

    assert centre(1.3) > 1.1 * centre(1.0)


@needs_espeak
@pytest.mark.parametrize("voice", [Voice(), WOMAN, CHILD, Voice(f0=95, rate=200)])
def test_lips_close_when_the_sound_does(voice: Voice) -> None:
    """Between the six vowels the sound is weakest where the lips are shut, within a frame."""
    speech = said("papa mama baba", voice)
    loud = energy(speech)
    vowels, _ = find_peaks(loud, distance=70, prominence=0.15 * loud.max())
    vowels = np.sort(vowels[np.argsort(loud[vowels])[-6:]])
    face, _ = mouth(speech)
    gap = opening(face)
    shut = speech.times[gap < 0.01]
    assert len(speech.closures) == 6
    for a, b in pairwise(vowels):
        weakest = (a + int(np.argmin(loud[a:b]))) / 1000
        assert np.abs(shut - weakest).min() <= 0.04
        assert np.abs(np.array(speech.closures).mean(axis=1) - weakest).min() < 0.06
    # and open between, which a camera of 25 frames a second need not catch
    finer = said("papa mama baba", voice, 200.0)
    gap = opening(mouth(finer)[0])
    for peak in vowels / 1000:
        assert gap[np.abs(finer.times - peak) <= 0.04].max() > 0.08


@needs_espeak
@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0, 60.0])
def test_every_p_b_and_m_is_seen_closed(fps: float) -> None:
    text = "Maybe my puppy jumped up and bumped a broom, but people remember."
    speech = said(text, Voice(), fps)
    face, tongue = mouth(speech, None, named("laugh"))
    count = sum(vis.bare(s)[:1] in vis.BILABIAL for s, _, _ in speech.phonemes)
    assert len(speech.closures) == count > 15
    gap = opening(face)
    for start, end in speech.closures:
        near = np.abs(speech.times - (start + end) / 2) <= 1 / fps
        assert gap[near].min() < 0.01
        inside = (speech.times >= start) & (speech.times <= end)
        assert gap[inside].max(initial=0) < 1e-6
    assert gap.max() > 0.3
    assert not tongue[gap == 0, 0].any()


@needs_espeak
@pytest.mark.parametrize("voice", [Voice(), WOMAN, CHILD, Voice("de"), Voice("es")])
def test_lips_and_loudness_keep_step(voice: Voice) -> None:
    """A correlation needs some ten syllables; of four, two may well be as loud as they please."""
    other = "We hold these truths to be self evident, that all men are created equal."
    for text in (SENTENCE, other, "How much wood would a woodchuck chuck?"):
        speech = said(text, voice, 50.0)
        late, correlation = speaking.lag(speech, opening(mouth(speech)[0]))
        assert abs(late) <= 0.08, text  # two frames at 25 a second
        assert correlation > 0.2


@needs_espeak
def test_lag_finds_a_known_delay() -> None:
    speech = said("papa mama baba papa mama", Voice(), 100.0)
    gap = opening(mouth(speech)[0])
    here, _ = speaking.lag(speech, gap)
    later, _ = speaking.lag(speech, np.roll(gap, 12))
    assert later - here == pytest.approx(0.12, abs=0.006)
    assert speaking.lag(speech, 0 * gap)[1] == 0


def test_envelope_is_a_literal_root_mean_square() -> None:
    audio = rng(2).integers(-9000, 9000, 1000).astype(np.int16)
    (out,) = speaking.envelope(audio, 1000, np.array([0.5]), 0.1)
    assert out == pytest.approx(np.sqrt(np.mean(audio[450:550].astype(float) ** 2)))


@needs_espeak
@pytest.mark.parametrize("text", ["", "   \n\t ", "...", "\x00\x07"])
def test_nothing_to_say_is_silence(text: str) -> None:
    speech = speak(text, pause=0.3)
    assert speech.seconds >= 0.6
    assert speech.closures == ()
    assert all(is_pause(symbol) for symbol, _, _ in speech.phonemes)
    assert (speech.visemes[:, 0] > 0.99).all()


@needs_espeak
def test_numbers_and_all_alphabets_are_spoken() -> None:
    assert len(said("42").phonemes) > 6
    assert [w for w, _, _ in said("naïve café, ok").words] == ["naïve", "café", "ok"]
    assert said("Привет мир", Voice("ru")).phonemes
    assert speak("broken \ud800 half").phonemes


@needs_espeak
def test_long_text_goes_sentence_by_sentence_and_stays_in_order() -> None:
    text = " ".join(f"This is sentence number {i} of a long book." for i in range(60))
    pieces = speaking._chunks(text)
    assert "".join(pieces).split() == text.split()
    assert max(map(len, pieces)) <= speaking.LONGEST_CHUNK + 1
    assert all(piece.strip().endswith(".") for piece in pieces)
    speech = speak(text)
    starts = [start for _, start, _ in speech.words]
    assert starts == sorted(starts)
    assert len(speech.words) >= 60 * 8
    assert speech.seconds > 90
    assert speech.words[-1][2] <= speech.seconds


def test_chunks_of_text_without_spaces_or_stops() -> None:
    assert speaking._chunks("") == []
    assert [len(p) for p in speaking._chunks("x" * 1200)] == [500, 500, 201]
    assert all(
        p.endswith("。") for p in speaking._chunks("好" * 200 + "。" + "是" * 400 + "。")[:1]
    )


@needs_espeak
def test_a_speaker_nods_on_loud_syllables() -> None:
    speech = said(SENTENCE + " " + "Nobody would ever believe such a marvellous story!")
    beats = [
        event for seed in range(8) for event in talk(seed, speech).events if event.kind == "beat"
    ]
    assert len(beats) > 20
    at = np.array([event.apex for event in beats])
    loud = speaking.envelope(speech.audio, speech.rate, at, 0.1)
    usual = speaking.envelope(speech.audio, speech.rate, speech.times, 0.1)
    assert np.median(loud) > np.quantile(usual, 0.7)


@needs_espeak
def test_a_smiling_speaker_smiles_and_still_closes() -> None:
    from fusiform.lab.world.motion import Event

    speech = said("papa mama baba")
    smile = [Event("expression", "open smile", 0.01, 0.3, 1.3, 1.6, 1.0)]
    glad, plain = talk(2, speech, script=smile), talk(2, speech)
    corner = INDEX["mouthSmileLeft"]
    assert glad.expression[10:30, corner].min() > plain.expression[10:30, corner].max() + 0.2
    for start, end in speech.closures:
        near = np.abs(speech.times - (start + end) / 2) <= 0.04
        assert opening(glad.expression[near]).min() < 0.01


@needs_espeak
def test_unknown_language_and_values_are_refused() -> None:
    with pytest.raises(ChoiceError, match=r"language must be one of"):
        speak("hello", Voice("klingonese"))
    with pytest.raises(ChoiceError, match=r"Voice\.f0"):
        Voice(f0=5)
    with pytest.raises(ChoiceError, match="fps"):
        speak("hello", fps=0)
    assert {"en", "en-us", "de", "fr", "es", "it"} <= set(speaking.languages())


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    speaking._installed.cache_clear()
    speaking._language_files.cache_clear()
    try:
        with pytest.raises(FusiformError, match=r'pip install "fusiform\[speech\]"'):
            speak("hello")
    finally:
        speaking._installed.cache_clear()
        speaking._language_files.cache_clear()
