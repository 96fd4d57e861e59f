"""Reaching the peers: modules that may be missing, and Pythons other than ours."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from fusiform.app.bench import peer as script
from fusiform.core.errors import ChoiceError

MISSING = "not installed: pip install --no-deps face_recognition"


def optional(module: str) -> ModuleType | None:
    """The module, or None if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def not_installed(distribution: str) -> str:
    """What stands in the place of a figure that could not be measured."""
    return f"not installed: pip install {distribution}"


class Peer:
    """dlib and face_recognition in another process, kept running between questions."""

    def __init__(self, python: str) -> None:
        quiet = os.environ | {"PYTHONWARNINGS": "ignore"}
        if python != sys.executable:
            quiet.pop("PYTHONPATH", None)  # so that it meets its own packages only
        try:
            self._process = subprocess.Popen(
                [python, "-u", script.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=quiet,
            )
        except OSError as error:
            raise ChoiceError("--peer-python", "a Python to run", python) from error
        self.python = python
        try:
            self.versions = self.ask("hello")
        except ChoiceError:
            self.close()
            raise
        blas = "BLAS" if self.versions["blas"] else "no BLAS"
        self.dlib = f"dlib {self.versions['dlib']} ({blas})"
        found = self.versions["face_recognition"]
        self.face_recognition = f"face_recognition {found}, {self.dlib}" if found else None

    def ask(self, task: str, **values: Any) -> dict[str, Any]:
        """The answer to a task of `peer.py`. Raises ChoiceError if there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"task": task, **values}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and the empty answer says so
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            wanted = f"a Python with numpy, Pillow and dlib ({answer['error']})"
            raise ChoiceError("--peer-python", wanted, self.python)
        return answer

    def close(self) -> None:
        """Ends the process."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


@contextmanager
def peers(pythons: Sequence[Path] = ()) -> Iterator[list[Peer]]:
    """A peer in this Python and one in each of `pythons`, ended on leaving."""
    with ExitStack() as stack:
        found = []
        for python in (sys.executable, *map(str, pythons)):
            found.append(Peer(python))
            stack.callback(found[-1].close)
        yield found
