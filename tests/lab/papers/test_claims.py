"""Claims: marking, judging, finding papers."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

pytest.importorskip("torch")

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.papers import claims
from fusiform.lab.papers.claims import bounds, claim, verdict

finite = st.floats(-10, 10)


@claim(metric="m", margin=0.1, minutes=1)
def rises(seed, size):
    """Ours is
    higher."""
    return seed + 1, seed


@claim(metric="error", margin=0.0, minutes=1, higher=False)
def falls(seed, size):
    """Ours is lower."""
    return 0, 1


def test_a_file_tells_its_claims_in_order():
    module = ModuleType("paper")
    module.rises, module.other, module.falls = rises, 3, falls
    assert [c.name for c in claims.claims(module)] == ["rises", "falls"]
    assert rises.claim.says == "Ours is higher."


def test_gaps_are_in_our_favour():
    assert rises.claim.gap((3, 1)) == 2
    assert falls.claim.gap((0, 1)) == 1


def test_a_claim_says_something():
    with pytest.raises(ChoiceError, match="docstring"):
        claim(metric="m", margin=0, minutes=1)(lambda seed, size: (0, 0))


@given(st.lists(finite, min_size=3, max_size=3))
def test_of_three_the_interval_is_from_least_to_most(gaps):
    assert bounds(gaps) == pytest.approx((min(gaps), max(gaps)))


@pytest.mark.parametrize("n", [5, 20])
def test_bounds_agree_with_scipy(n):
    gaps = np.random.default_rng(n).normal(0.3, 1, n)
    peer = stats.bootstrap((gaps,), np.mean, method="percentile", n_resamples=20_000, rng=0)
    assert bounds(gaps) == pytest.approx(tuple(peer.confidence_interval), abs=0.05)


@given(st.lists(finite, min_size=3, max_size=5), st.floats(-1, 1))
def test_verdicts(gaps, margin):
    low, high = bounds(gaps)
    said = verdict(gaps, margin)
    assert (said == "shown") == (low > margin)
    if said == "contradicted":
        assert high < margin
        assert high < 0


@pytest.mark.parametrize(
    ("gaps", "margin", "said"),
    [
        ([0.3, 0.4, 0.5], 0.2, "shown"),
        ([0.1, 0.4, 0.5], 0.2, "not shown"),
        ([-0.3, -0.1, -0.2], 0.2, "contradicted"),
        ([0.05, 0.1, 0.1], 0.2, "not shown"),  # something, but less than claimed
        ([-0.005, 0.0, 0.01], -0.01, "shown"),  # hardly worse
        ([-0.005, -0.02, 0.01], -0.01, "not shown"),
        ([0.3, 0.4], 0.2, "not shown"),  # two seeds
        ([0.3, 0.4, float("nan")], 0.2, "not shown"),
    ],
)
def test_verdicts_by_example(gaps, margin, said):
    assert verdict(gaps, margin) == said


def test_the_catalogue_is_whole():
    known = claims.catalogue()
    assert len(known) == 304
    assert len({one.family for one in known.values()}) == 31
    built = [one for one in known.values() if claims.is_built(one)]
    assert [one.id for one in built if not (one.source and one.idea)] == []


def test_a_papers_file_has_the_catalogues_title():
    for one in claims.catalogue().values():
        if claims.is_built(one):
            title = (claims.program(one).__doc__ or "").split("\n\n")[0]
            assert " ".join(title.split()).rstrip(".") == one.title.rstrip("."), one.id


def test_every_built_paper_has_a_claim():
    for one in claims.catalogue().values():
        if claims.is_built(one):
            assert claims.claims(claims.program(one)), one.id


def test_unknown_and_absent_papers():
    with pytest.raises(ChoiceError, match="perhaps arcface"):
        claims.paper("arcfac")
    absent = next(p for p in claims.catalogue().values() if not claims.is_built(p))
    with pytest.raises(FusiformError, match="not built yet"):
        claims.program(absent)


def test_names_become_names_of_modules():
    assert claims.under("rec.loss") == "rec_loss"
    assert claims.under("3dmm-net") == "n3dmm_net"
