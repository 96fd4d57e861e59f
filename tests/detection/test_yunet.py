"""YuNet against a literal reading of its outputs and against OpenCV's own runner."""

import cv2
import numpy as np
import pytest

from fusiform.core.pictures import read
from fusiform.detection.boxes import suppress
from fusiform.detection.load import load
from fusiform.detection.yunet import OVERLAP, STRIDES, decode
from fusiform.hub.store import locate


@pytest.fixture(params=["yunet-s", "yunet-n"])
def yunet(request, public_models, monkeypatch):
    monkeypatch.setenv("FUSIFORM_MODELS", str(public_models))
    return load(locate(request.param))


def raw(rng, cells):
    """Outputs of a network whose stride-s map has `cells[s]` (columns, rows)."""
    outputs = {}
    for stride, (columns, rows) in cells.items():
        n = columns * rows
        outputs[f"cls_{stride}"] = rng.uniform(0, 1, (n, 1)).astype(np.float32)
        outputs[f"obj_{stride}"] = rng.uniform(0, 1.2, (n, 1)).astype(np.float32)
        outputs[f"bbox_{stride}"] = rng.normal(0, 0.4, (n, 4)).astype(np.float32)
        outputs[f"kps_{stride}"] = rng.normal(0, 1, (n, 10)).astype(np.float32)
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1)
        outputs[f"grid_{stride}"] = grid.reshape(-1, 2).astype(np.float32)
    return outputs


def slowly(outputs, cells, minimum):
    boxes, scores, points = [], [], []
    for stride, (columns, rows) in cells.items():
        for cell in range(columns * rows):
            column, row = cell % columns, cell // columns
            cls = min(max(outputs[f"cls_{stride}"][cell, 0], 0), 1)
            obj = min(max(outputs[f"obj_{stride}"][cell, 0], 0), 1)
            if (score := (cls * obj) ** 0.5) < minimum:
                continue
            dx, dy, dw, dh = outputs[f"bbox_{stride}"][cell]
            x, y = (column + dx) * stride, (row + dy) * stride
            w, h = np.exp(dw) * stride, np.exp(dh) * stride
            boxes.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
            marks = outputs[f"kps_{stride}"][cell].reshape(5, 2)
            points.append([((column + a) * stride, (row + b) * stride) for a, b in marks])
            scores.append(score)
    return np.array(boxes), np.array(scores), np.array(points)


def test_decode_is_the_slow_reading(rng):
    cells = {8: (12, 8), 16: (6, 4), 32: (3, 2)}
    outputs = raw(rng, cells)
    faces = decode(outputs, 0.6)
    boxes, scores, points = slowly(outputs, cells, 0.6)
    kept = cv2.dnn.NMSBoxes(
        [[*b[:2], *(b[2:] - b[:2])] for b in boxes.tolist() for b in [np.array(b)]],
        scores.tolist(),
        0.6,
        OVERLAP,
    )
    assert set(STRIDES) == set(cells)
    assert np.allclose(faces.boxes, boxes[kept], atol=1e-3)
    assert np.allclose(faces.scores, scores[kept], atol=1e-6)
    assert np.allclose(faces.points, points[kept], atol=1e-3)


def test_suppress_keeps_what_overlaps_little():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32)
    assert suppress(boxes, np.array([0.8, 0.9, 0.7]), 0.3).tolist() == [1, 2]
    assert suppress(np.zeros((0, 4)), np.zeros(0), 0.3).tolist() == []


def test_opencv_finds_the_same(yunet, real, public_models):
    picture = read(real / "officials" / "obama_and_biden.jpg")
    small = cv2.resize(picture, (640, 448), interpolation=cv2.INTER_AREA)
    file = public_models / f"{yunet.name.replace('-', '_')}_dynamic.onnx"
    theirs = cv2.FaceDetectorYN.create(str(file), "", (640, 448), 0.7, OVERLAP)
    _, rows = theirs.detect(small[..., ::-1])
    (faces,) = yunet([small])
    assert len(faces) == len(rows)
    for face, row in zip(faces, sorted(rows, key=lambda r: -r[14]), strict=True):
        assert np.allclose(face.box, [*row[:2], *(row[:2] + row[2:4])], atol=0.05)
        assert np.allclose(face.points.ravel(), row[4:14], atol=0.05)
        assert face.score == pytest.approx(row[14], abs=1e-3)


def test_finds_everybody(yunet, real):
    """One face in each ORL picture, two or more officials side by side."""
    photos = [read(p) for p in sorted((real / "orl").rglob("*.pgm"))[::5]]
    assert [len(f) for f in yunet(photos)] == [1] * len(photos)
    assert len(yunet([read(real / "officials" / "obama_and_biden.jpg")])[0]) >= 2


def test_batch_equals_singles_of_any_size(yunet, real):
    photos = [read(real / "officials" / n) for n in ("obama-240p.jpg", "biden2.jpg")]
    photos += [read(real / "officials" / "obama-240p.jpg")[:, ::-1]]
    for together, photo in zip(yunet(photos), photos, strict=True):
        (alone,) = yunet([photo])
        assert np.allclose(together.boxes, alone.boxes, atol=1e-2)
        assert np.allclose(together.scores, alone.scores, atol=1e-4)
