"""Vectors on the way to pgvector and back: halfvec as bytes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import psycopg


@cache
def half_type() -> type[bytes]:
    """The type of values that go to the server as halfvec: bytes, float16, little-endian."""
    return type("Half", (bytes,), {})


def teach_halves(db: psycopg.Connection[Any]) -> None:
    """Makes a connection write `half_type` as halfvec and read halfvec as bytes, if the server has
    it. On the wire two numbers of 16 bits (width, 0) and the values, big-endian (pgvector,
    halfvec_send)."""
    from psycopg import pq
    from psycopg.adapt import Dumper, Loader

    row = db.execute("SELECT to_regtype('halfvec')::oid").fetchone()
    if not row or row[0] is None:
        return
    number: int = row[0]

    class HalfDumper(Dumper):
        format = pq.Format.BINARY
        oid = number

        def dump(self, obj: bytes) -> bytes:
            values = np.frombuffer(obj, "<f2").astype(">f2")
            return len(values).to_bytes(2, "big") + b"\0\0" + values.tobytes()

    class HalfLoader(Loader):
        format = pq.Format.BINARY

        def load(self, data: Any) -> bytes:
            return np.frombuffer(bytes(data)[4:], ">f2").astype("<f2").tobytes()

    db.adapters.register_dumper(half_type(), HalfDumper)
    db.adapters.register_loader(number, HalfLoader)
