"""The library's verbs, as a program that imports fusiform uses them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import fusiform
from fusiform import Gallery, api, pipeline, verbs
from fusiform.core.errors import (
    ChoiceError,
    GalleryError,
    ModelMissing,
    ModelsDiffer,
    ModelUnsupported,
    UnknownPerson,
)
from fusiform.core.pictures import read
from fusiform.gallery import Person
from fusiform.recognise.compare import probability, threshold

EILEEN, GRACE = "eileen_collins.jpg", "grace_hopper.jpg"


@pytest.fixture
def kept(copied: Path) -> Iterator[Gallery]:
    """A gallery of the whole album."""
    with Gallery(copied) as made:
        yield made


def holder(gallery: Gallery, photo: str) -> int:
    return next(p.id for p in gallery.people() if any(Path(f.photo).name == photo for f in p.faces))


# Names


def test_a_name_survives_new_photos_moves_and_regrouping(gallery, folder, album):
    gallery.name(holder(gallery, GRACE), "Grace Hopper")
    for name in ("grace_hopper_small_faded.jpg", "both_collage.jpg", "cat_chelsea.jpg"):
        shutil.copy(album / name, folder)
    shutil.move(folder / GRACE, folder / "renamed.jpg")
    gallery.index(folder)
    gallery.regroup(0.99999)
    gallery.regroup()
    faces = {Path(face.photo).name for face in gallery.person("grace hopper").faces}
    collage, small = "both_collage.jpg", "grace_hopper_small_faded.jpg"
    assert faces == {"renamed.jpg", "grace_hopper_mirrored.jpg", collage, small}


def test_merge_split_and_their_faces(gallery, folder):
    grace, eileen = holder(gallery, GRACE), holder(gallery, EILEEN)
    gallery.name(eileen, "Eileen")
    one = gallery.merge("Eileen", grace)
    assert (one.name, len(one.faces)) == ("Eileen", 4)
    gallery.regroup()
    assert len(gallery.people()) == 1
    hers = [face.id for face in one.faces if "grace" in face.photo]
    other = gallery.split("Eileen", hers)
    gallery.regroup()
    assert {face.id for face in gallery.person(other.id).faces} == set(hers)
    assert len(gallery.person("Eileen").faces) == 2


def test_an_unknown_person_gets_a_suggestion(gallery):
    gallery.name(holder(gallery, GRACE), "Grace Hopper")
    with pytest.raises(UnknownPerson, match="did you mean 'Grace Hopper'"):
        gallery.person("Grace Hoper")


def test_forgetting_leaves_no_vector_and_no_name(kept, copied):
    kept.name(holder(kept, GRACE), "Grace Brewster Hopper")
    embedding = fusiform.embed(Path(kept.person("Grace Brewster Hopper").faces[1].photo)).embeddings
    told = kept.forget("Grace Brewster Hopper")
    assert told.proven
    assert told.removed["faces"] == 4
    kept.close()
    content = b"".join(path.read_bytes() for path in copied.parent.glob("copy.db*"))
    assert b"Grace Brewster" not in content
    assert embedding.astype("<f2").tobytes()[:16] not in content
    with Gallery(copied) as again:
        assert len(again.people()) == 1


# Models


def test_models_are_recorded_and_others_refused(gallery, folder, tmp_path, yunet):
    assert gallery.store.models()[:2] == ("dlib-hog", "dlib-resnet")
    with Gallery(gallery.store.path, detector="yunet-s") as other:
        with pytest.raises(ModelsDiffer, match=r"--detector dlib-hog --embedder dlib-resnet"):
            other.index(folder)
        with pytest.raises(ModelsDiffer):
            other.find(folder / GRACE)
        assert len(other.people()) == 2


def test_auto_keeps_a_gallerys_models_when_better_ones_appear(gallery, folder, tmp_path, yunet):
    assert fusiform.detect(folder / GRACE).detector == "yunet-s"
    with Gallery(gallery.store.path) as again:
        assert again.index(folder).detector == "dlib-hog"
        assert again.find(folder / GRACE)
    with Gallery(tmp_path / "newer.db") as newer:
        assert newer.index(folder).detector == "yunet-s"
        assert len(newer.people()) == 2
    verbs._detector.cache_clear()
    with Gallery(tmp_path / "newer.db") as again:
        assert again.models.detector.name == "yunet-s"


@pytest.fixture
def own_embedder(tmp_path: Path) -> Path:
    """A file of a user's own: 112 px in, random projections of a tiny grey picture out."""
    matrix = np.random.default_rng(1).normal(size=(3 * 14 * 14, 32)).astype(np.float32)
    pool = {"kernel_shape": [8, 8], "strides": [8, 8]}
    nodes = [
        helper.make_node("AveragePool", ["data"], ["small"], **pool),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["fc1"]),
    ]
    taken = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 112, 112])
    given = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, ["n", 32])
    weights = [numpy_helper.from_array(matrix, "matrix")]
    graph = helper.make_graph(nodes, "own", [taken], [given], weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "own.onnx")
    return tmp_path / "own.onnx"


def test_a_users_own_network_is_found_again(folder, tmp_path, own_embedder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.db"
    with Gallery(path, embedder="own.onnx") as gallery:
        with pytest.raises(ModelUnsupported, match=r"give one \(limit=0\.5, or --limit 0\.5\)"):
            gallery.index(folder)
        assert gallery.index(folder, limit=0.9).embedder == "own"
    monkeypatch.chdir(folder)
    with Gallery(path) as again:
        assert again.models.embedder.name == "own"
        assert again.find(GRACE, at_least=0.99)[0].matches
        assert again.index(folder).unchanged == 4  # the limit is remembered
    verbs._embedder.cache_clear()
    own_embedder.unlink()
    with Gallery(path) as lost, pytest.raises(ModelMissing, match=r"own\.onnx: no such file"):
        lost.index(folder)


# Searching and verifying


def test_find_by_photo(kept, album):
    (one,) = kept.find(album / GRACE, at_least=0.95)
    assert one.matches[0].similarity > 0.999
    assert {match.person for match in one.matches} == {holder(kept, GRACE)}
    assert len(kept.find(album / "both_collage.jpg", count=1)) == 2
    assert kept.find(album / "cat_chelsea.jpg") == []
    kept.name(holder(kept, GRACE), "Grace")
    assert kept.find(read(album / GRACE), count=1)[0].matches[0].name == "Grace"


def test_one_person_in_two_pictures(album):
    told = fusiform.verify(album / GRACE, album / "grace_hopper_small_faded.jpg")
    assert told.verified
    assert told.similarity > told.threshold
    assert told.probability > 0.9
    assert (len(told.faces_a), len(told.faces_b), told.pair) == (1, 1, (0, 0))


def test_two_people_in_two_pictures(album):
    told = fusiform.verify(album / GRACE, album / EILEEN)
    assert not told.verified
    assert told.similarity < told.threshold
    assert told.probability < 0.1


def test_the_most_similar_pair_decides(album):
    told = fusiform.verify(album / "both_collage.jpg", album / EILEEN)
    table = told.faces_a.embeddings @ told.faces_b.embeddings.T
    assert told.verified
    assert told.similarity == pytest.approx(float(table.max()), abs=1e-6)
    assert table[told.pair] == table.max()


def test_a_picture_without_a_face_proves_nothing(album):
    told = fusiform.verify(album / "cat_chelsea.jpg", album / GRACE)
    assert (told.verified, told.similarity, told.probability) == (False, None, None)
    assert (told.pair, told.distance) == (None, None)
    assert (len(told.faces_a), len(told.faces_b)) == (0, 1)


def test_thresholds_can_be_chosen(album):
    card = api.models().embedder.card
    told = [fusiform.verify(album / GRACE, album / EILEEN, fmr=t.fmr) for t in card.thresholds]
    assert [one.threshold for one in told] == [t.similarity for t in card.thresholds]
    assert fusiform.verify(album / GRACE, album / EILEEN, limit=-1).verified
    with pytest.raises(ChoiceError, match="fmr must be one of"):
        fusiform.verify(album / GRACE, album / EILEEN, fmr=0.3)
    assert threshold(card) == told[1].threshold
    assert told[0].probability == probability(card, told[0].similarity)


def test_users_of_deepface_find_their_names(album):
    told = fusiform.verify(album / GRACE, album / EILEEN)
    assert told["verified"] is False
    assert told["distance"] == pytest.approx(1 - told["similarity"])
    assert told["threshold"] == told.threshold


def test_users_of_insightface_find_their_names(album):
    (face,) = fusiform.embed(album / GRACE)
    assert face.bbox.shape == (4,)
    assert face.kps.shape == (5, 2)
    assert 0 < face.det_score <= 1
    assert np.linalg.norm(face.normed_embedding) == pytest.approx(1, abs=1e-5)


# Pictures

SOURCES: list[Callable[[Path], object]] = [str, Path.read_bytes, read, Image.open]


@pytest.mark.parametrize("source", SOURCES, ids=["text", "bytes", "array", "image"])
def test_every_kind_of_source_is_welcome(album, source):
    photo = source(album / EILEEN)
    assert len(fusiform.detect(photo)) == 1
    told = fusiform.verify(photo, album / EILEEN)
    assert told.similarity > 0.999
    if isinstance(photo, Image.Image):
        photo.close()


def test_no_face_is_an_answer(album):
    for verb in (fusiform.detect, fusiform.embed, fusiform.describe):
        assert len(verb(album / "cat_chelsea.jpg")) == 0


def test_describe(album):
    (straight,) = fusiform.describe(album / "eileen_collins.jpg")
    (tilted,) = fusiform.describe(album / "eileen_collins_grey_tilted.jpg")
    assert abs(abs(tilted.roll - straight.roll) - 8) < 2
    (dark,) = fusiform.describe(album / "eileen_collins_cropped_darker.jpg")
    assert dark.brightness == pytest.approx(0.6 * straight.brightness, rel=0.15)
    assert straight.face.embedding is None
    assert 0 < straight.face.quality <= 1
    assert straight.eye_distance == pytest.approx(dark.eye_distance, rel=0.1)


def test_a_lower_minimum_finds_no_less(album):
    few, many = (fusiform.detect(album / EILEEN, minimum=m) for m in (0.99, 0.3))
    assert len(few) == 0
    assert len(many) >= 1
    assert (np.diff(many.scores) <= 0).all()


# Sheet


def test_the_sheet_has_a_row_a_person(kept, copied):
    two = kept.sheet()
    kept.split(holder(kept, GRACE), [kept.person(holder(kept, GRACE)).faces[0].id])
    three = kept.sheet()
    assert two.dtype == np.uint8
    assert two.shape[1:] == (two.shape[1], 3)
    assert three.shape[0] > two.shape[0]
    assert kept.sheet(smallest=2).shape[0] < three.shape[0]


def test_the_sheet_leaves_out_what_cannot_be_read(gallery, folder):
    whole = gallery.sheet()
    (folder / GRACE).write_text("gone bad")
    assert gallery.sheet().shape[0] == whole.shape[0]
    shutil.rmtree(folder)
    assert gallery.sheet().ndim == 3


def test_nobodys_sheet(tmp_path):
    with Gallery(tmp_path / "empty.db") as gallery:
        assert gallery.sheet().ndim == 3
        assert gallery.people() == []


def test_titles():
    with_name = Person(3, "Ada", ())
    assert (api.title(with_name), api.title(replace(with_name, name=None))) == ("Ada", "Person 3")
    counts = [api.count_of(n, "person") for n in (0, 1, 2000)]
    assert counts == ["0 people", "1 person", "2,000 people"]


def test_the_default_gallery(tmp_path, monkeypatch, home):
    assert api.default_gallery() == home / "gallery.db"
    monkeypatch.setenv("FUSIFORM_GALLERY", str(tmp_path / "mine.db"))
    with Gallery() as gallery:
        assert gallery.store.path == tmp_path / "mine.db"


# Another model


def test_faces_are_embedded_again_without_their_photos(folder, tmp_path, own_embedder):
    with Gallery(tmp_path / "album.db") as gallery:
        gallery.index(folder)
        faces = gallery.store.counts()["faces"]
        gallery.name(1, "Ada")
        for photo in folder.iterdir():
            photo.unlink()
        done, changes = gallery.reembed(str(own_embedder), limit=0.9)
        assert (done.faces, done.lost, changes.faces) == (faces, (), faces)
        assert gallery.reembed(str(own_embedder))[0].faces == 0
        gallery.switch(str(own_embedder))
        assert gallery.models.embedder.name == "own"
    with Gallery(tmp_path / "album.db") as again:
        assert again.models.embedder.name == "own"
        assert again.person("Ada").faces
        again.switch("dlib-resnet")
        assert again.drop_vectors(str(own_embedder)) == faces


def test_crops_give_the_embeddings_of_the_photos(folder, tmp_path):
    with Gallery(tmp_path / "album.db") as gallery:
        gallery.index(folder)
        ids, vectors, _ = gallery.store.vectors()
        crops = gallery.store.crops_of(ids.tolist())
        again = pipeline.embed_crops([crops[face] for face in ids.tolist()], gallery.models)
        assert (again * vectors).sum(axis=1).min() > 0.995


def test_photos_stand_in_for_crops_that_are_not_kept(folder, tmp_path, own_embedder):
    with Gallery(tmp_path / "album.db") as gallery:
        gallery.index(folder, crops=False)
        assert not gallery.store.read("SELECT 1 FROM crops")
        first = min(path.name for path in folder.iterdir())
        (folder / first).write_bytes(b"something else")
        done, _ = gallery.reembed(str(own_embedder), limit=0.9)
        (faces,) = gallery.store.read("SELECT count(*) FROM faces")[0]
        assert done.faces + len(done.lost) == faces
        assert len(done.lost) >= 1
        with pytest.raises(GalleryError, match="no vectors of that model yet"):
            gallery.switch(str(own_embedder))
        gallery.switch(str(own_embedder), leave_out=True)


def test_a_box_that_was_drawn(folder, tmp_path):
    with Gallery(tmp_path / "album.db") as gallery:
        gallery.index(folder)
        photo = folder / GRACE
        grace = holder(gallery, GRACE)
        gallery.name(grace, "Grace")
        (known,) = [face for face in gallery.person("Grace").faces if face.photo == str(photo)]
        gallery.not_a_face(known.id)
        drawn = gallery.box(photo, known.box)
        assert drawn.box == pytest.approx(known.box, abs=0.01)
        assert drawn.id in {face.id for face in gallery.person("Grace").faces}
        gallery.undo()
        assert drawn.id not in {face.id for face in gallery.person("Grace").faces}
        assert gallery.box(photo, known.box, "Grace").score == 1
        with pytest.raises(ChoiceError, match="in the gallery as it lies there"):
            gallery.box(tmp_path / "other.jpg", (0, 0, 9, 9))
