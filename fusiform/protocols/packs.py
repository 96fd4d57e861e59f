"""InsightFace's packs of pairs (lfw.bin, cfp_fp.bin, agedb_30.bin, calfw.bin, cplfw.bin).

A pack is a Python pickle of (list of 2n JPEG files, list of n truth values); pair i compares
files 2i and 2i + 1, cropped to arcface112. Unpickling runs whatever a file asks for, so nothing is
unpickled here: `pickletools.genops` tells the opcodes apart without obeying any, and the few that
build lists of bytes and booleans are followed below. The JPEG files are bytes, text of Python 2, or
NumPy arrays of bytes, as the scripts that wrote the published packs had them
(insightface, src/data/lfw2pack.py and agedb2pack.py). Everything else is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fusiform.core.errors import DataError
from fusiform.protocols.sets import PairTest, Shots, tenths

TEMPLATE = "arcface112"

_CONSTANTS = {
    "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2",
    "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE",
}  # fmt: skip
_FIXED: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TEXT_OF_PYTHON_2 = {"SHORT_BINSTRING", "BINSTRING", "STRING"}
_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")


class _Refused(Exception):
    """What this reader does not follow."""


@dataclass(frozen=True)
class _Name:
    """A function or class that the pickle names; it is only ever compared with known names."""

    text: str


@dataclass(frozen=True)
class _Kind:
    """A NumPy dtype, by its code: u1, b1, i8."""

    code: str


@dataclass(eq=False)
class _Array:
    """A NumPy array whose content comes after it."""

    values: Any = None


_MARK = object()


@dataclass
class _Machine:
    """The pickle machine's stack and memory, for the opcodes that a pack needs."""

    stack: list[Any] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)

    def pop(self) -> Any:
        if not self.stack:
            raise _Refused("is damaged (its stack runs empty)")
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        """Takes what was pushed after the last mark, and the mark."""
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                taken = self.stack[at + 1 :]
                del self.stack[at:]
                return taken
        raise _Refused("is damaged (a mark is missing)")

    def extend(self, values: list[Any]) -> None:
        """Appends to the list on top."""
        if not self.stack or not isinstance(self.stack[-1], list):
            raise _Refused("is damaged (it appends to what is no list)")
        self.stack[-1].extend(values)

    def last(self, count: int) -> tuple[Any, ...]:
        return tuple(reversed([self.pop() for _ in range(count)]))


def _append(machine: _Machine, _: Any) -> None:
    value = machine.pop()
    machine.extend([value])


def _remember(machine: _Machine, at: Any) -> None:
    value = machine.pop()
    machine.stack.append(value)
    machine.memory[len(machine.memory) if at is None else at] = value


def _recall(machine: _Machine, at: Any) -> None:
    if at not in machine.memory:
        raise _Refused("is damaged (it recalls what it never kept)")
    machine.stack.append(machine.memory[at])


def _stack_global(machine: _Machine, _: Any) -> None:
    module, name = machine.last(2)
    machine.stack.append(_Name(f"{module} {name}"))


def _reduce(machine: _Machine, _: Any) -> None:
    function, arguments = machine.last(2)
    if not isinstance(function, _Name) or function.text not in _CALLS:
        raise _Refused(f"asks for {getattr(function, 'text', function)!s}, which no pack needs")
    machine.stack.append(_CALLS[function.text](*arguments))


def _build(machine: _Machine, _: Any) -> None:
    state, target = machine.pop(), machine.pop()
    if isinstance(target, _Array):
        _, _, kind, _, content = state
        target.values = _values(content, kind)
    elif not isinstance(target, _Kind):
        raise _Refused("builds objects, which no pack needs")
    machine.stack.append(target)


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
    "STOP": lambda machine, _: None,
    "MARK": lambda machine, _: machine.stack.append(_MARK),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "APPEND": _append,
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.stack.append(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.stack.append(machine.last(3)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _recall),
    "GLOBAL": lambda machine, name: machine.stack.append(_Name(name)),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
}


def _encoded(text: str, encoding: Any = "latin1") -> bytes:
    """Bytes as protocols 0 to 2 of Python 3 write them."""
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"encodes text as {encoding}, which no pack needs")
    return text.encode("latin1")


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _values(content: Any, kind: Any) -> Any:
    """The numbers of an array: bytes for one of u1, booleans or integers for others."""
    if not isinstance(kind, _Kind) or not isinstance(content, bytes):
        raise _Refused("holds arrays of what is no number")
    if kind.code == "u1":
        return content
    if kind.code not in ("b1", "i4", "i8"):
        raise _Refused(f"holds arrays of {kind.code}, which no pack needs")
    return np.frombuffer(content, f"<{kind.code}").tolist()


def _scalar(kind: Any, content: Any) -> Any:
    return _values(content, kind)[0]


_CALLS: dict[str, Callable[..., Any]] = {
    "_codecs encode": _encoded,
    # protocols 0 and 1 write empty bytes as a call without arguments
    **dict.fromkeys(("__builtin__ bytes", "builtins bytes"), lambda: b""),
    "builtins bytearray": lambda content=b"": bytes(content),
    "numpy dtype": lambda code, *_: _Kind(_text(code)),
    **{f"{module} _reconstruct": lambda *_: _Array() for module in _ARRAYS},
    **{f"{module} scalar": _scalar for module in _ARRAYS},
    **{
        f"{module} _frombuffer": lambda content, kind, *_: _Array(_values(content, kind))
        for module in _NUMERIC
    },
}


def load(path: Path) -> PairTest:
    """The pairs of a pack, in ten folds of consecutive pairs as InsightFace takes them.

    Pictures are the JPEG files' bytes. Raises DataError if the file is none, or asks for anything
    but lists of bytes and truth values.
    """
    try:
        pictures, same = _lists(_unpacked(path))
    except _Refused as refused:
        raise DataError(path, str(refused), "take the pack as InsightFace published it") from None
    if len(pictures) != 2 * len(same) or not same:
        reason = f"has {len(pictures)} pictures for {len(same)} pairs"
        raise DataError(path, reason, "download it again")
    numbers = np.arange(len(pictures)).reshape(-1, 2)
    flags = np.array(same, np.bool_)
    shots = Shots(pictures, template=TEMPLATE)
    return PairTest(path.stem, shots, numbers[:, 0], numbers[:, 1], flags, tenths(len(same)))


def _unpacked(path: Path) -> Any:
    machine = _Machine()
    try:
        with path.open("rb") as file:
            for opcode, argument, _ in pickletools.genops(file):
                _step(machine, opcode.name, argument)
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})", "check the path") from error
    except _Refused:
        raise
    except Exception as error:  # genops and odd arguments of calls: whatever hostile bytes make
        raise _Refused(f"is damaged or no pack ({error})") from error
    return machine.pop()


def _step(machine: _Machine, name: str, argument: Any) -> None:
    if name in _CONSTANTS:
        machine.stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
    elif name in _TEXT_OF_PYTHON_2:
        machine.stack.append(argument.encode("latin1"))
    elif name in _FIXED:
        machine.stack.append(_FIXED[name])
    elif name in _STEPS:
        _STEPS[name](machine, argument)
    else:
        raise _Refused(f"uses the opcode {name}, which no pack needs")


def _lists(value: Any) -> tuple[list[bytes], list[bool]]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise _Refused("is no pair of a list of pictures and a list of truth values")
    pictures, same = (v.values if isinstance(v, _Array) else v for v in value)
    if not isinstance(pictures, (tuple, list)) or not isinstance(same, (tuple, list)):
        raise _Refused("is no pair of a list of pictures and a list of truth values")
    files = [one.values if isinstance(one, _Array) else one for one in pictures]
    if not all(isinstance(one, bytes) and one for one in files):
        raise _Refused("has pictures that are no bytes")
    if not all(isinstance(one, (bool, int)) and one in (0, 1) for one in same):
        raise _Refused("has labels other than true and false")
    return files, [bool(one) for one in same]
