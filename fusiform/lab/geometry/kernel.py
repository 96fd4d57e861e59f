"""How inner loops are compiled: by Numba, kept on the disk, the global lock let go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

F = TypeVar("F", bound=Callable[..., Any])

# Numba leaves it off to compile sooner; arithmetic on small tuples of floats runs a quarter faster.
config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]

# Division by zero gives infinity, as in NumPy; a product and a sum may be rounded as one.
_HOW: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract"},
}


def kernel(function: F) -> F:
    """`function`, compiled when it is first called with arguments of some types."""
    return cast(F, njit(**_HOW)(function))


def inlined(function: F) -> F:
    """The same, put into its callers: for what has many arguments and is called per texel."""
    return cast(F, njit(inline="always", **_HOW)(function))


def on_disk(function: Callable[..., Any]) -> bool:
    """Whether a `kernel` was compiled before, here or in another process."""
    place = Path(function._cache.cache_path)  # type: ignore[attr-defined]
    return any(place.glob(f"*.{function.__name__}-*.nbi"))
