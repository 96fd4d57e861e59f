"""Saliency: which pixels of a picture a score rests on.

All methods take pictures `(n, 3, h, w)` and give maps `(n, h, w)`, larger where more depends on the
pixel. A score takes pictures and gives one number each; of a matcher that explains a triplet it is
the similarity to the mate less that to the non-mate (`triplet_score`). Nets are in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError

Score = Callable[[Tensor], Tensor]
Rule = dict[str, bool]
Kept = dict[nn.Module, Tensor]
POINTWISE = (nn.BatchNorm1d, nn.BatchNorm2d, nn.PReLU, nn.ReLU)


def triplet_score(net: Callable[[Tensor], Tensor], mate: Tensor, other: Tensor) -> Score:
    """Cosine of a picture's features to `mate (n, d)` less that to `other (n, d)`, unit vectors;
    with one row each, all pictures belong to one triplet."""

    def score(images: Tensor) -> Tensor:
        return (functional.normalize(net(images)) * (mate - other)).sum(1)

    return score


def gradient(score: Score, images: Tensor) -> Tensor:
    """Largest absolute derivative of the score over the channels of each pixel (Simonyan, Vedaldi
    and Zisserman, "Deep inside convolutional networks", 2014, section 3.1)."""
    x = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(x).sum(), x)
    return slope.abs().amax(1)


def grad_cam(maps: Callable[[Tensor], Tensor], score: Score, images: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., ICCV 2017, equations 1 and 2): `maps` of the pictures weighted by
    the mean derivative of the `score` taken of those maps; what is positive, enlarged."""
    found = maps(images).detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(found).sum(), found)
    heat = (slope.mean((2, 3), keepdim=True) * found).sum(1, keepdim=True).relu().detach()
    return functional.interpolate(heat, images.shape[-2:], mode="bilinear")[:, 0]


def subtree_excitation(
    net: nn.Module,
    score: Score,
    images: Tensor,
    nodes: Sequence[nn.Module],
    sums: Sequence[Sequence[nn.Module]] = (),
    count: int = 100,
) -> Tensor:
    """Sub-tree excitation backprop (Williford, May and Byrne, ECCV 2020, section 4.1).

    Of all values that `nodes` give (blocks of `net`, not single layers), the `count` with the
    largest positive share in the score (derivative times value) are each the root of an excitation
    backprop down to the pixels; the maps are added, weighted by those shares. As excitation is
    linear in where it starts, one pass does all of them. `sums`: see `excitation`.
    Raises ChoiceError for no nodes or a count below 1.
    """
    if not nodes or count < 1:
        raise ChoiceError("nodes and count", "at least one of each", (len(nodes), count))
    x = images.detach().requires_grad_()
    found: list[Tensor] = []
    kept = [node.register_forward_hook(lambda _m, _i, out: found.append(out)) for node in nodes]
    try:
        with excitation(net, sums) as rule:
            value = score(x)
            rule["on"] = False
            slopes = torch.autograd.grad(value.sum(), found, retain_graph=True)
            rule["on"] = True
            shares = [(s * f).relu() for s, f in zip(slopes, found, strict=True)]
            (mass,) = torch.autograd.grad(found, x, largest(shares, count))
    finally:
        for hook in kept:
            hook.remove()
    return mass.sum(1).detach()


def largest(shares: Sequence[Tensor], count: int) -> list[Tensor]:
    """`shares` (each `(n, ...)`) with all but the `count` largest of each picture made 0."""
    flat = torch.cat([share.flatten(1) for share in shares], 1).detach()
    bar = flat.topk(min(count, flat.shape[1])).values[:, -1]
    return [s * (s >= bar.view(-1, *[1] * (s.ndim - 1))) for s in (t.detach() for t in shares)]


@contextmanager
def excitation(net: nn.Module, sums: Sequence[Sequence[nn.Module]] = ()) -> Iterator[Rule]:
    """Within it, a backward pass through what `net` computes hands down winning probabilities in
    place of derivatives: excitation backprop (Zhang et al., "Top-down neural attention", ECCV 2016,
    equation 4).

    An output's probability goes to the inputs of its layer in proportion to what each adds to it,
    inputs that add nothing or less getting none; so the total stays. Inputs below 0 may count,
    through weights below 0 (of inputs from 0 on it is the paper's rule). Norms and bends hand down
    what they get: scales of norms are taken as positive. `sums`: groups of modules of which the net
    adds the outputs, which share by what they add. `["on"]` of what it yields turns the rule off.
    """
    rule: Rule = {"on": True}
    taken: Kept = {}
    given: Kept = {}
    hooks = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            hooks.append(layer.register_forward_hook(lambda m, x, _y: taken.update({m: x[0]})))
            hand_down = partial(_to_inputs, rule, taken)
            hooks.append(layer.register_full_backward_hook(hand_down))
        elif isinstance(layer, POINTWISE):
            hooks.append(layer.register_full_backward_hook(partial(_unchanged, rule)))
    for group in sums:
        for one in group:
            hooks.append(one.register_forward_hook(lambda m, _x, y: given.update({m: y})))
            hand_down = partial(_to_branch, rule, given, group)
            hooks.append(one.register_full_backward_pre_hook(hand_down))
    try:
        yield rule
    finally:
        for hook in hooks:
            hook.remove()


def _to_inputs(rule: Rule, taken: Kept, layer: nn.Module, _: Any, p: Any) -> Any:
    return (won(layer, taken[layer].detach(), p[0]),) if rule["on"] else None


def _unchanged(rule: Rule, _layer: nn.Module, _: Any, p: Any) -> Any:
    return p if rule["on"] else None


def _to_branch(rule: Rule, given: Kept, group: Sequence[nn.Module], one: nn.Module, p: Any) -> Any:
    return (p[0] * part(given[one], [given[o] for o in group]),) if rule["on"] else None


def won(layer: nn.Module, x: Tensor, probability: Tensor) -> Tensor:
    """Probabilities of a convolution's or linear layer's inputs `x` from those of its outputs."""
    weight: Tensor = layer.weight.detach()  # type: ignore[operator]
    with torch.enable_grad():
        x = x.requires_grad_()
        added = linear(layer, x.relu(), weight.relu()) + linear(
            layer, -(-x).relu(), -(-weight).relu()
        )
        share = torch.where(added > 0, probability / added, 0)
        (slope,) = torch.autograd.grad(added, x, share.detach())
    return (x * slope).detach()


def linear(layer: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """What the layer gives with this weight and no bias."""
    if isinstance(layer, nn.Conv2d):
        how: Any = (layer.stride, layer.padding, layer.dilation, layer.groups)
        return functional.conv2d(x, weight, None, *how)
    return functional.linear(x, weight)


def part(own: Tensor, all_: Sequence[Tensor]) -> Tensor:
    """The share that `own` has in the sum of `all_`, of those that draw to the sum's side."""
    every = torch.stack(list(all_))
    side = every.sum(0).sign()
    whole = (every * side).relu().sum(0)
    return torch.where(whole > 0, (own * side).relu() / whole, 0).detach()


@torch.no_grad()
def occlusion(
    score: Score,
    image: Tensor,
    draw: torch.Generator,
    prior: Tensor | None = None,
    masks: int = 400,
    cells: int = 12,
    hidden: int = 2,
    blur: float = 0.1,
    batch: int = 256,
) -> Tensor:
    """Saliency `(h, w)` of one picture `(3, h, w)` by hiding parts of it at random: the mean over
    the masks of how much of the score is lost, at the pixels that the mask hides.

    Each mask hides `hidden` of `cells` x `cells` cells, blurred by `blur` (share of the side);
    scores that rise count nothing. Drawn evenly this is RISE (Petsiuk et al., BMVC 2018, equation
    6) of what is hidden; with a `prior (h, w)` from 0 on cells are drawn in proportion to it, which
    is density-based input sampling (DISE; Williford, May and Byrne, ECCV 2020, section 4.2).
    Raises ChoiceError if more cells are to be hidden than there are.
    """
    if not 0 < hidden <= cells**2:
        raise ChoiceError("hidden", f"1 to {cells**2} cells", hidden)
    covers = random_covers(draw, prior, masks, cells, hidden, image.shape[-2:])
    plain = blurred(image[None], blur * image.shape[-1])
    whole = score(image[None])
    losses = []
    for some in torch.split(covers, batch):
        losses.append((whole - score(torch.lerp(image[None], plain, some[:, None]))).relu())
    return (torch.cat(losses)[:, None, None] * covers).mean(0)


def random_covers(
    draw: torch.Generator,
    prior: Tensor | None,
    masks: int,
    cells: int,
    hidden: int,
    size: Sequence[int],
) -> Tensor:
    """Masks `(masks, h, w)` from 0 (shown) to 1 (hidden) with soft edges."""
    if prior is None:
        density = torch.ones(cells * cells)
    else:
        density = functional.adaptive_avg_pool2d(prior[None, None], cells).flatten()
        density = density + 1e-6 * density.mean() + 1e-12
    chosen = torch.multinomial(density.expand(masks, -1), hidden, generator=draw)
    grid = torch.zeros(masks, cells * cells).scatter_(1, chosen, 1.0)
    grid = grid.view(masks, 1, cells, cells)
    return functional.interpolate(grid, tuple(size), mode="bilinear", align_corners=False)[:, 0]


def blurred(images: Tensor, sigma: float) -> Tensor:
    """`images (n, c, h, w)` blurred by a Gaussian of `sigma` pixels, edges repeated; 0: as is."""
    if sigma <= 0:
        return images
    reach = max(1, round(3 * sigma))
    place = torch.arange(-reach, reach + 1, dtype=images.dtype)
    line = torch.exp(-0.5 * (place / sigma) ** 2)
    line = (line / line.sum()).expand(images.shape[1], 1, 1, -1)
    wide = functional.pad(images, (reach, reach, reach, reach), mode="replicate")
    along = functional.conv2d(wide, line, groups=images.shape[1])
    return functional.conv2d(along, line.transpose(2, 3), groups=images.shape[1])
