"""Linear layers in two narrow steps.

George et al., "EdgeFace: efficient face recognition model for edge devices", IEEE T-BIOM 2024,
section 3 (LoRaLin): a layer of m by n weights becomes two of m by r and r by n, r = ratio * min(m,
n), at least 2, trained as such from the start.
"""

from __future__ import annotations

from torch import Tensor, nn

from fusiform.core.errors import ChoiceError

LEAST = 2  # ranks


class LowRank(nn.Module):
    """`(..., inputs)` -> `(..., outputs)` through `rank` numbers; `rank` full: any linear map."""

    def __init__(self, inputs: int, outputs: int, rank: int, bias: bool = True) -> None:
        super().__init__()
        if not 1 <= rank <= min(inputs, outputs):
            raise ChoiceError("rank", f"1 to {min(inputs, outputs)}", rank)
        self.narrow = nn.Linear(inputs, rank, bias=False)
        self.widen = nn.Linear(rank, outputs, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.widen(self.narrow(x))
        return y


def linear(inputs: int, outputs: int, ratio: float = 1.0, bias: bool = True) -> nn.Module:
    """A plain linear layer at `ratio` 1, below it one of rank `ratio * min(inputs, outputs)`.

    Raises ChoiceError for a ratio outside (0, 1].
    """
    if not 0 < ratio <= 1:
        raise ChoiceError("ratio", "above 0, at most 1", ratio)
    if ratio == 1:
        return nn.Linear(inputs, outputs, bias=bias)
    smallest = min(inputs, outputs)
    return LowRank(inputs, outputs, min(max(LEAST, int(ratio * smallest)), smallest), bias)
