"""Deciding, undoing and searching in words on the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess

import pytest
from typer.testing import CliRunner

from fusiform.app.cli import app
from fusiform.core.errors import (
    ChoiceError,
    FusiformError,
    GalleryError,
    PictureError,
    UnknownPerson,
)
from fusiform.gallery import Store, acts, people, regroup


def test_decisions_in_words(invoke):
    shown = invoke("people")[1].splitlines()[1:]
    one, two = (row.split()[0] for row in shown[:2])
    assert "nothing decided yet" in invoke("journal")[2]
    assert invoke("name", one, "Grace Hopper")[0] == 0
    assert invoke("not-same", one, two)[1].count(": ") == 2
    face = invoke("show", one)[1].splitlines()[2].split()[0]
    assert invoke("not-a-face", face)[1] == "1 find set aside\n"
    assert invoke("hide", two)[0] == 0
    assert len(invoke("people")[1].splitlines()) == len(shown)
    told = invoke("journal")[1]
    for what in ("named Grace Hopper", f"is not person {two}", "set aside as none", "hidden"):
        assert what in told
    assert invoke("undo", 2)[1].splitlines() == [
        f"undone: person {two} hidden",
        "undone: 1 face set aside as none",
    ]
    assert "undone" in invoke("journal")[1]
    assert "people in the gallery" in invoke("group")[1]
    code, shown, told = invoke("same", two, one)
    assert (code, shown) == (1, "")
    assert f"you decided that they are two people. Make {two} and {one} one person" in told
    assert told.endswith("nothing was changed\n")
    assert invoke("same", two, one, "--yes")[1].startswith(f"Grace Hopper (number {one})")
    assert "person" in invoke("undo")[1]
    split = invoke("show", one)[1].splitlines()[2].split()[0]
    invoke("split", one, split)
    invoke("forget", one, "--yes")
    assert "somebody forgotten" in invoke("journal")[1]
    with pytest.raises(GalleryError, match="cannot be undone"):
        invoke("undo")


@pytest.mark.parametrize("verb", ["same", "merge"])
def test_two_names_are_not_made_one_unasked(invoke, verb):
    one, two = (row.split()[0] for row in invoke("people")[1].splitlines()[1:3])
    invoke("name", one, "Grace Hopper")
    invoke("name", two, "Eileen Collins")
    before = invoke("people")
    with pytest.raises(FusiformError, match=r"are two names\. Make .* all the same\? .*--yes"):
        invoke(verb, one, two, "--json")
    assert invoke(verb, one, two, answers="\n")[0] == 1
    assert invoke("people") == before
    code, shown, told = invoke(verb, one, two, answers="y\n")
    assert (code, shown.split(" (")[0]) == (0, "Grace Hopper")
    assert "[y/N]" in told
    invoke("undo")
    assert json.loads(invoke(verb, one, two, "--yes", "--json")[1])["name"] == "Grace Hopper"


def test_the_journal_says_where_a_box_was_drawn(invoke, folder, tmp_path):
    own = ("--gallery", tmp_path / "own.db")
    invoke("index", folder, *own)
    photo = folder / "grace_hopper.jpg"
    invoke("box", photo, 9, 9, 90, 90, *own)
    said = f"1 face drawn by hand in {photo}"
    assert said in invoke("journal", *own)[1]
    assert invoke("undo", *own)[1] == f"undone: {said}\n"
    assert said in invoke("journal", *own)[1]
    shutil.rmtree(folder)
    invoke("clean", folder, "--yes", *own)
    assert "1 face drawn by hand  undone" in invoke("journal", *own)[1]


def test_nobody_is_told_by_number_twice(invoke):
    one = invoke("people")[1].splitlines()[1].split()[0]
    assert invoke("show", one)[1].startswith(f"Person {one}: ")
    assert invoke("hide", one)[1].startswith(f"Person {one}: ")
    assert invoke("name", one, "Grace")[1].startswith(f"Grace (number {one}): ")
    limit = r"the model's card holds again: `find` shows faces from similarity 0\.\d{3} upward\n"
    assert re.fullmatch(limit, invoke("calibrate", "--drop")[1])


def test_find_by_query(invoke, album, tmp_path, monkeypatch):
    one, two = (row.split()[0] for row in invoke("people")[1].splitlines()[1:3])
    invoke("name", one, "Grace Hopper")
    shown = invoke("find", f"Grace Hopper AND #{two}")[1].splitlines()
    assert shown[0] == f'"Grace Hopper" AND #{two}: 1 photo'
    assert shown[2].endswith("both_collage.jpg")
    assert "Grace Hopper" in shown[2]
    assert invoke("find", "nobody")[1].count(".jpg") >= 1
    with Store(invoke.gallery) as store, store.write() as db:
        db.execute("UPDATE photos SET taken_at = '2019-06-05T10:00:00' WHERE id <= 2")
        db.execute("UPDATE photos SET taken_at = '2019-06-05T10:00:00+00:00' WHERE id = 2")
    shown = invoke("find", "nobody OR NOT nobody", "--before", "2020")[1].splitlines()
    assert shown[1].startswith("taken (camera's time, or UTC)")
    assert sorted(line[:20].rstrip() for line in shown[2:]) == [
        "2019-06-05 10:00",
        "2019-06-05 10:00 UTC",
    ]
    assert invoke("find", "Grace Hopper", "--after", "2100")[1] == '"Grace Hopper": 0 photos\n'
    photo = album / "both_collage.jpg"
    for words in (
        ("Grace Hopper AND",),
        ("Grace Hopper", "--after", "then"),
        ("nobody", "--draw", tmp_path / "a.png"),
        (photo, "--after", "2019"),
        (photo, "--threshold", "1.5"),
        (photo, "--threshold", "nan"),
        (photo, "--threshold", "0.5", "--all"),
        ("Grace Hopper", "--threshold", "0.5"),
        ("nobody", "--count", "3"),
        ("nobody", "--all"),
    ):
        with pytest.raises(ChoiceError):
            invoke("find", *words)
    (tmp_path / "album (").mkdir()
    monkeypatch.chdir(tmp_path)
    for one in (album, "album ("):
        with pytest.raises(PictureError, match="is a folder; name one picture in it"):
            invoke("find", one)
    with pytest.raises(ChoiceError, match="--threshold must be a similarity from -1 to 1"):
        invoke("verify", photo, photo, "--threshold", "7")
    assert invoke("find", " OR ".join(["Grace Hopper"] * 40))[0] == 0
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(GalleryError, match="is empty"):
        CliRunner().invoke(app, ["people", "-g", str(empty)], catch_exceptions=False)
    assert empty.stat().st_size == 0
    with pytest.raises(UnknownPerson, match="did you mean"):
        invoke("find", "Grace Hoper OR nobody")
    with pytest.raises(PictureError, match="does not exist"):
        invoke("find", tmp_path / "holiday (1).jpg")


@pytest.mark.parametrize(
    "called", ["AND", "or", "NOT Ada", "(", '"', "\\", "nobody", "A*", "a/b.jpg"]
)
def test_whoever_is_named_like_an_operator_is_found_in_quotation_marks(invoke, called):
    one, two = (row.split()[0] for row in invoke("people")[1].splitlines()[1:3])
    invoke("name", one, called)
    written = '"' + re.sub(r'([\\"*])', r"\\\1", called) + '"'
    assert invoke("find", written)[1] == invoke("show", one)[1]
    assert invoke("find", f"{written} AND #{two}")[1].startswith(f"{written} AND #{two}: 1 photo")


def test_questions_are_answered_in_the_terminal(copied):
    with Store(copied) as store:
        regroup(store, 0.9999999)
        before = len(people(store))

    def answer(answers: str) -> str:
        env = {"FUSIFORM_GALLERY": str(copied)}
        done = CliRunner().invoke(app, ["ask"], env=env, input=answers, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    assert "same person?" in answer("q\n")
    assert answer("what\ns\nq\n").count("mean similarity") == 2
    assert "kept" not in answer("")
    answer("y\n" + "n\n" * 30)
    with Store(copied) as store:
        kinds = {act.kind for act in acts(store)}
        assert kinds == {"merge", "not-same"}
        assert len(people(store)) < before
    assert "nothing to ask" in answer("")


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent otherwise on this system")
def test_ctrl_c_at_a_question_keeps_the_answers_before(program, copied):
    with Store(copied) as store:
        regroup(store, 0.9999999)
    words = [*program, "ask", "--gallery", str(copied)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(words, preexec_fn=hear_ctrl_c, **pipes) as child:
        told = until(child.stderr, b"(y: yes")
        child.stdin.write(b"y\n")
        child.stdin.flush()
        told += until(child.stderr, b"(y: yes")
        child.send_signal(signal.SIGINT)
        told += child.communicate(timeout=60)[1]
    assert child.returncode == 130
    assert b"\n1 answer kept; `fusiform undo` takes the last one back\nstopped; what was" in told
    with Store(copied) as store:
        assert [act.kind for act in acts(store)] == ["merge"]


def hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(stream, words: bytes) -> bytes:
    told = b""
    while words not in told:
        piece = os.read(stream.fileno(), 4096)
        assert piece, told
        told += piece
    return told


def test_why_in_words(invoke):
    one, two = (row.split()[0] for row in invoke("people")[1].splitlines()[1:3])
    face = invoke("show", one)[1].splitlines()[2].split()[0]
    shown = invoke("why", face, one)[1]
    assert f"belongs to person {one}" in shown
    assert "at least the limit" in shown
    assert f"most like it otherwise: person {two}" in shown
    assert "below the limit" in invoke("why", face, two)[1]
    invoke("name", one, "Grace Hopper")
    assert "you decided that it is person" in invoke("why", face, "Grace Hopper")[1]
    invoke("not-same", one, two)
    assert f"you decided that it is not person {two}" in invoke("why", face, two)[1]
