"""Skin: colours as measured, marks and lines that belong to a person, growing with age."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Head
from fusiform.lab.world.skin import COLOURS, Skin, sample_skin
from fusiform.lab.world.skin_colour import (
    BLOOD,
    MELANIN,
    OXYGEN,
    STEPS,
    TO_RGB,
    WAVES,
    albedo,
    colour_table,
    dermis,
    epidermis,
    lab,
    typology,
)
from fusiform.lab.world.skin_lines import (
    COLUMNS,
    FAMILIES,
    NAMES,
    POINTS,
    depths,
    paths,
    sample_lines,
)
from fusiform.lab.world.skin_marks import FOREVER, sample_marks, shown_share
from fusiform.lab.world.skin_zones import ZONES
from fusiform.lab.world.traits import Traits

fractions = st.floats(0.006, 0.45)
bloods = st.floats(0.003, 0.04)
EUROPEAN, ASIAN, AFRICAN = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)


def colour(
    melanin: float, blood: float, oxygen: float = 0.75, carotene: float = 0.05
) -> np.ndarray:
    return lab(albedo(np.array(melanin), np.array(blood), np.array(oxygen), carotene))


def some(ancestry: tuple[float, float, float], count: int = 150, male: float = 0.5) -> list[Skin]:
    return [sample_skin(rng(i, "skin"), Traits(ancestry, male, 30)) for i in range(count)]


def base(skin: Skin) -> np.ndarray:
    return colour(skin.melanin, skin.blood, skin.oxygen, skin.carotene)


def test_lab_against_published_pairs() -> None:
    """White, black, mid grey and the red primary of sRGB (CIE 15, D65)."""
    rgb = np.array([[1, 1, 1], [0, 0, 0], [0.2140, 0.2140, 0.2140], [1, 0, 0]])
    want = [[100, 0, 0], [0, 0, 0], [53.4, 0, 0], [53.24, 80.09, 67.20]]
    assert lab(rgb) == pytest.approx(np.array(want), abs=0.1)
    white = np.linalg.inv(TO_RGB).sum(axis=1)
    assert white == pytest.approx([0.9505, 1.0, 1.0888], abs=2e-3)


@pytest.mark.parametrize(
    ("melanin", "low", "high"),
    # categories of Chardon et al. 1991, as used by Del Bino and Bernerd 2013
    [
        (0.008, 45, 70),
        (0.03, 36, 50),
        (0.065, 22, 36),
        (0.10, 8, 24),
        (0.2, -30, 2),
        (0.4, -75, -35),
    ],
)
def test_typology_angles(melanin: float, low: float, high: float) -> None:
    assert low < typology(colour(melanin, 0.011)) < high


@given(fractions, bloods)
@settings(max_examples=60, deadline=None)
def test_colours_lie_where_skin_was_measured(melanin: float, blood: float) -> None:
    """L* 25 to 77, a* 3 to 17, b* 8 to 24: the hull of the databases of Xiao et al. 2017 and of
    CIE TC 1-92, some margin added; red over green over blue."""
    lightness, a, b = colour(melanin, blood)
    assert 24 < lightness < 77
    assert 2 < a < 17
    assert 8 < b < 24
    red, green, blue = albedo(np.array(melanin), np.array(blood), np.array(0.75), 0.05)
    assert red > green > blue > 0


@given(fractions, bloods, st.floats(1.05, 1.5))
@settings(max_examples=60, deadline=None)
def test_more_melanin_is_darker(melanin: float, blood: float, more: float) -> None:
    assert colour(min(0.6, melanin * more), blood)[0] < colour(melanin, blood)[0]


@given(st.floats(0.006, 0.3), bloods, st.floats(1.05, 1.6))
@settings(max_examples=60, deadline=None)
def test_more_blood_is_redder_and_darker(melanin: float, blood: float, more: float) -> None:
    one, two = colour(melanin, blood), colour(melanin, blood * more)
    assert two[1] > one[1]
    assert two[0] < one[0]


@given(st.floats(0.006, 0.2), bloods)
@settings(max_examples=30, deadline=None)
def test_blood_without_oxygen_is_bluer(melanin: float, blood: float) -> None:
    assert colour(melanin, blood, 0.4)[1] < colour(melanin, blood, 0.9)[1]


def test_carotene_is_yellow() -> None:
    assert colour(0.03, 0.01, carotene=0.2)[2] > colour(0.03, 0.01, carotene=0.0)[2] + 3


def test_blood_shows_its_double_valley() -> None:
    """Oxygenated blood absorbs at 540 and 580 nm more than at 560 (the W of skin spectra)."""
    back = dermis(np.array(0.02), np.array(1.0))
    at = {int(w): float(b) for w, b in zip(WAVES, back, strict=True)}
    assert at[560] > at[540]
    assert at[560] > at[580]
    assert at[650] > 1.5 * at[560]
    through = epidermis(np.array([0.02, 0.2]))
    assert (np.diff(through, axis=1) > 0).all()
    assert (through[0] > through[1]).all()


def test_table_is_the_formula() -> None:
    table = colour_table(0.07)
    assert table.shape == (STEPS, STEPS, 2, 3)
    for i, j, k in ((0, 0, 0), (10, 20, 1), (31, 5, 0), (16, 16, 1)):
        m = np.exp(np.linspace(*MELANIN, STEPS)[i])
        b = np.exp(np.linspace(*BLOOD, STEPS)[j])
        want = albedo(np.array(m), np.array(b), np.array(OXYGEN[k]), 0.07)
        assert table[i, j, k] == pytest.approx(np.clip(want, 0.002, 1), abs=1e-6)


def test_populations_have_measured_means() -> None:
    """Means of published facial means, within 6 units; spreads overlap, as they do in life."""
    want = {EUROPEAN: (65, 10, 16), ASIAN: (61, 10, 18), AFRICAN: (43, 10.5, 17)}
    for ancestry, target in want.items():
        found = np.array([base(s) for s in some(ancestry)])
        assert np.abs(found.mean(axis=0) - target).max() < 6, (ancestry, found.mean(axis=0))
        assert 1.5 < found[:, 0].std() < 12
    fair = np.array([base(s)[0] for s in some(EUROPEAN)])
    east = np.array([base(s)[0] for s in some(ASIAN)])
    assert np.percentile(fair, 10) < np.percentile(east, 90)


def test_same_seed_same_skin() -> None:
    one, two = (sample_skin(rng(4, "skin"), Traits(EUROPEAN, 1, age)) for age in (20, 70))
    assert one.melanin == two.melanin
    assert one.zone_blood.tobytes() == two.zone_blood.tobytes()
    assert one.marks.spots.tobytes() == two.marks.spots.tobytes()
    assert one.lines.tobytes() == two.lines.tobytes()
    other = sample_skin(rng(5, "skin"), Traits(EUROPEAN, 1, 20))
    assert other.seed != one.seed


def test_ranges() -> None:
    for ancestry in (EUROPEAN, ASIAN, AFRICAN, (0.3, 0.3, 0.4)):
        for skin in some(ancestry, 40):
            assert 0.005 < skin.melanin < 0.5
            assert 0.004 < skin.blood < 0.03
            assert 0.6 < skin.oxygen < 0.9
            for share in (skin.vessels, skin.pores, skin.oil, skin.sun, skin.veins, skin.shadow):
                assert 0 <= share <= 1
            assert skin.zone_melanin.shape == (len(ZONES),)
            assert np.isfinite(skin.blotches).all()
    assert set(COLOURS) == set(ZONES)


def test_women_have_no_beard_shadow() -> None:
    assert all(s.shadow == 0 for s in some(ASIAN, 20, male=0))
    assert np.mean([s.shadow for s in some(ASIAN, 40, male=1)]) > 0.3


def test_moles_are_few_and_small() -> None:
    moles = []
    for i in range(200):
        table = sample_marks(rng(i, "marks"), 0.9, 0.0, 0.0).spots
        moles.append(table[(table[:, 3] >= 0.5) & (table[:, 8] >= FOREVER) & (table[:, 6] < 38)])
    counts = np.array([len(m) for m in moles])
    assert counts.max() <= 40
    assert 2 < np.median(counts) < 20
    radius = np.concatenate(moles)[:, 2]
    assert (radius > 0.0025).mean() < 0.05
    assert radius.max() <= 0.006


def test_freckles_need_fair_skin() -> None:
    few = [len(s.marks.spots) for s in some(AFRICAN, 60)]
    many = [len(s.marks.spots) for s in some(EUROPEAN, 60)]
    assert np.mean(many) > 1.5 * np.mean(few)


def test_rare_patches() -> None:
    found = [s.patch is not None for s in some(EUROPEAN, 700)]
    assert 0.001 < np.mean(found) < 0.03


def test_marks_grow_and_stay_unless_pimples() -> None:
    table = sample_marks(rng(3, "marks"), 0.8, 0.9, 1.0).spots
    ages = np.arange(5, 91)
    shares = np.array([shown_share(table, float(a)) for a in ages])
    lasting = table[:, 8] > 110
    assert (np.diff(shares[:, lasting], axis=0) >= 0).all()
    assert shares[-1, lasting].sum() > shares[0, lasting].sum()
    passing = table[:, 8] < table[:, 6] + 2
    assert shares[-1, passing].sum() == 0


def test_lines_deepen_with_age() -> None:
    lines = sample_lines(rng(1, "lines"))
    assert lines.shape[1] == len(COLUMNS)
    at = np.array([depths(lines, float(a)) for a in range(5, 91, 5)])
    assert (np.diff(at, axis=0) >= 0).all()
    wrinkles = lines[:, 0] != NAMES.index("lid")
    assert at[0, wrinkles].max() < 1e-4
    assert at[-1, wrinkles].mean() > 1e-4
    assert at.max() < 0.003


@pytest.mark.parametrize(
    ("move", "family"),
    [("browInnerUp", "forehead"), ("browDownLeft", "frown"), ("eyeSquintLeft", "crow"),
     ("mouthSmileLeft", "fold"), ("mouthPucker", "lip"), ("noseSneerLeft", "nose")],
)  # fmt: skip
def test_expressions_deepen_their_lines(move: str, family: str) -> None:
    lines = sample_lines(rng(2, "lines"))
    still, moved = depths(lines, 40), depths(lines, 40, {move: 1.0})
    assert (moved >= still).all()
    own = lines[:, 0] == NAMES.index(family)
    if FAMILIES[family].sides:
        own &= lines[:, 1] > 0
        right = (lines[:, 0] == NAMES.index(family)) & (lines[:, 1] < 0)
        assert np.array_equal(moved[right], still[right])
    assert (moved[own] > still[own]).all()
    assert np.array_equal(depths(lines, 40, {"jawOpen": 1.0}), still)


def test_lines_lie_on_skin_and_on_their_side(head: Head) -> None:
    lines = sample_lines(rng(6, "lines"))
    laid = paths(head, lines)
    assert len(laid) == len(lines)
    for row, path in zip(lines, laid, strict=True):
        assert path.shape == (POINTS, 3)
        known = path[np.isfinite(path[:, 0])]
        assert len(known) > POINTS / 3, NAMES[int(row[0])]
        if row[1] != 0:
            assert (known[:, 0] * row[1] > 0).mean() > 0.95, NAMES[int(row[0])]
        near = np.linalg.norm(head.mean[None] - known[:, None], axis=2).min(axis=1)
        assert near.max() < 0.012


def test_people_differ_more_than_sides() -> None:
    """Forehead lines of two people are not the same; crow's feet of one are nearly mirrored."""
    one, two = sample_lines(rng(1, "lines")), sample_lines(rng(2, "lines"))
    crow = one[one[:, 0] == NAMES.index("crow")]
    left, right = crow[crow[:, 1] > 0], crow[crow[:, 1] < 0]
    assert np.abs(left[:, 5:] - right[:, 5:]).mean() < 1.0
    a, b = (t[t[:, 0] == NAMES.index("forehead")] for t in (one, two))
    assert len(a) != len(b) or np.abs(a[:, 5:] - b[:, 5:]).mean() > 0.1
