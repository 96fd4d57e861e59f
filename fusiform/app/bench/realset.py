"""The real photos, whose faces they hold, and what our detectors find in them.

Half of ORL (the AT&T Laboratories Cambridge database of faces), 20 people with ten grey
pictures each, and photos of two office holders of the United States.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.core.faces import Faces, Floats
from fusiform.pipeline import Models, analyse, load_detector, load_embedder
from fusiform.recognise.embedder import Embedder, unit


class Place(NamedTuple):
    """Where a face is: x1, y1, x2, y2 in pixels of the full picture, and whose it is."""

    who: str
    box: tuple[int, int, int, int]


# Every ORL picture is 92 x 112 pixels and holds one face; its middle lies in here.
ORL_MIDDLE = (15, 25, 80, 95)

# Marked by hand, from the pictures. Who is who in obama_and_biden.jpg is told by position, not
# by likeness to the other photos, which would be circular: on the left Biden, on the right
# Obama, and at the lower right a girl, who is a person of her own. The woman cut off by the
# edge of obama2.jpg shows no face.
OFFICIALS = {
    "biden.jpg": [Place("biden", (420, 177, 785, 575))],
    "biden2.jpg": [Place("biden", (416, 152, 901, 767))],
    "obama-1080p.jpg": [Place("obama", (852, 89, 1167, 441))],
    "obama-240p.jpg": [Place("obama", (192, 20, 254, 92))],
    "obama-720p.jpg": [Place("obama", (568, 58, 778, 294))],
    "obama.jpg": [Place("obama", (344, 89, 613, 419))],
    "obama1.jpg": [Place("obama", (539, 121, 957, 629))],
    "obama2.jpg": [Place("obama", (138, 228, 480, 634))],
    "obama3.jpg": [Place("obama", (640, 270, 926, 620))],
    "obama_and_biden.jpg": [
        Place("biden", (716, 395, 941, 643)),
        Place("obama", (1116, 358, 1341, 618)),
        Place("girl", (1615, 1030, 1785, 1240)),
    ],
    "obama_partial_face.jpg": [Place("obama", (0, 85, 195, 418))],
    "obama_partial_face2.jpg": [Place("obama", (344, 90, 567, 418))],
}

# One portrait in other sizes and cuts: as pairs of one person they prove nothing.
COPIES = frozenset(
    "obama-240p.jpg obama-720p.jpg obama-1080p.jpg obama_partial_face.jpg "
    "obama_partial_face2.jpg".split()
)


def photos(real: Path) -> list[Path]:
    """All photos of the set: ORL by person and number, then the officials."""
    orl = sorted((real / "orl").glob("s*/*.pgm"), key=lambda p: (int(p.parent.name[1:]), p.name))
    return orl + sorted((real / "officials").glob("*.jpg"))


def places(photo: Path) -> list[Place]:
    """The faces that a photo holds."""
    if photo.parent.name == "officials":
        return OFFICIALS.get(photo.name, [])
    return [Place(photo.parent.name, ORL_MIDDLE)]


def truth(photo: Path, boxes: Floats) -> list[str]:
    """Who each of `boxes (n, 4)` shows, best first.

    A box whose middle lies in a marked face that none before it took is that person. Any other
    box is no face, or a second box on one: it counts as a person of its own, met nowhere else.
    """
    free, names = places(photo), []
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        hit = next((p for p in free if _inside(x, y, p.box)), None)
        free = [place for place in free if place is not hit]
        names.append(hit.who if hit else f"false {photo.parent.name}/{photo.name} {i}")
    return names


def _inside(x: float, y: float, box: tuple[int, int, int, int]) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


@dataclass(frozen=True)
class Found:
    """The n kept faces of all photos, in their order.

    `descriptors (n, d)` as dlib gives them, `vectors (n, d)` of unit length, `quality (n,)`,
    `photo (n,)` numbers and the `paths` they stand for, `who (n,)` names.
    """

    descriptors: Floats
    vectors: Floats
    quality: Floats
    photo: NDArray[np.int64]
    paths: tuple[Path, ...]
    who: NDArray[np.str_]

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Found:
        """The chosen faces, by mask or index."""
        return Found(
            self.descriptors[which],
            self.vectors[which],
            self.quality[which],
            self.photo[which],
            self.paths,
            self.who[which],
        )

    @property
    def false(self) -> NDArray[np.bool_]:
        """Which faces are no marked face."""
        return np.char.startswith(self.who, "false ")

    @property
    def orl(self) -> NDArray[np.bool_]:
        """Which faces are of ORL."""
        return np.array([self.paths[i].parent.name != "officials" for i in self.photo], bool)


class Unscaled(Embedder):
    """Gives the network's vectors as they are, because dlib's users compare those."""

    def __call__(self, crops: NDArray[np.uint8]) -> Floats:
        return self.descriptors(crops)


def find(real: Path, detector: str) -> Found:
    """What the pipeline keeps of every photo, with that detector and dlib's network."""
    embedder = load_embedder("dlib-resnet")
    models = Models(load_detector(detector), Unscaled(embedder.card, embedder.session))
    paths = photos(real)
    looked = [result.faces for result in analyse(paths, models)]
    who = [name for path, faces in zip(paths, looked, strict=True) for name in _who(path, faces)]
    together = Faces.concatenate(looked)
    descriptors = np.asarray(together.embeddings, np.float32)
    return Found(
        descriptors,
        unit(descriptors),
        np.asarray(together.quality, np.float32),
        np.repeat(np.arange(len(paths)), [len(faces) for faces in looked]),
        tuple(paths),
        np.array(who, str),
    )


def _who(path: Path, faces: Faces) -> list[str]:
    return truth(path, faces.boxes)
