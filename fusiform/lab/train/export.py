"""A trained network as an ONNX file: floats, or integers of 8 bits; both checked before use.

Networks take what `faces.as_input` gives, `(n, 3, size, size)` float32 in [-1, 1]; on the card that
is a mean and a deviation of SCALE. The same weights give the same bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fusiform.core.errors import FusiformError
from fusiform.hub.session import open_session
from fusiform.lab.train.faces import as_input, embed, unit

OPSET = 17
INPUT, OUTPUT = "image", "features"
SCALE = 127.5
INTEGER = ["Conv", "Gemm", "MatMul", "Add"]  # what is done in 8 bits; the rest stays in floats
CLOSE = 1e-5  # that near to 1 is the cosine of an exported network's features to torch's
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def to_onnx(net: nn.Module, size: int) -> bytes:
    """`net` in evaluation mode as an ONNX file for any number of pictures at once; batch norms
    behind convolutions are folded into them.

    Raises FusiformError for an operation that ONNX has not.
    """
    plain = deepcopy(net).to("cpu").float().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = torch.zeros(1, 3, size, size)
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        # The newer exporter needs a package more, takes 15 times as long and cannot be quantised
        # without a detour. Torch is pinned, so this one stays.
        warnings.simplefilter("ignore")
        path = Path(folder) / "net.onnx"
        try:
            torch.onnx.export(
                plain, (example,), path, dynamo=False, opset_version=OPSET,
                input_names=[INPUT], output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
            )  # fmt: skip
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            reason = str(error).strip().splitlines()[0]
            raise FusiformError(f"The network cannot be written as ONNX: {reason}") from error
        return path.read_bytes()


def check(model: bytes, net: nn.Module, crops: Pixels) -> float:
    """The lowest cosine of what the file and `net` say of `crops (n, S, S, 3)`.

    Raises FusiformError if the file breaks ONNX's rules or they differ by more than CLOSE.
    """
    import onnx

    try:
        onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    except onnx.checker.ValidationError as error:
        raise FusiformError(f"The exported file is no valid ONNX: {error}") from error
    lowest = float(cosines(runner(model)(crops), embed(net, crops)).min())
    if not lowest > 1 - CLOSE:
        raise FusiformError(
            f"The exported network differs from the trained one: a cosine of {lowest:.7f}. "
            "Please report it with the options of the run."
        )
    return lowest


def to_int8(model: bytes, crops: Pixels, batch: int = 32) -> bytes:
    """The same network with weights a channel and activations of 8 bits, whose ranges are those
    met on `crops (n, S, S, 3)` (static QDQ; Jacob et al., CVPR 2018).

    Weights use 7 bits, since older processors add pairs of products in 16.
    """
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder:
        names = [str(Path(folder) / name) for name in ("float.onnx", "shaped.onnx", "int8.onnx")]
        Path(names[0]).write_bytes(model)
        # Symbolic shapes of an exported network are more than its shape inference can bear.
        quant_pre_process(names[0], names[1], skip_symbolic_shape=True)
        reader = reader_of(q.CalibrationDataReader, crops, batch)
        q.quantize_static(
            names[1], names[2], reader, quant_format=q.QuantFormat.QDQ, per_channel=True,
            reduce_range=True, activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
            op_types_to_quantize=INTEGER,
        )  # fmt: skip
        return Path(names[2]).read_bytes()


def reader_of(base: Any, crops: Pixels, batch: int) -> Any:
    """What the quantiser asks for one batch after another, None at the end."""

    class Reader(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self.feeds = feeds()

        def get_next(self) -> dict[str, Floats] | None:
            return next(self.feeds, None)

    def feeds() -> Iterator[dict[str, Floats]]:
        for start in range(0, len(crops), batch):
            yield {INPUT: as_input(crops[start : start + batch]).numpy()}

    return Reader()


def runner(model: bytes, batch: int = 32) -> Callable[[Pixels], Floats]:
    """Crops `(n, S, S, 3)` to unit vectors `(n, d)` through ONNX Runtime."""
    session = open_session(model, provider="cpu")

    def run(crops: Pixels) -> Floats:
        parts = [
            session.run({INPUT: np.ascontiguousarray(as_input(crops[i : i + batch]))})[0]
            for i in range(0, len(crops), batch)
        ]
        return unit(np.concatenate(parts))

    return run


def cosines(a: Floats, b: Floats) -> Floats:
    """Of each row of unit vectors with that of the other, `(n,)`."""
    return np.asarray(np.einsum("ij,ij->i", a, b), np.float32)
