"""TVConv: Efficient Translation Variant Convolution for Layout-aware Visual Processing.

Chen, He, Zhuo, Ma, Ha and Chan, CVPR 2022. New: a depth-wise convolution with another kernel at
each place, made by a small network from learned maps; `lab.blocks.tvconv`. It takes the place of
the depth-wise convolutions of a tiny MobileFaceNet, at equal multiplications once trained.
Left out: segmentation of the eye's fundus, of which the world has no pictures.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from fusiform.lab.blocks.tvconv import TVConv
from fusiform.lab.nets.mobilefacenet import MobileFaceNet, Spatial, depthwise
from fusiform.lab.papers._backbones import SIDE, SMALL, verified
from fusiform.lab.papers._recogniser import DIM, Budget, Scores
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import FLIP, Augment, moved

SHIFTED = Augment(0.5, 0.1, 0, 0, 0, 0, 0, 0, 1, 0, 0)  # by up to a tenth of the side
LONGER = Budget(400, 96)  # shifted faces are learnt more slowly
WIDTH, BLOCKS = 16, (2, 2)
LAYERS: dict[str, Spatial] = {"tvconv": TVConv, "depthwise": depthwise}


@claim(metric="TAR at FAR 1e-2", margin=0.015, minutes=4)
def places_matter(seed: int, size: str) -> tuple[float, float]:
    """On aligned faces, kernels that vary with the place verify better than depth-wise ones at as
    many multiplications."""
    return score(seed, size, "tvconv", False).tar2, score(seed, size, "depthwise", False).tar2


@claim(metric="gain in TAR at FAR 1e-2", margin=0.015, minutes=0)
def gain_is_of_alignment(seed: int, size: str) -> tuple[float, float]:
    """Where faces are shifted at random, in training and test, kernels by place gain less."""
    return gain(seed, size, False), gain(seed, size, True)


@claim(metric="TAR at FAR 1e-2", margin=-0.01, minutes=0)
def no_gain_where_shifted(seed: int, size: str) -> tuple[float, float]:
    """Where faces are shifted at random, depth-wise kernels come within a point of kernels by
    place, or beyond."""
    return score(seed, size, "depthwise", True).tar2, score(seed, size, "tvconv", True).tar2


def gain(seed: int, size: str, shifted: bool) -> float:
    """Of kernels by place over depth-wise ones."""
    ours, theirs = (score(seed, size, layer, shifted).tar2 for layer in LAYERS)
    return ours - theirs


@lru_cache(maxsize=16)
def score(seed: int, size: str, layer: str, shifted: bool) -> Scores:
    """Of a net with that layer, where faces are aligned or not."""
    return verified(
        seed,
        size,
        lambda: MobileFaceNet(SIDE, DIM, WIDTH, BLOCKS, spatial=LAYERS[layer]),
        augment=SHIFTED if shifted else FLIP,
        change=displaced if shifted else None,
        small=LONGER if shifted else SMALL,
    )


def displaced(images: Tensor) -> Tensor:
    """Each somewhere else, the same for all nets."""
    return moved(images, SHIFTED, torch.Generator().manual_seed(len(images)))
