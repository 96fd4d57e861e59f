"""What the command line refuses or asks first, and what it says when something is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.main import get_command

from fusiform import Gallery
from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, GalleryError, GalleryUnwritable

TREE = get_command(app)
USING = [
    n for n, command in TREE.commands.items() if any("--gallery" in p.opts for p in command.params)
]


@pytest.mark.parametrize("verb", [verb for verb in USING if verb not in ("doctor", "import")])
def test_a_server_that_is_down_is_one_sentence(invoke, album, verb):
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    words = {
        "name": ["1", "Ada"],
        "index": [album],
        "find": ["1"],
        "why": ["1", "1"],
        "born": ["1", "1906"],
        "box": ["a.jpg", "0", "0", "9", "9"],
    }.get(verb)
    needed = [p for p in TREE.commands[verb].params if p.required and not p.opts[0].startswith("-")]
    told = words or ["1"] * len(needed)
    with pytest.raises(GalleryError, match=r"cannot be reached .*; check the URL"):
        invoke(verb, *told, "--gallery", "postgresql://127.0.0.1:1/x")


def test_no_drawing_replaces_a_photo(invoke, copied, folder, tmp_path):
    photo, other = folder / "grace_hopper.jpg", folder / "eileen_collins.jpg"
    invoke("index", folder)
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    (folder / "broken.jpg").write_text("no picture")
    invoke("index", folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for words in (
        ("people", "--sheet", photo),
        ("people", "--sheet", link),
        ("people", "--sheet", folder / "broken.jpg"),
        ("find", photo, "--draw", other),
        ("detect", photo, "--draw", other),
        ("detect", photo, "--draw", folder / ".." / folder.name / photo.name),
        ("verify", photo, other, "--draw", other),
    ):
        with pytest.raises(ChoiceError, match="the file to draw must be none of your photos"):
            invoke(*words)
    assert before == {path: path.read_bytes() for path in folder.iterdir()}
    own = tmp_path / "own.jpg"
    shutil.copy(photo, own)
    with pytest.raises(ChoiceError, match="none of your photos"):
        invoke("detect", own, "--draw", own)
    for _ in range(2):  # a drawing of its own it may replace
        assert invoke("detect", own, "--draw", tmp_path / "found.jpg")[0] == 0


def test_clean_takes_gone_files_off_the_list(invoke, folder, tmp_path):
    (folder / "broken.jpg").write_text("no picture")
    gallery = ("--gallery", tmp_path / "own.db")
    invoke("index", folder, *gallery)
    invoke("name", 1, "Ada", *gallery)
    shutil.move(folder, tmp_path / "away")
    assert "0 new photos" in invoke("index", folder, *gallery)[1]
    code, shown, told = invoke("clean", *gallery)
    assert (code, shown, told.count("gone: ")) == (1, "", 5)
    assert "Take 5 files off the list? [y/N]: nothing was changed" in told
    assert invoke("clean", tmp_path / "away", *gallery)[1] == "0 files taken off the list\n"
    assert "grace" in invoke("people", *gallery)[1]
    assert invoke("clean", folder, *gallery, answers="y\n")[1] == "5 files taken off the list\n"
    assert "0 faces" in invoke("show", "Ada", *gallery)[1]
    shutil.move(tmp_path / "away", folder)
    invoke("index", folder, *gallery)
    assert invoke("show", "Ada", *gallery)[1].startswith("Ada (number 1): 2 faces")


LOOKING = (
    *(["people"], ["show", "1"], ["find", "#1 AND alone"], ["find", "album/grace_hopper.jpg"]),
    *(["why", "1", "1"], ["journal"], ["ask", "--json"], ["consent"], ["zone", "list"], ["keep"]),
)
CHANGING = (
    *(["name", "1", "Ada"], ["same", "1", "2"], ["undo"], ["group"], ["hide", "1"], ["keep", "2y"]),
    *(
        ["index", "album"],
        ["forget", "1", "--yes"],
        ["write-names"],
        ["consent", "1", "--given", "x"],
    ),
)


@pytest.mark.skipif(os.name != "posix", reason="permissions work differently on this system")
def test_what_lies_on_a_read_only_disk_can_be_looked_at(invoke, copied, album, monkeypatch):
    """The commands come first where they may write, for what they load."""
    monkeypatch.chdir(album.parent)
    one = invoke("people")[1].splitlines()[1].split()[0]
    invoke("name", one, "Grace Hopper")
    before = [invoke(*words) for words in LOOKING]
    with read_only(copied) as moved:
        place = ("--gallery", moved)
        assert [invoke(*words, *place) for words in LOOKING] == before
        for words in CHANGING:
            with pytest.raises(
                GalleryUnwritable, match=r"a\.db(\.lock)? (may not|cannot) be written"
            ):
                invoke(*words, *place)
        assert [path.name for path in moved.parent.iterdir()] == ["a.db"]
        assert [invoke(*words, *place) for words in LOOKING] == before
    assert not list(album.glob("*.xmp"))


@contextmanager
def read_only(gallery: Path) -> Iterator[Path]:
    """A copy in a folder where this process may not write, even when the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        moved = Path(shutil.copy(gallery, Path(name) / "a.db"))
        moved.chmod(0o444)
        moved.parent.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield moved
        finally:
            if root:
                os.seteuid(0)
            moved.parent.chmod(0o755)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["people"], ["people", "--json"], ["models"], ["--help"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_answer_that_cannot_be_written_is_one_sentence(program, copied, words, unbuffered):
    env = os.environ | {"FUSIFORM_GALLERY": str(copied), "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run([*program, *words], stdout=full, stderr=subprocess.PIPE, env=env)
    assert done.returncode == 1
    told = done.stderr.decode()
    assert told.startswith("fusiform: the answer cannot be written (No space left on device)")
    assert told.count("\n") == 1


@pytest.mark.parametrize("verb", ["export", "backup", "table"])
def test_no_copy_replaces_a_photo(invoke, copied, folder, verb, monkeypatch):
    invoke("index", folder)
    photo = folder / "grace_hopper.jpg"
    before = photo.read_bytes()
    with pytest.raises(GalleryError, match="is a photo of this gallery and stays"):
        invoke(verb, photo, "--force")
    with pytest.raises(GalleryError, match="is a folder"):
        invoke(verb, folder, "--force")
    assert photo.read_bytes() == before


@pytest.mark.parametrize("place", ["mysql://host/x", "postgresq://host/x", "s3://bucket/x.db"])
def test_other_servers_are_no_folders(invoke, album, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GalleryError, match="no kind of server known here"):
        invoke("index", album, "--gallery", place)
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]


def test_an_empty_gallery_is_not_the_default_one(invoke, copied):
    with pytest.raises(ChoiceError, match="--gallery must be a file or a URL"):
        invoke("undo", "--gallery", "")


def test_a_box_of_a_known_face(invoke, copied, folder):
    invoke("index", folder)
    with Gallery(copied) as gallery:
        face = gallery.people()[0].faces[0]
    with pytest.raises(ChoiceError, match=f"face {face.id} is there"):
        invoke("box", face.photo, *face.box)


def test_the_doctor_reads_the_policy(invoke, copied, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIFORM_POLICY", str(tmp_path / "policy.toml"))
    (tmp_path / "policy.toml").write_text("[[[")
    code, out, _ = invoke("doctor")
    assert code == 1
    assert "policy.toml" in out
