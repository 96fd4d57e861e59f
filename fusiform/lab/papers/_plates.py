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
from fusiform.lab.train.loop import Batch, Plan, train

SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CELL, HEIGHT, SHRINK = 20, 40, 5  # a sign is 4 pixels wide for the camera
LENGTH, FRAMES, FINE = 7, 16, 3
SHAKE, NOISE = 2.0, 0.15  # pixels before shrinking; of a range of 0..1
STEPS = {"tiny": (3, 4), "small": (250, 24), "full": (5000, 64)}  # and plates in a batch


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


def read(seed: int, size: str, many: bool) -> float:
    """Share of signs that a net trained on such plates reads rightly on 300 others."""
    steps, batch = STEPS[size]

    def batches(step: int) -> Batch:
        draw = torch.Generator().manual_seed(seed * 7_919 + step)
        frames, text = strips(batch, draw)
        return {"image": signs(enlarged(frames, many)), "label": text.flatten()}

    net = fresh(seed, lambda: FaceResNet(24, len(SIGNS), 16, (1, 1)))
    train(net, Spell(), batches, Plan(steps, 0.05, steps // 20, seed=seed))
    frames, text = strips(300 if size != "tiny" else 8, torch.Generator().manual_seed(seed + 10**6))
    with torch.no_grad():
        found = net(signs(enlarged(frames, many))).argmax(1)
    return float((found == text.flatten()).float().mean())
