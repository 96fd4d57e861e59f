"""dlib's face recognition network as ONNX: the same numbers, many times faster.

He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, with 29
convolutions, as built by dlib's face recognition example. Its three peculiarities: halving
convolutions have no padding, shortcuts across them are averaged and filled up with zero
channels (and a row and column of zeros where sizes differ), and its vectors are not of unit
length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.hub.dlib_format import Convolution, DlibNetwork, read_dlib_network
from fusiform.hub.onnx_writer import Node, write_onnx

CHIP = 150
SCALE = 256.0
Floats = NDArray[np.float32]


def dlib_to_onnx(data: bytes, name: str) -> bytes:
    """ONNX bytes for `data`, the bytes of dlib's file (called `name` in messages).

    Input `chips (n, 3, 150, 150)` float32 RGB in 0..255, output `descriptors (n, 128)`
    float32, not of unit length. Raises ModelDamaged if `data` is no such network.
    """
    return _Graph(read_dlib_network(data, name)).onnx()


class _Graph:
    """The nodes and weights written so far, and the shape of what they give."""

    def __init__(self, network: DlibNetwork) -> None:
        self.network = network
        self.nodes: list[Node] = []
        self.weights: dict[str, NDArray[Any]] = {}

    def onnx(self) -> bytes:
        first, *others = self.network.convolutions
        x = self.add("Relu", [self.conv("chips", *_input_folded(first, self.network.mean), first)])
        x = self.add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
        side, channels = 35, len(first.weight)
        for one, two in zip(others[::2], others[1::2], strict=True):
            x, side = self.block(x, one, two, side, channels)
            channels = len(two.weight)
        x = self.add("Flatten", [self.add("GlobalAveragePool", [x])])
        self.weights["projection"] = self.network.projection
        self.nodes.append(Node("MatMul", [x, "projection"], "descriptors"))
        inputs, outputs = {"chips": ("n", 3, CHIP, CHIP)}, {"descriptors": ("n", 128)}
        return write_onnx("dlib-resnet", self.nodes, self.weights, inputs, outputs)

    def add(self, op: str, inputs: Sequence[str], **attributes: int | Sequence[int]) -> str:
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(Node(op, inputs, output, attributes))
        return output

    def conv(self, x: str, weight: Floats, bias: Floats, layer: Convolution) -> str:
        at = len(self.nodes)
        self.weights[f"weight_{at}"], self.weights[f"bias_{at}"] = weight, bias
        return self.add(
            "Conv",
            [x, f"weight_{at}", f"bias_{at}"],
            kernel_shape=weight.shape[2:],
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
        )

    def block(
        self, x: str, one: Convolution, two: Convolution, side: int, channels: int
    ) -> tuple[str, int]:
        """Two convolutions and the shortcut round them; the output and its side."""
        y = self.add("Relu", [self.conv(x, *_folded(one), one)])
        y = self.conv(y, *_folded(two), two)
        if one.stride == 2:
            x = self.add("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
            x = self.fill(x, channels=len(two.weight) - channels)
            convolved, pooled = (side - 3) // 2 + 1, side // 2
            y = self.fill(y, sides=pooled - convolved)
            side = pooled
        return self.add("Relu", [self.add("Add", [y, x])]), side

    def fill(self, x: str, channels: int = 0, sides: int = 0) -> str:
        """Zeros after the last channel, row and column, as dlib's add_prev has it."""
        if not channels and not sides:
            return x
        pads = f"pads_{len(self.nodes)}"
        self.weights[pads] = np.array([0, 0, 0, 0, 0, channels, sides, sides], np.int64)
        return self.add("Pad", [x, pads])


def _folded(layer: Convolution) -> tuple[Floats, Floats]:
    """Weight and bias of the convolution with the affine layer after it inside."""
    gamma = layer.gamma.astype(np.float64)
    weight = layer.weight * gamma[:, None, None, None]
    return weight.astype(np.float32), (layer.bias * gamma + layer.beta).astype(np.float32)


def _input_folded(layer: Convolution, mean: Floats) -> tuple[Floats, Floats]:
    """The first convolution, which also maps a pixel x to (x - mean) / 256.

    That is exact only because this convolution has no padding.
    """
    gamma = layer.gamma.astype(np.float64)
    weight = layer.weight * gamma[:, None, None, None] / SCALE
    bias = layer.bias * gamma + layer.beta - weight.sum((2, 3)) @ mean.astype(np.float64)
    return weight.astype(np.float32), bias.astype(np.float32)
