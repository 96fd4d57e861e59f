"""Phonemes to visemes: the table, the blending and the closing of the lips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.world import visemes as vis
from fusiform.lab.world.expressions import INDEX, named
from fusiform.lab.world.visemes import SHAPES, VISEMES, Style

# The viseme set's own examples: viseme, then sounds of words like put, bat, mat; fat, vat; ...
EXAMPLES = {
    "PP": "p b m",
    "FF": "f v",
    "TH": "θ ð",
    "DD": "t d",
    "kk": "k ɡ",
    "CH": "tʃ dʒ ʃ",
    "SS": "s z",
    "nn": "n l",
    "RR": "ɹ",
    "aa": "ɑː",
    "E": "e",
    "ih": "ɪ",
    "oh": "o",
    "ou": "uː",
}
# Consonants, vowels and other symbols of the IPA chart, 2015.
CHART = """p b t d ʈ ɖ c ɟ k ɡ q ɢ ʔ m ɱ n ɳ ɲ ŋ ɴ ʙ r ʀ ⱱ ɾ ɽ ɸ β f v θ ð s z ʃ ʒ ʂ ʐ ç ʝ x ɣ χ ʁ
ħ ʕ h ɦ ɬ ɮ ʋ ɹ ɻ j ɰ l ɭ ʎ ʟ ʘ ǀ ǃ ǂ ǁ ɓ ɗ ʄ ɠ ʛ ʍ w ɥ ʜ ʢ ʡ ɕ ʑ ɺ ɧ i y ɨ ʉ ɯ u ɪ ʏ ʊ e ø ɘ ɵ ɤ o
ə ɛ œ ɜ ɞ ʌ ɔ æ ɐ a ɶ ɑ ɒ""".split()


def shapes_of(symbol: str) -> list[str]:
    return [VISEMES[index] for index, _ in vis.visemes_of(symbol)]


@pytest.mark.parametrize(("viseme", "sounds"), EXAMPLES.items())
def test_the_sets_own_examples(viseme: str, sounds: str) -> None:
    for sound in sounds.split():
        assert shapes_of(sound) == [viseme]


def test_the_whole_ipa_chart_is_known() -> None:
    assert [symbol for symbol in CHART if not vis.is_known(symbol)] == []


@pytest.mark.parametrize(
    ("symbol", "wanted"),
    [
        ("ˈaɪ", ["aa", "ih"]),
        ("ɐ̃ʊ̃", ["aa", "ou"]),
        ("aɪə", ["aa", "ih", "E"]),
        ("ts.h", ["CH"]),
        ("ts", ["SS"]),
        ("pf", ["PP", "FF"]),
        ("tɕh", ["CH"]),
        ("ph", ["PP"]),
        ("r̝̊", ["CH"]),
        ("ç", ["ih"]),
        ("n̩", ["nn"]),
        ("ˈɔːɹ", ["oh", "RR"]),
        ("iː", ["ih"]),
        ("ʲ", []),
        ("", ["sil"]),
        ("_:", ["sil"]),
        ("(en)", ["sil"]),
    ],
)
def test_spellings_of_the_synthesiser(symbol: str, wanted: list[str]) -> None:
    assert shapes_of(symbol) == wanted


def test_unknown_letters_are_guessed_from_their_latin_base() -> None:
    assert not vis.is_known("ᶀ")  # LATIN SMALL LETTER B WITH PALATAL HOOK
    assert shapes_of("ᶀ") == ["PP"]
    assert shapes_of("☃") == ["kk"]
    assert shapes_of("ᵾ") == ["ou"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=8))
def test_no_symbol_is_too_strange(symbol: str) -> None:
    for index, level in vis.visemes_of(symbol):
        assert 0 <= index < 15
        assert 0 < level <= 1


def test_lip_shapes_are_as_phonetics_has_them() -> None:
    opening = dict(zip(VISEMES, vis.opening(SHAPES).tolist(), strict=True))
    assert opening["sil"] == 0
    assert opening["PP"] < 0.01
    assert max(opening, key=lambda name: opening[name]) == "aa"
    assert opening["aa"] > opening["E"] > opening["ih"]  # low, mid and high vowels
    assert opening["oh"] > opening["ou"]
    rounded = dict(zip(VISEMES, SHAPES[:, INDEX["mouthPucker"]].tolist(), strict=True))
    assert rounded["ou"] > rounded["oh"] > rounded["aa"]
    assert rounded["ih"] == rounded["E"] == 0
    assert SHAPES[VISEMES.index("FF"), INDEX["mouthRollLower"]] > 0.3
    tongue = dict(zip(VISEMES, vis.TONGUE.tolist(), strict=True))
    assert tongue["TH"][0] == max(t[0] for t in tongue.values())
    assert tongue["kk"][1] == max(t[1] for t in tongue.values())
    assert min(tongue[v][2] for v in ("DD", "nn")) > 0.7


WORD = [("m", 0.2, 0.3), ("ˈɑː", 0.3, 0.5), ("s", 0.5, 0.62), ("t", 0.62, 0.7), ("ɚ", 0.7, 0.9)]


def test_weights_are_shares_and_peak_in_their_own_sound() -> None:
    times = np.arange(0, 1.2, 0.01)
    weights = vis.coarticulate(WORD, times)
    assert weights.shape == (120, 15)
    assert weights.min() >= 0
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert weights[0, 0] > 0.95 < weights[-1, 0]
    for symbol, start, end in WORD:
        own = weights[:, vis.visemes_of(symbol)[0][0]]
        inside = (times >= start - 0.03) & (times <= end + 0.03)
        assert inside[np.argmax(own)]


def test_blending_matches_a_literal_reading() -> None:
    """Cohen and Massaro's formula, one sound and one moment at a time."""
    times = np.linspace(0, 1.1, 23)
    wanted = np.zeros((23, 15))
    sounds = [("", -10.0, 0.2), *WORD, ("", 0.9, 11.1)]
    for row, now in zip(wanted, times, strict=True):
        row[0] += vis.FLOOR
        for symbol, start, end in sounds:
            ((index, level),) = vis.visemes_of(symbol)
            margin = min((end - start) / 4, vis.LONGEST_MARGIN)
            away = max(0, start + margin - now, now - (end - margin))
            power = vis.STRENGTH[index] * np.exp(-((away / vis.REACH[index]) ** 2))
            row[index] += power * level
            row[0] += power * (1 - level)
        row /= row.sum()
    assert vis.coarticulate(WORD, times) == pytest.approx(wanted, abs=1e-5)


def test_long_speech_is_blended_in_pieces_without_seams() -> None:
    many = [(s, a + 0.9 * k, b + 0.9 * k) for k in range(60) for s, a, b in WORD]
    times = np.arange(0, 55, 0.02)
    whole = vis.coarticulate(many, times)
    apart = np.concatenate([vis.coarticulate(many, times[i::7]) for i in range(7)])
    order = np.concatenate([np.arange(len(times))[i::7] for i in range(7)])
    middle = times[order] < 53  # the silence at the end is as long as the times reach
    assert apart[middle] == pytest.approx(whole[order][middle], abs=1e-6)


def test_rounding_begins_before_its_vowel() -> None:
    """In "stu" the lips round during the s and t (Cohen and Massaro 1993, figure 7)."""
    times = np.array([0.33])
    stew = vis.coarticulate([("s", 0.2, 0.32), ("t", 0.32, 0.38), ("uː", 0.38, 0.6)], times)
    stay = vis.coarticulate([("s", 0.2, 0.32), ("t", 0.32, 0.38), ("eɪ", 0.38, 0.6)], times)
    pucker = INDEX["mouthPucker"]
    assert (stew @ SHAPES)[0, pucker] > (stay @ SHAPES)[0, pucker] + 0.2


def test_nothing_said_is_silence() -> None:
    weights = vis.coarticulate([], np.arange(4.0))
    assert (weights == np.eye(1, 15)).all()
    assert vis.coarticulate(WORD, np.zeros(0)).shape == (0, 15)


def smooth(curve: np.ndarray, step: float) -> float:
    """The largest jump of the slope, per second: finite for a C1 curve as the step shrinks."""
    return float(np.abs(np.diff(curve, 2, axis=0)).max() / step)


def test_curves_have_continuous_slopes() -> None:
    spans = ((0.2, 0.29), (0.5, 0.53))
    for curve in (
        lambda t: vis.closure(spans, t),
        lambda t: vis.coarticulate(WORD, t).astype(float),
        vis.ease,
    ):
        coarse = smooth(curve(np.arange(0, 1, 1e-3)), 1e-3)
        fine = smooth(curve(np.arange(0, 1, 2.5e-4)), 2.5e-4)
        assert fine < 0.5 * coarse + 0.01  # a kink would give the same jump at any step


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 0.8), st.floats(0.02, 0.1)), min_size=1, max_size=4),
    st.integers(0, 1000),
)
def test_closed_lips_are_closed_whatever_else_the_face_does(
    raw: list[tuple[float, float]], seed: int
) -> None:
    times = np.arange(0, 1, 0.01)
    spans = [(start, start + length) for start, length in raw]
    shut = vis.closure(spans, times)
    draw = rng(seed)
    weights = draw.dirichlet(np.ones(15), len(times)).astype(np.float32)
    emotion = named(("laugh", "shout", "surprised", "tongue out")[seed % 4])
    face = vis.articulate(weights, shut, vis.sample_style(draw), emotion)
    inside = np.any([(times >= a) & (times <= b) for a, b in spans], axis=0)
    assert shut[inside] == pytest.approx(1)
    assert vis.opening(face)[inside].max(initial=0) < 1e-6
    assert face.min() >= 0
    assert face.max() <= 1
    assert (face[:, INDEX["mouthClose"]] <= face[:, INDEX["jawOpen"]] + 1e-6).all()


def test_lips_part_again_between_closures() -> None:
    times = np.arange(0, 1, 0.005)
    shut = vis.closure([(0.3, 0.36), (0.5, 0.56)], times)
    assert shut[(times > 0.41) & (times < 0.45)].max() < 1e-9
    assert shut[times < 0.24].max() == 0
    assert vis.shut_lips(np.eye(1, 15, 10, dtype=np.float32), np.ones(1))[0, 1] == 1


def test_style_changes_how_and_emotion_what() -> None:
    weights = np.eye(1, 15, VISEMES.index("aa"), dtype=np.float32)
    none = np.zeros(1)
    plain = vis.articulate(weights, none)
    jaw = INDEX["jawOpen"]
    assert vis.articulate(weights, none, Style(jaw=0.5))[0, jaw] == pytest.approx(plain[0, jaw] / 2)
    assert vis.articulate(weights, none, Style(amplitude=0.5)) == pytest.approx(plain / 2)
    lopsided = vis.articulate(weights, none, Style(asymmetry=0.4))[0]
    assert lopsided[INDEX["mouthStretchLeft"]] > 2 * lopsided[INDEX["mouthStretchRight"]]
    glad = vis.articulate(weights, none, None, named("happy"))[0]
    assert glad[INDEX["mouthSmileLeft"]] > 0.3
    assert glad[INDEX["cheekSquintLeft"]] == pytest.approx(named("happy")[INDEX["cheekSquintLeft"]])
    rounded = np.eye(1, 15, VISEMES.index("ou"), dtype=np.float32)
    round_glad = vis.articulate(rounded, none, None, named("happy"))[0]
    assert round_glad[INDEX["mouthSmileLeft"]] < 0.6 * glad[INDEX["mouthSmileLeft"]]


def test_people_articulate_differently() -> None:
    styles = [vis.sample_style(rng(i)) for i in range(200)]
    spread = np.std([style.amplitude for style in styles])
    assert 0.1 < spread < 0.3
    assert all(0.6 <= s.jaw <= 1.5 and abs(s.asymmetry) < 0.4 for s in styles)
    assert vis.sample_style(rng(3)) == vis.sample_style(rng(3))


def test_minimum_jerk_is_flash_and_hogans() -> None:
    """x(1/2) = 1/2 and a peak speed of 15/8 of the mean one."""
    x = np.linspace(-0.5, 1.5, 4001)
    y = vis.ease(x)
    assert y[0] == 0
    assert y[-1] == 1
    assert y[2000] == pytest.approx(0.5)
    assert np.gradient(y, x).max() == pytest.approx(15 / 8, rel=1e-4)


def test_wander_is_band_limited_with_the_deviation_asked_for() -> None:
    times = np.arange(0, 600, 0.05)
    curve = vis.wander(rng(1), times, 2.0, 1.5)
    assert curve.std() == pytest.approx(2.0, rel=0.1)
    power = np.abs(np.fft.rfft(curve * np.hanning(len(curve)))) ** 2
    hertz = np.fft.rfftfreq(len(curve), 0.05)
    assert power[hertz > 1.55].sum() < 1e-6 * power.sum()


def test_steps_add_up() -> None:
    onsets, lengths = np.array([0.2, 0.5, 0.55]), np.array([0.2, 0.2, 0.2])
    changes = np.array([[1.0, 0], [2, -1], [-4, 3]])
    times = np.linspace(0, 1, 101)
    wanted = sum(
        vis.ease((times - a) / b)[:, None] * c
        for a, b, c in zip(onsets, lengths, changes, strict=True)
    )
    assert vis.steps(times, onsets, lengths, changes, vis.ease) == pytest.approx(wanted)
