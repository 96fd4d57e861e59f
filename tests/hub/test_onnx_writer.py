"""The ONNX writer against the onnx package and ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper, numpy_helper

from fusiform.core.errors import ChoiceError
from fusiform.hub import open_session
from fusiform.hub.onnx_writer import Node, write_onnx


def parsed(weights: dict[str, Any], **attributes: Any) -> onnx.ModelProto:
    node = Node("Identity", ["x"], "y", attributes)
    return onnx.load_from_string(write_onnx("g", [node], weights, {"x": ["n", 3]}, {"y": ["n", 3]}))


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.int64]), arrays.array_shapes(min_dims=0, min_side=0)
    )
)
def test_weights_come_back_bit_for_bit(array: np.ndarray[Any, Any]) -> None:
    (tensor,) = parsed({"w": array}).graph.initializer
    back = numpy_helper.to_array(tensor)
    assert (tensor.name, back.dtype, back.shape) == ("w", array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
    )
)
def test_attributes_come_back(value: int | list[int]) -> None:
    (attribute,) = parsed({}, k=value).graph.node[0].attribute
    assert helper.get_attribute_value(attribute) == value


def test_a_transposed_or_big_endian_array_is_stored_in_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    (tensor,) = parsed({"w": array}).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(tensor), array)


def test_other_types_are_refused() -> None:
    with pytest.raises(ChoiceError, match="float32 or int64"):
        parsed({"w": np.zeros(2)})


def test_a_network_passes_the_checker_and_runs() -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(4, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    nodes = [
        Node("MatMul", ["x", "weight"], "product"),
        Node("Add", ["product", "bias"], "sum"),
        Node("Transpose", ["sum"], "y", {"perm": [1, 0]}),
    ]
    weights = {"weight": weight, "bias": bias}
    data = write_onnx("linear", nodes, weights, {"x": ["n", 4]}, {"y": [5, "n"]})
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = open_session(data)
    assert session.inputs[0][:2] == ("x", ("n", 4))
    for n in (1, 3):
        x = rng.normal(size=(n, 4)).astype(np.float32)
        np.testing.assert_allclose(session.run({"x": x})[0], (x @ weight + bias).T, rtol=1e-5)
