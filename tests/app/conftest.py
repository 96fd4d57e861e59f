"""The command line in this process, over a gallery of its own."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fusiform.app.cli import app


@pytest.fixture
def invoke(copied):
    """invoke("people"): (exit code, stdout, stderr) over a copy of the album's gallery."""

    def answer(*words: object, answers: str = "") -> tuple[int, str, str]:
        env = {"FUSIFORM_GALLERY": str(copied)}
        told = list(map(str, words))
        done = CliRunner().invoke(app, told, env=env, input=answers, catch_exceptions=False)
        return done.exit_code, done.stdout, done.stderr

    answer.gallery = copied
    return answer
