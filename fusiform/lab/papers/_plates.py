"""Number plates too small to read in one frame, and small nets that read them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.nn import functional

from fusiform.lab.blocks.fusion import registered, super_resolved, translated
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.papers._recogniser import fresh
from fusiform.lab.train.batches import shuffled
from fusiform.lab.train.loop import Batch, Plan, train

SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CELL, HEIGHT, SHRINK = 20, 40, 5  # a sign is 4 pixels wide for the camera
LENGTH, FRAMES, FINE = 7, 16, 3
SHAKE, NOISE = 2.0, 0.15  # pixels before shrinking; of a range of 0..1
# Plates to learn from and to be judged by; steps of 96 signs.
SIZES = {"tiny": (8, 4, 3), "small": (800, 200, 200), "full": (20_000, 1000, 5000)}
BATCH, TOGETHER = 96, 20


@lru_cache(maxsize=1)
def glyphs() -> Tensor:
    """Each sign as it is drawn, `(36, 40, 20)` in 0..1, dark on light."""
    font = ImageFont.load_default(26)
    drawn = []
    for sign in SIGNS:
        picture = Image.new("L", (CELL, HEIGHT), 235)
        ImageDraw.Draw(picture).text((CELL / 2, HEIGHT / 2), sign, 20, font, anchor="mm")
        drawn.append(np.asarray(picture, np.float32) / 255)
    return torch.from_numpy(np.stack(drawn))


def strips(n: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Plates as `frames (n, 16, 1, 8, 32)` and what is on them, `(n, 7)`."""
    text = torch.randint(len(SIGNS), (n, LENGTH), generator=draw)
    plate = glyphs()[text].permute(0, 2, 1, 3).reshape(n, 1, HEIGHT, LENGTH * CELL)
    plate = functional.pad(plate, (CELL // 2, CELL // 2), value=235 / 255)
    shift = SHAKE * torch.randn(n * FRAMES, 2, generator=draw)
    shift[::FRAMES] = 0  # where the first frame's signs are is known
    moved = translated(plate.repeat_interleave(FRAMES, 0), shift)
    small = functional.avg_pool2d(moved, SHRINK)
    noisy = small + NOISE * torch.randn(small.shape, generator=draw)
    return noisy.view(n, FRAMES, *noisy.shape[1:]), text


def enlarged(frames: Tensor, many: bool) -> Tensor:
    """`(n, 1, 24, 96)`: super-resolved from all frames, or the first one enlarged."""
    if not many:
        return functional.interpolate(frames[:, 0], scale_factor=float(FINE), mode="bilinear")
    return super_resolved(frames, registered(frames, frames[:, 0]), FINE)


def signs(plates: Tensor) -> Tensor:
    """Patches about each sign, `(n * 7, 3, 24, 24)` in about [-1, 1]."""
    wide, step = HEIGHT * FINE // SHRINK, CELL * FINE // SHRINK
    cut = [plates[..., step * k : step * k + wide] for k in range(LENGTH)]
    return 2 * torch.stack(cut, 1).flatten(0, 1).expand(-1, 3, -1, -1) - 1


class Spell(nn.Module):
    """The objective of a reader of signs: cross-entropy."""

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        return functional.cross_entropy(net(batch["image"]), batch["label"]), {}


@lru_cache(maxsize=2)
def shown(n: int, seed: int) -> tuple[dict[bool, Tensor], Tensor]:
    """Patches of `n` plates as many frames show them and as one does, and the signs there."""
    draw = torch.Generator().manual_seed(seed)
    drawn = [strips(min(TOGETHER, n - k), draw) for k in range(0, n, TOGETHER)]
    many, one = (
        torch.cat([signs(enlarged(frames, how)) for frames, _ in drawn]) for how in (True, False)
    )
    return {True: many, False: one}, torch.cat([text.flatten() for _, text in drawn])


def read(seed: int, size: str, many: bool) -> float:
    """Share of signs that a net trained on plates of `many` frames or of one reads on others."""
    learned, judged, steps = SIZES[size]
    patches, text = shown(learned, seed)
    rows = shuffled(len(text), BATCH, seed)

    def batches(step: int) -> Batch:
        return {"image": patches[many][rows(step)], "label": text[rows(step)]}

    net = fresh(seed, lambda: FaceResNet(24, len(SIGNS), 16, (1, 1)))
    train(net, Spell(), batches, Plan(steps, 0.05, steps // 20, seed=seed))
    patches, text = shown(judged, seed + 10**6)
    with torch.no_grad():
        return float((net(patches[many]).argmax(1) == text).float().mean())
