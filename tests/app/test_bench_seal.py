"""The benchmark of encryption, on a small gallery."""

from __future__ import annotations

from fusiform.app.bench import seal


def test_plain_and_sealed_are_measured_alike(monkeypatch):
    monkeypatch.setattr(seal, "ADDED", 5)
    monkeypatch.setattr(seal, "PROBES", 3)
    monkeypatch.setattr(seal, "ROUNDS", 2)
    result = seal.bench_seal(faces=200)
    lines = {line.what: line for line in result.comparisons}
    assert lines["size of the gallery"].ours > lines["size of the gallery"].peer_figure
    assert lines["opening"].ours > lines["opening"].peer_figure  # the passphrase is stretched
    assert len(result.rounds["sealed one search"]) == 2
    assert result.to_json()["environment"]
