"""Tests of what hair a person has: growth, cuts and colours."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Head, load_head
from fusiform.lab.world.hair import (
    Cut,
    Growth,
    Hair,
    curl_of,
    hairline_height,
    lengths,
    restyled,
    root_density,
    sample_growth,
    sample_hair,
    strand_chances,
    style_chances,
    with_style,
)
from fusiform.lab.world.hair_colour import (
    DYES,
    WHITE,
    grey_share,
    melanin_colour,
    strand_colours,
    white_share,
)
from fusiform.lab.world.hair_styles import STYLES, style_of
from fusiform.lab.world.traits import Traits

EUROPEAN, AFRICAN, ASIAN = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@pytest.fixture(scope="module")
def scalp(head: Head) -> np.ndarray:
    return head.mean[head.masks["scalp"] > 0.5]


@st.composite
def people(draw: st.DrawFn) -> Traits:
    raw = [draw(st.floats(0.01, 1)) for _ in range(3)]
    shares = tuple(r / sum(raw) for r in raw)
    age, male = draw(st.floats(5, 90)), draw(st.floats(0, 1))
    return Traits((shares[0], shares[1], 1 - shares[0] - shares[1]), male, age)


def many(traits: Traits, count: int = 120) -> list[Hair]:
    return [sample_hair(rng(5, "many", i), traits) for i in range(count)]


# ---- styles


def test_there_are_styles_of_every_kind() -> None:
    assert len(STYLES) >= 14
    assert sum(s.tie is not None for s in STYLES.values()) >= 3
    assert any(s.rows for s in STYLES.values())
    assert any(s.strip for s in STYLES.values())


@pytest.mark.parametrize("name", STYLES)
def test_style_is_sound(name: str) -> None:
    style = STYLES[name]
    assert min(style.top, style.side, style.back, style.fringe) >= 0
    assert max(style.top, style.side, style.back, style.fringe) <= 0.6
    assert 0 <= style.curl[0] <= style.curl[1] <= 1
    assert style.ages[0] < style.ages[1]
    assert 0 <= style.lift <= 1
    assert style.low <= max(style.side, style.back)
    assert min(style.taste) >= 0 < max(style.taste)


@pytest.mark.parametrize("name", [n for n, s in STYLES.items() if s.fringe_level > 0])
def test_fringes_end_above_the_lids(name: str) -> None:
    assert STYLES[name].fringe_level >= 0.02


def test_unknown_style() -> None:
    with pytest.raises(ChoiceError, match="style"):
        style_of("mop")
    with pytest.raises(ChoiceError, match="bob"):
        Cut("mop")


# ---- sampling


@settings(max_examples=40, deadline=None)
@given(people(), st.integers(0, 10**6))
def test_sampled_growth_stays_in_range(traits: Traits, seed: int) -> None:
    growth = sample_growth(rng(seed), traits)
    assert -0.015 <= growth.shift <= 0.015
    assert 0 <= growth.peak <= 0.017
    assert 0 <= growth.temples <= 0.06
    assert 0 <= growth.front <= 0.12
    assert 0 <= growth.crown <= 0.1
    assert 0.3 <= growth.density <= 1
    assert 0 <= growth.curl <= 1
    assert 0 < growth.eumelanin < 2.5
    assert 0 < growth.pheomelanin < 1
    assert 0 <= growth.grey <= 1
    assert 0.6 < growth.coarse < 1.6


@settings(max_examples=30, deadline=None)
@given(people(), st.integers(0, 10**6))
def test_same_stream_same_hair(traits: Traits, seed: int) -> None:
    assert sample_hair(rng(seed), traits) == sample_hair(rng(seed), traits)


@settings(max_examples=30, deadline=None)
@given(people(), st.integers(0, 10**6))
def test_a_hairdresser_changes_only_the_cut(traits: Traits, seed: int) -> None:
    hair = sample_hair(rng(seed), traits)
    after = restyled(hair, rng(seed, "later"), traits.male, traits.age)
    assert after.growth == hair.growth
    assert after.cut != hair.cut


def test_hair_is_plain_data() -> None:
    flat = asdict(sample_hair(rng(0), Traits(EUROPEAN, 0.0, 30)))
    assert set(flat) == {"growth", "cut"}
    assert all(type(v) in (float, int) for v in flat["growth"].values())


def test_ancestry_colours_and_curls() -> None:
    groups = {a: [h.growth for h in many(Traits(a, 0.5, 25))] for a in (AFRICAN, ASIAN, EUROPEAN)}
    dark = {a: np.mean([g.eumelanin for g in v]) for a, v in groups.items()}
    curl = {a: np.mean([g.curl for g in v]) for a, v in groups.items()}
    assert dark[EUROPEAN] < dark[ASIAN]
    assert dark[EUROPEAN] < dark[AFRICAN]
    assert curl[ASIAN] < curl[EUROPEAN] < curl[AFRICAN]
    blond = np.mean([g.eumelanin < 0.2 for g in groups[EUROPEAN]])
    assert 0.1 < blond < 0.6


def test_only_men_recede_and_the_old_more() -> None:
    def bare(male: float, age: float) -> float:
        group = many(Traits(EUROPEAN, male, age))
        return float(np.mean([h.growth.temples + h.growth.crown + h.growth.front for h in group]))

    assert bare(0.0, 70) < 0.001
    assert bare(1.0, 22) < bare(1.0, 45) < bare(1.0, 75)


def test_greying_comes_with_age() -> None:
    grey = [np.mean([h.growth.grey for h in many(Traits(EUROPEAN, 0.5, a))]) for a in (20, 45, 80)]
    assert grey[0] < 0.03
    assert grey[0] < grey[1] < grey[2]
    assert grey[2] > 0.6


def test_dye_is_rare() -> None:
    dyed = np.mean([h.cut.dye is not None for h in many(Traits(EUROPEAN, 0.0, 30), 300)])
    assert 0.01 < dyed < 0.15
    assert all(h.cut.dye is None for h in many(Traits(EUROPEAN, 0.0, 9)))


# ---- choice of style


@settings(max_examples=30, deadline=None)
@given(people(), st.integers(0, 10**6))
def test_style_chances_are_chances(traits: Traits, seed: int) -> None:
    chances = style_chances(sample_growth(rng(seed), traits), traits.male, traits.age)
    assert chances.shape == (len(STYLES),)
    assert chances.min() >= 0
    assert abs(float(chances.sum()) - 1) < 1e-5


def test_styles_suit_sex_curl_and_loss() -> None:
    names = list(STYLES)

    def chance(name: str, growth: Growth, male: float, age: float = 30) -> float:
        return float(style_chances(growth, male, age)[names.index(name)])

    straight, coily = Growth(curl=0.05), Growth(curl=0.95)
    assert chance("bob", straight, 0) > 20 * chance("bob", straight, 1)
    assert chance("afro_small", coily, 1) > 50 * chance("afro_small", straight, 1)
    assert chance("cornrows", straight, 0) < 0.002
    bald = Growth(front=0.06, crown=0.06, temples=0.04)
    assert chance("tonsure", bald, 1, 65) > 10 * chance("tonsure", straight, 1, 65)
    assert chance("slick", bald, 1) < 0.2 * chance("slick", straight, 1)


def test_curl_is_what_the_style_allows() -> None:
    assert curl_of(Hair(Growth(curl=0.9), Cut("slick"))) == STYLES["slick"].curl[1]
    assert curl_of(Hair(Growth(curl=0.0), Cut("afro_large"))) == STYLES["afro_large"].curl[0]
    assert curl_of(Hair(Growth(curl=0.4), Cut("bun"))) == 0.4


# ---- hairline and lengths


def test_plain_hairline_is_the_mask(head: Head, scalp: np.ndarray) -> None:
    mask = head.masks["hairline"]
    np.testing.assert_allclose(hairline_height(Growth(), mask, head.mean, scalp), mask, atol=1e-6)


@pytest.mark.parametrize("what", ["shift", "temples", "front", "crown"])
@given(amount=st.floats(0.002, 0.05))
@settings(max_examples=10, deadline=None)
def test_recession_only_takes(what: str, amount: float) -> None:
    head = load_head()
    scalp = head.mean[head.masks["scalp"] > 0.5]
    mask = head.masks["hairline"]
    less = hairline_height(Growth(**{what: amount}), mask, head.mean, scalp)
    more = hairline_height(Growth(**{what: amount + 0.01}), mask, head.mean, scalp)
    assert (less <= mask + 1e-6).all()
    assert (more <= less + 1e-6).all()
    assert less.min() >= mask.min() - 0.12


def test_peak_comes_down_in_the_middle_only(head: Head, scalp: np.ndarray) -> None:
    mask = head.masks["hairline"]
    rise = hairline_height(Growth(peak=0.01), mask, head.mean, scalp) - mask
    assert rise.max() > 0.006
    assert rise[np.abs(head.mean[:, 0]) > 0.05].max() < 1e-3


def test_crown_is_bare_where_it_should_be(head: Head, scalp: np.ndarray) -> None:
    mask = head.masks["hairline"]
    height = hairline_height(Growth(crown=0.05), mask, head.mean, scalp)
    gone = (height < 0) & (mask > 0.02)
    assert gone.any()
    middle = head.mean[gone].mean(0)
    assert abs(middle[0]) < 0.01
    assert middle[1] > scalp[:, 1].max() - 0.05
    # the wreath over ears and nape stays
    low = (mask > 0.01) & (head.mean[:, 1] < scalp[:, 1].max() - 0.1)
    assert height[low].min() > 0.005


def test_root_density_covers_the_scalp_alone(head: Head) -> None:
    dense = root_density(head, Hair(Growth(), Cut("bob")))
    assert dense.shape == (len(head.mean),)
    assert dense.dtype == np.float32
    assert dense.min() == 0
    assert dense.max() <= 1
    assert dense[head.masks["hairline"] > 0.02].min() > 0.95
    assert dense[head.masks["hairline"] < -0.01].max() == 0
    assert root_density(head, Hair(Growth(), Cut("bald"))).max() == 0


@given(st.floats(0.35, 1))
@settings(max_examples=8, deadline=None)
def test_root_density_scales(density: float) -> None:
    head = load_head()
    full = root_density(head, Hair(Growth(), Cut("bob")))
    part = root_density(head, Hair(Growth(density=density), Cut("bob")))
    np.testing.assert_allclose(part, full * density, rtol=1e-5)


def test_lengths_follow_the_style(head: Head, scalp: np.ndarray) -> None:
    mask = head.masks["hairline"]
    hair = Hair(Growth(), Cut("crew"))
    long = lengths(hair, mask, head.mean, scalp)
    top = head.mean[:, 1].argmax()
    style = STYLES["crew"]
    assert long[top] == pytest.approx(style.top, rel=0.15)
    side = (mask > 0.06) & (head.mean[:, 1] < scalp[:, 1].max() - 0.08)
    assert long[side].max() < style.top
    nape = (np.abs(mask) < 0.002) & (head.mean[:, 1] < scalp[:, 1].max() - 0.1)
    assert long[nape].max() < 0.5 * style.back


@given(st.floats(0.5, 2))
@settings(max_examples=8, deadline=None)
def test_lengths_scale(factor: float) -> None:
    head = load_head()
    scalp = head.mean[head.masks["scalp"] > 0.5]
    one = lengths(Hair(Growth(), Cut("bob")), head.masks["hairline"], head.mean, scalp)
    two = lengths(Hair(Growth(), Cut("bob", factor)), head.masks["hairline"], head.mean, scalp)
    np.testing.assert_allclose(two, one * np.float32(factor), rtol=1e-5)


def test_mohawk_is_a_strip(head: Head, scalp: np.ndarray) -> None:
    long = lengths(Hair(Growth(), Cut("mohawk")), head.masks["hairline"], head.mean, scalp)
    top = head.mean[:, 1] > scalp[:, 1].max() - 0.03
    x = np.abs(head.mean[:, 0])
    assert long[top & (x < 0.01)].min() > 0.03
    assert long[x > 0.045].max() < 0.01


def test_chances_are_nested_and_the_cut_changes_only_the_fall() -> None:
    hair = Hair(Growth(seed=4), Cut("bob", seed=9))
    np.testing.assert_array_equal(strand_chances(hair, 50)[:20], strand_chances(hair, 20))
    other = with_style(hair, "slick", seed=10)
    assert other.growth == hair.growth
    a, b = strand_chances(hair, 20), strand_chances(other, 20)
    np.testing.assert_array_equal(a[:, :8], b[:, :8])
    assert (a[:, 8:] != b[:, 8:]).any()


# ---- colour


def test_melanin_against_the_formula() -> None:
    sigma = 0.6 * np.array([0.419, 0.697, 1.37]) + 0.1 * np.array([0.187, 0.4, 1.05])
    b = 0.3
    d = 5.969 - 0.215 * b + 2.532 * b * b - 10.73 * b**3 + 5.574 * b**4 + 0.245 * b**5
    chiang = np.exp(-np.sqrt(sigma) * d)
    np.testing.assert_allclose(
        melanin_colour(np.float64(0.6), np.float64(0.1)), 0.007 + 0.713 * chiang, rtol=1e-5
    )


@given(st.floats(0, 3), st.floats(0, 2), st.floats(0.01, 1))
def test_more_melanin_is_darker(e: float, p: float, more: float) -> None:
    base = melanin_colour(np.float64(e), np.float64(p))
    assert (melanin_colour(np.float64(e + more), np.float64(p)) < base).all()
    assert (melanin_colour(np.float64(e), np.float64(p + more)) < base).all()
    assert base[0] >= base[1] >= base[2] > 0


def test_colours_are_those_of_people() -> None:
    black, brown, blond, red = (
        melanin_colour(np.float64(e), np.float64(p))
        for e, p in ((1.6, 0.05), (0.6, 0.1), (0.08, 0.05), (0.08, 0.5))
    )
    assert black.max() < 0.02
    assert 0.02 < brown[0] < 0.1
    assert 0.2 < blond[0] < 0.5
    assert red[0] / red[2] > 2 * blond[0] / blond[2]


def test_negative_melanin() -> None:
    with pytest.raises(ChoiceError, match="melanin"):
        melanin_colour(np.float64(-0.1), np.float64(0))


@given(st.floats(10, 60), st.floats(5, 90), st.floats(0.1, 30))
def test_grey_share_grows(onset: float, age: float, more: float) -> None:
    now, later = grey_share(age, onset), grey_share(age + more, onset)
    assert 0 <= now <= later <= 1


def test_grey_share_is_half_after_the_pace() -> None:
    assert grey_share(50, 32, 18) == pytest.approx(0.474, abs=0.01)
    assert grey_share(20, 32) < 0.01


@given(st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_grey_fraction_matches(grey: float) -> None:
    chance = rng(1).random((4000, 4)).astype(np.float32)
    assert white_share(grey, chance[:, 0]).mean() == pytest.approx(grey, abs=0.02)
    chance[:, 1:] = 0.5
    dark, pale, tint = (strand_colours(1.2, 0.1, g, None, chance, 3) for g in (0.0, 1.0, grey))
    np.testing.assert_allclose(pale[:, 0], np.tile(WHITE, (4000, 1)), rtol=1e-4)
    share = (tint - dark)[:, 0] / (pale - dark)[:, 0]
    assert abs(share.mean() - grey) < 0.02


@given(st.floats(0, 1), st.floats(0, 1))
def test_no_or_all_hair_is_white_at_the_ends(grey: float, chance: float) -> None:
    one = np.array([chance], np.float32)
    assert white_share(0.0, one)[0] == 0
    assert white_share(1.0, one)[0] > 0.999
    assert 0 <= white_share(grey, one)[0] <= white_share(min(1.0, grey + 0.1), one)[0] + 1e-6 <= 1.1


def test_strands_vary_about_the_colour() -> None:
    chance = rng(2).random((3000, 4)).astype(np.float32)
    tint = strand_colours(0.6, 0.1, 0.0, None, chance, 5)
    assert tint.shape == (3000, 5, 3)
    assert tint.dtype == np.float32
    base = melanin_colour(np.float64(0.6), np.float64(0.1))
    np.testing.assert_allclose(np.median(tint[:, 0], 0), base, rtol=0.15)
    assert tint[:, 0].std(0).min() > 0.05 * base.min()
    assert (tint[:, -1] > tint[:, 0]).all()  # the sun bleaches tips


def test_dye_and_grown_out_roots() -> None:
    chance = np.full((10, 4), 0.5, np.float32)
    plain = strand_colours(1.2, 0.1, 0.0, None, chance, 9)
    dyed = strand_colours(1.2, 0.1, 0.0, DYES["blue"], chance, 9)
    grown = strand_colours(1.2, 0.1, 0.0, DYES["blue"], chance, 9, dye_from=0.5)
    np.testing.assert_allclose(dyed[:, 0], np.tile(DYES["blue"], (10, 1)), rtol=0.02)
    np.testing.assert_allclose(grown[:, :4], plain[:, :4])
    np.testing.assert_allclose(grown[:, -1], dyed[:, -1], rtol=1e-5)


def test_growth_can_be_replaced() -> None:
    assert replace(Growth(), grey=1.0).grey == 1.0
