"""Embedders against dlib itself and against a literal ArcFace computation."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fusiform.core.errors import ChoiceError
from fusiform.hub.card import Card
from fusiform.pipeline import load_embedder
from fusiform.recognise.embedder import Embedder, template, unit

BATCHED = 1e-5
"""How far the vectors of a batch may be from those of one crop at a time: float32 sums."""


def many(crops: np.ndarray, n: int) -> np.ndarray:
    """n different crops, made by shifting and mirroring the given ones."""
    made = [np.roll(crops[i % len(crops)], i, axis=1)[:, :: (-1) ** i] for i in range(n)]
    return np.array(made, np.uint8).reshape(n, *crops.shape[1:])


def test_descriptors_are_those_of_dlib(embedder, crops):
    import dlib

    name = "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
    files = metadata.distribution("face_recognition_models").files or []
    path = next(str(file.locate()) for file in files if file.as_posix() == name)
    peer = dlib.face_recognition_model_v1(path)
    chips = np.ascontiguousarray(many(crops, 24))
    theirs = np.array(peer.compute_face_descriptor(list(chips)), np.float32)
    assert np.abs(embedder.descriptors(chips) - theirs).max() < 1e-5
    assert np.abs(embedder(chips) - unit(theirs)).max() < 1e-5


@pytest.mark.parametrize("n", [0, 1, 2, 31, 33])
def test_a_batch_equals_singles(embedder, crops, n):
    chips = many(crops, n)
    together = embedder(chips)
    assert together.shape == (n, 128)
    assert together.dtype == np.float32
    for i, vector in enumerate(together):
        assert np.abs(embedder(chips[i : i + 1])[0] - vector).max() < BATCHED
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_neighbours_in_a_batch_change_nothing(embedder, crops):
    chips = many(crops, 8)
    assert np.abs(embedder(chips)[::-1] - embedder(chips[::-1])).max() < BATCHED


def test_crops_are_left_as_they_are(embedder, crops):
    before = crops.copy()
    embedder(crops)
    assert (crops == before).all()


def test_flip_adds_the_mirrored_crop(crops):
    plain, flipping = load_embedder(), load_embedder(flip=True)
    sums = plain(crops) + plain(np.ascontiguousarray(crops[:, :, ::-1]))
    expected = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    assert np.abs(flipping(crops) - expected).max() < BATCHED
    assert np.abs(flipping(crops) - flipping(crops[:, :, ::-1])).max() < BATCHED
    assert np.abs(flipping(crops) - plain(crops)).max() > 1e-3


@pytest.mark.parametrize(
    "shape", [(2, 112, 112, 3), (150, 150, 3), (1, 150, 150), (1, 3, 150, 150)]
)
def test_crops_of_another_shape_are_refused(embedder, shape):
    with pytest.raises(ChoiceError, match=r"crops must be of shape \(n, 150, 150, 3\)"):
        embedder(np.zeros(shape, np.uint8))


def network(path: Path, matrix: np.ndarray, card: Card | None = None) -> Path:
    """An ArcFace-like file: 112 px in, `matrix` times all its values out."""
    nodes = [
        helper.make_node("Flatten", ["data"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["fc1"]),
    ]
    taken = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 112, 112])
    given = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, ["n", matrix.shape[1]])
    weights = [numpy_helper.from_array(matrix, "matrix")]
    model = helper.make_model(
        helper.make_graph(nodes, "arcface", [taken], [given], weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    if card:
        helper.set_model_props(model, {"fusiform.card": card.to_json()})
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(3 * 112 * 112, 16)).astype(np.float32)


def literally(crop: np.ndarray, matrix: np.ndarray, order: str, mean: float, std: float):
    """One vector, written out: colour order, scaling, planes one after another, product."""
    planes = [crop[:, :, "RGB".index(letter)].astype(np.float64) for letter in order]
    flat = np.concatenate([((plane - mean) / std).ravel() for plane in planes])
    vector = flat @ matrix.astype(np.float64)
    return vector / np.sqrt((vector**2).sum())


def test_an_arcface_file_without_a_card(tmp_path, matrix, rng):
    made = load_embedder(str(network(tmp_path / "w600k.onnx", matrix)))
    crops = rng.integers(0, 256, (5, 112, 112, 3), np.uint8)
    expected = [literally(crop, matrix, "RGB", 127.5, 127.5) for crop in crops]
    assert np.abs(made(crops) - expected).max() < 1e-5
    assert (made.name, made.card.size, made.card.template) == ("w600k", 112, "arcface112")


@pytest.mark.parametrize(("order", "mean", "std"), [("BGR", 127.5, 128.0), ("RGB", 0.0, 255.0)])
def test_a_card_in_the_file_says_how_to_feed_it(tmp_path, matrix, rng, order, mean, std):
    card = Card(
        name="own", kind="embedder", family="arcface", title="", licence="", training_data="",
        size=112, dim=16, template="arcface112", colour=order, mean=(mean,) * 3, std=(std,) * 3,
    )  # fmt: skip
    made = load_embedder(str(network(tmp_path / "own.onnx", matrix, card)))
    crops = rng.integers(0, 256, (3, 112, 112, 3), np.uint8)
    expected = [literally(crop, matrix, order, mean, std) for crop in crops]
    assert np.abs(made(crops) - expected).max() < 1e-5


def test_zeros_stay_zeros():
    assert (unit(np.zeros((2, 4), np.float32)) == 0).all()


vectors = st.lists(st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4), min_size=1)


@given(vectors)
def test_template_is_the_mean_scaled_to_one(rows):
    mean = np.array(rows, np.float64).mean(0)
    found = template(np.array(rows, np.float32))
    length = float(np.linalg.norm(mean))
    assert found.shape == (4,)
    if length > 1e-3:
        assert np.allclose(found, mean / length, atol=1e-4)


def test_template_weighs_by_quality():
    rows = np.eye(2, dtype=np.float32)
    assert np.allclose(template(rows, np.array([3.0, 1.0], np.float32)), unit(np.array([3.0, 1.0])))
    assert np.allclose(template(rows, np.zeros(2, np.float32)), unit(np.array([1.0, 1.0])))


def test_template_of_nothing_is_refused():
    with pytest.raises(ChoiceError, match="at least one row"):
        template(np.zeros((0, 4), np.float32))


def test_a_template_is_nearer_than_a_single_face(embedder: Embedder, crops):
    person = crops[1:5]  # one person, four pictures
    found = embedder(person)
    alone = found[1:] @ found[0]
    assert (found[1:] @ template(found)).mean() > alone.mean()
