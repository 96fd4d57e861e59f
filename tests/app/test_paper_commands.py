"""`fusiform papers`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from fusiform.app.cli import app
from fusiform.lab.papers import evidence
from fusiform.lab.papers.claims import catalogue


def ask(*words, code=0):
    done = CliRunner().invoke(app, ["papers", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_list():
    found = json.loads(ask("list", "--json"))
    assert [row["id"] for row in found] == list(catalogue())
    fields = {"id", "family", "status", "verdict", "gap", "interval", "minutes", "stale"}
    assert all(set(row) == fields for row in found)
    losses = json.loads(ask("list", "--family", "rec.loss", "--json"))
    assert {row["family"] for row in losses} == {"rec.loss"}
    absent = json.loads(ask("list", "--status", "absent", "--json"))
    assert all(row["status"] == "absent" for row in absent)
    assert "arcface" in ask("list", "--family", "rec.loss")


def test_show():
    assert "Additive Angular Margin" in ask("show", "arcface")
    assert json.loads(ask("show", "arcface", "--json"))["id"] == "arcface"


def test_run(monkeypatch, tmp_path):
    def trial(name, size, seed):
        names = [c.name for c in evidence.claims(evidence.program(evidence.paper(name)))]
        return {n: [0.9, 0.5 + seed / 100] for n in names}, 1.0

    monkeypatch.setattr(evidence, "trial", trial)
    words = ("run", "arcface", "--size", "tiny", "--workers", 1, "--out", tmp_path)
    found = json.loads(ask(*words, "--first-seed", 4, "--json"))
    assert set(found) == {"id", "claims", "minutes"}
    fields = {"name", "metric", "higher", "margin", "pairs", "gap", "interval", "verdict"}
    assert all(set(claim) == fields for claim in found["claims"])
    assert found["claims"][0]["pairs"] == [[0.9, 0.54], [0.9, 0.55], [0.9, 0.56]]
    assert "shown" in ask(*words)


def test_check(monkeypatch):
    monkeypatch.setattr(evidence, "check", lambda name: name == "arcface")
    assert json.loads(ask("check", "arcface", "--json")) == [{"id": "arcface", "stands": True}]
    assert "must be run again" in ask("check", "facenet", code=1)


def test_report(tmp_path):
    path = tmp_path / "papers.md"
    assert json.loads(ask("report", "--out", path, "--json")) == {"written": str(path)}
    assert path.read_text().startswith("# Papers as claims")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "arcfac"], "perhaps arcface"),
        (["run", "nobody"], "paper must be"),
        (["run", "arcface", "--size", "huge"], "size must be"),
        (["list", "--family", "rec"], "--family must be"),
        (["list", "--status", "done"], "--status must be"),
        (["report", "--out", "/nowhere/papers.md"], "cannot be written"),
    ],
)
def test_bad_wishes(words, said, capsys):
    from fusiform.app.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["fusiform", "papers", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
    assert stopped.value.code
    assert said in capsys.readouterr().err.replace("\n", " ")
