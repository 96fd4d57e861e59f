"""That networks set against each other are alike where they should be."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from fusiform.lab.blocks.tvconv import settled  # noqa: E402
from fusiform.lab.nets.mobilefacenet import MobileFaceNet  # noqa: E402
from fusiform.lab.papers._backbones import SIDE, multiplications, parameters  # noqa: E402
from fusiform.lab.papers.rec_backbone import edgeface, tvconv  # noqa: E402


def test_edgeface_and_its_rival_are_of_equal_size():
    ours, theirs = (parameters(edgeface.NETS[name][0]()) for name in ("half", "cnn"))
    assert abs(ours / theirs - 1) < 0.02
    assert max(parameters(make()) for make, _ in edgeface.NETS.values()) < 300_000


def test_linear_parameters_are_counted_once():
    net = edgeface.NETS["half"][0]()
    others = sum(
        p.numel()
        for m in net.modules()
        if not isinstance(m, nn.Linear)
        for p in m.parameters(recurse=False)
    )
    head = sum(p.numel() for p in net.head[1].parameters())
    assert edgeface.linear_parameters("half") == parameters(net) - others - head


def test_multiplications_of_a_known_net():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 5))
    assert multiplications(net, 8) == 8 * 8 * 9 * 3 * 4 + 4 * 64 * 5


def test_kernels_by_place_cost_as_much_as_one():
    """Once settled: nine for each number that comes out, as of a depth-wise convolution."""
    plain = MobileFaceNet(SIDE, 8, tvconv.WIDTH, tvconv.BLOCKS)
    ours = settled(MobileFaceNet(SIDE, 8, tvconv.WIDTH, tvconv.BLOCKS, spatial=tvconv.TVConv))
    depthwise = [m for m in plain.body.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    places = [m for m in ours.modules() if type(m).__name__ == "PlaceConv"]
    assert [m.kernels.shape[:3] for m in places] == [m.weight.squeeze(1).shape for m in depthwise]
    assert ours(torch.zeros(2, 3, SIDE, SIDE)).shape == plain(torch.zeros(2, 3, SIDE, SIDE)).shape


def test_displaced_faces_are_the_same_for_all():
    faces = torch.rand(3, 3, 16, 16)
    assert torch.equal(tvconv.displaced(faces), tvconv.displaced(faces))
    assert not torch.allclose(tvconv.displaced(faces), faces)
