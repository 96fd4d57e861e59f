"""EdgeFace: Efficient Face Recognition Model for Edge Devices.

George, Ecabert, Otroshi Shahreza, Kotwal and Marcel, IEEE T-BIOM 2024. New: EdgeNeXt's blocks for
faces, on linear layers in two narrow steps; `lab.nets.edgeface`, `lab.blocks.lowrank`. Against it
stands a MobileFaceNet with as many parameters. Left out: quantisation; time on a phone, which no
other machine can tell (multiplications stand for it).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from torch import nn

from fusiform.lab.blocks.lowrank import LowRank
from fusiform.lab.nets.edgeface import EdgeFace
from fusiform.lab.nets.mobilefacenet import MobileFaceNet
from fusiform.lab.papers._backbones import SIDE, multiplications, verified
from fusiform.lab.papers._recogniser import DIM, Scores
from fusiform.lab.papers.claims import claim

ADAMW = {"optimiser": "adamw", "rate": 4e-3, "decay": 0.05}
NETS: dict[str, tuple[Callable[[], nn.Module], dict[str, object]]] = {
    "cnn": (lambda: MobileFaceNet(SIDE, DIM, 38), {}),
    "full": (lambda: EdgeFace(SIDE, DIM, ratio=1.0), ADAMW),
    "half": (lambda: EdgeFace(SIDE, DIM, ratio=0.5), ADAMW),
    "quarter": (lambda: EdgeFace(SIDE, DIM, ratio=0.25), ADAMW),
}


@claim(metric="TAR at FAR 1e-2", margin=0.01, minutes=3)
def hybrid_beats_cnn(seed: int, size: str) -> tuple[float, float]:
    """With as many parameters, EdgeFace at half rank verifies better than MobileFaceNet."""
    return score(seed, size, "half").tar2, score(seed, size, "cnn").tar2


@claim(metric="TAR at FAR 1e-2", margin=-0.01, minutes=1)
def half_rank_costs_little(seed: int, size: str) -> tuple[float, float]:
    """Linear layers of half rank cost less than a point."""
    return score(seed, size, "half").tar2, score(seed, size, "full").tar2


@claim(metric="TAR at FAR 1e-2", margin=-0.01, minutes=1)
def quarter_rank_costs_little(seed: int, size: str) -> tuple[float, float]:
    """Linear layers of a quarter of the rank cost less than a point."""
    return score(seed, size, "quarter").tar2, score(seed, size, "full").tar2


@claim(metric="share of the linear layers' parameters", margin=0.5, minutes=0, higher=False)
def quarter_rank_halves_layers(seed: int, size: str) -> tuple[float, float]:
    """A quarter of the rank leaves less than half of the blocks' linear parameters (half the rank
    leaves two thirds: the factors of a square layer are then as large as itself)."""
    return linear_parameters("quarter") / linear_parameters("full"), 1.0


@claim(metric="million multiplications a face", margin=0.0, minutes=0, higher=False)
def hybrid_is_lighter(seed: int, size: str) -> tuple[float, float]:
    """With as many parameters, EdgeFace multiplies less than MobileFaceNet."""
    ours, theirs = (multiplications(NETS[name][0]()) / 1e6 for name in ("half", "cnn"))
    return ours, theirs


@lru_cache(maxsize=8)
def score(seed: int, size: str, name: str) -> Scores:
    """Of one of NETS, trained and judged."""
    make, plan = NETS[name]
    return verified(seed, size, make, plan=plan)


def linear_parameters(name: str) -> int:
    """Of the layers that low rank is for: all but the head's."""
    net = NETS[name][0]()
    layers = [m for n, m in net.named_modules() if not n.startswith("head")]
    kept = [m for m in layers if isinstance(m, nn.Linear | LowRank)]
    plain = [m for m in kept if isinstance(m, nn.Linear)]
    return sum(p.numel() for m in plain for p in m.parameters())
