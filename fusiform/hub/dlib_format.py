"""Reads dlib's face recognition network from the file in which dlib stores it.

The layout follows dlib's serialize.h and dnn/core.h, layers.h: a network is its loss, then its
layers from output to input, each as version, everything inside it, its own numbers, three
flags and the tensors of training, which are empty here. One layout is read, that of
`dlib_face_recognition_resnet_model_v1.dat`; anything else raises ModelDamaged, and no length
in the file is believed before it is compared with the bytes that are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ModelDamaged

Floats = NDArray[np.float32]
SPECIAL_FLOATS = 32000  # an exponent from here on marks inf, -inf or nan
LARGEST_EXPONENT = 1023

EMPTY = ("tag", "skip")  # layers that hold nothing of their own
VERSIONS = {"tag": 1, "skip": 1, "fc": 2, "pool": 2, "relu": 2, "add": 2, "affine": 2, "conv": 2}
VERSIONS["first"] = 3  # the convolution next to the input
FIRST_FORM = ((7, 7, 2, 0),)  # height, width, stride and padding of a convolution
FORMS = ((3, 3, 1, 1), (3, 3, 2, 0))
RESIDUAL = ("relu", "add", "affine", "conv", "relu", "affine", "conv", "tag")
HALVING = ("relu", "add", "pool", "skip", "tag", "affine", "conv", "relu", "affine", "conv", "tag")
LAYERS = (
    *("fc", "pool", *HALVING, *RESIDUAL * 2, *HALVING, *RESIDUAL * 2),
    *(*HALVING, *RESIDUAL * 3, *HALVING, *RESIDUAL * 3, "pool", "relu", "affine", "first"),
)


@dataclass(frozen=True)
class Convolution:
    """A convolution and the affine layer after it.

    `weight (out, in, h, w)`, `bias`, `gamma` and `beta (out,)`: the output is
    (conv(x) + bias) * gamma + beta. `stride` and `padding` are the same both ways.
    """

    weight: Floats
    bias: Floats
    stride: int
    padding: int
    gamma: Floats
    beta: Floats


@dataclass(frozen=True)
class DlibNetwork:
    """`mean (3,)` RGB in 0..255, convolutions from input to output, `projection (256, 128)`."""

    mean: Floats
    convolutions: tuple[Convolution, ...]
    projection: Floats


@dataclass(frozen=True)
class _Layer:
    kind: str
    arrays: tuple[Floats, ...] = ()
    numbers: tuple[int, ...] = ()


def read_dlib_network(data: bytes, name: str) -> DlibNetwork:
    """The network in `data`, the bytes of a file called `name` in messages.

    Raises ModelDamaged at the first byte that is not what this network has there.
    """
    reader = _Reader(data, name)
    reader.expect(reader.integer(), 1, "network version")
    reader.expect(reader.text(), "loss_metric_2", "loss")
    reader.number(), reader.number()
    for kind in LAYERS:
        reader.expect(reader.integer(), VERSIONS[kind], f"version of {kind}")
    mean = _read_input(reader)
    layers = [_read_layer(reader, kind) for kind in reversed(LAYERS) if kind not in EMPTY]
    reader.expect(reader.left, 0, "bytes after the network")
    return DlibNetwork(mean, _convolutions(reader, layers), _projection(reader, layers[-1]))


def _read_input(reader: _Reader) -> Floats:
    reader.expect(reader.text(), "input_rgb_image_sized", "input")
    mean = np.array([reader.number() for _ in range(3)], np.float32)
    reader.expect((reader.integer(), reader.integer()), (150, 150), "input size")
    return mean


def _read_layer(reader: _Reader, kind: str) -> _Layer:
    """A layer's own numbers, then the flags and tensors that follow every layer."""
    layer = _READERS[kind](reader)
    for _ in range(3):
        reader.flag()
    for _ in range(3):
        reader.tensor()
    if kind == "first":
        reader.integer()
    return layer


def _read_conv(reader: _Reader) -> _Layer:
    reader.expect(reader.text(), "con_4", "convolution")
    params = reader.tensor().ravel()
    filters, height, width, stride, stride_x, pad, pad_x = (reader.integer() for _ in range(7))
    weight, bias = reader.split(params, reader.alias(), reader.alias())
    reader.expect((stride_x, pad_x), (stride, pad), "stride and padding across")
    reader.expect((filters, height, width), (len(weight), *weight.shape[2:]), "filters")
    for _ in range(4):
        reader.number()
    return _Layer("conv", (weight, bias.ravel()), (stride, pad))


def _read_affine(reader: _Reader) -> _Layer:
    reader.expect(reader.text(), "affine_", "affine layer")
    params = reader.tensor().ravel()
    gamma, beta = reader.split(params, reader.alias(), reader.alias())
    reader.expect(reader.integer(), 0, "affine mode")
    return _Layer("affine", (gamma.ravel(), beta.ravel()))


def _read_relu(reader: _Reader) -> _Layer:
    reader.expect(reader.text(), "relu_", "rectifier")
    return _Layer("relu")


def _read_add(reader: _Reader) -> _Layer:
    reader.expect(reader.text(), "add_prev_", "shortcut")
    return _Layer("add")


def _read_pool(reader: _Reader) -> _Layer:
    kind = reader.text()
    numbers = tuple(reader.integer() for _ in range(6))
    shapes = {
        ("max_pool_2", (3, 3, 2, 2, 0, 0)),
        ("avg_pool_2", (2, 2, 2, 2, 0, 0)),
        ("avg_pool_2", (0, 0, 1, 1, 0, 0)),
    }
    if (kind, numbers) not in shapes:
        reader.fail(f"pooling {kind} {numbers}")
    return _Layer("pool")


def _read_fc(reader: _Reader) -> _Layer:
    reader.expect(reader.text(), "fc_2", "last layer")
    outputs, inputs = reader.integer(), reader.integer()
    params = reader.tensor()
    reader.expect(params.shape, (inputs, outputs, 1, 1), "last layer's shape")
    reader.alias(), reader.alias()
    reader.expect(reader.integer(), 1, "last layer's bias mode")
    for _ in range(4):
        reader.number()
    return _Layer("fc", (params.reshape(inputs, outputs),))


_READERS = {
    "first": _read_conv,
    "conv": _read_conv,
    "affine": _read_affine,
    "relu": _read_relu,
    "add": _read_add,
    "pool": _read_pool,
    "fc": _read_fc,
}


def _convolutions(reader: _Reader, layers: list[_Layer]) -> tuple[Convolution, ...]:
    convs = [layer for layer in layers if layer.kind == "conv"]
    affines = [layer for layer in layers if layer.kind == "affine"]
    joined, channels = [], 3
    for conv, affine in zip(convs, affines, strict=True):
        (weight, bias), (gamma, beta) = conv.arrays, affine.arrays
        stride, padding = conv.numbers
        n = len(weight)
        form = (*weight.shape[2:], stride, padding)
        if form not in (FORMS if channels > 3 else FIRST_FORM):
            reader.fail(f"a convolution of height, width, stride and padding {form}")
        reader.expect(weight.shape[1], channels, "channels of a convolution")
        reader.expect((bias.shape, gamma.shape, beta.shape), ((n,),) * 3, "channels")
        joined.append(Convolution(weight, bias, stride, padding, gamma, beta))
        channels = n
    return tuple(joined)


def _projection(reader: _Reader, layer: _Layer) -> Floats:
    reader.expect(layer.arrays[0].shape, (256, 128), "last layer's shape")
    return layer.arrays[0]


class _Reader:
    """Walks through the bytes; every step checks that they are there."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name, self._at = data, name, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def fail(self, reason: str) -> NoReturn:
        raise ModelDamaged(
            f"{self._name}: not dlib's face recognition network as published: {reason} before "
            f"byte {self._at}; install the package face_recognition_models again"
        )

    def expect(self, got: object, wanted: object, what: str) -> None:
        if got != wanted:
            self.fail(f"{what} is {got!r}, not {wanted!r}")

    def take(self, n: int) -> bytes:
        if n > self.left:
            self.fail("the file ends early")
        self._at += n
        return self._data[self._at - n : self._at]

    def integer(self) -> int:
        """One byte holds the sign and how many bytes follow, lowest first."""
        control = self.take(1)[0]
        length = control & 0x0F
        if control & 0x70 or not 1 <= length <= 8:
            self.fail(f"no integer starts with {control:#04x}")
        value = int.from_bytes(self.take(length), "little")
        return -value if control & 0x80 else value

    def number(self) -> float:
        """A float as two integers: mantissa and exponent of two."""
        mantissa, exponent = self.integer(), self.integer()
        if exponent >= SPECIAL_FLOATS:
            return (math.inf, -math.inf, math.nan)[min(exponent - SPECIAL_FLOATS, 2)]
        if not -2 * LARGEST_EXPONENT <= exponent <= LARGEST_EXPONENT - 64:
            self.fail(f"a float with exponent {exponent}")
        return math.ldexp(mantissa, exponent)

    def flag(self) -> bool:
        byte = self.take(1)
        if byte not in (b"0", b"1"):
            self.fail(f"a flag is {byte!r}")
        return byte == b"1"

    def text(self) -> str:
        length = self.integer()
        if not 0 <= length <= 64:
            self.fail(f"a name of {length} bytes")
        return self.take(length).decode("ascii", "replace")

    def sizes(self) -> tuple[int, ...]:
        sizes = tuple(self.integer() for _ in range(4))
        if min(sizes) < 0:
            self.fail(f"a tensor of shape {sizes}")
        return sizes

    def tensor(self) -> Floats:
        self.expect(self.integer(), 2, "tensor version")
        shape = self.sizes()
        floats = np.frombuffer(self.take(4 * math.prod(shape)), "<f4")
        return floats.astype(np.float32, copy=False).reshape(shape)

    def alias(self) -> tuple[int, ...]:
        """The shape of a part of a layer's parameters."""
        self.expect(self.integer(), 1, "alias version")
        return self.sizes()

    def split(self, params: Floats, *shapes: tuple[int, ...]) -> list[Floats]:
        """`params (n,)` cut into arrays of `shapes`, which must use it up."""
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        self.expect(len(params), int(ends[-1]), "number of parameters")
        parts = np.split(params, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
