"""Noise: statistics, bands, derivatives, and that nothing but its arguments matters."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.lab.world.noise import KINDS, cellular, fade, gradient, sample, value, value_slope


def cloud(count: int = 60_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-50, 50, (count, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["value", "gradient"])
@pytest.mark.parametrize("seed", [0, 1, 123456789])
def test_mean_and_deviation(kind: str, seed: int) -> None:
    drawn = sample(cloud(), 1.0, seed, kind)
    assert abs(drawn.mean()) < 0.03
    assert drawn.std() == pytest.approx(1.0, abs=0.06)
    assert np.abs(drawn).max() < 6


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_are_unrelated(kind: str) -> None:
    one, two = sample(cloud(), 1.0, 3, kind), sample(cloud(), 1.0, 4, kind)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_same_in_any_process(kind: str) -> None:
    points = [[0.31, -2.5, 7.7], [100.2, 0.01, -3.3]]
    here = sample(np.array(points, np.float32), 0.7, 9, kind).tobytes().hex()
    code = (
        "import numpy as np; from fusiform.lab.world.noise import sample;"
        f"print(sample(np.array({points}, np.float32), 0.7, 9, {kind!r}).tobytes().hex())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


@pytest.mark.parametrize(("kind", "low"), [("value", 0.30), ("gradient", 0.20)])
def test_band(kind: str, low: float) -> None:
    """Power above 2 cycles a unit is next to nothing. A line through space keeps some low pitch."""
    step, count = 1 / 16, 4096
    rows = []
    for row in range(24):
        line = np.zeros((count, 3), np.float32)
        line[:, 0] = np.arange(count) * step
        line[:, 1:] = [0.37 * row + 0.11, 1.71 * row]
        rows.append(np.abs(np.fft.rfft(sample(line, 1.0, 5, kind) * np.hanning(count))) ** 2)
    power, cycles = np.mean(rows, axis=0), np.fft.rfftfreq(count, step)
    total = power.sum()
    assert power[cycles > 2].sum() / total < 0.02
    assert power[cycles < 0.1].sum() / total < low
    assert power[cycles > 8 - 1].sum() / total < 1e-4


@given(*[st.floats(-40, 40) for _ in range(3)], st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_slope_is_the_derivative(x: float, y: float, z: float, seed: int) -> None:
    e = 1e-5
    centre, dx, dy, dz = value_slope(x, y, z, seed)
    assert centre == pytest.approx(value(x, y, z, seed), abs=1e-9)
    for slope, axis in ((dx, (e, 0, 0)), (dy, (0, e, 0)), (dz, (0, 0, e))):
        a, b, c = axis
        ahead, behind = value(x + a, y + b, z + c, seed), value(x - a, y - b, z - c, seed)
        assert slope == pytest.approx((ahead - behind) / (2 * e), abs=2e-3)


@given(*[st.floats(-40, 40) for _ in range(3)])
@settings(max_examples=60, deadline=None)
def test_no_jumps(x: float, y: float, z: float) -> None:
    for f in (gradient, value):
        assert abs(f(x, y, z, 1) - f(x + 1e-4, y - 1e-4, z + 1e-4, 1)) < 0.01


def test_cellular_finds_the_nearest_dot() -> None:
    """Against all 27 cells around, for every place within half a step of a dot."""
    near = 0
    for x, y, z in cloud(400, 3).astype(float) / 10:
        d, ox, oy, oz, _ = cellular(x, y, z, 6)
        assert d == pytest.approx(np.sqrt(ox * ox + oy * oy + oz * oz))
        dots = []
        for shift in np.ndindex(3, 3, 3):
            # a dot shows itself where noise is asked for close to it: walk to it
            cx, cy, cz = np.floor([x, y, z]) + np.array(shift) - 0.5
            px, py, pz = cx, cy, cz
            for _ in range(3):
                _, sx, sy, sz, _ = cellular(px, py, pz, 6)
                px, py, pz = px - sx, py - sy, pz - sz
            dots.append(np.linalg.norm([px - x, py - y, pz - z]))
        if min(dots) < 0.5:
            near += 1
            assert d <= min(dots) + 1e-9
    assert near > 100


def test_fade() -> None:
    assert fade(1.0, 0.6) == 0
    assert fade(1.0, 0.19) == 1
    shares = [fade(1.0, t) for t in np.linspace(0.1, 0.7, 50)]
    assert all(a >= b for a, b in itertools.pairwise(shares))


def test_wrong_choices() -> None:
    with pytest.raises(ChoiceError, match="kind"):
        sample(cloud(3), 1.0, 0, "perlin")
    with pytest.raises(ChoiceError, match="wavelength"):
        sample(cloud(3), 0.0, 0)
