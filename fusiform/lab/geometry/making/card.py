"""The card that lies beside the head model: what it is, from what, how made, how good."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fusiform.lab.geometry.head import Head

CREDIT = (
    "The MakeHuman community's head, released as CC0 in September 2020: "
    "makehumancommunity/makehuman at a8bc2d54ff0a (2024-06-26) and "
    "makehumancommunity/makehuman-assets at 8cf9645b975a (2022-12-18). "
    "Data files only; none of their program code was used."
)
NOTE = (
    "No scan or photograph of a person went into it: the shapes are hand-made targets, mixed and "
    "scaled so that the means and deviations of published surveys hold."
)


def card(
    head: Head, model: Path, source: Path, seed: int, heads: int, figures: dict[str, Any]
) -> dict[str, Any]:
    """What the card says, as plain data; `figures` are those of `report` and `trials`."""
    shape, trials = figures["shape"], figures["trials"]
    return {
        "name": "head",
        "kind": "head model",
        "title": "A parametric head and bust: shape, expressions, pose, landmarks",
        "licence": "Apache-2.0; the source data is CC0-1.0",
        "credit": CREDIT,
        "note": NOTE,
        "recipe": f"python recipes/head.py {source.name} --seed {seed} --heads {heads}",
        "seed": seed,
        "sha256": digest(model),
        "source_sha256": digest(source),
        "bytes": model.stat().st_size,
        "sizes": {
            "vertices": len(head.mean),
            "triangles": len(head.triangles),
            "texture_vertices": len(head.uv),
            "components": len(head.shape.rows),
            "expressions": len(head.expression_names),
            "landmarks": {name: len(one.triangle) for name, one in head.landmarks.items()},
            "levels": {name: len(one.mirror) for name, one in head.levels.items()},
        },
        "measured": {
            "heads": shape["heads"],
            "face_error_mm": rounded(shape["face_error"]),
            "components_for_99_percent": shape["components_99"],
            "blink_gap_mm": rounded(trials["blink"]),
            "lips_gap_mm": rounded(trials["lips"]),
            "lid_clearance_mm": round(trials["clearance"], 3),
        },
    }


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """The same to three places."""
    return {name: round(value, 3) for name, value in figures.items()}


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
