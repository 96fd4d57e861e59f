from __future__ import annotations

import copy
import inspect

import pytest

from fusiform.core import errors
from fusiform.core.errors import ChoiceError, DamagedPicture, FusiformError, PictureError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_caught_by_the_base_and_drawn_in_the_tree(kind: type) -> None:
    assert issubclass(kind, FusiformError)
    assert kind.__name__ in (errors.__doc__ or "")


def test_tree_drawn_is_the_tree_there_is() -> None:
    lines = inspect.cleandoc(errors.__doc__ or "").splitlines()
    tree = [line for line in lines if "── " in line or line == "FusiformError"]
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in tree:
        bare = line.lstrip(" │├└─")
        depth, name = len(line) - len(bare), bare.split()[0]
        above = [(d, n) for d, n in above if d < depth]
        drawn[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    assert drawn == {c.__name__: c.__mro__[1].__name__ for c in CLASSES}


def test_choice_error_is_one_sentence_and_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"^kind must be one of 'a', 'b'\. Got 'c'\.$"):
        raise ChoiceError("kind", ("a", "b"), "c")
    assert str(ChoiceError("n", "at least 1", 0)) == "n must be at least 1. Got 0."


def test_picture_error_names_file_reason_and_remedy() -> None:
    error = DamagedPicture("a b.jpg", "is empty", "copy it again")
    assert str(error) == "a b.jpg: is empty; copy it again"
    assert (error.source, error.reason, error.remedy) == ("a b.jpg", "is empty", "copy it again")


def test_picture_error_can_be_copied() -> None:
    error = copy.copy(DamagedPicture("x", "y", "z"))
    assert type(error) is DamagedPicture
    assert isinstance(error, PictureError)
    assert str(error) == "x: y; z"
