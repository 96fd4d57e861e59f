"""Every shipped card loads, says what it must, and fits the files that are here."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath

import pytest

from fusiform.core.errors import ChoiceError
from fusiform.hub import Card, shipped_cards

NAMES = ["dlib-hog", "dlib-points", "dlib-resnet", "yunet-n", "yunet-s"]
WITH_URL = [name for name, card in shipped_cards().items() if card.url]
WITH_FILE = [name for name, card in shipped_cards().items() if card.package_file]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_these_models_are_known() -> None:
    assert set(NAMES) <= set(shipped_cards())


@pytest.mark.parametrize("name", list(shipped_cards()))
def test_a_card_says_what_it_must(name: str) -> None:
    card = shipped_cards()[name]
    assert card.name == name
    assert card.title
    assert card.licence
    assert card.training_data
    assert card.url or card.package
    assert card.url.startswith("https://") or not card.url
    assert all(
        threshold.low <= threshold.similarity <= threshold.high for threshold in card.thresholds
    )
    assert bool(card.thresholds) == bool(card.thresholds_source)
    if card.kind == "embedder":
        assert card.size
        assert card.dim
        assert card.template


@pytest.mark.parametrize("name", list(shipped_cards()))
def test_a_card_survives_its_own_json(name: str) -> None:
    card = shipped_cards()[name]
    assert Card.from_json(card.to_json()) == card


@pytest.mark.parametrize("name", WITH_URL)
def test_a_download_is_the_public_file(name: str, public_models: Path) -> None:
    card = shipped_cards()[name]
    path = public_models / PurePosixPath(card.url).name
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the public weights here")
    assert (digest(path), path.stat().st_size) == (card.sha256, card.bytes)


@pytest.mark.parametrize("name", WITH_FILE)
def test_a_package_holds_the_file(name: str) -> None:
    card = shipped_cards()[name]
    path = Path(str(metadata.distribution(card.package).locate_file(card.package_file)))
    assert (digest(path), path.stat().st_size) == (card.sha256, card.bytes)


@pytest.mark.parametrize(
    ("key", "value"), [("kind", "oracle"), ("colour", "CMYK"), ("threshold", [])]
)
def test_a_wrong_card_is_refused(key: str, value: object) -> None:
    values = {"name": "x", "kind": "detector", "family": "yunet", "title": "x"}
    text = json.dumps(values | {"licence": "x", "training_data": "x", key: value})
    with pytest.raises(ChoiceError, match=key):
        Card.from_json(text)


def test_importing_the_hub_starts_no_library_and_no_network_module() -> None:
    code = "import sys, fusiform.hub; print({'onnxruntime', 'dlib', 'ssl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
