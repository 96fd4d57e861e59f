r"""The search language of `find`: who is in a photo, who is not, how many faces, and when.

    written                          read as                              photos
    -------------------------------  -----------------------------------  -------------------------
    Ada                              "Ada"                                with Ada
    Ada Lovelace AND Grace Hopper    "Ada Lovelace" AND "Grace Hopper"    with both
    Ada & Grace | Alan               "Ada" AND "Grace" OR "Alan"          with both, or with Alan
    "Ada" "Grace"                    "Ada" AND "Grace"                    AND may be left out here
    Ada (Grace OR Alan)              "Ada" AND ("Grace" OR "Alan")        ... and at parentheses
    Ada NOT Alan                     "Ada" AND NOT "Alan"                 ... and before NOT
    Ada -Alan                        "Ada" AND NOT "Alan"                 the same, shorter
    NOT Ada OR Grace                 NOT "Ada" OR "Grace"                 NOT before AND before OR
    #7 OR 12                         #7 OR #12                            with person 7 or 12
    Ada*                             "Ada*"                               with an Ada of any surname
    "AND \"\*\""                     "AND \"\*\""                         with one who is named so
    nobody                           nobody                               without faces
    unnamed                          unnamed                              with a face without a name
    alone                            alone                                with exactly one face
    2 people                         2 people                             with exactly two faces
    >=3 people                       3+ people                            so, too, with >, <= and <
    2-4 people                       2-4 people                           with two, three or four

Operators are in capitals. A name may have several words; in quotation marks it may hold anything,
with a `\` before a `"`, a `\` or a `*` that is no wildcard. For `people` may stand `person`,
`faces` and `face`: faces are counted, so a person and their mirror image are two.

A date, asked for beside it, stands for its first moment, which `after` holds and `before` does
not: after 2019 is from 2019-01-01T00:00 on, before 2021-06 until just before 2021-06-01T00:00. So
spans that meet share no photo and lose none; the year 2019 is after 2019 and before 2020.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError, UnknownPerson

LONGEST = 4096  # characters of a search
DEEPEST = 50  # parentheses and NOTs within one another
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Person:
    """Photos with one person: `who` is a number or a name, which is not blank."""

    who: int | str


@dataclass(frozen=True)
class Like:
    """Photos with anybody whose name is `pieces` (two or more) with any text between them."""

    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Count:
    """Photos with `low` to `high` faces, both included; `high` None for no limit."""

    low: int
    high: int | None


@dataclass(frozen=True)
class Nobody:
    """Photos without faces."""


@dataclass(frozen=True)
class Unnamed:
    """Photos with a face of which no name is known."""


@dataclass(frozen=True)
class And:
    """Photos in all of `parts`, which are two or more."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """Photos in any of `parts`, which are two or more."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """Photos that are not in `part`."""

    part: Node


Atom = Person | Like | Count | Nobody | Unnamed
Node = Atom | And | Or | Not


_WORD = r'(?!(?:AND|OR|NOT)(?![^\s()&|"]))[^\s()&|"-][^\s()&|"]*'
_TOKEN = re.compile(
    rf'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<words>{_WORD}(?:\s+{_WORD})*)|(?P<AND>AND|&)|'
    r'(?P<OR>OR|\|)|(?P<NOT>NOT|-)|(?P<open>\()|(?P<close>\))|(?P<lone>")|(?P<end>\Z)',
    re.DOTALL,
)
_BEGINNINGS = {"quoted", "words", "NOT", "open", "lone"}  # before these AND may be left out
_LEVELS: tuple[tuple[str, type[And | Or]], ...] = (("OR", Or), ("AND", And))
_FACTS: dict[str, Atom] = {"nobody": Nobody(), "unnamed": Unnamed(), "alone": Count(1, 1)}
_NUMBER = re.compile(r"#?(\d{1,18})")  # such numbers, and one more, fit into 64 bits
_FACES = "(?:people|persons?|faces?)"
_COUNT = re.compile(rf"(?![<>].*[+-])([<>]=?|) ?(\d{{1,18}})(\+|-\d{{1,18}}|) {_FACES}", re.I)
# Likelier meant for an operator or a fact than for part of a name: asked about, not guessed.
_NO_NAME = re.compile(
    rf"(?<!\S)(?:(?:and|or|not|nobody|unnamed|alone|\d\S* ?{_FACES})(?!\S)|[#<>]\S*)", re.I
)

_Tokens = deque[re.Match[str]]


def parse(text: str) -> Node:
    """What `text` asks for, as in the table above.

    Raises ChoiceError, which names the column (from 1, in characters) where something else was
    expected; also for more than LONGEST characters or anything more than DEEPEST deep.
    """
    if not text.strip():
        raise ChoiceError("the search", "a name or a query", text)
    if len(text) > LONGEST:
        raise ChoiceError("the search", f"at most {LONGEST} characters long", len(text))
    tokens = deque(_TOKEN.finditer(text.rstrip()))
    node = _joined(tokens, DEEPEST)
    if tokens[0].lastgroup != "end":
        raise _wrong(tokens[0], "AND, OR, NOT or the end, as no parenthesis is open")
    return node


def _wrong(token: re.Match[str], expected: str, before: int = 0) -> ChoiceError:
    column = before + token.start() + 1
    return ChoiceError(f"column {column} of the search", expected, token[0] or "the end")


def _joined(tokens: _Tokens, room: int, level: int = 0) -> Node:
    if level == len(_LEVELS):
        return _one(tokens, room)
    operator, join = _LEVELS[level]
    parts = [_joined(tokens, room, level + 1)]
    while tokens[0].lastgroup in {operator, *_BEGINNINGS}:
        if tokens[0].lastgroup == operator:
            tokens.popleft()
        parts.append(_joined(tokens, room, level + 1))
    return parts[0] if len(parts) == 1 else join(tuple(parts))


def _one(tokens: _Tokens, room: int) -> Node:
    token = tokens.popleft()
    if token.lastgroup in {"NOT", "open"} and not room:
        raise _wrong(token, f"nested at most {DEEPEST} deep")
    match token.lastgroup:
        case "NOT":
            return Not(_one(tokens, room - 1))
        case "open":
            node = _joined(tokens, room - 1)
            if tokens[0].lastgroup != "close":
                closing = f"the parenthesis that closes column {token.start() + 1}"
                raise _wrong(tokens[0], f"AND, OR, NOT or {closing}")
            tokens.popleft()
            return node
        case "quoted":
            return _quoted(token)
        case "words":
            return _words(token)
        case "lone":
            raise _wrong(token, "closed by another quotation mark")
    raise _wrong(token, "a person, a count, nobody, unnamed, alone, NOT or an opening parenthesis")


def _quoted(token: re.Match[str]) -> Atom:
    if not token["quoted"].strip():
        raise _wrong(token, "a name in quotation marks")
    pieces = re.findall(r"(?s)((?:[^\\*]|\\.)*)\*", token["quoted"] + "*")
    return _called([re.sub(r"(?s)\\(.)", r"\1", piece) for piece in pieces])


def _called(pieces: list[str]) -> Atom:
    return Person(pieces[0]) if len(pieces) == 1 else Like(tuple(pieces))


def _words(token: re.Match[str]) -> Atom:
    text = " ".join(token[0].split())
    if fact := _FACTS.get(text.casefold()):
        return fact
    if number := _NUMBER.fullmatch(text):
        return Person(int(number[1]))
    if count := _COUNT.fullmatch(text):
        return _count(token, count[1], int(count[2]), count[3])
    if odd := _NO_NAME.search(token[0]):
        whole = "AND, OR or NOT in capitals, joined by one, as in #7 or >=3 people"
        if odd[0][0].isdigit() and " " not in odd[0]:
            whole = "a count with a space before the word, as in 3+ people"
        whole = "a person's number after #, as in #7" if odd[0] == "#" else whole
        raise _wrong(odd, f"{whole}, or quoted as part of a name", before=token.start())
    return _called(text.split("*"))


def _count(token: re.Match[str], sign: str, n: int, tail: str) -> Count:
    bounds: dict[str, tuple[int, int | None]] = {
        "": (n, n), "+": (n, None), "-": (n, int(tail.strip("+-") or 0)),
        ">=": (n, None), ">": (n + 1, None), "<=": (0, n), "<": (0, n - 1),
    }  # fmt: skip
    low, high = bounds[sign or tail[:1]]
    if high is not None and high < low:
        raise _wrong(token, "a count that faces can have")
    return Count(low, high)


def unparse(node: Node) -> str:
    """Text that `parse` reads as `node`, if it is within the limits there; names are quoted."""
    match node:
        case And(parts):
            return " AND ".join(_closed(part, And, Or) for part in parts)
        case Or(parts):
            return " OR ".join(_closed(part, Or) for part in parts)
        case Not(part):
            return "NOT " + _closed(part, And, Or)
        case Person(int(number)):
            return f"#{number}"
        case Person(name):
            return unparse(Like((str(name),)))
        case Like(pieces):
            return '"' + "*".join(re.sub(r'([\\"*])', r"\\\1", piece) for piece in pieces) + '"'
        case Count(low, high) if (low, high) != (1, 1):
            tail = "+" if high is None else "" if high == low else f"-{high}"
            return f"{low}{tail} people"
    return next(word for word, fact in _FACTS.items() if fact == node)


def _closed(node: Node, *looser: type[And | Or]) -> str:
    return f"({unparse(node)})" if isinstance(node, looser) else unparse(node)


def _atoms(node: Node) -> Iterator[Atom]:
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _atoms(part)
        case Not(part):
            yield from _atoms(part)
        case atom:
            yield atom


class Lookup(Protocol):
    """Where answers come from: numbers of photos, whole, in any order, repeats allowed.

    `photos_of` takes a number or name and raises UnknownPerson; `names` is all names there are.
    The others are as the nodes say; `everything` is asked only if the answer is all but some.
    """

    def photos_of(self, who: int | str, /) -> ArrayLike: ...
    def names(self) -> Iterable[str]: ...
    def everything(self) -> ArrayLike: ...
    def photos_without_faces(self) -> ArrayLike: ...
    def photos_with_unnamed(self) -> ArrayLike: ...
    def photos_with_count(self, low: int, high: int | None, /) -> ArrayLike: ...


def evaluate(node: Node, lookup: Lookup) -> Ints:
    """The photos (n,) int64 that `node` asks for, ascending, each once.

    Everything named is looked up, once, even where the answer does not depend on it, so that a
    misspelt name is always told. Raises UnknownPerson, also for a wildcard that fits no name.
    """
    found = {atom: _union(_look_up(atom, lookup)) for atom in dict.fromkeys(_atoms(node))}
    ids, outside = _solve(node, found)
    if outside:
        ids = np.setdiff1d(_union([lookup.everything()]), ids, assume_unique=True)
    return ids


def _look_up(atom: Atom, lookup: Lookup) -> list[ArrayLike]:
    match atom:
        case Person(who):
            return [lookup.photos_of(who)]
        case Like():
            return [lookup.photos_of(name) for name in _alike(atom, lookup.names())]
        case Count(low, high):
            return [lookup.photos_with_count(low, high)]
        case Unnamed():
            return [lookup.photos_with_unnamed()]
        case Nobody():
            return [lookup.photos_without_faces()]


def _alike(wanted: Like, names: Iterable[str]) -> list[str]:
    pattern = "*".join(re.sub(r"([*?[])", r"[\1]", _folded(piece)) for piece in wanted.pieces)
    found = [name for name in names if fnmatchcase(_folded(name), pattern)]
    if not found:
        raise UnknownPerson(f"no name is like {unparse(wanted)}; `fusiform people` lists all.")
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _union(parts: Iterable[ArrayLike]) -> Ints:
    ids = np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])
    # a stable sort merges what is sorted already; np.union1d of a million takes 20 times that
    ids.sort(kind="stable")
    return ids[np.diff(ids, prepend=ids[:1] - 1) > 0]


def _solve(node: Node, found: dict[Atom, Ints]) -> tuple[Ints, bool]:
    """Photos (n,), and whether all but these are meant: so no complement is ever written out."""
    match node:
        case Not(part):
            ids, outside = _solve(part, found)
            return ids, not outside
        case And(parts):
            return _intersection([_solve(part, found) for part in parts])
        case Or(parts):  # De Morgan's law
            return _solve(Not(And(tuple(map(Not, parts)))), found)
        case atom:
            return found[atom], False


def _intersection(sets: list[tuple[Ints, bool]]) -> tuple[Ints, bool]:
    inside = sorted((ids for ids, outside in sets if not outside), key=len)
    others = [ids for ids, outside in sets if outside]
    if not inside:
        return _union(others), True
    kept, *larger = inside  # the rarest first
    for ids in larger:
        kept = kept[np.isin(kept, ids, assume_unique=True)]  # np.intersect1d would sort both
    for ids in others:
        kept = np.setdiff1d(kept, ids, assume_unique=True)
    return kept, False


@dataclass(frozen=True)
class Span:
    """Times from `after` on until just before `before`; by default there is no bound.

    Both without an offset, in UTC or the camera's own time, whichever is known of a photo.
    `undated`: photos without a date are in it, too.
    """

    after: datetime = datetime.min
    before: datetime = datetime.max
    undated: bool = False

    @classmethod
    def of(cls, after: str | None, before: str | None, undated: bool = False) -> Span:
        """From texts: a year, a month, a day or a moment in ISO 8601; an offset is applied.

        Raises ChoiceError for anything else and for a span that holds no moment.
        """
        first = datetime.min if after is None else _first_moment("after", after)
        end = datetime.max if before is None else _first_moment("before", before)
        if first >= end:
            raise ChoiceError("after", f"earlier than the first moment of before, {end}", after)
        return cls(first, end, undated)


def _first_moment(name: str, text: str) -> datetime:
    moment = _clock(text + {4: "-01-01", 7: "-01"}.get(len(text), ""))
    if moment is None:
        raise ChoiceError(name, "like 2019, 2019-06, 2019-06-05 or 2019-06-05T10:00", text)
    return moment


def _clock(text: str) -> datetime | None:
    """ISO 8601 text as a time without offset: in UTC if it has one; None if it is no time."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def within(span: Span, taken_at: str | None) -> bool:
    """Whether a photo with that `taken_at` (ISO 8601, see `Photo`) lies in `span`.

    One without a date, or with one that cannot be read, does if the span is `undated` or has no
    bound, as then nothing is asked of its date.
    """
    if (span.after, span.before) == (datetime.min, datetime.max):
        return True
    moment = _clock(taken_at or "")
    return span.undated if moment is None else span.after <= moment < span.before
