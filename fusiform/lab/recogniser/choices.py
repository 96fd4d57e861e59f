"""What there is to choose from: networks, losses, and how long to train them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.binary import SphereFace2
from fusiform.lab.blocks.margins import AdaFace, Margin, MarginSoftmax, arcface, cosface
from fusiform.lab.blocks.triplets import Triplets
from fusiform.lab.nets.edgeface import EdgeFace
from fusiform.lab.nets.mobilefacenet import MobileFaceNet
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.nets.vit import FaceViT
from fusiform.lab.train.augment import AUGMENTS, Augment
from fusiform.lab.train.faces import Classify
from fusiform.lab.train.loop import OPTIMISERS, PRECISIONS
from fusiform.lab.train.sharded import ShardedMarginSoftmax


@dataclass(frozen=True)
class Net:
    """A network: `make(size, dim)` takes pictures of `size` pixels to `dim` features."""

    says: str
    make: Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Loss:
    """A loss: `make(dim, classes, margin, scale)` gives the objective of `loop.train`.

    `margin` and `scale` are its usual ones; None where it has none. `each`: so many faces of each
    person in a batch, 0: as they come. `angular`: the margin of those that are a softmax over
    cosines, which a step may work out for some people alone (`Recipe.sample`).
    """

    says: str
    margin: float | None
    scale: float | None
    make: Callable[[int, int, float, float], nn.Module]
    each: int = 0
    angular: Callable[[float], Margin | None] | None = None


def residual(width: int, *blocks: int) -> Callable[[int, int], nn.Module]:
    """`FaceResNet` of that width and those blocks a stage."""

    def make(size: int, dim: int) -> nn.Module:
        return FaceResNet(size, dim, width, blocks)

    return make


def softmax(
    says: str, angular: Callable[[float], Margin | None], margin: float | None = None
) -> Loss:
    """Classification over cosines with `angular(margin)`."""

    def make(dim: int, classes: int, m: float, scale: float) -> nn.Module:
        return Classify(MarginSoftmax(dim, classes, angular(m), scale))

    return Loss(says, margin, 32.0, make, angular=angular)


def mobile(size: int, dim: int) -> nn.Module:
    """Chen et al., MobileFaceNets, 2018: as wide and nearly as deep as theirs."""
    return MobileFaceNet(size, dim, 64, (5, 7, 3))


def edge(size: int, dim: int) -> nn.Module:
    """About the size of EdgeFace-XS (George et al., T-BIOM 2024)."""
    return EdgeFace(size, dim, 48, (2, 4, 6))


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
    "mobilefacenet": Net("15 bottlenecks: a phone's", mobile),
    "edgeface": Net("convolutions, attention among channels", edge),
    "vit": Net("a vision transformer of 8 blocks", lambda size, dim: FaceViT(size, dim, 192, 8)),
}
LOSSES = {
    "softmax": softmax("cosines without a margin", lambda _: None),
    "cosface": softmax("a margin off the cosine", cosface, 0.35),
    "arcface": softmax("a margin on the angle", arcface, 0.5),
    "adaface": softmax("margins by quality", AdaFace, 0.4),
    "sphereface2": Loss("a yes or no for each person", 0.4, 30.0, binary),
    "triplet": Loss("nearer to one's own than to others", 0.2, None, triplet, each=4),
}
RATES = {"sgd": 0.1, "adamw": 1e-3}
DECAYS = {"sgd": 5e-4, "adamw": 0.05}


@dataclass(frozen=True)
class Recipe:
    """How a recogniser is trained. None stands for the usual margin, scale or rate.

    `epochs` counts only without `steps`. `batch`: faces in a step, of all processes together.
    `average`: half-life in steps of the average of the weights, 0: none. `val`: share of the people
    who are held out to be tested on. `sample`: share of the people whose prototypes a step sees,
    each process keeping some of them (Partial FC, `lab.train.sharded`); None: all, in each.
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
    sample: float | None = None

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
        if self.sample is not None and (usual.angular is None or not 0 < self.sample <= 1):
            can = [name for name, loss in LOSSES.items() if loss.angular]
            raise ChoiceError("sample", f"above 0 to 1, with {', '.join(can)}", self.sample)
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
        loss, told = LOSSES[self.loss], self.stated()
        margin, scale = told.margin or 0.0, told.scale or 0.0
        if self.sample is None or loss.angular is None:
            return loss.make(self.dim, classes, margin, scale)
        head = ShardedMarginSoftmax(
            self.dim, classes, loss.angular(margin), scale, rate=self.sample, seed=self.seed
        )
        return Classify(head)

    def stated(self) -> Recipe:
        """The same with the margin, scale and rate that stand where none was given."""
        loss = LOSSES[self.loss]
        margin = loss.margin if self.margin is None else self.margin
        scale = loss.scale if self.scale is None else self.scale
        return replace(self, margin=margin, scale=scale, rate=self.rate or RATES[self.optimiser])


def within(name: str, value: float | None, least: float, most: float) -> None:
    """Raises ChoiceError for a number outside `least`..`most`, or none; None stays as it is."""
    if value is not None and not least <= value <= most:
        raise ChoiceError(name, f"{least:g} to {most:g}", value)
