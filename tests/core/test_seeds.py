from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng

RAW = [17127440073367412393, 11242145634470139082]
NAMES = st.lists(st.one_of(st.integers(-5, 2**40), st.text(max_size=6)), max_size=3).map(tuple)


def drawn(seed: int, *names: str | int) -> list[int]:
    return rng(seed, *names).integers(0, 2**63, 4).tolist()


@given(st.integers(0, 2**64), NAMES, st.integers(0, 2**64), NAMES)
def test_same_stream_exactly_for_same_seed_and_names(s1, n1, s2, n2) -> None:
    alike = s1 == s2 and n1 == n2 and [type(n) for n in n1] == [type(n) for n in n2]
    assert (drawn(s1, *n1) == drawn(s2, *n2)) == alike


def test_names_do_not_run_together() -> None:
    streams = [("ab", "c"), ("a", "bc"), ("abc",), ("a', 'bc",), (), ("",), ("7",), (7,)]
    assert len({tuple(drawn(0, *names)) for names in streams}) == len(streams)


def test_raw_stream_never_changes() -> None:
    """Raw words of PCG64, which numpy promises to keep; drawn once and written down."""
    assert rng(0, "hair", 7).bit_generator.random_raw(2).tolist() == RAW


def test_another_process_draws_the_same() -> None:
    code = "from fusiform.core.seeds import rng; print(rng(3, 'ß', 1).integers(2**63))"
    told = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, check=True
    )
    assert int(told.stdout) == rng(3, "ß", 1).integers(2**63)


def test_numpy_integers_and_lone_surrogates_are_names_too() -> None:
    assert drawn(1, np.int64(4)) == drawn(1, 4)
    assert drawn(1, "\udcff") != drawn(1, "ÿ")


def test_streams_are_uncorrelated() -> None:
    draws = np.stack([rng(0, i).standard_normal(4000) for i in range(20)])
    off_diagonal = np.corrcoef(draws) - np.eye(20)
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(4000)


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ChoiceError, match="seed must be at least 0"):
        rng(-1)
