"""A person: what stays of someone through all pictures, and what can be changed.

Bone, skin, eyes, teeth, brows and the way hair grows belong to the identity; age, weight, haircut,
beard, make-up and clothes can be held or varied.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from fusiform.core.seeds import rng
from fusiform.lab.geometry import semantics
from fusiform.lab.geometry.head import Floats, Head, load_head
from fusiform.lab.geometry.posing import Rest, rest
from fusiform.lab.world.beard import Beard, rebearded, sample_beard
from fusiform.lab.world.brows import Brows, sample_brows
from fusiform.lab.world.glasses import Glasses, sample_glasses
from fusiform.lab.world.hair import Hair, restyled, sample_hair, with_style
from fusiform.lab.world.iris import Eyes, sample_eyes
from fusiform.lab.world.makeup import Makeup, sample_makeup
from fusiform.lab.world.mouth import Mouth, sample_mouth
from fusiform.lab.world.skin import Skin, sample_skin
from fusiform.lab.world.traits import ANCESTRIES, OLDEST, YOUNGEST, Traits
from fusiform.lab.world.wear import Shares, Wardrobe, sample_wardrobe

Part = TypeVar("Part")

ADULT, COMMON_AGEING = 25.0, 0.7
BARE = 0.02  # density of a beard below which there is none
DARK = 0.5  # lenses that cover more are sunglasses
RESTYLING, RESHAVING, WEARING = 0.5, 0.25, 0.95  # chances on another day
COMPONENTS = 512  # own coefficients drawn; a head uses as many as it has


@dataclass(frozen=True, eq=False)
class Bones:
    """`own` (512,): what of the shape is a person's alone, normal numbers; `ageing` (8,): their
    ways of ageing. Compared by identity: it is made once for a person and never changed."""

    own: Floats
    ageing: Floats


@dataclass(frozen=True, eq=False)
class Person:
    """`number` of the world with `seed`; `parents` where born of two others.

    `hair.cut`, `beard`'s style, `makeup` (None: none) and `wardrobe` are changeable; so are age and
    weight, through `at`. The rest is the identity.
    """

    seed: int
    number: int
    traits: Traits
    bones: Bones
    skin: Skin
    eyes: Eyes
    mouth: Mouth
    brows: Brows
    hair: Hair
    beard: Beard
    makeup: Makeup | None
    wardrobe: Wardrobe
    glasses: Glasses | None = None  # their own pair, for those who need one
    parents: tuple[Person, Person] | None = None

    def at(self, age: float | None = None, weight: float | None = None) -> Person:
        """The same person at another age (5 to 90 years) or weight (-1 to 1), as dressed now.

        Hair greys and recedes, skin lines deepen, bones and brows stay theirs.
        Raises ChoiceError for values out of range.
        """
        now = self.traits
        traits = replace(
            now,
            age=now.age if age is None else age,
            weight=now.weight if weight is None else weight,
        )
        if self.parents is None:
            other = founder(self.seed, self.number, traits)
        else:
            other = child(*self.parents, self.seed, self.number, traits)
        growing = other.hair.growth
        return replace(
            other,
            bones=self.bones,
            skin=self.skin,
            hair=replace(self.hair, growth=growing),
            beard=barbered(other.beard, self.beard),
            makeup=self.makeup,
            wardrobe=self.wardrobe,
        )

    def wearing(self, **items: Any) -> Person:
        """The same person with these fields of their `Wardrobe` set; None takes an item off."""
        return replace(self, wardrobe=replace(self.wardrobe, **items))

    def with_hair(self, style: str, **changes: Any) -> Person:
        """After a visit to the hairdresser: a style of `hair.STYLES`, and fields of `hair.Cut`."""
        return replace(self, hair=with_style(self.hair, style, **changes))

    def with_makeup(self, makeup: Makeup | None) -> Person:
        """Made up so, or not at all."""
        return replace(self, makeup=makeup)

    def on_another_day(self, stream: np.random.Generator, dressing: float = 0.3) -> Person:
        """The same person with what changes from day to day drawn anew, as often as it does.

        Half the time another haircut, a quarter of the time another shave, fresh make-up and
        clothes; who owns glasses wears them mostly. `dressing`: how often (times the usual 0.3)
        things are worn that hide parts of the face; 0: never.
        """
        traits, lot = self.traits, stream.random(3)
        cut = restyled(self.hair, stream, traits.male, traits.age)
        fallen = replace(
            self.hair, cut=replace(self.hair.cut, seed=cut.cut.seed, tidy=cut.cut.tidy)
        )
        shaven = rebearded(self.beard, stream)
        trimmed = replace(self.beard, length=self.beard.length * float(stream.uniform(0.7, 1.3)))
        worn = sample_wardrobe(stream, traits, shares(dressing))
        if self.glasses is not None and lot[2] < WEARING and not is_dark(worn.glasses):
            worn = replace(worn, glasses=self.glasses)
        return replace(
            self,
            hair=cut if lot[0] < RESTYLING else fallen,
            beard=shaven if lot[1] < RESHAVING else trimmed,
            makeup=some_makeup(stream, traits),
            wardrobe=worn,
        )


def draw_traits(stream: np.random.Generator) -> Traits:
    """Ancestry, sex, age and weight of someone; most have one main ancestry, some two or three."""
    ancestry = stream.dirichlet([0.22, 0.22, 0.22])
    sure = stream.beta(12, 1)
    male = sure if stream.random() < 0.5 else 1 - sure
    young = stream.random() < 0.1
    age = stream.uniform(YOUNGEST + 1, 18) if young else 18 + 62 * stream.beta(1.2, 1.8)
    weight = np.clip(stream.normal(0, 0.35), -1, 1)
    shares = ancestry / ancestry.sum()
    return Traits(
        (float(shares[0]), float(shares[1]), max(0.0, float(1 - shares[0] - shares[1]))),
        float(male),
        float(min(age, OLDEST)),
        float(weight),
    )


def founder(seed: int, number: int, traits: Traits | None = None) -> Person:
    """Person `number` of the world with `seed`, with given traits instead of their own."""

    def stream(part: str) -> np.random.Generator:
        return rng(seed, "person", number, part)

    traits = draw_traits(stream("traits")) if traits is None else traits
    hair = sample_hair(stream("hair"), traits)
    glasses = own_glasses(stream("glasses"), traits)
    wardrobe = replace(sample_wardrobe(stream("wardrobe"), traits, shares(0.0)), glasses=glasses)
    return Person(
        seed,
        number,
        traits,
        Bones(
            stream("bones").standard_normal(COMPONENTS).astype(np.float32),
            stream("ageing").gamma(1.4, 0.55, semantics.AGEING_TRAITS).astype(np.float32),
        ),
        sample_skin(stream("skin"), traits),
        sample_eyes(stream("eyes"), traits),
        sample_mouth(stream("mouth"), traits),
        sample_brows(stream("brows"), traits, hair.growth),
        hair,
        sample_beard(stream("beard"), traits, hair.growth),
        some_makeup(stream("makeup"), traits),
        wardrobe,
        glasses,
    )


def shares(dressing: float) -> Shares:
    """How often each thing is worn, from one number: 0 never, 0.3 as people do, up to 1.

    Clear glasses are left out: who needs them owns a pair.
    """
    usual, times = replace(Shares(), glasses=0.03), dressing / 0.3
    few = {item.name: getattr(usual, item.name) * times for item in fields(usual)}
    most = max(1.0, few["glasses"] + few["dark"])
    return Shares(**{name: min(1.0, value / most) for name, value in few.items()})


def barbered(beard: Beard, like: Beard) -> Beard:
    """`beard` in the style of `like`, unless only one of them can be grown."""
    if (beard.density > BARE) != (like.density > BARE):
        return beard
    return replace(beard, style=like.style, length=like.length, tidy=like.tidy)


def own_glasses(stream: np.random.Generator, traits: Traits) -> Glasses | None:
    """A pair for those who need one: a quarter of the young, most of the old."""
    pair = sample_glasses(stream, dark=False)
    need = 0.18 + 0.35 * float(np.clip((traits.age - 40) / 30, 0, 1))
    return pair if stream.random() < need else None


def is_dark(glasses: Glasses | None) -> bool:
    """Whether these are sunglasses."""
    return glasses is not None and glasses.cover > DARK


def some_makeup(stream: np.random.Generator, traits: Traits) -> Makeup | None:
    """Make-up as adults wear it: most women some, few men; children none."""
    made_up = stream.random() < 0.55 * (1 - 0.95 * traits.male) and traits.age > 14
    makeup = sample_makeup(stream, traits, float(stream.beta(1.5, 5)))
    return makeup if made_up else None


def child(
    mother: Person, father: Person, seed: int, number: int, traits: Traits | None = None
) -> Person:
    """Someone born of two others: each trait from one of them, or between, with some chance.

    Bones: the mean of the parents' own coefficients plus fresh ones of variance 1/2, so that
    children vary as much as people do and siblings share half (Falconer's additive model).
    """
    stream = rng(seed, "child", number)
    if traits is None:
        traits = child_traits(mother.traits, father.traits, stream)
    alone = founder(seed, number, traits)
    pair = (mother.at(traits.age), father.at(traits.age))
    one, other = mother.bones, father.bones
    own = (one.own + other.own) / 2 + alone.bones.own * np.float32(np.sqrt(0.5))
    parts = {
        name: mixed(getattr(pair[0], name), getattr(pair[1], name), rng(seed, "mix", number, name))
        for name in ("skin", "eyes", "mouth", "brows")
    }
    growth = mixed(pair[0].hair.growth, pair[1].hair.growth, rng(seed, "mix", number, "hair"))
    return replace(
        alone,
        bones=Bones(own.astype(np.float32), (one.ageing + other.ageing) / np.float32(2)),
        hair=replace(alone.hair, growth=growth),
        parents=(mother, father),
        **parts,
    )


def child_traits(one: Traits, other: Traits, stream: np.random.Generator) -> Traits:
    """The traits a child of two people starts from; its age is drawn."""
    shares = [(a + b) / 2 for a, b in zip(one.ancestry, other.ancestry, strict=True)]
    drawn = draw_traits(stream)
    last = 1.0 - shares[0] - shares[1]
    return replace(drawn, ancestry=(shares[0], shares[1], max(0.0, last)))


def mixed(one: Part, other: Part, stream: np.random.Generator) -> Part:
    """A record between two of a kind: numbers and arrays in between, all else from one of them."""
    if not is_dataclass(one) or isinstance(one, type) or type(one) is not type(other):
        chosen: Part = between(one, other, stream)
        return chosen
    changes = {
        item.name: mixed(getattr(one, item.name), getattr(other, item.name), stream)
        for item in fields(one)
    }
    return replace(one, **changes)


def between(one: Any, other: Any, stream: np.random.Generator) -> Any:
    """A number or array drawn evenly between two, or one of two other things."""
    share, choice = float(stream.random()), stream.random() < 0.5
    if isinstance(one, float) and isinstance(other, float):
        return one + share * (other - one)
    if isinstance(one, np.ndarray) and one.dtype.kind == "f" and one.shape == np.shape(other):
        return one + np.asarray(share, one.dtype) * (other - one)
    return one if choice else other


def body(person: Person) -> Rest:
    """The person's neutral, unposed head."""
    return body_of(person.bones, person.traits)


@lru_cache(maxsize=64)
def body_of(bones: Bones, traits: Traits) -> Rest:
    return rest(load_head(), shape_of(load_head(), bones, traits))


def coefficients(head: Head, person: Person) -> Floats:
    """Shape coefficients (k,) of `person` on `head`."""
    return shape_of(head, person.bones, person.traits)


def shape_of(head: Head, bones: Bones, traits: Traits) -> Floats:
    """Shape coefficients (k,) of these bones at these traits."""

    def one(value: float) -> Floats:
        return np.array([value], np.float32)

    ancestry = np.array([traits.ancestry], np.float32)
    features = semantics.features(
        ancestry,
        one(traits.male),
        one(shown_age(traits.age)),
        one(traits.weight),
        bones.ageing[None],
    )[0]
    return semantics.person_coefficients(head, features, bones.own[: len(head.shape.rows)])


def shown_age(age: float) -> float:
    """The age the head model is asked for. Its old face is one face, the same folds on everybody:
    it is used in part, and a person's own ways of ageing make up for the rest."""
    return age if age < ADULT else ADULT + COMMON_AGEING * (age - ADULT)


def ancestry_name(traits: Traits) -> str:
    """The largest share's name."""
    return ANCESTRIES[int(np.argmax(traits.ancestry))]
