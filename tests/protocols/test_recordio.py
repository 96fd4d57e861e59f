"""Records as MXNet writes them: a literal version of its writer stands on the other side."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError, DataError
from fusiform.protocols import recordio

MAGIC = struct.pack("<I", 0xCED7230A)


def written(data: bytes) -> bytes:
    """RecordIOWriter::WriteRecord: cut wherever an aligned word of the data is the magic."""
    out, begin = b"", 0
    for at in range(0, len(data) // 4 * 4, 4):
        if data[at : at + 4] == MAGIC:
            out += MAGIC + struct.pack("<I", (2 if begin else 1) << 29 | at - begin)
            out += data[begin:at]
            begin = at + 4
    rest = data[begin:]
    out += MAGIC + struct.pack("<I", (3 if begin else 0) << 29 | len(rest)) + rest
    return out + b"\0" * (-len(rest) % 4)


def packed(labels: list[float], number: int, picture: bytes) -> bytes:
    """mxnet.recordio.pack: one label in the header, several behind it."""
    if len(labels) == 1:
        return struct.pack("<IfQQ", 0, labels[0], number, 0) + picture
    tail = np.array(labels, "<f4").tobytes() + picture
    return struct.pack("<IfQQ", len(labels), 0.0, number, 0) + tail


@pytest.fixture
def make(tmp_path):
    """make(pictures by person): train.rec, train.idx and property as face2rec2.py writes them."""

    def write(people: list[list[bytes]], labels=lambda person: [person, 1]) -> None:
        records, ranges, number = [], [], 1
        for person, pictures in enumerate(people):
            ranges.append((number, number + len(pictures)))
            for picture in pictures:
                records.append((number, packed(labels(person), number, picture)))
                number += 1
        records.append((0, packed([number, number + len(people)], 0, b"")))
        for first, end in ranges:
            records.append((number, packed([first, end], number, b"")))
            number += 1
        content, index = b"", ""
        for key, record in records:
            index += f"{key}\t{len(content)}\n"
            content += written(record)
        (tmp_path / "train.rec").write_bytes(content)
        (tmp_path / "train.idx").write_text(index)
        (tmp_path / "property").write_text(f"{len(people)},112,96\n")

    return write


@pytest.fixture
def people(draw):
    return [[draw(person, i) for i in range(count)] for person, count in enumerate((2, 3, 1))]


@pytest.mark.parametrize("labels", [lambda person: [person, 1], lambda person: [person]])
def test_a_set(make, people, tmp_path, labels):
    make(people, labels)
    records = recordio.load(tmp_path)
    assert (len(records), records.classes, records.size) == (6, 3, (112, 96))
    assert [records[i].picture for i in range(6)] == [one for each in people for one in each]
    assert [records[i].person for i in (5, 0, 3)] == [2, 0, 1]
    assert records[4].number == 5
    first, end = recordio.identities(records)
    assert list(zip(first.tolist(), end.tolist(), strict=True)) == [(1, 3), (3, 6), (6, 7)]
    streamed = list(records)
    assert [one.picture for one in streamed] == [one for each in people for one in each]
    assert [one.person for one in streamed] == [0, 0, 1, 1, 1, 2]
    with pytest.raises(ChoiceError, match="place must be in 0 to 5"):
        records[6]


def test_a_file_without_header_or_property(tmp_path, draw):
    content = [written(packed([7], i, draw(i))) for i in range(3)]
    (tmp_path / "val.rec").write_bytes(b"".join(content))
    starts = np.cumsum([0, *map(len, content[:-1])])
    (tmp_path / "val.idx").write_text("".join(f"{2 - i}\t{at}\n" for i, at in enumerate(starts)))
    records = recordio.load(tmp_path, "val")
    assert (len(records), records.classes) == (3, 0)
    assert records[0].picture == draw(2)
    assert len(recordio.identities(records)[0]) == 0


@settings(deadline=None)
@given(st.lists(st.sampled_from([MAGIC, b"\xce", b"abc", b"\0" * 4, b"\xff\xd8\xff\xe0"])))
def test_parts_are_joined_again(tmp_path_factory, pieces):
    picture = b"".join(pieces)
    path = tmp_path_factory.getbasetemp() / "parts.rec"
    path.write_bytes(2 * written(packed([3.0], 9, picture)))
    found = list(recordio.stream(path))
    assert [one.picture for one in found] == [picture] * 2
    assert found[0].labels.tolist() == [3]


def test_corrupt_records_name_the_offset(make, people, tmp_path):
    make(people)
    rec = tmp_path / "train.rec"
    whole = rec.read_bytes()
    records = recordio.load(tmp_path)
    second = int(records.offsets[2])

    def told(content: bytes) -> str:
        rec.write_bytes(content)
        with pytest.raises(DataError) as error:
            list(recordio.stream(rec))
        return str(error.value)

    def with_word(at: int, word: int) -> bytes:
        return whole[:at] + struct.pack("<I", word) + whole[at + 4 :]

    assert f"byte {second} begins with 0x00000001 instead of 0xced7230a" in told(
        with_word(second, 1)
    )
    size = struct.unpack_from("<I", whole, second + 4)[0]
    assert "in the middle of another" in told(with_word(second + 4, size | 2 << 29))
    assert "followed by another before it ends" in told(with_word(second + 4, size | 1 << 29))
    assert "of kind 5, which there is not" in told(with_word(second + 4, size | 5 << 29))
    assert f"byte {second} is cut short" in told(whole[: second + 6])
    assert f"states {size} bytes and has 10" in told(whole[: second + 18])
    assert "too few for 900000 labels" in told(with_word(second + 8, 900000))
    assert "has 4 bytes, too few for its header" in told(written(b"abcd"))


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ("0\t0\n1\t99999999\n", "ends at byte [0-9]+ where train.idx has a record at 99999999"),
        ("0 0 0\n", "has 3 numbers a line where 'number offset' is wanted"),
        ("0\tx\n", "cannot be read as lines 'number offset' .*'x'"),
        ("1\t0\n1\t8\n", "two records of one number"),
        ("\n", "train.idx: cannot be read as lines .*no data"),
        ("1\t4\n", "byte 4 begins with"),
    ],
)
def test_an_index_that_does_not_fit(make, people, tmp_path, index, told):
    make(people)
    (tmp_path / "train.idx").write_text(index)
    with pytest.raises(DataError, match=told):
        recordio.load(tmp_path)


def test_missing_parts(make, people, tmp_path):
    with pytest.raises(DataError, match=r"has no file train\.rec"):
        recordio.load(tmp_path)
    make(people)
    (tmp_path / "property").write_text("3,112\n")
    with pytest.raises(DataError, match=r"property: line 1 reads '3,112' .*classes,height,width"):
        recordio.load(tmp_path)
    (tmp_path / "train.idx").unlink()
    with pytest.raises(DataError, match=r"has no file train\.idx"):
        recordio.load(tmp_path)
