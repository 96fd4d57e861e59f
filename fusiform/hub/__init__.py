"""Where models live: cards, downloads, the local store, inference sessions."""

from typing import TYPE_CHECKING, Any

from fusiform.hub.card import Card, Threshold, shipped_cards
from fusiform.hub.files import home
from fusiform.hub.session import ProviderWarning, Session, open_session
from fusiform.hub.store import Model, available, by_hand, check, locate

if TYPE_CHECKING:
    from fusiform.hub.fetch import forbid_network, pull

__all__ = [
    "Card",
    "Model",
    "ProviderWarning",
    "Session",
    "Threshold",
    "available",
    "by_hand",
    "check",
    "forbid_network",
    "home",
    "locate",
    "open_session",
    "pull",
    "shipped_cards",
]


def __getattr__(name: str) -> Any:
    """Downloads need ssl and http, which take as long to import as all the rest: only on use."""
    if name in ("forbid_network", "pull"):
        from fusiform.hub import fetch

        return getattr(fetch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
