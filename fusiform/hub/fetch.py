"""Downloads: https only, resumed, checked against the card's hash, put in place whole."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

from fusiform.core.errors import ChoiceError, FetchError, OfflineError
from fusiform.hub.card import Card, shipped_cards
from fusiform.hub.files import file_hash, locked, publish, read_hash
from fusiform.hub.store import by_hand, store_path

CHUNK = 1 << 18
SECONDS = 30  # without a byte before a connection counts as dead
LOCAL = (getattr(socket, "AF_UNIX", None), -1)  # -1: one that is open already
SENDING = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
LOOKUPS = tuple(
    f"socket.{name}" for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo")
)
Progress = Callable[[int, int], None]


def pull(
    name: str,
    *,
    source: Path | None = None,
    offline: bool = False,
    progress: Progress | None = None,
    context: ssl.SSLContext | None = None,
) -> Path:
    """Brings a shipped card's weights into the store and returns their path.

    Nothing is fetched if they are there and whole; a damaged file is replaced; what an earlier
    try left is continued. `source` is a file to take instead of the network. `progress` is
    called with the bytes that are here and the bytes in all. `context` holds the certificates
    to trust, the system's by default.

    Raises ChoiceError for a name that is not to be downloaded, OfflineError if the network is
    needed while `offline` or FUSIFORM_OFFLINE=1, FetchError if it cannot be done.
    """
    card = _downloadable(name)
    target = store_path(card)
    if _is_whole(card, target):
        return target
    if source is None and (offline or os.environ.get("FUSIFORM_OFFLINE", "0") not in ("", "0")):
        raise OfflineError(f"{name}: the network is switched off. {by_hand(card)}")
    try:
        with locked(target):
            if not _is_whole(card, target):  # another process may have been faster
                part = target.with_suffix(".part")
                if source is not None:
                    _take(card, source, part)
                else:
                    _download(card, part, progress or (lambda done, total: None), context)
                publish(part, target)
    except OSError as error:
        raise FetchError(
            f"{name}: cannot be brought to {target} ({error}). Make room there or the folder "
            "writable, or choose another with FUSIFORM_HOME."
        ) from error
    return target


@cache
def forbid_network() -> None:
    """From now on nothing in this Python process may open a socket or look up a name.

    Raises OfflineError in the place that tries. Sockets that never leave the machine
    (AF_UNIX) stay allowed. It cannot be undone, as Python's audit hooks cannot.
    """
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.__new__":
        refused = args[1] not in LOCAL
    elif event in SENDING:
        refused = args[0].family not in LOCAL
    else:
        refused = event in LOOKUPS
    if refused:
        raise OfflineError(f"the network is switched off, and something wanted it ({event})")


def _downloadable(name: str) -> Card:
    cards = {card.name: card for card in shipped_cards().values() if card.url}
    if name not in cards:
        raise ChoiceError("model to pull", list(cards), name)
    return cards[name]


def _is_whole(card: Card, target: Path) -> bool:
    return target.is_file() and file_hash(target, fresh=True) == card.sha256


def _take(card: Card, source: Path, part: Path) -> None:
    """Copies a file that the user brought."""
    if not source.is_file():
        raise FetchError(f"{source}: no such file. {by_hand(card)}")
    if (found := read_hash(source)) != card.sha256:
        raise FetchError(
            f"{source}: not the file of {card.name}: its sha256 is {found}. {by_hand(card)}"
        )
    shutil.copyfile(source, part)


def _download(card: Card, part: Path, progress: Progress, context: ssl.SSLContext | None) -> None:
    """Fills `part`; a second time from nothing if what was there or came is wrong."""
    for _ in range(2):
        _continue(card, part, progress, context)
        if read_hash(part) == card.sha256:
            return
        part.unlink()
    raise FetchError(
        f"{card.name}: what {card.url} gives is not the file whose hash is known. {by_hand(card)}"
    )


def _continue(card: Card, part: Path, progress: Progress, context: ssl.SSLContext | None) -> None:
    """Downloads what `part` lacks. Raises FetchError if the connection fails or ends early."""
    done = part.stat().st_size if part.is_file() else 0
    if done >= card.bytes:
        return
    with _open(card, done, context) as answer:
        resumed = answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        done = done if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            for chunk in _chunks(card, answer):
                done += file.write(chunk)
                progress(done, card.bytes)
    if done < card.bytes:
        raise FetchError(
            f"{card.name}: {card.url} ended after {done} of {card.bytes} bytes. "
            f"Run `fusiform pull {card.name}` again to continue."
        )


def _open(card: Card, done: int, context: ssl.SSLContext | None) -> http.client.HTTPResponse:
    if not card.url.startswith("https:"):
        raise FetchError(f"{card.name}: {card.url} is not https. {by_hand(card)}")
    certificates = context or ssl.create_default_context()
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=certificates), _HttpsOnly()
    )
    ask = urllib.request.Request(card.url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        answer: http.client.HTTPResponse = opener.open(ask, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(card, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise _failed(card, error) from error
    return answer


def _chunks(card: Card, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body in pieces, at most one piece longer than the file ought to be."""
    try:
        for _ in range(card.bytes // CHUNK + 1):
            yield answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _failed(card, error) from error


def _failed(card: Card, error: Exception) -> FetchError:
    return FetchError(f"{card.name}: {card.url} failed ({error}). {by_hand(card)}")


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to https."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https:"):
            fp.close()
            raise FetchError(f"{req.full_url} redirects to {newurl}, which is not https; refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
