"""docs/json.md is what the commands print: every field, its type, nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.core.faces import Faces
from fusiform.gallery import Photo, Store, kept, name, regroup
from fusiform.recognise.embedder import unit

PAGE = (Path(__file__).parents[1] / "docs" / "json.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)
FIELDS = {verb: dict(ROW.findall(text)) for names, text in SECTIONS.items()
          for verb in names.split(", ")}  # fmt: skip
# A benchmark's numbers are data for results/, not an interface; the world has a page of its own.
UNDOCUMENTED = {"bench", "papers", "world"}


def kind(value: Any) -> str:
    """The name that the page has for the type of a JSON value."""
    if value == []:
        return "nothing"
    if isinstance(value, list) and all(type(one) is int for one in value):
        return "integers"
    if isinstance(value, list) and all(type(one) is str for one in value):
        return "texts"
    if isinstance(value, list) and value and isinstance(value[0], (int, float)):
        return f"{len(value)} numbers"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return f"{len(value)} x {kind(value[0])}"
    names = {
        type(None): "null", bool: "true/false", int: "integer", float: "number",
        str: "text", list: "objects", dict: "object",
    }  # fmt: skip
    return names[type(value)]


def fields(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """(path, kind) of everything inside a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            path = f"{at}.{name}" if at else name
            yield path, kind(inner)
            yield from fields(inner, path)
    elif kind(value) == "objects":
        for inner in value:
            yield from fields(inner, f"{at}[]")


def fits(found: str, documented: str) -> bool:
    allowed = documented.partition(", if ")[0].strip().split(" or ")
    lists = {"objects", "integers", "texts", "5 x 2 numbers", "4 numbers"}
    return (
        found in allowed
        or (found == "integer" and "number" in allowed)
        or (found == "nothing" and bool(lists & set(allowed)))
    )


def assert_documented(verb: str, value: Any) -> None:
    known = FIELDS[verb]
    found = set(fields(value))
    assert {path for path, _ in found} <= set(known)
    assert not [(path, is_) for path, is_ in found if not fits(is_, known[path])]


def assert_complete(verb: str, *values: Any) -> None:
    """Every field of the page was seen, those with an "if" in one of the values at least."""
    for value in values:
        assert_documented(verb, value)
    each = [{path for path, _ in fields(value)} for value in values]
    assert set().union(*each) == set(FIELDS[verb])


@pytest.fixture
def ask(copied: Path):
    """ask("people"): what a command prints with --json, over a copy of the album's gallery."""

    def answer(verb: str, *words: object, code: int = 0, gallery: bool = True) -> Any:
        told = [verb, *map(str, words), "--json", *(["--gallery", str(copied)] if gallery else [])]
        done = CliRunner().invoke(app, told, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return answer


def test_every_command_has_its_section():
    assert set(get_command(app).commands) - UNDOCUMENTED == set(FIELDS)


def test_index(ask, album, tmp_path, monkeypatch):
    folder = tmp_path / "more"
    folder.mkdir()
    shutil.copy(album / "grace_hopper.jpg", folder)
    (folder / "broken.jpg").write_text("no picture")
    first = ask("index", folder, album)
    assert_documented("index", first)
    assert (first["photos"], first["skipped"], first["duplicates"]) == (0, 1, 1)
    assert (first["detector"], first["embedder"]) == ("dlib-hog", "dlib-resnet")
    told = ask(
        "index", album, "--detector", "dlib-hog", "--gallery", tmp_path / "x.db", gallery=False
    )
    assert_documented("index", told)
    assert set(told) == {path for path in FIELDS["index"] if "[" not in path}


def test_index_is_one_line_and_the_last(copied, album):
    done = CliRunner().invoke(app, ["index", str(album), "-g", str(copied), "--json"])
    assert json.loads(done.stdout.splitlines()[-1])["unchanged"] == 9


def test_dropped_finds_are_listed(tmp_path, album):
    words = ["index", str(album), "--json", "-g", str(tmp_path / "drops.db")]
    told = json.loads(CliRunner().invoke(app, words).stdout)
    assert told["dropped"] == len(told["drops"]) > 0
    assert told["drops"][0]["reason"].startswith("low score")


def test_people(ask, album):
    told = ask("people")
    assert_complete("people", told)
    assert {face["photo"] for face in told[0]["faces"]} <= {str(p) for p in album.glob("*.jpg")}
    ask("name", told[0]["person"], "Ada")
    assert ask("people")[0]["name"] == "Ada"
    assert ask("people", "--smallest", 50) == []


def test_show_name_merge_split(ask):
    one, other = (person["person"] for person in ask("people"))
    assert_complete("show", ask("show", one))
    assert_complete("name", ask("name", one, "Ada"))
    merged = ask("merge", "Ada", other)
    assert_complete("merge", merged)
    split = ask("split", "ada", merged["faces"][0]["face"])
    assert_complete("split", split)
    assert [face["face"] for face in split["faces"]] == [merged["faces"][0]["face"]]


def test_find(ask, album):
    told = ask("find", album / "both_collage.jpg")
    query = ask("find", "2 people OR unnamed", "--before", "2100")
    assert ask("find", "2 people NOT unnamed")["photos"] == []
    assert_complete("find", told, ask("find", "2 people OR unnamed"))
    assert query["query"] == "2 people OR unnamed"
    assert len(told["faces"]) == 2
    assert_complete("show", ask("find", "1"))
    everything = ask("find", album / "both_collage.jpg", "--all", "--count", 9)
    assert [len(face["matches"]) for face in everything["faces"]] == [9, 9]
    none = ask("find", album / "both_collage.jpg", "--threshold", 0.9999)
    assert [len(face["matches"]) for face in none["faces"]] == [1, 1]  # the picture itself


def test_verify(ask, album):
    a, b, cat = (
        album / f"{name}.jpg" for name in ("grace_hopper", "eileen_collins", "cat_chelsea")
    )
    assert_complete("verify", ask("verify", a, b, gallery=False))
    nobody = ask("verify", a, cat, gallery=False)
    assert_complete("verify", nobody)
    assert (nobody["verified"], nobody["similarity"], nobody["faces_b"]) == (False, None, 0)


@pytest.mark.parametrize("verb", ["detect", "describe"])
def test_detect_and_describe(ask, album, tmp_path, verb):
    good = ask(verb, album, gallery=False)
    assert [entry["photo"] for entry in good] == sorted(map(str, album.glob("*.jpg")))
    (tmp_path / "empty.jpg").touch()
    bad = ask(verb, tmp_path / "empty.jpg", tmp_path / "gone.jpg", album, code=1, gallery=False)
    assert_complete(verb, good, bad)
    assert [entry.get("error", "").partition("; ")[0] for entry in bad[:3]] == [
        f"{tmp_path}/empty.jpg: is empty (0 bytes)",
        f"{tmp_path}/gone.jpg: does not exist",
        "",
    ]
    assert bad[2:] == good


def test_models_and_pull(ask, public_models, monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path))
    told = ask("models", gallery=False)
    assert_complete("models", told)
    weights = public_models / "yunet_s_dynamic.onnx"
    assert_complete("pull", ask("pull", "yunet-s", "--from", weights, gallery=False))
    states = {card["model"]: card["state"] for card in ask("models", gallery=False)}
    assert (states["yunet-s"], states["yunet-n"]) == ("ready", "missing")


def test_doctor(ask):
    assert_complete("doctor", ask("doctor"))


def test_forget(ask, tmp_path):
    ask("export", tmp_path / "family.fusiform")
    told = ask("forget", "1", "--yes")
    assert told["proven"]
    assert told["exports"] == [str(tmp_path / "family.fusiform")]
    cleared = ask("forget", ask("people")[0]["person"], "--yes", "--from-exports")
    assert cleared["exports"] == []
    for each in (told, cleared):
        assert_documented("forget", each)
    seen = {path for each in (told, cleared) for path, _ in fields(each)}
    assert FIELDS["forget"].keys() - seen == {"removed.notes", "removed.regions"}


def test_taking_a_gallery_elsewhere(ask, copied, tmp_path):
    told = ask("export", tmp_path / "family.fusiform")
    assert_complete("export", told)
    assert (told["photos"], told["faces"], told["people"]) == (9, 9, 2)
    words = [tmp_path / "family.fusiform", "--gallery", tmp_path / "new.db"]
    made = ask("import", *words, "--move", "/none=/other", gallery=False)
    assert_complete("import", made)
    assert (made["gallery"], made["missing"]) == (str(tmp_path / "new.db"), 0)
    copy = ask("backup", tmp_path / "saved.db")
    assert_complete("backup", copy)
    assert copy["bytes"] == (tmp_path / "saved.db").stat().st_size
    table = ask("table", tmp_path / "people.csv", "--what", "people")
    assert_complete("table", table)
    assert table["rows"] == 2


def test_duties(ask, copied, tmp_path, monkeypatch):
    one, two = (entry["person"] for entry in ask("people"))
    noted = ask("consent", one, "--given", "by letter", "--until", "2020-02-02")
    assert (noted[0]["standing"], noted[0]["until"]) == ("expired", "2020-02-02")
    assert [entry["standing"] for entry in ask("consent")] == ["expired", None]
    assert ask("people")[0]["consent"] == ask("show", one)["consent"] == "expired"
    rule = ask("keep", "2y")
    assert (rule["keep"], rule["policy"], rule["due"]) == ("2y", None, 0)
    lists = ask("consent")
    gone = ask("consent", "--forget-withdrawn", "--yes")
    assert (gone["people"], gone["removed"]["notes"], gone["proven"]) == ([one], 1, True)
    assert_documented("consent", lists)
    assert_documented("consent", gone)
    with Store(copied) as store, store.write() as db:
        db.execute("UPDATE photos SET added_at = '2020-02-02T00:00:00+00:00'")
    ask("consent", two, "--withdrawn", "by telephone")
    assert ask("keep")["due"] == 4
    assert_complete("keep", ask("keep", "--apply"))
    added = ask("zone", "add", tmp_path, 0, 0.5, 1, 1)
    known = ask("zone", "list")
    ask("zone", "remove", 1)
    assert [known, ask("zone", "list")] == [[{k: added[k] for k in ("zone", "folder", "box")}], []]
    assert_documented("zone", added)
    assert_documented("zone", known)
    monkeypatch.setenv("FUSIFORM_POLICY", str(tmp_path / "policy.toml"))
    (tmp_path / "policy.toml").write_text('[keep]\nretention = "1y"\n[allow]\nindex = false')
    assert_complete("policy", ask("policy", gallery=False))
    assert ask("keep", "off") == {"keep": None, "policy": "1y", "due": 0}


def test_clean(ask, album, folder, tmp_path):
    assert ask("clean") == {"gone": []}
    ask("index", folder)
    before = sorted(map(str, folder.iterdir()))
    shutil.rmtree(folder)
    told = ask("clean", "--yes")
    assert_complete("clean", told)
    assert told["gone"] == before
    assert ask("clean") == {"gone": []}


def test_paths_are_absolute(ask, album, monkeypatch):
    monkeypatch.chdir(album)
    for verb in ("detect", "describe", "find"):
        words = [verb, "grace_hopper.jpg"]
        told = ask(*words, gallery=verb == "find")
        entry = told if verb == "find" else told[0]
        assert entry["photo"] == str(album / "grace_hopper.jpg")


def test_decisions(ask, album):
    one, two = (entry["person"] for entry in ask("people")[:2])
    assert_complete("not-same", ask("not-same", one, two))
    assert_complete("hide", ask("hide", two))
    ask("hide", two, "--back")
    ask("name", one, "Ada Lovelace")
    faces = [face["face"] for face in ask("show", one)["faces"]]
    other = ask("split", one, faces[0])["person"]
    assert_complete("same", ask("same", other, one, "--yes"))
    assert_complete("not-a-face", ask("not-a-face", faces[-1]))
    assert_complete("group", ask("group", "--reset"))
    taken = ask("undo", 2)
    assert [act["kind"] for act in taken] == ["not-a-face", "merge"]
    cat = album / "cat_chelsea.jpg"
    assert_complete("box", ask("box", cat, 9, 9, 90, 90, "--person", one))
    ask("box", cat, 200, 9, 290, 90)
    assert_documented("born", ask("born", one, "1906"))
    assert ask("undo", 2)[1]["photo"] == str(cat)
    told = ask("journal")
    ask("consent", two, "--given", "in writing")
    noted = ask("journal")[-1:]
    ask("forget", two, "--yes")
    ask("zone", "add", album, 0, 0, 1, 1, "--yes")
    assert_documented("undo", taken)
    assert_complete("journal", told, noted, ask("journal")[-2:])
    kinds = [act["kind"] for act in ask("journal")]
    assert kinds == [
        *("not-same", "hide", "hide", "name", "split", "merge", "not-a-face", "undo", "undo"),
        *("box", "box", "born", "undo", "undo"),
        *("forget", "erase"),
    ]


def test_calibrate(tmp_path):
    path = tmp_path / "family.db"
    with Store(path) as store:
        store.use_models("dlib-hog", "dlib-resnet", "ab" * 32)
        draw = np.random.default_rng(0)
        common, own = draw.normal(size=(1, 128)), draw.normal(size=(60, 128))
        for i in range(180):
            one = 2 * common + 0.8 * own[i % 60] + 0.35 * draw.normal(size=(1, 128))
            faces = Faces(np.ones((1, 4)), np.ones(1), np.ones((1, 5, 2)), unit(one))
            store.add_photo(Photo(f"{i:064x}", f"/photos/{i}.jpg", i, i, 9, 9), faces)
        regroup(store, 0.92)
        for number in range(1, 61):
            name(store, number, f"Number {number}th")

    def ask(*words):
        told = ["calibrate", "--json", "--gallery", str(path), *words]
        done = CliRunner().invoke(app, told, catch_exceptions=False)
        return json.loads(done.stdout)

    told = ask("--fmr", "0.01")
    assert_documented("calibrate", told)
    assert set(FIELDS["calibrate"]) - {path for path, _ in fields(told)} <= {"closest"}
    assert told["counts"]["people"] == 60
    with Store(path) as store:
        assert kept(store) is None
        ask("--fmr", "0.01", "--keep")
        own = kept(store)
        assert own.threshold == pytest.approx(told["threshold"]["value"])
        assert own.probability(0.97) > 0.9
        assert own.probability(0.8) < 0.01
        assert ask("--fmr", "0.01")["used"] == {"by": "gallery", "threshold": own.threshold}
        dropped = ask("--drop")
        assert_documented("calibrate", dropped)
        assert set(dropped) == {"used"}
        assert dropped["used"]["by"] == "card"
        with pytest.raises(ChoiceError, match="--drop must be used without --keep"):
            ask("--drop", "--keep")
        assert kept(store) is None
    with pytest.raises(GalleryError, match="not enough"):
        ask("--fmr", "0.0001")


def test_names_elsewhere(ask, copied, album, tmp_path):
    photos = shutil.copytree(album, tmp_path / "photos")
    with Store(copied) as store, store.write() as db:
        for (path,) in store.read("SELECT path FROM files"):
            new = str(photos / Path(path).name)
            db.execute("UPDATE files SET path = ? WHERE path = ?", (new, path))
    one, two = (entry["person"] for entry in ask("people")[:2])
    ask("name", one, "Grace Hopper")
    ask("name", two, "Eileen Collins")
    told = ask("write-names")
    collage = photos / "both_collage.jpg.xmp"
    collage.write_bytes(collage.read_bytes().replace(b"Hopper", b"Murray"))
    assert_complete("write-names", ask("write-names"))
    assert ask("write-names", "--overwrite")["differing"] == []
    assert told["regions"] == told["changed"] + 1  # two faces in the collage
    ask("undo", 2)
    ask("merge", one, two, "--yes")
    unsure = ask("read-names")
    ask("undo")
    collage.write_text("spoilt")
    taken = ask("read-names")
    assert_complete("read-names", unsure, taken)
    assert sorted(entry["name"] for entry in taken["named"]) == ["Eileen Collins", "Grace Hopper"]
    assert (unsure["open"][0]["person"], len(taken["failed"])) == (one, 1)
    collage.unlink()
    assert_documented("forget", told := ask("forget", "Grace Hopper", "--yes"))
    assert told["removed"]["regions"] >= 3
    left = b"".join(path.read_bytes() for path in photos.glob("*.xmp"))
    assert (b"Hopper" in left, b"Collins" in left) == (False, True)


def test_ask_and_why(ask, copied):
    one, two = (entry["person"] for entry in ask("people")[:2])
    assert ask("ask") == []
    face = ask("show", one)["faces"][0]["face"]
    assert_complete("why", ask("why", face, two))
    with Store(copied) as store:
        regroup(store, 0.9999999)
    found = ask("ask", "--count", 2)
    assert_complete("ask", found)
    assert len(found) <= 2
