"""Running claims: what is kept, going on after a stop, staleness."""

from __future__ import annotations

import json
from functools import partial

import pytest

pytest.importorskip("torch")

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.papers import evidence
from fusiform.lab.papers.claims import claim


@pytest.fixture
def told(monkeypatch):
    """The paper arcface with one quick claim; lists the seeds that were measured."""
    seen = []

    @claim(metric="TAR", margin=0.1, minutes=1)
    def quick(seed, size):
        """Half better."""
        if seed in told.broken:
            raise KeyboardInterrupt
        seen.append(seed)
        return 0.5 + seed / 100, 0.0

    told = type("Told", (), {"seen": seen, "broken": set()})
    module = type("Module", (), {})()
    module.quick = quick
    monkeypatch.setattr(evidence, "program", lambda paper: module)
    return told


def run(folder, seeds=(0, 1, 2), **wishes):
    return evidence.run("arcface", "tiny", seeds, folder, workers=1, **wishes)


def test_a_result_file_holds_everything(told, tmp_path):
    found = run(tmp_path)
    assert json.loads((tmp_path / "arcface-tiny.json").read_text()) == found
    first = found["claims"][0]
    assert first["pairs"] == [[0.5, 0.0], [0.51, 0.0], [0.52, 0.0]]
    assert (first["gap"], first["interval"]) == (0.51, [0.5, 0.52])
    assert (first["verdict"], found["seeds"]) == ("shown", [0, 1, 2])
    for name in ("minutes", "date", "commit", "hardware", "versions", "sources"):
        assert found[name] not in (None, {})
    assert [p.name for p in tmp_path.iterdir()] == ["arcface-tiny.json"]


def test_an_interrupted_run_goes_on(told, tmp_path):
    told.broken.add(2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert told.seen == [0, 1]
    told.broken.clear()
    steps = []
    run(tmp_path, progress=lambda done, all_: steps.append((done, all_)))
    assert told.seen == [0, 1, 2]
    assert steps == [(3, 3)]


def test_seeds_of_other_code_are_measured_again(told, tmp_path, monkeypatch):
    told.broken.add(1)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    told.broken.clear()
    monkeypatch.setattr(evidence, "sources", lambda module: {"changed": "1"})
    run(tmp_path)
    assert told.seen == [0, 0, 1, 2]


def test_a_half_written_note_is_ignored(told, tmp_path):
    (tmp_path / ".arcface-tiny.part.json").write_text('{"seeds": ')
    run(tmp_path)
    assert told.seen == [0, 1, 2]


def test_figures_do_not_depend_on_the_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "trial", doubled)
    alone = {s: p for s, p, _ in evidence.trials("arcface", "tiny", [0, 1], 1)}
    shared = {s: p for s, p, _ in evidence.trials("arcface", "tiny", [0, 1], 2)}
    assert alone == shared == {0: {"c": [0.0, 0.0]}, 1: {"c": [2.0, 1.0]}}


def doubled(name, size, seed):
    return {"c": [2.0 * seed, float(seed)]}, 0.0


def test_bad_wishes(tmp_path):
    with pytest.raises(ChoiceError, match="size must be"):
        evidence.run("arcface", "huge", (0,), tmp_path)
    for seeds in ((), (1, 1), (-1,)):
        with pytest.raises(ChoiceError, match="seeds must be"):
            evidence.run("arcface", "tiny", seeds, tmp_path)


def test_a_full_disk_leaves_the_old_result(told, tmp_path, monkeypatch):
    run(tmp_path)
    before = (tmp_path / "arcface-tiny.json").read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evidence.os, "replace", full)
    with pytest.raises(FusiformError, match="No space left"):
        run(tmp_path, (3, 4, 5))
    assert [p.read_text() for p in tmp_path.iterdir()] == [before]


def test_evidence_stands_where_a_change_changes_nothing(told, tmp_path, monkeypatch):
    evidence.run("arcface", "small", (0, 1, 2), tmp_path, workers=1)
    path = tmp_path / "arcface.json"
    assert evidence.check("arcface", tmp_path)
    before = json.loads(path.read_text())
    old = [one | {"margin": 9.0, "verdict": "contradicted"} for one in before["claims"]]
    path.write_text(json.dumps(before | {"sources": {"changed": "1"}, "claims": old}))
    assert evidence.check("arcface", tmp_path)
    after = json.loads(path.read_text())
    assert after["sources"] == before["sources"]
    assert after["claims"] == before["claims"]
    assert "checked" in after
    path.write_text(json.dumps(before | {"sources": {}, "tiny": {"quick": [0.1, 0.0]}}))
    assert not evidence.check("arcface", tmp_path)
    assert json.loads(path.read_text())["sources"] == {}
    with pytest.raises(FusiformError, match="not measured"):
        evidence.check("facenet", tmp_path)


def test_results_that_came_with_fusiform_stand_where_there_are_none_of_your_own(
    told, tmp_path, monkeypatch
):
    monkeypatch.setattr(evidence, "ROOT", tmp_path)  # no checkout
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(evidence, "shipped", lambda: tmp_path / "share")
    assert evidence.stored("arcface") is None
    evidence.run("arcface", "tiny", (7,), tmp_path / "share", workers=1)
    (tmp_path / "share/arcface-tiny.json").rename(tmp_path / "share/arcface.json")
    assert evidence.stored("arcface")["seeds"] == [7]
    assert not (tmp_path / "home").exists()
    evidence.run("arcface", "small", (0, 1, 2), workers=1)
    assert evidence.stored("arcface")["seeds"] == [0, 1, 2]
    assert (tmp_path / "home/results/papers/arcface.json").is_file()


def test_seeds_can_be_added(told, tmp_path, monkeypatch):
    small = partial(evidence.run, "arcface", "small", folder=tmp_path, workers=1)
    small(seeds=(0, 1, 2))
    monkeypatch.setattr(evidence, "commit", lambda: "later")
    before = json.loads((tmp_path / "arcface.json").read_text())["commit"]
    found = small(seeds=(2, 5), add=True)
    assert found["commit"] == f"{before}, later"
    assert told.seen == [0, 1, 2, 0, 5, 0]  # after each run size tiny
    assert found["seeds"] == [0, 1, 2, 5]
    assert [pair[0] for pair in found["claims"][0]["pairs"]] == [0.5, 0.51, 0.52, 0.55]
    assert len(found["seconds"]) == 4
    assert small(seeds=(0, 1, 2))["seeds"] == [0, 1, 2]
    path = tmp_path / "arcface.json"
    told_now = json.loads(path.read_text())
    path.write_text(json.dumps(told_now | {"sources": {}}))
    with pytest.raises(FusiformError, match=r"arcface\.json was measured with other code\. Leave"):
        small(seeds=(3,), add=True)
    path.write_text("{")
    with pytest.raises(FusiformError, match=r"arcface\.json is no result"):
        small(seeds=(3,), add=True)


def test_damaged_results_are_named(tmp_path):
    (tmp_path / "arcface.json").write_text("{")
    with pytest.raises(FusiformError, match=r"arcface\.json is no result"):
        evidence.stored("arcface", tmp_path)
    assert evidence.stored("facenet", tmp_path) is None


def test_what_evidence_rests_on():
    names = set(evidence.sources("fusiform.lab.papers.rec_loss.arcface"))
    assert "fusiform.lab.papers.rec_loss.arcface" in names
    assert "fusiform.lab.blocks.margins" in names  # imported by the paper
    assert "fusiform.lab.train.loop" in names  # imported by a shared set-up
    assert "fusiform.lab.world.person" not in names


def test_comments_make_nothing_stale():
    import ast

    def mark(text):
        return evidence.fingerprint(ast.parse(text))

    plain = mark('"""A."""\ndef f():\n    """B."""\n    return 1\n')
    assert plain == mark('"""C."""\n# D\ndef f():\n    """E."""\n    return 1\n')
    assert plain != mark('"""A."""\ndef f():\n    """B."""\n    return 2\n')


def test_staleness(told, tmp_path, monkeypatch):
    found = run(tmp_path)
    assert not evidence.is_stale(found)
    assert evidence.is_stale(found | {"sources": {}})
