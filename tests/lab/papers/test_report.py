"""The table of papers and docs/papers.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from fusiform.lab.papers import evidence, report
from fusiform.lab.papers.claims import catalogue, is_built, paper

ROOT = Path(__file__).parents[3]


@pytest.fixture
def measured(tmp_path):
    """A folder with a result of arcface: one claim shown, one not."""
    one = {"name": "a", "says": "A helps.", "metric": "TAR", "higher": True, "margin": 0.1}
    one |= {"pairs": [[0.9, 0.5]] * 3, "gap": 0.4, "interval": [0.4, 0.4], "verdict": "shown"}
    two = one | {"name": "b", "says": "B helps.", "verdict": "not shown", "higher": False}
    found = {"id": "arcface", "size": "small", "seeds": [0, 1, 2], "claims": [one, two]}
    found |= {"minutes": 3.5, "date": "2026-01-01", "commit": "abc", "hardware": "one core"}
    found |= {"versions": {}, "sources": evidence.sources(paper("arcface").module)}
    (tmp_path / "arcface.json").write_text(json.dumps(found))
    return tmp_path


def test_where_papers_stand(measured):
    found = {row.paper.id: row for row in report.rows(measured)}
    assert list(found) == list(catalogue())
    arcface = found["arcface"]
    assert arcface.status in ("measured", "usable")
    assert (arcface.verdict, arcface.stale) == ("not shown", False)
    said = arcface.to_json()
    assert (said["gap"], said["interval"], said["minutes"]) == (0.4, [0.4, 0.4], 3.5)
    absent = next(row for row in found.values() if not is_built(row.paper))
    assert (absent.status, absent.to_json()["gap"]) == ("absent", None)


def test_a_built_paper_without_results_is_built(tmp_path):
    assert report.row(paper("arcface"), tmp_path).status == "built"


def test_the_page(measured):
    text = report.report(measured)
    assert (
        "| A helps. | TAR | 0.900 | 0.500 | +0.400 | +0.400 to +0.400 | +0.1 | **shown** |" in text
    )
    assert "TAR (lower is better)" in text
    assert "- `b`, not shown:" in text
    assert "Stale" not in text
    path = measured / "arcface.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sources": {}}))
    assert "Stale" in report.report(measured)


def test_docs_are_current():
    page = ROOT / "docs" / "papers.md"
    assert page.read_text("utf-8") == report.report(), "run `fusiform papers report`"


def test_nothing_is_given_up_in_silence():
    """Every claim that is not shown says what was tried."""
    silent = [
        (row.paper.id, claim["name"])
        for row in report.rows()
        for claim in (row.result or {"claims": []})["claims"]
        if claim["verdict"] != "shown" and claim["name"] not in (row.paper.tried or {})
    ]
    assert silent == []
