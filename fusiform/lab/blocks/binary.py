"""Recognition as many yes-or-no questions, one a class: the loss of SphereFace2.

Wen et al., "SphereFace2: Binary classification is all you need for deep face recognition",
ICLR 2022. No sum runs over the classes before the logarithm, so that a class's question needs
nothing of the others' answers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.cosines import cosines


def stretched(cosine: Tensor, power: float) -> Tensor:
    """g(z) = 2 ((z + 1) / 2)^t - 1 of cosines in [-1, 1]: their similarity adjustment (eq. 6),
    which spreads the crowded cosines of positive pairs. `power` 1 is the identity."""
    # A cosine may leave [-1, 1] by rounding; a negative base has no real power.
    return 2 * ((cosine + 1) / 2).clamp_min(torch.finfo(cosine.dtype).eps) ** power - 1


class SphereFace2(nn.Module):
    """A head: features `(n, dim)` and labels `(n,)` int64 -> the mean loss of SphereFace2-C.

    A row with label y costs (eq. 7), times `gain`,
    balance / r log(1 + exp(-r (g(cos_y) - m) - b))
    + (1 - balance) / r sum over j != y of log(1 + exp(r (g(cos_j) + m) + b)),
    with scale r, `margin` m, a shared bias b that is learned, and g `stretched` by `power`.
    Rows labelled -1 are nobody's: all their answers should be no.
    """

    def __init__(
        self,
        dim: int,
        classes: int,
        margin: float = 0.4,
        scale: float = 30.0,
        balance: float = 0.7,
        power: float = 3.0,
        gain: float = 50.0,
    ) -> None:
        super().__init__()
        if min(dim, classes) < 1 or min(scale, power, gain) <= 0 or not 0 < balance < 1:
            raise ChoiceError(
                "dim, classes, scale, power, gain, balance",
                "positive, balance below 1",
                (dim, classes, scale, power, gain, balance),
            )
        self.margin, self.scale, self.balance = margin, scale, balance
        self.power, self.gain = power, gain
        self.weight = nn.Parameter(torch.randn(classes, dim) * 0.01)
        self.bias = nn.Parameter(torch.tensor(even_bias(classes, margin, scale, balance, power)))

    def cosines(self, features: Tensor) -> Tensor:
        """Cosine to each class, `(n, classes)`."""
        return cosines(features, self.weight)

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """What the sigmoids see, `(n, classes)`: r (g(cos) -+ m) + b."""
        shift = self.margin * (1 - 2 * self.answers(labels))
        return self.scale * (stretched(self.cosines(features), self.power) + shift) + self.bias

    def answers(self, labels: Tensor) -> Tensor:
        """1 for the class of each row, else 0, `(n, classes)`."""
        classes = torch.arange(len(self.weight), device=labels.device)
        return (labels[:, None] == classes).to(self.weight)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        right = self.answers(labels)
        logits = self.logits(features, labels)
        weight = self.balance * right + (1 - self.balance) * (1 - right)
        cost = functional.binary_cross_entropy_with_logits(logits, right, weight, reduction="none")
        return self.gain / self.scale * cost.sum(1).mean()


def even_bias(classes: int, margin: float, scale: float, balance: float, power: float) -> float:
    """The b at which, all cosines being 0, the pull of the one yes is that of all the noes.

    balance s(-p) = (1 - balance) (classes - 1) s(q) with the logistic s and the logits p and q of
    both answers is a quadratic in exp(b); this is its positive root.
    """
    middle = 2 * math.pow(0.5, power) - 1
    if classes == 1:
        return -scale * (middle - margin)
    z = balance / ((1 - balance) * (classes - 1))
    root = math.sqrt((1 - z) ** 2 + 4 * z * math.exp(-2 * scale * margin))
    # For z > 1 the sum below cancels; the other form of the root does not.
    if z <= 1:
        return math.log(2 * z) - scale * (middle + margin) - math.log(1 - z + root)
    return math.log(z - 1 + root) - math.log(2) - scale * (middle - margin)
