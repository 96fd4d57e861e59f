"""The verbs that need no gallery: find, embed, describe and compare faces in pictures."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from fusiform.core.faces import Faces
from fusiform.core.pictures import Source
from fusiform.detection.load import Detector
from fusiform.hub.card import shipped_cards
from fusiform.pipeline import (
    Limits,
    Models,
    analyse_one,
    detect_one,
    load_detector,
    load_embedder,
)
from fusiform.policy import ask
from fusiform.recognise.compare import DEFAULT_FMR, probability, similarity, threshold
from fusiform.recognise.description import Description, description_of
from fusiform.recognise.embedder import Embedder
from fusiform.recognise.verification import Verification


@cache
def _detector(name: str) -> Detector:
    return load_detector(name)


@cache
def _embedder(name: str) -> Embedder:
    return load_embedder(name)


def models(detector: str = "auto", embedder: str = "auto") -> Models:
    """The models of those names or paths, loaded once a process (see `pipeline`)."""
    return Models(_detector(detector), _embedder(embedder))


def detector_name(name: str = "auto") -> str:
    """Which detector that name stands for on this machine."""
    return _detector(name).name


def detect(
    source: Source,
    *,
    detector: str = "auto",
    minimum: float | None = None,
    small_faces: bool = False,
) -> Faces:
    """Every face of a picture, in pixels of the upright full-size picture, best score first.

    `minimum`: lowest score, by default the detector's own. `small_faces` also looks at full
    resolution, tile by tile: slower, for huge pictures. No face gives an empty `Faces`.
    Raises PictureError if the picture cannot be read, ChoiceError for an array of the wrong kind.
    """
    return detect_one(source, _detector(detector), minimum=minimum, small_faces=small_faces)


def embed(
    source: Source, *, detector: str = "auto", embedder: str = "auto", small_faces: bool = False
) -> Faces:
    """Every face with its embedding of unit length and its quality, best score first.

    Finds too small, too blurred or too uncertain to be compared are left out.
    Raises PictureError if the picture cannot be read, ChoiceError for an array of the wrong kind,
    PolicyForbids.
    """
    ask("embed")
    return _embedded(source, detector, embedder, small_faces)


def _embedded(source: Source, detector: str, embedder: str, small_faces: bool = False) -> Faces:
    limits = Limits(small_faces=small_faces)
    return analyse_one(source, models(detector, embedder), limits).faces


def describe(source: Source, *, detector: str = "auto") -> list[Description]:
    """What can be said of every face without guessing who it is. Raises PictureError."""
    result = analyse_one(source, models(detector), embed=False)
    assert result.quality is not None
    return [description_of(f, result.quality, i) for i, f in enumerate(result.faces)]


def verify(
    a: Source,
    b: Source,
    *,
    detector: str = "auto",
    embedder: str = "auto",
    fmr: float = DEFAULT_FMR,
    limit: float | None = None,
) -> Verification:
    """Do two pictures show one person?

    The most similar pair of faces decides, against the embedder's threshold at false match rate
    `fmr` (1e-2, 1e-3 or 1e-4) or against `limit`, a cosine. Raises PictureError, ChoiceError,
    PolicyForbids, and ModelUnsupported if the card states no threshold and no `limit` is given.
    """
    ask("verify")
    card = models(detector, embedder).embedder.card
    wanted = threshold(card, fmr) if limit is None else limit
    faces_a, faces_b = (_embedded(source, detector, embedder) for source in (a, b))
    names = (faces_a.detector, card.name)
    if not len(faces_a) or not len(faces_b):
        return Verification(False, None, wanted, None, faces_a, faces_b, None, *names)
    assert faces_a.embeddings is not None
    assert faces_b.embeddings is not None
    table = similarity(faces_a.embeddings, faces_b.embeddings)
    i, j = divmod(int(table.argmax()), table.shape[1])
    best = float(table[i, j])
    chance = probability(card, best)
    return Verification(best >= wanted, best, wanted, chance, faces_a, faces_b, (i, j), *names)


def lasting(asked: str, name: str) -> str:
    """What finds a model again later: the name of a shipped one, else its absolute path."""
    shipped = asked == "auto" or asked in shipped_cards()
    return name if shipped else os.path.abspath(Path(asked).expanduser())
