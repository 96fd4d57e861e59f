"""Active Self-Paced Learning for Cost-Effective and Progressive Face Identification.

Lin, Wang, Meng, Zuo, Zhang, IEEE TPAMI 2018. New: each round the classifiers label the faces that
they are surest of, as self-paced learning does, and a person those that they are least sure of;
`lab.train.self_paced`. Left out: fine-tuning the network between rounds, people who turn up later,
and support vectors: the classifiers are ridge regressions, which are fitted in closed form.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.papers._people import numbered, split
from fusiform.lab.papers._recogniser import Budget, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import embed
from fusiform.lab.train.self_paced import UNKNOWN, Labels, Pace, Picker, fitted, scored, self_paced

SIDE = 32  # pixels
PEOPLE = {"tiny": 2, "small": 50, "full": 200}  # to tell apart, in each of SETS
SETS = 4
BEGUN, TESTED = 2, 0.35  # labels of each person to begin with; share of the faces that judge
QUESTIONS, ROUNDS = {"tiny": 2, "small": 5, "full": 40}, {"tiny": 4, "small": 80, "full": 40}
ENOUGH = 0.95  # of the accuracy with all labels
WRONG = 0.1  # of a careless annotator's answers
LATE = 0.5  # of the rounds: where accuracies are compared
ALONE = Pace(0, 0, 0)
# Well trained, a network leaves nothing to ask: two labels each are enough in this world.
BUDGETS = {"tiny": Budget(6, 32), "small": Budget(12), "full": Budget(20_000, 512)}


class Task(NamedTuple):
    """Faces to label and others that judge, `(n, d)` and `(n,)` each; `begun` labels."""

    faces: NDArray[np.float32]
    person: Labels
    begun: Labels
    judging: NDArray[np.float32]
    judge: Labels


@claim(metric="labels until 95 % of full accuracy", margin=0.0, minutes=2, higher=False)
def fewer_than_asking(seed: int, size: str) -> tuple[float, float]:
    """The mixture asks for fewer labels than asking about the most doubtful faces alone."""
    return labels_needed(seed, size, Pace()), labels_needed(seed, size, ALONE)


@claim(metric="labels, against 0.7 of uncertainty sampling's", margin=0.0, minutes=0, higher=False)
def far_fewer_than_asking(seed: int, size: str) -> tuple[float, float]:
    """Until 95 % of the accuracy with all labels, the mixture asks for less than 70 % of the
    labels that asking about the most doubtful faces alone does."""
    ours, asking = (labels_needed(seed, size, pace) for pace in (Pace(), ALONE))
    return ours, 0.7 * asking


@claim(metric="labels until 95 % of full accuracy", margin=0.0, minutes=0, higher=False)
def doubt_is_worth_asking(seed: int, size: str) -> tuple[float, float]:
    """The mixture asks for fewer labels than asking about faces drawn at random."""
    return labels_needed(seed, size, Pace()), labels_needed(seed, size, ALONE, True)


@claim(metric="accuracy after half the rounds", margin=0.02, minutes=0)
def beats_self_training(seed: int, size: str) -> tuple[float, float]:
    """The mixture identifies better than self-paced learning alone, which asks for nothing."""
    return late(seed, size), late(seed, size, questions=0)


@claim(metric="accuracy after half the rounds", margin=-0.02, minutes=0)
def bears_wrong_answers(seed: int, size: str) -> tuple[float, float]:
    """An annotator of whose answers a tenth are wrong costs at most two points."""
    return late(seed, size, wrong=WRONG), late(seed, size)


@lru_cache(maxsize=8)
def labels_needed(seed: int, size: str, pace: Pace, anyhow: bool = False) -> float:
    """Labels when the accuracy is first high enough, those to begin with counted too; all asked
    where it never is. The mean of the tasks."""
    needed = []
    for number, task in enumerate(tasks(seed, size)):
        found = progress(task, size, pace, picker(seed, number) if anyhow else None)
        goal = ENOUGH * full_accuracy(task)
        reached = [i for i, accuracy in enumerate(found) if accuracy >= goal]
        rounds = reached[0] if reached else len(found)
        needed.append((task.begun >= 0).sum() + rounds * QUESTIONS[size])
    return float(np.mean(needed))


def late(seed: int, size: str, questions: int | None = None, wrong: float = 0.0) -> float:
    """Accuracy of the mixture after half the rounds, the mean of the tasks."""
    many = QUESTIONS[size] if questions is None else questions
    last = round(LATE * ROUNDS[size])
    return float(
        np.mean([progress(t, size, Pace(), None, many, wrong, last)[-1] for t in tasks(seed, size)])
    )


def progress(
    task: Task,
    size: str,
    pace: Pace,
    pick: Picker | None = None,
    questions: int | None = None,
    wrong: float = 0.0,
    rounds: int | None = None,
) -> list[float]:
    """Accuracy after each round."""
    classes, random = int(task.person.max()) + 1, rng(0, "annotator")

    def annotator(rows: Labels) -> Labels:
        careless = random.random(len(rows)) < wrong
        return np.where(careless, random.integers(classes, size=len(rows)), task.person[rows])

    many = QUESTIONS[size] if questions is None else questions
    found = self_paced(task.faces, task.begun, classes, annotator, many, pace, pick)
    return [accuracy(one.weights, task) for one in islice(found, (rounds or ROUNDS[size]) + 1)]


def picker(seed: int, number: int) -> Picker:
    """Asks about any unlabelled faces."""
    random = rng(seed, "picker", number)

    def pick(scores: NDArray[np.float64], known: Labels, count: int) -> Labels:
        return random.permutation(np.flatnonzero(known < 0))[:count]

    return pick


def accuracy(weights: NDArray[np.float64], task: Task) -> float:
    """Share of the judging faces whose highest classifier is their person's."""
    return float(np.mean(scored(weights, task.judging).argmax(1) == task.judge))


def full_accuracy(task: Task) -> float:
    """With all labels known."""
    classes = int(task.person.max()) + 1
    every = np.ones(len(task.person))
    return accuracy(fitted(task.faces, task.person, every, classes), task)


@lru_cache(maxsize=2)
def tasks(seed: int, size: str) -> list[Task]:
    """Embeddings of people whom the network never saw, in disjoint sets."""
    people = split(seed, size, 200, SETS * PEOPLE[size], side=SIDE)
    net = trained(people.train, seed, size, budget=BUDGETS[size])
    found = []
    for number in range(SETS):
        test = people.test.of(np.arange(PEOPLE[size]) + number * PEOPLE[size])
        vectors, place = embed(net, test.images), numbered(test)
        judging = place >= round((1 - TESTED) * (place.max() + 1))
        begun = np.where(place < BEGUN, test.person, UNKNOWN)[~judging]
        found.append(
            Task(
                *(vectors[~judging], test.person[~judging], begun),
                *(vectors[judging], test.person[judging]),
            )
        )
    return found
