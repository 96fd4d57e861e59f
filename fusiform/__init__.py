"""fusiform: photos in, people out.

>>> import fusiform
>>> gallery = fusiform.Gallery("family.db")
>>> gallery.index("~/Pictures")
>>> gallery.people()

Everything is loaded at first use, so that importing fusiform costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusiform.api import Gallery as Gallery
    from fusiform.api import describe as describe
    from fusiform.api import detect as detect
    from fusiform.api import embed as embed
    from fusiform.api import verify as verify
    from fusiform.core.faces import Face as Face
    from fusiform.core.faces import Faces as Faces
    from fusiform.core.pictures import read as read

__version__ = "0.1.0"

_HOME = {
    "Gallery": "fusiform.api",
    "describe": "fusiform.api",
    "detect": "fusiform.api",
    "embed": "fusiform.api",
    "verify": "fusiform.api",
    "Face": "fusiform.core.faces",
    "Faces": "fusiform.core.faces",
    "read": "fusiform.core.pictures",
}
__all__ = ["Face", "Faces", "Gallery", "describe", "detect", "embed", "read", "verify"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fusiform' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
