"""Where models are found, and what is said when they are not whole."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from hashlib import sha256
from importlib import metadata, resources
from pathlib import Path
from typing import Any, NoReturn

import pytest

from fusiform.core.errors import ChoiceError, ModelDamaged, ModelMissing
from fusiform.hub import available, check, files, home, locate, open_session, shipped_cards, store
from fusiform.hub.files import file_hash

YUNET = shipped_cards()["yunet-s"]
RESNET = shipped_cards()["dlib-resnet"]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path / "дом 家"))
    return tmp_path / "дом 家"


@pytest.fixture
def no_hashing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it, and from then on reading a whole file for its hash is an error."""

    def refuse(path: Path) -> NoReturn:
        raise AssertionError(f"{path} was read again")

    return lambda: monkeypatch.setattr(files, "read_hash", refuse)


def put(source: Path, home: Path, name: str = "yunet-s") -> Path:
    target = home / "models" / f"{name}.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def states() -> dict[str, str]:
    return {card.name: state for card, state in available()}


def test_home_is_the_users_folder_unless_told(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home() == own_home
    monkeypatch.delenv("FUSIFORM_HOME")
    assert home() == Path.home() / ".fusiform"


def test_missing_weights_name_the_command_the_address_and_the_hash() -> None:
    with pytest.raises(ModelMissing) as caught:
        locate("yunet-s")
    for part in ("fusiform pull yunet-s", YUNET.url, YUNET.sha256, "--from FILE"):
        assert part in str(caught.value)
    assert states()["yunet-s"] == check(YUNET) == "missing"


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ChoiceError, match=r"'dlib-hog'.*'yunet-s'.*Got 'yolo'"):
        locate("yolo")


def test_weights_in_the_store_are_read_for_their_hash_only_once(
    own_home: Path, public_models: Path, no_hashing: Any
) -> None:
    path = put(public_models / "yunet_s_dynamic.onnx", own_home)
    assert locate("yunet-s") == store.Model(YUNET, path)
    states()
    no_hashing()
    assert locate("yunet-s").data == path
    assert states()["yunet-s"] == "ready"


@pytest.mark.parametrize("keep", [0, 1000])
def test_half_a_file_is_damaged(own_home: Path, public_models: Path, keep: int) -> None:
    path = put(public_models / "yunet_s_dynamic.onnx", own_home)
    locate("yunet-s")
    os.truncate(path, keep)
    with pytest.raises(ModelDamaged, match="fusiform pull yunet-s"):
        locate("yunet-s")
    assert states()["yunet-s"] == check(YUNET) == "damaged"


def test_a_change_that_keeps_size_and_time_is_found_by_a_check(
    own_home: Path, public_models: Path
) -> None:
    path = put(public_models / "yunet_s_dynamic.onnx", own_home)
    locate("yunet-s")
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states()["yunet-s"] == "ready"
    assert check(YUNET) == "damaged"
    with pytest.raises(ModelDamaged):
        locate("yunet-s")


def test_extra_folders_are_searched_and_never_written(
    own_home: Path, tmp_path: Path, public_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        folder.mkdir()
    shutil.copyfile(public_models / "yunet_s_dynamic.onnx", full / "yunet_s_dynamic.onnx")
    shutil.copyfile(public_models / "yunet_n_dynamic.onnx", full / "yunet-n.onnx")
    monkeypatch.setenv("FUSIFORM_MODELS", os.pathsep.join(map(str, (empty, full))))
    assert locate("yunet-s").data == full / "yunet_s_dynamic.onnx"
    assert locate("yunet-n").data == full / "yunet-n.onnx"
    assert sorted(p.name for p in full.iterdir()) == ["yunet-n.onnx", "yunet_s_dynamic.onnx"]
    assert not list(empty.iterdir())
    assert not list(own_home.rglob("*.onnx"))


def test_models_of_packages_need_no_store(own_home: Path) -> None:
    assert locate("dlib-hog").data is None
    points = locate("dlib-points").data
    assert isinstance(points, Path)
    assert points.name == "shape_predictor_5_face_landmarks.dat"
    assert check(shipped_cards()["dlib-points"]) == check(shipped_cards()["dlib-hog"]) == "ready"


def test_a_missing_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    for name in ("dlib-hog", "dlib-points", "dlib-resnet"):
        with pytest.raises(ModelMissing, match="pip install"):
            locate(name)
        assert states()[name] == "missing"


def test_a_model_of_our_own_comes_with_fusiform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by its place, not in a list of files, which an editable install does not have."""
    notes = resources.files("fusiform").joinpath("py.typed")
    digest = sha256(notes.read_bytes()).hexdigest()
    own = replace(RESNET, name="own", package="fusiform", package_file="py.typed", sha256=digest)
    gone = replace(own, name="gone", package_file="hub/weights/gone.onnx")
    cards = {card.name: card for card in (own, gone)}
    monkeypatch.setattr(store, "shipped_cards", lambda: cards)
    assert states() == {"own": "ready", "gone": "missing"}
    with pytest.raises(ModelMissing, match=r"weights.gone\.onnx is missing\. Run `pip install"):
        locate("gone")


def test_dlibs_network_is_converted_once(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, no_hashing: Any
) -> None:
    first = locate("dlib-resnet")
    assert first.data == own_home / "models" / "dlib-resnet.onnx"
    assert first.card.sha256 == RESNET.sha256
    monkeypatch.setattr(store, "dlib_to_onnx", None)
    locate("dlib-resnet")
    no_hashing()
    assert locate("dlib-resnet") == first


@pytest.mark.parametrize("damage", ["half", "changed", "other version", "no note"])
def test_a_damaged_conversion_is_made_again(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    path = locate("dlib-resnet").data
    assert isinstance(path, Path)
    whole = file_hash(path, fresh=True)
    note = path.with_suffix(".json")
    if damage == "half":
        os.truncate(path, 5000)
    elif damage == "changed":
        path.write_bytes(b"x" * path.stat().st_size)
    elif damage == "no note":
        note.unlink()
    else:
        note.write_text(json.dumps(json.loads(note.read_text()) | {"conversion": 0}))
    assert locate("dlib-resnet").data == path
    assert file_hash(path, fresh=True) == whole
    assert json.loads(note.read_text())["conversion"] == store.CONVERSION


def test_without_a_writable_store_the_conversion_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path / "file" / "home"))
    data = locate("dlib-resnet").data
    assert isinstance(data, bytes)
    assert open_session(data).outputs[0].name == "descriptors"


def test_a_full_disk_keeps_the_conversion_in_memory_and_leaves_no_half_file(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(part: Path, path: Path) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "publish", full)
    assert isinstance(locate("dlib-resnet").data, bytes)
    left = {p.name for p in (own_home / "models").iterdir()}
    assert left <= {"dlib-resnet.onnx.lock"}


def test_an_unreadable_note_of_hashes_only_costs_time(own_home: Path, public_models: Path) -> None:
    path = put(public_models / "yunet_s_dynamic.onnx", own_home)
    for text in ("", "{", "[1]", '{"a": 1}'):
        (own_home / "models" / "hashes.json").write_text(text)
        assert locate("yunet-s").data == path
