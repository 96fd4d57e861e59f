"""A card says what a model is: how to feed it, where it comes from, what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from fusiform.core.errors import ChoiceError

KINDS = ("detector", "embedder", "landmarks")


@dataclass(frozen=True)
class Threshold:
    """Genuine from `similarity` upward at a false match rate of `fmr`.

    `low` and `high` bound the similarity with 95 % confidence (bootstrap over people).
    """

    fmr: float
    similarity: float
    low: float
    high: float


@dataclass(frozen=True)
class Card:
    """What is known of one model.

    `family` chooses the code that runs it (yunet, scrfd, dlib-hog, dlib-resnet, arcface ...).
    `sha256` is that of the file as its maker published it; it names the model in a gallery.
    `mean` and `std` are in units of 0..255: the network sees (pixel - mean) / std.
    `template` names the alignment its crops need, `size` their side in pixels; `landmarks` the
    model whose points its crops are aligned by, empty for the detector's own.
    `calibration` (a, b): P(same person) = 1 / (1 + exp(-(a * similarity + b))).
    `grouping` is the average similarity from which two groups of faces are one person.
    `minimum_score` is the score under which a detector's box is no face.
    """

    name: str
    kind: str
    family: str
    title: str
    licence: str
    training_data: str
    sha256: str = ""
    bytes: int = 0
    url: str = ""
    package: str = ""
    package_file: str = ""
    size: int = 0
    colour: str = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    template: str = ""
    landmarks: str = ""
    dim: int = 0
    minimum_score: float = 0.0
    thresholds: tuple[Threshold, ...] = ()
    thresholds_source: str = ""
    calibration: tuple[float, float] | None = None
    grouping: float | None = None
    notes: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ChoiceError("Card.kind", KINDS, self.kind)
        if self.colour not in ("RGB", "BGR"):
            raise ChoiceError("Card.colour", ("RGB", "BGR"), self.colour)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """A card from its JSON text. Raises ChoiceError for a key that no card has."""
        values = json.loads(text)
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ChoiceError("card key", sorted(f.name for f in fields(cls)), sorted(unknown))
        values["thresholds"] = tuple(Threshold(**t) for t in values.get("thresholds", ()))
        for name in ("mean", "std", "calibration"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        return cls(**values)

    def to_json(self) -> str:
        """The card as JSON text, ending with a newline."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


@cache
def shipped_cards() -> dict[str, Card]:
    """All cards that come with fusiform, by name."""
    folder = resources.files("fusiform.hub") / "cards"
    texts = sorted(
        (f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".json")
    )
    return {card.name: card for _, text in texts if (card := Card.from_json(text))}
