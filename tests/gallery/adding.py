"""Adds photos to a gallery without end, in a new process for every line read.

Run by test_kill.py as `python adding.py GALLERY`; prints "began PID", then the number of every
photo that is stored, then "ended" when the process is gone. A line "hold" only takes the lock.
"""

from __future__ import annotations

import itertools
import os
import sys
import time

import numpy as np

from fusiform.core.faces import Faces
from fusiform.gallery import Photo, Store


def add(path: str, hold: bool) -> None:
    with Store(path) as store, store.lock_for_indexing(wait=5):
        store.use_models("detector", "embedder", "ab" * 32)
        if hold:
            print("held", flush=True)
            time.sleep(600)
        for i in itertools.count():
            if not store.seen(f"/photos/{i}.jpg", i, i):
                store.add_photo(photo(i), faces(i))
                os.write(1, f"{i}\n".encode())  # all of the line or nothing


def photo(i: int) -> Photo:
    return Photo(f"{i:064x}", f"/photos/{i}.jpg", i, i, 640, 480)


def faces(i: int) -> Faces:
    n = i % 5
    vectors = np.random.default_rng(i).normal(size=(n, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Faces(np.ones((n, 4)), np.ones(n), np.ones((n, 5, 2)), vectors)


for line in sys.stdin:
    child = os.fork()
    if not child:
        add(sys.argv[1], hold=line.strip() == "hold")
    print("began", child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
