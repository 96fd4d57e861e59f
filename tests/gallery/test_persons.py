"""People keep their numbers and names while photos come in and groups are made anew."""

from __future__ import annotations

import pytest

from fusiform.core.errors import ChoiceError, UnknownPerson
from fusiform.gallery import merge, name, people, person, regroup, split


@pytest.fixture
def grouped(store, crowd, fill):
    """A gallery of four people with five faces each; person k has faces k, k+4, ..."""
    fill(store, crowd(20, 4, noise=0.4)[0])
    regroup(store, 0.5)
    return store


def ids(who) -> list[int]:
    return [face.id for face in who.faces]


def test_groups_become_people(grouped):
    everybody = people(grouped)
    assert [who.id for who in everybody] == [1, 2, 3, 4]
    assert [ids(who) for who in everybody] == [list(range(k, 21, 4)) for k in (1, 2, 3, 4)]
    assert all(who.name is None for who in everybody)
    assert everybody[0].faces[0].photo == "/photos/0.jpg"


def test_most_faces_first(grouped, crowd, fill):
    fill(grouped, crowd(20, 4, noise=0.4)[0][3::4], first=100)
    regroup(grouped, 0.5)
    assert [(who.id, len(who.faces)) for who in people(grouped)][:2] == [(4, 10), (1, 5)]


def test_grouping_again_changes_nothing(grouped):
    before = people(grouped)
    regroup(grouped, 0.5)
    assert people(grouped) == before


def test_numbers_stay_when_photos_are_added(grouped, crowd, fill):
    before = {who.id: set(ids(who)) for who in people(grouped)}
    fill(grouped, crowd(60, 6, noise=0.4, seed=9)[0], first=20)  # other people
    regroup(grouped, 0.5)
    after = {who.id: set(ids(who)) for who in people(grouped)}
    assert all(before[k] <= after[k] for k in before)
    assert set(after) - set(before) == {5, 6, 7, 8, 9, 10}


def test_numbers_are_never_used_twice(grouped, fill, crowd):
    regroup(grouped, 0.999)  # everybody falls apart; the four keep one face each
    regroup(grouped, 0.5)
    most = max(who.id for who in people(grouped))
    fill(grouped, crowd(3, 1, noise=0.1, seed=9)[0], first=50)
    regroup(grouped, 0.5)
    assert most <= 4
    assert max(who.id for who in people(grouped)) > 20


def test_a_name_survives_a_thousand_faces_and_any_threshold(grouped, crowd, fill):
    name(grouped, 2, "Ada")
    merge(grouped, 3, 4)
    fill(grouped, crowd(1000, 40, noise=0.5, seed=8)[0], each=4, first=20)
    for threshold in (0.5, 0.99, 0.05):
        regroup(grouped, threshold)
        assert set(ids(person(grouped, "Ada"))) >= {2, 6, 10, 14, 18}
        assert set(ids(person(grouped, 3))) >= {3, 4, 7, 8, 11, 12, 15, 16, 19, 20}


def test_a_cut_stays_cut(grouped):
    other = split(grouped, 1, [1, 5])
    regroup(grouped, 0.05)
    assert {1, 5} <= set(ids(person(grouped, other.id)))
    assert {9, 13, 17} <= set(ids(person(grouped, 1)))
    assert not {1, 5} & set(ids(person(grouped, 1)))


def test_merging_keeps_the_first_number_and_a_name(grouped):
    name(grouped, 2, "Ada")
    kept = merge(grouped, 1, "ada")
    assert (kept.id, kept.name) == (1, "Ada")
    assert ids(kept) == sorted([*range(1, 21, 4), *range(2, 21, 4)])
    with pytest.raises(UnknownPerson):
        person(grouped, 2)


def test_an_edited_photo_keeps_its_person(grouped, crowd, photo, faces):
    name(grouped, 1, "Ada")
    again = faces(crowd(20, 4, noise=0.4)[0][:1])
    grouped.add_photo(photo(999, "/photos/0.jpg"), again)
    regroup(grouped, 0.5)
    assert ids(person(grouped, "Ada")) == [5, 9, 13, 17, 21]


def test_found_by_number_or_name_in_any_case(grouped):
    name(grouped, 1, "  Zoë \n Ångström ")
    for ref in (1, "1", "zoë ångström", "ZOE\u0308 A\u030angstro\u0308m"):
        assert person(grouped, ref).name == "Zoë Ångström"


def test_an_unknown_person_lists_near_names(grouped):
    name(grouped, 1, "Katharina")
    with pytest.raises(UnknownPerson, match="did you mean 'Katharina'"):
        person(grouped, "Katarina")
    with pytest.raises(UnknownPerson, match=r"no person '77'.*`fusiform people` lists all"):
        person(grouped, 77)


def test_refusals_change_nothing(grouped):
    name(grouped, 1, "Ada")
    with pytest.raises(ChoiceError, match=r"person 1 has it; `merge 1 2`\?"):
        name(grouped, 2, "ADA")
    for nothing in ("", "  ", "12"):
        with pytest.raises(ChoiceError, match="not a number"):
            name(grouped, 2, nothing)
    with pytest.raises(ChoiceError, match="two different people"):
        merge(grouped, 1, "Ada")
    for faces in ([], [2], [1, 5, 9, 13, 17], [1, 2]):
        with pytest.raises(ChoiceError, match="some, not all, of the faces of person 1"):
            split(grouped, 1, faces)
    assert [(who.id, who.name, len(who.faces)) for who in people(grouped)] == [
        (1, "Ada", 5), (2, None, 5), (3, None, 5), (4, None, 5),
    ]  # fmt: skip
    name(grouped, 1, "ada")  # another spelling of one's own name


def test_nobody_in_an_empty_gallery(store):
    regroup(store, 0.5)
    assert people(store) == []
