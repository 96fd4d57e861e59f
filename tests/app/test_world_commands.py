"""`fusiform world` as a user meets it: files, answers, exit codes, errors in one sentence."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from fusiform.app import world_commands, world_output
from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.geometry import kernel
from fusiform.lab.world import samples
from fusiform.lab.world.labels import MAPS
from fusiform.lab.world.pack import read_pack, verify_pack

WORLD = get_command(app).commands["world"].commands
PAGE = (Path(__file__).parents[2] / "docs" / "world.md").read_text("utf-8")
SMALL = ("--seed", 5, "--size", 32)


def world(*words: object) -> tuple[str, str]:
    """(stdout, stderr) of a command that succeeds."""
    told = ["world", *map(str, words)]
    done = CliRunner().invoke(app, told, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def refused(*words: object) -> FusiformError:
    """The error that a command ends with."""
    error = CliRunner().invoke(app, ["world", *map(str, words)]).exception
    assert isinstance(error, FusiformError)
    assert "\n" not in str(error)
    return error


# Help


@pytest.mark.parametrize("verb", WORLD)
def test_help_has_examples_that_parse(verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["world", verb, "--help"]).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "<bool>" not in shown
    found = re.findall(r"^ *fusiform world (.+)$", WORLD[verb].help, re.MULTILINE)
    assert found
    for words in map(shlex.split, found):
        assert words[0] == verb
        WORLD[verb].make_context(verb, words[1:]).close()


@pytest.mark.parametrize("verb", WORLD)
def test_the_page_documents_every_option(verb):
    for option in WORLD[verb].params:
        assert option.opts[0].lstrip("-") in PAGE or option.opts[0] == "--help"


def test_starting_up_leaves_the_lab_alone(program):
    code = f"import sys; sys.argv = ['fusiform', '--version']\n{program[2]}"
    code = code.replace(
        "main()", "from contextlib import suppress\nwith suppress(SystemExit):main()"
    )
    code += "\nprint([m for m in ('numba', 'torch', 'av', 'fusiform.lab') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


# Pictures


def test_a_person_with_labels(tmp_path):
    out, labels = tmp_path / "a.png", tmp_path / "a.json"
    _, told = world("person", *SMALL, "--id", 2, "--out", out, "--labels", labels)
    assert told.replace("\n", "").endswith("a.npz")
    with Image.open(out) as picture:
        assert (picture.size, picture.info["Comment"]) == ((32, 32), "synthetic: fusiform world")
    facts = json.loads(labels.read_text("utf-8"))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    assert facts["person"] == 2
    assert set(facts["maps"]) == set(MAPS)
    assert set(facts["maps"].values()) == {"a.npz"}
    assert set(facts["arrays"]) | set(facts["maps"]) == set(arrays)
    assert np.allclose(facts["arrays"]["points68"], arrays["points68"], atol=1e-5)
    assert arrays["parsing"].shape == (32, 32)


def test_a_person_is_the_one_of_the_pack(tmp_path):
    out = tmp_path / "a.jpg"
    words = ["--preset", "recognition", "--id", 1, "--image", 7, "--out", out]
    answer = json.loads(world("person", *SMALL, *words, "--json")[0])
    options = samples.Options("recognition", 5, 32)
    members = samples.sample(options, samples.key_of(1, 7))
    assert out.read_bytes() == members["jpg"]
    stored = json.loads(members["json"])
    assert {name: answer[name] for name in stored} == stored
    assert answer["picture"] == str(out)


def test_what_is_asked_for_is_shown(tmp_path):
    words = ["--age", 70, "--style", "mohawk", "--expression", "laugh", "--yaw", 30, "--roll", -5]
    told = json.loads(world("person", *SMALL, *words, "--out", tmp_path / "b.jpg", "--json")[0])
    assert told["age"] == 70
    assert told["attributes"]["hair"] == "mohawk"
    assert told["blendshapes"]["jawOpen"] > 0.3
    assert told["pose"]["yaw"] == pytest.approx(30, abs=3)
    assert told["pose"]["roll"] == pytest.approx(-5, abs=3)


def test_a_sheet(tmp_path):
    out = tmp_path / "s.jpg"
    told = json.loads(world("sheet", "visemes", *SMALL, "--count", 2, "--out", out, "--json")[0])
    with Image.open(out) as picture:
        assert list(picture.size) == told["size"] == [66, 32]
    assert "written" in world("sheet", *SMALL, "--count", 1, "--out", tmp_path / "s.png")[1]


def test_presets():
    shown, _ = world("presets")
    told = json.loads(world("presets", "--json")[0])
    assert list(told) == [line.split()[0] for line in shown.splitlines()[1:]]
    assert all(f"`{name}`" in PAGE for name in told)


# Packs


def test_a_pack_and_going_on(tmp_path):
    words = ["pack", tmp_path / "faces", *SMALL, "--people", 2, "--images", 1, "--workers", 1]
    first = json.loads(world(*words, "--json")[0].splitlines()[-1])
    assert list(first) == [
        "people", "images", "seconds", "images_per_second", "folder", "digest",
    ]  # fmt: skip
    assert (first["people"], first["images"], first["folder"]) == (2, 2, str(tmp_path / "faces"))
    assert first["digest"] == verify_pack(tmp_path / "faces").digest
    again = json.loads(world(*words, "--json")[0])
    assert (again["digest"], again["images_per_second"]) == (first["digest"], 0)
    shown, _ = world(*words)
    assert shown.startswith("2 pictures of 2 people")
    assert "option seed was 5, now 6" in str(refused(*words, "--seed", 6))
    assert "option size" in str(refused(*words, "--size", 48))


def test_a_pack_of_other_labels(tmp_path):
    words = ["--people", 1, "--images", 1, "--workers", 1, "--labels", "parsing,depth"]
    world("pack", tmp_path, *SMALL, *words, "--format", "png")
    ((_, members),) = read_pack(tmp_path)
    assert set(members) == {"png", "json", "npz"}


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    # compiled code is cached on the disk, too: that it cannot be is another matter
    world("person", *SMALL, "--out", tmp_path / "first.png")
    monkeypatch.setattr("os.fsync", full)
    words = [tmp_path / "faces", *SMALL, "--people", 1, "--images", 1, "--workers", 1]
    assert "disk is full" in str(refused("pack", *words))
    monkeypatch.undo()
    monkeypatch.setattr("os.replace", full)
    told = refused("person", *SMALL, "--out", tmp_path / "a.png")
    assert "a.png cannot be written: No space left" in str(told)
    assert not list(tmp_path.glob("*.part*")) + list(tmp_path.glob(".*.part*"))


# Clips


def test_a_clip(tmp_path):
    pytest.importorskip("av")
    out = tmp_path / "idle.mp4"
    words = [*SMALL, "--seconds", 0.1, "--fps", 20, "--emotion", "happy", "--out", out, "--json"]
    told = json.loads(world("clip", *words)[0])
    assert (told["frames"], told["fps"], told["seconds"]) == (2, 20, 0.1)
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".npz", ".json"}
    assert told["clip"] == str(out)


def test_a_clip_with_a_voice(tmp_path):
    av = pytest.importorskip("av")
    pytest.importorskip("espeakng_loader")
    out = tmp_path / "said.mp4"
    world("clip", *SMALL, "--text", "Ah", "--fps", 5, "--out", out)
    told = json.loads((tmp_path / "said.json").read_text("utf-8"))
    assert [word for word, _, _ in told["words"]] == ["Ah"]
    with av.open(str(out)) as file:
        assert {stream.type for stream in file.streams} == {"video", "audio"}


# Errors


@pytest.mark.parametrize(
    "words",
    [
        ("person", "--out", "a.gif"),
        ("person", "--out", "a.png", "--labels", "a.txt"),
        ("person", "--out", "a.png", "--preset", "passport"),
        ("person", "--out", "a.png", "--style", "toupee"),
        ("person", "--out", "a.png", "--expression", "hangry"),
        ("person", "--out", "a.png", "--size", "3"),
        ("person", "--out", "a.png", "--age", "200"),
        ("sheet", "cats", "--out", "a.jpg"),
        ("sheet", "--out", "a.mp4"),
        ("sheet", "--count", "0", "--out", "a.jpg"),
        ("pack", "p", "--labels", "mood"),
        ("pack", "p", "--labels", ""),
        ("pack", "p", "--labels", "points,"),
        ("pack", "p", "--format", "gif"),
        ("pack", "p", "--people", "0"),
        ("pack", "p", "--workers", "-1"),
        ("clip", "--out", "a.avi"),
        ("clip", "--out", "a.mp4", "--emotion", "hangry"),
        ("clip", "--out", "a.mp4", "--seconds", "0"),
        ("clip", "--out", "a.mp4", "--text", "x", "--language", "klingon"),
    ],
)
def test_wrong_usage_is_one_sentence(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = refused(*words)
    assert isinstance(error, ChoiceError)
    assert "must be" in str(error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--id", "--seed", "--image"])
def test_numbers_below_nought_are_refused_by_their_option(option, tmp_path):
    run = CliRunner().invoke(
        app, ["world", "person", "--out", str(tmp_path / "a.png"), option, "-1"]
    )
    assert run.exit_code == 2
    assert option in run.output


def test_the_first_time_is_told(monkeypatch, capsys):
    monkeypatch.setattr(kernel, "on_disk", lambda function: False)
    world_output.tell_first_time()
    assert "once" in capsys.readouterr().err
    monkeypatch.setattr(kernel, "on_disk", lambda function: True)
    world_output.tell_first_time()
    assert capsys.readouterr().err == ""


def test_missing_folders_are_named(tmp_path):
    for words in (("person", "--out"), ("sheet", "--out"), ("clip", "--out")):
        ending = "mp4" if words[0] == "clip" else "jpg"
        told = refused(*words, tmp_path / "gone" / f"a.{ending}")
        assert "there is no folder" in str(told)
    (tmp_path / "file").write_text("x")
    words = ["--people", 1, "--images", 1, *SMALL]
    assert "is a file" in str(refused("pack", tmp_path / "file", *words))
    assert "no folder" in str(refused("person", "--out", tmp_path / "file" / "a.png"))


@pytest.mark.parametrize(
    ("module", "extra"), [("numba", "world"), ("av", "world"), ("espeakng_loader", "speech")]
)
def test_missing_extras_are_named(module, extra, monkeypatch):
    monkeypatch.setattr(world_output, "find_spec", lambda name: None)
    with pytest.raises(FusiformError, match=re.escape(f'pip install "fusiform[{extra}]"')):
        world_output.need(module)
    with (
        pytest.raises(FusiformError, match=re.escape(f'pip install "fusiform[{extra}]"')),
        world_output.extras(),
    ):
        raise ModuleNotFoundError(name=f"{module}.core")


def test_our_own_missing_module_is_no_missing_extra():
    with pytest.raises(ModuleNotFoundError), world_output.extras():
        raise ModuleNotFoundError(name="fusiform.lab.nothing")


def test_without_the_extras_a_command_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(world_output, "find_spec", lambda name: None)
    assert '"fusiform[world]"' in str(refused("clip", "--out", tmp_path / "a.mp4"))
    monkeypatch.setattr(world_commands, "picture_of", without_numba)
    assert '"fusiform[world]"' in str(refused("person", "--out", tmp_path / "a.png"))


def without_numba(*_: object) -> None:
    raise ModuleNotFoundError("No module named 'numba'", name="numba")


# Numbers that no picture can have


@pytest.mark.parametrize("angle", ["nan", "inf", "400"])
@pytest.mark.parametrize("axis", ["yaw", "pitch", "roll"])
def test_angles_of_no_head(tmp_path, axis, angle):
    error = refused("person", "--out", tmp_path / "a.png", f"--{axis}", angle, *SMALL)
    assert str(error).startswith(f"{axis} must be -180 to 180")


@pytest.mark.parametrize(
    "words",
    [
        ("--seconds", "nan"),
        ("--seconds", "inf"),
        ("--seconds", "1e9"),
        ("--fps", "nan"),
        ("--fps", "100000"),
        ("--size", 65),
    ],
)
def test_clips_that_cannot_be(tmp_path, words):
    assert isinstance(refused("clip", "--out", tmp_path / "a.mp4", *words), ChoiceError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [("--count", 10**8, "--size", 64), ("--count", 400, "--size", 2048)]
)
def test_sheets_too_large(tmp_path, words):
    assert "count" in str(refused("sheet", "--out", tmp_path / "a.jpg", *words))


def test_sheets_say_what_they_are(tmp_path):
    world("sheet", "--out", tmp_path / "a.jpg", "--count", 2, *SMALL)
    with Image.open(tmp_path / "a.jpg") as picture:
        assert b"synthetic" in picture.info["comment"]


def test_more_people_are_another_pack(tmp_path):
    world("pack", tmp_path / "p", "--people", 1, "--images", 1, "--workers", 1, *SMALL)
    words = ("pack", tmp_path / "p", "--people", 2, "--images", 1, "--workers", 1, *SMALL)
    assert "option people was 1, now 2" in str(refused(*words))
