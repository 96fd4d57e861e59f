"""Questions worth asking, against all pairs; and reasons, against the faces themselves."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError, UnknownPerson
from fusiform.gallery import (
    apart,
    hide,
    merge,
    name,
    people,
    person,
    questions,
    regroup,
    same,
    split,
    undo,
    why,
)

LIMIT = 0.7


@pytest.fixture
def torn(store, crowd, fill):
    """Five people whose faces are so unlike that grouping leaves them in pieces."""
    fill(store, crowd(60, 5, d=32, noise=0.75)[0])
    regroup(store, LIMIT)
    assert len(people(store)) > 8
    return store


def mean(store, a, b):
    one, other = (store.vectors_of([f.id for f in person(store, who).faces])[1] for who in (a, b))
    return float((one @ other.T).mean())


def test_the_most_useful_comes_first(torn):
    found = questions(torn, LIMIT, 100)
    everybody = people(torn)
    pairs = {
        (a.id, b.id): mean(torn, a.id, b.id)
        for i, a in enumerate(everybody)
        for b in everybody[i + 1 :]
    }
    wanted = {tuple(sorted(p)) for p, s in pairs.items() if s >= LIMIT - 0.5 * (1 - LIMIT)}
    assert {tuple(sorted((q.person, q.other))) for q in found} == wanted
    for q in found:
        assert q.similarity == pytest.approx(mean(torn, q.person, q.other), abs=1e-4)
        sizes = [len(person(torn, who).faces) for who in (q.person, q.other)]
        assert sizes[0] >= sizes[1] == q.gain
    worth = [q.gain / (1 + np.exp((LIMIT - q.similarity) / (0.1 * (1 - LIMIT)))) for q in found]
    assert worth == sorted(worth, reverse=True)
    assert questions(torn, LIMIT, 3) == found[:3]
    with pytest.raises(ChoiceError, match="count"):
        questions(torn, LIMIT, 0)


def test_answers_are_not_asked_for_again(torn):
    first, second = questions(torn, LIMIT, 2)
    apart(torn, first.person, first.other)
    pairs = {(q.person, q.other) for q in questions(torn, LIMIT, 100)}
    assert (first.person, first.other) not in pairs
    hide(torn, second.other)
    assert second.other not in {who for pair in pairs for who in pair} - {second.other}
    asked = {who for q in questions(torn, LIMIT, 100) for who in (q.person, q.other)}
    assert second.other not in asked


def test_answering_everything_puts_people_together(torn, crowd):
    _, who = crowd(60, 5, d=32, noise=0.75)
    before = len(people(torn))
    for _ in range(200):
        found = questions(torn, LIMIT, 1)
        if not found:
            break
        a, b = (who[person(torn, p).faces[0].id - 1] for p in (found[0].person, found[0].other))
        (same if a == b else apart)(torn, found[0].person, found[0].other)
    assert len(people(torn)) < before / 1.5


def test_an_empty_gallery_has_no_questions(store):
    assert questions(store, 0.5) == []


def test_reasons_are_the_faces_own(torn):
    one = people(torn)[0]
    face = one.faces[0].id
    reason = why(torn, face, one.id)
    ids, vectors, _ = torn.vectors()
    own = vectors[ids.tolist().index(face)]
    others = [f.id for f in one.faces if f.id != face]
    sims = dict(zip(others, torn.vectors_of(others)[1] @ own, strict=True))
    assert (reason.owner, reason.person, reason.decided) == (one.id, one.id, False)
    assert reason.similarity == pytest.approx(np.mean(list(sims.values())), abs=1e-5)
    best = sorted(sims.values(), reverse=True)[:5]
    np.testing.assert_allclose([s for _, s in reason.nearest], best, atol=1e-6)
    assert reason.rival is not None
    rivals = {p.id: float((torn.vectors_of([f.id for f in p.faces])[1] @ own).mean())
              for p in people(torn) if p.id != one.id}  # fmt: skip
    assert reason.rival == pytest.approx(max(rivals.items(), key=lambda r: r[1]), abs=1e-5)
    name(torn, one.id, "Ada")
    assert why(torn, face, "ada").decided
    other = people(torn)[1]
    assert why(torn, face, other.id).owner == one.id
    assert not why(torn, face, other.id).decided


def test_reasons_know_what_was_denied(torn):
    one, other = people(torn)[:2]
    face, another = (f.id for f in one.faces[:2])
    assert not why(torn, face, other.id).denied
    apart(torn, one.id, other.id)
    assert why(torn, face, other.id).denied
    assert not why(torn, face, one.id).denied
    new = split(torn, one.id, [face])
    assert why(torn, face, one.id).denied
    assert why(torn, another, new.id).denied
    assert not why(torn, face, new.id).denied
    merge(torn, one.id, new.id)
    assert not why(torn, face, one.id).denied
    undo(torn, 3)
    assert not why(torn, face, other.id).denied


def test_reasons_without_company(store, crowd, fill):
    fill(store, crowd(1, 1)[0])
    regroup(store, 0.5)
    reason = why(store, 1, 1)
    assert (reason.similarity, reason.nearest, reason.rival) == (None, (), None)
    with pytest.raises(ChoiceError, match="number of a face"):
        why(store, 99, 1)
    with pytest.raises(UnknownPerson):
        why(store, 1, "Ada")


def test_questions_follow_merges_and_splits(torn):
    a, b = people(torn)[:2]
    merge(torn, a.id, b.id)
    part = split(torn, a.id, [a.faces[0].id])
    for q in questions(torn, LIMIT, 100):
        assert {q.person, q.other} != {a.id, part.id}
