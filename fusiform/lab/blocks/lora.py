"""Low-rank adapters: a small trainable change of a frozen linear layer.

Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022: the layer's weight W
becomes W + strength * up @ down. `up` begins at 0, so a fresh adapter changes nothing. A layer can
hold several sets, of which each sample gets its own mixture (PETALface), and be merged back into a
plain layer exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError


class LoRA(nn.Module):
    """A linear layer with `sets` adapters of a rank: `(n, ..., in)` -> `(n, ..., out)`.

    `shares`, `(sets,)` for all samples or `(n, sets)` for each: how much of each set counts; None:
    all of the only or first. `strength` multiplies them all; 0 is the layer itself.
    """

    def __init__(
        self, layer: nn.Linear, rank: int = 4, sets: int = 1, strength: float = 1.0
    ) -> None:
        super().__init__()
        if min(rank, sets) < 1:
            raise ChoiceError("rank and sets", "at least 1", (rank, sets))
        self.layer, self.strength = layer, strength
        self.shares: Tensor | None = None
        down = torch.randn(sets, rank, layer.in_features) * layer.in_features**-0.5
        self.down = nn.Parameter(down.to(layer.weight))
        self.up = nn.Parameter(layer.weight.new_zeros(sets, layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        if self.shares is None:
            return y + self.strength * self.change(x, 0)
        for i, share in enumerate((self.strength * self.shares).unbind(-1)):
            if share.ndim:
                share = share.view(-1, *[1] * (x.ndim - 1))
            y = y + share * self.change(x, i)
        return y

    def change(self, x: Tensor, i: int) -> Tensor:
        """What set `i` adds at full strength."""
        return functional.linear(functional.linear(x, self.down[i]), self.up[i])

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """A plain layer that does the same. Raises ChoiceError if samples have their own shares."""
        shares = self.up.new_tensor([1.0] + [0.0] * (len(self.up) - 1))
        shares = shares if self.shares is None else self.shares
        if shares.ndim != 1:
            raise ChoiceError("shares", "the same for all samples", tuple(shares.shape))
        old = self.layer
        new = nn.Linear(old.in_features, old.out_features, old.bias is not None)
        new.load_state_dict(old.state_dict())
        new.to(old.weight)
        change = torch.einsum("s,sor,sri->oi", shares, self.up, self.down)
        new.weight += self.strength * change
        return new


def adapt(
    net: nn.Module, rank: int = 4, sets: int = 1, strength: float = 1.0, where: str = ""
) -> dict[str, LoRA]:
    """Freezes `net` and puts adapters on its linear layers whose dotted name has the pattern
    `where` in it; they are all that is trained. The adapters by the layers' names.

    Raises ChoiceError where no linear layer matches.
    """
    net.requires_grad_(False)
    found = {
        name: layer
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Linear) and re.search(where, name)
    }
    if not found:
        raise ChoiceError("where", "part of a linear layer's name", where)
    made = {name: LoRA(layer, rank, sets, strength) for name, layer in found.items()}
    for name, adapter in made.items():
        net.set_submodule(name, adapter)
    return made


def adapters(net: nn.Module) -> dict[str, LoRA]:
    """Those that are in a net, by name."""
    return {name: part for name, part in net.named_modules() if isinstance(part, LoRA)}


def merge(net: nn.Module) -> nn.Module:
    """`net`, its adapters merged into plain layers, in place. Raises as `LoRA.merged` does."""
    for name, adapter in adapters(net).items():
        net.set_submodule(name, adapter.merged())
    return net


@contextmanager
def shared(net: nn.Module, shares: Tensor | None) -> Iterator[None]:
    """Within it all adapters of `net` mix their sets by `shares`; see `LoRA`."""
    mine = adapters(net).values()
    before = [adapter.shares for adapter in mine]
    for adapter in mine:
        adapter.shares = shares
    try:
        yield
    finally:
        for adapter, old in zip(mine, before, strict=True):
            adapter.shares = old


def by_block(name: str) -> str:
    """The group of an adapter in a transformer: its name up to the block's number."""
    found = re.match(r".*?\d+", name)
    return found.group() if found else name


def grouped(net: nn.Module, group: Callable[[str], str] = by_block) -> dict[str, list[LoRA]]:
    """A net's adapters in groups."""
    groups: dict[str, list[LoRA]] = {}
    for name, adapter in adapters(net).items():
        groups.setdefault(group(name), []).append(adapter)
    return groups


def group_norms(groups: dict[str, list[LoRA]]) -> Tensor:
    """Euclidean norm of each group's weights, `(groups,)`: their sum is the group lasso of Yuan
    and Lin (2006), which brings whole groups to 0. Its gradient at 0 is 0."""
    squares = [sum(a.down.square().sum() + a.up.square().sum() for a in g) for g in groups.values()]
    return torch.stack([torch.as_tensor(s) for s in squares]).clamp_min(1e-24).sqrt()


@torch.no_grad()
def silence(groups: dict[str, list[LoRA]], below: float) -> list[str]:
    """Sets to 0 the groups whose norm is less than `below`; their names."""
    quiet = [name for name, norm in zip(groups, group_norms(groups), strict=True) if norm < below]
    for adapter in (a for name in quiet for a in groups[name]):
        adapter.up.zero_()
        adapter.down.zero_()
    return quiet
