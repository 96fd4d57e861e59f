"""`fusiform bench recognition` over the album's faces, laid out as public sets."""

from __future__ import annotations

import io
import json
import pickle  # writes packs as their makers did; nothing of ours reads with it
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusiform.app.bench import recognition
from fusiform.app.bench.recognition import _TITLES, Cutter, bench_recognition, row
from fusiform.core.align import align, middle, nearest_middle, template
from fusiform.core.errors import DataError, PolicyForbids
from fusiform.core.pictures import read
from fusiform.pipeline import Models, aligned, load_detector, load_embedder
from fusiform.protocols.run import report
from fusiform.protocols.sets import PairTest, People, SearchTest, Shot, Shots, TemplateTest

PAGE = Path(__file__).parents[2] / "docs" / "recognition.md"
GENUINE = [("eileen_collins", "eileen_collins_mirrored"), ("grace_hopper", "grace_hopper_mirrored")]


@pytest.fixture(scope="module")
def models():
    return Models(load_detector("dlib-hog"), load_embedder("dlib-resnet"))


@pytest.fixture(scope="module")
def portrait(album, models):
    """Grace Hopper's pixels, and her five points as dlib's detector has them."""
    pixels = read(album / "grace_hopper.jpg")
    return pixels, models.detector([pixels])[0].points[0]


@pytest.fixture
def packs(album, tmp_path, models):
    """A folder of two packs: the album's faces as arcface112 crops, ten folds of two pairs."""
    crops = {}
    for name in {name for pair in GENUINE for name in pair}:
        pixels = read(album / f"{name}.jpg")
        crop = align(pixels, models.detector([pixels])[0].points[:1], "arcface112")[0]
        file = io.BytesIO()
        Image.fromarray(crop).save(file, "JPEG", quality=95)
        crops[name] = file.getvalue()
    impostors = list(zip(*GENUINE, strict=True))
    pairs = [pair for i in range(10) for pair in (GENUINE[i % 2], impostors[i % 2])]
    data = tmp_path / "data"
    data.mkdir()
    content = ([crops[name] for pair in pairs for name in pair], [True, False] * 10)
    for name in ("agedb_30", "lfw"):
        (data / f"{name}.bin").write_bytes(pickle.dumps(content, 2))
    return data


@pytest.fixture
def wild(album, tmp_path):
    """LFW's layout with ten folds; one picture shows a cat."""
    root = tmp_path / "wild"
    sources = {"Eileen_Collins": GENUINE[0], "Grace_Hopper": GENUINE[1]}
    for name, files in sources.items():
        for number, file in enumerate(files, 1):
            (root / "lfw" / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(album / f"{file}.jpg", root / f"lfw/{name}/{name}_{number:04d}.jpg")
    cat = root / "lfw/Cat"
    cat.mkdir()
    shutil.copy(album / "cat_chelsea.jpg", cat / "Cat_0001.jpg")
    same = ["Eileen_Collins\t1\t2", "Grace_Hopper\t1\t2"] * 5
    other = ["Eileen_Collins\t1\tGrace_Hopper\t2"] * 9 + ["Grace_Hopper\t1\tCat\t1"]
    folds = [line for pair in zip(same, other, strict=True) for line in pair]
    (root / "pairs.txt").write_text("\n".join(["10\t1", *folds]))
    return root


def test_packs_are_a_row_each(invoke, packs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, told = invoke("bench", "recognition", "--data", packs, "--json", "--save")
    assert code == 0
    answer = json.loads(out)
    rows = answer["tables"]["pairs"]
    assert [row["set"] for row in rows] == ["agedb_30", "lfw"]
    assert rows[0]["accuracy"] == 100
    assert (rows[0]["pairs"], rows[0]["genuine"], rows[0]["TAR@0.001"]) == (20, 10, None)
    assert rows[0]["TAR@0.1"] == 100
    ways = answer["tables"]["how the crops were had"][0]
    assert ways["crops aligned anew"] == 40
    assert ways["no face found"] == 0
    assert answer["environment"]["options"]["model"] == "dlib-resnet"
    assert "shipped crops show less than dlib150 wants" in " ".join(answer["notes"])
    assert "recognition.json" in told
    saved = (tmp_path / "results" / "recognition.json").read_text()
    assert json.loads(saved)["tables"] == answer["tables"]
    assert str(packs) not in saved


def test_one_pack_mirrored_too(invoke, packs):
    code, out, _ = invoke("bench", "recognition", "--data", packs / "lfw.bin", "--flip")
    assert code == 0
    assert "the other" not in out
    assert "agedb" not in out
    assert "lfw" in out


def test_pictures_are_searched_for_faces(wild, models):
    told = []
    result = bench_recognition(wild, detector="dlib-hog", progress=lambda *step: told.append(step))
    (row,) = result.tables["pairs"]
    assert (row["pictures"], row["pairs"]) == (5, 20)
    assert row["accuracy"] >= 95
    ways = result.tables["how the crops were had"][0]
    assert (ways["detected"], ways["no face found"]) == (4, 1)
    assert any("1 pictures without a face that was found" in note for note in result.notes)
    assert told[-1] == ("wild", 5, 5)


def test_interrupted_it_writes_nothing(invoke, packs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def stop(*step):
        raise KeyboardInterrupt

    monkeypatch.setattr(recognition, "run", stop)
    code, out, _ = invoke("bench", "recognition", "--data", packs, "--save")
    assert (code, out) == (130, "")
    assert not (tmp_path / "results").exists()


def test_what_does_not_fit_is_one_error(invoke, packs, tmp_path):
    with pytest.raises(DataError, match="gone: does not exist"):
        invoke("bench", "recognition", "--data", tmp_path / "gone")
    with pytest.raises(DataError, match="holds no set of the kind lfw"):
        invoke("bench", "recognition", "--data", packs, "--kind", "lfw")
    assert invoke("bench", "recognition")[0] == 2


def test_the_policy_is_asked(invoke, packs, tmp_path, monkeypatch):
    (tmp_path / "policy.toml").write_text("[allow]\nembed = false\n")
    monkeypatch.setenv("FUSIFORM_POLICY", str(tmp_path / "policy.toml"))
    with pytest.raises(PolicyForbids):
        invoke("bench", "recognition", "--data", packs)


COLUMNS = dict(re.findall(r"^\| `([^`]+)` \| (`set`.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("title", [*_TITLES.values()])
def test_the_page_names_every_column(title, rng):
    """Of each kind of test: columns as documented, from reports over drawn vectors."""
    person = np.repeat(np.arange(4), 5)
    shots, vectors = Shots([b""] * 20), rng.normal(size=(20, 8)).astype(np.float32)
    same = np.tile([True, False], 5)
    half = np.arange(10)
    tests = {
        "pairs": PairTest("x", shots, half, half + 10, same, half),
        "templates": TemplateTest("x", shots, half.repeat(2), np.arange(20), np.ones(20), half,
                                  half[::-1].copy(), same),
        "identification": SearchTest("x", shots, person, np.arange(5, 20), np.arange(5, 10)),
    }  # fmt: skip
    test = tests.get(title, People("x", shots, person, tuple("abcd")))
    told = list(row(report(test, vectors)))
    documented = re.findall(r"`([^`]+)`", COLUMNS[title])
    if "to" in COLUMNS[title].split():
        documented[-1:] = ["TAR@1e-05", "TAR@0.0001", "TAR@0.001", "TAR@0.01", "TAR@0.1"]
    assert told == documented


# Crops


def test_shipped_points_are_aligned_by(portrait, models):
    pixels, points = portrait
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    cutter = Cutter(models)
    crop = cutter(Shot(file.getvalue(), points))
    assert cutter.had == ["points as shipped"]
    found = aligned(pixels, points[None], models)[0]
    network = models.embedder
    # dlib's own points again, so nearly the crop that the pipeline makes
    assert float((network(crop[None]) @ network(found[None]).T)[0, 0]) > 0.98


def test_crops_of_the_models_own_template_stay(portrait, models):
    pixels, points = portrait
    crop = align(pixels, points[None], "dlib150")[0]
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "PNG")
    cutter = Cutter(models)
    assert np.array_equal(cutter(Shot(file.getvalue(), None, "dlib150")), crop)
    assert cutter.had == ["crops as shipped"]


def test_crops_are_scaled_to_the_cards_size(portrait, models):
    pixels, points = portrait
    crop = align(pixels, points[None], "arcface112")[0]
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "PNG")
    card = replace(models.embedder.card, template="arcface112", size=96, landmarks="")
    small = Cutter(Models(models.detector, replace(models.embedder, card=card)))
    found = small(Shot(file.getvalue(), None, "arcface112"))
    wanted = np.asarray(Image.fromarray(crop).resize((96, 96), Image.Resampling.BILINEAR))
    assert found.shape == (96, 96, 3)
    assert np.abs(found.astype(int) - wanted).mean() < 6
    assert small.had == ["crops as shipped"]


def test_crops_of_another_template_are_moved(portrait, models):
    """A crop of arcface112 at twice its size, back to dlib150: near the crop of the picture."""
    pixels, points = portrait
    small = align(pixels, points[None], "arcface112")[0]
    file = io.BytesIO()
    Image.fromarray(small).resize((224, 224)).save(file, "PNG")
    cutter = Cutter(models)
    crop = cutter(Shot(file.getvalue(), None, "arcface112"))
    assert cutter.had == ["crops aligned anew"]
    wanted = align(pixels, points[None], "dlib150")
    network = models.embedder
    assert float((network(crop[None]) @ network(wanted).T)[0, 0]) > 0.95


def test_the_face_nearest_the_middle_counts(album, models):
    pixels = read(album / "both_collage.jpg")
    faces = models.detector([pixels])[0]
    assert len(faces) == 2
    for wanted in range(2):
        x = int((faces.boxes[wanted, 0] + faces.boxes[wanted, 2]) / 2)
        half = min(x, pixels.shape[1] - x)
        part = np.ascontiguousarray(pixels[:, x - half : x + half])
        found = nearest_middle(models.detector([part])[0], part)
        middle_x = float(found.boxes[0, ::2].mean())
        assert abs(middle_x - half) < 30


def test_the_middle_square():
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 200
    assert (middle(pixels, 16) == 200).all()
    assert middle(pixels, 16).shape == (16, 16, 3)
    square = pixels[:, :40]
    assert middle(square, 40) is square
    assert template("arcface112").size == 112
