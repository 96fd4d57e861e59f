"""From a model of the hub to a running detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fusiform.core.errors import ModelUnsupported
from fusiform.core.faces import Faces
from fusiform.detection.boxes import Pixels
from fusiform.detection.five import FivePoints
from fusiform.detection.hog import Hog
from fusiform.detection.scrfd import SCRFD
from fusiform.detection.yunet import YuNet
from fusiform.hub.card import Card
from fusiform.hub.session import open_session
from fusiform.hub.store import Model


class Detector(Protocol):
    """What every detector is: a callable over pictures, with its card."""

    @property
    def card(self) -> Card: ...

    @property
    def name(self) -> str: ...

    @property
    def longest(self) -> int: ...

    def __call__(self, pictures: Sequence[Pixels], *, minimum: float | None = None) -> list[Faces]:
        """Faces of each picture (uint8 RGB `(H, W, 3)`), best first."""
        ...


def load(model: Model, *, five: FivePoints | None = None, provider: str = "auto") -> Detector:
    """The detector that `model` is.

    `five`: dlib's five-point predictor, needed by dlib-hog only. Raises ModelUnsupported for
    a model that detects nothing.
    """
    family = model.card.family
    if family == "dlib-hog" and five is not None:
        return Hog(model.card, five)
    if model.card.kind != "detector" or model.data is None:
        raise ModelUnsupported(f"{model.card.name}: is no detector; see `fusiform models`")
    session = open_session(model.data, provider=provider)
    return SCRFD(model.card, session) if family == "scrfd" else YuNet(model.card, session)
