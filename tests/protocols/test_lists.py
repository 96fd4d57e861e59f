"""Sets of pairs as their authors lay them out: LFW, CFP, AgeDB, CALFW, CPLFW, RFW, lists."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from fusiform.core.errors import ChoiceError, DataError
from fusiform.protocols import agedb, annotated, cfp, crosslfw, lfw, rfw
from fusiform.protocols.sets import PairTest, tenths


def pairs(test: PairTest) -> list[tuple[str, str, bool, int]]:
    """(file, file, same, fold) of each pair, files by the last two parts of their paths."""
    names = ["/".join(file.parts[-2:]) for file in test.shots.files]
    rows = zip(test.first, test.second, test.same, test.fold, strict=True)
    return [(names[a], names[b], bool(s), int(f)) for a, b, s, f in rows]


@pytest.fixture
def wild(tmp_path, put):
    """LFW with two folds of one pair of each kind."""
    for person, name in enumerate(("Ada_Lovelace", "Alan_Turing")):
        for number in (1, 2, 13):
            put(tmp_path / "lfw" / name / f"{name}_{number:04d}.jpg", person, number)
    lines = ["2\t1", "Ada_Lovelace\t1\t2", "Ada_Lovelace\t1\tAlan_Turing\t13"]
    lines += ["Alan_Turing\t13\t1", "Alan_Turing\t2\tAda_Lovelace\t2", ""]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    return tmp_path


def test_lfw(wild):
    ada, alan = "Ada_Lovelace/Ada_Lovelace", "Alan_Turing/Alan_Turing"
    test = lfw.load(wild)
    assert pairs(test) == [
        (f"{ada}_0001.jpg", f"{ada}_0002.jpg", True, 0),
        (f"{ada}_0001.jpg", f"{alan}_0013.jpg", False, 0),
        (f"{alan}_0013.jpg", f"{alan}_0001.jpg", True, 1),
        (f"{alan}_0002.jpg", f"{ada}_0002.jpg", False, 1),
    ]
    assert len(test.shots) == 5  # files that come twice are one picture
    assert test.shots[0].template == ""
    (wild / "pairsDevTest.txt").write_text("1\nAda_Lovelace 1 2\nAda_Lovelace 1 Alan_Turing 1\n")
    assert lfw.load(wild, "pairsDevTest.txt").fold.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("2\t1\n", "2\t2\n", "announces 2 x 2 genuine and impostor pairs and lists others"),
        ("2\t1\n", "ten\t1\n", "line 1 reads 'ten.t1' where '10 300"),
        ("2\t1\n", "1 2 3\n", "line 1 reads '1 2 3'"),
        ("\t13\t1\n", "\t13\n", "line 4 reads .* where 'Name 1 2, or Name 1 Other 2' is wanted"),
        ("\t13\t1\n", "\t13\tx\n", "line 4 reads"),
        ("\t13\t1\n", "\t13\t4\n", r"pairs.txt: names .*_0004.jpg, which is not there; unpack"),
        ("\t13\t1\n", "\t14\t4\n", r"_0014.jpg, which is not there \(and 1 more of 6\)"),
    ],
)
def test_lfw_that_does_not_fit(wild, old, new, told):
    listed = wild / "pairs.txt"
    listed.write_text(listed.read_text().replace(old, new))
    with pytest.raises(DataError, match=told):
        lfw.load(wild)


def test_lfw_that_is_half_there(wild, tmp_path):
    with pytest.raises(DataError, match=r"has no file pairs\.txt or lfw/pairs\.txt; unpack"):
        lfw.load(wild / "lfw")
    (wild / "pairs.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"pairs\.txt: cannot be read as text"):
        lfw.load(wild)
    (wild / "pairs.txt").write_text("")
    with pytest.raises(DataError, match="line 1 reads ''"):
        lfw.load(wild)


@pytest.fixture
def celebrities(tmp_path, put):
    """CFP with ten folds of one pair of each kind and part."""
    protocol = tmp_path / "Protocol"
    lists = {"F": "frontal", "P": "profile"}
    for letter, view in lists.items():
        rows = []
        for person in range(10):
            path = f"Data/Images/{person + 1:03d}/{view}/01.jpg"
            put(tmp_path / path, person, ord(letter))
            rows.append(f"{person + 1} ../{path}")
        protocol.mkdir(exist_ok=True)
        (protocol / f"Pair_list_{letter}.txt").write_text("\r\n".join(rows))
    for part in ("FP", "FF"):
        for fold in range(10):
            split = protocol / "Split" / part / f"{fold + 1:02d}"
            split.mkdir(parents=True)
            (split / "same.txt").write_text(f"{fold + 1},{fold + 1}\n")
            (split / "diff.txt").write_text(f"{fold + 1},{(fold + 1) % 10 + 1}\n")
    return tmp_path


def test_cfp(celebrities):
    test = cfp.load(celebrities)
    files = test.shots.files
    assert test.fold.tolist() == np.repeat(range(10), 2).tolist()
    assert test.same.tolist() == [True, False] * 10
    assert files[test.first[1]] == celebrities / "Data/Images/001/frontal/01.jpg"
    assert files[test.second[1]] == celebrities / "Data/Images/002/profile/01.jpg"
    frontal = cfp.load(celebrities, "FF")
    assert {file.parent.name for file in frontal.shots.files} == {"frontal"}
    assert (len(test.shots), len(frontal.shots)) == (20, 10)
    with pytest.raises(ChoiceError, match="part must be one of 'FP', 'FF'"):
        cfp.load(celebrities, "PP")


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("Split/FP/03/diff.txt", "1,11\n", "diff.txt: line 1 names picture 11, which no list has"),
        ("Split/FP/03/diff.txt", "1 2\n", "line 1 reads '1 2' where '1,2' is wanted"),
        ("Pair_list_P.txt", "../Data\n", "Pair_list_P.txt: line 1 reads"),
        ("Pair_list_P.txt", "one ../Data\n", "Pair_list_P.txt: line 1 reads"),
    ],
)
def test_cfp_that_does_not_fit(celebrities, file, text, told):
    (celebrities / "Protocol" / file).write_text(text)
    with pytest.raises(DataError, match=told):
        cfp.load(celebrities)
    (celebrities / "Protocol/Split/FP/10/same.txt").unlink()
    (celebrities / "Protocol" / file).unlink()
    with pytest.raises(DataError, match="has no file"):
        cfp.load(celebrities)


def protocol_of_agedb(path, splits):
    """splits: lists of (name, name, label); nested as the published file is."""
    cell = np.empty((len(splits), 1), object)
    for i, rows in enumerate(splits):
        names = np.empty((2, len(rows)), object)
        for j, row in enumerate(rows):
            for side in range(2):
                names[side, j] = {"name": row[side], "age": float(20 + j)}
        cell[i, 0] = {"pairs": names, "labels": np.array([[row[2] for row in rows]], np.float64)}
    savemat(path, {"splits": cell}, do_compression=True)


def test_agedb(tmp_path, put):
    names = ["1_AdaLovelace_20_f", "2_AdaLovelace_50_f", "3_AlanTuring_30_m", "4_AlanTuring_60_m"]
    for number, name in enumerate(names):
        put(tmp_path / "03_Protocol_Images" / f"{name}.jpg", number // 2, number)
    listed = tmp_path / "04_FINAL_protocol_30_years.mat"
    fold = [(names[0], names[1], 1), (names[0], names[3], -1)]
    protocol_of_agedb(listed, [fold, [(names[2], names[1], -1)]])
    found = [(a.split("/")[1], b.split("/")[1], s, f) for a, b, s, f in pairs(agedb.load(tmp_path))]
    assert found == [
        (f"{names[0]}.jpg", f"{names[1]}.jpg", True, 0),
        (f"{names[0]}.jpg", f"{names[3]}.jpg", False, 0),
        (f"{names[2]}.jpg", f"{names[1]}.jpg", False, 1),
    ]
    protocol_of_agedb(listed, [[("5_Nobody_1_m", names[1], 1)]])
    with pytest.raises(DataError, match=r"5_Nobody_1_m\.jpg, which is not there"):
        agedb.load(tmp_path)
    savemat(listed, {"splits": np.array([[1.0]])})
    with pytest.raises(DataError, match="a split that is no struct of pairs and labels"):
        agedb.load(tmp_path)
    savemat(listed, {"other": np.array([[1.0]])})
    with pytest.raises(DataError, match="has no variable splits"):
        agedb.load(tmp_path)
    with pytest.raises(DataError, match=r"has no file 04_FINAL_protocol_5_years\.mat"):
        agedb.load(tmp_path, 5)


@pytest.fixture
def ages(tmp_path, put):
    """CALFW: 20 genuine pairs with their folds, then 20 impostors without."""
    lines = []
    for i in range(20):
        lines += [f"P{i}_0001.jpg {i // 2 + 1}", f"P{i}_0002.jpg {i // 2 + 1}"]
        for number in (1, 2):
            put(tmp_path / "images" / f"P{i}_{number:04d}.jpg", i, number)
    for i in range(20):
        lines += [f"P{i}_0001.jpg 0", f"P{(i + 1) % 20}_0002.jpg 0"]
    (tmp_path / "pairs_CALFW.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_calfw_and_its_points(ages):
    folder = ages / "CA_landmarks"
    folder.mkdir()
    rows = "".join(f"{x}.5 {x + 1}\n" for x in range(5))
    (folder / "P3_0002_5loc_attri.txt").write_text(rows)
    test = crosslfw.load(ages, "calfw")
    assert test.same.tolist() == [True] * 20 + [False] * 20
    assert test.fold.tolist() == 2 * np.repeat(range(10), 2).tolist()
    found = pairs(test)
    assert found[3][:2] == ("images/P3_0001.jpg", "images/P3_0002.jpg")
    assert found[39][:2] == ("images/P19_0001.jpg", "images/P0_0002.jpg")
    assert test.shots[int(test.second[3])].points.tolist() == [[x + 0.5, x + 1] for x in range(5)]
    assert test.shots[0].points is None
    (folder / "P3_0002_5loc_attri.txt").write_text("1 2\n3 4\n")
    with pytest.raises(DataError, match=r"P3_0002_5loc_attri\.txt: does not hold five points"):
        crosslfw.load(ages, "calfw")


def test_cplfw_of_aligned_pictures(ages):
    (ages / "images").rename(ages / "aligned images")
    text = (ages / "pairs_CALFW.txt").read_text()
    same = [line[: line.rindex(" ")] + " 1" for line in text.splitlines()[:40]]
    (ages / "pairs_CPLFW.txt").write_text("\n".join(same + text.splitlines()[40:]))
    test = crosslfw.load(ages, "cplfw")
    assert test.shots.points is None
    assert test.same.tolist() == [True] * 20 + [False] * 20


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("P0_0002.jpg 1\n", "P0_0002.jpg 2\n", "two of a pair with different labels"),
        ("P0_0002.jpg 1\n", "", "a line without its partner"),
        ("P0_0002.jpg 1\n", "P0_0002.jpg\n", "line 2 reads 'P0_0002.jpg' where 'Name_0001.jpg 1'"),
        ("P0_0002.jpg 1\n", "P0_0002.jpg one\n", "line 2 reads"),
        ("P0_0002.jpg 1\n", "P0_0003.jpg 1\n", r"P0_0003\.jpg, which is not there"),
    ],
)
def test_calfw_that_does_not_fit(ages, old, new, told):
    listed = ages / "pairs_CALFW.txt"
    listed.write_text(listed.read_text().replace(old, new))
    with pytest.raises(DataError, match=told):
        crosslfw.load(ages, "calfw")


def test_calfw_that_is_half_there(ages):
    (ages / "images").rename(ages / "pictures")
    with pytest.raises(DataError, match=r"has no folder images/ or .*aligned images/; unpack"):
        crosslfw.load(ages, "calfw")


@pytest.mark.parametrize("base", ["", "test"])
def test_rfw(tmp_path, put, base):
    root = tmp_path / base
    for person in (1, 2):
        for number in (1, 2):
            put(root / f"data/Asian/m.0{person}/m.0{person}_000{number}.jpg", person, number)
    lists = root / "txts/Asian"
    lists.mkdir(parents=True)
    (lists / "Asian_pairs.txt").write_text("m.01\t1\t2\nm.02\t1\tm.01\t2\n")
    test = rfw.load(tmp_path, "Asian")
    assert pairs(test)[1] == ("m.02/m.02_0001.jpg", "m.01/m.01_0002.jpg", False, 1)
    assert test.shots.points is None
    numbers = "\t".join(str(x) for x in range(10))
    (lists / "Asian_lmk.txt").write_text(f"/data/Asian/m.02/m.02_0001.jpg\t7\t{numbers}\n")
    test = rfw.load(tmp_path, "Asian")
    assert test.shots[2].points.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert test.shots[0].points is None
    (lists / "Asian_lmk.txt").write_text("/data/Asian/m.02/m.02_0001.jpg 7 1 2\n")
    with pytest.raises(DataError, match=r"where .path label x1 y1 \.\.\. x5 y5. is wanted"):
        rfw.load(tmp_path, "Asian")
    with pytest.raises(DataError, match=r"has no folder .*txts/Indian"):
        rfw.load(tmp_path, "Indian")


def test_lists_of_aligned_crops(tmp_path, put):
    for number in range(3):
        put(tmp_path / f"lfw_112x112/{number}.jpg", number // 2, number)
    listed = tmp_path / "lfw_ann.txt"
    listed.write_text(
        "1 lfw_112x112/0.jpg lfw_112x112/1.jpg\n0 lfw_112x112/0.jpg lfw_112x112/2.jpg"
    )
    test = annotated.load(listed)
    assert (test.name, test.shots.template) == ("lfw", "arcface112")
    assert [row[:3] for row in pairs(test)] == [
        ("lfw_112x112/0.jpg", "lfw_112x112/1.jpg", True),
        ("lfw_112x112/0.jpg", "lfw_112x112/2.jpg", False),
    ]
    for text in ("2 a b\n", "1 a\n"):
        listed.write_text(text)
        with pytest.raises(DataError, match="where '1 path path' is wanted"):
            annotated.load(listed)
    listed.write_text("\n")
    with pytest.raises(DataError, match="names no picture"):
        annotated.load(listed)


@pytest.mark.parametrize("count", [10, 13, 25, 6000])
def test_tenths_are_those_of_scikit_learn(count):
    from sklearn.model_selection import KFold

    wanted = np.zeros(count, int)
    for fold, (_, test) in enumerate(KFold(10).split(np.zeros(count))):
        wanted[test] = fold
    assert tenths(count).tolist() == wanted.tolist()
