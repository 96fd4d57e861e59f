"""seal, unseal and reembed, as typed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fusiform.app.cli import app
from fusiform.core.errors import GalleryError
from fusiform.core.faces import Faces
from fusiform.gallery import Photo, Store, WrongKey, regroup


@pytest.fixture
def album(tmp_path, monkeypatch):
    for name in ("FUSIFORM_PASSPHRASE", "FUSIFORM_KEY_FILE", "FUSIFORM_NEW_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FUSIFORM_GALLERY", str(tmp_path / "album.db"))
    with Store(tmp_path / "album.db") as store:
        store.use_models("dlib-hog", "dlib-resnet", "ab" * 32)
        for i in range(6):
            vector = np.random.default_rng(i % 2).normal(size=(1, 128)).astype(np.float32)
            vector /= np.linalg.norm(vector)
            faces = Faces(np.ones((1, 4)), np.ones(1), np.ones((1, 5, 2)), vector)
            store.add_photo(Photo(f"{i:064x}", f"/photos/{i}.jpg", i, i, 9, 9), faces)
        regroup(store, 0.9)
    return tmp_path / "album.db"


def told(*words: str) -> dict[str, object]:
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def test_a_passphrase_and_another(album, monkeypatch):
    monkeypatch.setenv("FUSIFORM_NEW_PASSPHRASE", "one")
    assert told("seal") == {"key": "passphrase", "templates": 6, "crops": 0, "proven": True}
    with pytest.raises(GalleryError, match="is sealed"):
        told("people")
    monkeypatch.setenv("FUSIFORM_PASSPHRASE", "one")
    assert len(told("people")) == 2
    monkeypatch.setenv("FUSIFORM_NEW_PASSPHRASE", "two")
    assert told("seal")["templates"] == 0
    with pytest.raises(WrongKey):
        told("people")
    monkeypatch.setenv("FUSIFORM_PASSPHRASE", "two")
    assert told("unseal") == {"key": None, "templates": 6, "crops": 0, "proven": True}
    monkeypatch.delenv("FUSIFORM_PASSPHRASE")
    assert len(told("people")) == 2


def test_a_key_file_is_made_and_used(album, tmp_path, monkeypatch):
    file = tmp_path / "own.key"
    done = CliRunner().invoke(app, ["seal", "--key-file", str(file)], catch_exceptions=False)
    assert "sealed: 6 templates" in done.stdout
    assert "keep" in done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("FUSIFORM_KEY_FILE", str(file))
    assert len(told("people")) == 2


def test_nobody_there_to_type(album):
    with pytest.raises(GalleryError, match="Nobody is here to type"):
        told("seal")


def test_reembed_names_the_embedders_there_are(album):
    done = CliRunner().invoke(app, ["reembed", "foo"])
    assert done.exit_code == 1
    known = "model must be one of 'dlib-resnet', 'the path of an ONNX file'. Got 'foo'."
    assert str(done.exception) == known


def test_reembed_refuses_what_does_not_go_together(album):
    done = CliRunner().invoke(app, ["reembed", "dlib-resnet", "--drop", "--switch"])
    assert done.exit_code == 1
    assert "without --switch" in str(done.exception)
