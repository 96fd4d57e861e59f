"""Sessions: silent, honest about the provider, the same for every thread."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from fusiform.core.errors import ChoiceError, ModelDamaged, ModelMissing, ModelUnsupported
from fusiform.hub import ProviderWarning, open_session
from fusiform.hub.onnx_writer import Node, write_onnx

WEIGHT = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)
DATA = write_onnx(
    "m", [Node("MatMul", ["x", "w"], "y")], {"w": WEIGHT}, {"x": ["n", 8]}, {"y": ["n", 4]}
)


def test_it_names_what_it_takes_gives_and_runs_on() -> None:
    session = open_session(DATA, provider="cpu")
    assert session.inputs == (("x", ("n", 8), "tensor(float)"),)
    assert session.outputs == (("y", ("n", 4), "tensor(float)"),)
    assert session.provider == "cpu"


def test_auto_says_nothing_where_there_is_only_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert open_session(DATA).provider == "cpu"


@pytest.mark.parametrize("provider", ["cuda", "coreml", "openvino"])
def test_a_missing_accelerator_is_announced(provider: str) -> None:
    full = [p for p in onnxruntime.get_available_providers() if p.lower().startswith(provider)]
    if full:
        pytest.skip(f"{provider} is here")
    with pytest.warns(ProviderWarning, match=f"{provider} was asked for.*runs on cpu") as caught:
        session = open_session(DATA, provider=provider)
    assert session.provider == "cpu"
    assert caught[0].filename == __file__


def test_an_accelerator_that_is_listed_but_fails_is_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ONNX Runtime itself falls back without a word when the driver is missing."""
    cpu = ["CPUExecutionProvider"]
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", *cpu]
    )
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda source, sess_options, providers: real(source, sess_options, providers=cpu),
    )
    with pytest.warns(ProviderWarning, match="cuda was asked for"):
        assert open_session(DATA, provider="auto").provider == "cpu"


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ChoiceError, match="'cuda'"):
        open_session(DATA, provider="abacus")


def test_eight_threads_get_the_same_answers() -> None:
    session = open_session(DATA)
    x = np.random.default_rng(2).normal(size=(50, 8)).astype(np.float32)
    alone = session.run({"x": x})[0]
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: session.run({"x": x})[0], range(64)):
            np.testing.assert_array_equal(answer, alone)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"gone\.onnx"):
        open_session(tmp_path / "gone.onnx")


@pytest.mark.parametrize("data", [b"", b"no network at all", DATA[: len(DATA) // 2]])
def test_a_damaged_file_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "половина 半.onnx"
    path.write_bytes(data)
    with pytest.raises((ModelDamaged, ModelUnsupported), match=r"половина 半\.onnx"):
        open_session(path)


def test_an_unknown_operation_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    nodes = [Node("Frobnicate", ["x"], "y")]
    path.write_bytes(write_onnx("m", nodes, {}, {"x": [1]}, {"y": [1]}))
    with pytest.raises(ModelUnsupported, match=r"odd\.onnx.*Frobnicate"):
        open_session(path)


def test_a_path_with_other_letters_opens(tmp_path: Path) -> None:
    path = tmp_path / "сеть 网络 🙂.onnx"
    path.write_bytes(DATA)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_session(path).provider


def test_telemetry_is_off_before_onnx_runtime_starts() -> None:
    code = """
import builtins, os, sys
from fusiform.hub import open_session
from fusiform.hub.onnx_writer import Node, write_onnx
seen = []
real = builtins.__import__
def spy(name, *rest):
    if name == "onnxruntime":
        seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
    return real(name, *rest)
builtins.__import__ = spy
open_session(write_onnx("m", [Node("Relu", ["x"], "y")], {}, {"x": [1]}, {"y": [1]}))
print(seen[0])
"""
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.split() == ["1"]
