"""Sets of templates, of searches, and of people in folders."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from fusiform.core.errors import DataError
from fusiform.protocols import folders, ijb, tinyface


@pytest.fixture
def janus(tmp_path, put):
    """IJB-C of four templates, of two pictures and one video frame each."""
    root = tmp_path / "IJBC"
    (root / "meta").mkdir(parents=True)
    faces, points, number = "", "", 1
    for template in (10, 20, 30, 40):
        for frame in range(3):
            put(root / "loose_crop" / f"{number}.jpg", template // 20, number)
            faces += f"{number}.jpg {template} {template * 100 + frame // 2}\n"
            places = " ".join(f"{x:.3f}" for x in range(10))
            points += f"{number}.jpg {places} 0.{number:02d}\n"
            number += 1
    (root / "meta/ijbc_face_tid_mid.txt").write_text(faces)
    (root / "meta/ijbc_name_5pts_score.txt").write_text(points)
    (root / "meta/ijbc_template_pair_label.txt").write_text("20 30 1\n10 20 0\n10 40 0\n")
    return root


def test_ijb(janus):
    test = ijb.load(janus.parent, "ijbc")
    assert test.template.tolist() == np.repeat([10, 20, 30, 40], 3).tolist()
    assert test.media[:4].tolist() == [1000, 1000, 1001, 2000]
    assert test.score.tolist() == pytest.approx([i / 100 for i in range(1, 13)])
    assert (test.first.tolist(), test.second.tolist()) == ([20, 10, 10], [30, 20, 40])
    assert test.same.tolist() == [True, False, False]
    assert test.shots[2].points.tolist() == np.arange(10.0).reshape(5, 2).tolist()
    assert test.shots.files[11] == janus / "loose_crop/12.jpg"
    assert len(ijb.load(janus, "ijbc").shots) == 12  # the root may be the part itself


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("face_tid_mid", "2.jpg 10 1000", "2.jpg 10", "line 2 reads '2.jpg 10' where '1.jpg 1 695"),
        ("face_tid_mid", "2.jpg 10 1000", "2.jpg 10 x", "line 2 reads"),
        ("face_tid_mid", "2.jpg", "99.jpg", "does not list the pictures of ijbc_face_tid_mid.txt"),
        ("name_5pts_score", " 0.02\n", "\n", "line 2 reads .* x5 y5 score"),
        ("name_5pts_score", " 0.02\n", " high\n", "line 2 reads"),
        ("template_pair_label", "10 20 0", "10 50 0", "names template 50, which has no picture"),
        ("template_pair_label", "10 20 0", "10 20 2", "has labels other than 0 and 1"),
        ("template_pair_label", "10 20 0", "10 20", "cannot be read"),
        ("template_pair_label", "10 20 0", "10 20 no", "cannot be read"),
    ],
)
def test_ijb_that_does_not_fit(janus, file, old, new, told):
    path = janus / "meta" / f"ijbc_{file}.txt"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=rf"ijbc_.*\.txt: .*{told}"):
        ijb.load(janus, "ijbc")


def test_ijb_that_is_half_there(janus):
    (janus / "loose_crop/7.jpg").unlink()
    with pytest.raises(DataError, match=r"names .*7\.jpg, which is not there"):
        ijb.load(janus, "ijbc")
    with pytest.raises(DataError, match=r"has no file ijbb_face_tid_mid\.txt"):
        ijb.load(janus, "ijbb")


@pytest.fixture
def tiny(tmp_path, put):
    """TinyFace: two probes, three gallery pictures, two distractors."""
    base = tmp_path / "Testing_Set"
    for name, person in (("Probe/7_1.jpg", 7), ("Probe/8_1.jpg", 8)):
        put(base / name, person, 1)
    for name, person in (("7_2.jpg", 7), ("7_3.jpg", 7), ("8_2.jpg", 8)):
        put(base / "Gallery_Match" / name, person, 2)
    for number in range(2):
        put(base / "Gallery_Distractor" / f"{number}.jpg", 20 + number)
    return base


def lists(base, probes, gallery):
    for word, name, rows in (("probe", "probe", probes), ("gallery", "gallery_match", gallery)):
        names = np.array([[row[0]] for row in rows], object)
        ids = np.array([[row[1]] for row in rows], np.uint16)
        told = {f"{word}_set": names, f"{word}_ids": ids}
        savemat(base / f"{name}_img_ID_pairs.mat", told)


def test_tinyface_by_its_lists(tiny):
    lists(tiny, [("8_1.jpg", 2), ("7_1.jpg", 1)], [("7_2.jpg", 1), ("8_2.jpg", 2)])
    test = tinyface.load(tiny.parent)
    names = [file.name for file in test.shots.files]
    assert names == ["8_1.jpg", "7_1.jpg", "7_2.jpg", "8_2.jpg", "0.jpg", "1.jpg"]
    assert test.person.tolist() == [2, 1, 1, 2, -1, -1]
    assert (test.probe.tolist(), test.gallery.tolist()) == ([0, 1], [2, 3, 4, 5])


def test_tinyface_by_names(tiny):
    test = tinyface.load(tiny.parent)
    assert test.person.tolist() == [7, 8, 7, 7, 8, -1, -1]
    (tiny / "Probe/x_1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"x_1\.jpg: does not begin with its person's number"):
        tinyface.load(tiny.parent)


def test_tinyface_that_does_not_fit(tiny):
    lists(tiny, [("8_1.jpg", 2)], [("7_2.jpg", 1)])
    with pytest.raises(DataError, match="has nobody of number 2, whom the probes show"):
        tinyface.load(tiny.parent)
    lists(tiny, [("8_9.jpg", 2)], [("8_2.jpg", 2)])
    with pytest.raises(DataError, match=r"8_9\.jpg, which is not there"):
        tinyface.load(tiny.parent)
    path = tiny / "probe_img_ID_pairs.mat"
    savemat(path, {"probe_set": np.array([["8_1.jpg"]], object), "probe_ids": np.array([[2, 3]])})
    with pytest.raises(DataError, match="has 1 pictures and 2 people"):
        tinyface.load(tiny.parent)
    savemat(path, {"probe_set": np.array([["8_1.jpg"]], object)})
    with pytest.raises(DataError, match="has no lists probe_set and probe_ids"):
        tinyface.load(tiny.parent)
    for file in (tiny / "Gallery_Match").iterdir():
        file.unlink()
    (tiny / "gallery_match_img_ID_pairs.mat").unlink()
    path.unlink()
    with pytest.raises(DataError, match="Gallery_Match: has no picture"):
        tinyface.load(tiny.parent)


def test_folders_of_people(tmp_path, put):
    for person, name in enumerate(("n000002", "n000001")):
        for number in range(2):
            put(tmp_path / name / f"{number}.jpg", person, number)
    (tmp_path / "n000001" / "readme.txt").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "list.txt").write_text("n000001/0.jpg 1\n")
    people = folders.load(tmp_path)
    assert people.names == ("n000001", "n000002")
    assert people.person.tolist() == [0, 0, 1, 1]
    assert [file.parent.name for file in people.shots.files] == ["n000001"] * 2 + ["n000002"] * 2
    with pytest.raises(DataError, match="has no folders of pictures; give each person a folder"):
        folders.load(tmp_path / "n000001")


def test_lists_of_people(tmp_path, put):
    put(tmp_path / "a b/1.jpg", 1)
    put(tmp_path / "c.jpg", 2)
    listed = tmp_path / "train.txt"
    listed.write_text("a b/1.jpg 17\nc.jpg\t3\n")
    people = folders.load_list(listed, tmp_path)
    assert (people.names, people.person.tolist()) == (("17", "3"), [0, 1])
    for text, told in (("c.jpg\n", "where 'path label' is wanted"), ("d.jpg 3\n", "not there")):
        listed.write_text(text)
        with pytest.raises(DataError, match=told):
            folders.load_list(listed, tmp_path)
