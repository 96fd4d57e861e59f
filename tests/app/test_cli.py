"""The command line as a user meets it: help, answers, exit codes, errors in one sentence."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from fusiform.app import terminal
from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, GalleryError, PictureTooLarge
from fusiform.core.pictures import read

TREE = get_command(app)
OWN = sorted(name for name in TREE.commands if name not in ("bench", "papers", "world"))


# Help


def examples(verb: str) -> list[list[str]]:
    text = TREE.commands[verb].help.split("Examples:")[1]
    return [shlex.split(line)[1:] for line in re.findall(r"^ *(fusiform .+)$", text, re.MULTILINE)]


def test_python_runs_it_too():
    told = [sys.executable, "-m", "fusiform", "--version"]
    done = subprocess.run(told, capture_output=True, text=True, check=True)
    assert done.stdout == CliRunner().invoke(app, ["--version"]).output


@pytest.mark.parametrize("verb", OWN)
def test_every_example_parses(verb):
    found = examples(verb)
    assert found
    for words in found:
        assert words[0] == verb
        command = TREE.commands[verb]
        with command.make_context(verb, words[1:]) as context:
            assert context.command is command


@pytest.mark.parametrize("verb", OWN)
def test_help_fits_eighty_columns_and_hides_the_type_of_flags(verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [verb, "--help"]).stdout
    assert "Examples:" in shown
    assert "--json" in shown
    assert "<bool>" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_bare_command_shows_what_there_is(run):
    shown = run()
    assert all(verb in shown.stdout for verb in OWN)
    assert "<bool>" not in shown.stdout
    assert re.fullmatch(r"fusiform \d+\.\d+\.\d+\n", run("--version").stdout)


def test_completion_is_there(run):
    shown = run("--show-completion", "bash")
    assert "complete" in shown.stdout + shown.stderr


# Answers


def test_people_as_a_table(invoke):
    invoke("name", 1, "李 [bold]明[/bold]")
    code, shown, told = invoke("people")
    head, *rows = shown.splitlines()
    assert (code, told) == (0, "")
    assert head.split() == ["person", "name", "faces", "photos", "clearest", "photo"]
    assert len(rows) == 2
    named = next(row for row in rows if "李 [bold]明[/bold]" in row)
    # wide letters take two columns
    assert named.index("李") == head.index("name")
    assert all(Path(row.split("  ")[-1]).is_file() for row in rows)


def test_long_paths_stay_in_one_piece(invoke, tmp_path, album):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    shutil.copy(album / "grace_hopper.jpg", folder)
    invoke("index", folder, "--gallery", tmp_path / "long.db")
    for verb in (["people"], ["show", 1], ["find", folder / "grace_hopper.jpg"]):
        _, shown, _ = invoke(*verb, "--gallery", tmp_path / "long.db")
        assert any(line.endswith(str(folder / "grace_hopper.jpg")) for line in shown.splitlines())


def test_an_empty_gallery_says_so(invoke, tmp_path):
    (tmp_path / "nothing").mkdir()
    code, shown, _ = invoke("index", tmp_path / "nothing", "--gallery", tmp_path / "empty.db")
    assert (code, shown[:24]) == (0, "0 new photos, 0 faces; 0")
    code, shown, told = invoke("people", "--gallery", tmp_path / "empty.db")
    assert (code, shown) == (0, "")
    assert told.startswith("nobody yet; `fusiform index FOLDER`")


def test_index_tells_what_is_left_out(invoke, tmp_path, album):
    shutil.copy(album / "eileen_collins.jpg", tmp_path / "copy.jpg")
    for i in range(12):
        (tmp_path / f"text{i:02}.jpg").write_text("no picture")
    code, shown, told = invoke("index", tmp_path, album)
    assert code == 0
    parts = shown.split("; ")
    assert parts[:4] == [
        "0 new photos, 0 faces", "12 unreadable", "9 known already", "1 known under another path",
    ]  # fmt: skip
    lines = told.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith(f"skipped {tmp_path}/text00.jpg: is no picture of a known format; ")
    assert lines[-1] == "... and 2 more (--json lists all)"


def test_a_missing_folder_fails(invoke, tmp_path):
    code, _, told = invoke("index", tmp_path / "gone")
    assert code == 1
    assert "gone: does not exist; check the path" in told


def test_name_find_and_forget(invoke, album):
    _, shown, _ = invoke("find", album / "grace_hopper.jpg", "--count", 1)
    number = shown.splitlines()[-1].split()[0]
    assert invoke("name", number, "Grace Hopper")[1] == f"Grace Hopper (number {number}): 4 faces\n"
    code, shown, _ = invoke("find", "grace hopper")
    assert code == 0
    assert (shown.count("grace_hopper"), shown.count("both_collage")) == (3, 1)
    code, _, told = invoke("forget", "Grace Hopper", answers="n\n")
    assert (code, "Erase Grace Hopper (4 faces) for good?" in told) == (1, True)
    assert "erased: 4 faces" in invoke("forget", "Grace Hopper", answers="y\n")[1]
    assert len(invoke("people")[1].splitlines()) == 2


def test_find_in_words(invoke, album):
    _, shown, _ = invoke("find", album / "both_collage.jpg", "--count", 1)
    assert re.search(r"^face 1 at [\d ]+: 1 match$", shown, re.MULTILINE)
    _, shown, _ = invoke("find", album / "cat_chelsea.jpg")
    assert shown.endswith("cat_chelsea.jpg: 0 faces\n")


def test_verify_in_words(invoke, album):
    a, b, cat = (album / f"{n}.jpg" for n in ("grace_hopper", "eileen_collins", "cat_chelsea"))
    mirrored = album / "grace_hopper_mirrored.jpg"
    assert invoke("verify", a, mirrored)[1].startswith("same person: similarity 0.9")
    assert invoke("verify", a, mirrored, "--exit-code")[0] == 0
    code, shown, _ = invoke("verify", a, b, "--exit-code")
    assert (code, shown.split(":")[0]) == (terminal.NO, "different people")
    assert invoke("verify", a, b)[0] == 0
    shown = invoke("verify", a, cat)[1]
    assert shown == "cannot tell: faces found in the two pictures: 1 and 0\n"


def test_drawings(invoke, album, tmp_path):
    a, b, cat = (album / f"{n}.jpg" for n in ("both_collage", "eileen_collins", "cat_chelsea"))
    drawn = {
        "people.jpg": ("people", "--sheet"),
        "find.png": ("find", a, "--draw"),
        "nobody.png": ("find", cat, "--draw"),
        "verify.jpg": ("verify", a, b, "--draw"),
        "cannot.jpg": ("verify", a, cat, "--draw"),
        "detect.webp": ("detect", a, "--draw"),
    }
    for name, words in drawn.items():
        code, _, told = invoke(*words, tmp_path / name)
        assert (code, told) == (0, f"drawn: {tmp_path / name}\n")
        assert read(tmp_path / name).std() > 5
    assert (read(tmp_path / "detect.webp").shape) == read(a).shape
    with pytest.raises(ChoiceError, match="--draw must be used with one picture"):
        invoke("detect", album, "--draw", tmp_path / "many.jpg")


def test_detect_shows_each_picture_as_it_goes(invoke, album, monkeypatch):
    code, shown, _ = invoke("detect", album / "both_collage.jpg", album / "cat_chelsea.jpg")
    lines = shown.splitlines()
    assert code == 0
    assert lines[0].endswith("both_collage.jpg: 2 faces (by dlib-hog)")
    assert lines[1].split() == ["box", "score"]
    assert len(lines[2].split()) == 5
    assert lines[4].endswith("cat_chelsea.jpg: 0 faces (by dlib-hog)")


def test_small_faces_reach_the_detector(invoke, album, tmp_path):
    wall = Image.new("RGB", (2400, 1800), (90, 110, 90))
    with Image.open(album / "grace_hopper.jpg") as image:
        wall.paste(image.resize((image.width // 3, image.height // 3)), (1200, 700))
    wall.save(tmp_path / "wall.png")
    assert "0 faces" in invoke("detect", tmp_path / "wall.png")[1]
    assert "1 face " in invoke("detect", tmp_path / "wall.png", "--small-faces")[1]


def test_models_in_words(invoke):
    _, shown, _ = invoke("models")
    assert re.search(r"^dlib-resnet +embedder +ready +CC0-1.0 ", shown, re.MULTILINE)


# Errors and exit codes


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["show", "nobody"], 1, "no person 'nobody' in"),
        (["find", "nosuch.jpg"], 1, "nosuch.jpg: does not exist, and nobody has that name"),
        (["people", "-g", "nowhere.db"], 1, "nowhere.db does not exist; make it with"),
        (["verify", "a.jpg", "b.jpg"], 1, "a.jpg: does not exist; check the path"),
        (["verify", "a.jpg", "b.jpg", "--fmr", "0.5"], 2, "fmr must be one of"),
        (
            ["detect", "x", "--detector", "hog"],
            2,
            "model must be one of 'dlib-hog', 'yunet-n', 'yunet-s', 'the",
        ),
        (["detect", "x", "--detector", "own.onnx"], 1, "own.onnx: no such file"),
        (["pull", "yunet-s", "--from", "gone.onnx"], 1, "gone.onnx"),
        (["name", "1", "  "], 2, "name must be text that is not a number"),
        (["index", "x", "--limit", "7"], 2, "limit must be a similarity"),
        (["index", "x", "--workers", "0"], 2, "--workers"),
        (["index"], 2, "Missing argument"),
        (["vreify"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_are_one_sentence_and_a_code(run, copied, tmp_path, words, code, sentence):
    if words[0] == "detect":
        shutil.copy(Path(__file__).parents[2] / "fusiform/album/cat_chelsea.jpg", tmp_path / "x")
    done = run(*words, cwd=tmp_path, FUSIFORM_GALLERY=str(copied))
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_person_is_suggested(run, copied):
    run("name", 1, "Grace Hopper", FUSIFORM_GALLERY=str(copied))
    done = run("show", "Grace Hoper", FUSIFORM_GALLERY=str(copied))
    assert (done.returncode, "did you mean 'Grace Hopper'?" in done.stderr) == (1, True)


def test_a_reader_who_stops_reading_is_no_error(program, copied):
    words = [*program, "people", "--json", "--gallery", str(copied)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.close()
        assert child.stderr
        assert child.stderr.read() == b""
    assert child.returncode == 1


def test_control_characters_do_not_reach_the_terminal(invoke, tmp_path, album):
    evil = tmp_path / "a\x1b[2J\nskipped b.jpg"
    shutil.copy(album / "grace_hopper.jpg", evil)
    (tmp_path / "text\x1b[1m.jpg").write_text("no picture")
    shown = "".join(invoke("index", evil, tmp_path, "-g", tmp_path / "evil.db")[1:])
    for words in (["people"], ["show", 1], ["detect", evil], ["find", evil]):
        picture = [] if words[0] == "detect" else ["-g", tmp_path / "evil.db"]
        shown += "".join(invoke(*words, *picture)[1:])
    assert "\x1b" not in shown
    assert "a\\x1b[2J\\x0askipped b.jpg" in shown


def test_any_name_can_be_printed_anywhere(run, tmp_path, album):
    folder = tmp_path / "Ünïcode 写真 🙂"
    folder.mkdir()
    shutil.copy(album / "cat_chelsea.jpg", folder / "кот.jpg")
    name = os.fsdecode(b"\xff\xfe.jpg")
    shutil.copy(album / "cat_chelsea.jpg", folder / name)
    for encoding in ("ascii", "utf-8", "latin-1"):
        done = run("detect", folder, "--json", PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")
        photos = [entry["photo"] for entry in json.loads(done.stdout)]
        assert photos == [f"{folder}/кот.jpg", f"{folder}/{name}"]
    for encoding in ("ascii", "utf-8"):
        shown = run("detect", folder, PYTHONIOENCODING=encoding).stdout
        assert shown.count("0 faces") == 2


def test_a_fault_of_ours_is_not_hidden(monkeypatch, album):
    monkeypatch.setattr("fusiform.api.detect", lambda *_, **__: 1 / 0)
    assert isinstance(CliRunner().invoke(app, ["detect", str(album)]).exception, ZeroDivisionError)


# Interruption and the network


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_what_was_done(program, tmp_path, album):
    folder, gallery = tmp_path / "many", tmp_path / "many.db"
    folder.mkdir()
    with Image.open(album / "grace_hopper_small_faded.jpg") as image:
        for i in range(400):
            image.paste((i % 200,) * 3, (8 * (i // 200), 0, 8 * (i // 200) + 8, 8))
            image.save(folder / f"{i:03}.png", compress_level=1)
    words = [*program, "index", str(folder), "--gallery", str(gallery)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # what a shell starts in the background is deaf to Ctrl-C, and so would be its children
    with subprocess.Popen(words, preexec_fn=hear_ctrl_c, **pipes) as child:
        while not stored(gallery):
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
    assert child.returncode == 130
    assert told.decode() == "stopped; what was done is kept, run it again to go on\n"
    assert 0 < stored(gallery) < 400


def hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stored(gallery: Path) -> int:
    from fusiform.gallery import Store

    try:
        with Store(gallery, create=False) as store:
            return store.counts()["photos"]
    except GalleryError:
        return 0


WATCHED = """
import sys
count = 0
def watch(event, arguments):
    global count
    count += event.startswith("socket.")
sys.addaudithook(watch)
from fusiform.app.cli import main
try:
    main()
finally:
    print("sockets:", count, file=sys.stderr)
"""


@pytest.mark.parametrize("verb", ["index", "verify", "doctor", "pull"])
def test_offline_opens_no_socket(verb, album, tmp_path):
    a, b = album / "grace_hopper.jpg", album / "eileen_collins.jpg"
    rest = {"index": [album], "verify": [a, b], "doctor": [], "pull": ["yunet-s"]}[verb]
    gallery = ["--gallery", tmp_path / "off.db"] if verb in ("index", "doctor") else []
    words = [sys.executable, "-c", WATCHED, "--offline", verb, *rest, *gallery]
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=env)
    assert done.returncode == (verb == "pull")
    assert "sockets: 0" in done.stderr
    assert ("the network is switched off" in done.stderr) == (verb == "pull")


def test_a_picture_of_no_size_is_refused_by_name(invoke, tmp_path):
    huge = tmp_path / "huge.png"
    Image.new("1", (9, 9)).save(huge)
    data = bytearray(huge.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    huge.write_bytes(data)
    code, _, told = invoke("detect", huge)
    assert code == 1
    assert str(PictureTooLarge(huge, "", "")).split(":")[0] in told
