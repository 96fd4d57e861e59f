"""The symmetry loss: halves pixel by pixel, its degenerate cases, its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional

from fusiform.lab.blocks.margins import MarginSoftmax
from fusiform.lab.blocks.symmetry import (
    Symmetric,
    completed,
    frontness,
    halves,
    symmetry_loss,
)

FRONTAL = [[10.0, 10], [30, 10], [20, 20], [13, 30], [27, 30]]


def test_halves_are_the_left_and_the_mirrored_right() -> None:
    row = torch.arange(6.0).expand(1, 2, 3, 6)
    left, right = halves(row)
    assert left[0, 0, 0].tolist() == [0, 1, 2]
    assert right[0, 1, 2].tolist() == [5, 4, 3]
    left, right = halves(torch.arange(5.0).expand(1, 1, 1, 5))
    assert left.flatten().tolist() == [0, 1, 2]
    assert right.flatten().tolist() == [4, 3, 2]


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 1000))
def test_a_completed_half_is_symmetric_and_keeps_its_side(width: int, seed: int) -> None:
    images = torch.rand(2, 3, 4, width, generator=torch.Generator().manual_seed(seed))
    left, right = (completed(half, width) for half in halves(images))
    assert left.shape == images.shape
    for whole in (left, right):
        assert torch.equal(whole, whole.flip(3))
    wide = (width + 1) // 2
    assert torch.equal(left[..., :wide], images[..., :wide])
    assert torch.equal(right[..., width - wide :], images[..., width - wide :])
    mirrored = [completed(half, width) for half in halves(images.flip(3))]
    assert torch.equal(mirrored[0], right)
    assert torch.equal(mirrored[1], left)


def test_frontness_falls_as_the_nose_leaves_the_middle() -> None:
    faces = torch.tensor([FRONTAL] * 5)
    faces[:, 2, 0] = torch.tensor([20.0, 25, 30, 40, 15])
    assert frontness(faces).tolist() == pytest.approx([1, 0.5, 0, 0, 0.5])
    torch.testing.assert_close(frontness(faces * 7), frontness(faces))
    assert torch.isfinite(frontness(torch.zeros(1, 5, 2))).all()


def test_the_loss_is_the_mean_squared_distance_of_directions() -> None:
    a, b, share = torch.randn(4, 3), torch.randn(4, 3), torch.tensor([1.0, 0.5, 0.0, 1.0])
    cosines = functional.cosine_similarity(a, b)
    torch.testing.assert_close(symmetry_loss(a, b, share), (share * (2 - 2 * cosines)).mean())
    assert symmetry_loss(a, 5 * a, share).item() == pytest.approx(0, abs=1e-6)
    assert symmetry_loss(a, -a, torch.ones(4)).item() == pytest.approx(4)


def test_the_gradient_is_exact() -> None:
    a, b = torch.randn(2, 2, 3, dtype=torch.float64)
    share = torch.tensor([1.0, 0.3], dtype=torch.float64)
    inputs = (a.clone().requires_grad_(), b.clone().requires_grad_())
    assert gradcheck(lambda x, y: symmetry_loss(x, y, share), inputs)


class Flat(nn.Module):
    """A linear network of pictures (n, 1, 2, 4)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.last = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.flatten(1))  # type: ignore[no-any-return]


def batch() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(3)
    images = torch.rand(4, 1, 2, 4, generator=draw)
    return {"image": images, "label": torch.tensor([0, 1, 2, 1]), "row": torch.arange(4)}


def objective(weight: float, front: list[float]) -> Symmetric:
    torch.manual_seed(2)
    return Symmetric(MarginSoftmax(3, 3), torch.tensor(front), weight)


def test_it_is_the_heads_loss_plus_the_weighted_symmetry_of_frontal_faces() -> None:
    given, net = batch(), Flat()
    made = objective(0.3, [0.9, 0.4, 0.5, 0.0])
    total, told = made(net, given)
    left, right = (net(completed(half, 4)) for half in halves(given["image"][[0, 2]]))
    apart = symmetry_loss(left, right, torch.tensor([0.9, 0.5]))
    wanted = made.head(net(given["image"]), given["label"]) + 0.3 * apart
    torch.testing.assert_close(total, wanted)
    assert told["apart"] == pytest.approx(apart.item())


@pytest.mark.parametrize(("weight", "front"), [(0.0, [1.0] * 4), (0.5, [0.1] * 4)])
def test_without_weight_or_frontal_faces_it_is_the_head_alone(
    weight: float, front: list[float]
) -> None:
    given, net = batch(), Flat()
    made = objective(weight, front)
    torch.testing.assert_close(made(net, given)[0], made.head(net(given["image"]), given["label"]))


def test_symmetric_faces_cost_nothing_more() -> None:
    given, net = batch(), Flat()
    given["image"] = completed(halves(given["image"])[0], 4)
    _, told = objective(5.0, [1.0] * 4)(net, given)
    assert told["apart"] == pytest.approx(0, abs=1e-6)


def test_frontness_is_not_saved_with_the_weights() -> None:
    assert "front" not in objective(0.1, [1.0] * 4).state_dict()
