"""The picture of a benchmark's curves: its points and lines where they belong."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import linregress
from typer.testing import CliRunner

from fusiform.app.bench.gallery_plot import Curve, curves, drawn, plot
from fusiform.app.cli import app
from fusiform.core.errors import FusiformError

SIZES = (1_000, 10_000, 100_000)
TABLES = {
    "grouping": [
        {"faces": n, "method": m, "seconds": n / 1e4, "peak MB": 80 + n / 1e3}
        for n in SIZES
        for m in ("ours", "DBSCAN")
    ],
    "adding": [{"faces": n, "seconds": 2.0, "peak MB": 100} for n in SIZES],
    "searching": [
        {"faces": n, "method": "ours", "ms": 0.1, "open s": 0.02, "file MB": max(0, n / 2e3 - 3)}
        for n in SIZES
    ],
}  # fmt: skip


def test_curves_are_ours_without_what_was_not_measured():
    tables = TABLES | {"grouping": [*TABLES["grouping"], {
        "faces": 10**6, "method": "ours", "seconds": "over 9", "peak MB": "-",
    }]}  # fmt: skip
    seconds, megabytes = curves(tables)
    assert [curve.name for curve in seconds][::3] == ["grouping all", "one search"]
    assert seconds[0].faces == SIZES
    assert seconds[0].figures == (0.1, 1, 10)
    assert seconds[3].figures == (0.0001,) * 3
    assert megabytes[2].faces == SIZES[1:]  # no file for few faces
    assert curves({}) == ([], [])


def test_lines_are_those_of_scipy():
    curve = Curve("x", (10, 1e3, 1e4, 1e5), (9, 1, 12, 90))
    slope, factor = curve.line()
    other = linregress(np.log(curve.faces[-3:]), np.log(curve.figures[-3:]))
    assert slope == pytest.approx(other.slope)
    assert factor == pytest.approx(np.exp(other.intercept))
    assert Curve("x", (10,), (1,)).line() is None


def test_points_lie_on_a_grid_of_powers_of_ten():
    seconds, megabytes = curves(TABLES)
    root = ElementTree.fromstring(drawn(seconds, megabytes, {"cpu": "A & B", "threads": 2}))
    space = "{http://www.w3.org/2000/svg}"
    left, _ = root.findall(f"{space}g")
    spots = [(float(c.get("cx")), float(c.get("cy"))) for c in left.findall(f"{space}circle")]
    across, down = np.diff(spots[:3], axis=0).T
    np.testing.assert_allclose(across, 560 / 6, atol=0.2)  # 10^3 to 10^9
    np.testing.assert_allclose(down, down[0], atol=0.2)  # ten times as much each time
    assert down[0] < 0
    text = "".join(root.itertext())
    assert "as faces to the power of 1.00; extrapolated, 100,000 at a billion" in text
    assert "A & B" in text
    assert [t.text for t in root.iter(f"{space}text")].count("1 billion") == 2


def test_the_command_draws_what_was_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FusiformError, match="bench gallery --save"):
        plot(tmp_path / "results" / "gallery.json", tmp_path / "out.svg")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "gallery.json").write_text(json.dumps({"tables": TABLES}))
    done = CliRunner().invoke(app, ["bench", "gallery", "--plot", "curves/out.svg"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "curves" / "out.svg").read_text().startswith("<svg")
    (tmp_path / "results" / "gallery.json").write_text("[]")
    with pytest.raises(FusiformError):
        plot(tmp_path / "results" / "gallery.json", tmp_path / "out.svg")
