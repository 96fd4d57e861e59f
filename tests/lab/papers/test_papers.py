"""Every built paper at size tiny: it runs, its figures are finite, and come again."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

from fusiform.lab.papers import claims, evidence

BUILT = [one for one in claims.catalogue().values() if claims.is_built(one)]


@pytest.mark.parametrize("paper", BUILT, ids=lambda one: one.id)
def test_tiny_runs(paper):
    pairs, _ = evidence.trial(paper.id, "tiny", 0)
    assert set(pairs) == {claim.name for claim in claims.claims(claims.program(paper))}
    assert all(math.isfinite(value) for pair in pairs.values() for value in pair)
    if paper.id in AGAIN:
        for value in vars(claims.program(paper)).values():
            getattr(value, "cache_clear", int)()
        assert evidence.trial(paper.id, "tiny", 0)[0] == pairs


# One of each set-up is enough: all draw from seeds alone.
AGAIN = ("arcface",)
