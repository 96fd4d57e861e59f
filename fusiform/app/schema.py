"""The JSON that commands print with --json: see docs/json.md, which a test keeps in step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.api import Found
from fusiform.core.errors import PictureError
from fusiform.core.faces import Face, Faces
from fusiform.gallery import (
    Changes,
    Entry,
    Erasure,
    FaceRow,
    Match,
    Person,
    PhotoRow,
    Question,
    Reason,
    Zone,
)
from fusiform.gallery.database import today
from fusiform.hub.card import Card
from fusiform.indexing import Report
from fusiform.policy import Policy
from fusiform.recognise.description import Description
from fusiform.recognise.verification import Verification
from fusiform.reembedding import Embedded

Json = dict[str, Any]


def rounded(values: NDArray[np.float32] | Sequence[float], digits: int = 2) -> list[Any]:
    """An array as nested lists of short numbers."""
    rows: list[Any] = np.asarray(values, np.float64).round(digits).tolist()
    return rows


def face(one: Face) -> Json:
    return {
        "box": rounded(one.box),
        "score": round(one.score, 4),
        "points": rounded(one.points),
    }


def detection(photo: str, faces: Faces) -> Json:
    return {"photo": photo, "detector": faces.detector, "faces": [face(one) for one in faces]}


def failure(error: PictureError) -> Json:
    return {"photo": os.path.abspath(error.source), "faces": [], "error": str(error)}


def description(photo: str, found: Iterable[Description], detector: str) -> Json:
    rows = [
        face(one.face)
        | {
            "quality": round(one.face.quality or 0.0, 4),
            "sharpness": round(one.sharpness, 4),
            "brightness": round(one.brightness, 4),
            "contrast": round(one.contrast, 4),
            "eye_distance": round(one.eye_distance, 2),
            "roll": round(one.roll, 2),
        }
        for one in found
    ]
    return {"photo": photo, "detector": detector, "faces": rows}


def verification(result: Verification) -> Json:
    return {
        "verified": result.verified,
        "similarity": _short(result.similarity),
        "distance": _short(result.distance),
        "threshold": _short(result.threshold),
        "probability": _short(result.probability),
        "faces_a": len(result.faces_a),
        "faces_b": len(result.faces_b),
        "detector": result.detector,
        "embedder": result.embedder,
    }


def report(result: Report) -> Json:
    return {
        "photos": result.photos,
        "faces": result.faces,
        "skipped": result.skipped,
        "dropped": result.dropped,
        "duplicates": result.duplicates,
        "unchanged": result.unchanged,
        "gone": result.gone,
        "refilled": result.refilled,
        "people": result.people,
        "seconds": round(result.seconds, 3),
        "detector": result.detector,
        "embedder": result.embedder,
        "erased": result.erased,
        "proven": result.proven,
        "errors": [
            {"photo": os.path.abspath(e.source), "reason": e.reason, "remedy": e.remedy}
            for e in result.errors
        ],
        "drops": [
            {
                "photo": photo,
                "box": rounded(drop.box),
                "score": round(drop.score, 4),
                "reason": drop.reason,
            }
            for photo, drop in result.drops
        ],
    }


def face_row(row: FaceRow) -> Json:
    return {
        "face": row.id,
        "photo": row.photo,
        "box": rounded(row.box),
        "score": round(row.score, 4),
        "quality": round(row.quality, 4),
    }


def person(one: Person) -> Json:
    faces = [face_row(row) for row in one.faces]
    return {"person": one.id, "name": one.name, "consent": standing(one), "faces": faces}


def standing(one: Person) -> str | None:
    """given, withdrawn or expired today; None where nothing is noted."""
    return one.consent.standing(today()) if one.consent else None


def consent(one: Person) -> Json:
    said = one.consent
    return {
        "person": one.id,
        "name": one.name,
        "faces": len(one.faces),
        "standing": standing(one),
        "note": said and said.note,
        "until": said and said.until,
    }


def zone(one: Zone) -> Json:
    return {"zone": one.id, "folder": one.folder, "box": list(one.box)}


def policy(one: Policy) -> Json:
    rules = [
        {"setting": rule.setting, "value": rule.value, "file": rule.file and str(rule.file)}
        for rule in one.rules.values()
    ]
    return {"files": [str(file) for file in one.files], "rules": rules}


def match(one: Match, probability: float | None) -> Json:
    return {
        "person": one.person,
        "name": one.name,
        "similarity": _short(one.similarity),
        "probability": _short(probability),
        **face_row(one.face),
    }


def found(one: Found, matches: list[Json]) -> Json:
    return {"box": rounded(one.face.box), "score": round(one.face.score, 4), "matches": matches}


def entry(one: Entry, photos: Mapping[int, str]) -> Json:
    """An act: its own fields, with `other` for the second person of any kind of act, and the path
    of its photo, of which `photos` tells the number."""
    told: Json = {
        {"gone": "other", "entry": "undid"}.get(name, name): list(value)
        if isinstance(value, tuple)
        else value
        for name, value in asdict(one.act).items()
    }
    if "photo" in told:
        told["photo"] = photos.get(told["photo"])
    return {"act": one.number, "at": one.at, "kind": one.act.kind, "undone": one.undone} | told


def question(one: Question) -> Json:
    return {
        "person": one.person,
        "other": one.other,
        "name": one.names[0],
        "other_name": one.names[1],
        "similarity": _short(one.similarity),
        "gain": one.gain,
    }


def reason(one: Reason, limit: float) -> Json:
    nearest = [face_row(row) | {"similarity": _short(s)} for row, s in one.nearest]
    rival = one.rival or (None, None)
    return {
        "face": one.face.id,
        "owner": one.owner,
        "person": one.person,
        "decided": one.decided,
        "denied": one.denied,
        "similarity": _short(one.similarity),
        "limit": limit,
        "nearest": nearest,
        "rival": rival[0],
        "rival_similarity": _short(rival[1]),
    }


def photo_row(one: PhotoRow) -> Json:
    people = [{"person": number, "name": name} for number, name in one.people]
    return {"photo": one.path, "taken_at": one.taken_at, "people": people}


def erasure(result: Erasure) -> Json:
    told = {"removed": result.removed, "proven": result.proven}
    return told | {"exports": list(result.exports)}


def model(card: Card, state: str) -> Json:
    return {
        "model": card.name,
        "kind": card.kind,
        "state": state,
        "licence": card.licence,
        "sha256": card.sha256,
        "title": card.title,
        "training_data": card.training_data,
        "source": card.url or card.package,
        "thresholds": [
            {"fmr": t.fmr, "similarity": t.similarity, "low": t.low, "high": t.high}
            for t in card.thresholds
        ],
    }


def changes(done: Embedded, found: Changes, switched: bool) -> Json:
    return {
        "embedded": done.faces,
        "lost": list(done.lost),
        "switched": switched,
        "faces": found.faces,
        "stay": found.stay,
        "moves": [
            {
                "faces": move.faces,
                "before": move.before,
                "before_name": move.names[0],
                "now": move.now,
                "now_name": move.names[1],
            }
            for move in found.moves
        ],
    }


def text(value: object, *, indent: int | None = 2, ascii_only: bool = False) -> str:
    """As it is printed: two spaces deep or in one line, no NaN.

    Bytes of a file name that are no UTF-8 become the escapes that Python's `os.fsencode` undoes.
    """
    dumped = json.dumps(value, indent=indent, ensure_ascii=ascii_only, allow_nan=False)
    return dumped.encode("utf-8", "backslashreplace").decode()


def _short(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)
