"""Pictures and captions in one space (Radford et al., "CLIP", ICML 2021, figure 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError

WARMEST = 100.0  # the scale is kept below, as CLIP does


class ImageText(nn.Module):
    """The symmetric contrastive loss: features `(n, d)` of pictures and of their captions, of any
    length -> the mean loss. Each picture has to find its caption among n, and each caption its
    picture, by cosine times a scale that is learned, from 1 / `temperature` on.

    Raises ChoiceError for a temperature not above 0, or features that differ in shape.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        if temperature <= 0:
            raise ChoiceError("temperature", "above 0", temperature)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    def forward(self, images: Tensor, captions: Tensor) -> Tensor:
        if images.shape != captions.shape:
            raise ChoiceError("captions", f"of shape {tuple(images.shape)}", tuple(captions.shape))
        scale = self.log_scale.exp().clamp(max=WARMEST)
        cosine = functional.normalize(images) @ functional.normalize(captions).T
        own = torch.arange(len(images), device=images.device)
        ways = [functional.cross_entropy(c, own) for c in (scale * cosine, scale * cosine.T)]
        return (ways[0] + ways[1]) / 2


class Captions(nn.Module):
    """Captions as numbers of words `(n, words)`, 0 where there is none -> features `(n, dim)`: a
    transformer layer over the words at their places, the mean, and a linear layer."""

    def __init__(self, vocabulary: int, words: int, dim: int, width: int = 64) -> None:
        super().__init__()
        self.word = nn.Embedding(vocabulary, width, padding_idx=0)
        self.place = nn.Parameter(torch.randn(words, width) * 0.02)
        self.layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True)
        self.out = nn.Linear(width, dim, bias=False)

    def forward(self, words: Tensor) -> Tensor:
        none = words == 0
        told = self.layer(self.word(words) + self.place, src_key_padding_mask=none)
        kept = (~none)[..., None].to(told.dtype)
        features: Tensor = self.out((told * kept).sum(1) / kept.sum(1).clamp_min(1))
        return features
