from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from fusiform.core.errors import FusiformError
from fusiform.lab.train.runs import Run, begin

OPTIONS = {"net": "resnet", "rate": 0.1, "sizes": (1, 2), "none": None}


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_run_is_begun_and_found_again(tmp_path):
    run = begin(tmp_path / "a" / "run", OPTIONS)
    assert run.options == OPTIONS | {"sizes": [1, 2]}
    assert begin(run.folder, dict(reversed(OPTIONS.items()))) == run
    assert [p.name for p in run.folder.iterdir()] == ["options.json"]


def test_options_that_differ_are_named(tmp_path):
    begin(tmp_path / "run", OPTIONS)
    with pytest.raises(FusiformError) as error:
        begin(tmp_path / "run", {"net": "vit", "rate": 0.1, "sizes": [1, 2], "new": 3})
    said = str(error.value)
    assert "net was 'resnet', now 'vit'; new was None, now 3" in said
    assert "rate" not in said
    assert "Use the same options to go on, or give another folder." in said


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(FusiformError, match=r"not empty and no training run\. Give a new folder"):
        begin(tmp_path, {})
    with pytest.raises(FusiformError, match="no training run"):
        begin(tmp_path / "photo.jpg", {})
    with pytest.raises(FusiformError, match=r"it has no options\.json"):
        _ = Run(tmp_path).options


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FusiformError, match=r"file/run.* cannot be written: Not a directory"):
        begin(tmp_path / "file" / "run", {})


def test_options_that_cannot_be_read_are_told(tmp_path):
    run = begin(tmp_path / "run", {})
    (run.folder / "options.json").write_text("{")
    with pytest.raises(
        FusiformError, match=r"options\.json is damaged .* begin anew in another folder"
    ):
        begin(run.folder, {})


def test_statistics_are_lines(tmp_path):
    run = begin(tmp_path / "run", {})
    assert list(run.stats()) == []
    run.log(10, {"loss": 2})
    run.log(20, {"loss": 1.5, "gradient": 3.0})
    lines = (run.folder / "stats.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(run.stats())
    assert list(run.stats())[1] == {"step": 20, "loss": 1.5, "gradient": 3.0}


def test_resuming_forgets_what_comes_again(tmp_path):
    """Lines after the checkpoint, a line cut short and files cut short by a kill."""
    run = begin(tmp_path / "run", {})
    for step in (1, 2, 3):
        run.log(step, {"loss": step})
    with (run.folder / "stats.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    run.checkpoints.mkdir()
    cut = [run.folder / ".options.json.part-7", run.checkpoints / ".000000003.safetensors.part-7"]
    for path in cut:
        path.write_text("half")
    assert [row["step"] for row in run.stats()] == [1, 2, 3]
    run.resume(2)
    run.log(3, {"loss": 9})
    assert [row["loss"] for row in run.stats()] == [1, 2, 9]
    assert len((run.folder / "stats.jsonl").read_text().splitlines()) == 3
    assert not any(path.exists() for path in cut)


@pytest.mark.parametrize("call", ["write_text", "mkdir", "open"])
def test_a_full_disk_is_told(tmp_path, monkeypatch, call):
    run = Run(tmp_path / "run")
    if call == "open":
        begin(run.folder, {})
    work = (lambda: run.log(1, {})) if call == "open" else (lambda: begin(run.folder, {}))
    with monkeypatch.context() as patch:
        patch.setattr(Path, call, full)
        with pytest.raises(FusiformError) as error:
            work()
    assert "cannot be written: No space left on device. Make room" in str(error.value)
    assert str(run.folder) in str(error.value)
    assert not list(tmp_path.glob("run/.*"))
    assert begin(run.folder, {}) == run
