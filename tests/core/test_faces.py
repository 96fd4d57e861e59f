from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Faces


def made(n: int, *, extras: bool = True, start: int = 0) -> Faces:
    first = np.arange(start, start + n, dtype=np.float64)
    return Faces(
        first[:, None] + np.array([0, 1, 2, 3]),
        first / (n + start + 1),
        np.broadcast_to(first[:, None, None], (n, 5, 2)),
        first[:, None] * np.ones(8) if extras else None,
        first / (n + start + 1) if extras else None,
        detector="test",
    )


def same(a: Faces, b: Faces) -> bool:
    names = ("boxes", "scores", "points", "embeddings", "quality")
    return a.detector == b.detector and all(
        (getattr(a, n) is None and getattr(b, n) is None)
        or np.array_equal(getattr(a, n), getattr(b, n))
        for n in names
    )


def test_arrays_become_float32() -> None:
    faces = made(3)
    for name in ("boxes", "scores", "points", "embeddings", "quality"):
        assert getattr(faces, name).dtype == np.float32


def test_no_faces_is_a_normal_answer() -> None:
    none = Faces.empty("yunet")
    assert len(none) == 0
    assert list(none) == []
    assert none.points.shape == (0, 5, 2)
    assert none.detector == "yunet"
    assert len(none[[]]) == len(none[np.zeros(0, bool)]) == len(none[:3]) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"boxes": np.zeros((2, 5))},
        {"scores": np.zeros(3)},
        {"scores": np.zeros((2, 1))},
        {"points": np.zeros((2, 4, 2))},
        {"quality": np.zeros(1)},
        {"embeddings": np.zeros((3, 8))},
        {"embeddings": np.zeros(2)},
    ],
)
def test_wrong_shapes_are_refused_at_birth(wrong: dict[str, np.ndarray]) -> None:
    right = {"boxes": np.zeros((2, 4)), "scores": np.zeros(2), "points": np.zeros((2, 5, 2))}
    with pytest.raises(ChoiceError, match=next(iter(wrong))):
        Faces(**{**right, **wrong})


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        made(1).scores = np.zeros(1)  # type: ignore[misc]


@given(st.integers(0, 6), st.data())
def test_indexing_is_numpy_indexing(n: int, data: st.DataObject) -> None:
    faces = made(n)
    which = data.draw(
        st.one_of(
            st.slices(n),
            st.lists(st.booleans(), min_size=n, max_size=n).map(lambda x: np.array(x, bool)),
            st.lists(st.integers(-n, n - 1), max_size=4) if n else st.just([]),
        )
    )
    pick = np.asarray(which, dtype=int) if isinstance(which, list) else which
    assert np.array_equal(faces[which].boxes, faces.boxes[pick])
    assert np.array_equal(faces[which].embeddings, faces.embeddings[pick])
    assert faces[which].detector == "test"


def test_one_index_gives_one_face() -> None:
    assert np.array_equal(made(3)[-1].boxes, made(3).boxes[2:])
    assert len(made(3)[np.int64(1)]) == 1
    with pytest.raises(IndexError):
        made(3)[3]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_concatenate_undoes_slicing(counts: list[int]) -> None:
    whole = made(sum(counts))
    ends = np.cumsum(counts)
    parts = [whole[e - c : e] for e, c in zip(ends, counts, strict=True)]
    assert same(Faces.concatenate(parts), whole)


def test_concatenate_keeps_an_optional_array_only_if_all_have_it() -> None:
    joined = Faces.concatenate([made(2), made(1, extras=False)])
    assert len(joined) == 3
    assert joined.embeddings is None
    assert len(Faces.concatenate([])) == 0


def test_a_face_answers_under_the_names_of_insightface() -> None:
    faces = made(2)
    face = list(faces)[1]
    assert np.array_equal(face.bbox, faces.boxes[1])
    assert np.array_equal(face.kps, faces.points[1])
    assert face.det_score == face.score == pytest.approx(1 / 3)
    assert np.array_equal(face.normed_embedding, faces.embeddings[1])
    bare = next(iter(made(1, extras=False)))
    assert bare.normed_embedding is None
    assert bare.quality is None
    with pytest.raises(AttributeError):
        bare.age  # noqa: B018 (a question nobody answered must not be answered with None)
