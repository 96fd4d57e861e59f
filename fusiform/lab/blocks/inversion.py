"""Pictures out of a network: gradients towards a feature, held near what batch norm has seen.

Deng et al., "ArcFace", TPAMI 2022, section 3.4: no generator is trained; the running statistics
of the batch norm layers say what activations of real faces are like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError


@contextmanager
def statistics_prior(net: nn.Module) -> Iterator[Callable[[], Tensor]]:
    """Within it, the function given tells after each call of `net` how far the batch is from what
    its `BatchNorm2d` layers have seen: over the layers, the sum of the squared distance of means
    and that of variances, each divided by the layer's channels.

    Raises ChoiceError for a net without such layers.
    """
    layers = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    if not layers:
        raise ChoiceError("net", "one with BatchNorm2d layers", type(net).__name__)
    found: dict[nn.Module, Tensor] = {}

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[layer] = strangeness(layer, given[0])

    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        yield lambda: torch.stack([found[layer] for layer in layers]).sum()
    finally:
        for hook in hooks:
            hook.remove()


def strangeness(layer: nn.Module, x: Tensor) -> Tensor:
    """Of maps `(n, c, h, w)` before a batch norm: mean over channels of the squared distances of
    mean and variance from its running ones."""
    mean = x.mean((0, 2, 3))
    variance = x.var((0, 2, 3), unbiased=False)
    seen, varied = layer.get_buffer("running_mean"), layer.get_buffer("running_var")
    return ((mean - seen).square() + (variance - varied).square()).mean()


def inverted(
    net: nn.Module,
    wanted: Tensor,
    side: int,
    prior: float,
    steps: int,
    smooth: float = 0.01,
    rate: float = 0.05,
    seed: int = 0,
) -> Tensor:
    """Pictures `(n, 3, side, side)` in [-1, 1] whose features `net`, in evaluation mode, turns
    towards `wanted (n, dim)`: Adam from grey noise on 1 - cosine, plus `prior` times
    `statistics_prior`, plus `smooth` times the total variation, mirrored at random each step.

    Raises ChoiceError where there is nothing to do.
    """
    if len(wanted) < 1 or steps < 1:
        raise ChoiceError("wanted and steps", "at least one", (len(wanted), steps))
    draw = torch.Generator().manual_seed(seed)
    start = 0.1 * torch.randn(len(wanted), 3, side, side, generator=draw)
    images = start.to(wanted.device).requires_grad_()
    optimiser = torch.optim.Adam([images], rate)
    goal = functional.normalize(wanted.detach())
    with statistics_prior(net.eval()) as strange:
        for _ in range(steps):
            seen = images.flip(3) if float(torch.rand(1, generator=draw)) < 0.5 else images
            away = 1 - (functional.normalize(net(seen)) * goal).sum(1).mean()
            loss = away + prior * strange() + smooth * variation(images)
            (images.grad,) = torch.autograd.grad(loss, images)
            optimiser.step()
            with torch.no_grad():
                images.clamp_(-1, 1)
    return images.detach()


def variation(images: Tensor) -> Tensor:
    """Total variation: mean absolute difference of neighbours, down and across."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
