"""Synthetic people with exact ground truth.

>>> from fusiform.lab.world import World, photograph, sample_shot, plan_of
>>> person = World(7).person(17)

Everything is loaded at first use: importing the package loads neither Numba nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fusiform.core.errors import FusiformError

if TYPE_CHECKING:
    from fusiform.lab.geometry.render import render as render
    from fusiform.lab.geometry.scene import Scene as Scene
    from fusiform.lab.world.compose import compose as compose
    from fusiform.lab.world.dataset import PackDataset as PackDataset
    from fusiform.lab.world.dataset import WorldDataset as WorldDataset
    from fusiform.lab.world.expressions import named as named
    from fusiform.lab.world.film import perform as perform
    from fusiform.lab.world.film import write_film as write_film
    from fusiform.lab.world.labels import Photo as Photo
    from fusiform.lab.world.labels import photograph as photograph
    from fusiform.lab.world.pack import read_pack as read_pack
    from fusiform.lab.world.pack import verify_pack as verify_pack
    from fusiform.lab.world.pack import write_pack as write_pack
    from fusiform.lab.world.person import Person as Person
    from fusiform.lab.world.samples import Options as Options
    from fusiform.lab.world.samples import take as take
    from fusiform.lab.world.shot import PRESETS as PRESETS
    from fusiform.lab.world.shot import Plan as Plan
    from fusiform.lab.world.shot import Shot as Shot
    from fusiform.lab.world.shot import plan_of as plan_of
    from fusiform.lab.world.shot import sample_shot as sample_shot
    from fusiform.lab.world.speech import speak as speak
    from fusiform.lab.world.speech import voice_for as voice_for
    from fusiform.lab.world.traits import Traits as Traits
    from fusiform.lab.world.world import World as World

_HOME = {
    "geometry.render": ("render",),
    "geometry.scene": ("Scene",),
    "world.compose": ("compose",),
    "world.dataset": ("PackDataset", "WorldDataset"),
    "world.expressions": ("named",),
    "world.film": ("perform", "write_film"),
    "world.labels": ("Photo", "photograph"),
    "world.pack": ("read_pack", "verify_pack", "write_pack"),
    "world.person": ("Person",),
    "world.samples": ("Options", "take"),
    "world.shot": ("PRESETS", "Plan", "Shot", "plan_of", "sample_shot"),
    "world.speech": ("speak", "voice_for"),
    "world.traits": ("Traits",),
    "world.world": ("World",),
}
_MODULE = {name: f"fusiform.lab.{module}" for module, names in _HOME.items() for name in names}
# Which extra brings what may be missing.
EXTRAS = {
    **dict.fromkeys(("numba", "av"), "world"),
    "espeakng_loader": "speech",
    **dict.fromkeys(("torch", "safetensors", "onnx"), "lab"),
}

__all__ = [
    "EXTRAS",
    "PRESETS",
    "Options",
    "PackDataset",
    "Person",
    "Photo",
    "Plan",
    "Scene",
    "Shot",
    "Traits",
    "World",
    "WorldDataset",
    "compose",
    "missing",
    "named",
    "perform",
    "photograph",
    "plan_of",
    "read_pack",
    "render",
    "sample_shot",
    "speak",
    "take",
    "verify_pack",
    "voice_for",
    "write_film",
    "write_pack",
]


def missing(error: ModuleNotFoundError) -> FusiformError | ModuleNotFoundError:
    """What to raise for a module that is not here: names the extra that brings it, if one does."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRAS:
        return error
    remedy = f'Install it: pip install "fusiform[{EXTRAS[name]}]"'
    return FusiformError(f"This needs {name}, which is not here. {remedy}")


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'fusiform.lab.world' has no attribute {name!r}")
    try:
        return getattr(import_module(_MODULE[name]), name)
    except ModuleNotFoundError as error:
        raise missing(error) from error


def __dir__() -> list[str]:
    return [*globals(), *__all__]
