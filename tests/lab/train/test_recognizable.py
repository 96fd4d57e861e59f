"""Training with a recognizability index."""

from __future__ import annotations

import torch

from fusiform.lab.blocks.margins import MarginSoftmax, arcface
from fusiform.lab.nets.recognizable import RecognizableNet
from fusiform.lab.train.recognizable import RecognizableClassify, Weights


def made(weights: Weights) -> tuple[RecognizableNet, RecognizableClassify, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    net = RecognizableNet(16, 8, 8, (1, 1))
    objective = RecognizableClassify(MarginSoftmax(8, 5, arcface(0.3)), weights, few=4)
    batch = {"image": torch.rand(6, 3, 16, 16), "label": torch.tensor([0, 1, 2, 3, 4, 0])}
    return net, objective, batch


def test_without_weights_it_is_plain_classification():
    net, objective, batch = made(Weights(0, 0))
    loss, _ = objective(net, batch)
    assert torch.allclose(loss, objective.head(net(batch["image"]), batch["label"]))


def test_both_losses_add_something():
    values = []
    for weights in (Weights(0, 0), Weights(1, 0), Weights(0, 1), Weights(1, 1)):
        net, objective, batch = made(weights)
        values.append(float(objective(net, batch)[0].detach()))
    none, divert, rate, both = values
    assert divert > none
    assert rate > none
    assert abs(both - (divert + rate - none)) < 1e-5


def test_hopeless_faces_move_the_centre_and_nothing_else():
    net, objective, batch = made(Weights())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    objective.see(net, batch["image"])
    assert objective.centre.mean.abs().sum() > 0
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_index_is_learned():
    net, objective, batch = made(Weights(1, 5))
    optimiser = torch.optim.Adam([*net.parameters(), *objective.parameters()], 1e-2)
    index = []
    for _ in range(30):
        loss, numbers = objective(net, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        index.append(numbers["index"])
    expected = net.rated(batch["image"])[1].mean().item()
    assert abs(expected - index[-1]) < 0.1
