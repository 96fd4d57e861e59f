"""SCRFD decoding on a generated network with the outputs of InsightFace's files."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fusiform.core.errors import ModelUnsupported
from fusiform.detection.load import load
from fusiform.detection.scrfd import STRIDES, decode
from fusiform.hub.store import locate

SIDE = 640


def outputs_with(faces, rng, low=0.05):
    """Nine arrays as the network gives them; `faces` = (stride index, anchor, score)."""
    scores, boxes, points = [], [], []
    for i, stride in enumerate(STRIDES):
        n = (SIDE // stride) ** 2 * 2
        score = np.full((n, 1), low, np.float32)
        for level, anchor, value in faces:
            if level == i:
                score[anchor] = value
        scores.append(score)
        boxes.append(rng.uniform(1, 4, (n, 4)).astype(np.float32))
        points.append(rng.uniform(-2, 2, (n, 10)).astype(np.float32))
    return scores + boxes + points


def network(arrays, path):
    """An ONNX file that answers every picture with `arrays`."""
    named = [numpy_helper.from_array(a, f"constant_{i}") for i, a in enumerate(arrays)]
    nodes = [
        helper.make_node("ReduceSum", ["input.1"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "zero"], ["nothing"]),
        *(
            helper.make_node("Add", [f"constant_{i}", "nothing"], [f"{440 + i}"])
            for i in range(len(arrays))
        ),
    ]
    zero = numpy_helper.from_array(np.zeros((), np.float32), "zero")
    graph = helper.make_graph(
        nodes,
        "scrfd",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [
            helper.make_tensor_value_info(f"{440 + i}", TensorProto.FLOAT, a.shape)
            for i, a in enumerate(arrays)
        ],
        [*named, zero],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def slowly(arrays, minimum):
    """Box by box, as the formula reads."""
    found = []
    for i, stride in enumerate(STRIDES):
        across = SIDE // stride
        for a in range(len(arrays[i])):
            if arrays[i][a, 0] < minimum:
                continue
            x, y = (a // 2 % across) * stride, (a // 2 // across) * stride
            left, top, right, bottom = arrays[i + 3][a] * stride
            marks = [
                (x + dx * stride, y + dy * stride) for dx, dy in arrays[i + 6][a].reshape(5, 2)
            ]
            found.append((arrays[i][a, 0], [x - left, y - top, x + right, y + bottom], marks))
    return sorted(found, key=lambda face: -face[0])


def test_decode_is_the_slow_reading(rng):
    arrays = outputs_with([(0, 5000, 0.9), (1, 1501, 0.8), (2, 600, 0.7)], rng)
    faces = decode(arrays, SIDE, 0.5)
    for face, (score, box, marks) in zip(faces, slowly(arrays, 0.5), strict=True):
        assert face.score == pytest.approx(score)
        assert np.allclose(face.box, box)
        assert np.allclose(face.points, marks)


@pytest.mark.parametrize("batched", [False, True])
def test_a_users_file_detects(tmp_path, rng, batched):
    arrays = outputs_with([(1, 1501, 0.8)], rng)
    shown = [a[None] for a in arrays] if batched else arrays
    model = locate(str(network(shown, tmp_path / "det_10g.onnx")))
    detector = load(model)
    (faces,) = detector([np.full((320, 160, 3), 90, np.uint8)])
    # The picture is enlarged twofold into the 640 square, so coordinates halve.
    expected = np.array(slowly(arrays, 0.5)[0][1]) / 2
    assert detector.name == faces.detector == "det_10g"
    assert np.allclose(faces.boxes[0], expected, atol=1e-3)


def test_without_points_it_says_so(tmp_path, rng):
    arrays = outputs_with([], rng)[:6]
    model = locate(str(network(arrays, tmp_path / "det_plain.onnx")))
    with pytest.raises(ModelUnsupported, match="kps"):
        load(model)
