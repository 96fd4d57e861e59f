"""Network inversion: the batch norm prior against its sums, and what the descent reaches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.inversion import inverted, statistics_prior, strangeness, variation
from fusiform.lab.nets.resnet import FaceResNet


def small() -> FaceResNet:
    torch.manual_seed(0)
    net = FaceResNet(16, 8, 8, (1, 1))
    with torch.no_grad():
        for _ in range(40):
            net(0.3 * torch.rand(12, 3, 16, 16))  # so that the running statistics are of something
    return net.eval()


def test_strangeness_is_the_sum_written_out() -> None:
    layer = nn.BatchNorm2d(2).eval()
    layer.running_mean = torch.tensor([0.5, -1.0])
    layer.running_var = torch.tensor([2.0, 0.1])
    x = torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    total = 0.0
    for c in range(2):
        values = x[:, c].flatten().tolist()
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        total += (mean - [0.5, -1.0][c]) ** 2 + (variance - [2.0, 0.1][c]) ** 2
    assert strangeness(layer, x).item() == pytest.approx(total / 2, rel=1e-4)


def test_what_batch_norm_has_seen_is_not_strange() -> None:
    x = torch.randn(8, 3, 6, 6)
    layer = nn.BatchNorm2d(3, momentum=1.0)
    layer(x)
    unbiased = x.transpose(0, 1).flatten(1).var(1)
    torch.testing.assert_close(layer.running_var, unbiased)
    assert strangeness(layer, x).item() < 1e-4
    assert strangeness(layer, 3 * x).item() > 1


def test_the_prior_sums_over_layers_and_leaves_no_hooks() -> None:
    net, x = small(), torch.rand(4, 3, 16, 16)
    inputs: list[tuple[nn.Module, Tensor]] = []
    layers = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    with statistics_prior(net) as strange:
        before = net(x)
        found = strange()
    for layer in layers:
        layer.register_forward_pre_hook(lambda m, given: inputs.append((m, given[0])))
    torch.testing.assert_close(net(x), before)
    assert len(inputs) == len(layers)
    torch.testing.assert_close(found, sum(strangeness(m, given) for m, given in inputs))
    assert all(len(layer._forward_pre_hooks) == 1 for layer in layers)


def test_a_net_without_batch_norm_has_no_prior() -> None:
    with pytest.raises(ChoiceError, match="BatchNorm2d"), statistics_prior(nn.Linear(2, 2)):
        pass


def test_variation_is_the_mean_step_between_neighbours() -> None:
    flat = torch.full((2, 3, 5, 5), 0.3)
    assert variation(flat).item() == 0
    ramp = torch.arange(5.0).expand(1, 3, 5, 5)
    assert variation(ramp).item() == pytest.approx(1.0)
    assert variation(ramp.transpose(2, 3)).item() == pytest.approx(1.0)


@pytest.mark.parametrize("prior", [0.0, 0.1])
def test_pictures_turn_towards_the_wanted_features(prior: float) -> None:
    net = small()
    with torch.no_grad():
        wanted = net(torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(4)) * 2 - 1)

    def match(images: Tensor) -> Tensor:
        with torch.no_grad():
            return functional.cosine_similarity(net(images), wanted).mean()

    made = inverted(net, wanted, 16, prior, 40, seed=2)
    assert made.shape == (3, 3, 16, 16)
    assert made.abs().max() <= 1
    assert not made.requires_grad
    assert match(made) > match(inverted(net, wanted, 16, prior, 1, seed=2)) + 0.1
    assert torch.equal(made, inverted(net, wanted, 16, prior, 40, seed=2))


def test_the_prior_makes_pictures_less_strange() -> None:
    net = small()
    wanted = torch.randn(4, 8, generator=torch.Generator().manual_seed(7))
    found = []
    for weight in (0.0, 1.0):
        made = inverted(net, wanted, 16, weight, 60)
        with statistics_prior(net) as strange, torch.no_grad():
            net(made)
            found.append(strange().item())
    assert found[1] < 0.7 * found[0]


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(ChoiceError, match="at least one"):
        inverted(small(), torch.zeros(0, 8), 16, 0.1, 5)
    with pytest.raises(ChoiceError, match="at least one"):
        inverted(small(), torch.zeros(1, 8), 16, 0.1, 0)
