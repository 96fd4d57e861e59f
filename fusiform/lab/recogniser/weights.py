"""Where a run keeps its weights, and how they come back into a network."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from fusiform.core.errors import FusiformError
from fusiform.lab.train.state import load_tensors

BEST, LAST = "best.safetensors", "last.safetensors"


def weights_of(place: Path) -> Path:
    """The file itself, or of a run's folder the best weights, else the last.

    Raises FusiformError where there are none.
    """
    if place.is_file():
        return place
    found = next((p for name in (BEST, LAST) if (p := place / name).is_file()), None)
    if found is None:
        raise FusiformError(
            f"{place} has no weights yet. Let `fusiform train` come to its first checkpoint."
        )
    return found


def put_in(net: nn.Module, path: Path) -> dict[str, str]:
    """Puts the weights of `path` in the network; what is told with them.

    Raises FusiformError for a damaged file, or weights of another network.
    """
    other = path.with_name(LAST)
    last = f"Delete it to take {LAST} in its place" if path.name == BEST and other.is_file() else ""
    tensors, told = load_tensors(path, last or "Train anew")
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise FusiformError(
            f"{path} does not hold weights of this network ({reason}). "
            "Take those of a run with the same --net, --size and --dim."
        ) from error
    return told
