"""Outlook attention: each place says from itself alone how its neighbours are to be mixed.

Yuan, Hou, Jiang, Feng and Yan, "VOLO: Vision outlooker for visual recognition", IEEE TPAMI 2023,
section 3.1. No query meets a key: a linear layer of the middle gives all k**2 by k**2 weights of
its window, and a place's value is the sum of what all windows over it say.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError


class OutlookAttention(nn.Module):
    """Tokens `(n, h, w, dim)` -> the same; `heads` divides `dim`, `kernel` is odd.

    With `kernel` 1 it is a linear map of each token by itself, for the softmax of one is 1.
    """

    def __init__(self, dim: int, heads: int, kernel: int = 3) -> None:
        super().__init__()
        if dim % heads or kernel % 2 == 0:
            raise ChoiceError("heads and kernel", f"a divisor of {dim}; odd", (heads, kernel))
        self.heads, self.kernel = heads, kernel
        self.value = nn.Linear(dim, dim, bias=False)
        self.attend = nn.Linear(dim, heads * kernel**4)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, dim = x.shape
        window, pad = self.kernel**2, self.kernel // 2
        value = self.value(x).permute(0, 3, 1, 2)
        around = functional.unfold(value, self.kernel, padding=pad)
        around = around.view(n, self.heads, dim // self.heads, window, height * width)
        weights = self.attend(x).view(n, height * width, self.heads, window, window)
        weights = (weights * (dim // self.heads) ** -0.5).softmax(-1)
        mixed = weights.permute(0, 2, 1, 3, 4) @ around.permute(0, 1, 4, 3, 2)
        spread = mixed.permute(0, 1, 4, 3, 2).reshape(n, dim * window, height * width)
        folded = functional.fold(spread, (height, width), self.kernel, padding=pad)
        y: Tensor = self.out(folded.permute(0, 2, 3, 1))
        return y
