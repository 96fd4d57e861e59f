"""The script of docs/many_classes.md does what the page says, also in one process."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

PAGE = Path(__file__).parents[3] / "docs/many_classes.md"


def test_the_script_of_the_page_ends_in_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("faces").mkdir()
    draw = np.random.default_rng(0)
    np.save("faces/aligned-arcface112-64.npy", draw.integers(0, 256, (40, 64, 64, 3), np.uint8))
    np.savez("faces/aligned-arcface112-64.npz", person=np.arange(40) // 4)
    script = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    script = script.replace("64, seed=0", "8, seed=0").replace("Plan(100, save=50)", "Plan(3)")
    exec(compile(script, str(PAGE), "exec"), {})
    model = onnx.load("own.onnx")
    onnx.checker.check_model(model)
    shape = [d.dim_value or d.dim_param for d in model.graph.output[0].type.tensor_type.shape.dim]
    assert shape[1] == 128
    assert (tmp_path / "own/stats.jsonl").is_file()
