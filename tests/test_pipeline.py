"""The way of a picture: in order, in bounded memory, through whatever lies in the folder."""

from __future__ import annotations

import gc
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusiform import pipeline
from fusiform.core.errors import (
    ChoiceError,
    DamagedPicture,
    ModelUnsupported,
    NotAPicture,
    PictureError,
    PictureTooLarge,
)
from fusiform.core.pictures import read
from fusiform.measure.boxes import iou
from fusiform.pipeline import (
    Analysed,
    Limits,
    Models,
    analyse,
    analyse_one,
    choose_detector,
    detect_one,
    load_detector,
    load_embedder,
    ordered_map,
)

TINY = np.zeros((24, 24, 3), np.uint8)


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(load_detector("dlib-hog"), load_embedder())


@pytest.fixture(scope="module")
def photos(album: Path) -> list[Path]:
    """The collage of both people, then single portraits."""
    return [photo for photo in sorted(album.glob("*.jpg")) if "cat" not in photo.name]


@pytest.fixture(scope="module")
def portrait(album: Path) -> np.ndarray:
    """The middle of a portrait: one face in 90 pixels."""
    pixels = Image.fromarray(read(album / "grace_hopper.jpg")[90:380, 130:420])
    return np.asarray(pixels.resize((90, 90), Image.Resampling.LANCZOS))


def same(a: Analysed, b: Analysed, far: float = 1e-4) -> bool:
    return (
        (a.sha256, a.width, a.height, a.dropped) == (b.sha256, b.width, b.height, b.dropped)
        and np.array_equal(a.faces.boxes, b.faces.boxes)
        and np.allclose(a.faces.embeddings, b.faces.embeddings, atol=far)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_order_is_kept_and_equals_one_at_a_time(models, photos, workers):
    several = photos * 4
    found = list(analyse(map(str, several), models, workers=workers))
    assert [one.source for one in found] == list(map(str, several))
    for photo, one in zip(photos, found, strict=False):
        assert same(one, analyse_one(photo, models))
        assert one.sha256 == hashlib.sha256(photo.read_bytes()).hexdigest()


def test_nothing_in_nothing_out(models):
    assert list(analyse([], models)) == []


def test_slow_ones_do_not_overtake():
    def work(i: int) -> int:
        time.sleep(0.002 * (i % 3))
        return i

    with ThreadPoolExecutor(4) as pool:
        assert list(ordered_map(pool, work, iter(range(50)), 8)) == list(range(50))


def test_the_window_bounds_what_is_under_way(models):
    taken = 0

    def sources() -> Iterator[np.ndarray]:
        nonlocal taken
        for _ in range(600):
            taken += 1
            yield TINY

    ahead = [taken - i for i, _ in enumerate(analyse(sources(), models, workers=2))]
    assert len(ahead) == 600
    # the window, two batches being embedded, one being filled and one being given out
    assert max(ahead) <= 4 * 2 + 4 * models.embedder.batch


def resident() -> float:
    """Memory of this process in megabytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@linux
def test_memory_stays_flat_over_thousands_of_pictures(models):
    def some(n: int) -> None:
        assert sum(1 for _ in analyse((TINY for _ in range(n)), models)) == n

    some(500)
    before = resident()
    some(3000)
    assert resident() - before < 25


@linux
def test_memory_stays_flat_over_two_thousand_faces(models, portrait):
    def embed(n: int) -> None:
        for _ in range(n):
            assert len(analyse_one(portrait, models).faces) == 1

    embed(100)
    before = resident()
    embed(2000)
    assert resident() - before < 25


def test_eight_threads_on_one_model_say_the_same(models, photos):
    expected = [analyse_one(photo, models) for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda photo: analyse_one(photo, models), photos * 8))
    assert all(same(one, expected[i % len(photos)]) for i, one in enumerate(found))


def test_a_broken_picture_in_the_middle_is_named(models, photos, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photos[0].read_bytes()[:9000])
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    sources = [photos[1], cut, photos[2], text, tmp_path / "gone.jpg", photos[3]]
    found = list(analyse(sources, models))
    kinds = [type(one.error) for one in found]
    assert kinds == [type(None), DamagedPicture, type(None), NotAPicture, PictureError, type(None)]
    assert [len(one.faces) for one in found] == [1, 0, 1, 0, 0, 1]
    assert all(str(found[i].error).startswith(f"{sources[i]}: ") for i in (1, 3, 4))


def test_a_fault_of_ours_costs_one_picture_only(models, photos):
    def break_on_dark(pictures, *, minimum=None):
        if pictures[0].mean() < 1:
            raise ZeroDivisionError("surprise")
        return models.detector(pictures, minimum=minimum)

    class Fragile:
        card, name, longest = models.detector.card, "fragile", 640
        __call__ = staticmethod(break_on_dark)

    found = list(analyse([photos[1], TINY, photos[2]], Models(Fragile(), models.embedder)))
    assert [len(one.faces) for one in found] == [1, 0, 1]
    assert "ZeroDivisionError: surprise); please report" in str(found[1].error)


def test_an_array_of_the_wrong_kind_is_told_as_such(models):
    with pytest.raises(ChoiceError, match="array must be of shape"):
        analyse_one(np.zeros((4, 4, 7), np.uint8), models)
    found = list(analyse([np.zeros((4, 4, 7), np.uint8), TINY], models))
    assert [type(one.error) for one in found] == [ChoiceError, type(None)]


def test_a_huge_file_is_refused_unread(models, tmp_path):
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.write(b"\xff\xd8\xff")
        file.truncate(40 << 30)
    with pytest.raises(PictureTooLarge, match=r"huge\.jpg: has 42\.9 GB, more than the limit"):
        analyse_one(huge, models)


def test_known_pictures_are_only_named(models, photos):
    known = {hashlib.sha256(photos[0].read_bytes()).hexdigest()}
    first, second = analyse(photos[:2], models, known=known)
    assert (first.known, first.sha256, len(first.faces)) == (True, *known, 0)
    assert (second.known, len(second.faces)) == (False, 1)


def test_paths_bytes_images_and_arrays_are_one(models, photos):
    path = photos[1]
    with Image.open(path) as image:
        image.load()
        sources = [path, str(path), path.read_bytes(), image, read(path)]
        found = [analyse_one(source, models).faces for source in sources]
    for faces in found[1:]:
        assert np.allclose(faces.boxes, found[0].boxes, atol=1e-3)
        assert (faces.embeddings @ found[0].embeddings.T).item() > 0.9999


def enlarged(album: Path, sides: tuple[int, int]) -> bytes:
    with Image.open(album / "both_collage.jpg") as image:
        big = image.resize(sides, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    big.save(file, "JPEG", quality=92)
    return file.getvalue()


@pytest.mark.parametrize("model", ["dlib-hog", "yunet-s"])
def test_a_reduced_jpeg_gives_the_faces_of_the_full_one(model, models, album, request):
    if model == "yunet-s":
        request.getfixturevalue("yunet")
    used = Models(load_detector(model), models.embedder)
    with Image.open(album / "both_collage.jpg") as image:
        sides = (image.width * 4, image.height * 4)
    photo = enlarged(album, sides)
    reduced, full = analyse_one(photo, used), analyse_one(read(photo), used)
    assert (reduced.width, reduced.height) == (full.width, full.height) == sides
    assert len(reduced.faces) == len(full.faces) == 2
    order = [np.argsort(result.faces.boxes[:, 0]) for result in (reduced, full)]
    a, b = (result.faces[which] for result, which in zip((reduced, full), order, strict=True))
    width = b.boxes[:, 2] - b.boxes[:, 0]
    assert (np.abs(a.points - b.points).max((1, 2)) < 0.05 * width).all()
    assert np.diag(iou(a.boxes, b.boxes)).min() > (0.6 if model == "dlib-hog" else 0.9)
    assert ((a.embeddings * b.embeddings).sum(1) > 0.99).all()


def scattered(album: Path) -> np.ndarray:
    """A wall of 2400 x 1800 pixels with three faces, each some 60 pixels wide."""
    wall = Image.new("RGB", (2400, 1800), (90, 110, 90))
    with Image.open(album / "grace_hopper.jpg") as image:
        small = image.resize((image.width // 3, image.height // 3), Image.Resampling.LANCZOS)
    for corner in ((40, 60), (1210, 800), (2000, 1500)):
        wall.paste(small, corner)
    return np.asarray(wall)


def test_small_faces_are_found_tile_by_tile(models, album):
    wall = scattered(album)
    assert len(analyse_one(wall, models).faces) == 0
    found = analyse_one(wall, models, Limits(small_faces=True)).faces
    assert len(found) == 3
    assert len(detect_one(wall, models.detector, small_faces=True)) == 3
    assert (found.embeddings @ found.embeddings.T).min() > 0.99
    middles = np.sort((found.boxes[:, 0] + found.boxes[:, 2]) / 2)
    assert np.abs(np.diff(middles) - [1170, 790]).max() < 12


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(score=0.8), "low score: 0.7"),
        (Limits(eye_distance=500), "too small: "),
        (Limits(sharpness=5), "blurred: sharpness "),
    ],
)
def test_every_dropped_find_says_why(models, photos, limits, reason):
    found = analyse_one(photos[1], models, limits)
    assert len(found.faces) == 0
    assert [drop.reason.startswith(reason) for drop in found.dropped] == [True]
    kept = analyse_one(photos[1], models).faces
    assert found.dropped[0].box == pytest.approx(kept.boxes[0].tolist())


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("fusiform")}


def test_closing_early_leaves_nothing_running(models):
    taken = []

    def sources() -> Iterator[np.ndarray]:
        for i in range(10_000):
            taken.append(i)
            yield TINY

    found = analyse(sources(), models, workers=2)
    next(found)
    found.close()
    assert threads() == set()
    assert len(taken) < 300


def test_an_interrupt_begins_nothing_more(models, monkeypatch):
    begun: list[int] = []
    honest = pipeline._find

    def slow(*args):
        begun.append(1)
        time.sleep(0.01)
        return honest(*args)

    def sources() -> Iterator[np.ndarray]:
        yield from [TINY] * 40
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "_find", slow)
    with pytest.raises(KeyboardInterrupt):
        list(analyse(sources(), models, workers=2))
    assert threads() == set()
    assert len(begun) < 40


def test_auto_takes_the_best_detector_that_is_here(yunet):
    assert choose_detector("auto") == "yunet-s"
    assert choose_detector("dlib-hog") == "dlib-hog"
    assert load_detector().name == "yunet-s"


def test_auto_without_downloads_is_dlib():
    assert choose_detector("auto") == "dlib-hog"


def test_a_detector_is_no_embedder():
    with pytest.raises(ModelUnsupported, match="dlib-hog: is no embedder; see `fusiform models`"):
        load_embedder("dlib-hog")


def test_without_embeddings(models, photos):
    found = analyse_one(photos[1], models, embed=False)
    assert found.faces.embeddings is None
    assert len(found.faces) == 1


def with_card(models: Models, **changes: object) -> Models:
    return replace(models, embedder=replace(models.embedder, **changes))


def test_flip_reaches_the_pipeline(models, photos):
    flipping: Callable[..., Analysed] = analyse_one
    mirrored = flipping(photos[1], with_card(models, flip=True)).faces.embeddings
    assert not np.allclose(mirrored, analyse_one(photos[1], models).faces.embeddings, atol=1e-3)


def test_quality_does_not_depend_on_how_small_the_networks_crops_are(models, photos):
    """A network of 64 pixels is told the quality that one of 112 is told."""

    def quality(size: int) -> np.ndarray:
        card = replace(models.embedder.card, template="arcface112", size=size, landmarks="")
        other = Models(models.detector, replace(models.embedder, card=card))
        found = analyse_one(photos[0], other, embed=False)
        assert found.quality is not None
        return found.quality.sharpness

    assert len(quality(112)) == 2
    assert np.array_equal(quality(64), quality(112))
    assert np.array_equal(quality(32), quality(112))
