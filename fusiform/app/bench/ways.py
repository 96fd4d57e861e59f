"""The ways of grouping that are compared, with the thresholds they are tried at."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench import realset
from fusiform.app.bench.peers import optional
from fusiform.gallery import group
from fusiform.hub.store import locate

Labels = NDArray[np.int64]
Method = Callable[[realset.Found], Labels]
OURS, DBSCAN, WHISPERS = "ours", "DBSCAN", "Chinese whispers"
DISTANCE = 0.5  # what the users of dlib's vectors take
SWEEP = {
    OURS: (0.9, 0.91, 0.915, 0.92, 0.925, 0.93, 0.935, 0.94, 0.95),
    DBSCAN: (0.3, 0.35, 0.4, 0.45, 0.5, 0.55),
    WHISPERS: (0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
}


def default_limit() -> float:
    """The average similarity for grouping on the card of dlib's network."""
    return locate("dlib-resnet").card.grouping or 1.0


def methods(limit: float | None = None, distance: float = DISTANCE) -> dict[str, Method]:
    """Each way at its own default, or ours at similarity `limit` and the others at `distance`."""
    ways: dict[str, Method] = {OURS: partial(ours, limit=limit or default_limit())}
    if optional("sklearn.cluster"):
        ways[DBSCAN] = partial(dbscan, distance=distance)
    return ways | {WHISPERS: partial(whispers, distance=distance)}


def ours(faces: realset.Found, limit: float) -> Labels:
    """As `Gallery.regroup` does."""
    return group(faces.vectors, limit, quality=faces.quality, photos=faces.photo)


def dbscan(faces: realset.Found, distance: float) -> Labels:
    """scikit-learn's; noise, which it labels -1, is everyone alone."""
    cluster: Any = optional("sklearn.cluster")
    labels = cluster.DBSCAN(eps=distance, min_samples=2).fit_predict(faces.descriptors)
    return np.asarray(np.where(labels < 0, len(labels) + np.arange(len(labels)), labels), np.int64)


def whispers(faces: realset.Found, distance: float) -> Labels:
    """dlib's, as the examples that come with it call it."""
    import dlib

    vectors = [dlib.vector(row) for row in faces.descriptors.astype(float)]
    return np.array(dlib.chinese_whispers_clustering(vectors, distance), np.int64)
