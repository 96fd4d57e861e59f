"""Are the world's people people? Found by a detector and told apart by a recogniser that were
trained on real faces, which saw none of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.run import Comparison, Result, cores, environment
from fusiform.core.seeds import rng
from fusiform.measure.verification import eer, pairs, tar_at_far
from fusiform.pipeline import Models
from fusiform.recognise.embedder import unit

Floats = NDArray[np.float32]

FARS = (1e-2, 1e-3)
DETECTION_SIZE, RECOGNITION_SIZE = 128, 192
PROTOTYPE = {"TAR at FAR 0.01": 0.81, "TAR at FAR 0.001": 0.68}
AGES = ((0, 25), (25, 50), (50, 200))


class Seen(NamedTuple):
    """One picture: who, whether the detector found them, what the recogniser says (unscaled), the
    truth."""

    person: int
    found: bool
    said: Floats | None
    facts: dict[str, Any]


def bench_identity(*, people: int = 500, images: int = 6, seed: int = 0) -> Result:
    """Detection of unhidden faces up to 60 degrees, and ROC over pictures of `people` in other
    poses, lights, expressions, hair, glasses and make-up (preset "recognition")."""
    jobs = [(seed, person, images) for person in range(people)]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        both = list(pool.map(look, jobs, chunksize=2))
    detected = [one for found, _ in both for one in found]
    known = [one for _, seen in both for one in seen if one.said is not None]
    parts = {"all": known}
    parts |= {name: [one for one in known if mine(one.facts)] for name, mine in groups()}
    rows = [scores(name, part) for name, part in parts.items() if comparable(part)]
    overall = rows[0]
    share = float(np.mean([one.found for one in detected]))
    lines = [Comparison("faces found", share, "aim", 0.99, "share", False)]
    lines += [
        Comparison(what, overall[what], "prototype", figure, "share", False)
        for what, figure in PROTOTYPE.items()
    ]
    return Result(
        "identity",
        f"{len(detected)} pictures of {DETECTION_SIZE} px for detection, {len(known)} of "
        f"{RECOGNITION_SIZE} px for recognition",
        tuple(lines),
        {"by group (impostors of the same group)": rows},
        notes=("distances: medians between unit vectors; unscaled: as dlib's users know them",),
        environment=environment(seed=seed, people=people, images=images),
    )


def look(job: tuple[int, int, int]) -> tuple[list[Seen], list[Seen]]:
    """Pictures of one person: for detection, and for recognition."""
    from fusiform import api
    from fusiform.lab.world.labels import photograph
    from fusiform.lab.world.shot import plan_of, sample_shot
    from fusiform.lab.world.world import World
    from fusiform.pipeline import analyse_one

    seed, number, images = job
    plan, who, models = plan_of("recognition"), World(seed).person(number), api.models()
    detected, seen = [], []
    for image in range(images):
        stream = rng(seed, "identity", number, image)
        dressed = who.on_another_day(stream, plan.dressing)
        photo = photograph(dressed, sample_shot(stream, plan, RECOGNITION_SIZE), maps=False)
        faces = analyse_one(photo.image, models, embed=False).faces
        said = None
        if len(faces):
            largest = int(np.argmax(np.ptp(faces.boxes[:, 1::2], axis=1)))
            said = descriptor(photo.image, faces.points[[largest]], models)
        seen.append(Seen(number, said is not None, said, photo.facts))
        shot = sample_shot(stream, plan_of("detection"), DETECTION_SIZE)
        plain = photograph(who, shot, maps=False)
        found = len(api.detect(plain.image)) > 0
        detected.append(Seen(number, found, None, plain.facts))
    return detected, seen


def descriptor(image: NDArray[np.uint8], points: NDArray[np.float32], models: Models) -> Floats:
    """What the recogniser says, not scaled to length 1, (d,): of the face at `points` (1, 5, 2)."""
    from fusiform.core.align import align
    from fusiform.pipeline import five_points

    card = models.embedder.card
    if card.landmarks == "dlib-points" and models.detector.card.family != "dlib-hog":
        points = five_points().refine(image, points)
    said: Floats = models.embedder.descriptors(align(image, points, card.template, card.size))[0]
    return said


def groups() -> list[tuple[str, Callable[[dict[str, Any]], bool]]]:
    """Groups of people by what the world made them: name and test of a picture's facts."""
    out: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
        ("female", lambda facts: facts["male"] < 0.5),
        ("male", lambda facts: facts["male"] >= 0.5),
    ]
    for name in ("african", "asian", "european"):
        out.append((name, lambda facts, name=name: facts["main_ancestry"] == name))  # type: ignore[misc]
    for low, high in AGES:
        out.append((f"{low} to {high}", lambda f, a=low, b=high: a <= f["age"] < b))  # type: ignore[misc]
    return out


def comparable(seen: list[Seen]) -> bool:
    """Whether there are genuine and impostor pairs among these."""
    people = [one.person for one in seen]
    return 1 < len(set(people)) < len(people)


def scores(name: str, seen: list[Seen]) -> dict[str, Any]:
    """The ROC of one group, as a row."""
    said = np.stack([one.said for one in seen if one.said is not None])
    people = [one.person for one in seen]
    genuine, impostor = pairs(unit(said), people)
    row: dict[str, Any] = {"group": name, "pictures": len(seen)}
    for far in FARS:
        row[f"TAR at FAR {far:g}"] = round(tar_at_far(genuine, impostor, far), 4)
    row["EER"] = round(eer(genuine, impostor), 4)
    for kind, values in (("genuine", genuine), ("impostor", impostor)):
        row[f"{kind} distance"] = round(float(np.median(np.sqrt(np.maximum(2 - 2 * values, 0)))), 4)
    row["impostors, unscaled"] = round(unscaled(said, people), 4)
    return row


def unscaled(said: Floats, people: list[int]) -> float:
    """Median Euclidean distance of impostors' descriptors (n, d) as the network gives them."""
    whose, square = np.array(people), (said.astype(np.float64) ** 2).sum(1)
    apart = square[:, None] + square[None] - 2 * said.astype(np.float64) @ said.T
    return float(np.sqrt(max(0.0, float(np.median(apart[whose[:, None] != whose[None]])))))
