"""dlib's network: its file read, damage noticed, and the ONNX equal to dlib's own answers."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from fusiform.core.errors import ModelDamaged
from fusiform.hub import Session, locate, open_session, shipped_cards
from fusiform.hub.dlib_format import read_dlib_network
from fusiform.hub.dlib_resnet import dlib_to_onnx

Chips = NDArray[np.uint8]


@pytest.fixture(scope="module")
def path() -> Path:
    card = shipped_cards()["dlib-resnet"]
    return Path(str(metadata.distribution(card.package).locate_file(card.package_file)))


@pytest.fixture(scope="module")
def data(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture(scope="module")
def peer(path: Path) -> Any:
    return dlib.face_recognition_model_v1(str(path))


@pytest.fixture(scope="module")
def session() -> Session:
    model = locate("dlib-resnet")
    assert model.data is not None
    return open_session(model.data)


def largest_difference(session: Session, peer: Any, chips: Chips) -> float:
    """Over `chips (n, 150, 150, 3)` uint8 RGB, ours against dlib's own descriptors."""
    ours = session.run({"chips": chips.transpose(0, 3, 1, 2).astype(np.float32)})[0]
    theirs = np.array([peer.compute_face_descriptor(chip) for chip in chips])
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max())


def smooth(rng: np.random.Generator) -> Chips:
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.asarray(small.resize((150, 150), Image.Resampling.BICUBIC))


def test_noise_and_smooth_pictures_are_equal(session: Session, peer: Any) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (4, 150, 150, 3), dtype=np.uint8)
    flat = np.stack([np.full((150, 150, 3), value, np.uint8) for value in (0, 255)])
    chips = np.concatenate([noise, flat, [smooth(rng) for _ in range(4)]])
    assert largest_difference(session, peer, chips) < 1e-5


def test_real_pictures_are_equal(session: Session, peer: Any, real: Path) -> None:
    photos = sorted((real / "officials").glob("*.jpg"))[:4]
    chips = [np.asarray(Image.open(p).convert("RGB").resize((150, 150))) for p in photos]
    assert largest_difference(session, peer, np.stack(chips)) < 1e-5


def test_a_batch_equals_singles(session: Session) -> None:
    rng = np.random.default_rng(4)
    chips = rng.uniform(0, 255, (5, 3, 150, 150)).astype(np.float32)
    singles = np.concatenate([session.run({"chips": chip[None]})[0] for chip in chips])
    np.testing.assert_allclose(session.run({"chips": chips})[0], singles, atol=1e-6)


def test_vectors_are_not_of_unit_length(session: Session) -> None:
    chip = np.full((1, 3, 150, 150), 128, np.float32)
    assert abs(float(np.linalg.norm(session.run({"chips": chip})[0])) - 1) > 0.05


def test_the_converted_file_passes_the_checker(data: bytes) -> None:
    model = onnx.load_from_string(dlib_to_onnx(data, "x.dat"))
    onnx.checker.check_model(model, full_check=True)
    operations = [node.op_type for node in model.graph.node]
    assert operations.count("Conv") == 29
    assert operations.count("Add") == 14
    assert operations.count("AveragePool") == 4


def test_conversion_is_deterministic(data: bytes) -> None:
    assert dlib_to_onnx(data, "a") == dlib_to_onnx(data, "b")


def test_the_parsed_network_has_the_published_size(data: bytes) -> None:
    network = read_dlib_network(data, "x.dat")
    arrays = [network.projection]
    for layer in network.convolutions:
        arrays += [layer.weight, layer.bias, layer.gamma, layer.beta]
    assert len(network.convolutions) == 29
    assert sum(array.size for array in arrays) == 5_614_592
    assert all(np.isfinite(array).all() for array in arrays)
    np.testing.assert_allclose(network.mean, [122.782, 117.001, 104.298])


def test_every_truncation_is_noticed(data: bytes) -> None:
    rng = np.random.default_rng(5)
    ends = {*range(0, 340, 17), *rng.integers(0, len(data), 40), len(data) - 1}
    for end in ends:
        with pytest.raises(ModelDamaged, match=r"half\.dat"):
            read_dlib_network(data[:end], "half.dat")


def test_bytes_after_the_end_are_noticed(data: bytes) -> None:
    with pytest.raises(ModelDamaged, match="bytes after the network"):
        read_dlib_network(data + b"\0", "long.dat")


def test_a_changed_header_raises_nothing_but_model_damaged(data: bytes) -> None:
    """Any byte of the structure in front of the first weights, set to anything."""
    rng = np.random.default_rng(6)
    noticed = 0
    for place in rng.integers(0, 400, 200):
        changed = data[:place] + rng.bytes(1) + data[place + 1 :]
        try:
            read_dlib_network(changed, "changed.dat")
        except ModelDamaged:
            noticed += 1
    assert noticed > 120


def test_a_claimed_size_is_not_believed(data: bytes) -> None:
    """The first tensor claims 2**62 numbers: an error at once, not an attempt to hold them."""
    at = data.index(b"con_4") + len(b"con_4") + 2
    count = 1 + data[at]
    huge = b"\x08" + (2**62).to_bytes(8, "little")
    with pytest.raises(ModelDamaged, match="ends early"):
        read_dlib_network(data[:at] + huge + data[at + count :], "huge.dat")
