"""`fusiform train` and `fusiform export-model` as a user meets them, up to people in a gallery."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from test_json import assert_complete
from typer.main import get_command
from typer.testing import CliRunner

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from fusiform.api import Gallery
from fusiform.app import train_commands
from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.recogniser.choices import LOSSES, NETS
from fusiform.lab.train.loop import OPTIMISERS, PRECISIONS

FEW = ("--steps", 4, "--batch", 8, "--size", 48, "--dim", 16)


def run(*words: object, code: int = 0) -> tuple[str, str]:
    """(stdout, stderr) of a command."""
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def refused(*words: object) -> FusiformError:
    """The error that a command ends with."""
    error = CliRunner().invoke(app, list(map(str, words))).exception
    assert isinstance(error, FusiformError), error
    assert "\n" not in str(error)
    return error


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Path:
    """Seven people of the world with two pictures each."""
    folder = tmp_path_factory.mktemp("world") / "faces"
    words = ("--people", 7, "--images", 2, "--size", 64, "--workers", 1)
    run("world", "pack", folder, *words)
    return folder


@pytest.fixture
def crops(tmp_path) -> Path:
    """Eight people with three patterns each, as a folder of crops."""
    draw = np.random.default_rng(0)
    for name in range(8):
        (tmp_path / "crops" / f"{name}").mkdir(parents=True)
        for number in range(3):
            picture = draw.integers(0, 256, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "crops" / f"{name}" / f"{number}.png")
    return tmp_path / "crops"


@pytest.mark.parametrize("verb", ["train", "export-model"])
def test_help_has_examples_that_parse(verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = run(verb, "--help")[0]
    assert max(map(len, shown.splitlines())) <= 80
    command = get_command(app).commands[verb]
    known = {name for p in command.params for name in p.opts}
    found = re.findall(rf"^ *fusiform {verb} (.+)$", command.help, re.MULTILINE)
    assert found
    for words in map(shlex.split, found):
        assert {word for word in words if word.startswith("--")} <= known


def test_help_names_every_network_and_loss(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = run("train", "--help")[0]
    assert all(name in shown for name in (*NETS, *LOSSES, *OPTIMISERS, *PRECISIONS))


def test_from_synthetic_people_to_people_in_a_gallery(pack, album, tmp_path):
    folder, model = tmp_path / "run", tmp_path / "mine.onnx"
    shown, told = run("train", pack, "--out", folder, *FEW)
    assert "6 faces of 3 people to train on, 8 faces of others held out" in told
    assert shown.startswith("4 steps on 3 people, loss ")
    ElementTree.parse(folder / "curves.svg")
    shown, told = run("export-model", folder, "--out", model, "--licence", "CC0-1.0")
    assert "grouping from an average similarity of" in shown
    card = json.loads(model.with_suffix(".json").read_text())
    assert card["size"] == 48
    assert "of the pack of synthetic people faces" in card["training_data"]
    place = ("--gallery", tmp_path / "new.db")
    done = json.loads(
        run("index", album, *place, "--embedder", model, "--json")[0].splitlines()[-1]
    )
    assert (done["faces"], done["embedder"]) == (9, "mine")
    assert done["people"] >= 1
    people = json.loads(run("people", *place, "--json")[0])
    assert sum(len(person["faces"]) for person in people) == 9
    # found without a threshold of the user's own: the card states it
    run("find", album / "grace_hopper.jpg", *place)


def test_a_gallery_moves_over_to_it(pack, folder, tmp_path):
    model, place = tmp_path / "mine.onnx", ("--gallery", tmp_path / "old.db")
    run("train", pack, "--out", tmp_path / "run", *FEW)
    run("export-model", tmp_path / "run", "--out", model)
    run("index", folder, *place)
    run("name", 1, "Ada Lovelace", *place)
    told = json.loads(run("reembed", model, "--switch", *place, "--json")[0])
    assert (told["embedded"], told["switched"]) == (4, True)
    with Gallery(tmp_path / "old.db") as gallery:
        assert gallery.models.embedder.card.name == "mine"
        assert "Ada Lovelace" in {person.name for person in gallery.people()}


def test_json_is_as_the_page_has_it(tmp_path):
    draw = np.random.default_rng(0)
    for person in range(20):
        (tmp_path / "crops" / f"{person}").mkdir(parents=True)
        for number in range(4):
            picture = Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8))
            picture.save(tmp_path / "crops" / f"{person}" / f"{number}.png")
    few = ("--steps", 2, "--batch", 8, "--size", 32, "--dim", 8, "--val", 0.7)
    told = json.loads(
        run("train", tmp_path / "crops", "--out", tmp_path / "run", *few, "--json")[0]
    )
    assert_complete("train", told)
    assert (told["done"], told["people"], told["held_out"]) == (2, 6, 14)
    assert Path(told["curves"]).is_file()
    words = ("export-model", tmp_path / "run", "--out", tmp_path / "mine.onnx", "--json")
    plain, small = (json.loads(run(*words, *more)[0]) for more in ((), ("--int8",)))
    assert plain["int8"] is None
    assert_complete("export-model", plain, small)
    assert Path(small["card"]).is_file()


def test_ctrl_c_saves_and_the_same_command_goes_on(program, crops, tmp_path):
    words = ["train", str(crops), "--out", str(tmp_path / "run"), "--size", "48", "--batch", "8"]
    words += ["--steps", "9000", "--val", "0"]
    process = subprocess.Popen([*program, *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()  # "24 faces of ..."
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "24 faces of 8 people" in first
    assert "stopping after this step" in told
    saved = int(re.search(r"step ([\d,]+) of 9,000 is saved in", told)[1].replace(",", ""))
    assert "run it again to go on" in told
    kept = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert int(kept[-1].stem) == saved


def test_the_second_ctrl_c_ends_at_once():
    before = signal.getsignal(signal.SIGINT)
    told: list[str] = []
    with train_commands.stopping(told.append, several=False) as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        assert told == ["stopping after this step; once more to stop at once"]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_processes_of_torchrun_end_alone_after_their_step():
    """For each gets the signal twice."""
    told: list[str] = []
    with train_commands.stopping(told.append, several=True) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
    assert set(told) == {"stopping after this step"}


def test_two_processes_train_one_network(crops, tmp_path):
    """What torchrun starts joins, and one of them alone speaks and writes."""
    out = tmp_path / "run"
    words = ["train", crops, "--out", out, *FEW, "--sample", 0.5, "--val", 0.5]
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node 2 -m fusiform".split()
    done = subprocess.run(
        [sys.executable, *torchrun, *map(str, words)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 steps on 4 people, loss ") == 1
    assert done.stderr.count("12 faces of 4 people to train on") == 1
    names = {path.name for path in (out / "checkpoints").iterdir()}
    assert names == {f"000000004{e}.safetensors" for e in ("", ".shard0of2", ".shard1of2")}
    rows = map(json.loads, (out / "stats.jsonl").read_text().splitlines())
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4]
    run("export-model", out, "--out", tmp_path / "mine.onnx")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--net", "resnet-x"], "net must be one of 'resnet-s'"),
        (["--loss", "tripled"], "loss must be one of 'softmax'"),
        (["--loss", "softmax", "--margin", "0.3"], "softmax has none"),
        (["--device", "abacus"], "device must be one of 'auto', 'cpu'"),
        (["--sample", "2"], "sample must be above 0 to 1"),
        (["--pictures", "oil"], "kind of pictures must be one of"),
        (["--epochs", "2", "--steps", "9"], "--epochs and --steps must be given one at a time"),
        (["--size", "16"], "size must be 32 to 512"),
    ],
)
def test_senseless_options_are_one_sentence(crops, tmp_path, words, told):
    error = refused("train", crops, "--out", tmp_path / "run", *words)
    assert isinstance(error, ChoiceError)
    assert told in str(error)
    assert not (tmp_path / "run" / "stats.jsonl").exists()


def test_data_that_is_none_is_one_sentence(crops, pack, tmp_path):
    out = ("--out", tmp_path / "run")
    assert "does not exist; give a pack" in str(refused("train", tmp_path / "gone", *out))
    (tmp_path / "alone" / "ada").mkdir(parents=True)
    (crops / "0" / "0.png").rename(tmp_path / "alone" / "ada" / "0.png")
    assert "alone: There are faces of 1 person; it takes 6" in str(
        refused("train", tmp_path / "alone", *out)
    )
    half = tmp_path / "half"
    half.mkdir()
    manifest = json.loads((pack / "manifest.json").read_text())
    del manifest["digest"]
    (half / "manifest.json").write_text(json.dumps(manifest))
    assert "holds no finished pack" in str(refused("train", half, *out))
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "labels.txt").write_text("a.jpg 1\n")
    assert "has no folders of pictures" in str(refused("train", tmp_path / "lists", *out))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_left_alone(crops, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("dear")
    error = refused("train", crops, "--out", tmp_path / "run", *FEW)
    assert "is not empty and no training run" in str(error)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["letter.txt"]


def test_exports_that_cannot_be_are_one_sentence(tmp_path):
    (tmp_path / "run").mkdir()
    out = ("--out", tmp_path / "m.onnx")
    assert "is no training run" in str(refused("export-model", tmp_path / "run", *out))
    wrong = ("--out", tmp_path / "m.pt")
    assert "the ending of --out" in str(refused("export-model", tmp_path / "run", *wrong))
    lost = ("--out", tmp_path / "gone" / "m.onnx")
    assert "there is no folder" in str(refused("export-model", tmp_path / "run", *lost))
