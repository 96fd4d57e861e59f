"""How a photo and its faces come into the tables, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from fusiform.core.crop import Crop
from fusiform.core.faces import Face, Faces
from fusiform.gallery.database import Connection, now
from fusiform.gallery.paths import stored_path
from fusiform.gallery.records import Photo
from fusiform.gallery.values import Values

NEW_DROPPED = (
    "INSERT INTO dropped(photo_id, x1, y1, x2, y2, score, reason) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
NEW_SKIPPED = (
    "INSERT INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT(path) DO UPDATE "
    "SET size = excluded.size, mtime_ns = excluded.mtime_ns, kind = excluded.kind, "
    "reason = excluded.reason, remedy = excluded.remedy, at = excluded.at"
)
EDITED = (
    "UPDATE photos SET sha256 = ?, taken_at = coalesce(?, taken_at) WHERE id = ? "
    "AND NOT EXISTS (SELECT 1 FROM photos AS other WHERE other.sha256 = ?)"
)
_NEW_PHOTO = (
    "INSERT INTO photos(sha256, width, height, taken_at, pixels, added_at) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
)
_NEW_FILE = (
    "INSERT INTO files VALUES (?, ?, ?, ?) ON CONFLICT(path) DO UPDATE "
    "SET photo_id = excluded.photo_id, size = excluded.size, mtime_ns = excluded.mtime_ns"
)
_NEW_FACES = (
    "INSERT INTO faces(photo_id, x1, y1, x2, y2, score, quality, points) VALUES {} RETURNING id"
)
_FACE_MARKS = "(?, ?, ?, ?, ?, ?, ?, ?)"
_PART = 500  # faces in one statement


def insert_photo(db: Connection, photo: Photo) -> int | None:
    """The number of the new photo, None if its content is known."""
    size = (photo.width, photo.height)
    values = (photo.sha256, *size, photo.taken_at, photo.pixels, now())
    row = db.execute(_NEW_PHOTO, values).fetchone()
    return int(row[0]) if row else None


def insert_file(db: Connection, photo: int, path: str, size: int, mtime_ns: int) -> None:
    """Photo number `photo` lies at `path`, whatever lay there before."""
    kept = stored_path(path)
    db.execute("DELETE FROM skipped WHERE path = ?", (kept,))
    db.execute(_NEW_FILE, (kept, photo, size, mtime_ns))


def insert_faces(
    db: Connection, values: Values, photo: int, faces: Faces, crops: Sequence[Crop], model: int
) -> list[int]:
    """The faces of a photo with their vectors and, where there are any, crops; their numbers."""
    found, numbers = list(faces), list[int]()
    for start in range(0, len(found), _PART):
        some = found[start : start + _PART]
        told = [value for face in some for value in _told(photo, face)]
        marks = ",".join([_FACE_MARKS] * len(some))
        numbers += sorted(row[0] for row in db.execute(_NEW_FACES.format(marks), told))
    if found and faces.embeddings is not None:
        vectors = values.vectors(numbers, model, faces.embeddings)
        rows = [(number, model, vector) for number, vector in zip(numbers, vectors, strict=True)]
        db.executemany("INSERT INTO embeddings VALUES (?, ?, ?)", rows)
    if found and crops:
        pairs = list(zip(numbers, values.crops(numbers, crops), strict=True))
        db.executemany("INSERT INTO crops VALUES (?, ?)", pairs)
    return numbers


def _told(photo: int, face: Face) -> tuple[object, ...]:
    """What stands for _FACE_MARKS."""
    quality = face.score if face.quality is None else face.quality
    points = face.points.astype("<f4").tobytes()
    return (photo, *map(float, face.box), face.score, quality, points)
