from __future__ import annotations

import importlib.util
from pathlib import Path

from fusiform.lab.geometry.kernel import on_disk

SOURCE = """
from fusiform.lab.geometry.kernel import kernel

@kernel
def twice(x: float) -> float:
    return 2 * x
"""


def test_what_was_compiled_before_is_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "doubling.py").write_text(SOURCE, "utf-8")
    spec = importlib.util.spec_from_file_location("doubling", tmp_path / "doubling.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert not on_disk(module.twice)
    assert module.twice(3.0) == 6
    assert on_disk(module.twice)
