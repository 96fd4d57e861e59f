"""Which photos a search in words asks for: `query` answered from the tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fusiform.gallery.consent import ask_consent
from fusiform.gallery.paths import shown_path
from fusiform.gallery.persons import number_of
from fusiform.gallery.query import Span, evaluate, parse, within
from fusiform.gallery.records import PhotoRow
from fusiform.gallery.store import HAS_FILE, Store


@dataclass(frozen=True)
class _Tables:
    """`query.Lookup` of a gallery."""

    store: Store
    allowed: frozenset[int] | None

    def photos_of(self, who: int | str, /) -> list[int]:
        number = number_of(self.store, who, self.allowed)
        ask_consent(number, self.allowed)
        sql = f"SELECT photo_id FROM members JOIN faces ON id = face_id WHERE {HAS_FILE}"
        return self._numbers(f"{sql} AND person_id = ?", number)

    def names(self) -> Iterable[str]:
        rows = self.store.read("SELECT id, name FROM people WHERE name IS NOT NULL")
        return [name for number, name in rows if self.allowed is None or number in self.allowed]

    def everything(self) -> list[int]:
        return self._numbers("SELECT DISTINCT photo_id FROM files")

    def photos_without_faces(self) -> list[int]:
        return self.photos_with_count(0, 0)

    def photos_with_unnamed(self) -> list[int]:
        return self._numbers(
            "SELECT DISTINCT photo_id FROM faces LEFT JOIN members ON faces.id = face_id "
            f"LEFT JOIN people ON people.id = person_id WHERE name IS NULL AND {HAS_FILE}"
        )

    def photos_with_count(self, low: int, high: int | None, /) -> list[int]:
        return self._numbers(
            "SELECT shown.photo_id FROM (SELECT DISTINCT photo_id FROM files) AS shown "
            "LEFT JOIN faces ON faces.photo_id = shown.photo_id AND no_face = 0 "
            "GROUP BY shown.photo_id HAVING count(faces.id) BETWEEN ? AND ?",
            low,
            2**31 if high is None else high,
        )

    def _numbers(self, sql: str, *values: int) -> list[int]:
        return [row[0] for row in self.store.read(sql, values)]


def photos(
    store: Store, query: str, span: Span | None = None, allowed: frozenset[int] | None = None
) -> list[PhotoRow]:
    """The photos that `query` (see `query`) asks for, within `span`, oldest first; those without a
    date come last. `allowed`: only these people may be asked for and are told.

    Raises ChoiceError for a query that cannot be read, UnknownPerson, PolicyForbids.
    """
    wanted = evaluate(parse(query), _Tables(store, allowed)).tolist()
    kept = [
        photo for photo in _rows(store, wanted, allowed) if within(span or Span(), photo.taken_at)
    ]
    return sorted(kept, key=lambda photo: (photo.taken_at is None, photo.taken_at, photo.path))


def _rows(store: Store, numbers: list[int], allowed: frozenset[int] | None) -> list[PhotoRow]:
    people: dict[int, dict[int, str | None]] = {}
    sql = (
        "SELECT photo_id, person_id, name, faces.id FROM faces JOIN members ON faces.id = face_id "
        "JOIN people ON people.id = person_id WHERE photo_id IN"
    )
    for photo, person, name, _ in sorted(store.read_in(sql, numbers), key=lambda row: row[3]):
        if allowed is None or person in allowed:
            people.setdefault(photo, {})[person] = name
    sql = (
        "SELECT photos.id, path, taken_at FROM photos JOIN files ON photo_id = photos.id "
        "WHERE photos.id IN"
    )
    first: dict[int, tuple[str, str | None]] = {}
    for photo, path, taken_at in store.read_in(sql, numbers):
        first[photo] = min(first.get(photo, (path, taken_at)), (path, taken_at))
    return [
        PhotoRow(shown_path(path), taken_at, tuple(people.get(photo, {}).items()))
        for photo, (path, taken_at) in first.items()
    ]
