"""The search language: read as its table says, written back, and true of exactly its photos."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError, UnknownPerson
from fusiform.gallery import query
from fusiform.gallery.query import And, Count, Like, Nobody, Not, Or, Person, Span, Unnamed, parse

DEEPEST, LONGEST = query.DEEPEST, query.LONGEST
NAMES = ("Ada Lovelace", "Ada Yonath", "Grace Hopper", "ALAN TURING", "Émilie", "*", "[a]?")
NUMBERS = {7: "Ada Lovelace", 8: None}


# Reading


def table() -> list[list[str]]:
    rows = [re.split(r"\s{2,}", row.strip()) for row in query.__doc__.splitlines()]
    return [row for row in rows if len(row) == 3][2:]


def test_the_table_is_true():
    assert len(table()) == 17
    for written, read_as, _ in table():
        assert query.unparse(parse(written)) == read_as
        assert parse(read_as) == parse(written)


def naive_tokens(text: str) -> list[str]:
    """One character after the other; names of several words, the wildcards and counts not done."""
    tokens, i = [], 0
    while i < len(text):
        j = i + 1
        if text[i] == '"':
            j = text.index('"', j) + 1
        elif text[i] not in '()&|- "':
            while j < len(text) and text[j] not in '()&| "':
                j += 1
        tokens.append({"&": "AND", "|": "OR", "-": "NOT"}.get(text[i:j], text[i:j]))
        i = j
    tokens = [token for token in tokens if token != " "]
    for k in range(len(tokens) - 1, 0, -1):  # every AND that is left out
        if tokens[k - 1] not in {"(", "NOT", "AND", "OR"} and tokens[k] not in {")", "AND", "OR"}:
            tokens.insert(k, "AND")
    return tokens


def naive_parse(tokens: list[str]):
    """Splits at every operator outside parentheses, the loosest first."""
    for operator, join in (("OR", Or), ("AND", And)):
        parts, depth = [[]], 0
        for token in tokens:
            depth += (token == "(") - (token == ")")
            if token == operator and not depth:
                parts.append([])
            else:
                parts[-1].append(token)
        if len(parts) > 1:
            return join(tuple(map(naive_parse, parts)))
    if tokens[0] == "NOT":
        return Not(naive_parse(tokens[1:]))
    if tokens[0] == "(":
        return naive_parse(tokens[1:-1])
    return {"nobody": Nobody(), "#7": Person(7)}.get(tokens[0]) or Person(tokens[0].strip('"'))


WRITTEN = (
    "Ada",
    "Ada AND Grace OR Alan",
    "Ada OR Grace AND Alan",
    "Ada AND Grace NOT Alan",
    "NOT Ada AND NOT NOT Grace",
    "-(Ada|Grace)&Alan",
    '"Ada""Grace" Alan',
    "Ada(Grace)(Alan OR nobody)",
    "(Ada OR (Grace AND #7)) NOT (Alan)",
    "((Ada AND Grace) AND Alan) OR (Ada OR Grace)",
    '"AND" AND "OR" OR NOT "NOT"',
    'ANDY AND NOTE | ORLA -"-x"',
    "Anne-Marie -Jean-Luc",
)


@pytest.mark.parametrize("text", WRITTEN)
def test_read_as_by_splitting_at_operators(text):
    assert parse(text) == naive_parse(naive_tokens(text))


def spelled(draw, depth: int) -> str:
    kind = draw(st.integers(0, 5)) if depth else 0
    if kind == 0:
        return draw(st.sampled_from(["Ada", '"Ada Lovelace"', '"OR"', "#7", "nobody", "O'Brien"]))
    part = spelled(draw, depth - 1)
    if kind == 1:
        return draw(st.sampled_from(["NOT ({})", "-({})", "({})"])).format(part)
    join = draw(st.sampled_from([" AND ", " OR ", "&", " | ", "  NOT ", " -", " & NOT "]))
    return part + join + spelled(draw, depth - 1)


@settings(max_examples=300, deadline=None)
@given(st.composite(spelled)(4))
def test_any_spelling_is_read_as_by_splitting(text):
    assert parse(text) == naive_parse(naive_tokens(text))


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("  Ada   Lovelace ", Person("Ada Lovelace")),
        ("Henry 8 & 7 of 9", And((Person("Henry 8"), Person("7 of 9")))),
        ('"7"', Person("7")),
        ('"nobody" -Nobody', And((Person("nobody"), Not(Nobody())))),
        (r'"\\ \" \* *"', Like(('\\ " * ', ""))),
        (r"back\slash", Person(r"back\slash")),
        ("Ferdinand C#", Person("Ferdinand C#")),
        ('"a\\\nb"', Person("a\nb")),
        ("*", Like(("", ""))),
        ("A*a L*", Like(("A", "a L", ""))),
        ("-7", Not(Person(7))),
        ("1 face", Count(1, 1)),
        ("0 People", Count(0, 0)),
        ("<3 people", Count(0, 2)),
        ("<=3 faces|> 3 persons|>= 3 people", Or((Count(0, 3), Count(4, None), Count(3, None)))),
        ("٣ people", Count(3, 3)),
        ("9" * 18 + " people", Count(10**18 - 1, 10**18 - 1)),
        ("9" * 19, Person("9" * 19)),
    ],
)
def test_names_numbers_and_counts(text, node):
    assert parse(text) == node


END, ANY = "Got 'the end'", "a person, a count, nobody, unnamed, alone, NOT or an opening"
ODD = "AND, OR or NOT in capitals, joined by one, as in #7 or >=3 people, or quoted as part"


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("#", 1, "a person's number after #, as in #7"),
        ("Ada 3+people", 5, "a count with a space before the word, as in 3. people"),
        ("Ada AND ", 8, END),
        ("Ada AND AND Grace", 9, ANY + ".* Got 'AND'"),
        ("Ada AND OR", 9, "Got 'OR'"),
        ("OR Ada", 1, ANY),
        ("Ada && Grace", 6, "Got '&'"),
        ("Ada -", 6, END),
        ("()", 2, r"Got '\)'"),
        ("Ada)", 4, "the end, as no parenthesis is open"),
        ("Ada AND (Grace", 15, "the parenthesis that closes column 9. " + END),
        ('Ada AND "Grace', 9, "closed by another quotation mark"),
        ('Ada "', 5, "closed by another quotation mark"),
        (r'"Ada\"', 1, "closed by another quotation mark"),
        ('Ada ""', 5, "a name in quotation marks"),
        ('" "', 1, "a name in quotation marks"),
        ("Ada  and Grace", 6, ODD + ".* Got 'and'"),
        ("Ada AND Or", 9, ODD),
        ("Ada alone", 5, ODD + ".* Got 'alone'"),
        ("nobody Ada", 1, ODD),
        ("Ada 3+ people", 5, ODD + ".* Got '3[+] people'"),
        ("#7 Ada", 1, ODD),
        ("#Ada", 1, ODD),
        ("Ada >=3", 5, ODD),
        (">=3+ people", 1, ODD),
        ("#" + "9" * 19, 1, ODD),
        ("Ada | 4-2 people", 7, "a count that faces can have. Got '4-2 people'"),
        ("<0 people", 1, "a count that faces can have"),
        ("(" * (DEEPEST + 1) + "Ada", DEEPEST + 1, f"nested at most {DEEPEST} deep"),
        ("-" * (DEEPEST + 1) + "Ada", DEEPEST + 1, f"nested at most {DEEPEST} deep"),
    ],
)
def test_errors_point_at_the_column(text, column, told):
    with pytest.raises(ChoiceError, match=f"^column {column} of the search must be .*{told}"):
        parse(text)


def test_limits_are_reached_but_not_passed():
    assert parse("(" * DEEPEST + "Ada" + ")" * DEEPEST) == Person("Ada")
    assert parse("a" * LONGEST) == Person("a" * LONGEST)
    with pytest.raises(ChoiceError, match=f"at most {LONGEST} characters long. Got {LONGEST + 1}"):
        parse("a" * (LONGEST + 1))


@given(st.text(st.sampled_from('AND OR NOT aé"\\*()&|-#<>=+7\n people'), max_size=40))
@example('"\\"\\"\\' * 500)
@example("1" * (LONGEST - 2))
def test_any_text_is_read_or_refused(text):
    try:
        node = parse(text)
    except ChoiceError:
        return
    assert parse(query.unparse(node)) == node


# Writing

NAME = st.text(min_size=1).filter(str.strip)
BOUND = st.integers(0, 10**6)
ATOMS = st.one_of(
    st.builds(Person, st.integers(0, 10**18 - 1) | NAME | st.sampled_from(["AND", "7", '*"\\'])),
    st.builds(Like, st.lists(st.text(max_size=3), min_size=2, max_size=4).map(tuple)),
    st.builds(lambda low, more: Count(low, low + more), BOUND, BOUND),
    st.builds(Count, BOUND, st.none()),
    st.sampled_from([Nobody(), Unnamed(), Count(1, 1), Count(0, 0)]),
)


def trees(atoms):
    def grown(inner):
        parts = st.lists(inner, min_size=2, max_size=4).map(tuple)
        return st.builds(Not, inner) | st.builds(And, parts) | st.builds(Or, parts)

    return st.recursive(atoms, grown, max_leaves=12)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_search_is_named(text):
    with pytest.raises(ChoiceError, match="the search must be a name or a query"):
        parse(text)


@settings(max_examples=300, deadline=None)
@given(trees(ATOMS))
def test_what_is_written_is_read_as_it_was(node):
    assert parse(query.unparse(node)) == node


# Answering


class Album:
    """Photos, by number, as lists of faces, each a name or None. Answers in no order, twice."""

    def __init__(self, photos: dict[int, list[str | None]]) -> None:
        self.photos, self.asked = photos, []

    def _which(self, asked, wanted) -> np.ndarray:
        self.asked.append(asked)
        found = [number for number, faces in self.photos.items() if wanted(faces)]
        return np.array(found[::-1] + found, dtype=np.int32)

    def photos_of(self, who):
        if who not in (*NAMES, *NUMBERS):
            raise UnknownPerson(f"no person {who!r}")
        name = NUMBERS.get(who, who)
        return self._which(("photos_of", who), lambda faces: name in faces)

    def names(self):
        return NAMES

    def everything(self):
        return self._which("everything", lambda faces: True)

    def photos_without_faces(self):
        return self._which("none", lambda faces: not faces)

    def photos_with_unnamed(self):
        return self._which("unnamed", lambda faces: None in faces)

    def photos_with_count(self, low, high):
        most = float("inf") if high is None else high
        return self._which(("count", low, high), lambda faces: low <= len(faces) <= most)


def alike(pieces, name) -> bool:
    """Literally: the first piece, then any text, then the rest."""
    if len(pieces) == 1:
        return name == pieces[0]
    head, rest = pieces[0], pieces[1:]
    tails = (name[i:] for i in range(len(head), len(name) + 1))
    return name.startswith(head) and any(alike(rest, tail) for tail in tails)


def shows(node, faces) -> bool:
    """Whether one photo is asked for, worked out for that photo alone; None: it has no facts."""
    match node:
        case And(parts):
            return all(shows(part, faces) for part in parts)
        case Or(parts):
            return any(shows(part, faces) for part in parts)
        case Not(part):
            return not shows(part, faces)
    if faces is None:
        return False
    match node:
        case Person(who):
            return NUMBERS.get(who, who) in faces
        case Like(pieces):
            wanted = [piece.casefold() for piece in pieces]
            return any(name and alike(wanted, name.casefold()) for name in faces)
        case Count(low, high):
            return low <= len(faces) and (high is None or len(faces) <= high)
        case Nobody():
            return not faces
        case Unnamed():
            return None in faces


LIKES = [Like(tuple(text.split("*"))) for text in ("Ada*", "*", "*e*", "a*a*l*", "É*", "[a*")]
KNOWN = st.one_of(
    st.sampled_from([*map(Person, NAMES), Person(7), Person(8), Nobody(), Unnamed()]),
    st.sampled_from([*LIKES, Like(("", "*"))]),
    st.sampled_from([Count(1, 1), Count(0, 0), Count(2, 3), Count(2, None)]),
)
FACES = st.lists(st.sampled_from([None, *NAMES]), max_size=4)
ALBUMS = st.dictionaries(st.integers(-5, 2**31 - 1) | st.integers(0, 30), FACES, max_size=30)


@settings(max_examples=500, deadline=None)
@given(trees(KNOWN), ALBUMS)
def test_exactly_the_photos_asked_for(node, photos):
    album = Album(photos)
    found = query.evaluate(node, album)
    assert found.dtype == np.int64
    assert found.tolist() == sorted(n for n, faces in photos.items() if shows(node, faces))
    # all photos are asked for only where the answer holds even those without any of the facts
    assert ("everything" in album.asked) == shows(node, None)


def test_each_look_up_is_done_once():
    album = Album({1: ["Émilie"], 2: []})
    query.evaluate(parse("Émilie & nobody | Émilie NOT (Émilie | nobody) & 2 people"), album)
    assert sorted(map(str, album.asked)) == ["('count', 2, 2)", "('photos_of', 'Émilie')", "none"]


@pytest.mark.parametrize("text", ["nobody AND Émilie AND Emmy", "Émilie OR NOT Emmy", "Emmy*"])
def test_a_misspelt_name_is_always_told(text):
    with pytest.raises(UnknownPerson, match="Emmy"):
        query.evaluate(parse(text), Album({1: ["Émilie"]}))


def test_accents_may_be_written_either_way():
    assert query.evaluate(parse("E\u0301*"), Album({1: ["Émilie"]})).tolist() == [1]
    assert query.evaluate(parse('"*\\*"'), Album({1: ["*"], 2: ["Émilie"]})).tolist() == [1]


def test_many_wildcards_take_no_longer():
    album = Album({})
    album.names = lambda: ["a" * 4000]
    with pytest.raises(UnknownPerson, match="no name is like"):
        query.evaluate(parse("a*" * 2000 + "b"), album)


# Dates

DATES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
LENGTHS = st.sampled_from([4, 7, 10, 16, 19])


@given(DATES, DATES, LENGTHS)
@example(datetime(2019, 1, 1), datetime(2019, 1, 1), 4)
@example(datetime(2020, 12, 31, 23, 59, 59), datetime(2021, 6, 1), 7)
def test_dates_order_as_their_texts_do(taken, bound, length):
    at, text = taken.isoformat(timespec="seconds"), bound.isoformat(timespec="seconds")[:length]
    assert query.within(Span.of(text, None), at) == (at >= text)
    assert query.within(Span.of(None, text), at) == (at < text)


def test_a_year_is_all_of_it_and_no_more():
    year = Span.of("2019", "2020")
    assert year == Span.of("2019-01-01", "2020-01-01T00:00:00")
    for edge, first in ((datetime(2019, 1, 1), True), (datetime(2020, 1, 1), False)):
        assert query.within(year, edge.isoformat()) == first
        assert query.within(year, (edge - timedelta(microseconds=1)).isoformat()) != first


def test_offsets_are_applied_on_either_side():
    span = Span.of("2019-01-01T05:00+09:00", "2019-01-01")
    assert span == Span(datetime(2018, 12, 31, 20), datetime(2019, 1, 1))
    assert query.within(span, "2018-12-31T20:00:00+00:00")
    assert query.within(span, "2018-12-31T22:30:00")
    assert not query.within(span, "2018-12-31T20:30:00+01:00")


@pytest.mark.parametrize("taken_at", [None, "", "in spring", "0001-01-01T00:00:00+14:00"])
def test_no_date_is_outside_unless_asked_for(taken_at):
    assert not query.within(Span.of("2019", None), taken_at)
    assert query.within(Span.of("2019", None, undated=True), taken_at)
    assert query.within(Span.of(None, None), taken_at)


@pytest.mark.parametrize("text", ["", "19", "2019-13", "2019-02-29", "0000", "May 2019", "٢٠١٩"])
@pytest.mark.parametrize("side", ["after", "before"])
def test_what_is_no_date_is_refused(side, text):
    with pytest.raises(ChoiceError, match=f"{side} must be like 2019, 2019-06, 2019-06-05 or 20"):
        Span.of(**{"after": None, "before": None, side: text})


@pytest.mark.parametrize(("after", "before"), [("2019", "2019"), ("2020-06", "2020")])
def test_a_span_without_a_moment_is_refused(after, before):
    with pytest.raises(ChoiceError, match=r"after must be earlier than .*20(19|20)-01-01 00:00:00"):
        Span.of(after, before)
