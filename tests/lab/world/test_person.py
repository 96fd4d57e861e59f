"""People: what stays, what changes, and what children get from their parents."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import load_head
from fusiform.lab.world import person as people
from fusiform.lab.world.makeup import Makeup
from fusiform.lab.world.person import (
    Person,
    body,
    child,
    coefficients,
    founder,
    is_dark,
    shares,
)
from fusiform.lab.world.skin import Patch
from fusiform.lab.world.traits import Traits
from fusiform.lab.world.wear import Shares

SEED = 4
INBORN = ("traits", "bones", "skin", "eyes", "mouth", "brows", "glasses", "parents")
PURE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def alike(one, other) -> bool:
    """Equal through all fields, arrays by their bytes."""
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        names = [item.name for item in fields(one)]
        return all(alike(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and (one == other).all()
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


def changed(one: Person, other: Person) -> set[str]:
    """The fields that differ."""
    names = [item.name for item in fields(Person)]
    return {name for name in names if not alike(getattr(one, name), getattr(other, name))}


@lru_cache(maxsize=64)
def someone(number: int) -> Person:
    return founder(SEED, number)


@lru_cache(maxsize=1)
def crowd() -> list[Traits]:
    stream = rng(SEED, "crowd")
    return [people.draw_traits(stream) for _ in range(4000)]


# Traits as drawn


def test_drawn_traits_are_spread_as_they_should_be():
    shares_ = np.array([one.ancestry for one in crowd()])
    male = np.array([one.male for one in crowd()])
    age = np.array([one.age for one in crowd()])
    weight = np.array([one.weight for one in crowd()])
    assert np.allclose(shares_.mean(axis=0), 1 / 3, atol=0.025)
    assert 0.45 < (shares_.max(axis=1) > 0.8).mean() < 0.7  # most have one main ancestry
    assert 0.48 < (male > 0.5).mean() < 0.52
    assert (np.abs(male - 0.5) > 0.25).mean() > 0.95
    assert 0.08 < (age < 18).mean() < 0.12
    assert age.min() >= 5
    assert age.max() <= 80
    assert 35 < np.median(age) < 42
    assert abs(weight.mean()) < 0.02
    assert 0.3 < weight.std() < 0.38


class Awkward:
    """A stream whose shares add up to a little more than 1 in floating point."""

    def dirichlet(self, _):
        return np.array([0.9, 0.1, 0.0])

    def beta(self, *_):
        return 0.5

    def random(self):
        return 0.3

    def normal(self, *_):
        return 9.0


def test_rounding_makes_no_negative_share():
    assert 1 - 0.9 - 0.1 < 0
    traits = people.draw_traits(Awkward())
    assert traits.ancestry == (0.9, 0.1, 0.0)
    assert traits.weight == 1


def test_the_largest_share_names_an_ancestry():
    names = [people.ancestry_name(Traits(one, 0.5, 30)) for one in PURE]
    assert names == ["african", "asian", "european"]
    assert people.ancestry_name(Traits((0.3, 0.3, 0.4), 0.5, 30)) == "european"


# Identity


def test_a_number_is_one_person():
    assert changed(founder(SEED, 3), founder(SEED, 3)) == set()
    assert {"bones", "skin", "eyes", "hair"} <= changed(founder(SEED, 3), founder(SEED, 4))
    assert {"bones", "skin", "eyes", "hair"} <= changed(founder(SEED, 3), founder(SEED + 1, 3))


def test_given_traits_leave_the_bones_alone():
    one = someone(5)
    other = founder(SEED, 5, Traits((0.2, 0.3, 0.5), 0.1, 71, 0.4))
    assert "bones" not in changed(one, other)
    assert other.traits.age == 71


def test_strangers_share_nothing():
    own = np.stack([someone(number).bones.own for number in range(24)])
    between = np.corrcoef(own)[np.triu_indices(24, 1)]
    assert abs(between.mean()) < 0.01
    assert np.abs(between).max() < 0.2
    assert own.std() == pytest.approx(1, abs=0.03)
    ageing = np.stack([someone(number).bones.ageing for number in range(24)])
    assert ageing.min() >= 0
    assert 0.2 < ageing.mean() < 1.5
    assert ageing.std() > 0.1


@pytest.mark.parametrize("age", [5, 25, 90])
@pytest.mark.parametrize("weight", [-1, 1])
def test_bodies_of_extremes_are_whole(age, weight):
    for ancestry in PURE:
        for male in (0, 1):
            traits = Traits(ancestry, male, age, weight)
            one = founder(SEED, age, traits)
            rest = body(one)
            assert np.isfinite(rest.vertices).all()
            assert np.ptp(rest.vertices[load_head().masks["rigid"] > 0.5], axis=0).max() < 0.35
            assert 0.03 < rest.eyes[0, 0] - rest.eyes[1, 0] < 0.08


def test_a_body_is_made_once():
    assert body(someone(1)) is body(someone(1).with_makeup(None))


# Changes


def test_of_the_same_age_is_the_same_person():
    one = someone(2).on_another_day(rng(1, "day"))
    assert changed(one, one.at(one.traits.age)) == set()


def test_age_changes_shape_and_hair_but_not_bones_and_skin():
    young = someone(7).at(25)
    old = young.at(80)
    assert old.bones is young.bones
    assert old.skin is young.skin
    assert old.brows.seed == young.brows.seed
    assert old.hair.growth.seed == young.hair.growth.seed
    assert old.hair.cut == young.hair.cut
    assert old.eyes.melanin == young.eyes.melanin
    assert old.hair.growth.grey > young.hair.growth.grey + 0.3
    assert not np.allclose(body(old).vertices, body(young).vertices, atol=1e-4)
    moved = coefficients(load_head(), old) - coefficients(load_head(), young)
    other = coefficients(load_head(), someone(8).at(80)) - coefficients(load_head(), young)
    assert np.linalg.norm(moved) < np.linalg.norm(other)


def test_ageing_can_be_undone():
    young = someone(7)
    assert changed(young, young.at(70).at(young.traits.age)) == set()


def test_weight_changes_shape_and_nothing_seen_else():
    one = someone(6).at(weight=-0.5)
    assert changed(one, one.at(weight=0.8)) == {"traits"}
    narrow, wide = (
        np.ptp(body(one.at(weight=w)).vertices[load_head().masks["cheek"] > 0.5, 0])
        for w in (-0.8, 0.8)
    )
    assert wide > narrow + 0.004


@pytest.mark.parametrize("wrong", [{"age": 4}, {"age": 91}, {"weight": 2}])
def test_impossible_changes_are_refused(wrong):
    with pytest.raises(ChoiceError):
        someone(2).at(**wrong)


def test_clothes_hair_and_makeup_change_alone():
    one = someone(9).on_another_day(rng(3, "x"), 1.0)
    assert changed(one, one.wearing(glasses=None, hat=None, mask=None, occluder=None)) <= {
        "wardrobe"
    }
    other = one.with_hair("bob", length=1.3)
    assert changed(one, other) <= {"hair"}
    assert other.hair.growth == one.hair.growth
    assert (other.hair.cut.style, other.hair.cut.length) == ("bob", 1.3)
    made_up = one.with_makeup(Makeup(mascara=0.7))
    assert changed(one, made_up) == {"makeup"}
    assert made_up.with_makeup(None).makeup is None
    with pytest.raises(ChoiceError):
        one.with_hair("no such cut")
    with pytest.raises(TypeError):
        one.wearing(monocle=True)


def test_beards_keep_their_cut_where_they_grow():
    man = founder(SEED, 1, Traits(PURE[2], 1.0, 40.0))
    bearded = replace(man, beard=replace(man.beard, style="full", length=1.2))
    assert (bearded.at(60).beard.style, bearded.at(60).beard.length) == ("full", 1.2)
    boy = bearded.at(8)
    assert boy.beard.density == 0
    assert boy.beard.style == "none"
    assert people.barbered(man.beard, boy.beard) == man.beard


@lru_cache(maxsize=1)
def days() -> list[tuple[Person, Person]]:
    return [
        (someone(number), someone(number).on_another_day(rng(8, number, day)))
        for number in range(20)
        for day in range(6)
    ]


def test_another_day_keeps_the_identity():
    for one, other in days():
        assert not changed(one, other) & set(INBORN)
        assert other.hair.growth == one.hair.growth
        inborn = {"density", "patchy", "reach", "curl", "eumelanin", "pheomelanin", "grey", "seed"}
        assert all(getattr(one.beard, f) == getattr(other.beard, f) for f in inborn)
    first = someone(3).on_another_day(rng(8, "again"))
    assert changed(first, someone(3).on_another_day(rng(8, "again"))) == set()


def test_another_day_changes_what_changes():
    styles = np.mean([one.hair.cut.style != other.hair.cut.style for one, other in days()])
    assert 0.25 < styles < 0.5  # half are cut anew, some the same way
    assert all(one.hair.cut.seed != other.hair.cut.seed for one, other in days())
    assert len({other.wardrobe.clothes for _, other in days()}) > 100
    owners = [other.wardrobe.glasses == one.glasses for one, other in days() if one.glasses]
    assert 0.65 < np.mean(owners) < 1


def test_nothing_hides_a_face_unless_wished():
    for number in range(60):
        worn = someone(number % 20).on_another_day(rng(9, number), 0.0).wardrobe
        assert (worn.hat, worn.mask, worn.occluder, worn.jewellery) == (None, None, None, None)
        assert not is_dark(worn.glasses)
    often = [someone(n % 20).on_another_day(rng(9, n), 1.0).wardrobe for n in range(60)]
    assert 0.3 < np.mean([one.hat is not None for one in often]) < 0.7


def test_shares_grow_with_dressing():
    assert set(vars(shares(0.0)).values()) == {0.0}
    usual = shares(0.3)
    assert usual == replace(Shares(), glasses=0.03)
    for name, value in vars(shares(1.0)).items():
        assert getattr(usual, name) < value <= 1


def test_glasses_and_makeup_are_had_as_people_have_them():
    young, old = Traits(PURE[0], 1, 20), Traits(PURE[0], 1, 75)
    had = [
        np.mean([people.own_glasses(rng(n, "g"), t) is not None for n in range(300)])
        for t in (young, old)
    ]
    assert 0.12 < had[0] < 0.25
    assert 0.45 < had[1] < 0.62
    assert not any(is_dark(people.own_glasses(rng(n, "g"), old)) for n in range(100))

    def made_up(male: float, age: float) -> float:
        traits = Traits(PURE[1], male, age)
        return np.mean([people.some_makeup(rng(n, "m"), traits) is not None for n in range(120)])

    assert made_up(0, 30) > 0.4
    assert made_up(1, 30) < 0.1
    assert made_up(0, 12) == 0


def test_shown_age_rises():
    ages = np.linspace(5, 90, 40)
    shown = np.array([people.shown_age(age) for age in ages])
    assert (np.diff(shown) > 0).all()
    assert (shown <= ages).all()


# Families


def related(one: Person, other: Person) -> float:
    return float(np.corrcoef(one.bones.own, other.bones.own)[0, 1])


@lru_cache(maxsize=1)
def families() -> list[tuple[Person, Person, list[Person]]]:
    out = []
    for number in range(8):
        mother, father = someone(100 + number), someone(200 + number)
        kids = [child(mother, father, SEED, 2 * number + i) for i in (0, 1)]
        out.append((mother, father, kids))
    return out


def test_kin_are_half_alike_and_in_laws_are_not():
    """Falconer 1960: parent and child, and full siblings, share half; 512 x 8 coefficients give a
    mean correlation with a standard error below 0.02."""
    parents = [
        related(p, kid) for one, other, kids in families() for p in (one, other) for kid in kids
    ]
    siblings = [related(*kids) for _, _, kids in families()]
    couples = [related(one, other) for one, other, _ in families()]
    assert np.mean(parents) == pytest.approx(0.5, abs=0.03)
    assert np.mean(siblings) == pytest.approx(0.5, abs=0.05)
    assert abs(np.mean(couples)) < 0.04
    assert min(parents + siblings) > 0.35
    own = np.concatenate([kid.bones.own for *_, kids in families() for kid in kids])
    assert own.std() == pytest.approx(1, abs=0.03)


def test_children_vary_as_much_as_others_in_shape():
    head, adult = load_head(), Traits((0.2, 0.3, 0.5), 0.5, 30)
    kids = [child(one, other, SEED, n, adult) for n, (one, other, _) in enumerate(families())]
    others = [founder(SEED, 300 + n, adult) for n in range(8)]
    spread = [
        np.std([coefficients(head, one) for one in group], axis=0).mean()
        for group in (kids, others)
    ]
    assert 0.8 < spread[0] / spread[1] < 1.2


def test_children_come_between_their_parents():
    for mother, father, kids in families():
        for kid in kids:
            assert kid.parents == (mother, father)
            pair = (mother.at(kid.traits.age), father.at(kid.traits.age))
            for part, name in (("skin", "melanin"), ("skin", "blood"), ("brows", "thickness")):
                low, high = sorted(getattr(getattr(one, part), name) for one in pair)
                assert low <= getattr(getattr(kid, part), name) <= high
            assert kid.eyes.seed in (mother.eyes.seed, father.eyes.seed)
            mean = np.mean([mother.traits.ancestry, father.traits.ancestry], axis=0)
            assert np.allclose(kid.traits.ancestry, mean)


def test_a_child_grows_up():
    mother, father, (kid, _) = families()[0]
    assert changed(kid, child(mother, father, SEED, 0)) == set()
    grown = kid.at(50)
    assert grown.bones is kid.bones
    assert grown.parents == kid.parents
    assert grown.skin.melanin == kid.skin.melanin
    assert changed(kid, grown.at(kid.traits.age)) <= {"beard"}
    grandchild = child(grown, someone(60), SEED, 77)
    assert related(grandchild, mother) == pytest.approx(0.25, abs=0.12)


def test_a_birthmark_of_one_parent_does_no_harm():
    """A part that only one parent has is had or not had as a whole."""
    patch = Patch((10.0, 0.0), 0.02, 0.5, 0.1, False)
    mother, father = someone(1), someone(2)
    marked = replace(mother, skin=replace(mother.skin, patch=patch))
    skins = [
        people.mixed(one.skin, other.skin, rng(n, "mix")).patch
        for one, other in ((marked, father), (father, marked))
        for n in range(10)
    ]
    assert None in skins
    assert patch in skins


@given(st.integers(0, 10_000), st.floats(-5, 5), st.floats(-5, 5))
@settings(max_examples=50)
def test_numbers_mix_in_between(seed, one, other):
    assert min(one, other) <= people.between(one, other, rng(seed)) <= max(one, other)
    pair = np.full(3, one, np.float32), np.full(3, other, np.float32)
    found = people.between(*pair, rng(seed))
    assert found.dtype == np.float32
    assert (np.minimum(*pair) - 1e-5 <= found).all()
    assert (found <= np.maximum(*pair) + 1e-5).all()
    assert people.between("a", "b", rng(seed)) in ("a", "b")
    assert people.between(3, 8, rng(seed)) in (3, 8)
    longer = np.zeros(4, np.float32)
    assert people.between(pair[0], longer, rng(seed)).shape in ((3,), (4,))
