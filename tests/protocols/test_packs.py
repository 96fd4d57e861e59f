"""Packs of pairs, as `pickle` itself writes them, and what must not be read."""

from __future__ import annotations

import os
import pickle  # writes packs as their makers did; nothing of ours reads with it
import struct
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import DataError
from fusiform.protocols import packs

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def load(tmp_path):
    """load(content): the test that a pack of these bytes holds."""

    def read(content: bytes) -> packs.PairTest:
        (tmp_path / "lfw.bin").write_bytes(content)
        return packs.load(tmp_path / "lfw.bin")

    return read


@pytest.fixture
def content(draw):
    return [draw(person, i) for person in range(10) for i in range(4)], [True, False] * 10


def text_of_python_2(value: bytes) -> bytes:
    if len(value) < 256:
        return b"U" + bytes([len(value)]) + value
    return b"T" + struct.pack("<i", len(value)) + value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol(load, content, protocol):
    test = load(pickle.dumps(content, protocol))
    assert (list(test.shots.files), test.same.tolist()) == content
    assert test.name == "lfw"
    assert test.first.tolist() == list(range(0, 40, 2))
    assert test.second.tolist() == list(range(1, 41, 2))
    assert test.fold.tolist() == np.repeat(range(10), 2).tolist()
    assert test.shots[3].template == "arcface112"
    assert test.shots[3].points is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("labels", [list, np.array, lambda same: [np.bool_(one) for one in same]])
def test_numpy_arrays(load, content, protocol, labels):
    """As cv2.imencode gives them, one column; pickled with and without out-of-band shapes."""
    files, same = content
    columns = [np.frombuffer(one, np.uint8)[:, None].copy() for one in files]
    test = load(pickle.dumps((columns, labels(same)), protocol))
    assert (list(test.shots.files), test.same.tolist()) == content


def test_text_of_python_2(load, content):
    files, same = content
    body = b"\x80\x02]q\x01(" + b"".join(map(text_of_python_2, [*files, b"short"])) + b"e]q\x02("
    body += b"".join(b"\x88" if one else b"\x89" for one in [*same, True, False][:20]) + b"e\x86."
    wanted = pickle.loads(body, encoding="bytes")  # noqa: S301 (made here)
    with pytest.raises(DataError, match="41 pictures for 20 pairs"):
        load(body)
    body = body.replace(text_of_python_2(b"short"), b"")
    test = load(body)
    assert list(test.shots.files) == wanted[0][:-1]
    assert test.same.tolist() == wanted[1]


def test_arrays_of_python_2(load, draw):
    """Memorised names, dtypes by code, and the buffer as text: what agedb_30.bin holds."""
    body = b"\x80\x02]q\x00("
    for number in range(20):
        file = draw(number)
        body += b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85q\x03"
        body += b"U\x01bq\x04\x87q\x05Rq\x06(K\x01M" + struct.pack("<H", len(file))
        body += b"K\x01\x86q\x07cnumpy\ndtype\nq\x08U\x02u1q\x09K\x00K\x01\x87q\x0aRq\x0b"
        body += b"(K\x03U\x01|q\x0cNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0db"
        body += b"\x89" + text_of_python_2(file) + b"tq\x0eb"
    body += b"e]q\x0f(" + b"\x88" * 10 + b"e\x86q\x10."
    arrays, _ = pickle.loads(body, encoding="bytes")  # noqa: S301 (made here)
    test = load(body)
    assert [np.ravel(one).tobytes() for one in arrays] == list(test.shots.files)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_ever_run(load, tmp_path, protocol):
    target = tmp_path / "made"
    with pytest.raises(DataError, match=r"lfw.bin: asks for (posix|nt) mkdir, which no pack needs"):
        load(pickle.dumps(([Evil(target)], [True]), protocol))
    assert not target.exists()


REFUSED = {
    "a dict": {"bins": [b"a", b"b"]},
    "a set": ({b"a", b"b"}, [True]),
    "an object": ([OrderedDict()], [True]),
    "no pair": ([b"a", b"b"], [True], 0),
    "pictures that are text": (["a", "b"], [True]),
    "empty pictures": ([b"", b""], [True]),
    "labels of three kinds": ([b"a", b"b"], [2]),
    "labels that are none": ([b"a", b"b"], None),
    "no pairs": ([], []),
    "floats": (np.zeros(2), [True]),
    "objects in an array": (np.array([b"a", None], object), [True]),
    "a picture too few": ([b"a", b"b", b"c"], [True, False]),
    "a number": 3,
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_no_pack(load, what, protocol):
    with pytest.raises(DataError, match=r"lfw\.bin: .*; (take the pack|download it)"):
        load(pickle.dumps(REFUSED[what], protocol))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no pickle", b"\x80\x04.", b"\x80\x02e.", b"\x80\x02]q\x01h\x09\x86.",
        b"\x80\x02(\x86.",
        b"\x80\x02K\x01a.", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"S'\\xff\\xd8'\n.", b"\x80\x02}b.", b"\x80\x02Pabc\n.", b"\x80\x02]]R.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n)R.",
    ],
)  # fmt: skip
def test_damaged_packs(load, content):
    with pytest.raises(DataError, match=r"lfw\.bin"):
        load(content)


def test_cut_short(load, content):
    whole = pickle.dumps(content, 2)
    for end in (1, 100, len(whole) // 2, len(whole) - 1):
        with pytest.raises(DataError):
            load(whole[:end])


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"gone\.bin: cannot be read \(No such file"):
        packs.load(tmp_path / "gone.bin")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.binary(min_size=1), st.binary(min_size=1), st.booleans()), min_size=1),
    st.sampled_from(PROTOCOLS),
)
def test_it_reads_what_pickle_reads(tmp_path_factory, pairs, protocol):
    path = tmp_path_factory.getbasetemp() / "property.bin"
    files = [file for a, b, _ in pairs for file in (a, b)]
    path.write_bytes(pickle.dumps((files, [same for *_, same in pairs]), protocol))
    test = packs.load(path)
    assert list(test.shots.files) == files
    assert test.same.tolist() == [same for *_, same in pairs]


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_refused_by_name(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"random\.bin"):
        packs.load(path)
