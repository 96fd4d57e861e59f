"""Exported networks against torch, onnx's own reference evaluator, and the file's own rules."""

import numpy as np
import pytest
import torch
from torch import nn

from fusiform.core.errors import FusiformError
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.train import export
from fusiform.lab.train.faces import as_input, embed

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def shaken(size: int = 32, dim: int = 16, seed: int = 0) -> nn.Module:
    """A small network whose norms and slopes are not those it begins with."""
    torch.manual_seed(seed)
    net = FaceResNet(size, dim, width=4, blocks=(1, 1))
    for _ in range(3):
        net(torch.randn(8, 3, size, size))
    for value in net.parameters():
        value.data += 0.05 * torch.randn_like(value)
    return net.eval()


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return shaken()


@pytest.fixture(scope="module")
def model(net) -> bytes:
    return export.to_onnx(net, 32)


@pytest.fixture(scope="module")
def crops():
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def test_onnx_runtime_says_what_torch_says(net, model, crops):
    assert export.check(model, net, crops) > 1 - 1e-5
    assert np.allclose(export.runner(model)(crops), embed(net, crops), atol=1e-5)


def test_onnx_itself_says_so_too(net, model, crops):
    """onnx's evaluator is written in numpy, operation by operation."""
    from onnx.reference import ReferenceEvaluator

    said = ReferenceEvaluator(onnx.load_from_string(model)).run(
        None, {export.INPUT: as_input(crops[:3]).numpy()}
    )[0]
    with torch.no_grad():
        assert np.allclose(said, net(as_input(crops[:3])).numpy(), atol=1e-4)


def test_any_number_of_pictures_by_names(model):
    graph = onnx.load_from_string(model).graph
    shapes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.input, *graph.output)
    }
    assert shapes == {"image": ["n", 3, 32, 32], "features": ["n", 16]}


def test_norms_are_folded_into_convolutions(net, model):
    kinds = [node.op_type for node in onnx.load_from_string(model).graph.node]
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert kinds.count("BatchNormalization") == 2 < len(norms)  # those around the last layer


def test_the_same_weights_give_the_same_bytes(model):
    assert export.to_onnx(shaken(), 32) == model
    assert export.to_onnx(shaken().to(memory_format=torch.channels_last).train(), 32) == model
    assert export.to_onnx(shaken(seed=1), 32) != model


def test_exporting_leaves_the_network_as_it_was(net):
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    export.to_onnx(net, 32)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    net.eval()


def test_another_networks_file_is_told(model, crops):
    with pytest.raises(FusiformError, match=r"differs from the trained one: a cosine of"):
        export.check(model, shaken(seed=1), crops)


def test_a_broken_file_is_told(net, model, crops):
    graph = onnx.load_from_string(model)
    graph.graph.node[0].op_type = "NoSuchThing"
    with pytest.raises(FusiformError, match="no valid ONNX"):
        export.check(graph.SerializeToString(), net, crops)


def test_what_onnx_has_not_is_one_sentence():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.matrix_exp(x[:, 0]).flatten(1)

    with pytest.raises(FusiformError, match=r"cannot be written as ONNX: .*matrix_exp"):
        export.to_onnx(Odd(), 8)


def test_eight_bits_stay_near_and_are_smaller(crops):
    net = FaceResNet(32, 64, width=16, blocks=(1, 1)).eval()
    model = export.to_onnx(net, 32)
    small = export.to_int8(model, crops)
    near = export.cosines(export.runner(small)(crops), export.runner(model)(crops))
    assert near.min() > 0.98
    assert len(small) < 0.4 * len(model)
    kinds = {node.op_type for node in onnx.load_from_string(small).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert export.to_int8(model, crops) == small


def test_cosines_are_row_by_row():
    a = np.eye(3, dtype=np.float32)
    assert export.cosines(a, a[[0, 2, 1]]).tolist() == [1, 0, 0]
