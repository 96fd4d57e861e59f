"""Saliency against literal slow versions, and where the answer is known."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.blocks import saliency  # noqa: E402
from fusiform.lab.nets.resnet import FaceResNet, Residual  # noqa: E402


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def corner(images: Tensor) -> Tensor:
    """A score that looks at the upper left quarter alone."""
    half = images.shape[-1] // 2
    return images[:, :, :half, :half].mean((1, 2, 3))


def test_the_score_of_a_triplet_is_a_difference_of_cosines():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    x = drawn(4, 3, 2, 2)
    mate, other = (functional.normalize(drawn(4, 5, seed=s)) for s in (1, 2))
    score = saliency.triplet_score(net, mate, other)(x).detach()
    for i in range(4):
        own = net(x[i : i + 1])[0].detach()
        wanted = functional.cosine_similarity(own, mate[i], dim=0)
        wanted = wanted - functional.cosine_similarity(own, other[i], dim=0)
        assert float(score[i]) == pytest.approx(float(wanted), abs=1e-6)


def test_the_gradient_is_the_slope_of_the_steepest_channel():
    weight = drawn(3, 6, 6)
    found = saliency.gradient(lambda x: (x * weight).sum((1, 2, 3)), drawn(2, 3, 6, 6))
    assert torch.allclose(found, weight.abs().amax(0).expand(2, -1, -1))


def test_grad_cam_by_its_equations():
    conv = nn.Conv2d(3, 4, 3, 2, 1)
    weight = drawn(4, 4, 4)
    x = drawn(2, 3, 8, 8)
    found = saliency.grad_cam(conv, lambda maps: (maps**2 * weight).sum((1, 2, 3)), x)
    maps = conv(x).detach()
    for i in range(2):
        heat = torch.zeros(4, 4)
        for k in range(4):
            alpha = (2 * maps[i, k] * weight[k]).mean()
            heat += alpha * maps[i, k]
        wanted = functional.interpolate(heat.clamp(min=0)[None, None], (8, 8), mode="bilinear")
        assert torch.allclose(found[i], wanted[0, 0], atol=1e-5)


def dense(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """The matrix `(outputs, inputs)` of a linear layer without its bias."""
    inputs = int(torch.tensor(shape).prod())
    rows = torch.eye(inputs).view(inputs, *shape)
    none = layer(torch.zeros(1, *shape))
    return (layer(rows) - none).flatten(1).T.detach()


def handed_down(matrix: Tensor, x: Tensor, p: Tensor) -> Tensor:
    """Zhang's equation 4, one output and input after the other."""
    out = torch.zeros(len(x))
    for i in range(len(p)):
        added = [max(0.0, float(matrix[i, j] * x[j])) for j in range(len(x))]
        for j, one in enumerate(added):
            out[j] += float(p[i]) * one / sum(added) if sum(added) > 0 else 0.0
    return out


def test_excitation_is_handed_down_as_written():
    torch.manual_seed(3)
    first, bend, second = nn.Conv2d(2, 3, 3, 2, 1), nn.ReLU(), nn.Conv2d(3, 2, 3, 1, 1)
    net = nn.Sequential(first, bend, second).eval()
    x = drawn(1, 2, 6, 6)
    top = torch.rand(1, 2, 3, 3, generator=generator())
    with saliency.excitation(net):
        start = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(net(start), start, top)
    middle = bend(first(x)).detach()
    p = handed_down(dense(second, (3, 3, 3)), middle.flatten(), top.flatten())
    p = handed_down(dense(first, (2, 6, 6)), x.flatten(), p)
    assert torch.allclose(found.flatten(), p, atol=1e-5)


def test_branches_share_by_what_they_add():
    left, right = nn.Linear(1, 2, bias=False), nn.Linear(1, 2, bias=False)
    left.weight.data = torch.tensor([[3.0], [2.0]])
    right.weight.data = torch.tensor([[1.0], [-5.0]])
    whole = nn.ModuleList([left, right])
    x, y = (torch.ones(1, 1, requires_grad=True) for _ in range(2))
    with saliency.excitation(whole, [(left, right)]):
        total = left(x) + right(y)
        shares = torch.autograd.grad(total, (x, y), torch.tensor([[1.0, 0.0]]))
        assert [float(s) for s in shares] == pytest.approx([0.75, 0.25])
    against = saliency.part(torch.tensor([2.0]), [torch.tensor([2.0]), torch.tensor([-5.0])])
    assert float(against) == 0  # the sum is below 0, and this one drew the other way


def branches(net: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    return [(m.straight, m.body) for m in net.modules() if isinstance(m, Residual)]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_no_probability_comes_from_nowhere(seed):
    torch.manual_seed(seed)
    net = FaceResNet(16, 6, 4, (1, 1)).eval()
    x = drawn(2, 3, 16, 16, seed=seed).requires_grad_()
    with saliency.excitation(net, branches(net)):
        (found,) = torch.autograd.grad(net(x), x, torch.full((2, 6), 1 / 6))
    assert float(found.min()) >= 0
    assert float(found.sum((1, 2, 3)).max()) <= 1 + 1e-4


def test_without_the_rule_derivatives_come_back():
    net = FaceResNet(16, 6, 4, (1, 1)).eval()
    score = saliency.triplet_score(
        net, *(functional.normalize(drawn(1, 6, seed=s)) for s in (1, 2))
    )
    x = drawn(2, 3, 16, 16)
    before = saliency.gradient(score, x)
    blocks = [m for m in net.modules() if isinstance(m, Residual)]
    found = saliency.subtree_excitation(net, score, x, blocks, branches(net), 20)
    assert found.shape == (2, 16, 16)
    assert float(found.min()) >= 0
    assert torch.equal(before, saliency.gradient(score, x))
    assert not any(m._forward_hooks or m._backward_hooks for m in net.modules())


def test_one_subtree_is_one_excitation_from_the_strongest_node():
    torch.manual_seed(1)
    block = nn.Sequential(nn.Conv2d(3, 2, 3, 2, 1))
    net = nn.Sequential(block, nn.ReLU(), nn.Flatten(), nn.Linear(32, 1))
    x = drawn(1, 3, 8, 8)
    found = saliency.subtree_excitation(net, lambda v: net(v)[:, 0], x, [block], count=1)
    out = block(x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(net[1:](out).sum(), out)
    share = (slope * out).detach().flatten()
    p = torch.zeros_like(share)
    p[share.argmax()] = share.max()
    wanted = handed_down(dense(block, (3, 8, 8)), x.flatten(), p).view(3, 8, 8).sum(0)
    assert torch.allclose(found[0], wanted, atol=1e-5)


def test_the_largest_shares_of_each_picture_stay():
    kept = saliency.largest(
        [torch.tensor([[1.0, 5.0], [9.0, 2.0]]), torch.tensor([[4.0], [3.0]])], 2
    )
    assert kept[0].tolist() == [[0, 5], [9, 0]]
    assert kept[1].tolist() == [[4], [3]]


@pytest.mark.parametrize("prior", [None, torch.ones(16, 16)])
def test_hiding_finds_what_the_score_looks_at(prior):
    image = drawn(3, 16, 16) + 5 * torch.linspace(0, 1, 16)
    bright = image.clone()
    bright[:, :8, :8] += torch.eye(8) * 9
    found = saliency.occlusion(
        lambda x: (x[:, :, :8, :8] ** 2).mean((1, 2, 3)), bright, generator(), prior, 300, 4, 2
    )
    assert found.shape == (16, 16)
    assert float(found[:7, :7].mean()) > 2 * float(found[9:, 9:].mean())


def test_a_prior_says_where_to_hide():
    prior = torch.zeros(16, 16)
    prior[8:, 8:] = 1
    covers = saliency.random_covers(generator(), prior, 200, 4, 3, (16, 16))
    assert float(covers[:, :6, :6].max()) == 0
    assert float(covers[:, 10:, 10:].mean()) > 0.5
    uniform = saliency.random_covers(generator(), None, 200, 4, 16, (16, 16))
    assert torch.equal(uniform, torch.ones_like(uniform))


def test_hiding_written_out():
    image, draw = drawn(3, 8, 8), generator(4)
    found = saliency.occlusion(corner, image, draw, None, 20, 4, 3, 0.1, batch=7)
    covers = saliency.random_covers(generator(4), None, 20, 4, 3, (8, 8))
    plain = saliency.blurred(image[None], 0.8)[0]
    wanted = torch.zeros(8, 8)
    for cover in covers:
        seen = image * (1 - cover) + plain * cover
        loss = max(0.0, float(corner(image[None]) - corner(seen[None])))
        wanted += loss * cover / len(covers)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_a_blur_is_that_of_scipy():
    filters = pytest.importorskip("scipy.ndimage")
    x = drawn(1, 2, 20, 20)
    wanted = [filters.gaussian_filter(c.numpy(), 1.5, mode="nearest", radius=4) for c in x[0]]
    found = saliency.blurred(x, 1.5)[0]
    assert abs(found.numpy() - wanted).max() < 1e-5
    assert saliency.blurred(x, 0) is x


def test_bad_choices_are_told():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    with pytest.raises(ChoiceError, match="at least one"):
        saliency.subtree_excitation(net, corner, drawn(1, 3, 2, 2), [])
    with pytest.raises(ChoiceError, match="1 to 16 cells"):
        saliency.occlusion(corner, drawn(3, 8, 8), generator(), cells=4, hidden=17)
