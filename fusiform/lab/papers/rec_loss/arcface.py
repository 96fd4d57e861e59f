"""ArcFace: Additive Angular Margin Loss for Deep Face Recognition.

Deng, Guo, Xue, Zafeiriou, CVPR 2019; sub-centres in ECCV 2020, inversion in TPAMI 2022. New:
softmax over cosines in which an angle is added to that of the true class; K centres a class, of
which the nearest counts, so that wrong labels gather about their own and can be dropped; faces
out of the network by its gradient and batch norm statistics (`lab.blocks.margins`, `.inversion`).
Left out: training on tens of thousands of classes over several machines.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fusiform.lab.blocks.inversion import inverted
from fusiform.lab.blocks.margins import MarginSoftmax, arcface
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.papers._labels import mislabelled
from fusiform.lab.papers._people import Split, split
from fusiform.lab.papers._recogniser import BUDGETS, DIM, Budget, Scores, fresh, judged, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import embed
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.verification import auc

SCALE = 24.0  # of some hundred classes; the paper's 64 is for tens of thousands
SIDE = 32  # pixels
MARGIN = 0.4
WRONG = 0.4  # share of labels that are
APART = np.radians(75)  # from the main centre: beyond it a face is dropped, as in the paper
PRIOR = 0.001  # weight of the batch norm statistics; of 0.001 to 0.1


@claim(metric="TAR at FAR 1e-3", margin=0.02, minutes=3)
def margin_helps(seed: int, size: str) -> tuple[float, float]:
    """An angular margin of 0.4 verifies unseen people better than the same softmax without."""
    return verified(seed, size, MARGIN).tar3, verified(seed, size, 0.0).tar3


@claim(metric="TAR at FAR 1e-3", margin=0.02, minutes=4)
def centres_stand_noise(seed: int, size: str) -> tuple[float, float]:
    """With 40% of the labels wrong, dropping what three centres a class set apart and training
    anew verifies unseen people better than training on all of them with one centre."""
    faces, labels, kept = people(seed, size), noisy(seed, size), angles(seed, size) < APART
    clean = net_of(faces.train[kept], labels[kept], seed, size, MARGIN)
    plain = net_of(faces.train, labels, seed, size, MARGIN)
    return judged(clean, faces.test).tar3, judged(plain, faces.test).tar3


@claim(metric="area under the ROC", margin=0.0, minutes=0)
def centres_find_noise(seed: int, size: str) -> tuple[float, float]:
    """The angle to the main one of three centres tells wrong labels from right ones with an area
    under the ROC above 0.8."""
    wrong = noisy(seed, size) != people(seed, size).train.person
    found = angles(seed, size)
    return auc(found[wrong], found[~wrong]), 0.8


@claim(metric="cosine to the person", margin=0.05, minutes=2)
def statistics_help_inversion(seed: int, size: str) -> tuple[float, float]:
    """Faces made from embeddings of unseen people look more like them to another recogniser when
    batch norm statistics hold the way than by gradient alone."""
    return likeness(seed, size, PRIOR), likeness(seed, size, 0.0)


@lru_cache(maxsize=2)
def people(seed: int, size: str) -> Split:
    return split(seed, size, 300, 100, SIDE)


@lru_cache(maxsize=2)
def noisy(seed: int, size: str) -> np.ndarray:
    """The labels of those who train, many of them wrong."""
    return mislabelled(people(seed, size).train.person, WRONG, seed)


@lru_cache(maxsize=8)
def clean_net(seed: int, size: str, margin: float) -> nn.Module:
    faces = people(seed, size).train
    return net_of(faces, faces.person, seed, size, margin)


def net_of(faces: Crowd, labels: np.ndarray, seed: int, size: str, margin: float) -> nn.Module:
    return trained(faces, seed, size, head_of(seed, labels, margin), labels=labels)


def head_of(seed: int, labels: np.ndarray, margin: float, centres: int = 1) -> MarginSoftmax:
    made = int(labels.max()) + 1, arcface(margin), SCALE, centres
    return fresh(seed, lambda: MarginSoftmax(DIM, *made))


def verified(seed: int, size: str, margin: float) -> Scores:
    """Scores on 100 unseen people after training on 300."""
    return judged(clean_net(seed, size, margin), people(seed, size).test)


@lru_cache(maxsize=2)
def angles(seed: int, size: str) -> np.ndarray:
    """Radians between each training face and the main centre of its label, after training with
    three centres on the noisy labels."""
    faces, labels = people(seed, size).train, noisy(seed, size)
    head = head_of(seed, labels, MARGIN, 3)
    net = trained(faces, seed, size, head, labels=labels)
    with torch.no_grad():
        cosines = head.all_cosines(torch.from_numpy(embed(net, faces.images)))
    return main_angles(cosines.numpy(), labels)


def main_angles(cosines: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of cosines to every centre `(n, classes, k)`: the angle to that centre of one's label which
    is nearest to most of the label's faces."""
    own = cosines[np.arange(len(labels)), labels]
    votes = np.zeros(cosines.shape[1:], np.int64)
    np.add.at(votes, (labels, own.argmax(1)), 1)
    main = votes.argmax(1)[labels]
    return np.asarray(np.arccos(np.clip(own[np.arange(len(own)), main], -1, 1)))


@lru_cache(maxsize=4)
def likeness(seed: int, size: str, prior: float) -> float:
    """Mean cosine of the made faces to their people for another recogniser, which tells all of them
    from one another and so needs a finer measure than who is nearest."""
    test = people(seed, size).test
    known = np.flatnonzero(np.bincount(test.person))[:32]
    net, judge = clean_net(seed, size, MARGIN), another(seed, size)
    steps = 10 if size == "tiny" else 200
    made = inverted(net, centres(net, test, known), test.size, prior, steps, seed=seed)
    with torch.no_grad():
        match = (functional.normalize(judge(made)) @ centres(judge, test, known).T).numpy()
    return float(np.diag(match).mean())


def centres(net: nn.Module, faces: Crowd, who: np.ndarray) -> torch.Tensor:
    """Mean embeddings `(k, dim)` of these people, of length 1."""
    found = embed(net, faces.images)
    means = np.stack([found[faces.person == p].mean(0) for p in who])
    return functional.normalize(torch.from_numpy(means))


@lru_cache(maxsize=2)
def another(seed: int, size: str) -> nn.Module:
    """A recogniser of other weights, depth and loss, trained on people who are in neither part."""
    everyone = split(seed, size, 300, 400, SIDE)
    others = everyone.test.of(np.unique(everyone.test.person)[:300])
    net = fresh(seed + 500, lambda: FaceResNet(others.size, DIM, blocks=(1, 2, 1)))
    spend = Budget(BUDGETS[size].steps, BUDGETS[size].batch // 2)
    return trained(others, seed + 500, size, net=net, budget=spend)
