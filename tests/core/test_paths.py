"""`picture_paths`: which files a folder gives, in which order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusiform.core.errors import PictureError
from fusiform.core.pictures import picture_paths


def fail(error: PictureError) -> None:
    raise error


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path, *starts: Path) -> list[str]:
    paths = picture_paths(starts or [folder], on_error=fail)
    return [path.relative_to(folder).as_posix() for path in paths]


def test_pictures_in_sorted_order_depth_first(tmp_path) -> None:
    touch(tmp_path, "c.JPG", "a.png", "b/2.heic", "b/1.webp", "b/x/0.tiff", "d.gif", "é.avif")
    wanted = ["a.png", "b/1.webp", "b/2.heic", "b/x/0.tiff", "c.JPG", "d.gif", "é.avif"]
    assert found(tmp_path) == wanted


def test_other_and_hidden_files_are_left_out(tmp_path) -> None:
    touch(tmp_path, "a.jpg", "a.txt", "a.mp4", "a.jpg.part", "jpg", ".a.jpg", ".trash/b.jpg")
    touch(tmp_path, "family.db", "family.db-wal", ".jpg")
    assert found(tmp_path) == ["a.jpg"]


def test_a_named_file_comes_whatever_its_suffix(tmp_path) -> None:
    touch(tmp_path, "scan", ".hidden.jpg")
    assert found(tmp_path, tmp_path / "scan", tmp_path / ".hidden.jpg") == ["scan", ".hidden.jpg"]
    assert list(picture_paths([str(tmp_path / "scan")], on_error=fail)) == [tmp_path / "scan"]


def test_links_that_go_round_end(tmp_path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "twin").symlink_to(tmp_path / "a")
    assert sorted(os.path.basename(p) for p in found(tmp_path)) == ["1.jpg", "2.jpg"]


def test_a_linked_folder_outside_is_entered(tmp_path) -> None:
    touch(tmp_path, "outside/1.jpg")
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "link").symlink_to(tmp_path / "outside")
    assert found(tmp_path, tmp_path / "album") == ["album/link/1.jpg"]


def test_what_is_missing_is_reported_and_the_rest_goes_on(tmp_path) -> None:
    touch(tmp_path, "a.jpg", "in/b.jpg")
    (tmp_path / "in" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    errors: list[PictureError] = []
    starts = [tmp_path / "missing", tmp_path / "in", "a\0b", tmp_path / "a.jpg"]
    names = [path.name for path in picture_paths(starts, on_error=errors.append)]
    assert names == ["b.jpg", "a.jpg"]
    assert [error.reason.split(" (")[0] for error in errors] == [
        "does not exist",
        "is a link to a file that is gone",
        "cannot be read",
    ]


def test_an_unreadable_folder_is_reported(tmp_path, monkeypatch) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    scandir = os.scandir

    def guarded(path: Path):
        if Path(path).name == "a":  # root may read anything, so chmod is no test
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    errors: list[PictureError] = []
    assert [p.name for p in picture_paths([tmp_path], on_error=errors.append)] == ["2.jpg"]
    assert "may not be read" in str(errors[0])


@given(
    st.lists(
        st.text(
            st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), max_size=8
        ),
        max_size=8,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_visible_name_once(tmp_path_factory: pytest.TempPathFactory, names) -> None:
    folder = tmp_path_factory.mktemp("names")
    wanted = {f"{name}.jpg" for name in names if not f"{name}.jpg".startswith(".")}
    touch(folder, *wanted)
    paths = list(picture_paths([folder], on_error=fail))
    assert {path.name for path in paths} == set(os.listdir(folder))
    assert len(paths) == len(wanted)
    assert paths == sorted(paths)
