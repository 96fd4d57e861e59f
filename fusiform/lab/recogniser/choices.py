"""What there is to choose from: networks, losses, and how long to train them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.binary import SphereFace2
from fusiform.lab.blocks.margins import AdaFace, Margin, MarginSoftmax, arcface, cosface
from fusiform.lab.blocks.triplets import Triplets
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.train.augment import AUGMENTS, Augment
from fusiform.lab.train.faces import Classify
from fusiform.lab.train.loop import OPTIMISERS, PRECISIONS


@dataclass(frozen=True)
class Net:
    """A network: `make(size, dim)` takes pictures of `size` pixels to `dim` features."""

    says: str
    make: Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Loss:
    """A loss: `make(dim, classes, margin, scale)` gives the objective of `loop.train`.

    `margin` and `scale` are its usual ones; None where it has none. `each`: so many faces of each
    person in a batch, 0: as they come.
    """

    says: str
    margin: float | None
    scale: float | None
    make: Callable[[int, int, float, float], nn.Module]
    each: int = 0


def residual(width: int, *blocks: int) -> Callable[[int, int], nn.Module]:
    """`FaceResNet` of that width and those blocks a stage."""

    def make(size: int, dim: int) -> nn.Module:
        return FaceResNet(size, dim, width, blocks)

    return make


def margin_softmax(
    margin: Callable[[float], Margin] | None, dim: int, classes: int, m: float, scale: float
) -> nn.Module:
    """Classification over cosines with `margin(m)`."""
    return Classify(MarginSoftmax(dim, classes, margin(m) if margin else None, scale))


def binary(dim: int, classes: int, m: float, scale: float) -> nn.Module:
    """A yes or no for each class."""
    return Classify(SphereFace2(dim, classes, m, scale))


def triplet(dim: int, classes: int, m: float, scale: float) -> nn.Module:
    """Semi-hard triplets, without a prototype a person."""
    return Classify(Triplets(margin=m))


NETS = {
    "resnet-s": Net("4 blocks, 16 to 64 channels: minutes on a laptop", residual(16, 1, 1, 2)),
    "resnet-m": Net("9 blocks, 32 to 256 channels: hours on a laptop", residual(32, 2, 2, 3, 2)),
    "resnet-l": Net("24 blocks, 64 to 512 channels: for a GPU", residual(64, 3, 4, 14, 3)),
}
LOSSES = {
    "softmax": Loss("cosines without a margin", None, 32.0, partial(margin_softmax, None)),
    "cosface": Loss("a margin off the cosine", 0.35, 32.0, partial(margin_softmax, cosface)),
    "arcface": Loss("a margin on the angle", 0.5, 32.0, partial(margin_softmax, arcface)),
    "adaface": Loss("margins by quality", 0.4, 32.0, partial(margin_softmax, AdaFace)),
    "sphereface2": Loss("a yes or no for each person", 0.4, 30.0, binary),
    "triplet": Loss("nearer to one's own than to others", 0.2, None, triplet, each=4),
}
RATES = {"sgd": 0.1, "adamw": 1e-3}
DECAYS = {"sgd": 5e-4, "adamw": 0.05}


@dataclass(frozen=True)
class Recipe:
    """How a recogniser is trained. None stands for the usual margin, scale or rate.

    `epochs` counts only without `steps`. `average`: half-life in steps of the average of the
    weights, 0: none. `val`: share of the people who are held out to be tested on.
    """

    net: str = "resnet-s"
    loss: str = "cosface"
    margin: float | None = None
    scale: float | None = None
    size: int = 64
    dim: int = 128
    epochs: float = 20.0
    steps: int | None = None
    batch: int = 128
    rate: float | None = None
    optimiser: str = "sgd"
    average: float = 0.0
    precision: str = "float32"
    augment: str = "usual"
    seed: int = 0
    val: float = 0.1

    def __post_init__(self) -> None:
        tables = {"net": [*NETS], "loss": [*LOSSES]}
        tables |= {"optimiser": [*OPTIMISERS], "precision": [*PRECISIONS]}
        tables["augment"] = [*AUGMENTS]
        for name, table in tables.items():
            if getattr(self, name) not in table:
                raise ChoiceError(name, table, getattr(self, name))
        usual = LOSSES[self.loss]
        for name in ("margin", "scale"):
            if getattr(self, name) is not None and getattr(usual, name) is None:
                raise ChoiceError(name, f"left out: {self.loss} has none", getattr(self, name))
        within("size", self.size, 32, 512)
        within("dim", self.dim, 2, 4096)
        within("batch", self.batch, 2, 1 << 20)
        within("val", self.val, 0, 0.9)
        within("margin", self.margin, 0, 2)
        within("average", self.average, 0, 1e9)
        for name in ("scale", "epochs", "steps", "rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e9:
                raise ChoiceError(name, "above 0", value)

    def steps_for(self, faces: int) -> int:
        """How many batches of `faces` faces to train on."""
        return self.steps or max(1, round(self.epochs * faces / self.batch))

    def changes(self) -> Augment:
        """What is done to the pictures of a batch."""
        return AUGMENTS[self.augment]

    def network(self) -> nn.Module:
        """The network, its weights drawn by torch's generator."""
        return NETS[self.net].make(self.size, self.dim)

    def objective(self, classes: int) -> nn.Module:
        """The loss over that many people."""
        usual = LOSSES[self.loss]
        margin = usual.margin if self.margin is None else self.margin
        scale = usual.scale if self.scale is None else self.scale
        return usual.make(self.dim, classes, margin or 0.0, scale or 0.0)


def within(name: str, value: float | None, least: float, most: float) -> None:
    """Raises ChoiceError for a number outside `least`..`most`, or none; None stays as it is."""
    if value is not None and not least <= value <= most:
        raise ChoiceError(name, f"{least:g} to {most:g}", value)
