"""Non-negative least squares against SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from fusiform.core.seeds import rng
from fusiform.lab.geometry.least_squares import non_negative
from fusiform.lab.world.expressions import BASIS_SHAPES


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_as_scipy_finds_it(seed: int) -> None:
    draw = rng(seed, "nnls")
    a, b = draw.normal(size=(30, 12)), draw.normal(size=30)
    ours, (theirs, residual) = non_negative(a.T @ a, a.T @ b), nnls(a, b)
    assert ours.min() >= 0
    assert np.linalg.norm(a @ ours - b) <= residual + 1e-9
    assert ours == pytest.approx(theirs, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_action_units_of_any_face(seed: int) -> None:
    face = rng(seed, "face").random(52) ** 3
    ours = non_negative(BASIS_SHAPES @ BASIS_SHAPES.T, BASIS_SHAPES @ face)
    theirs, residual = nnls(BASIS_SHAPES.T, face)
    assert np.linalg.norm(BASIS_SHAPES.T @ ours - face) <= residual + 1e-8
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_nothing_fits() -> None:
    assert (non_negative(np.eye(3), -np.ones(3)) == 0).all()
