"""PostgreSQL's errors as the gallery's named errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fusiform.core.errors import GalleryBusy, GalleryDamaged, GalleryError, GalleryUnwritable

if TYPE_CHECKING:
    import psycopg

# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html
_FAULTS: tuple[tuple[str, type[GalleryError], str], ...] = (
    ("55P03", GalleryBusy, "is in use by another process; try again when it is done"),
    ("40", GalleryBusy, "is in use by others who change the same; try again"),
    (
        "42501",
        GalleryUnwritable,
        "is not open to this user for that; ask its owner for the rights",
    ),
    ("25P03", GalleryBusy, "was left by the server, which waited too long; try again"),
    ("25006", GalleryUnwritable, "may only be read on this server; name the primary one"),
    ("53100", GalleryUnwritable, "cannot grow: the server's disk is full; make room, run again"),
    ("53", GalleryBusy, "cannot be served now, the server is at its limit; try again"),
    ("42704", GalleryError, "needs pgvector 0.8 or newer; update the extension on the server"),
    ("0A000", GalleryError, "needs the extension pgvector; install it on the server"),
    ("58P01", GalleryError, "needs the extension pgvector; install it on the server"),
    ("XX001", GalleryDamaged, "is damaged; restore a copy of it"),
    ("XX002", GalleryDamaged, "has a damaged index; let the server REINDEX it"),
    ("57014", GalleryBusy, "was stopped by the server or its administrator; try again"),
    ("08", GalleryError, "cannot be reached any more; start the server and run again to go on"),
    ("57", GalleryError, "cannot be reached any more; start the server and run again to go on"),
)


# A connection may be silent for hours while photos are looked at; and a server must notice within
# minutes that the machine of a client is gone, to free its locks.
_SETTINGS = (
    "SELECT set_config('tcp_keepalives_idle', '60', false), "
    "set_config('tcp_keepalives_interval', '10', false), "
    "set_config('tcp_keepalives_count', '6', false), "
    "set_config('idle_in_transaction_session_timeout', '0', false), "
    "set_config('idle_session_timeout', '0', false)"
)


def reached(url: str, name: str, patience: float) -> psycopg.Connection[Any]:
    """A connection to the server, tried for `patience` seconds. Raises GalleryError saying what to
    do."""
    try:
        import psycopg
    except ImportError as error:
        raise GalleryError(
            f"{name} is on a PostgreSQL server, which needs the package psycopg; "
            'install it: pip install "fusiform[postgres]".'
        ) from error
    try:
        db = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=max(2, int(patience)),
            application_name="fusiform",
        )
        db.execute(_SETTINGS)
        return db
    except psycopg.Error as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise GalleryError(
            f"{name} cannot be reached ({reason}); check the URL and that the server runs."
        ) from error


@contextmanager
def named_faults(name: str) -> Iterator[None]:
    """Turns the server's errors into those of the gallery."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        code = error.sqlstate or ("08000" if isinstance(error, psycopg.OperationalError) else "")
        for begins, kind, sentence in _FAULTS:
            if code.startswith(begins):
                raise kind(f"{name} {sentence}.") from error
        raise
