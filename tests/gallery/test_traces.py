"""Searching files for bytes, against Python's own search."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.gallery.traces import found_in, pieces_of


@pytest.mark.parametrize("at", [0, 1, 7, (1 << 22) - 8, (1 << 22) - 1, (1 << 22) + 3])
def test_the_search_finds_a_piece_wherever_it_stands(tmp_path, at):
    rng = np.random.default_rng(at)
    vector = rng.normal(size=64).astype("<f2").tobytes()
    file = tmp_path / "some"
    noise = bytearray(rng.bytes((1 << 22) + 100))
    file.write_bytes(noise)
    assert not found_in(file, pieces_of([vector]), [])
    noise[at : at + 16] = vector[32:48]
    file.write_bytes(noise)
    assert found_in(file, pieces_of([vector]), [])
    assert not found_in(file, set(), ["Wilhelmina"])
    file.write_bytes(noise + b"..Wilhelmina..")
    assert found_in(file, set(), ["Wilhelmina"])


def test_what_repeats_itself_is_no_trace():
    """Even parts of grey pictures are the same few bytes in all of them."""
    even = bytes.fromhex("a0028000") * 20
    rich = bytes(range(64))
    assert pieces_of([even, rich], distinct=13) == pieces_of([rich])
    assert len(pieces_of([even])) == 1
    assert not pieces_of([bytes(64)])
