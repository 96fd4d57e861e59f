"""Tables say what the gallery says, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.gallery import Store, hide, name, no_faces, people, regroup, write_table
from fusiform.gallery.tables import COLUMNS, _cell

ODD = "/photos/caf\udce9.jpg"  # bytes that are no UTF-8


@pytest.fixture
def grouped(store, crowd, fill, photo, faces) -> Store:
    fill(store, crowd(60, 4, d=128, noise=0.4)[0], each=3)
    store.add_photo(photo(500, ODD), faces(crowd(1, 1, d=128, seed=9)[0]))
    regroup(store, 0.5)
    name(store, 2, "Ada Lovelace")
    name(store, 3, '=1+1, "Grace" Hopper')
    no_faces(store, [1])
    hide(store, 4)
    return store


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_faces(grouped, tmp_path):
    made = write_table(grouped, tmp_path / "faces.csv")
    rows = read(tmp_path / "faces.csv")
    assert made.rows == len(rows) == 60
    assert tuple(rows[0]) == made.columns == tuple(COLUMNS["faces"])
    known = {face.id: (p, face) for p in people(grouped, hidden=True) for face in p.faces}
    assert [int(row["face"]) for row in rows] == sorted(known)
    for row in rows:
        person, face = known[int(row["face"])]
        assert (int(row["person"]), row["name"].lstrip("'")) == (person.id, person.name or "")
        assert tuple(float(row[key]) for key in ("x1", "y1", "x2", "y2")) == face.box
        assert (float(row["score"]), float(row["quality"])) == (face.score, face.quality)
        assert row["photo"] == face.photo.encode("utf-8", "backslashreplace").decode()
        assert row["decided"] == ("yes" if person.id in (2, 3, 4) else "no")
        assert row["taken_at"] == ""


def test_people(grouped, tmp_path):
    with grouped.write() as db:
        db.execute("UPDATE photos SET taken_at = '1843-09-01' WHERE id = 1")
        db.execute("UPDATE photos SET taken_at = '1840-01-01' WHERE id = 2")
    write_table(grouped, tmp_path / "people.csv", "people")
    rows = {int(row["person"]): row for row in read(tmp_path / "people.csv")}
    for person in people(grouped, hidden=True):
        row = rows.pop(person.id)
        assert int(row["faces"]) == len(person.faces)
        assert int(row["photos"]) == len({face.photo for face in person.faces})
        assert row["hidden"] == ("yes" if person.id == 4 else "no")
        if person.id == 2:
            assert (row["name"], row["first"], row["last"]) == (
                ("Ada Lovelace", "1840-01-01", "1843-09-01")
            )
    assert not rows


def test_photos(grouped, tmp_path):
    grouped.add_file(2, "/another/copy.jpg", 1, 1)
    made = write_table(grouped, tmp_path / "photos.csv", "photos")
    rows = read(tmp_path / "photos.csv")
    assert made.rows == len(rows) == 21
    assert [row["faces"] for row in rows] == ["2", *["3"] * 19, "1"]
    assert rows[1]["photo"] == "/another/copy.jpg"
    assert rows[-1]["photo"] == "/photos/caf\\udce9.jpg"
    assert (rows[0]["width"], rows[0]["height"], rows[0]["sha256"]) == ("640", "480", "0" * 64)
    assert rows[0]["people"] == 'Ada Lovelace; =1+1, "Grace" Hopper'
    assert rows[-1]["people"] == ""


@pytest.mark.parametrize("what", COLUMNS)
def test_parquet_is_the_same_table(grouped, tmp_path, what):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    write_table(grouped, tmp_path / "a.csv", what)
    made = write_table(grouped, tmp_path / "a.parquet", what)
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.num_rows == made.rows
    types = {"string": "text", "double": "float64"}
    told = {field.name: types.get(str(field.type), str(field.type)) for field in table.schema}
    assert told == COLUMNS[what]
    for row, known in zip(table.to_pylist(), read(tmp_path / "a.csv"), strict=True):
        assert {key: "" if value is None else str(_cell(value)) for key, value in row.items()} == (
            known
        )


def test_no_template_is_in_a_table(grouped, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    vectors = [row[0] for row in grouped.read("SELECT vector FROM embeddings")]
    for what in COLUMNS:
        for ending in ("csv", "parquet"):
            path = tmp_path / f"{what}.{ending}"
            write_table(grouped, path, what)
            assert not [vector for vector in vectors if vector[:16] in path.read_bytes()]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_is_a_formula_and_all_come_back(text):
    cell = _cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert cell.removeprefix("'") == text


def test_what_is_asked_for(grouped, tmp_path):
    with pytest.raises(ChoiceError, match="'faces', 'people', 'photos'"):
        write_table(grouped, tmp_path / "a.csv", "vectors")
    with pytest.raises(ChoiceError, match=r"ends in \.csv or \.parquet"):
        write_table(grouped, tmp_path / "a.xlsx")
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(GalleryError, match=r"a\.csv is there already"):
        write_table(grouped, tmp_path / "a.csv")
    write_table(grouped, tmp_path / "a.csv", force=True)


def test_without_pyarrow(grouped, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(GalleryError, match=r"fusiform\[tables\]"):
        write_table(grouped, tmp_path / "a.parquet")
    assert not list(tmp_path.glob("*a.*"))


def test_an_empty_gallery(store, tmp_path):
    for what in COLUMNS:
        assert write_table(store, tmp_path / f"{what}.csv", what).rows == 0
        assert read(tmp_path / f"{what}.csv") == []
