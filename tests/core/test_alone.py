"""One run at a time in a folder."""

import pytest

from fusiform.core.alone import alone
from fusiform.core.errors import FusiformError


def test_another_run_is_refused_until_this_one_ends(tmp_path):
    with alone(tmp_path), pytest.raises(FusiformError, match="Another run is writing to"):
        alone(tmp_path).__enter__()
    with alone(tmp_path):
        pass


def test_it_ends_with_an_error_too(tmp_path):
    with pytest.raises(ValueError, match="mine"), alone(tmp_path):
        raise ValueError("mine")
    with alone(tmp_path):
        pass
