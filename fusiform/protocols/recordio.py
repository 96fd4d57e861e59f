"""MXNet's .rec and .idx as InsightFace's training sets use them (MS1M, WebFace, Glint360K).

A record is magic and length, each a little-endian uint32, then its bytes, padded to four. The top
three bits of the length say which part of a record it is: 0 all of it, 1 the first, 2 a middle one,
3 the last; the parts are joined by the magic, which stood between them (dmlc-core, recordio.h).
In it stand flag (uint32), label (float32) and two ids (uint64), `flag` further float32 labels where
it is not 0, and the picture (mxnet/recordio.py, IRHeader). Record 0 of InsightFace's files has no
picture: its two labels are the numbers that the pictures end before and the identities end before;
an identity's labels are where its pictures begin and end (face2rec2.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fusiform.core.errors import ChoiceError, DataError
from fusiform.core.faces import Floats
from fusiform.protocols.sets import Ints, file_in, lines, odd_line, whole, whole_table

MAGIC = 0xCED7230A
_HEAD = struct.Struct("<IfQQ")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_AGAIN = "download the set again"


@dataclass(frozen=True, eq=False)
class Record:
    """One record: `labels (k,)`, at least one, its `number`, and the `picture`, a JPEG file.

    The picture is empty where the record holds labels alone.
    """

    labels: Floats
    number: int
    picture: bytes

    @property
    def person(self) -> int:
        """The identity that the first label numbers."""
        return int(self.labels[0])


@dataclass(frozen=True, eq=False)
class Records:
    """An opened set: `offsets (n,)` bytes into the file of the records `numbers (n,)`, ascending.

    `classes` and `size` (height, width) are what the file `property` says, 0 without one;
    `pictures` are the numbers of the records with pictures.
    """

    path: Path
    numbers: Ints
    offsets: Ints
    pictures: Ints
    classes: int = 0
    size: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> Record:
        """The record of the picture at `place`, 0 to len - 1, by random access."""
        if not 0 <= place < len(self.pictures):
            raise ChoiceError("place", f"in 0 to {len(self.pictures) - 1}", place)
        at = int(np.searchsorted(self.numbers, self.pictures[place]))
        with self.path.open("rb") as file:
            return read_record(file, int(self.offsets[at]), self.path)

    def __iter__(self) -> Iterator[Record]:
        """All pictures in the order of the file: fast, and the index is not needed."""
        return (record for record in stream(self.path) if record.picture)


def load(folder: Path, name: str = "train") -> Records:
    """The set in `folder`: NAME.rec, NAME.idx, and `property` where there is one.

    Raises DataError if a file is missing or does not fit.
    """
    path = file_in(folder, f"{name}.rec")
    numbers, offsets = _index(file_in(folder, f"{name}.idx"))
    end = path.stat().st_size
    if offsets.max() >= end:
        reason = f"ends at byte {end} where {name}.idx has a record at {offsets.max()}"
        raise DataError(path, reason, _AGAIN)
    classes, size = _property(folder / "property")
    return Records(path, numbers, offsets, _pictures(path, numbers, offsets), classes, size)


def _index(path: Path) -> tuple[Ints, Ints]:
    table = whole_table(path, 2, "number offset")
    table = table[np.argsort(table[:, 0], kind="stable")]
    if (np.diff(table[:, 0]) == 0).any():
        raise DataError(path, "has two records of one number", _AGAIN)
    return table[:, 0], table[:, 1]


def _property(path: Path) -> tuple[int, tuple[int, int]]:
    """Classes, height and width, with commas between."""
    for place, line in lines(path) if path.is_file() else ():
        words = line.split(",")
        if len(words) != 3:
            raise odd_line(path, place, line, "classes,height,width")
        classes, height, width = whole(path, place, line, words, "classes,height,width")
        return classes, (height, width)
    return 0, (0, 0)


def _pictures(path: Path, numbers: Ints, offsets: Ints) -> Ints:
    """The numbers of the pictures: those before the end that record 0 states, else all."""
    with path.open("rb") as file:
        first = read_record(file, int(offsets[0]), path)
    if numbers[0] == 0 and not first.picture and len(first.labels) == 2:
        return numbers[(numbers > 0) & (numbers < int(first.labels[0]))]
    return numbers


def identities(records: Records) -> tuple[Ints, Ints]:
    """Where each identity's pictures begin and end: numbers `(c,)` and `(c,)`, the end excluded.

    Empty where the file has no header record.
    """
    last = int(records.pictures[-1]) if len(records) else 0
    found: list[tuple[int, int]] = []
    with records.path.open("rb") as file:
        for offset in records.offsets[records.numbers > last]:
            record = read_record(file, int(offset), records.path)
            if not record.picture and len(record.labels) == 2:
                found.append((int(record.labels[0]), int(record.labels[1])))
    table = np.array(found, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def stream(path: Path) -> Iterator[Record]:
    """All records of a .rec file in its order. Raises DataError that names the offset."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while (offset := file.tell()) < end:
            yield read_record(file, offset, path)


def read_record(file: BinaryIO, offset: int, path: Path) -> Record:
    """The record at `offset` bytes; `file` then stands behind it. Raises DataError."""
    content = _joined(file, offset, path)
    if len(content) < _HEAD.size:
        raise _corrupt(path, offset, f"has {len(content)} bytes, too few for its header")
    flag, label, number, _ = _HEAD.unpack_from(content)
    if not flag:
        return Record(np.array([label], np.float32), number, content[_HEAD.size :])
    start = _HEAD.size + 4 * flag
    if len(content) < start:
        raise _corrupt(path, offset, f"has {len(content)} bytes, too few for {flag} labels")
    labels = np.frombuffer(content, "<f4", flag, _HEAD.size).astype(np.float32)
    return Record(labels, number, content[start:])


def _joined(file: BinaryIO, offset: int, path: Path) -> bytes:
    file.seek(offset)
    parts: list[bytes] = []
    while True:
        part, content = _part(file, path)
        if not parts and part in (_MIDDLE, _LAST):
            raise _corrupt(path, offset, "begins in the middle of another")
        if parts and part in (_WHOLE, _FIRST):
            raise _corrupt(path, offset, "is followed by another before it ends")
        parts.append(content)
        if part in (_WHOLE, _LAST):
            return struct.pack("<I", MAGIC).join(parts)


def _part(file: BinaryIO, path: Path) -> tuple[int, bytes]:
    offset = file.tell()
    head = file.read(8)
    if len(head) < 8:
        raise _corrupt(path, offset, "is cut short")
    magic, told = struct.unpack("<II", head)
    if magic != MAGIC:
        raise _corrupt(path, offset, f"begins with {magic:#010x} instead of {MAGIC:#010x}")
    length, part = told & 0x1FFFFFFF, told >> 29
    if part > _LAST:
        raise _corrupt(path, offset, f"is a part of kind {part}, which there is not")
    content = file.read(length + -length % 4)
    if len(content) < length:
        raise _corrupt(path, offset, f"states {length} bytes and has {len(content)}")
    return part, content[:length]


def _corrupt(path: Path, offset: int, what: str) -> DataError:
    return DataError(path, f"the record at byte {offset} {what}", _AGAIN)
