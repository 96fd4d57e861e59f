"""Published face systems as small programs, each with experiments that measure its claim.

A file `FAMILY/ID.py` composes the library's parts; `claims.py` says what a claim is, `evidence.py`
runs one and keeps what was found, `report.py` makes docs/papers.md. Shared set-ups of experiments
are the files whose names begin with `_`.
"""
