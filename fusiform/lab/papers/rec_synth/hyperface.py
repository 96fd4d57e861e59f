"""HyperFace: Generating Synthetic Face Recognition Datasets by Exploring Face Embedding Hypersphere.

Otroshi Shahreza, Marcel, ICLR 2025. New: the identities of a synthetic set are points packed on the
hypersphere of embeddings, held near those of faces (`lab.blocks.packing`), from which a generator
makes pictures. Left out: the diffusion generator trained on millions of faces. Here a small decoder
is trained on 400 synthetic people; its blurred faces teach far less than rendered ones, and how
much of an identity it shows limits what packing can gain.
"""  # noqa: E501

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.seeds import rng
from fusiform.lab.blocks.packing import nearest_angle, packed
from fusiform.lab.nets.face_decoder import FaceDecoder, StyleEncoder, divergence, drawn_style
from fusiform.lab.papers._people import split
from fusiform.lab.papers._recogniser import DIM, Budget, Scores, fresh, judged, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import FLIP
from fusiform.lab.train.batches import shuffled
from fusiform.lab.train.cleaning import folder_centres
from fusiform.lab.train.faces import embed, face_batches
from fusiform.lab.train.loop import Batch, Plan, train
from fusiform.lab.world.crowd import Crowd

SIDE, STYLE = 32, 16  # pixels; numbers of a style
KNOWN, GALLERY, TEST = 200, 400, 100  # people: of the recogniser, of the generator, unseen
CHOSEN = {"tiny": 6, "small": 150, "full": 2000}  # identities of a set
IMAGES = {"tiny": 4, "small": 20, "full": 50}  # pictures of each
JITTER = 0.05  # standard deviation of the noise on each number of an identity
PACKING = {"tiny": 20, "small": 400, "full": 2000}  # steps
TEACHING = {"tiny": Budget(6, 32), "small": Budget(200), "full": Budget(20_000, 512)}
MAKING = {"tiny": Plan(4, 2e-3), "small": Plan(400, 2e-3), "full": Plan(40_000, 1e-3)}
LEARNING = {"tiny": Budget(6, 16), "small": Budget(200, 64), "full": Budget(20_000, 512)}


class Made(NamedTuple):
    """What makes faces: a recogniser, the gallery's identities `(g, DIM)` and a decoder."""

    teacher: nn.Module
    gallery: Tensor
    decoder: FaceDecoder


@claim(metric="least angle between identities, degrees", margin=5.0, minutes=0.1)
def packing_parts_identities(seed: int, size: str) -> tuple[float, float]:
    """The nearest two of 150 packed identities are at least five degrees further apart than of as
    many drawn from the gallery."""
    least = [float(nearest_angle(identities(seed, size, kind)).min()) for kind in ("pack", "draw")]
    return least[0], least[1]


@claim(metric="TAR at FAR 1e-2", margin=0.01, minutes=5)
def packing_teaches_more(seed: int, size: str) -> tuple[float, float]:
    """Trained on pictures of packed identities, a recogniser verifies unseen people better than
    trained on as many of identities drawn from the gallery."""
    return learned(seed, size, "pack").tar2, learned(seed, size, "draw").tar2


@claim(metric="TAR at FAR 1e-2", margin=0.01, minutes=2)
def gallery_holds_identities(seed: int, size: str) -> tuple[float, float]:
    """Packed identities teach more than unit vectors drawn at random, which lie off the faces."""
    return learned(seed, size, "pack").tar2, learned(seed, size, "random").tar2


class Reconstruct(nn.Module):
    """The objective: pictures, divergence of styles, and that the teacher finds the identity."""

    def __init__(self, teacher: nn.Module, identity: Tensor) -> None:
        super().__init__()
        self.encoder = StyleEncoder(DIM, STYLE, SIDE)
        self.register_buffer("identity", identity)
        self.judge = [teacher]  # in a list: not trained

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        pictures, who = batch["image"], self.identity[batch["label"]]  # type: ignore[index]
        mean, variance = self.encoder(pictures, who)
        made = net(who, drawn_style(mean, variance))
        found = functional.normalize(self.judge[0](made))
        strange = (1 - (found * who).sum(1)).mean()
        loss = functional.mse_loss(made, pictures) + 1e-3 * divergence(mean, variance)
        return loss + 0.2 * strange, {"strange": float(strange.detach())}


@lru_cache(maxsize=2)
def made(seed: int, size: str) -> Made:
    """The recogniser trained on some people, the decoder on others."""
    people = split(seed, size, KNOWN + GALLERY, TEST, side=SIDE).train
    first = min(KNOWN, people.people // 2)
    teacher = trained(people.of(np.arange(first)), seed, size, budget=TEACHING[size])
    teacher.requires_grad_(False)
    others = people.of(np.arange(first, people.people))
    gallery = torch.from_numpy(folder_centres(embed(teacher, others.images), others.person))
    batch = 64 if size != "tiny" else 16
    rows = shuffled(len(others), batch, seed)
    batches = face_batches(others.images, others.person, rows, FLIP, seed)
    objective = fresh(seed, lambda: Reconstruct(teacher, gallery))
    decoder = fresh(seed, lambda: FaceDecoder(DIM, STYLE, SIDE))
    plan = MAKING[size]
    train(decoder, objective, batches, Plan(plan.steps, plan.rate, optimiser="adamw", seed=seed))
    return Made(teacher, gallery, decoder.eval())


def identities(seed: int, size: str, kind: str) -> Tensor:
    """Unit vectors `(CHOSEN, DIM)`: of the gallery, packed from these, or anywhere."""
    gallery = made(seed, size).gallery
    random = rng(seed, "identities")
    rows = random.permutation(len(gallery))[: CHOSEN[size]]
    if kind == "random":
        anywhere = random.standard_normal((len(rows), DIM)).astype(np.float32)
        return functional.normalize(torch.from_numpy(anywhere))
    start = gallery[torch.from_numpy(rows)]
    return packed(start, gallery, steps=PACKING[size]) if kind == "pack" else start


@lru_cache(maxsize=4)
def learned(seed: int, size: str, kind: str) -> Scores:
    """Scores on unseen people of a new recogniser that saw only made faces."""
    faces = rendered(made(seed, size).decoder, identities(seed, size, kind), seed, IMAGES[size])
    net = trained(faces, seed, size, budget=LEARNING[size])
    return judged(net, split(seed, size, KNOWN + GALLERY, TEST, side=SIDE).test)


@torch.no_grad()
def rendered(decoder: FaceDecoder, points: Tensor, seed: int, images: int) -> Crowd:
    """Pictures of each identity in styles drawn at random, the identity jittered."""
    draw, pictures = torch.Generator().manual_seed(seed), []
    for point in points:
        noise = JITTER * torch.randn(images, DIM, generator=draw)
        style = torch.randn(images, STYLE, generator=draw)
        pictures.append(decoder(functional.normalize(point + noise), style))
    return Crowd(as_pixels(torch.cat(pictures)), np.repeat(np.arange(len(points)), images))


def as_pixels(pictures: Tensor) -> NDArray[np.uint8]:
    """Float `(n, 3, S, S)` in [-1, 1] -> uint8 `(n, S, S, 3)`: `faces.as_input` undone."""
    scaled = (pictures.permute(0, 2, 3, 1) * 127.5 + 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).numpy()
