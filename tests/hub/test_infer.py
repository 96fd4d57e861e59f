"""Users' own ONNX files: what each kind of graph is taken for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from fusiform.core.errors import ModelDamaged, ModelMissing, ModelUnsupported
from fusiform.hub import locate
from fusiform.hub.infer import normalises_inside
from fusiform.hub.onnx_writer import Node, write_onnx


def detector(path: Path, widths: Sequence[int], *, batch: bool = False) -> Path:
    """A graph with InsightFace's outputs: one per kind and stride, all zeros."""
    nodes, weights, outputs = [], {}, {}
    for i, width in enumerate(widths):
        shape = ((1,) if batch else ()) + (2 * 4 ** (2 - i % 3), width)
        weights[f"zeros_{i}"] = np.zeros(shape, np.float32)
        nodes.append(Node("Identity", [f"zeros_{i}"], f"{440 + i}"))
        outputs[f"{440 + i}"] = shape
    path.write_bytes(write_onnx("d", nodes, weights, {"input.1": (1, 3, "h", "w")}, outputs))
    return path


def embedder(
    path: Path, before: Sequence[Node] = (), *, side: int = 112, dim: int = 8, channels: int = 3
) -> Path:
    """A convolution and an average to a vector, with `before` between input and convolution."""
    x = before[-1].output if before else "data"
    nodes = [
        *before,
        Node("Conv", [x, "weight"], "conv"),
        Node("GlobalAveragePool", ["conv"], "pooled"),
        Node("Flatten", ["pooled"], "fc1"),
    ]
    weights = {
        "weight": np.ones((dim, channels, 3, 3), np.float32),
        "mean": np.full(1, 127.5, np.float32),
        "scale": np.full(1, 1 / 128, np.float32),
    }
    shapes = {"data": ("n", channels, side, side)}, {"fc1": ("n", dim)}
    path.write_bytes(write_onnx("e", nodes, weights, *shapes))
    return path


LIMIT = ("similarity", "low", "high")
SUBTRACT = Node("Sub", ["data", "mean"], "centred")
SCALE = Node("Mul", ["centred", "scale"], "scaled")


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("widths", [[1] * 3 + [4] * 3, [1] * 3 + [4] * 3 + [10] * 3])
def test_insightface_detectors(tmp_path: Path, widths: list[int], batch: bool) -> None:
    path = detector(tmp_path / "det_10g.onnx", widths, batch=batch)
    model = locate(path)
    card = model.card
    assert model.data == path
    assert (card.kind, card.family, card.name) == ("detector", "scrfd", "det_10g")
    assert (card.colour, card.mean, card.std) == ("RGB", (127.5,) * 3, (128.0,) * 3)
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.bytes == path.stat().st_size


def test_yunet_under_any_file_name(public_models: Path) -> None:
    for path in sorted(public_models.glob("yunet_*.onnx")):
        card = locate(str(path)).card
        assert (card.kind, card.family, card.colour) == ("detector", "yunet", "BGR")
        assert card.minimum_score == 0.7


@pytest.mark.parametrize(("side", "dim"), [(112, 512), (160, 128)])
def test_an_embedder(tmp_path: Path, side: int, dim: int) -> None:
    card = locate(embedder(tmp_path / "w600k.onnx", side=side, dim=dim)).card
    assert (card.kind, card.family, card.template) == ("embedder", "arcface", "arcface112")
    assert (card.size, card.dim, card.colour) == (side, dim, "RGB")
    assert (card.mean, card.std) == ((127.5,) * 3, (127.5,) * 3)
    assert card.thresholds == ()


def test_an_embedder_that_normalises_by_itself_gets_plain_pixels(tmp_path: Path) -> None:
    card = locate(embedder(tmp_path / "r100.onnx", [SUBTRACT, SCALE])).card
    assert (card.mean, card.std) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("before", "inside"),
    [
        ([], False),
        ([Node("Identity", ["data"], "same")], False),
        ([SUBTRACT], False),
        ([SUBTRACT, SCALE], True),
        ([SUBTRACT, Node("Div", ["centred", "scale"], "divided")], True),
    ],
)
def test_normalisation_is_told_by_the_first_nodes(
    tmp_path: Path, before: list[Node], inside: bool
) -> None:
    assert normalises_inside(embedder(tmp_path / "e.onnx", before)) is inside


def test_the_reader_of_nodes_agrees_with_the_onnx_package(public_models: Path) -> None:
    """Files written by others: PyTorch's exporter here."""
    for path in public_models.glob("*.onnx"):
        names = [node.op_type for node in onnx.load(str(path)).graph.node]
        early = set(names[: names.index("Conv")])
        expected = bool(early & {"Sub", "Add"}) and bool(early & {"Mul", "Div"})
        assert normalises_inside(path) is expected


@pytest.mark.parametrize("channels", [1, 4])
def test_other_graphs_are_refused_with_what_they_are(tmp_path: Path, channels: int) -> None:
    path = embedder(tmp_path / "odd.onnx", channels=channels)
    with pytest.raises(ModelUnsupported, match=rf"odd\.onnx.*data .*{channels}, 112.*fc1"):
        locate(path)


def test_a_detector_with_other_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="no YuNet, SCRFD"):
        locate(detector(tmp_path / "d.onnx", [1, 4, 1, 4]))


def card_beside(path: Path, **changes: object) -> Path:
    """NAME.json beside NAME.onnx."""
    values = {"name": "mine", "kind": "embedder", "family": "arcface", "title": "Mine", "dim": 8}
    values |= {"licence": "MIT", "training_data": "my own", "size": 112, "grouping": 0.5}
    values |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} | changes
    path.with_suffix(".json").write_text(json.dumps(values))
    return path


def test_a_card_beside_the_file_is_believed(tmp_path: Path) -> None:
    path = with_metadata(embedder(tmp_path / "w.onnx"), "{not read}")
    card = locate(card_beside(path, thresholds=[{"fmr": 0.1, **dict.fromkeys(LIMIT, 0.3)}])).card
    assert (card.name, card.grouping, card.thresholds[0].similarity) == ("mine", 0.5, 0.3)


def test_the_card_of_another_file_is_not(tmp_path: Path) -> None:
    path = card_beside(embedder(tmp_path / "w.onnx"), sha256="ab" * 32)
    with pytest.raises(ModelDamaged, match=r"w.onnx: its sha256 is .*its card w.json is of abab"):
        locate(path)


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"sha256": "ab", "source": "x"}', '{"kind": "embedder"}', "\x00"]
)
def test_other_files_of_that_name_are_no_cards(tmp_path: Path, text: str) -> None:
    path = embedder(tmp_path / "w600k.onnx")
    path.with_suffix(".json").write_text(text)
    assert locate(path).card.name == "w600k"


@pytest.mark.parametrize(
    "changes", [{"colour": "green"}, {"wings": 2}, {"thresholds": [1]}, {"title": 1, "kind": "cat"}]
)
def test_a_wrong_card_beside_the_file_is_refused(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(ModelUnsupported, match=r"w.json: is a wrong card .*; correct it"):
        locate(card_beside(embedder(tmp_path / "w.onnx"), **changes))


def with_metadata(path: Path, text: str) -> Path:
    model = onnx.load(str(path))
    model.metadata_props.add(key="fusiform.card", value=text)
    onnx.save(model, str(path))
    return path


def test_a_card_inside_the_file_is_believed(tmp_path: Path) -> None:
    values = {"name": "mine", "kind": "embedder", "family": "arcface", "title": "Mine"}
    rest = {
        "licence": "MIT",
        "training_data": "my own",
        "size": 112,
        "colour": "BGR",
        "sha256": "0",
    }
    path = with_metadata(embedder(tmp_path / "e.onnx"), json.dumps(values | rest))
    card = locate(path).card
    assert (card.name, card.licence, card.colour) == ("mine", "MIT", "BGR")
    assert card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"nmae": 1}'])
def test_a_wrong_card_inside_the_file_is_told(tmp_path: Path, text: str) -> None:
    path = with_metadata(embedder(tmp_path / "e.onnx"), text)
    with pytest.raises(ModelUnsupported, match=r"e\.onnx: the card in its metadata"):
        locate(path)


def test_files_that_are_not_there_or_not_onnx(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"gone\.onnx"):
        locate(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(ModelDamaged, match=r"text\.onnx"):
        locate(tmp_path / "text.onnx")
