"""Pictures and captions: the loss written out, and what a caption's features rest on."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck  # noqa: E402

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.blocks.image_text import WARMEST, Captions, ImageText  # noqa: E402


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def written_out(images, captions, scale):
    """Row by row, as in the paper's figure 3."""
    n, total = len(images), 0.0
    cosine = [
        [float(torch.nn.functional.cosine_similarity(i, c, dim=0)) for c in captions]
        for i in images
    ]
    for k in range(n):
        row = sum(math.exp(scale * cosine[k][j]) for j in range(n))
        column = sum(math.exp(scale * cosine[j][k]) for j in range(n))
        total -= math.log(math.exp(scale * cosine[k][k]) / row) / 2
        total -= math.log(math.exp(scale * cosine[k][k]) / column) / 2
    return total / n


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_the_loss_is_the_papers(temperature):
    images, captions = drawn(5, 7), drawn(5, 7, seed=1)
    found = ImageText(temperature)(images, captions).detach()
    assert float(found) == pytest.approx(written_out(images, captions, 1 / temperature), rel=1e-4)


def test_chance_and_certainty():
    same = torch.ones(6, 4)
    assert float(ImageText()(same, same).detach()) == pytest.approx(math.log(6), rel=1e-5)
    apart = torch.eye(6)
    assert float(ImageText()(apart, apart).detach()) < 1e-4


def test_the_scale_has_a_limit():
    loss = ImageText(1e-4)
    images, captions = drawn(3, 4), drawn(3, 4, seed=1)
    wanted = written_out(images.double(), captions.double(), WARMEST)
    assert float(loss(images, captions).detach()) == pytest.approx(wanted, rel=1e-3)


def test_derivatives():
    loss = ImageText(0.5).double()
    images, captions = (drawn(4, 3, seed=s, dtype=torch.float64).requires_grad_() for s in (0, 1))
    assert gradcheck(loss, (images, captions))


def test_empty_places_say_nothing():
    torch.manual_seed(0)
    net = Captions(9, 4, 5, 8).eval()
    one = net(torch.tensor([[1, 2, 0, 0], [3, 4, 5, 6]]))
    net.place.data[2:] += 1
    other = net(torch.tensor([[1, 2, 0, 0], [3, 4, 5, 6]]))
    assert one.shape == (2, 5)
    assert torch.allclose(one[0], other[0], atol=1e-5)
    assert not torch.allclose(one[1], other[1], atol=1e-3)


def test_the_order_of_words_counts():
    torch.manual_seed(0)
    net = Captions(9, 2, 5, 8).eval()
    net.place.data *= 50
    found = net(torch.tensor([[1, 2], [2, 1]]))
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_bad_choices_are_told():
    with pytest.raises(ChoiceError, match="above 0"):
        ImageText(0)
    with pytest.raises(ChoiceError, match="of shape"):
        ImageText()(drawn(2, 3), drawn(3, 3))
