"""MATLAB's files of version 5, as far as lists in them go: cells, structs, text and numbers.

Source: "MAT-File Format", The MathWorks, chapter 1, Level 5. Little-endian files alone, which all
computers of today write; sparse matrices, objects and files of version 7.3 (HDF5) are refused.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import DataError

_NUMBERS = {
    1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8",
    13: "<u8", 16: "<u1", 17: "<u2", 18: "<u4",
}  # fmt: skip
_TEXT = {1: "utf-8", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_FIRST_NUMBER, _LAST_NUMBER = 6, 15
_LARGEST = 1 << 28  # bytes; a few kilobytes can announce gigabytes


class _Odd(Exception):
    """What does not fit the format, or this part of it."""


def load(path: Path) -> dict[str, Any]:
    """The variables of a MAT-file, by name.

    A cell array is an object array of its shape, a struct an object array of dicts by field, text
    a string (rows joined by newlines), numbers an array of their shape. Raises DataError.
    """
    try:
        content = path.read_bytes()
        return _variables(content)
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})", "check the path") from error
    except (_Odd, struct.error, zlib.error, ValueError, LookupError, RecursionError) as error:
        remedy = "take the file as it was published"
        raise DataError(path, f"cannot be read as a MAT-file ({error})", remedy) from error


def _variables(content: bytes) -> dict[str, Any]:
    if content[:10] == b"MATLAB 7.3":
        raise _Odd("it is of version 7.3; save it with -v7")
    if content[126:128] != b"IM":
        raise _Odd("it is no little-endian file of version 5")
    found, at = {}, 128
    while at < len(content):
        kind, data, at = _element(content, at)
        if kind == _COMPRESSED:
            data = _inflated(data)
            kind, data, _ = _element(data, 0)
        if kind == _MATRIX:
            name, value = _matrix(data)
            found[name] = value
    return found


def _inflated(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    plain = stream.decompress(data, _LARGEST)
    if stream.unconsumed_tail:
        raise _Odd(f"a variable has more than {_LARGEST} bytes")
    return plain


def _element(content: bytes, at: int) -> tuple[int, bytes, int]:
    """Type and bytes of the element at `at`, and where the next begins."""
    kind, size = struct.unpack_from("<II", content, at)
    if kind >> 16:  # a small element: type and size in four bytes, the data in the next four
        kind, size = kind & 0xFFFF, kind >> 16
        return kind, content[at + 4 : at + 4 + size], at + 8
    end = at + 8 + size
    if end > len(content):
        raise _Odd("it is cut short")
    return kind, content[at + 8 : end], end if kind == _COMPRESSED else end + -size % 8


def _matrix(data: bytes) -> tuple[str, Any]:
    if not data:  # an empty place of a cell array
        return "", np.zeros((0, 0))
    _, flags, at = _element(data, 0)
    kind = flags[0]
    _, sizes, at = _element(data, at)
    shape = tuple(np.frombuffer(sizes, "<i4").tolist())
    _, name, at = _element(data, at)
    readers = {_CELL: _cells, _STRUCT: _structs, _CHAR: _chars}
    if kind not in readers and not _FIRST_NUMBER <= kind <= _LAST_NUMBER:
        raise _Odd(f"it has an array of class {kind}")
    return name.decode("latin-1"), readers.get(kind, _numbers)(data, at, shape)


def _numbers(data: bytes, at: int, shape: tuple[int, ...]) -> NDArray[Any]:
    kind, content, _ = _element(data, at)
    if kind not in _NUMBERS:
        raise _Odd(f"it has numbers of type {kind}")
    return np.frombuffer(content, _NUMBERS[kind]).reshape(shape, order="F")


def _chars(data: bytes, at: int, shape: tuple[int, ...]) -> str:
    kind, content, _ = _element(data, at)
    if kind not in _TEXT:
        raise _Odd(f"it has text of type {kind}")
    letters = content.decode(_TEXT[kind])
    if math.prod(shape) != len(letters):
        raise _Odd(f"it has text of {len(letters)} letters where {shape} is told")
    rows = shape[0] if letters else 0
    return "\n".join(letters[row::rows] for row in range(rows))  # columns come first


def _cells(data: bytes, at: int, shape: tuple[int, ...]) -> NDArray[Any]:
    values: list[Any] = []
    for _ in range(_count(shape, data)):
        _, inner, at = _element(data, at)
        values.append(_matrix(inner)[1])
    return _objects(values, shape)


def _structs(data: bytes, at: int, shape: tuple[int, ...]) -> NDArray[Any]:
    _, length, at = _element(data, at)
    _, text, at = _element(data, at)
    size = int(np.frombuffer(length, "<i4")[0])
    if size < 1:
        raise _Odd("it has a struct whose fields have no names")
    parts = [text[i : i + size] for i in range(0, len(text), size)]
    names = [part.split(b"\0")[0].decode("latin-1") for part in parts]
    values: list[Any] = []
    for _ in range(_count(shape, data)):
        one = {}
        for name in names:
            _, inner, at = _element(data, at)
            one[name] = _matrix(inner)[1]
        values.append(one)
    return _objects(values, shape)


def _count(shape: tuple[int, ...], data: bytes) -> int:
    """How many arrays there are, each of which takes eight bytes at least."""
    count = math.prod(shape)
    if not 0 <= count <= len(data) // 8:
        raise _Odd(f"it has an array of {count} arrays in {len(data)} bytes")
    return count


def _objects(values: list[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    for i, value in enumerate(values):  # a slice would take arrays of one shape apart
        array[i] = value
    return array.reshape(shape, order="F")
