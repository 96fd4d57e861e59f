"""MAT-files as SciPy writes them."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import savemat

from fusiform.core.errors import DataError
from fusiform.protocols import matfile

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def cells(values: list) -> np.ndarray:
    found = np.empty((len(values), 1), object)
    for i, value in enumerate(values):
        found[i, 0] = value
    return found


@pytest.mark.parametrize("compressed", [False, True])
def test_lists_of_names_and_structs(tmp_path, compressed):
    names = ["a.jpg", "Björn_1.jpg", "x"]
    split = {"pairs": cells([{"name": "p", "age": 3.0}, {"name": "q", "age": 4.0}]), "n": [[1, -1]]}
    path = tmp_path / "a.mat"
    savemat(path, {"names": cells(names), "splits": cells([split] * 2)}, do_compression=compressed)
    told = matfile.load(path)
    assert list(told) == ["names", "splits"]
    assert told["names"][:, 0].tolist() == names
    assert told["splits"].shape == (2, 1)
    one = told["splits"][1, 0][0, 0]
    assert one["n"].tolist() == [[1, -1]]
    assert one["pairs"][1, 0][0, 0]["name"] == "q"
    assert one["pairs"][0, 0][0, 0]["age"].tolist() == [[3]]


@settings(deadline=None)
@given(arrays.arrays(st.sampled_from(TYPES), arrays.array_shapes(max_dims=3, max_side=5)))
def test_numbers(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "numbers.mat"
    savemat(path, {"v": values})
    found = matfile.load(path)["v"]
    assert found.shape == (values.shape if values.ndim > 1 else (1, len(values)))
    assert np.array_equal(found.reshape(values.shape), values, equal_nan=values.dtype.kind == "f")


def test_text_in_rows(tmp_path):
    savemat(tmp_path / "t.mat", {"t": np.array(["abc", "def"]), "e": cells([[], ""])})
    told = matfile.load(tmp_path / "t.mat")
    assert told["t"] == "abc\ndef"
    assert told["e"].shape == (2, 1)


def array(kind: int, rows: int, columns: int, rest: bytes) -> bytes:
    """A file of one array of that class that says it has so many rows and columns."""
    body = struct.pack("<IIIIIIiiII", 6, 8, kind, 0, 5, 8, rows, columns, 1, 0) + rest
    return b" " * 124 + b"\0\1IM" + struct.pack("<II", 14, len(body)) + body


def text_array(rows: int, columns: int) -> bytes:
    return array(4, rows, columns, struct.pack("<HHHH", 4, 2, 65, 0))


def cell_array(rows: int, columns: int) -> bytes:
    return array(1, rows, columns, b"")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no little-endian file of version 5"),
        (b"MATLAB 7.3 MAT-file" + b" " * 200, "of version 7.3; save it with -v7"),
        (text_array(2**31 - 1, 1), "text of 1 letters where"),
        (text_array(2**31 - 1, 0), "text of 1 letters where"),
        (cell_array(2**24, 2**6), "an array of 1073741824 arrays in"),
        (b" " * 124 + b"\0\1IM" + b"\x0e\0\0\0\xff\0\0\0", "cut short"),
        (b" " * 124 + b"\0\1IM" + b"\x0f\0\0\0\x04\0\0\0abcd", "cannot be read as a MAT-file"),
    ],
)
def test_what_is_no_mat_file(tmp_path, content, told):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(DataError, match=told):
        matfile.load(tmp_path / "a.mat")


def test_what_is_not_followed(tmp_path):
    from scipy.sparse import eye_array

    savemat(tmp_path / "s.mat", {"s": eye_array(3, format="csc")})
    with pytest.raises(DataError, match="an array of class 5"):
        matfile.load(tmp_path / "s.mat")
    with pytest.raises(DataError, match=r"gone\.mat: cannot be read"):
        matfile.load(tmp_path / "gone.mat")


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_never_escapes(tmp_path_factory, at, value):
    path = tmp_path_factory.getbasetemp() / "changed.mat"
    savemat(path, {"names": cells(["a.jpg", "b.jpg"]), "ids": np.arange(3), "s": {"x": "y"}})
    content = bytearray(path.read_bytes())
    content[128 + at % (len(content) - 128)] = value
    path.write_bytes(content)
    with suppress(DataError):
        matfile.load(path)
