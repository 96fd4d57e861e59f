"""Inference sessions of ONNX Runtime: silent, thread-safe, and honest about where they run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError, ModelDamaged, ModelMissing, ModelUnsupported

SUFFIX = "ExecutionProvider"


class ProviderWarning(RuntimeWarning):
    """A network runs on something else than what was asked for."""


class Tensor(NamedTuple):
    """An input or output: its name, its shape (free axes are names or None), its type."""

    name: str
    shape: tuple[int | str | None, ...]
    type: str


@dataclass(frozen=True)
class Session:
    """A network ready to run. Many threads may share one.

    `provider` names what it runs on ("cpu", "cuda" ...); `metadata` is what its file says of
    itself.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    provider: str
    metadata: Mapping[str, str]
    _run: Any

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """All outputs, in the order of `outputs`, for arrays by the names of `inputs`."""
        return list(self._run(None, dict(feeds)))


def open_session(model: str | Path | bytes, *, provider: str = "auto", threads: int = 1) -> Session:
    """Opens an ONNX file, or the bytes of one.

    `provider`: "cpu", "cuda" or any other that ONNX Runtime knows; "auto" is CUDA where the
    installed ONNX Runtime has it, else the CPU. `threads` is the number of threads that one
    run may use; 0 lets ONNX Runtime decide.

    Raises ChoiceError for an unknown provider, ModelMissing, ModelDamaged if the file is no
    ONNX, and ModelUnsupported if ONNX Runtime cannot run it. Warns with ProviderWarning if it
    runs on something else than what was asked for.
    """
    ort = _onnxruntime()
    wanted, available = _choose(ort, provider)
    name = "the given bytes" if isinstance(model, bytes) else str(model)
    if not isinstance(model, bytes) and not Path(model).is_file():
        raise ModelMissing(f"{name}: no such file; give the path of an ONNX file")
    source = model if isinstance(model, bytes) else os.fspath(model)
    session = _load(ort, source, name, _options(ort, threads), available)
    used = _short(session.get_providers()[0])
    if used != wanted:
        warnings.warn(
            f"{name}: {wanted} was asked for but is not usable here, so this runs on {used}. "
            f"Install an ONNX Runtime with {wanted}, or ask for {used} to silence this.",
            ProviderWarning,
            stacklevel=2,
        )
    meta = session.get_modelmeta().custom_metadata_map
    return Session(
        _tensors(session.get_inputs()), _tensors(session.get_outputs()), used, meta, session.run
    )


def available_providers() -> list[str]:
    """What the installed ONNX Runtime can run on, its preferred one first."""
    return [_short(full) for full in _onnxruntime().get_available_providers()]


@cache
def _onnxruntime() -> ModuleType:
    """ONNX Runtime with telemetry off.

    Its Privacy.md: the variable stops the uploader and the device identifier, if it is set
    before the library starts; the call stops what remains on Windows.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()
    module: ModuleType = onnxruntime
    return module


def _choose(ort: ModuleType, provider: str) -> tuple[str, list[str]]:
    """The short name that is wanted, and the full names to try, the CPU last."""
    known = {_short(full): full for full in ort.get_all_providers()}
    if provider != "auto" and provider not in known:
        raise ChoiceError("provider", ["auto", *sorted(known)], provider)
    usable = {_short(full) for full in ort.get_available_providers()}
    if provider == "auto":
        provider = "cuda" if "cuda" in usable else "cpu"
    return provider, [known[p] for p in dict.fromkeys((provider, "cpu")) if p in usable]


def _short(provider: str) -> str:
    return provider.removesuffix(SUFFIX).lower()


def _options(ort: ModuleType, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning thread steals the core on which the next picture is being decoded.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _load(
    ort: ModuleType, source: str | bytes, name: str, options: Any, providers: list[str]
) -> Any:
    try:
        return ort.InferenceSession(source, sess_options=options, providers=providers)
    except Exception as error:  # each of its errors derives from Exception alone
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        if type(error).__name__ == "InvalidProtobuf":
            raise ModelDamaged(
                f"{name}: no ONNX file, or a damaged one ({reason}); get it again"
            ) from error
        raise ModelUnsupported(
            f"{name}: ONNX Runtime {ort.__version__} cannot run it ({reason}); "
            "export it again, or update ONNX Runtime"
        ) from error


def _tensors(nodes: Any) -> tuple[Tensor, ...]:
    return tuple(Tensor(n.name, tuple(n.shape), n.type) for n in nodes)
