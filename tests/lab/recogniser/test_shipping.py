"""From a run to a model and its card: it is what was trained, and loads by its path."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from fusiform.core.errors import ChoiceError, FusiformError, ModelDamaged
from fusiform.hub.store import locate
from fusiform.lab.recogniser.choices import Recipe
from fusiform.lab.recogniser.people import listed
from fusiform.lab.recogniser.shipping import Wanted, recipe_of, ship, weights
from fusiform.lab.recogniser.training import train_recogniser
from fusiform.lab.train.faces import embed
from fusiform.lab.train.runs import Run
from fusiform.pipeline import load_embedder

RECIPE = Recipe(size=32, dim=16, batch=8, steps=4, val=0.5)


@pytest.fixture
def run(crops, tmp_path):
    train_recogniser(listed(crops, 32), tmp_path / "run", RECIPE)
    return tmp_path / "run"


def test_the_model_and_its_card(run, crops, tmp_path):
    card = ship(run, Wanted(tmp_path / "mine.onnx", licence="CC0-1.0"))
    assert (card.kind, card.family, card.name, card.size, card.dim) == (
        *("embedder", "arcface", "mine"), *(32, 16),
    )  # fmt: skip
    assert (card.licence, card.template, card.mean, card.std) == (
        *("CC0-1.0", "arcface112"), *((127.5,) * 3,) * 2,
    )  # fmt: skip
    data = (tmp_path / "mine.onnx").read_bytes()
    assert (card.sha256, card.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert card.training_data.startswith("16 faces of 4 people of the folder crops, digest ")
    assert "16 faces of 4 people of the folder crops whom it was not" in card.thresholds_source
    assert [t.fmr for t in card.thresholds] == [1e-2, 1e-3, 1e-4]
    assert (card.extra["recipe"]["loss"], card.extra["recipe"]["step"]) == ("cosface", 4)
    assert str(tmp_path) not in card.to_json()
    assert locate(tmp_path / "mine.onnx").card == card


def test_an_embedder_of_that_file_is_the_network_that_was_trained(run, crops, tmp_path):
    ship(run, Wanted(tmp_path / "mine.onnx"))
    net, _ = weights(Run(run), RECIPE)
    images = np.array(np.load(run / "faces-32.npy")[:5])
    assert np.allclose(
        load_embedder(str(tmp_path / "mine.onnx"))(images), embed(net, images), atol=1e-5
    )


def test_it_is_the_same_file_each_time(run, tmp_path):
    ship(run, Wanted(tmp_path / "mine.onnx"))
    before = [(tmp_path / f"mine.{ending}").read_bytes() for ending in ("onnx", "json")]
    ship(run, Wanted(tmp_path / "mine.onnx"))
    assert before == [(tmp_path / f"mine.{ending}").read_bytes() for ending in ("onnx", "json")]


def test_eight_bits_say_how_near_they_are(run, tmp_path):
    card = ship(run, Wanted(tmp_path / "small.onnx", name="small one", int8=True))
    told = card.extra["int8"]
    assert 0.9 < told["lowest"] <= told["mean"] <= 1
    assert told["calibrated_on"] == 16
    assert card.bytes < 0.5 * told["float_bytes"]
    assert (card.name, card.title) == ("small one", "resnet-s trained with cosface, int8")
    assert locate(tmp_path / "small.onnx").card == card


def test_measured_on_other_people(run, crops, tmp_path):
    other = shutil.copytree(crops, tmp_path / "others")
    card = ship(run, Wanted(tmp_path / "mine.onnx", measure=other))
    assert "32 faces of 8 people of the folder others:" in card.thresholds_source
    own = ship(run, Wanted(tmp_path / "mine.onnx", measure=crops))
    assert "whom it was not trained on" in own.thresholds_source
    for name in ("004", "005", "006", "007", "003"):
        shutil.rmtree(other / name)
    with pytest.raises(FusiformError, match=r"there are 3, of the folder others. Name more"):
        ship(run, Wanted(tmp_path / "mine.onnx", measure=other))


def test_nobody_to_measure_on(crops, tmp_path):
    every = Recipe(**{**vars(RECIPE), "val": 0.0})
    train_recogniser(listed(crops, 32), tmp_path / "run", every)
    with pytest.raises(FusiformError, match="held nobody out"):
        ship(tmp_path / "run", Wanted(tmp_path / "mine.onnx"))
    other = shutil.copytree(crops, tmp_path / "others")
    assert ship(tmp_path / "run", Wanted(tmp_path / "mine.onnx", measure=other)).grouping


def test_what_cannot_be_shipped_is_one_sentence(run, crops, tmp_path):
    wanted = Wanted(tmp_path / "mine.onnx")
    with pytest.raises(FusiformError, match="is no training run: it has no options"):
        ship(tmp_path / "nothing", wanted)
    with pytest.raises(ChoiceError, match="the ending of --out must be"):
        ship(run, Wanted(tmp_path / "mine.pt"))
    (crops / "000" / "0.png").unlink()
    with pytest.raises(FusiformError, match=r"has changed since the run. Name people"):
        ship(run, wanted)
    best = run / "best.safetensors"
    best.write_bytes(best.read_bytes()[:50])
    with pytest.raises(FusiformError, match=r"is damaged .*Delete it to take last\.safetensors"):
        ship(run, wanted)
    for name in ("best", "last"):
        (run / f"{name}.safetensors").unlink()
    with pytest.raises(FusiformError, match="has no weights yet"):
        ship(run, wanted)
    options = json.loads((run / "options.json").read_text())
    (run / "options.json").write_text(json.dumps(options | {"net": "paper"}))
    with pytest.raises(FusiformError, match=r"is no run of a recogniser \(net must be"):
        recipe_of(Run(run))


def test_the_card_states_what_was_left_to_be_usual(run, tmp_path):
    recipe = ship(run, Wanted(tmp_path / "mine.onnx")).extra["recipe"]
    assert (recipe["margin"], recipe["scale"], recipe["rate"]) == (0.35, 32.0, 0.1)


def test_data_named_by_a_relative_path_is_found_again(crops, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_recogniser(listed(Path("crops"), 32), Path("run"), RECIPE)
    assert "4 people of the folder crops" in ship(Path("run"), Wanted(Path("m.onnx"))).training_data


def test_weights_that_were_altered_are_not_exported(run, tmp_path):
    best = run / "best.safetensors"
    data = bytearray(best.read_bytes())
    data[-40:-20] = bytes(20)
    best.write_bytes(data)
    with pytest.raises(FusiformError, match="its contents are not those that were written"):
        ship(run, Wanted(tmp_path / "mine.onnx"))


def test_weights_of_another_network_are_told(run, tmp_path):
    options = json.loads((run / "options.json").read_text())
    (run / "options.json").write_text(json.dumps(options | {"dim": 8}))
    with pytest.raises(
        FusiformError, match=r"does not hold weights of this network \(.*same --net"
    ):
        ship(run, Wanted(tmp_path / "mine.onnx"))


def test_a_model_and_the_card_of_another(run, tmp_path):
    ship(run, Wanted(tmp_path / "mine.onnx"))
    ship(run, Wanted(tmp_path / "small.onnx", int8=True))
    shutil.copy(tmp_path / "small.json", tmp_path / "mine.json")
    with pytest.raises(ModelDamaged, match=r"its sha256 is .* but its card mine.json is of"):
        locate(tmp_path / "mine.onnx")
