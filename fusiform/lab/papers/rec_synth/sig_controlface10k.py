"""SIG: A Synthetic Identity Generation Pipeline for Generating Evaluation Datasets for Face Recognition.

Nzalasse, Raj, Laird, Clark, 2024. New: test people who do not exist, as many in each cell of a
demographic grid, in given poses. Here `grid` draws traits for the cells and the world draws the
pictures. Left out: the text prompts and the image diffusion model. As the same world draws the
reference, only how people are sampled is put to the test; that the scores of synthetic impostors
are like those of real ones is not. Groups are ranked by their false matches at one threshold for
all: there a skewed recogniser tells groups apart, while its misses differ less from group to group
than from person to person.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.papers._groups import FMR, IMAGES, SIDE, judged_groups, skewed
from fusiform.lab.papers._portraits import Sitting, portraits
from fusiform.lab.papers.claims import claim
from fusiform.lab.world.crowd import Crowd
from fusiform.lab.world.person import ancestry_name, draw_traits
from fusiform.lab.world.traits import ANCESTRIES, Traits
from fusiform.measure.fairness import GroupPairs
from fusiform.measure.ranks import rank_correlation
from fusiform.measure.verification import threshold_at_fmr

WORLD = 41  # the seed of the world these people live in
EACH = {"tiny": 3, "small": 72, "full": 360}  # people drawn of each cell
TESTED = {"tiny": 18, "small": 144, "full": 720}  # people in a test set
RESAMPLES = 20
CELLS = tuple((ancestry, sex) for ancestry in ANCESTRIES for sex in ("female", "male"))
# Shares of a test set as it comes, like what its recogniser was trained on.
USUAL = {"african": 0.1, "asian": 0.2, "european": 0.7, "female": 0.3, "male": 0.7}


class Found(NamedTuple):
    """Over test sets drawn again: the mean rank correlation of groups' FMR with the true ones, and
    the widest 95 % interval that a group's FMR has."""

    correlation: float
    width: float


@claim(metric="rank correlation of groups' FMR with the true ones", margin=0.1, minutes=3)
def balance_ranks_groups(seed: int, size: str) -> tuple[float, float]:
    """A test set with as many people in each cell of ancestry and sex ranks the groups by a skewed
    recogniser's true false matches more rightly than one of equal size as populations come."""
    return found(seed, size, True).correlation, found(seed, size, False).correlation


@claim(metric="rank correlation, against 0.8", margin=0.0, minutes=0)
def ranking_is_right(seed: int, size: str) -> tuple[float, float]:
    """The ranking by the balanced set has a correlation of more than 0.8 with the true one."""
    return found(seed, size, True).correlation, 0.8


@claim(metric="width of the widest group's interval of FMR", margin=0.0, minutes=0, higher=False)
def intervals_are_narrower(seed: int, size: str) -> tuple[float, float]:
    """The group that is known worst is known better by the balanced set."""
    return found(seed, size, True).width, found(seed, size, False).width


@lru_cache(maxsize=4)
def found(seed: int, size: str, balanced: bool) -> Found:
    """What test sets of either kind say of the recogniser of this seed."""
    net, others = skewed(seed, size)
    truth = matches(judged_groups(net, others, group_of(others)))
    tested = sitters(size)
    pairs = judged_groups(net, tested, group_of(tested))
    random = rng(seed, "test sets", int(balanced))
    counts = [drawn(random, pairs.group, size, balanced) for _ in range(RESAMPLES)]
    rates = np.array([matches(pairs, one) for one in counts])
    low, high = np.nanquantile(rates, [0.025, 0.975], axis=0)
    known = np.isfinite(truth)  # size tiny has too few people for all groups
    alike = [rank_correlation(r[known], truth[known]) for r in rates]
    return Found(float(np.mean(alike)), float((high - low).max()))


def matches(pairs: GroupPairs, counts: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """FMR `(k,)` of each group at the threshold that gives FMR over the impostor pairs of all,
    where person p is in the set or not by `counts[p]`."""
    met = np.ones(len(pairs.group), np.int64) if counts is None else counts
    first, second = pairs.impostor_people.T
    impostor = np.repeat(pairs.impostor, met[first] * met[second])
    return np.asarray(pairs.drawn(threshold_at_fmr(impostor, FMR), met)[0])


def drawn(
    random: np.random.Generator, group: NDArray[np.int64], size: str, balanced: bool
) -> NDArray[np.int64]:
    """Which people, 1 or 0 of each, are in a test set of `TESTED`, at least two of each cell."""
    even = np.full(len(CELLS), 1 / len(CELLS))
    usual = np.array([USUAL[ancestry] * USUAL[sex] for ancestry, sex in CELLS])
    wanted = np.round(TESTED[size] * (even if balanced else usual)).clip(2, EACH[size]).astype(int)
    people = [random.permutation(np.flatnonzero(group == g))[:n] for g, n in enumerate(wanted)]
    return np.bincount(np.concatenate(people), minlength=len(group))


def group_of(faces: Crowd) -> NDArray[np.str_]:
    """The cell of each face, sorting as CELLS stand."""
    sex = np.where(faces.facts["male"] > 0.5, "male", "female")
    return np.char.add(np.char.add(faces.facts["ancestry"], " "), sex)


@lru_cache(maxsize=1)
def sitters(size: str) -> Crowd:
    """The people of the grid."""
    people = enumerate(grid(dict.fromkeys(CELLS, EACH[size]), WORLD))
    sittings = [
        Sitting(number, number, shot, shot // 5, traits=traits)
        for number, (_, traits) in people
        for shot in range(IMAGES)
    ]
    return portraits("sig", WORLD, sittings, SIDE)


def grid(
    cells: Mapping[tuple[str, str], int], seed: int
) -> Iterator[tuple[tuple[str, str], Traits]]:
    """So many people's traits of each cell (main ancestry, sex), drawn as the world draws them and
    kept where they fall into the cell: all else is as it comes."""
    for cell, count in cells.items():
        random = rng(seed, "grid", *cell)
        while count:
            traits = draw_traits(random)
            if (ancestry_name(traits), "male" if traits.male > 0.5 else "female") == cell:
                yield cell, traits
                count -= 1
