"""The URL of a gallery on a PostgreSQL server: what the server is told, and what messages show."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from fusiform.core.errors import GalleryError

SCHEMA = "fusiform"
_HOSTS = r"(?:\[[0-9a-fA-F:.%]+\]|[^\[\]:@,/]*)(?::\d*)?"
_SECRET = ("password", "secret")  # parts of the names of settings that no message may show


class Place(NamedTuple):
    """`server`, the URL to connect to; `name`, the one for messages, without secrets; `schema`."""

    server: str
    name: str
    schema: str


def place_of(url: str) -> Place:
    """What a `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME` URL means.

    Everything but `schema` is for libpq, as it stands (PostgreSQL's documentation, "Connection
    URIs"). Raises GalleryError, which never shows the URL: it may hold a password.
    """
    parts = _split(url)
    settings = [_pair(text) for text in parts.query.split("&") if text]
    schema = next((value for key, value, _ in reversed(settings) if key == "schema"), SCHEMA)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
        raise GalleryError(f"{schema!r} is no name for a schema; use letters, digits and _.")
    others = [(key, text) for key, _, text in settings if key != "schema"]
    shown = [text for key, text in others if not any(word in key.lower() for word in _SECRET)]
    shown += [f"schema={schema}"] if schema != SCHEMA else []
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    where = (f"{user}@" if user else "") + parts.netloc.rpartition("@")[2]
    return Place(
        _url(parts, parts.netloc, [text for _, text in others]), _url(parts, where, shown), schema
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that do not match
        raise _unclear() from None
    login, _, hosts = parts.netloc.rpartition("@")
    clear = (
        re.match(r"postgres(ql)?://", url, re.IGNORECASE)
        and all(re.fullmatch(_HOSTS, host) for host in hosts.split(","))
        and login.count(":") <= 1
        # unless they are written as %40 and so on, these cut a password in two
        and not any(mark in login for mark in "@[]")
        and not any(mark in parts.path for mark in "@:")
        and "@" not in parts.query
        and not parts.fragment
        and not re.search(r"%(?![0-9a-fA-F]{2})|\s", url)
    )
    if not clear:
        raise _unclear()
    return parts


def _unclear() -> GalleryError:
    return GalleryError(
        "the URL of the gallery is not clear; write postgresql://USER@HOST/DATABASE?schema=NAME, "
        "with every other character of a password as its %-code, such as %23 for #."
    )


def _pair(text: str) -> tuple[str, str, str]:
    key, _, value = text.partition("=")
    return unquote(key), unquote(value), text


def _url(parts: SplitResult, where: str, query: list[str]) -> str:
    # not urlunsplit: that leaves the slashes of an empty host out
    rest = urlunsplit(("", "", parts.path, "&".join(query), ""))
    return f"postgresql://{where}{rest}"
