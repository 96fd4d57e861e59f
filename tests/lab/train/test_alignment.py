"""Training against misaligned crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.train.alignment import MisalignedClassify, Reach, misaligned


def blob(side: int = 24) -> Tensor:
    """A bright spot right of the middle."""
    place = torch.arange(side, dtype=torch.float64) + 0.5
    spot = torch.exp(-((place[:, None] - side / 2) ** 2 + (place - 0.7 * side) ** 2) / 8)
    return spot.expand(1, 3, side, side).contiguous()


def centre(image: Tensor) -> np.ndarray:
    """Of brightness: x and y in shares of the side, from the middle."""
    grey = image[0, 0].numpy()
    place = (np.arange(len(grey)) + 0.5) / len(grey) - 0.5
    total = grey.sum()
    return np.array([(grey.sum(0) * place).sum(), (grey.sum(1) * place).sum()]) / total


class Sides(nn.Module):
    """Two classes: how bright the left and right halves are."""

    def forward(self, images: Tensor) -> Tensor:
        half = images.shape[3] // 2
        return torch.stack(
            [images[..., :half].mean((1, 2, 3)), images[..., half:].mean((1, 2, 3))], 1
        )


class Softmax(nn.Module):
    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(20 * features, labels)


def test_nowhere_is_the_identity():
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    none = torch.zeros(2, 4, dtype=torch.float64)
    ends = torch.ones(2, 4, dtype=torch.float64)
    assert torch.allclose(misaligned(images, none, Reach()), images)
    assert torch.allclose(misaligned(images, ends, Reach(0, 0, 0)), images)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((1, 0, 0, 0), (0.3, 0)),
        ((0, -1, 0, 0), (0.2, -0.1)),
        ((0, 0, 1, 0), (0.24, 0)),
        ((0, 0, 0, 1), (0.2 * np.cos(np.pi / 6), 0.2 * np.sin(np.pi / 6))),
    ],
)
def test_each_number_does_its_own(place: tuple[float, ...], expected: tuple[float, float]):
    places = torch.tensor([place], dtype=torch.float64)
    moved = misaligned(blob(), places, Reach(0.1, 0.2, 30))
    assert np.allclose(centre(moved), expected, atol=0.01)


def test_places_have_a_gradient():
    images = blob(8).requires_grad_(True)
    places = torch.tensor([[0.3, -0.2, 0.4, 0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, p: misaligned(i, p, Reach()), (images, places))


def test_a_step_makes_the_loss_larger_and_stays_within_reach():
    torch.manual_seed(0)
    images, labels = blob().expand(8, -1, -1, -1), torch.ones(8, dtype=torch.int64)
    objective = MisalignedClassify(Softmax(), Reach(0.2, 0, 0), step=0.7)  # past the middle
    places = torch.rand(8, 4, dtype=torch.float64) - 1  # to the left
    net = Sides().train()
    hard = objective.harder(net, images, labels, places)
    before, after = (objective.loss(net, images, labels, p) for p in (places, hard))
    assert after > before
    assert hard.abs().max() <= 1
    assert (hard - places).abs().max() <= 0.7 + 1e-9
    assert (hard[:, 0] < places[:, 0]).all()  # the spot goes to the wrong side
    assert net.training


def test_a_share_of_none_is_plain_classification():
    images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 1, 0])
    net, head = Sides(), Softmax()
    for step in (0.0, 1.0):
        loss, _ = MisalignedClassify(head, Reach(), step, 0.0)(
            net, {"image": images, "label": labels}
        )
        assert torch.allclose(loss, head(net(images), labels))


def test_batch_norm_does_not_learn_from_the_step():
    norm = nn.BatchNorm2d(3)
    net = nn.Sequential(norm, Sides())
    objective = MisalignedClassify(Softmax(), Reach())
    objective.harder(
        net, torch.rand(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64), torch.zeros(4, 4)
    )
    assert norm.num_batches_tracked == 0
    assert norm.weight.grad is None


def test_what_cannot_be_is_refused():
    with pytest.raises(ChoiceError, match="shift, scale, turn must be"):
        Reach(-0.1)
    with pytest.raises(ChoiceError, match="step, share must be"):
        MisalignedClassify(Softmax(), Reach(), -1)
